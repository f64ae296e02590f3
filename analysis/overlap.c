// overlap.c: see overlap.h.
#include "overlap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/thread.h"
#include "points.h"

// ---- overlap

typedef struct {
    double *knor, *displacement;
    const Neighbours *a, *b;
    const int *ks;
    int count, most;
    uint32_t points;  // ids are below it
    int **place;      // per thread, (points): 1 + place in B's list, 0 elsewhere
} Overlap;

static void overlap_range(void *arg, size_t begin, size_t end) {
    const Overlap *o = arg;
    int *place = o->place[thread_index()];
    size_t rows = o->a->rows;
    for (size_t i = begin; i < end; i++) {
        const uint32_t *a = o->a->id + i * (size_t)o->a->K, *b = o->b->id + i * (size_t)o->b->K;
        for (int j = 0; j < o->most; j++) place[b[j]] = j + 1;
        for (int t = 0; t < o->count; t++) {
            int k = o->ks[t], shared = 0;
            double moved = 0;
            for (int j = 0; j < k; j++) {
                int at = place[a[j]] - 1;
                bool found = at >= 0 && at < k;
                shared += found;
                moved += found ? abs(j - at) : k;
            }
            if (o->knor) o->knor[(size_t)t * rows + i] = (double)shared / k;
            if (o->displacement) o->displacement[(size_t)t * rows + i] = moved / k;
        }
        for (int j = 0; j < o->most; j++) place[b[j]] = 0;
    }
}

void overlap_rows(double *knor, double *displacement, const Neighbours *a, const Neighbours *b, const int *ks, int count) {
    need(a->rows == b->rows, "overlap: neighbours of %zu rows and of %zu", a->rows, b->rows);
    Overlap o = {.knor = knor, .displacement = displacement, .a = a, .b = b, .ks = ks, .count = count};
    for (int t = 0; t < count; t++) {
        need(ks[t] >= 1 && ks[t] <= a->K && ks[t] <= b->K, "overlap: k = %d of lists of %d and %d", ks[t], a->K, b->K);
        if (ks[t] > o.most) o.most = ks[t];
    }
    const Neighbours *both[2] = {a, b};
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < a->rows * (size_t)both[side]->K; i++)
            if (both[side]->id[i] >= o.points) o.points = both[side]->id[i] + 1;
    Arena *scratch = arena_new("overlap");
    o.place = take(scratch, int *, (size_t)threads_count());
    for (int t = 0; t < threads_count(); t++) o.place[t] = take_zero(scratch, int, o.points);
    parallel_for(a->rows, 64, overlap_range, &o);
    arena_free(scratch);
}

double overlap_chance(int k, size_t N) { return N > 1 ? (double)k / (double)(N - 1) : NAN; }

double overlap_above_floor(double knor, double floor) { return floor < 1 ? (knor - floor) / (1 - floor) : NAN; }

float *rows_of_firsts(Arena *a, const float *x, int C, const Groups *g) {
    float *out = take(a, float, size_mul(g->count, (size_t)C, "rows without copies"));
    for (size_t i = 0; i < g->count; i++) memcpy(out + i * (size_t)C, x + (size_t)g->first[i] * (size_t)C, sizeof *out * (size_t)C);
    return out;
}

// ---- correlation of distances

typedef struct {
    float *distance[2]; // (KNN_BLOCK, KNN_BLOCK) in x and in y
    float *packed[2];   // the block of queries that was met last
    size_t block;
} Workspace;

typedef struct {
    Points side[2];
    double shift[2]; // near the mean distances, so that the sums of squares do not cancel
    const KnnKernels *kernel;
    size_t blocks;
    double (*sums)[5]; // (blocks * blocks): x, y, xx, yy, xy of the shifted distances
    Workspace *own;
} Distances;

// Where the product cancels (pairs closer than a tenth of their lengths), and for rows without a direction, the metric is
// evaluated in double.
static float distance_of(const Points *p, size_t q, size_t g, double product) {
    double squares = p->square[q] + p->square[g], d2 = squares - 2 * product;
    bool plain = d2 >= 0.01 * squares;
    if (p->metric == KNN_L2 && plain) return (float)(sqrt(d2) / p->scale[q]);
    if (p->metric == KNN_COSINE && plain && p->scale[q] < 1e12 && p->scale[g] < 1e12) return (float)(d2 / 2);
    double value = knn_value(p->x + q * (size_t)p->C, p->x + g * (size_t)p->C, p->C, p->metric);
    return (float)(p->metric == KNN_L2 ? value : 1 - value);
}

