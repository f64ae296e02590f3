// permute.c: permutation tests, paired differences and Holm's correction of statistics.h.
//
// Source: Davison & Hinkley 1997, 4.3 ((1 + hits) / (1 + replicates)).
#include <math.h>
#include <string.h>

#include "io/thread.h"
#include "resample_parts.h"

typedef struct {
    const double *x, *y;
    size_t n, part;   // the first `part` of n
    double reference; // |statistic| of the data
    Rng rng;
    unsigned char *hit; // per replicate
    uint32_t **order;   // per thread
    bool exact;         // replicate b is the sign pattern b
} Shuffles;

static double shuffled_sum(const Shuffles *s, const uint32_t *order) {
    double sum = 0;
    if (s->y)
        for (size_t i = 0; i < s->n; i++) sum += s->x[i] * s->y[order[i]];
    else
        for (size_t i = 0; i < s->part; i++) sum += s->x[order[i]];
    return sum;
}

static void shuffles_range(void *arg, size_t begin, size_t end) {
    const Shuffles *s = arg;
    uint32_t *order = s->order[thread_index()];
    for (size_t b = begin; b < end; b++) {
        rng_permutation(rng_sub(s->rng, b), order, (uint32_t)s->n);
        s->hit[b] = fabs(shuffled_sum(s, order)) >= s->reference;
    }
}

static double share_of_hits(const unsigned char *hit, size_t B, bool exact) {
    size_t hits = 0;
    for (size_t b = 0; b < B; b++) hits += hit[b];
    return exact ? (double)hits / (double)B : (double)(1 + hits) / (double)(1 + B);
}

static double shuffle(Shuffles *s, int replicates, Arena *scratch) {
    size_t B = (size_t)resample_replicates((Resampling){.replicates = replicates}), threads = (size_t)threads_count();
    need(s->n <= UINT32_MAX, "permutation: %zu rows; at most 2^32 - 1 are possible", s->n);
    s->hit = take(scratch, unsigned char, B);
    s->order = take(scratch, uint32_t *, threads);
    for (size_t t = 0; t < threads; t++) s->order[t] = take(scratch, uint32_t, s->n);
    parallel_for(B, 4, shuffles_range, s);
    return share_of_hits(s->hit, B, false);
}

// Sums that differ by rounding only are the same arrangement of equal numbers.
static double just_below(double sum, double magnitude) { return fabs(sum) - 1e-12 * magnitude; }

double permutation_means(const double *x, size_t n, const double *y, size_t m, int replicates, Rng rng, Arena *scratch) {
    if (n == 0 || m == 0) return NAN;
    Mark mark = arena_mark(scratch);
    size_t all = n + m;
    double *z = take(scratch, double, all), magnitude = 0, sum = 0;
    memcpy(z, x, n * sizeof *z);
    memcpy(z + n, y, m * sizeof *z);
    double mean = mean_of(z, all); // with the common mean gone, the sum of one part tells the difference of the means
    for (size_t i = 0; i < all; i++) {
        z[i] -= mean;
        magnitude += fabs(z[i]);
        if (i < n) sum += z[i];
    }
    Shuffles s = {.x = z, .n = all, .part = n, .reference = just_below(sum, magnitude), .rng = rng};
    double p = shuffle(&s, replicates, scratch);
    arena_release(scratch, mark);
    return p;
}

double permutation_correlation(const double *x, const double *y, size_t n, int replicates, Rng rng, Arena *scratch) {
    if (n < 3) return NAN;
    Mark mark = arena_mark(scratch);
    double *a = take(scratch, double, n), *b = take(scratch, double, n), mx = mean_of(x, n), my = mean_of(y, n);
    double sum = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        a[i] = x[i] - mx, b[i] = y[i] - my;
        sum += a[i] * b[i], xx += a[i] * a[i], yy += b[i] * b[i];
    }
    Shuffles s = {.x = a, .y = b, .n = n, .reference = just_below(sum, sqrt(xx) * sqrt(yy)), .rng = rng};
    double p = xx > 0 && yy > 0 ? shuffle(&s, replicates, scratch) : NAN;
    arena_release(scratch, mark);
    return p;
}

