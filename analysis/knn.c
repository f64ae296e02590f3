// knn.c: see knn.h.
//
// 1. Rows become float vectors whose products are scores with a bounded error (points.h).
// 2. Blocks of 192 rows, in an order of chance, meet each other; of one set only the blocks on and above the diagonal, and each product serves
//    both of its rows. Scores are compared with the query's threshold while they are in registers; the few that may still
//    be near go to the query's list together with their bounds (knn_lists.h), once for each pair of blocks.
// 3. A list drops what its threshold proves, or makes most likely, to be too far. Where that likelihood has failed, the query is searched for again.
// A device's products take the place of 2. for all rows whose K nearest they prove.
//   version                                                       100 nearest of 10000 x 1024, ms, two threads of an Intel server
//   0  one task a pair of blocks                                  611
//   1  one task a block of queries; panels are asked for          491
//   2  guessed thresholds; a pair of blocks collects its
//      candidates before the lists are touched                    505 to 427 in another hour; rows prepared by vectors 418
//   3  knn_lists.h's version 2                                    400
//   4  eight steps of a tile without a branch; huge pages         388 to 380 in another hour, in use
#include "knn.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/thread.h"
#include "knn_lists.h"
#include "model/device.h"

KnnMetric knn_metric_named(const char *name, const char *where) {
    if (strcmp(name, "cosine") == 0) return KNN_COSINE;
    need(strcmp(name, "l2") == 0, "%s: metric \"%s\"; cosine and l2 are possible", where, name);
    return KNN_L2;
}

const char *knn_metric_name(KnnMetric metric) { return metric == KNN_COSINE ? "cosine" : "l2"; }

// Candidates of a block of queries in a block of points. A query's are an odd number of lines, so that few begin in one set of L1.
typedef struct {
    Hit hit[KNN_BLOCK][KNN_BLOCK + 8];
    int count[KNN_BLOCK];
} Hits;

struct Own {
    float *packed; // a block of queries, in panels of mr rows
    Hits *down, *across;
};

typedef struct {
    Points query, point;
    bool one_set; // each pair serves both
    const KnnKernels *kernel;
    Lists lists;
    bool *open;            // (blocks) of queries: something is looked for
    size_t *seen, *due;    // (blocks) points met; so many, and the thresholds rise
    pthread_mutex_t *lock; // (blocks)
    size_t parts;          // of all points, for each block of queries
    struct Own *own;       // of each thread
    uint32_t *id;          // (query.N, K) what is found, by row of x
    bool *failed;          // (query.N) it is not proved
} Search;

double knn_value(const float *x, const float *y, int C, KnnMetric metric) {
    const KnnKernels *k = knn_kernels();
    size_t n = (size_t)C;
    if (metric == KNN_L2) return sqrt(k->squared_distance(x, y, n));
    return k->dot(x, y, n) / (fmax(sqrt(k->dot(x, x, n)), 1e-12) * fmax(sqrt(k->dot(y, y, n)), 1e-12));
}

// ---- blocks

// What block i of queries has found in block j of points goes to the lists; where it has seen twice as many points as last, thresholds rise.
static void deliver(Search *s, const Hits *h, size_t i, size_t j) {
    Lists *l = &s->lists;
    size_t q = i * KNN_BLOCK, p = j * KNN_BLOCK;
    pthread_mutex_lock(&s->lock[i]);
    s->seen[i] += s->point.N - p < KNN_BLOCK ? s->point.N - p : KNN_BLOCK;
    bool due = s->seen[i] >= s->due[i];
    int rank = lists_rank(l, s->seen[i]);
    for (size_t r = 0; r < KNN_BLOCK; r++) {
        if (r + 2 < KNN_BLOCK) lists_expect(l, q + r + 2, due);
        if (h->count[r] > 0) lists_add(l, q + r, h->hit[r], h->count[r], p);
        if (due && l->least[q + r] < INFINITY) lists_raise(l, q + r, rank, rank / 32 + 1);
    }
    if (due) s->due[i] = 2 * s->seen[i];
    pthread_mutex_unlock(&s->lock[i]);
}

