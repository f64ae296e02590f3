// kernels.h: what the files of cuda/ offer to each other: one function per operation that launches its kernels.
// All pointers are device memory; everything is put on the stream and nothing is waited for.
#ifndef RETINA_CUDA_KERNELS_H
#define RETINA_CUDA_KERNELS_H

#include "device.h"

// ---- gemm_f32.cu, attention_f32.cu: the CPU's bits
HOST void cuda_gemm(const Gemm *g, cudaStream_t stream);
HOST void cuda_gemm_version(const Gemm *g, int version, cudaStream_t stream); // 0: plain, 16, 64, 128: that tile
HOST void cuda_attention(const Attention *a, cudaStream_t stream);

#endif
