// points.c: see points.h.
//
// Bound: C products in float, summed in parts of D = 64 and those in order, have an error below (D + C / D + 2) u |q||g|,
// u = 2^-24; rounding the operands adds 2 u |q||g|, the lift 2 u |lift|. With 16 more and 8 in place of 2, the arithmetic
// on the bounds themselves is covered too.
#include "points.h"

#include <math.h>
#include <string.h>

#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"

#define NAME(x) knn_plain_##x
#define LANES 4
#define MR 4
#define NV 2
// fused, as in the vector units: the same bits everywhere
#define MADD(s, a, b)                                                                              \
    do {                                                                                           \
        for (int l_ = 0; l_ < LANES; l_++) (s)[l_] = fmaf(a, (b)[l_], (s)[l_]);                    \
    } while (0)
static uint32_t bits_ge(const float *x, const float *y) {
    uint32_t bits = 0;
    for (int j = 0; j < LANES; j++) bits |= (uint32_t)(x[j] >= y[j]) << j;
    return bits;
}
#define BITS_GE(x, y) bits_ge((const float[]){(x)[0], (x)[1], (x)[2], (x)[3]}, (const float[]){(y)[0], (y)[1], (y)[2], (y)[3]})
#include "knn_kernels.inc"

const KnnKernels *knn_kernels(void) {
#if defined(__x86_64__)
    if (cpu_level() == CPU_AVX512) return &knn_avx512_kernels;
    if (cpu_level() == CPU_AVX2) return &knn_avx2_kernels;
#endif
    return &knn_plain_kernels;
}

// ---- preparation

typedef struct {
    const Points *side;
    int width;
    float *out;
} Packing;

// Places [first, first + count) of a side as panels of `width` rows, few numbers of each at a time: what is written stays in L1.
static void pack(float *out, const Points *s, size_t first, int count, int width) {
    enum { SOME = 64 };
    const KnnKernels *kernel = knn_kernels();
    float some[32][SOME];
    for (int p = 0; p < count; p += width, out += (size_t)width * s->C)
        for (int k0 = 0; k0 < s->C; k0 += SOME) {
            int n = s->C - k0 < SOME ? s->C - k0 : SOME;
            for (int i = 0; i < width; i++) {
                size_t r = first + (size_t)(p + i), row = r < s->N ? points_row(s, r) : 0;
                if (r < s->N) kernel->prepare(some[i], s->x + row * (size_t)s->C + k0, s->scale[row], s->mean + k0, (size_t)n);
                else memset(some[i], 0, sizeof some[i]);
            }
            for (int k = 0; k < n; k++)
                for (int i = 0; i < width; i++) out[(size_t)(k0 + k) * width + i] = some[i][k];
        }
}

// Cosine: 1 / length. l2: for now the largest magnitude of the row.
static void scale_range(void *arg, size_t begin, size_t end) {
    Points *s = arg;
    for (size_t r = begin; r < end; r++) {
        const float *x = s->x + r * (size_t)s->C;
        double most = 0, poison = 0;
        if (s->metric == KNN_COSINE) {
            double square = knn_kernels()->dot(x, x, (size_t)s->C);
            most = 1 / fmax(sqrt(square), 1e-12), poison = square * 0; // NaN if one number is not finite
        }
        for (int k = 0; k < s->C && s->metric == KNN_L2; k++) {
            double size = fabs(x[k]);
            most = size > most ? size : most;
            poison += x[k] * 0;
        }
        s->scale[r] = poison == 0 ? most : NAN;
    }
}

// Lengths and lifts in double, of the exact values: the rounding of the packed ones is in the bound.
static void lift_range(void *arg, size_t begin, size_t end) {
    Points *s = arg;
    for (size_t r = begin; r < end; r++) {
        size_t row = points_row(s, r);
        double square, along;
        knn_kernels()->moments(&square, &along, s->x + row * (size_t)s->C, s->scale[row], s->mean, (size_t)s->C);
        s->square[r] = square;
        s->exact_lift[r] = s->metric == KNN_COSINE ? along : -square / 2;
        s->length[r] = (float)(sqrt(square) * (1 + 1e-6));
        s->slack[r] = (float)((KNN_DEPTH + s->C / KNN_DEPTH + 20) * 0x1p-24 * (1 + 1e-6) * sqrt(square));
    }
}

static void pack_range(void *arg, size_t begin, size_t end) {
    const Packing *p = arg;
    for (size_t b = begin; b < end; b++)
        pack(p->out + b * KNN_BLOCK * (size_t)p->side->C, p->side, b * KNN_BLOCK, KNN_BLOCK, p->width);
}

