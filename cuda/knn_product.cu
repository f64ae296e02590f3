// knn_product.cu: the search of knn.cu with nearly all of its work on tensor cores, and the same bits.
//
// Twin of: knn.cu. Q queries, N points, C columns, K neighbours.
//   1. split     rows become bf16: x = x1 + x2 + e, x1 the rounded row, x2 what that left, rounded. A query's row is (x1, x2, x1), a
//                point's (y2, y1, y1): one product of rows of 3C adds up x1 y2 + x2 y1 + x1 y1, what is small first. (Version 2: x1 and y1 alone.)
//   2. product   gemm_bf16.cu's, for as many queries as PART scores allow: the matrix of all scores never exists.
//   3. choose    a block a query reads its scores t once; keeps what may still be among the K best, with bounds t ± d.
//   4. evaluate  those few by knn.cu's chain of sums, and ranks them by it.
//   5. knn.cu    does the rows for which the bounds leave too many: copies, ties, numbers that are not finite.
// The bound d on |s - t|, s the score of knn.cu; n = |x|, l = |x2|, e = |x - x1 - x2|, b = max(n, |x1| + |x2|), measured in double:
//   x y - (x1 y1 + x1 y2 + x2 y1) = x2 y2 + e_x y + (x1 + x2) e_y            at most l l + e_x n_y + b_x e_y  (Cauchy, Schwarz)
//   sums: knn.cu's chain                                                                    C 2^-24 n n
//   tensor cores cut each addend off at the last place of the largest, at least two products and the sum so far at a time, then the sum:
//   2^-23 (2 + 2) / 2 for each product. Every accumulator meets its products in ascending order, whichever kernel it is of: in the first
//   2C it holds no more than b l + l b, then no more than b b             2C 2^-22 (b l + l b) + C 2^-22 b b
//   64 more of 2^-22 b b: a group of products on the border, and the sums of several accumulators of one score
//   adding the offset o on both sides, and rounding t - d, t + d                            2^-21 |o| + 8 2^-22 b b
//   below the normal numbers nothing is relative: (C + 3C) 2^-125 more
// With the largest l / n, e / n, b / n and |o| of all points it is d = n_y f(x) + g. T, the K-th largest t - d of the points seen so far,
// is reached by K of the exact scores; so who has t + d < T has K points strictly before it, and drops out.
// Floor: 6QNC flops at the bf16 rate, 8QN bytes for the scores; evaluating: Q times some more than K rows of 4C bytes from the L2.
// Allow: nothing.    Repeats: bit for bit, though the order in which candidates are met is free: the exact scores decide.
// Needs: K <= 256, N >= K, 32-bit point numbers; no alignment.
//   version
//   1  knn.cu: scores in f32 on the multiprocessors       10000 x 1024, k = 100: 23.3 ms, 0.25 of PyTorch (H200)
//   2  one bf16 product; d is 1.0e-2 n n at most, 3.3e-3 n n for random rows: 1.7 K candidates there, far more where scores are close: 3.2 ms, 1.81
//   3  three, as above; d is about (1.25 C + 64) 2^-22 n n, the sums' part: 3.2e-4 at C = 1024. With the large pieces first, and 9.8e-4 by 4C 2^-22,
//      1.1 K candidates: 2.9 ms, 1.97; but of 100000 x 4096 it left 530, more than MOST, where this leaves 190      in use
#include "device.h"
#include "kernels.h"

#define PART (36l << 20)  // scores at a time: 144 MiB
#define PART_ROWS 1024    // queries at a time, at least, while that takes no more than eight times as much: each part reads all points
#define SPLIT_WARPS 8     // rows of a block
#define CHOOSE 256        // threads that choose for one query
#define ROOM 2048         // candidates while it chooses
#define MOST 512          // candidates that are evaluated
#define EVALUATE_WARPS 4
#define PIECE 32          // columns that a warp brings of 32 candidates' rows and of the query at a time
#define STRIDE (PIECE + 4) // of the rows there: eight lanes that read four words each meet all banks once

typedef struct {
    float n, l, e, b;
} RowBound;

typedef struct {
    uint16_t *query, *point;  // (part, width), (N, width)
    float *score;             // (part, ld)
    RowBound *bound;          // (part)
    float *length;            // (N): n of the points
    uint32_t *largest;        // l / n, e / n, b / n, |offset| of all points, as bits
    int32_t *candidate;       // (part, MOST)
    int32_t *count;           // (part): candidates, or -1: the row is in `left`
    int32_t *left, *left_count; // (Q): rows for knn.cu
    long part, width, ld;
    int pieces;
} Places;

// ---- 1. rows to bf16

