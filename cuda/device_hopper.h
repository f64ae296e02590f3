// device_hopper.h: Hopper's own instructions (sm_90a): barriers in shared memory that count arrivals and bytes, copies of whole
// tiles by the tensor copy engine, products of a warpgroup from shared memory. test/cuda_emu/hopper.c is the same in software.
//
// mbarrier: a phase ends when all arrivals and all announced bytes have come; then the next begins. Waiting names the parity of the
// phase that must have ended: 0 for the first; parity 1 of a new barrier counts as ended.
// Tiles: rows of 64 bf16 = 128 bytes, eight of them a pattern of 1024 bytes on a multiple of 1024: the 16-byte piece c of row r
// lies at c ^ (r % 8). What lies outside the matrix arrives as zeros, and counts as bytes all the same.
// wgmma (d (64, N) += A (64, 16) B (N, 16)ᵀ): all 128 threads of four warps, the first a multiple of four. Registers of d as in mma:
// d[4 j], d[4 j + 1]: row 16 warp + lane / 4, columns 8 j + lane % 4 * 2 and the next; d[4 j + 2], d[4 j + 3]: eight rows below.
#ifndef RETINA_CUDA_DEVICE_HOPPER_H
#define RETINA_CUDA_DEVICE_HOPPER_H

#include "device.h"

#if defined(RETINA_EMULATE) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HOPPER_CODE 1 // the device code of this pass may use the instructions
#else
#define HOPPER_CODE 0
#endif

#ifdef RETINA_EMULATE
#include "hopper.h"
#else
#include <cuda.h> // types only: the driver's one function is asked for at run time
typedef CUtensorMap TensorMap;
#endif

#if defined __CUDACC__ && !defined RETINA_EMULATE
#define GRID_CONSTANT const __grid_constant__
#define PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(n) PRAGMA(unroll n)

static __device__ __forceinline__ void mbarrier_init(uint64_t *b, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals) : "memory");
}
// By the thread that made the barriers, before the block's barrier that shows them to everybody.
static __device__ __forceinline__ void mbarrier_init_done(void) { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// Arrives, and announces bytes that copies will bring.
static __device__ __forceinline__ void mbarrier_expect(uint64_t *b, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes) : "memory");
}
static __device__ __forceinline__ void mbarrier_arrive(uint64_t *b) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
// A wait that does not end in seconds is a mistake: the launch fails instead of holding the GPU.
static __device__ __forceinline__ void mbarrier_wait(uint64_t *b, int parity) {
    int done, tries = 0;
    do {
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.b32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(shared_address(b)), "r"(parity)
                     : "memory");
        if (++tries == 1 << 24) __trap();
    } while (!done);
}

// By one thread: the box of the map whose corner is element (x, y) comes to `to`; its bytes count at the barrier.
static __device__ __forceinline__ void tile_load(void *to, const TensorMap *map, int x, int y, uint64_t *barrier) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)), "l"(map),
                 "r"(shared_address(barrier)), "r"(x), "r"(y)
                 : "memory");
}
static __device__ __forceinline__ void tile_load_3d(void *to, const TensorMap *map, int x, int y, int z, uint64_t *barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)), "l"(map),
                 "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
                 : "memory");
}

// A cluster: blocks that run at the same time and reach each other's shared memory. The same place in each block has one name.
#define CLUSTER_OF(blocks) blocks
#if !defined(__CUDA_ARCH__) || HOPPER_CODE // other generations refuse the word
#define CLUSTER_DIMS(blocks) __cluster_dims__(blocks, 1, 1)
#else
#define CLUSTER_DIMS(blocks)
#endif
static __device__ __forceinline__ int cluster_rank(void) {
    uint32_t r;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
    return (int)r;
}
static __device__ __forceinline__ void cluster_sync(void) { // of all threads of all blocks, whole warps
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
static __device__ __forceinline__ void mbarrier_arrive_at(uint64_t *b, int block) {
    asm volatile("{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\nmbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n}" ::"r"(shared_address(b)),
                 "r"(block)
                 : "memory");
}
// The box comes to the same place in every block of the cluster, and its bytes count at each one's barrier.
static __device__ __forceinline__ void tile_load_all(void *to, const TensorMap *map, int x, int y, uint64_t *barrier, int blocks) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(shared_address(to)),
                 "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "h"((uint16_t)((1 << blocks) - 1))
                 : "memory");
}
static __device__ __forceinline__ void tile_map_prefetch(const TensorMap *map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// Registers move from the warpgroup that copies to those that compute: each thread of a whole warpgroup names what it keeps.
#define REGISTERS_GIVE(n) asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(n))
#define REGISTERS_TAKE(n) asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(n))

static __device__ __forceinline__ void wgmma_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static __device__ __forceinline__ void wgmma_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
#define wgmma_wait(left) asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory") // left: a constant

#define TEN(t) "%" #t "0,%" #t "1,%" #t "2,%" #t "3,%" #t "4,%" #t "5,%" #t "6,%" #t "7,%" #t "8,%" #t "9,"
#define SIXTEEN(d, i)                                                                              \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7]), "+f"(d[i + 8]), "+f"(d[i + 9]),            \
        "+f"(d[i + 10]), "+f"(d[i + 11]), "+f"(d[i + 12]), "+f"(d[i + 13]), "+f"(d[i + 14]), "+f"(d[i + 15])
#define THIRTYTWO(d, i) SIXTEEN(d, i), SIXTEEN(d, i + 16)
#define EIGHT(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
// `accumulate` 0: d is written, not added to.
#define WGMMA(n, list, a_, b_, flag_, ...)                                                         \
    static __device__ __forceinline__ void wgmma_n##n(float *d, uint64_t a, uint64_t b, int accumulate) { \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #flag_ ", 0;\n"                            \
                     "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" list "}, %" #a_ ", %" #b_ ", p, 1, 1, 0, 0;\n}" \
                     : __VA_ARGS__                                                                 \
                     : "l"(a), "l"(b), "r"(accumulate));                                           \
    }
