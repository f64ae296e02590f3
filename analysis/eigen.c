// eigen.c: see eigen.h. Three steps: Householder reflections to tridiagonal form, the eigenvalues (and vectors) of that
// form (divide.h), and the way back for the vectors.
//
// Sources: Dongarra, Sorensen & Hammarling 1989 (reflections in panels, so that half of the work is a matrix product);
// Schreiber & Van Loan 1989 (compact products of reflections).
// Versions: 0 one reflection at a time on the way back, rotations of QL for the vectors; 1 panels of reflections, stored as rows, 64 wide on the
// way back, and halves that are joined (divide.h): with dense.c's fused tile 196 to 105 ms for 729 x 1152, thin. test/bench/NOTES.md has what is left.
#include "eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dense.h"
#include "divide.h"

enum {
    PANEL = 32, // reflections in one panel
    BACK = 64   // and in one panel of the way back, where a wide one costs nothing but its own small products
};
#define TINY 1e-140 // beside a largest element of 1: nothing, and its square is still a normal number

// ---- to tridiagonal form: a = Q T Qᵀ. T has diagonal d, and e[j] couples j and j + 1. Reflection j is I - tau v vᵀ with v
// in row j of a, from column j + 1 on (v[j+1] = 1): the upper triangle is free.

typedef struct {
    int n;
    double *a, *d, *e, *tau;
    double *p; // (3 PANEL, n): V, W and V again; the lower triangle is to lose Vᵀ W + Wᵀ V
    double *column, *w;
} Reduction;

// A reflection that maps x (m) onto (beta, 0, 0, …). x becomes v, with v[0] = 1; returns beta.
static double reflect(double *x, int m, double *tau) {
    double rest = m > 1 ? dense_dot(x + 1, x + 1, (size_t)(m - 1)) : 0, alpha = x[0];
    x[0] = 1;
    *tau = 0;
    if (rest < TINY * TINY) return alpha; // squares that have lost their digits would make no reflection
    double beta = -copysign(sqrt(alpha * alpha + rest), alpha);
    *tau = (beta - alpha) / beta;
    double scale = 1 / (alpha - beta);
    for (int i = 1; i < m; i++) x[i] *= scale;
    return beta;
}

// y, from element `from` on, loses the product that `slot` reflections of the panel make with v: V (W v) + W (V v).
static void subtract_panel(const Reduction *r, double *y, int from, int slot, const double *by_v, const double *by_w) {
    int n = r->n;
    dense_subtract(y, r->p + from, n, by_w, slot, n - from);
    dense_subtract(y, r->p + (size_t)PANEL * n + from, n, by_v, slot, n - from);
}

// Column j of the matrix, with what the first reflections of the panel (begin … j-1) did to it.
static void reduce_column(Reduction *r, int begin, int j) {
    int n = r->n, slot = j - begin, m = n - j - 1;
    double by_v[PANEL], by_w[PANEL], *V = r->p, *W = r->p + (size_t)PANEL * n;
    for (int i = j; i < n; i++) r->column[i - j] = r->a[(size_t)i * n + j];
    for (int k = 0; k < slot; k++) by_v[k] = V[(size_t)k * n + j], by_w[k] = W[(size_t)k * n + j];
    subtract_panel(r, r->column, j, slot, by_v, by_w);
    r->d[j] = r->column[0];
    if (m == 0) return;
    double *v = r->column + 1, tau, *w = r->w;
    r->e[j] = reflect(v, m, &tau);
    r->tau[j] = tau;
    memcpy(r->a + (size_t)j * n + j + 1, v, sizeof(double) * (size_t)m);
    // w = tau (A v - (tau / 2) (vᵀ A v) v), A being the matrix as the panel has left it so far
    dense_symmetric_times(w, r->a + (size_t)(j + 1) * n + j + 1, n, v, m);
    dense_dots(by_v, V + j + 1, n, v, slot, m);
    dense_dots(by_w, W + j + 1, n, v, slot, m);
    subtract_panel(r, w, j + 1, slot, by_v, by_w);
    double half = 0.5 * tau * dense_dot(w, v, (size_t)m);
    for (int i = 0; i < m; i++) w[i] = tau * (w[i] - half * v[i]);
    for (int k = 0; k < 3; k++) memcpy(r->p + (size_t)(k * PANEL + slot) * n + j + 1, k == 1 ? w : v, sizeof(double) * (size_t)m);
}

static void reduce(Reduction *r) {
    int n = r->n;
    for (int begin = 0; begin < n; begin += PANEL) {
        int end = begin + PANEL < n ? begin + PANEL : n;
        for (int j = begin; j < end; j++) reduce_column(r, begin, j);
        if (end == n) break;
        Dense p = {.d = r->p + end, .row = 1, .col = n}, q = {.d = r->p + (size_t)PANEL * n + end, .row = 1, .col = n};
        dense_product(r->a + (size_t)end * n + end, n, DENSE_SUBTRACT, p, q, n - end, n - end, 2 * PANEL, true);
    }
}

