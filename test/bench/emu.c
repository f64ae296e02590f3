// emu.c: `make bench_emu`: what each kernel moves and computes, counted by the emulator, beside what it has to.
//
// Exact counts, no times: bytes of device memory that threads asked for (caches would serve the repeated ones), bytes that are touched at
// all, the floor of bytes that the kernel's header names (each operand once, each result once), and how often that was asked for; bytes of
// shared memory; loads, stores and warp instructions; flops done beside the formula's own. A tile's quality is its re-reading; shared memory
// should stay near 1 byte a flop in f32, 0.1 with mma. A word whose halves are touched one by one counts as one half. Ends with 1 on a report.
#include <stdio.h>
#include <stdlib.h>

#include "cuda/choosing.h"
#include "cuda/gradients.h"
#include "cuda/kernels.h"
#include "cuda/light.h"
#include "cuda_check.h"

static int reported;

static void *values(size_t n) { return to_device(random_floats(n, 1), n * 4); }

static void *halves(size_t n) {
    float *x = random_floats(n, 1);
    uint16_t *h = malloc(n * 2);
    need(h, "bench_emu: no memory");
    convert_f32_bf16(h, x, n);
    return to_device(h, n * 2);
}

static void print(const char *name, const char *shape, double flops, double floor) {
    EmuCounts c = emu_counts();
    double asked = (double)(c.global_read + c.global_written), touched = (double)(c.distinct_read + c.distinct_written);
    double done = 2 * (double)c.fused + (double)c.products, shared = (double)(c.shared_read + c.shared_written);
    printf("%-22s %-26s %8.3f %8.3f %8.3f %6.1f %8.3f %8.3f", name, shape, asked / 1e6, touched / 1e6, floor / 1e6, asked / floor, shared / 1e6, (double)(c.accesses + c.warp_ops) / 1e6);
    if (flops > 0) printf(" %8.3f %8.3f %6.2f %8.2f", flops / 1e6, done / 1e6, done / flops, shared / flops);
    else printf(" %8s %8s %6s %8s", "-", "-", "-", "-");
    printf(" %6.1f%s\n", (double)c.barriers / (double)c.threads, emu_reports() ? "  (REPORTS)" : "");
    reported += emu_reports();
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
        print(name, shape, 2.0 * (double)(M * N * K), 4.0 * (double)(M * K + N * K + M * N));
    }
    static const int halved[] = {64, 128, 1, 3, 901, 903, 905, 908, 910, 913, 914, 915};
    for (size_t i = 0; i < sizeof halved / sizeof *halved; i++) {
        const int v = halved[i];
        if (v == 901 ? M * N > 50000 : (v == 1 && M > 64) || (v == 3 && M > 8)) continue;
        GemmBf16 g = {.M = M, .N = N, .K = K, .lda = K, .ldw = K, .ldc = N, .A = halves((size_t)(M * K)), .W = halves((size_t)(N * K)), .C_bf16 = true};
        g.C = device_room((size_t)(M * N) * 2);
        if (v == 915) g.room = device_room((size_t)cuda_gemm_hopper_parts(&g) * (size_t)(M * N) * sizeof(float));
        emu_forget();
        cuda_gemm_hopper_ladder(&g, v, NULL);
        char name[32];
        snprintf(name, sizeof name, v > 900 ? "gemm Hopper %d" : "gemm bf16 %d", v);
        print(name, shape, 2.0 * (double)(M * N * K), 2.0 * (double)(M * K + N * K + M * N));
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
    print("attention f32", shape, flops, 16.0 * (double)n);
    a.q = values(n), a.k = values(n), a.v = values(n), a.out = device_room(n * 4);
    if (cuda_attention_apart_takes(&a)) {
        float *room = device_room(cuda_attention_apart_room(&a));
        emu_forget();
        cuda_attention_apart(&a, room, NULL);
        print("attention f32, apart", shape, flops, 16.0 * (double)n);
    }
    AttentionBf16 b = {.B = 1, .Tq = T, .Tk = T, .H = H, .G = H, .D = D, .scale = 0.125f, .causal = causal};
    b.q = halves(n), b.k = halves(n), b.v = halves(n), b.out = device_room(n * 2);
    emu_forget();
    const bool hopper = cuda_attention_hopper_takes(&b);
    cuda_attention_bf16(&b, NULL);
    print(hopper ? "attention Hopper" : "attention bf16", shape, flops, 8.0 * (double)n);
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
        print((const char *[]){"turned, stored 4", "turned, stored 1", "the same in bf16"}[way], shape, 0, (way == 2 ? 20.0 : 24.0) * (double)row + 8.0 * (double)(B * D / 2));
    }
    for (int kept = 0; kept < 2; kept++) {
        Attention a = {.B = B, .Tq = 1, .Tk = Tk, .H = H, .G = H, .D = D, .scale = 0.125f, .causal = true, .q = values(row), .out = device_room(row * 4)};
        if (kept) a.k16 = halves(all), a.v16 = halves(all);
        else a.k = values(all), a.v = values(all);
        float *room = device_room(cuda_attention_few_room(&a));
        emu_forget();
        cuda_attention_few(&a, NULL, room, NULL);
        print(kept ? "few, bf16 keys" : "few, f32 keys", shape, 0, (kept ? 4.0 : 8.0) * (double)all + 8.0 * (double)row);
    }
}

