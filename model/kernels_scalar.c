// kernels_scalar.c: the kernels for any processor: vectors of four, as SSE2 and NEON have them. Without a fused
// multiply-add in the hardware the C library's is called, lane by lane: slow, and the same bits.
#if defined(__aarch64__)
#include <arm_neon.h>
#define TILE_ROWS 8
#define TILE_VECTORS 3
#else
#define TILE_ROWS 4
#define TILE_VECTORS 1
#endif
#define TABLE kernels_scalar
#define LANES 4
#include "kernels_vector.h"

typedef I Mask;
INLINE V fused(V a, V b, V c) {
#if defined(__aarch64__)
    return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    for (int i = 0; i < LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#endif
}
INLINE Mask more(V a, V b) { return a > b; }
INLINE Mask number(V x) { return x == x; }
INLINE V pick(Mask m, V yes, V no) { return (V)((m & (I)yes) | (~m & (I)no)); }
INLINE V larger(V a, V b) { return pick(a > b, a, b); }
INLINE V smaller(V a, V b) { return pick(a < b, a, b); }
INLINE void store_past(float *p, V v) { store(p, v); }
INLINE void past_done(void) {}
INLINE V root(V a) {
    for (int i = 0; i < LANES; i++) a[i] = sqrtf(a[i]);
    return a;
}
INLINE V load_part(const float *p, long n, float fill) {
    V v = all(fill);
    for (long i = 0; i < n; i++) v[i] = p[i];
    return v;
}
#include "kernels_body.h"
