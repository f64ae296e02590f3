// ops.c: the front of every operation: check the shapes, take the result, let the device compute, tell
// the tape. The numbers are computed in ops_cpu.c (or cuda/), the gradients in train/.
#include "ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "tap.h"

static Tensor recorded(Run *run, OpRecord r) {
    if (!run->recorder) return r.out;
    bool any = false;
    for (int i = 0; i < r.inputs; i++) any = any || r.in[i].node != 0;
    if (any) r.out.node = run->recorder->record(run->recorder, &r);
    return r.out;
}

static Tensor like(Run *run, Tensor x) { return run_tensor(run, DTYPE_F32, x.ndim, x.shape); }

// The type of a result that only products read, of as many rows as x.
static Dtype rounded_type(const Run *run, Tensor x) {
    long from = run->device->rounds_from;
    return from > 0 && !run->recorder && tensor_rows(x) >= from ? DTYPE_BF16 : DTYPE_F32;
}

static Tensor rounded_like(Run *run, Tensor x) { return run_tensor(run, rounded_type(run, x), x.ndim, x.shape); }

// x with its last dimension replaced
static Tensor with_last(Run *run, Dtype type, Tensor x, long last) {
    long shape[DIMS_MAX];
    memcpy(shape, x.shape, sizeof shape);
    shape[x.ndim - 1] = last;
    return run_tensor(run, type, x.ndim, shape);
}

#define SHAPES(what, ok, a, b)                                                                     \
    do {                                                                                           \
        char ta_[128], tb_[128];                                                                   \
        if (!(ok)) die("%s: shapes %s and %s do not fit", what, tensor_shape_text(a, ta_), tensor_shape_text(b, tb_)); \
    } while (0)

static void want_dims(const char *what, Tensor x, int ndim) {
    char t[128];
    need(x.ndim == ndim, "%s: a tensor of %d dimensions is wanted, not %s", what, ndim, tensor_shape_text(x, t));
}

Act act_named(const char *name, const char *where) {
    static const struct {
        const char *name;
        Act act;
    } table[] = {{"gelu", ACT_GELU},           {"gelu_new", ACT_GELU_TANH},  {"gelu_pytorch_tanh", ACT_GELU_TANH},
                 {"gelu-approximate", ACT_GELU_TANH}, {"gelu_python", ACT_GELU},    {"quick_gelu", ACT_QUICK_GELU},
                 {"gelu_fast", ACT_GELU_TANH}, {"gelu_accurate", ACT_GELU_TANH}, {"gelu_python_tanh", ACT_GELU_TANH},
                 {"silu", ACT_SILU},           {"swish", ACT_SILU},          {"relu", ACT_RELU},
                 {"tanh", ACT_TANH},           {"sigmoid", ACT_SIGMOID},     {"linear", ACT_NONE}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) return table[i].act;
    die("%s: the activation \"%s\" is not known; gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, silu, relu and tanh are", where, name);
}

// ---- linear algebra

static Tensor linear_out(Run *run, Dtype type, Tensor x, Tensor w, Tensor b) {
    want_dims("linear: weight", w, 2);
    SHAPES("linear", tensor_last(x) == w.shape[1], x, w);
    if (tensor_given(b)) SHAPES("linear: bias", b.ndim == 1 && b.shape[0] == w.shape[0], b, w);
    return with_last(run, type, x, w.shape[0]);
}

static Tensor linear_as(Run *run, Dtype type, Tensor x, Tensor w, Tensor b) {
    Tensor out = linear_out(run, type, x, w, b);
    if (!run->dry) run->device->linear(out, x, w, b);
    return recorded(run, (OpRecord){.kind = OP_LINEAR, .out = out, .in = {x, w, b}, .inputs = 3});
}

Tensor linear(Run *run, Tensor x, Tensor w, Tensor b) { return linear_as(run, DTYPE_F32, x, w, b); }
Tensor linear_rounded(Run *run, Tensor x, Tensor w, Tensor b) { return linear_as(run, rounded_type(run, x), x, w, b); }

static Tensor activated_linear(Run *run, Tensor x, Tensor w, Tensor b, Act act) {
    if (run->recorder || !run->device->linear_activated) return activation(run, linear(run, x, w, b), act);
    Tensor out = linear_out(run, rounded_type(run, x), x, w, b);
    if (!run->dry) run->device->linear_activated(out, x, w, b, act);
    return out;
}

