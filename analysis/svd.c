// svd.c: see svd.h.
//
// Everything works on the n = min(R, C) "lines" of X: its rows, or its columns when those are fewer. W (n, n)
// holds the vectors on that side, B = W * lines has orthogonal rows whose lengths are the singular values.
// Ways: one-sided rotations (jacobi.h) up to JACOBI_MOST lines, and as the yardstick of the others; above, the Gram matrix in double and its eigenvalues
// (eigen.h, whose versions are the ladder of this one). 576 x 4096, thin, one thread of a Zen 4: 205 ms, then 140; sgesdd 233 and 500.
#include "svd.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dense.h"
#include "eigen.h"
#include "io/random.h"
#include "io/thread.h"
#include "jacobi.h"

enum { JACOBI_MOST = 16 }; // AUTO: up to this many lines Jacobi costs no more than the Gram route (measured)

typedef struct {
    int R, C, n, m;  // m = max(R, C)
    const float *x;  // (R, C), centred
    double *mean;    // (C)
    Dense lines;     // (n, m)
    bool finite;
} Centred;

static bool all_finite(const float *x, size_t n) {
    float poison = 0;
    for (size_t i = 0; i < n; i++) poison += x[i] * 0; // 0 times a NaN or an infinity is NaN
    return poison == 0;
}

bool svd_centre(float *y, double *mean, const float *x, int R, int C) {
    bool finite = all_finite(x, (size_t)R * C);
    memset(mean, 0, sizeof(double) * (size_t)C);
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++) mean[j] += x[(size_t)i * C + j];
    for (int j = 0; j < C; j++) mean[j] /= R;
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++) y[(size_t)i * C + j] = (float)(x[(size_t)i * C + j] - mean[j]);
    return finite;
}

static Centred centre_of(const float *x, int R, int C, bool centre, Arena *a) {
    Centred c = {.R = R, .C = C, .n = R < C ? R : C, .m = R < C ? C : R, .x = x, .mean = take_zero(a, double, (size_t)C)};
    if (centre) {
        float *y = take(a, float, (size_t)R * C);
        c.finite = svd_centre(y, c.mean, x, R, C);
        c.x = y;
    } else {
        c.finite = all_finite(x, (size_t)R * C);
    }
    c.lines = R <= C ? (Dense){.f = c.x, .row = C, .col = 1} : (Dense){.f = c.x, .row = 1, .col = C};
    return c;
}

static SvdMethod method_for(SvdMethod method, int n) {
    return method != SVD_AUTO ? method : n <= JACOBI_MOST ? SVD_JACOBI : SVD_GRAM;
}

// The lines as double, (n, m).
static double *lines_wide(const Centred *c, Arena *a) {
    double *b = take(a, double, (size_t)c->n * c->m);
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->m; k++) b[(size_t)i * c->m + k] = c->lines.f[i * c->lines.row + k * c->lines.col];
    return b;
}

static double *gram_of(const Centred *c, Arena *a) {
    double *g = take(a, double, (size_t)c->n * c->n);
    dense_product(g, c->n, DENSE_SET, c->lines, c->lines, c->n, c->n, c->m, true);
    return g;
}

// The lines as L Q: L (n, n) is returned, b and tau keep Q.
static double *triangle_of(double *b, double *tau, int n, int m, Arena *a) {
    jacobi_triangle(b, n, m, tau, a);
    double *l = take_zero(a, double, (size_t)n * n);
    for (int i = 0; i < n; i++) memcpy(l + (size_t)i * n, b + (size_t)i * m, sizeof(double) * (size_t)(i + 1));
    return l;
}

static void by_size(double *s, int n) { // insertion: nearly sorted already
    for (int i = 1; i < n; i++) {
        double x = s[i];
        int j = i;
        for (; j > 0 && s[j - 1] < x; j--) s[j] = s[j - 1];
        s[j] = x;
    }
}

void svd_values_of_gram(double *s, double *gram, int n, Arena *scratch) {
    eigen_symmetric(s, NULL, 0, gram, n, scratch);
    for (int i = 0; i < n; i++) s[i] = s[i] > 0 ? sqrt(s[i]) : 0;
}

