// cpu.h: which instruction sets this processor and this operating system offer.
#ifndef RETINA_MODEL_CPU_H
#define RETINA_MODEL_CPU_H

typedef enum { CPU_SCALAR, CPU_AVX2, CPU_AVX512 } CpuLevel;

// The best level (avx2: AVX2, FMA, F16C; avx512: F, BW, VL, DQ), or the lower one that RETINA_ISA asks for
// (scalar, avx2, avx512). A value that is unknown, or that this machine lacks, dies.
CpuLevel cpu_level(void);
const char *cpu_level_name(CpuLevel level);
const char *cpu_describe(void); // "avx512 (avx2 avx512 avx512_bf16 amx_bf16)"

#endif
