// losses.cu: cross entropy and mean squared difference: one number each.
//
// Twins: cpu_cross_entropy and cpu_mean_squared in model/ops_cpu.c: sums in double, rows and elements ascending.
// Floor: 4 bytes a logit, 8 a pair. The last sum runs in one order on one thread, as the bits want it: R (or n) additions in double
// from shared memory, 1 to 2 ns each. That is far above the floor, and nothing beside a training step.
// Repeats: bit for bit, and equal to the CPU's bits.
//   version
//   0  one thread for everything
//   1  rows: sixteen lanes each, as in norms.cu; the last sum: one thread, fed by the block through shared memory    0.13 of copy speed, 0.49
//      of PyTorch (H200): 256 threads a multiprocessor, and they take every exponential by themselves
//   2  rows: a block each; all take maximum and exponentials, sixteen lanes add up one piece while the others are at the next; rows
//      without a target add -0 to the last sum, so that nothing but additions is in it    in use: 0.33, 1.25 of PyTorch
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define LANES 16
#define WIDE 256
#include "softmax_row.inc"

// room[r] = -log softmax(logits[r])[target]; a row without a target is skipped by the next kernel.
static __global__ __launch_bounds__(WIDE) void rows_kernel(double *room, const float *logits, const int32_t *targets, long V) {
    const long row = blockIdx.x;
    const float *x = logits + row * V;
    float top = x[0];
    const float sum = exponentials_of_row(x, V, &top);
    if (threadIdx.x) return;
    const int32_t target = targets[row];
    room[row] = target < 0 ? 0 : exact_log_of((double)sum) - ((double)x[target] - (double)top);
}

// The sum so far and WIDE more numbers, ascending; where there is none, -0 stands, which changes no sum. By one thread.
static __device__ __forceinline__ double added(double sum, const double *part) {
    UNROLL_EIGHT
    for (int k = 0; k < WIDE; k++) sum += part[k];
    return sum;
}

static __global__ void mean_rows_kernel(float *out, const double *room, const int32_t *targets, long R) {
    __shared__ double part[WIDE];
    double sum = 0;
    long counted = 0;
    for (long at = 0; at < R; at += WIDE) {
        const long i = at + threadIdx.x;
        const bool counts = i < R && targets[i] >= 0;
        part[threadIdx.x] = counts ? room[i] : -0.0;
        counted += __syncthreads_count(counts);
        if (threadIdx.x == 0) sum = added(sum, part);
        __syncthreads();
    }
    if (threadIdx.x == 0) *out = counted ? (float)(sum / (double)counted) : 0;
}

static __global__ void mean_squared_kernel(float *out, const float *a, const float *b, size_t n) {
    __shared__ double part[WIDE];
    double sum = 0;
    for (size_t at = 0; at < n; at += WIDE) {
        const size_t i = at + threadIdx.x;
        const double d = i < n ? (double)a[i] - (double)b[i] : 0;
        part[threadIdx.x] = i < n ? d * d : -0.0;
        __syncthreads();
        if (threadIdx.x == 0) sum = added(sum, part);
        __syncthreads();
    }
    if (threadIdx.x == 0) *out = (float)(sum / (double)n);
}

HOST void cuda_cross_entropy(float *out, const float *logits, const int32_t *targets, double *room, long R, long V, cudaStream_t s) {
    if (R) LAUNCH(rows_kernel, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, room, logits, targets, V);
    LAUNCH(mean_rows_kernel, DIM3(1, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, room, targets, R);
}

HOST void cuda_mean_squared(float *out, const float *a, const float *b, size_t n, cudaStream_t s) {
    LAUNCH(mean_squared_kernel, DIM3(1, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, a, b, n);
}
