// jpeg_rows_avx2.c: the loops of jpeg_rows.inc, compiled for AVX2 (the Makefile gives the flags).
#include "jpeg_parts.h"

#define NAME(x) avx2_##x
#include "jpeg_rows.inc"

const JpegRows jpeg_rows_avx2 = {avx2_idct, avx2_wide, avx2_tall, avx2_wide_tall, avx2_ycc};
