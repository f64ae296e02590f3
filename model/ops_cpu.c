// ops_cpu.c: the table of operations on a CPU: shapes turned into rows and columns, kernels called.
#include <math.h>
#include <string.h>

#include "device.h"
#include "gradients.h"
#include "io/random.h"
#include "io/thread.h"
#include "kernels.h"
#include "packed.h"

#define GRAIN 32768 // elements that are worth a thread's waking

// into: the product is added to out.
static void linear_as(Tensor out, Tensor x, Tensor w, Tensor b, Act act, Compute how, bool into) {
    float wide[8192], *bias = NULL;
    long O = w.shape[0];
    Arena *a = NULL;
    if (tensor_given(b)) {
        bias = f32(b);
        if (b.dtype != DTYPE_F32) {
            if (O > 8192) a = arena_new("a bias");
            bias = a ? take(a, float, (size_t)O) : wide;
            widen(bias, b.data, b.dtype, (size_t)O);
        }
    }
    gemm(&(Gemm){.kind = GEMM_NT, .M = tensor_rows(x), .N = O, .K = w.shape[1], .A = f32(x), .lda = w.shape[1], .B = w.data, .B_type = w.dtype,
                 .ldb = w.shape[1], .C = f32(out), .ldc = O, .bias = bias, .act = act, .compute = how,
                 .accumulate = into});
    arena_free(a);
}

static void cpu_linear(Tensor out, Tensor x, Tensor w, Tensor b) { linear_as(out, x, w, b, ACT_NONE, COMPUTE_F32, false); }
static void cpu_linear_activated(Tensor out, Tensor x, Tensor w, Tensor b, Act act) { linear_as(out, x, w, b, act, COMPUTE_F32, false); }
static void cpu_linear_bf16(Tensor out, Tensor x, Tensor w, Tensor b) { linear_as(out, x, w, b, ACT_NONE, COMPUTE_BF16, false); }
static void cpu_linear_activated_bf16(Tensor out, Tensor x, Tensor w, Tensor b, Act act) { linear_as(out, x, w, b, act, COMPUTE_BF16, false); }
static void cpu_linear_into_bf16(Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next) { linear_as(x, h, w, b, ACT_NONE, COMPUTE_BF16, true); }
static void cpu_linear_split(Tensor out, Tensor x, Tensor w, Tensor b) { linear_as(out, x, w, b, ACT_NONE, COMPUTE_BF16X3, false); }
static void cpu_linear_activated_split(Tensor out, Tensor x, Tensor w, Tensor b, Act act) { linear_as(out, x, w, b, act, COMPUTE_BF16X3, false); }
static void cpu_linear_into_split(Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next) { linear_as(x, h, w, b, ACT_NONE, COMPUTE_BF16X3, true); }

static void cpu_embedding(Tensor out, Tensor table, Tensor ids) {
    size_t C = (size_t)table.shape[1], n = tensor_count(ids), item = dtype_size(table.dtype);
    for (size_t i = 0; i < n; i++) widen(f32(out) + i * C, (const char *)table.data + (size_t)i32(ids)[i] * C * item, table.dtype, C);
}

// A small weight as f32: norms' weights are read row by row, so they are widened once.
typedef struct {
    float near[4096];
    Arena *arena;
} Widened;

static const float *widened(Widened *w, Tensor t) {
    w->arena = NULL;
    if (!tensor_given(t)) return NULL;
    if (t.dtype == DTYPE_F32) return f32(t);
    size_t n = tensor_count(t);
    float *p = w->near;
    if (n > 4096) {
        w->arena = arena_new("a norm's weight");
        p = take(w->arena, float, n);
    }
    widen(p, t.data, t.dtype, n);
    return p;
}

static void cpu_layernorm(Tensor out, Tensor x, Tensor w, Tensor b, float eps) {
    Widened ww, wb;
    layernorm_rows(f32(out), f32(x), widened(&ww, w), widened(&wb, b), tensor_rows(x), tensor_last(x), eps);
    arena_free(ww.arena), arena_free(wb.arena);
}

