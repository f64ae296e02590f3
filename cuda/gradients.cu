// gradients.cu: the table of model/gradients.h on a GPU: pointers made ready, kernels launched. Products are cuda_gemm's.
//
// Twin of: model/gradients_cpu.c and model/gradients_attention.c, function by function; the same bits.
#include "kernels.h"

#include <stdlib.h>

#include "gradients.h"
#include "light.h"
#include "memory.h"

#define S gpu_stream()

static void begin(const char *what, size_t rows, size_t columns) {
    const long shape[2] = {(long)rows, (long)columns};
    gpu_begin(what, tensor_of(NULL, DTYPE_F32, 2, shape));
}

static const float *ready(const float *x, size_t n) { return (const float *)gpu_ready(x, n * sizeof *x); }
static const int32_t *ready_list(const int32_t *x, size_t n) { return (const int32_t *)gpu_ready(x, n * sizeof *x); }

static void do_zero(float *d, size_t n) { gpu_zero(d, n * sizeof *d); }

static void do_product(const Gemm *g) {
    Gemm there = *g;
    const bool turned = g->kind == GEMM_TN;
    begin("the gradient of a product", (size_t)g->M, (size_t)g->N);
    there.A = ready(g->A, (size_t)(turned ? g->K : g->M) * (size_t)g->lda);
    there.B = gpu_ready(g->B, (size_t)(g->kind == GEMM_NT ? g->N : g->K) * (size_t)g->ldb * dtype_size(g->B_type));
    cuda_gemm(&there, S);
}

static void do_each(const EachGradient *e) {
    EachGradient k = *e;
    size_t gs = e->n, xs = e->n;
    if (e->kind == EACH_MEAN) gs = e->n / e->T;
    if (e->kind == EACH_DIFFERENCE) gs = 1;
    if (e->kind == EACH_ROW_PRODUCT) xs = e->C;
    if (e->kind == EACH_SCALE_BY) xs = 1;
    begin("a gradient", 1, e->n);
    k.g = ready(e->g, gs);
    k.x = ready(e->x, xs);
    k.y = ready(e->y, e->n);
    cuda_each_gradient(&k, S);
}

static void do_sum_rows(float *d, const float *g, const float *x, long R, long C, long ld) {
    begin("a sum over rows", (size_t)R, (size_t)C);
    cuda_sum_rows(d, g, ready(x, (size_t)(R * ld)), R, C, ld, S);
}

static void do_add_columns(float *d, long ldd, const float *g, long ldg, long R, long C) {
    begin("the gradient of a part", (size_t)R, (size_t)C);
    cuda_add_columns(d, ldd, g, ldg, R, C, S);
}

// Entries are sorted by destination, those of one destination stay in their order (counted, then dealt out): then every sum belongs to one thread.
static void do_add_rows(float *d, const int32_t *to, const float *g, const int32_t *from, long n, long C) {
    if (n == 0) return;
    begin("the gradient of rows", (size_t)n, (size_t)C);
    long most = to ? 0 : n - 1, groups = 0;
    for (long i = 0; to && i < n; i++) most = to[i] > most ? to[i] : most;
    int32_t *lists = (int32_t *)memory_take((size_t)(3 * n + 1 + most + 1) * sizeof *lists, "rows of a gradient");
    int32_t *places = lists, *sources = lists + n, *starts = lists + 2 * n, *next = lists + 3 * n + 1; // next: of each destination, how many; then where the next one goes
    memset(next, 0, (size_t)(most + 1) * sizeof *next);
    for (long i = 0; i < n; i++) next[to ? to[i] : i]++;
    int32_t at = 0;
    for (long place = 0; place <= most; place++) {
        const int32_t count = next[place];
        next[place] = at;
        if (count) places[groups] = (int32_t)place, starts[groups++] = at;
        at += count;
    }
    starts[groups] = (int32_t)n;
    for (long i = 0; i < n; i++) sources[next[to ? to[i] : i]++] = from ? from[i] : (int32_t)i;
    const int32_t *there = ready_list(lists, (size_t)(3 * n + 1));
    free(lists);
    cuda_add_row_groups(d, there, there + 2 * n, g, there + n, groups, C, S);
}

static void do_norm(const NormGradient *given) {
    NormGradient k = *given;
    begin("the gradient of a norm", (size_t)k.R, (size_t)k.C);
    k.x = ready(given->x, (size_t)(k.R * k.C));
    k.weight = ready(given->weight, (size_t)k.C);
    cuda_norm_gradient(&k, S);
}

