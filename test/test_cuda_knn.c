// test_cuda_knn.c: neighbours through the emulator against a plain loop: the same ids, the same bits of the scores.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"

typedef struct {
    float score;
    int32_t id;
} Pair;

static int better_first(const void *a, const void *b) {
    const Pair *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : x->id - y->id;
}

static void one(long Q, long N, int C, int K, bool with_offset, bool with_group, bool ties) {
    float *q = random_floats((size_t)(Q * C), 1), *p = random_floats((size_t)(N * C), 2), *offset = random_floats((size_t)N, 3);
    int32_t *group = malloc((size_t)N * 4), *query_group = malloc((size_t)Q * 4), *id = malloc((size_t)Q * (size_t)K * 4), *want_id = malloc((size_t)Q * (size_t)K * 4);
    float *score = malloc((size_t)Q * (size_t)K * 4), *want = malloc((size_t)Q * (size_t)K * 4);
    Pair *all = malloc((size_t)N * sizeof *all);
    if (ties)
        for (long i = 0; i < N * C; i++) p[i] = (float)(i / C % 5); // many equal rows
    for (long j = 0; j < N; j++) group[j] = (int32_t)(j % 3);
    for (long i = 0; i < Q; i++) query_group[i] = (int32_t)(i % 3);
    bool self = !with_group && Q <= N;
    for (long i = 0; i < Q; i++) {
        int n = 0;
        for (long j = 0; j < N; j++) {
            float s = 0;
            for (int c = 0; c < C; c++) s = __builtin_fmaf(q[i * C + c], p[j * C + c], s);
            if (with_offset) s = offset[j] + s;
            if ((with_group && group[j] == query_group[i]) || (self && i == j)) continue;
            all[n++] = (Pair){s, (int32_t)j};
        }
        qsort(all, (size_t)n, sizeof *all, better_first);
        for (int k = 0; k < K; k++) want_id[i * K + k] = k < n ? all[k].id : -1, want[i * K + k] = k < n ? all[k].score : -INFINITY;
    }
    CudaKnn a = {.query = to_device(q, (size_t)(Q * C) * 4), .point = to_device(p, (size_t)(N * C) * 4), .Q = Q, .N = N, .C = C, .K = K, .without_self = self,
                 .id = device_room((size_t)Q * (size_t)K * 4), .score = device_room((size_t)Q * (size_t)K * 4)};
    if (with_offset) a.offset = to_device(offset, (size_t)N * 4);
    if (with_group) a.group = to_device(group, (size_t)N * 4), a.query_group = to_device(query_group, (size_t)Q * 4);
    emu_forget();
    cuda_knn(&a, NULL);
    from_device(id, a.id, (size_t)Q * (size_t)K * 4), from_device(score, a.score, (size_t)Q * (size_t)K * 4);
    bool same = memcmp(id, want_id, (size_t)Q * (size_t)K * 4) == 0 && memcmp(score, want, (size_t)Q * (size_t)K * 4) == 0;
    check(same && emu_reports() == 0, "%d nearest of %ld for %ld, %d wide%s%s%s %s", K, N, Q, C, with_offset ? ", offset" : "", with_group ? ", groups" : "",
          ties ? ", ties" : "", emu_first_report());
    device_empty();
    free(q), free(p), free(offset), free(group), free(query_group), free(id), free(want_id), free(score), free(want), free(all);
}

int main(void) {
    one(1, 1, 1, 1, true, false, false); // itself only: nobody is left
    one(1, 33, 31, 5, false, false, false);
    one(17, 130, 37, 10, true, false, false);
    one(31, 67, 64, 33, false, true, false);
    one(16, 200, 3, 40, false, false, true);
    one(5, 300, 8, 256, true, false, true);
    one(33, 64, 33, 64, true, true, false); // more asked for than are allowed
    emu_backwards(true);
    one(18, 129, 7, 32, false, false, false);
    emu_backwards(false);
    if (real_shapes()) {
        one(64, 10000, 768, 100, true, false, false);
        one(33, 20011, 64, 256, false, true, false);
    }
    check_dies("too many neighbours", "300 neighbours") { cuda_knn(&(CudaKnn){.K = 300, .N = 1000, .Q = 1}, NULL); }
    return check_end();
}
