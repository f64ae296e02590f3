// backend.cu: the table of operations on a GPU: pointers made ready, shapes turned into rows and columns, kernels launched.
//
// Twin of: model/ops_cpu.c, function by function. What an operation gives lies on the GPU; what it reads may lie anywhere (memory.h).
#include "kernels.h"

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "backend.h"
#ifdef __cplusplus
}
#endif
#include "choosing.h"
#include "commands.h"
#include "gradients.h"
#include "operands.h"

// A linear layer, as its product takes it; what it reads and writes is made ready.
HOST Gemm gpu_linear_product(Tensor out, Tensor x, Tensor w, Tensor b, Act act) {
    Gemm g;
    memset(&g, 0, sizeof g);
    g.kind = GEMM_NT;
    g.M = tensor_rows(x);
    g.N = w.shape[0];
    g.K = g.lda = g.ldb = w.shape[1];
    g.ldc = g.N;
    g.B = gpu_ready(w.data, tensor_bytes(w));
    g.B_type = w.dtype;
    g.C = out_of(out);
    g.act = act;
    if (tensor_given(b)) {
        Stored bias = stored(b);
        g.bias = (const float *)bias.data;
        if (b.dtype != DTYPE_F32) {
            float *wide = (float *)gpu_room(tensor_count(b) * sizeof(float));
            cuda_widen(wide, bias, tensor_count(b), S);
            g.bias = wide;
        }
    }
    return g;
}

#define AS_STORED 32 // rows that a product takes with weights of sixteen bits as they are
#define WIDE_MOST ((size_t)256 << 20) // bytes of weights that are widened at a time

// In f32: weights of sixteen bits are widened once, not by every block that reads them, when there are many rows to multiply.
static void product_f32(Gemm g) {
    if (g.M == 0) return;
    if (g.B_type == DTYPE_F32 || g.M <= AS_STORED) {
        cuda_gemm(&g, S);
        return;
    }
    const size_t row = (size_t)g.K * sizeof(float);
    const long N = g.N, rows = (size_t)N * row <= WIDE_MOST ? N : WIDE_MOST / row > 128 ? (long)(WIDE_MOST / row) : 128;
    float *wide = (float *)gpu_room((size_t)(rows < N ? rows : N) * row);
    const Stored weights = {g.B, (int)g.B_type};
    g.B = wide, g.B_type = DTYPE_F32;
    for (long n = 0; n < N; n += rows) {
        const Stored from = {(const uint16_t *)weights.data + n * g.K, weights.type};
        Gemm part = g;
        part.N = N - n < rows ? N - n : rows, part.C = g.C + n;
        if (g.bias) part.bias = g.bias + n;
        cuda_widen(wide, from, (size_t)(part.N * g.K), S);
        cuda_gemm(&part, S);
    }
}

static void op_linear(Tensor out, Tensor x, Tensor w, Tensor b) {
    gpu_begin("linear", out);
    Gemm g = gpu_linear_product(out, x, w, b, ACT_NONE);
    g.A = floats(x);
    product_f32(g);
}

static void op_embedding(Tensor out, Tensor table, Tensor ids) {
    gpu_begin("embedding", out);
    cuda_embedding(out_of(out), stored(table), ints(ids), (long)tensor_count(ids), table.shape[1], S);
}

static void op_layernorm(Tensor out, Tensor x, Tensor w, Tensor b, float eps) {
    gpu_begin("layernorm", out);
    cuda_layernorm(out_of(out), floats(x), stored(w), stored(b), tensor_rows(x), tensor_last(x), eps, S);
}

static void op_rmsnorm(Tensor out, Tensor x, Tensor w, float eps, RmsKind kind) {
    gpu_begin("rmsnorm", out);
    cuda_rmsnorm(out_of(out), floats(x), stored(w), tensor_rows(x), tensor_last(x), eps, kind == RMS_ZERO_CENTRED, S);
}

