// attention.c: softmax(q kᵀ) v on the tiles of a product, a block of queries at a time, never all scores at once.
//
// Query heads that share keys are handled together: query r of a group is head r mod (H/G) at token r div (H/G), so
// a block of neighbours in r sees nearly the same keys. Only keys that somebody in the block sees are touched.
//   blocks      scores lie as (keys, queries): Kᵀ-tiles times packed queries; softmax runs down the columns; the
//               outputs are (d, queries) = Vᵀ times the weights, turned as they are written
//   few queries a text's next token: keys and values are read once, as they lie
// Scores are summed over d ascending, outputs over keys ascending, both fused; the sum of a softmax is sixteen running
// sums by key number mod 16. A hidden key adds exactly zero, so a query's result does not depend on its block, its
// batch or on padding. Keys and values that are kept in bf16 (Attention.k16) are widened as they are read.
//
// Attention of bf16 (Attention.bf16) goes the same ways where dot products or tiles of bf16 are fast: attention_avx512bf16.c and
// attention_amx.c say what is other then. Nobody asks for its weights there, and none are dropped: then it is f32's.
//   version, ms, one thread of a Zen 4                       577 tokens of 64   729 of 72   600 of 128, causal   1 of 600
//   -  the plain loop in test/test_kernels.c
//   1  a head at a time, 196 queries, packed for each        24.7               48.7        90                   2.4
//   2  query heads that share keys together, scores as
//      (keys, queries); hidden tiles are skipped; few
//      queries read keys and values as they lie              18.1               30.9        38.8                 1.3, in use
//   3  softmax without divisions, the same bits              6.36 to 5.91 and 11.0 to 10.5 on two threads of an Intel server
//   4  values in equal tiles; what whole blocks leave
//      behind, if it is few, goes as few queries do; the
//      softmax's exponential in one step                     6.3 to 5.7 there in another hour, in use
#include <math.h>
#include <string.h>

#include "gemm_parts.h"
#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"

#define NR_MAX 32
#define ROWS_MAX 32

typedef struct {
    const Attention *a;
    const KernelTable *k;
    const AttentionDots *bf16; // NULL: f32
    long MR, words;            // rows of a tile; words of a query or a key, packed
    long share, chunk, chunks; // query heads of a group; queries of a task; tasks of a group
    bool later;                // scores are scaled in the exponent
} Job;

static long pad(long n, long to) { return (n + to - 1) / to * to; }

// Of so many channels or keys, packed.
static long words_of(const Job *job, long n) { return job->bf16 ? pad(n, job->bf16->step) / 2 : n; }

static float scale_now(const Job *job) { return job->later ? 1 : job->a->scale; }
static float scale_later(const Job *job) { return job->later ? job->a->scale : 1; }

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

// One task's scratch. Keys [from, to) are packed: K by tiles of MR keys (d, mr), V by equal tiles of up to MR channels (key, mr); of bf16 in words, V by
// tiles of MR channels (pair of keys, mr), or as the path's own functions have it.
typedef struct {
    float *K, *V, *S, *Q, *rows, *out;
    long from, to;
} Room;

#define BEHIND 512       // floats that packing may write behind K and V
#define BEHIND_VALUES 16 // and behind a tile of V

static long channels(const Job *job) { return equal_rows(job->a->D, job->k->tiles.MR); } // of a tile of V

static size_t room_size(const Job *job) {
    const Attention *a = job->a;
    size_t D = (size_t)a->D, NR = (size_t)job->k->tiles.NR, keys = (size_t)a->Tk + ROWS_MAX, each = (size_t)larger(a->D, job->words);
    return size_mul(keys, 2 * each + NR, "attention") + size_mul(3 * NR + BEHIND_VALUES, D + 16, "attention") + 2 * BEHIND + 256;
}

