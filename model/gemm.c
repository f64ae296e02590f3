// gemm.c: products in float32, or of bf16 with float32 sums, blocked, packed and threaded.
//
// C is cut into tiles of MR x NR that stay in registers while k runs through a block; between blocks the partial sums
// wait in C itself. So every element is one chain of fused multiply-adds (or of dot products of pairs) over ascending k, whatever the way.
//   blocks      gemm_blocks.c
//   few rows    up to THIN_ROWS_MOST, B a weight: B is read once, sixteen rows at a time, and turned in registers (decoding; kernels_thin.h)
//   some rows   up to SPREAD_ROWS_MOST, B a weight: B is read once as it lies, x is turned instead (gemm_spread.c)
// Products of bf16 take the fastest way that there is: AMX tiles, dot products of pairs, or the f32 path on rounded values.
// Version 0 is the plain loop in test/test_kernels.c; `retina bench` times the product, test/bench/NOTES.md has what was tried.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "gemm_parts.h"
#include "io/memory.h"
#include "io/pages.h"
#include "io/progress.h"
#include "io/thread.h"
#include "packed.h"

#define LEARN (8 << 20) // bytes of a weight that tell how memory is read best
#define TRIES 16        // parts of products
#define AGAIN 1024      // products from one time of trying to the next: memory is not always the same

typedef struct {
    const Gemm *g;
    const TileKernel *t;
    const float *packed; // A
    size_t first;        // of the columns
    bool streams;
} Job;

float *thread_room(size_t floats) {
    static _Thread_local float *kept = NULL;
    static _Thread_local size_t size = 0;
    if (floats > size) {
        free(kept);
        void *p = NULL;
        kept = NULL, size = 0;
        size_t bytes = size_mul(floats, sizeof(float), "a product's scratch"), page = bytes >= PAGE_HUGE / 2 ? PAGE_HUGE : 64;
        bytes = size_add(bytes, page - 1, "a product's scratch") / page * page;
        need(posix_memalign(&p, page, bytes) == 0, "a matrix product: no memory for %zu MiB of scratch", floats >> 18);
        pages_huge_wanted(p, bytes);
        kept = p, size = bytes / sizeof(float);
    }
    return kept;
}

long gemm_cache(int level) {
    static const struct {
        int name;
        long least, usual;
    } caches[] = {{_SC_LEVEL1_DCACHE_SIZE, 16 << 10, 32 << 10}, {_SC_LEVEL2_CACHE_SIZE, 256 << 10, 512 << 10}, {_SC_LEVEL3_CACHE_SIZE, 1 << 20, 8 << 20}};
    static _Thread_local long known[3]; // some C libraries ask the processor each time, and a virtual machine's takes its time
    long *bytes = &known[level - 1];
    if (*bytes == 0) *bytes = sysconf(caches[level - 1].name);
    if (*bytes < caches[level - 1].least) *bytes = caches[level - 1].usual;
    return *bytes;
}

void gemm_finish(const Gemm *g, float *C, long rows, long columns, long n0) {
    for (long r = 0; g->bias && r < rows; r++)
        for (long i = 0; i < columns; i++) C[r * g->ldc + i] += g->bias[n0 + i];
    for (long r = 0; g->act != ACT_NONE && r < rows; r++) kernels()->activate(C + r * g->ldc, C + r * g->ldc, columns, g->act, false);
}

// Columns of a task of few rows: its streams are long.
static size_t few_columns(const Gemm *g) {
    long least = pieces(GEMM_SMALL, g->M * g->K), each = pieces(g->N, 4 * threads_count());
    return (size_t)pieces(least > each ? least : each, 64) * 64;
}

static void columns_job(void *arg, size_t begin, size_t end) {
    const Job *j = arg;
    const Gemm *g = j->g;
    size_t item = dtype_size(g->B_type), n = j->first + begin;
    j->t->thin((int)g->M, g->C + n, g->ldc, j->packed, (const char *)g->B + n * (size_t)g->ldb * item, g->B_type, g->ldb, (long)(end - begin), g->K, g->accumulate, j->streams);
    gemm_finish(g, g->C + n, g->M, (long)(end - begin), (long)n);
}

// Whether a weight is read faster in streams far apart than in neighbouring rows: each is tried by turns, a task of every thread at a time, and the one with
// the lower median decides for a while. One processor gains a tenth by streams, another loses a third (test/bench/NOTES.md).
typedef struct {
    int tried;                    // parts
    int products;                 // since it was decided
    bool streams;
    double seconds[2][TRIES / 2]; // for a byte: in neighbouring rows, in streams; in order
} Reading;

static Reading *reading_of(const Gemm *g) {
    static _Thread_local Reading readings[2][THIN_ROWS_MOST + 1];
    return &readings[g->B_type == DTYPE_F32][g->M];
}

static void tell(Reading *r, bool streams, double seconds) {
    double *t = r->seconds[streams];
    int n = r->tried++ / 2;
    for (; n > 0 && t[n - 1] > seconds; n--) t[n] = t[n - 1];
    t[n] = seconds;
    if (r->tried == TRIES) r->streams = r->seconds[1][TRIES / 4] < r->seconds[0][TRIES / 4];
}