static void op_l2norm(Tensor out, Tensor x, float floor) {
    gpu_begin("l2norm", out);
    cuda_l2norm(out_of(out), floats(x), tensor_rows(x), tensor_last(x), floor, S);
}

static void op_activation(Tensor out, Tensor x, Act act) {
    gpu_begin("activation", out);
    cuda_activation(out_of(out), floats(x), tensor_count(x), (int)act, S);
}

static void op_add(Tensor out, Tensor a, Tensor b) {
    gpu_begin("add", out);
    cuda_add(out_of(out), floats(a), floats(b), tensor_count(a), S);
}

static void op_add_rows(Tensor out, Tensor x, Tensor rows) {
    gpu_begin("add_rows", out);
    cuda_add_rows(out_of(out), floats(x), stored(rows), tensor_count(x), tensor_count(rows), S);
}

static void op_mul(Tensor out, Tensor a, Tensor b) {
    gpu_begin("mul", out);
    cuda_mul(out_of(out), floats(a), floats(b), tensor_count(a), S);
}

static void op_mul_row(Tensor out, Tensor x, Tensor row) {
    gpu_begin("mul_row", out);
    cuda_mul_rows(out_of(out), floats(x), stored(row), tensor_count(x), tensor_count(row), S);
}

static void op_scale(Tensor out, Tensor x, float factor) {
    gpu_begin("scale", out);
    cuda_scale(out_of(out), floats(x), tensor_count(x), factor, S);
}

static void op_scale_by(Tensor out, Tensor x, Tensor factor) {
    gpu_begin("scale_by", out);
    cuda_scale_by(out_of(out), floats(x), tensor_count(x), stored(factor), S);
}

static void op_softcap(Tensor out, Tensor x, float cap) {
    gpu_begin("softcap", out);
    cuda_softcap(out_of(out), floats(x), tensor_count(x), cap, S);
}

static void op_clamp(Tensor out, Tensor x, float low, float high) {
    gpu_begin("clamp", out);
    cuda_clamp(out_of(out), floats(x), tensor_count(x), low, high, S);
}

static void op_exp(Tensor out, Tensor x) {
    gpu_begin("exp", out);
    cuda_exp(out_of(out), floats(x), tensor_count(x), S);
}

static void op_dropout(Tensor out, Tensor x, float p, uint64_t seed, uint64_t stream) {
    gpu_begin("dropout", out);
    cuda_dropout(out_of(out), floats(x), tensor_count(x), p, seed, stream, S);
}

static void op_patchify(Tensor out, Tensor pixels, int P) {
    gpu_begin("patchify", out);
    cuda_patchify(out_of(out), floats(pixels), pixels.shape[0], pixels.shape[1], pixels.shape[2], pixels.shape[3], P, S);
}

static void op_copy_tokens(Tensor out, long to, Tensor x, long from, long tokens) {
    const long C = tensor_last(x);
    gpu_begin("copy_tokens", out);
    if (tensor_count(x)) cuda_copy_block(out_of(out) + to * C, out.shape[1] * C, floats(x) + from * C, x.shape[1] * C, x.shape[0], tokens * C, S);
}

static void op_copy_columns(Tensor out, long to, Tensor x, long from, long columns) {
    gpu_begin("copy_columns", out);
    if (tensor_count(x)) cuda_copy_block(out_of(out) + to, tensor_last(out), floats(x) + from, tensor_last(x), tensor_rows(x), columns, S);
}

static void op_broadcast_row(Tensor out, long at, Tensor row) {
    gpu_begin("broadcast_row", out);
    cuda_broadcast_row(out_of(out) + at * out.shape[2], out.shape[1] * out.shape[2], stored(row), out.shape[0], out.shape[2], S);
}

static void op_rows_at(Tensor out, Tensor x, Tensor index) {
    gpu_begin("rows_at", out);
    cuda_rows_at(out_of(out), floats(x), ints(index), x.shape[0], x.shape[1], x.shape[2], S);
}

