// golden.c: see golden.h.
#include "golden.h"

#include <math.h>
#include <string.h>

#include "check.h"
#include "io/safetensors.h"

typedef struct {
    bool came;
    double distance;
    Tensor got; // the shape that came, when it was another
} Outcome;

struct Golden {
    Arena *arena;
    const char *path;
    const Tensors *file;
    GoldenTensor *all; // every F32 tensor, in file order
    size_t count;
    Tensor mask;  // i32 (B, T): rows of padding are not compared; NO_TENSOR: none
    size_t *taps; // places in `all`
    size_t tap_count;
    const char *optional; // names, each closed by '\n'
    Outcome *outcomes;    // one a tap
    const char **surplus; // taps that came and that the reference does not have
    size_t surplus_count;
};

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

// Metadata says "NAME#every" and "NAME#shape" for a tensor that is not stored whole.
static GoldenTensor tensor_read(Golden *g, const TensorEntry *e) {
    GoldenTensor t = {.name = e->name, .every = 1};
    const char *every = tensors_metadata(g->file, arena_print(g->arena, "%s#every", e->name));
    long shape[DIMS_MAX];
    int ndim = e->ndim;
    need(ndim <= DIMS_MAX, "%s: \"%s\" has %d dimensions", g->path, e->name, ndim);
    for (int i = 0; i < ndim; i++) shape[i] = (long)e->shape[i];
    if (every) {
        const char *text = tensors_metadata(g->file, arena_print(g->arena, "%s#shape", e->name));
        need(text, "%s: \"%s\" has a stride and no shape", g->path, e->name);
        const Json *dims = json_parse(g->arena, text, strlen(text), g->path);
        need(dims->kind == JSON_ARRAY && dims->count <= DIMS_MAX, "%s: \"%s#shape\" is %s", g->path, e->name, text);
        ndim = (int)dims->count;
        for (int i = 0; i < ndim; i++) shape[i] = (long)dims->items[i].integer;
        const Json *stride = json_parse(g->arena, every, strlen(every), g->path);
        t.every = (long)stride->integer;
        need(t.every > 0, "%s: \"%s#every\" is %s", g->path, e->name, every);
    }
    t.shape = tensor_of(NULL, DTYPE_F32, ndim, shape);
    size_t whole = tensor_count(t.shape);
    t.count = (whole + (size_t)t.every - 1) / (size_t)t.every;
    need(e->dtype == DTYPE_F32 && t.count * sizeof(float) == e->size, "%s: \"%s\" holds %zu bytes, not %zu values", g->path, e->name, e->size,
         t.count);
    float *values = take(g->arena, float, t.count);
    memcpy(values, e->bytes, e->size);
    t.values = values;
    return t;
}

Golden *golden_open(Arena *a, const char *path) {
    Golden *g = take_zero(a, Golden, 1);
    g->arena = a;
    g->path = arena_text(a, path, strlen(path));
    g->file = tensors_open(a, path);
    size_t n = tensors_count(g->file);
    g->all = take(a, GoldenTensor, n);
    g->taps = take(a, size_t, n);
    for (size_t i = 0; i < n; i++) {
        const TensorEntry *e = tensors_at(g->file, i);
        if (e->dtype != DTYPE_F32 || begins(e->name, "input/")) continue;
        if (!begins(e->name, "result/")) g->taps[g->tap_count++] = g->count;
        g->all[g->count++] = tensor_read(g, e);
    }
    need(g->tap_count > 0, "%s: no taps in this golden file; make it again with test/reference/make_goldens.py", path);
    const char *optional = tensors_metadata(g->file, "optional");
    g->optional = arena_print(a, "%s\n", optional ? optional : "");
    g->outcomes = take_zero(a, Outcome, g->tap_count);
    g->mask = golden_input(g, "attention_mask");
    return g;
}

const char *golden_path(const Golden *g) { return g->path; }

Tensor golden_input(const Golden *g, const char *name) {
    const TensorEntry *e = tensors_find(g->file, arena_print(g->arena, "input/%s", name));
    if (!e) return NO_TENSOR;
    long shape[DIMS_MAX];
    need(e->ndim <= DIMS_MAX, "%s: \"%s\" has %d dimensions", g->path, name, e->ndim);
    for (int i = 0; i < e->ndim; i++) shape[i] = (long)e->shape[i];
    bool whole = e->dtype == DTYPE_I64;
    need(whole || e->dtype == DTYPE_F32, "%s: \"%s\" is %s", g->path, name, dtype_name(e->dtype));
    Tensor t = tensor_take(g->arena, whole ? DTYPE_I32 : DTYPE_F32, e->ndim, shape);
    if (!whole) memcpy(t.data, e->bytes, e->size);
    for (size_t i = 0; whole && i < tensor_count(t); i++) {
        int64_t v;
        memcpy(&v, e->bytes + i * sizeof v, sizeof v);
        i32(t)[i] = (int32_t)v;
    }
    return t;
}

Inputs golden_inputs(const Golden *g) {
    Inputs in = {.pixels = golden_input(g, "pixel_values"), .ids = golden_input(g, "input_ids"), .types = golden_input(g, "token_type_ids")};
    if (!tensor_given(g->mask)) return in;
    in.mask = tensor_take(g->arena, DTYPE_U8, g->mask.ndim, g->mask.shape);
    for (size_t i = 0; i < tensor_count(g->mask); i++) ((uint8_t *)in.mask.data)[i] = i32(g->mask)[i] != 0;
    return in;
}

static const GoldenTensor *find(const Golden *g, const char *name) {
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->all[i].name, name) == 0) return &g->all[i];
    return NULL;
}

