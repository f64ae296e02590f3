// weights.c: see weights.h.
#include "weights.h"

#include <fnmatch.h>
#include <string.h>

#include "io/names.h"

#define REPORTED 3 // tensors named in the one line; the rest is a count

typedef struct {
    const char *canonical;
    const TensorEntry *entry;
    bool taken;
} Stored;

struct Weights {
    Arena *arena;
    const char *where; // for messages
    bool dry;
    // from files
    Tensors *files;
    Stored *stored;
    size_t stored_count;
    Names names;
    const char *const *ignored;
    size_t ignored_count;
    // from memory
    const Weight *given;
    Names given_names;
    // everything taken
    Weight *list;
    size_t count, room;
    const char *problems[REPORTED];
    size_t problem_count;
};

static const char *skip_prefix(const char *name, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

// models.md 4: leftovers of wrappers first, then the family's table (longest prefix), then very old norm names.
static const char *canonical_name(Arena *a, const char *stored, const Rename *renames, size_t count) {
    static const char *const wrappers[] = {"module.", "_orig_mod.", "base_model.model."};
    const char *name = stored;
    for (size_t i = 0; i < 3; i++) {
        const char *rest = skip_prefix(name, wrappers[i]);
        if (rest) {
            name = rest;
            break;
        }
    }
    const Rename *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (skip_prefix(name, renames[i].from) && (!best || strlen(renames[i].from) > strlen(best->from))) best = &renames[i];
    if (best) name = arena_print(a, "%s%s", best->to, name + strlen(best->from));
    size_t n = strlen(name);
    if (n > 16 && strcmp(name + n - 16, ".LayerNorm.gamma") == 0) name = arena_print(a, "%.*sweight", (int)n - 5, name);
    else if (n > 15 && strcmp(name + n - 15, ".LayerNorm.beta") == 0) name = arena_print(a, "%.*sbias", (int)n - 4, name);
    return name;
}

static bool same_content(const TensorEntry *a, const TensorEntry *b) {
    if (a->dtype != b->dtype || a->ndim != b->ndim || a->size != b->size) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return memcmp(a->bytes, b->bytes, a->size) == 0;
}

Weights *weights_open(Arena *a, const char *dir, const Rename *renames, size_t rename_count, const char *const *ignored,
                      size_t ignored_count) {
    Weights *w = take_zero(a, Weights, 1);
    w->arena = a;
    w->where = arena_text(a, dir, strlen(dir));
    w->ignored = ignored;
    w->ignored_count = ignored_count;
    w->files = tensors_open(a, dir);
    size_t n = tensors_count(w->files);
    w->stored = take_zero(a, Stored, n);
    for (size_t i = 0; i < n; i++) {
        const TensorEntry *e = tensors_at(w->files, i);
        w->stored[w->stored_count] = (Stored){.canonical = canonical_name(a, e->name, renames, rename_count), .entry = e};
        const Stored *twin = names_add(&w->names, a, w->stored, sizeof *w->stored);
        if (!twin) w->stored_count++;
        else need(same_content(twin->entry, e), "%s: \"%s\" and \"%s\" mean the same parameter but differ", e->path, twin->entry->name, e->name);
    }
    return w;
}

Weights *weights_dry(Arena *a, const char *where) {
    Weights *w = take_zero(a, Weights, 1);
    w->arena = a;
    w->where = arena_text(a, where, strlen(where));
    w->dry = true;
    return w;
}

Weights *weights_memory(Arena *a, const Weight *list, size_t count) {
    Weights *w = take_zero(a, Weights, 1);
    w->arena = a;
    w->where = "memory";
    w->given = list;
    w->given_names = names_build(a, list, sizeof *list, count, "memory", "parameter");
    return w;
}

static void problem(Weights *w, const char *format, ...) PRINTF_LIKE(2, 3);
static void problem(Weights *w, const char *format, ...) {
    if (w->problem_count < REPORTED) {
        va_list list;
        va_start(list, format);
        w->problems[w->problem_count] = arena_vprint(w->arena, format, list);
        va_end(list);
    }
    w->problem_count++;
}

static Tensor check_shape(Weights *w, Tensor found, int ndim, const long *shape, const char *name) {
    bool same = found.ndim == ndim || (ndim == 0 && tensor_count(found) == 1);
    for (int i = 0; same && i < ndim; i++) same = found.shape[i] == shape[i];
    if (!same) {
        char have[128], want[128];
        problem(w, "\"%s\" is %s, the configuration wants %s", name, tensor_shape_text(found, have),
                ndim ? tensor_shape_text(tensor_of(NULL, DTYPE_F32, ndim, shape), want) : "one number");
    }
    return found;
}

static Tensor from_file(Weights *w, const char *name, int ndim, const long *shape, Tensor wanted) {
    const Stored *found = names_find(&w->names, name);
    if (!found) {
        problem(w, "\"%s\" is missing", name);
        return wanted;
    }
    w->stored[found - w->stored].taken = true;
    const TensorEntry *e = found->entry;
    if (e->dtype != DTYPE_F32 && e->dtype != DTYPE_BF16 && e->dtype != DTYPE_F16) {
        problem(w, "\"%s\" is stored as %s; F32, BF16 and F16 can be computed with", name, dtype_name(e->dtype));
        return wanted;
    }
    if (e->ndim > DIMS_MAX) {
        problem(w, "\"%s\" has %d dimensions", name, e->ndim);
        return wanted;
    }
    long dims[DIMS_MAX] = {1};
    for (int i = 0; i < e->ndim; i++) dims[i] = (long)e->shape[i];
    void *bytes = (void *)(uintptr_t)e->bytes;
    if ((uintptr_t)bytes % dtype_size(e->dtype) != 0) { // a file whose header was not padded
        bytes = arena_take(w->arena, e->size, 1);
        memcpy(bytes, e->bytes, e->size);
    }
    return check_shape(w, tensor_of(bytes, e->dtype, e->ndim ? e->ndim : 1, dims), ndim, shape, name);
}

Tensor weights_take(Weights *w, int ndim, const long *shape, const char *format, ...) {
    va_list list;
    va_start(list, format);
    const char *name = arena_vprint(w->arena, format, list);
    va_end(list);
    for (int d = 0; d < ndim; d++) need(shape[d] >= 0, "%s: the sizes of its config.json give \"%s\" a dimension of %ld", w->where, name, shape[d]);
    static const long one[] = {1};
    Tensor t = tensor_of(NULL, DTYPE_F32, ndim ? ndim : 1, ndim ? shape : one);
    if (w->given) {
        const Weight *given = names_find(&w->given_names, name);
        if (!given) problem(w, "\"%s\" is missing", name);
        else t = check_shape(w, given->tensor, ndim, shape, name);
    } else if (!w->dry) {
        t = from_file(w, name, ndim, shape, t);
    }
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 256;
        w->list = arena_grow(w->arena, w->list, w->count, room, sizeof *w->list);
        w->room = room;
    }
    w->list[w->count++] = (Weight){.name = name, .tensor = t, .scalar = ndim == 0};
    return t;
}