static Room room_take(const Job *job) {
    long D = job->a->D, NR = job->k->tiles.NR, keys = job->a->Tk + ROWS_MAX, each = larger(D, job->words);
    Room w = {.K = thread_room(room_size(job))};
    w.V = w.K + pad(keys * each, 16) + BEHIND, w.S = w.V + pad(keys * each, 16) + BEHIND_VALUES * D + BEHIND;
    w.Q = w.S + keys * NR, w.rows = w.Q + NR * (D + 16), w.out = w.rows + pad(NR * D, 16);
    return w;
}

static void pack_keys(const Job *job, const Room *w, long b, long g) {
    const Attention *a = job->a;
    long ld = a->G * a->D, D = a->D, MR = job->MR, first = b * a->Tk;
    for (long j = w->from; j < w->to; j += MR) {
        int rows = (int)smaller(MR, w->to - j);
        Gemm keys = {.kind = GEMM_NT, .A = a->k + (first + j) * ld + g * D, .lda = ld, .K = D};
        if (a->k16) {
            for (int r = 0; r < rows; r++) job->k->widen(w->rows + r * D, a->k16 + (first + j + r) * ld + g * D, DTYPE_BF16, D);
            keys.A = w->rows, keys.lda = D;
        }
        (job->bf16 ? job->bf16->tiles->pack_a : job->k->tiles.pack_a)(w->K + (j - w->from) * job->words, &keys, 0, rows, 0, D);
    }
}

// Values of keys [j, to) of a group in f32, row after row.
static void value_rows(const Job *job, float *out, long b, long g, long j, long to) {
    const Attention *a = job->a;
    long ld = a->G * a->D, D = a->D, first = b * a->Tk;
    for (; j < to; j++, out += D) {
        bool hidden = a->key_mask && !a->key_mask[first + j]; // what is hidden in a hole may be anything, even not a number
        long at = (first + j) * ld + g * D;
        if (hidden) memset(out, 0, (size_t)D * sizeof(float));
        else if (a->v16) job->k->widen(out, a->v16 + at, DTYPE_BF16, D);
        else memcpy(out, a->v + at, (size_t)D * sizeof(float));
    }
}

// The tile of V from channel d on.
static float *value_tile(const Job *job, const Room *w, long d) { return w->V + d * (w->to - w->from) + d / channels(job) * BEHIND_VALUES; }

static void pack_values(const Job *job, const Room *w, long b, long g) {
    long NR = job->k->tiles.NR, D = job->a->D, mr = channels(job);
    for (long j = w->from; j < w->to; j += NR) {
        long end = smaller(w->to, j + NR);
        value_rows(job, w->rows, b, g, j, end);
        if (job->bf16) {
            job->bf16->pack_values(w->V, w->rows, end - j, D, (j - w->from) / 2, words_of(job, w->to - w->from), (int)job->MR);
            continue;
        }
        Gemm rows = {.kind = GEMM_TN, .A = w->rows, .lda = D, .M = D + ROWS_MAX}; // what lies behind a row may be read, and has no meaning
        for (long d = 0, n; d < D; d += n) {
            n = smaller(mr, D - d);
            job->k->tiles.pack_a(value_tile(job, w, d) + (j - w->from) * n, &rows, d, (int)n, 0, end - j);
        }
    }
}

static void write_weights(const Job *job, const Room *w, long b, long g, long r0, long n, long from, long to, const Query *q) {
    const Attention *a = job->a;
    long NR = job->k->tiles.NR;
    for (long r = 0; r < n; r++) {
        float *row = a->weights + weights_at(job, b, g, r0 + r);
        memset(row, 0, (size_t)a->Tk * sizeof(float));
        for (long j = larger(from, q[r].from); j < smaller(to, q[r].to); j++) row[j] = w->S[(j - from) * NR + r];
    }
}

static void drop_weights(const Job *job, const Room *w, long b, long g, long r0, long n, long from, long to) {
    for (long r = 0; r < n; r++)
        for (long j = from; j < to; j++) attention_drop(job->a, w->S + (j - from) * job->k->tiles.NR + r, weights_at(job, b, g, r0 + r) + (size_t)j, 1);
}