static void do_rotary(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows) {
    begin("the gradient of rotary positions", (size_t)R, (size_t)(heads * D));
    cuda_rotary_gradient(d, g, ready(cosine, (size_t)(rows * half)), ready(sine, (size_t)(rows * half)), R, heads, D, half, rows, S);
}

static void do_patchify(float *d, const float *g, long B, long channels, long h, long w, long P) {
    begin("the gradient of patches", (size_t)(B * channels), (size_t)(h * w));
    cuda_patchify_gradient(d, g, B, channels, h, w, P, S);
}

static void do_cross_entropy(float *d, bool fresh, const float *logits, const int32_t *targets, const float *g, long R, long V) {
    long counted = 0;
    for (long r = 0; r < R; r++) counted += targets[r] >= 0;
    begin("the gradient of cross entropy", (size_t)R, (size_t)V);
    cuda_entropy_gradient(d, fresh, ready(logits, (size_t)(R * V)), ready_list(targets, (size_t)R), g, counted, R, V, S);
}

// The pieces of entries of these lengths, on the GPU.
static const Piece *pieces_ready(const size_t *lengths, size_t count, size_t each, long *total) {
    *total = 0;
    for (size_t i = 0; i < count; i++) *total += (long)((lengths[i] + each - 1) / each);
    Piece *pieces = (Piece *)memory_take((size_t)(*total + 1) * sizeof *pieces, "pieces of tensors"), *at = pieces;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k * each < lengths[i]; k++, at++) at->which = (int32_t)i, at->number = (int32_t)k;
    const Piece *there = (const Piece *)gpu_ready(pieces, (size_t)(*total + 1) * sizeof *pieces);
    free(pieces);
    return there;
}

static void do_dots(double *out, const DotPair *given, size_t count) {
    begin("sums of products", 1, count);
    size_t *lengths = (size_t *)memory_take((count + 1) * sizeof *lengths, "sums of products");
    DotPair *pairs = (DotPair *)memory_take((count + 1) * sizeof *pairs, "sums of products");
    for (size_t i = 0; i < count; i++) {
        lengths[i] = given[i].n;
        pairs[i].a = ready(given[i].a, given[i].n), pairs[i].b = ready(given[i].b, given[i].n), pairs[i].n = given[i].n;
    }
    long total;
    const Piece *pieces = pieces_ready(lengths, count, DOT_PIECE, &total);
    double *sums = (double *)gpu_room((size_t)(total + 1) * sizeof *sums), *here = (double *)memory_take((size_t)(total + 1) * sizeof *here, "sums of products");
    cuda_dot_pieces(sums, (const DotPair *)gpu_ready(pairs, (count + 1) * sizeof *pairs), pieces, total, S);
    if (total) gpu_read(here, sums, (size_t)total * sizeof *sums);
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = 0;
        for (size_t p = 0; p * DOT_PIECE < lengths[i]; p++) out[i] += here[from++];
    }
    free(here), free(pairs), free(lengths);
}

static void do_adam(const AdamStep *steps, size_t count) {
    begin("an update of AdamW", 1, count);
    size_t *lengths = (size_t *)memory_take((count + 1) * sizeof *lengths, "an update of AdamW");
    for (size_t i = 0; i < count; i++) lengths[i] = steps[i].n;
    long total;
    const Piece *pieces = pieces_ready(lengths, count, ADAM_PIECE, &total);
    if (total) cuda_adam((const AdamStep *)gpu_ready(steps, count * sizeof *steps), pieces, total, S);
    free(lengths);
}

// ---- attention

// One product for every batch item and key/value head; strides: floats from one batch item, one head to the next.
static void products(const Attention *a, GemmKind kind, long M, long N, long K, const float *A, long lda, const long *As, const float *B, long ldb, const long *Bs, float *C,
                     long ldc, const long *Cs, bool accumulate) {
    Gemm g;
    GemmBatch batch;
    memset(&g, 0, sizeof g);
    g.kind = kind, g.M = M, g.N = N, g.K = K, g.A = A, g.lda = lda, g.B = B, g.B_type = DTYPE_F32, g.ldb = ldb, g.C = C, g.ldc = ldc, g.accumulate = accumulate;
    batch.count = a->B * a->G, batch.inner = a->G;
    for (int i = 0; i < 2; i++) batch.A[i] = As[i], batch.B[i] = Bs[i], batch.C[i] = Cs[i];
    cuda_gemm_batch(&g, &batch, S);
}

