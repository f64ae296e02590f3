// backend_bf16.cu: the operations of backend.cu that --dtype bf16 does in another way: products and attention on tensor cores, and what goes
// into them rounded once, where it is made.
//
// Twin of: model/ops_cpu.c with bf16, whose results stay f32: here a result that only products read is kept in bf16 (model/ops.h, "for products").
#include "operands.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "model/device.h"
#ifdef __cplusplus
}
#endif

#define FEW_ROWS 8 // of a step: rounded where the product reads them

// The last operation's result, or input, rounded to bf16: products that follow at once on it (queries, keys and values) share it.
static struct {
    const float *of;
    size_t count;
    uint16_t *to;
    unsigned long operation;
} last_rounded;

// Room for the rounding of what this operation makes; it is there for the next operation.
static uint16_t *rounding_of(const float *x, size_t count) {
    last_rounded.to = (uint16_t *)gpu_room_kept(count * sizeof(uint16_t));
    last_rounded.of = x, last_rounded.count = count, last_rounded.operation = gpu_operations();
    return last_rounded.to;
}

static const uint16_t *rounded(const float *x, size_t count) {
    bool there = last_rounded.of == x && last_rounded.count == count && last_rounded.operation + 1 == gpu_operations();
    if (there) last_rounded.operation++;
    else cuda_narrow(rounding_of(x, count), x, count, S);
    return last_rounded.to;
}

// What an operation that computes in f32 gives, with the rounding that it leaves besides: the result itself when that is of bf16, else one for
// the product that may follow.
typedef struct {
    float *wide; // NULL: only the rounding is wanted
    uint16_t *also;
} Results;

static Results results_of(Tensor out) {
    Results r = {NULL, (uint16_t *)out.data};
    if (out.dtype == DTYPE_BF16) return r;
    r.wide = out_of(out), r.also = tensor_rows(out) > FEW_ROWS ? rounding_of(r.wide, tensor_count(out)) : NULL;
    return r;
}

static uint16_t *narrowed(const float *x, size_t count) {
    uint16_t *to = (uint16_t *)gpu_room(count * sizeof *to);
    cuda_narrow(to, x, count, S);
    return to;
}

// Rows of K values for a product that wants them on sixteen bytes: filled up with zeros.
static uint16_t *filled_up(Tensor x, long K, long to) {
    uint16_t *room = (uint16_t *)gpu_room((size_t)(tensor_rows(x) * to) * sizeof *room);
    cuda_narrow_rows(room, to, stored(x), tensor_count(x) / (size_t)K, K, S);
    return room;
}

static NormFirst norm_of(const Rms *norm) {
    const Stored w = stored(norm->w);
    NormFirst n;
    memset(&n, 0, sizeof n); // lists of commands are compared
    n.w.data = w.data, n.w.type = w.type, n.eps = norm->eps, n.plus_one = norm->kind == RMS_ZERO_CENTRED;
    return n;
}