Tensor linear_activated(Run *run, Tensor x, Tensor w, Tensor b, Act act, const char *format, ...) {
    char name[TAP_NAME] = "";
    va_list list;
    va_start(list, format);
    if (run->taps) tap_name(name, format, list);
    va_end(list);
    const Device *device = run->device;
    if (run->recorder || !device->linear_activated) return activation(run, tap(run, linear(run, x, w, b), "%s", name), act);
    if (tap_wanted(run, "%s", name)) {
        Tensor out = linear_out(run, DTYPE_F32, x, w, b);
        if (!run->dry) device->linear(out, x, w, b);
        tap(run, out, "%s", name);
        if (!run->dry) device->activation(out, out, act); // in place, so that a tap changes no need of memory
        return out;
    }
    return activated_linear(run, x, w, b, act);
}

Tensor linear_into(Run *run, Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next, const char *last, const char *format, ...) {
    char module[TAP_NAME] = "";
    if (next) next->done = false;
    va_list list;
    va_start(list, format);
    if (run->taps) tap_name(module, format, list);
    va_end(list);
    if (run->recorder || !run->device->linear_into || tap_wanted(run, "%s.%s", module, last) || tap_wanted(run, "%s", module)) {
        Tensor y = tap(run, linear(run, h, w, b), "%s.%s", module, last);
        return add_into(run, x, tap(run, y, "%s", module));
    }
    SHAPES("linear", tensor_last(h) == w.shape[1] && tensor_last(x) == w.shape[0] && tensor_rows(x) == tensor_rows(h), h, w);
    if (tensor_given(b)) SHAPES("linear: bias", b.ndim == 1 && b.shape[0] == w.shape[0], b, w);
    const bool there = next && tensor_given(next->to);
    if (there) SHAPES("rmsnorm: weight", next->norm.w.ndim == 1 && next->norm.w.shape[0] == tensor_last(x) && tensor_same_shape(next->to, x), x, next->norm.w);
    if (!run->dry) run->device->linear_into(x, h, w, b, there ? next : NULL);
    return x;
}

static Tensor normed(Run *run, Tensor x, const Rms *norm) { return norm ? rmsnorm_rounded(run, x, norm->w, norm->eps, norm->kind) : x; }

NormNext next_room(Run *run, Tensor x) { return (NormNext){.to = tensor_rows(x) <= run->device->norms_behind ? rounded_like(run, x) : NO_TENSOR}; }

void linears(Run *run, Tensor *out, int count, Tensor x, const Rms *norm, const Tensor *w, const Tensor *b) {
    need(count >= 1 && count <= 3, "linears: %d at once", count);
    const bool at_once = !run->recorder && !run->dry && run->device->linears;
    for (int i = 0; i < count && at_once; i++) out[i] = linear_out(run, DTYPE_F32, x, w[i], b[i]);
    if (norm && at_once) {
        SHAPES("rmsnorm: weight", norm->w.ndim == 1 && norm->w.shape[0] == tensor_last(x), x, norm->w);
        if (run->device->linears(out, count, x, norm, w, b)) return;
    }
    x = normed(run, x, norm);
    if (at_once && count > 1 && run->device->linears(out, count, x, NULL, w, b)) return;
    for (int i = 0; i < count; i++) {
        if (at_once) run->device->linear(out[i], x, w[i], b[i]);
        else out[i] = linear(run, x, w[i], b[i]);
    }
}

// By the device at once, of x as it is or normed first; false: it does not.
static bool gated_at_once(Run *run, Tensor *out, Tensor x, const Rms *norm, Tensor w, Tensor b, Act act, Tensor up_w, Tensor up_b) {
    if (run->recorder || run->dry || !run->device->linear_gated) return false;
    SHAPES("linear", tensor_last(x) == up_w.shape[1] && w.shape[0] == up_w.shape[0], x, up_w);
    if (norm) SHAPES("rmsnorm: weight", norm->w.ndim == 1 && norm->w.shape[0] == tensor_last(x), x, norm->w);
    RunMark mark = run_mark(run);
    *out = linear_out(run, rounded_type(run, x), x, w, b);
    if (run->device->linear_gated(*out, x, norm, w, b, act, up_w, up_b)) return true;
    run_release(run, mark);
    return false;
}

