// backward_attention.c: gradients of rotary positions and of attention.
// Letters: B batch items, H query heads, G key/value heads, D head width, Tq queries, Tk keys.
//
// With weights P = softmax(S), out O = P V and its gradient dO:  dV = Pᵀ dO;  dP = dO Vᵀ;
// dS = P (dP - rowsum(P dP)), times the slope of the cap, times the scale;  dQ = dS K;  dK = dSᵀ Q.
// With dropout of the weights, out = M P V for a mask M of zeros and 1 / (1 - p): M P stands for P in dV, M dP for dP.
// P is computed again. Heads that share keys add their dK and dV in ascending order.
#include "backward.h"
#include "io/thread.h"
#include "model/kernels.h"

// The rotation turned back: out[j] = x[j] c - x[j+h] s, out[j+h] = x[j+h] c + x[j] s.
void backward_rotary(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    long T = x.shape[1], width = x.shape[2], D = width / op->choice, half = tensor_last(op->in[1]), rows = tensor_rows(op->in[1]);
    float *dx = gradient_zeroed(w, x);
    for (long r = 0; dx && r < x.shape[0] * T; r++) {
        const float *c = f32(op->in[1]) + r % rows * half, *s = f32(op->in[2]) + r % rows * half;
        for (long at = 0; at < width; at += D) {
            const float *gh = g + r * width + at;
            float *d = dx + r * width + at;
            for (long j = 0; j < half; j++) {
                d[j] += gh[j] * c[j] + gh[j + half] * s[j];
                d[j + half] += gh[j + half] * c[j] - gh[j] * s[j];
            }
            for (long j = 2 * half; j < D; j++) d[j] += gh[j];
        }
    }
}

typedef struct {
    const OpRecord *op;
    const AttnShape *shape;
    const Attention *again; // how P was computed, and what the mask is
    const float *g, *P; // P (B, H, Tq, Tk)
    const float *q, *k, *v;
    float *dq, *dk, *dv; // NULL: not wanted
    bool fresh_q;
    float *room;
    size_t room_size, square_at, dropped_at;
    long B, H, G, D, Tq, Tk;
} Work;

// A product inside a job runs on the job's own thread.
static void product(GemmKind kind, long M, long N, long K, const float *A, long lda, const float *B, long ldb, float *C, long ldc, bool accumulate) {
    gemm(&(Gemm){.kind = kind, .M = M, .N = N, .K = K, .A = A, .lda = lda, .B = B, .B_type = DTYPE_F32, .ldb = ldb, .C = C, .ldc = ldc, .accumulate = accumulate});
}

// dS from dP, in place, one row: P and dP over the keys.
static void scores_row(const Work *w, float *dp, const float *p, const float *capped) {
    float sum = row_dot(p, dp, w->Tk), cap = w->shape->softcap;
    for (long j = 0; j < w->Tk; j++) {
        float d = p[j] * (dp[j] - sum);
        if (capped) d *= 1 - (capped[j] / cap) * (capped[j] / cap);
        dp[j] = d * w->shape->scale;
    }
}

static void head(const Work *w, float *room, long b, long h) {
    long D = w->D, Tq = w->Tq, Tk = w->Tk, lq = w->H * D, lk = w->G * D, at_q = b * Tq * lq + h * D, at_k = b * Tk * lk + h / (w->H / w->G) * D;
    float *dS = room;
    const float *P = w->P + (b * w->H + h) * Tq * Tk, *dO = w->g + at_q;
    size_t first = (size_t)((b * w->H + h) * Tq * Tk), square = (size_t)(Tq * Tk);
    const float *used = P;
    if (w->shape->dropout > 0) {
        used = memcpy(room + w->dropped_at, P, square * sizeof *P);
        attention_drop(w->again, room + w->dropped_at, first, square);
    }
    if (w->dv) product(GEMM_TN, Tk, D, Tq, used, Tk, dO, lq, w->dv + at_k, lk, true);
    if (!w->dq && !w->dk) return;
    product(GEMM_NT, Tq, Tk, D, dO, lq, w->v + at_k, lk, dS, Tk, false);
    if (w->shape->dropout > 0) attention_drop(w->again, dS, first, square);
    float *capped = NULL;
    if (w->shape->softcap > 0) {
        capped = room + w->square_at;
        product(GEMM_NT, Tq, Tk, D, w->q + at_q, lq, w->k + at_k, lk, capped, Tk, false);
        for (long i = 0; i < Tq * Tk; i++) capped[i] *= w->shape->scale;
        kernels()->softcap(capped, capped, Tq * Tk, w->shape->softcap);
    }
    for (long i = 0; i < Tq; i++) scores_row(w, dS + i * Tk, P + i * Tk, capped ? capped + i * Tk : NULL);
    if (w->dq) product(GEMM_NN, Tq, D, Tk, dS, Tk, w->k + at_k, lk, w->dq + at_q, lq, !w->fresh_q);
    if (w->dk) product(GEMM_TN, Tk, D, Tq, dS, Tk, w->q + at_q, lq, w->dk + at_k, lk, true);
}

static void groups_job(void *arg, size_t begin, size_t end) {
    const Work *w = arg;
    float *room = w->room + (size_t)thread_index() * w->room_size;
    long heads = w->H / w->G;
    for (size_t i = begin; i < end; i++)
        for (long h = 0; h < heads; h++) head(w, room, (long)i / w->G, (long)i % w->G * heads + h);
}

void backward_attention(Backward *w, const OpRecord *op, const float *g) {
    Tensor q = op->in[0], k = op->in[1], v = op->in[2];
    const AttnShape *s = &op->attn;
    Work work = {.op = op, .shape = s, .g = g, .q = f32(q), .k = f32(k), .v = f32(v), .B = q.shape[0], .Tq = q.shape[1], .Tk = k.shape[1],
                 .H = s->heads, .G = s->kv_heads, .D = q.shape[2] / s->heads};
    long B = work.B, H = work.H, Tq = work.Tq, Tk = work.Tk, D = work.D;
    work.dq = gradient_into(w, q, &work.fresh_q);
    work.dk = gradient_zeroed(w, k);
    work.dv = gradient_zeroed(w, v);
    float *P = scratch_floats(w, (size_t)(B * H * Tq * Tk));
    Attention again = {.out = scratch_floats(w, tensor_count(q)), .q = work.q, .k = work.k, .v = work.v, .B = B, .Tq = Tq, .Tk = Tk, .H = H, .G = work.G,
                       .D = D, .scale = s->scale, .softcap = s->softcap, .causal = s->causal, .window = s->window, .key_lengths = s->key_lengths,
                       .key_mask = s->key_mask.data, .mask = f32(s->mask), .weights = P};
    attention_rows(&again); // without dropout: P as it is
    again.dropout = s->dropout, again.seed = s->seed, again.stream = s->stream;
    work.P = P, work.again = &again;
    work.square_at = (size_t)(Tq * Tk + 15) / 16 * 16;
    work.dropped_at = work.square_at * (s->softcap > 0 ? 2 : 1);
    work.room_size = work.dropped_at + (s->dropout > 0 ? work.square_at : 0);
    work.room = scratch_floats(w, work.room_size * (size_t)threads_count());
    parallel_for((size_t)(B * work.G), 1, groups_job, &work);
}
