// bench_ceilings.c: what this machine can do at most: multiply-adds out of registers (bench_registers.c), our tiles of registers and of AMX on data in L1, plain
// reads of L2 and of memory; all threads, the best of at least five rounds and a fifth of a second.
#include <math.h>

#include "bench_table.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/kernels.h"

static bool goes_on(int round, double since) { return round < 5 || seconds_now() - since < 0.2; }

typedef struct {
    int mr, nr;
    long words;
    const float *packed;
    void (*tile)(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c);
    void (*begin)(void), (*end)(void);
} Tiles;

static void tiles_job(void *arg, size_t begin, size_t end) {
    const Tiles *t = arg;
    float C[32 * 32];
    if (t->begin) t->begin();
    for (size_t i = begin; i < end; i++) t->tile(t->mr, t->words, t->packed, t->mr, t->packed + 32 * 128, t->nr, C, t->nr, false);
    if (t->end) t->end();
}

// The register tile on packed data in L1; `values` of k in a word.
static double tile_rate(Arena *a, Tiles t, int values) {
    Mark mark = arena_mark(a);
    t.words = 128;
    float *packed = take(a, float, 128 * 64);
    for (int i = 0; i < 128 * 64; i++) packed[i] = (float)rng_normal(rng_of(1, "peak"), (uint64_t)i);
    if (values == 2) { // halves that are normal numbers, not the halves of floats
        uint16_t *halves = take(a, uint16_t, 128 * 128);
        for (int k = 0; k < 2; k++) convert_f32_bf16(halves + k * 128 * 64, packed, 128 * 64);
        t.packed = (float *)halves;
    } else {
        t.packed = packed;
    }
    double best = 0, since = seconds_now();
    for (int round = 0; goes_on(round, since); round++) {
        double start = bench_clock();
        parallel_for(10000, 100, tiles_job, &t);
        best = fmax(best, 2.0 * t.mr * t.nr * 128 * values * 10000 / (bench_clock() - start));
    }
    arena_release(a, mark);
    return best;
}

typedef struct {
    const float *x;
    size_t floats, passes; // of each range
} Reads;

static void reads_job(void *arg, size_t begin, size_t end) {
    const Reads *r = arg;
    volatile float kept;
    for (size_t i = begin; i < end; i++)
        for (size_t p = 0; p < r->passes; p++) kept = row_sum(r->x + i * r->floats, (long)r->floats);
    (void)kept;
}

// From memory: eight streams of each range take turns, and what comes next is asked for: half as much again as one after the other.
static void streams_job(void *arg, size_t begin, size_t end) {
    enum { STREAMS = 8, CHUNK = 256 };
    const Reads *r = arg;
    size_t each = r->floats / STREAMS;
    volatile float kept;
    for (size_t i = begin; i < end; i++)
        for (size_t c = 0; c < each; c += CHUNK)
            for (size_t s = 0; s < STREAMS; s++) {
                const float *x = r->x + i * r->floats + s * each + c;
                for (size_t line = 0; line < CHUNK; line += 16) __builtin_prefetch(x + CHUNK + line, 0, 2);
                kept = row_sum(x, CHUNK);
            }
    (void)kept;
}

// … one after the other, what lies 128 KiB ahead is asked for: faster on some processors.
static void ahead_job(void *arg, size_t begin, size_t end) {
    enum { AHEAD = 32768, CHUNK = 256 };
    const Reads *r = arg;
    volatile float kept;
    for (size_t i = begin; i < end; i++)
        for (size_t c = 0; c < r->floats; c += CHUNK) {
            const float *x = r->x + i * r->floats + c;
            for (size_t line = 0; line < CHUNK; line += 16) __builtin_prefetch(x + AHEAD + line, 0, 2);
            kept = row_sum(x, CHUNK);
        }
    (void)kept;
}

static ParallelFn *fastest_read = streams_job; // as ceilings_again found

void plain_read(const void *bytes, size_t size) {
    enum { RANGES = 8 };
    parallel_for(RANGES, 1, fastest_read, &(Reads){.x = bytes, .floats = size / sizeof(float) / RANGES});
}

static double read_rate(Arena *a, size_t floats, size_t ranges, size_t passes, ParallelFn *job) {
    Mark mark = arena_mark(a);
    Reads r = {.floats = floats, .passes = passes};
    float *x = take(a, float, floats * ranges);
    for (size_t i = 0; i < floats * ranges; i++) x[i] = (float)(i % 1021) * 0.25f; // every page is there
    r.x = x;
    double best = 0, since = seconds_now();
    for (int round = 0; goes_on(round, since); round++) {
        double start = bench_clock();
        parallel_for(ranges, 1, job, &r);
        best = fmax(best, (double)(floats * ranges * passes) * 4 / (bench_clock() - start));
    }
    arena_release(a, mark);
    return best;
}

static double kernel_rate(Arena *a, const TileKernel *k) { return tile_rate(a, (Tiles){.mr = k->MR, .nr = k->NR, .tile = k->tile, .begin = k->begin, .end = k->end}, k->in_word); }

double ceilings_tile(Arena *a) { return kernel_rate(a, gemm_bf16_tiles() ? gemm_bf16_tiles() : &kernels()->tiles); }

void ceilings_again(Arena *a, Ceilings *c) {
    const TileKernel *wide = &kernels()->tiles, *narrow = gemm_bf16_tiles();
    c->tile = fmax(c->tile, kernel_rate(a, wide));
    c->f32 = fmax(c->f32, fmax(registers_f32(), c->tile));
    c->dot = fmax(c->dot, registers_dot());
    if (narrow) c->bf16 = fmax(c->bf16, fmax(kernel_rate(a, narrow), narrow->begin ? 0 : c->dot)); // only tiles of AMX have a beginning
    else c->bf16 = c->f32;
}

void ceilings_reads(Arena *a, Ceilings *c) {
    c->l2 = fmax(c->l2, read_rate(a, 65536, (size_t)threads_count(), 400, reads_job)); // 256 KiB for each thread
    double streams = read_rate(a, 32 << 20, 8, 1, streams_job), ahead = read_rate(a, 32 << 20, 8, 1, ahead_job); // 1 GiB, more than any L3
    fastest_read = streams > ahead ? streams_job : ahead_job;
    c->memory = fmax(c->memory, fmax(streams, ahead));
}

Ceilings ceilings_measure(Arena *a) {
    Ceilings c = {0};
    ceilings_again(a, &c);
    ceilings_reads(a, &c);
    return c;
}

void ceilings_say(const Ceilings *c, Writer *w) {
    bench_say(w, "\nCeilings, the most of the run: f32 %.0f GFLOP/s%s (our tile on data in L1 %.0f), bf16 %.0f GFLOP/s, read L2 %.0f GB/s, read memory %.1f GB/s.", c->f32 * 1e-9,
              c->f32 > c->tile ? " out of registers" : "", c->tile * 1e-9, c->bf16 * 1e-9, c->l2 * 1e-9, c->memory * 1e-9);
    if (c->dot > 0) bench_say(w, "Dot products of bf16 out of registers: %.0f GFLOP/s%s.", c->dot * 1e-9, c->bf16 > c->dot * 1.2 ? "; bf16 above is AMX tiles" : c->bf16 < c->dot * 0.99 ? "; bf16 above is widened to f32" : "");
}
