// gemm_hopper.cu: the product of gemm_bf16.cu on Hopper: wgmma reads both operands from shared memory, the tensor copy engine brings
// them there.
//
// Twin of: gemm_bf16.cu; the same arguments, its own order of the sum.
// Floor: 2MNK flops at the bf16 rate, 2(MK + NK + MN) bytes moved.
// Allow: as gemm_bf16.cu.    Repeats: bit for bit (one warpgroup owns an output, one order).
// Needs: compute capability 9.0; K a positive multiple of 8; A, W and their rows on 16 bytes; M and N free: the copy engine brings zeros for
// rows and columns outside, and the last step stores what is inside.
//   version                                    TFLOP/s at 4096^3, 36928 x 1024 x 1024, and of cuBLAS (H200, driver 580.159, 2026-11-26)
//   901  one warpgroup, 64 x 64, one stage: copy, wait, multiply       368  0.49                gemm_hopper_ladder.cu, as 902, 907 and 909
//   902  128 x 128, a warp that copies, two warpgroups that multiply   649  0.90                one block a tile, six stages
//   903  128 x 256, registers moved to those that multiply             674  0.96                one block a tile, four stages
//   904  the same, blocks stay and take tile after tile                667  0.98
//   905  the same in bands of tiles that share operands in the L2      684  0.99   642  0.94    in use
//   906  905 with 128 x 192                                            597  0.84   448  0.69    in use where it fills the processors better
//   907  905 with 128 x 128                                            658  0.99   511  0.89
//   908  905 with 64 x 256                                             653  0.95   531  0.84    in use where it fills the processors better
//   909  905 in clusters of two blocks that share W's tile             526  0.79   505  0.77
//   910  907, but the warpgroups take turns: one stores its tile while the other multiplies
//                                                                      645  1.02   605  1.04    in use (8192^3: 905 1.02, 910 1.03)
//   -    910 in clusters of two: 332  0.44; removed
//   913  905 with 64 x 64, twelve stages           for 9 to 64 rows of A (steps of many texts), where W's bytes count: 192 KiB under way a
//   914  905 with 64 x 128, eight stages           processor, and A is read N / 64 (128) times. gemm_bf16_thin.cu reads it N / 16 times: W's bytes
//                                                  again at 16 rows, four times them at 64: 23 us at 64 x 4096 x 4096 and 115 at 64 x 22016 x 4096, 0.56 and 0.43 of cuBLAS,
//                                                  as 5.5 TB/s out of the L2 let expect. Measured: 17.3 and 53.8 (913), 50.6 (908) us
//   915  913 with K cut into parts (their sums are added by a second kernel, in order), where tiles alone leave half of the processors without
//        work: 4096 columns are 64 tiles      32 x 4096 x 4096 17.5 us by both, 32 x 4096 x 11008 33.4; gather_norm.cu adds the norm behind them
//   916  914 over up to three matrices of one A (queries, keys, values): 3 times 4096 columns are 96 tiles, which bring the bytes as fast as memory
//        gives them, where one matrix is 32      32 x 3 times 4096 x 4096 52.5 us one after the other, 32.4 so
//   917  908 of two matrices, a gate and what it lets through: 2 times 11008 columns are 86 tiles; SiLU and product in the registers
//                                                  32 x 2 times 11008 x 4096 60.7 us (two products, one of elements), 50.0 so
//   -    915, 916 and 917 of 65 to 128 rows: 128 x 128, 128 x 128, 128 x 256, two warpgroups. With the general tiles a next token of 128 texts took
//        2.51 ms, of which 16 tiles of 128 x 256 for 4096 columns were most; so 1.80. At 128 rows 4096 x 11008 35.9 us (913 44.5),
//        3 times 4096 x 4096 34.3 (one after the other 60.8), 2 times 11008 x 4096 53.9 (67.0). At 64 rows they are slower: 42.6 where 916 takes 32.1
//   -    916 with 64 x 64, six stages, two blocks a multiprocessor: 192 tiles instead of 96     38.4 us where 916 takes 32.0; removed
#include "device_hopper.h"
#include "kernels.h"

#include "gemm_hopper_store.inc"