// Of two rows for one place the later one stays, as on the CPU: the earlier one is not put at all.
static void op_rows_put(Tensor x, Tensor index, Tensor rows) {
    const long R = tensor_rows(rows), places = tensor_rows(x);
    if (R == 0) return;
    gpu_begin("rows_put", x);
    int32_t *last = (int32_t *)memory_take((size_t)(places + R) * sizeof *last, "rows_put"), *at = last + places;
    for (long i = 0; i < R; i++) last[i32(index)[i]] = (int32_t)i;
    for (long i = 0; i < R; i++) at[i] = last[i32(index)[i]] == i ? i32(index)[i] : -1;
    const int32_t *there = (const int32_t *)gpu_ready(at, (size_t)R * sizeof *at);
    free(last);
    cuda_rows_put(out_of(x), there, floats(rows), R, tensor_last(rows), S);
}

static void op_rows_store(Tensor store, Tensor x, const int32_t *at) {
    gpu_begin("rows_store", x);
    const int32_t *there = (const int32_t *)gpu_ready(at, (size_t)x.shape[0] * sizeof *at);
    if (store.dtype == DTYPE_BF16) cuda_rows_store_rounded((uint16_t *)store.data, floats(x), there, x.shape[0], x.shape[1], store.shape[1], x.shape[2], S);
    else cuda_rows_store(out_of(store), floats(x), there, x.shape[0], x.shape[1], store.shape[1], x.shape[2], S);
}

static void op_mean_tokens(Tensor out, Tensor x) {
    gpu_begin("mean_tokens", out);
    cuda_mean_tokens(out_of(out), floats(x), x.shape[0], x.shape[1], x.shape[2], S);
}

static void op_transpose(Tensor out, Tensor x) {
    gpu_begin("transpose", out);
    cuda_transpose(out_of(out), floats(x), x.shape[0], x.shape[1], S);
}

static void op_rotary(Tensor out, Tensor x, Tensor cosine, Tensor sine, int heads) {
    gpu_begin("rotary", out);
    cuda_rotary(out_of(out), floats(x), floats(cosine), floats(sine), x.shape[0] * x.shape[1], heads, x.shape[2] / heads, tensor_last(cosine), tensor_rows(cosine), S);
}

HOST RotaryStored gpu_rotary_stored_of(float *out, Tensor q, Tensor key, Tensor v, Tensor cosine, Tensor sine, int heads, Tensor keys, Tensor values, const int32_t *at) {
    RotaryStored a;
    memset(&a, 0, sizeof a); // lists of commands are compared
    a.out = out, a.q = floats(q), a.key = floats(key), a.v = floats(v), a.cosine = floats(cosine), a.sine = floats(sine);
    a.keys = keys.data, a.values = values.data, a.halves = keys.dtype == DTYPE_BF16, a.at = (const int32_t *)gpu_ready(at, (size_t)q.shape[0] * sizeof *at);
    a.R = tensor_rows(q), a.T = q.shape[1], a.capacity = keys.shape[1], a.D = q.shape[2] / heads, a.heads = heads, a.kv_heads = key.shape[2] / a.D;
    a.half = tensor_last(cosine), a.rows = tensor_rows(cosine);
    return a;
}

static bool op_rotary_stored(Tensor out, Tensor q, Tensor key, Tensor v, Tensor cosine, Tensor sine, int heads, Tensor keys, Tensor values, const int32_t *at) {
    if (!gpu_way(WAY_STORED)) return false;
    gpu_begin("rotary_stored", q);
    const RotaryStored a = gpu_rotary_stored_of(out_of(out), q, key, v, cosine, sine, heads, keys, values, at);
    return cuda_rotary_stored(&a, S);
}

static void op_rotary_tables(Tensor cosine, Tensor sine, Tensor positions, Tensor frequencies) {
    gpu_begin("rotary_tables", cosine);
    cuda_rotary_tables(out_of(cosine), out_of(sine), ints(positions), floats(frequencies), (long)tensor_count(positions), tensor_last(frequencies), S);
}