void svd_values(double *s, const float *x, int R, int C, bool centre, SvdMethod method, Arena *scratch) {
    need(R >= 1 && C >= 1, "svd_values: a matrix of %d x %d", R, C);
    Mark mark = arena_mark(scratch);
    Centred c = centre_of(x, R, C, centre, scratch);
    int n = c.n;
    if (!c.finite) {
        for (int i = 0; i < n; i++) s[i] = NAN;
    } else if (method_for(method, n) == SVD_GRAM) {
        svd_values_of_gram(s, gram_of(&c, scratch), n, scratch);
    } else {
        double *l = triangle_of(lines_wide(&c, scratch), take(scratch, double, (size_t)n), n, c.m, scratch);
        jacobi_orthogonal_rows(l, n, n, NULL, 0);
        for (int i = 0; i < n; i++) s[i] = sqrt(dense_dot(l + (size_t)i * n, l + (size_t)i * n, (size_t)n));
        by_size(s, n);
    }
    arena_release(scratch, mark);
}

// ---- batches: one matrix is one index, each thread has its own scratch, taken before the threads start

typedef struct {
    double *s;
    float *out;
    const float *x;
    int R, C, rank;
    bool centre;
    SvdMethod method;
    Arena **own;
    unsigned char *bad;
} Batch;

Arena *svd_scratch(int R, int C, size_t extra) {
    size_t n = (size_t)(R < C ? R : C), m = (size_t)(R < C ? C : R);
    Arena *a = arena_new("singular values");
    Mark mark = arena_mark(a);
    // generous: memory that is never touched costs nothing
    arena_take(a, 4 * n * n + 4 * n * m + 500 * m + 65536 + extra, sizeof(double));
    arena_release(a, mark);
    return a;
}

static Arena **scratch_per_thread(Arena *a, int R, int C) {
    Arena **own = take(a, Arena *, (size_t)threads_count());
    for (int t = 0; t < threads_count(); t++) own[t] = svd_scratch(R, C, 0);
    return own;
}

static void scratch_free(Arena **own) {
    for (int t = 0; t < threads_count(); t++) arena_free(own[t]);
}

static void values_range(void *arg, size_t begin, size_t end) {
    const Batch *b = arg;
    size_t r = (size_t)(b->R < b->C ? b->R : b->C), count = (size_t)b->R * b->C;
    for (size_t i = begin; i < end; i++)
        svd_values(b->s + i * r, b->x + i * count, b->R, b->C, b->centre, b->method, b->own[thread_index()]);
}

void svd_values_batch(double *s, const float *x, int B, int R, int C, bool centre, SvdMethod method, Arena *scratch) {
    need(B >= 0 && R >= 1 && C >= 1, "svd_values_batch: %d matrices of %d x %d", B, R, C);
    Mark mark = arena_mark(scratch);
    Batch b = {.s = s, .x = x, .R = R, .C = C, .centre = centre, .method = method};
    b.own = scratch_per_thread(scratch, R, C);
    parallel_for((size_t)B, 1, values_range, &b);
    scratch_free(b.own);
    arena_release(scratch, mark);
}

// ---- vectors

static double length_of(const double *row, int m) { return sqrt(dense_dot(row, row, (size_t)m)); }

// Rows [from, n) of b lose what they have in common with the directions v[0 … from) (of length 1).
static void project_out(double *b, const double *v, int from, int n, int m, Arena *scratch) {
    if (from == 0 || from == n) return;
    Mark mark = arena_mark(scratch);
    double *t = take(scratch, double, (size_t)(n - from) * from);
    Dense rows = {.d = b + (size_t)from * m, .row = m, .col = 1}, along = {.d = v, .row = m, .col = 1};
    dense_product(t, from, DENSE_SET, rows, along, n - from, from, m, false);
    Dense parts = {.d = t, .row = from, .col = 1}, across = {.d = v, .row = 1, .col = m};
    dense_product(b + (size_t)from * m, m, DENSE_SUBTRACT, parts, across, n - from, m, from, false);
    arena_release(scratch, mark);
}

// Rows [from, n) of b become orthogonal to each other, by the eigenvectors of their own Gram matrix; the rows of w
// (k numbers each), if there, are combined in the same way.
static void turn(double *b, double *w, int k, int from, int n, int m, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    int d = n - from;
    double *g = take(scratch, double, (size_t)d * d), *values = take(scratch, double, (size_t)d);
    double *e = take(scratch, double, (size_t)d * d), *new = take(scratch, double, (size_t)d * (m > k ? m : k));
    Dense rows = {.d = b + (size_t)from * m, .row = m, .col = 1}, left = {.d = e, .row = d, .col = 1};
    dense_product(g, d, DENSE_SET, rows, rows, d, d, m, true);
    eigen_symmetric(values, e, d, g, d, scratch);
    dense_product(new, m, DENSE_SET, left, (Dense){.d = rows.d, .row = 1, .col = m}, d, m, d, false);
    memcpy(b + (size_t)from * m, new, sizeof(double) * (size_t)d * m);
    if (w) {
        dense_product(new, k, DENSE_SET, left, (Dense){.d = w + (size_t)from * k, .row = 1, .col = k}, d, k, d, false);
        memcpy(w + (size_t)from * k, new, sizeof(double) * (size_t)d * k);
    }
    arena_release(scratch, mark);
}

