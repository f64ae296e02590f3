// test_statistics.c: lists, pairs, distributions, resampling.
//
// Seen to catch: ddof 0 for 1; the upper for the lower median; ranks without ties; a one-sided p; n-1 degrees of freedom;
// rows drawn instead of groups; Holm without its running maximum; a bias correction of the wrong sign.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/statistics.h"
#include "analysis_golden.h"
#include "check.h"
#include "io/thread.h"

static void test_lists(Arena *a, const Json *g) {
    const Json *all = json_get(g, "describe");
    for (size_t t = 0; t < all->count; t++) {
        const Json *j = &all->items[t];
        size_t n;
        double *x = golden_list(a, j, "x", &n), *q = golden_list(a, j, "quantiles", NULL);
        check_value("mean", mean_of(x, n), json_real(j, "mean"), 1e-15);
        check_value("std, ddof 0", std_of(x, n, 0), json_real(j, "std0"), 1e-14);
        check_value("std, ddof 1", std_of(x, n, 1), json_real(j, "std1"), 1e-14);
        check_value("lower median", median_lower_of(x, n, a), json_real(j, "lower"), 0);
        check_value("median", median_of(x, n, a), json_real(j, "median"), 1e-16);
        Description d = describe(x, n, a);
        check_value("describe: median", d.median, q[3], 1e-15);
        check_value("describe: q25", d.q25, q[2], 1e-15);
        check_value("describe: q75", d.q75, q[4], 1e-15);
        check_value("describe: min", d.min, q[0], 0);
        check_value("describe: max", d.max, q[6], 0);
        double *sorted = take(a, double, n);
        memcpy(sorted, x, n * sizeof *x);
        sort_ascending(sorted, n);
        check_value("quantile 0.1", quantile_sorted(sorted, n, 0.1), q[1], 1e-15);
        check_value("quantile 0.999", quantile_sorted(sorted, n, 0.999), q[5], 1e-14);
        bool ok = true;
        for (size_t k = 0; k < n; k++) {
            double copy[128];
            memcpy(copy, x, n * sizeof *x);
            ok = ok && select_kth(copy, n, k) == sorted[k] && ecdf_sorted(sorted, n, sorted[k]) >= (double)(k + 1) / (double)n;
        }
        check(ok, "select_kth and ecdf at every place");
    }
    double big[4] = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}; // one-pass sums of squares would give noise
    check_value("deviation beside a large mean", std_of(big, 4, 1), sqrt(5.0 / 3), 1e-12);
    double same[1000];
    for (int i = 0; i < 1000; i++) same[i] = i % 3;
    check_value("select among equal values", select_kth(same, 1000, 500), 1, 0);
    check(isnan(mean_of(same, 0)) && isnan(std_of(same, 1, 1)) && isnan(median_of(same, 0, a)), "nothing gives NaN");
    double holes[5] = {1, NAN, 3, NAN, 5};
    check(describe(holes, 5, a).n == 3 && describe(holes, 5, a).mean == 3, "describe leaves NaNs out");
    double one[6] = {1, 2, 4, 8, 16, 32}, mean, std, counts[2] = {2, 4}, means[2] = {1.5, 15}, stds[2] = {.5, sqrt(115)};
    pooled_moments(&mean, &std, counts, means, stds, 2);
    check_value("pooled mean", mean, mean_of(one, 6), 1e-13);
    check_value("pooled deviation", std, std_of(one, 6, 0), 1e-13);
}

static void test_bins(Arena *a, const Json *g) {
    const Json *j = json_get(g, "bins");
    size_t n;
    double *x = golden_list(a, j, "x", &n), *y = golden_list(a, j, "y", NULL);
    double *counts = golden_list(a, j, "histogram", NULL), *cut = golden_list(a, j, "cut_count", NULL);
    size_t got[7];
    histogram(got, 7, -1.5, 1.5, x, n);
    bool same = true;
    for (int b = 0; b < 7; b++) same = same && (double)got[b] == counts[b];
    check(same, "histogram equals numpy's");
    double centre[5], mean[5];
    binned_mean(centre, mean, got, 5, x, y, n);
    same = true;
    for (int b = 0; b < 5; b++) same = same && (double)got[b] == cut[b];
    check(same, "bins closed on the right");
    check_near_double("binned means", mean, golden_list(a, j, "cut_mean", NULL), 5, 1e-14);
    check_near_double("bin centres", centre, golden_list(a, j, "cut_centre", NULL), 5, 1e-14);
}

