// connectors_geometry.c: step `geometry`: which pictures are close to each other before and after the connector, and how
// the energy of a picture's tokens is spread.
//
// overlap_top<K>_<metric>_torch.json and per_image.csv have the original's names and fields (on all pictures, copies
// included: what the original computed). geometry.json holds the corrected figures: one picture per group of copies,
// chance and floor beside each overlap, intervals over groups, three metrics, before and after the tower's final norm.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/knn.h"
#include "analysis/overlap.h"
#include "analysis/pool.h"
#include "analysis/spectrum.h"
#include "analysis/statistics.h"
#include "connectors.h"
#include "io/csv.h"
#include "io/progress.h"

#define KS 3
#define SPECTRUM_KEPT 128 // singular values that are stored

// One side of the connector, picture by picture.
typedef struct {
    double *spectrum[SPECTRUM_COUNT], *cosine[COSINE_COUNT]; // (N) each
    SpectrumMean s, energy;
    float *pooled; // (N, D)
    int D;
} Side;

typedef struct {
    Study *s;
    Vectors *v;
    Arena *a;
    Side side[2]; // before, after
    float *normed; // (N, D_pre): before, after the tower's final norm; NULL: the vectors are so already, or there is none
    int ks[KS], k_count;
} Geometry;

static Side side_new(Arena *a, size_t N, int D) {
    Side side = {.s = spectrum_mean_new(a, SPECTRUM_KEPT), .energy = spectrum_mean_new(a, SPECTRUM_KEPT), .pooled = take(a, float, size_mul(N, (size_t)D, "pooled vectors")), .D = D};
    for (int k = 0; k < SPECTRUM_COUNT; k++) side.spectrum[k] = take(a, double, N);
    for (int k = 0; k < COSINE_COUNT; k++) side.cosine[k] = take(a, double, N);
    return side;
}

// Pictures [first, first + n): what is kept of each is a few numbers and its mean token.
static void side_add(Side *side, Arena *scratch, const float *x, size_t first, size_t n, int T, const char *what) {
    TokenMeasures *m = tokens_measure(scratch, x, (int)n, T, side->D, what);
    int r = T < side->D ? T : side->D;
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < SPECTRUM_COUNT; k++) side->spectrum[k][first + i] = m[i].spectrum[k];
        for (int k = 0; k < COSINE_COUNT; k++) side->cosine[k][first + i] = m[i].cosine[k];
        spectrum_mean_add(&side->s, m[i].s, r);
        spectrum_mean_add(&side->energy, m[i].energy, r);
        memcpy(side->pooled + (first + i) * (size_t)side->D, m[i].pooled, (size_t)side->D * sizeof(float));
    }
}

static void measure(Geometry *g) {
    Vectors *v = g->v;
    size_t pre = (size_t)v->T_pre * (size_t)v->D_pre, post = (size_t)v->T_post * (size_t)v->D_post, at_once = 16;
    Arena *scratch = arena_new("tokens");
    float *x = take(scratch, float, at_once * pre), *y = take(scratch, float, at_once * post);
    g->side[0] = side_new(g->a, v->N, v->D_pre), g->side[1] = side_new(g->a, v->N, v->D_post);
    if (vectors_can_norm(v)) g->normed = take(g->a, float, v->N * (size_t)v->D_pre);
    Progress bar = progress_start("spectra", v->N);
    for (size_t i = 0; i < v->N; i += at_once) {
        Mark mark = arena_mark(scratch);
        size_t n = v->N - i < at_once ? v->N - i : at_once;
        for (size_t k = 0; k < n; k++) vectors_pre(v, i + k, x + k * pre), vectors_post(v, i + k, y + k * post);
        side_add(&g->side[0], scratch, x, i, n, v->T_pre, "vectors before the connector");
        side_add(&g->side[1], scratch, y, i, n, v->T_post, "vectors after the connector");
        for (size_t k = 0; g->normed && k < n; k++) {
            vectors_norm(v, x + k * pre);
            tokens_pool(g->normed + (i + k) * (size_t)v->D_pre, x + k * pre, v->T_pre, v->D_pre, POOL_MEAN);
        }
        arena_release(scratch, mark);
        progress_at(&bar, i + n);
    }
    progress_end(&bar);
    arena_free(scratch);
}

