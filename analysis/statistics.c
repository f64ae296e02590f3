// statistics.c: see statistics.h. Lists, pairs and distributions; resampling is in resample.c.
#include "statistics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- one list

// The second pass takes up what the first one lost: the mean of the deviations is zero but for rounding.
double mean_of(const double *x, size_t n) {
    if (n == 0) return NAN;
    double sum = 0, rest = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) rest += x[i] - mean;
    return mean + rest / (double)n;
}

static double squares_around(const double *x, size_t n, double mean) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

double std_of(const double *x, size_t n, int ddof) {
    if (n == 0 || (double)n <= ddof) return NAN;
    return sqrt(squares_around(x, n, mean_of(x, n)) / ((double)n - ddof));
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_ascending(double *x, size_t n) {
    if (n > 1) qsort(x, n, sizeof *x, ascending);
}

static double middle(double a, double b, double c) {
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

// Quickselect in three parts (below, equal, above the pivot), so that many equal values do not slow it down.
double select_kth(double *x, size_t n, size_t k) {
    need(k < n, "select_kth: element %zu of %zu", k, n);
    for (size_t begin = 0, end = n;;) {
        if (end - begin <= 16) {
            sort_ascending(x + begin, end - begin);
            return x[k];
        }
        double pivot = middle(x[begin], x[begin + (end - begin) / 2], x[end - 1]);
        size_t low = begin, high = end, i = begin; // [begin, low) below, [high, end) above
        while (i < high) {
            double v = x[i];
            if (v < pivot) x[i++] = x[low], x[low++] = v;
            else if (v > pivot) x[i] = x[--high], x[high] = v;
            else i++;
        }
        if (k < low) end = low;
        else if (k >= high) begin = high;
        else return pivot;
    }
}

double median_lower_of(const double *x, size_t n, Arena *scratch) {
    if (n == 0) return NAN;
    Mark mark = arena_mark(scratch);
    double *copy = take(scratch, double, n);
    memcpy(copy, x, n * sizeof *x);
    double m = select_kth(copy, n, (n - 1) / 2);
    arena_release(scratch, mark);
    return m;
}

double median_of(const double *x, size_t n, Arena *scratch) {
    if (n == 0) return NAN;
    Mark mark = arena_mark(scratch);
    double *copy = take(scratch, double, n);
    memcpy(copy, x, n * sizeof *x);
    double m = select_kth(copy, n, n / 2);
    if (n % 2 == 0) { // the largest of the lower half, which select_kth has left in front
        double below = copy[0];
        for (size_t i = 1; i < n / 2; i++)
            if (copy[i] > below) below = copy[i];
        m = below + (m - below) / 2;
    }
    arena_release(scratch, mark);
    return m;
}

double quantile_sorted(const double *sorted, size_t n, double p) {
    if (n == 0 || isnan(p)) return NAN;
    double at = (double)(n - 1) * (p < 0 ? 0 : p > 1 ? 1 : p);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

double ecdf_sorted(const double *sorted, size_t n, double at) {
    if (n == 0 || isnan(at)) return NAN;
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sorted[mid] <= at) low = mid + 1;
        else high = mid;
    }
    return (double)low / (double)n;
}

Description describe(const double *x, size_t n, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    double *kept = take(scratch, double, n);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) kept[m++] = x[i];
    sort_ascending(kept, m);
    Description d = {.n = m, .mean = mean_of(kept, m), .median = quantile_sorted(kept, m, 0.5), .std = std_of(kept, m, 1),
                     .q25 = quantile_sorted(kept, m, 0.25), .q75 = quantile_sorted(kept, m, 0.75),
                     .min = m ? kept[0] : NAN, .max = m ? kept[m - 1] : NAN};
    arena_release(scratch, mark);
    return d;
}