// What is bound by memory: R rows of C, and the bytes that its header names.
enum { R = 98, C = 256, LIGHT = 30 };

static int32_t *numbers(long n, long below) {
    int32_t list[R];
    for (long i = 0; i < n; i++) list[i] = (int32_t)(i * 5 % below);
    return to_device(list, (size_t)n * sizeof *list);
}

static const float *slopes(int k, float *d, const float *x) { // 1: of an activation, 2: of a layer norm, 3: of the cross entropy, 4: over rows, 5: AdamW
    const float *g = values((size_t)R * C), *w = values(C);
    const int32_t *targets = numbers(R, C);
    AdamStep step = {.n = (size_t)R * C, .g = g, .w = d, .beta1 = 0.9f, .beta2 = 0.99f, .keep = 1, .rate = 0.01f, .shrink = 1, .root2 = 1, .eps = 1e-8f};
    step.m = values((size_t)R * C), step.v = values((size_t)R * C);
    Piece list[(R * C + ADAM_PIECE - 1) / ADAM_PIECE];
    const long pieces = sizeof list / sizeof *list;
    for (long i = 0; i < pieces; i++) list[i] = (Piece){0, (int32_t)i};
    const AdamStep *there = to_device(&step, sizeof step);
    const Piece *all = to_device(list, sizeof list);
    float *hat = device_room((size_t)R * C * 4), *old = values((size_t)R * C);
    emu_forget();
    if (k == 1) cuda_each_gradient(&(EachGradient){.kind = EACH_ACTIVATION, .d = d, .fresh = true, .n = (size_t)R * C, .g = g, .x = x, .y = old, .act = ACT_GELU}, NULL);
    if (k == 2) cuda_norm_gradient(&(NormGradient){.norm = NORM_LAYER, .R = R, .C = C, .x = x, .g = g, .weight = w, .eps = 1e-5f, .hat = hat, .d = d, .fresh = true}, NULL);
    if (k == 3) cuda_entropy_gradient(d, true, x, targets, g, R, R, C, NULL);
    if (k == 4) cuda_sum_rows(old, g, NULL, R, C, C, NULL);
    if (k == 5) cuda_adam(there, all, pieces, NULL);
    return g;
}

