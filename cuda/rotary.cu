// rotary.cu: rotary positions, half-split, and their tables.
//
// Twins: cpu_rotary and cpu_rotary_tables in model/ops_cpu.c; sine and cosine are io/exact.h on both sides, in double.
// Floor: 8 bytes an element, the tables come from the caches: memory-bound. Tables: 8 bytes an entry, about 40 double operations:
// compute-bound where double is slow, and thousands of times smaller than one layer.
// Repeats: bit for bit, and equal to the CPU's bits.
//   version
//   0  one pair (j, j + half), or one channel beyond the turned ones, a thread    divisions in 64 bits: 0.53 of copy speed (H200)
//   1  a block a row, its threads along the heads                                0.79: a division a pair, one pair under way; in use where
//                                                                                rows do not stand on sixteen bytes, or channels stay
//   2  four pairs a thread, sixteen bytes an access, one division for them       in use: 0.93
#define EXACT static __device__ inline
#include "light.h"

#include "io/exact.h"

#define WIDE 256

// Per head: half pairs, then D - 2 half channels that stay.
static __global__ void rotary_kernel(float *out, const float *x, const float *cosine, const float *sine, long heads, long D, long half, long rows) {
    grid_release();
    grid_wait();
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

// Heads of 2 half channels, half a multiple of four: group i is four pairs. Two groups a thread, read before the first is written.
static __global__ void rotary_fours(float *out, const float *x, const float *cosine, const float *sine, int groups, int quarter, long rows) { // groups of a row, of a head
    grid_release();
    grid_wait();
    const float *from = x + (size_t)blockIdx.x * groups * 8;
    float *to = out + (size_t)blockIdx.x * groups * 8;
    cosine += blockIdx.x % rows * quarter * 4, sine += blockIdx.x % rows * quarter * 4;
    for (int first = (int)threadIdx.x; first < groups; first += 2 * WIDE) {
        FRAGMENT(float4, a, 2);
        FRAGMENT(float4, b, 2);
        FRAGMENT(int, at, 2);
        FRAGMENT(int, j, 2);
        UNROLL
        for (int k = 0; k < 2; k++) {
            const int i = first + k * WIDE < groups ? first + k * WIDE : first;
            j[k] = i % quarter * 4, at[k] = i / quarter * quarter * 8 + j[k];
            a[k] = *(const float4 *)(from + at[k]), b[k] = *(const float4 *)(from + at[k] + 4 * quarter);
        }
        UNROLL
        for (int k = 0; k < 2; k++) {
            if (first + k * WIDE >= groups) continue;
            const float4 c = *(const float4 *)(cosine + j[k]), s = *(const float4 *)(sine + j[k]);
            *(float4 *)(to + at[k]) = make_float4(a[k].x * c.x - b[k].x * s.x, a[k].y * c.y - b[k].y * s.y, a[k].z * c.z - b[k].z * s.z, a[k].w * c.w - b[k].w * s.w);
            *(float4 *)(to + at[k] + 4 * quarter) =
                make_float4(b[k].x * c.x + a[k].x * s.x, b[k].y * c.y + a[k].y * s.y, b[k].z * c.z + a[k].z * s.z, b[k].w * c.w + a[k].w * s.w);
        }
    }
}

static __global__ void tables_kernel(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half) {
    const long i = (long)blockIdx.x * WIDE + threadIdx.x;
    grid_release();
    grid_wait();
    if (i >= n * half) return;
    double s, c;
    exact_sincos((double)((float)positions[i / half] * frequencies[i % half]), &s, &c);
    cosine[i] = (float)c;
    sine[i] = (float)s;
}

HOST void cuda_rotary(float *out, const float *x, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows, cudaStream_t s) {
    need(heads * D <= INT32_MAX, "rotary: %ld heads of %ld are too many", heads, D);
    if (R <= 0 || heads <= 0 || D <= half) return;
    const bool fours = D == 2 * half && half % 4 == 0 && ((uintptr_t)out | (uintptr_t)x | (uintptr_t)cosine | (uintptr_t)sine) % 16 == 0;
    if (fours) LAUNCH_EARLY(rotary_fours, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, x, cosine, sine, (int)(heads * half / 4), (int)(half / 4), rows);
    else LAUNCH_EARLY(rotary_kernel, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, x, cosine, sine, heads, D, half, rows);
}

HOST void cuda_rotary_tables(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half, cudaStream_t s) {
    if (n > 0 && half > 0) LAUNCH_EARLY(tables_kernel, DIM3((n * half + WIDE - 1) / WIDE, 1, 1), DIM3(WIDE, 1, 1), 0, s, cosine, sine, positions, frequencies, n, half);
}