// The thresholds of a block as they are now; a rising one only lets less through.
static void thresholds(Search *s, size_t i, float *least) {
    pthread_mutex_lock(&s->lock[i]);
    memcpy(least, s->lists.least + i * KNN_BLOCK, KNN_BLOCK * sizeof *least);
    pthread_mutex_unlock(&s->lock[i]);
}

static uint32_t ones(size_t n) { return n < 32 ? (1u << n) - 1 : UINT32_MAX; }

// Scores of a tile at (r, c) of a pair of blocks, and which of them are candidates.
typedef struct {
    float u[1024], w[1024];
    uint32_t near_u[32], near_w[32];
} Tile;

// rows and columns: so many of the tile are rows of the sets. Of a block that meets itself, the pairs above the diagonal.
static void collect(const struct Own *own, const Tile *tile, int nr, int r, int c, size_t rows, size_t columns, bool itself) {
    for (int t = 0; (size_t)t < rows; t++) {
        uint32_t counts = itself && r + t >= c ? ones(columns) & ~ones((size_t)(r + t - c + 1)) : ones(columns);
        Hit *down = own->down->hit[r + t] + own->down->count[r + t];
        for (uint32_t bits = tile->near_u[t] & counts; bits; bits &= bits - 1) {
            int b = __builtin_ctz(bits);
            *down++ = (Hit){tile->u[t * nr + b], (uint32_t)(c + b)};
        }
        own->down->count[r + t] = (int)(down - own->down->hit[r + t]);
        for (uint32_t bits = tile->near_w[t] & counts; bits; bits &= bits - 1) {
            int b = __builtin_ctz(bits);
            own->across->hit[c + b][own->across->count[c + b]++] = (Hit){tile->w[t * nr + b], (uint32_t)(r + t)};
        }
    }
}

// Block j of points meets block i of queries (packed); then comes block `next`.
static void meet(Search *s, const struct Own *own, size_t i, size_t j, size_t next) {
    const KnnKernels *k = s->kernel;
    const Points *x = &s->query, *y = &s->point;
    int mr = k->mr, nr = k->nr, C = x->C;
    bool both = s->one_set, itself = both && i == j;
    Tile tile;
    float least_i[KNN_BLOCK], least_j[KNN_BLOCK];
    thresholds(s, i, least_i);
    if (both) thresholds(s, j, least_j);
    for (int r = 0; r < KNN_BLOCK; r++) {
        if (!both) least_j[r] = INFINITY;
        own->down->count[r] = own->across->count[r] = 0;
    }
    for (int c = 0; c < KNN_BLOCK; c += nr)
        for (int r = 0; r < KNN_BLOCK; r += mr) {
            size_t q = i * KNN_BLOCK + (size_t)r, p = j * KNN_BLOCK + (size_t)c;
            if (q >= x->N || p >= y->N || (itself && r >= c + nr)) continue;
            KnnSide query = {own->packed + (size_t)r * C, x->lift + q, x->slack + q, x->length + q, least_i + r};
            KnnSide point = {y->packed + p * (size_t)C, y->lift + p, y->slack + p, y->length + p, least_j + c};
            const float *panel = c + nr < KNN_BLOCK ? point.packed + (size_t)nr * (size_t)C : y->packed + next * KNN_BLOCK * (size_t)C;
            k->tile(tile.u, tile.w, tile.near_u, tile.near_w, query, point, knn_share(k, panel, r, C), C);
            collect(own, &tile, nr, r, c, x->N - q < (size_t)mr ? x->N - q : (size_t)mr, y->N - p, itself);
        }
    deliver(s, own->down, i, j);
    if (both) deliver(s, own->across, j, i);
}