void pooled_moments(double *mean, double *std, const double *counts, const double *means, const double *stds, size_t groups) {
    double n = 0, sum = 0, squares = 0;
    for (size_t g = 0; g < groups; g++) n += counts[g], sum += counts[g] * means[g];
    *mean = n > 0 ? sum / n : NAN;
    for (size_t g = 0; g < groups; g++)
        squares += counts[g] * (stds[g] * stds[g] + (means[g] - *mean) * (means[g] - *mean));
    *std = n > 0 ? sqrt(squares / n) : NAN;
}

void histogram(size_t *count, int bins, double low, double high, const double *x, size_t n) {
    need(bins >= 1 && low < high, "histogram: %d bins from %g to %g", bins, low, high);
    memset(count, 0, sizeof *count * (size_t)bins);
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= low && x[i] <= high)) continue;
        int b = (int)((x[i] - low) / (high - low) * bins);
        if (b >= bins) b = bins - 1;
        // the division may have rounded across an edge
        if (b > 0 && x[i] < low + (high - low) * b / bins) b--;
        else if (b < bins - 1 && x[i] >= low + (high - low) * (b + 1) / bins) b++;
        count[b]++;
    }
}

void binned_mean(double *centre, double *mean, size_t *count, int bins, const double *x, const double *y, size_t n) {
    need(bins >= 1, "binned_mean: %d bins", bins);
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) low = fmin(low, x[i]), high = fmax(high, x[i]);
    if (n > 0 && low == high) { // one value: a range around it, as pandas makes it
        double room = low != 0 ? 0.001 * fabs(low) : 0.001;
        low -= room, high += room;
    }
    double width = (high - low) / bins;
    for (int b = 0; b < bins; b++) {
        double left = low + width * b - (b == 0 ? 0.001 * (high - low) : 0);
        centre[b] = n ? (left + (low + width * (b + 1))) / 2 : NAN;
        mean[b] = 0;
        count[b] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        int b = (int)ceil((x[i] - low) / width) - 1;
        if (b < 0) b = 0;
        if (b >= bins) b = bins - 1;
        if (b > 0 && x[i] <= low + width * b) b--;
        else if (b < bins - 1 && x[i] > low + width * (b + 1)) b++;
        count[b]++;
        mean[b] += y[i];
    }
    for (int b = 0; b < bins; b++) mean[b] = count[b] ? mean[b] / (double)count[b] : NAN;
}

// ---- two lists

size_t pairs_finite(double *x, double *y, size_t n) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && isfinite(y[i])) x[m] = x[i], y[m++] = y[i];
    return m;
}

Correlation pearson(const double *x, const double *y, size_t n) {
    Correlation c = {.n = n, .r = NAN, .p = NAN};
    if (n < 3) return c;
    double mx = mean_of(x, n), my = mean_of(y, n), xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        double a = x[i] - mx, b = y[i] - my;
        xx += a * a, yy += b * b, xy += a * b;
    }
    // a list whose spread is the rounding of its mean is constant
    double tiny = DBL_EPSILON * DBL_EPSILON * (double)n;
    if (!(xx > tiny * mx * mx) || !(yy > tiny * my * my) || !(xx > 0) || !(yy > 0)) return c;
    c.r = xy / (sqrt(xx) * sqrt(yy));
    if (c.r > 1) c.r = 1;
    if (c.r < -1) c.r = -1;
    double rest = (1 - c.r) * (1 + c.r);
    c.p = rest > 0 ? student_two_sided(c.r * sqrt((double)(n - 2) / rest), (double)(n - 2)) : 0;
    return c;
}

typedef struct {
    double x;
    size_t at;
} Placed;

static int by_value(const void *a, const void *b) {
    const Placed *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->at > q->at) - (p->at < q->at);
}

