// test_cuda_knn.c: neighbours through the emulator against a plain loop: the same ids, the same bits of the scores, by every version:
// the plain kernel, and the two that let tensor cores find candidates. Points are made so that bounds separate them well (NORMAL), hardly
// (CLOSE), not at all (TIES), or differ widely (SIZES: lengths over forty powers of ten).
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"

typedef enum { NORMAL, TIES, CLOSE, SIZES } Kind;

typedef struct {
    long Q, N;
    int C, K;
    bool offset, group;
    Kind kind;
} Case;

typedef struct {
    float score;
    int32_t id;
} Pair;

static int better_first(const void *a, const void *b) {
    const Pair *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : x->id - y->id;
}

static void *room(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    need(p, "a test: no memory");
    return p;
}

// Every version's results, (3, Q, K), of the same search.
static void versions(CudaKnn a, int32_t *id, float *score) {
    size_t n = (size_t)a.Q * (size_t)a.K;
    if (a.Q > 30 && a.Q < 60) a.part = 16;
    a.room = device_room(cuda_knn_room(&a));
    for (int v = 1; v <= 3; v++) {
        a.id = device_room(n * 4), a.score = device_room(n * 4);
        cuda_knn_version(&a, v, NULL);
        from_device(id + (size_t)(v - 1) * n, a.id, n * 4), from_device(score + (size_t)(v - 1) * n, a.score, n * 4);
    }
}

static void fill(const Case *c, float *q, float *p) {
    for (long i = 0; i < c->N * c->C; i++) {
        if (c->kind == TIES) p[i] = (float)(i / c->C % 5); // many equal rows
        if (c->kind == CLOSE) p[i] = 3 + 1e-4f * p[i];
        if (c->kind == SIZES) p[i] *= powf(10, (float)(i / c->C * 7 % 41 - 20));
    }
    for (long i = 0; c->kind == SIZES && i < c->Q * c->C; i++) q[i] *= powf(10, (float)(i / c->C * 5 % 31 - 15));
}

static void one(Case c) {
    const long Q = c.Q, N = c.N;
    const size_t results = (size_t)Q * (size_t)c.K;
    float *q = random_floats((size_t)(Q * c.C), 1), *p = random_floats((size_t)(N * c.C), 2), *offset = random_floats((size_t)N, 3);
    int32_t *group = room((size_t)N * 4), *query_group = room((size_t)Q * 4), *id = room(3 * results * 4), *want_id = room(results * 4);
    float *score = room(3 * results * 4), *want = room(results * 4);
    Pair *all = room((size_t)N * sizeof *all);
    fill(&c, q, p);
    for (long j = 0; j < N; j++) group[j] = (int32_t)(j % 3);
    for (long i = 0; i < Q; i++) query_group[i] = (int32_t)(i % 3);
    bool self = !c.group && Q <= N;
    for (long i = 0; i < Q; i++) {
        int n = 0;
        for (long j = 0; j < N; j++) {
            float s = 0;
            for (int k = 0; k < c.C; k++) s = __builtin_fmaf(q[i * c.C + k], p[j * c.C + k], s);
            if (c.offset) s = offset[j] + s;
            if ((c.group && group[j] == query_group[i]) || (self && i == j)) continue;
            all[n++] = (Pair){s, (int32_t)j};
        }
        qsort(all, (size_t)n, sizeof *all, better_first);
        for (int k = 0; k < c.K; k++) want_id[i * c.K + k] = k < n ? all[k].id : -1, want[i * c.K + k] = k < n ? all[k].score : -INFINITY;
    }
    CudaKnn a = {.query = to_device(q, (size_t)(Q * c.C) * 4), .point = to_device(p, (size_t)(N * c.C) * 4), .Q = Q, .N = N, .C = c.C, .K = c.K, .without_self = self};
    if (c.offset) a.offset = to_device(offset, (size_t)N * 4);
    if (c.group) a.group = to_device(group, (size_t)N * 4), a.query_group = to_device(query_group, (size_t)Q * 4);
    emu_forget();
    versions(a, id, score);
    static const char *const kinds[] = {"", ", ties", ", close", ", sizes"};
    for (size_t v = 0; v < 3; v++) {
        bool same = memcmp(id + v * results, want_id, results * 4) == 0 && memcmp(score + v * results, want, results * 4) == 0;
        check(same && emu_reports() == 0, "version %zu: %d nearest of %ld for %ld, %d wide%s%s%s %s", v + 1, c.K, N, Q, c.C, c.offset ? ", offset" : "", c.group ? ", groups" : "",
              kinds[c.kind], emu_first_report());
    }
    device_empty();
    free(q), free(p), free(offset), free(group), free(query_group), free(id), free(want_id), free(score), free(want), free(all);
}

