// rotary.cu: rotary positions, half-split, and their tables.
//
// Twins: cpu_rotary and cpu_rotary_tables in model/ops_cpu.c; sine and cosine are io/exact.h on both sides, in double.
// Floor: 8 bytes an element, the tables come from the caches: memory-bound. Tables: 8 bytes an entry, about 40 double operations:
// compute-bound where double is slow, and thousands of times smaller than one layer.
// Repeats: bit for bit, and equal to the CPU's bits.
//   version
//   0  one pair (j, j + half), or one channel beyond the turned ones, a thread    divisions in 64 bits: 0.53 of copy speed (H200)
//   1  a block a row, its threads along the heads                                in use
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define WIDE 256

// Per head: half pairs, then D - 2 half channels that stay.
static __global__ void rotary_kernel(float *out, const float *x, const float *cosine, const float *sine, long heads, long D, long half, long rows) {
    const int each = (int)(D - half), n = (int)heads * each;
    const long r = blockIdx.x;
    cosine += r % rows * half, sine += r % rows * half, x += r * heads * D, out += r * heads * D;
    for (int i = (int)threadIdx.x; i < n; i += WIDE) {
        const int j = i % each;
        const long at = i / each * D;
        if (j >= half) {
            out[at + half + j] = x[at + half + j];
            continue;
        }
        const float c = cosine[j], s = sine[j], a = x[at + j], b = x[at + half + j];
        out[at + j] = a * c - b * s;
        out[at + half + j] = b * c + a * s;
    }
}

static __global__ void tables_kernel(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half) {
    const long i = (long)blockIdx.x * WIDE + threadIdx.x;
    if (i >= n * half) return;
    double s, c;
    exact_sincos((double)((float)positions[i / half] * frequencies[i % half]), &s, &c);
    cosine[i] = (float)c;
    sine[i] = (float)s;
}

HOST void cuda_rotary(float *out, const float *x, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows, cudaStream_t s) {
    need(heads * D <= INT32_MAX, "rotary: %ld heads of %ld are too many", heads, D);
    if (R > 0 && heads > 0 && D > half) LAUNCH(rotary_kernel, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, x, cosine, sine, heads, D, half, rows);
}

HOST void cuda_rotary_tables(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half, cudaStream_t s) {
    if (n > 0 && half > 0) LAUNCH(tables_kernel, DIM3((n * half + WIDE - 1) / WIDE, 1, 1), DIM3(WIDE, 1, 1), 0, s, cosine, sine, positions, frequencies, n, half);
}
