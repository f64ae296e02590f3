// test_cuda_neighbours.c: the neighbours of analysis/knn.h with the GPU's candidates and without: the same bytes, by both metrics.
//
// Bound: none. Rows that the GPU's sums separate well (PLAIN), that only differ far behind the point (FAR, NEAR), that are equal (COPIES, LATTICE, ZEROS)
// and of which one is a million times as long (LONG): bounds prove all of them, some, or none. Caught when broken on purpose: see test/mutations.txt.
#include <stdlib.h>
#include <string.h>

#include "analysis/knn.h"
#include "check.h"
#include "cuda/backend.h"
#include "cuda_check.h"
#include "io/random.h"

enum { PLAIN, FAR, NEAR, COPIES, LATTICE, ZEROS, LONG, KINDS };
static const char *const kinds[] = {"plain", "far from the origin", "near copies", "copies", "a lattice", "zero rows", "one long row"};

static const Device *gpu;
static Device watched; // the GPU's table, with its candidates looked at
static long found;     // rows for which it found some

static bool watch(int32_t *id, float *score, const float *x, const float *offset, long N, int C, int K) {
    if (!gpu->nearest(id, score, x, offset, N, C, K)) return false;
    found += N;
    return true;
}

static void fill(float *x, size_t N, int C, int kind) {
    Rng r = rng_of(11, "neighbours");
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < (size_t)C; k++) {
            const uint64_t at = i * (uint64_t)C + k;
            double v = rng_normal(r, kind == NEAR ? (i % 9) * (uint64_t)C + k : kind == COPIES ? (i % 3) * (uint64_t)C + k : at);
            if (kind == FAR) v += 1e4;
            if (kind == NEAR) v *= 1 + 1e-6 * rng_normal(r, 1000000 + at);
            if (kind == LATTICE) v = (double)rng_below(r, at, 2);
            if (kind == ZEROS && i % 5 == 0) v = 0;
            if (kind == LONG && i == 1) v *= 1e6;
            x[at] = (float)v;
        }
}

static void both(size_t N, int C, int K, int kind, bool takes) {
    Arena *a = arena_new("neighbours");
    float *x = take(a, float, N * (size_t)C);
    fill(x, N, C, kind);
    for (int metric = 0; metric < 2; metric++) {
        found = 0;
        emu_forget();
        device_use(device_cpu());
        const Neighbours want = knn_self(a, x, N, C, (KnnMetric)metric, K, NULL, "test");
        device_use(&watched);
        const Neighbours got = knn_self(a, x, N, C, (KnnMetric)metric, K, NULL, "test");
        const bool same = want.K == got.K && memcmp(want.id, got.id, N * (size_t)want.K * sizeof *want.id) == 0;
        check(same && found == (takes ? (long)N : 0) && emu_reports() == 0, "%s, %s: %d nearest of %zu, %d wide%s %s", kinds[kind], knn_metric_name((KnnMetric)metric), want.K, N, C,
              takes ? "" : ": not on the GPU", emu_first_report());
    }
    device_use(device_cpu());
    arena_free(a);
}

int main(void) {
    const char *why = NULL;
    gpu = device_cuda(&why);
    need(gpu, "no GPU: %s", why);
    watched = *gpu, watched.nearest = watch;
    for (int kind = 0; kind < KINDS; kind++) {
        both(150, 20, 8, kind, true);
        if (real_shapes()) both(1500, 768, 100, kind, true);
    }
    both(2, 1, 1, PLAIN, true);
    both(60, 33, 59, PLAIN, true); // all others are candidates
    both(260, 9, 112, NEAR, true); // as many candidates as there can be
    both(260, 9, 113, NEAR, false);
    if (real_shapes()) both(10000, 1024, 100, PLAIN, true);
    return check_end();
}