Tensor linear_gated(Run *run, Tensor x, const Rms *norm, Tensor w, Tensor b, Act act, Tensor up_w, Tensor up_b) {
    Tensor out;
    if (norm && gated_at_once(run, &out, x, norm, w, b, act, up_w, up_b)) return out;
    x = normed(run, x, norm);
    if (gated_at_once(run, &out, x, NULL, w, b, act, up_w, up_b)) return out;
    Tensor gate = activated_linear(run, x, w, b, act);
    return mul(run, gate, linear_rounded(run, x, up_w, up_b));
}

Tensor embedding(Run *run, Tensor table, Tensor ids) {
    want_dims("embedding: table", table, 2);
    need(ids.dtype == DTYPE_I32, "embedding: ids are int32");
    need(ids.ndim + 1 <= DIMS_MAX, "embedding: too many dimensions");
    long shape[DIMS_MAX];
    memcpy(shape, ids.shape, sizeof shape);
    shape[ids.ndim] = table.shape[1];
    Tensor out = run_tensor(run, DTYPE_F32, ids.ndim + 1, shape);
    if (!run->dry) {
        const bool chosen = run->device->holds && run->device->holds(ids.data); // by the device, of the table's rows
        size_t n = tensor_count(ids);
        for (size_t i = 0; i < n && !chosen; i++)
            need(i32(ids)[i] >= 0 && i32(ids)[i] < table.shape[0], "token %zu: the id %d is outside the vocabulary of %ld rows", i,
                 i32(ids)[i], table.shape[0]);
        run->device->embedding(out, table, ids);
    }
    return recorded(run, (OpRecord){.kind = OP_EMBEDDING, .out = out, .in = {table, ids}, .inputs = 2});
}

// ---- norms

static Tensor layernorm_as(Run *run, Tensor out, Tensor x, Tensor w, Tensor b, float eps) {
    if (tensor_given(w)) SHAPES("layernorm: weight", w.ndim == 1 && w.shape[0] == tensor_last(x), x, w);
    if (tensor_given(b)) SHAPES("layernorm: bias", b.ndim == 1 && b.shape[0] == tensor_last(x), x, b);
    if (!run->dry) run->device->layernorm(out, x, w, b, eps);
    return recorded(run, (OpRecord){.kind = OP_LAYERNORM, .out = out, .in = {x, w, b}, .inputs = 3, .number = eps});
}

Tensor layernorm(Run *run, Tensor x, Tensor w, Tensor b, float eps) { return layernorm_as(run, like(run, x), x, w, b, eps); }
Tensor layernorm_rounded(Run *run, Tensor x, Tensor w, Tensor b, float eps) { return layernorm_as(run, rounded_like(run, x), x, w, b, eps); }

static Tensor rmsnorm_as(Run *run, Tensor out, Tensor x, Tensor w, float eps, RmsKind kind) {
    SHAPES("rmsnorm: weight", w.ndim == 1 && w.shape[0] == tensor_last(x), x, w);
    if (!run->dry) run->device->rmsnorm(out, x, w, eps, kind);
    return recorded(run, (OpRecord){.kind = OP_RMSNORM, .out = out, .in = {x, w}, .inputs = 2, .number = eps, .choice = kind});
}

Tensor rmsnorm(Run *run, Tensor x, Tensor w, float eps, RmsKind kind) { return rmsnorm_as(run, like(run, x), x, w, eps, kind); }
Tensor rmsnorm_rounded(Run *run, Tensor x, Tensor w, float eps, RmsKind kind) { return rmsnorm_as(run, rounded_like(run, x), x, w, eps, kind); }

Tensor l2norm(Run *run, Tensor x, float floor) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->l2norm(out, x, floor);
    return recorded(run, (OpRecord){.kind = OP_L2NORM, .out = out, .in = {x}, .inputs = 1, .number = floor});
}

// ---- elementwise

Tensor activation(Run *run, Tensor x, Act act) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->activation(out, x, act);
    return recorded(run, (OpRecord){.kind = OP_ACTIVATION, .out = out, .in = {x}, .inputs = 1, .choice = (int)act});
}

Tensor add(Run *run, Tensor a, Tensor b) {
    SHAPES("add", tensor_same_shape(a, b), a, b);
    Tensor out = like(run, a);
    if (!run->dry) run->device->add(out, a, b);
    return recorded(run, (OpRecord){.kind = OP_ADD, .out = out, .in = {a, b}, .inputs = 2});
}

