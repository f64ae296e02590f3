// cuda_light.c: kernels that are bound by memory: how much of a plain copy's speed they reach. Their results are not looked at here:
// test_cuda_light compares every bit with the CPU's.
#include <stdio.h>

#include "cuda.h"
#include "cuda/choosing.h"

typedef struct {
    int which;
    long R, C;
} Light;

enum { COPY, LAYERNORM, RMSNORM, L2NORM, GELU, SILU, ADD, MUL, ADD_ROWS, SCALE, NARROW, WIDEN, ROTARY, TRANSPOSE, EMBEDDING, CROSS_ENTROPY, MEAN_TOKENS, PREPEND, GREEDY, BEAMS, DRAWN };

static const int32_t *ids(long R, long below) { // the same each turn: small beside the rows
    static int32_t *p, host[1 << 20];
    for (long i = 0; i < R && i < 1 << 20; i++) host[i] = (int32_t)(i * 7919 % below);
    if (!p) CUDA_CHECK(cudaMalloc((void **)&p, sizeof host));
    CUDA_CHECK(cudaMemcpy(p, host, sizeof host, cudaMemcpyHostToDevice));
    return p;
}

static const int32_t *indices;

// The next ids of R rows of C scores: the best; the best twelve of log softmax; one drawn of the best fifty.
static void choice(int which, float *out, const float *logits, long R, long C) {
    CudaChoose c = {.logits = logits, .R = R, .V = C, .how = {.temperature = 1, .best = which == BEAMS ? 12 : 1, .normalised = which == BEAMS}};
    if (which == DRAWN) c.how.draw = (Drawing){.uniform = (const double *)floats_at((size_t)R * 2, 0, 2), .top_k = 50, .top_p = 0.9, .filter_temperature = 1, .temperature = 1};
    c.rows = (Distribution *)out, c.best = (Choice *)(c.rows + R), c.likeliest = c.best + R * c.how.best;
    cuda_choose(&c, out + 4096 * 16, which == BEAMS, NULL);
}

static void work(void *arg, int turn) {
    const Light *l = arg;
    long R = l->R, C = l->C;
    size_t n = (size_t)(R * C);
    const float *x = floats_at(n, turn, 0), *y = floats_at(n, turn, 1), *w = floats_at((size_t)C, turn, 2);
    float *out = result_at(n * 4 + (l->which >= GREEDY ? 4 * n + (1 << 20) : 0), turn);
    Stored weight = {w, DTYPE_F32}, bias = {w + C, DTYPE_F32}, table = {halves_at(n, turn, 0), DTYPE_BF16};
    switch (l->which) {
    case COPY: CUDA_CHECK(cudaMemcpyAsync(out, x, n * 4, cudaMemcpyDeviceToDevice, NULL)); break;
    case LAYERNORM: cuda_layernorm(out, x, weight, bias, R, C, 1e-5f, NULL); break;
    case RMSNORM: cuda_rmsnorm(out, x, weight, R, C, 1e-5f, 0, NULL); break;
    case L2NORM: cuda_l2norm(out, x, R, C, 1e-12f, NULL); break;
    case GELU: cuda_activation(out, x, n, ACT_GELU, NULL); break;
    case SILU: cuda_activation(out, x, n, ACT_SILU, NULL); break;
    case ADD: cuda_add(out, x, y, n, NULL); break;
    case MUL: cuda_mul(out, x, y, n, NULL); break;
    case ADD_ROWS: cuda_add_rows(out, x, weight, n, (size_t)C, NULL); break;
    case SCALE: cuda_scale(out, x, n, 0.5f, NULL); break;
    case NARROW: cuda_narrow((uint16_t *)out, x, n, NULL); break;
    case WIDEN: cuda_widen(out, table, n, NULL); break;
    case ROTARY: cuda_rotary(out, x, w, w + C, R, C / 128, 128, 64, 1, NULL); break;
    case TRANSPOSE: cuda_transpose(out, x, R, C, NULL); break;
    case EMBEDDING: cuda_embedding(out, table, indices, R, C, NULL); break;
    case CROSS_ENTROPY: cuda_cross_entropy(out, x, indices, (double *)(out + 64), R, C, NULL); break;
    case GREEDY: case BEAMS: case DRAWN: choice(l->which, out, x, R, C); break;
    case MEAN_TOKENS: cuda_mean_tokens(out, x, R / 577, 577, C, NULL); break;
    default: cuda_copy_block(out, 577 * C, x, 576 * C, R / 577, 576 * C, NULL);
    }
}

