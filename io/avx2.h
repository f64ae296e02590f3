// avx2.h: the intrinsics of AVX2, FMA and F16C. gcc's <immintrin.h> also reads those of AVX-512, which a source compiled without them
// never uses: three quarters of its quarter of a second. So its parts are named, as it names them itself.
#ifndef RETINA_IO_AVX2_H
#define RETINA_IO_AVX2_H

#if defined(__GNUC__) && !defined(__clang__)
#define _IMMINTRIN_H_INCLUDED // which the parts ask for
#include <smmintrin.h>

#include <avxintrin.h>

#include <avx2intrin.h>
#include <f16cintrin.h>
#include <fmaintrin.h>
#else
#include <immintrin.h>
#endif

#endif