static void test_pairs(Arena *a, const Json *g) {
    const Json *all = json_get(g, "pairs");
    for (size_t t = 0; t < all->count; t++) {
        const Json *j = &all->items[t];
        size_t n;
        double *x = golden_list(a, j, "x", &n), *y = golden_list(a, j, "y", NULL), *rank = take(a, double, n);
        double *p = golden_list(a, j, "pearson", NULL), *s = golden_list(a, j, "spearman", NULL), *l = golden_list(a, j, "line", NULL);
        Correlation c = pearson(x, y, n), r = spearman(x, y, n, a);
        Line line = line_fit(x, y, n);
        check_value("Pearson r", c.r, p[0], 1e-14);
        check_value("Pearson p / p", c.p / p[1], 1, 1e-11);
        check_value("Spearman r", r.r, s[0], 1e-14);
        check_value("Spearman p / p", r.p / s[1], 1, 1e-11);
        check_value("intercept", line.intercept, l[0], 1e-14);
        check_value("slope", line.slope, l[1], 1e-14);
        check_value("its error", line.slope_error, l[2], 1e-14);
        ranks_average(rank, x, n, a);
        check_near_double("average ranks", rank, golden_list(a, j, "ranks", NULL), n, 0);
        check(pearson(x, x, n).r == 1 && pearson(x, x, n).p == 0, "a list with itself");
    }
    double x[5] = {1, NAN, 3, 4, INFINITY}, y[5] = {5, 6, NAN, 8, 9};
    check(pairs_finite(x, y, 5) == 2 && x[1] == 4 && y[1] == 8, "pairs with a hole are dropped");
    double flat[4] = {0.1, 0.1, 0.1, 0.1}, up[4] = {1, 2, 3, 4};
    check(isnan(pearson(flat, up, 4).r) && isnan(line_fit(flat, up, 4).slope), "a constant list has no correlation");
    const Json *j = json_get(g, "regression");
    size_t n;
    double *X = golden_list(a, j, "X", NULL), *Y = golden_list(a, j, "y", &n), beta[4], errors[4];
    double r2 = least_squares(beta, errors, X, Y, n, 4, a, "golden");
    check_near_double("least squares", beta, golden_list(a, j, "beta", NULL), 4, 1e-13);
    check_near_double("standard errors", errors, golden_list(a, j, "errors", NULL), 4, 1e-12);
    check_value("R²", r2, json_real(j, "r2"), 1e-13);
    double twice[6] = {1, 2, 2, 4, 3, 6};
    check_dies("dependent columns", "column 1 of 2") { least_squares(beta, NULL, twice, up, 3, 2, a, "x"); }
}

static void test_distributions(Arena *a, const Json *g) {
    const Json *s = json_get(g, "student"), *b = json_get(g, "beta"), *z = json_get(g, "normal");
    double worst = 0;
    for (size_t i = 0; i < s->count; i++) {
        const Json *row = &s->items[i];
        double want = row->items[2].number, got = student_two_sided(row->items[0].number, row->items[1].number);
        if (want < 1e-290) continue; // denormal tails carry few digits, here and there
        if (!(fabs(got / want - 1) <= worst)) worst = fabs(got / want - 1);
    }
    check_value("Student's p, worst relative error", worst, 0, 2e-11);
    worst = 0;
    for (size_t i = 0; i < b->count; i++) {
        const Json *row = &b->items[i];
        double want = row->items[3].number, got = beta_incomplete(row->items[0].number, row->items[1].number, row->items[2].number);
        if (!(fabs(got / want - 1) <= worst)) worst = fabs(got / want - 1);
    }
    check_value("incomplete beta, worst relative error", worst, 0, 5e-11);
    worst = 0;
    for (size_t i = 0; i < z->count; i++) {
        double p = z->items[i].items[0].number, want = z->items[i].items[1].number, got = normal_quantile(p);
        if (!(fabs(got - want) / fmax(1, fabs(want)) <= worst)) worst = fabs(got - want) / fmax(1, fabs(want));
    }
    check_value("normal quantiles, worst relative error", worst, 0, 1e-14);
    check(beta_incomplete(2, 3, 0) == 0 && beta_incomplete(2, 3, 1) == 1 && isnan(beta_incomplete(0, 1, .5)), "ends of I_x");
    check(student_two_sided(INFINITY, 3) == 0 && student_two_sided(0, 3) == 1 && isnan(normal_quantile(2)), "ends of the others");
    check_value("Student with 1 degree is Cauchy", student_two_sided(1, 1), 0.5, 1e-15);
}

