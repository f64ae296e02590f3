// knn.c: see knn.h.
//
// 1. Rows become float vectors whose products are scores with a bounded error (points.h).
// 2. Blocks of 192 rows meet each other; of one set only the blocks on and above the diagonal, and each product serves
//    both of its rows. Scores are compared with the query's threshold while they are in registers; the few that may still
//    be near go to the query's list together with their bounds.
// 3. A list that has grown drops what K others are proved to beat; if too much is left (copies, ties), the metric itself
//    decides. At the end it decides wherever the bounds of two candidates overlap.
// A device's products take the place of 2. for all rows whose K nearest they prove.
//   version 0  one task a pair of blocks; a list shrinks when it is full, to its K-th bound, found by a histogram
//   version 1  one task a block of queries; a list shrinks early, to a bound found by halving; panels are asked for: in use
#include "knn.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/thread.h"
#include "model/device.h"
#include "points.h"

KnnMetric knn_metric_named(const char *name, const char *where) {
    if (strcmp(name, "cosine") == 0) return KNN_COSINE;
    need(strcmp(name, "l2") == 0, "%s: metric \"%s\"; cosine and l2 are possible", where, name);
    return KNN_L2;
}

const char *knn_metric_name(KnnMetric metric) { return metric == KNN_COSINE ? "cosine" : "l2"; }

typedef struct {
    float upper, lower; // bounds of its score
    uint32_t id;
} Bounded;

typedef struct {
    double key; // smaller is nearer
    Bounded candidate;
} Keyed;

typedef struct {
    Points query, point;
    bool one_set;
    int K, room;
    const uint32_t *group;
    const KnnKernels *kernel;
    float *least;          // (query.rows) threshold: the K-th best lower bound so far; infinite: nothing is looked for any more
    bool *open;            // (blocks) of queries: something is
    int *count, *full;     // (query.rows) candidates in each list; so many, and it is shrunk
    Bounded *list;         // (query.rows, room)
    pthread_mutex_t *lock; // one for each block of queries
    Neighbours out;
    size_t parts;    // of all points, for each block of queries
    struct Own *own; // one for each thread
} Search;

struct Own {
    Keyed *scratch; // room of them
    float *packed;  // a block of queries, in panels of mr rows
};

double knn_value(const float *x, const float *y, int C, KnnMetric metric) {
    const KnnKernels *k = knn_kernels();
    size_t n = (size_t)C;
    if (metric == KNN_L2) return sqrt(k->squared_distance(x, y, n));
    return k->dot(x, y, n) / (fmax(sqrt(k->dot(x, x, n)), 1e-12) * fmax(sqrt(k->dot(y, y, n)), 1e-12));
}

// ---- lists

static double metric_of(const Search *s, size_t q, uint32_t c) {
    const float *x = s->query.x + q * (size_t)s->query.C, *y = s->point.x + (size_t)c * (size_t)s->query.C;
    size_t C = (size_t)s->query.C;
    if (s->query.metric == KNN_L2) return s->kernel->squared_distance(x, y, C);
    return -s->kernel->dot(x, y, C) * s->query.scale[q] * s->point.scale[c];
}

static int by_upper(const void *a, const void *b) {
    const Bounded *x = a, *y = b;
    if (x->upper != y->upper) return x->upper > y->upper ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_key(const void *a, const void *b) {
    const Keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->candidate.id > y->candidate.id) - (x->candidate.id < y->candidate.id);
}

// The K nearest of a list, in order. Where the bounds of candidates overlap, the metric itself decides among them.
static void settle(Search *s, size_t q) {
    Bounded *list = s->list + q * (size_t)s->room;
    Keyed *keyed = s->own[thread_index()].scratch;
    int n = s->count[q];
    qsort(list, (size_t)n, sizeof *list, by_upper);
    for (int begin = 0, end; begin < n && begin < s->K; begin = end) {
        float least = list[begin].lower; // of the run that overlaps so far
        for (end = begin + 1; end < n && list[end].upper >= least; end++) least = fminf(least, list[end].lower);
        if (end - begin == 1) continue;
        for (int i = begin; i < end; i++) keyed[i - begin] = (Keyed){metric_of(s, q, list[i].id), list[i]};
        qsort(keyed, (size_t)(end - begin), sizeof *keyed, by_key);
        for (int i = begin; i < end; i++) list[i] = keyed[i - begin].candidate;
    }
    if (n > s->K) s->count[q] = s->K;
}

