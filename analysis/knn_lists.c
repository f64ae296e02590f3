// knn_lists.c: see knn_lists.h.
//
// A list that has grown drops what cannot reach the threshold; if too much is left (copies, ties), the metric itself decides. At the end it
// decides wherever the bounds of two candidates overlap.
//   version                                                                                  ms, as in knn.c
//   0  a list is looked through when it is full; its threshold is the K-th bound, found by a
//      histogram; qsort                                                                      611
//   1  after every fifth of its room; the bound is found by halving                          539
//   2  guesses, when the points seen have doubled; places counted, not sorted                418 to 400, in use
#include "knn_lists.h"

#include <stdlib.h>
#include <string.h>

#include "io/thread.h"

static Bounded *list_of(const Lists *l, size_t q) { return l->list + q * (size_t)l->room; }

Lists lists_of(Arena *a, const Points *query, const Points *point, int K, const char *what) {
    Lists l = {.query = query, .point = point, .kernel = knn_kernels(), .K = K, .room = K + (K / 2 > 256 ? K / 2 : 256)};
    size_t rows = query->rows, threads = (size_t)threads_count();
    l.least = take(a, float, rows);
    l.proved = take_zero(a, bool, rows);
    l.count = take_zero(a, int, rows);
    l.list = take(a, Bounded, size_mul(rows, (size_t)l.room, what));
    l.scratch = take(a, Keyed *, threads);
    for (size_t r = 0; r < rows; r++) l.least[r] = r < query->N ? -INFINITY : INFINITY;
    for (size_t t = 0; t < threads; t++) l.scratch[t] = take(a, Keyed, 2 * (size_t)l.room);
    return l;
}

// How many of the K best are among so many of N is distributed hypergeometrically: more than this, by Bernstein's bound, with chance exp(-10).
int lists_rank(const Lists *l, size_t seen) {
    double share = (double)seen / (double)l->point->N, mean = l->K * share, L = 10;
    if (!l->guess || share >= 1) return l->K;
    double rank = mean + L / 3 + sqrt(L * L / 9 + 2 * L * mean * (1 - share)) + 1;
    return rank < l->K ? (int)rank : l->K;
}

// ---- order

static int by_upper(const void *a, const void *b) {
    float x = ((const Keyed *)a)->candidate.upper, y = ((const Keyed *)b)->candidate.upper;
    return (x < y) - (x > y);
}

// By upper bounds, the largest first. A place among few is the number of those that reach the bound: no branch depends on it.
static void sort_bounds(const Lists *l, Keyed *x, const Bounded *list, int n, void *room) {
    enum { FEW = 1024 };
    int filled = (n + 15) / 16 * 16, *used = room;
    float *upper = (float *)room + n;
    if (n > FEW) {
        for (int i = 0; i < n; i++) x[i].candidate = list[i];
        qsort(x, (size_t)n, sizeof *x, by_upper);
        return;
    }
    for (int i = 0; i < filled; i++) upper[i] = i < n ? list[i].upper : -INFINITY;
    memset(used, 0, (size_t)n * sizeof *used);
    for (int i = 0; i < n; i++) {
        int place = l->kernel->reach(upper, filled, upper[i]) - 1; // the last of those that are equal
        x[place - used[place]++].candidate = list[i];
    }
}

static int by_key(const void *a, const void *b) {
    const Keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->candidate.id > y->candidate.id) - (x->candidate.id < y->candidate.id);
}

static void sort_keys(Keyed *x, int n) {
    if (n == 2 && by_key(x, x + 1) > 0) {
        Keyed first = x[0];
        x[0] = x[1], x[1] = first;
    }
    if (n > 2) qsort(x, (size_t)n, sizeof *x, by_key);
}

static double metric_of(const Lists *l, size_t q, uint32_t id) {
    const Points *s = l->query, *t = l->point;
    uint32_t row = points_row(s, q);
    size_t C = (size_t)s->C;
    const float *x = s->x + row * C, *y = t->x + id * C;
    if (s->metric == KNN_L2) return l->kernel->squared_distance(x, y, C);
    return -l->kernel->dot(x, y, C) * s->scale[row] * t->scale[id];
}

