// attention.c: softmax(q kᵀ) v on the tiles of a product, a block of queries at a time, never all scores at once.
//
// Query heads that share keys are handled together: query r of a group is head r mod (H/G) at token r div (H/G), so
// a block of neighbours in r sees nearly the same keys. Only keys that somebody in the block sees are touched.
//   blocks      scores lie as (keys, queries): Kᵀ-tiles times packed queries; softmax runs down the columns; the
//               outputs are (d, queries) = Vᵀ times the weights, turned as they are written
//   few queries a text's next token: keys and values are read once, as they lie
// Scores are summed over d ascending, outputs over keys ascending, both fused; the sum of a softmax is sixteen running
// sums by key number mod 16. A hidden key adds exactly zero, so a query's result does not depend on its block, its
// batch or on padding. Keys and values that are kept in bf16 (Attention.k16) are widened as they are read. Version 0 is the plain loop in test/test_kernels.c.
#include <math.h>
#include <string.h>

#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"
#include "kernels.h"

#define NR_MAX 32
#define ROWS_MAX 16

typedef struct {
    const Attention *a;
    const KernelTable *k;
    long share, chunk, chunks; // query heads of a group; queries of a task; tasks of a group
} Job;

static long smaller(long a, long b) { return a < b ? a : b; }
static long larger(long a, long b) { return a > b ? a : b; }
static long pad(long n, long to) { return (n + to - 1) / to * to; }

// Query r of group g of text b: its row, and the keys it sees, [from, to).
typedef struct {
    long row; // in q and out, floats from their start
    long token, from, to;
} Query;

static Query query_of(const Job *job, long b, long g, long r) {
    const Attention *a = job->a;
    long i = r / job->share, h = g * job->share + r % job->share;
    long length = a->key_lengths ? a->key_lengths[b] : a->Tk, at = i + length - a->Tq;
    Query q = {.row = ((b * a->Tq + i) * a->H + h) * a->D, .token = i, .to = a->causal ? smaller(at + 1, length) : length};
    if (a->window > 0) q.from = larger(0, at - a->window + 1);
    if (q.to < 0) q.to = 0;
    if (q.from > q.to) q.from = q.to;
    return q;
}

// Where the weights of query r of group g of text b begin in (B, H, Tq, Tk).
static size_t weights_at(const Job *job, long b, long g, long r) {
    const Attention *a = job->a;
    return (size_t)(((b * a->H + g * job->share + r % job->share) * a->Tq + r / job->share) * a->Tk);
}

void attention_drop(const Attention *a, float *weights, size_t first, size_t n) {
    Rng r = {.seed = a->seed, .stream = a->stream};
    float keep = 1 / (1 - a->dropout);
    for (size_t j = 0; j < n; j++) weights[j] = rng_uniform(r, first + j) < (double)a->dropout ? 0 : weights[j] * keep;
}

// ---- blocks of queries

// One task's scratch. Keys [from, to) are packed: K by tiles of MR keys (d, mr), V row after row.
typedef struct {
    float *K, *V, *S, *Q, *rows, *out;
    long from, to;
} Room;

static size_t room_size(const Job *job) {
    const Attention *a = job->a;
    size_t D = (size_t)a->D, NR = (size_t)job->k->NR, keys = (size_t)a->Tk + ROWS_MAX;
    return size_mul(keys, 2 * D + NR, "attention") + size_mul(3 * NR, D + 16, "attention") + 256;
}

static void pack(const Job *job, Room *w, long b, long g) {
    const Attention *a = job->a;
    long ld = a->G * a->D, D = a->D, MR = job->k->MR, first = b * a->Tk;
    for (long j = w->from; j < w->to; j += MR) {
        int rows = (int)smaller(MR, w->to - j);
        Gemm keys = {.kind = GEMM_NT, .A = a->k + (first + j) * ld + g * D, .lda = ld};
        if (a->k16) {
            for (int r = 0; r < rows; r++) job->k->widen(w->rows + r * D, a->k16 + (first + j + r) * ld + g * D, DTYPE_BF16, D);
            keys.A = w->rows, keys.lda = D;
        }
        job->k->pack_a(w->K + (j - w->from) * D, &keys, 0, rows, 0, D);
    }
    for (long j = w->from; j < w->to; j++) { // what is hidden in a hole may be anything, even not a number
        bool hidden = a->key_mask && !a->key_mask[first + j];
        long at = (first + j) * ld + g * D;
        if (hidden) memset(w->V + (j - w->from) * D, 0, (size_t)D * sizeof(float));
        else if (a->v16) job->k->widen(w->V + (j - w->from) * D, a->v16 + at, DTYPE_BF16, D);
        else memcpy(w->V + (j - w->from) * D, a->v + at, (size_t)D * sizeof(float));
    }
}