// 300 rows in groups of one, but for one of two and one of `large`: the replicates by hand.
static void test_groups_drawn(Arena *a, const double *x, int large) {
    enum { N = 300, B = 50 };
    uint32_t group[N];
    for (int i = 0; i < N; i++) group[i] = i < 2 ? 1000 : i < 2 + large ? 2000 : (uint32_t)i;
    Resampling how = {.n = N, .group = group, .replicates = B, .rng = rng_of(3, "groups")};
    double replicates[B], drawn[N * 80];
    uint64_t G = (uint64_t)(N - large);
    for (int b = 0; b < B; b++) {
        size_t n = 0;
        for (uint64_t k = 0; k < G; k++) {
            int g = (int)rng_below(rng_sub(how.rng, (uint64_t)b), k, G), from = g == 0 ? 0 : g == 1 ? 2 : g + large, size = g == 0 ? 2 : g == 1 ? large : 1;
            for (int i = 0; i < size; i++) drawn[n++] = x[from + i];
        }
        replicates[b] = mean_of(drawn, n);
    }
    Interval want = interval_percentile(mean_of(x, N), replicates, B, 0.95), got = bootstrap_mean(how, x, a);
    check_same(arena_print(a, "groups of one, two and %d rows, drawn by hand", large), &got, &want, sizeof got);
}

static void test_resampling(Arena *a, const Json *g) {
    const Json *j = json_get(g, "accelerated");
    size_t B, G;
    double *replicates = golden_list(a, j, "replicates", &B), *jackknife = golden_list(a, j, "jackknife", &G), *ends = golden_list(a, j, "ends", NULL);
    Interval i = interval_accelerated(json_real(j, "value"), replicates, B, jackknife, G, json_real(j, "level"));
    check_value("BCa low", i.low, ends[0], 1e-12);
    check_value("BCa high", i.high, ends[1], 1e-12);

    // the mean of n normal numbers: both intervals close to mean +- 1.96 std / sqrt(n)
    int n = 400;
    double *x = take(a, double, (size_t)n), *y = take(a, double, (size_t)n);
    Rng r = rng_of(11, "resample");
    for (int k = 0; k < n; k++) x[k] = rng_normal(r, (uint64_t)k), y[k] = x[k] + rng_normal(r, (uint64_t)(n + k));
    Resampling how = {.n = (size_t)n, .replicates = 4000, .rng = rng_of(1, "bootstrap")};
    double m = mean_of(x, (size_t)n), half = 1.96 * std_of(x, (size_t)n, 0) / sqrt(n);
    for (int kind = 0; kind < 2; kind++) {
        how.accelerated = kind;
        i = bootstrap_mean(how, x, a);
        check_value("interval of a mean, value", i.value, m, 1e-15);
        check_value("interval of a mean, low", (i.low - m) / half, -1, 0.08); // 3 sigma of a 2.5 % quantile of 4000
        check_value("interval of a mean, high", (i.high - m) / half, 1, 0.08);
    }
    i = bootstrap_pearson(how, x, y, a);
    check(i.low < i.value && i.value < i.high && i.low > 0.6 && i.high < 0.8, "interval of r: %.3f [%.3f, %.3f]", i.value, i.low, i.high);
    i = bootstrap_spearman(how, x, y, a);
    check_value("Spearman's value", i.value, spearman(x, y, (size_t)n, a).r, 1e-14);
    check(i.low < i.value && i.value < i.high && i.low > 0.55 && i.high < 0.8, "interval of rho: %.3f [%.3f, %.3f]", i.value, i.low, i.high);
    i = bootstrap_median(how, x, a);
    check(i.low < i.value && i.value < i.high, "interval of a median: %.3f [%.3f, %.3f]", i.value, i.low, i.high);

    // every row four times, in groups: the interval is as wide as without the copies, not half as wide
    double *four = take(a, double, 4 * (size_t)n);
    uint32_t *group = take(a, uint32_t, 4 * (size_t)n);
    for (int k = 0; k < 4 * n; k++) four[k] = x[k % n], group[k] = (uint32_t)(k % n) * 7 + 5;
    Resampling grouped = {.n = 4 * (size_t)n, .group = group, .replicates = 2000, .rng = how.rng};
    i = bootstrap_mean(grouped, four, a);
    check_value("copies in groups do not narrow the interval", (i.high - i.low) / 2 / half, 1, 0.08);
    grouped.group = NULL;
    i = bootstrap_mean(grouped, four, a);
    check_value("copies taken for rows do", (i.high - i.low) / 2 / half, 0.5, 0.05);

    Interval one, three;
    grouped.group = group;
    grouped.accelerated = true;
    threads_set(1);
    one = bootstrap_mean(grouped, four, a);
    threads_set(3);
    three = bootstrap_mean(grouped, four, a);
    check_same("1 and 3 threads", &three, &one, sizeof one);
    double *twice = take(a, double, 4 * (size_t)n);
    for (int k = 0; k < 4 * n; k++) twice[k] = 2 * four[k] + k;
    for (int kind = 0; kind < 2; kind++) {
        grouped.accelerated = kind;
        Interval all[3], alone[3] = {bootstrap_mean(grouped, four, a), bootstrap_mean(grouped, twice, a), bootstrap_mean(grouped, four, a)};
        bootstrap_means(grouped, (const double *const[]){four, twice, four}, 3, all, a);
        check_same("several lists by the same draws as each alone", all, alone, sizeof alone);
    }
    test_groups_drawn(a, x, 3);
    test_groups_drawn(a, x, 70);
    check_dies("a level of 2", "level") { bootstrap_mean((Resampling){.n = 3, .level = 2}, x, a); }
    check(isnan(bootstrap_mean((Resampling){.n = 0}, x, a).low), "no rows, no interval");
}

