// connectors_geometry.c: step `geometry`: which pictures are close to each other before and after the connector, and how
// the energy of a picture's tokens is spread.
//
// overlap_top<K>_<metric>_torch.json and per_image.csv have the original's names and fields (on all pictures, copies
// included: what the original computed). geometry.json holds the corrected figures: one picture per group of copies,
// chance and floor beside each overlap, intervals over groups, three metrics.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/knn.h"
#include "analysis/overlap.h"
#include "analysis/spectrum.h"
#include "analysis/statistics.h"
#include "connectors.h"
#include "io/csv.h"
#include "io/progress.h"

#define KS 3
#define SPECTRUM_KEPT 128 // singular values that are stored

typedef struct {
    Study *s;
    Vectors *v;
    Arena *a;
    TokenMeasures *pre, *post; // per picture
    float *pooled_pre, *pooled_post;
    int ks[KS], k_count, r_pre, r_post;
} Geometry;

static void measure(Geometry *g) {
    Vectors *v = g->v;
    size_t pre = (size_t)v->T_pre * (size_t)v->D_pre, post = (size_t)v->T_post * (size_t)v->D_post, at_once = 16;
    Arena *scratch = arena_new("tokens");
    float *x = take(scratch, float, at_once * pre), *y = take(scratch, float, at_once * post);
    g->pre = take(g->a, TokenMeasures, v->N), g->post = take(g->a, TokenMeasures, v->N);
    g->pooled_pre = take(g->a, float, v->N * (size_t)v->D_pre), g->pooled_post = take(g->a, float, v->N * (size_t)v->D_post);
    Progress bar = progress_start("spectra", v->N);
    for (size_t i = 0; i < v->N; i += at_once) {
        size_t n = v->N - i < at_once ? v->N - i : at_once;
        for (size_t k = 0; k < n; k++) vectors_pre(v, i + k, x + k * pre), vectors_post(v, i + k, y + k * post);
        TokenMeasures *p = tokens_measure(g->a, x, (int)n, v->T_pre, v->D_pre, "vectors before the connector");
        TokenMeasures *q = tokens_measure(g->a, y, (int)n, v->T_post, v->D_post, "vectors after the connector");
        for (size_t k = 0; k < n; k++) {
            g->pre[i + k] = p[k], g->post[i + k] = q[k];
            memcpy(g->pooled_pre + (i + k) * (size_t)v->D_pre, p[k].pooled, (size_t)v->D_pre * sizeof(float));
            memcpy(g->pooled_post + (i + k) * (size_t)v->D_post, q[k].pooled, (size_t)v->D_post * sizeof(float));
        }
        progress_at(&bar, i + n);
    }
    progress_end(&bar);
    arena_free(scratch);
    g->r_pre = v->T_pre < v->D_pre ? v->T_pre : v->D_pre;
    g->r_post = v->T_post < v->D_post ? v->T_post : v->D_post;
}

// ---- summaries in the original's fields

static void summary_put(JsonOut *o, const char *name, const double *x, size_t n, Arena *a) {
    Summary u = summary_of(x, n, a);
    json_put_real(o, arena_print(a, "%s_mean", name), u.mean);
    json_put_real(o, arena_print(a, "%s_median", name), u.median);
    json_put_real(o, arena_print(a, "%s_std", name), u.std);
}

static double *column(Arena *a, const TokenMeasures *m, size_t n, bool spectrum, int which) {
    double *x = take(a, double, n);
    for (size_t i = 0; i < n; i++) x[i] = spectrum ? m[i].spectrum[which] : m[i].cosine[which];
    return x;
}

