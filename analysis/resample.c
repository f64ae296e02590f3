// resample.c: bootstrap, jackknife and permutations of statistics.h.
//
// Sources: Efron 1987 (BCa); Davison & Hinkley 1997, 2.4 and 4.3 (groups drawn whole; (1 + hits) / (1 + replicates)).
// Replicate b draws from its own random stream, so its value depends on (seed, purpose, b) only.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/thread.h"
#include "statistics.h"

enum { REPLICATES = 2000 };
#define LEVEL 0.95

static int replicates_of(Resampling how) {
    need(how.replicates >= 0, "resampling: %d replicates", how.replicates);
    return how.replicates ? how.replicates : REPLICATES;
}

static double level_of(Resampling how) {
    double level = how.level != 0 ? how.level : LEVEL;
    need(level > 0 && level < 1, "resampling: a level of %g; between 0 and 1 are possible", level);
    return level;
}

// ---- rows by group: the rows of group g are rows[start[g] … start[g+1]), groups in order of their first row

typedef struct {
    size_t count;
    size_t *start;
    uint32_t *rows;
} Groups;

typedef struct {
    uint32_t group, row;
} Member;

static int by_group(const void *a, const void *b) {
    const Member *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int by_first_row(const void *a, const void *b) {
    const Member *x = a, *y = b; // group: index into the sorted list, row: the group's first row
    return (x->row > y->row) - (x->row < y->row);
}

static Groups groups_of(const uint32_t *group, size_t n, Arena *a) {
    need(n <= UINT32_MAX, "resampling: %zu rows; at most 2^32 - 1 are possible", n);
    Groups g = {.start = take(a, size_t, n + 1), .rows = take(a, uint32_t, n)};
    if (!group) {
        for (size_t i = 0; i < n; i++) g.start[i] = i, g.rows[i] = (uint32_t)i;
        g.start[n] = n;
        g.count = n;
        return g;
    }
    Member *m = take(a, Member, n), *first = take(a, Member, n);
    for (size_t i = 0; i < n; i++) m[i] = (Member){group[i], (uint32_t)i};
    if (n > 1) qsort(m, n, sizeof *m, by_group);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || m[i].group != m[i - 1].group) first[g.count++] = (Member){(uint32_t)i, m[i].row};
    if (g.count > 1) qsort(first, g.count, sizeof *first, by_first_row);
    size_t at = 0;
    for (size_t k = 0; k < g.count; k++) {
        g.start[k] = at;
        for (size_t i = first[k].group; i < n && m[i].group == m[first[k].group].group; i++) g.rows[at++] = m[i].row;
    }
    g.start[g.count] = at;
    return g;
}

// ---- bootstrap

typedef struct {
    Groups groups;
    Rng rng;
    StatisticFn *fn;
    const void *arg;
    double *out;
    size_t *sizes;
    uint32_t **index; // one list for each thread
    double **scratch;
} Job;

static size_t drawn(const Job *j, size_t replicate, size_t k) {
    return (size_t)rng_below(rng_sub(j->rng, replicate), k, j->groups.count);
}

static void sizes_range(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const size_t *start = j->groups.start;
    for (size_t b = begin; b < end; b++) {
        size_t size = 0;
        for (size_t k = 0; k < j->groups.count; k++) {
            size_t g = drawn(j, b, k);
            size += start[g + 1] - start[g];
        }
        j->sizes[b] = size;
    }
}

static void replicates_range(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const size_t *start = j->groups.start;
    uint32_t *index = j->index[thread_index()];
    for (size_t b = begin; b < end; b++) {
        size_t n = 0;
        for (size_t k = 0; k < j->groups.count; k++) {
            size_t g = drawn(j, b, k), size = start[g + 1] - start[g];
            memcpy(index + n, j->groups.rows + start[g], size * sizeof *index);
            n += size;
        }
        j->out[b] = j->fn(j->arg, index, n, j->scratch[thread_index()]);
    }
}