static void row(Bench *b, int which, const char *name, long R, long C, double bytes, const char *ask, double gate, double goal) {
    Light l = {which, R, C};
    char shape[64], line[80];
    snprintf(shape, sizeof shape, "%ld x %ld", R, C);
    if (ask) snprintf(line, sizeof line, "%s %ld %ld", ask, R, C);
    if (which == GELU) snprintf(line, sizeof line, "gelu %ld", R * C);
    indices = ids(R, which == CROSS_ENTROPY ? C : R);
    contest(b, &(Contest){.area = name, .shape = shape, .ours = work, .ask = NULL, .arg = &l, .bytes = bytes * (double)R * (double)C, .gate = gate, .goal = goal});
    if (ask) { // the gate is the machine's; PyTorch's time stands beside it
        double python = b->torch && !bench_late(b) && peer_ask(b->torch, "%s\n", line) > 0 ? peer_ask(b->torch, "%s\n", line) : 0;
        if (python > 0) bench_say(b->page, "| %s | %s | %.4f | | | PyTorch | %.2f | | | | |", name, shape, python * 1e3, bytes * (double)R * (double)C / b->copy / python);
    }
}

void bench_light(Bench *b) {
    const long vit = 64 * 577, text = 4 * 2048;
    row(b, COPY, "copy", vit, 1024, 8, NULL, 0, 0);
    row(b, LAYERNORM, "layernorm", vit, 1024, 8, "layernorm", 0.85, 0.93);
    row(b, LAYERNORM, "layernorm", text, 4096, 8, NULL, 0.85, 0.93);
    row(b, RMSNORM, "rmsnorm", text, 4096, 8, "rmsnorm", 0.85, 0.93);
    row(b, L2NORM, "l2norm", vit, 1024, 8, NULL, 0.85, 0.93);
    row(b, GELU, "GELU", vit, 4096, 8, "gelu", 0.85, 0.93);
    row(b, SILU, "SiLU", text, 11008, 8, NULL, 0.85, 0.93);
    row(b, ADD, "add", vit, 1024, 12, NULL, 0.85, 0.93);
    row(b, MUL, "mul", text, 11008, 12, NULL, 0.85, 0.93);
    row(b, ADD_ROWS, "add_rows", vit, 1024, 8, NULL, 0.85, 0.93);
    row(b, SCALE, "scale", vit, 1024, 8, NULL, 0.85, 0.93);
    row(b, NARROW, "to bf16", vit, 4096, 6, NULL, 0.85, 0.93);
    row(b, WIDEN, "from bf16", vit, 4096, 6, NULL, 0.85, 0.93);
    row(b, ROTARY, "rotary", text, 4096, 8, NULL, 0.85, 0.93);
    row(b, TRANSPOSE, "transpose", vit, 1024, 8, NULL, 0, 0);
    row(b, EMBEDDING, "gather of bf16 rows", text, 4096, 6, NULL, 0.85, 0.93);
    row(b, PREPEND, "copy of tokens", vit, 1024, 8, NULL, 0, 0);
    row(b, MEAN_TOKENS, "mean of tokens", vit, 1024, 4, NULL, 0, 0);
    row(b, CROSS_ENTROPY, "cross entropy", 2048, 32000, 4, "cross_entropy", 0, 0);
    row(b, GREEDY, "next id, greedy", 1, 32000, 4, NULL, 0, 0);
    row(b, GREEDY, "next id, greedy", 32, 32000, 4, NULL, 0, 0);
    row(b, GREEDY, "next id, greedy", 1, 151936, 4, NULL, 0, 0);
    row(b, BEAMS, "next ids, twelve best", 6, 49408, 4, NULL, 0, 0);
    row(b, DRAWN, "next id, drawn", 32, 32000, 4, NULL, 0, 0);
}
