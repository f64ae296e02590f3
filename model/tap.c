// tap.c: see tap.h. A Taps is either a listing (a dry run fills it) or a set of questions about a listing.
#include "tap.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "io/names.h"
#include "io/option.h" // nearest_name
#include "kernels.h"   // conversions

typedef struct Reader {
    TapSink *sink;
    void *arg;
    struct Reader *next;
} Reader;

typedef struct {
    Reader *readers;
    Tensor with; // NO_TENSOR: not replaced
    bool served; // in this forward
} Question;

struct Taps {
    Arena *arena;
    TapInfo *list; // in the order of the forward pass
    size_t count, room;
    Names names;
    bool listing;
    // asking
    Question *questions; // one per listed tap
    size_t asked, due;   // taps with a question; those not yet served in this forward
    TapInfo *asked_list;
    const TapAlias *aliases;
    size_t alias_count;
};

// Place of a name in the list, or count when it is not there.
static size_t find(const Taps *t, const char *name) {
    const TapInfo *found = names_find(&t->names, name);
    return found ? (size_t)(found - t->list) : t->count;
}

static void list_add(Taps *t, const char *name, Tensor x) {
    if (names_find(&t->names, name)) return; // called again: the first call counts
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 256;
        t->list = arena_grow(t->arena, t->list, t->count, room, sizeof *t->list);
        t->room = room;
    }
    x.data = NULL;
    x.node = 0;
    t->list[t->count++] = (TapInfo){.name = arena_text(t->arena, name, strlen(name)), .shape = x};
    names_add(&t->names, t->arena, t->list, sizeof *t->list);
}

static void copy_in(Run *run, Tensor x, Tensor with, const char *name) {
    need(with.dtype == DTYPE_F32 || with.dtype == DTYPE_BF16 || with.dtype == DTYPE_F16,
         "%s: a replacement of type %s; f32, bf16 and f16 are possible", name, dtype_name(with.dtype));
    RunMark mark = run_mark(run);
    if (with.dtype != DTYPE_F32) {
        float *wide = take(run->arena, float, tensor_count(x));
        widen(wide, with.data, with.dtype, tensor_count(x));
        with.data = wide;
    }
    run_write(run, x, f32(with));
    run_release(run, mark);
}

void tap_name(char name[TAP_NAME], const char *format, va_list list) {
    int n = vsnprintf(name, TAP_NAME, format, list);
    need(n > 0 && n < TAP_NAME, "a tap's name of %d characters", n);
}

Tensor tap_named(Run *run, Tensor x, const char *format, ...) {
    char name[TAP_NAME];
    va_list list;
    va_start(list, format);
    tap_name(name, format, list);
    va_end(list);
    Taps *t = run->taps;
    if (t->listing) {
        list_add(t, name, x);
        return x;
    }
    size_t place = find(t, name);
    need(place < t->count, "the tap %s is reached, but the dry run did not list it", name);
    Question *q = &t->questions[place];
    if (q->served || (!q->readers && !tensor_given(q->with))) return x;
    q->served = true;
    if (tensor_given(q->with)) {
        char have[128], want[128];
        need(tensor_same_shape(q->with, x), "%s: the replacement is %s, the tap is %s", name, tensor_shape_text(q->with, have),
             tensor_shape_text(x, want));
        if (!run->dry) copy_in(run, x, q->with, name);
    }
    if (q->readers) {
        Arena *copies = run->device->memory ? arena_new("a tap's copy") : NULL; // not the run's: readers may keep things there
        Tensor seen = copies ? run_read(&(Run){.arena = copies, .device = run->device, .dry = run->dry}, x) : x;
        for (Reader *r = q->readers; r; r = r->next) r->sink(r->arg, t->list[place].name, seen);
        arena_free(copies);
    }
    if (--t->due == 0 && run->finish) longjmp(*run->finish, 1);
    return x;
}

bool tap_wanted(const Run *run, const char *format, ...) {
    if (!run->taps) return false;
    if (run->taps->listing) return true;
    char name[TAP_NAME];
    va_list list;
    va_start(list, format);
    tap_name(name, format, list);
    va_end(list);
    size_t place = find(run->taps, name);
    if (place == run->taps->count) return false;
    const Question *q = &run->taps->questions[place];
    return !q->served && (q->readers || tensor_given(q->with));
}

bool tap_wanted_below(const Run *run, const char *format, ...) {
    const Taps *t = run->taps;
    if (!t) return false;
    if (t->listing) return true;
    char name[TAP_NAME];
    va_list list;
    va_start(list, format);
    tap_name(name, format, list);
    va_end(list);
    size_t n = strlen(name);
    for (size_t i = 0; i < t->count; i++) {
        const Question *q = &t->questions[i];
        if (q->served || (!q->readers && !tensor_given(q->with))) continue;
        const char *c = t->list[i].name;
        if (strncmp(c, name, n) == 0 && (c[n] == 0 || c[n] == '.' || c[n] == '#')) return true;
    }
    return false;
}

