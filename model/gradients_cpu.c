// gradients_cpu.c: the table of gradients.h on a CPU. Every number belongs to one thread, every sum has one order.
#include "gradients.h"

#include <math.h>
#include <string.h>

#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"

enum { GRAIN = 16384, PIECE = 1024, LANES = 16 };

static void cpu_zero(float *d, size_t n) { memset(d, 0, n * sizeof *d); }

// ---- number by number

// dy/dx. Where y = x f(x), f(x) = y / x is what the forward pass computed, to two roundings; f(0) = 1/2.
static void slopes(float *out, const float *x, const float *y, long n, Act act) {
    float e[PIECE];
    switch (act) {
    case ACT_GELU: // y = x P(x): P + x p(x), p the normal density
        for (long i = 0; i < n; i++) e[i] = -0.5f * x[i] * x[i];
        kernels()->exp(e, e, n);
        for (long i = 0; i < n; i++) out[i] = (x[i] == 0 ? 0.5f : y[i] / x[i]) + x[i] * (0.398942280f * e[i]);
        break;
    case ACT_GELU_TANH: // y = x (1 + t) / 2, t = tanh(u), u = a (x + b x^3)
        for (long i = 0; i < n; i++) {
            float half = x[i] == 0 ? 0.5f : y[i] / x[i], t = 2 * half - 1;
            float du = 0.797884561f * (1 + 3 * 0.044715f * x[i] * x[i]);
            out[i] = half + 0.5f * x[i] * (1 - t * t) * du;
        }
        break;
    case ACT_QUICK_GELU:
    case ACT_SILU: // y = x s(a x): s (1 + a x (1 - s))
        for (long i = 0; i < n; i++) {
            float s = x[i] == 0 ? 0.5f : y[i] / x[i], a = act == ACT_SILU ? 1 : 1.702f;
            out[i] = s * (1 + a * x[i] * (1 - s));
        }
        break;
    case ACT_RELU:
        for (long i = 0; i < n; i++) out[i] = x[i] > 0 ? 1 : 0;
        break;
    case ACT_TANH:
        for (long i = 0; i < n; i++) out[i] = 1 - y[i] * y[i];
        break;
    case ACT_SIGMOID:
        for (long i = 0; i < n; i++) out[i] = y[i] * (1 - y[i]);
        break;
    case ACT_NONE:
        for (long i = 0; i < n; i++) out[i] = 1;
    }
}

static void activation_job(void *arg, size_t begin, size_t end) {
    const EachGradient *k = arg;
    float slope[PIECE];
    for (size_t at = begin; at < end; at += PIECE) {
        long n = (long)(end - at < PIECE ? end - at : PIECE);
        slopes(slope, k->x + at, k->y + at, n, k->act);
        float *d = k->d + at;
        const float *g = k->g + at;
        if (k->fresh)
            for (long i = 0; i < n; i++) d[i] = g[i] * slope[i];
        else
            for (long i = 0; i < n; i++) d[i] += g[i] * slope[i];
    }
}

#define EACH(name, expression)                                                                     \
    static void name##_job(void *arg, size_t begin, size_t end) {                                  \
        const EachGradient *k = arg;                                                               \
        if (k->fresh)                                                                              \
            for (size_t i = begin; i < end; i++) k->d[i] = expression;                             \
        else                                                                                       \
            for (size_t i = begin; i < end; i++) k->d[i] += expression;                            \
    }

EACH(pass, k->g[i])
EACH(product, k->g[i] * k->x[i])
EACH(row_product, k->g[i] * k->x[i % k->C])
EACH(scale, k->g[i] * k->number)
EACH(scale_by, k->g[i] * k->x[0])
EACH(softcap, k->g[i] * (1 - (k->y[i] / k->number) * (k->y[i] / k->number)))
EACH(clamp, k->x[i] >= k->number && k->x[i] <= k->number2 ? k->g[i] : 0)
EACH(dropout, rng_uniform((Rng){.seed = k->seed, .stream = k->stream}, i) < (double)k->number ? 0 : k->g[i] * (1 / (1 - k->number)))
EACH(mean, k->g[i / (k->T * k->C) * k->C + i % k->C] / (float)k->T)
EACH(difference, k->number * (2 * k->g[0] / (float)k->n) * (k->x[i] - k->y[i]))

static void cpu_each(const EachGradient *e) {
    static ParallelFn *const jobs[EACH_KINDS] = {
        [EACH_PASS] = pass_job,       [EACH_PRODUCT] = product_job, [EACH_ROW_PRODUCT] = row_product_job, [EACH_SCALE] = scale_job,
        [EACH_SCALE_BY] = scale_by_job, [EACH_SOFTCAP] = softcap_job, [EACH_CLAMP] = clamp_job, [EACH_DROPOUT] = dropout_job,
        [EACH_MEAN] = mean_job,       [EACH_DIFFERENCE] = difference_job, [EACH_ACTIVATION] = activation_job};
    EachGradient copy = *e;
    parallel_for(e->n, GRAIN, jobs[e->kind], &copy);
}