Tensor add_into(Run *run, Tensor x, Tensor h) {
    if (run->recorder) return add(run, x, h);
    SHAPES("add", tensor_same_shape(x, h), x, h);
    if (!run->dry) run->device->add(x, x, h);
    return x;
}

Tensor add_rows(Run *run, Tensor x, Tensor rows) {
    bool one = rows.ndim == 1 && rows.shape[0] == tensor_last(x);
    bool table = rows.ndim == 2 && x.ndim == 3 && rows.shape[0] == x.shape[1] && rows.shape[1] == x.shape[2];
    SHAPES("add_rows", one || table, x, rows);
    Tensor out = like(run, x);
    if (!run->dry) run->device->add_rows(out, x, rows);
    return recorded(run, (OpRecord){.kind = OP_ADD_ROWS, .out = out, .in = {x, rows}, .inputs = 2});
}

Tensor mul(Run *run, Tensor a, Tensor b) {
    SHAPES("mul", tensor_same_shape(a, b), a, b);
    Tensor out = rounded_like(run, a);
    if (!run->dry) run->device->mul(out, a, b);
    return recorded(run, (OpRecord){.kind = OP_MUL, .out = out, .in = {a, b}, .inputs = 2});
}

Tensor mul_row(Run *run, Tensor x, Tensor row) {
    SHAPES("mul_row", row.ndim == 1 && row.shape[0] == tensor_last(x), x, row);
    Tensor out = like(run, x);
    if (!run->dry) run->device->mul_row(out, x, row);
    return recorded(run, (OpRecord){.kind = OP_MUL_ROW, .out = out, .in = {x, row}, .inputs = 2});
}

Tensor scale(Run *run, Tensor x, float factor) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->scale(out, x, factor);
    return recorded(run, (OpRecord){.kind = OP_SCALE, .out = out, .in = {x}, .inputs = 1, .number = factor});
}

Tensor softcap(Run *run, Tensor x, float cap) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->softcap(out, x, cap);
    return recorded(run, (OpRecord){.kind = OP_SOFTCAP, .out = out, .in = {x}, .inputs = 1, .number = cap});
}

Tensor clamp(Run *run, Tensor x, float low, float high) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->clamp(out, x, low, high);
    return recorded(run, (OpRecord){.kind = OP_CLAMP, .out = out, .in = {x}, .inputs = 1, .number = low, .number2 = high});
}

// ---- moving rows

Tensor patchify(Run *run, Tensor pixels, int P) {
    want_dims("patchify: pixels", pixels, 4);
    long GH = pixels.shape[2] / P, GW = pixels.shape[3] / P; // a valid convolution ignores what is left over
    need(GH > 0 && GW > 0, "patchify: a picture of %ld x %ld has no whole patch of %d", pixels.shape[2], pixels.shape[3], P);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(pixels.shape[0], GH * GW, pixels.shape[1] * P * P));
    if (!run->dry) run->device->patchify(out, pixels, P);
    return recorded(run, (OpRecord){.kind = OP_PATCHIFY, .out = out, .in = {pixels}, .inputs = 1, .choice = P});
}

Tensor prepend_row(Run *run, Tensor x, Tensor row) {
    want_dims("prepend_row", x, 3);
    SHAPES("prepend_row", (long)tensor_count(row) == x.shape[2], x, row);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(x.shape[0], x.shape[1] + 1, x.shape[2]));
    if (!run->dry) {
        run->device->broadcast_row(out, 0, row);
        run->device->copy_tokens(out, 1, x, 0, x.shape[1]);
    }
    return recorded(run, (OpRecord){.kind = OP_PREPEND_ROW, .out = out, .in = {x, row}, .inputs = 2});
}

Tensor rows_slice(Run *run, Tensor x, long begin, long end) {
    want_dims("rows_slice", x, 3);
    need(begin >= 0 && begin <= end && end <= x.shape[1], "rows_slice: tokens %ld to %ld of %ld", begin, end, x.shape[1]);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(x.shape[0], end - begin, x.shape[2]));
    if (!run->dry) run->device->copy_tokens(out, 0, x, begin, end - begin);
    return recorded(run, (OpRecord){.kind = OP_ROWS_SLICE, .out = out, .in = {x}, .inputs = 1, .begin = begin, .end = end});
}