static void cpu_rmsnorm(Tensor out, Tensor x, Tensor w, float eps, RmsKind kind) {
    Widened ww;
    rmsnorm_rows(f32(out), f32(x), widened(&ww, w), tensor_rows(x), tensor_last(x), eps, kind == RMS_ZERO_CENTRED);
    arena_free(ww.arena);
}

static void cpu_l2norm(Tensor out, Tensor x, float floor) { l2norm_rows(f32(out), f32(x), tensor_rows(x), tensor_last(x), floor); }

static void cpu_activation(Tensor out, Tensor x, Act act) { activate(f32(out), f32(x), tensor_count(x), act); }

// ---- elementwise over ranges

typedef struct {
    float *out;
    const float *a, *b;
    size_t C, period; // width of a row; elements after which b repeats
    float number, number2;
    uint64_t seed, stream;
} Each;

#define EACH(name, expression)                                                                     \
    static void name##_job(void *arg, size_t begin, size_t end) {                                  \
        const Each *e = arg;                                                                       \
        for (size_t i = begin; i < end; i++) e->out[i] = expression;                               \
    }

EACH(add, e->a[i] + e->b[i])
EACH(mul, e->a[i] * e->b[i])
EACH(scale, e->a[i] * e->number)
EACH(clamp, e->a[i] < e->number ? e->number : e->a[i] > e->number2 ? e->number2 : e->a[i])

static void cpu_add(Tensor out, Tensor a, Tensor b) { parallel_for(tensor_count(a), GRAIN, add_job, &(Each){.out = f32(out), .a = f32(a), .b = f32(b)}); }

static void cpu_mul(Tensor out, Tensor a, Tensor b) { parallel_for(tensor_count(a), GRAIN, mul_job, &(Each){.out = f32(out), .a = f32(a), .b = f32(b)}); }

static void cpu_scale(Tensor out, Tensor x, float factor) { parallel_for(tensor_count(x), GRAIN, scale_job, &(Each){.out = f32(out), .a = f32(x), .number = factor}); }

static void cpu_clamp(Tensor out, Tensor x, float low, float high) {
    parallel_for(tensor_count(x), GRAIN, clamp_job, &(Each){.out = f32(out), .a = f32(x), .number = low, .number2 = high});
}

static void cpu_softcap(Tensor out, Tensor x, float cap) { softcap_each(f32(out), f32(x), tensor_count(x), cap); }

static void cpu_exp(Tensor out, Tensor x) { exp_each(f32(out), f32(x), tensor_count(x)); }

// One row of x at a time; b is a table of `period` elements.
static void add_rows_job(void *arg, size_t begin, size_t end) {
    const Each *e = arg;
    for (size_t r = begin; r < end; r++) {
        const float *b = e->b + r * e->C % e->period;
        for (size_t c = 0; c < e->C; c++) e->out[r * e->C + c] = e->a[r * e->C + c] + b[c];
    }
}

static void mul_rows_job(void *arg, size_t begin, size_t end) {
    const Each *e = arg;
    for (size_t r = begin; r < end; r++)
        for (size_t c = 0; c < e->C; c++) e->out[r * e->C + c] = e->a[r * e->C + c] * e->b[c];
}

static void by_rows(Tensor out, Tensor x, Tensor table, ParallelFn *job) {
    Arena *a = NULL;
    const float *b = f32(table);
    size_t n = tensor_count(table), C = (size_t)tensor_last(x);
    if (table.dtype != DTYPE_F32) {
        a = arena_new("a table of rows");
        float *wide = take(a, float, n);
        widen(wide, table.data, table.dtype, n);
        b = wide;
    }
    parallel_for((size_t)tensor_rows(x), GRAIN / C + 1, job, &(Each){.out = f32(out), .a = f32(x), .b = b, .C = C, .period = n});
    arena_free(a);
}

static void cpu_add_rows(Tensor out, Tensor x, Tensor rows) { by_rows(out, x, rows, add_rows_job); }

static void cpu_mul_row(Tensor out, Tensor x, Tensor row) { by_rows(out, x, row, mul_rows_job); }

