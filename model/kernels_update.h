// kernels_update.h: what an optimiser does to every number. No fused multiply-adds: the GPU and every level round alike.

static void adam_table(const AdamStep *a, size_t begin, size_t end) {
    V shrink = all(a->shrink), up = all(1 - a->beta1), beta2 = all(a->beta2), up2 = all(1 - a->beta2), keep = all(a->keep), rate = all(a->rate), root2 = all(a->root2), eps = all(a->eps);
    for (size_t i = begin; i < end; i += LANES) {
        long n = (long)(end - i);
        bool whole = n >= LANES;
        V g = (whole ? load(a->g + i) : load_part(a->g + i, n, 0)) * shrink;
        V m = whole ? load(a->m + i) : load_part(a->m + i, n, 0), v = whole ? load(a->v + i) : load_part(a->v + i, n, 0);
        V w = whole ? load(a->w + i) : load_part(a->w + i, n, 0);
        m = m + (g - m) * up;
        v = v * beta2 + g * g * up2;
        w = w * keep - rate * (m / (root(v) / root2 + eps));
        if (whole) {
            store(a->m + i, m), store(a->v + i, v), store(a->w + i, w);
        } else {
            store_part(a->m + i, m, n), store_part(a->v + i, v, n), store_part(a->w + i, w, n);
        }
    }
}
