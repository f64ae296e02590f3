// cuda.c: bench_cuda SECONDS PAGE [VENV|- [MODELS|hopper]]: the kernels of cuda/ on a real GPU, each correct first (double precision, sampled results), then
// timed: events around many calls, the median of eleven rounds in which we, cuBLAS and PyTorch alternate, random inputs, another place
// in memory each call. Rows stand in the order of their weight: what does not fit into SECONDS is counted as skipped.
#include "cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"

#define POOL ((size_t)2 << 30) // bytes of each kind of random numbers
#define RESULTS ((size_t)4 << 30)
#define ROUNDS 11

static struct {
    char *floats, *halves, *results;
} pool;

// ---- inputs

typedef struct {
    float *f;
    uint16_t *h;
} Filled;

static void fill_job(void *arg, size_t begin, size_t end) {
    Filled *x = arg;
    for (size_t i = begin; i < end; i++) x->f[i] = (float)rng_normal(rng_of(5, "inputs"), i);
    convert_f32_bf16(x->h + begin, x->f + begin, end - begin);
}

// A piece of a prime length again and again: no two rows of a matrix are alike.
static void pool_fill(char *to, const void *piece, size_t bytes) {
    CUDA_CHECK(cudaMemcpy(to, piece, bytes, cudaMemcpyHostToDevice));
    for (size_t at = bytes; at < POOL; at += bytes) CUDA_CHECK(cudaMemcpy(to + at, to, POOL - at < bytes ? POOL - at : bytes, cudaMemcpyDeviceToDevice));
}

static void pool_open(void) {
    const size_t n = 16777213;
    Filled x = {malloc(n * 4), malloc(n * 2)};
    need(x.f && x.h, "bench: no memory");
    parallel_for(n, 65536, fill_job, &x);
    CUDA_CHECK(cudaMalloc((void **)&pool.floats, POOL));
    CUDA_CHECK(cudaMalloc((void **)&pool.halves, POOL));
    CUDA_CHECK(cudaMalloc((void **)&pool.results, RESULTS));
    pool_fill(pool.floats, x.f, n * 4);
    pool_fill(pool.halves, x.h, n * 2);
    free(x.f), free(x.h);
}

static char *place(char *begin, size_t room, size_t bytes, int turn) {
    need(bytes <= room, "bench: %zu bytes are more than the pool holds", bytes);
    size_t places = (room - bytes) / 256 + 1;
    return begin + (size_t)turn * ((bytes + 4096) / 256) % places * 256;
}

const float *floats_at(size_t count, int turn, int which) { return (const float *)place(pool.floats, POOL, count * 4, 5 * turn + 2 * which); }
const uint16_t *halves_at(size_t count, int turn, int which) { return (const uint16_t *)place(pool.halves, POOL, count * 2, 5 * turn + 2 * which); }
void *result_at(size_t bytes, int turn) { return place(pool.results, RESULTS, bytes, turn); }

// ---- timing

static cudaEvent_t before, after;
static int turns;

static double region(Work *work, void *arg, int calls) {
    float ms;
    CUDA_CHECK(cudaEventRecord(before, NULL));
    for (int i = 0; i < calls; i++) work(arg, turns++);
    CUDA_CHECK(cudaEventRecord(after, NULL));
    CUDA_CHECK(cudaEventSynchronize(after));
    CUDA_CHECK(cudaEventElapsedTime(&ms, before, after));
    return (double)ms * 1e-3 / calls;
}

static int calls_for(Work *work, void *arg) {
    double once = region(work, arg, 1);
    if (once < 0.3) once = region(work, arg, 1);
    int calls = (int)(4e-3 / once) + 1;
    if (calls > 200) calls = 200;
    if (once < 0.05) region(work, arg, calls); // warm
    return calls;
}

double time_of(Work *work, void *arg) {
    double t[5];
    int calls = calls_for(work, arg);
    for (int i = 0; i < 5; i++) t[i] = region(work, arg, calls);
    return times_of(t, 5).median;
}

