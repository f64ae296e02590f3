// bench_few.c: what 8, 32 and 64 rows of x take by a weight of 4096 x 4096 in bf16 beside one row: our own ways alone in alternation, with
// a plain read of as many bytes. The weights are a GiB of copies in turns, in pages of 4 KiB as a file's are, in pages of 2 MiB, and packed; f32's once, too.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_products.h"
#include "bench_speed.h"
#include "io/pages.h"
#include "model/cpu.h"
#include "model/kernels.h"
#include "model/packed.h"

enum { SIDE = 4096, WEIGHT = SIDE * SIDE, ROWS = 4, READ = ROWS, LEAST_ROUNDS = 21 };
#define MOST_32 1.15 // rows over one: the gates
#define MOST_64 1.5
#define BYTES ((size_t)1 << 30) // of all copies

enum { LIES, HUGE_PAGES, PACKED, EXACT }; // how a weight lies: as read, in huge pages, in panels; in f32, as read

// ---- pages

// Bytes in huge pages of the mapping that begins there, or contains it: what the system says.
static size_t pages_huge(const void *block) {
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[400];
    unsigned long from, to, kib;
    bool inside = false;
    size_t found = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = from <= (uintptr_t)block && (uintptr_t)block < to;
        else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) found = (size_t)kib << 10;
    }
    if (f) fclose(f);
    return found;
}

// ---- ways

typedef struct {
    Gemm g; // of M rows; M 0: a plain read
    const void *weights; // copies of one, BYTES in all
    Dtype type;
    size_t *turn; // of all ways
} Few;

static void few_work(void *arg) {
    Few *f = arg;
    size_t bytes = WEIGHT * dtype_size(f->type);
    const char *w = (const char *)f->weights + (*f->turn)++ * bytes % BYTES;
    if (f->g.M == 0) {
        plain_read(w, bytes);
        return;
    }
    f->g.B = w;
    gemm(&f->g);
}

static const int counts[ROWS] = {1, 8, 32, 64};

// Against double: ours alone are here.
static double few_error(Few *f, const char *pages) {
    size_t n = (size_t)(f->g.M * f->g.N);
    poison(f->g.C, n);
    few_work(f);
    const Check check = {product_error, &f->g, f->g.C, n, 2e-6, 0};
    return check_ours(&check, pages);
}

static Rounds pages_rounds(Arena *a, const Table *t, const void *weights, Dtype type, const char *pages, double *error) {
    size_t turn = 0;
    int rounds = t->rounds < LEAST_ROUNDS ? LEAST_ROUNDS : t->rounds;
    Few few[ROWS + 1];
    Work works[ROWS + 1];
    Way ways[ROWS + 1];
    for (int k = 0; k <= READ; k++) {
        long M = k == READ ? 0 : counts[k];
        few[k] = (Few){.weights = weights, .type = type, .turn = &turn};
        if (M) few[k].g = (Gemm){.kind = GEMM_NT, .M = M, .N = SIDE, .K = SIDE, .A = random_floats(a, (size_t)M * SIDE, "input"), .lda = SIDE, .B_type = type, .ldb = SIDE,
                                 .C = take(a, float, (size_t)M * SIDE), .ldc = SIDE, .compute = type == DTYPE_F32 ? COMPUTE_F32 : COMPUTE_BF16};
        if (M) *error = worse(*error, few_error(&few[k], arena_print(a, "%ld rows, %s", M, pages)));
        works[k] = (Work){few_work, &few[k]}, ways[k] = (Way){work_seconds, &works[k]};
    }
    return rounds_wanted(ways, ROWS + 1, rounds, (RatioWanted[]){{WAY(2), WAY(0), MOST_32}, {WAY(3), WAY(0), MOST_64}}, type == DTYPE_BF16 && cpu_bf16() == BF16_AMX ? 2 : 0);
}