void ranks_average(double *rank, const double *x, size_t n, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    Placed *p = take(scratch, Placed, n);
    for (size_t i = 0; i < n; i++) p[i] = (Placed){x[i], i};
    if (n > 1) qsort(p, n, sizeof *p, by_value);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && p[j].x == p[i].x;) j++;
        for (size_t k = i; k < j; k++) rank[p[k].at] = ((double)(i + 1) + (double)j) / 2;
    }
    arena_release(scratch, mark);
}

Correlation spearman(const double *x, const double *y, size_t n, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    double *rx = take(scratch, double, n), *ry = take(scratch, double, n);
    ranks_average(rx, x, n, scratch);
    ranks_average(ry, y, n, scratch);
    Correlation c = pearson(rx, ry, n);
    arena_release(scratch, mark);
    return c;
}

Line line_fit(const double *x, const double *y, size_t n) {
    Line line = {.intercept = NAN, .slope = NAN, .slope_error = NAN, .correlation = pearson(x, y, n)};
    if (n < 2) return line;
    double mx = mean_of(x, n), my = mean_of(y, n), xx = 0, xy = 0, rest = 0;
    for (size_t i = 0; i < n; i++) xx += (x[i] - mx) * (x[i] - mx), xy += (x[i] - mx) * (y[i] - my);
    if (!(xx > 0)) return line;
    line.slope = xy / xx;
    line.intercept = my - line.slope * mx;
    for (size_t i = 0; i < n; i++) {
        double e = y[i] - my - line.slope * (x[i] - mx);
        rest += e * e;
    }
    if (n > 2) line.slope_error = sqrt(rest / (double)(n - 2) / xx);
    return line;
}

// Reflection j maps column j (rows j …) onto a multiple of the unit vector; the same is done to later columns and y.
static void eliminate(double *a, double *b, size_t n, int k, int j, double allow, const char *what) {
    double norm = 0;
    for (size_t i = (size_t)j; i < n; i++) norm = hypot(norm, a[i * k + j]);
    need(norm > allow, "%s: column %d of %d is a combination of those before it; leave it out", what, j, k);
    if (a[(size_t)j * k + j] > 0) norm = -norm;
    double head = a[(size_t)j * k + j] - norm;
    for (int c = j + 1; c <= k; c++) { // c = k stands for y
        double sum = head * (c < k ? a[(size_t)j * k + c] : b[j]);
        for (size_t i = (size_t)j + 1; i < n; i++) sum += a[i * k + j] * (c < k ? a[i * k + c] : b[i]);
        double t = sum / (norm * head);
        for (size_t i = (size_t)j; i < n; i++) {
            double v = i == (size_t)j ? head : a[i * k + j];
            if (c < k) a[i * k + c] += t * v;
            else b[i] += t * v;
        }
    }
    a[(size_t)j * k + j] = norm;
}

double least_squares(double *beta, double *errors, const double *X, const double *y, size_t n, int k, Arena *scratch,
                     const char *what) {
    need(k >= 1 && n >= (size_t)k, "%s: %zu rows for %d unknowns", what, n, k);
    Mark mark = arena_mark(scratch);
    double *a = take(scratch, double, n * k), *b = take(scratch, double, n), *inverse = take(scratch, double, (size_t)k);
    memcpy(a, X, sizeof *a * n * k);
    memcpy(b, y, sizeof *b * n);
    for (int j = 0; j < k; j++) {
        double length = 0;
        for (size_t i = 0; i < n; i++) length = hypot(length, X[i * k + j]);
        eliminate(a, b, n, k, j, length * DBL_EPSILON * (double)n, what);
    }
    for (int j = k - 1; j >= 0; j--) {
        double sum = b[j];
        for (int c = j + 1; c < k; c++) sum -= a[(size_t)j * k + c] * beta[c];
        beta[j] = sum / a[(size_t)j * k + j];
    }
    double rest = squares_around(b + k, n - k, 0), total = squares_around(y, n, mean_of(y, n));
    for (int row = 0; errors && row < k; row++) { // |row of the inverse of the triangle|, times the residual deviation
        for (int j = 0; j < k; j++) inverse[j] = j == row;
        double sum = 0; // row of R⁻¹: solve z R = unit row
        for (int j = row; j < k; j++) {
            for (int c = row; c < j; c++) inverse[j] -= inverse[c] * a[(size_t)c * k + j];
            inverse[j] /= a[(size_t)j * k + j];
            sum += inverse[j] * inverse[j];
        }
        errors[row] = n > (size_t)k ? sqrt(sum * rest / (double)(n - k)) : NAN;
    }
    arena_release(scratch, mark);
    return total > 0 ? 1 - rest / total : NAN;
}

