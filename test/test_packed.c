// test_packed.c: weights that stay packed give the bits of those that are packed for each product: f32 and bf16, of every stored type, whole
// and in part; they end with their arena; and split products (bf16x3) are within 1e-5 of double precision. Once more in AMX's tiles, in
// software where there are none, and over dot products (Makefile: TILED).
//
// That panels are used at all: a weight is changed behind their back. Caught when broken on purpose: a panel at the place of the next block of
// k, rows behind N not zero, panels of f32 used for rounded values, h l left out, an arena's panels found after its end.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/kernels.h"
#include "model/packed.h"

static float *random_floats(Arena *a, size_t n, const char *what) {
    float *x = take(a, float, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(rng_of(21, what), i);
    return x;
}

static void *stored(Arena *a, Dtype type, size_t n) {
    float *x = random_floats(a, n, "weight");
    if (type == DTYPE_F32) return x;
    uint16_t *half = take(a, uint16_t, n);
    if (type == DTYPE_BF16) convert_f32_bf16(half, x, n);
    else convert_f32_f16(half, x, n);
    return half;
}

static const float *product(Arena *a, Gemm g, const void *B, Compute way, int threads) {
    g.B = B, g.compute = way;
    g.C = random_floats(a, (size_t)(g.M * g.N), "old");
    threads_set(threads);
    gemm(&g);
    threads_set(1);
    return g.C;
}

static double wide(const Gemm *g, const void *B, long i) {
    float x;
    if (g->B_type == DTYPE_F32) return (double)((const float *)B)[i];
    widen(&x, (const uint16_t *)B + i, g->B_type, 1);
    return (double)x;
}

static double far(const Gemm *g, const void *B, const float *C) { // from double precision, by norm
    double diff = 0, norm = 0;
    for (long m = 0; m < g->M; m++)
        for (long n = 0; n < g->N; n++) {
            double want = g->accumulate ? rng_normal(rng_of(21, "old"), (uint64_t)(m * g->N + n)) : 0;
            for (long k = 0; k < g->K; k++) want += (double)g->A[m * g->lda + k] * wide(g, B, n * g->ldb + k);
            want += g->bias ? (double)g->bias[n] : 0;
            diff += pow((double)C[m * g->N + n] - want, 2), norm += want * want;
        }
    return sqrt(diff / norm);
}

static void test_products(Arena *a) {
    static const long shapes[][3] = {{1, 40, 70}, {9, 70, 33}, {17, 33, 100}, {33, 64, 588}, {40, 200, 1300}, {70, 96, 65}, {85, 70, 250}, {9, 70, 1100}, {130, 70, 1100}, {70, 129, 4100}, {600, 70, 400}};
    static const Dtype types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int t = 0; t < 3; t++)
            for (Compute way = COMPUTE_F32; way <= COMPUTE_BF16X3; way++) {
                Mark mark = arena_mark(a);
                long M = shapes[s][0], N = shapes[s][1], K = shapes[s][2], from = 37; // a few of its rows are a weight of their own
                size_t size = (size_t)(N * K) * dtype_size(types[t]);
                Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "A"), .lda = K, .B_type = types[t], .ldb = K, .ldc = N,
                          .bias = s % 2 ? random_floats(a, (size_t)N, "bias") : NULL, .accumulate = s % 3 == 2};
                void *B = stored(a, types[t], (size_t)(N * K));
                const float *want = product(a, g, B, way, 1);
                if (way == COMPUTE_BF16X3) {
                    double error = far(&g, B, want);
                    check(error <= 1e-5, "bf16x3, %s weight, %ld x %ld x %ld: %.1e of double", dtype_name(types[t]), M, N, K, error);
                }
                Gemm part = g;
                part.N = N - from, part.ldc = N - from;
                const void *rows = (char *)B + (size_t)(from * K) * dtype_size(types[t]);
                const float *want_part = N > from ? product(a, part, rows, way, 1) : NULL;
                Arena *owner = arena_new("test");
                packed_use(true);
                packed_keep(owner, B, size);
                packed_keep(owner, B, size); // tied weights
                packed_use(false);
                const float *got[3];
                for (int i = 0; i < 3; i++) got[i] = product(a, g, B, way, i == 1 ? 5 : 1);
                const float *got_part = N > from ? product(a, part, rows, way, 1) : NULL;
                char name[96];
                snprintf(name, sizeof name, "%s, %s weight, %ld x %ld x %ld packed: the same bits", compute_name(way), dtype_name(types[t]), M, N, K);
                bool same = true;
                for (int i = 0; i < 3; i++) same = same && memcmp(got[i], want, (size_t)(M * N) * sizeof *want) == 0;
                if (want_part) same = same && memcmp(got_part, want_part, (size_t)(M * part.N) * sizeof *want_part) == 0;
                check(same, "%s", name);
                if (packed_bytes() > 0) { // few rows take the weight as it lies
                    memset(B, 0, size);
                    check_same("panels are what is read", product(a, g, B, way, 1), want, (size_t)(M * N) * sizeof *want);
                }
                check(packed_bytes() > 0 || M <= THIN_ROWS + 1 || (types[t] == DTYPE_BF16 && way == COMPUTE_BF16), "panels stand for %ld rows", M);
                arena_free(owner);
                check(packed_bytes() == 0, "they end with their arena");
                arena_release(a, mark);
            }
}