static void adam_job(void *arg, size_t begin, size_t end) { kernels()->adam(arg, begin, end); }

static void cpu_adam(const AdamStep *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        AdamStep copy = steps[i];
        parallel_for(copy.n, GRAIN, adam_job, &copy);
    }
}

// ---- rows and columns

typedef struct {
    float *d;
    const float *g, *x;
    long R, ld;
} Sum;

static void sum_job(void *arg, size_t begin, size_t end) {
    const Sum *k = arg;
    for (long r = 0; r < k->R; r++) {
        const float *g = k->g + r * k->ld, *x = k->x ? k->x + r * k->ld : NULL;
        if (x)
            for (size_t c = begin; c < end; c++) k->d[c] += g[c] * x[c];
        else
            for (size_t c = begin; c < end; c++) k->d[c] += g[c];
    }
}

static void cpu_sum_rows(float *d, const float *g, const float *x, long R, long C, long ld) {
    size_t grain = C < 64 * 64 ? 64 : C > 64 * 1024 ? 1024 : (size_t)C / 64; // pieces of rows that are cache lines, and work for all threads
    parallel_for((size_t)C, grain, sum_job, &(Sum){.d = d, .g = g, .x = x, .R = R, .ld = ld});
}

static void cpu_add_columns(float *d, long ldd, const float *g, long ldg, long R, long C) {
    for (long r = 0; r < R; r++)
        for (long c = 0; c < C; c++) d[r * ldd + c] += g[r * ldg + c];
}

static void cpu_add_rows(float *d, const int32_t *to, const float *g, const int32_t *from, long n, long C) {
    for (long i = 0; i < n; i++)
        for (long c = 0, t = to ? to[i] : i, f = from ? from[i] : i; c < C; c++) d[t * C + c] += g[f * C + c];
}

// The rotation turned back: out[j] = x[j] c - x[j+h] s, out[j+h] = x[j+h] c + x[j] s.
static void cpu_rotary(float *d, const float *g, const float *cosine, const float *sine, long R, long heads, long D, long half, long rows) {
    for (long r = 0; r < R; r++) {
        const float *c = cosine + r % rows * half, *s = sine + r % rows * half;
        for (long at = 0; at < heads * D; at += D) {
            const float *gh = g + r * heads * D + at;
            float *dh = d + r * heads * D + at;
            for (long j = 0; j < half; j++) {
                dh[j] += gh[j] * c[j] + gh[j + half] * s[j];
                dh[j + half] += gh[j + half] * c[j] - gh[j] * s[j];
            }
            for (long j = 2 * half; j < D; j++) dh[j] += gh[j];
        }
    }
}

// pixels (B, channels, h, w) from (B, GH*GW, channels*P*P); pixels outside the last whole patch get nothing.
static void cpu_patchify(float *d, const float *g, long B, long channels, long h, long w, long P) {
    long GH = h / P, GW = w / P, E = channels * P * P;
    for (long b = 0; b < B; b++)
        for (long p = 0; p < GH * GW; p++)
            for (long e = 0; e < E; e++) {
                long c = e / (P * P), i = p / GW * P + e / P % P, j = p % GW * P + e % P;
                d[((b * channels + c) * h + i) * w + j] += g[(b * GH * GW + p) * E + e];
            }
}

// ---- norms

static float fold(float s[LANES]) {
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int j = 0; j < n; j++) s[j] += s[j + n];
    return s[0];
}

