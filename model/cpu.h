// cpu.h: which instruction sets this processor and this operating system offer.
#ifndef RETINA_MODEL_CPU_H
#define RETINA_MODEL_CPU_H

#include <stdbool.h>

typedef enum { CPU_SCALAR, CPU_AVX2, CPU_AVX512 } CpuLevel;

// How products of bf16 are made: widened to f32 (every level can), by AVX512_BF16's dot products, or by AMX tiles.
typedef enum { BF16_WIDE, BF16_DOT, BF16_AMX } CpuBf16;

// RETINA_ISA forces a path: scalar, avx2 (AVX2, FMA, F16C), avx512 (F, BW, VL, DQ), avx512_bf16, amx. The last two are
// avx512 for everything but products and attention of bf16. A name that is unknown, or that this machine lacks, dies.
CpuLevel cpu_level(void); // the best, or the forced one
const char *cpu_level_name(CpuLevel level);
// The best that processor and operating system offer, or the forced one; whether BF16_DOT is faster than BF16_WIDE is
// another question (gemm.c measures it).
CpuBf16 cpu_bf16(void);
bool cpu_forced(void);
const char *cpu_describe(void); // "avx512 +avx512_bf16 +amx"

#endif
