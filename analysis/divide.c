// divide.c: see divide.h.
//
// Sources: Cuppen 1981 (the matrix in halves that one number joins); Dongarra & Sorensen 1987 (deflation); Gu & Eisenstat
// 1994 (the joining vector computed back from the roots, so that the vectors are orthogonal however close the roots lie);
// Li 1994 (the iteration for a root); Golub & Van Loan, Matrix Computations, 8.3 (tridiagonal QL, Wilkinson's shift).
//
// T = (T1, T2) + rho v vᵀ with v = (0 … 0, 1, ±1, 0 … 0). With the vectors of T1 and T2 as a basis this is D + rho w wᵀ,
// D diagonal. Where an element of w is nothing, or two elements of D are equal (then a rotation makes one of w nothing),
// an eigenvalue of a half is one of the whole. The others lie one by one between their neighbours in D, as the roots of
// f(x) = 1 + rho sum of w²/(D - x). Nearly all work is the product of the new vectors in the old basis with the old ones.
// Versions: 0 rotations of QL, a quarter of a thin SVD's time; 1 halves, a root begun in the middle of its interval: wrong by 3e-14 where an element
// of w is 1e-13; 2 begun at the exact root of its two poles, in use.
#include "divide.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "dense.h"
#include "io/thread.h"

enum {
    LEAF = 32,      // up to this many rows QL is as fast
    PATIENCE = 60,  // sweeps of QL for one value; two or three are usual
    STEPS_MOST = 90 // towards a root; three are usual, and halving alone needs 60
};
#define TINY 1e-140 // beside a largest element of 1: nothing, and its square is still a normal number

// ---- implicit QL

static void rotate_rows(double *z, int ld, int n, int k, double c, double s) {
    double *upper = z + (size_t)k * ld, *lower = upper + ld;
    for (int j = 0; j < n; j++) {
        double x = upper[j], y = lower[j];
        lower[j] = s * x + c * y;
        upper[j] = c * x - s * y;
    }
}

// One sweep on d and e between lo and hi (no e in between is negligible).
static void sweep(double *d, double *e, int lo, int hi, double *z, int ld, int n) {
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
        if (z) rotate_rows(z, ld, n, k, c, s);
    }
    if (k < lo) {
        d[lo] -= p;
        e[lo] = x;
    }
    e[hi] = 0;
}

// A coupling is dropped when it is below the rounding of its two neighbours.
void divide_ql(double *d, double *e, int n, double *z, int ld) {
    e[n - 1] = 0;
    for (int lo = 0; lo < n; lo++)
        for (int tries = 0; tries < PATIENCE; tries++) {
            int hi = lo;
            while (hi < n - 1 && fabs(e[hi]) > DBL_EPSILON * (fabs(d[hi]) + fabs(d[hi + 1])) && fabs(e[hi]) > TINY) hi++;
            if (hi == lo) break;
            sweep(d, e, lo, hi, z, ld, n);
        }
}

// ---- halves joined

typedef enum { FIRST, MIXED, SECOND, DONE } Half; // where a vector of the old basis is not zero; DONE: it stays as it is

typedef struct {
    int n; // of the whole matrix: rows of z are so far apart
    double *d, *e, *z;
    int *order;       // of each solved part, from lo on: its rows from the smallest value to the largest
    double *old, *u;  // (n, n): the old vectors; the new ones in the old basis
    double *w;        // (n) the joining vector in the old basis
    double *pole, *weight, *joint, *value; // of the roots' equation: D, w², w, and the roots
    int *row, *place, *other;              // (n)
    Half *half;                            // (n) of each row
} Divide;

typedef struct {
    Divide *v;
    int k; // roots
    double rho;
} Roots;

// f, the slopes of its two sums (poles before the split and behind it), and the sum of all magnitudes.
typedef struct {
    double f, slope[2], size;
} Value;

static Value value_at(const Roots *r, int split, double from, double at) {
    const Divide *v = r->v;
    double left[2], right[2];
    dense_poles(left, v->pole, v->weight, from, at, split);
    dense_poles(right, v->pole + split, v->weight + split, from, at, r->k - split);
    return (Value){1 + r->rho * (left[0] + right[0]), {r->rho * left[1], r->rho * right[1]}, 1 + r->rho * (fabs(left[0]) + fabs(right[0]))};
}

