// gemm_bf16.cu: C (M, N) = act(A Wᵀ + bias) + residual, A (M, K) and W (N, K) in bf16, sums in f32 on tensor cores.
//
// Twin of: gemm() on values rounded to bf16; its own order of the sum, so not its bits.
// Floor: 2MNK flops at the bf16 rate (H200: about 790 TFLOP/s at 8192), 2(MK + NK + MN) bytes moved.
// Allow: 2e-6 or 1.5e-9 K of the f64 product of the rounded inputs for f32 results (tensor cores cut sums off, which adds up
// along K), half a bf16 step more for bf16 results.    Repeats: bit for bit (one block owns an output, one order).
// Needs: K a multiple of 8, rows of A and W on 16 bytes; M and N free: rows outside are filled with zeros and not stored.
//   version
//   0  plain: one thread an output                                    gemm_f32.cu's plain loop does this with B in bf16
//   1  mma.sync m16n8k16, 128 x 128 x 32, four stages of cp.async     in use everywhere but on Hopper: gemm_hopper.cu
// Shared memory: a row of a tile is 32 bf16 = four pieces of 16 bytes; piece c of row r lies at c ^ (r / 2 % 4), so that the
// eight rows an ldmatrix reads at once lie in different banks.
#include "device.h"
#include "kernels.h"

#define BK 32
#define STAGES 4
#define PIECES (BK / 8)
#define THIN_MOST 64 // rows that gemm_bf16_thin.cu takes; on Hopper it leaves those above FEW to gemm_hopper.cu
#define FEW 8 // rows that its version 3 takes; from nine on A is more bytes than W for sixteen rows of W a block

static __device__ __forceinline__ int piece_at(int row, int piece) { return (row * PIECES + (piece ^ (row / 2 % PIECES))) * 8; }

// Of a tile of C: the four rows that half a warp writes at once lie in different banks.
static __device__ __forceinline__ int sum_at(int row, int column, int columns) { return row * columns + (column ^ row % 4 * 8); }

// Rows [row0, row0 + rows) x columns [k0, k0 + BK) of x (R, K) into shared memory; outside is zero.
static __device__ __forceinline__ void stage_load(uint16_t *to, const uint16_t *x, long ld, long R, long K, long row0, long k0, int rows, int threads) {
    for (int e = (int)threadIdx.x; e < rows * PIECES; e += threads) {
        int r = e / PIECES, c = e % PIECES;
        long k = k0 + 8 * c;
        bool inside = row0 + r < R && k < K;
        cp_async16(to + piece_at(r, c), inside ? x + (row0 + r) * ld + k : x, inside ? 16 : 0);
    }
}

static __device__ __forceinline__ void store_output(const GemmBf16 *g, long m, long n, float s) {
    if (m >= g->M || n >= g->N) return;
    if (g->bias) s += g->bias[n];
    s = f_act(s, g->act);
    if (g->residual) s += g->residual_bf16 ? float_of_bf16(((const uint16_t *)g->residual)[m * g->ldc + n]) : ((const float *)g->residual)[m * g->ldc + n];
    if (g->C_bf16) ((uint16_t *)g->C)[m * g->ldc + n] = bf16_of(s);
    else ((float *)g->C)[m * g->ldc + n] = s;
}

#define TILE(name) name##_128
#define BM 128
#define BN 128
#define WM 2 // warps along m and n: each computes BM / WM x BN / WN
#define WN 4
#include "gemm_bf16_tile.inc"

#define TILE(name) name##_64
#define BM 64
#define BN 64
#define WM 2
#define WN 2
#include "gemm_bf16_tile.inc"

// Where a step of few texts would leave half of the processors without work.
HOST size_t cuda_gemm_bf16_room(const GemmBf16 *g) {
    if (g->M <= FEW || g->M > STEP_ROWS || !g->A || !cuda_gemm_hopper_takes(g)) return 0;
    const int parts = cuda_gemm_hopper_parts(g);
    return parts > 1 ? (size_t)parts * (size_t)(g->M * g->N) * sizeof(float) : 0;
}

HOST void cuda_gemm_bf16(const GemmBf16 *g, cudaStream_t stream) {
    if (g->M == 0 || g->N == 0) return;
    need(g->K % 8 == 0 && g->lda % 8 == 0 && g->ldw % 8 == 0, "cuda: a bf16 product with rows of %ld, %ld and %ld values: multiples of 8 are wanted; pad the weights", g->K,
         g->lda, g->ldw);
    need(((uintptr_t)g->A | (uintptr_t)g->A_f32 | (uintptr_t)g->W) % 16 == 0, "cuda: a bf16 product of matrices that do not start on 16 bytes");
    if (g->M <= FEW) {
        cuda_gemm_bf16_ring(g, stream);
        return;
    }
    if (g->M <= THIN_MOST && !(g->A && cuda_gemm_hopper_takes(g))) {
        cuda_gemm_bf16_thin(g, stream);
        return;
    }
    need(!g->A_f32, "cuda: a bf16 product of %ld rows in f32", g->M);
    if (cuda_gemm_hopper_takes(g)) {
        cuda_gemm_hopper(g, -1, stream);
        return;
    }
    const long processors = 132;
    long large = ((g->M + 127) / 128) * ((g->N + 127) / 128);
    if (large < processors / 2) launch_64(g, stream);
    else launch_128(g, stream);
}

HOST void cuda_gemm_bf16_version(const GemmBf16 *g, int version, cudaStream_t stream) {
    if (version > 900) cuda_gemm_hopper(g, version, stream);
    else if (version == 1) cuda_gemm_bf16_thin(g, stream);
    else if (version == 3) cuda_gemm_bf16_ring(g, stream);
    else if (version == 64) launch_64(g, stream);
    else launch_128(g, stream);
}
