// gemm_parts.h: what the files of products share (gemm.c, gemm_blocks.c, gemm_spread.c, gemm_amx.c), and of what stands on them (attention.c).
#ifndef RETINA_MODEL_GEMM_PARTS_H
#define RETINA_MODEL_GEMM_PARTS_H

#include "kernels.h"

#define GEMM_SMALL 100000 // multiply-adds that are not worth waking a thread

static inline long smaller(long a, long b) { return a < b ? a : b; }
static inline long larger(long a, long b) { return a > b ? a : b; }
static inline long pieces(long n, long size) { return (n + size - 1) / size; }

long gemm_cache(int level); // bytes of L1 (of data), L2 or L3; something usual where the system does not say
void gemm_finish(const Gemm *g, float *C, long rows, long columns, long n0); // what follows the sums of rows of C from column n0 on
void gemm_blocks(const Gemm *g, const TileKernel *t);
void gemm_spread(const Gemm *g, const TileKernel *t); // GEMM_NT of some rows; where gemm_rounds, B is of bf16

static inline long gemm_words(const TileKernel *t, long kn) { return pieces(kn, t->k_step) * t->k_step / t->in_word; } // of kn values, packed
static inline bool gemm_rounds(const Gemm *g, const TileKernel *t) { return g->compute == COMPUTE_BF16 && t->in_word == 1; } // what is packed, to bf16: pairs are

#endif
