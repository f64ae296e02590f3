// hopper.h: device_hopper.h in software: the same names. What is checked beside emulate.h's list: tiles that are read before they have
// landed or written while somebody may still read them, barriers that nobody made, too many arrivals, products without a fence, and
// what the driver refuses in a tensor map. Products are made when they are waited for: who looks earlier sees the old sums.
#ifndef RETINA_CUDA_EMU_HOPPER_H
#define RETINA_CUDA_EMU_HOPPER_H

#include "emulate.h"

#define GRID_CONSTANT const
#define UNROLL_BY(n)
#define SETTLED(x) ((void)(x))

uint32_t emu_shared_address(const void *p);
#define shared_address(p) emu_shared_address(p)

void emu_mbarrier_init(int line, uint64_t *b, int arrivals);
void emu_mbarrier_arrive(int line, uint64_t *b, int bytes);
void emu_mbarrier_wait(int line, uint64_t *b, int parity);
#define mbarrier_init(b, arrivals) emu_mbarrier_init(__LINE__, b, arrivals)
#define mbarrier_init_done() ((void)0)
#define mbarrier_expect(b, bytes) emu_mbarrier_arrive(__LINE__, b, bytes)
#define mbarrier_arrive(b) emu_mbarrier_arrive(__LINE__, b, 0)
#define mbarrier_wait(b, parity) emu_mbarrier_wait(__LINE__, b, parity)

// ---- the driver's part

typedef uint64_t cuuint64_t;
typedef uint32_t cuuint32_t;
typedef struct {
    uint64_t opaque[16];
} TensorMap;
typedef int CUresult;
enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 };
typedef enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_SWIZZLE_128B = 3 } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE } CUtensorMapFloatOOBfill;
enum { cudaEnableDefault };
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess };
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags, enum cudaDriverEntryPointQueryResult *result);

// ---- copies and products

void emu_tile_load(int line, int dimensions, void *to, const TensorMap *map, int x, int y, int z, uint64_t *barrier);
#define tile_load(to, map, x, y, barrier) emu_tile_load(__LINE__, 2, to, map, x, y, 0, barrier)
#define tile_load_3d(to, map, x, y, z, barrier) emu_tile_load(__LINE__, 3, to, map, x, y, z, barrier)
// A cluster is emulated as one block: the code runs, what goes between blocks is seen on a GPU only.
#define CLUSTER_OF(blocks) 1
#define CLUSTER_DIMS(blocks)
#define cluster_rank() 0
#define cluster_sync() emu_syncthreads(__LINE__)
#define mbarrier_arrive_at(b, block) ((void)(block), mbarrier_arrive(b))
#define tile_load_all(to, map, x, y, barrier, blocks) ((void)(blocks), tile_load(to, map, x, y, barrier))
#define tile_map_prefetch(map) ((void)(map))

void emu_registers(int line, int n);
#define REGISTERS_GIVE(n) emu_registers(__LINE__, n)
#define REGISTERS_TAKE(n) emu_registers(__LINE__, n)

void emu_wgmma_fence(void);
void emu_wgmma_commit(void);
void emu_wgmma_wait(int line, int left);
void emu_wgmma(int line, int n, float *d, uint64_t a, uint64_t b, int accumulate);
void emu_wgmma_registers(int line, int n, float *d, const uint32_t *a, uint64_t b, int accumulate); // b with k down the rows
#define wgmma_registers_n64(d, a, b, accumulate) emu_wgmma_registers(__LINE__, 64, d, a, b, accumulate)
#define wgmma_registers_n128(d, a, b, accumulate) emu_wgmma_registers(__LINE__, 128, d, a, b, accumulate)
#define wgmma_fence() emu_wgmma_fence()
#define wgmma_commit() emu_wgmma_commit()
#define wgmma_wait(left) emu_wgmma_wait(__LINE__, left)
#define wgmma_n64(d, a, b, accumulate) emu_wgmma(__LINE__, 64, d, a, b, accumulate)
#define wgmma_n128(d, a, b, accumulate) emu_wgmma(__LINE__, 128, d, a, b, accumulate)
#define wgmma_n192(d, a, b, accumulate) emu_wgmma(__LINE__, 192, d, a, b, accumulate)
#define wgmma_n208(d, a, b, accumulate) emu_wgmma(__LINE__, 208, d, a, b, accumulate)
#define wgmma_n256(d, a, b, accumulate) emu_wgmma(__LINE__, 256, d, a, b, accumulate)

static inline float exp2_approximate(float x) { return exp2f(x); }
static inline uint32_t bf16_pair(float low, float high) { return (uint32_t)bf16_of(low) | (uint32_t)bf16_of(high) << 16; }

#endif