#define TILE(name) name##_128x256
#define BM 128
#define BN 256
#define CONSUMERS 2
#define STAGES 4
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x192
#define BM 128
#define BN 192
#define CONSUMERS 2
#define STAGES 4
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_64x256
#define BM 64
#define BN 256
#define CONSUMERS 1
#define STAGES 5
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_64x64
#define BM 64
#define BN 64
#define CONSUMERS 1
#define STAGES 12
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_64x64_parts
#define BM 64
#define BN 64
#define CONSUMERS 1
#define STAGES 12
#define SPLIT 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_64x128
#define BM 64
#define BN 128
#define CONSUMERS 1
#define STAGES 8
#define MANY 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_64x256_gated
#define BM 64
#define BN 256
#define CONSUMERS 1
#define STAGES 5
#define GATED 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x128_parts
#define BM 128
#define BN 128
#define CONSUMERS 2
#define STAGES 6
#define SPLIT 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x128_many
#define BM 128
#define BN 128
#define CONSUMERS 2
#define STAGES 6
#define MANY 1
#define SUMS 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x256_gated
#define BM 128
#define BN 256
#define CONSUMERS 2
#define STAGES 4
#define GATED 1
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x128_turns
#define BM 128
#define BN 128
#define CONSUMERS 2
#define STAGES 6
#define TURNS 2
#include "gemm_hopper_tile.inc"

// ---- version 915

#define GATHER 256

// C from the sums of the parts of K (parts, M, N), four columns a thread where rows allow it.
static __global__ __launch_bounds__(GATHER) void gather_parts(GemmBf16 g, const float *sums, int parts) {
#if HOPPER_CODE
    const long pieces = (g.N + 3) / 4, i = (long)blockIdx.x * GATHER + threadIdx.x, m = i / pieces, n = i % pieces * 4, one = g.M * g.N;
    if (m >= g.M) return;
    const float *from = sums + m * g.N + n;
    if (in_fours(&g) && g.N % 4 == 0) {
        float4 s = *(const float4 *)from;
        for (int p = 1; p < parts; p++) {
            const float4 t = *(const float4 *)(from + p * one);
            s.x += t.x, s.y += t.y, s.z += t.z, s.w += t.w;
        }
        store_four(&g, m, n, s, g.bias ? make_float4(g.bias[n], g.bias[n + 1], g.bias[n + 2], g.bias[n + 3]) : make_float4(0, 0, 0, 0));
        return;
    }
    UNROLL_BY(1)
    for (int e = 0; e < 4 && n + e < g.N; e++) {
        float s = from[e];
        for (int p = 1; p < parts; p++) s += from[p * one + e];
        store_one(&g, m, n + e, s);
    }
#else
    __trap(); // compiled for another generation
#endif
}

// ---- host

HOST int cuda_gemm_hopper_form(void) {
#ifdef RETINA_EMULATE
    return 90;
#else
    struct cudaFuncAttributes a;
    CUDA_CHECK(cudaFuncGetAttributes(&a, (const void *)gather_parts));
    return a.ptxVersion;
#endif
}

HOST int cuda_gemm_hopper_sums(const GemmBf16 *g, cudaStream_t stream) {
    GemmBf16 sums = *g;
    need(g->room, "cuda: a product whose K is cut wants room");
    const int parts = cuda_gemm_hopper_parts(g);
    sums.C = g->room, sums.C_bf16 = false, sums.ldc = g->N, sums.bias = NULL, sums.residual = NULL, sums.act = ACT_NONE;
    if (g->M <= 64) launch_64x64_parts(&sums, true, parts, stream);
    else launch_128x128_parts(&sums, true, parts, stream);
    return parts;
}

static void launch_parts(const GemmBf16 *g, cudaStream_t stream) {
    const int parts = cuda_gemm_hopper_sums(g, stream);
    LAUNCH(gather_parts, DIM3((g->M * ((g->N + 3) / 4) + GATHER - 1) / GATHER, 1, 1), DIM3(GATHER, 1, 1), 0, stream, *g, (const float *)g->room, parts);
}

HOST bool cuda_gemm_hopper_takes(const GemmBf16 *g) {
    return gpu_is_hopper() && g->K > 0 && g->M < 1l << 31 && g->N < 1l << 31 && g->K < 1l << 31 && ((g->M + 63) / 64) * ((g->N + 127) / 128) < 1l << 30;
}

#define PARTS_MOST 4
#define STEPS_LEAST 8 // of a part

