// cuda_attention.c: attention forward of a ViT and of a language model, f32 and bf16, beside PyTorch's scaled_dot_product_attention.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda.h"
#include "io/random.h"
#include "model/kernels.h"

typedef struct {
    long B, Tq, Tk, H, G, D;
    bool causal, bf16, few; // few: the kernel of a step, which reads f32
    int version; // of the f32 kernel; 0: the one that is in use
    bool kept; // keys and values in bf16 where queries and results are f32
    const char *peer; // which of PyTorch's: flash, cudnn; NULL: the one it takes by itself
} Heads;

static Attention f32_of(const Heads *h, int turn) {
    size_t q = (size_t)(h->B * h->Tq * h->H * h->D), k = (size_t)(h->B * h->Tk * h->G * h->D);
    Attention a = {.B = h->B, .Tq = h->Tq, .Tk = h->Tk, .H = h->H, .G = h->G, .D = h->D, .scale = 1 / sqrtf((float)h->D), .causal = h->causal};
    a.q = floats_at(q, turn, 0), a.out = result_at(q * 4, turn);
    if (h->kept) a.k16 = halves_at(k, turn, 1), a.v16 = halves_at(k, turn, 2);
    else a.k = floats_at(k, turn, 1), a.v = floats_at(k, turn, 2);
    return a;
}

static AttentionBf16 bf16_heads(const Heads *h, int turn) {
    size_t q = (size_t)(h->B * h->Tq * h->H * h->D), k = (size_t)(h->B * h->Tk * h->G * h->D);
    AttentionBf16 a = {.B = h->B, .Tq = h->Tq, .Tk = h->Tk, .H = h->H, .G = h->G, .D = h->D, .scale = 1 / sqrtf((float)h->D), .causal = h->causal};
    a.q = halves_at(q, turn, 0), a.k = halves_at(k, turn, 1), a.v = halves_at(k, turn, 2), a.out = result_at(q * 2, turn);
    return a;
}

static void work(void *arg, int turn) {
    const Heads *h = arg;
    if (h->bf16) {
        AttentionBf16 a = bf16_heads(h, turn);
        if (h->version) cuda_attention_hopper_version(&a, h->version, NULL);
        else cuda_attention_bf16(&a, NULL);
    } else {
        Attention a = f32_of(h, turn);
        float *room = h->few ? result_at(cuda_attention_few_room(&a), turn + 1) : NULL;
        if (h->few && h->version) cuda_attention_few_version(&a, NULL, room, h->version, NULL);
        else if (h->few) cuda_attention_few(&a, NULL, room, NULL);
        else if (!h->version && cuda_attention_apart_takes(&a)) cuda_attention_apart(&a, result_at(cuda_attention_apart_room(&a), turn + 1), NULL);
        else cuda_attention_version(&a, h->version ? h->version : 2, NULL);
    }
}

// `rows` rows of D numbers, `stride` apart, as floats.
static float *fetched(const void *device, long rows, long D, long stride, bool halves) {
    size_t n = (size_t)(rows * D), size = halves ? 2 : 4;
    float *x = malloc(n * 4);
    uint16_t *h = malloc(n * 2);
    need(x && h, "bench: no memory");
    CUDA_CHECK(cudaMemcpy2D(halves ? (void *)h : (void *)x, (size_t)D * size, device, (size_t)stride * size, (size_t)D * size, (size_t)rows, cudaMemcpyDeviceToHost));
    if (halves) convert_bf16_f32(x, h, n);
    free(h);
    return x;
}

static double error_of(const Heads *h, const void *q, const void *k, const void *v, const void *out) {
    const bool kept = h->bf16 || h->kept;
    const size_t size = h->bf16 ? 2 : 4, kept_size = kept ? 2 : 4;
    long ldq = h->H * h->D, ld = h->G * h->D;
    double wrong = 0, all = 0, *p = malloc((size_t)h->Tk * sizeof *p), y[256];
    need(p && h->D <= 256, "bench: no memory");
    for (uint64_t n = 0; n < 12; n++) {
        long b = (long)rng_below(rng_of(8, "b"), n, (uint64_t)h->B), head = (long)rng_below(rng_of(8, "h"), n, (uint64_t)h->H), i = n == 0 ? 0 : n == 1 ? h->Tq - 1 : (long)rng_below(rng_of(8, "i"), n, (uint64_t)h->Tq);
        long seen = h->causal ? i + h->Tk - h->Tq + 1 : h->Tk, row = (b * h->Tq + i) * ldq + head * h->D, column = b * h->Tk * ld + head / (h->H / h->G) * h->D;
        float *x = fetched((const char *)q + (size_t)row * size, 1, h->D, ldq, h->bf16), *keys = fetched((const char *)k + (size_t)column * kept_size, h->Tk, h->D, ld, kept);
        float *values = fetched((const char *)v + (size_t)column * kept_size, h->Tk, h->D, ld, kept), *got = fetched((const char *)out + (size_t)row * size, 1, h->D, ldq, h->bf16);
        double top = -INFINITY, sum = 0;
        for (long j = 0; j < seen; j++) {
            p[j] = 0;
            for (long d = 0; d < h->D; d++) p[j] += (double)x[d] * (double)keys[j * h->D + d];
            p[j] /= sqrt((double)h->D);
            top = fmax(top, p[j]);
        }
        for (long d = 0; d < h->D; d++) y[d] = 0;
        for (long j = 0; j < seen; j++) {
            double e = exp(p[j] - top);
            sum += e;
            for (long d = 0; d < h->D; d++) y[d] += e * (double)values[j * h->D + d];
        }
        for (long d = 0; d < h->D; d++) wrong += pow(y[d] / sum - (double)got[d], 2), all += pow(y[d] / sum, 2);
        free(x), free(keys), free(values), free(got);
    }
    free(p);
    return sqrt(wrong / all);
}