// ---- summaries in the original's fields

static void summary_put(JsonOut *o, const char *name, const double *x, size_t n, Arena *a) {
    Summary u = summary_of(x, n, a);
    json_put_real(o, arena_print(a, "%s_mean", name), u.mean);
    json_put_real(o, arena_print(a, "%s_median", name), u.median);
    json_put_real(o, arena_print(a, "%s_std", name), u.std);
}

static void spectrum_put(JsonOut *o, const char *name, const SpectrumMean *m) {
    double mean[SPECTRUM_KEPT];
    int n = spectrum_mean_of(m, mean);
    json_open(o, name, '[');
    for (int i = 0; i < n; i++) json_put_real(o, NULL, mean[i]);
    json_close(o);
}

static void side_put(JsonOut *o, const char *name, const Side *side, size_t n, bool spectrum, Arena *a) {
    json_open(o, name, '{');
    int count = spectrum ? (int)SPECTRUM_COUNT : (int)COSINE_COUNT;
    for (int k = 0; k < count; k++) summary_put(o, spectrum ? spectrum_names[k] : cosine_names[k], spectrum ? side->spectrum[k] : side->cosine[k], n, a);
    if (spectrum) spectrum_put(o, "mean_singular_values_topn", &side->s), spectrum_put(o, "mean_energy_spectrum_topn", &side->energy);
    json_close(o);
}

static void delta_put(JsonOut *o, const Geometry *g, const char *name, bool spectrum, int which) {
    double mean[2];
    for (int s = 0; s < 2; s++) mean[s] = mean_of(spectrum ? g->side[s].spectrum[which] : g->side[s].cosine[which], g->v->N);
    json_put_real(o, arena_print(g->a, "%s_mean_delta", name), mean[1] - mean[0]);
}

static void original_json(Geometry *g, const double *knor, const double *displacement, double correlation) {
    Arena *a = arena_new("the overlap file");
    size_t N = g->v->N;
    JsonOut *o = json_out(a, 2);
    json_open(o, NULL, '{');
    json_open(o, "global", '{');
    json_put_text(o, "knn_pool", "mean");
    json_put_real(o, "pairwise_corr", correlation);
    json_open(o, "spectrum_and_rank", '{');
    side_put(o, "pre_summary", &g->side[0], N, true, a);
    side_put(o, "post_summary", &g->side[1], N, true, a);
    static const int shown[] = {SPECTRUM_EFFECTIVE_RANK, SPECTRUM_EFFECTIVE_RANK_NORMALIZED, SPECTRUM_TOP10_ENERGY_RATIO, SPECTRUM_TOP1_ENERGY_RATIO,
                                SPECTRUM_K80_ENERGY, SPECTRUM_K90_ENERGY};
    for (size_t i = 0; i < 6; i++) delta_put(o, g, spectrum_names[shown[i]], true, shown[i]);
    json_close(o);
    json_open(o, "cosine_concentration", '{');
    side_put(o, "pre_summary", &g->side[0], N, false, a);
    side_put(o, "post_summary", &g->side[1], N, false, a);
    for (int k = 0; k < COSINE_COUNT; k++) delta_put(o, g, cosine_names[k], false, k);
    json_close(o);
    json_close(o);
    for (int k = 0; k < g->k_count; k++) {
        json_open(o, arena_print(a, "top%d", g->ks[k]), '{');
        Summary u = summary_of(knor + (size_t)k * N, N, a), d = summary_of(displacement + (size_t)k * N, N, a);
        json_put_real(o, "mean", u.mean);
        json_put_real(o, "median", u.median);
        json_put_real(o, "std", u.std);
        json_put_real(o, "mean_rank_displacement", d.mean);
        json_put_real(o, "median_rank_displacement", d.median);
        json_put_real(o, "std_rank_displacement", d.std);
        json_put_real(o, "pairwise_corr", correlation);
        json_close(o);
    }
    json_close(o);
    json_file_write(o, study_path(g->s, arena_print(a, "overlap_top%d_%s_torch.json", g->ks[g->k_count - 1], g->s->metric ? "cosine" : "l2")));
    arena_free(a);
}