HOST int cuda_gemm_hopper_parts(const GemmBf16 *g) {
    const long side = g->M <= 64 ? 64 : 128, tiles = (g->M + side - 1) / side * ((g->N + side - 1) / side), steps = (g->K + BK - 1) / BK;
    long parts = tiles > 0 ? gpu_processors() / tiles : 1;
    if (parts > PARTS_MOST) parts = PARTS_MOST;
    if (parts > steps / STEPS_LEAST) parts = steps / STEPS_LEAST;
    while (parts > 1 && (steps + parts - 1) / parts * (parts - 1) >= steps) parts--; // a last one without steps
    return parts > 1 ? (int)parts : 1;
}

// The tile that takes the least time: as many rounds as it needs to give every processor its tiles, each as long as its part of the
// product and what of its store is not hidden. The numbers are fitted to the table above, in columns of K of 128 x 256.
static int best_version(const GemmBf16 *g) {
    if (g->M <= STEP_ROWS && g->room && cuda_gemm_hopper_parts(g) > 1) return 915;
    if (g->M <= 64) return (g->N + 63) / 64 <= gpu_processors() ? 913 : (g->N + 127) / 128 <= gpu_processors() ? 914 : 908; // the smallest of which one round takes all
    static const struct {
        int version, rows, columns;
        double product, store;
    } tiles[] = {{905, 128, 256, 1.0, 100}, {906, 128, 192, 0.786, 180}, {908, 64, 256, 0.52, 100}, {910, 128, 128, 0.515, 10}};
    const double bytes = g->residual ? 4 : g->C_bf16 ? 1 : 2; // of an output, in halves of a word: what a store takes
    int best = 905;
    double least = 0;
    for (int i = 0; i < 4; i++) {
        long count = ((g->M + tiles[i].rows - 1) / tiles[i].rows) * ((g->N + tiles[i].columns - 1) / tiles[i].columns);
        double time = (double)((count + gpu_processors() - 1) / gpu_processors()) * (tiles[i].product * (double)g->K + tiles[i].store * bytes);
        if (i == 0 || time < least) least = time, best = tiles[i].version;
    }
    return best;
}

HOST void cuda_gemm_hopper(const GemmBf16 *g, int version, cudaStream_t stream) {
    if (version < 0) version = best_version(g);
    switch (version) {
    case 903: launch_128x256(g, false, 0, stream); break;
    case 904: launch_128x256(g, true, 1, stream); break;
    case 905: launch_128x256(g, true, 16, stream); break;
    case 906: launch_128x192(g, true, 14, stream); break;
    case 908: launch_64x256(g, true, 24, stream); break;
    case 913: launch_64x64(g, true, 1, stream); break;
    case 914: launch_64x128(g, 1, stream); break;
    case 915: launch_parts(g, stream); break;
    case 910: launch_128x128_turns(g, true, 12, stream); break;
    default: die("cuda: there is no version %d of a bf16 product", version);
    }
}

HOST bool cuda_gemm_hopper_together_takes(const GemmBf16 *g, int count) {
    long columns = 0;
    if (g->M < 1 || g->M > STEP_ROWS || !g->A || count > 3) return false;
    for (int k = 0; k < count; k++) {
        if (!cuda_gemm_hopper_takes(g + k) || g[k].N % 4 != 0 || g[k].ldc != g[k].N || (uintptr_t)g[k].C % 16 != 0 || g[k].residual || g[k].C_bf16 || g[k].act != ACT_NONE) return false;
        columns += g[k].N;
    }
    return columns < 1l << 30;
}

HOST void cuda_gemm_hopper_together(const GemmBf16 *g, int count, cudaStream_t stream) {
    if (g->M <= 64) launch_64x128(g, count, stream);
    else launch_128x128_many(g, count, stream);
}

HOST bool cuda_gemm_hopper_gated_takes(const GemmBf16 *g) {
    const long tiles = (g->N + 127) / 128;
    if (g->M < 1 || g->M > STEP_ROWS || !g->A || g[1].N != g->N || g->ldc % 4 != 0 || (uintptr_t)g->C % 16 != 0 || !g->C_bf16 || g->act != ACT_SILU || g->bias || g[1].bias || g->residual) return false;
    return cuda_gemm_hopper_takes(g) && tiles <= gpu_processors() && 2 * tiles > gpu_processors(); // one round, of most of them
}

HOST void cuda_gemm_hopper_gated(const GemmBf16 *g, cudaStream_t stream) {
    if (g->M <= 64) launch_64x256_gated(g, 2, stream);
    else launch_128x256_gated(g, 2, stream);
}