// Rounded to bf16; where that would be below the normal numbers, zero: whether a unit knows such numbers does not matter then.
static __device__ __forceinline__ uint16_t rounded(float x) { return fabsf(x) < FLT_MIN ? 0 : bf16_of(x); }

static __device__ __forceinline__ float length_above(double squares) { return (float)(sqrt(squares) * (1 + 1e-6)); }

// A warp a row. Points also tell what is largest among them.
static __global__ void split(uint16_t *out, const float *x, const float *offset, RowBound *bound, float *length, uint32_t *largest, long R, int C, long width, int pieces) {
    __shared__ uint32_t most[SPLIT_WARPS][4]; // l / n, e / n, b / n, |offset| as bits: none is negative, and NaN is above all
    const int lane = thread_lane(), warp = (int)threadIdx.x / 32;
    const bool there = (long)blockIdx.x * SPLIT_WARPS + warp < R;
    const long row = there ? (long)blockIdx.x * SPLIT_WARPS + warp : R - 1; // the last one once more changes nothing
    const long padded = width / pieces;
    const bool is_query = bound != NULL;
    double n = 0, l = 0, e = 0, b = 0;
    for (long c = lane; c < padded; c += 32) {
        const float v = c < C ? x[row * C + c] : 0;
        const uint16_t first = rounded(v), second = pieces == 1 ? 0 : rounded(v - float_of_bf16(first));
        const float high = float_of_bf16(first), low = float_of_bf16(second);
        const double left = (double)v - (double)high - (double)low;
        n += (double)v * (double)v, l += (double)low * (double)low, e += left * left, b += (double)high * (double)high;
        if (!there) continue;
        out[row * width + (pieces - 1) * padded + c] = first;
        if (pieces == 3) out[row * width + c] = is_query ? first : second, out[row * width + padded + c] = is_query ? second : first;
    }
    n = doubles_of_warp(n), l = doubles_of_warp(l), e = doubles_of_warp(e), b = doubles_of_warp(b);
    RowBound r;
    r.n = length_above(n), r.l = length_above(l), r.e = length_above(e), r.b = larger(length_above(b) + r.l, r.n);
    if (is_query) {
        if (lane == 0 && there) bound[row] = r;
        return; // the whole block
    }
    if (lane == 0) {
        if (there) length[row] = r.n;
        most[warp][0] = r.n == 0 ? 0 : bits_of(r.l / r.n), most[warp][1] = r.n == 0 ? 0 : bits_of(r.e / r.n), most[warp][2] = r.n == 0 ? 0 : bits_of(r.b / r.n);
        most[warp][3] = offset ? bits_of(fabsf(offset[row])) : 0;
    }
    __syncthreads();
    if (threadIdx.x >= 4) return;
    uint32_t top = 0;
    for (int k = 0; k < SPLIT_WARPS; k++) top = most[k][threadIdx.x] > top ? most[k][threadIdx.x] : top;
    atomicMax(largest + threadIdx.x, top);
}

// ---- 3. candidates of a query

// Floats in the order of whole numbers.
static __device__ __forceinline__ uint32_t ordered(float x) {
    const uint32_t u = bits_of(x);
    return u >> 31 ? ~u : u | 0x80000000u;
}

static __device__ __forceinline__ float from_ordered(uint32_t u) { return float_from(u >> 31 ? u & 0x7fffffffu : ~u); }

typedef struct {
    float lower[ROOM], upper[ROOM];
    int32_t id[ROOM];
    int32_t count, reach, unsure;
} Chosen;

static __device__ __forceinline__ void keep(Chosen *s, bool near, float lower, float upper, int32_t id) { // by whole warps
    const unsigned those = __ballot_sync(0xffffffffu, near);
    if (!those) return;
    int at = 0;
    if (thread_lane() == 0) at = atomicAdd(&s->count, __popc(those));
    at = __shfl_sync(0xffffffffu, at, 0) + __popc(those & ((1u << thread_lane()) - 1));
    if (near) s->lower[at] = lower, s->upper[at] = upper, s->id[at] = id;
}

// How many of the block's keys, n of them and EACH a thread, are at least `key`.
#define EACH (ROOM / CHOOSE)
static __device__ __forceinline__ int reaching(Chosen *s, const uint32_t *keys, int n, uint32_t key) {
    int sum = 0;
    __syncthreads(); // the number before has been read
    if (threadIdx.x == 0) s->reach = 0;
    __syncthreads();
    UNROLL
    for (int i = 0; i < EACH; i++) sum += __popc(__ballot_sync(0xffffffffu, (int)threadIdx.x + i * CHOOSE < n && keys[i] >= key));
    if (thread_lane() == 0) atomicAdd(&s->reach, sum);
    __syncthreads();
    return s->reach;
}