static void jackknife_range(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const size_t *start = j->groups.start, all = start[j->groups.count];
    uint32_t *index = j->index[thread_index()];
    for (size_t g = begin; g < end; g++) {
        memcpy(index, j->groups.rows, start[g] * sizeof *index);
        memcpy(index + start[g], j->groups.rows + start[g + 1], (all - start[g + 1]) * sizeof *index);
        j->out[g] = j->fn(j->arg, index, all - (start[g + 1] - start[g]), j->scratch[thread_index()]);
    }
}

static void lists_take(Job *j, size_t longest, Arena *a) {
    size_t threads = (size_t)threads_count();
    j->index = take(a, uint32_t *, threads);
    j->scratch = take(a, double *, threads);
    for (size_t t = 0; t < threads; t++) {
        j->index[t] = take(a, uint32_t, longest);
        j->scratch[t] = take(a, double, 4 * longest);
    }
}

Interval bootstrap(Resampling how, StatisticFn *fn, const void *arg, Arena *scratch) {
    size_t B = (size_t)replicates_of(how);
    double level = level_of(how);
    Interval none = {NAN, NAN, NAN};
    if (how.n == 0) return none;
    Mark mark = arena_mark(scratch);
    Job job = {.groups = groups_of(how.group, how.n, scratch), .rng = how.rng, .fn = fn, .arg = arg};
    size_t longest = how.n;
    if (how.group) {
        job.sizes = take(scratch, size_t, B);
        parallel_for(B, 16, sizes_range, &job);
        for (size_t b = 0; b < B; b++)
            if (job.sizes[b] > longest) longest = job.sizes[b];
    }
    lists_take(&job, longest, scratch);
    double *replicates = take(scratch, double, B), value = fn(arg, job.groups.rows, how.n, job.scratch[0]);
    job.out = replicates;
    parallel_for(B, 4, replicates_range, &job);
    Interval r;
    if (how.accelerated && job.groups.count > 1) {
        double *jackknife = take(scratch, double, job.groups.count);
        job.out = jackknife;
        parallel_for(job.groups.count, 16, jackknife_range, &job);
        r = interval_accelerated(value, replicates, B, jackknife, job.groups.count, level);
    } else {
        r = interval_percentile(value, replicates, B, level);
    }
    arena_release(scratch, mark);
    return r;
}

// Replicates without a value (a correlation of equal rows) are left out; they stand at the end after sorting.
static size_t sort_finite(double *x, size_t n) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) x[m++] = x[i];
    sort_ascending(x, m);
    return m;
}

Interval interval_percentile(double value, double *replicates, size_t B, double level) {
    size_t n = sort_finite(replicates, B);
    double tail = (1 - level) / 2;
    return (Interval){value, quantile_sorted(replicates, n, tail), quantile_sorted(replicates, n, 1 - tail)};
}

Interval interval_accelerated(double value, double *replicates, size_t B, const double *jackknife, size_t G, double level) {
    size_t n = sort_finite(replicates, B);
    if (n == 0 || isnan(value)) return (Interval){value, NAN, NAN};
    double below = 0;
    for (size_t i = 0; i < n; i++) below += replicates[i] < value ? 1 : replicates[i] == value ? 0.5 : 0;
    // all on one side: as if the next replicate would fall on the other
    double share = fmin(fmax(below / (double)n, 0.5 / (double)n), 1 - 0.5 / (double)n);
    double bias = normal_quantile(share), mean = mean_of(jackknife, G), cubes = 0, squares = 0;
    for (size_t g = 0; g < G; g++) {
        double d = mean - jackknife[g];
        squares += d * d;
        cubes += d * d * d;
    }
    double skew = squares > 0 ? cubes / (6 * squares * sqrt(squares)) : 0, ends[2];
    for (int side = 0; side < 2; side++) {
        double z = bias + normal_quantile(side ? (1 + level) / 2 : (1 - level) / 2);
        ends[side] = quantile_sorted(replicates, n, normal_cdf(bias + z / (1 - skew * z)));
    }
    return (Interval){value, ends[0], ends[1]};
}

