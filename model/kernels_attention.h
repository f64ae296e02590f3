// kernels_attention.h: the inner loops of attention. Scores lie as S (keys, NR): a row is a key, a lane is a query, so
// that maximum and sums run down the rows without crossing lanes.

// Row j of S: score * scale, capped, plus bias, hidden where the query does not see that key; keeps the largest. key is
// that of the first row.
static void scores_table(float *S, long rows, long key, const Queries *q, float scale, float cap, const float *bias, const uint8_t *mask,
                         float *top) {
    V most[TILE_VECTORS]; // a largest in memory would wait for the row before
    for (int v = 0; v < TILE_VECTORS; v++) most[v] = load(top + v * LANES);
    for (long j = 0; j < rows; j++)
        for (int v = 0; v < TILE_VECTORS; v++) {
            float *s = S + j * TILE_VECTORS * LANES + v * LANES;
            V x = load(s) * all(scale);
            if (cap > 0) x = all(cap) * vtanh(x / all(cap));
            if (bias) x = x + load(bias + j * TILE_VECTORS * LANES + v * LANES);
            if (key + j < q->all_from || key + j >= q->all_to) {
                I at = alli((int32_t)(key + j)), from = *(const I *)(q->from + v * LANES), to = *(const I *)(q->to + v * LANES);
                I seen = (at >= from) & (at < to);
                x = (V)((seen & (I)x) | (~seen & (I)all(-INFINITY)));
            }
            if (mask && !mask[j]) x = all(-INFINITY);
            store(s, x);
            most[v] = larger(x, most[v]);
        }
    for (int v = 0; v < TILE_VECTORS; v++) store(top + v * LANES, most[v]);
}

// x / by for 0 <= x <= 1 <= by, over = 1 / by: the same bits without a division. Of an approximation within an ulp the rest, which is exact, times
// the nearest number to 1 / by gives the nearest quotient (Markstein 1990); of tiny ones the rest would not be exact.
INLINE V quotient(V x, V by, V over) {
#ifdef QUOTIENT
    if (!any_tiny(x)) {
        V q = x * over;
        for (int i = 0; i < 2; i++) q = fused(fused(-by, q, x), over, q);
        return q;
    }
#endif
    return x / by;
}

// S becomes softmax(S) down the rows. A query that sees nothing gets zeros. Which key the first row is does not matter: sums
// that are shifted along all sixteen fold to the same bits.
static void soften_table(float *S, long rows, float *top) {
    for (int v = 0; v < TILE_VECTORS; v++) {
        V t = load(top + v * LANES), sums[SUMS];
        Mask some = more(t, all(-INFINITY));
        t = pick(some, t, all(0));
        float *s = S + v * LANES;
        for (int i = 0; i < SUMS; i++) sums[i] = all(0);
        for (long j = 0; j < rows; j++) {
            V e = vexp_falling(load(s + j * TILE_VECTORS * LANES) - t);
            store(s + j * TILE_VECTORS * LANES, e);
            sums[j % SUMS] += e;
        }
        for (int half = SUMS / 2; half; half /= 2)
            for (int i = 0; i < half; i++) sums[i] += sums[i + half];
        V sum = pick(more(sums[0], all(0)), sums[0], pick(number(sums[0]), all(1), sums[0]));
        V over = all(1) / sum;
        for (long j = 0; j < rows; j++) store(s + j * TILE_VECTORS * LANES, quotient(load(s + j * TILE_VECTORS * LANES), sum, over));
    }
}

// out[c rows + r] = x[r ld + c] for any number of rows and columns.
#define MIX_VECTORS 8
#define MIX_AHEAD 16 // keys whose values are asked for
#define MIX_KEYS 32 // rows of V that stay in L1 while all queries use them

// out (D) += p (keys) · V (keys, D), on top of the old value; ascending keys.
INLINE void mix_part(float *out, const float *p, const void *x, Dtype type, long at, long ld, long keys, int vectors, bool asks) {
    V acc[MIX_VECTORS];
    for (int v = 0; v < vectors; v++) acc[v] = load(out + v * LANES);
    size_t item = type == DTYPE_F32 ? 4 : 2;
    for (long j = 0; j < keys; j++)
        for (int v = 0; v < vectors; v++) {
            acc[v] = fused(all(p[j]), widen_vector(x, type, at + j * ld + v * LANES), acc[v]);
            if (asks && (type == DTYPE_F32 || v % 2 == 0)) __builtin_prefetch((const char *)x + (size_t)(at + (j + MIX_AHEAD) * ld + v * LANES) * item, 0, 2);
        }
    for (int v = 0; v < vectors; v++) store(out + v * LANES, acc[v]);
}

INLINE void mix_keys(float *out, long ldo, const float *P, long ldp, const void *x, Dtype type, long ld, long M, long keys, long D) {
    for (long m = 0; m < M; m++) memset(out + m * ldo, 0, (size_t)D * sizeof *out);
    for (long j = 0; j < keys; j += MIX_KEYS) {
        long n = keys - j < MIX_KEYS ? keys - j : MIX_KEYS, row = j * ld;
        for (long m = 0; m < M; m++) {
            const float *p = P + m * ldp + j;
            long d = 0;
            for (; d + MIX_VECTORS * LANES <= D; d += MIX_VECTORS * LANES) mix_part(out + m * ldo + d, p, x, type, row + d, ld, n, MIX_VECTORS, LANES == 16 && m == 0);
            for (; d + 2 * LANES <= D; d += 2 * LANES) mix_part(out + m * ldo + d, p, x, type, row + d, ld, n, 2, LANES == 16 && m == 0);
            for (; d + LANES <= D; d += LANES) mix_part(out + m * ldo + d, p, x, type, row + d, ld, n, 1, LANES == 16 && m == 0);
            for (; d < D; d++)
                for (long i = 0; i < n; i++) out[m * ldo + d] = fmaf(p[i], widen_one(x, type, row + i * ld + d), out[m * ldo + d]);
        }
    }
}

// out (M, D) = P (M, keys) · V (keys, D): few rows, V as it lies, of f32 or bf16.
static void mix_table(float *out, long ldo, const float *P, long ldp, const void *x, Dtype type, long ld, long M, long keys, long D) {
    if (type == DTYPE_BF16) mix_keys(out, ldo, P, ldp, x, DTYPE_BF16, ld, M, keys, D);
    else mix_keys(out, ldo, P, ldp, x, DTYPE_F32, ld, M, keys, D);
}