static void cpu_scale_by(Tensor out, Tensor x, Tensor factor) {
    float f;
    widen(&f, factor.data, factor.dtype, 1);
    cpu_scale(out, x, f);
}

static void dropout_job(void *arg, size_t begin, size_t end) {
    const Each *e = arg;
    Rng r = {.seed = e->seed, .stream = e->stream};
    float keep = 1 / (1 - e->number);
    for (size_t i = begin; i < end; i++) e->out[i] = rng_uniform(r, i) < (double)e->number ? 0 : e->a[i] * keep;
}

static void cpu_dropout(Tensor out, Tensor x, float p, uint64_t seed, uint64_t stream) {
    parallel_for(tensor_count(x), 4096, dropout_job, &(Each){.out = f32(out), .a = f32(x), .number = p, .seed = seed, .stream = stream});
}

// ---- moving rows

static void cpu_patchify(Tensor out, Tensor pixels, int P) {
    long B = pixels.shape[0], N = pixels.shape[1], h = pixels.shape[2], w = pixels.shape[3], GH = h / P, GW = w / P;
    float *o = f32(out);
    for (long b = 0; b < B; b++)
        for (long gy = 0; gy < GH; gy++)
            for (long gx = 0; gx < GW; gx++)
                for (long c = 0; c < N; c++)
                    for (long y = 0; y < P; y++, o += P)
                        memcpy(o, f32(pixels) + ((b * N + c) * h + gy * P + y) * w + gx * P, (size_t)P * sizeof(float));
}

static void cpu_copy_tokens(Tensor out, long to, Tensor x, long from, long tokens) {
    long C = tensor_last(x), Tx = x.shape[1], To = out.shape[1];
    for (long b = 0; b < x.shape[0]; b++)
        memcpy(f32(out) + (b * To + to) * C, f32(x) + (b * Tx + from) * C, (size_t)(tokens * C) * sizeof(float));
}

static void cpu_copy_columns(Tensor out, long to, Tensor x, long from, long columns) {
    long Co = tensor_last(out), Cx = tensor_last(x), R = tensor_rows(x);
    for (long r = 0; r < R; r++) memcpy(f32(out) + r * Co + to, f32(x) + r * Cx + from, (size_t)columns * sizeof(float));
}

static void cpu_broadcast_row(Tensor out, long at, Tensor row) {
    for (long b = 0; b < out.shape[0]; b++) widen(f32(out) + (b * out.shape[1] + at) * out.shape[2], row.data, row.dtype, (size_t)out.shape[2]);
}

static void cpu_rows_at(Tensor out, Tensor x, Tensor index) {
    size_t C = (size_t)x.shape[2];
    for (long b = 0; b < x.shape[0]; b++) memcpy(f32(out) + (size_t)b * C, f32(x) + (size_t)(b * x.shape[1] + i32(index)[b]) * C, C * sizeof(float));
}

static void cpu_rows_put(Tensor x, Tensor index, Tensor rows) {
    size_t C = (size_t)tensor_last(rows);
    for (long i = 0; i < tensor_rows(rows); i++) memcpy(f32(x) + (size_t)i32(index)[i] * C, f32(rows) + (size_t)i * C, C * sizeof(float));
}

typedef struct {
    Tensor store, x;
    const int32_t *at;
} Storing;

static void rows_store_job(void *arg, size_t begin, size_t end) { // texts
    const Storing *s = arg;
    size_t C = (size_t)tensor_last(s->x), n = (size_t)s->x.shape[1] * C;
    for (size_t b = begin; b < end; b++) {
        size_t to = (b * (size_t)s->store.shape[1] + (size_t)s->at[b]) * C;
        const float *from = f32(s->x) + b * n;
        if (s->store.dtype == DTYPE_BF16) convert_f32_bf16((uint16_t *)s->store.data + to, from, n);
        else memcpy(f32(s->store) + to, from, n * sizeof(float));
    }
}

static void cpu_rows_store(Tensor store, Tensor x, const int32_t *at) {
    size_t each = (size_t)(x.shape[1] * tensor_last(x));
    parallel_for((size_t)x.shape[0], GRAIN / (each + 1) + 1, rows_store_job, &(Storing){store, x, at});
}