// The columns from j->first on that are tried one way and another; those behind are left.
static void read_by_turns(Job *j, Reading *r, size_t columns) {
    const size_t N = (size_t)j->g->N, part = columns * (size_t)threads_count(), row = (size_t)j->g->K * dtype_size(j->g->B_type);
    for (; r->tried < TRIES && j->first < N; j->first += part) {
        size_t n = N - j->first < part ? N - j->first : part;
        j->streams = r->tried % 2 == 0;
        double start = seconds_now();
        parallel_for(n, columns, columns_job, j);
        if (n == part || j->first == 0) tell(r, j->streams, (seconds_now() - start) / (double)(n * row));
    }
}

static void few_rows(const Gemm *g, const TileKernel *t) {
    long words = gemm_words(t, g->K), each = equal_rows(g->M, t->thin_block);
    float *packed = thread_room((size_t)(g->M * words + 16));
    for (long m = 0; m < g->M; m += each) t->pack_a(packed + m * words, g, m, (int)smaller(each, g->M - m), 0, g->K);
    if (gemm_rounds(g, t)) kernels()->round(packed, g->M * g->K);
    Job j = {.g = g, .t = t, .packed = packed};
    Reading *r = reading_of(g);
    const size_t N = (size_t)g->N, columns = few_columns(g);
    if (N * (size_t)g->K * dtype_size(g->B_type) >= LEARN) {
        if (r->products++ == AGAIN) *r = (Reading){0};
        read_by_turns(&j, r, columns);
    }
    j.streams = r->tried == TRIES && r->streams;
    parallel_for(j.first < N ? N - j.first : 0, columns, columns_job, &j);
}

// ---- the way of products of bf16

#if defined(__x86_64__)
// Seconds of a tile on data in L1, the best of some: 2 x 32 x 14 x 512 operations each.
static double tile_seconds(const TileKernel *k) {
    static float A[512 * 16 + 16], B[512 * 32]; // zeros would be faster on some processors; these are ones
    float C[32 * 32], one;
    memcpy(&one, &(uint32_t){k->in_word == 1 ? 0x3f800000 : 0x3f803f80}, 4);
    for (size_t i = 0; i < sizeof A / sizeof *A; i++) A[i] = one;
    for (size_t i = 0; i < sizeof B / sizeof *B; i++) B[i] = one;
    double best = 1;
    for (int i = 0; i < 40; i++) {
        double start = seconds_now();
        for (int r = 0; r < 2; r++) k->tile(k->MR, 512 / k->in_word, A, k->MR, B, k->NR, C, k->NR, false);
        double t = seconds_now() - start;
        if (t < best) best = t;
    }
    return best;
}

static const TileKernel *tiles_bf16(void) { // NULL: widened
    static const TileKernel *chosen = NULL;
    static bool known = false; // products are started by one thread; inside a job the first call has been made before
    if (known) return chosen;
    if (cpu_bf16() == BF16_AMX) {
        chosen = &tiles_amx;
    } else if (cpu_bf16() == BF16_DOT) {
        if (cpu_forced() || tile_seconds(&tiles_avx512bf16) < 0.8 * tile_seconds(&kernels()->tiles)) chosen = &tiles_avx512bf16;
    }
    known = true;
    return chosen;
}
#else
static const TileKernel *tiles_bf16(void) { return NULL; }
#endif

const TileKernel *gemm_bf16_tiles(void) { return tiles_bf16(); }

const char *gemm_bf16_path(void) {
    const TileKernel *k = tiles_bf16();
    return !k ? "widened" : k->begin ? "amx" : "avx512_bf16"; // only tiles have a beginning
}

// Split bf16 is faster than f32 multiply-adds only where there are tiles.
static const TileKernel *tiles_of(const Gemm *g) {
    const TileKernel *t = g->compute == COMPUTE_F32 || g->kind != GEMM_NT ? NULL : tiles_bf16();
    return !t || (g->compute == COMPUTE_BF16X3 && !t->begin) ? &kernels()->tiles : t;
}

void gemm(const Gemm *g) {
    if (g->M == 0 || g->N == 0) return;
    need(g->B_type == DTYPE_F32 || g->B_type == DTYPE_BF16 || g->B_type == DTYPE_F16, "a matrix product with a %s matrix", dtype_name(g->B_type));
    if (g->K == 0) {
        for (long m = 0; m < g->M; m++)
            for (long n = 0; n < g->N; n++) g->C[m * g->ldc + n] = g->accumulate ? g->C[m * g->ldc + n] : 0;
        gemm_finish(g, g->C, g->M, g->N, 0);
        return;
    }
    const TileKernel *t = tiles_of(g);
#if defined(__x86_64__)
    if (t == &tiles_amx) {
        gemm_amx(g);
        return;
    }
#endif
    bool as_it_lies = g->kind == GEMM_NT && (!gemm_rounds(g, t) || g->B_type == DTYPE_BF16) && (g->M <= THIN_ROWS || !packed_wants(g)); // panels that are kept cost less than turning or spreading
    if (as_it_lies && g->M <= t->thin_most) few_rows(g, t);
    else if (as_it_lies && g->M <= SPREAD_ROWS_MOST) gemm_spread(g, t);
    else gemm_blocks(g, t);
}