// Two arenas, one after the other, whose weights lie at one place.
static void test_owners(Arena *a) {
    long M = 40, N = 64, K = 96;
    float *B = stored(a, DTYPE_F32, (size_t)(N * K));
    Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "A"), .lda = K, .B_type = DTYPE_F32, .ldb = K, .ldc = N};
    for (int turn = 0; turn < 2; turn++) {
        for (long i = 0; i < N * K; i++) B[i] += (float)turn;
        const float *want = product(a, g, B, COMPUTE_F32, 1);
        Arena *owner = arena_new("test");
        Mark mark = arena_mark(owner);
        packed_use(true);
        packed_keep(owner, B, (size_t)(N * K) * sizeof *B);
        packed_use(false);
        check_same("a weight where another was", product(a, g, B, COMPUTE_F32, 1), want, (size_t)(M * N) * sizeof *want);
        check(packed_bytes() > 0, "panels stand");
        const size_t one = packed_bytes();
        packed_use(false);
        Gemm alone = g; // of a weight that nobody keeps
        float *copy = take(a, float, (size_t)(N * K));
        memcpy(copy, B, (size_t)(N * K) * sizeof *B);
        check_same("rounded beside exact", product(a, g, B, COMPUTE_BF16, 1), product(a, alone, copy, COMPUTE_BF16, 1), (size_t)(M * N) * sizeof *want);
        check_same("exact beside rounded", product(a, g, B, COMPUTE_F32, 1), want, (size_t)(M * N) * sizeof *want);
        check(packed_bytes() > one, "both stand");
        arena_release(owner, mark);
        check(packed_bytes() == 0, "they end with their mark");
        arena_free(owner);
    }
}

static void test_no_memory(Arena *a) {
    long M = 40, N = 2048, K = 2048;
    float *B = stored(a, DTYPE_F32, (size_t)(N * K));
    Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "A"), .lda = K, .B_type = DTYPE_F32, .ldb = K, .ldc = N};
    const float *want = product(a, g, B, COMPUTE_F32, 1);
    Arena *owner = arena_new("test");
    packed_use(true);
    packed_keep(owner, B, (size_t)(N * K) * sizeof *B);
    struct rlimit before, none;
    getrlimit(RLIMIT_AS, &before);
    none = before, none.rlim_cur = 1 << 20; // less than there is
    float *room = random_floats(a, (size_t)(M * N), "old");
    setrlimit(RLIMIT_AS, &none);
    void *more = mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g.B = B, g.C = room;
    gemm(&g);
    setrlimit(RLIMIT_AS, &before);
    if (more == MAP_FAILED) check(packed_bytes() == 0, "no memory, no panels");
    else munmap(more, 64 << 20), printf("SKIP no memory for panels: this system keeps no limit\n"); // an emulated one
    check_same("without memory for panels: the same bits", room, want, (size_t)(M * N) * sizeof *want);
    packed_use(false);
    arena_free(owner);
}

int main(void) {
    Arena *a = arena_new("test");
    threads_set(1);
    test_products(a);
    test_owners(a);
    test_no_memory(a);
    arena_free(a);
    return check_end();
}