// Task t: a block of queries and a part of the blocks of points, of one set those from its own on. Each begins elsewhere among
// them, so that threads seldom want the same lists.
static void pairs_range(void *arg, size_t begin, size_t end) {
    Search *s = arg;
    const struct Own *own = &s->own[thread_index()];
    size_t queries = s->query.rows / KNN_BLOCK, points = s->point.rows / KNN_BLOCK;
    for (size_t t = begin; t < end; t++) {
        size_t i = t % queries, part = t / queries, first = points * part / s->parts, last = points * (part + 1) / s->parts;
        if (s->one_set && first < i) first = i; // the pair (j, i) serves both
        bool there = false;
        for (size_t k = 0; first + k < last; k++) {
            size_t count = last - first, at = 7 * i + k, j = first + at % count;
            if (!s->open[i] && !(s->one_set && s->open[j])) continue;
            if (!there) points_pack_queries(own->packed, &s->query, i * KNN_BLOCK);
            there = true;
            meet(s, own, i, j, first + (at + 1) % count);
        }
    }
}

static void conclude(Search *s, size_t q) {
    s->failed[q] = !lists_conclude(&s->lists, q, s->id + points_row(&s->query, q) * (size_t)s->lists.K);
}

static void finish_range(void *arg, size_t begin, size_t end) {
    Search *s = arg;
    for (size_t q = begin; q < end; q++)
        if (s->lists.least[q] < INFINITY) conclude(s, q);
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
        Lists *l = &s->lists;
        Bounded *list = l->list + q * (size_t)l->room;
        for (int k = 0; k < o->count; k++) {
            uint32_t at = (uint32_t)o->id[q * (size_t)o->count + (size_t)k];
            double d = doubt(p, q, p->length[at], p->lift[at]);
            list[k] = (Bounded){(float)(score[k] + d), (float)(score[k] - d), points_row(p, at)};
        }
        l->count[q] = o->count;
        lists_raise(l, q, l->K, 0);
        bool all = (size_t)o->count + 1 == p->N, proved = score[o->count - 1] + doubt(p, q, o->longest, o->lift) < l->least[q];
        if (all || proved) conclude(s, q), l->least[q] = INFINITY;
        else l->count[q] = 0; // the threshold holds
    }
}

