// cuda_blas.c: cuBLAS as a yardstick. It is looked for when the benchmark runs and never linked; RETINA_CUBLAS names the file.
#include <dlfcn.h>
#include <stdlib.h>

#include "cuda.h"

// What the library's header says; the numbers are part of its binary interface.
typedef void *Handle;
enum { ROWS_AS_THEY_ARE, TRANSPOSED };
enum { TYPE_F32 = 0, TYPE_BF16 = 14, BLAS_COMPUTE_F32 = 68, ALGORITHM_DEFAULT = -1 };

static struct {
    Handle handle;
    int (*sgemm)(Handle, int, int, int, int, int, const float *, const float *, int, const float *, int, const float *, float *, int);
    int (*gemm_ex)(Handle, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *, int, int, int, int);
} blas;

bool blas_open(void) {
    static bool tried;
    if (tried) return blas.handle != NULL;
    tried = true;
    const char *names[] = {getenv("RETINA_CUBLAS"), "libcublas.so.13", "libcublas.so.12", "libcublas.so", "/usr/local/cuda/lib64/libcublas.so"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        if (names[i] && *names[i]) library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    if (!library) return false;
    int (*create)(Handle *);
    *(void **)&create = dlsym(library, "cublasCreate_v2");
    *(void **)&blas.sgemm = dlsym(library, "cublasSgemm_v2");
    *(void **)&blas.gemm_ex = dlsym(library, "cublasGemmEx");
    return create && blas.sgemm && blas.gemm_ex && create(&blas.handle) == 0;
}

// Column by column, as it counts: Cᵀ (N, M) = W Aᵀ.
void blas_f32(const Gemm *g) {
    float one = 1, zero = 0;
    need(blas.sgemm(blas.handle, TRANSPOSED, ROWS_AS_THEY_ARE, (int)g->N, (int)g->M, (int)g->K, &one, (const float *)g->B, (int)g->ldb, g->A, (int)g->lda, &zero, g->C, (int)g->ldc) == 0,
         "bench: cuBLAS: a product of %ld x %ld x %ld failed", g->M, g->N, g->K);
}

void blas_bf16(const GemmBf16 *g) {
    float one = 1, zero = 0;
    int type = g->C_bf16 ? TYPE_BF16 : TYPE_F32;
    need(blas.gemm_ex(blas.handle, TRANSPOSED, ROWS_AS_THEY_ARE, (int)g->N, (int)g->M, (int)g->K, &one, g->W, TYPE_BF16, (int)g->ldw, g->A, TYPE_BF16, (int)g->lda, &zero, g->C, type,
                      (int)g->ldc, BLAS_COMPUTE_F32, ALGORITHM_DEFAULT) == 0,
         "bench: cuBLAS: a bf16 product of %ld x %ld x %ld failed", g->M, g->N, g->K);
}