// Raises the threshold of a query to its K-th best lower bound, or near it with some to spare, and drops what cannot reach it.
static void shrink(Search *s, size_t q, int spare) {
    Bounded *list = s->list + q * (size_t)s->room;
    float *lower = (float *)s->own[thread_index()].scratch;
    int n = s->count[q], filled = (n + 15) / 16 * 16, kept = 0;
    if (n < s->K) return;
    for (int i = 0; i < n; i++) lower[i] = list[i].lower;
    for (int i = n; i < filled; i++) lower[i] = -INFINITY;
    float least = knn_reached_by(s->kernel, lower, filled, s->K, spare, s->least[q]);
    if (least > s->least[q]) s->least[q] = least;
    least = s->least[q];
    for (int i = 0; i < n; i++) {
        Bounded c = list[i];
        list[kept] = c;
        kept += c.upper >= least;
    }
    s->count[q] = kept;
}

// So many more candidates, and a list is looked through: early thresholds let less through.
static int step_of(const Search *s) { return (s->room - s->K) / 5; }

static void append(Search *s, size_t q, uint32_t id, float upper) {
    if (upper < s->least[q]) return; // the threshold has risen since it was compared
    if (s->one_set && (id == q || (s->group && s->group[id] == s->group[q]))) return;
    if (s->count[q] == s->full[q]) {
        shrink(s, q, s->K / 32 + 1);
        if (s->count[q] > s->K + (s->room - s->K) / 2) settle(s, q); // bounds alone make no room
        s->full[q] = s->count[q] + step_of(s);
    }
    s->list[q * (size_t)s->room + (size_t)s->count[q]++] = (Bounded){upper, upper - points_spread(&s->query, q, &s->point, id), id};
}

static void conclude(Search *s, size_t q) {
    shrink(s, q, 0);
    settle(s, q);
    for (int k = 0; k < s->K; k++) s->out.id[q * (size_t)s->K + (size_t)k] = s->list[q * (size_t)s->room + (size_t)k].id;
}

// ---- blocks

// Block j of points meets block i of queries (packed in a); then comes block `next`.
static void meet(Search *s, const float *a, size_t i, size_t j, size_t next) {
    const KnnKernels *k = s->kernel;
    int mr = k->mr, nr = k->nr, C = s->query.C;
    bool both = s->one_set && i != j;
    float u[1024], w[1024], least_i[KNN_BLOCK], least_j[KNN_BLOCK];
    uint32_t near_u[32], near_w[32];
    size_t row = i * KNN_BLOCK, column = j * KNN_BLOCK;
    // thresholds as they are now; a rising one only lets less through
    pthread_mutex_lock(&s->lock[i]);
    memcpy(least_i, s->least + row, sizeof least_i);
    pthread_mutex_unlock(&s->lock[i]);
    if (both) {
        pthread_mutex_lock(&s->lock[j]);
        memcpy(least_j, s->least + column, sizeof least_j);
        pthread_mutex_unlock(&s->lock[j]);
    } else {
        for (int r = 0; r < KNN_BLOCK; r++) least_j[r] = INFINITY;
    }
    for (int c = 0; c < KNN_BLOCK; c += nr)
        for (int r = 0; r < KNN_BLOCK; r += mr) {
            size_t q = row + (size_t)r, p = column + (size_t)c;
            const Points *x = &s->query, *y = &s->point;
            KnnSide query = {a + (size_t)r * C, x->lift + q, x->slack + q, x->length + q, least_i + r};
            KnnSide point = {y->packed + p * (size_t)C, y->lift + p, y->slack + p, y->length + p, least_j + c};
            const float *panel = c + nr < KNN_BLOCK ? point.packed + (size_t)nr * (size_t)C : y->packed + next * KNN_BLOCK * (size_t)C;
            k->tile(u, w, near_u, near_w, query, point, knn_share(k, panel, r, C), C);
            uint32_t any_u = 0, any_w = 0;
            for (int t = 0; t < mr; t++) any_u |= near_u[t], any_w |= near_w[t];
            if (any_u) {
                pthread_mutex_lock(&s->lock[i]);
                for (int t = 0; t < mr; t++)
                    for (uint32_t bits = near_u[t]; bits; bits &= bits - 1) {
                        int b = __builtin_ctz(bits);
                        if (q + (size_t)t < s->query.N && p + (size_t)b < s->point.N)
                            append(s, q + (size_t)t, (uint32_t)(p + (size_t)b), u[t * nr + b]);
                    }
                pthread_mutex_unlock(&s->lock[i]);
            }
            if (any_w) {
                pthread_mutex_lock(&s->lock[j]);
                for (int t = 0; t < mr; t++)
                    for (uint32_t bits = near_w[t]; bits; bits &= bits - 1) {
                        int b = __builtin_ctz(bits);
                        if (q + (size_t)t < s->query.N && p + (size_t)b < s->point.N)
                            append(s, p + (size_t)b, (uint32_t)(q + (size_t)t), w[t * nr + b]);
                    }
                pthread_mutex_unlock(&s->lock[j]);
            }
        }
}