static void cpu_mean_tokens(Tensor out, Tensor x) {
    long T = x.shape[1], C = x.shape[2];
    for (long b = 0; b < x.shape[0]; b++)
        for (long c = 0; c < C; c++) {
            double s = 0;
            for (long t = 0; t < T; t++) s += (double)f32(x)[(b * T + t) * C + c];
            f32(out)[b * C + c] = (float)(s / (double)T);
        }
}

static void cpu_transpose(Tensor out, Tensor x) {
    long R = x.shape[0], C = x.shape[1];
    for (long r = 0; r < R; r++)
        for (long c = 0; c < C; c++) f32(out)[c * R + r] = f32(x)[r * C + c];
}

// ---- attention

typedef struct {
    float *out;
    const float *x, *cosine, *sine;
    long rows, heads, D, half; // rows of the tables
} Turning;

static void rotary_job(void *arg, size_t begin, size_t end) { // tokens
    const Turning *t = arg;
    for (size_t i = begin; i < end; i++) {
        const float *c = t->cosine + (long)i % t->rows * t->half, *s = t->sine + (long)i % t->rows * t->half;
        for (long h = 0; h < t->heads; h++) {
            long at = ((long)i * t->heads + h) * t->D;
            const float *in = t->x + at;
            float *o = t->out + at;
            for (long j = 0; j < t->half; j++) {
                o[j] = in[j] * c[j] - in[j + t->half] * s[j];
                o[j + t->half] = in[j + t->half] * c[j] + in[j] * s[j];
            }
            for (long j = 2 * t->half; j < t->D; j++) o[j] = in[j];
        }
    }
}

static void cpu_rotary(Tensor out, Tensor x, Tensor cosine, Tensor sine, int heads) {
    long width = x.shape[2];
    Turning t = {.out = f32(out), .x = f32(x), .cosine = f32(cosine), .sine = f32(sine), .rows = tensor_rows(cosine), .heads = heads, .D = width / heads, .half = tensor_last(cosine)};
    parallel_for((size_t)tensor_rows(x), (size_t)(GRAIN / width + 1), rotary_job, &t);
}

// The angle is a float product, as in the reference; its sine and cosine are rounded once.
static void cpu_rotary_tables(Tensor cosine, Tensor sine, Tensor positions, Tensor frequencies) {
    size_t n = tensor_count(positions), half = (size_t)tensor_last(frequencies);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < half; j++) {
            double s, c;
            sincos_of((double)((float)i32(positions)[i] * f32(frequencies)[j]), &s, &c);
            f32(cosine)[i * half + j] = (float)c;
            f32(sine)[i * half + j] = (float)s;
        }
}

static void attend(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights, bool bf16) {
    bool kept = k.dtype == DTYPE_BF16;
    attention_rows(&(Attention){.out = f32(out), .q = f32(q), .k = kept ? NULL : f32(k), .v = kept ? NULL : f32(v), .k16 = kept ? k.data : NULL,
                                .v16 = kept ? v.data : NULL, .B = q.shape[0], .Tq = q.shape[1], .Tk = k.shape[1],
                                .H = s->heads, .G = s->kv_heads, .D = q.shape[2] / s->heads, .scale = s->scale, .softcap = s->softcap,
                                .causal = s->causal, .window = s->window, .key_lengths = s->key_lengths, .key_mask = s->key_mask.data,
                                .mask = f32(s->mask), .weights = f32(weights), .dropout = s->dropout, .seed = s->seed, .stream = s->stream,
                                .bf16 = bf16});
}

static void cpu_attention(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) { attend(out, q, k, v, s, weights, false); }
static void cpu_attention_bf16(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) { attend(out, q, k, v, s, weights, true); }

// ---- losses: sums in double over rows in order

