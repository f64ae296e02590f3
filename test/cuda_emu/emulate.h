// emulate.h: CUDA's keywords for gcc. A launch runs its blocks one after the other; the threads of a block are fibers
// that give way at barriers, shuffles and waits. Kernels are compiled with -fsanitize=thread,bounds and linked without
// those runtimes: the calls that gcc puts before every access come to shadow.c, which knows what each byte of device
// and shared memory is: allocated or not, written or not, by which thread, before or after which barrier.
//
// What is found (one line on stderr each, counted by emu_reports): accesses outside allocations and outside arrays of
// known size, reads of memory that nobody wrote, races inside a block and between the blocks of a launch, pointers to
// the host's memory, divergent barriers, shuffles that miss a lane, copies that nobody waited for, deadlocks.
// What is not: timing, the memory model beyond barriers (fences count as nothing), occupancy, bank conflicts.
#ifndef RETINA_CUDA_EMU_EMULATE_H
#define RETINA_CUDA_EMU_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io/error.h"

// ---- for tests

typedef struct {
    uint64_t global_read, global_written, shared_read, shared_written; // bytes
    uint64_t distinct_read, distinct_written;                          // bytes of device memory touched at least once per launch
    uint64_t accesses, fused, products;                                // loads and stores; f32 fused multiply-adds; flops of mma
    uint64_t barriers, warp_ops, threads, blocks, launches;
    uint64_t copied_up, copied_down; // bytes from the host's memory and to it
} EmuCounts;

int emu_reports(void);              // since the last emu_forget
const char *emu_first_report(void); // "" if none
bool emu_said(const char *part);    // in one of the first hundreds
void emu_forget(void);              // reports and counts start again
void emu_silent(bool silent);       // reports are counted but not printed: for tests of the checks
void emu_backwards(bool backwards); // threads run from the last to the first: what depends on the order changes
void emu_late(bool late);           // what is put on a stream runs when the host waits for it, as on a GPU that has much to do; else at once
void emu_fail(int error);           // the next wait gives this error, as if a kernel had failed
void emu_without(int driver);       // no GPU answers: the driver is of this version, 0: there is none; -1: one does
int emu_driver(void);
EmuCounts emu_counts(void);
size_t emu_in_use(void); // bytes of device memory allocated
void emu_limit(size_t bytes); // the device has no more than these; 0: as many as the emulator can give

// ---- keywords

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static
#define __shared__ static __attribute__((section("emu_shared"), aligned(16)))
#define FRAGMENT(type, name, n) type name[n]
#define UNROLL
#define UNROLL_EIGHT
#define UNROLL_FOUR
#define UNROLL_ONE

typedef struct {
    unsigned x, y, z;
} dim3;
typedef dim3 uint3;
#define DIM3(x, y, z) ((dim3){(unsigned)(x), (unsigned)(y), (unsigned)(z)})

// The same for a fiber's whole life, so gcc may keep them.
__attribute__((const)) dim3 emu_thread(void);
__attribute__((const)) dim3 emu_block(void);
dim3 emu_block_size(void);
dim3 emu_grid_size(void);
#define threadIdx emu_thread()
#define blockIdx emu_block()
#define blockDim emu_block_size()
#define gridDim emu_grid_size()
#define warpSize 32

void *emu_dynamic_shared(void);
#define DYNAMIC_SHARED(type, name) type *name = (type *)emu_dynamic_shared()