static void write_weights(const Job *job, const Room *w, long b, long g, long r0, long n, long from, long to, const Query *q) {
    const Attention *a = job->a;
    long NR = job->k->NR;
    for (long r = 0; r < n; r++) {
        float *row = a->weights + weights_at(job, b, g, r0 + r);
        memset(row, 0, (size_t)a->Tk * sizeof(float));
        for (long j = larger(from, q[r].from); j < smaller(to, q[r].to); j++) row[j] = w->S[(j - from) * NR + r];
    }
}

static void drop_weights(const Job *job, const Room *w, long b, long g, long r0, long n, long from, long to) {
    for (long r = 0; r < n; r++)
        for (long j = from; j < to; j++) attention_drop(job->a, w->S + (j - from) * job->k->NR + r, weights_at(job, b, g, r0 + r) + (size_t)j, 1);
}

// Scores of keys [from, to), by tiles: products, then scale, cap and masks while they are in L1.
static void score(const Job *job, const Room *w, long b, long from, long to, const Query *q, long n, const Queries *lanes, float *top) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long D = a->D, NR = k->NR;
    for (long j = from, rows; j < to; j += rows) {
        long in_tile = (j - w->from) % k->MR, base = j - in_tile; // from is a tile's first key
        rows = smaller(k->MR, w->to - base);
        float *S = w->S + (j - from) * NR, bias[ROWS_MAX * NR_MAX];
        k->tile((int)rows, D, w->K + (base - w->from) * D, rows, w->Q, NR, S, NR, false);
        if (a->mask)
            for (long i = 0; i < rows; i++)
                for (long r = 0; r < NR; r++) bias[i * NR + r] = a->mask[q[r < n ? r : 0].token * a->Tk + j + i];
        k->scores(S, rows, j, lanes, a->scale, a->softcap, a->mask ? bias : NULL, a->key_mask ? a->key_mask + b * a->Tk + j : NULL, top);
    }
}

// Queries [r0, r0 + n) of group g, n <= NR.
static void block(const Job *job, const Room *w, long b, long g, long r0, long n) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long D = a->D, NR = k->NR;
    Query q[NR_MAX];
    int32_t from[NR_MAX], to[NR_MAX];
    float top[NR_MAX];
    Queries lanes = {.from = from, .to = to, .all_from = 0, .all_to = a->Tk};
    long first = a->Tk, last = 0;
    for (long r = 0; r < NR; r++) { // lanes beyond n repeat the first query; nobody reads them
        q[r] = query_of(job, b, g, r0 + (r < n ? r : 0));
        from[r] = (int32_t)q[r].from, to[r] = (int32_t)q[r].to, top[r] = -INFINITY;
        lanes.all_from = larger(lanes.all_from, q[r].from), lanes.all_to = smaller(lanes.all_to, q[r].to);
        if (q[r].from < q[r].to) first = smaller(first, q[r].from), last = larger(last, q[r].to);
        memcpy(w->rows + r * D, a->q + q[r].row, (size_t)D * sizeof(float));
    }
    first = first < last ? w->from + (first - w->from) / k->MR * k->MR : last;
    long end = smaller(w->to, w->from + pad(last - w->from, k->MR)); // whole tiles: the rest is hidden by `to`
    if (first >= last) end = first;
    k->turn(w->Q, NR, w->rows, D, NR, D);
    score(job, w, b, first, end, q, n, &lanes, top);
    k->soften(w->S, end - first, top);
    if (a->weights) write_weights(job, w, b, g, r0, n, first, end, q);
    if (a->dropout > 0) drop_weights(job, w, b, g, r0, n, first, end);
    for (long d = 0; d < D; d += k->MR) // (d, queries)
        k->tile((int)smaller(k->MR, D - d), end - first, w->V + (first - w->from) * D + d, D, w->S, NR, w->out + d * NR, NR, false);
    k->turn(w->rows, D, w->out, NR, D, NR);
    for (long r = 0; r < n; r++) memcpy(a->out + q[r].row, w->rows + r * D, (size_t)D * sizeof(float));
}