// Heads that share keys come one after the other, so that their dK and dV add up in the CPU's order.
static void attention_gradients(const Attention *a, const AttentionGradient *k, const float *P) {
    const long D = a->D, Tq = a->Tq, Tk = a->Tk, lq = a->H * D, lk = a->G * D, share = a->H / a->G;
    const long qs[2] = {Tq * lq, share * D}, ks[2] = {Tk * lk, D}, ss[2] = {a->H * Tq * Tk, share * Tq * Tk};
    const size_t all = (size_t)(a->B * a->H * Tq * Tk);
    const float *used = P;
    if (a->dropout > 0) {
        float *dropped = (float *)gpu_room(all * sizeof *dropped);
        cuda_dropout(dropped, P, all, a->dropout, a->seed, a->stream, S);
        used = dropped;
    }
    for (long h = 0; k->dv && h < share; h++) products(a, GEMM_TN, Tk, D, Tq, used + h * Tq * Tk, Tk, ss, k->g + h * D, lq, qs, k->dv, lk, ks, true);
    if (!k->dq && !k->dk) return;
    float *dS = (float *)gpu_room(all * sizeof *dS), *capped = NULL;
    for (long h = 0; h < share; h++) products(a, GEMM_NT, Tq, Tk, D, k->g + h * D, lq, qs, a->v, lk, ks, dS + h * Tq * Tk, Tk, ss, false);
    if (a->dropout > 0) cuda_dropout(dS, dS, all, a->dropout, a->seed, a->stream, S);
    if (a->softcap > 0) {
        capped = (float *)gpu_room(all * sizeof *capped);
        for (long h = 0; h < share; h++) products(a, GEMM_NT, Tq, Tk, D, a->q + h * D, lq, qs, a->k, lk, ks, capped + h * Tq * Tk, Tk, ss, false);
        cuda_scale(capped, capped, all, a->scale, S);
        cuda_softcap(capped, capped, all, a->softcap, S);
    }
    cuda_scores_gradient(dS, P, capped, a->B * a->H * Tq, Tk, a->softcap, a->scale, S);
    for (long h = 0; h < share; h++) {
        if (k->dq) products(a, GEMM_NN, Tq, D, Tk, dS + h * Tq * Tk, Tk, ss, a->k, lk, ks, k->dq + h * D, lq, qs, !k->fresh_q);
        if (k->dk) products(a, GEMM_TN, Tk, D, Tq, dS + h * Tq * Tk, Tk, ss, a->q + h * D, lq, qs, k->dk, lk, ks, true);
    }
}

static void do_attention(Arena *scratch, const Attention *given, const AttentionGradient *k) {
    Attention a = *given;
    const size_t queries = (size_t)(a.B * a.Tq * a.H * a.D), keys = (size_t)(a.B * a.Tk * a.G * a.D);
    (void)scratch;
    if (a.B == 0 || a.Tq == 0) return;
    begin("the gradient of attention", (size_t)(a.B * a.Tq), (size_t)(a.H * a.D));
    a.q = ready(given->q, queries);
    a.k = ready(given->k, keys);
    a.v = ready(given->v, keys);
    a.key_lengths = ready_list(given->key_lengths, (size_t)a.B);
    a.key_mask = (const uint8_t *)gpu_ready(given->key_mask, (size_t)(a.B * a.Tk));
    a.mask = ready(given->mask, (size_t)(a.Tq * a.Tk));
    Attention again = a; // the weights, without dropout
    again.out = (float *)gpu_room(queries * sizeof(float));
    again.weights = (float *)gpu_room((size_t)(a.B * a.H * a.Tq * a.Tk) * sizeof(float));
    again.dropout = 0;
    cuda_attention(&again, S);
    attention_gradients(&a, k, again.weights);
}

HOST const Gradients *gpu_gradients(void) {
    static Gradients t;
    t.zero = do_zero, t.product = do_product, t.each = do_each, t.sum_rows = do_sum_rows, t.add_columns = do_add_columns, t.add_rows = do_add_rows, t.norm = do_norm;
    t.rotary = do_rotary, t.patchify = do_patchify, t.attention = do_attention, t.cross_entropy = do_cross_entropy, t.dots = do_dots, t.adam = do_adam;
    return &t;
}