typedef struct {
    const double *x, *y;
} Lists;

static double mean_statistic(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Lists *l = arg;
    for (size_t i = 0; i < n; i++) scratch[i] = l->x[index[i]];
    return mean_of(scratch, n);
}

static double median_statistic(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Lists *l = arg;
    if (n == 0) return NAN;
    for (size_t i = 0; i < n; i++) scratch[i] = l->x[index[i]];
    double high = select_kth(scratch, n, n / 2), low = n % 2 ? high : select_kth(scratch, n, n / 2 - 1);
    return low + (high - low) / 2;
}

static double pearson_statistic(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Lists *l = arg;
    for (size_t i = 0; i < n; i++) scratch[i] = l->x[index[i]], scratch[n + i] = l->y[index[i]];
    return pearson(scratch, scratch + n, n).r;
}

// Average ranks of the drawn values. A value's rank among the draws follows from how often each row was drawn, so the
// draws are sorted as row numbers of the sorted list: x and y of a Ranked are positions in the ascending order, equal
// values sharing one.
typedef struct {
    const uint32_t *x, *y;
    uint32_t most; // positions are below it
} Ranked;

static void ranks_drawn(double *rank, const uint32_t *position, const uint32_t *index, size_t n, uint32_t *count, uint32_t most) {
    memset(count, 0, sizeof *count * most);
    for (size_t i = 0; i < n; i++) count[position[index[i]]]++;
    uint32_t before = 0;
    for (uint32_t p = 0; p < most; p++) {
        uint32_t here = count[p];
        count[p] = 2 * before + here + 1; // twice the mean rank
        before += here;
    }
    for (size_t i = 0; i < n; i++) rank[i] = count[position[index[i]]] / 2.0;
}

static double spearman_statistic(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Ranked *r = arg;
    uint32_t *count = (uint32_t *)(scratch + 2 * n);
    ranks_drawn(scratch, r->x, index, n, count, r->most);
    ranks_drawn(scratch + n, r->y, index, n, count, r->most);
    return pearson(scratch, scratch + n, n).r;
}

static uint32_t *positions_of(const double *x, size_t n, Arena *a) {
    uint32_t *position = take(a, uint32_t, n);
    double *rank = take(a, double, n);
    ranks_average(rank, x, n, a);
    for (size_t i = 0; i < n; i++) position[i] = (uint32_t)rank[i] - 1; // equal values share it, others differ by 1 at least
    return position;
}

Interval bootstrap_mean(Resampling how, const double *x, Arena *scratch) {
    Lists l = {.x = x};
    return bootstrap(how, mean_statistic, &l, scratch);
}

Interval bootstrap_median(Resampling how, const double *x, Arena *scratch) {
    Lists l = {.x = x};
    return bootstrap(how, median_statistic, &l, scratch);
}

Interval bootstrap_pearson(Resampling how, const double *x, const double *y, Arena *scratch) {
    Lists l = {.x = x, .y = y};
    return bootstrap(how, pearson_statistic, &l, scratch);
}

Interval bootstrap_spearman(Resampling how, const double *x, const double *y, Arena *scratch) {
    need(how.n < UINT32_MAX, "resampling: %zu rows; at most 2^32 - 2 are possible", how.n);
    Mark mark = arena_mark(scratch);
    Ranked r = {.x = positions_of(x, how.n, scratch), .y = positions_of(y, how.n, scratch), .most = (uint32_t)how.n};
    Interval i = bootstrap(how, spearman_statistic, &r, scratch);
    arena_release(scratch, mark);
    return i;
}

// ---- permutations

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
    size_t B = (size_t)(replicates ? replicates : REPLICATES), threads = (size_t)threads_count();
    need(replicates >= 0 && s->n <= UINT32_MAX, "permutation: %d replicates of %zu rows", replicates, s->n);
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
    Groups groups = groups_of(how.group, how.n, scratch);
    size_t B = (size_t)replicates_of(how), G = groups.count;
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
