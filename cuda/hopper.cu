// hopper.cu: the host's side of Hopper's instructions: is there one, and the maps that its copy engine reads.
#include "device_hopper.h"
#include "kernels.h"

// The driver's function, asked for at run time: the program is not linked with the driver and starts without one.
typedef CUresult (*Encode)(TensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *, const cuuint32_t *, const cuuint32_t *,
                           CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static Encode encoder(void) {
    static Encode found;
    if (found) return found;
    enum cudaDriverEntryPointQueryResult result;
    void *f = NULL;
    CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &result));
    need(f && result == cudaDriverEntryPointSuccess, "cuda: the driver has no cuTensorMapEncodeTiled; it must be of CUDA 12 or later");
    return found = (Encode)f;
}

static TensorMap map_of(const void *x, int dimensions, long columns, long rows, long count, long ld, int box_rows) {
    TensorMap m;
    cuuint64_t size[3] = {(cuuint64_t)columns, (cuuint64_t)rows, (cuuint64_t)count}, stride[2] = {(cuuint64_t)ld * 2, (cuuint64_t)ld * 2 * (cuuint64_t)rows};
    cuuint32_t box[3] = {64, (cuuint32_t)box_rows, 1}, step[3] = {1, 1, 1};
    CUresult r = encoder()(&m, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, (cuuint32_t)dimensions, (void *)x, size, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
                           CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    need(r == CUDA_SUCCESS, "cuda: no tensor map for %ld matrices of %ld x %ld bf16 in rows of %ld at %p: error %d", count, rows, columns, ld, x, (int)r);
    return m;
}

HOST TensorMap tile_map(const void *x, long rows, long columns, long ld, int box_rows) { return map_of(x, 2, columns, rows, 1, ld, box_rows); }

HOST TensorMap tile_map_3d(const void *x, long columns, long rows, long count, int box_rows) { return map_of(x, 3, columns, rows, count, columns, box_rows); }

static const struct cudaDeviceProp *gpu(void) {
    static struct cudaDeviceProp p;
    static bool asked;
    if (!asked) CUDA_CHECK(cudaGetDeviceProperties(&p, 0));
    asked = true;
    return &p;
}

HOST int gpu_processors(void) { return gpu()->multiProcessorCount; }

HOST bool gpu_is_hopper(void) {
    static int is = -1;
    if (is < 0) is = gpu()->major == 9 && gpu()->minor == 0 && cuda_gemm_hopper_form() >= 90;
    return is;
}