static void side_put(JsonOut *o, const char *name, const TokenMeasures *m, size_t n, int r, bool spectrum, Arena *a) {
    json_open(o, name, '{');
    int count = spectrum ? (int)SPECTRUM_COUNT : (int)COSINE_COUNT;
    for (int k = 0; k < count; k++) summary_put(o, spectrum ? spectrum_names[k] : cosine_names[k], column(a, m, n, spectrum, k), n, a);
    if (spectrum) {
        const double **s = take(a, const double *, n), **p = take(a, const double *, n);
        int *lengths = take(a, int, n);
        for (size_t i = 0; i < n; i++) s[i] = m[i].s, p[i] = m[i].energy, lengths[i] = r;
        double mean[SPECTRUM_KEPT];
        for (int which = 0; which < 2; which++) {
            int c = spectrum_mean(mean, which ? p : s, lengths, n, SPECTRUM_KEPT);
            json_open(o, which ? "mean_energy_spectrum_topn" : "mean_singular_values_topn", '[');
            for (int i = 0; i < c; i++) json_put_real(o, NULL, mean[i]);
            json_close(o);
        }
    }
    json_close(o);
}

static void delta_put(JsonOut *o, const Geometry *g, const char *name, bool spectrum, int which, Arena *a) {
    double before = summary_of(column(a, g->pre, g->v->N, spectrum, which), g->v->N, a).mean;
    double after = summary_of(column(a, g->post, g->v->N, spectrum, which), g->v->N, a).mean;
    json_put_real(o, arena_print(a, "%s_mean_delta", name), after - before);
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
    side_put(o, "pre_summary", g->pre, N, g->r_pre, true, a);
    side_put(o, "post_summary", g->post, N, g->r_post, true, a);
    static const int shown[] = {SPECTRUM_EFFECTIVE_RANK, SPECTRUM_EFFECTIVE_RANK_NORMALIZED, SPECTRUM_TOP10_ENERGY_RATIO, SPECTRUM_TOP1_ENERGY_RATIO,
                                SPECTRUM_K80_ENERGY, SPECTRUM_K90_ENERGY};
    for (size_t i = 0; i < 6; i++) delta_put(o, g, spectrum_names[shown[i]], true, shown[i], a);
    json_close(o);
    json_open(o, "cosine_concentration", '{');
    side_put(o, "pre_summary", g->pre, N, 0, false, a);
    side_put(o, "post_summary", g->post, N, 0, false, a);
    for (int k = 0; k < COSINE_COUNT; k++) delta_put(o, g, cosine_names[k], false, k, a);
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
    size_t n;
    const char *text = json_done(o, &n);
    file_write(study_path(g->s, arena_print(a, "overlap_top%d_%s_torch.json", g->ks[g->k_count - 1], g->s->metric ? "cosine" : "l2")), text, n);
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
            for (int k = 0; k < SPECTRUM_COUNT; k++) csv_put_real(w, (side ? g->post : g->pre)[i].spectrum[k]);
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

// Overlaps under one metric on one picture per group: value, interval, chance.
static void metric_put(JsonOut *o, Geometry *g, const char *name, KnnMetric metric, bool standard, Arena *a) {
    const Groups *groups = &g->v->groups;
    size_t n = groups->count;
    float *x = rows_of_firsts(a, g->pooled_pre, g->v->D_pre, groups), *y = rows_of_firsts(a, g->pooled_post, g->v->D_post, groups);
    if (standard) x = rows_standardised(a, x, n, g->v->D_pre), y = rows_standardised(a, y, n, g->v->D_post);
    int K = g->ks[g->k_count - 1];
    Neighbours p = knn_self(a, x, n, g->v->D_pre, metric, K, NULL, "before the connector"), q = knn_self(a, y, n, g->v->D_post, metric, K, NULL, "after the connector");
    double *knor = take(a, double, (size_t)g->k_count * n), *displacement = take(a, double, (size_t)g->k_count * n);
    overlap_rows(knor, displacement, &p, &q, g->ks, g->k_count);
    json_open(o, name, '{');
    json_put_real(o, "distance_correlation", distance_correlation(x, g->v->D_pre, y, g->v->D_post, n, metric, 0, a));
    for (int k = 0; k < g->k_count; k++) {
        json_open(o, arena_print(a, "k%d", g->ks[k]), '{');
        Resampling how = {.n = n, .rng = rng_of((uint64_t)g->s->seed, "overlap bootstrap")};
        interval_put(o, "knor", bootstrap_mean(how, knor + (size_t)k * n, a));
        json_put_real(o, "chance", overlap_chance(g->ks[k], n));
        json_put_real(o, "rank_displacement", mean_of(displacement + (size_t)k * n, n));
        json_close(o);
    }
    json_close(o);
}

static void corrected_json(Geometry *g, const double *knor) {
    Arena *a = arena_new("the geometry file");
    size_t N = g->v->N;
    JsonOut *o = json_out(a, 2);
    json_open(o, NULL, '{');
    json_put_int(o, "pictures", (int64_t)N);
    json_put_int(o, "distinct", (int64_t)g->v->groups.count);
    json_put_int(o, "T_pre", g->v->T_pre), json_put_int(o, "D_pre", g->v->D_pre);
    json_put_int(o, "T_post", g->v->T_post), json_put_int(o, "D_post", g->v->D_post);
    json_open(o, "all_pictures", '{'); // copies included, floor beside
    for (int k = 0; k < g->k_count; k++) {
        double floor = groups_floor(&g->v->groups, g->ks[k]);
        json_open(o, arena_print(a, "k%d", g->ks[k]), '{');
        Resampling how = {.n = N, .group = g->v->groups.group, .rng = rng_of((uint64_t)g->s->seed, "overlap bootstrap")};
        Interval i = bootstrap_mean(how, knor + (size_t)k * N, a);
        interval_put(o, "knor", i);
        json_put_real(o, "chance", overlap_chance(g->ks[k], N));
        json_put_real(o, "duplicate_floor", floor);
        json_put_real(o, "above_floor", overlap_above_floor(i.value, floor));
        json_close(o);
    }
    json_close(o);
    json_open(o, "distinct_pictures", '{');
    metric_put(o, g, "l2", KNN_L2, false, a);
    metric_put(o, g, "cosine", KNN_COSINE, false, a);
    metric_put(o, g, "l2_standardised", KNN_L2, true, a);
    json_close(o);
    json_open(o, "spectra", '{');
    for (int side = 0; side < 2; side++) {
        json_open(o, side ? "post" : "pre", '{');
        for (int k = 0; k < SPECTRUM_COUNT + COSINE_COUNT; k++) {
            bool spectrum = k < SPECTRUM_COUNT;
            int which = spectrum ? k : k - SPECTRUM_COUNT;
            Resampling how = {.n = N, .group = g->v->groups.group, .rng = rng_of((uint64_t)g->s->seed, "spectra bootstrap")};
            interval_put(o, spectrum ? spectrum_names[which] : cosine_names[which], bootstrap_mean(how, column(a, side ? g->post : g->pre, N, spectrum, which), a));
        }
        json_close(o);
    }
    json_close(o);
    json_close(o);
    size_t n;
    const char *text = json_done(o, &n);
    file_write(study_path(g->s, "geometry.json"), text, n);
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
    measure(&g);
    KnnMetric metric = s->metric ? KNN_COSINE : KNN_L2;
    int K = g.ks[g.k_count - 1];
    Neighbours p = knn_self(g.a, g.pooled_pre, N, g.v->D_pre, metric, K, NULL, "before the connector");
    Neighbours q = knn_self(g.a, g.pooled_post, N, g.v->D_post, metric, K, NULL, "after the connector");
    double *knor = take(g.a, double, (size_t)g.k_count * N), *displacement = take(g.a, double, (size_t)g.k_count * N);
    overlap_rows(knor, displacement, &p, &q, g.ks, g.k_count);
    original_json(&g, knor, displacement, distance_correlation(g.pooled_pre, g.v->D_pre, g.pooled_post, g.v->D_post, N, metric, 1e-8, g.a));
    per_image(&g, knor);
    neighbours_csv(&g, &p, &q);
    corrected_json(&g, knor);
    arena_free(g.a);
}