typedef struct {
    float x, y;
} __attribute__((aligned(8), may_alias)) float2;
typedef struct {
    float x, y, z, w;
} __attribute__((aligned(16), may_alias)) float4;
typedef struct {
    unsigned x, y;
} __attribute__((aligned(8), may_alias)) uint2;
typedef struct {
    unsigned x, y, z, w;
} __attribute__((aligned(16), may_alias)) uint4;
typedef struct {
    double x, y;
} __attribute__((aligned(16), may_alias)) double2;
static inline float2 make_float2(float x, float y) { return (float2){x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return (float4){x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return (uint2){x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return (uint4){x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return (double2){x, y}; }

// ---- barriers, warps

void emu_syncthreads(int line);
int emu_syncthreads_count(int line, int yes);
void emu_named_barrier(int line, int id, int threads);
void emu_named_arrive(int line, int id, int threads);
void emu_syncwarp(int line, unsigned mask);
uint64_t emu_shuffle(int line, unsigned mask, uint64_t bits, int from); // the bits of lane `from`; its own if from is outside
unsigned emu_ballot(int line, unsigned mask, int yes);
unsigned emu_match(int line, unsigned mask, uint64_t bits);

#define __syncthreads() emu_syncthreads(__LINE__)
#define __syncthreads_count(p) emu_syncthreads_count(__LINE__, (p) != 0)
#define __syncthreads_or(p) (emu_syncthreads_count(__LINE__, (p) != 0) != 0)
#define __syncwarp() emu_syncwarp(__LINE__, 0xffffffffu)
#define __ballot_sync(mask, p) emu_ballot(__LINE__, mask, (p) != 0)
#define __any_sync(mask, p) (emu_ballot(__LINE__, mask, (p) != 0) != 0)
#define __all_sync(mask, p) (emu_ballot(__LINE__, mask, (p) == 0) == 0)
#define __match_any_sync(mask, v) emu_match(__LINE__, mask, (uint64_t)(v))
#define BARRIER_SYNC(id, threads) emu_named_barrier(__LINE__, id, threads)
#define BARRIER_ARRIVE(id, threads) emu_named_arrive(__LINE__, id, threads)
#define EMU_SHUFFLE(mask, v, from)                                                                 \
    ({                                                                                             \
        __typeof__((v) + 0) emu_v_ = (v);                                                          \
        uint64_t emu_bits_ = 0;                                                                    \
        memcpy(&emu_bits_, &emu_v_, sizeof emu_v_);                                                \
        emu_bits_ = emu_shuffle(__LINE__, mask, emu_bits_, from);                                  \
        memcpy(&emu_v_, &emu_bits_, sizeof emu_v_);                                                \
        emu_v_;                                                                                    \
    })
#define EMU_LANE ((int)(threadIdx.x & 31))
#define __shfl_sync(mask, v, lane) EMU_SHUFFLE(mask, v, (lane) & 31)
#define __shfl_xor_sync(mask, v, d) EMU_SHUFFLE(mask, v, EMU_LANE ^ (d))
#define __shfl_down_sync(mask, v, d) EMU_SHUFFLE(mask, v, EMU_LANE + (int)(d))
#define __shfl_up_sync(mask, v, d) EMU_SHUFFLE(mask, v, EMU_LANE - (int)(d))

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
#define __ldg(p) (*(p))
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)
#define __float_as_uint bits_of
#define __uint_as_float float_from
float emu_fmaf(float a, float b, float c); // counted
#define fmaf emu_fmaf

// ---- atomics on integers (floats have none here: their order would show)

uint64_t emu_atomic(void *p, int size, int op, uint64_t value, uint64_t compare, int line); // the old value
enum { EMU_ADD, EMU_MIN, EMU_MAX, EMU_MIN_SIGNED, EMU_MAX_SIGNED, EMU_AND, EMU_OR, EMU_EXCHANGE, EMU_CAS };
#define EMU_SIGNED(p) (_Generic(*(p), int: 1, long long: 1, long: 1, default: 0))
#define EMU_ATOMIC(p, op, v, c) ((__typeof__(*(p)))emu_atomic(p, sizeof *(p), op, (uint64_t)(v), (uint64_t)(c), __LINE__))
#define atomicAdd(p, v) EMU_ATOMIC(p, EMU_ADD, v, 0)
#define atomicMin(p, v) EMU_ATOMIC(p, EMU_SIGNED(p) ? EMU_MIN_SIGNED : EMU_MIN, v, 0)
#define atomicMax(p, v) EMU_ATOMIC(p, EMU_SIGNED(p) ? EMU_MAX_SIGNED : EMU_MAX, v, 0)
#define atomicAnd(p, v) EMU_ATOMIC(p, EMU_AND, v, 0)
#define atomicOr(p, v) EMU_ATOMIC(p, EMU_OR, v, 0)
#define atomicExch(p, v) EMU_ATOMIC(p, EMU_EXCHANGE, v, 0)
#define atomicCAS(p, c, v) EMU_ATOMIC(p, EMU_CAS, v, c)

// ---- asynchronous copies and tensor cores: device_ptx.h in software

void emu_cp_async(void *shared, const void *global, int bytes, int given); // given < bytes: the rest becomes zero
void emu_cp_commit(void);
void emu_cp_wait(int groups_left);
#define cp_async16(shared, global, given) emu_cp_async(shared, global, 16, given)
#define cp_async4(shared, global, given) emu_cp_async(shared, global, 4, given)
#define cp_async_commit() emu_cp_commit()
#define cp_async_wait(left) emu_cp_wait(left)

void emu_ldmatrix(uint32_t *r, int count, bool transposed, const void *row, int line);
#define ldmatrix_x4(r, row) emu_ldmatrix(r, 4, false, row, __LINE__)
#define ldmatrix_x2(r, row) emu_ldmatrix(r, 2, false, row, __LINE__)
#define ldmatrix_x4_trans(r, row) emu_ldmatrix(r, 4, true, row, __LINE__)
#define ldmatrix_x2_trans(r, row) emu_ldmatrix(r, 2, true, row, __LINE__)

void emu_mma_16816(float *d, const uint32_t *a, const uint32_t *b, bool half, int line); // d += a b
void emu_mma_884(double *d, double a, double b, int line);
#define mma_bf16(d, a, b) emu_mma_16816(d, a, b, false, __LINE__)
#define mma_f16(d, a, b) emu_mma_16816(d, a, b, true, __LINE__)
#define mma_f64(d, a, b) emu_mma_884(d, a, b, __LINE__)

#define exp2_fast exp2f
#define reciprocal_approximate(x) (1 / (x))
#define bf16_two(low, high) ((uint32_t)bf16_of(low) | (uint32_t)bf16_of(high) << 16)

// ---- the runtime's functions that cuda/ uses

typedef int cudaError_t;
typedef void *cudaStream_t;
typedef struct EmuEvent *cudaEvent_t;
enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorInsufficientDriver = 35, cudaErrorLaunchFailure = 719, cudaErrorNoDevice = 100, cudaErrorNotReady = 600 };
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum { cudaStreamNonBlocking = 1, cudaHostAllocDefault = 0, cudaEventDisableTiming = 2 };
cudaError_t emu_malloc(void **p, size_t bytes);
#define cudaMalloc(p, bytes) emu_malloc((void **)(p), bytes)
cudaError_t cudaFree(void *p);
cudaError_t emu_malloc_host(void **p, size_t bytes);
#define cudaMallocHost(p, bytes) emu_malloc_host((void **)(p), bytes)
#define cudaHostAlloc(p, bytes, flags) emu_malloc_host((void **)(p), bytes)
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind);
cudaError_t cudaMemset(void *to, int value, size_t bytes);
cudaError_t emu_memcpy_async(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind);
#define cudaMemcpyAsync(to, from, bytes, kind, stream) emu_memcpy_async(to, from, bytes, kind)
cudaError_t emu_memset_async(void *to, int value, size_t bytes);
#define cudaMemsetAsync(to, value, bytes, stream) emu_memset_async(to, value, bytes)
cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t bytes, size_t rows, enum cudaMemcpyKind kind);
#define cudaMemcpy2DAsync(to, tp, from, fp, bytes, rows, kind, stream) cudaMemcpy2D(to, tp, from, fp, bytes, rows, kind)
static inline const char *cudaGetErrorString(cudaError_t e) {
    return e == cudaErrorMemoryAllocation ? "out of memory" : e == cudaErrorLaunchFailure ? "unspecified launch failure" : e ? "an error" : "no error";
}
static inline cudaError_t cudaGetLastError(void) { return cudaSuccess; }
static inline cudaError_t cudaPeekAtLastError(void) { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *n);
static inline cudaError_t cudaDriverGetVersion(int *v) { return *v = emu_driver(), cudaSuccess; }
static inline cudaError_t cudaRuntimeGetVersion(int *v) { return *v = 13000, cudaSuccess; }
static inline cudaError_t cudaSetDevice(int device) { return device ? cudaErrorNoDevice : cudaSuccess; }
static inline cudaError_t cudaStreamCreate(cudaStream_t *s) { return *s = NULL, cudaSuccess; }
static inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags) { return (void)flags, *s = NULL, cudaSuccess; }
static inline cudaError_t cudaStreamDestroy(cudaStream_t s) { return (void)s, cudaSuccess; }
static inline cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) { return (void)s, (void)e, (void)flags, cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total);
struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device);