Tensor rows_at(Run *run, Tensor x, Tensor index) {
    want_dims("rows_at", x, 3);
    SHAPES("rows_at: index", index.ndim == 1 && index.shape[0] == x.shape[0] && index.dtype == DTYPE_I32, x, index);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(x.shape[0], x.shape[2]));
    if (!run->dry) {
        for (long b = 0; b < x.shape[0]; b++)
            need(i32(index)[b] >= 0 && i32(index)[b] < x.shape[1], "rows_at: token %d of %ld", i32(index)[b], x.shape[1]);
        run->device->rows_at(out, x, index);
    }
    return recorded(run, (OpRecord){.kind = OP_ROWS_AT, .out = out, .in = {x, index}, .inputs = 2});
}

Tensor rows_put(Run *run, Tensor x, Tensor index, Tensor rows) {
    SHAPES("rows_put", tensor_last(x) == tensor_last(rows) && (long)tensor_count(index) == tensor_rows(rows), x, rows);
    Tensor out = like(run, x);
    if (!run->dry) {
        for (long i = 0; i < tensor_rows(rows); i++)
            need(i32(index)[i] >= 0 && i32(index)[i] < tensor_rows(x), "rows_put: row %d of %ld", i32(index)[i], tensor_rows(x));
        Tensor flat_out = tensor_view(out, DIMS(1, tensor_rows(x), tensor_last(x)));
        Tensor flat_x = tensor_view(x, DIMS(1, tensor_rows(x), tensor_last(x)));
        run->device->copy_tokens(flat_out, 0, flat_x, 0, tensor_rows(x));
        run->device->rows_put(out, index, rows);
    }
    return recorded(run, (OpRecord){.kind = OP_ROWS_PUT, .out = out, .in = {x, index, rows}, .inputs = 3});
}

static void store_checks(Run *run, Tensor store, Tensor x, const int32_t *at) {
    want_dims("rows_store", x, 3);
    SHAPES("rows_store", store.ndim == 3 && store.shape[0] == x.shape[0] && store.shape[2] == x.shape[2], store, x);
    for (long b = 0; !run->dry && b < x.shape[0]; b++)
        need(at[b] >= 0 && at[b] + x.shape[1] <= store.shape[1], "a cache of %ld tokens is full at %ld", store.shape[1], at[b] + x.shape[1]);
}

void rows_store(Run *run, Tensor store, Tensor x, const int32_t *at) {
    store_checks(run, store, x, at);
    if (!run->dry) run->device->rows_store(store, x, at);
}

Tensor concat_last(Run *run, Tensor a, Tensor b) {
    SHAPES("concat_last", tensor_rows(a) == tensor_rows(b) && a.ndim == b.ndim, a, b);
    Tensor out = with_last(run, DTYPE_F32, a, tensor_last(a) + tensor_last(b));
    if (!run->dry) {
        run->device->copy_columns(out, 0, a, 0, tensor_last(a));
        run->device->copy_columns(out, tensor_last(a), b, 0, tensor_last(b));
    }
    return recorded(run, (OpRecord){.kind = OP_CONCAT_LAST, .out = out, .in = {a, b}, .inputs = 2});
}

Tensor concat_tokens(Run *run, Tensor a, Tensor b) {
    want_dims("concat_tokens", a, 3);
    want_dims("concat_tokens", b, 3);
    SHAPES("concat_tokens", a.shape[0] == b.shape[0] && a.shape[2] == b.shape[2], a, b);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(a.shape[0], a.shape[1] + b.shape[1], a.shape[2]));
    if (!run->dry) {
        run->device->copy_tokens(out, 0, a, 0, a.shape[1]);
        run->device->copy_tokens(out, a.shape[1], b, 0, b.shape[1]);
    }
    return recorded(run, (OpRecord){.kind = OP_CONCAT_TOKENS, .out = out, .in = {a, b}, .inputs = 2});
}

Tensor mean_tokens(Run *run, Tensor x) {
    want_dims("mean_tokens", x, 3);
    need(x.shape[1] > 0, "mean_tokens: there is no token");
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(x.shape[0], x.shape[2]));
    if (!run->dry) run->device->mean_tokens(out, x);
    return recorded(run, (OpRecord){.kind = OP_MEAN_TOKENS, .out = out, .in = {x}, .inputs = 1});
}

