// test_cuda_gemm.c: products through the emulator against the CPU: f32 bit for bit.
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"
#include "io/random.h"

static void one(GemmKind kind, Dtype type, int version, long M, long N, long K, bool with_bias, bool accumulate) {
    static const char *const kinds[] = {"NT", "NN", "TN"};
    long lda = (kind == GEMM_TN ? M : K) + 3, ldb = (kind == GEMM_NT ? K : N) + 2, ldc = N + 1;
    size_t a_n = (size_t)(lda * (kind == GEMM_TN ? K : M)), b_n = (size_t)(ldb * (kind == GEMM_NT ? N : K)), c_n = (size_t)(ldc * M);
    float *a = random_floats(a_n, 1), *b = random_floats(b_n, 2), *bias = random_floats((size_t)N, 3), *c = random_floats(c_n, 4), *got = malloc(c_n * sizeof *got);
    void *stored = malloc(b_n * 4);
    if (type == DTYPE_BF16) convert_f32_bf16(stored, b, b_n);
    else if (type == DTYPE_F16) convert_f32_f16(stored, b, b_n);
    else memcpy(stored, b, b_n * 4);
    Gemm g = {.kind = kind, .M = M, .N = N, .K = K, .A = a, .lda = lda, .B = stored, .B_type = type, .ldb = ldb, .C = c, .ldc = ldc, .bias = with_bias ? bias : NULL,
              .accumulate = accumulate};
    Gemm d = g;
    d.A = to_device(a, a_n * 4), d.B = to_device(stored, b_n * dtype_size(type)), d.C = to_device(c, c_n * 4);
    d.bias = with_bias ? to_device(bias, (size_t)N * 4) : NULL;
    gemm(&g);
    emu_forget();
    if (version < 0) cuda_gemm(&d, NULL);
    else cuda_gemm_version(&d, version, NULL);
    from_device(got, d.C, c_n * 4);
    bool same = memcmp(got, c, c_n * 4) == 0 && emu_reports() == 0;
    check(same, "gemm %s %s, version %d, %ld x %ld x %ld%s%s: the CPU's bits %s", kinds[kind], dtype_name(type), version, M, N, K, with_bias ? ", bias" : "",
          accumulate ? ", on top" : "", emu_first_report());
    device_empty();
    free(a), free(b), free(bias), free(c), free(got), free(stored);
}

int main(void) {
    static const long shapes[][3] = {{1, 1, 1}, {1, 33, 31}, {2, 17, 64}, {16, 16, 128}, {31, 1, 33}, {33, 31, 7}, {17, 67, 129}, {64, 64, 16}, {65, 127, 37}, {130, 129, 9}};
    static const int versions[] = {0, 16, 64, 128, -1};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int v = 0; v < 5; v++) {
            int x = (int)i + v;
            one((GemmKind)(x % 3), (Dtype[]){DTYPE_F32, DTYPE_BF16, DTYPE_F16}[x / 3 % 3], versions[v], shapes[i][0], shapes[i][1], shapes[i][2], x % 2 == 0, x % 5 == 0);
        }
    emu_backwards(true);
    one(GEMM_NT, DTYPE_F32, 64, 65, 66, 33, true, false);
    return check_end();
}
