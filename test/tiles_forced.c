// tiles_forced.c: a test program over tiles in software (Makefile: TILED) finds a processor that has tiles; the linker puts
// __wrap_cpu_bf16 in the place of cpu_bf16. What it needs of the real one is AVX-512.
#include <stdio.h>

#include "model/cpu.h"

CpuBf16 __real_cpu_bf16(void), __wrap_cpu_bf16(void);

CpuBf16 __wrap_cpu_bf16(void) {
    static bool told = false;
    if (cpu_level() == CPU_AVX512) return BF16_AMX;
    if (!told && !cpu_forced()) printf("SKIP tiles in software: this machine has no AVX-512\n");
    told = true;
    return __real_cpu_bf16();
}