Tensor slice_last(Run *run, Tensor x, long begin, long end) {
    need(begin >= 0 && begin <= end && end <= tensor_last(x), "slice_last: columns %ld to %ld of %ld", begin, end, tensor_last(x));
    Tensor out = with_last(run, DTYPE_F32, x, end - begin);
    if (!run->dry) run->device->copy_columns(out, 0, x, begin, end - begin);
    return recorded(run, (OpRecord){.kind = OP_SLICE_LAST, .out = out, .in = {x}, .inputs = 1, .begin = begin, .end = end});
}

// ---- attention

static void rotary_checks(Tensor x, Tensor cos, Tensor sin, int heads) {
    want_dims("rotary", x, 3);
    long D = x.shape[2] / heads, half = tensor_last(cos);
    SHAPES("rotary: tables", tensor_same_shape(cos, sin) && x.shape[2] % heads == 0 && 2 * half <= D, x, cos);
    long rows = tensor_rows(cos);
    SHAPES("rotary: positions", rows == x.shape[1] || rows == x.shape[0] * x.shape[1], x, cos);
}

Tensor rotary(Run *run, Tensor x, Tensor cos, Tensor sin, int heads) {
    rotary_checks(x, cos, sin, heads);
    Tensor out = like(run, x);
    if (!run->dry) run->device->rotary(out, x, cos, sin, heads);
    return recorded(run, (OpRecord){.kind = OP_ROTARY, .out = out, .in = {x, cos, sin}, .inputs = 3, .choice = heads});
}

Tensor rotary_stored(Run *run, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, int heads, Tensor keys, Tensor values, const int32_t *at) {
    const int kv_heads = (int)(key.shape[2] / (q.shape[2] / heads));
    if (!run->recorder && !run->dry && run->device->rotary_stored) {
        rotary_checks(q, cos, sin, heads), rotary_checks(key, cos, sin, kv_heads);
        store_checks(run, keys, key, at), store_checks(run, values, v, at);
        RunMark mark = run_mark(run);
        Tensor out = like(run, q);
        if (run->device->rotary_stored(out, q, key, v, cos, sin, heads, keys, values, at)) return out;
        run_release(run, mark);
    }
    q = rotary(run, q, cos, sin, heads);
    rows_store(run, keys, rotary(run, key, cos, sin, kv_heads), at);
    rows_store(run, values, v, at);
    return q;
}

void rotary_tables(Run *run, Tensor *cos, Tensor *sin, Tensor positions, Tensor frequencies) {
    long shape[DIMS_MAX];
    memcpy(shape, positions.shape, sizeof shape);
    shape[positions.ndim] = tensor_last(frequencies);
    *cos = run_tensor(run, DTYPE_F32, positions.ndim + 1, shape);
    *sin = run_tensor(run, DTYPE_F32, positions.ndim + 1, shape);
    if (!run->dry) run->device->rotary_tables(*cos, *sin, positions, frequencies);
}

static void attention_checks(Tensor q, Tensor k, AttnShape *s) {
    want_dims("attention: q", q, 3);
    want_dims("attention: k", k, 3);
    if (s->kv_heads == 0) s->kv_heads = s->heads;
    char tq[128], tk[128];
    need(s->heads > 0 && q.shape[2] % s->heads == 0 && s->heads % s->kv_heads == 0 &&
             k.shape[2] == q.shape[2] / s->heads * s->kv_heads && q.shape[0] == k.shape[0],
         "attention: q %s and k %s do not fit %d heads over %d key heads", tensor_shape_text(q, tq), tensor_shape_text(k, tk), s->heads,
         s->kv_heads);
    if (s->scale == 0) s->scale = (float)(1 / sqrt((double)(q.shape[2] / s->heads)));
    if (tensor_given(s->mask)) SHAPES("attention: mask", s->mask.ndim == 2 && s->mask.shape[0] == q.shape[1] && s->mask.shape[1] == k.shape[1], s->mask, q);
    if (tensor_given(s->key_mask)) SHAPES("attention: key mask", s->key_mask.shape[0] == k.shape[0] && s->key_mask.shape[1] == k.shape[1], s->key_mask, k);
}

