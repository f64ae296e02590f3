// spectrum.c: see spectrum.h.
#include "spectrum.h"

#include <math.h>
#include <string.h>

#include "dense.h"
#include "io/thread.h"
#include "points.h"
#include "statistics.h"
#include "svd.h"

const char *const spectrum_names[SPECTRUM_COUNT] = {
    "effective_rank",      "effective_rank_normalized", "top1_energy_ratio", "top5_energy_ratio",
    "top10_energy_ratio", "k80_energy",                "k90_energy"};
const char *const cosine_names[COSINE_COUNT] = {"mean_pairwise_cosine", "std_pairwise_cosine", "median_pairwise_cosine"};

void spectrum_of(double value[SPECTRUM_COUNT], double *energy, const double *s, int r) {
    memset(value, 0, sizeof(double) * SPECTRUM_COUNT);
    if (r == 0) return;
    double total = 0, entropy = 0, sum = 0;
    for (int i = 0; i < r; i++) total += s[i] * s[i];
    total += 1e-12;
    int k80 = 0, k90 = 0;
    for (int i = 0; i < r; i++) {
        double p = s[i] * s[i] / total;
        entropy -= p * log(p + 1e-12);
        sum += p;
        if (i == 0) value[SPECTRUM_TOP1_ENERGY_RATIO] = sum;
        if (i < 5) value[SPECTRUM_TOP5_ENERGY_RATIO] = sum;
        if (i < 10) value[SPECTRUM_TOP10_ENERGY_RATIO] = sum;
        if (k80 == 0 && sum >= 0.80) k80 = i + 1;
        if (k90 == 0 && sum >= 0.90) k90 = i + 1;
        if (energy) energy[i] = p;
    }
    value[SPECTRUM_EFFECTIVE_RANK] = exp(entropy);
    value[SPECTRUM_EFFECTIVE_RANK_NORMALIZED] = exp(entropy) / r;
    value[SPECTRUM_K80_ENERGY] = k80 ? k80 : r;
    value[SPECTRUM_K90_ENERGY] = k90 ? k90 : r;
}

// ---- one image

typedef struct {
    TokenMeasures *out;
    const float *x;
    int T, C;
    Arena **own;
    unsigned char *bad;
} Images;

// Cosines of all pairs, from the Gram matrix g (T, T; lower) of the centred tokens y: x_i x_j = g_ij + a_i + a_j + |mean|²
// with a_i = y_i mean. Tokens that are short beside the mean (zeros, above all) would cancel there: their products are
// summed from x itself.
static void cosines(double value[COSINE_COUNT], const double *g, const float *x, const float *y, const double *mean, int T, int C,
                    Arena *a) {
    memset(value, 0, sizeof(double) * COSINE_COUNT);
    if (T < 2) return;
    const KnnKernels *kernel = knn_kernels();
    size_t pairs = (size_t)T * (size_t)(T - 1) / 2, at = 0, width = (size_t)C;
    double *along = take(a, double, (size_t)T), *inverse = take(a, double, (size_t)T), *cosine = take(a, double, pairs), mm = 0;
    bool *cancels = take(a, bool, (size_t)T);
    for (int j = 0; j < C; j++) mm += mean[j] * mean[j];
    for (int i = 0; i < T; i++) {
        const float *row = x + (size_t)i * width;
        double square = kernel->dot(row, row, width);
        along[i] = 0;
        for (int j = 0; j < C; j++) along[i] += y[(size_t)i * width + (size_t)j] * mean[j];
        inverse[i] = 1 / fmax(sqrt(square), 1e-12);
        cancels[i] = square < 0.25 * (g[(size_t)i * T + i] + mm);
    }
    for (int i = 0; i < T; i++)
        for (int j = 0; j < i; j++) {
            double product = cancels[i] || cancels[j] ? kernel->dot(x + (size_t)i * width, x + (size_t)j * width, width)
                                                      : g[(size_t)i * T + j] + along[i] + along[j] + mm;
            cosine[at++] = product * inverse[i] * inverse[j];
        }
    value[COSINE_MEAN] = mean_of(cosine, pairs);
    value[COSINE_STD] = std_of(cosine, pairs, 0);
    value[COSINE_MEDIAN] = select_kth(cosine, pairs, (pairs - 1) / 2); // of ordered pairs it is the same number
}

static void image_measure(const Images *job, size_t index) {
    int T = job->T, C = job->C, r = T < C ? T : C;
    Arena *a = job->own[thread_index()];
    Mark mark = arena_mark(a);
    TokenMeasures *out = job->out + index;
    float *y = take(a, float, (size_t)T * C);
    double *mean = take(a, double, (size_t)C), *g = take(a, double, (size_t)T * T);
    const float *x = job->x + index * (size_t)T * C;
    job->bad[index] = !svd_centre(y, mean, x, T, C);
    for (int j = 0; j < C; j++) out->pooled[j] = (float)mean[j];
    if (!job->bad[index]) {
        Dense rows = {.f = y, .row = C, .col = 1};
        dense_product(g, T, DENSE_SET, rows, rows, T, T, C, true);
        cosines(out->cosine, g, x, y, mean, T, C, a);
        if (T <= C) svd_values_of_gram(out->s, g, T, a);
        else svd_values(out->s, y, T, C, false, SVD_GRAM, a);
        spectrum_of(out->spectrum, out->energy, out->s, r);
    }
    arena_release(a, mark);
}

static void images_range(void *arg, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) image_measure(arg, i);
}

TokenMeasures *tokens_measure(Arena *a, const float *x, int N, int T, int C, const char *what) {
    need(N >= 0 && T >= 1 && C >= 1, "%s: %d images of %d tokens of %d channels", what, N, T, C);
    int r = T < C ? T : C, threads = threads_count();
    Images job = {.out = take(a, TokenMeasures, (size_t)N), .x = x, .T = T, .C = C};
    for (int i = 0; i < N; i++) {
        job.out[i].s = take(a, double, (size_t)r);
        job.out[i].energy = take(a, double, (size_t)r);
        job.out[i].pooled = take(a, float, (size_t)C);
    }
    Mark mark = arena_mark(a);
    job.bad = take_zero(a, unsigned char, (size_t)N);
    job.own = take(a, Arena *, (size_t)threads);
    for (int t = 0; t < threads; t++) job.own[t] = svd_scratch(T, C, 2 * (size_t)T * (size_t)T);
    parallel_for((size_t)N, 1, images_range, &job);
    for (int t = 0; t < threads; t++) arena_free(job.own[t]);
    for (int i = 0; i < N; i++) need(!job.bad[i], "%s: image %d of %d holds a NaN or an infinity", what, i, N);
    arena_release(a, mark);
    return job.out;
}

// ---- many images

Summary summary_of(const double *x, size_t n, Arena *scratch) {
    return (Summary){.mean = mean_of(x, n), .median = median_lower_of(x, n, scratch), .std = std_of(x, n, 0)};
}

SpectrumMean spectrum_mean_new(Arena *a, int most) { return (SpectrumMean){.sum = take_zero(a, double, (size_t)most), .most = most, .length = most}; }

void spectrum_mean_add(SpectrumMean *m, const double *list, int length) {
    if (length == 0) return;
    if (length < m->length) m->length = length;
    for (int i = 0; i < m->length; i++) m->sum[i] += list[i];
    m->count++;
}

int spectrum_mean_of(const SpectrumMean *m, double *out) {
    if (m->count == 0) return 0;
    for (int i = 0; i < m->length; i++) out[i] = m->sum[i] / (double)m->count;
    return m->length;
}
