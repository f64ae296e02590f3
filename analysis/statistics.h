// statistics.h: numbers that sum up numbers. Everything in double; sums of squares are of deviations from the mean.
//
// Inputs must be finite unless said otherwise; pairs_finite() drops what is not. Too few values for a statistic give
// NaN, never a number.
#ifndef RETINA_ANALYSIS_STATISTICS_H
#define RETINA_ANALYSIS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/memory.h"
#include "io/random.h"

// ---- one list
double mean_of(const double *x, size_t n);
double std_of(const double *x, size_t n, int ddof); // sqrt(sum of squares / (n - ddof)); NaN for n <= ddof
double select_kth(double *x, size_t n, size_t k);   // the k-th smallest, k from 0; x is put into another order
double median_of(const double *x, size_t n, Arena *scratch);       // mean of the middle two for even n
double median_lower_of(const double *x, size_t n, Arena *scratch); // the lower of the middle two
void sort_ascending(double *x, size_t n);
double quantile_sorted(const double *sorted, size_t n, double p); // linear between neighbours, at (n - 1) p
double ecdf_sorted(const double *sorted, size_t n, double at);    // share of values <= at

typedef struct {
    size_t n;
    double mean, median, std /* ddof 1 */, q25, q75, min, max;
} Description;
Description describe(const double *x, size_t n, Arena *scratch); // NaNs are left out and not counted

// Mean and deviation of the union of groups, of which only the counts, means and deviations (dividing by n) are known.
void pooled_moments(double *mean, double *std, const double *counts, const double *means, const double *stds, size_t groups);

// Equal-width bins of [low, high]; the last one is closed on the right. Values outside are counted nowhere.
void histogram(size_t *count, int bins, double low, double high, const double *x, size_t n);
// Mean of y in equal-width bins of x, closed on the right, the lowest edge 0.1 % of the range further out (pandas' cut).
// centre, mean, count (bins); empty bins have count 0 and mean NaN.
void binned_mean(double *centre, double *mean, size_t *count, int bins, const double *x, const double *y, size_t n);

// ---- two lists
// Moves the pairs of which both are finite to the front; returns how many.
size_t pairs_finite(double *x, double *y, size_t n);

typedef struct {
    size_t n;
    double r, p; // p two-sided, from t = r sqrt((n-2) / (1-r²)) with n-2 degrees of freedom. NaN for n < 3 or a constant list
} Correlation;
Correlation pearson(const double *x, const double *y, size_t n);
Correlation spearman(const double *x, const double *y, size_t n, Arena *scratch); // Pearson of average ranks
void ranks_average(double *rank, const double *x, size_t n, Arena *scratch);      // 1 … n; equal values share their mean rank

typedef struct {
    double intercept, slope, slope_error; // y = intercept + slope x; slope_error: standard error
    Correlation correlation;
} Line;
Line line_fit(const double *x, const double *y, size_t n);

// Least squares: beta (k) minimises |y - X beta|, X (n, k) row-major (put a column of ones in for an intercept), by
// Householder reflections. errors (k): standard errors, NULL if not wanted. Returns R² against the mean of y. Dies when
// the columns are linearly dependent.
double least_squares(double *beta, double *errors, const double *X, const double *y, size_t n, int k, Arena *scratch,
                     const char *what);

// ---- distributions
double beta_incomplete(double a, double b, double x); // regularised, I_x(a, b)
double student_two_sided(double t, double degrees);   // P(|T| >= |t|)
double normal_cdf(double z);
double normal_quantile(double p);

// ---- intervals and tests, by resampling. Groups are drawn, not rows: rows of one group (duplicates of one picture) come
// together or not at all. The same numbers for every thread count.
typedef struct {
    const uint32_t *group; // (n) group of each row, any numbers; NULL: each row alone
    size_t n;
    int replicates; // 2000 if 0
    double level;   // 0.95 if 0
    bool accelerated; // BCa (Efron 1987) in place of percentiles; costs one evaluation per group
    Rng rng;
} Resampling;

typedef struct {
    double value, low, high;
} Interval;

// The statistic of the rows index[0 … n) (rows may repeat). It is called from several threads; scratch is 4 n doubles.
typedef double StatisticFn(const void *arg, const uint32_t *index, size_t n, double *scratch);
Interval bootstrap(Resampling how, StatisticFn *fn, const void *arg, Arena *scratch);
Interval bootstrap_mean(Resampling how, const double *x, Arena *scratch);
void bootstrap_means(Resampling how, const double *const *x, size_t count, Interval *out, Arena *scratch); // of several lists of the same rows: each as alone, drawn once
Interval bootstrap_median(Resampling how, const double *x, Arena *scratch);
Interval bootstrap_pearson(Resampling how, const double *x, const double *y, Arena *scratch);
Interval bootstrap_spearman(Resampling how, const double *x, const double *y, Arena *scratch);

// The interval from the replicates themselves (B, sorted by this call). jackknife (G): the value without each group.
Interval interval_percentile(double value, double *replicates, size_t B, double level);
Interval interval_accelerated(double value, double *replicates, size_t B, const double *jackknife, size_t G, double level);

typedef struct {
    size_t n;
    double mean, median, std;    // of a - b; std ddof 1
    Interval interval;           // of the mean
    double p;                    // that the sign of the differences is a coin toss, group by group (two-sided)
    double above, equal, below;  // share of rows with a > b, a = b, a < b
} Paired;
Paired paired_difference(Resampling how, const double *a, const double *b, Arena *scratch); // rows with a NaN are left out

// P that labels dealt at random separate the means of x (n) and y (m) as far. (1 + hits) / (1 + replicates).
double permutation_means(const double *x, size_t n, const double *y, size_t m, int replicates, Rng rng, Arena *scratch);
// P that y in random order correlates with x as strongly.
double permutation_correlation(const double *x, const double *y, size_t n, int replicates, Rng rng, Arena *scratch);
// P that the mean of x is as far from 0 when each group takes a random sign. All signs are tried when they are no more
// than the replicates.
double permutation_signs(Resampling how, const double *x, Arena *scratch);

// Holm's step-down correction: adjusted[i] is compared with the level as a single p would be. NaNs stay and do not count.
void holm(double *adjusted, const double *p, size_t n, Arena *scratch);

#endif