// Numbers that are not finite, or whose products are not: whatever version 1 makes of them.
static void strange(float x, const char *what) {
    enum { Q = 3, N = 70, C = 9, K = 12 };
    float *q = random_floats(Q * C, 1), *p = random_floats(N * C, 2), score[3 * Q * K];
    int32_t id[3 * Q * K];
    p[17 * C + 4] = x, q[C + 2] = x;
    emu_forget();
    versions((CudaKnn){.query = to_device(q, Q * C * 4), .point = to_device(p, N * C * 4), .Q = Q, .N = N, .C = C, .K = K}, id, score);
    bool same = true;
    for (int v = 1; v < 3; v++) same &= memcmp(id, id + v * Q * K, Q * K * 4) == 0 && memcmp(score, score + v * Q * K, Q * K * 4) == 0;
    check(same && emu_reports() == 0, "a row with %s: every version the same %s", what, emu_first_report());
    device_empty();
    free(q), free(p);
}

// The tensor cores do the work: of the plain version's multiply-adds few are left.
static void spared(size_t N, size_t C, size_t K, double two, double three) {
#ifdef RETINA_EMULATE
    float *q = random_floats(2 * C, 1), *p = random_floats(N * C, 2);
    CudaKnn a = {.query = to_device(q, 2 * C * 4), .point = to_device(p, N * C * 4), .Q = 2, .N = (long)N, .C = (int)C, .K = (int)K, .id = device_room(2 * K * 4)};
    a.room = device_room(cuda_knn_room(&a));
    double all = 2.0 * (double)N * (double)C;
    for (int v = 2; v <= 3; v++) {
        emu_forget();
        cuda_knn_version(&a, v, NULL);
        double left = (double)emu_counts().fused;
        check(left < (v == 2 ? two : three) * all, "version %d, %zu nearest of %zu, %zu wide: %.3f of the multiply-adds in f32 are left", v, K, N, C, left / all);
    }
    device_empty();
    free(q), free(p);
#else
    (void)N, (void)C, (void)K, (void)two, (void)three;
#endif
}

int main(void) {
    one((Case){1, 1, 1, 1, true, false, NORMAL}); // itself only: nobody is left
    one((Case){1, 33, 31, 5, false, false, NORMAL});
    one((Case){17, 130, 37, 10, true, false, NORMAL});
    one((Case){31, 67, 64, 33, false, true, NORMAL});
    one((Case){16, 200, 3, 40, false, false, TIES});
    one((Case){5, 300, 8, 256, true, false, TIES});
    one((Case){33, 64, 33, 64, true, true, NORMAL}); // more asked for than are allowed
    one((Case){66, 100, 12, 7, true, false, CLOSE}); // a product of many rows
    one((Case){3, 2100, 6, 20, true, false, CLOSE}); // bounds do not separate so many
    one((Case){2, 3100, 3, 30, false, true, NORMAL}); // the list has to shrink
    one((Case){9, 400, 36, 25, false, false, SIZES});
    one((Case){40, 900, 8, 7, false, false, NORMAL}); // here and there rounding to bf16 exchanges the last one and the next
    emu_backwards(true);
    one((Case){18, 129, 7, 32, false, false, NORMAL});
    one((Case){1, 2100, 3, 16, false, false, NORMAL});
    emu_backwards(false);
    strange(NAN, "NaN"), strange(INFINITY, "an infinity"), strange(1e25f, "a product that overflows"), strange(3.4e38f, "a number that bf16 does not hold");
    spared(1100, 64, 5, 0.15, 0.06);
    spared(1000, 2048, 50, 0.15, 0.08); // sums are most of the bound there
    if (real_shapes()) {
        one((Case){64, 10000, 768, 100, true, false, NORMAL});
        one((Case){33, 20011, 64, 256, false, true, NORMAL});
        one((Case){200, 8000, 512, 50, false, false, CLOSE});
        one((Case){129, 5001, 255, 20, true, false, SIZES});
    }
    check_dies("too many neighbours", "300 neighbours") { cuda_knn(&(CudaKnn){.K = 300, .N = 1000, .Q = 1}, NULL); }
    return check_end();
}
