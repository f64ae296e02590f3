// device.h: what a kernel is written against. Under nvcc it is CUDA; with -DRETINA_EMULATE and gcc it is
// test/cuda_emu/emulate.h, where a block is a loop, a thread is a fiber and every access to memory is checked.
//
// Kernels are C with CUDA's keywords: no templates, no classes, no overloads; a macro makes the sizes. One file
// compiles as CUDA (nvcc reads it as C++: cast from void *, no compound literals) and as C. What differs:
//   LAUNCH(kernel, grid, block, shared_bytes, stream, arguments…)   for kernel<<<…>>>(…); grid and block are DIM3(x, y, z)
//   DYNAMIC_SHARED(type, name);                                     for extern __shared__; aligned to 1024 bytes
//   FRAGMENT(type, name, n);                                        a thread's own array that stays in registers
// Shuffles have no width argument (always 32). bf16 and f16 are uint16_t, converted by our own functions.
// A kernel is `static __global__ void name(…)`; what it calls is `static __device__`. The host function that launches
// it stands in the same file and is declared, with C linkage, in cuda/kernels.h.
#ifndef RETINA_CUDA_DEVICE_H
#define RETINA_CUDA_DEVICE_H

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define _Noreturn __attribute__((noreturn))
extern "C" {
#endif
#include "io/error.h"
#include "model/kernels.h"
#include "model/resize.h"
#ifdef __cplusplus
}
#define HOST extern "C" // a function that other files call
#else
#define HOST
#endif

#define TEXT_OF(x) #x
#define KERNEL_NAME(kernel) TEXT_OF(kernel) // of a kernel whose name a macro makes, too

#ifdef RETINA_EMULATE
#include "emulate.h"
#else
#ifdef __CUDACC__
#include <cuda_runtime.h>
#else // a file in C beside kernels: tests and benchmarks
#include <cuda_runtime_api.h>
#endif

#define DIM3(x, y, z) dim3((unsigned)(x), (unsigned)(y), (unsigned)(z))
#define DYNAMIC_SHARED(type, name)                                                                 \
    extern __shared__ __align__(1024) unsigned char dynamic_shared_memory[];                       \
    type *name = (type *)dynamic_shared_memory
#define FRAGMENT(type, name, n) type name[n]
#define UNROLL _Pragma("unroll")
#define UNROLL_EIGHT _Pragma("unroll 8")
#define UNROLL_FOUR _Pragma("unroll 4")
#define UNROLL_ONE _Pragma("unroll 1")

static inline void cuda_check(cudaError_t e, const char *what, const char *file, int line) {
    if (e != cudaSuccess) die("cuda: %s (%s:%d): %s", what, file, line, cudaGetErrorString(e));
}
#define CUDA_CHECK(call) cuda_check(call, #call, __FILE__, __LINE__)

// More than 48 KiB of shared memory has to be asked for. Arguments become what the kernel's parameters are, as in a call.
#define LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                     \
    do {                                                                                           \
        static size_t launch_most_ = 48 * 1024;                                                    \
        size_t launch_bytes_ = (shared_bytes);                                                     \
        if (launch_bytes_ > launch_most_) {                                                        \
            cuda_check(cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)launch_bytes_), \
                       KERNEL_NAME(kernel) ": shared memory", __FILE__, __LINE__);                             \
            launch_most_ = launch_bytes_;                                                          \
        }                                                                                          \
        launch_of(KERNEL_NAME(kernel), kernel, grid, block, launch_bytes_, stream, __VA_ARGS__);               \
    } while (0)

// The device's arena tells the emulator what it hands out and takes back, so that a step beyond a tensor is seen.
static inline void device_taken(void *p, size_t bytes) { (void)p, (void)bytes; }
static inline void device_released(void *p, size_t bytes) { (void)p, (void)bytes; }

#ifdef __CUDACC__
#include "device_ptx.h"
#endif
#endif

// commands.cu: puts a kernel on a stream, or notes it while a step that repeats is listed.
HOST void gpu_launch(const char *name, const void *kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, int count, const void *const *arguments, const size_t *sizes);

#ifdef __CUDACC__
template <typename T> struct Parameter {
    typedef T type;
};
template <typename... P>
static inline void launch_of(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, typename Parameter<P>::type... given) {
    const void *arguments[] = {&given...};
    const size_t sizes[] = {sizeof given...};
    gpu_launch(name, (const void *)kernel, grid, block, shared, stream, (int)sizeof...(P), arguments, sizes);
}
#endif

