// jacobi.c: see jacobi.h.
//
// Sources: Hestenes 1958 (one-sided rotations); de Rijk 1989 (the longer row first, so that values come out in
// order and sweeps are few).
#include "jacobi.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dense.h"

enum { SWEEPS_MOST = 60 }; // 6 to 12 are usual; the count only bounds what rounding might play back and forth

static void exchange(double *a, double *b, int n) {
    for (int i = 0; i < n; i++) {
        double t = a[i];
        a[i] = b[i], b[i] = t;
    }
}

// (a, b) = (c a - s b, s a + c b)
static void rotate(double *a, double *b, int n, double c, double s) {
    for (int i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

int jacobi_orthogonal_rows(double *b, int n, int m, double *w, int k) {
    // two rows count as orthogonal when the cosine between them is below the rounding of its own sum
    double allow = DBL_EPSILON * (4 + sqrt((double)m));
    int sweep = 0;
    for (bool moved = true; moved && sweep < SWEEPS_MOST; sweep++) {
        moved = false;
        for (int i = 0; i < n - 1; i++) {
            for (int j = i + 1; j < n; j++) {
                double *x = b + (size_t)i * m, *y = b + (size_t)j * m;
                double xx = dense_dot(x, x, (size_t)m), yy = dense_dot(y, y, (size_t)m), xy = dense_dot(x, y, (size_t)m);
                if (yy > xx) { // the longer one first
                    exchange(x, y, m);
                    if (w) exchange(w + (size_t)i * k, w + (size_t)j * k, k);
                    double t = xx;
                    xx = yy, yy = t;
                    moved = true;
                }
                if (!(fabs(xy) > allow * sqrt(xx) * sqrt(yy)) || xx == 0) continue;
                moved = true;
                // the angle that makes the new rows orthogonal; the smaller of the two that do
                double z = (xx - yy) / (2 * xy), t = copysign(1, z) / (fabs(z) + sqrt(1 + z * z));
                double c = 1 / sqrt(1 + t * t), s = -c * t;
                rotate(x, y, m, c, s);
                if (w) rotate(w + (size_t)i * k, w + (size_t)j * k, k, c, s);
            }
        }
    }
    return sweep;
}

// Row i of the reflections lies in b[i][i+1 …], with the leading 1 left out.
void jacobi_triangle(double *b, int n, int m, double *tau, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    double *v = take(scratch, double, (size_t)m);
    for (int i = 0; i < n; i++) {
        int length = m - i;
        double *row = b + (size_t)i * m + i;
        double rest = length > 1 ? dense_dot(row + 1, row + 1, (size_t)(length - 1)) : 0;
        tau[i] = 0;
        if (rest == 0) continue;
        double alpha = row[0], beta = -copysign(sqrt(alpha * alpha + rest), alpha), scale = 1 / (alpha - beta);
        tau[i] = (beta - alpha) / beta;
        v[0] = 1;
        for (int k = 1; k < length; k++) v[k] = row[k] * scale;
        row[0] = beta;
        memcpy(row + 1, v + 1, sizeof(double) * (size_t)(length - 1));
        for (int j = i + 1; j < n; j++) {
            double *other = b + (size_t)j * m + i, t = tau[i] * dense_dot(other, v, (size_t)length);
            for (int k = 0; k < length; k++) other[k] -= t * v[k];
        }
    }
    arena_release(scratch, mark);
}

void jacobi_rows_from_triangle(double *z, int rows, const double *b, const double *tau, int n, int m) {
    for (int r = 0; r < rows; r++) {
        double *row = z + (size_t)r * m;
        for (int k = n; k < m; k++) row[k] = 0;
        for (int i = n - 1; i >= 0; i--) {
            const double *v = b + (size_t)i * m + i;
            double t = row[i] + dense_dot(row + i + 1, v + 1, (size_t)(m - i - 1));
            t *= tau[i];
            row[i] -= t;
            for (int k = 1; k < m - i; k++) row[i + k] -= t * v[k];
        }
    }
}
