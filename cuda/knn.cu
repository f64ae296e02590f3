// knn.cu: the K best of N points for each of Q queries, selected while the scores are made: no (Q, N) matrix anywhere.
//
// score(q, j) = offset[j] + sum over c of query[q][c] point[j][c], ascending fused; the largest win, equal ones by
// smaller index. Cosine: rows of length one, no offset. Euclidean: points times two, offset -|point|².
// Twin of: the plain loop in test/test_cuda_knn.c, the same bits. analysis/knn.c asks for more than it needs, bounds
// what the sums may be wrong by, and decides by the metric in double.
// Floor: 2QNC flops at the f32 rate. Selection: a comparison a score, and about K ln(N / K) insertions a query.
// Allow: nothing.    Repeats: bit for bit: points come in ascending order, a query belongs to one block.
// Needs: 1 <= K <= 256, K <= N; no alignment.
//   version
//   0  scores by a product, written, then a pass over them        moves 8QN bytes: 80 GB at 100k x 100k
//   1  a block per 16 queries, points 64 at a time, a sorted list per query in shared memory, one warp inserts    in use where there is
//      no room for
//   2, 3  knn_product.cu: tensor cores find candidates, this file's sums decide; and for the rows where those cannot
#include "device.h"
#include "kernels.h"

#define QUERIES 16
#define POINTS 64
#define BK 32
#define THREADS 128

// Puts (s, id) into the sorted list of `count` pairs; what falls off the end is gone. By one warp.
static __device__ void insert(float *score, int32_t *id, int *count, int K, float s, int32_t which, int lane) {
    int n = *count, rank = 0;
    for (int i = lane; i < n + (32 - n % 32) % 32; i += 32) rank += __popc(__ballot_sync(0xffffffffu, i < n && score[i] >= s));
    if (rank >= K) return;
    int end = n < K ? n + 1 : K;
    for (int base = (end - 1) / 32 * 32; base >= rank / 32 * 32; base -= 32) { // from the end: nothing is overwritten unread
        int i = base + lane;
        bool moves = i > rank && i < end;
        float old = moves ? score[i - 1] : 0;
        int32_t old_id = moves ? id[i - 1] : 0;
        __syncwarp();
        if (moves) score[i] = old, id[i] = old_id;
        if (i == rank) score[i] = s, id[i] = which;
        __syncwarp();
    }
    if (lane == 0) *count = end;
    __syncwarp();
}

// All queries, or `count` of them by their numbers.
static __global__ __launch_bounds__(THREADS) void nearest(CudaKnn a, const int32_t *rows, const int32_t *count_of_rows) {
    __shared__ float q[QUERIES][BK + 1], p[POINTS][BK + 1], tile[QUERIES][POINTS + 1];
    __shared__ int count[QUERIES];
    __shared__ long number[QUERIES]; // of the queries
    DYNAMIC_SHARED(float, lists); // scores (QUERIES, K), then ids
    int t = (int)threadIdx.x, warp = t / 32, lane = t % 32;
    long q0 = (long)blockIdx.x * QUERIES;
    int32_t *ids = (int32_t *)(lists + QUERIES * a.K);
    const long Q = rows ? *count_of_rows : a.Q;
    if (q0 >= Q) return;
    if (t < QUERIES) count[t] = 0, number[t] = q0 + t >= Q ? 0 : rows ? rows[q0 + t] : q0 + t;
    for (long j0 = 0; j0 < a.N; j0 += POINTS) {
        FRAGMENT(float, acc, 8); // queries t / 16 and + 8, points t % 16 + 0, 16, 32, 48
        UNROLL
        for (int i = 0; i < 8; i++) acc[i] = 0;
        for (int c0 = 0; c0 < a.C; c0 += BK) {
            int n = a.C - c0 < BK ? a.C - c0 : BK;
            __syncthreads(); // the tile before is used up
            for (int e = t; e < QUERIES * BK; e += THREADS)
                q[e / BK][e % BK] = q0 + e / BK < Q && e % BK < n ? a.query[(size_t)number[e / BK] * a.C + c0 + e % BK] : 0;
            for (int e = t; e < POINTS * BK; e += THREADS)
                p[e / BK][e % BK] = j0 + e / BK < a.N && e % BK < n ? a.point[(size_t)(j0 + e / BK) * a.C + c0 + e % BK] : 0;
            __syncthreads();
            for (int c = 0; c < n; c++)
                UNROLL
                for (int i = 0; i < 8; i++) acc[i] = fused(q[t / 16 + i / 4 * 8][c], p[t % 16 + i % 4 * 16][c], acc[i]);
        }
        UNROLL
        for (int i = 0; i < 8; i++) {
            long j = j0 + t % 16 + i % 4 * 16;
            tile[t / 16 + i / 4 * 8][t % 16 + i % 4 * 16] = a.offset && j < a.N ? a.offset[j] + acc[i] : acc[i];
        }
        __syncthreads();
        for (int r = warp; r < QUERIES && q0 + r < Q; r += THREADS / 32) {
            float *score = lists + r * a.K;
            long own = a.group ? a.query_group[number[r]] : -1;
            for (int half = 0; half < POINTS; half += 32) {
                long j = j0 + half + lane;
                float s = tile[r][half + lane];
                bool allowed = j < a.N && !(a.without_self && j == a.first_query + number[r]) && !(a.group && a.group[j] == own);
                bool better = allowed && (count[r] < a.K || s > score[a.K - 1]);
                unsigned left = __ballot_sync(0xffffffffu, better);
                while (left) { // ascending: equal scores stand by index
                    int first = __ffs((int)left) - 1;
                    left &= left - 1;
                    insert(score, ids + r * a.K, &count[r], a.K, __shfl_sync(0xffffffffu, s, first), (int32_t)(j0 + half + first), lane);
                }
                __syncwarp();
            }
        }
    }
    __syncthreads();
    for (int e = t; e < QUERIES * a.K; e += THREADS) {
        int r = e / a.K, i = e % a.K;
        if (q0 + r >= Q) continue;
        const size_t at = (size_t)number[r] * a.K + i;
        a.id[at] = i < count[r] ? ids[e] : -1; // fewer than K were allowed
        if (a.score) a.score[at] = i < count[r] ? lists[e] : -INFINITY;
    }
}

HOST void cuda_knn_rows(const CudaKnn *a, const int32_t *rows, const int32_t *count, cudaStream_t stream) {
    LAUNCH(nearest, DIM3((a->Q + QUERIES - 1) / QUERIES, 1, 1), DIM3(THREADS, 1, 1), (size_t)QUERIES * (size_t)a->K * 8, stream, *a, rows, count);
}

HOST void cuda_knn_version(const CudaKnn *a, int version, cudaStream_t stream) {
    need(a->K >= 1 && a->K <= CUDA_KNN_MOST && a->K <= a->N, "cuda: %d neighbours of %ld points: 1 to %d, and no more than there are", a->K, a->N, CUDA_KNN_MOST);
    if (a->Q == 0) return;
    need(a->N <= INT32_MAX, "cuda: neighbours among %ld points: split them", a->N);
    if (version > 1 && cuda_knn_product_takes(a)) cuda_knn_product(a, version == 2 ? 1 : 3, stream);
    else cuda_knn_rows(a, NULL, NULL, stream);
}

HOST void cuda_knn(const CudaKnn *a, cudaStream_t stream) { cuda_knn_version(a, 3, stream); }
