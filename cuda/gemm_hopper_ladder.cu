// gemm_hopper_ladder.cu: the steps of gemm_hopper.cu that are not in use, for those who climb after it: tests and benchmarks run them, ./retina is
// linked without. Arguments, bounds and times: there.
//   901  one warpgroup, 64 x 64, one stage: copy, wait, multiply       all that wgmma needs, on one page
//   902  128 x 128, a warp that copies, two warpgroups that multiply
//   907  902 with blocks that stay, in bands
//   909  905 in clusters of two blocks that share W's tile
#include "device_hopper.h"
#include "kernels.h"

#include "gemm_hopper_store.inc"

// ---- version 901

#define PLAIN_TILE 64
#define PLAIN_SHARED (2 * PLAIN_TILE * ROW + 4 * 16 * CHUNK * 4 + 8)

static __global__ __launch_bounds__(WARPGROUP) void gemm_hopper_plain(GRID_CONSTANT TensorMap a_map, GRID_CONSTANT TensorMap w_map, GemmBf16 g) {
#if HOPPER_CODE
    DYNAMIC_SHARED(unsigned char, shared);
    unsigned char *a = shared, *w = a + PLAIN_TILE * ROW;
    float *chunk = (float *)(w + PLAIN_TILE * ROW) + (int)threadIdx.x / 32 * 16 * CHUNK;
    uint64_t *arrived = (uint64_t *)(shared + PLAIN_SHARED - 8);
    int m0 = (int)blockIdx.y * PLAIN_TILE, n0 = (int)blockIdx.x * PLAIN_TILE, lane = thread_lane(), warp = (int)threadIdx.x / 32;
    if (threadIdx.x == 0) {
        mbarrier_init(arrived, 1);
        mbarrier_init_done();
    }
    __syncthreads();
    FRAGMENT(float, acc, 32);
    UNROLL
    for (int i = 0; i < 32; i++) acc[i] = 0;
    for (int step = 0; step * BK < g.K; step++) {
        if (threadIdx.x == 0) {
            mbarrier_expect(arrived, 2 * PLAIN_TILE * ROW);
            tile_load(a, &a_map, step * BK, m0, arrived);
            tile_load(w, &w_map, step * BK, n0, arrived);
        }
        mbarrier_wait(arrived, step & 1);
        wgmma_fence();
        UNROLL
        for (int k = 0; k < BK; k += 16) wgmma_n64(acc, wgmma_rows(a) + WGMMA_COLUMNS(k), wgmma_rows(w) + WGMMA_COLUMNS(k), 1);
        wgmma_commit();
        wgmma_wait(0);
        __syncthreads(); // nobody reads the tiles any more
    }
    chunk_fill(chunk, acc, lane);
    __syncwarp();
    chunk_store(&g, chunk, m0 + 16 * warp, n0, in_fours(&g), lane);
#else
    __trap(); // compiled for another generation
#endif
}

// ---- the others

#define TILE(name) name##_128x128
#define BM 128
#define BN 128
#define CONSUMERS 2
#define STAGES 6
#include "gemm_hopper_tile.inc"

#define TILE(name) name##_128x256_pair
#define BM 128
#define BN 256
#define CONSUMERS 2
#define STAGES 4
#define CLUSTER CLUSTER_OF(2)
#include "gemm_hopper_tile.inc"

static void launch_plain(const GemmBf16 *g, cudaStream_t stream) {
    TensorMap a = tile_map(g->A, g->M, g->K, g->lda, PLAIN_TILE), w = tile_map(g->W, g->N, g->K, g->ldw, PLAIN_TILE);
    LAUNCH(gemm_hopper_plain, DIM3((g->N + 63) / 64, (g->M + 63) / 64, 1), DIM3(WARPGROUP, 1, 1), PLAIN_SHARED, stream, a, w, *g);
}

HOST void cuda_gemm_hopper_ladder(const GemmBf16 *g, int version, cudaStream_t stream) {
    switch (version) {
    case 901: launch_plain(g, stream); break;
    case 902: launch_128x128(g, false, 0, stream); break;
    case 907: launch_128x128(g, true, 12, stream); break;
    case 909: launch_128x256_pair(g, true, 8, stream); break;
    default: cuda_gemm_bf16_version(g, version, stream);
    }
}