const GoldenTensor *golden_result(const Golden *g, const char *name) {
    const GoldenTensor *t = find(g, arena_print(g->arena, "result/%s", name));
    need(t, "%s: no result \"%s\"", g->path, name);
    return t;
}

size_t golden_taps(const Golden *g) { return g->tap_count; }

const GoldenTensor *golden_tap_at(const Golden *g, size_t i) { return &g->all[g->taps[i]]; }

const GoldenTensor *golden_tap(const Golden *g, const char *name) {
    return begins(name, "result/") ? NULL : find(g, name);
}

bool golden_optional(const Golden *g, const char *name) {
    size_t n = strlen(name);
    for (const char *line = g->optional; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, name, n) == 0 && line[n] == '\n') return true;
    return false;
}

size_t golden_answers(const Golden *g) {
    size_t n = 0;
    while (tensors_find(g->file, arena_print(g->arena, "generate/%zu", n))) n++;
    return n;
}

GoldenAnswer golden_answer(const Golden *g, size_t k) {
    const char *name = arena_print(g->arena, "generate/%zu", k);
    const TensorEntry *e = tensors_need(g->file, name);
    const char *settings = tensors_metadata(g->file, name);
    need(e->dtype == DTYPE_I64 && e->ndim == 2 && settings, "%s: \"%s\" is not an answer", g->path, name);
    size_t n = (size_t)e->shape[1]; // the first row; -1 where another input's answer is longer
    int64_t *ids = take(g->arena, int64_t, n);
    memcpy(ids, e->bytes, n * sizeof *ids);
    while (n > 0 && ids[n - 1] < 0) n--;
    return (GoldenAnswer){json_parse(g->arena, settings, strlen(settings), g->path), ids, n};
}

// What stands in a row of padding is nobody's result: two right implementations differ there.
static bool padding(Tensor mask, Tensor x, size_t element) {
    if (!tensor_given(mask) || x.ndim < 3 || x.shape[0] != mask.shape[0] || x.shape[1] != mask.shape[1]) return false;
    size_t row = tensor_count(x) / tensor_count(mask);
    return i32(mask)[element / row] == 0;
}

double golden_distance(const Golden *g, const GoldenTensor *want, Tensor x) {
    if (!tensor_same_shape(want->shape, x) || x.dtype != DTYPE_F32 || want->count == 0) return INFINITY;
    double diff = 0, norm = 0;
    for (size_t i = 0; i < want->count; i++) {
        size_t at = i * (size_t)want->every;
        if (padding(g->mask, x, at)) continue;
        double w = want->values[i], d = (double)f32(x)[at] - w;
        diff += d * d;
        norm += w * w;
    }
    if (!isfinite(diff) || !isfinite(norm)) return INFINITY;
    if (norm == 0) return diff == 0 ? 0 : INFINITY;
    return sqrt(diff / norm);
}

void golden_sink(void *golden, const char *name, Tensor x) {
    Golden *g = golden;
    for (size_t i = 0; i < g->tap_count; i++) {
        const GoldenTensor *want = golden_tap_at(g, i);
        if (strcmp(want->name, name) != 0) continue;
        g->outcomes[i] = (Outcome){true, golden_distance(g, want, x), x};
        return;
    }
    if (golden_optional(g, name) || strchr(name, '#')) return;
    g->surplus = arena_grow(g->arena, g->surplus, g->surplus_count, g->surplus_count + 1, sizeof *g->surplus);
    g->surplus[g->surplus_count++] = arena_text(g->arena, name, strlen(name));
}

const char *golden_fault(Golden *g, double allow) {
    size_t came = 0, left = 0, first = 0;
    const char *missing = NULL, *fault = NULL;
    for (size_t i = 0; i < g->tap_count; i++) {
        const Outcome *o = &g->outcomes[i];
        if (!o->came && !missing) missing = golden_tap_at(g, i)->name;
        if (!o->came) continue;
        came++;
        if (!(o->distance <= allow) && left++ == 0) first = i;
    }
    if (left > 0) {
        const GoldenTensor *want = golden_tap_at(g, first);
        char got_text[128], want_text[128];
        fault = arena_print(g->arena, "first to leave: %s, rel %.1e (allow %.1e), %s for %s; %zu of %zu leave", want->name,
                            g->outcomes[first].distance, allow, tensor_shape_text(g->outcomes[first].got, got_text),
                            tensor_shape_text(want->shape, want_text), left, came);
    }
    if (missing)
        fault = arena_print(g->arena, "%s%s%zu of %zu did not come, the first is %s", fault ? fault : "", fault ? "; " : "", g->tap_count - came,
                            g->tap_count, missing);
    if (g->surplus_count > 0)
        fault = arena_print(g->arena, "%s%s%zu that the reference does not have, the first is %s", fault ? fault : "", fault ? "; " : "",
                            g->surplus_count, g->surplus[0]);
    return fault;
}

bool golden_end(Golden *g, const char *what, double allow) {
    const char *fault = golden_fault(g, allow);
    size_t worst = 0;
    for (size_t i = 1; i < g->tap_count; i++)
        if (g->outcomes[i].distance > g->outcomes[worst].distance) worst = i;
    if (fault) check(false, "%s: %s", what, fault);
    else
        check(true, "%s: %zu taps, worst rel %.1e at %s (allow %.1e)", what, g->tap_count, g->outcomes[worst].distance, golden_tap_at(g, worst)->name,
              allow);
    memset(g->outcomes, 0, g->tap_count * sizeof *g->outcomes);
    g->surplus_count = 0;
    return !fault;
}