static void normalise(double *v, int from, int to, int m) {
    for (int i = from; i < to; i++) {
        double *row = v + (size_t)i * m, l = length_of(row, m);
        for (int k = 0; k < m && l > 0; k++) row[k] /= l;
    }
}

// Rows [from, n) of v (n, m) are filled up to an orthonormal set: random rows, made orthogonal to the first ones and
// to each other. Twice, because the first time their Gram matrix may be ill-conditioned.
static void complete(double *v, int from, int n, int m, Arena *scratch) {
    if (from == n) return;
    Rng r = rng_of(0, "an orthonormal completion");
    for (size_t i = (size_t)from * m; i < (size_t)n * m; i++) v[i] = rng_normal(r, i);
    for (int pass = 0; pass < 2; pass++) {
        project_out(v, v, from, n, m, scratch);
        normalise(v, from, n, m);
        turn(v, NULL, 0, from, n, m, scratch);
        normalise(v, from, n, m);
    }
}

// b (n, m) = w * lines, whose rows are orthogonal up to the accuracy of one Gram matrix: rows shorter than 1e-3 of
// the first are orthogonal to 1e-10 only, and worse below. They are turned by a Gram matrix of their own, in which
// the long rows no longer take part, level by level. Then s gets the lengths, b the directions.
static void finish(double *b, double *s, double *w, int k, int n, int m, Arena *scratch) {
    const double level = 1e-3;
    double first = length_of(b, m), nothing = first * DBL_EPSILON * 8 * n; // rounding of w * lines
    int done = 0; // rows before it are directions already
    for (;;) {
        int cut = done;
        double head = length_of(b + (size_t)done * m, m);
        while (cut < n && (s[cut] = length_of(b + (size_t)cut * m, m)) > nothing && s[cut] > level * head) cut++;
        normalise(b, done, cut, m);
        if (cut == done) break; // what is left is rounding
        done = cut;
        if (done == n) break;
        project_out(b, b, done, n, m, scratch);
        turn(b, w, k, done, n, m, scratch);
    }
    for (int i = done; i < n; i++) s[i] = length_of(b + (size_t)i * m, m);
    complete(b, done, n, m, scratch);
}

// Rounding may leave neighbours of nearly the same value in the wrong order; and the sign convention.
static void tidy(Svd *d) {
    for (int i = 0; i < d->r; i++)
        for (int j = i; j > 0 && d->s[j - 1] < d->s[j]; j--) {
            double t = d->s[j];
            d->s[j] = d->s[j - 1], d->s[j - 1] = t;
            for (int side = 0; side < 2; side++) {
                int width = side ? d->C : d->R;
                double *x = (side ? d->v : d->u) + (size_t)j * width, *y = x - width;
                for (int k = 0; k < width; k++) t = x[k], x[k] = y[k], y[k] = t;
            }
        }
    for (int i = 0; i < d->r; i++) {
        double *u = d->u + (size_t)i * d->R, *v = d->v + (size_t)i * d->C, most = 0;
        for (int k = 0; k < d->R; k++)
            if (fabs(u[k]) > fabs(most)) most = u[k];
        if (most >= 0) continue;
        for (int k = 0; k < d->R; k++) u[k] = -u[k];
        for (int k = 0; k < d->C; k++) v[k] = -v[k];
    }
}