static void light(int k) {
    const size_t n = (size_t)R * C;
    char shape[64];
    float *x = values(n), *y = values(n), *out = k == 29 ? values(n) : device_room(n * 4), *w = values(C);
    const Stored weight = {w, DTYPE_F32}, narrow = {halves(n), DTYPE_BF16}, wide = {x, DTYPE_F32};
    const int32_t *index = numbers(R, R), *places = numbers(2, 40);
    float *cosine = values((size_t)R * 32), *sine = values((size_t)R * 32);
    double *sums = device_room(R * sizeof *sums), bytes = 8;
    const char *name = "";
    emu_forget();
    switch (k) {
    case 0: name = "layernorm", cuda_layernorm(out, x, weight, weight, R, C, 1e-5f, NULL); break;
    case 1: name = "rmsnorm", cuda_rmsnorm(out, x, weight, R, C, 1e-5f, 0, NULL); break;
    case 2: name = "l2norm", cuda_l2norm(out, x, R, C, 1e-9f, NULL); break;
    case 3: name = "GELU", cuda_activation(out, x, n, ACT_GELU, NULL); break;
    case 4: name = "SiLU", cuda_activation(out, x, n, ACT_SILU, NULL); break;
    case 5: name = "add", bytes = 12, cuda_add(out, x, y, n, NULL); break;
    case 6: name = "mul", bytes = 12, cuda_mul(out, x, y, n, NULL); break;
    case 7: name = "scale", cuda_scale(out, x, n, 2, NULL); break;
    case 8: name = "softcap", cuda_softcap(out, x, n, 2, NULL); break;
    case 9: name = "dropout", cuda_dropout(out, x, n, 0.1f, 1, 2, NULL); break;
    case 10: name = "add_rows", cuda_add_rows(out, x, weight, n, C, NULL); break;
    case 11: name = "to bf16", bytes = 6, cuda_narrow((uint16_t *)out, x, n, NULL); break;
    case 12: name = "from bf16", bytes = 6, cuda_widen(out, narrow, n, NULL); break;
    case 13: name = "a gate in bf16", bytes = 10, cuda_mul_rounded((uint16_t *)out, wide, wide, n, NULL); break;
    case 14: name = "gather of bf16 rows", bytes = 6, cuda_embedding(out, narrow, index, R, C, NULL); break;
    case 15: name = "rows_put", cuda_rows_put(y, index, x, R, C, NULL); break;
    case 16: name = "rows_store", cuda_rows_store(values((size_t)2 * 100 * C), x, places, 2, R / 2, 100, C, NULL); break;
    case 17: name = "copy of columns", bytes = 4, cuda_copy_block(out, C, x + C / 2, C, R, C / 2, NULL); break;
    case 18: name = "mean of tokens", bytes = 4, cuda_mean_tokens(out, x, 2, R / 2, C, NULL); break;
    case 19: name = "transpose", cuda_transpose(out, x, R, C, NULL); break;
    case 20: name = "patches", cuda_patchify(out, x, 1, 2, 98, 128, 2, NULL); break;
    case 21: name = "rotary", cuda_rotary(out, x, cosine, sine, R, 4, 64, 32, R, NULL); break;
    case 22: name = "cross entropy", bytes = 4, cuda_cross_entropy(out, x, index, sums, R, C, NULL); break;
    case 23: name = "mean squared", cuda_mean_squared(out, x, y, n, NULL); break;
    case 24: name = "exp", cuda_exp(out, x, n, NULL); break;
    case 25: name = "slopes of GELU", bytes = 16, slopes(1, out, x); break;
    case 26: name = "slopes of a layer norm", bytes = 16, slopes(2, out, x); break;
    case 27: name = "slopes of entropy", slopes(3, out, x); break;
    case 28: name = "a sum over rows", bytes = 4, slopes(4, out, x); break;
    default: name = "AdamW", bytes = 28, slopes(5, out, x); break;
    }
    snprintf(shape, sizeof shape, "%d x %d", R, C);
    print(name, shape, 0, bytes * (double)n);
}

