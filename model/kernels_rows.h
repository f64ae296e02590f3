// kernels_rows.h: sums, norms and softmax of one row. Element i goes to running sum i mod 16; the sixteen are folded
// in halves.

typedef struct {
    V part[PARTS];
} Sums;

INLINE Sums sums_zero(void) {
    Sums s;
    for (int p = 0; p < PARTS; p++) s.part[p] = all(0);
    return s;
}

INLINE float sums_fold(const Sums *s) { // 8, 4, 2, 1
    float t[SUMS];
    for (int p = 0; p < PARTS; p++) store(t + p * LANES, s->part[p]);
    for (int half = SUMS / 2; half; half /= 2)
        for (int i = 0; i < half; i++) t[i] += t[i + half];
    return t[0];
}

// The lanes of part p among the last C - i < 16 elements of a row; the others are `fill`.
INLINE V last_part(const float *x, long left, int p, float fill) {
    long n = left - p * LANES;
    if (n >= LANES) return load(x + p * LANES);
    return n > 0 ? load_part(x + p * LANES, n, fill) : all(fill);
}

// For sixteen elements at a time: `expression` of v, the vector of part p, at element i + p * LANES.
#define ROW(x, C, fill, expression)                                                                \
    do {                                                                                           \
        long i = 0;                                                                                \
        for (; i + SUMS <= (C); i += SUMS)                                                         \
            for (int p = 0; p < PARTS; p++) {                                                      \
                V v = load((x) + i + p * LANES);                                                   \
                expression;                                                                        \
            }                                                                                      \
        if (i < (C))                                                                               \
            for (int p = 0; p < PARTS; p++) {                                                      \
                V v = last_part((x) + i, (C) - i, p, fill);                                        \
                expression;                                                                        \
            }                                                                                      \
    } while (0)

static float sum_table(const float *x, long C) {
    Sums s = sums_zero();
    ROW(x, C, 0, s.part[p] += v);
    return sums_fold(&s);
}

static float dot_table(const float *a, const float *b, long C) {
    Sums s = sums_zero();
    long i = 0;
    for (; i + SUMS <= C; i += SUMS)
        for (int p = 0; p < PARTS; p++) s.part[p] = fused(load(a + i + p * LANES), load(b + i + p * LANES), s.part[p]);
    if (i < C)
        for (int p = 0; p < PARTS; p++) s.part[p] = fused(last_part(a + i, C - i, p, 0), last_part(b + i, C - i, p, 0), s.part[p]);
    return sums_fold(&s);
}

// y * w[i] + b[i]; the weight and the bias may be missing.
#define SCALED(w_, b_)                                                                             \
    for (; i + LANES <= C; i += LANES) store(out + i, (load(x + i) - m) * s w_ b_)

// Two passes: E[x²] - E[x]² cancels for the outlier channels of deep transformers.
static void layernorm_table(float *out, const float *x, const float *w, const float *b, long C, float eps) {
    float mean = sum_table(x, C) / (float)C;
    Sums squares = sums_zero();
    V m = all(mean);
    ROW(x, C, mean, squares.part[p] = fused(v - m, v - m, squares.part[p]));
    float r = 1 / sqrtf(sums_fold(&squares) / (float)C + eps);
    V s = all(r);
    long i = 0;
    if (w && b) SCALED(*load(w + i), +load(b + i));
    else if (w) SCALED(*load(w + i), );
    else if (!b) SCALED(, );
    for (; i < C; i++) {
        float y = (x[i] - mean) * r;
        if (w) y *= w[i];
        if (b) y += b[i];
        out[i] = y;
    }
}

static void rmsnorm_table(float *out, const float *x, const float *w, long C, float eps, bool plus_one) {
    float r = 1 / sqrtf(dot_table(x, x, C) / (float)C + eps);
    V s = all(r), one = all(1);
    long i = 0;
    if (plus_one)
        for (; i + LANES <= C; i += LANES) store(out + i, load(x + i) * s * (one + load(w + i)));
    else
        for (; i + LANES <= C; i += LANES) store(out + i, load(x + i) * s * load(w + i));
    for (; i < C; i++) out[i] = x[i] * r * (plus_one ? 1 + w[i] : w[i]);
}

static void divide(float *out, const float *in, long n, float by) { RANGE(out, in, n, x / all(by)); }

static void l2norm_table(float *out, const float *x, long C, float floor) {
    float n = sqrtf(dot_table(x, x, C));
    if (n < floor) n = floor;
    divide(out, x, C, n);
}

static bool hidden_row(const float *x, long C) {
    for (long i = 0; i < C; i++)
        if (x[i] != -INFINITY) return false; // a NaN, which no comparison finds: it must not become a zero
    return true;
}

// -inf marks what is hidden; a row with nothing visible becomes zeros.
static void softmax_table(float *out, const float *x, long C) {
    V m = all(-INFINITY);
    ROW(x, C, -INFINITY, m = larger(v, m));
    float top = -INFINITY;
    for (int j = 0; j < LANES; j++) top = m[j] > top ? m[j] : top;
    if (top == -INFINITY && hidden_row(x, C)) {
        memset(out, 0, (size_t)C * sizeof *out);
        return;
    }
    Sums s = sums_zero();
    V t = all(top);
    long i = 0;
    for (; i + SUMS <= C; i += SUMS)
        for (int p = 0; p < PARTS; p++) {
            V e = vexp(load(x + i + p * LANES) - t);
            store(out + i + p * LANES, e);
            s.part[p] += e;
        }
    if (i < C)
        for (int p = 0; p < PARTS; p++) {
            V e = vexp(last_part(x + i, C - i, p, -INFINITY) - t);
            long n = C - i - p * LANES;
            if (n > 0) store_part(out + i + p * LANES, e, n < LANES ? n : LANES);
            s.part[p] += e;
        }
    divide(out, out, C, sums_fold(&s));
}