// Column sums over fixed chunks of rows, folded in order.
enum { CHUNK = 1024 };
typedef struct {
    const Points *side;
    double *sums; // (chunks, C)
} Sums;

static void sums_range(void *arg, size_t begin, size_t end) {
    const Sums *job = arg;
    const Points *s = job->side;
    for (size_t c = begin; c < end; c++) {
        double *sum = job->sums + c * (size_t)s->C;
        memset(sum, 0, sizeof *sum * (size_t)s->C);
        for (size_t r = c * CHUNK; r < s->N && r < (c + 1) * CHUNK; r++)
            for (int k = 0; k < s->C; k++) sum[k] += s->x[r * (size_t)s->C + k] * s->scale[r];
    }
}

double *points_mean(Arena *a, const Points *s) {
    size_t chunks = (s->N + CHUNK - 1) / CHUNK, C = (size_t)s->C;
    double *mean = take_zero(a, double, C);
    Mark mark = arena_mark(a);
    Sums job = {s, take(a, double, size_mul(chunks, C, "mean row"))};
    parallel_for(chunks, 1, sums_range, &job);
    for (size_t c = 0; c < chunks; c++)
        for (size_t k = 0; k < C; k++) mean[k] += job.sums[c * C + k];
    for (size_t k = 0; k < C; k++) mean[k] /= (double)s->N;
    arena_release(a, mark);
    return mean;
}

Points points_of(Arena *a, const float *x, size_t N, int C, KnnMetric metric, const char *what) {
    Points s = {.x = x, .N = N, .C = C, .metric = metric, .scale = take(a, double, N)};
    s.rows = (N + KNN_BLOCK - 1) / KNN_BLOCK * KNN_BLOCK;
    parallel_for(N, 64, scale_range, &s);
    for (size_t r = 0; r < N; r++)
        need(!isnan(s.scale[r]), "%s: row %zu of %zu holds a NaN or an infinity; it has no neighbours", what, r, N);
    return s;
}

void points_shuffle(Arena *a, Points *s) {
    uint32_t *order = take(a, uint32_t, s->N);
    rng_permutation(rng_of(1, "points"), order, (uint32_t)s->N);
    s->order = order;
}

// l2: both sides times the power of two that brings the largest number below 1, so that no float product overflows.
void points_scale_alike(Points *s, Points *t) {
    if (s->metric == KNN_COSINE) return;
    double most = 0;
    int exponent;
    for (size_t r = 0; r < s->N; r++) most = fmax(most, s->scale[r]);
    for (size_t r = 0; r < t->N; r++) most = fmax(most, t->scale[r]);
    frexp(most, &exponent);
    for (size_t r = 0; r < s->N; r++) s->scale[r] = ldexp(1, -exponent);
    for (size_t r = 0; r < t->N; r++) t->scale[r] = ldexp(1, -exponent);
}

void points_lift(Arena *a, Points *s, const double *mean) {
    s->mean = mean;
    s->lift = take_zero(a, float, s->rows);
    s->slack = take_zero(a, float, s->rows);
    s->length = take_zero(a, float, s->rows);
    s->square = take(a, double, s->N);
    s->exact_lift = take(a, double, s->N);
    parallel_for(s->N, 64, lift_range, s);
    // a constant common to all lifts decides nothing; without it they are small and rounded finely
    double low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < s->N; r++) low = fmin(low, s->exact_lift[r]), high = fmax(high, s->exact_lift[r]);
    for (size_t r = 0; r < s->N; r++) {
        double lift = s->exact_lift[r] - (low / 2 + high / 2);
        s->lift[r] = (float)(lift + 8 * 0x1p-24 * fabs(lift) + POINTS_NOTHING); // an upper bound
    }
    for (size_t r = s->N; r < s->rows; r++) s->lift[r] = -INFINITY; // the filling is near nobody
}

void points_pack(Arena *a, Points *s) {
    s->packed = take(a, float, size_mul(s->rows, (size_t)s->C, "packed rows"));
    Packing p = {.side = s, .width = knn_kernels()->nr, .out = s->packed};
    parallel_for(s->rows / KNN_BLOCK, 1, pack_range, &p);
}

float *points_rows(Arena *a, const Points *s) {
    Packing p = {.side = s, .width = 1, .out = take(a, float, size_mul(s->rows, (size_t)s->C, "rows"))};
    parallel_for(s->rows / KNN_BLOCK, 1, pack_range, &p);
    return p.out;
}

void points_pack_queries(float *out, const Points *s, size_t first) { pack(out, s, first, KNN_BLOCK, knn_kernels()->mr); }
