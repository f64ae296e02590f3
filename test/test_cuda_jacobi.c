// test_cuda_jacobi.c: batched Jacobi through the emulator: lengths against the CPU's, rows orthogonal, W orthogonal.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/jacobi.h"
#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"

static double dot(const double *x, const double *y, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

static void version(int number, long batch, int n, int m, bool with_w, bool deficient) {
    size_t size = (size_t)(n * m);
    float *x = random_floats((size_t)batch * size, 1);
    double *b = malloc((size_t)batch * size * 8), *w = calloc((size_t)batch * (size_t)(n * n), 8), *cpu = malloc(size * 8), *want = malloc((size_t)n * 8);
    double *got = malloc((size_t)batch * size * 8), *length = malloc((size_t)batch * (size_t)n * 8), worst = 0, slant = 0, turn = 0, back = 0;
    for (size_t i = 0; i < (size_t)batch * size; i++) b[i] = (double)x[i] * pow(0.7, (double)(i / (size_t)m % (size_t)n)); // decaying rows
    if (deficient && n > 1)
        for (int e = 0; e < m; e++) b[size - (size_t)m + (size_t)e] = 2 * b[e]; // the last row of the first matrix
    for (long k = 0; k < batch; k++)
        for (int i = 0; i < n; i++) w[(k * n + i) * n + i] = 1;
    CudaJacobi a = {.b = to_device(b, (size_t)batch * size * 8), .batch = batch, .n = n, .m = m, .length = device_room((size_t)batch * (size_t)n * 8)};
    if (with_w) a.w = to_device(w, (size_t)batch * (size_t)(n * n) * 8), a.k = n;
    emu_forget();
    cuda_jacobi_version(&a, number, NULL);
    from_device(got, a.b, (size_t)batch * size * 8), from_device(length, a.length, (size_t)batch * (size_t)n * 8);
    if (with_w) from_device(w, a.w, (size_t)batch * (size_t)(n * n) * 8);
    for (long k = 0; k < batch; k++) {
        const double *g = got + (size_t)k * size;
        memcpy(cpu, b + (size_t)k * size, size * 8);
        jacobi_orthogonal_rows(cpu, n, m, NULL, 0);
        for (int i = 0; i < n; i++) want[i] = sqrt(dot(cpu + (size_t)i * (size_t)m, cpu + (size_t)i * (size_t)m, m));
        for (int i = 0; i < n; i++) {
            worst = fmax(worst, fabs(length[k * n + i] - want[i]) / want[0]);
            if (i && length[k * n + i] > length[k * n + i - 1]) worst = INFINITY; // longest first
            for (int j = 0; j < i; j++) slant = fmax(slant, fabs(dot(g + i * m, g + j * m, m)) / (want[0] * want[0]));
        }
        for (int i = 0; with_w && i < n; i++)
            for (int j = 0; j < n; j++) {
                turn = fmax(turn, fabs(dot(w + (k * n + i) * n, w + (k * n + j) * n, n) - (i == j)));
                if (j >= m) continue;
                double s = 0;
                for (int e = 0; e < n; e++) s += w[(k * n + i) * n + e] * b[(size_t)k * size + (size_t)(e * m + j)];
                back = fmax(back, fabs(s - g[i * m + j]) / want[0]);
            }
    }
    bool good = worst <= 1e-13 && slant <= 1e-13 && turn <= 1e-12 && back <= 1e-13;
    check(good && emu_reports() == 0, "version %d, %ld matrices of %d x %d%s: lengths %.0e, rows %.0e, W %.0e %.0e %s", number, batch, n, m, deficient ? ", one short of a rank" : "", worst,
          slant, turn, back, emu_first_report());
    device_empty();
    free(x), free(b), free(w), free(cpu), free(want), free(got), free(length);
}

// Values by reflections and bisection, beside the CPU's rotations.
static void values(long batch, int n, int m, bool deficient) {
    size_t size = (size_t)(n * m);
    float *x = random_floats((size_t)batch * size, 2);
    double *b = malloc((size_t)batch * size * 8), *got = malloc((size_t)batch * (size_t)n * 8), worst = 0;
    for (size_t i = 0; i < (size_t)batch * size; i++) b[i] = (double)x[i] * pow(0.9, (double)(i / (size_t)m % (size_t)n));
    for (int i = 1; deficient && i < n; i++)
        for (int e = 0; e < m; e++) b[i * m + e] = i % 3 ? b[e] * i : 0; // the first matrix is of rank one, with rows of zeros
    CudaJacobi a = {.b = to_device(b, (size_t)batch * size * 8), .batch = batch, .n = n, .m = m, .length = device_room((size_t)batch * (size_t)n * 8)};
    emu_forget();
    cuda_bidiagonal(&a, device_room(cuda_singular_values_room(&a)), NULL);
    from_device(got, a.length, (size_t)batch * (size_t)n * 8);
    for (long k = 0; k < batch; k++) {
        double *cpu = b + (size_t)k * size, longest = 0;
        jacobi_orthogonal_rows(cpu, n, m, NULL, 0);
        for (int i = 0; i < n; i++) {
            double want = sqrt(dot(cpu + (size_t)i * (size_t)m, cpu + (size_t)i * (size_t)m, m));
            if (i == 0) longest = want;
            worst = fmax(worst, fabs(got[k * n + i] - want) / longest);
        }
    }
    check(worst <= 1e-13 && emu_reports() == 0, "values of %ld matrices of %d x %d%s: %.0e %s", batch, n, m, deficient ? ", of rank one" : "", worst, emu_first_report());
    device_empty();
    free(x), free(b), free(got);
}

static void one(long batch, int n, int m, bool with_w, bool deficient) {
    for (int number = 1; number <= 2; number++) version(number, batch, n, m, with_w, deficient);
}

int main(void) {
    one(1, 1, 1, true, false);
    one(3, 2, 5, true, false);
    one(2, 7, 7, true, false);
    one(2, 16, 33, false, true);
    one(1, 31, 31, true, true);
    one(1, 20, 1100, false, false); // too large for shared memory
    emu_backwards(true);
    one(2, 11, 13, true, false);
    emu_backwards(false);
    version(2, 3, 32, 32, true, true);
    version(2, 1, 33, 70, false, false);
    values(1, 1, 1, false);
    values(2, 1, 9, false);
    values(3, 2, 2, false);
    values(2, 7, 19, true);
    values(2, 33, 33, false);
    values(2, 24, 540, true);
    if (real_shapes()) {
        values(3, 200, 200, true);
        values(2, 150, 700, false);
        one(300, 32, 32, false, false);
        one(2, 128, 128, true, false);
        one(100, 64, 64, true, true);
        one(3, 64, 300, false, false);
        one(2, 150, 150, true, false);
        one(1, 300, 300, false, true);
    }
    return check_end();
}