// z (rows of eigenvectors of T) becomes rows of eigenvectors of a: z = z Qᵀ, panels in reverse order. A panel of
// reflections is I - V S Vᵀ with a small upper triangular S: z loses (z (V Sᵀ)) Vᵀ.
static void reflect_back(const Reduction *r, double *z, int rows, Arena *scratch) {
    int n = r->n;
    Mark mark = arena_mark(scratch);
    double *v = take(scratch, double, (size_t)BACK * n), *vs = take(scratch, double, (size_t)BACK * n); // (count, m)
    double *y = take(scratch, double, (size_t)rows * BACK);
    for (int begin = (n - 2) / BACK * BACK; begin >= 0 && n >= 2; begin -= BACK) {
        int end = begin + BACK < n - 1 ? begin + BACK : n - 1, count = end - begin, m = n - begin - 1;
        double s[BACK][BACK] = {{0}};
        for (int p = 0; p < count; p++) {
            double t[BACK], tau = r->tau[begin + p], *row = v + (size_t)p * m;
            memset(row, 0, sizeof(double) * (size_t)p);
            memcpy(row + p, r->a + (size_t)(begin + p) * n + begin + 1 + p, sizeof(double) * (size_t)(m - p));
            dense_dots(t, v + p, m, row + p, p, m - p);
            for (int q = 0; q < p; q++)
                for (int k = q; k < p; k++) s[q][p] -= tau * s[q][k] * t[k];
            s[p][p] = tau;
        }
        for (int p = 0; p < count; p++) { // row p of (V Sᵀ)ᵀ: the sum over k >= p of S[p][k] V[k]
            double minus[BACK];
            for (int k = p; k < count; k++) minus[k] = -s[p][k];
            memset(vs + (size_t)p * m, 0, sizeof(double) * (size_t)m);
            dense_subtract(vs + (size_t)p * m, v + (size_t)p * m, m, minus + p, count - p, m);
        }
        Dense right = {.d = z + begin + 1, .row = n, .col = 1}, left = {.d = y, .row = BACK, .col = 1};
        dense_product(y, BACK, DENSE_SET, right, (Dense){.d = vs, .row = m, .col = 1}, rows, count, m, false);
        dense_product(z + begin + 1, n, DENSE_SUBTRACT, left, (Dense){.d = v, .row = 1, .col = m}, rows, m, count, false);
    }
    arena_release(scratch, mark);
}

// ---- all three

// A power of two that brings the largest element to [1/2, 1): squares then neither overflow nor vanish. 0 for
// a zero matrix, NaN when an element is not finite.
static double scale_of(const double *a, int n) {
    double most = 0, poison = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double x = fabs(a[(size_t)i * n + j]);
            if (x > most) most = x;
            poison += x * 0;
        }
    if (poison != 0) return NAN; // 0 * infinity and 0 * NaN are NaN, and NaN != 0
    if (most == 0) return 0;
    int exponent;
    frexp(most, &exponent);
    return ldexp(1, exponent > -1000 ? -exponent : 1000);
}

// rank[i] = index of the i-th largest value; equal ones stay in order.
static void order_descending(int *rank, const double *d, int n, int *other) {
    for (int i = 0; i < n; i++) rank[i] = i;
    for (int width = 1; width < n; width *= 2) { // merge sort
        for (int begin = 0; begin < n; begin += 2 * width) {
            int middle = begin + width < n ? begin + width : n, end = begin + 2 * width < n ? begin + 2 * width : n;
            for (int i = begin, j = middle, k = begin; k < end; k++)
                other[k] = i < middle && (j >= end || !(d[rank[j]] > d[rank[i]])) ? rank[i++] : rank[j++];
        }
        memcpy(rank, other, sizeof(int) * (size_t)n);
    }
}

// QL wants the small end first: a matrix is turned over where it is the other way round.
static void small_end_first(double *d, double *e, int n) {
    if (fabs(d[0]) <= fabs(d[n - 1])) return;
    for (int i = 0; i < n / 2; i++) {
        double t = d[i];
        d[i] = d[n - 1 - i], d[n - 1 - i] = t;
    }
    for (int i = 0; i < (n - 1) / 2; i++) {
        double t = e[i];
        e[i] = e[n - 2 - i], e[n - 2 - i] = t;
    }
}

void eigen_symmetric(double *values, double *vectors, int wanted, double *a, int n, Arena *scratch) {
    need(n >= 1 && wanted >= 0 && wanted <= n, "eigen_symmetric: %d vectors of a %d x %d matrix", wanted, n, n);
    double scale = scale_of(a, n);
    if (!(scale > 0)) {
        for (int i = 0; i < n; i++) values[i] = scale;
        for (int i = 0; i < wanted; i++)
            for (int j = 0; j < n; j++) vectors[(size_t)i * n + j] = scale == 0 ? i == j : NAN;
        return;
    }
    Mark mark = arena_mark(scratch);
    size_t N = (size_t)n;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++) a[i * N + j] *= scale;
    Reduction r = {.n = n, .a = a};
    r.d = take(scratch, double, N), r.e = take(scratch, double, N), r.tau = take_zero(scratch, double, N);
    r.p = take_zero(scratch, double, 3 * PANEL * N);
    r.column = take(scratch, double, N), r.w = take(scratch, double, N);
    reduce(&r);
    int *rank = take(scratch, int, N), *other = take(scratch, int, N);
    double *z = wanted ? take_zero(scratch, double, N * N) : NULL;
    if (wanted) {
        divide_tridiagonal(r.d, r.e, n, z, other, wanted, scratch);
        for (int i = 0; i < n; i++) rank[i] = other[n - 1 - i];
    } else {
        small_end_first(r.d, r.e, n);
        divide_ql(r.d, r.e, n, NULL, 0);
        order_descending(rank, r.d, n, other);
    }
    for (int i = 0; i < n; i++) values[i] = r.d[rank[i]] / scale;
    for (int i = 0; i < wanted; i++) memcpy(vectors + (size_t)i * N, z + (size_t)rank[i] * N, sizeof(double) * N);
    if (wanted) reflect_back(&r, vectors, wanted, scratch);
    arena_release(scratch, mark);
}