// Concludes the queries whose K nearest are proved to be among a device's candidates.
static void ask_device(Arena *a, Search *s) {
    const Device *device = device_used();
    const size_t N = s->query.N;
    Offered o = {.search = s, .count = 2 * s->lists.K + 32};
    if (!device->nearest || !s->one_set || s->lists.group || s->query.C > 1 << 16 || o.count > s->lists.room) return;
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

// For every query that is looked for.
static void pairs(Arena *a, Search *s) {
    size_t blocks = s->query.rows / KNN_BLOCK, points = s->point.rows / KNN_BLOCK, threads = (size_t)threads_count();
    s->lock = take(a, pthread_mutex_t, blocks);
    s->own = take(a, struct Own, threads);
    s->seen = take_zero(a, size_t, blocks);
    s->due = take_zero(a, size_t, blocks);
    for (size_t b = 0; b < blocks; b++) pthread_mutex_init(&s->lock[b], NULL);
    for (size_t t = 0; t < threads; t++) s->own[t] = (struct Own){take(a, float, KNN_BLOCK * (size_t)s->query.C), take(a, Hits, 1), take(a, Hits, 1)};
    s->parts = (8 * threads + blocks - 1) / blocks; // tasks enough, that threads end together
    if (s->parts > points) s->parts = points;
    parallel_for(blocks * s->parts, 1, pairs_range, s);
    parallel_for(s->query.N, 16, finish_range, s);
    for (size_t b = 0; b < blocks; b++) pthread_mutex_destroy(&s->lock[b]);
}

static void open_blocks(Arena *a, Search *s) {
    s->open = take_zero(a, bool, s->query.rows / KNN_BLOCK);
    for (size_t r = 0; r < s->query.N; r++)
        if (s->lists.least[r] < INFINITY) s->open[r / KNN_BLOCK] = true;
}

// Queries whose thresholds were guessed too high are searched for again, by themselves and without guesses.
static void again(Arena *a, const Search *s, const char *what) {
    const Points *all = &s->query;
    size_t N = 0;
    for (size_t q = 0; q < all->N; q++) N += s->failed[q];
    if (N == 0) return;
    Search t = {.query = *all, .point = s->point, .kernel = s->kernel, .id = s->id, .failed = take_zero(a, bool, N)};
    Points *some = &t.query;
    uint32_t *order = take(a, uint32_t, N);
    some->N = N, some->rows = (N + KNN_BLOCK - 1) / KNN_BLOCK * KNN_BLOCK, some->order = order;
    some->lift = take(a, float, some->rows), some->slack = take_zero(a, float, some->rows), some->length = take_zero(a, float, some->rows);
    for (size_t r = N; r < some->rows; r++) some->lift[r] = -INFINITY;
    for (size_t q = 0, r = 0; q < all->N; q++)
        if (s->failed[q]) order[r] = points_row(all, q), some->lift[r] = all->lift[q], some->slack[r] = all->slack[q], some->length[r++] = all->length[q];
    t.lists = lists_of(a, some, &t.point, s->lists.K, what);
    t.lists.self = s->lists.self, t.lists.group = s->lists.group;
    open_blocks(a, &t);
    pairs(a, &t);
}

static void search(Arena *a, Search *s, int K, const uint32_t *group, const char *what) {
    s->kernel = knn_kernels();
    s->lists = lists_of(a, &s->query, &s->point, K, what);
    s->lists.self = s->one_set, s->lists.group = group, s->lists.guess = true;
    s->failed = take_zero(a, bool, s->query.N);
    ask_device(a, s);
    open_blocks(a, s);
    bool any = false;
    for (size_t b = 0; b < s->query.rows / KNN_BLOCK; b++) any = any || s->open[b];
    if (!any) return;
    points_pack(a, &s->point);
    pairs(a, s);
    again(a, s, what);
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
    Search s = {.one_set = true};
    uint32_t *id = take(a, uint32_t, size_mul(N, (size_t)kept, what));
    Mark mark = arena_mark(a);
    s.query = points_of(a, x, N, C, metric, what);
    points_scale_alike(&s.query, &s.query);
    points_shuffle(a, &s.query);
    points_lift(a, &s.query, points_mean(a, &s.query));
    s.point = s.query;
    s.id = id;
    search(a, &s, kept, group, what);
    arena_release(a, mark);
    return (Neighbours){.rows = N, .K = kept, .id = id};
}

Neighbours knn_between(Arena *a, const float *x, size_t N, const float *y, size_t M, int C, KnnMetric metric, int K,
                       const char *what) {
    need(N >= 1 && M >= 1 && M < UINT32_MAX && C >= 1 && K >= 1, "%s: %d neighbours of %zu rows among %zu, of %d numbers",
         what, K, N, M, C);
    int kept = (size_t)K < M ? K : (int)M;
    Search s = {.one_set = false};
    uint32_t *id = take(a, uint32_t, size_mul(N, (size_t)kept, what));
    Mark mark = arena_mark(a);
    s.query = points_of(a, x, N, C, metric, what);
    s.point = points_of(a, y, M, C, metric, what);
    points_scale_alike(&s.query, &s.point);
    const double *mean = points_mean(a, &s.point);
    points_shuffle(a, &s.point);
    points_lift(a, &s.query, mean);
    points_lift(a, &s.point, mean);
    s.id = id;
    search(a, &s, kept, NULL, what);
    arena_release(a, mark);
    return (Neighbours){.rows = N, .K = kept, .id = id};
}
