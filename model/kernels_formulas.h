// kernels_formulas.h: the formulas of formulas.h, lane by lane.

#define Num V
#define Whole I
#define FORMULA INLINE
#define FN(name) v##name
#define to_whole(n) __builtin_convertvector(n, I)
#define bits_of(x) ((I)(x))
#define from_bits(k) ((V)(k))
#include "formulas.h"
