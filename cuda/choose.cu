// choose.cu: how the next id is taken from a model's scores: the sums over a vocabulary, the best ids of a row, an id that is drawn.
//
// Twin of: cpu_choose in model/choose_cpu.c: the same bits: sums in double in the CPU's pieces, whole numbers where the order is free.
// Floor: 4 bytes a logit from the L2, where the product before left them; the exponentials of a row take 40 instructions each, which is why
// pieces of a row belong to different blocks.
// Repeats: bit for bit.
//   version
//   0  logits read back (4 MB of 32 texts), chosen by the host's threads     0.3 ms of a step of 2.9 (counted, H200)
//   1  three kernels: the largest of each piece; its sums; a block a row that takes what is wanted     greedy: 0.020 ms of 1 x 32000, 0.024 of 32, 0.045 of
//      1 x 151936 (H200): the third kernel looks through a row with 512 threads, 0.015
//   2  the first kernel finds the first of each piece too: a greedy third kernel reads as many numbers as there are pieces     in use: 0.013, 0.016 and 0.015 ms
#define EXACT static __device__ inline
#include "choosing.h"

#include "io/exact.h"

#define PIECE 4096
#define WIDE 256    // threads of a piece
#define THREADS 512 // of a row
#define BINS 16     // digits of a rank have four bits

// ---- the distribution

// Rank and id as one number: larger for what comes first.
static __device__ __forceinline__ uint64_t order_of(float score, long id) { return (uint64_t)exact_rank(score) << 32 | (uint32_t)(0xffffffffu - (uint32_t)id); }

static __device__ __forceinline__ uint64_t larger_of_two(uint64_t a, uint64_t b) { return a > b ? a : b; }

static __device__ __forceinline__ uint64_t largest_of_warp(uint64_t x) {
    for (int half = 16; half; half /= 2) x = larger_of_two(x, __shfl_xor_sync(0xffffffffu, (unsigned long long)x, half));
    return x;
}

// The largest of each piece, and which comes first there.
static __global__ __launch_bounds__(WIDE) void tops_kernel(float *tops, uint64_t *firsts, const float *logits, long V) {
    __shared__ float warps[WIDE / 32];
    __shared__ uint64_t orders[WIDE / 32];
    const int thread = (int)threadIdx.x;
    const float *x = logits + blockIdx.y * V;
    const long from = (long)blockIdx.x * PIECE, to = V - from < PIECE ? V : from + PIECE;
    float top = -INFINITY;
    uint64_t first = 0;
    UNROLL_EIGHT
    for (long i = from + thread; i < to; i += WIDE) {
        const float score = x[i];
        top = larger(score, top), first = larger_of_two(first, order_of(score, i));
    }
    top = larger_of_warp(top), first = largest_of_warp(first);
    if (thread % 32 == 0) warps[thread / 32] = top, orders[thread / 32] = first;
    __syncthreads();
    if (thread) return;
    for (int k = 1; k < WIDE / 32; k++) top = larger(warps[k], top), first = larger_of_two(first, orders[k]);
    tops[blockIdx.y * gridDim.x + blockIdx.x] = top, firsts[blockIdx.y * gridDim.x + blockIdx.x] = first;
}

static __device__ __forceinline__ float top_of(const float *tops, long pieces) {
    float top = -INFINITY;
    for (long p = 0; p < pieces; p++) top = larger(tops[p], top);
    return top;
}

static __device__ __forceinline__ float distance(float score, float top, double temperature) {
    return temperature == 1 ? score - top : (float)(((double)score - (double)top) / temperature);
}

// The sum over all threads, folded in halves.
static __device__ double folded(double *shared, double x) {
    const int thread = (int)threadIdx.x;
    shared[thread] = x;
    __syncthreads();
    for (int half = WIDE / 2; half; half /= 2) {
        if (thread < half) shared[thread] += shared[thread + half];
        __syncthreads();
    }
    x = shared[0];
    __syncthreads();
    return x;
}