static void choices(long rows, long V) {
    char shape[64];
    double uniform[8] = {0.3, 0.7};
    snprintf(shape, sizeof shape, "%ld x %ld", rows, V);
    for (int drawn = 0; drawn < 2; drawn++) {
        CudaChoose c = {.logits = values((size_t)(rows * V)), .R = rows, .V = V, .how = {.temperature = 1, .best = 1, .penalty = 1, .draw = {.top_k = 50, .top_p = 0.9, .temperature = 1, .filter_temperature = 1}}};
        if (drawn) c.how.draw.uniform = to_device(uniform, (size_t)rows * sizeof *uniform);
        c.rows = device_room(choose_bytes((size_t)rows, &c.how)), c.best = (Choice *)(c.rows + rows), c.likeliest = c.best + rows;
        void *room = device_room(cuda_choose_room(rows, V, false));
        emu_forget();
        cuda_choose(&c, room, false, NULL);
        print(drawn ? "next id, drawn" : "next id, greedy", shape, 0, 4.0 * (double)(rows * V));
    }
}

static void resize(long count, int width, int height, int to) {
    Arena *a = arena_new("resize");
    char shape[64];
    snprintf(shape, sizeof shape, "%ld of %d x %d to %d", count, width, height, to);
    ResizeTaps t = resize_taps8(a, width, to, RESIZE_BICUBIC);
    for (int i = 0; i < to; i++)
        for (int k = t.count[i]; k < t.most; k++) t.fixed[i * t.most + k] = 0;
    CudaResize r = {.in = values((size_t)(count * width * height)), .count = count, .width = width, .height = height, .to = to, .across = true, .most = t.most};
    r.first = to_device(t.first, (size_t)to * sizeof(int)), r.taps = to_device(t.count, (size_t)to * sizeof(int)), r.fixed = to_device(t.fixed, (size_t)(to * t.most) * sizeof(int32_t));
    r.out = device_room((size_t)(count * 3 * to * height));
    emu_forget();
    cuda_resize8(&r, NULL);
    print("resize", shape, 0, 3.0 * (double)(count * height * (width + to)));
    arena_free(a);
}

int main(void) {
    printf("%-22s %-26s %8s %8s %8s %6s %8s %8s %8s %8s %6s %8s %6s\n", "kernel", "shape", "asked MB", "touched", "floor", "ratio", "sh. MB", "M instr.", "Mflop", "done", "ratio", "sh B/flop",
           "barr.");
    gemms(1, 256, 256);
    gemms(33, 256, 192);
    gemms(145, 192, 128);
    attentions(145, 2, 64, false);
    attentions(145, 2, 64, true);
    attentions(145, 2, 80, false);
    step(4, 200, 4, 128);
    CudaKnn k = {.Q = 64, .N = 512, .C = 64, .K = 10};
    for (int version = 1; version <= 3; version++) {
        char name[32];
        snprintf(name, sizeof name, "knn %d", version);
        k.query = values(64 * 64), k.point = values(512 * 64), k.id = device_room(64 * 10 * 4), k.room = device_room(cuda_knn_room(&k));
        emu_forget();
        cuda_knn_version(&k, version, NULL);
        print(name, "64 of 512, 64 wide, K 10", 2.0 * 64 * 512 * 64, 4.0 * (64 + 512) * 64 + 4.0 * 64 * 10);
    }
    double *b = malloc(4 * 16 * 16 * 8);
    need(b, "bench_emu: no memory");
    for (int i = 0; i < 4 * 256; i++) b[i] = (double)(i * 7919 % 1009) / 1009 - 0.5;
    CudaJacobi j = {.b = to_device(b, 4 * 256 * 8), .batch = 4, .n = 16, .m = 16, .length = device_room(4 * 16 * 8)};
    emu_forget();
    cuda_jacobi(&j, NULL);
    print("jacobi", "4 of 16 x 16", 0, 16.0 * 4 * 256);
    j.b = to_device(b, 4 * 256 * 8), j.length = device_room(4 * 16 * 8);
    double *room = device_room(cuda_singular_values_room(&j));
    emu_forget();
    cuda_bidiagonal(&j, room, NULL);
    print("bidiagonal", "4 of 16 x 16", 0, 8.0 * 4 * 256 * 16 * 2 / 3); // a third of n steps' triangles, read twice and written
    free(b);
    for (int k = 0; k < LIGHT; k++) light(k);
    choices(2, 5000);
    resize(2, 64, 48, 40);
    return reported != 0;
}
