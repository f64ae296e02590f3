// cpu.c: see cpu.h. The compiler's builtin reads CPUID and the operating system's state (XGETBV); AMX is read here.
#define _GNU_SOURCE // syscall
#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/error.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

// The processor has tiles and bf16 products in them, the system saves both parts of their state, and lets us use them.
static bool amx_offered(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false; // AMX-BF16, AMX-TILE
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;                            // OSXSAVE
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low >> 17 & 3) != 3) return false; // XCR0: tile configuration and tile data
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#elif defined(__x86_64__)
static bool amx_offered(void) { return false; }
#endif

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

static CpuBf16 best_bf16(void) {
#if defined(__x86_64__)
    if (best_level() == CPU_AVX512 && __builtin_cpu_supports("avx512bf16")) return amx_offered() ? BF16_AMX : BF16_DOT;
#endif
    return BF16_WIDE;
}

static const char *const names[] = {"scalar", "avx2", "avx512", "avx512_bf16", "amx"}; // levels, then avx512 with a way for bf16

const char *cpu_level_name(CpuLevel level) { return names[level]; }

static struct {
    bool known, forced; // set once, before threads start their first job
    CpuLevel level;
    CpuBf16 bf16;
} cpu;

static void choose(void) {
    if (cpu.known) return;
    CpuLevel level = best_level();
    CpuBf16 bf16 = best_bf16();
    const char *wish = getenv("RETINA_ISA");
    if (wish && *wish) {
        int i = 0, best = (int)level + (int)bf16; // bf16 is more than BF16_WIDE at the highest level only
        while (i < 5 && strcmp(wish, names[i]) != 0) i++;
        need(i < 5, "RETINA_ISA=%s: scalar, avx2, avx512, avx512_bf16 and amx are known", wish);
        need(i <= best, "RETINA_ISA=%s: this machine offers %s at most", wish, names[best]);
        level = i > CPU_AVX512 ? CPU_AVX512 : (CpuLevel)i;
        bf16 = i > CPU_AVX512 ? (CpuBf16)(i - CPU_AVX512) : BF16_WIDE;
        cpu.forced = true;
    }
    cpu.level = level, cpu.bf16 = bf16, cpu.known = true;
}

CpuLevel cpu_level(void) {
    choose();
    return cpu.level;
}

CpuBf16 cpu_bf16(void) {
    choose();
    return cpu.bf16;
}

bool cpu_forced(void) {
    choose();
    return cpu.forced;
}

const char *cpu_describe(void) {
    static char text[64];
    snprintf(text, sizeof text, "%s%s%s", cpu_level_name(cpu_level()), cpu_bf16() >= BF16_DOT ? " +avx512_bf16" : "", cpu_bf16() == BF16_AMX ? " +amx" : "");
    return text;
}