static const char *verdict(Bench *b, const Contest *c, double fraction) {
    if (c->goal <= 0) return "";
    if (fraction >= c->goal) return "goal";
    if (c->gate <= 0) return "short"; // of its goal: it has no gate
    if (fraction >= c->gate) return "gate";
    b->below++;
    return "BELOW";
}

static const char *as_fraction(char *to, double x) { // "-" for none
    if (x > 0) snprintf(to, 16, "%.2f", x);
    else snprintf(to, 16, "-");
    return to;
}

bool bench_late(const Bench *b) { return seconds_now() > b->ends; }

bool bench_begins(Bench *b, const char *area, const char *shape) {
    const char *wanted = getenv("RETINA_BENCH");
    char row[200];
    snprintf(row, sizeof row, "%s %s", area, shape);
    bool asked = !wanted || !*wanted;
    for (const char *at = wanted; !asked && at && *at;) { // words between commas
        char word[100];
        size_t n = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        asked = strstr(row, word) != NULL;
        at += n + (at[n] == ',');
    }
    if (asked && bench_late(b)) b->skipped++;
    return asked && !bench_late(b);
}

Took contest(Bench *b, const Contest *c) {
    if (!bench_begins(b, c->area, c->shape)) return (Took){0};
    double ours[ROUNDS], library[ROUNDS], torch[ROUNDS];
    bool with_torch = c->ask && b->torch;
    int calls = calls_for(c->ours, c->arg), library_calls = c->library ? calls_for(c->library, c->arg) : 0;
    double slowest = region(c->ours, c->arg, 1), first = with_torch ? peer_ask(b->torch, "%s\n", c->ask) : 0; // sets up and warms; -1: it cannot
    with_torch = first > 0;
    int rounds = fmax(slowest, first) > 0.05 ? 3 : ROUNDS;
    for (int i = 0; i < rounds; i++) {
        ours[i] = region(c->ours, c->arg, calls);
        if (c->library) library[i] = region(c->library, c->arg, library_calls);
        if (with_torch) torch[i] = peer_ask(b->torch, "%s\n", c->ask);
    }
    Times us = times_of(ours, rounds);
    double blas = c->library ? times_of(library, rounds).median : 0, python = with_torch ? times_of(torch, rounds).median : 0;
    double floor = fmax(c->peak > 0 ? c->flops / c->peak : 0, c->bytes / b->copy), roof = floor / us.median;
    double best = blas > 0 && (python <= 0 || blas < python) ? blas : python, fraction = best > 0 ? best / us.median : roof;
    bool wrong = !(c->error <= c->allow);
    char rate[32], t1[16], t2[16], t3[16], t4[16];
    if (c->peak > 0) snprintf(rate, sizeof rate, "%.1f TFLOP/s", c->flops / us.median * 1e-12);
    else snprintf(rate, sizeof rate, "%.2f TB/s", c->bytes / us.median * 1e-12);
    bench_say(b->page, "| %s | %s | %.4f | %s | %s | %s | %.2f | %s | %s | %s | %.0e%s%s |", c->area, c->shape, us.median * 1e3, rate, as_fraction(t1, blas > 0 ? blas / us.median : 0),
              as_fraction(t2, python > 0 ? python / us.median : 0), roof, as_fraction(t3, c->gate), as_fraction(t4, c->goal), verdict(b, c, fraction), c->error, wrong ? " WRONG" : "",
              us.most > 1.5 * us.least ? " noisy" : "");
    b->rows++, b->wrong += wrong;
    return (Took){us.median, blas, python};
}

// ---- the machine

typedef struct {
    size_t bytes;
} Copy;

static void copy_work(void *arg, int turn) {
    Copy *c = arg;
    CUDA_CHECK(cudaMemcpyAsync(result_at(c->bytes, turn), halves_at(c->bytes / 2, turn, 0), c->bytes, cudaMemcpyDeviceToDevice, NULL));
}

