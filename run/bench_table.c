// bench_table.c: see bench_table.h.
#include "bench_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/kernels.h"

#define TRIES 3      // of a row that is noisy
#define NOISY 1.5    // largest over smallest time

// One thread counts its own time, and so does the peer: what other programs take does not matter then.
double table_clock(void) { return threads_count() == 1 ? cpu_seconds() : seconds_now(); }

const char *threads_said(Arena *a) { return threads_count() == 1 ? "CPU time of 1 thread" : arena_print(a, "%d threads", threads_count()); }

float *random_floats(Arena *a, size_t n, const char *what) {
    float *x = take(a, float, n);
    Rng r = rng_of(21, what);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(r, i) - 1);
    return x;
}

// ---- ceilings: best of five, all threads

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
    double best = 0;
    for (int round = 0; round < 5; round++) {
        double start = table_clock();
        parallel_for(10000, 100, tiles_job, &t);
        best = fmax(best, 2.0 * t.mr * t.nr * 128 * values * 10000 / (table_clock() - start));
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

void plain_read(const void *bytes, size_t size) {
    enum { RANGES = 8 };
    parallel_for(RANGES, 1, streams_job, &(Reads){.x = bytes, .floats = size / sizeof(float) / RANGES});
}

static double read_rate(Arena *a, size_t floats, size_t ranges, size_t passes, ParallelFn *job) {
    Mark mark = arena_mark(a);
    Reads r = {.floats = floats, .passes = passes};
    float *x = take(a, float, floats * ranges);
    for (size_t i = 0; i < floats * ranges; i++) x[i] = (float)(i % 1021) * 0.25f; // every page is there
    r.x = x;
    double best = 0;
    for (int round = 0; round < 5; round++) {
        double start = table_clock();
        parallel_for(ranges, 1, job, &r);
        best = fmax(best, (double)(floats * ranges * passes) * 4 / (table_clock() - start));
    }
    arena_release(a, mark);
    return best;
}

double ceiling_f32(Arena *a) {
    const KernelTable *k = kernels();
    return tile_rate(a, (Tiles){.mr = k->MR, .nr = k->NR, .tile = tile_f32}, 1);
}

Ceilings ceilings_measure(Arena *a) {
    const TileKernel *b = gemm_bf16_tiles();
    Ceilings c = {.f32 = ceiling_f32(a)};
    c.bf16 = b ? tile_rate(a, (Tiles){.mr = b->MR, .nr = b->NR, .tile = b->tile, .begin = b->begin, .end = b->end}, b->in_word) : c.f32;
    c.l2 = read_rate(a, 65536, (size_t)threads_count(), 400, reads_job); // 256 KiB for each thread
    c.memory = read_rate(a, 16 << 20, 8, 1, streams_job);                // 512 MiB
    return c;
}

// ---- rows

bool table_wants(const Table *t, const char *name) { return !t->only || strstr(name, t->only); }

void table_head(const Table *t, const char *what) {
    bench_say(t->w, "\n| %s | ours, ms | G/s | of the floor |%s note |\n|---|---|---|---|%s---|", what, t->peer ? " peer, ms | ratio |" : "", t->peer ? "---|---|" : "");
}

typedef struct {
    Times ours, theirs, plain;
} Both;

static Both rounds_of(const Table *t, const Row *r) {
    double ours[99], theirs[99], plain[99];
    int n = t->rounds < 99 ? t->rounds : 99;
    r->work(r->arg);
    if (t->peer && r->ask) peer_ask(t->peer, "%s\n", r->ask);
    for (int i = 0; i < n; i++) {
        double start = table_clock();
        r->work(r->arg);
        ours[i] = table_clock() - start;
        if (r->plain) {
            start = table_clock();
            r->plain(r->arg);
            plain[i] = table_clock() - start;
        }
        if (t->peer && r->ask) theirs[i] = peer_ask(t->peer, "%s\n", r->ask);
    }
    Both b = {.ours = times_of(ours, n), .theirs = {NAN, NAN, NAN}};
    if (r->plain) b.plain = times_of(plain, n);
    if (t->peer && r->ask) b.theirs = times_of(theirs, n);
    return b;
}

static bool noisy(Times t) { return t.most > NOISY * t.least; }

// A noisy row is measured again; of the tries the one with the median ratio counts.
double table_row(const Table *t, const Row *r) {
    Both tries[TRIES];
    int n = 0;
    do tries[n] = rounds_of(t, r);
    while ((noisy(tries[n].ours) || noisy(tries[n].theirs)) && ++n < TRIES);
    bool again = n > 0, still = n == TRIES;
    Both b = tries[n < TRIES ? n : TRIES - 1];
    for (int i = 0; still && i < TRIES; i++) { // the middle one of three
        int below = 0;
        for (int k = 0; k < TRIES; k++) {
            double x = tries[k].ours.median / (t->peer && r->ask ? tries[k].theirs.median : 1), y = tries[i].ours.median / (t->peer && r->ask ? tries[i].theirs.median : 1);
            below += x < y || (x == y && k < i);
        }
        if (below == TRIES / 2) b = tries[i];
    }
    double moved = r->plain ? r->plain_bytes / b.plain.median : t->top.memory; // bytes a second
    double floor = fmax(r->peak > 0 ? r->operations / r->peak : 0, r->bytes / moved), rate = (r->operations > 0 ? r->operations : r->bytes) / b.ours.median * 1e-9;
    char line[400], of[32] = "", speed[32] = "";
    if (floor > 0) snprintf(of, sizeof of, "%.2f", floor / b.ours.median);
    if (rate > 0) snprintf(speed, sizeof speed, "%.0f", rate);
    int at = snprintf(line, sizeof line, "| %s | %.2f (%.2f – %.2f) | %s | %s |", r->name, 1e3 * b.ours.median, 1e3 * b.ours.least, 1e3 * b.ours.most, speed, of);
    if (t->peer && r->ask)
        at += snprintf(line + at, sizeof line - (size_t)at, " %.2f (%.2f – %.2f) | %.2f |", 1e3 * b.theirs.median, 1e3 * b.theirs.least, 1e3 * b.theirs.most,
                       b.ours.median / b.theirs.median);
    else if (t->peer) at += snprintf(line + at, sizeof line - (size_t)at, " | |");
    bench_say(t->w, "%s %s |", line, still ? "noisy, thrice" : again ? "measured again" : "");
    return b.ours.median;
}