static void cpu_cross_entropy(Tensor out, Tensor logits, Tensor targets) {
    long R = tensor_rows(logits), V = tensor_last(logits), counted = 0;
    double sum = 0;
    Arena *a = arena_new("cross entropy");
    float *p = take(a, float, (size_t)V);
    for (long r = 0; r < R; r++) {
        int32_t target = i32(targets)[r];
        if (target < 0) continue;
        const float *x = f32(logits) + r * V;
        float top = x[0];
        for (long i = 1; i < V; i++) top = x[i] > top ? x[i] : top;
        for (long i = 0; i < V; i++) p[i] = x[i] - top;
        kernels()->exp(p, p, V);
        sum += log_of((double)kernels()->sum(p, V)) - ((double)x[target] - (double)top);
        counted++;
    }
    arena_free(a);
    *f32(out) = counted ? (float)(sum / (double)counted) : 0;
}

static void cpu_mean_squared(Tensor out, Tensor a, Tensor b) {
    size_t n = tensor_count(a);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)f32(a)[i] - (double)f32(b)[i];
        sum += d * d;
    }
    *f32(out) = (float)(sum / (double)n);
}

static void cpu_copy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }

static const Device *used;

void device_use(const Device *device) { used = device; }

const Device *device_used(void) { return used ? used : device_cpu(); }

const Device *device_computing(const Device *device, Compute compute) {
    if (compute == COMPUTE_BF16) return device->bf16();
    const Device *split = compute == COMPUTE_BF16X3 && device->bf16x3 ? device->bf16x3() : NULL;
    return split ? split : device;
}

static const Device *device_cpu_bf16x3(void);

#define DEVICE_CPU(name_, linear_, activated_, into_, attention_, keeps_) {                                                      \
        .name = name_, .read = cpu_copy, .write = cpu_copy, .copy = cpu_copy, .keep = packed_keep, .bf16 = device_cpu_bf16, .bf16x3 = device_cpu_bf16x3, .linear = linear_, \
        .linear_activated = activated_, .linear_into = into_, .keeps = keeps_, \
        .embedding = cpu_embedding, .layernorm = cpu_layernorm, .rmsnorm = cpu_rmsnorm, \
        .l2norm = cpu_l2norm, .activation = cpu_activation, .add = cpu_add, .add_rows = cpu_add_rows, .mul = cpu_mul, \
        .mul_row = cpu_mul_row, .scale = cpu_scale, .softcap = cpu_softcap, .clamp = cpu_clamp, .patchify = cpu_patchify, \
        .copy_tokens = cpu_copy_tokens, .copy_columns = cpu_copy_columns, .broadcast_row = cpu_broadcast_row, .rows_at = cpu_rows_at, \
        .rows_put = cpu_rows_put, .rows_store = cpu_rows_store, .mean_tokens = cpu_mean_tokens, .rotary = cpu_rotary, .rotary_tables = cpu_rotary_tables, \
        .attention = attention_, .cross_entropy = cpu_cross_entropy, .mean_squared = cpu_mean_squared, .choose = cpu_choose, .transpose = cpu_transpose, \
        .scale_by = cpu_scale_by, .exp_of = cpu_exp, .dropout = cpu_dropout, .gradients = &gradients_cpu}

const Device *device_cpu(void) {
    static const Device table = DEVICE_CPU("cpu", cpu_linear, cpu_linear_activated, NULL, cpu_attention, DTYPE_F32);
    return &table;
}

const Device *device_cpu_bf16(void) {
    static const Device table = DEVICE_CPU("cpu, bf16", cpu_linear_bf16, cpu_linear_activated_bf16, NULL, cpu_attention_bf16, DTYPE_BF16);
    static const Device tiles = DEVICE_CPU("cpu, bf16", cpu_linear_bf16, cpu_linear_activated_bf16, cpu_linear_into_bf16, cpu_attention_bf16, DTYPE_BF16);
    return strcmp(gemm_bf16_path(), "amx") == 0 ? &tiles : &table; // tiles' products add to x last, as a step of its own would: the same bits
}

static const Device *device_cpu_bf16x3(void) {
    static const Device tiles = DEVICE_CPU("cpu, bf16x3", cpu_linear_split, cpu_linear_activated_split, cpu_linear_into_split, cpu_attention, DTYPE_F32);
    return strcmp(gemm_bf16_path(), "amx") == 0 ? &tiles : NULL;
}