static void test_permutations(Arena *a, const Json *g) {
    const Json *j = json_get(g, "signs");
    size_t n;
    double *x = golden_list(a, j, "x", &n);
    check_value("all 512 sign patterns", permutation_signs((Resampling){.n = n}, x, a), json_real(j, "p"), 1e-15);
    double p = permutation_signs((Resampling){.n = n, .replicates = 400, .rng = rng_of(1, "signs")}, x, a);
    check_value("400 random ones", p, json_real(j, "p"), 0.05);
    double zeros[5] = {0}, same[4] = {2, 2, 2, 2};
    check_value("no difference: p = 1", permutation_signs((Resampling){.n = 5}, zeros, a), 1, 0);
    // two groups of two rows: 4 patterns, of which 2 are as far out
    check_value("signs by group", permutation_signs((Resampling){.n = 4, .group = (uint32_t[]){1, 2, 1, 2}}, same, a), 0.5, 0);
    int m = 60;
    double u[60], v[60];
    Rng r = rng_of(5, "permutation");
    for (int i = 0; i < m; i++) u[i] = rng_normal(r, (uint64_t)i), v[i] = rng_normal(r, (uint64_t)(100 + i)) + 0.5;
    // against the normal approximation of the same tests
    double mu = mean_of(u, 60), mv = mean_of(v, 60), pooled[120];
    memcpy(pooled, u, sizeof u), memcpy(pooled + 60, v, sizeof v);
    double z = (mu - mv) / (std_of(pooled, 120, 1) * sqrt(2.0 / 60));
    p = permutation_means(u, 60, v, 60, 20000, rng_of(2, "means"), a);
    check_value("means of two lists", p, 2 * normal_cdf(-fabs(z)), 0.2 * p + 0.002);
    for (int i = 0; i < m; i++) v[i] = v[i] + 0.3 * u[i];
    p = permutation_correlation(u, v, 60, 20000, rng_of(3, "r"), a);
    check_value("correlation", p, pearson(u, v, 60).p, 0.2 * p + 0.002);
    check_value("nothing beats a perfect correlation", permutation_correlation(u, u, 60, 99, rng_of(3, "r"), a), 0.01, 1e-15);
    double b[60];
    for (int i = 0; i < m; i++) b[i] = i % 3 ? u[i] - 0.1 : u[i];
    b[7] = NAN;
    Paired d = paired_difference((Resampling){.n = 60, .rng = rng_of(4, "paired")}, u, b, a);
    check(d.n == 59 && d.below == 0 && fabs(d.above + d.equal - 1) < 1e-15 && fabs(d.mean - 0.1 * 39 / 59) < 1e-12, "paired: counts and mean");
    check(d.interval.low > 0.04 && d.interval.high < 0.1 && d.p < 0.001, "paired: [%.3f, %.3f], p %.4f", d.interval.low, d.interval.high, d.p);
    j = json_get(g, "holm");
    double *raw = golden_list(a, j, "p", &n), with[8], got[8];
    memcpy(with, raw, n * sizeof *raw);
    with[n] = NAN;
    holm(got, with, n + 1, a);
    check_near_double("Holm", got, golden_list(a, j, "adjusted", NULL), n, 1e-15);
    check(isnan(got[n]), "Holm leaves a NaN alone");
}

int main(void) {
    Arena *a = arena_new("test");
    const Json *g = golden(a);
    test_lists(a, g);
    test_bins(a, g);
    test_pairs(a, g);
    test_distributions(a, g);
    test_resampling(a, g);
    test_permutations(a, g);
    arena_free(a);
    return check_end();
}
