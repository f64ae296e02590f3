// bench_bf16.c: products with weights of bf16. The results are compared with double precision (samples of them) before they are timed; the
// peer's are rounded to bf16, ours are f32; the products are the same. The peer may take its weight packed ahead (ours is with --packed), or compute with the same
// numbers in f32, which is faster where a machine has no instructions of bf16: its fastest way counts. Weights of decoding come from memory: a GiB of copies takes turns.
#include <math.h>
#include <stdio.h>

#include "bench_products.h"
#include "bench_speed.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/kernels.h"

#define MEAN_MOST 1.00  // the gates: of all products, over the peer; one row, of a plain read
#define READ_LEAST 0.90

typedef struct {
    Gemm g;
    const uint16_t *weights;
    int copies, turn;
} Product;

static void product_work(void *arg) {
    Product *p = arg;
    p->g.B = p->weights + (size_t)(p->turn++ % p->copies) * (size_t)(p->g.N * p->g.K);
    gemm(&p->g);
}

static void weight_read(void *arg) { // the next copy
    Product *p = arg;
    plain_read(p->weights + (size_t)(p->turn++ % p->copies) * (size_t)(p->g.N * p->g.K), (size_t)(p->g.N * p->g.K) * sizeof *p->weights);
}

static Measured one(Arena *a, const Table *t, long M, long N, long K, int copies, const char *name) {
    Mark mark = arena_mark(a);
    size_t weight = (size_t)(N * K);
    uint16_t *w = take(a, uint16_t, weight * (size_t)copies);
    float *wide = random_floats(a, weight, "weight");
    for (int c = 0; c < copies; c++) convert_f32_bf16(w + weight * (size_t)c, wide, weight);
    Product p = {.copies = copies, .weights = w};
    p.g = (Gemm){.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = random_floats(a, (size_t)(M * K), "input"), .lda = K, .B_type = DTYPE_BF16, .ldb = K,
                 .C = poisoned(a, (size_t)(M * N)), .ldc = N, .compute = COMPUTE_BF16};
    Arena *kept = arena_new("packed weights");
    weight_kept(t->packed, kept, w, weight * (size_t)copies * sizeof *w);
    for (int c = 0; c < (t->packed ? copies : 1); c++) product_work(&p);
    double bytes = 2.0 * (double)weight;
    const char *ask = arena_print(a, "linear %ld %ld %ld %d %d", M, N, K, copies, threads_count());
    Measured m = table_row(t, &(Row){.name = name, .ask = ask, .work = product_work, .arg = &p, .operations = 2.0 * (double)(M * N) * (double)K,
                                     .bytes = copies > 1 ? bytes : 0, .peak = PEAK_BF16, .plain = copies > 1 ? weight_read : NULL, .plain_bytes = bytes, .most = M < 16 ? 0 : MEAN_MOST, .least_of_floor = M == 1 ? READ_LEAST : 0,
                                     .check = {product_error, &p.g, p.g.C, (size_t)(M * N), 2e-6, 4e-3},
                                     .given = {{"x", p.g.A, (size_t)(M * K) * sizeof *p.g.A}, {"weight", w, weight * sizeof *w}}});
    arena_free(kept);
    arena_release(a, mark);
    return m;
}

#define PEER_IS "PyTorch's fastest way"

static void gates(const Table *t, const Ratios *all) {
    const char *said = ratios_said(t->arena, all), *amx_elsewhere = cpu_bf16() == BF16_AMX ? peer_without(t->arena, t->peer, "oneDNN's packed weights") : "no AMX";
    bool amx = cpu_bf16() == BF16_AMX;
    double mean = ratios_mean(all);
    gate_note(t->gates, (Gate){.what = "geometric mean of bf16 products in AMX tiles over " PEER_IS, .detail = amx ? said : NULL, .value = amx ? mean : NAN, .bound = MEAN_MOST, .goal = 0.85,
                               .elsewhere = amx_elsewhere});
    gate_note(t->gates, (Gate){.what = "the largest of bf16 products in AMX tiles over " PEER_IS, .value = amx ? ratios_largest(all) : NAN, .bound = 1.25, .goal = 1.00, .elsewhere = amx_elsewhere});
    gate_note(t->gates, (Gate){.what = "geometric mean of bf16 products without AMX over " PEER_IS ", oneDNN held to AVX512_BF16", .detail = amx ? NULL : said, .value = amx ? NAN : mean, .bound = MEAN_MOST,
                               .goal = 0.75, .elsewhere = amx ? "RETINA_ISA=avx512_bf16 or avx512 asks for it" : peer_without(t->arena, t->peer, "PyTorch")});
}

void bench_bf16(Arena *a, const Table *t) {
    static const struct {
        long M, N, K;
        bool from_memory;
    } list[] = {{577, 1024, 1024, false}, {577, 3072, 1024, false}, {577, 4096, 1024, false}, {577, 1024, 4096, false}, {577, 4096, 4096, false}, {2308, 1024, 1024, false},
                {2308, 4096, 1024, false}, {128, 4096, 4096, true}, {64, 4096, 4096, true}, {32, 4096, 4096, true}, {16, 4096, 4096, true}, {8, 4096, 4096, true},
                {1, 4096, 4096, true}, {1, 11008, 4096, true}};
    Ratios all = {0};
    PeerWays ways = {0};
    bool head = false, many = false;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        long M = list[i].M, N = list[i].N, K = list[i].K;
        const char *name = arena_print(t->arena, "%ld x %ld x %ld%s", M, N, K, list[i].from_memory ? ", weight from memory" : "");
        if (!table_wants(t, name)) continue;
        if (!head) table_head(t, "M x N x K, bf16"), head = true;
        Measured m = one(a, t, M, N, K, list[i].from_memory ? (int)((1l << 30) / (2 * N * K)) : 1, name);
        if (t->peer) peer_ways_add(&ways, t->arena, t->peer, name);
        if (M >= 16) many = true, ratios_add(&all, m.ratio, name);
        if (M == 1)
            gate_note(t->gates, (Gate){.what = arena_print(t->arena, "one row by a weight of %ld x %ld in bf16, of a plain read of it", N, K), .value = m.of_floor, .bound = READ_LEAST, .goal = 0.95, .at_least = true});
    }
    if (ways.count) bench_say(t->w, "\n" PEER_IS " (bf16 or f32, packed ahead or not): %s.", peer_ways_said(&ways, t->arena));
    if (many) gates(t, &all);
}
