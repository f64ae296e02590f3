// bidiagonal.cu: singular values of a batch of matrices, f64: Householder reflections from both sides until two diagonals are left, whose
// values bisection finds, each by a thread of its own.
//
// Twin of: svd_values() in analysis/svd.c, by another way: to the rounding of both, not the same bits.
// Sources: Golub & Kahan 1965; Golub & Van Loan, Matrix Computations, 5.4.8 (the reflections) and 8.4.1, 8.6.2 (Sturm counts of the symmetric
// matrix with zeros on its diagonal and the two diagonals beside it, whose values are those sought and their negatives).
// Floor: 4 n² m flops; a step reads what is left of the matrix twice and writes it once: 24 n² (m - n / 3) / 2 bytes, which is what it takes:
// n = m = 576: 1.5 GB a matrix, 20 ms for 64 of them.
// Allow: 1e-13 of the largest value.    Repeats: bit for bit.
// Needs: 1 <= n <= m; squares of the values within double's range.
//   version
//   0  jacobi.cu: rotations, 12 sweeps of 3 n² m multiply-adds        small matrices, and where W is wanted; 3950 ms at 64 of 576 x 576
//   1  a block a matrix, two passes a step                           in use above: 71 ms, 33 of PyTorch
#include "device.h"
#include "kernels.h"

#define THREADS 512
#define WARPS (THREADS / 32)
#define DEEP 8 // rows under way a thread

// Of all threads, to all threads. Everything written before is seen behind it.
static __device__ __forceinline__ double block_sum(double x, double *part) {
    const int lane = thread_lane(), warp = (int)threadIdx.x / 32;
    x = doubles_of_warp(x);
    __syncthreads();
    if (lane == 0) part[warp] = x;
    __syncthreads();
    return doubles_of_warp(lane < WARPS ? part[lane] : 0);
}

typedef struct {
    double first, tau; // what x becomes is (first, 0, 0, …): x - tau v (v x)
} Reflection;

// x becomes v, whose first element is 1.
static __device__ __forceinline__ Reflection reflection_of(double *x, int length, double *part) {
    double tail = 0;
    __syncthreads();
    for (int i = 1 + (int)threadIdx.x; i < length; i += THREADS) tail = fma(x[i], x[i], tail);
    tail = block_sum(tail, part);
    const double head = x[0];
    Reflection r = {head, 0};
    double by = 0;
    if (tail > 0) {
        r.first = head > 0 ? -sqrt(head * head + tail) : sqrt(head * head + tail);
        r.tau = (r.first - head) / r.first, by = 1 / (head - r.first);
    }
    __syncthreads(); // everybody has seen the head
    for (int i = (int)threadIdx.x; i < length; i += THREADS) x[i] = i ? x[i] * by : 1;
    __syncthreads();
    return r;
}

// y_j = sum over rows i in [first, n) of u_i A_ij for columns from `column` on. Groups of threads share the rows.
static __device__ __forceinline__ void columns_sum(double *y, double *parts, const double *A, const double *u, int first, int n, int column, int m) {
    const int width = m - column, groups = width >= THREADS ? 1 : THREADS / width, group = groups == 1 ? 0 : (int)threadIdx.x / width;
    for (int j = groups == 1 ? (int)threadIdx.x : (int)threadIdx.x % width; j < width && group < groups; j += THREADS) { // more than one group: once
        double s = 0;
        int i = first + group;
        for (; i + (DEEP - 1) * groups < n; i += DEEP * groups) {
            FRAGMENT(double, a, DEEP);
            UNROLL
            for (int d = 0; d < DEEP; d++) a[d] = A[(size_t)(i + d * groups) * (size_t)m + (size_t)(column + j)];
            UNROLL
            for (int d = 0; d < DEEP; d++) s = fma(u[i + d * groups], a[d], s);
        }
        for (; i < n; i += groups) s = fma(u[i], A[(size_t)i * (size_t)m + (size_t)(column + j)], s);
        if (groups == 1) y[column + j] = s;
        else parts[group * width + j] = s;
    }
    __syncthreads();
    if (groups == 1) return;
    for (int j = (int)threadIdx.x; j < width; j += THREADS) {
        double s = 0;
        for (int g = 0; g < groups; g++) s += parts[g * width + j];
        y[column + j] = s;
    }
    __syncthreads();
}