// The step to the root if each of the two sums were a constant and one pole, at a or b from here, with the sum's slope.
static double step_of(Value y, double a, double b) {
    double slope = y.slope[0] + y.slope[1], c = y.f - a * y.slope[0] - b * y.slope[1];
    double m = (a + b) * y.f - a * b * slope, q = a * b * y.f, root = sqrt(fmax(m * m - 4 * q * c, 0));
    if (b < 0) root = -root; // right of both poles: the other solution
    double step = (b < 0) == (m >= 0) ? (m - root) / (2 * c) : 2 * q / (m + root);
    return step * y.f < 0 && isfinite(step) ? step : -y.f / slope; // f rises; else Newton's
}

// Where the sum of a constant, of own/-t and of other/(±gap - t) is 0, seen from the pole `own`; `side` says whether the
// answer lies between the poles (negative) or on the far side of `own` (positive). The start: exact for the two nearest poles.
static double between(double constant, double own, double other, double gap, int side) {
    double a = own + other - constant * gap, b = own * gap, r = sqrt(fmax(a * a + 4 * constant * b, 0));
    if (side < 0) return a >= 0 ? -2 * b / (a + r) : (a - r) / (2 * constant);
    return a >= 0 ? (a + r) / (2 * constant) : 2 * b / (r - a);
}

// A bracket is halved; next to a pole, where a root may lie closer than any number of halvings would bring it, by more.
static double halved(double low, double high) {
    if (low == 0) return high / 1024;
    if (high == 0) return low / 1024;
    return (low + high) / 2;
}

typedef struct {
    double from, at, low, high; // distances from the pole `from`
    int split;                  // poles in the first sum
} Search;

static Search search_start(const Roots *r, int i) {
    const Divide *v = r->v;
    int split = i < r->k - 1 ? i + 1 : i;
    double left = r->rho * v->weight[split - 1], right = r->rho * v->weight[split], gap = v->pole[split] - v->pole[split - 1];
    if (i < r->k - 1) {
        double f = value_at(r, split, v->pole[i], gap / 2).f, constant = f + 2 * (left - right) / gap;
        if (f >= 0) return (Search){v->pole[i], -between(-constant, left, right, gap, -1), 0, gap / 2, split};
        return (Search){v->pole[i + 1], between(constant, right, left, gap, -1), -gap / 2, 0, split};
    }
    double most = 0;
    for (int j = 0; j < r->k; j++) most += r->rho * v->weight[j];
    double half = most / 2, f = value_at(r, split, v->pole[i], half).f, constant = f + left / (gap + half) + right / half;
    return (Search){v->pole[i], between(constant, right, left, gap, 1), f < 0 ? half : 0, f < 0 ? most : half, split};
}

// Root i lies between poles i and i + 1, the last one behind all of them. It is sought as the distance from the nearer pole,
// so that it keeps its digits; row i of u gets the distances of all poles from it.
static void find_root(const Roots *r, int i) {
    Divide *v = r->v;
    int k = r->k;
    double before = INFINITY, *u = v->u + (size_t)i * k;
    Search s = k > 1 ? search_start(r, i) : (Search){.from = v->pole[0], .at = r->rho * v->weight[0]};
    if (k > 1 && !(s.at > s.low && s.at < s.high)) s.at = halved(s.low, s.high);
    for (int step = 0; step < STEPS_MOST && k > 1; step++) {
        Value y = value_at(r, s.split, s.from, s.at);
        if (fabs(y.f) <= 4 * DBL_EPSILON * y.size) break;
        if (y.f < 0) s.low = s.at;
        else s.high = s.at;
        double next = s.at + step_of(y, (v->pole[s.split - 1] - s.from) - s.at, (v->pole[s.split] - s.from) - s.at);
        // a step that leaves the bracket, or after one that gained little, halves it
        if (!(next > s.low && next < s.high) || fabs(y.f) > 0.5 * before) next = halved(s.low, s.high);
        before = fabs(y.f);
        if (next == s.at || next == s.low || next == s.high) break;
        s.at = next;
    }
    v->value[i] = s.from + s.at;
    for (int j = 0; j < k; j++) u[j] = (v->pole[j] - s.from) - s.at;
}

static void roots_range(void *arg, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) find_root(arg, (int)i);
}

// The joining vector whose exact roots are those that were found.
static void joint_from_roots(const Roots *r) {
    Divide *v = r->v;
    int k = r->k;
    double *w = v->weight;
    for (int j = 0; j < k; j++) w[j] = v->u[(size_t)j * k + j];
    for (int i = 0; i < k; i++) {
        const double *u = v->u + (size_t)i * k, p = v->pole[i];
        for (int j = 0; j < i; j++) w[j] *= u[j] / (v->pole[j] - p);
        for (int j = i + 1; j < k; j++) w[j] *= u[j] / (v->pole[j] - p);
    }
    for (int j = 0; j < k; j++) v->joint[j] = copysign(sqrt(fabs(w[j])), v->joint[j]);
}

