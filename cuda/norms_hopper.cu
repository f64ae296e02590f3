// norms_hopper.cu: versions 9 and 10 of norms.cu: a block a multiprocessor takes pair of rows after pair of rows; the copy engine brings them, four
// warps add up, each its own pair, eight store. Nobody waits for a barrier of the whole block, and every slot that is free is on its way.
//
// Twin, sums, repeats: as norms.cu.    Needs: compute capability 9.0; C a multiple of 4, all on 16 bytes.
#include "device_hopper.h"
#include "light.h"
#include "norms_row.inc"

#define ADDERS 4  // warps, each by its own scheduler
#define STORERS 8 // warps
#define STORE_THREADS (STORERS * 32)
#define PAIRS_THREADS ((ADDERS + STORERS + 1) * 32)
#define PAIR 2 // rows, which one warp adds up
#define SLOTS 20 // pairs at most

typedef struct {
    uint64_t here[SLOTS], added[SLOTS], done[SLOTS];
    Scale scales[SLOTS][PAIR];
} Ring;

#if HOPPER_CODE
static __device__ __forceinline__ int rows_of_pair(const Norm *a, long p) { return a->R - p * PAIR < PAIR ? 1 : PAIR; }

static __device__ __forceinline__ long pair_of(int n) { return (long)blockIdx.x + (long)n * gridDim.x; }

static __device__ __forceinline__ void bring_pair(Ring *ring, float *shared, const Norm *a, int n, int slots) {
    const int slot = n % slots, rows = rows_of_pair(a, pair_of(n)), bytes = a->C * (int)sizeof(float);
    mbarrier_expect(&ring->here[slot], rows * bytes);
    for (int r = 0; r < rows; r++) bulk_load(shared + (slot * PAIR + r) * STRIDE(a->C), a->x + (pair_of(n) * PAIR + r) * a->C, bytes, &ring->here[slot]);
}

// By one thread: pairs come, and go where the engine stores them.
static __device__ __forceinline__ void move_pairs(Ring *ring, float *shared, const Norm *a, int count, int slots, bool engine) {
    for (int n = 0; n < slots && n < count; n++) bring_pair(ring, shared, a, n, slots);
    for (int n = 0; n < count; n++) {
        const int slot = n % slots, rows = rows_of_pair(a, pair_of(n)), left = engine ? n - 1 : n; // the pair whose slot is free
        mbarrier_wait(&ring->done[slot], n / slots & 1);
        if (engine) {
            for (int r = 0; r < rows; r++) bulk_store(a->out + (pair_of(n) * PAIR + r) * a->C, shared + (slot * PAIR + r) * STRIDE(a->C), a->C * (int)sizeof(float));
            bulk_commit();
            bulk_wait_read(1);
        }
        if (left >= 0 && left + slots < count) bring_pair(ring, shared, a, left + slots, slots);
    }
    if (engine) bulk_wait_read(0);
}

// A slot is always the same warp's, which so sees each of its phases end.
static __device__ __forceinline__ void add_pairs(Kind kind, Ring *ring, const float *shared, const Norm *a, int count, int slots) {
    const int lane = thread_lane(), warp = (int)threadIdx.x / 32;
    for (int n = 0, slot = 0, parity = 0; n < count; n++) {
        if (slot % ADDERS == warp) {
            const int row = lane / LANES < rows_of_pair(a, pair_of(n)) ? lane / LANES : 0;
            const float *x = shared + (slot * PAIR + row) * STRIDE(a->C);
            mbarrier_wait(&ring->here[slot], parity);
            const Scale s = scale_of(kind, first_sum(kind, 0, x, a->C, lane % LANES), x, a->C, a->eps, lane % LANES);
            if (lane == row * LANES) ring->scales[slot][row] = s;
            __syncwarp();
            if (lane == 0) mbarrier_arrive(&ring->added[slot]);
        }
        if (++slot == slots) slot = 0, parity ^= 1;
    }
}