static void line(const Table *t, const char *pages, const Rounds *r, double error) {
    Arena *a = t->arena;
    const Times *of = rounds_shown(r, WAY(2), WAY(0));
    const char *text = arena_print(a, "| %s |", pages);
    for (int k = 0; k <= READ; k++) text = arena_print(a, "%s %.2f (%.2f – %.2f) |", text, 1e3 * of[k].median, 1e3 * of[k].least, 1e3 * of[k].most);
    bench_say(t->w, "%s %.2f | %.2f | %.1e | %s |", text, of[2].median / of[0].median, of[3].median / of[0].median, error, rounds_note(r));
}

// What arithmetic allows: so many rows at the measured peak, over reading the weight, in the same rounds.
static double allowed(const Table *t, const Rounds *r, int rows) {
    double read = rounds_shown(r, WAY(READ), 0)[READ].median;
    return fmax(2.0 * rows * WEIGHT / t->top->bf16, read) / read;
}

static void gate(const Table *t, const Rounds *r, int which, double bound, double goal) {
    int rows = counts[which];
    const char *elsewhere = arena_print(t->arena, "AMX alone does so much arithmetic: here %d rows at the measured peak take %.2f times a plain read of the weight", rows, allowed(t, r, rows));
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "%d rows over 1 row of a weight of 4096 x 4096 in bf16 from memory", rows), .value = rounds_ratio(r, WAY(which), WAY(0)),
                               .bound = bound, .goal = goal, .elsewhere = cpu_bf16() == BF16_AMX ? NULL : elsewhere});
}

// Copies of one weight, one behind the other.
static void weights_fill(Arena *a, char *to, Dtype type) {
    size_t bytes = WEIGHT * dtype_size(type);
    float *wide = random_floats(a, WEIGHT, "weight");
    for (size_t at = 0; at < BYTES; at += bytes)
        if (type == DTYPE_F32) memcpy(to + at, wide, bytes);
        else convert_f32_bf16(to + at, wide, WEIGHT);
}

static const char *pages_named(Arena *a, int how, size_t huge) {
    switch (how) {
    case LIES: return "pages of 4 KiB";
    case HUGE_PAGES: return arena_print(a, "pages of 2 MiB (%zu of %zu MiB)", huge >> 20, BYTES >> 20);
    case PACKED: return arena_print(a, "packed once, where panels are used (%zu MiB)", packed_bytes() >> 20);
    default: return "of f32, pages of 4 KiB";
    }
}

void bench_few(Arena *a, const Table *t) {
    if (!table_wants(t, "rows of a weight of 4096 x 4096")) return;
    Mark mark = arena_mark(a);
    ceilings_again(a, t->top);
    bench_say(t->w, "\n| rows of a weight of 4096 x 4096 from memory, in bf16 but the last, ms | 1 | 8 | 32 | 64 | plain read | 32 over 1 | 64 over 1 | error | note |\n|---|---|---|---|---|---|---|---|---|---|");
    for (int how = LIES; how <= EXACT; how++) {
        Dtype type = how == EXACT ? DTYPE_F32 : DTYPE_BF16;
        char *weights = pages_take(BYTES, how == HUGE_PAGES);
        need(weights, "bench: no memory for weights of %zu MiB", BYTES >> 20);
        weights_fill(a, weights, type);
        size_t huge = pages_huge(weights);
        Arena *owner = arena_new("packed weights");
        weight_kept(how == PACKED, owner, weights, BYTES);
        if (how == HUGE_PAGES && huge < BYTES / 2) {
            bench_say(t->w, "| pages of 2 MiB: the system gives none | | | | | | | | | |");
        } else {
            double error = 0;
            Rounds r = pages_rounds(a, t, weights, type, pages_named(t->arena, how, huge), &error);
            line(t, pages_named(t->arena, how, huge), &r, error); // packed bytes are known now
            if (how == LIES) gate(t, &r, 2, MOST_32, 1.05), gate(t, &r, 3, MOST_64, 1.25);
        }
        arena_free(owner);
        pages_give(weights, BYTES);
    }
    arena_release(a, mark);
}