static float plain_sum(const float *x, long n) {
    float s[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += x[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i];
    return fold(s);
}

static float plain_square(const float *x, long n) {
    float s[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += x[i + j] * x[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i] * x[i];
    return fold(s);
}

// y = w * hat + b with hat = (x - mean) * s. With h = g * w:
//   layer: dx = s (h - mean(h) - hat mean(h hat)); rms: dx = s (h - hat mean(h hat)); l2: sums instead of means.
static void norm_job(void *arg, size_t begin, size_t end) {
    const NormGradient *k = arg;
    long C = k->C;
    for (long r = (long)begin; r < (long)end; r++) {
        const float *x = k->x + r * C, *g = k->g + r * C;
        float *hat = k->hat + r * C;
        float mean = k->norm == NORM_LAYER ? plain_sum(x, C) / (float)C : 0;
        for (long i = 0; i < C; i++) hat[i] = x[i] - mean;
        float square = plain_square(hat, C), length = sqrtf(square);
        float s = k->norm != NORM_L2 ? 1 / sqrtf(square / (float)C + k->eps) : 1 / (length > k->eps ? length : k->eps);
        for (long i = 0; i < C; i++) hat[i] *= s;
        if (!k->d) continue;
        float h1[LANES] = {0}, h2[LANES] = {0};
        for (long at = 0; at < C; at += LANES)
            for (long j = 0; j < LANES && at + j < C; j++) {
                float h = k->weight ? g[at + j] * (k->plus + k->weight[at + j]) : g[at + j];
                h1[j] += h;
                h2[j] += h * hat[at + j];
            }
        float share = k->norm == NORM_L2 ? 1 : 1 / (float)C;
        float mean_h = k->norm == NORM_LAYER ? fold(h1) * share : 0;
        bool constant = k->norm == NORM_L2 && length <= k->eps; // the divisor does not depend on x there
        float mean_hh = constant ? 0 : fold(h2) * share;
        for (long i = 0; i < C; i++) {
            float h = k->weight ? g[i] * (k->plus + k->weight[i]) : g[i];
            float v = s * (h - mean_h - hat[i] * mean_hh);
            k->d[r * C + i] = k->fresh ? v : k->d[r * C + i] + v;
        }
    }
}

static void cpu_norm(const NormGradient *k) {
    NormGradient copy = *k;
    parallel_for((size_t)k->R, 16, norm_job, &copy);
}

// ---- losses and sums

typedef struct {
    long V;
    const float *logits;
    const int32_t *targets;
    float *d, weight; // weight: the loss's gradient over the number of rows that count
    bool fresh;
} EntropyWork;

// (softmax - one at the target) * weight; rows without a target get nothing.
static void entropy_job(void *arg, size_t begin, size_t end) {
    const EntropyWork *k = arg;
    float *p = thread_room((size_t)k->V + 16);
    for (size_t r = begin; r < end; r++) {
        float *d = k->d + r * (size_t)k->V, weight = k->targets[r] < 0 ? 0 : k->weight;
        if (k->fresh) memset(d, 0, (size_t)k->V * sizeof *d);
        if (weight == 0) continue;
        kernels()->softmax(p, k->logits + r * (size_t)k->V, k->V);
        for (long i = 0; i < k->V; i++) d[i] += p[i] * weight;
        d[k->targets[r]] -= weight;
    }
}

static void cpu_cross_entropy(float *d, bool fresh, const float *logits, const int32_t *targets, const float *g, long R, long V) {
    long counted = 0;
    for (long r = 0; r < R; r++) counted += targets[r] >= 0;
    EntropyWork k = {.V = V, .logits = logits, .targets = targets, .d = d, .weight = counted ? g[0] / (float)counted : 0, .fresh = fresh};
    parallel_for((size_t)R, 8, entropy_job, &k);
}

typedef struct {
    const DotPair *pair;
    double *sums;
} DotWork;

static void dot_job(void *arg, size_t begin, size_t end) {
    const DotWork *k = arg;
    for (size_t piece = begin; piece < end; piece++) {
        size_t from = piece * DOT_PIECE, left = k->pair->n - from, n = left < DOT_PIECE ? left : DOT_PIECE, i = 0;
        const float *a = k->pair->a + from, *b = k->pair->b + from;
        double s[DOT_SUMS] = {0};
        for (; i + DOT_SUMS <= n; i += DOT_SUMS)
            for (size_t j = 0; j < DOT_SUMS; j++) s[j] += (double)a[i + j] * (double)b[i + j];
        for (size_t j = 0; i < n; i++, j++) s[j] += (double)a[i] * (double)b[i];
        for (int half = DOT_SUMS / 2; half; half /= 2)
            for (int j = 0; j < half; j++) s[j] += s[j + half];
        k->sums[piece] = s[0];
    }
}

static void cpu_dots(double *out, const DotPair *pairs, size_t count) {
    Arena *a = arena_new("sums of products");
    for (size_t i = 0; i < count; i++) {
        Mark mark = arena_mark(a);
        size_t pieces = (pairs[i].n + DOT_PIECE - 1) / DOT_PIECE;
        DotWork k = {.pair = &pairs[i], .sums = take(a, double, pieces)};
        parallel_for(pieces, 2, dot_job, &k);
        out[i] = 0;
        for (size_t p = 0; p < pieces; p++) out[i] += k.sums[p];
        arena_release(a, mark);
    }
    arena_free(a);
}

const Gradients gradients_cpu = {
    .zero = cpu_zero, .product = gemm, .each = cpu_each, .sum_rows = cpu_sum_rows, .add_columns = cpu_add_columns, .add_rows = cpu_add_rows,
    .norm = cpu_norm, .rotary = cpu_rotary, .patchify = cpu_patchify, .attention = gradients_attention, .cross_entropy = cpu_cross_entropy,
    .dots = cpu_dots, .adam = cpu_adam};
