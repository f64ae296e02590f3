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
//   1  a block a matrix, a warp a pair                in use
#include "device.h"
#include "kernels.h"

#define THREADS 256
#define SWEEPS_MOST 60

static __device__ double warp_sum(double x) {
    for (int d = 16; d; d /= 2) x += __shfl_xor_sync(0xffffffffu, x, d);
    return x;
}

// Rows x and y of `length` numbers: exchanged if `swap`, then (x, y) = (c x - s y, s x + c y).
static __device__ void rotate(double *x, double *y, int length, bool swap, double c, double s, int lane) {
    for (int i = lane; i < length; i += 32) {
        double a = swap ? y[i] : x[i], b = swap ? x[i] : y[i];
        x[i] = c * a - s * b;
        y[i] = s * a + c * b;
    }
}

// Makes rows i < j orthogonal, the longer one first; says whether it had to.
static __device__ bool make_orthogonal(double *b, int m, double *w, int k, int i, int j, double allow, int lane) {
    double *x = b + (size_t)i * m, *y = b + (size_t)j * m, xx = 0, yy = 0, xy = 0;
    for (int e = lane; e < m; e += 32) xx += x[e] * x[e], yy += y[e] * y[e], xy += x[e] * y[e];
    xx = warp_sum(xx), yy = warp_sum(yy), xy = warp_sum(xy);
    bool swap = yy > xx;
    if (swap) {
        double t = xx;
        xx = yy, yy = t;
    }
    double c = 1, s = 0;
    bool turn = fabs(xy) > allow * sqrt(xx) * sqrt(yy) && xx != 0;
    if (turn) {
        double z = (xx - yy) / (2 * xy), t = copysign(1.0, z) / (fabs(z) + sqrt(1 + z * z));
        c = 1 / sqrt(1 + t * t), s = -c * t;
    }
    if (!turn && !swap) return false;
    rotate(x, y, m, swap, c, s, lane);
    if (w) rotate(w + (size_t)i * k, w + (size_t)j * k, k, swap, c, s, lane);
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
    // two rows count as orthogonal when the cosine between them is below the rounding of its own sum
    double allow = DBL_EPSILON * (4 + sqrt((double)a.m));
    int players = n + n % 2, sweep = 0, moved = 1; // an odd one out meets nobody in each round
    for (; moved && sweep < SWEEPS_MOST; sweep++) {
        moved = 0;
        for (int round = 0; round < players - 1; round++) {
            for (int pair = warp; pair < players / 2; pair += THREADS / 32) { // the last stays, the others go round
                int i = pair == 0 ? players - 1 : (round + pair) % (players - 1), j = (round + players - 1 - pair) % (players - 1);
                if (i > j) {
                    int other = i;
                    i = j, j = other;
                }
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
        s = warp_sum(s);
        if (lane == 0) a.length[(size_t)blockIdx.x * n + i] = sqrt(s);
    }
    if (in_shared) {
        for (int e = t; e < n * a.m; e += THREADS) far_b[e] = b[e];
        for (int e = t; w && e < n * a.k; e += THREADS) far_w[e] = w[e];
    }
}

HOST void cuda_jacobi(const CudaJacobi *a, cudaStream_t stream) {
    if (a->batch == 0) return;
    need(a->n >= 1 && a->m >= 1 && a->batch <= INT32_MAX, "cuda: %ld matrices of %d x %d: at least one row and column each", a->batch, a->n, a->m);
    size_t bytes = (size_t)a->n * ((size_t)a->m + (size_t)(a->w ? a->k : 0)) * sizeof(double);
    bool fits = bytes <= 160 * 1024;
    LAUNCH(jacobi, DIM3(a->batch, 1, 1), DIM3(THREADS, 1, 1), fits ? bytes : 0, stream, *a, (int)fits);
}
