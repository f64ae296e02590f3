// emu.c: `make bench_emu`: what each kernel moves and computes, counted by the emulator, beside what it has to.
//
// Exact counts, no times: bytes of device memory that threads asked for (caches would serve the repeated ones), bytes
// that are touched at all (the floor of traffic), bytes of shared memory, flops done beside the formula's own. A tile's
// quality is its re-reading: asked / touched; shared memory should stay near 1 byte a flop in f32, 0.1 with mma.
#include <stdio.h>
#include <stdlib.h>

#include "cuda/kernels.h"
#include "cuda/light.h"
#include "cuda_check.h"

static void *values(size_t n) { return to_device(random_floats(n, 1), n * 4); }

static void *halves(size_t n) {
    float *x = random_floats(n, 1);
    uint16_t *h = malloc(n * 2);
    need(h, "bench_emu: no memory");
    convert_f32_bf16(h, x, n);
    return to_device(h, n * 2);
}

static void print(const char *name, const char *shape, double flops) {
    EmuCounts c = emu_counts();
    double asked = (double)(c.global_read + c.global_written), touched = (double)(c.distinct_read + c.distinct_written);
    double done = 2 * (double)c.fused + (double)c.products, shared = (double)(c.shared_read + c.shared_written);
    printf("%-16s %-24s %9.3f %9.3f %7.1f %9.3f", name, shape, asked / 1e6, touched / 1e6, asked / touched, shared / 1e6);
    if (flops > 0) printf(" %9.3f %9.3f %6.2f %8.2f", flops / 1e6, done / 1e6, done / flops, shared / flops);
    else printf(" %9s %9s %6s %8s", "-", "-", "-", "-");
    printf(" %6.1f%s\n", (double)c.barriers / (double)c.threads, emu_reports() ? "  (REPORTS)" : "");
    device_empty();
    emu_forget();
}

static void gemms(long M, long N, long K) {
    char shape[64];
    snprintf(shape, sizeof shape, "%ld x %ld x %ld", M, N, K);
    static const int versions[] = {0, 16, 64, 128, 4, 364, 3128};
    for (int v = 0; v < 7; v++) {
        if (versions[v] == 4 && M > 32) continue;
        Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .lda = K, .ldb = K, .ldc = N};
        g.A = values((size_t)(M * K)), g.B = values((size_t)(N * K)), g.C = device_room((size_t)(M * N) * 4);
        emu_forget();
        cuda_gemm_version(&g, versions[v], NULL);
        char name[32];
        snprintf(name, sizeof name, versions[v] ? "gemm f32 %d" : "gemm f32 plain", versions[v]);
        print(name, shape, 2.0 * (double)(M * N * K));
    }
    for (int v = 64; v <= 128; v *= 2) {
        GemmBf16 g = {.M = M, .N = N, .K = K, .lda = K, .ldw = K, .ldc = N, .A = halves((size_t)(M * K)), .W = halves((size_t)(N * K)), .C_bf16 = true};
        g.C = device_room((size_t)(M * N) * 2);
        emu_forget();
        cuda_gemm_bf16_version(&g, v, NULL);
        char name[32];
        snprintf(name, sizeof name, "gemm bf16 %d", v);
        print(name, shape, 2.0 * (double)(M * N * K));
    }
}

static void attentions(long T, long H, long D, bool causal) {
    char shape[64];
    snprintf(shape, sizeof shape, "%ld tokens, %ld x %ld%s", T, H, D, causal ? " causal" : "");
    size_t n = (size_t)(T * H * D);
    double flops = 4.0 * (double)(H * T * T * D) / (causal ? 2 : 1);
    Attention a = {.B = 1, .Tq = T, .Tk = T, .H = H, .G = H, .D = D, .scale = 0.125f, .causal = causal};
    a.q = values(n), a.k = values(n), a.v = values(n), a.out = device_room(n * 4);
    emu_forget();
    cuda_attention(&a, NULL);
    print("attention f32", shape, flops);
    AttentionBf16 b = {.B = 1, .Tq = T, .Tk = T, .H = H, .G = H, .D = D, .scale = 0.125f, .causal = causal};
    b.q = halves(n), b.k = halves(n), b.v = halves(n), b.out = device_room(n * 2);
    emu_forget();
    cuda_attention_bf16(&b, NULL);
    print("attention bf16", shape, flops);
}

