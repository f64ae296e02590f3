// kernels_types.h: halves and bf16 to float, one at a time and LANES at a time.

INLINE float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, u;
    if (rest >= 0x7c00) u = sign | 0x7f800000 | (rest & 0x3ff) << 13; // inf, NaN
    else if (rest >= 0x400) u = sign | ((rest << 13) + 0x38000000);
    else { // denormal: rest * 2^-24, exact in float
        float f = (float)rest * 0x1p-24f;
        memcpy(&u, &f, 4);
        u |= sign;
    }
    float f;
    memcpy(&f, &u, 4);
    return f;
}

INLINE V load_bf16(const uint16_t *p) {
    H h = *(const H *)p;
    return (V)(__builtin_convertvector(h, I) << 16);
}

#ifndef LOAD_F16
INLINE V load_f16(const uint16_t *p) {
    V v;
    for (int i = 0; i < LANES; i++) v[i] = half_to_float(p[i]);
    return v;
}
#endif

INLINE float widen_one(const void *in, Dtype type, long i) {
    switch (type) {
    case DTYPE_BF16: {
        uint32_t u = (uint32_t)((const uint16_t *)in)[i] << 16;
        float f;
        memcpy(&f, &u, 4);
        return f;
    }
    case DTYPE_F16: return half_to_float(((const uint16_t *)in)[i]);
    default: return ((const float *)in)[i];
    }
}

INLINE V widen_vector(const void *in, Dtype type, long i) {
    switch (type) {
    case DTYPE_BF16: return load_bf16((const uint16_t *)in + i);
    case DTYPE_F16: return load_f16((const uint16_t *)in + i);
    default: return load((const float *)in + i);
    }
}

static void widen_table(float *out, const void *in, Dtype type, long n) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) store(out + i, widen_vector(in, type, i));
    for (; i < n; i++) out[i] = widen_one(in, type, i);
}

INLINE V rounded(V x) {
    I u = (I)x, even = u + alli(0x7fff) + ((u >> 16) & alli(1));
    return pick(number(x), (V)(even & alli((int32_t)0xffff0000)), (V)((u | alli(0x400000)) & alli((int32_t)0xffff0000)));
}

static void round_table(float *x, long n) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) store(x + i, rounded(load(x + i)));
    if (i < n) store_part(x + i, rounded(load_part(x + i, n - i, 0)), n - i);
}