WGMMA(64, TEN() TEN(1) TEN(2) "%30,%31", 32, 33, 34, THIRTYTWO(d, 0))
WGMMA(128, TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) "%60,%61,%62,%63", 64, 65, 66, THIRTYTWO(d, 0), THIRTYTWO(d, 32))
WGMMA(192, TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) "%90,%91,%92,%93,%94,%95", 96, 97, 98, THIRTYTWO(d, 0), THIRTYTWO(d, 32), THIRTYTWO(d, 64))
WGMMA(208, TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9) "%100,%101,%102,%103", 104, 105, 106, THIRTYTWO(d, 0), THIRTYTWO(d, 32), THIRTYTWO(d, 64), EIGHT(d, 96))
WGMMA(256, TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9) TEN(10) TEN(11) "%120,%121,%122,%123,%124,%125,%126,%127", 128, 129, 130, THIRTYTWO(d, 0),
      THIRTYTWO(d, 32), THIRTYTWO(d, 64), THIRTYTWO(d, 96))
// The left operand in registers, as mma_bf16's; b (16, N): its rows of 64 columns as wgmma_columns names them.
#define WGMMA_REGISTERS(n, list, a0, a1, a2, a3, b_, flag_, ...)                                   \
    static __device__ __forceinline__ void wgmma_registers_n##n(float *d, const uint32_t *a, uint64_t b, int accumulate) { \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #flag_ ", 0;\n"                            \
                     "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" list "}, {%" #a0 ",%" #a1 ",%" #a2 ",%" #a3 "}, %" #b_ ", p, 1, 1, 1;\n}" \
                     : __VA_ARGS__                                                                 \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));       \
    }
WGMMA_REGISTERS(64, TEN() TEN(1) TEN(2) "%30,%31", 32, 33, 34, 35, 36, 37, THIRTYTWO(d, 0))
WGMMA_REGISTERS(128, TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) "%60,%61,%62,%63", 64, 65, 66, 67, 68, 69, THIRTYTWO(d, 0), THIRTYTWO(d, 32))
#undef WGMMA_REGISTERS
#undef TEN
#undef EIGHT
#undef SIXTEEN
#undef THIRTYTWO
#undef WGMMA

// Two values rounded to bf16 in one register, the first in the lower half.
static __device__ __forceinline__ uint32_t bf16_pair(float low, float high) {
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

// A branch that has to know x, which is never negative: ptxas does not move what makes x behind a wait that follows.
#define SETTLED(x)                                                                                 \
    do {                                                                                           \
        if ((x) < 0) __trap();                                                                     \
    } while (0)

// 2^x to two units in the last place; denormal results are zero.
static __device__ __forceinline__ float exp2_approximate(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

#if defined __CUDACC__ || defined RETINA_EMULATE
// Where rows of 128 bytes in the pattern above begin: a multiple of 1024, or 32, 64, 96 bytes on, which is 16, 32, 48 columns on.
static __device__ __forceinline__ uint64_t wgmma_rows(const void *p) {
    return (uint64_t)((shared_address(p) & 0x3ffff) >> 4) // start
           | (uint64_t)1 << 16                            // leading dimension: without meaning for such rows
           | (uint64_t)(1024 >> 4) << 32                  // from eight rows to the next eight
           | (uint64_t)1 << 62;                           // swizzle of 128 bytes
}
#define WGMMA_COLUMNS(n) ((uint64_t)((n) * 2 >> 4)) // added to the above

// The same kind of rows as a right operand (k, N) whose k runs down the rows; pieces of 64 columns are `apart` bytes from each other.
static __device__ __forceinline__ uint64_t wgmma_columns(const void *p, int apart) {
    return (uint64_t)((shared_address(p) & 0x3ffff) >> 4) | (uint64_t)(apart >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)1 << 62;
}
#endif

// ---- hopper.cu
HOST bool gpu_is_hopper(void); // and its driver took the form of the kernels that is for it
HOST int gpu_processors(void);
HOST TensorMap tile_map(const void *x, long rows, long columns, long ld, int box_rows); // of bf16 (rows, columns); boxes of 64 columns
HOST TensorMap tile_map_3d(const void *x, long columns, long rows, long count, int box_rows); // of bf16 (count, rows, columns); boxes of one matrix

#endif