// ---- capture.c: when commands run; those that are kept and repeated
cudaError_t emu_wait(void); // for all
#define cudaStreamSynchronize(s) emu_wait()
#define cudaDeviceSynchronize() emu_wait()
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
#define cudaEventCreate(e) cudaEventCreateWithFlags(e, 0)
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventDestroy(cudaEvent_t e);
typedef struct EmuGraph *cudaGraph_t, *cudaGraphExec_t;
typedef struct {
    int result;
} cudaGraphExecUpdateResultInfo;
enum { cudaStreamCaptureModeRelaxed = 2, cudaErrorGraphExecUpdateFailure = 910 };
cudaError_t cudaStreamBeginCapture(cudaStream_t s, int mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
typedef struct {
    int built, updated, launched;
} EmuGraphCounts;
EmuGraphCounts emu_graph_counts(void);
static inline void cuda_check(cudaError_t e, const char *what, const char *file, int line) {
    if (e != cudaSuccess) die("cuda: %s (%s:%d): %s", what, file, line, cudaGetErrorString(e));
}
#define CUDA_CHECK(call) cuda_check(call, #call, __FILE__, __LINE__)

void device_taken(void *p, size_t bytes);    // an arena hands this out: allocated, not written
void device_released(void *p, size_t bytes); // and takes it back: not to be touched

// ---- launching: the arguments are kept in a structure, and a function of the macro's own unpacks them

bool emu_put_off(const char *name, void (*run)(void *), const void *arguments, size_t size, dim3 grid, dim3 block, size_t shared);
void emu_launch(const char *name, void (*run)(void *), const void *arguments, size_t size, dim3 grid, dim3 block, size_t shared);
#define EMU_COUNT(...) EMU_COUNT_(__VA_ARGS__, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
#define EMU_COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, count, ...) count
#define EMU_JOIN(a, b) EMU_JOIN_(a, b)
#define EMU_JOIN_(a, b) a##b
#define EMU_M1(a) __typeof__(a) m1;
#define EMU_M2(a, ...) __typeof__(a) m2; EMU_M1(__VA_ARGS__)
#define EMU_M3(a, ...) __typeof__(a) m3; EMU_M2(__VA_ARGS__)
#define EMU_M4(a, ...) __typeof__(a) m4; EMU_M3(__VA_ARGS__)
#define EMU_M5(a, ...) __typeof__(a) m5; EMU_M4(__VA_ARGS__)
#define EMU_M6(a, ...) __typeof__(a) m6; EMU_M5(__VA_ARGS__)
#define EMU_M7(a, ...) __typeof__(a) m7; EMU_M6(__VA_ARGS__)
#define EMU_M8(a, ...) __typeof__(a) m8; EMU_M7(__VA_ARGS__)
#define EMU_M9(a, ...) __typeof__(a) m9; EMU_M8(__VA_ARGS__)
#define EMU_M10(a, ...) __typeof__(a) m10; EMU_M9(__VA_ARGS__)
#define EMU_M11(a, ...) __typeof__(a) m11; EMU_M10(__VA_ARGS__)
#define EMU_M12(a, ...) __typeof__(a) m12; EMU_M11(__VA_ARGS__)
#define EMU_M13(a, ...) __typeof__(a) m13; EMU_M12(__VA_ARGS__)
#define EMU_M14(a, ...) __typeof__(a) m14; EMU_M13(__VA_ARGS__)
#define EMU_M15(a, ...) __typeof__(a) m15; EMU_M14(__VA_ARGS__)
#define EMU_M16(a, ...) __typeof__(a) m16; EMU_M15(__VA_ARGS__)
#define EMU_V1 a_->m1
#define EMU_V2 a_->m2, EMU_V1
#define EMU_V3 a_->m3, EMU_V2
#define EMU_V4 a_->m4, EMU_V3
#define EMU_V5 a_->m5, EMU_V4
#define EMU_V6 a_->m6, EMU_V5
#define EMU_V7 a_->m7, EMU_V6
#define EMU_V8 a_->m8, EMU_V7
#define EMU_V9 a_->m9, EMU_V8
#define EMU_V10 a_->m10, EMU_V9
#define EMU_V11 a_->m11, EMU_V10
#define EMU_V12 a_->m12, EMU_V11
#define EMU_V13 a_->m13, EMU_V12
#define EMU_V14 a_->m14, EMU_V13
#define EMU_V15 a_->m15, EMU_V14
#define EMU_V16 a_->m16, EMU_V15
typedef struct {
    const char *kernel;
    size_t launched;
} __attribute__((aligned(16))) EmuSite; // every launch that stands in the sources: capture.c tells which were never reached

#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                     \
    do {                                                                                           \
        static EmuSite emu_site_ __attribute__((section("emu_sites"), used)) = {KERNEL_NAME(kernel), 0}; \
        emu_site_.launched = 1;                                                                    \
        struct emu_arguments_ {                                                                    \
            EMU_JOIN(EMU_M, EMU_COUNT(__VA_ARGS__))(__VA_ARGS__)                                   \
        } emu_given_ = {__VA_ARGS__};                                                              \
        void emu_call_(void *p_) {                                                                 \
            struct emu_arguments_ *a_ = (struct emu_arguments_ *)p_;                               \
            kernel(EMU_JOIN(EMU_V, EMU_COUNT(__VA_ARGS__)));                                       \
        }                                                                                          \
        const void *emu_list_ = &emu_given_;                                                       \
        size_t emu_size_ = sizeof emu_given_;                                                      \
        __builtin_clear_padding(&emu_given_); /* lists of commands are compared */                 \
        gpu_launch(KERNEL_NAME(kernel), (const void *)emu_call_, grid, block, shared_bytes, stream, 1, &emu_list_, &emu_size_); \
    } while (0)

#endif