// Task t: a block of queries and a part of the blocks of points, of one set those from its own on. Each begins elsewhere among
// them, so that threads seldom want the same lists.
static void pairs_range(void *arg, size_t begin, size_t end) {
    Search *s = arg;
    float *packed = s->own[thread_index()].packed;
    size_t queries = s->query.rows / KNN_BLOCK, points = s->point.rows / KNN_BLOCK;
    for (size_t t = begin; t < end; t++) {
        size_t i = t % queries, part = t / queries, first = points * part / s->parts, last = points * (part + 1) / s->parts;
        if (s->one_set && first < i) first = i; // the pair (j, i) serves both
        bool there = false;
        for (size_t k = 0; first + k < last; k++) {
            size_t count = last - first, at = 7 * i + k, j = first + at % count;
            if (!s->open[i] && !(s->one_set && s->open[j])) continue;
            if (!there) points_pack_queries(packed, &s->query, i * KNN_BLOCK);
            there = true;
            meet(s, packed, i, j, first + (at + 1) % count);
        }
    }
}

static void finish_range(void *arg, size_t begin, size_t end) {
    Search *s = arg;
    for (size_t q = begin; q < end; q++)
        if (s->least[q] < INFINITY) conclude(s, q);
}

// ---- a device's candidates

typedef struct {
    Search *search;
    const int32_t *id; // (query.N, count), best first
    const float *score;
    int count;
    float longest, lift; // of all points
} Offered;

// What a device's score may be wrong by. C sums in turn: C u |q||g| and C u of that, u = 2^-24; rounding the operands, the sum with the lift, the
// arithmetic on the bounds: as in points.c.
static double doubt(const Points *p, size_t q, float length, float lift) {
    return 1.01 * (p->C + 20) * 0x1p-24 * (double)p->length[q] * (double)length + 20 * 0x1p-24 * fabs((double)lift) + 2 * (double)POINTS_NOTHING;
}

static void offered_range(void *arg, size_t begin, size_t end) {
    const Offered *o = arg;
    Search *s = o->search;
    const Points *p = &s->query;
    for (size_t q = begin; q < end; q++) {
        const float *score = o->score + q * (size_t)o->count;
        Bounded *list = s->list + q * (size_t)s->room;
        for (int k = 0; k < o->count; k++) {
            uint32_t id = (uint32_t)o->id[q * (size_t)o->count + (size_t)k];
            double d = doubt(p, q, p->length[id], p->lift[id]);
            list[k] = (Bounded){(float)(score[k] + d), (float)(score[k] - d), id};
        }
        s->count[q] = o->count;
        shrink(s, q, 0);
        bool all = (size_t)o->count + 1 == p->N, proved = score[o->count - 1] + doubt(p, q, o->longest, o->lift) < s->least[q];
        if (all || proved) conclude(s, q), s->least[q] = INFINITY;
        else s->count[q] = 0; // the threshold holds
    }
}

// Concludes the queries whose K nearest are proved to be among a device's candidates.
static void ask_device(Arena *a, Search *s) {
    const Device *device = device_used();
    const size_t N = s->query.N;
    Offered o = {.search = s, .count = 2 * s->K + 32};
    if (!device->nearest || !s->one_set || s->group || s->query.C > 1 << 16 || o.count > s->room) return;
    if ((size_t)o.count >= N) o.count = (int)N - 1;
    Mark mark = arena_mark(a);
    int32_t *id = take(a, int32_t, size_mul(N, (size_t)o.count, "candidates"));
    float *score = take(a, float, N * (size_t)o.count);
    if (device->nearest(id, score, points_rows(a, &s->query), s->query.lift, (long)N, s->query.C, o.count)) {
        for (size_t r = 0; r < N; r++) o.longest = fmaxf(o.longest, s->query.length[r]), o.lift = fmaxf(o.lift, fabsf(s->query.lift[r]));
        o.id = id, o.score = score;
        parallel_for(N, 16, offered_range, &o);
    }
    arena_release(a, mark);
}

// ---- the whole

