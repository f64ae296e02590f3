// losses.cu: cross entropy and mean squared difference: one number each.
//
// Twins: cpu_cross_entropy and cpu_mean_squared in model/ops_cpu.c: sums in double, rows and elements ascending.
// Floor: 4 bytes a logit, 8 a pair. The last sum runs in one order on one thread, as the bits want it: R (or n) additions in double
// from shared memory, 1 to 2 ns each. That is far above the floor, and nothing beside a training step.
// Repeats: bit for bit, and equal to the CPU's bits.
//   version
//   0  one thread for everything
//   1  rows: sixteen lanes each, as in norms.cu; the last sum: one thread, fed by the block through shared memory   in use
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define LANES 16
#define ROWS 8
#define WIDE 256

// room[r] = -log softmax(logits[r])[target]; a row without a target is skipped by the next kernel.
static __global__ void rows_kernel(double *room, const float *logits, const int32_t *targets, long R, long V) {
    long row = (long)blockIdx.x * ROWS + threadIdx.x / LANES;
    const bool there = row < R;
    const int lane = (int)(threadIdx.x % LANES);
    if (!there) row = R - 1;
    const float *x = logits + row * V;
    float top = x[0], t = 0;
    for (long i = lane; i < V; i += LANES) top = x[i] > top ? x[i] : top;
    for (int half = 8; half; half /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, top, half);
        top = other > top ? other : top;
    }
    for (long i = lane; i < V; i += LANES) t += f_exp(x[i] - top);
    for (int half = 8; half; half /= 2) t += __shfl_xor_sync(0xffffffffu, t, half);
    if (!there || lane) return;
    const int32_t target = targets[row];
    const double sum = (double)t, log_sum = !(sum > 0) ? (sum == 0 ? (double)-INFINITY : (double)NAN) : isinf(sum) ? sum : exact_log(sum);
    room[row] = target < 0 ? 0 : log_sum - ((double)x[target] - (double)top);
}

static __global__ void mean_rows_kernel(float *out, const double *room, const int32_t *targets, long R) {
    __shared__ double part[WIDE];
    __shared__ int counts[WIDE];
    double sum = 0;
    long counted = 0;
    for (long at = 0; at < R; at += WIDE) {
        const long i = at + threadIdx.x;
        part[threadIdx.x] = i < R ? room[i] : 0;
        counts[threadIdx.x] = i < R && targets[i] >= 0;
        __syncthreads();
        for (int k = 0; threadIdx.x == 0 && k < WIDE; k++)
            if (counts[k]) sum += part[k], counted++;
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
        part[threadIdx.x] = d * d;
        __syncthreads();
        for (int k = 0; threadIdx.x == 0 && k < WIDE && at + (size_t)k < n; k++) sum += part[k];
        __syncthreads();
    }
    if (threadIdx.x == 0) *out = (float)(sum / (double)n);
}

HOST void cuda_cross_entropy(float *out, const float *logits, const int32_t *targets, double *room, long R, long V, cudaStream_t s) {
    if (R) LAUNCH(rows_kernel, DIM3((R + ROWS - 1) / ROWS, 1, 1), DIM3(ROWS * LANES, 1, 1), 0, s, room, logits, targets, R, V);
    LAUNCH(mean_rows_kernel, DIM3(1, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, room, targets, R);
}

HOST void cuda_mean_squared(float *out, const float *a, const float *b, size_t n, cudaStream_t s) {
    LAUNCH(mean_squared_kernel, DIM3(1, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, a, b, n);
}