Svd svd_thin(Arena *a, const float *x, int R, int C, bool centre, SvdMethod method, const char *what) {
    need(R >= 1 && C >= 1, "%s: no singular vectors of a matrix of %d x %d", what, R, C);
    int n = R < C ? R : C, m = R < C ? C : R;
    size_t square = (size_t)n * n;
    double *s = take(a, double, (size_t)n), *w = take(a, double, square), *v = take(a, double, (size_t)n * m);
    double *mean = take(a, double, (size_t)C);
    Svd d = {.R = R, .C = C, .r = n, .s = s, .u = R <= C ? w : v, .v = R <= C ? v : w, .mean = mean};
    Mark mark = arena_mark(a);
    Centred c = centre_of(x, R, C, centre, a);
    need(c.finite, "%s: holds a NaN or an infinity; it has no singular vectors", what);
    memcpy(mean, c.mean, sizeof(double) * (size_t)C);
    if (method_for(method, n) == SVD_GRAM) {
        eigen_symmetric(s, w, n, gram_of(&c, a), n, a);
        Dense across = {.f = c.lines.f, .row = c.lines.col, .col = c.lines.row};
        dense_product(v, m, DENSE_SET, (Dense){.d = w, .row = n, .col = 1}, across, n, m, n, false);
        finish(v, s, w, n, n, m, a);
    } else {
        double *b = lines_wide(&c, a), *tau = take(a, double, (size_t)n), *l = triangle_of(b, tau, n, m, a);
        memset(w, 0, sizeof(double) * square);
        for (int i = 0; i < n; i++) w[(size_t)i * n + i] = 1;
        jacobi_orthogonal_rows(l, n, n, w, n);
        for (int i = 0; i < n; i++) s[i] = length_of(l + (size_t)i * n, n);
        int full = 0; // exact zeros and what rounding left of them have no direction of their own
        while (full < n && s[full] > s[0] * DBL_EPSILON * n) full++;
        normalise(l, 0, full, n);
        complete(l, full, n, n, a);
        for (int i = 0; i < n; i++) memcpy(v + (size_t)i * m, l + (size_t)i * n, sizeof(double) * (size_t)n);
        jacobi_rows_from_triangle(v, n, b, tau, n, m);
    }
    arena_release(a, mark);
    tidy(&d);
    return d;
}

// ---- low rank

int svd_rank_of_level(double level, int R, int C) {
    int r = R < C ? R : C;
    need(!isnan(level) && r >= 1, "a rank level of %g for a matrix of %d x %d", level, R, C);
    if (level <= 0) return 1;
    double rank = nearbyint(level <= 1 ? level * r : level); // halves to even, as in the original
    return rank < 1 ? 1 : rank > r ? r : (int)rank;
}

static bool low_rank(float *out, const float *x, int R, int C, int rank, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    Centred c = centre_of(x, R, C, true, scratch);
    int n = c.n, m = c.m;
    if (c.finite && rank == n) {
        memmove(out, x, sizeof(float) * (size_t)R * C);
    } else if (c.finite) {
        double *values = take(scratch, double, (size_t)n), *w = take(scratch, double, (size_t)rank * n);
        double *y = take(scratch, double, (size_t)rank * m), *z = take(scratch, double, (size_t)R * C);
        eigen_symmetric(values, w, rank, gram_of(&c, scratch), n, scratch);
        Dense across = {.f = c.lines.f, .row = c.lines.col, .col = c.lines.row};
        dense_product(y, m, DENSE_SET, (Dense){.d = w, .row = n, .col = 1}, across, rank, m, n, false);
        Dense up = {.d = w, .row = 1, .col = n}, down = {.d = y, .row = 1, .col = m};
        if (R <= C) dense_product(z, C, DENSE_SET, up, down, R, C, rank, false);
        else dense_product(z, C, DENSE_SET, down, up, R, C, rank, false);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < C; j++) out[(size_t)i * C + j] = (float)(z[(size_t)i * C + j] + c.mean[j]);
    }
    arena_release(scratch, mark);
    return c.finite;
}

static void check_rank(int R, int C, int rank, const char *what) {
    need(R >= 1 && C >= 1 && rank >= 1 && rank <= (R < C ? R : C),
         "%s: rank %d of a matrix of %d x %d; between 1 and %d are possible", what, rank, R, C, R < C ? R : C);
}

void svd_low_rank(float *out, const float *x, int R, int C, int rank, Arena *scratch, const char *what) {
    check_rank(R, C, rank, what);
    need(low_rank(out, x, R, C, rank, scratch), "%s: holds a NaN or an infinity; it has no low-rank form", what);
}

static void low_rank_range(void *arg, size_t begin, size_t end) {
    const Batch *b = arg;
    size_t count = (size_t)b->R * b->C;
    for (size_t i = begin; i < end; i++)
        b->bad[i] = !low_rank(b->out + i * count, b->x + i * count, b->R, b->C, b->rank, b->own[thread_index()]);
}

void svd_low_rank_batch(float *out, const float *x, int B, int R, int C, int rank, Arena *scratch, const char *what) {
    check_rank(R, C, rank, what);
    Mark mark = arena_mark(scratch);
    Batch b = {.out = out, .x = x, .R = R, .C = C, .rank = rank, .bad = take_zero(scratch, unsigned char, (size_t)B)};
    b.own = scratch_per_thread(scratch, R, C);
    parallel_for((size_t)B, 1, low_rank_range, &b);
    scratch_free(b.own);
    for (int i = 0; i < B; i++)
        need(!b.bad[i], "%s: matrix %d of %d holds a NaN or an infinity; it has no low-rank form", what, i, B);
    arena_release(scratch, mark);
}