// ---- distributions

// What Stirling's formula leaves of ln Gamma(x), x >= 10.
static double stirling_rest(double x) {
    double y = 1 / (x * x);
    return (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y * (1.0 / 1188 - y * (691.0 / 360360)))))) / x;
}

static double log_gamma(double x) {
    int sign; // lgamma itself would write a global
    return lgamma_r(x, &sign);
}

// ln B(a, b). For a large argument the two big logarithms of Gamma are not subtracted: n = 1e5 would lose five digits.
static double log_beta(double a, double b) {
    if (a > b) {
        double t = a;
        a = b, b = t;
    }
    if (b < 10) return log_gamma(a) + log_gamma(b) - log_gamma(a + b);
    double rest = stirling_rest(b) - stirling_rest(a + b);
    if (a < 10) return log_gamma(a) + rest - (b - 0.5) * log1p(a / b) - a * log(a + b) + a;
    double half_log_2pi = 0.91893853320467274178;
    return half_log_2pi - 0.5 * log(b) + stirling_rest(a) + rest - (a - 0.5) * log1p(b / a) - b * log1p(a / b);
}

// The continued fraction of I_x(a, b), by Lentz's method; quick for x < (a + 1) / (a + b + 2).
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m <= 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double t = half ? odd : even;
            d = 1 + t * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + t / c;
            if (fabs(c) < tiny) c = tiny;
            f *= c * d;
        }
        if (fabs(c * d - 1) < DBL_EPSILON) break;
    }
    return f;
}

// x and rest = 1 - x are both given, because one of them may be too small to come from the other.
static double beta_both(double a, double b, double x, double rest) {
    if (x <= 0) return 0;
    if (rest <= 0) return 1;
    double front = a * (x < 0.5 ? log(x) : log1p(-rest)) + b * (rest < 0.5 ? log(rest) : log1p(-x)) - log_beta(a, b);
    if (x < (a + 1) / (a + b + 2)) return exp(front - log(a)) * beta_fraction(a, b, x);
    return 1 - exp(front - log(b)) * beta_fraction(b, a, rest);
}

double beta_incomplete(double a, double b, double x) {
    if (!(a > 0 && b > 0) || isnan(x)) return NAN;
    return beta_both(a, b, x, 1 - x);
}

double student_two_sided(double t, double degrees) {
    if (isnan(t) || !(degrees > 0)) return NAN;
    if (isinf(t)) return 0;
    double u = t * t / degrees;
    return beta_both(degrees / 2, 0.5, 1 / (1 + u), u / (1 + u));
}

double normal_cdf(double z) { return 0.5 * erfc(-z / 1.41421356237309504880); }

// A rough start (Abramowitz & Stegun 26.2.23), then Halley's steps on the distribution itself.
double normal_quantile(double p) {
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0) return -INFINITY;
    if (p == 1) return INFINITY;
    double tail = p < 0.5 ? p : 1 - p, t = sqrt(-2 * log(tail));
    double z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for (int step = 0; step < 3; step++) { // on the lower tail, where the distribution keeps its digits
        double error = (normal_cdf(z) - tail) * 2.50662827463100050242 /* sqrt(2 pi) */ * exp(z * z / 2);
        z -= error / (1 + z * error / 2);
    }
    return p < 0.5 ? z : -z;
}