static void square_work(void *arg, int turn) {
    long n = *(long *)arg;
    GemmBf16 g = {.M = n, .N = n, .K = n, .lda = n, .ldw = n, .ldc = n, .C_bf16 = true, .A = halves_at((size_t)(n * n), turn, 0), .W = halves_at((size_t)(n * n), turn, 1)};
    g.C = result_at((size_t)(n * n) * 2, turn);
    blas_bf16(&g);
}

static void machine(Bench *b, bool with_blas) {
    int clock = 0, processors = 0;
    CUDA_CHECK(cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0));
    CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
    Copy copy = {(size_t)1 << 30};
    b->copy = 2.0 * (double)copy.bytes / time_of(copy_work, &copy);
    b->f32 = 2.0 * 128 * processors * clock * 1e3;
    b->bf16 = 4096.0 * processors * clock * 1e3;
    long n = 8192;
    if (with_blas) b->bf16 = 2.0 * (double)n * (double)n * (double)n / time_of(square_work, &n);
    bench_say(b->page, "copy %.2f TB/s (read and written), f32 %.1f TFLOP/s (multiprocessors x clock), bf16 %.0f TFLOP/s (%s)\n", b->copy * 1e-12, b->f32 * 1e-12, b->bf16 * 1e-12,
              with_blas ? "cuBLAS at 8192" : "multiprocessors x clock");
}

int main(int argc, char **argv) {
    need(argc >= 3, "bench_cuda SECONDS PAGE [VENV|- [MODELS|hopper]]: two arguments are wanted");
    double start = seconds_now();
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
        printf("bench_cuda: there is no GPU here\n");
        return 0;
    }
    struct cudaDeviceProp p;
    CUDA_CHECK(cudaGetDeviceProperties(&p, 0));
    CUDA_CHECK(cudaEventCreate(&before));
    CUDA_CHECK(cudaEventCreate(&after));
    Peer torch;
    bool with_blas = blas_open();
    bool with_torch = argc > 3 && strcmp(argv[3], "-") != 0;
    if (with_torch) torch = peer_start(argv[3], "test/bench/peer_cuda.py", "", NULL);
    Bench b = {.ends = start + atof(argv[1]), .page = writer_open(argv[2]), .torch = with_torch ? &torch : NULL};
    if (!with_blas) fprintf(stderr, "bench_cuda: no cuBLAS found: its column stays empty; RETINA_CUBLAS=/path/to/libcublas.so.13 names one\n");
    pool_open();
    bench_say(b.page, "# %s\n\nMedians of %d alternating rounds, milliseconds a call. Fractions: our speed over cuBLAS's, over PyTorch's, and over what the machine allows (roof). "
                      "Error: against double precision on sampled results. A next token's bytes: the weights once, each text's keys and values.\n", p.name, ROUNDS);
    machine(&b, with_blas);
    bench_say(b.page, "| kernel | shape | ms | rate | of cuBLAS | of PyTorch | of roof | gate | goal | | error |\n|---|---|---|---|---|---|---|---|---|---|---|");
    bool all = argc <= 4 || strcmp(argv[4], "hopper") != 0; // else only the steps of one product
    if (all) bench_products(&b);
    if (cuda_gemm_hopper_takes(&(GemmBf16){.M = 1, .N = 1, .K = 8})) bench_hopper(&b);
    if (all) {
        bench_attention(&b);
        bench_light(&b);
        bench_training(&b);
        if (argc > 4) bench_whole(&b, argv[4]);
        bench_searches(&b);
    }
    if (b.torch) peer_end(b.torch);
    bench_say(b.page, "\n%d rows, %d wrong, %d below their gate, %d skipped for time; %.0f s", b.rows, b.wrong, b.below, b.skipped, seconds_now() - start);
    writer_close(b.page);
    return b.wrong > 0;
}