// Scores of keys [from, to), by tiles: products, then scale, cap and masks while they are in L1.
static void score(const Job *job, const Room *w, long b, long from, long to, const Query *q, long n, const Queries *lanes, float *top) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long NR = k->tiles.NR;
    for (long j = from, rows; j < to; j += rows) {
        long in_tile = (j - w->from) % job->MR, base = j - in_tile; // from is a tile's first key
        rows = smaller(job->MR, w->to - base);
        float *S = w->S + (j - from) * NR, bias[ROWS_MAX * NR_MAX];
        const float *K = w->K + (base - w->from) * job->words;
        if (job->bf16) job->bf16->tiles->tile((int)rows, job->words, K, rows, w->Q, NR, S, NR, false);
        else k->tiles.product((int)rows, job->words, K, rows, w->Q, &(TileSums){.to = S, .ld = NR});
        if (job->later && !a->key_mask && j >= lanes->all_from && j + rows <= lanes->all_to) {
            job->bf16->top(S, rows, top);
            continue;
        }
        if (a->mask)
            for (long i = 0; i < rows; i++)
                for (long r = 0; r < NR; r++) bias[i * NR + r] = a->mask[q[r < n ? r : 0].token * a->Tk + j + i];
        k->scores(S, rows, j, lanes, scale_now(job), a->softcap, a->mask ? bias : NULL, a->key_mask ? a->key_mask + b * a->Tk + j : NULL, top);
    }
}

// From the scores of keys [from, to) to the outputs (d, queries).
static void mix_f32(const Job *job, const Room *w, long b, long g, long r0, long n, long from, long to, const Query *q, float *top) {
    const KernelTable *k = job->k;
    long D = job->a->D, NR = k->tiles.NR;
    k->soften(w->S, to - from, top);
    if (job->a->weights) write_weights(job, w, b, g, r0, n, from, to, q);
    if (job->a->dropout > 0) drop_weights(job, w, b, g, r0, n, from, to);
    for (long d = 0, mr; d < D; d += mr) {
        mr = smaller(channels(job), D - d);
        k->tiles.product((int)mr, to - from, value_tile(job, w, d) + (from - w->from) * mr, mr, w->S, &(TileSums){.to = w->out + d * NR, .ld = NR});
    }
}

static void mix_bf16(const Job *job, const Room *w, long from, long to, const float *top) {
    const TileKernel *t = job->bf16->tiles;
    long D = job->a->D, NR = t->NR, pairs = words_of(job, w->to - w->from);
    float over[NR_MAX];
    job->bf16->soften(w->S, to - from, top, scale_later(job), over);
    for (long d = 0; d < D; d += t->MR) {
        long mr = smaller(t->MR, D - d), wide = pad(mr, job->bf16->rows);
        t->tile((int)mr, words_of(job, to - from), w->V + d * pairs + (from - w->from) / 2 * wide, wide, w->S, NR, w->out + d * NR, NR, false);
    }
    job->bf16->multiply(w->out, D, over);
}

// Queries [r0, r0 + n) of group g, n <= NR.
static void block(const Job *job, const Room *w, long b, long g, long r0, long n) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long D = a->D, NR = k->tiles.NR;
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
    first = first < last ? w->from + (first - w->from) / job->MR * job->MR : last;
    long end = smaller(w->to, w->from + pad(last - w->from, job->MR)); // whole tiles: the rest is hidden by `to`
    if (first >= last) end = first;
    if (job->bf16) job->bf16->tiles->pack_b(w->Q, &(Gemm){.N = NR, .K = D, .B = w->rows, .B_type = DTYPE_F32, .ldb = D}, 0, D, 0);
    else k->turn(w->Q, NR, w->rows, D, NR, D);
    score(job, w, b, first, end, q, n, &lanes, top);
    if (job->bf16) mix_bf16(job, w, first, end, top);
    else mix_f32(job, w, b, g, r0, n, first, end, q, top);
    k->turn(w->rows, D, w->out, NR, D, NR);
    for (long r = 0; r < n; r++) memcpy(a->out + q[r].row, w->rows + r * D, (size_t)D * sizeof(float));
}