static void signs_range(void *arg, size_t begin, size_t end) {
    const Shuffles *s = arg;
    for (size_t b = begin; b < end; b++) {
        Rng r = rng_sub(s->rng, b);
        double sum = 0;
        uint64_t bits = b;
        for (size_t g = 0; g < s->n; g++) {
            if (!s->exact && g % 64 == 0) bits = rng_u64(r, g / 64);
            sum += bits >> (g % 64) & 1 ? -s->x[g] : s->x[g];
        }
        s->hit[b] = fabs(sum) >= s->reference;
    }
}

double permutation_signs(Resampling how, const double *x, Arena *scratch) {
    if (how.n == 0) return NAN;
    Mark mark = arena_mark(scratch);
    RowGroups groups = resample_groups(how.group, how.n, scratch);
    size_t B = (size_t)resample_replicates(how), G = groups.count;
    double *sums = take_zero(scratch, double, G), magnitude = 0, sum = 0;
    for (size_t g = 0; g < G; g++) {
        for (size_t i = groups.start[g]; i < groups.start[g + 1]; i++) sums[g] += x[groups.rows[i]];
        magnitude += fabs(sums[g]);
        sum += sums[g];
    }
    Shuffles s = {.x = sums, .n = G, .reference = just_below(sum, magnitude), .rng = how.rng};
    s.exact = G < 63 && ((size_t)1 << G) <= B;
    if (s.exact) B = (size_t)1 << G;
    s.hit = take(scratch, unsigned char, B);
    parallel_for(B, 16, signs_range, &s);
    double p = share_of_hits(s.hit, B, s.exact);
    arena_release(scratch, mark);
    return p;
}

Paired paired_difference(Resampling how, const double *a, const double *b, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    double *d = take(scratch, double, how.n);
    uint32_t *group = take(scratch, uint32_t, how.n);
    size_t n = 0, above = 0, below = 0;
    for (size_t i = 0; i < how.n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) continue;
        d[n] = a[i] - b[i];
        above += d[n] > 0;
        below += d[n] < 0;
        group[n++] = how.group ? how.group[i] : (uint32_t)i;
    }
    how.n = n;
    how.group = group;
    Rng signs = rng_sub(how.rng, 1);
    Paired p = {.n = n, .mean = mean_of(d, n), .median = median_of(d, n, scratch), .std = std_of(d, n, 1),
                .interval = bootstrap_mean(how, d, scratch)};
    how.rng = signs;
    p.p = permutation_signs(how, d, scratch);
    p.above = n ? (double)above / (double)n : NAN;
    p.below = n ? (double)below / (double)n : NAN;
    p.equal = n ? (double)(n - above - below) / (double)n : NAN;
    arena_release(scratch, mark);
    return p;
}

// ---- many tests at once

void holm(double *adjusted, const double *p, size_t n, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    double *rank = take(scratch, double, n), *known = take(scratch, double, n);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        adjusted[i] = p[i];
        if (!isnan(p[i])) known[m++] = p[i];
    }
    sort_ascending(known, m);
    double least = 0;
    for (size_t k = 0; k < m; k++) { // known[k] stands before m - k tests that are still open
        double q = fmin(1, known[k] * (double)(m - k));
        rank[k] = least = fmax(least, q);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t low = 0, high = m; !isnan(p[i]) && low < high;) { // its first place in the sorted list
            size_t mid = low + (high - low) / 2;
            if (known[mid] == p[i] && (mid == 0 || known[mid - 1] < p[i])) {
                adjusted[i] = rank[mid];
                break;
            }
            if (known[mid] < p[i]) low = mid + 1;
            else high = mid;
        }
    arena_release(scratch, mark);
}
