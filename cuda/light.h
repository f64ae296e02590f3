// light.h: the kernels that are bound by memory, as functions over device pointers, each on a stream. Names, letters and
// orders of sums are those of the CPU's twins (model/ops_cpu.c, model/kernels_body.h); results are the same bits.
// A weight comes with its stored type and is widened where it is read.
#ifndef RETINA_CUDA_LIGHT_H
#define RETINA_CUDA_LIGHT_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const void *data; // NULL: absent
    int type;         // Dtype
} Stored;

// elementwise.cu
void cuda_activation(float *out, const float *x, size_t n, int act, cudaStream_t s);
void cuda_activation_and_bf16(float *out, uint16_t *also, const float *x, size_t n, int act, cudaStream_t s); // also: the result rounded
void cuda_add(float *out, const float *a, const float *b, size_t n, cudaStream_t s); // out may be a
void cuda_mul(float *out, const float *a, const float *b, size_t n, cudaStream_t s);
void cuda_mul_and_bf16(float *out, uint16_t *also, const float *a, const float *b, size_t n, cudaStream_t s);
void cuda_scale(float *out, const float *x, size_t n, float factor, cudaStream_t s);
void cuda_scale_by(float *out, const float *x, size_t n, Stored factor, cudaStream_t s);
void cuda_softcap(float *out, const float *x, size_t n, float cap, cudaStream_t s);
void cuda_clamp(float *out, const float *x, size_t n, float low, float high, cudaStream_t s);
void cuda_exp(float *out, const float *x, size_t n, cudaStream_t s);
void cuda_dropout(float *out, const float *x, size_t n, float p, uint64_t seed, uint64_t stream, cudaStream_t s);
void cuda_add_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s); // rows repeat after period
void cuda_mul_rows(float *out, const float *x, Stored rows, size_t n, size_t period, cudaStream_t s);
void cuda_widen(float *out, Stored in, size_t n, cudaStream_t s);
void cuda_narrow(uint16_t *out, const float *x, size_t n, cudaStream_t s); // to bf16

// norms.cu: R rows of C. With `also`, out may be NULL: only the rounding is wanted
void cuda_layernorm(float *out, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s);
void cuda_layernorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, Stored b, long R, long C, float eps, cudaStream_t s);
void cuda_rmsnorm_and_bf16(float *out, uint16_t *also, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s);
void cuda_rmsnorm(float *out, const float *x, Stored w, long R, long C, float eps, int plus_one, cudaStream_t s);
void cuda_l2norm(float *out, const float *x, long R, long C, float floor, cudaStream_t s);

// rows.cu
void cuda_embedding(float *out, Stored table, const int32_t *ids, long R, long C, cudaStream_t s);
void cuda_patchify(float *out, const float *pixels, long B, long channels, long h, long w, long P, cudaStream_t s);
// out[r * ldo + c] = x[r * ldx + c] for R rows of C
void cuda_copy_block(float *out, long ldo, const float *x, long ldx, long R, long C, cudaStream_t s);
void cuda_broadcast_row(float *out, long ldo, Stored row, long R, long C, cudaStream_t s);
void cuda_rows_at(float *out, const float *x, const int32_t *index, long B, long T, long C, cudaStream_t s);
void cuda_rows_put(float *x, const int32_t *index, const float *rows, long R, long C, cudaStream_t s); // an index < 0: skipped
void cuda_rows_store(float *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s);
void cuda_rows_store_rounded(uint16_t *store, const float *x, const int32_t *at, long B, long T, long capacity, long C, cudaStream_t s);
void cuda_mean_tokens(float *out, const float *x, long B, long T, long C, cudaStream_t s);
void cuda_transpose(float *out, const float *x, long R, long C, cudaStream_t s);

// rotary.cu
void cuda_rotary(float *out, const float *x, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows, cudaStream_t s);
typedef struct {
    float *out;                 // (R, heads D): q turned
    const float *q, *key, *v;   // (R, heads D), (R, kv_heads D) twice; R = B T
    const float *cosine, *sine; // (rows, half)
    void *keys, *values;        // (B, capacity, kv_heads D), f32 or bf16
    int halves;
    const int32_t *at;          // (B)
    long R, T, capacity, heads, kv_heads, D, half, rows;
} RotaryStored;
bool cuda_rotary_stored(const RotaryStored *a, cudaStream_t s); // false: heads that do not turn whole, in fours
void cuda_rotary_tables(float *cosine, float *sine, const int32_t *positions, const float *frequencies, long n, long half, cudaStream_t s);

// rounded.cu: results in bf16. x (R, K) in rows of ldo, filled up with zeros; keys or values; a b
void cuda_narrow_rows(uint16_t *out, long ldo, Stored x, size_t R, long K, cudaStream_t s);
void cuda_narrow_tokens(uint16_t *out, const float *x, const int32_t *lengths, long B, long T, long C, cudaStream_t s); // zeros behind each text's end
void cuda_zero_behind(uint16_t *x, const int32_t *lengths, long B, long T, long C, cudaStream_t s); // what a tile of keys may read there
void cuda_mul_rounded(uint16_t *out, Stored a, Stored b, size_t n, cudaStream_t s);

// losses.cu. room: R doubles
void cuda_cross_entropy(float *out, const float *logits, const int32_t *targets, double *room, long R, long V, cudaStream_t s);
void cuda_mean_squared(float *out, const float *a, const float *b, size_t n, cudaStream_t s);

#ifdef __cplusplus
}
#endif

#endif
