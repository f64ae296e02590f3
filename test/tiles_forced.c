// tiles_forced.c: a test program over tiles or dot products in software (Makefile: TILED, DOTTED) finds a processor that has them; the linker puts
// __wrap_cpu_bf16 in the place of cpu_bf16. What it needs of the real one is AVX-512. Dot products are slow there, and taken all the same.
#include <stdio.h>

#include "model/cpu.h"

CpuBf16 __real_cpu_bf16(void), __wrap_cpu_bf16(void);
bool __real_cpu_forced(void), __wrap_cpu_forced(void);

CpuBf16 __wrap_cpu_bf16(void) {
    static bool told = false;
    if (cpu_level() == CPU_AVX512) return FORCED;
    if (!told && !__real_cpu_forced()) printf("SKIP instructions in software: this machine has no AVX-512\n");
    told = true;
    return __real_cpu_bf16();
}

bool __wrap_cpu_forced(void) { return true; }
