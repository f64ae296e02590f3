// kernels_avx512.c: the kernels with AVX-512 (F, BW, VL, DQ): vectors of sixteen.
#if defined(__x86_64__)
#define TABLE kernels_avx512
#define LANES 16
#define TILE_ROWS 14
#define TILE_VECTORS 2
#include "kernels_vector.h"

#include "kernels_avx512.h"
#include "kernels_body.h"
#else
typedef int not_this_processor;
#endif