// A number that at least K of the lower bounds reach, and few more: between the threshold so far and the largest float by halving.
// What cannot reach it leaves the list.
static __device__ float shrink(Chosen *s, int K, float least) {
    FRAGMENT(uint32_t, keys, EACH);
    FRAGMENT(float, lower, EACH);
    FRAGMENT(float, upper, EACH);
    FRAGMENT(int32_t, id, EACH);
    const int n = s->count;
    UNROLL
    for (int i = 0; i < EACH; i++) {
        const int at = (int)threadIdx.x + i * CHOOSE;
        keys[i] = 0, id[i] = 0, lower[i] = upper[i] = 0;
        if (at < n) lower[i] = s->lower[at], upper[i] = s->upper[at], id[i] = s->id[at], keys[i] = ordered(lower[i]);
    }
    if (n < K) return least; // the same for all threads
    uint32_t low = ordered(least), high = 0xffffffffu;
    int reach = reaching(s, keys, n, low);
    if (reach < K) return least; // only where scores are no numbers
    while (high - low > 1 && reach > K + K / 8) {
        const uint32_t middle = low + (high - low) / 2;
        const int count = reaching(s, keys, n, middle);
        if (count >= K) low = middle, reach = count;
        else high = middle;
    }
    least = from_ordered(low);
    __syncthreads();
    if (threadIdx.x == 0) s->count = 0;
    __syncthreads();
    UNROLL
    for (int i = 0; i < EACH; i++) keep(s, (int)threadIdx.x + i * CHOOSE < n && !(upper[i] < least), lower[i], upper[i], id[i]);
    __syncthreads();
    return least;
}

static __device__ __forceinline__ float4 four_of(const float *x, long j, long N) {
    if (j + 4 <= N) return *(const float4 *)(x + j);
    return make_float4(j < N ? x[j] : 0, j + 1 < N ? x[j + 1] : 0, j + 2 < N ? x[j + 2] : 0, 0);
}

static __global__ __launch_bounds__(CHOOSE, 3) void choose(CudaKnn a, Places p, long q0) {
    __shared__ Chosen s;
    const long q = q0 + blockIdx.x;
    const float *score = p.score + blockIdx.x * p.ld;
    const RowBound x = p.bound[blockIdx.x];
    const long width = p.width;
    const float padded = (float)(width / p.pieces), late = (0.25f * (float)a.C + padded + 64) * 0x1p-22f, early = ((float)width - padded) * 0x1p-22f;
    const float l = float_from(p.largest[0]), b = float_from(p.largest[2]);
    const float f = (x.l * l + x.e + x.b * float_from(p.largest[1]) + late * x.b * b + early * (x.b * l + x.l * b)) * 1.0001f;
    const float g = float_from(p.largest[3]) * 0x1p-21f + (float)(a.C + width) * 0x1p-125f;
    const int32_t own = a.group ? a.query_group[q] : -1;
    if (threadIdx.x == 0) s.count = 0, s.unsure = 0;
    __syncthreads();
    float least = -INFINITY;
    float4 t_next = four_of(score, 4 * threadIdx.x, a.N), n_next = four_of(p.length, 4 * threadIdx.x, a.N);
    for (long j0 = 0; j0 < a.N; j0 += 4 * CHOOSE) {
        const long j = j0 + 4 * threadIdx.x, after = j + 4 * CHOOSE;
        FRAGMENT(float, t, 4);
        FRAGMENT(float, n, 4);
        t[0] = t_next.x, t[1] = t_next.y, t[2] = t_next.z, t[3] = t_next.w;
        n[0] = n_next.x, n[1] = n_next.y, n[2] = n_next.z, n[3] = n_next.w;
        t_next = four_of(score, after, a.N), n_next = four_of(p.length, after, a.N); // on their way
        if (s.count > ROOM - 4 * CHOOSE) {
            least = shrink(&s, a.K, least);
            if (s.count > ROOM - 4 * CHOOSE) { // bounds alone make no room
                if (threadIdx.x == 0) s.unsure = 1;
                break;
            }
        }
        __syncthreads(); // everybody has seen the same count
        UNROLL
        for (int k = 0; k < 4; k++) {
            const float d = fused(n[k], f, g);
            const bool counts = j + k < a.N && !(a.without_self && j + k == a.first_query + q) && !(a.group && a.group[j + k] == own);
            if (counts && !(d < 0x1p100f && fabsf(t[k]) < INFINITY)) atomicOr(&s.unsure, 1); // not finite, or products may not be
            keep(&s, counts && !(t[k] + d < least), t[k] - d, t[k] + d, (int32_t)(j + k));
        }
        __syncthreads();
    }
    __syncthreads();
    if (!s.unsure) shrink(&s, a.K, least);
    __syncthreads();
    const bool sure = !s.unsure && s.count <= MOST;
    if (sure)
        for (int i = (int)threadIdx.x; i < s.count; i += CHOOSE) p.candidate[(long)blockIdx.x * MOST + i] = s.id[i];
    if (threadIdx.x != 0) return;
    p.count[blockIdx.x] = sure ? s.count : -1;
    if (!sure) p.left[atomicAdd(p.left_count, 1)] = (int32_t)q;
}