// A product on tensor cores, where the weight is stored in bf16. `into`: it is added to out. next: what reads the sum, or NULL.
static void linear_bf16(Tensor out, Tensor x, Tensor w, Tensor b, Act act, bool into, NormNext *next) {
    Gemm g = gpu_linear_product(out, x, w, b, act);
    if (g.M == 0) return;
    if (g.B_type != DTYPE_BF16 || (g.K % 8 == 0 && (uintptr_t)g.B % 16 != 0)) { // f32 sums of rounded values
        float *sum = into || out.dtype == DTYPE_BF16 ? (float *)gpu_room(tensor_count(out) * sizeof(float)) : g.C;
        g.A = floats(x), g.compute = COMPUTE_BF16, g.C = sum;
        cuda_gemm(&g, S);
        if (into) cuda_add(out_of(out), out_of(out), sum, tensor_count(out), S);
        else if (out.dtype == DTYPE_BF16) cuda_narrow((uint16_t *)out.data, sum, tensor_count(out), S);
        return;
    }
    GemmBf16 t;
    memset(&t, 0, sizeof t);
    t.M = g.M, t.N = g.N, t.K = t.lda = t.ldw = g.K, t.ldc = g.ldc;
    t.W = (const uint16_t *)g.B, t.C = out.data, t.C_bf16 = out.dtype == DTYPE_BF16;
    t.bias = g.bias, t.act = act;
    if (into) t.residual = out.data;
    if (g.K % 8 != 0) {
        t.K = t.lda = t.ldw = (g.K + 7) / 8 * 8;
        t.A = filled_up(x, g.K, t.K), t.W = filled_up(w, g.K, t.K);
    } else if (x.dtype == DTYPE_BF16) {
        t.A = (const uint16_t *)gpu_ready(x.data, tensor_bytes(x));
    } else {
        const float *A = floats(x);
        if (g.M <= FEW_ROWS && (uintptr_t)A % 16 == 0) t.A_f32 = A;
        else t.A = rounded(A, (size_t)(g.M * g.K));
    }
    const size_t room = gpu_way(WAY_SPLIT) ? cuda_gemm_bf16_room(&t) : 0;
    if (room) t.room = (float *)gpu_room(room);
    if (room && next && next->to.dtype == DTYPE_BF16 && gpu_way(WAY_BEHIND)) {
        const NormFirst norm = norm_of(&next->norm);
        next->done = cuda_gemm_bf16_then_norm_takes(&t, &norm);
        if (next->done) cuda_gemm_bf16_then_norm(&t, &norm, (uint16_t *)next->to.data, S);
        if (next->done) return;
    }
    cuda_gemm_bf16(&t, S);
}

// The same for several of few rows, as kernels of many products take them; false: one of them is another's.
static bool products_of(GemmBf16 *t, int count, Tensor *out, Tensor x, const Tensor *w, const Tensor *b, Act act) {
    const long M = tensor_rows(x), K = tensor_last(x);
    if (M < 1 || M > (x.dtype == DTYPE_F32 ? FEW_ROWS : STEP_ROWS) || K % 8 != 0) return false;
    for (int i = 0; i < count; i++)
        if (w[i].dtype != DTYPE_BF16 || (uintptr_t)w[i].data % 16 != 0) return false;
    gpu_begin("linear", out[0]);
    const void *A = gpu_ready(x.data, tensor_bytes(x));
    if ((uintptr_t)A % 16 != 0) return false;
    memset(t, 0, (size_t)count * sizeof *t);
    for (int i = 0; i < count; i++) {
        Gemm g = gpu_linear_product(out[i], x, w[i], b[i], i == 0 ? act : ACT_NONE);
        if ((uintptr_t)g.B % 16 != 0) return false;
        t[i].M = M, t[i].N = t[i].ldc = g.N, t[i].K = t[i].lda = t[i].ldw = K;
        if (x.dtype == DTYPE_F32) t[i].A_f32 = (const float *)A;
        else t[i].A = (const uint16_t *)A;
        t[i].W = (const uint16_t *)g.B, t[i].C = out[i].data, t[i].C_bf16 = out[i].dtype == DTYPE_BF16, t[i].bias = g.bias, t[i].act = g.act;
    }
    return true;
}

// Of a norm of x, likewise.
static bool products_normed(GemmBf16 *t, int count, bool is_gated, const Rms *norm) {
    if (!gpu_way(WAY_NORMED) || !t->A_f32) return false;
    const NormFirst first = norm_of(norm);
    if (!cuda_gemm_bf16_normed_takes(t, &first)) return false;
    cuda_gemm_bf16_normed(t, count, is_gated, &first, S);
    return true;
}

static bool op_linears_bf16(Tensor *out, int count, Tensor x, const Rms *norm, const Tensor *w, const Tensor *b) {
    GemmBf16 t[RING_MOST];
    if (!gpu_way(WAY_TOGETHER) || (norm && tensor_rows(x) > FEW_ROWS) || !products_of(t, count, out, x, w, b, ACT_NONE)) return false;
    if (norm) return products_normed(t, count, false, norm);
    if (x.dtype == DTYPE_F32) cuda_gemm_bf16_together(t, count, false, S);
    else if (cuda_gemm_hopper_together_takes(t, count)) cuda_gemm_hopper_together(t, count, S);
    else return false;
    return true;
}