// sums (R, pieces, 3): of exp, of exp at the temperature, and that times the distance from the largest.
static __global__ __launch_bounds__(WIDE) void sums_kernel(double *sums, const float *tops, const float *logits, long V, double temperature) {
    __shared__ double shared[WIDE];
    const int thread = (int)threadIdx.x;
    const long pieces = gridDim.x, from = (long)blockIdx.x * PIECE, to = V - from < PIECE ? V : from + PIECE;
    const float *x = logits + blockIdx.y * V, top = top_of(tops + blockIdx.y * pieces, pieces);
    double sum = 0, warm = 0, weighted = 0;
    UNROLL_FOUR
    for (long i = from + thread; i < to; i += WIDE) {
        float d = x[i] - top, e = f_exp(d);
        sum += (double)e;
        if (temperature != 1) d = distance(x[i], top, temperature), e = f_exp(d);
        warm += (double)e;
        weighted += e == 0 ? 0 : (double)e * (double)d;
    }
    sum = folded(shared, sum), warm = folded(shared, warm), weighted = folded(shared, weighted);
    double *to_sums = sums + (blockIdx.y * pieces + blockIdx.x) * 3;
    if (thread == 0) to_sums[0] = sum, to_sums[1] = warm, to_sums[2] = weighted;
}

static __device__ Distribution distribution_of(const CudaChoose *c, long row) {
    const double *sums = c->sums + row * c->pieces * 3;
    double sum = 0, warm = 0, weighted = 0;
    for (long p = 0; p < c->pieces; p++) sum += sums[3 * p], warm += sums[3 * p + 1], weighted += sums[3 * p + 2];
    Distribution d;
    d.log_sum = exact_log_of(sum) + (double)top_of(c->tops + row * c->pieces, c->pieces);
    const double bits = (exact_log_of(warm) - weighted / warm) / 0.69314718055994531;
    d.entropy = bits > 0 ? bits : 0;
    d.asked = (double)c->logits[row * c->V + c->how.asked];
    return d;
}

// ---- the best

static __device__ uint64_t largest_of_block(uint64_t *shared, uint64_t x) {
    const int thread = (int)threadIdx.x;
    x = largest_of_warp(x);
    if (thread % 32 == 0) shared[thread / 32] = x;
    __syncthreads();
    for (int k = 0; k < THREADS / 32; k++) x = shared[k] > x ? shared[k] : x;
    __syncthreads();
    return x;
}

static __device__ uint64_t best_of_thread(const float *scores, long V, uint64_t below) {
    uint64_t best = 0;
    UNROLL_FOUR
    for (long i = threadIdx.x; i < V; i += THREADS) {
        const uint64_t order = order_of(scores[i], i);
        if (order < below && order > best) best = order;
    }
    return best;
}

// Of a row's logits, by the pieces that have been looked through.
static __device__ uint64_t first_of(const CudaChoose *c, long row) {
    uint64_t first = 0;
    for (long p = 0; p < c->pieces; p++) first = larger_of_two(first, c->firsts[row * c->pieces + p]);
    return first;
}

// Only the thread whose id is taken looks for its next one.
static __device__ void best_of(uint64_t *shared, Choice *best, int most, const float *scores, const float *logits, long V) {
    uint64_t mine = most > 0 ? best_of_thread(scores, V, ~(uint64_t)0) : 0;
    for (int n = 0; n < most; n++) {
        const uint64_t first = largest_of_block(shared, mine);
        const int32_t id = (int32_t)(0xffffffffu - (uint32_t)first);
        if (threadIdx.x == 0) best[n].score = scores[id], best[n].logit = logits[id], best[n].id = id;
        if (mine == first && n + 1 < most) mine = best_of_thread(scores, V, first);
    }
}

// ---- drawn

typedef struct {
    const float *scores;
    long V;
    float top;
    double temperature; // 0: a score counts one
    uint32_t least;     // scores of lower rank count nothing
} Weights;

static __device__ __forceinline__ uint64_t weight_of(const Weights *w, float score) {
    if (w->temperature == 0) return 1;
    const float e = f_exp(distance(score, w->top, w->temperature));
    return e > 0 ? (uint64_t)((double)e * 0x1p40) : 0;
}

static __device__ uint64_t sum_of_warp(uint64_t x) {
    for (int half = 16; half; half /= 2) x += __shfl_xor_sync(0xffffffffu, (unsigned long long)x, half);
    return x;
}

static __device__ uint64_t sum_of_block(uint64_t *shared, uint64_t x) {
    x = sum_of_warp(x);
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int k = 0; k < THREADS / 32; k++) x += shared[k];
    __syncthreads();
    return x;
}

typedef struct {
    uint32_t rank;   // of the score whose share of the sum holds the number asked for
    uint64_t before; // the sum of larger scores
} Place;

