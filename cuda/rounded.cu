// rounded.cu: what products in bf16 read, made of numbers stored in any type: rows filled up with zeros, a gate times what it lets through.
//
// Twins: none on the CPU, whose results stay f32 between products (model/device.h, rounds_from).
// Floor: bytes read and written once: memory-bound.
// Allow: nothing: one rounding to nearest of the exact f32 value.    Repeats: bit for bit.
// Needs: rows of the result on sixteen bytes.
//   version
//   0  one element a thread          the loop
//   1  eight elements a thread, a store of sixteen bytes; four words a load where the rows stand on them     in use: a gate of 2048 x 11008
//                                                      0.040 ms, 3.4 TB/s
#include "light.h"

#define EACH 8
#define THREADS 256

static __device__ __forceinline__ void store_eight(uint16_t *to, const float *v) {
    *(uint4 *)to = make_uint4(bf16_two(v[0], v[1]), bf16_two(v[2], v[3]), bf16_two(v[4], v[5]), bf16_two(v[6], v[7]));
}

static __device__ __forceinline__ void load_eight(float *v, const void *x, int type, size_t at) { // stands on the size of four elements
    const float4 a = widened_four(x, type, at), b = widened_four(x, type, at + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

// out (R, ldo), of which `pieces` = ldo / 8 a row; x (R, K).
static __global__ void narrow_rows_kernel(uint16_t *out, const void *x, int type, size_t R, uint32_t pieces, int K, bool fours) {
    const size_t piece = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t row = piece >> 32 ? piece / pieces : (uint32_t)piece / pieces;
    const int column = (int)(piece - row * pieces) * EACH;
    if (row >= R) return;
    FRAGMENT(float, v, EACH);
    if (fours && column + EACH <= K) {
        load_eight(v, x, type, row * (size_t)K + (size_t)column);
    } else {
        UNROLL
        for (int i = 0; i < EACH; i++) v[i] = column + i < K ? widened(x, type, row * (size_t)K + (size_t)(column + i)) : 0;
    }
    store_eight(out + piece * EACH, v);
}

HOST void cuda_narrow_rows(uint16_t *out, long ldo, Stored x, size_t R, long K, cudaStream_t s) {
    need(ldo % EACH == 0 && ldo >= K && (uintptr_t)out % 16 == 0, "cuda: rows of %ld values filled up to %ld", K, ldo);
    const size_t pieces = (size_t)(ldo / EACH), word = x.type == DTYPE_F32 ? 16 : 8;
    if (R) LAUNCH(narrow_rows_kernel, DIM3((R * pieces + THREADS - 1) / THREADS, 1, 1), DIM3(THREADS, 1, 1), 0, s, out, x.data, x.type, R, (uint32_t)pieces, (int)K, K % 4 == 0 && (uintptr_t)x.data % word == 0);
}

// Keys or values (B, T, C) of texts of different lengths: what lies behind a text's end is nobody's, and becomes zero.
static __global__ void narrow_tokens_kernel(uint16_t *out, const float *x, const int32_t *lengths, int T, int C) {
    const int at = ((int)blockIdx.x * THREADS + (int)threadIdx.x) * EACH, b = (int)blockIdx.z, t = (int)blockIdx.y;
    const size_t row = ((size_t)b * (size_t)T + (size_t)t) * (size_t)C;
    if (at >= C) return;
    FRAGMENT(float, v, EACH);
    if (t < lengths[b]) {
        load_eight(v, x, DTYPE_F32, row + (size_t)at);
    } else {
        UNROLL
        for (int i = 0; i < EACH; i++) v[i] = 0;
    }
    store_eight(out + row + at, v);
}

HOST void cuda_narrow_tokens(uint16_t *out, const float *x, const int32_t *lengths, long B, long T, long C, cudaStream_t s) {
    need(C % EACH == 0 && ((uintptr_t)out | (uintptr_t)x) % 16 == 0 && T <= 65535 && B <= 65535, "cuda: %ld texts of %ld tokens of %ld values, rounded", B, T, C);
    if (B && T) LAUNCH(narrow_tokens_kernel, DIM3((C + EACH * THREADS - 1) / (EACH * THREADS), T, B), DIM3(THREADS, 1, 1), 0, s, out, x, lengths, (int)T, (int)C);
}

// The first BEHIND rows behind each text's end: as many as a tile of keys may reach over it.
#define BEHIND 256
static __global__ void zero_behind_kernel(uint16_t *x, const int32_t *lengths, int T, int C) {
    const int at = ((int)blockIdx.x * THREADS + (int)threadIdx.x) * EACH, t = lengths[blockIdx.z] + (int)blockIdx.y;
    if (at < C && t < T) *(uint4 *)(x + ((size_t)blockIdx.z * (size_t)T + (size_t)t) * (size_t)C + at) = make_uint4(0, 0, 0, 0);
}

HOST void cuda_zero_behind(uint16_t *x, const int32_t *lengths, long B, long T, long C, cudaStream_t s) {
    need(C % EACH == 0 && (uintptr_t)x % 16 == 0 && B <= 65535, "cuda: %ld kept texts of %ld values a token", B, C);
    if (B && T) LAUNCH(zero_behind_kernel, DIM3((C + EACH * THREADS - 1) / (EACH * THREADS), BEHIND, B), DIM3(THREADS, 1, 1), 0, s, x, lengths, (int)T, (int)C);
}

static __global__ void mul_rounded_kernel(uint16_t *out, const void *a, int a_type, const void *b, int b_type, size_t n) {
    const size_t at = ((size_t)blockIdx.x * THREADS + threadIdx.x) * EACH;
    FRAGMENT(float, x, EACH);
    FRAGMENT(float, y, EACH);
    if (at + EACH <= n) {
        load_eight(x, a, a_type, at), load_eight(y, b, b_type, at);
        UNROLL
        for (int i = 0; i < EACH; i++) x[i] *= y[i];
        store_eight(out + at, x);
    } else {
        for (size_t i = at; i < n; i++) out[i] = bf16_of(widened(a, a_type, i) * widened(b, b_type, i));
    }
}

HOST void cuda_mul_rounded(uint16_t *out, Stored a, Stored b, size_t n, cudaStream_t s) {
    need(((uintptr_t)out | (uintptr_t)a.data | (uintptr_t)b.data) % 16 == 0, "cuda: a gate that does not start on 16 bytes");
    if (n) LAUNCH(mul_rounded_kernel, DIM3((n + EACH * THREADS - 1) / (EACH * THREADS), 1, 1), DIM3(THREADS, 1, 1), 0, s, out, a.data, a.type, b.data, b.type, n);
}
