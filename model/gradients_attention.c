// gradients_attention.c: the gradient of attention on a CPU.
// Letters: B batch items, H query heads, G key/value heads, D head width, Tq queries, Tk keys.
//
// With weights P = softmax(S), out O = P V and its gradient dO:  dV = Pᵀ dO;  dP = dO Vᵀ;
// dS = P (dP - rowsum(P dP)), times the slope of the cap, times the scale;  dQ = dS K;  dK = dSᵀ Q.
// With dropout of the weights, out = M P V for a mask M of zeros and 1 / (1 - p): M P stands for P in dV, M dP for dP.
// P is computed again. Heads that share keys add their dK and dV in ascending order.
#include <string.h>

#include "gradients.h"
#include "io/memory.h"
#include "io/thread.h"

typedef struct {
    const Attention *a; // with dropout
    const AttentionGradient *k;
    const float *P; // (B, H, Tq, Tk)
    float *room;
    size_t room_size, square_at, dropped_at;
} Work;

// A product inside a job runs on the job's own thread.
static void product(GemmKind kind, long M, long N, long K, const float *A, long lda, const float *B, long ldb, float *C, long ldc, bool accumulate) {
    gemm(&(Gemm){.kind = kind, .M = M, .N = N, .K = K, .A = A, .lda = lda, .B = B, .B_type = DTYPE_F32, .ldb = ldb, .C = C, .ldc = ldc, .accumulate = accumulate});
}

// dS from dP, in place, one row: P and dP over the keys.
static void scores_row(const Attention *a, float *dp, const float *p, const float *capped) {
    float sum = row_dot(p, dp, a->Tk), cap = a->softcap;
    for (long j = 0; j < a->Tk; j++) {
        float d = p[j] * (dp[j] - sum);
        if (capped) d *= 1 - (capped[j] / cap) * (capped[j] / cap);
        dp[j] = d * a->scale;
    }
}

static void head(const Work *w, float *room, long b, long h) {
    const Attention *a = w->a;
    const AttentionGradient *k = w->k;
    long D = a->D, Tq = a->Tq, Tk = a->Tk, lq = a->H * D, lk = a->G * D, at_q = b * Tq * lq + h * D, at_k = b * Tk * lk + h / (a->H / a->G) * D;
    float *dS = room;
    size_t first = (size_t)((b * a->H + h) * Tq * Tk), square = (size_t)(Tq * Tk);
    const float *P = w->P + first, *dO = k->g + at_q, *used = P;
    if (a->dropout > 0) {
        used = memcpy(room + w->dropped_at, P, square * sizeof *P);
        attention_drop(a, room + w->dropped_at, first, square);
    }
    if (k->dv) product(GEMM_TN, Tk, D, Tq, used, Tk, dO, lq, k->dv + at_k, lk, true);
    if (!k->dq && !k->dk) return;
    product(GEMM_NT, Tq, Tk, D, dO, lq, a->v + at_k, lk, dS, Tk, false);
    if (a->dropout > 0) attention_drop(a, dS, first, square);
    float *capped = NULL;
    if (a->softcap > 0) {
        capped = room + w->square_at;
        product(GEMM_NT, Tq, Tk, D, a->q + at_q, lq, a->k + at_k, lk, capped, Tk, false);
        for (long i = 0; i < Tq * Tk; i++) capped[i] *= a->scale;
        kernels()->softcap(capped, capped, Tq * Tk, a->softcap);
    }
    for (long i = 0; i < Tq; i++) scores_row(a, dS + i * Tk, P + i * Tk, capped ? capped + i * Tk : NULL);
    if (k->dq) product(GEMM_NN, Tq, D, Tk, dS, Tk, a->k + at_k, lk, k->dq + at_q, lq, !k->fresh_q);
    if (k->dk) product(GEMM_TN, Tk, D, Tq, dS, Tk, a->q + at_q, lq, k->dk + at_k, lk, true);
}

static void groups_job(void *arg, size_t begin, size_t end) {
    const Work *w = arg;
    float *room = w->room + (size_t)thread_index() * w->room_size;
    long G = w->a->G, heads = w->a->H / G;
    for (size_t i = begin; i < end; i++)
        for (long h = 0; h < heads; h++) head(w, room, (long)i / G, (long)i % G * heads + h);
}

void gradients_attention(Arena *scratch, const Attention *a, const AttentionGradient *k) {
    size_t square = (size_t)(a->Tq * a->Tk);
    Attention again = *a;
    float *P = take(scratch, float, (size_t)(a->B * a->H) * square);
    again.out = take(scratch, float, (size_t)(a->B * a->Tq * a->H * a->D));
    again.weights = P;
    again.dropout = 0; // P as it is
    attention_rows(&again);
    Work w = {.a = a, .k = k, .P = P};
    w.square_at = (square + 15) / 16 * 16;
    w.dropped_at = w.square_at * (a->softcap > 0 ? 2 : 1);
    w.room_size = w.dropped_at + (a->dropout > 0 ? w.square_at : 0);
    w.room = take(scratch, float, w.room_size * (size_t)threads_count());
    parallel_for((size_t)(a->B * a->G), 1, groups_job, &w);
}
