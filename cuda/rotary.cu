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
// A layer of a text that is continued: q and key turned, key and v into their stores, 8 bytes an element of q,
// key and v, 6 of key and v where they are kept in bf16.
//   0  two of these and two stores of rows.cu: four launches of 2 to 3 us, of which a token of 7B has 128      where version 1 does not fit
//   1  one launch, a block a piece of a row                                      in use where attention_step.cu is not: a step of one text 1.103 ms, 1.135 one by one
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

// Numbers i … i + 3 of `to`, which is of f32 or of bf16.
static __device__ __forceinline__ void put_four(void *to, bool halves, size_t i, float4 v) {
    if (halves) *(uint2 *)((uint16_t *)to + i) = make_uint2(bf16_two(v.x, v.y), bf16_two(v.z, v.w));
    else *(float4 *)((float *)to + i) = v;
}

// Four pairs turned: those at i and at j.
static __device__ __forceinline__ void put_turned(void *to, bool halves, size_t i, size_t j, float4 a, float4 b, const float *cosine, const float *sine) {
    const float4 c = *(const float4 *)cosine, s = *(const float4 *)sine;
    put_four(to, halves, i, make_float4(a.x * c.x - b.x * s.x, a.y * c.y - b.y * s.y, a.z * c.z - b.z * s.z, a.w * c.w - b.w * s.w));
    put_four(to, halves, j, make_float4(b.x * c.x + a.x * s.x, b.y * c.y + a.y * s.y, b.z * c.z + a.z * s.z, b.w * c.w + a.w * s.w));
}

// Heads of 2 half channels, half a multiple of four: group i is four pairs. Two groups a thread, read before the first is written.
static __global__ void rotary_fours(float *out, const float *x, const float *cosine, const float *sine, int groups, int quarter, long rows) { // groups of a row, of a head
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
            put_turned(to, false, (size_t)at[k], (size_t)(at[k] + 4 * quarter), a[k], b[k], cosine + j[k], sine + j[k]);
        }
    }
}

// The same for q and key, of which key goes to its place in the store, as v does. Item i of a row: a group of q's, of key's, or two fours of v.
static __global__ __launch_bounds__(WIDE) void rotary_stored_kernel(RotaryStored k, int q_groups, int groups, int quarter) { // groups of key, and of v
    const int i = (int)(blockIdx.y * WIDE + threadIdx.x), own = i < q_groups ? i : (i - q_groups) % groups;
    const uint32_t r = blockIdx.x, b = r / (uint32_t)k.T;
    const size_t row = (size_t)r * groups * 8, stored = ((size_t)b * k.capacity + k.at[b] + r % (uint32_t)k.T) * groups * 8;
    if (i >= q_groups + 2 * groups) return;
    if (i >= q_groups + groups) {
        const float4 *from = (const float4 *)(k.v + row), x = from[own], y = from[own + groups];
        put_four(k.values, k.halves, stored + 4 * (size_t)own, x), put_four(k.values, k.halves, stored + 4 * (size_t)(own + groups), y);
        return;
    }
    const int j = own % quarter * 4, a = own / quarter * quarter * 8 + j, c = a + 4 * quarter;
    const float *from = i < q_groups ? k.q + (size_t)r * q_groups * 8 : k.key + row;
    const size_t turn = r % (uint32_t)k.rows * (size_t)quarter * 4 + j, to = i < q_groups ? (size_t)r * q_groups * 8 : stored;
    put_turned(i < q_groups ? k.out : k.keys, i >= q_groups && k.halves, to + a, to + c, *(const float4 *)(from + a), *(const float4 *)(from + c), k.cosine + turn, k.sine + turn);
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
    if (R <= 0 || heads <= 0 || D <= half) return;
    const bool fours = D == 2 * half && half % 4 == 0 && ((uintptr_t)out | (uintptr_t)x | (uintptr_t)cosine | (uintptr_t)sine) % 16 == 0;
    if (fours) LAUNCH(rotary_fours, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, x, cosine, sine, (int)(heads * half / 4), (int)(half / 4), rows);
    else LAUNCH(rotary_kernel, DIM3(R, 1, 1), DIM3(WIDE, 1, 1), 0, s, out, x, cosine, sine, heads, D, half, rows);
}

HOST bool cuda_rotary_stored(const RotaryStored *a, cudaStream_t s) {
    const uintptr_t pointers = (uintptr_t)a->out | (uintptr_t)a->q | (uintptr_t)a->key | (uintptr_t)a->v | (uintptr_t)a->cosine | (uintptr_t)a->sine | (uintptr_t)a->keys | (uintptr_t)a->values;
    const long q_groups = a->heads * a->half / 4, groups = a->kv_heads * a->half / 4, items = q_groups + 2 * groups;
    if (a->D != 2 * a->half || a->half % 4 != 0 || pointers % 16 != 0 || a->R > INT32_MAX || items > 65535L * WIDE) return false;
    if (a->R <= 0 || items <= 0) return true;
    LAUNCH(rotary_stored_kernel, DIM3(a->R, (items + WIDE - 1) / WIDE, 1), DIM3(WIDE, 1, 1), 0, s, *a, (int)q_groups, (int)groups, (int)(a->half / 4));
    return true;
}

HOST void cuda_rotary_tables(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half, cudaStream_t s) {
    if (n > 0 && half > 0) LAUNCH(tables_kernel, DIM3((n * half + WIDE - 1) / WIDE, 1, 1), DIM3(WIDE, 1, 1), 0, s, cosine, sine, positions, frequencies, n, half);
}