static void per_image(Geometry *g, const double *knor) {
    const char *names[2 + 2 * SPECTRUM_COUNT + KS] = {"key"};
    size_t n = 1;
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < SPECTRUM_COUNT; k++) names[n++] = arena_print(g->a, "%s_%s", side ? "post" : "pre", spectrum_names[k]);
    for (int k = 0; k < g->k_count; k++) names[n++] = arena_print(g->a, "pre_post_knor%d", g->ks[k]);
    names[n++] = "group";
    CsvWriter *w = csv_create(g->a, study_path(g->s, "per_image.csv"), ',', names, n);
    for (size_t i = 0; i < g->v->N; i++) {
        csv_put(w, g->v->keys[i]);
        for (int side = 0; side < 2; side++)
            for (int k = 0; k < SPECTRUM_COUNT; k++) csv_put_real(w, g->side[side].spectrum[k][i]);
        for (int k = 0; k < g->k_count; k++) csv_put_real(w, knor[(size_t)k * g->v->N + i]);
        csv_put_int(w, g->v->groups.group[i]);
        csv_end_row(w);
    }
    csv_finish(w);
}

// ---- corrected figures

static void interval_put(JsonOut *o, const char *key, Interval i) {
    json_open(o, key, '{');
    json_put_real(o, "value", i.value);
    json_put_real(o, "low", i.low);
    json_put_real(o, "high", i.high);
    json_close(o);
}

// Of lists (n each) of the same pictures, by the draws of one purpose.
static const Interval *intervals_of(Arena *a, const Geometry *g, const double *const *x, int count, size_t n, const uint32_t *group, const char *purpose) {
    Interval *out = take(a, Interval, (size_t)count);
    bootstrap_means((Resampling){.n = n, .group = group, .rng = rng_of((uint64_t)g->s->seed, purpose)}, x, (size_t)count, out, a);
    return out;
}

static const Interval *knor_intervals(Arena *a, const Geometry *g, const double *knor, size_t n, const uint32_t *group) { // knor (k_count, n)
    const double **x = take(a, const double *, (size_t)g->k_count);
    for (int k = 0; k < g->k_count; k++) x[k] = knor + (size_t)k * n;
    return intervals_of(a, g, x, g->k_count, n, group, "overlap bootstrap");
}

// The original's sample: all rows, or 10,000 drawn by torch's permutation with seed 42. Distances of all pairs of more would
// take longer than everything else together.
static double correlation(const float *x, int C, const float *y, int D, size_t N, KnnMetric metric, double epsilon, Arena *a) {
    enum { SAMPLE = 10000 };
    if (N <= SAMPLE) return distance_correlation(x, C, y, D, N, metric, epsilon, a);
    uint32_t *order = take(a, uint32_t, N);
    torch_randperm(42, order, (uint32_t)N);
    float *p = take(a, float, (size_t)SAMPLE * (size_t)C), *q = take(a, float, (size_t)SAMPLE * (size_t)D);
    for (size_t i = 0; i < SAMPLE; i++) {
        memcpy(p + i * (size_t)C, x + order[i] * (size_t)C, (size_t)C * sizeof *p);
        memcpy(q + i * (size_t)D, y + order[i] * (size_t)D, (size_t)D * sizeof *q);
    }
    return distance_correlation(p, C, q, D, SAMPLE, metric, epsilon, a);
}

// One picture per group of copies, channels standardised if that is wanted.
static const float *distinct_rows(const Geometry *g, const float *pooled, int D, bool standard, Arena *a) {
    const float *x = rows_of_firsts(a, pooled, D, &g->v->groups);
    return standard ? rows_standardised(a, x, g->v->groups.count, D) : x;
}