// The diagonals of one matrix a block: diagonals (n, 2): d_k, e_k. A is used up.
static __global__ __launch_bounds__(THREADS) void bidiagonal(double *all, double *diagonals, int n, int m) {
    DYNAMIC_SHARED(double, shared);
    __shared__ double part[32];
    double *A = all + (size_t)blockIdx.x * (size_t)n * (size_t)m, *diagonal = diagonals + (size_t)blockIdx.x * (size_t)n * 2;
    double *v = shared, *next = v + m, *y = next + m, *u = y + m, *z = u + n, *parts = z + n; // v, y, next: by column; u, z: by row
    const int t = (int)threadIdx.x, lane = thread_lane(), warp = t / 32;
    for (int j = t; j < m; j += THREADS) v[j] = A[j], y[j] = 0;
    for (int i = t; i < n; i += THREADS) u[i] = z[i] = 0;
    Reflection right = reflection_of(v, m, part), left = {0, 0};
    if (t == 0) diagonal[0] = right.first;
    // Before step k rows behind k still want what the reflections u, y and v, z of the step before take away (none at first); then their
    // products with the new v.
    double *old = next;
    for (int j = t; j < m; j += THREADS) old[j] = 0;
    double old_tau = 0;
    for (int k = 0; k < n; k++) {
        __syncthreads();
        for (int i = k + 1 + warp; i < n; i += WARPS) {
            double *row = A + (size_t)i * (size_t)m, s = 0;
            const double from_right = old_tau * z[i], from_left = left.tau * u[i];
            for (int j = k + lane; j < m; j += 32) {
                const double a = row[j] - from_right * old[j] - from_left * y[j];
                row[j] = a;
                s = fma(a, v[j], s);
            }
            s = doubles_of_warp(s);
            __syncwarp(); // every lane has read z[i]
            if (lane == 0) z[i] = s;
        }
        if (k + 1 == n) break;
        __syncthreads();
        for (int i = k + 1 + t; i < n; i += THREADS) u[i] = A[(size_t)i * (size_t)m + (size_t)k] - right.tau * z[i];
        left = reflection_of(u + k + 1, n - k - 1, part);
        double uz = 0;
        for (int i = k + 1 + t; i < n; i += THREADS) uz = fma(u[i], z[i], uz);
        uz = block_sum(uz, part);
        columns_sum(y, parts, A, u, k + 1, n, k + 1, m);
        double *row = old; // becomes the next v
        for (int j = k + 1 + t; j < m; j += THREADS) {
            y[j] -= right.tau * uz * v[j];
            row[j] = A[(size_t)(k + 1) * (size_t)m + (size_t)j] - right.tau * z[k + 1] * v[j] - left.tau * y[j];
        }
        if (t == 0) diagonal[2 * k + 1] = left.first;
        old = v, v = row, old_tau = right.tau;
        right = reflection_of(v + k + 1, m - k - 1, part);
        if (t == 0) diagonal[2 * k + 2] = right.first;
    }
    if (t == 0) diagonal[2 * n - 1] = 0;
}

// How many values lie below x > 0: the pivots below zero of the matrix of 2n rows less x, those of the negatives left out.
static __device__ __forceinline__ int count_below(const double *squares, int n, double x, double least) {
    double q = -x;
    int count = 1;
    for (int i = 0; i < 2 * n - 1; i++) {
        q = -x - squares[i] / q;
        if (fabs(q) < least) q = -least;
        count += q < 0;
    }
    return count - n;
}

#define FINDERS 64

static __global__ __launch_bounds__(FINDERS) void values_of_diagonals(double *value, const double *diagonals, int n) {
    DYNAMIC_SHARED(double, squares);
    const double *diagonal = diagonals + (size_t)blockIdx.y * (size_t)n * 2;
    const int i = (int)blockIdx.x * FINDERS + (int)threadIdx.x;
    double high = 0;
    for (int j = 0; j < 2 * n - 1; j++) high = fmax(high, fabs(diagonal[j]) + (j ? fabs(diagonal[j - 1]) : 0)); // no value is larger
    for (int j = (int)threadIdx.x; j < 2 * n - 1; j += FINDERS) squares[j] = diagonal[j] * diagonal[j];
    __syncthreads();
    if (i >= n) return;
    const double least = fmax(high * high * 1e-300, DBL_MIN);
    double low = 0;
    high *= 1 + 4 * DBL_EPSILON;
    for (int step = 0; step < 64; step++) {
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) break;
        if (count_below(squares, n, middle, least) > n - 1 - i) high = middle; // the i-th largest is below
        else low = middle;
    }
    value[(size_t)blockIdx.y * (size_t)n + (size_t)i] = low;
}

static size_t shared_bytes(int n, int m) { return ((size_t)3 * (size_t)m + (size_t)2 * (size_t)n + THREADS) * sizeof(double); }

HOST size_t cuda_singular_values_room(const CudaJacobi *a) { return (size_t)a->batch * (size_t)a->n * 2 * sizeof(double); }

#define SMALL 130 // rows, up to which rotations are faster

HOST void cuda_singular_values(const CudaJacobi *a, double *room, cudaStream_t stream) {
    if (a->batch == 0) return;
    need(a->length && !a->w, "cuda: singular values without vectors");
    if (a->n <= SMALL || a->n > a->m || shared_bytes(a->n, a->m) > 200 * 1024 || a->batch > 65535) {
        cuda_jacobi(a, stream);
        return;
    }
    cuda_bidiagonal(a, room, stream);
}

HOST void cuda_bidiagonal(const CudaJacobi *a, double *room, cudaStream_t stream) {
    LAUNCH(bidiagonal, DIM3(a->batch, 1, 1), DIM3(THREADS, 1, 1), shared_bytes(a->n, a->m), stream, a->b, room, a->n, a->m);
    LAUNCH(values_of_diagonals, DIM3((a->n + FINDERS - 1) / FINDERS, a->batch, 1), DIM3(FINDERS, 1, 1), (size_t)a->n * 2 * sizeof(double), stream, a->length, (const double *)room, a->n);
}