// ---- 4. exact scores of the candidates

typedef struct {
    float row[33][STRIDE]; // of 32 candidates, and the query
} Staged;

// The next PIECE columns from c0 on, by one warp. `fours`: rows allow sixteen bytes an access.
static __device__ __forceinline__ void bring(Staged *to, const CudaKnn *a, const int32_t *id, int n, const float *query, int c0, bool fours, int lane) {
    for (int e = lane; e < 33 * (PIECE / 4); e += 32) {
        const int r = e / (PIECE / 4), c = e % (PIECE / 4) * 4;
        const float *from = r == 32 ? query : a->point + (size_t)id[r < n ? r : 0] * (size_t)a->C; // behind the last: the first again, for nothing
        if (fours) cp_async16(&to->row[r][c], c0 + c < a->C ? from + c0 + c : from, c0 + c < a->C ? 16 : 0);
        else
            for (int k = 0; k < 4; k++) cp_async4(&to->row[r][c + k], c0 + c + k < a->C ? from + c0 + c + k : from, c0 + c + k < a->C ? 4 : 0);
    }
}

static __device__ __forceinline__ float chain(const float *q, const float *p, int n, float s) { // as in knn.cu
    if (n >= PIECE) {
        UNROLL
        for (int c = 0; c < PIECE; c += 4) {
            const float4 u = *(const float4 *)(q + c), v = *(const float4 *)(p + c);
            s = fused(u.w, v.w, fused(u.z, v.z, fused(u.y, v.y, fused(u.x, v.x, s))));
        }
        return s;
    }
    for (int c = 0; c < n; c++) s = fused(q[c], p[c], s);
    return s;
}

static __global__ __launch_bounds__(32 * EVALUATE_WARPS) void evaluate(CudaKnn a, Places p, long q0) {
    __shared__ __align__(16) Staged staged[EVALUATE_WARPS][2];
    __shared__ float score[MOST];
    __shared__ int32_t id[MOST];
    const int t = (int)threadIdx.x, warp = t / 32, lane = t % 32, n = p.count[blockIdx.x];
    if (n < 0) return; // the whole block
    const long q = q0 + blockIdx.x;
    const float *query = a.query + q * a.C;
    const bool fours = a.C % 4 == 0 && ((uintptr_t)a.query | (uintptr_t)a.point) % 16 == 0;
    for (int i = t; i < n; i += 32 * EVALUATE_WARPS) id[i] = p.candidate[(long)blockIdx.x * MOST + i];
    __syncthreads();
    for (int base = 32 * warp; base < n; base += 32 * EVALUATE_WARPS) {
        float s = 0;
        bring(&staged[warp][0], &a, id + base, n - base, query, 0, fours, lane);
        cp_async_commit();
        for (int c0 = 0, now = 0; c0 < a.C; c0 += PIECE, now ^= 1) {
            if (c0 + PIECE < a.C) bring(&staged[warp][now ^ 1], &a, id + base, n - base, query, c0 + PIECE, fours, lane);
            cp_async_commit();
            cp_async_wait(1);
            __syncwarp();
            s = chain(staged[warp][now].row[32], staged[warp][now].row[lane], a.C - c0, s);
            __syncwarp(); // read before it is brought again
        }
        if (base + lane < n) score[base + lane] = a.offset ? a.offset[id[base + lane]] + s : s;
    }
    cp_async_wait(0);
    __syncthreads();
    for (int i = t; i < n; i += 32 * EVALUATE_WARPS) {
        int rank = 0;
        for (int j = 0; j < n; j++) rank += score[j] > score[i] || (score[j] == score[i] && id[j] < id[i]);
        if (rank >= a.K) continue;
        a.id[q * a.K + rank] = id[i];
        if (a.score) a.score[q * a.K + rank] = score[i];
    }
    for (int i = n + t; i < a.K; i += 32 * EVALUATE_WARPS) { // fewer than K were allowed
        a.id[q * a.K + i] = -1;
        if (a.score) a.score[q * a.K + i] = -INFINITY;
    }
}