// Row i of u becomes root i's vector in the old basis, in the order of `place`.
static void vectors_range(void *arg, size_t begin, size_t end) {
    const Roots *r = arg;
    const Divide *v = r->v;
    int k = r->k;
    for (size_t i = begin; i < end; i++) {
        double *u = v->u + i * (size_t)k, *x = v->old + i * (size_t)k; // the old vectors are fetched later
        for (int j = 0; j < k; j++) x[j] = v->joint[j] / u[j];
        double scale = 1 / sqrt(dense_dot(x, x, (size_t)k));
        for (int j = 0; j < k; j++) u[v->place[j]] = x[j] * scale;
    }
}

// ---- which rows take part

static void merge_orders(int *out, const int *a, int na, const int *b, int nb, const double *d) {
    for (int i = 0, j = 0; i + j < na + nb;) {
        bool first = i < na && (j == nb || d[a[i]] <= d[b[j]]);
        *out++ = first ? a[i++] : b[j++];
    }
}

static void sort_order(int *order, int n, const double *d) { // insertion: few, or nearly sorted
    for (int i = 1; i < n; i++) {
        int x = order[i], j = i;
        for (; j > 0 && d[order[j - 1]] > d[x]; j--) order[j] = order[j - 1];
        order[j] = x;
    }
}

// Rows x and y of nearly equal values are turned until only y takes part in the joining.
static void turn(Divide *v, int lo, int hi, int x, int y, double c, double s) {
    double *a = v->z + (size_t)x * v->n, *b = v->z + (size_t)y * v->n, *d = v->d, low = d[x] * c * c + d[y] * s * s;
    for (int q = lo; q < hi; q++) {
        double p = a[q];
        a[q] = c * p - s * b[q];
        b[q] = s * p + c * b[q];
    }
    d[y] = d[x] * s * s + d[y] * c * c, d[x] = low;
    if (v->half[x] != v->half[y]) v->half[y] = MIXED;
    v->half[x] = DONE;
}

// Fills v->row with the rows that take part, by ascending value; returns their number.
static int deflate(Divide *v, int lo, int hi, double rho) {
    double most = rho, *w = v->w;
    for (int i = lo; i < hi; i++) most = fmax(most, fabs(v->d[i]));
    double nothing = 4 * DBL_EPSILON * most;
    int k = 0;
    for (int t = lo; t < hi; t++) {
        int j = v->order[t];
        if (rho * fabs(w[j]) <= nothing) {
            v->half[j] = DONE;
            continue;
        }
        if (k > 0) {
            int last = v->row[k - 1];
            double length = sqrt(w[j] * w[j] + w[last] * w[last]), c = w[j] / length, s = w[last] / length;
            if (fabs((v->d[j] - v->d[last]) * c * s) <= nothing) {
                turn(v, lo, hi, last, j, c, s);
                w[j] = length;
                k--;
            }
        }
        v->row[k++] = j;
    }
    return k;
}

// Where root j's old vector goes among those that take part: half by half.
static void places(Divide *v, int k, int count[3]) {
    int at = 0;
    for (Half h = FIRST; h <= SECOND; h++) {
        int begin = at;
        for (int j = 0; j < k; j++)
            if (v->half[v->row[j]] == h) v->place[j] = at++;
        count[h] = at - begin;
    }
}

// Old vectors that take part go to v->old; the others stay in z, behind room for the new ones, named by v->other in
// ascending order of their values.
static void rearrange(Divide *v, int lo, int hi, int k) {
    int n = hi - lo, rest = 0;
    size_t bytes = sizeof(double) * (size_t)n;
    for (int j = 0; j < k; j++) memcpy(v->old + (size_t)v->place[j] * n, v->z + (size_t)v->row[j] * v->n + lo, bytes);
    for (int t = lo; t < hi; t++)
        if (v->half[v->order[t]] == DONE) v->other[rest++] = v->order[t];
    sort_order(v->other, rest, v->d);
    for (int t = 0; t < rest; t++) {
        memcpy(v->old + (size_t)(k + t) * n, v->z + (size_t)v->other[t] * v->n + lo, bytes);
        v->w[t] = v->d[v->other[t]];
    }
    for (int t = 0; t < rest; t++) {
        int row = lo + k + t;
        memcpy(v->z + (size_t)row * v->n + lo, v->old + (size_t)(k + t) * n, bytes);
        v->d[row] = v->w[t], v->other[t] = row;
    }
}

