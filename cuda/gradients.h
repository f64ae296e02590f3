// gradients.h: the kernels behind model/gradients.h on a GPU, as functions over device pointers, each on a stream.
#ifndef RETINA_CUDA_GRADIENTS_H
#define RETINA_CUDA_GRADIENTS_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "model/gradients.h"

const Gradients *gpu_gradients(void); // gradients.cu: the table

// gradients_each.cu
void cuda_each_gradient(const EachGradient *e, cudaStream_t s);
// Lists of many tensors by one launch; lists and pieces lie on the GPU. Piece `number` of entry `which`: so many elements (the last: the rest).
typedef struct {
    int32_t which, number;
} Piece;
enum { ADAM_PIECE = 1024 };
void cuda_adam(const AdamStep *steps, const Piece *pieces, long count, cudaStream_t s);
void cuda_dot_pieces(double *sums, const DotPair *pairs, const Piece *pieces, long count, cudaStream_t s); // of DOT_PIECE

// gradients_rows.cu
void cuda_sum_rows(float *d, const float *g, const float *x, long R, long C, long ld, cudaStream_t s);
void cuda_add_columns(float *d, long ldd, const float *g, long ldg, long R, long C, cudaStream_t s);
// d row to[k] += g row from[i] for i from starts[k] to starts[k + 1], for k < groups
void cuda_add_row_groups(float *d, const int32_t *to, const int32_t *starts, const float *g, const int32_t *from, long groups, long C, cudaStream_t s);
void cuda_norm_gradient(const NormGradient *k, cudaStream_t s);
void cuda_norm_gradient_version(const NormGradient *k, int version, cudaStream_t s); // 0: sixteen lanes a row; 1: rows in shared memory
void cuda_rotary_gradient(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows, cudaStream_t s);
void cuda_patchify_gradient(float *d, const float *g, long B, long channels, long h, long w, long P, cudaStream_t s);
void cuda_entropy_gradient(float *d, bool fresh, const float *logits, const int32_t *targets, const float *g, long counted, long R, long V, cudaStream_t s);
// dS from dP (R, C) in place, with the weights P; capped: the scores after the cap, or NULL
void cuda_scores_gradient(float *dp, const float *p, const float *capped, long R, long C, float cap, float scale, cudaStream_t s);

#ifdef __cplusplus
}
#endif

#endif