// ---- bits

static __device__ inline float float_from(uint32_t u) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(u);
#else
    float f;
    memcpy(&f, &u, 4);
    return f;
#endif
}

static __device__ inline uint32_t bits_of(float f) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(f);
#else
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
#endif
}

static __device__ inline float float_of_bf16(uint16_t h) { return float_from((uint32_t)h << 16); }

static __device__ inline uint16_t bf16_of(float f) { // to nearest, ties to even; NaN stays NaN
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static __device__ inline float float_of_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
    if (rest >= 0x7c00) return float_from(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest >= 0x400) return float_from(sign | ((rest << 13) + 0x38000000));
    return float_from(sign | bits_of((float)rest * 0x1p-24f)); // denormal: exact in float
}

// Element i of a weight of this type.
static __device__ inline float widened(const void *p, int dtype, size_t i) {
    if (dtype == DTYPE_BF16) return float_of_bf16(((const uint16_t *)p)[i]);
    if (dtype == DTYPE_F16) return float_of_f16(((const uint16_t *)p)[i]);
    return ((const float *)p)[i];
}

#if defined __CUDACC__ || defined RETINA_EMULATE
static __device__ __forceinline__ float4 widened_four(const void *p, int dtype, size_t i) { // elements i … i + 3, which stand on the size of four
    if (dtype == DTYPE_F32) return *(const float4 *)((const float *)p + i);
    const uint2 two = *(const uint2 *)((const uint16_t *)p + i);
    if (dtype == DTYPE_BF16) return make_float4(float_from(two.x << 16), float_from(two.x & 0xffff0000u), float_from(two.y << 16), float_from(two.y & 0xffff0000u));
    return make_float4(float_of_f16((uint16_t)two.x), float_of_f16((uint16_t)(two.x >> 16)), float_of_f16((uint16_t)two.y), float_of_f16((uint16_t)(two.y >> 16)));
}
#endif

// ---- f_exp, f_tanh, f_erf, f_sigmoid, f_act: the CPU's formulas, one number at a time, the same bits

static __device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
#define Num float
#define Whole int
#define FORMULA static __device__ inline
#define FN(name) f_##name
#define all(x) ((float)(x))
#define alli(x) (x)
#define to_whole(n) ((int)(n))
#define from_bits(k) float_from((uint32_t)(k))
#define with_sign(a, x) float_from(bits_of(a) | (bits_of(x) & 0x80000000u))
#define magnitude(x) fabsf(x)
#define more(a, b) ((a) > (b))
#define number(x) ((x) == (x))
#define pick(mask, yes, no) ((mask) ? (yes) : (no))
static __device__ inline float larger(float a, float b) { return a > b ? a : b; }
static __device__ inline float smaller(float a, float b) { return a < b ? a : b; }
#include "model/formulas.h"
#undef Num
#undef Whole
#undef FORMULA
#undef FN
#undef all
#undef alli
#undef to_whole
#undef from_bits
#undef with_sign
#undef magnitude
#undef more
#undef number
#undef pick

#if defined __CUDACC__ || defined RETINA_EMULATE
static __device__ inline int thread_lane(void) { return (int)(threadIdx.x & 31); }

// 1 / d, rounded to nearest, for 1 <= d < RECIPROCAL_MOST (and NaN): the steps that division itself takes for such numbers (MUFU.RCP and
// two fused ones in the SASS of sm_80, 90a and 100), without the branch to those for others.
#define RECIPROCAL_MOST 0x1p126f
static __device__ __forceinline__ float reciprocal(float d) {
    const float r = reciprocal_approximate(d);
    return fused(r, -fused(d, r, -1), r);
}

static __device__ __forceinline__ float larger_of_warp(float x) {
    for (int half = 16; half; half /= 2) x = larger(__shfl_xor_sync(0xffffffffu, x, half), x);
    return x;
}

// The sum over a warp.
static __device__ __forceinline__ double doubles_of_warp(double x) {
    for (int d = 16; d; d /= 2) x += __shfl_xor_sync(0xffffffffu, x, d);
    return x;
}

// The largest (sum) over the four lanes that hold one row of a tensor core's result.
static __device__ __forceinline__ float quad_max(float x) {
    float y = __shfl_xor_sync(0xffffffffu, x, 1);
    x = y > x ? y : x;
    y = __shfl_xor_sync(0xffffffffu, x, 2);
    return y > x ? y : x;
}

static __device__ __forceinline__ float quad_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
#endif

#endif