static void search(Arena *a, Search *s, const char *what) {
    size_t N = s->query.N, rows = s->query.rows, blocks = rows / KNN_BLOCK, threads = (size_t)threads_count();
    s->kernel = knn_kernels();
    s->room = s->K + (s->K / 2 > 256 ? s->K / 2 : 256);
    s->least = take(a, float, rows);
    s->count = take_zero(a, int, rows);
    s->full = take(a, int, rows);
    s->list = take(a, Bounded, size_mul(rows, (size_t)s->room, what));
    s->lock = take(a, pthread_mutex_t, blocks);
    s->own = take(a, struct Own, threads);
    for (size_t r = 0; r < rows; r++) s->least[r] = r < N ? -INFINITY : INFINITY, s->full[r] = s->K + step_of(s);
    for (size_t b = 0; b < blocks; b++) pthread_mutex_init(&s->lock[b], NULL);
    for (size_t t = 0; t < threads; t++)
        s->own[t] = (struct Own){take(a, Keyed, (size_t)s->room), take(a, float, KNN_BLOCK * (size_t)s->query.C)};
    ask_device(a, s);
    bool any = false;
    s->open = take_zero(a, bool, blocks);
    for (size_t r = 0; r < N; r++)
        if (s->least[r] < INFINITY) any = s->open[r / KNN_BLOCK] = true;
    if (any) {
        points_pack(a, &s->point);
        size_t points = s->point.rows / KNN_BLOCK;
        s->parts = (8 * threads + blocks - 1) / blocks; // tasks enough, that threads end together
        if (s->parts > points) s->parts = points;
        parallel_for(blocks * s->parts, 1, pairs_range, s);
    }
    parallel_for(N, 16, finish_range, s);
    for (size_t b = 0; b < blocks; b++) pthread_mutex_destroy(&s->lock[b]);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t largest_group(Arena *a, const uint32_t *group, size_t N) {
    if (!group) return 1;
    Mark mark = arena_mark(a);
    uint32_t *sorted = take(a, uint32_t, N);
    memcpy(sorted, group, N * sizeof *sorted);
    qsort(sorted, N, sizeof *sorted, by_number);
    size_t most = 1;
    for (size_t i = 0, run = 0; i < N; i++) {
        run = i && sorted[i] == sorted[i - 1] ? run + 1 : 1;
        if (run > most) most = run;
    }
    arena_release(a, mark);
    return most;
}

Neighbours knn_self(Arena *a, const float *x, size_t N, int C, KnnMetric metric, int K, const uint32_t *group,
                    const char *what) {
    need(N >= 2 && N < UINT32_MAX && C >= 1 && K >= 1,
         "%s: %d neighbours among %zu rows of %d numbers; at least 1 among 2 of 1 are needed", what, K, N, C);
    size_t others = N - largest_group(a, group, N);
    need(others >= 1, "%s: all %zu rows are one group; nobody has a neighbour", what, N);
    // results first: everything else is released
    int kept = (size_t)K < others ? K : (int)others;
    Search s = {.one_set = true, .K = kept, .group = group};
    uint32_t *id = take(a, uint32_t, size_mul(N, (size_t)kept, what));
    Mark mark = arena_mark(a);
    s.query = points_of(a, x, N, C, metric, what);
    points_scale_alike(&s.query, &s.query);
    points_lift(a, &s.query, points_mean(a, &s.query));
    s.point = s.query;
    s.out = (Neighbours){.rows = N, .K = kept, .id = id};
    search(a, &s, what);
    arena_release(a, mark);
    return s.out;
}

Neighbours knn_between(Arena *a, const float *x, size_t N, const float *y, size_t M, int C, KnnMetric metric, int K,
                       const char *what) {
    need(N >= 1 && M >= 1 && M < UINT32_MAX && C >= 1 && K >= 1, "%s: %d neighbours of %zu rows among %zu, of %d numbers",
         what, K, N, M, C);
    int kept = (size_t)K < M ? K : (int)M;
    Search s = {.K = kept};
    uint32_t *id = take(a, uint32_t, size_mul(N, (size_t)kept, what));
    Mark mark = arena_mark(a);
    s.query = points_of(a, x, N, C, metric, what);
    s.point = points_of(a, y, M, C, metric, what);
    points_scale_alike(&s.query, &s.point);
    const double *mean = points_mean(a, &s.point);
    points_lift(a, &s.query, mean);
    points_lift(a, &s.point, mean);
    s.out = (Neighbours){.rows = N, .K = kept, .id = id};
    search(a, &s, what);
    arena_release(a, mark);
    return s.out;
}
