// mistakes.cu: kernels that are wrong in one way each, and their right twins: what the emulator must see, and must not.
#include "cuda/device_hopper.h"
#include "mistakes.h"

#define N 64

// Each thread reads what its neighbour wrote.
static __global__ void neighbours(float *out, const float *x, int barrier) {
    __shared__ float s[N];
    int t = (int)threadIdx.x;
    s[t] = x[t];
    if (barrier) __syncthreads();
    out[t] = s[(t + 1) % N];
}

// The place is used again in the next round: the barrier at the end of a round is the one people forget.
static __global__ void rounds(float *out, const float *x, int second_barrier) {
    __shared__ float s[N];
    int t = (int)threadIdx.x;
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        s[t] = x[i * N + t];
        __syncthreads();
        sum += s[N - 1 - t];
        if (second_barrier) __syncthreads();
    }
    out[t] = sum;
}

static __global__ void step_beyond(float *out, const float *x, int n) { // n: one too many
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) out[i] = 2 * x[i];
}

static __global__ void beyond_array(float *out, int n) {
    __shared__ float s[N];
    int t = (int)threadIdx.x;
    s[t] = (float)t;
    __syncthreads();
    out[t] = t + n < 2 * N ? s[t + n] : 0;
}

static __global__ void beyond_dynamic(float *out, int n) {
    DYNAMIC_SHARED(float, s);
    int t = (int)threadIdx.x;
    s[t + n] = 1;
    __syncthreads();
    out[t] = s[t + n];
}

static __global__ void half_barrier(float *out, int half) {
    int t = (int)threadIdx.x;
    if (!half || t < N / 2) __syncthreads();
    out[t] = 1;
}

static __global__ void two_barriers(float *out, int two) {
    int t = (int)threadIdx.x;
    if (two && t < N / 2)
        __syncthreads();
    else
        __syncthreads();
    out[t] = 1;
}

static __global__ void unwritten(float *out, int all_of_it) {
    __shared__ float s[N];
    int t = (int)threadIdx.x;
    if (all_of_it || t != 5) s[t] = 1;
    __syncthreads();
    out[t] = s[N - 1 - t];
}

static __global__ void one_place(float *out, int own) { out[own ? blockIdx.x : 0] = (float)blockIdx.x; }

static __global__ void warp_order(float *out, int barrier) {
    __shared__ float s[32];
    int t = (int)threadIdx.x;
    s[t] = (float)t;
    if (barrier) __syncwarp();
    out[t] = s[31 - t];
}

static __global__ void lost_lane(float *out, int lost) {
    int t = (int)threadIdx.x;
    float v = (float)t;
    if (lost && t == 7) return;
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    out[t] = v;
}

static __global__ void copy_ahead(float *out, const float *x, int wait) {
    __shared__ float s[4 * N];
    int t = (int)threadIdx.x;
    cp_async16(s + 4 * t, x + 4 * t, 16);
    cp_async_commit();
    if (wait) cp_async_wait(0);
    __syncthreads();
    float v = s[4 * (N - 1 - t)];
    cp_async_wait(0);
    out[t] = v;
}

static __global__ void copy_forgotten(float *out, const float *x, int wait) {
    __shared__ float s[4 * N];
    int t = (int)threadIdx.x;
    cp_async16(s + 4 * t, x + 4 * t, 16);
    cp_async_commit();
    if (wait) cp_async_wait(0);
    out[t] = 1;
}

static __global__ void count_up(int *count, int atomic) {
    if (atomic) atomicAdd(count, 1);
    else *count = *count + 1;
}

// One warp fills, the other empties, by two named barriers.
static __global__ void hand_over(float *out, int told) {
    __shared__ float s[32];
    int t = (int)threadIdx.x;
    if (t < 32) {
        s[t] = (float)t;
        BARRIER_ARRIVE(1, 64);
    } else {
        if (told) BARRIER_SYNC(1, 64);
        out[t - 32] = s[63 - t];
    }
}