// Behind the candidates whose bounds overlap that of the first, one after the other.
static int run_end(const Keyed *x, int begin, int n) {
    float least = x[begin].candidate.lower;
    int end = begin + 1;
    for (; end < n && x[end].candidate.upper >= least; end++) least = fminf(least, x[end].candidate.lower);
    return end;
}

// The K nearest of a list, in order. Where the bounds of candidates overlap, the metric itself decides among them.
static void settle(Lists *l, size_t q) {
    Bounded *list = list_of(l, q);
    Keyed *x = l->scratch[thread_index()], *waits = NULL;
    int n = l->count[q], K = n < l->K ? n : l->K;
    sort_bounds(l, x, list, n, x + l->room);
    for (int begin = 0, end; begin < K; begin = end) {
        end = run_end(x, begin, n);
        for (int i = begin; i < end && end > begin + 1; i++) { // a row comes while the one before is used
            const char *row = (const char *)(l->point->x + x[i].candidate.id * (size_t)l->point->C);
            for (size_t at = 0; at < (size_t)l->point->C * sizeof(float); at += 64) __builtin_prefetch(row + at);
            if (waits) waits->key = metric_of(l, q, waits->candidate.id);
            waits = x + i;
        }
    }
    if (waits) waits->key = metric_of(l, q, waits->candidate.id);
    for (int begin = 0, end; begin < K; begin = end) {
        end = run_end(x, begin, n);
        sort_keys(x + begin, end - begin);
    }
    for (int i = n - 2; i >= 0; i--) x[i].candidate.lower = fmaxf(x[i].candidate.lower, x[i + 1].candidate.lower); // it is no farther than the next
    for (int i = 0; i < K; i++) list[i] = x[i].candidate;
    l->count[q] = K;
}

// ---- thresholds

void lists_raise(Lists *l, size_t q, int rank, int spare) {
    Bounded *list = list_of(l, q);
    float *lower = (float *)l->scratch[thread_index()];
    int n = l->count[q], filled = (n + 15) / 16 * 16, kept = 0;
    if (l->proved[q]) rank = l->K;
    if (n < rank) return;
    for (int i = 0; i < n; i++) lower[i] = list[i].lower;
    for (int i = n; i < filled; i++) lower[i] = -INFINITY;
    float reached = knn_reached_by(l->kernel, lower, filled, rank, spare, l->least[q]), least = l->least[q];
    if (reached >= least) {
        l->least[q] = least = reached;
        if (rank == l->K) l->proved[q] = true;
    }
    for (int i = 0; i < n; i++) {
        Bounded c = list[i];
        list[kept] = c;
        kept += c.upper >= least;
    }
    l->count[q] = kept;
}

void lists_expect(const Lists *l, size_t q, bool whole) {
    const Bounded *list = l->list + q * (size_t)l->room, *end = list + l->count[q];
    if (whole)
        for (; list < end; list += 5) __builtin_prefetch(list, 1); // five to a line
    __builtin_prefetch(end, 1);
}

void lists_add(Lists *l, size_t q, const Hit *hit, int n, size_t first) {
    if (l->count[q] + n > l->room) {
        lists_raise(l, q, l->K, 0);
        if (l->count[q] + n > l->room) settle(l, q); // bounds alone make no room
    }
    Bounded *list = list_of(l, q);
    uint32_t row = points_row(l->query, q);
    int count = l->count[q];
    float least = l->least[q];
    for (int i = 0; i < n; i++) {
        uint32_t c = (uint32_t)first + hit[i].at, id = points_row(l->point, c);
        if (hit[i].upper < least) continue; // the threshold has risen since it was compared
        if (l->self && (id == row || (l->group && l->group[id] == l->group[row]))) continue;
        list[count++] = (Bounded){hit[i].upper, hit[i].upper - points_spread(l->query, q, l->point, c), id};
    }
    l->count[q] = count;
}

bool lists_conclude(Lists *l, size_t q, uint32_t *id) {
    lists_raise(l, q, l->K, 0);
    if (!l->proved[q]) return false;
    settle(l, q);
    for (int k = 0; k < l->K; k++) id[k] = list_of(l, q)[k].id;
    return true;
}
