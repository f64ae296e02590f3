// jacobi.cu: rotates the rows of many small matrices until they are orthogonal: singular values of a batch.
//
// Twin of: jacobi_orthogonal_rows() in analysis/jacobi.c in another order of the pairs: n / 2 disjoint ones at a time
// (a round robin), one warp a pair; so values to the rounding of the same method, not the same bits.
// Sources: Hestenes 1958; de Rijk 1989 (the longer row first); Brent & Luk 1985 (the order).
// Floor: 6 n² m flops in f64 a sweep (n²/2 pairs, 12m flops each), 6 to 10 sweeps.
// Allow: 1e-13 of the largest value.    Repeats: bit for bit.
// Needs: n >= 1, m >= 1. A matrix of at most 160 KiB with its w is rotated in shared memory, a larger one where it lies.
//   version
//   0  a warp a matrix, pairs one after the other     removed: 31 of 32 pairs wait
//   1  a block a matrix, a warp a pair                in use for what 2 does not take. 2.7 ms at 1024 of 32 x 32, as the vendor's: square roots and
//                                                     quotients of one pair by 32 lanes that all do the same
//   2  a block a matrix, a few lanes a pair, all pairs of a round at once, both rows in registers     in use: 0.49 ms, 5.4 times as fast
#include "device.h"
#include "kernels.h"

#define THREADS 256
#define SWEEPS_MOST 60
#define SHARED_MOST (200 * 1024)

// Rows x and y of `length` numbers: exchanged if `swap`, then (x, y) = (c x - s y, s x + c y).
static __device__ void rotate(double *x, double *y, int length, bool swap, double c, double s, int lane) {
    for (int i = lane; i < length; i += 32) {
        double a = swap ? y[i] : x[i], b = swap ? x[i] : y[i];
        x[i] = c * a - s * b;
        y[i] = s * a + c * b;
    }
}

// How two rows with these products have to be turned; the longer one comes first.
typedef struct {
    double c, s;
    bool swap, turn;
} Turn;

static __device__ __forceinline__ Turn turn_of(double xx, double yy, double xy, double allow) {
    Turn r = {1, 0, yy > xx, false};
    if (r.swap) {
        double t = xx;
        xx = yy, yy = t;
    }
    r.turn = fabs(xy) > allow * sqrt(xx) * sqrt(yy) && xx != 0;
    if (r.turn) {
        double z = (xx - yy) / (2 * xy), t = copysign(1.0, z) / (fabs(z) + sqrt(1 + z * z));
        r.c = 1 / sqrt(1 + t * t), r.s = -r.c * t;
    }
    return r;
}

// Who meets whom in a round: the last player stays, the others go round. i < j; j = n when there is an odd one out.
static __device__ __forceinline__ void pair_of(int pair, int round, int players, int *i, int *j) {
    int a = pair == 0 ? players - 1 : (round + pair) % (players - 1), b = (round + players - 1 - pair) % (players - 1);
    *i = a < b ? a : b, *j = a < b ? b : a;
}

// two rows count as orthogonal when the cosine between them is below the rounding of its own sum
static __device__ __forceinline__ double allowed(int m) { return DBL_EPSILON * (4 + sqrt((double)m)); }

// Makes rows i < j orthogonal, the longer one first; says whether it had to.
static __device__ bool make_orthogonal(double *b, int m, double *w, int k, int i, int j, double allow, int lane) {
    double *x = b + (size_t)i * m, *y = b + (size_t)j * m, xx = 0, yy = 0, xy = 0;
    for (int e = lane; e < m; e += 32) xx += x[e] * x[e], yy += y[e] * y[e], xy += x[e] * y[e];
    xx = doubles_of_warp(xx), yy = doubles_of_warp(yy), xy = doubles_of_warp(xy);
    Turn r = turn_of(xx, yy, xy, allow);
    if (!r.turn && !r.swap) return false;
    rotate(x, y, m, r.swap, r.c, r.s, lane);
    if (w) rotate(w + (size_t)i * k, w + (size_t)j * k, k, r.swap, r.c, r.s, lane);
    return true;
}