static void row(Bench *b, Heads h, double gate, double goal) {
    char area[60], shape[100], ask[120];
    snprintf(area, sizeof area, h.bf16 && h.version ? "attention bf16, version %d" : h.bf16 ? "attention bf16" : h.kept && h.version ? "attention of few, keys in bf16, version %d" : h.kept ? "attention of few, keys in bf16" : h.few ? "attention of few, f32" : h.version ? "attention f32, version %d" : "attention f32", h.version);
    if (h.peer) snprintf(area, sizeof area, "attention bf16 beside PyTorch's %s", h.peer);
    snprintf(shape, sizeof shape, "%ld x %ld/%ld tokens, heads %ld/%ld of %ld%s", h.B, h.Tq, h.Tk, h.H, h.G, h.D, h.causal ? ", causal" : "");
    snprintf(ask, sizeof ask, "attention %s %ld %ld %ld %ld %ld %ld %d %s", h.bf16 || h.kept ? "bf16" : "f32", h.B, h.Tq, h.Tk, h.H, h.G, h.D, h.causal, h.peer ? h.peer : "any");
    double pairs = (double)h.B * (double)h.H * (double)h.Tq * (double)h.Tk * (h.causal && h.Tq > 1 ? 0.5 : 1), size = h.bf16 ? 2 : 4, kept = h.bf16 || h.kept ? 2 : 4;
    Contest c = {.area = area, .shape = shape, .ours = work, .ask = ask, .arg = &h, .flops = 4 * pairs * (double)h.D, .peak = h.bf16 ? b->bf16 : b->f32,
                 .bytes = 2 * (double)(h.B * h.D) * (size * (double)(h.Tq * h.H) + kept * (double)(h.Tk * h.G)), .gate = gate, .goal = goal, .allow = h.bf16 ? 1e-2 : 2e-5};
    if (!bench_begins(b, area, shape)) return;
    work(&h, 0);
    if (h.bf16) {
        AttentionBf16 a = bf16_heads(&h, 0);
        c.error = error_of(&h, a.q, a.k, a.v, a.out);
    } else {
        Attention a = f32_of(&h, 0);
        c.error = error_of(&h, a.q, h.kept ? (const void *)a.k16 : a.k, h.kept ? (const void *)a.v16 : a.v, a.out);
    }
    contest(b, &c);
}

void bench_attention(Bench *b) {
    for (int p = 0; p < 2; p++) { // each with its own goal
        const char *peer = p ? "cudnn" : "flash";
        row(b, (Heads){64, 577, 577, 16, 16, 64, false, true, .peer = peer}, p ? 0 : 0.7, p ? 0.8 : 1.0);
        row(b, (Heads){4, 2048, 2048, 32, 32, 128, true, true, .peer = peer}, p ? 0 : 0.6, p ? 0.7 : 0.9);
        row(b, (Heads){2, 4096, 4096, 32, 32, 128, true, true, .peer = peer}, p ? 0 : 0.6, p ? 0.7 : 0.9);
    }
    row(b, (Heads){64, 577, 577, 16, 16, 64, false, true, false, 0}, 0, 0);
    const bool hopper = cuda_attention_hopper_takes(&(AttentionBf16){.B = 1, .Tq = 577, .Tk = 577, .H = 1, .G = 1, .D = 64});
    static const int versions[] = {128, 208, 1128, 1208};
    for (int v = 0; hopper && v < 4; v++) row(b, (Heads){64, 577, 577, 16, 16, 64, false, true, false, versions[v]}, 0, 0);
    row(b, (Heads){4, 2048, 2048, 32, 32, 128, true, true, false, 0}, 0, 0);
    row(b, (Heads){2, 4096, 4096, 32, 32, 128, true, true, false, 0}, 0, 0);
    for (int i = 0; hopper && i < 2; i++) row(b, (Heads){i ? 2 : 4, i ? 4096 : 2048, i ? 4096 : 2048, 32, 32, 128, true, true, false, 1128}, 0, 0);
    row(b, (Heads){1, 1, 2048, 32, 32, 128, true, false, true, 0}, 0, 0);
    row(b, (Heads){32, 1, 2048, 32, 32, 128, true, false, true, 0}, 0, 0);
    for (int texts = 1; texts <= 32; texts *= 32) {
        row(b, (Heads){texts, 1, 2048, 32, 32, 128, true, false, true, 0, true}, 0, 0);
        for (int i = 0; i < 6; i++) row(b, (Heads){texts, 1, (long[]){112, 640, 2048}[i / 2], 32, 32, 128, true, false, true, 1 + i % 2, true}, 0, 0);
    }
    row(b, (Heads){8, 577, 577, 16, 16, 64, false, false, false, 0}, 0, 0);
    row(b, (Heads){1, 2048, 2048, 32, 32, 128, true, false, false, 0}, 0, 0);
    for (int version = 2; version >= 1; version--) row(b, (Heads){8, 577, 577, 16, 16, 64, false, false, false, version}, 0, 0);
    row(b, (Heads){32, 1, 2048, 32, 32, 128, true, false, false, 0}, 0, 0);
}