// Overlaps under one metric on one picture per group: value, interval, chance.
static void metric_put(JsonOut *o, Geometry *g, const char *name, const float *x, const Neighbours *p, const float *y, const Neighbours *q, KnnMetric metric, Arena *a) {
    size_t n = g->v->groups.count;
    double *knor = take(a, double, (size_t)g->k_count * n), *displacement = take(a, double, (size_t)g->k_count * n);
    overlap_rows(knor, displacement, p, q, g->ks, g->k_count);
    json_open(o, name, '{');
    json_put_real(o, "distance_correlation", correlation(x, g->v->D_pre, y, g->v->D_post, n, metric, 0, a));
    const Interval *intervals = knor_intervals(a, g, knor, n, NULL);
    for (int k = 0; k < g->k_count; k++) {
        json_open(o, arena_print(a, "k%d", g->ks[k]), '{');
        interval_put(o, "knor", intervals[k]);
        json_put_real(o, "chance", overlap_chance(g->ks[k], n));
        json_put_real(o, "rank_displacement", mean_of(displacement + (size_t)k * n, n));
        json_close(o);
    }
    json_close(o);
}

// Three metrics; and the same after the tower's final norm, so that models whose connectors read before a norm and behind
// one can be compared.
static void metrics_put(JsonOut *o, Geometry *g, Arena *a) {
    static const struct {
        const char *name, *normed;
        KnnMetric metric;
        bool standard;
    } metrics[] = {{"l2", "normed_l2", KNN_L2, false}, {"cosine", "normed_cosine", KNN_COSINE, false}, {"l2_standardised", "normed_l2_standardised", KNN_L2, true}};
    int K = g->ks[g->k_count - 1], D = g->v->D_pre, E = g->v->D_post;
    size_t n = g->v->groups.count;
    for (size_t m = 0; m < 3; m++) {
        const float *y = distinct_rows(g, g->side[1].pooled, E, metrics[m].standard, a);
        Neighbours q = knn_self(a, y, n, E, metrics[m].metric, K, NULL, "after the connector");
        for (int normed = 0; normed < (g->normed ? 2 : 1); normed++) {
            const float *x = distinct_rows(g, normed ? g->normed : g->side[0].pooled, D, metrics[m].standard, a);
            Neighbours p = knn_self(a, x, n, D, metrics[m].metric, K, NULL, "before the connector");
            metric_put(o, g, normed ? metrics[m].normed : metrics[m].name, x, &p, y, &q, metrics[m].metric, a);
        }
    }
}

static void corrected_json(Geometry *g, const double *knor) {
    Arena *a = arena_new("the geometry file");
    size_t N = g->v->N;
    JsonOut *o = json_out(a, 2);
    json_open(o, NULL, '{');
    json_put_int(o, "pictures", (int64_t)N);
    json_put_int(o, "distinct", (int64_t)g->v->groups.count);
    json_put_text(o, "made_from", g->v->digest);
    json_put_text(o, "pre_point", g->s->pre_point ? "normed" : "raw");
    json_put_int(o, "T_pre", g->v->T_pre), json_put_int(o, "D_pre", g->v->D_pre);
    json_put_int(o, "T_post", g->v->T_post), json_put_int(o, "D_post", g->v->D_post);
    json_open(o, "all_pictures", '{'); // copies included, floor beside
    const Interval *intervals = knor_intervals(a, g, knor, N, g->v->groups.group);
    for (int k = 0; k < g->k_count; k++) {
        double floor = groups_floor(&g->v->groups, g->ks[k]);
        json_open(o, arena_print(a, "k%d", g->ks[k]), '{');
        interval_put(o, "knor", intervals[k]);
        json_put_real(o, "chance", overlap_chance(g->ks[k], N));
        json_put_real(o, "duplicate_floor", floor);
        json_put_real(o, "above_floor", overlap_above_floor(intervals[k].value, floor));
        json_close(o);
    }
    json_close(o);
    json_open(o, "distinct_pictures", '{');
    metrics_put(o, g, a);
    json_close(o);
    json_open(o, "spectra", '{');
    enum { MEASURES = SPECTRUM_COUNT + COSINE_COUNT };
    const double *lists[2 * MEASURES];
    for (int k = 0; k < 2 * MEASURES; k++) {
        const Side *side = &g->side[k / MEASURES];
        int which = k % MEASURES;
        lists[k] = which < SPECTRUM_COUNT ? side->spectrum[which] : side->cosine[which - SPECTRUM_COUNT];
    }
    intervals = intervals_of(a, g, lists, 2 * MEASURES, N, g->v->groups.group, "spectra bootstrap");
    for (int side = 0; side < 2; side++) {
        json_open(o, side ? "post" : "pre", '{');
        for (int k = 0; k < MEASURES; k++) interval_put(o, k < SPECTRUM_COUNT ? spectrum_names[k] : cosine_names[k - SPECTRUM_COUNT], intervals[side * MEASURES + k]);
        json_close(o);
    }
    json_close(o);
    json_close(o);
    json_file_write(o, study_path(g->s, "geometry.json"));
    arena_free(a);
}

