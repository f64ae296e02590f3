// bench_products.c: see bench_products.h.
//
// Ours and the peer alternate, round by round, on random data of the same size; medians, smallest and largest, ratio of the
// medians. Before timing, ours is compared with double precision. A contender whose largest time is over 1.5 times its
// smallest is measured again, and marked when it is noisy thrice. Rules: performance.md 2.
#include "bench_products.h"

#include <math.h>

#include "bench_table.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/kernels.h"

#define TRIES 3 // of a row that is noisy

static const long shapes[][3] = {{577, 1024, 1024}, {577, 4096, 1024}, {577, 1024, 4096}, {4096, 4096, 4096}, {8192, 384, 96}, {16, 4096, 4096}, {1, 4096, 4096}};

static double peer_time(Peer *p, const long *shape) { return peer_ask(p, "%ld %ld %ld %d\n", shape[0], shape[1], shape[2], threads_count()); }

static double error_of(const float *C, const float *A, const float *B, const float *bias, const long *s) { // sampled elements against double
    double diff = 0, norm = 0;
    for (int i = 0; i < 200; i++) {
        long m = (long)rng_below(rng_of(2, "row"), (uint64_t)i, (uint64_t)s[0]), n = (long)rng_below(rng_of(2, "column"), (uint64_t)i, (uint64_t)s[1]);
        double want = (double)bias[n];
        for (long k = 0; k < s[2]; k++) want += (double)A[m * s[2] + k] * (double)B[n * s[2] + k];
        diff += pow((double)C[m * s[1] + n] - want, 2);
        norm += want * want;
    }
    return sqrt(diff / norm);
}

static void one(Arena *a, const long *s, Peer *peer, int rounds, double ceiling, Writer *w) {
    Mark mark = arena_mark(a);
    size_t M = (size_t)s[0], N = (size_t)s[1], K = (size_t)s[2];
    float *A = take(a, float, M * K), *B = take(a, float, N * K), *bias = take(a, float, N), *C = take(a, float, M * N);
    for (size_t i = 0; i < M * K; i++) A[i] = (float)(2 * rng_uniform(rng_of(3, "A"), i) - 1);
    for (size_t i = 0; i < N * K; i++) B[i] = (float)(2 * rng_uniform(rng_of(3, "B"), i) - 1);
    for (size_t i = 0; i < N; i++) bias[i] = (float)(2 * rng_uniform(rng_of(3, "bias"), i) - 1);
    Gemm g = {.kind = GEMM_NT, .M = s[0], .N = s[1], .K = s[2], .A = A, .lda = s[2], .B = B, .B_type = DTYPE_F32, .ldb = s[2], .C = C, .ldc = s[1], .bias = bias};
    gemm(&g);
    double error = error_of(C, A, B, bias, s);
    need(error <= 2e-6, "bench: %ld x %ld x %ld is wrong by %.1e; nothing is timed", s[0], s[1], s[2], error);
    double *ours = take(a, double, (size_t)rounds), *theirs = take(a, double, (size_t)rounds);
    Times t, p = {NAN, NAN, NAN};
    bool noisy = true;
    int tries = 0;
    for (; noisy && tries < TRIES; tries++) {
        for (int r = 0; r < rounds; r++) {
            double start = seconds_now();
            gemm(&g);
            ours[r] = seconds_now() - start;
            if (peer) theirs[r] = peer_time(peer, s);
        }
        t = times_of(ours, rounds);
        if (peer) p = times_of(theirs, rounds);
        noisy = t.most > 1.5 * t.least || (peer && p.most > 1.5 * p.least);
    }
    double rate = 2.0 * (double)M * (double)N * (double)K / t.median * 1e-9;
    const char *beside = peer ? arena_print(a, " %.2f (%.2f – %.2f) | %.2f |", 1e3 * p.median, 1e3 * p.least, 1e3 * p.most, t.median / p.median) : "";
    bench_say(w, "| %ld x %ld x %ld | %.2f (%.2f – %.2f) | %.0f | %.2f |%s %s |", s[0], s[1], s[2], 1e3 * t.median, 1e3 * t.least, 1e3 * t.most, rate, rate / ceiling, beside, noisy ? "noisy, thrice" : tries > 1 ? "measured again" : "");
    arena_release(a, mark);
}

void bench_products(Arena *a, const char *venv, int rounds, Writer *w) {
    double ceiling = ceiling_f32(a) * 1e-9;
    bench_say(w,
              "f32 products, `retina bench%s`, %s, %d threads. Ceiling: %.0f GFLOP/s (the register tile on data in L1).\nTimes in ms, median (smallest – largest) of %d alternating rounds; ratio: "
              "ours over the peer, lower is better.\n\n| M x N x K | ours | GFLOP/s | of ceiling |%s note |\n|---|---|---|---|%s---|",
              venv ? " --peers VENV" : "", cpu_describe(), threads_count(), ceiling, rounds, venv ? " PyTorch | ratio |" : "", venv ? "---|---|" : "");
    Peer peer;
    if (venv) peer = peer_start(venv, "test/bench/peer_torch.py", NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) one(a, shapes[i], venv ? &peer : NULL, rounds, ceiling, w);
    if (venv) peer_end(&peer);
}