// Every thread has bins of its own, so nothing is added to by two; a warp adds up one digit's.
static __device__ Place place_of(uint64_t *shared, const Weights *w, uint64_t number) {
    __shared__ uint64_t totals[BINS];
    const int thread = (int)threadIdx.x;
    Place p;
    p.rank = 0, p.before = 0;
    for (int shift = 28; shift >= 0; shift -= 4) {
        for (int bin = 0; bin < BINS; bin++) shared[bin * THREADS + thread] = 0;
        for (long i = thread; i < w->V; i += THREADS) {
            const float score = w->scores[i];
            const uint32_t rank = exact_rank(score);
            if (rank >= w->least && (uint64_t)rank >> (shift + 4) == p.rank) shared[(rank >> shift & (BINS - 1)) * THREADS + thread] += weight_of(w, score);
        }
        __syncthreads();
        uint64_t sum = 0;
        for (int k = thread % 32; k < THREADS; k += 32) sum += shared[thread / 32 * THREADS + k];
        sum = sum_of_warp(sum);
        if (thread % 32 == 0) totals[thread / 32] = sum;
        __syncthreads();
        int bin = BINS - 1;
        for (; bin > 0 && p.before + totals[bin] <= number; bin--) p.before += totals[bin];
        p.rank = p.rank << 4 | (uint32_t)bin;
    }
    return p;
}

// The n-th id with a score of this rank, in order of ids: a thread counts those in its own stretch of them.
static __device__ int32_t nth_of(uint64_t *shared, const float *scores, long V, uint32_t rank, uint64_t n) {
    __shared__ int32_t found;
    const int thread = (int)threadIdx.x;
    const long each = (V + THREADS - 1) / THREADS, from = thread * each, to = V - from < each ? V : from + each;
    uint64_t count = 0, before = 0;
    for (long i = from; i < to; i++) count += exact_rank(scores[i]) == rank;
    shared[thread] = count;
    if (thread == 0) found = 0;
    __syncthreads();
    for (int k = 0; count > 0 && k < thread; k++) before += shared[k];
    if (n >= before && n < before + count)
        for (long i = from; i < to; i++)
            if (exact_rank(scores[i]) == rank && before++ == n) found = (int32_t)i;
    __syncthreads();
    const int32_t id = found;
    __syncthreads();
    return id;
}

static __device__ int32_t drawn_of(uint64_t *shared, const float *scores, int32_t largest, long V, const Drawing *o, double uniform) {
    Weights w;
    w.scores = scores, w.V = V, w.top = scores[largest], w.temperature = 0, w.least = 0;
    if (o->top_k > 0 && o->top_k < V) w.least = place_of(shared, &w, (uint64_t)o->top_k - 1).rank;
    uint32_t last = w.least; // of the nucleus
    uint64_t ties = (uint64_t)V, sum = 0; // ties: of the last that belong to it
    if (o->top_p < 1) {
        w.temperature = o->filter_temperature;
        for (long i = threadIdx.x; i < V; i += THREADS) sum += exact_rank(scores[i]) >= w.least ? weight_of(&w, scores[i]) : 0;
        sum = sum_of_block(shared, sum);
        if (sum == 0) return largest;
        const double goal = ceil(o->top_p * (double)sum);
        const uint64_t reached = goal > 1 ? (uint64_t)goal - 1 : 0;
        const Place p = place_of(shared, &w, reached);
        const uint64_t each = weight_of(&w, exact_ranked(p.rank));
        last = p.rank;
        if (each > 0) ties = (reached - p.before) / each + 1;
    }
    w.temperature = o->temperature;
    uint64_t equal = 0;
    sum = 0;
    for (long i = threadIdx.x; i < V; i += THREADS) {
        const uint32_t rank = exact_rank(scores[i]);
        sum += rank > last ? weight_of(&w, scores[i]) : 0;
        equal += rank == last;
    }
    sum = sum_of_block(shared, sum), equal = sum_of_block(shared, equal);
    sum += (equal < ties ? equal : ties) * weight_of(&w, exact_ranked(last));
    if (sum == 0) return largest;
    uint64_t number = (uint64_t)(uniform * (double)sum);
    if (number >= sum) number = sum - 1;
    w.least = last;
    const Place p = place_of(shared, &w, number);
    return nth_of(shared, scores, V, p.rank, (number - p.before) / weight_of(&w, exact_ranked(p.rank)));
}

// ---- rows

