// eigen.c: see eigen.h. Three steps: Householder reflections to tridiagonal form, implicit QL on that form,
// and the way back for the vectors.
//
// Sources: Golub & Van Loan, Matrix Computations, 8.3 (tridiagonal QL, Wilkinson's shift); Dongarra, Sorensen
// & Hammarling 1989 (reflections in panels, so that half of the work is a matrix product); Schreiber & Van
// Loan 1989 (compact products of reflections). Rotations of many sweeps are gathered and applied together,
// strip by strip, because one sweep alone moves 16 bytes for every 6 operations.
#include "eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dense.h"

enum {
    PANEL = 32,   // reflections in one panel
    SWEEPS = 48,  // sweeps of QL gathered before they are applied
    PATIENCE = 60 // sweeps for one eigenvalue; two or three are usual
};
#define TINY 1e-140 // beside a largest element of 1: nothing, and its square is still a normal number

// ---- to tridiagonal form: a = Q T Qᵀ. T has diagonal d, and e[j] couples j and j + 1. Reflection j is
// I - tau v vᵀ with v[i] in a[i][j] for i > j (v[j+1] = 1).

typedef struct {
    int n;
    double *a, *d, *e, *tau;
    double *p, *q; // (n, 2 PANEL): rows [V | W] and [W | V]; a is to lose p qᵀ
    double *column, *v, *w;
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

// Column j of the matrix, with what the first reflections of the panel (begin … j-1) did to it.
static void reduce_column(Reduction *r, int begin, int j) {
    int n = r->n, slot = j - begin, m = n - j - 1;
    for (int i = j; i < n; i++) {
        double x = r->a[(size_t)i * n + j];
        if (slot > 0) x -= dense_dot(r->p + (size_t)i * 2 * PANEL, r->q + (size_t)j * 2 * PANEL, 2 * PANEL);
        r->column[i - j] = x;
    }
    r->d[j] = r->column[0];
    if (m == 0) return;
    double *v = r->column + 1, tau;
    r->e[j] = reflect(v, m, &tau);
    r->tau[j] = tau;
    for (int i = 0; i < m; i++) r->a[(size_t)(j + 1 + i) * n + j] = v[i];
    // w = tau (A v - (tau / 2) (vᵀ A v) v), A being the matrix as the panel has left it so far
    double *w = r->w;
    dense_symmetric_times(w, r->a + (size_t)(j + 1) * n + j + 1, n, v, m);
    if (slot > 0) {
        double t[2 * PANEL] = {0};
        for (int i = 0; i < m; i++)
            for (int k = 0; k < 2 * PANEL; k++) t[k] += r->q[(size_t)(j + 1 + i) * 2 * PANEL + k] * v[i];
        for (int i = 0; i < m; i++) w[i] -= dense_dot(r->p + (size_t)(j + 1 + i) * 2 * PANEL, t, 2 * PANEL);
    }
    double half = 0.5 * tau * dense_dot(w, v, (size_t)m);
    for (int i = 0; i < m; i++) w[i] = tau * (w[i] - half * v[i]);
    for (int i = 0; i < m; i++) {
        double *p = r->p + (size_t)(j + 1 + i) * 2 * PANEL + slot, *q = r->q + (size_t)(j + 1 + i) * 2 * PANEL + slot;
        p[0] = q[PANEL] = v[i];
        q[0] = p[PANEL] = w[i];
    }
}

static void reduce(Reduction *r) {
    int n = r->n;
    for (int begin = 0; begin < n; begin += PANEL) {
        int end = begin + PANEL < n ? begin + PANEL : n;
        memset(r->p + (size_t)begin * 2 * PANEL, 0, sizeof(double) * (size_t)(n - begin) * 2 * PANEL);
        memset(r->q + (size_t)begin * 2 * PANEL, 0, sizeof(double) * (size_t)(n - begin) * 2 * PANEL);
        for (int j = begin; j < end; j++) reduce_column(r, begin, j);
        Dense p = {.d = r->p + (size_t)end * 2 * PANEL, .row = 2 * PANEL, .col = 1};
        Dense q = {.d = r->q + (size_t)end * 2 * PANEL, .row = 2 * PANEL, .col = 1};
        dense_product(r->a + (size_t)end * n + end, n, DENSE_SUBTRACT, p, q, n - end, n - end, 2 * PANEL, true);
    }
}

// z (rows of eigenvectors of T) becomes rows of eigenvectors of a: z = z Qᵀ, panels in reverse order. A panel of
// reflections is I - V S Vᵀ with a small upper triangular S.
static void reflect_back(const Reduction *r, double *z, int rows, double *y) {
    int n = r->n;
    double *v = r->p; // (m, PANEL), rebuilt with its ones and zeros
    for (int begin = (n - 2) / PANEL * PANEL; begin >= 0 && n >= 2; begin -= PANEL) {
        int end = begin + PANEL < n - 1 ? begin + PANEL : n - 1, count = end - begin, m = n - begin - 1;
        for (int i = 0; i < m; i++)
            for (int p = 0; p < count; p++)
                v[(size_t)i * PANEL + p] = i < p ? 0 : r->a[(size_t)(begin + 1 + i) * n + begin + p];
        double s[PANEL][PANEL] = {{0}};
        for (int p = 0; p < count; p++) {
            double t[PANEL] = {0};
            for (int i = p; i < m; i++)
                for (int q = 0; q < p; q++) t[q] += v[(size_t)i * PANEL + q] * v[(size_t)i * PANEL + p];
            for (int q = 0; q < p; q++)
                for (int k = q; k < p; k++) s[q][p] -= r->tau[begin + p] * (s[q][k] * t[k]);
            s[p][p] = r->tau[begin + p];
        }
        Dense right = {.d = z + begin + 1, .row = n, .col = 1};
        dense_product(y, PANEL, DENSE_SET, right, (Dense){.d = v, .row = 1, .col = PANEL}, rows, count, m, false);
        for (int i = 0; i < rows; i++) { // y = y Sᵀ
            double *row = y + (size_t)i * PANEL;
            for (int p = 0; p < count; p++) {
                double t = 0;
                for (int k = p; k < count; k++) t += s[p][k] * row[k];
                row[p] = t;
            }
        }
        dense_product(z + begin + 1, n, DENSE_SUBTRACT, (Dense){.d = y, .row = PANEL, .col = 1},
                      (Dense){.d = v, .row = PANEL, .col = 1}, rows, m, count, false);
    }
}

// ---- implicit QL

typedef struct {
    int n, count;
    double *z; // (n, n), row k takes part in rotations of k; NULL for values only
    double *cs, *sn;
    DenseSweep sweeps[SWEEPS];
    size_t used; // numbers of cs and sn
} Gathered;

static void gathered_apply(Gathered *g) {
    if (g->count) dense_rotate(g->z, g->n, g->n, g->sweeps, g->count);
    g->count = 0;
    g->used = 0;
}

// One sweep on d and e between lo and hi (no e in between is negligible).
static void sweep(double *d, double *e, int lo, int hi, Gathered *g) {
    double *cs = NULL, *sn = NULL;
    if (g->z) {
        if (g->count == SWEEPS) gathered_apply(g);
        cs = g->cs + g->used, sn = g->sn + g->used;
    }
    double shift = (d[lo + 1] - d[lo]) / (2 * e[lo]);
    double root = sqrt(shift * shift + 1);
    double x = d[hi] - d[lo] + e[lo] / (shift + copysign(root, shift));
    double s = 1, c = 1, p = 0;
    int k = hi - 1;
    for (; k >= lo; k--) {
        double f = s * e[k], b = c * e[k];
        double r = sqrt(f * f + x * x);
        e[k + 1] = r;
        if (r == 0) { // it falls apart here
            d[k + 1] -= p;
            break;
        }
        s = f / r;
        c = x / r;
        x = d[k + 1] - p;
        double t = (d[k] - x) * s + 2 * c * b;
        p = s * t;
        d[k + 1] = x + p;
        x = c * t - b;
        if (cs) cs[k - lo] = c, sn[k - lo] = s;
    }
    if (k < lo) {
        d[lo] -= p;
        e[lo] = x;
    }
    e[hi] = 0;
    if (!cs || k + 1 >= hi) return;
    g->sweeps[g->count++] = (DenseSweep){.lo = k + 1, .hi = hi, .cs = cs + (k + 1 - lo), .sn = sn + (k + 1 - lo)};
    g->used += (size_t)(hi - lo);
}

// e[n-1] is a spare element. A coupling is dropped when it is below the rounding of its two neighbours.
static void ql(double *d, double *e, int n, Gathered *g) {
    e[n - 1] = 0;
    for (int lo = 0; lo < n; lo++)
        for (int tries = 0; tries < PATIENCE; tries++) {
            int hi = lo;
            while (hi < n - 1 && fabs(e[hi]) > DBL_EPSILON * (fabs(d[hi]) + fabs(d[hi + 1])) && fabs(e[hi]) > TINY) hi++;
            if (hi == lo) break;
            sweep(d, e, lo, hi, g);
        }
    if (g->z) gathered_apply(g);
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
    r.p = take(scratch, double, N * 2 * PANEL), r.q = take(scratch, double, N * 2 * PANEL);
    r.column = take(scratch, double, N), r.w = take(scratch, double, N);
    reduce(&r);

    Gathered g = {.n = n};
    double *d = r.d, *e = r.e;
    // QL wants the small end first: turn the matrix over where it is the other way round
    bool turned = fabs(d[0]) > fabs(d[n - 1]);
    if (turned) {
        for (int i = 0; i < n / 2; i++) {
            double t = d[i];
            d[i] = d[n - 1 - i], d[n - 1 - i] = t;
        }
        for (int i = 0; i < (n - 1) / 2; i++) {
            double t = e[i];
            e[i] = e[n - 2 - i], e[n - 2 - i] = t;
        }
    }
    if (wanted) {
        g.z = take_zero(scratch, double, N * N);
        g.cs = take(scratch, double, SWEEPS * N);
        g.sn = take(scratch, double, SWEEPS * N);
        for (size_t i = 0; i < N; i++) g.z[i * N + (turned ? N - 1 - i : i)] = 1;
    }
    ql(d, e, n, &g);

    int *rank = take(scratch, int, N), *other = take(scratch, int, N);
    order_descending(rank, d, n, other);
    for (int i = 0; i < n; i++) values[i] = d[rank[i]] / scale;
    for (int i = 0; i < wanted; i++) memcpy(vectors + (size_t)i * N, g.z + (size_t)rank[i] * N, sizeof(double) * N);
    if (wanted) reflect_back(&r, vectors, wanted, take(scratch, double, (size_t)wanted * PANEL));
    arena_release(scratch, mark);
}