static void blocks_job(void *arg, size_t begin, size_t end) {
    const Job *job = arg;
    const Attention *a = job->a;
    long D = a->D, NR = job->k->NR, total = a->Tq * job->share, keys = a->Tk + ROWS_MAX;
    Room w = {.K = thread_room(room_size(job))};
    w.V = w.K + pad(keys * D, 16), w.S = w.V + pad(keys * D, 16), w.Q = w.S + keys * NR, w.rows = w.Q + NR * D, w.out = w.rows + pad(NR * D, 16);
    for (size_t t = begin; t < end; t++) {
        long bg = (long)t / job->chunks, b = bg / a->G, g = bg % a->G, r0 = (long)t % job->chunks * job->chunk, r1 = smaller(total, r0 + job->chunk);
        w.from = a->Tk, w.to = 0;
        for (long r = r0; r < r1; r++) {
            Query q = query_of(job, b, g, r);
            if (q.from < q.to) w.from = smaller(w.from, q.from), w.to = larger(w.to, q.to);
        }
        if (w.from > w.to) w.from = w.to = 0;
        pack(job, &w, b, g);
        for (long r = r0; r < r1; r += NR) block(job, &w, b, g, r, smaller(NR, r1 - r));
    }
}

// ---- few queries

// Scales, caps, masks and normalises the scores of one query; s[j] is key from + j.
static void finish_row(const Attention *a, const KernelTable *k, float *s, long b, const Query *q, long from, long keys) {
    for (long j = 0; j < keys; j++) s[j] *= a->scale;
    if (a->softcap > 0) k->softcap(s, s, keys, a->softcap);
    if (a->mask)
        for (long j = 0; j < keys; j++) s[j] += a->mask[q->token * a->Tk + from + j];
    for (long j = 0; j < keys; j++)
        if (from + j < q->from || from + j >= q->to || (a->key_mask && !a->key_mask[b * a->Tk + from + j])) s[j] = -INFINITY;
    k->softmax(s, s, keys);
}

static void few_job(void *arg, size_t begin, size_t end) {
    const Job *job = arg;
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long M = a->Tq * job->share, D = a->D, ld = a->G * D;
    Dtype type = a->k16 ? DTYPE_BF16 : DTYPE_F32;
    float *S = thread_room((size_t)(M * (a->Tk + SUMS) + 3 * M * D + 64)), *X = S + M * (a->Tk + SUMS), *rows = X + M * D + 16;
    for (size_t t = begin; t < end; t++) {
        long b = (long)t / a->G, g = (long)t % a->G, from = a->Tk, to = 0;
        Query q[THIN_ROWS];
        for (long r = 0; r < M; r++) {
            q[r] = query_of(job, b, g, r);
            if (q[r].from < q[r].to) from = smaller(from, q[r].from), to = larger(to, q[r].to);
            memcpy(rows + r * D, a->q + q[r].row, (size_t)D * sizeof(float));
        }
        from = from < to ? from / SUMS * SUMS : to; // softmax counts its sixteen sums from here
        long keys = to - from;
        k->turn(X, M, rows, D, M, D);
        long at = (b * a->Tk + from) * ld + g * D;
        k->thin((int)M, S, keys, X, a->k16 ? (const void *)(a->k16 + at) : a->k + at, type, ld, keys, D, false);
        for (long r = 0; r < M; r++) {
            finish_row(a, k, S + r * keys, b, &q[r], from, keys);
            if (a->weights) {
                float *row = a->weights + weights_at(job, b, g, r);
                memset(row, 0, (size_t)a->Tk * sizeof(float));
                memcpy(row + from, S + r * keys, (size_t)keys * sizeof(float));
            }
            if (a->dropout > 0) attention_drop(a, S + r * keys, weights_at(job, b, g, r) + (size_t)from, (size_t)keys);
        }
        k->mix(rows, D, S, keys, a->v16 ? (const void *)(a->v16 + at) : a->v + at, type, ld, M, keys, D);
        for (long r = 0; r < M; r++) memcpy(a->out + q[r].row, rows + r * D, (size_t)D * sizeof(float));
    }
}

void attention_rows(const Attention *a) {
    if (a->B == 0 || a->Tq == 0) return;
    Job job = {.a = a, .k = kernels(), .share = a->H / a->G};
    long total = a->Tq * job.share, groups = a->B * a->G;
    if (total <= THIN_ROWS && !a->key_mask) {
        parallel_for((size_t)groups, 1, few_job, &job);
        return;
    }
    // A task packs its keys and values: few large tasks, but enough for every thread to have several.
    long blocks = pad(total, job.k->NR) / job.k->NR, tasks = larger(1, smaller(blocks, pad(4L * threads_count(), groups) / groups));
    job.chunk = pad(pad(blocks, tasks) / tasks * job.k->NR, job.k->NR);
    job.chunks = pad(total, job.chunk) / job.chunk;
    parallel_for((size_t)(groups * job.chunks), 1, blocks_job, &job);
}