static bool op_linear_gated_bf16(Tensor out, Tensor x, const Rms *norm, Tensor w, Tensor b, Act act, Tensor up_w, Tensor up_b) {
    GemmBf16 t[RING_MOST];
    Tensor to[2] = {out, out};
    const Tensor both[2] = {w, up_w}, biases[2] = {b, up_b};
    if (!gpu_way(WAY_TOGETHER) || (norm && tensor_rows(x) > FEW_ROWS) || !products_of(t, 2, to, x, both, biases, act)) return false;
    if (norm) return products_normed(t, 2, true, norm);
    if (x.dtype == DTYPE_F32) cuda_gemm_bf16_together(t, 2, true, S);
    else if (cuda_gemm_hopper_gated_takes(t)) cuda_gemm_hopper_gated(t, S);
    else return false;
    return true;
}

static void op_linear_bf16(Tensor out, Tensor x, Tensor w, Tensor b) {
    gpu_begin("linear", out);
    linear_bf16(out, x, w, b, ACT_NONE, false, NULL);
}

static void op_linear_activated_bf16(Tensor out, Tensor x, Tensor w, Tensor b, Act act) {
    gpu_begin("linear", out);
    linear_bf16(out, x, w, b, act, false, NULL);
}

static void op_linear_into_bf16(Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next) {
    gpu_begin("linear", x);
    linear_bf16(x, h, w, b, ACT_NONE, true, next);
}

#define FEW_QUERIES 4

static const uint16_t *halves(Tensor t) { return t.dtype == DTYPE_BF16 ? (const uint16_t *)gpu_ready(t.data, tensor_bytes(t)) : narrowed(floats(t), tensor_count(t)); }

static const uint16_t *halves_of_tokens(Tensor t, const int32_t *lengths) {
    if (!lengths || t.dtype == DTYPE_BF16) return halves(t);
    uint16_t *to = (uint16_t *)gpu_room(tensor_count(t) * sizeof *to);
    cuda_narrow_tokens(to, floats(t), lengths, t.shape[0], t.shape[1], t.shape[2], S);
    return to;
}

static void attention_on_tensor_cores(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s) {
    AttentionBf16 t;
    memset(&t, 0, sizeof t);
    Results r = results_of(out);
    t.out = r.also, t.out_f32 = r.wide;
    if (s->key_lengths) t.key_lengths = (const int32_t *)gpu_ready(s->key_lengths, (size_t)q.shape[0] * sizeof(int32_t));
    t.q = halves(q), t.k = halves_of_tokens(k, t.key_lengths), t.v = k.data == v.data ? t.k : halves_of_tokens(v, t.key_lengths);
    t.B = q.shape[0], t.Tq = q.shape[1], t.Tk = k.shape[1], t.H = s->heads, t.G = s->kv_heads, t.D = q.shape[2] / s->heads;
    t.scale = s->scale, t.softcap = s->softcap, t.causal = s->causal, t.window = s->window;
    if (tensor_given(s->key_mask)) t.key_mask = (const uint8_t *)gpu_ready(s->key_mask.data, tensor_bytes(s->key_mask));
    if (t.key_lengths && k.dtype == DTYPE_BF16 && cuda_attention_hopper_takes(&t)) // which wants numbers there
        for (int i = 0; i < 2; i++) cuda_zero_behind((uint16_t *)(i ? t.v : t.k), t.key_lengths, t.B, t.Tk, t.G * t.D, S);
    cuda_attention_bf16(&t, S);
}