// The product of a tile with itself by one warpgroup, the tile fetched a second time when it has been read.
enum { NOTHING, NO_WAIT, WRONG_PHASE, ARRIVED_TWICE, NO_FENCE, NEVER_ASKED, TOO_SOON, SECOND_ROW };
static __global__ void tile_product(GRID_CONSTANT TensorMap map, float *out, int mistake) {
    DYNAMIC_SHARED(unsigned char, s);
    uint64_t *come = (uint64_t *)(s + 2 * 8192);
    int t = (int)threadIdx.x;
    if (t == 0) mbarrier_init(come, 1);
    __syncthreads();
    if (t == 0) mbarrier_expect(come, 8192);
    if (t == 0 && mistake == ARRIVED_TWICE) mbarrier_arrive(come);
    if (t == 0) tile_load(s, &map, 0, 0, come);
    if (mistake != NO_WAIT) mbarrier_wait(come, mistake == WRONG_PHASE);
    FRAGMENT(float, sum, 32);
    if (mistake != NO_FENCE) wgmma_fence();
    wgmma_n64(sum, wgmma_rows(s + (mistake == SECOND_ROW ? 128 : 0)), wgmma_rows(s), 0);
    wgmma_commit();
    if (mistake != TOO_SOON && mistake != NEVER_ASKED) wgmma_wait(0);
    __syncthreads();
    if (t == 0) mbarrier_expect(come, 8192);
    if (t == 0) tile_load(s, &map, 0, 0, come);
    if (mistake != NEVER_ASKED) wgmma_wait(0);
    mbarrier_wait(come, 1);
    out[t] = mistake == NEVER_ASKED ? 0 : sum[0];
}

static void tile_product_run(float *out, const float *x, int mistake) {
    TensorMap map = tile_map(x, 8, 64, 64, 64); // eight rows, and zeros below
    LAUNCH(tile_product, DIM3(1, 1, 1), DIM3(128, 1, 1), 2 * 8192 + 8, NULL, map, out, mistake);
}

void mistake_run(int which, bool wrong, float *out, const float *x, int *count) {
    int right = !wrong;
    switch (which) {
    case 0: LAUNCH(neighbours, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, x, right); break;
    case 1: LAUNCH(rounds, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, x, right); break;
    case 2: LAUNCH(step_beyond, DIM3(3, 1, 1), DIM3(N, 1, 1), 0, NULL, out, x, MISTAKE_FLOATS + wrong); break;
    case 3: LAUNCH(beyond_array, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, wrong); break;
    case 4: LAUNCH(beyond_dynamic, DIM3(1, 1, 1), DIM3(N, 1, 1), N * sizeof(float), NULL, out, wrong); break;
    case 5: LAUNCH(half_barrier, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, wrong); break;
    case 6: LAUNCH(two_barriers, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, wrong); break;
    case 7: LAUNCH(unwritten, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, right); break;
    case 8: LAUNCH(one_place, DIM3(4, 1, 1), DIM3(1, 1, 1), 0, NULL, out, right); break;
    case 9: LAUNCH(warp_order, DIM3(1, 1, 1), DIM3(32, 1, 1), 0, NULL, out, right); break;
    case 10: LAUNCH(lost_lane, DIM3(1, 1, 1), DIM3(32, 1, 1), 0, NULL, out, wrong); break;
    case 11: LAUNCH(copy_ahead, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, x, right); break;
    case 12: LAUNCH(copy_forgotten, DIM3(1, 1, 1), DIM3(N, 1, 1), 0, NULL, out, x, right); break;
    case 13: LAUNCH(count_up, DIM3(2, 1, 1), DIM3(N, 1, 1), 0, NULL, count, right); break;
    case 14: LAUNCH(hand_over, DIM3(1, 1, 1), DIM3(64, 1, 1), 0, NULL, out, right); break;
    default: tile_product_run(out, x, wrong ? which - 14 : NOTHING);
    }
}
