// cpu.c: see cpu.h. The compiler's builtin reads CPUID and the operating system's state (XGETBV).
#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/error.h"

static CpuLevel best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return CPU_SCALAR;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return CPU_AVX512;
    return CPU_AVX2;
#else
    return CPU_SCALAR;
#endif
}

const char *cpu_level_name(CpuLevel level) {
    static const char *names[] = {"scalar", "avx2", "avx512"};
    return names[level];
}

CpuLevel cpu_level(void) {
    static int known = -1; // set once, before threads start their first job
    if (known >= 0) return (CpuLevel)known;
    CpuLevel best = best_level();
    const char *wish = getenv("RETINA_ISA");
    if (wish && *wish) {
        int level = 0;
        while (level <= CPU_AVX512 && strcmp(wish, cpu_level_name((CpuLevel)level)) != 0) level++;
        need(level <= CPU_AVX512, "RETINA_ISA=%s: scalar, avx2 and avx512 are known", wish);
        need(level <= (int)best, "RETINA_ISA=%s: this machine offers %s at most", wish, cpu_level_name(best));
        best = (CpuLevel)level;
    }
    known = (int)best;
    return best;
}

const char *cpu_describe(void) {
    static char text[128];
    int n = snprintf(text, sizeof text, "%s", cpu_level_name(cpu_level()));
#if defined(__x86_64__)
    if (best_level() == CPU_AVX512 && __builtin_cpu_supports("avx512bf16")) snprintf(text + n, sizeof text - (size_t)n, " +avx512_bf16");
#else
    (void)n;
#endif
    return text;
}