HOST Attention gpu_attention_of(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) {
    Attention a;
    memset(&a, 0, sizeof a);
    a.out = out_of(out);
    a.q = floats(q);
    if (k.dtype == DTYPE_BF16) a.k16 = (const uint16_t *)gpu_ready(k.data, tensor_bytes(k)), a.v16 = (const uint16_t *)gpu_ready(v.data, tensor_bytes(v));
    else a.k = floats(k), a.v = k.data == v.data ? a.k : floats(v);
    a.B = q.shape[0];
    a.Tq = q.shape[1];
    a.Tk = k.shape[1];
    a.H = s->heads;
    a.G = s->kv_heads;
    a.D = q.shape[2] / s->heads;
    a.scale = s->scale;
    a.softcap = s->softcap;
    a.causal = s->causal;
    a.window = s->window;
    if (s->key_lengths) a.key_lengths = (const int32_t *)gpu_ready(s->key_lengths, (size_t)a.B * sizeof(int32_t));
    if (tensor_given(s->key_mask)) a.key_mask = (const uint8_t *)gpu_ready(s->key_mask.data, tensor_bytes(s->key_mask));
    if (tensor_given(s->mask)) a.mask = floats(s->mask);
    if (tensor_given(weights)) a.weights = out_of(weights);
    a.dropout = s->dropout, a.seed = s->seed, a.stream = s->stream;
    return a;
}

static const float *widened_keys(const Attention *a, const uint16_t *x) {
    const size_t n = (size_t)(a->B * a->Tk * a->G * a->D);
    const Stored halves = {x, DTYPE_BF16};
    float *wide = (float *)gpu_room(n * sizeof *wide);
    cuda_widen(wide, halves, n, S);
    return wide;
}

// In the CPU's order, whatever keys and values are kept in.
HOST void gpu_attend(Attention a) {
    if (a.B == 0 || a.Tq == 0) return;
    if (a.k16) a.k = widened_keys(&a, a.k16), a.v = a.v16 == a.k16 ? a.k : widened_keys(&a, a.v16), a.k16 = a.v16 = NULL;
    if (cuda_attention_apart_takes(&a)) cuda_attention_apart(&a, (float *)gpu_room(cuda_attention_apart_room(&a)), S);
    else cuda_attention(&a, S);
}

static void op_attention(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) {
    gpu_begin("attention", out);
    Attention a = gpu_attention_of(out, q, k, v, s, weights);
    gpu_attend(a);
}

static void op_cross_entropy(Tensor out, Tensor logits, Tensor targets) {
    gpu_begin("cross_entropy", logits);
    const long R = tensor_rows(logits);
    cuda_cross_entropy(out_of(out), floats(logits), ints(targets), (double *)gpu_room((size_t)R * sizeof(double)), R, tensor_last(logits), S);
}

static void op_mean_squared(Tensor out, Tensor a, Tensor b) {
    gpu_begin("mean_squared", a);
    cuda_mean_squared(out_of(out), floats(a), floats(b), tensor_count(a), S);
}

static void op_choose(Tensor out, Tensor logits, const Choosing *how) {
    const size_t R = (size_t)tensor_rows(logits);
    CudaChoose c;
    memset(&c, 0, sizeof c);
    gpu_begin("choose", logits);
    c.logits = floats(logits), c.R = (long)R, c.V = tensor_last(logits), c.how = *how;
    c.rows = (Distribution *)out.data, c.best = (Choice *)(c.rows + R), c.likeliest = c.best + R * (size_t)how->best;
    c.how.penalised = (const int32_t *)gpu_ready(how->penalised_room ? how->penalised : NULL, R * (size_t)how->penalised_room * sizeof(int32_t));
    c.how.banned = (const int32_t *)gpu_ready(how->banned_room ? how->banned : NULL, R * (size_t)how->banned_room * sizeof(int32_t));
    c.how.plus = (const float *)gpu_ready(how->plus, R * sizeof(float));
    need(!how->next || gpu_holds(how->next), "cuda: ids for the next step that do not stay on the GPU");
    c.how.draw.uniform = (const double *)gpu_ready(how->draw.uniform, R * sizeof(double));
    const bool changed = how->normalised || how->penalised_room || how->banned_room || how->plus;
    cuda_choose(&c, gpu_room(cuda_choose_room(c.R, c.V, changed)), changed, S);
}