// Neighbours of each picture before and after, for the page's gallery.
static void neighbours_csv(Geometry *g, const Neighbours *p, const Neighbours *q) {
    static const char *const names[] = {"row", "side", "neighbours"};
    CsvWriter *w = csv_create(g->a, study_path(g->s, "neighbours.csv"), ',', names, 3);
    for (size_t i = 0; i < g->v->N; i++)
        for (int side = 0; side < 2; side++) {
            const Neighbours *n = side ? q : p;
            char list[10 * 12] = "";
            size_t at = 0;
            for (int k = 0; k < n->K && k < 10; k++) at += (size_t)snprintf(list + at, sizeof list - at, k ? " %u" : "%u", n->id[i * (size_t)n->K + (size_t)k]);
            csv_put_int(w, (int64_t)i);
            csv_put(w, side ? "post" : "pre");
            csv_put(w, list);
            csv_end_row(w);
        }
    csv_finish(w);
}

void connectors_geometry(Study *s) {
    Geometry g = {.s = s, .v = vectors_open(s), .a = arena_new("geometry")};
    size_t N = g.v->N;
    static const int all[] = {10, 50, 100};
    for (int k = 0; k < KS; k++) // a k that is a large part of the pictures says little (spec: N > 10 k); the original takes them all
        if (all[k] <= s->topk && (N > 10 * (size_t)all[k] || k == 0 || (s->faithful && N > (size_t)all[k]))) g.ks[g.k_count++] = all[k];
    if (g.k_count == 0) g.ks[g.k_count++] = s->topk;
    int K = g.ks[g.k_count - 1];
    need(g.v->groups.count > (size_t)K, "%s: %zu distinct pictures among %zu; %d nearest neighbours need %d at least", s->images ? s->images : "the world", g.v->groups.count, N, K, K + 1);
    measure(&g);
    KnnMetric metric = s->metric ? KNN_COSINE : KNN_L2;
    Neighbours p = knn_self(g.a, g.side[0].pooled, N, g.v->D_pre, metric, K, NULL, "before the connector");
    Neighbours q = knn_self(g.a, g.side[1].pooled, N, g.v->D_post, metric, K, NULL, "after the connector");
    double *knor = take(g.a, double, (size_t)g.k_count * N), *displacement = take(g.a, double, (size_t)g.k_count * N);
    overlap_rows(knor, displacement, &p, &q, g.ks, g.k_count);
    original_json(&g, knor, displacement, correlation(g.side[0].pooled, g.v->D_pre, g.side[1].pooled, g.v->D_post, N, metric, 1e-8, g.a));
    per_image(&g, knor);
    neighbours_csv(&g, &p, &q);
    corrected_json(&g, knor);
    arena_free(g.a);
}