// Rows of block i (packed) against rows of block j, for pairs with row < column.
static void block_distances(float *out, const float *packed, const Points *p, const KnnKernels *kernel, size_t i, size_t j) {
    static const float zeros[KNN_BLOCK];
    float product[1024], other[1024];
    uint32_t near[32];
    int mr = kernel->mr, nr = kernel->nr;
    for (int c = 0; c < KNN_BLOCK; c += nr)
        for (int r = 0; r < KNN_BLOCK; r += mr) {
            size_t row = i * KNN_BLOCK + (size_t)r, column = j * KNN_BLOCK + (size_t)c;
            KnnSide query = {packed + (size_t)r * p->C, zeros, zeros, zeros, zeros};
            KnnSide point = {p->packed + column * (size_t)p->C, zeros, zeros, zeros, zeros};
            kernel->tile(product, other, near, near, query, point, knn_share(kernel, point.packed + nr * p->C, r, p->C), p->C);
            for (int a = 0; a < mr; a++)
                for (int b = 0; b < nr; b++)
                    if (row + (size_t)a < column + (size_t)b && column + (size_t)b < p->N)
                        out[(r + a) * KNN_BLOCK + c + b] = distance_of(p, row + (size_t)a, column + (size_t)b, product[a * nr + b]);
        }
}

static void distances_range(void *arg, size_t begin, size_t end) {
    Distances *d = arg;
    Workspace *own = &d->own[thread_index()];
    for (size_t index = begin; index < end; index++) {
        size_t i = index / d->blocks, j = index % d->blocks;
        if (j < i) continue;
        for (int t = 0; t < 2; t++) {
            if (own->block != i) points_pack_queries(own->packed[t], &d->side[t], i * KNN_BLOCK);
            block_distances(own->distance[t], own->packed[t], &d->side[t], d->kernel, i, j);
        }
        own->block = i;
        double *sums = d->sums[index];
        for (int r = 0; r < KNN_BLOCK; r++)
            for (int c = i == j ? r + 1 : 0; c < KNN_BLOCK && j * KNN_BLOCK + (size_t)c < d->side[0].N; c++) {
                double x = own->distance[0][r * KNN_BLOCK + c] - d->shift[0], y = own->distance[1][r * KNN_BLOCK + c] - d->shift[1];
                sums[0] += x, sums[1] += y, sums[2] += x * x, sums[3] += y * y, sums[4] += x * y;
            }
    }
}

double distance_correlation(const float *x, int C, const float *y, int D, size_t N, KnnMetric metric, double epsilon,
                            Arena *scratch) {
    need(C >= 1 && D >= 1 && N < UINT32_MAX, "distance correlation: %zu rows of %d and %d numbers", N, C, D);
    if (N < 2) return NAN;
    Mark mark = arena_mark(scratch);
    Distances d = {.kernel = knn_kernels(), .blocks = (N + KNN_BLOCK - 1) / KNN_BLOCK};
    d.sums = arena_zero(scratch, d.blocks * d.blocks, sizeof *d.sums);
    d.own = take(scratch, Workspace, (size_t)threads_count());
    for (int t = 0; t < threads_count(); t++) {
        d.own[t].block = SIZE_MAX;
        for (int s = 0; s < 2; s++) {
            d.own[t].distance[s] = take(scratch, float, KNN_BLOCK * KNN_BLOCK);
            d.own[t].packed[s] = take(scratch, float, KNN_BLOCK * (size_t)(s ? D : C));
        }
    }
    for (int s = 0; s < 2; s++) {
        Points *p = &d.side[s];
        *p = points_of(scratch, s ? y : x, N, s ? D : C, metric, "distance correlation");
        points_scale_alike(p, p);
        points_lift(scratch, p, points_mean(scratch, p));
        points_pack(scratch, p);
        for (size_t r = 0; r < N; r++) d.shift[s] += p->square[r] / (double)N;
        d.shift[s] = metric == KNN_L2 ? sqrt(2 * d.shift[s]) / p->scale[0] : d.shift[s];
    }
    parallel_for(d.blocks * d.blocks, 1, distances_range, &d);
    double sum[5] = {0}, n = (double)N * (double)(N - 1) / 2;
    for (size_t b = 0; b < d.blocks * d.blocks; b++)
        for (int k = 0; k < 5; k++) sum[k] += d.sums[b][k];
    arena_release(scratch, mark);
    double mx = sum[0] / n, my = sum[1] / n;
    double sx = sqrt(fmax(sum[2] / n - mx * mx, 0)), sy = sqrt(fmax(sum[3] / n - my * my, 0));
    return (sum[4] / n - mx * my) / (sx * sy + epsilon);
}

// ---- pooling

float *rows_standardised(Arena *a, const float *x, size_t N, int C) {
    float *y = take(a, float, N * (size_t)C);
    for (int c = 0; c < C; c++) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < N; i++) mean += (double)x[i * (size_t)C + (size_t)c];
        mean /= (double)N;
        for (size_t i = 0; i < N; i++) var += pow((double)x[i * (size_t)C + (size_t)c] - mean, 2);
        double scale = var > 0 ? 1 / sqrt(var / (double)N) : 0;
        for (size_t i = 0; i < N; i++) y[i * (size_t)C + (size_t)c] = (float)(((double)x[i * (size_t)C + (size_t)c] - mean) * scale);
    }
    return y;
}
