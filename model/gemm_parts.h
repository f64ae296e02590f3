// gemm_parts.h: what the files of products share (gemm.c, gemm_blocks.c, gemm_spread.c, gemm_amx.c, few_avx512bf16.c).
#ifndef RETINA_MODEL_GEMM_PARTS_H
#define RETINA_MODEL_GEMM_PARTS_H

#include "kernels.h"

#define GEMM_SMALL 100000 // multiply-adds that are not worth waking a thread

static inline long smaller(long a, long b) { return a < b ? a : b; }
static inline long larger(long a, long b) { return a > b ? a : b; }
static inline long pieces(long n, long size) { return (n + size - 1) / size; }

long gemm_l2(void); // bytes of a core's L2; half a MiB where the system does not say
void gemm_finish(const Gemm *g, float *C, long rows, long columns, long n0); // what follows the sums of rows of C from column n0 on
void gemm_f32(const Gemm *g, bool round);           // by f32 multiply-adds; round: both sides to bf16, after packing
void gemm_spread(const Gemm *g, const TileKernel *t); // GEMM_NT of some rows; where f32's tile makes a product of bf16, B is of bf16
void gemm_dots(const Gemm *g, const TileKernel *k); // of bf16, by a tile of dot products; GEMM_NT

#endif