// What stands around a step's attention: queries and keys turned, keys and values stored, in four launches and in one; and the attention over
// what is kept, in f32 and in bf16.
static void step(long B, long Tk, long H, long D) {
    char shape[64];
    const size_t row = (size_t)(B * H * D), all = row * (size_t)Tk;
    snprintf(shape, sizeof shape, "%ld x 1/%ld, %ld x %ld", B, Tk, H, D);
    int32_t at[64] = {0};
    RotaryStored r = {.R = B, .T = 1, .capacity = Tk, .heads = H, .kv_heads = H, .D = D, .half = D / 2, .rows = B};
    for (int way = 0; way < 3; way++) {
        r.q = values(row), r.key = values(row), r.v = values(row), r.cosine = values(row), r.sine = values(row), r.out = device_room(row * 4);
        r.keys = device_room(all * 4), r.values = device_room(all * 4), r.at = to_device(at, (size_t)B * 4), r.halves = way == 2;
        float *turned = device_room(row * 4);
        emu_forget();
        if (way) cuda_rotary_stored(&r, NULL);
        else {
            cuda_rotary(r.out, r.q, r.cosine, r.sine, B, H, D, D / 2, B, NULL), cuda_rotary(turned, r.key, r.cosine, r.sine, B, H, D, D / 2, B, NULL);
            cuda_rows_store(r.keys, turned, r.at, B, 1, Tk, H * D, NULL), cuda_rows_store(r.values, r.v, r.at, B, 1, Tk, H * D, NULL);
        }
        print((const char *[]){"turned, stored 4", "turned, stored 1", "the same in bf16"}[way], shape, 0);
    }
    for (int kept = 0; kept < 2; kept++) {
        Attention a = {.B = B, .Tq = 1, .Tk = Tk, .H = H, .G = H, .D = D, .scale = 0.125f, .causal = true, .q = values(row), .out = device_room(row * 4)};
        if (kept) a.k16 = halves(all), a.v16 = halves(all);
        else a.k = values(all), a.v = values(all);
        float *room = device_room(cuda_attention_few_room(&a));
        emu_forget();
        cuda_attention_few(&a, NULL, room, NULL);
        print(kept ? "few, bf16 keys" : "few, f32 keys", shape, 0);
    }
}

int main(void) {
    printf("%-16s %-24s %9s %9s %7s %9s %9s %9s %6s %8s %6s\n", "kernel", "shape", "asked MB", "touched", "ratio", "shared MB", "Mflop", "done", "ratio", "sh B/flop",
           "barr.");
    gemms(1, 256, 256);
    gemms(145, 192, 128);
    attentions(145, 2, 64, false);
    attentions(145, 2, 64, true);
    step(4, 200, 4, 128);
    CudaKnn k = {.Q = 64, .N = 512, .C = 64, .K = 10};
    for (int version = 1; version <= 3; version++) {
        char name[32];
        snprintf(name, sizeof name, "knn %d", version);
        k.query = values(64 * 64), k.point = values(512 * 64), k.id = device_room(64 * 10 * 4), k.room = device_room(cuda_knn_room(&k));
        emu_forget();
        cuda_knn_version(&k, version, NULL);
        print(name, "64 of 512, 64 wide, K 10", 2.0 * 64 * 512 * 64);
    }
    double *b = malloc(4 * 16 * 16 * 8);
    need(b, "bench_emu: no memory");
    for (int i = 0; i < 4 * 256; i++) b[i] = (double)(i * 7919 % 1009) / 1009 - 0.5;
    CudaJacobi j = {.b = to_device(b, 4 * 256 * 8), .batch = 4, .n = 16, .m = 16, .length = device_room(4 * 16 * 8)};
    emu_forget();
    cuda_jacobi(&j, NULL);
    print("jacobi", "4 of 16 x 16", 0);
    return 0;
}
