// kernels_vector.h: vectors of LANES floats: what the level files build on. Included once per level, see kernels_body.h.
//
// A vector is one register: 16 floats with AVX-512, 8 with AVX2, 4 anywhere else. Written with the vector extensions
// of gcc and clang: + - * / and comparisons work lane by lane.
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels.h"

// aligned(2): pairs of bf16 are read as floats, and a mapped tensor of bf16 begins at any even byte.
#define VECTOR(type, lanes) __attribute__((vector_size(sizeof(type) * (lanes)), aligned(2), may_alias))
typedef float V VECTOR(float, LANES);
typedef int32_t I VECTOR(int32_t, LANES);
typedef uint16_t H VECTOR(uint16_t, LANES);
#define INLINE static inline __attribute__((always_inline))

INLINE V load(const float *p) { return *(const V *)p; }
INLINE void store(float *p, V v) { *(V *)p = v; }

#if LANES == 16 // rows of a block of few rows: their sums, a column and what is widened of it fit the registers
#define THIN_BLOCK 16
#elif LANES == 8
#define THIN_BLOCK 12
#else
#define THIN_BLOCK 8
#endif

#if LANES == 16
#define REPEAT(x) {x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}
#elif LANES == 8
#define REPEAT(x) {x, x, x, x, x, x, x, x}
#else
#define REPEAT(x) {x, x, x, x}
#endif
INLINE V all(float x) { return (V)REPEAT(x); }
INLINE I alli(int32_t x) { return (I)REPEAT(x); }
// Of pairs of bf16, each in a lane: the first ones, the second ones.
INLINE V pair_first(V pairs) { return (V)((I)pairs << 16); }
INLINE V pair_second(V pairs) { return (V)((I)pairs & alli((int32_t)0xffff0000)); }
INLINE V magnitude(V x) { return (V)((I)x & alli(0x7fffffff)); }
INLINE V with_sign(V x, V sign) { return (V)((I)x | ((I)sign & alli(INT32_MIN))); } // x >= 0

// Two vectors, lanes 0 … 2 LANES - 1, picked from by constant indices.
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (I){__VA_ARGS__})
#endif