// A step's few queries by a kernel that reads keys and values as they are kept.
static void op_attention_bf16(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) {
    const long D = q.shape[2] / s->heads, Tq = q.shape[1];
    const bool plain = !tensor_given(s->mask) && !tensor_given(weights) && s->dropout == 0, few = Tq <= FEW_QUERIES;
    gpu_begin("attention", out);
    if (tensor_count(out) == 0) return;
    if (plain && !few && (D == 64 || D == 80 || D == 96 || D == 128)) {
        attention_on_tensor_cores(out, q, k, v, s);
        return;
    }
    Attention a = gpu_attention_of(out, q, k, v, s, weights);
    if (few && cuda_attention_few_takes(&a)) {
        cuda_attention_few(&a, out.dtype == DTYPE_BF16 ? (uint16_t *)out.data : NULL, (float *)gpu_room(cuda_attention_few_room(&a)), S);
        return;
    }
    if (out.dtype == DTYPE_BF16) a.out = (float *)gpu_room(tensor_count(out) * sizeof(float));
    gpu_attend(a);
    if (out.dtype == DTYPE_BF16) cuda_narrow((uint16_t *)out.data, a.out, tensor_count(out), S);
}

static bool op_attention_stored_bf16(Tensor out, Tensor q, Tensor key, Tensor v, Tensor cosine, Tensor sine, Tensor keys, Tensor values, const int32_t *at, const AttnShape *s) {
    if (!gpu_way(WAY_STORED) || !gpu_way(WAY_TURNED) || q.shape[1] != 1 || keys.dtype != DTYPE_BF16 || tensor_count(out) == 0 || tensor_given(s->mask)) return false;
    gpu_begin("attention_stored", out);
    const Attention a = gpu_attention_of(out, q, keys, values, s, NO_TENSOR);
    const RotaryStored r = gpu_rotary_stored_of(NULL, q, key, v, cosine, sine, s->heads, keys, values, at);
    if (!cuda_attention_few_turned_takes(&a, &r)) return false;
    cuda_attention_few_turned(&a, &r, out.dtype == DTYPE_BF16 ? (uint16_t *)out.data : NULL, (float *)gpu_room(cuda_attention_few_room(&a)), S);
    return true;
}

static void op_layernorm_bf16(Tensor out, Tensor x, Tensor w, Tensor b, float eps) {
    gpu_begin("layernorm", out);
    Results r = results_of(out);
    cuda_layernorm_and_bf16(r.wide, r.also, floats(x), stored(w), stored(b), tensor_rows(x), tensor_last(x), eps, S);
}

static void op_rmsnorm_bf16(Tensor out, Tensor x, Tensor w, float eps, RmsKind kind) {
    gpu_begin("rmsnorm", out);
    Results r = results_of(out);
    cuda_rmsnorm_and_bf16(r.wide, r.also, floats(x), stored(w), tensor_rows(x), tensor_last(x), eps, kind == RMS_ZERO_CENTRED, S);
}

static void op_activation_bf16(Tensor out, Tensor x, Act act) {
    gpu_begin("activation", out);
    uint16_t *also = act == ACT_SILU ? NULL : results_of(out).also; // that of a gate is multiplied first
    cuda_activation_and_bf16(out_of(out), also, floats(x), tensor_count(x), (int)act, S);
}

static void op_mul_bf16(Tensor out, Tensor a, Tensor b) {
    gpu_begin("mul", out);
    Results r = results_of(out);
    if (!r.wide) cuda_mul_rounded(r.also, stored(a), stored(b), tensor_count(a), S);
    else cuda_mul_and_bf16(r.wide, r.also, floats(a), floats(b), tensor_count(a), S);
}

HOST void gpu_bf16_operations(Device *t) {
    t->linear = op_linear_bf16, t->linear_activated = op_linear_activated_bf16, t->linear_into = op_linear_into_bf16;
    t->linears = op_linears_bf16, t->linear_gated = op_linear_gated_bf16;
    t->rounds_from = FEW_ROWS + 1, t->norms_behind = STEP_ROWS, t->keeps = DTYPE_BF16;
    t->attention = op_attention_bf16, t->attention_stored = op_attention_stored_bf16;
    t->layernorm = op_layernorm_bf16, t->rmsnorm = op_rmsnorm_bf16, t->activation = op_activation_bf16, t->mul = op_mul_bf16;
}