// ---- host

static void *piece_of(char *room, size_t *at, size_t bytes) {
    void *p = room ? room + *at : NULL;
    *at += (bytes + 255) / 256 * 256;
    return p;
}

// Queries at a time: parts of one size, in 128s.
static long part_of(long Q, long ld) {
    long most = PART / ld;
    if (most < PART_ROWS) most = 8 * PART / ld < PART_ROWS ? 8 * PART / ld : PART_ROWS;
    if (most < 128) most = 128;
    const long parts = (Q + most - 1) / most, each = (Q + parts - 1) / (parts ? parts : 1), part = (each + 127) / 128 * 128;
    return part < Q ? part : Q;
}

static size_t places_in(Places *p, const CudaKnn *a, void *room, int pieces) {
    size_t at = 0, N = (size_t)a->N;
    p->pieces = pieces, p->width = (a->C + 7l) / 8 * 8 * pieces, p->ld = (a->N + 3) / 4 * 4;
    p->part = a->part > 0 && a->part < a->Q ? a->part : part_of(a->Q, p->ld);
    size_t part = (size_t)p->part, width = (size_t)p->width;
    p->query = (uint16_t *)piece_of((char *)room, &at, part * width * 2);
    p->point = (uint16_t *)piece_of((char *)room, &at, N * width * 2);
    p->score = (float *)piece_of((char *)room, &at, part * (size_t)p->ld * 4);
    p->bound = (RowBound *)piece_of((char *)room, &at, part * sizeof(RowBound));
    p->length = (float *)piece_of((char *)room, &at, N * 4);
    p->largest = (uint32_t *)piece_of((char *)room, &at, 5 * 4);
    p->candidate = (int32_t *)piece_of((char *)room, &at, part * MOST * 4);
    p->count = (int32_t *)piece_of((char *)room, &at, part * 4);
    p->left = (int32_t *)piece_of((char *)room, &at, (size_t)a->Q * 4);
    p->left_count = (int32_t *)p->largest + 4;
    return at;
}

HOST size_t cuda_knn_room(const CudaKnn *a) {
    Places p;
    return places_in(&p, a, NULL, 3);
}

// The bound is of first order: 3C terms of 2^-22 have to be small.
HOST bool cuda_knn_product_takes(const CudaKnn *a) { return a->room && a->C <= 1 << 16 && a->N <= INT32_MAX && a->Q <= INT32_MAX; }

// Step 2 for the queries from q0 on, in the room.
HOST GemmBf16 cuda_knn_scores(const CudaKnn *a, int pieces, long q0) {
    Places p;
    places_in(&p, a, a->room, pieces);
    GemmBf16 g;
    memset(&g, 0, sizeof g);
    g.M = a->Q - q0 < p.part ? a->Q - q0 : p.part, g.N = a->N, g.K = g.lda = g.ldw = p.width, g.ldc = p.ld;
    g.A = p.query, g.W = p.point, g.C = p.score, g.bias = a->offset;
    return g;
}

HOST void cuda_knn_product(const CudaKnn *a, int pieces, cudaStream_t stream) {
    Places p;
    places_in(&p, a, a->room, pieces);
    CUDA_CHECK(cudaMemsetAsync(p.largest, 0, 5 * 4, stream));
    const dim3 warps = DIM3(32 * SPLIT_WARPS, 1, 1);
    LAUNCH(split, DIM3((a->N + SPLIT_WARPS - 1) / SPLIT_WARPS, 1, 1), warps, 0, stream, p.point, a->point, a->offset, (RowBound *)NULL, p.length, p.largest, a->N, a->C, p.width, pieces);
    for (long q0 = 0; q0 < a->Q; q0 += p.part) {
        const GemmBf16 g = cuda_knn_scores(a, pieces, q0);
        const long n = g.M;
        LAUNCH(split, DIM3((n + SPLIT_WARPS - 1) / SPLIT_WARPS, 1, 1), warps, 0, stream, p.query, a->query + q0 * a->C, (const float *)NULL, p.bound, (float *)NULL, p.largest, n, a->C,
               p.width, pieces);
        cuda_gemm_bf16(&g, stream);
        LAUNCH(choose, DIM3(n, 1, 1), DIM3(CHOOSE, 1, 1), 0, stream, *a, p, q0);
        LAUNCH(evaluate, DIM3(n, 1, 1), DIM3(32 * EVALUATE_WARPS, 1, 1), 0, stream, *a, p, q0);
    }
    cuda_knn_rows(a, p.left, p.left_count, stream);
}