static __device__ __forceinline__ void store_pairs(Kind kind, Ring *ring, float *shared, const Norm *a, int count, int slots, bool engine) {
    const int t = (int)threadIdx.x - ADDERS * 32, C = a->C;
    const bool has_w = a->w.data, has_b = a->b.data;
    FRAGMENT(float4, w, BATCH);
    FRAGMENT(float4, b, BATCH);
    both_weights(w, b, a, 4 * t, 4 * STORE_THREADS);
    for (int n = 0, slot = 0, parity = 0; n < count; n++) {
        const int rows = rows_of_pair(a, pair_of(n));
        float *x = shared + slot * PAIR * STRIDE(C);
        mbarrier_wait(&ring->here[slot], parity);
        mbarrier_wait(&ring->added[slot], parity);
        for (int from = 4 * t; from < C; from += 4 * STORE_THREADS * BATCH) {
            UNROLL
            for (int k = 0; k < BATCH; k++) {
                const int i = from + 4 * k * STORE_THREADS;
                if (i >= C) continue;
                for (int r = 0; r < rows; r++) {
                    float4 *v = (float4 *)(x + r * STRIDE(C) + i);
                    const float4 y = normed_four(kind, *v, ring->scales[slot][r], has_w, w[k], has_b, b[k]);
                    if (engine) *v = y;
                    else store_four(a, pair_of(n) * PAIR + r, i, y);
                }
            }
            if (C > 4 * STORE_THREADS * BATCH) both_weights(w, b, a, from + 4 * STORE_THREADS * BATCH < C ? from + 4 * STORE_THREADS * BATCH : 4 * t, 4 * STORE_THREADS);
        }
        if (engine) bulk_fence();
        __syncwarp();
        if (t % 32 == 0) mbarrier_arrive(&ring->done[slot]);
        if (++slot == slots) slot = 0, parity ^= 1;
    }
}
#endif

static __device__ __forceinline__ void norm_pairs(Kind kind, const Norm *a, int slots, bool engine) {
#if HOPPER_CODE
    DYNAMIC_SHARED(float, shared);
    __shared__ Ring ring;
    const int warp = (int)threadIdx.x / 32;
    const long pairs = (a->R + PAIR - 1) / PAIR;
    const int count = (int)((pairs - blockIdx.x + gridDim.x - 1) / gridDim.x);
    for (int k = 0; threadIdx.x == 0 && k < slots; k++) mbarrier_init(&ring.here[k], 1), mbarrier_init(&ring.added[k], 1), mbarrier_init(&ring.done[k], STORERS);
    if (threadIdx.x == 0) mbarrier_init_done();
    __syncthreads();
    if (warp < ADDERS) add_pairs(kind, &ring, shared, a, count, slots);
    else if (warp < ADDERS + STORERS) store_pairs(kind, &ring, shared, a, count, slots, engine);
    else if (thread_lane() == 0) move_pairs(&ring, shared, a, count, slots, engine);
#else
    (void)kind, (void)a, (void)slots, (void)engine;
#endif
}

static __global__ __launch_bounds__(PAIRS_THREADS, 1) void layernorm_pairs(Norm a, int slots) { norm_pairs(LAYER, &a, slots, false); }
static __global__ __launch_bounds__(PAIRS_THREADS, 1) void rmsnorm_pairs(Norm a, int slots) { norm_pairs(RMS, &a, slots, false); }
static __global__ __launch_bounds__(PAIRS_THREADS, 1) void l2norm_pairs(Norm a, int slots) { norm_pairs(LENGTH, &a, slots, false); }
static __global__ __launch_bounds__(PAIRS_THREADS, 1) void layernorm_pairs_engine(Norm a, int slots) { norm_pairs(LAYER, &a, slots, true); }
static __global__ __launch_bounds__(PAIRS_THREADS, 1) void rmsnorm_pairs_engine(Norm a, int slots) { norm_pairs(RMS, &a, slots, true); }
static __global__ __launch_bounds__(PAIRS_THREADS, 1) void l2norm_pairs_engine(Norm a, int slots) { norm_pairs(LENGTH, &a, slots, true); }

HOST void norm_hopper(const Norm *a, Kind kind, bool engine, cudaStream_t s) {
    const size_t each = PAIR * (size_t)STRIDE(a->C) * sizeof(float);
    const long pairs = (a->R + PAIR - 1) / PAIR, blocks = pairs < gpu_processors() ? pairs : gpu_processors();
    const int slots = ROOM / each < SLOTS ? (int)(ROOM / each) : SLOTS;
#define GO(kernel) LAUNCH(kernel, DIM3(blocks, 1, 1), DIM3(PAIRS_THREADS, 1, 1), (size_t)slots * each, s, *a, slots)
    if (engine && a->out && !a->also) {
        if (kind == LAYER) GO(layernorm_pairs_engine);
        else if (kind == RMS) GO(rmsnorm_pairs_engine);
        else GO(l2norm_pairs_engine);
    } else {
        if (kind == LAYER) GO(layernorm_pairs);
        else if (kind == RMS) GO(rmsnorm_pairs);
        else GO(l2norm_pairs);
    }
}