bool weights_has(const Weights *w, bool if_dry, const char *format, ...) {
    if (w->dry) return if_dry;
    Mark mark = arena_mark(w->arena);
    va_list list;
    va_start(list, format);
    bool found = names_find(w->given ? &w->given_names : &w->names, arena_vprint(w->arena, format, list));
    va_end(list);
    arena_release(w->arena, mark);
    return found;
}

Tensor weights_peek(const Weights *w, const char *name) {
    if (w->given) {
        const Weight *given = names_find(&w->given_names, name);
        return given ? given->tensor : NO_TENSOR;
    }
    const Stored *found = w->dry ? NULL : names_find(&w->names, name);
    if (!found || found->entry->ndim < 1 || found->entry->ndim > DIMS_MAX) return NO_TENSOR;
    long dims[DIMS_MAX];
    for (int i = 0; i < found->entry->ndim; i++) dims[i] = (long)found->entry->shape[i];
    return tensor_of(NULL, found->entry->dtype, found->entry->ndim, dims);
}

// models.md 1, item 6: leftovers that no family reads.
static bool is_ignored(const Weights *w, const char *name) {
    static const char *const all[] = {"*position_ids", "*rotary_emb.inv_freq", "*.attn.masked_bias", "*.attn.bias", "*embeddings.mask_token", "mtp.*"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (fnmatch(all[i], name, 0) == 0) return true;
    for (size_t i = 0; i < w->ignored_count; i++)
        if (fnmatch(w->ignored[i], name, 0) == 0) return true;
    return false;
}

void weights_finish(Weights *w) {
    for (size_t i = 0; i < w->stored_count; i++)
        if (!w->stored[i].taken && !is_ignored(w, w->stored[i].canonical))
            problem(w, "\"%s\" is left over: this architecture does not read it", w->stored[i].entry->name);
    if (w->problem_count == 0) return;
    const char *line = w->problems[0];
    for (size_t i = 1; i < w->problem_count && i < REPORTED; i++) line = arena_print(w->arena, "%s; %s", line, w->problems[i]);
    if (w->problem_count > REPORTED) die("%s: %s; and %zu more; the weights do not belong to this config.json", w->where, line, w->problem_count - REPORTED);
    die("%s: %s; the weights do not belong to this config.json", w->where, line);
}

size_t weights_list(const Weights *w, const Weight **list) {
    *list = w->list;
    return w->count;
}

uint64_t weights_parameters(const Weights *w) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->count; i++) n += tensor_count(w->list[i].tensor);
    return n;
}

bool weights_are_dry(const Weights *w) { return w->dry; }

bool weights_in_memory(const Weights *w) { return w->given != NULL; }