static __global__ __launch_bounds__(THREADS, 2) void jacobi(CudaJacobi a, int in_shared) {
    DYNAMIC_SHARED(double, near);
    int t = (int)threadIdx.x, warp = t / 32, lane = t % 32, n = a.n;
    double *far_b = a.b + (size_t)blockIdx.x * n * a.m, *far_w = a.w ? a.w + (size_t)blockIdx.x * n * a.k : NULL;
    double *b = far_b, *w = far_w;
    if (in_shared) {
        b = near, w = far_w ? near + (size_t)n * a.m : NULL;
        for (int e = t; e < n * a.m; e += THREADS) b[e] = far_b[e];
        for (int e = t; w && e < n * a.k; e += THREADS) w[e] = far_w[e];
        __syncthreads();
    }
    double allow = allowed(a.m);
    int players = n + n % 2, sweep = 0, moved = 1; // an odd one out meets nobody in each round
    for (; moved && sweep < SWEEPS_MOST; sweep++) {
        moved = 0;
        for (int round = 0; round < players - 1; round++) {
            for (int pair = warp; pair < players / 2; pair += THREADS / 32) {
                int i, j;
                pair_of(pair, round, players, &i, &j);
                if (j < n && make_orthogonal(b, a.m, w, a.k, i, j, allow, lane)) moved = 1;
            }
            __syncthreads();
        }
        moved = __syncthreads_or(moved);
    }
    if (t == 0 && a.sweeps) a.sweeps[blockIdx.x] = sweep;
    for (int i = warp; a.length && i < n; i += THREADS / 32) {
        double s = 0;
        for (int e = lane; e < a.m; e += 32) s += b[(size_t)i * a.m + e] * b[(size_t)i * a.m + e];
        s = doubles_of_warp(s);
        if (lane == 0) a.length[(size_t)blockIdx.x * n + i] = sqrt(s);
    }
    if (in_shared) {
        for (int e = t; e < n * a.m; e += THREADS) far_b[e] = b[e];
        for (int e = t; w && e < n * a.k; e += THREADS) far_w[e] = w[e];
    }
}

// ---- version 2

#define EACH 16 // numbers of a row that a lane holds
#define PAIRS_MOST 384 // threads: 170 registers each

static __device__ __forceinline__ double lanes_sum(double x, int lanes) {
    for (int d = lanes / 2; d; d /= 2) x += __shfl_xor_sync(0xffffffffu, x, d);
    return x;
}

// A round of one pair by `lanes` threads; who has none works along: shuffles want all. Says whether a row has changed.
static __device__ __forceinline__ bool meet(double *x, double *y, double *wx, double *wy, bool there, int m, int k, double allow, int lanes, int lane) {
    FRAGMENT(double, u, EACH);
    FRAGMENT(double, v, EACH);
    double xx = 0, yy = 0, xy = 0;
    UNROLL
    for (int e = 0; e < EACH; e++) {
        const bool inside = there && lane + e * lanes < m;
        u[e] = inside ? x[lane + e * lanes] : 0, v[e] = inside ? y[lane + e * lanes] : 0;
    }
    UNROLL
    for (int e = 0; e < EACH; e++) xx = fma(u[e], u[e], xx), yy = fma(v[e], v[e], yy), xy = fma(u[e], v[e], xy);
    xx = lanes_sum(xx, lanes), yy = lanes_sum(yy, lanes), xy = lanes_sum(xy, lanes);
    const Turn r = turn_of(xx, yy, xy, allow);
    if (!there || (!r.turn && !r.swap)) return false;
    const double xc = r.swap ? -r.s : r.c, xs = r.swap ? r.c : -r.s, yc = r.swap ? r.c : r.s, ys = r.swap ? r.s : r.c; // x' = xc x + xs y, y' = yc x + ys y
    UNROLL
    for (int e = 0; e < EACH; e++)
        if (lane + e * lanes < m) x[lane + e * lanes] = fma(xc, u[e], xs * v[e]), y[lane + e * lanes] = fma(yc, u[e], ys * v[e]);
    for (int e = lane; e < k; e += lanes) {
        const double p = wx[e], q = wy[e];
        wx[e] = fma(xc, p, xs * q), wy[e] = fma(yc, p, ys * q);
    }
    return true;
}

