// kernels_rows.h: sums, norms and softmax of rows. Element i goes to running sum i mod 16; the sixteen are folded
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
#pragma GCC unroll 4
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

// For sixteen elements at a time of each of `rows` rows, one after the other in memory: `expression` of row r, of v, the
// vector of part p.
#define ROWS(x, C, fill, expression)                                                               \
    do {                                                                                           \
        long at = 0;                                                                               \
        for (; at + SUMS <= (C); at += SUMS)                                                       \
            for (int r = 0; r < rows; r++)                                                         \
                for (int p = 0; p < PARTS; p++) {                                                  \
                    V v = load((x) + r * (C) + at + p * LANES);                                    \
                    expression;                                                                    \
                }                                                                                  \
        for (int r = 0; at < (C) && r < rows; r++)                                                 \
            for (int p = 0; p < PARTS; p++) {                                                      \
                V v = last_part((x) + r * (C) + at, (C) - at, p, fill);                            \
                expression;                                                                        \
            }                                                                                      \
    } while (0)

static float sum_table(const float *x, long C) {
    enum { rows = 1 };
    Sums s = sums_zero();
    ROWS(x, C, 0, s.part[p] += v);
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

// ---- norms of several rows at a time, whose sums do not wait for one another: as many as there are registers

#define NORM_ROWS (PARTS == 1 ? 4 : PARTS == 2 ? 2 : 1)

// past: whole vectors of out go past the caches. Only where each has a place of its own there.
INLINE bool may_go_past(const float *out, long C) { return (size_t)out % sizeof(V) == 0 && C % LANES == 0; }

// The rows that come next, while these are summed, or, where memory is waited for anyway, written.
INLINE void ask_ahead(const float *x) { __builtin_prefetch(x, 0, 2); }

// y * w[i] + b[i]; the weight and the bias may be missing.
#define SCALED(w_, b_)                                                                             \
    for (; i + LANES <= C; i += LANES)                                                             \
        for (int r = 0; r < rows; r++) {                                                           \
            put(out + r * C + i, (load(x + r * C + i) - m[r]) * s[r] w_ b_, past);            \
            if (past) ask_ahead(x + (rows + r) * C + i);                                           \
        }

// Two passes: E[x²] - E[x]² cancels for the outlier channels of deep transformers.
INLINE void layernorm_some(int rows, float *out, const float *x, const float *w, const float *b, long C, float eps, bool past) {
    Sums sums[NORM_ROWS];
    float mean[NORM_ROWS], root[NORM_ROWS];
    V m[NORM_ROWS], s[NORM_ROWS];
    for (int r = 0; r < rows; r++) sums[r] = sums_zero();
    ROWS(x, C, 0, sums[r].part[p] += v);
    for (int r = 0; r < rows; r++) m[r] = all(mean[r] = sums_fold(&sums[r]) / (float)C), sums[r] = sums_zero();
    ROWS(x, C, mean[r], sums[r].part[p] = fused(v - m[r], v - m[r], sums[r].part[p]); if (!past) ask_ahead(x + (rows + r) * C + at + p * LANES));
    for (int r = 0; r < rows; r++) s[r] = all(root[r] = 1 / sqrtf(sums_fold(&sums[r]) / (float)C + eps));
    long i = 0;
    if (w && b) SCALED(*load(w + i), +load(b + i))
    else if (w) SCALED(*load(w + i), )
    else if (!b) SCALED(, )
    for (int r = 0; r < rows; r++)
        for (long c = i; c < C; c++) {
            float y = (x[r * C + c] - mean[r]) * root[r];
            if (w) y *= w[c];
            if (b) y += b[c];
            out[r * C + c] = y;
        }
}

static void layernorm_table(float *out, const float *x, const float *w, const float *b, long R, long C, float eps, bool past) {
    if (past && may_go_past(out, C))
        for (; R >= NORM_ROWS; R -= NORM_ROWS, out += NORM_ROWS * C, x += NORM_ROWS * C) layernorm_some(NORM_ROWS, out, x, w, b, C, eps, true);
    for (; R >= NORM_ROWS; R -= NORM_ROWS, out += NORM_ROWS * C, x += NORM_ROWS * C) layernorm_some(NORM_ROWS, out, x, w, b, C, eps, false);
    for (; R > 0; R--, out += C, x += C) layernorm_some(1, out, x, w, b, C, eps, false);
    if (past) past_done();
}

INLINE void rmsnorm_some(int rows, float *out, const float *x, const float *w, long C, float eps, bool plus_one, bool past) {
    Sums sums[NORM_ROWS];
    float root[NORM_ROWS];
    V s[NORM_ROWS], one = all(1);
    for (int r = 0; r < rows; r++) sums[r] = sums_zero();
    ROWS(x, C, 0, sums[r].part[p] = fused(v, v, sums[r].part[p]));
    for (int r = 0; r < rows; r++) s[r] = all(root[r] = 1 / sqrtf(sums_fold(&sums[r]) / (float)C + eps));
    long i = 0;
    for (; i + LANES <= C; i += LANES) {
        V scale = load(w + i);
        if (plus_one) scale = one + scale;
        for (int r = 0; r < rows; r++) {
            put(out + r * C + i, load(x + r * C + i) * s[r] * scale, past);
            ask_ahead(x + (rows + r) * C + i);
        }
    }
    for (int r = 0; r < rows; r++)
        for (long c = i; c < C; c++) out[r * C + c] = x[r * C + c] * root[r] * (plus_one ? 1 + w[c] : w[c]);
}

static void rmsnorm_table(float *out, const float *x, const float *w, long R, long C, float eps, bool plus_one, bool past) {
    if (past && may_go_past(out, C))
        for (; R >= NORM_ROWS; R -= NORM_ROWS, out += NORM_ROWS * C, x += NORM_ROWS * C) rmsnorm_some(NORM_ROWS, out, x, w, C, eps, plus_one, true);
    for (; R >= NORM_ROWS; R -= NORM_ROWS, out += NORM_ROWS * C, x += NORM_ROWS * C) rmsnorm_some(NORM_ROWS, out, x, w, C, eps, plus_one, false);
    for (; R > 0; R--, out += C, x += C) rmsnorm_some(1, out, x, w, C, eps, plus_one, false);
    if (past) past_done();
}

static IN_TURNS void divide(float *out, const float *in, long n, float by) { RANGE(out, in, n, false, x / all(by)); }

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
    enum { rows = 1 };
    V m = all(-INFINITY);
    ROWS(x, C, -INFINITY, m = larger(v, m));
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
            V e = vexp_falling(load(x + i + p * LANES) - t);
            store(out + i + p * LANES, e);
            s.part[p] += e;
        }
    if (i < C)
        for (int p = 0; p < PARTS; p++) {
            V e = vexp_falling(last_part(x + i, C - i, p, -INFINITY) - t);
            long n = C - i - p * LANES;
            if (n > 0) store_part(out + i + p * LANES, e, n < LANES ? n : LANES);
            s.part[p] += e;
        }
    divide(out, out, C, sums_fold(&s));
}
