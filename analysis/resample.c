// resample.c: bootstrap and jackknife of statistics.h.
//
// Sources: Efron 1987 (BCa); Davison & Hinkley 1997, 2.4 (groups drawn whole).
// Replicate b draws from its own random stream, so its value depends on (seed, purpose, b) only.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "duplicates.h"
#include "io/thread.h"
#include "resample_parts.h"

enum { REPLICATES = 2000 };
#define LEVEL 0.95

int resample_replicates(Resampling how) {
    need(how.replicates >= 0, "resampling: %d replicates", how.replicates);
    return how.replicates ? how.replicates : REPLICATES;
}

static double level_of(Resampling how) {
    double level = how.level != 0 ? how.level : LEVEL;
    need(level > 0 && level < 1, "resampling: a level of %g; between 0 and 1 are possible", level);
    return level;
}

RowGroups resample_groups(const uint32_t *group, size_t n, Arena *a) {
    need(n < UINT32_MAX, "resampling: %zu rows; at most 2^32 - 2 are possible", n);
    RowGroups g = {.count = n, .start = take(a, size_t, n + 1), .rows = take(a, uint32_t, n)};
    for (size_t i = 0; i <= n; i++) g.start[i] = i;
    for (size_t i = 0; i < n; i++) g.rows[i] = (uint32_t)i;
    if (!group) return g;
    Groups by = groups_of_ids(a, group, n);
    g.count = by.count;
    for (size_t k = 0; k < g.count; k++) g.start[k + 1] = g.start[k] + by.size[k];
    size_t *next = take(a, size_t, g.count);
    memcpy(next, g.start, sizeof *next * g.count);
    for (size_t i = 0; i < n; i++) g.rows[next[by.group[i]]++] = (uint32_t)i;
    return g;
}

// ---- bootstrap

typedef struct { // what a thread draws
    uint32_t *index;
    double *scratch; // four for each
    size_t room;
} Draws;

typedef struct {
    RowGroups groups;
    Rng rng;
    StatisticFn *fn;
    const void *const *args; // of as many statistics of the same rows
    size_t count;
    double *out; // (count, replicates or groups)
    size_t columns;
    Draws *draws; // of each thread
} Job;

static void draws_hold(Draws *d, size_t n) {
    if (n <= d->room) return;
    d->room = size_add(n, n / 4, "resampling");
    d->index = memory_grow(d->index, size_mul(d->room, sizeof *d->index, "resampling"), "resampling");
    d->scratch = memory_grow(d->scratch, size_mul(d->room, 4 * sizeof *d->scratch, "resampling"), "resampling");
}

static void statistics_put(const Job *j, size_t column, const Draws *d, size_t n) {
    for (size_t k = 0; k < j->count; k++) j->out[k * j->columns + column] = j->fn(j->args[k], d->index, n, d->scratch);
}

// The k-th group of a replicate; r is the replicate's own stream.
static size_t drawn(const Job *j, Rng r, size_t k) { return (size_t)rng_below(r, k, j->groups.count); }

static void replicates_range(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const size_t *start = j->groups.start;
    Draws *d = &j->draws[thread_index()];
    for (size_t b = begin; b < end; b++) {
        size_t n = 0;
        Rng r = rng_sub(j->rng, b);
        for (size_t k = 0; k < j->groups.count; k++) {
            size_t g = drawn(j, r, k);
            draws_hold(d, n + start[g + 1] - start[g]);
            for (size_t i = start[g]; i < start[g + 1]; i++) d->index[n++] = j->groups.rows[i]; // mostly one
        }
        statistics_put(j, b, d, n);
    }
}

static void jackknife_range(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const size_t *start = j->groups.start, all = start[j->groups.count];
    Draws *d = &j->draws[thread_index()];
    draws_hold(d, all);
    for (size_t g = begin; g < end; g++) {
        memcpy(d->index, j->groups.rows, start[g] * sizeof *d->index);
        memcpy(d->index + start[g], j->groups.rows + start[g + 1], (all - start[g + 1]) * sizeof *d->index);
        statistics_put(j, g, d, all - (start[g + 1] - start[g]));
    }
}

static void bootstrap_all(Resampling how, StatisticFn *fn, const void *const *args, size_t count, Interval *out, Arena *scratch) {
    size_t B = (size_t)resample_replicates(how);
    double level = level_of(how);
    for (size_t k = 0; k < count; k++) out[k] = (Interval){NAN, NAN, NAN};
    if (how.n == 0) return;
    Mark mark = arena_mark(scratch);
    Job job = {.groups = resample_groups(how.group, how.n, scratch), .rng = how.rng, .fn = fn, .args = args, .count = count, .columns = B};
    job.draws = take_zero(scratch, Draws, (size_t)threads_count());
    draws_hold(&job.draws[0], how.n);
    double *replicates = job.out = take(scratch, double, count * B), *jackknife = NULL;
    parallel_for(B, 4, replicates_range, &job);
    size_t G = job.groups.count;
    if (how.accelerated && G > 1) {
        jackknife = job.out = take(scratch, double, count * G), job.columns = G;
        parallel_for(G, 16, jackknife_range, &job);
    }
    for (size_t k = 0; k < count; k++) {
        double value = fn(args[k], job.groups.rows, how.n, job.draws[0].scratch);
        out[k] = jackknife ? interval_accelerated(value, replicates + k * B, B, jackknife + k * G, G, level) : interval_percentile(value, replicates + k * B, B, level);
    }
    for (int t = 0; t < threads_count(); t++) free(job.draws[t].index), free(job.draws[t].scratch);
    arena_release(scratch, mark);
}

Interval bootstrap(Resampling how, StatisticFn *fn, const void *arg, Arena *scratch) {
    Interval i;
    bootstrap_all(how, fn, &arg, 1, &i, scratch);
    return i;
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

void bootstrap_means(Resampling how, const double *const *x, size_t count, Interval *out, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    Lists *lists = take(scratch, Lists, count);
    const void **args = take(scratch, const void *, count);
    for (size_t k = 0; k < count; k++) lists[k] = (Lists){.x = x[k]}, args[k] = &lists[k];
    bootstrap_all(how, mean_statistic, args, count, out, scratch);
    arena_release(scratch, mark);
}

Interval bootstrap_mean(Resampling how, const double *x, Arena *scratch) {
    Interval i;
    bootstrap_means(how, &x, 1, &i, scratch);
    return i;
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