// The rows and all that the search needs have to find room beside what is there; if not, whoever asks has another way.
static bool op_nearest(int32_t *id, float *score, const float *x, const float *offset, long N, int C, int K) {
    const size_t numbers = (size_t)N * (size_t)C * sizeof *x, results = (size_t)N * (size_t)K * sizeof *score;
    CudaKnn a;
    memset(&a, 0, sizeof a);
    a.Q = a.N = N, a.C = C, a.K = K, a.without_self = true;
    if (K > CUDA_KNN_MOST || N > INT32_MAX || commands_listed()) return false;
    const size_t room = cuda_knn_room(&a);
    const long shape[2] = {N, C};
    gpu_begin("nearest", tensor_of(NULL, DTYPE_F32, 2, shape));
    if (!gpu_fits(numbers + (size_t)N * sizeof *offset + room + 2 * results)) return false;
    a.query = a.point = (const float *)gpu_ready(x, numbers), a.offset = (const float *)gpu_ready(offset, (size_t)N * sizeof *offset);
    a.id = (int32_t *)gpu_room(results), a.score = (float *)gpu_room(results), a.room = gpu_room(room);
    cuda_knn(&a, S);
    gpu_read(id, a.id, results), gpu_read(score, a.score, results);
    return true;
}

static const Device *in_bf16(void);

static void fill(Device *table) {
    Device t;
    memset(&t, 0, sizeof t);
    t.name = "cuda";
    t.memory = &gpu_memory;
    t.read = gpu_read, t.read_begin = gpu_read_begin, t.read_end = gpu_read_end, t.holds = gpu_holds, t.ahead = 1, t.write = gpu_write, t.copy = gpu_copy, t.keep = gpu_keep, t.repeats = gpu_repeats, t.plan = gpu_plan;
    t.linear = op_linear, t.embedding = op_embedding, t.layernorm = op_layernorm, t.rmsnorm = op_rmsnorm, t.l2norm = op_l2norm;
    t.activation = op_activation, t.add = op_add, t.add_rows = op_add_rows, t.mul = op_mul, t.mul_row = op_mul_row, t.scale = op_scale;
    t.softcap = op_softcap, t.clamp = op_clamp, t.patchify = op_patchify, t.copy_tokens = op_copy_tokens, t.copy_columns = op_copy_columns;
    t.broadcast_row = op_broadcast_row, t.rows_at = op_rows_at, t.rows_put = op_rows_put, t.rows_store = op_rows_store;
    t.mean_tokens = op_mean_tokens, t.rotary = op_rotary, t.rotary_tables = op_rotary_tables, t.rotary_stored = op_rotary_stored, t.attention = op_attention;
    t.cross_entropy = op_cross_entropy, t.mean_squared = op_mean_squared, t.choose = op_choose, t.nearest = op_nearest, t.transpose = op_transpose, t.scale_by = op_scale_by;
    t.exp_of = op_exp, t.dropout = op_dropout;
    t.gradients = gpu_gradients();
    t.bf16 = in_bf16;
    *table = t;
}

static const Device *in_bf16(void) {
    static Device t;
    if (!t.name) {
        fill(&t);
        t.name = "cuda, bf16";
        gpu_bf16_operations(&t);
    }
    return &t;
}

HOST const Device *device_cuda(const char **why) {
    static Device t;
    if (!gpu_open(why)) return NULL;
    if (!t.name) fill(&t);
    return &t;
}

HOST const char *device_cuda_name(void) { return gpu_name(); }