// New rows [first, k) = rows of u times the old vectors, column half by column half, because the rest of each is zero.
static void multiply(Divide *v, int lo, int mid, int hi, int k, int first, const int count[3]) {
    int n = hi - lo;
    double *out = v->z + (size_t)(lo + first) * v->n;
    for (int side = 0; side < 2; side++) {
        int begin = side ? mid : lo, width = side ? hi - mid : mid - lo, from = side ? count[FIRST] : 0;
        Dense u = {.d = v->u + (size_t)first * k + from, .row = k, .col = 1};
        Dense old = {.d = v->old + (size_t)from * n + (begin - lo), .row = 1, .col = n};
        dense_product(out + begin, v->n, DENSE_SET, u, old, k - first, width, count[MIXED] + count[side ? SECOND : FIRST], false);
    }
}

// The solved parts [lo, mid) and [mid, hi), joined by `rho`, become one.
static void join(Divide *v, int lo, int mid, int hi, double rho, int wanted) {
    int n = hi - lo, count[3];
    for (int i = lo; i < hi; i++) {
        v->w[i] = i < mid ? v->z[(size_t)i * v->n + mid - 1] : copysign(1, rho) * v->z[(size_t)i * v->n + mid];
        v->half[i] = i < mid ? FIRST : SECOND;
    }
    merge_orders(v->other, v->order + lo, mid - lo, v->order + mid, hi - mid, v->d);
    memcpy(v->order + lo, v->other, sizeof(int) * (size_t)n);
    Roots r = {.v = v, .rho = fabs(rho), .k = deflate(v, lo, hi, fabs(rho))};
    int k = r.k;
    for (int j = 0; j < k; j++) {
        v->pole[j] = v->d[v->row[j]];
        v->joint[j] = v->w[v->row[j]];
        v->weight[j] = v->joint[j] * v->joint[j];
    }
    places(v, k, count);
    size_t grain = k < 200 ? 200 : 16; // below, it is not worth waking a thread
    parallel_for((size_t)k, grain, roots_range, &r);
    joint_from_roots(&r);
    parallel_for((size_t)k, grain, vectors_range, &r);
    rearrange(v, lo, hi, k);
    for (int j = 0; j < k; j++) v->d[lo + j] = v->value[j], v->row[j] = lo + j;
    merge_orders(v->order + lo, v->row, k, v->other, n - k, v->d);
    int first = k;
    for (int t = hi - wanted; t < hi; t++) first -= v->order[t] < lo + k;
    multiply(v, lo, mid, hi, k, first, count);
}

static void solve(Divide *v, int lo, int hi, int wanted) {
    if (hi - lo <= LEAF) {
        for (int i = lo; i < hi; i++) v->z[(size_t)i * v->n + i] = 1, v->order[i] = i;
        divide_ql(v->d + lo, v->e + lo, hi - lo, v->z + (size_t)lo * v->n + lo, v->n);
        sort_order(v->order + lo, hi - lo, v->d);
        return;
    }
    int mid = lo + (hi - lo) / 2;
    double rho = v->e[mid - 1];
    v->d[mid - 1] -= fabs(rho), v->d[mid] -= fabs(rho);
    solve(v, lo, mid, mid - lo);
    solve(v, mid, hi, hi - mid);
    join(v, lo, mid, hi, rho, wanted);
}

void divide_tridiagonal(double *d, double *e, int n, double *z, int *order, int wanted, Arena *scratch) {
    Mark mark = arena_mark(scratch);
    size_t N = (size_t)n;
    Divide v = {.n = n, .d = d, .e = e, .z = z, .order = order, .old = take(scratch, double, N * N), .u = take(scratch, double, N * N)};
    double *numbers = take(scratch, double, 5 * N);
    int *places_of = take(scratch, int, 3 * N);
    v.w = numbers, v.pole = numbers + N, v.weight = numbers + 2 * N, v.joint = numbers + 3 * N, v.value = numbers + 4 * N;
    v.row = places_of, v.place = places_of + N, v.other = places_of + 2 * N;
    v.half = take(scratch, Half, N);
    solve(&v, 0, n, wanted);
    arena_release(scratch, mark);
}