// The scores of a row after its rules, in `scores`, or the logits themselves where there are none.
static __device__ const float *scores_of(const CudaChoose *c, long row, double log_sum) {
    const float *logits = c->logits + row * c->V;
    if (!c->scores) return logits;
    float *scores = c->scores + row * c->V;
    const Choosing *how = &c->how;
    const float less = how->normalised ? (float)log_sum : 0;
    for (long i = threadIdx.x; i < c->V; i += THREADS) scores[i] = logits[i] - less;
    __syncthreads();
    for (int k = (int)threadIdx.x; k < how->penalised_room; k += THREADS) {
        const int32_t id = how->penalised[row * how->penalised_room + k];
        if (id >= 0) scores[id] = scores[id] < 0 ? scores[id] * how->penalty : scores[id] / how->penalty;
    }
    __syncthreads();
    for (int k = (int)threadIdx.x; k < how->banned_room; k += THREADS) {
        const int32_t id = how->banned[row * how->banned_room + k];
        if (id >= 0) scores[id] = -INFINITY;
    }
    __syncthreads();
    for (long i = threadIdx.x; how->plus && i < c->V; i += THREADS) scores[i] += how->plus[row];
    __syncthreads();
    return scores;
}

static __global__ __launch_bounds__(THREADS) void choose_kernel(CudaChoose c) {
    DYNAMIC_SHARED(uint64_t, shared);
    const long row = blockIdx.x, V = c.V;
    const float *logits = c.logits + row * V;
    const bool greedy = !c.scores && c.how.best == 1 && !c.how.draw.uniform;
    double log_sum = 0;
    if (threadIdx.x == 0 || c.how.normalised) { // every thread by itself: a few additions
        const Distribution d = distribution_of(&c, row);
        if (threadIdx.x == 0) c.rows[row] = d;
        log_sum = d.log_sum;
    }
    best_of(shared, c.likeliest + row * c.how.likeliest, c.how.likeliest, logits, logits, V);
    const float *scores = scores_of(&c, row, log_sum);
    Choice *best = c.best + row * c.how.best;
    if (greedy) {
        if (threadIdx.x != 32) return; // the thread of another warp than the one of the sums
        const int32_t id = (int32_t)(0xffffffffu - (uint32_t)first_of(&c, row));
        best->score = best->logit = logits[id], best->id = id;
        if (c.how.next) c.how.next[row] = id;
        return;
    }
    if (!c.how.draw.uniform) {
        best_of(shared, best, c.how.best, scores, logits, V);
        if (c.how.next && threadIdx.x == 0) c.how.next[row] = best->id;
        return;
    }
    const uint64_t first = c.scores ? largest_of_block(shared, best_of_thread(scores, V, ~(uint64_t)0)) : first_of(&c, row);
    const int32_t id = drawn_of(shared, scores, (int32_t)(0xffffffffu - (uint32_t)first), V, &c.how.draw, c.how.draw.uniform[row]);
    if (threadIdx.x == 0) best->score = scores[id], best->logit = logits[id], best->id = id;
    if (c.how.next && threadIdx.x == 0) c.how.next[row] = id;
}

HOST size_t cuda_choose_room(long R, long V, bool changed) {
    return (size_t)R * (((size_t)(V + PIECE - 1) / PIECE) * (3 * sizeof(double) + sizeof(uint64_t) + sizeof(float)) + (changed ? (size_t)V * sizeof(float) : 0)) + 16;
}

HOST void cuda_choose(CudaChoose *c, void *room, bool changed, cudaStream_t s) {
    if (c->R == 0) return;
    c->pieces = (c->V + PIECE - 1) / PIECE;
    double *sums = (double *)room;
    uint64_t *firsts = (uint64_t *)(sums + 3 * c->R * c->pieces);
    float *tops = (float *)(firsts + c->R * c->pieces);
    c->sums = sums, c->tops = tops, c->firsts = firsts, c->scores = changed ? tops + c->R * c->pieces : NULL;
    need(c->R <= 65535, "cuda: the next ids of %ld texts: more than one launch can take", c->R);
    LAUNCH(tops_kernel, DIM3(c->pieces, c->R, 1), DIM3(WIDE, 1, 1), 0, s, tops, firsts, c->logits, c->V);
    LAUNCH(sums_kernel, DIM3(c->pieces, c->R, 1), DIM3(WIDE, 1, 1), 0, s, sums, (const float *)tops, c->logits, c->V, c->how.temperature);
    const size_t words = c->how.draw.uniform ? BINS * THREADS : THREADS / 32;
    LAUNCH(choose_kernel, DIM3(c->R, 1, 1), DIM3(THREADS, 1, 1), words * sizeof(uint64_t), s, *c);
}