static void tiles_begin(const Job *job) {
    if (job->bf16 && job->bf16->tiles->begin) job->bf16->tiles->begin();
}

static void tiles_end(const Job *job) {
    if (job->bf16 && job->bf16->tiles->end) job->bf16->tiles->end();
}

#include "attention_few.h"

// Of n queries of a task those behind the whole blocks, if they are few: a picture's patches and one token before them leave one. The other way gives the
// same bits in f32 alone.
static long few_left(const Job *job, long n) {
    long left = n % job->k->tiles.NR;
    return left <= THIN_ROWS && !job->bf16 && !job->a->key_mask ? left : 0;
}

static void blocks_job(void *arg, size_t begin, size_t end) {
    const Job *job = arg;
    const Attention *a = job->a;
    long NR = job->k->tiles.NR, total = a->Tq * job->share;
    tiles_begin(job);
    for (size_t t = begin; t < end; t++) {
        long bg = (long)t / job->chunks, b = bg / a->G, g = bg % a->G, r0 = (long)t % job->chunks * job->chunk, r1 = smaller(total, r0 + job->chunk), left = few_left(job, r1 - r0);
        if (left > 0) {
            Few f = few_room(job, left);
            few(job, &f, b, g, r1 -= left);
        }
        Room w = room_take(job);
        w.from = a->Tk, w.to = 0;
        for (long r = r0; r < r1; r++) {
            Query q = query_of(job, b, g, r);
            if (q.from < q.to) w.from = smaller(w.from, q.from), w.to = larger(w.to, q.to);
        }
        if (w.from > w.to) w.from = w.to = 0;
        if (job->bf16) w.from -= w.from % job->bf16->step; // sums go on by steps from the first key of all
        pack_keys(job, &w, b, g);
        pack_values(job, &w, b, g);
        for (long r = r0; r < r1; r += NR) block(job, &w, b, g, r, smaller(NR, r1 - r));
    }
    tiles_end(job);
}

static const AttentionDots *by_bf16(const Attention *a) { // NULL: in f32
    if (!a->bf16 || a->weights || a->dropout > 0) return NULL;
#if defined(__x86_64__)
    if (gemm_bf16_tiles() == &tiles_amx) return &attention_amx;
    if (gemm_bf16_tiles() == &tiles_avx512bf16) return &attention_avx512bf16;
#endif
    return NULL;
}

void attention_rows(const Attention *a) {
    if (a->B == 0 || a->Tq == 0) return;
    Job job = {.a = a, .k = kernels(), .bf16 = by_bf16(a), .share = a->H / a->G};
    job.MR = job.bf16 ? job.bf16->tiles->MR : job.k->tiles.MR, job.words = words_of(&job, a->D);
    job.later = job.bf16 && a->softcap == 0 && !a->mask && a->scale > 0; // the largest stays the largest
    long total = a->Tq * job.share, groups = a->B * a->G;
    if (total <= THIN_ROWS && !a->key_mask) {
        parallel_for((size_t)groups, 1, few_job, &job);
        return;
    }
    // A task packs its keys and values: few large tasks, but enough for every thread to have several.
    long blocks = pad(total, job.k->tiles.NR) / job.k->tiles.NR, tasks = larger(1, smaller(blocks, pad(4L * threads_count(), groups) / groups));
    job.chunk = pad(pad(blocks, tasks) / tasks * job.k->tiles.NR, job.k->tiles.NR);
    job.chunks = pad(total, job.chunk) / job.chunk;
    parallel_for((size_t)(groups * job.chunks), 1, blocks_job, &job);
}
