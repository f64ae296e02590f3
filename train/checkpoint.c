// checkpoint.c: see checkpoint.h.
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

struct Checkpoint {
    Arena *arena;
    Tensors *file;
    const char *path;
};

void checkpoint_save(Arena *a, const char *path, CheckpointHead head, const Device *device, const Weight *list, size_t count) {
    Mark mark = arena_mark(a);
    TensorPlan *plan = take_zero(a, TensorPlan, count);
    for (size_t i = 0; i < count; i++) {
        Tensor t = list[i].tensor;
        plan[i] = (TensorPlan){.name = list[i].name, .dtype = DTYPE_F32, .ndim = t.ndim};
        for (int d = 0; d < t.ndim; d++) plan[i].shape[d] = t.shape[d];
    }
    const char *stage = arena_print(a, "%d", head.stage), *step = arena_print(a, "%lld", (long long)head.step);
    const char *const metadata[] = {"format", "pt", "stage", stage, "step", step, "recipe", head.recipe, "notes", head.notes, NULL};
    TensorsWriter *w = tensors_create(a, path, plan, count, metadata);
    for (size_t i = 0; i < count; i++) {
        Mark one = arena_mark(a);
        size_t bytes = tensor_bytes(list[i].tensor);
        void *here = arena_take(a, bytes, 1);
        device->read(here, list[i].tensor.data, bytes);
        tensors_put(w, list[i].name, here, bytes);
        arena_release(a, one);
    }
    tensors_finish(w);
    arena_release(a, mark);
}

static int64_t number(const char *path, const char *what, const char *text) {
    char *end;
    long long n = strtoll(text, &end, 10);
    need(*text && *end == 0 && n >= 0, "%s: \"%s\" is no number of a %s; use --fresh", path, text, what);
    return n;
}

static const char *word_end(const char *c) { return c + strcspn(c, " "); }
static const char *word_next(const char *c) { return *word_end(c) ? word_end(c) + 1 : word_end(c); }
static bool same_word(const char *a, const char *b) { return word_end(a) - a == word_end(b) - b && strncmp(a, b, (size_t)(word_end(a) - a)) == 0; }

// "epochs 20 in it, 3 wanted; seed 1 in it, 2 wanted": words that differ, each behind the one before it.
static const char *difference(Arena *a, const char *written, const char *wanted) {
    const char *text = "", *before = "", *w = written, *o = wanted;
    for (; *w && *o; before = w, w = word_next(w), o = word_next(o))
        if (!same_word(w, o))
            text = arena_print(a, "%s%s%.*s %.*s in it, %.*s wanted", text, *text ? "; " : "", (int)(word_end(before) - before), before, (int)(word_end(w) - w), w, (int)(word_end(o) - o), o);
    return *w || *o ? arena_print(a, "\"%s\" in it, \"%s\" wanted", written, wanted) : text;
}

// A checkpoint that can be gone on from; else NULL, and why.
static Checkpoint *open_for(Arena *a, const char *path, const char *recipe, const char **why) {
    Checkpoint *c = take(a, Checkpoint, 1);
    *c = (Checkpoint){.arena = a, .path = path};
    Trap trap;
    if (!trap_set(&trap)) {
        *why = arena_print(a, "%s", trap.message);
        return NULL;
    }
    c->file = tensors_open(a, path);
    trap_end(&trap);
    const char *written = tensors_metadata(c->file, "recipe");
    if (written && tensors_metadata(c->file, "notes") && tensors_metadata(c->file, "stage") && tensors_metadata(c->file, "step")) {
        if (strcmp(written, recipe) == 0) return c;
        *why = arena_print(a, "%s: belongs to another recipe: %s", path, difference(a, written, recipe));
    } else {
        *why = arena_print(a, "%s: no checkpoint of a training run", path);
    }
    tensors_close(c->file);
    return NULL;
}

const char *checkpoint_unfit(Arena *a, const char *path, const char *recipe) {
    const char *why = NULL;
    Checkpoint *c = file_exists(path) ? open_for(a, path, recipe, &why) : NULL;
    if (c) tensors_close(c->file);
    return why;
}

Checkpoint *checkpoint_open(Arena *a, const char *path, const char *recipe, CheckpointHead *head) {
    if (!file_exists(path)) return NULL;
    const char *why;
    Checkpoint *c = open_for(a, path, recipe, &why);
    need(c, "%s; give what it was made with, start over with --fresh, or take another --out", why);
    const char *written = tensors_metadata(c->file, "recipe"), *notes = tensors_metadata(c->file, "notes");
    const char *stage = tensors_metadata(c->file, "stage"), *step = tensors_metadata(c->file, "step");
    *head = (CheckpointHead){.recipe = arena_text(a, written, strlen(written)), .notes = arena_text(a, notes, strlen(notes)),
                             .stage = (int)number(path, "stage", stage), .step = number(path, "step", step)};
    return c;
}

void checkpoint_read(Checkpoint *c, const Device *device, const Weight *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const TensorEntry *e = tensors_need(c->file, list[i].name);
        need(e->dtype == DTYPE_F32 && e->size == tensor_bytes(list[i].tensor), "%s: \"%s\" has another shape; use --fresh", c->path, e->name);
        device->write(list[i].tensor.data, e->bytes, e->size);
    }
    tensors_close(c->file);
}

size_t checkpoint_moments(Arena *a, const Adam *o, const char *const *names, Weight *list) {
    size_t n = tape_parameters(o->tape);
    for (size_t i = 0; i < n; i++) {
        Tensor p = tape_parameter_at(o->tape, i);
        p.node = 0;
        for (int k = 0; k < 2; k++) {
            list[2 * i + (size_t)k] = (Weight){.name = arena_print(a, "adam.%c.%s", "mv"[k], names[i]), .tensor = p};
            list[2 * i + (size_t)k].tensor.data = k ? o->v[i] : o->m[i];
        }
    }
    return 2 * n;
}