Tensor attention(Run *run, Tensor q, Tensor k, Tensor v, AttnShape s) {
    attention_checks(q, k, &s);
    SHAPES("attention: k and v", tensor_same_shape(k, v) && k.dtype == v.dtype, k, v);
    if (!run->recorder) s.dropout = 0;
    need(s.dropout >= 0 && s.dropout < 1, "attention: a dropout of %g", (double)s.dropout);
    Tensor out = rounded_like(run, q);
    if (!run->dry) run->device->attention(out, q, k, v, &s, NO_TENSOR);
    return recorded(run, (OpRecord){.kind = OP_ATTENTION, .out = out, .in = {q, k, v}, .inputs = 3, .attn = s});
}

Tensor attention_stored(Run *run, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, Tensor keys, Tensor values, const int32_t *at, AttnShape s) {
    if (!run->recorder && !run->dry && run->device->attention_stored) {
        AttnShape filled = s;
        attention_checks(q, keys, &filled), filled.dropout = 0;
        rotary_checks(q, cos, sin, filled.heads), rotary_checks(key, cos, sin, filled.kv_heads);
        store_checks(run, keys, key, at), store_checks(run, values, v, at);
        RunMark mark = run_mark(run);
        Tensor out = rounded_like(run, q);
        if (run->device->attention_stored(out, q, key, v, cos, sin, keys, values, at, &filled)) return out;
        run_release(run, mark);
    }
    return attention(run, rotary_stored(run, q, key, v, cos, sin, s.heads, keys, values, at), keys, values, s);
}

Tensor attention_weights(Run *run, Tensor q, Tensor k, AttnShape s) {
    attention_checks(q, k, &s);
    s.dropout = 0;
    Tensor weights = run_tensor(run, DTYPE_F32, DIMS(q.shape[0], s.heads, q.shape[1], k.shape[1]));
    Tensor out = like(run, q);
    if (!run->dry) run->device->attention(out, q, k, k, &s, weights);
    return weights;
}

// ---- losses and the rest

Tensor cross_entropy(Run *run, Tensor logits, Tensor targets) {
    SHAPES("cross_entropy", tensor_rows(logits) == (long)tensor_count(targets), logits, targets);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(1));
    if (!run->dry) {
        for (long i = 0; i < tensor_rows(logits); i++)
            need(i32(targets)[i] < tensor_last(logits), "cross_entropy: the target %d of %ld classes", i32(targets)[i], tensor_last(logits));
        run->device->cross_entropy(out, logits, targets);
    }
    return recorded(run, (OpRecord){.kind = OP_CROSS_ENTROPY, .out = out, .in = {logits, targets}, .inputs = 2});
}

Tensor mean_squared(Run *run, Tensor a, Tensor b) {
    SHAPES("mean_squared", tensor_same_shape(a, b), a, b);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(1));
    if (!run->dry) run->device->mean_squared(out, a, b);
    return recorded(run, (OpRecord){.kind = OP_MEAN_SQUARED, .out = out, .in = {a, b}, .inputs = 2});
}

Tensor transpose(Run *run, Tensor x) {
    want_dims("transpose", x, 2);
    Tensor out = run_tensor(run, DTYPE_F32, DIMS(x.shape[1], x.shape[0]));
    if (!run->dry) run->device->transpose(out, x);
    return recorded(run, (OpRecord){.kind = OP_TRANSPOSE, .out = out, .in = {x}, .inputs = 1});
}

Tensor scale_by(Run *run, Tensor x, Tensor factor) {
    need(tensor_count(factor) == 1, "scale_by: one number is wanted, not %zu", tensor_count(factor));
    Tensor out = like(run, x);
    if (!run->dry) run->device->scale_by(out, x, factor);
    return recorded(run, (OpRecord){.kind = OP_SCALE_BY, .out = out, .in = {x, factor}, .inputs = 2});
}

Tensor exp_of(Run *run, Tensor x) {
    Tensor out = like(run, x);
    if (!run->dry) run->device->exp_of(out, x);
    return recorded(run, (OpRecord){.kind = OP_EXP, .out = out, .in = {x}, .inputs = 1});
}

Tensor dropout(Run *run, Tensor x, float p, uint64_t seed, uint64_t stream) {
    if (!run->recorder || p == 0) return x;
    need(p > 0 && p < 1, "dropout: a rate of %g", (double)p);
    Tensor out = like(run, x);
    if (!run->dry) run->device->dropout(out, x, p, seed, stream);
    return recorded(run, (OpRecord){.kind = OP_DROPOUT, .out = out, .in = {x}, .inputs = 1, .number = p, .seed = seed, .stream = stream});
}