// (B, P, C) to (B, C, P) or back
static void swap_axes(Run *run, Tensor out, Tensor x, long B, long P, long C) {
    for (long b = 0; !run->dry && b < B; b++)
        run->device->transpose(tensor_of(f32(out) + b * P * C, DTYPE_F32, DIMS(C, P)), tensor_of(f32(x) + b * P * C, DTYPE_F32, DIMS(P, C)));
}

Tensor tap_module(Run *run, Tensor x, const char *prefix) {
    size_t n = strlen(prefix);
    return n ? tap(run, x, "%.*s", (int)n - 1, prefix) : x;
}

Tensor tap_channels_first(Run *run, Tensor x, long GH, long GW, const char *format, ...) {
    if (!run->taps) return x;
    char name[TAP_NAME];
    va_list list;
    va_start(list, format);
    tap_name(name, format, list);
    va_end(list);
    if (!tap_wanted(run, "%s", name)) return x;
    long B = x.shape[0], P = x.shape[1], C = x.shape[2];
    Tensor turned = run_tensor(run, DTYPE_F32, DIMS(B, C, GH, GW));
    swap_axes(run, turned, x, B, P, C);
    turned = tap_named(run, turned, "%s", name);
    swap_axes(run, x, turned, B, C, P);
    return x;
}

Taps *taps_listing(Arena *a) {
    Taps *t = take_zero(a, Taps, 1);
    t->arena = a;
    t->listing = true;
    return t;
}

size_t taps_listed(const Taps *t, const TapInfo **list) {
    *list = t->list;
    return t->count;
}

Taps *taps_asking(Arena *a, const Taps *listing, const TapAlias *aliases, size_t alias_count) {
    Taps *t = take(a, Taps, 1);
    *t = *listing;
    t->arena = a;
    t->listing = false;
    t->questions = take_zero(a, Question, t->count);
    t->asked_list = take_zero(a, TapInfo, t->count);
    t->aliases = aliases;
    t->alias_count = alias_count;
    return t;
}

// The pattern itself, then its readings through the aliases: returns how many taps matched.
static size_t match_all(Taps *t, const char *pattern, void (*found)(Taps *t, size_t place, void *arg), void *arg) {
    size_t matched = 0;
    for (size_t a = 0; a <= t->alias_count && matched == 0; a++) {
        const char *p = pattern;
        if (a > 0) {
            const TapAlias *alias = &t->aliases[a - 1];
            size_t n = strlen(alias->old_prefix);
            if (strncmp(pattern, alias->old_prefix, n) != 0) continue;
            p = arena_print(t->arena, "%s%s", alias->new_prefix, pattern + n);
        }
        for (size_t i = 0; i < t->count; i++)
            if (fnmatch(p, t->list[i].name, 0) == 0) {
                found(t, i, arg);
                matched++;
            }
    }
    return matched;
}

static void refresh(Taps *t) {
    t->asked = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->questions[i].readers) t->asked_list[t->asked++] = t->list[i];
    taps_begin(t);
}

static void add_reader(Taps *t, size_t place, void *arg) {
    Reader *given = arg, *r = take(t->arena, Reader, 1);
    *r = *given;
    r->next = t->questions[place].readers;
    t->questions[place].readers = r;
}

static _Noreturn void nothing_matches(Taps *t, const char *what, const char *pattern) {
    const char **names = take(t->arena, const char *, t->count);
    for (size_t i = 0; i < t->count; i++) names[i] = t->list[i].name;
    const char *near = nearest_name(pattern, names, t->count);
    for (size_t i = 0; !near && i < t->count; i++)
        if (strstr(names[i], pattern)) near = names[i];
    if (near) die_usage("%s %s: no tap of this name is reached with these inputs; did you mean %s? `retina info DIR --taps` lists them", what, pattern, near);
    die_usage("%s %s: no tap of this name is reached with these inputs; `retina info DIR --taps` lists all of the model (the first here is %s)", what, pattern,
              t->count ? names[0] : "none");
}

void taps_read(Taps *t, const char *pattern, TapSink *sink, void *arg) {
    Reader r = {.sink = sink, .arg = arg};
    if (match_all(t, pattern, add_reader, &r) == 0) nothing_matches(t, "--taps", pattern);
    refresh(t);
}

static void set_replacement(Taps *t, size_t place, void *arg) {
    Tensor with = *(Tensor *)arg;
    char have[128], want[128];
    need(tensor_same_shape(with, t->list[place].shape), "--replace %s: the tensor given is %s, the tap is %s", t->list[place].name,
         tensor_shape_text(with, have), tensor_shape_text(t->list[place].shape, want));
    t->questions[place].with = with;
}

void taps_replace(Taps *t, const char *name, Tensor with) {
    if (match_all(t, name, set_replacement, &with) == 0) nothing_matches(t, "--replace", name);
    refresh(t);
}

size_t taps_asked(const Taps *t, const TapInfo **list) {
    *list = t->asked_list;
    return t->asked;
}

void taps_begin(Taps *t) {
    t->due = 0;
    for (size_t i = 0; i < t->count; i++) {
        Question *q = &t->questions[i];
        q->served = false;
        if (q->readers || tensor_given(q->with)) t->due++;
    }
}

bool taps_done(const Taps *t) { return t->due == 0; }