// Rows lie `stride` numbers apart: 16 / lanes rows that half a warp reads at once lie in different banks.
static __global__ __launch_bounds__(PAIRS_MOST) void jacobi_pairs(CudaJacobi a, int lanes, int stride, int w_stride) {
    DYNAMIC_SHARED(double, b);
    const int t = (int)threadIdx.x, threads = (int)blockDim.x, n = a.n, players = n + n % 2, pair = t / lanes, lane = t % lanes, k = a.w ? a.k : 0;
    double *w = b + (size_t)n * stride, *far_b = a.b + (size_t)blockIdx.x * n * a.m, *far_w = a.w ? a.w + (size_t)blockIdx.x * n * a.k : NULL;
    for (int e = t; e < n * a.m; e += threads) b[e / a.m * stride + e % a.m] = far_b[e];
    for (int e = t; e < n * k; e += threads) w[e / k * w_stride + e % k] = far_w[e];
    __syncthreads();
    const double allow = allowed(a.m);
    int sweep = 0, moved = 1;
    for (; moved && sweep < SWEEPS_MOST; sweep++) {
        moved = 0;
        for (int round = 0; round < players - 1; round++) {
            int i = 0, j = n;
            if (pair < players / 2) pair_of(pair, round, players, &i, &j);
            const bool there = j < n;
            if (!there) i = j = 0;
            if (meet(b + i * stride, b + j * stride, w + i * w_stride, w + j * w_stride, there, a.m, k, allow, lanes, lane)) moved = 1;
            __syncthreads();
        }
        moved = __syncthreads_or(moved);
    }
    if (t == 0 && a.sweeps) a.sweeps[blockIdx.x] = sweep;
    for (int first = 0; a.length && first < n; first += threads / lanes) {
        const int i = first + pair;
        double s = 0;
        for (int e = lane; i < n && e < a.m; e += lanes) s += b[i * stride + e] * b[i * stride + e];
        s = lanes_sum(s, lanes);
        if (lane == 0 && i < n) a.length[(size_t)blockIdx.x * n + i] = sqrt(s);
    }
    for (int e = t; e < n * a.m; e += threads) far_b[e] = b[e / a.m * stride + e % a.m];
    for (int e = t; e < n * k; e += threads) far_w[e] = w[e / k * w_stride + e % k];
}

static int banked(int m, int lanes) { return (m + 15) / 16 * 16 + (lanes < 16 ? lanes : 0); }

// Lanes of a pair, or 0: not for version 2.
static int lanes_of(const CudaJacobi *a) {
    int lanes = 2;
    while (lanes < 32 && lanes * EACH < a->m) lanes *= 2;
    const size_t bytes = (size_t)a->n * (size_t)(banked(a->m, lanes) + (a->w ? banked(a->k, lanes) : 0)) * sizeof(double);
    return lanes * EACH >= a->m && (a->n + 1) / 2 * lanes <= PAIRS_MOST && bytes <= SHARED_MOST ? lanes : 0;
}

// ---- host

HOST void cuda_jacobi_version(const CudaJacobi *a, int version, cudaStream_t stream) {
    if (a->batch == 0) return;
    need(a->n >= 1 && a->m >= 1 && a->batch <= INT32_MAX, "cuda: %ld matrices of %d x %d: at least one row and column each", a->batch, a->n, a->m);
    const int lanes = version == 2 ? lanes_of(a) : 0;
    if (lanes) {
        const int stride = banked(a->m, lanes), w_stride = a->w ? banked(a->k, lanes) : 0;
        LAUNCH(jacobi_pairs, DIM3(a->batch, 1, 1), DIM3(((a->n + 1) / 2 * lanes + 31) / 32 * 32, 1, 1), (size_t)a->n * (size_t)(stride + w_stride) * sizeof(double), stream, *a, lanes, stride,
               w_stride);
        return;
    }
    size_t bytes = (size_t)a->n * ((size_t)a->m + (size_t)(a->w ? a->k : 0)) * sizeof(double);
    bool fits = bytes <= 160 * 1024;
    LAUNCH(jacobi, DIM3(a->batch, 1, 1), DIM3(THREADS, 1, 1), fits ? bytes : 0, stream, *a, (int)fits);
}

HOST void cuda_jacobi(const CudaJacobi *a, cudaStream_t stream) { cuda_jacobi_version(a, 2, stream); }
