// attention.c: softmax(q kᵀ) v for one head at a time, a block of queries at a time, on the tiles of a product.
//
// Scores are summed over d ascending, outputs over keys ascending, both fused; hidden keys get a weight of exactly
// zero, which changes no bit of a sum. So a query's result does not depend on its block, its batch or on padding.
// Keys beyond a text's length are never read: a cache holds nothing there yet, and zero times NaN is NaN.
// Version 0 is the plain loop in test/test_kernels.c.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"
#include "kernels.h"

#define QUERIES_AT_ONCE 196 // 14 tiles of 14 rows: keys and values are packed again for each such block

typedef struct {
    const Attention *a;
    const KernelTable *k;
    float *scratch;
    size_t scratch_size, values_at, queries_at, scores_at;
    long blocks;
} Job;

static long pad(long n, long to) { return (n + to - 1) / to * to; }

// The keys of text b that hold something.
static long keys_of(const Attention *a, long b) { return a->key_lengths ? a->key_lengths[b] : a->Tk; }

// Scales, caps, masks and normalises one row of scores: key j of query i (of Tq) of text b.
static void finish_row(const Attention *a, const KernelTable *k, float *s, long b, long i) {
    long length = keys_of(a, b), at = i + length - a->Tq;
    for (long j = 0; j < length; j++) s[j] *= a->scale;
    if (a->softcap > 0) k->softcap(s, s, length, a->softcap);
    if (a->mask)
        for (long j = 0; j < length; j++) s[j] += a->mask[i * a->Tk + j];
    if (a->causal)
        for (long j = at + 1 > 0 ? at + 1 : 0; j < length; j++) s[j] = -INFINITY;
    if (a->window > 0)
        for (long j = 0; j < length && j <= at - a->window; j++) s[j] = -INFINITY;
    if (a->key_mask)
        for (long j = 0; j < length; j++)
            if (!a->key_mask[b * a->Tk + j]) s[j] = -INFINITY;
    k->softmax(s, s, length);
}

void attention_drop(const Attention *a, float *weights, size_t first, size_t n) {
    Rng r = {.seed = a->seed, .stream = a->stream};
    float keep = 1 / (1 - a->dropout);
    for (size_t j = 0; j < n; j++) weights[j] = rng_uniform(r, first + j) < (double)a->dropout ? 0 : weights[j] * keep;
}

static void pack_rows(float *out, const float *x, long ld, int rows, long columns) {
    for (int r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++) out[c * rows + r] = x[r * ld + c];
}

// Queries [q0, q0 + n) of one head; keys and values are packed in panels.
static void block(const Job *job, float *room, long b, long h, long q0, long n, const float *K, const float *V) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long ldq = a->H * a->D, length = keys_of(a, b), keys = pad(length, k->NR), width = pad(a->D, k->NR);
    float *Qp = room + job->queries_at, *S = room + job->scores_at;
    for (long m = 0; m < n; m += k->MR) {
        int mr = (int)(n - m < k->MR ? n - m : k->MR);
        long row = b * a->Tq + q0 + m;
        pack_rows(Qp, a->q + row * ldq + h * a->D, ldq, mr, a->D);
        for (long j = 0; j < keys; j += k->NR) k->tile(mr, a->D, Qp, K + j * a->D, S + j, keys, false);
        for (int r = 0; r < mr; r++) {
            finish_row(a, k, S + r * keys, b, q0 + m + r);
            long first = ((b * a->H + h) * a->Tq + q0 + m + r) * a->Tk;
            if (a->weights) {
                float *w = a->weights + first;
                memcpy(w, S + r * keys, (size_t)length * sizeof(float));
                for (long j = length; j < a->Tk; j++) w[j] = 0;
            }
            if (a->dropout > 0) attention_drop(a, S + r * keys, (size_t)first, (size_t)length);
        }
        pack_rows(Qp, S, keys, mr, length); // the weights are the left matrix now
        for (long d = 0; d < width; d += k->NR) {
            float tile[16 * 32];
            k->tile(mr, length, Qp, V + d * length, tile, k->NR, false);
            long columns = a->D - d < k->NR ? a->D - d : k->NR;
            for (int r = 0; r < mr; r++) memcpy(a->out + (row + r) * ldq + h * a->D + d, tile + r * k->NR, (size_t)columns * sizeof(float));
        }
    }
}

static void heads_job(void *arg, size_t begin, size_t end) {
    const Job *job = arg;
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    float *room = job->scratch + (size_t)thread_index() * job->scratch_size;
    long ld = a->G * a->D;
    for (size_t t = begin; t < end; t++) {
        long q0 = (long)t % job->blocks * QUERIES_AT_ONCE, bh = (long)t / job->blocks, b = bh / a->H, h = bh % a->H, g = h / (a->H / a->G);
        const float *keys = a->k + b * a->Tk * ld + g * a->D, *values = a->v + b * a->Tk * ld + g * a->D;
        long length = keys_of(a, b);
        Gemm turn = {.kind = GEMM_NT, .N = length, .K = a->D, .B = keys, .B_type = DTYPE_F32, .ldb = ld};
        for (long j = 0; j < length; j += k->NR) k->pack_b(room + j * a->D, &turn, 0, a->D, j);
        Gemm straight = {.kind = GEMM_NN, .N = a->D, .K = length, .B = values, .B_type = DTYPE_F32, .ldb = ld};
        for (long d = 0; d < a->D; d += k->NR) k->pack_b(room + job->values_at + d * length, &straight, 0, length, d);
        long n = a->Tq - q0 < QUERIES_AT_ONCE ? a->Tq - q0 : QUERIES_AT_ONCE;
        block(job, room, b, h, q0, n, room, room + job->values_at);
    }
}

void attention_rows(const Attention *a) {
    if (a->B == 0 || a->Tq == 0) return;
    const KernelTable *k = kernels();
    Job job = {.a = a, .k = k, .blocks = (a->Tq + QUERIES_AT_ONCE - 1) / QUERIES_AT_ONCE};
    size_t keys = (size_t)pad(a->Tk, k->NR), width = (size_t)pad(a->D, k->NR), D = (size_t)a->D, Tk = (size_t)a->Tk;
    job.values_at = size_mul(keys, D, "attention");
    job.queries_at = job.values_at + size_mul(width, Tk, "attention");
    job.scores_at = job.queries_at + (size_t)k->MR * (D > Tk ? D : Tk);
    job.scratch_size = (job.scores_at + (size_t)k->MR * keys + 15) / 16 * 16;
    static float *kept = NULL;
    static size_t size = 0;
    size_t floats = size_mul(job.scratch_size, (size_t)threads_count(), "attention");
    if (floats > size) {
        free(kept);
        void *p = NULL;
        kept = NULL, size = 0;
        need(posix_memalign(&p, 64, size_mul(floats, sizeof(float), "attention")) == 0, "attention: no memory for %zu MiB of scores", floats >> 18);
        kept = p, size = floats;
    }
    job.scratch = kept;
    parallel_for((size_t)(a->B * a->H * job.blocks), 1, heads_job, &job);
}
