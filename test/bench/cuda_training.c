// cuda_training.c: what a training step adds to a forward: products of gradients, an update of AdamW, slopes of norms and of the loss. The
// results are not looked at here: test_cuda_train compares every bit with the CPU's.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda.h"
#include "cuda/gradients.h"

enum { ADAMW, NORM, ENTROPY, ACTIVATION, PRODUCT };

typedef struct {
    int which;
    long R, C, K;
    GemmKind kind;
    int version;
} Training;

static const int32_t *targets;

// What an update of one tensor of n numbers reads, on the GPU: several of them, each for another place of the results.
enum { PLACES = 4 };
static AdamStep *steps;
static Piece *pieces;

static void adam_open(size_t n) {
    const long count = (long)((n + ADAM_PIECE - 1) / ADAM_PIECE);
    AdamStep here[PLACES];
    Piece *list = malloc((size_t)count * sizeof *list);
    need(list, "bench: no memory");
    for (long i = 0; i < count; i++) list[i] = (Piece){0, (int32_t)i};
    for (int turn = 0; turn < PLACES; turn++) {
        float *d = result_at(4 * n * sizeof *d, turn);
        here[turn] = (AdamStep){.w = d, .m = d + n, .v = d + 2 * n, .g = floats_at(n, turn, 1), .n = n, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .keep = 0.999f, .rate = 1e-3f, .root2 = 1, .shrink = 1};
    }
    CUDA_CHECK(cudaMalloc((void **)&steps, sizeof here));
    CUDA_CHECK(cudaMalloc((void **)&pieces, (size_t)count * sizeof *pieces));
    CUDA_CHECK(cudaMemcpy(steps, here, sizeof here, cudaMemcpyHostToDevice));
    CUDA_CHECK(cudaMemcpy(pieces, list, (size_t)count * sizeof *pieces, cudaMemcpyHostToDevice));
    free(list);
}

static void work(void *arg, int turn) {
    const Training *t = arg;
    const size_t n = (size_t)(t->R * t->C);
    const float *x = floats_at(n, turn, 0), *g = floats_at(n, turn, 1);
    float *d = result_at(4 * n * sizeof *d, turn);
    switch (t->which) {
    case ADAMW: cuda_adam(steps + turn % PLACES, pieces, (long)((n + ADAM_PIECE - 1) / ADAM_PIECE), NULL); break;
    case NORM: cuda_norm_gradient_version(&(NormGradient){.norm = NORM_LAYER, .R = t->R, .C = t->C, .x = x, .g = g, .weight = x, .eps = 1e-5f, .hat = d, .d = d + n, .fresh = true}, t->version, NULL); break;
    case ENTROPY: cuda_entropy_gradient(d, true, x, targets, g, t->R, t->R, t->C, NULL); break;
    case ACTIVATION: cuda_each_gradient(&(EachGradient){.kind = EACH_ACTIVATION, .d = d, .fresh = true, .n = n, .g = g, .x = x, .y = x, .act = ACT_GELU}, NULL); break;
    default: {
        Gemm p = {.kind = t->kind, .M = t->R, .N = t->C, .K = t->K, .B_type = DTYPE_F32, .ldc = t->C, .lda = t->kind == GEMM_TN ? t->R : t->K, .ldb = t->kind == GEMM_NT ? t->K : t->C};
        p.A = floats_at((size_t)(t->R * t->K), turn, 0), p.B = floats_at((size_t)(t->C * t->K), turn, 1), p.C = d;
        cuda_gemm(&p, NULL);
    }
    }
}

static void row(Bench *b, const char *name, Training t, double bytes, double gate, double goal) {
    char shape[80];
    if (bench_late(b)) {
        b->skipped++;
        return;
    }
    snprintf(shape, sizeof shape, t.K ? "%ld x %ld x %ld" : "%ld x %ld", t.R, t.C, t.K);
    Contest c = {.area = name, .shape = shape, .ours = work, .arg = &t, .bytes = bytes * (double)t.R * (double)t.C, .gate = gate, .goal = goal};
    if (t.K) c.flops = 2.0 * (double)t.R * (double)t.C * (double)t.K, c.peak = b->f32;
    contest(b, &c);
}

void bench_training(Bench *b) {
    static int32_t host[8192];
    int32_t *p;
    for (int i = 0; i < 8192; i++) host[i] = i * 7919 % 32000;
    CUDA_CHECK(cudaMalloc((void **)&p, sizeof host));
    CUDA_CHECK(cudaMemcpy(p, host, sizeof host, cudaMemcpyHostToDevice));
    targets = p;
    CUDA_CHECK(cudaMemset(result_at(0, 0), 0, (size_t)1 << 31)); // moments that are numbers
    adam_open((size_t)8192 * 8192);
    row(b, "AdamW", (Training){ADAMW, 8192, 8192, 0, GEMM_NT}, 28, 0.85, 0.93);
    row(b, "slopes of a layer norm", (Training){NORM, 64 * 577, 1024, 0, GEMM_NT, 1}, 16, 0, 0);
    row(b, "slopes of a layer norm, version 0", (Training){NORM, 64 * 577, 1024, 0, GEMM_NT, 0}, 16, 0, 0);
    row(b, "slopes of a layer norm", (Training){NORM, 8192, 4096, 0, GEMM_NT, 1}, 16, 0, 0);
    row(b, "slopes of GELU", (Training){ACTIVATION, 64 * 577, 4096, 0, GEMM_NT}, 16, 0, 0);
    row(b, "slopes of the cross entropy", (Training){ENTROPY, 2048, 32000, 0, GEMM_NT}, 8, 0, 0);
    row(b, "f32 product NN", (Training){PRODUCT, 8 * 577, 1024, 4096, GEMM_NN}, 0, 0, 0);
    row(b, "f32 product TN", (Training){PRODUCT, 4096, 1024, 8 * 577, GEMM_TN}, 0, 0, 0);
    CUDA_CHECK(cudaFree(p));
    CUDA_CHECK(cudaFree(steps));
    CUDA_CHECK(cudaFree(pieces));
}
