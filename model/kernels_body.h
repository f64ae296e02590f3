// kernels_body.h: the kernels of one level. Included by kernels_scalar.c, kernels_avx2.c and kernels_avx512.c, each
// of which defines TABLE (the name of its table), LANES, TILE_ROWS and TILE_VECTORS (the register tile), includes
// kernels_vector.h and then says how its registers do what the vector extensions lack:
//   fused(a, b, c)   a b + c, rounded once
//   Mask, more(a, b), number(x), pick(mask, yes, no)   a > b; not NaN; lane by lane
//   larger(a, b), smaller(a, b)   the first if it is larger (smaller), else the second: a NaN in b stays
//   root(a)                       the square root
//   store_past(p, v), past_done() past the caches, p at a multiple of the vector's size; then, that others see it
//   load_part(p, n, fill)         the first n < LANES floats
//   load_f16(p)                   LANES halves
//   QUOTIENT, any_tiny(x)         where that is fast: whether a lane of x >= 0 is more than 0 and less than 2^-100
//
// The same operations in the same order on all levels, whatever the width, are what makes the bits the same.

#define PARTS (SUMS / LANES)   // vectors that hold them

INLINE void store_part(float *p, V v, long n) {
    for (long i = 0; i < n; i++) p[i] = v[i];
}

#include "kernels_math.h"
#include "kernels_types.h"

#include "kernels_rows.h"
#include "kernels_update.h"
#include "kernels_tile.h"

#define WORD 1
INLINE V lay_vector(const char *row, Dtype type, long k) { return widen_vector(row, type, k); }
INLINE void lay_rest(float *to, const char *row, Dtype type, long n) {
    for (long i = 0; i < n; i++) to[i] = widen_one(row, type, i);
}
#include "kernels_thin.h"
#include "kernels_product.h"
#include "kernels_spread.h"

#include "kernels_attention.h"

const KernelTable TABLE = {.tiles = {.MR = TILE_ROWS, .NR = TILE_VECTORS * LANES, .in_word = WORD, .k_step = 1, .pack_a = pack_a_table, .pack_b = pack_b_table, .product = product_table, .tile = tile_table,
                                     .thin_block = THIN_BLOCK, .thin_most = LANES == 16 ? THIN_ROWS_MOST : THIN_BLOCK, .thin = thin_table, .spread = spread_table, .lay = lay_table, .pack_x = pack_x_table},
                           .lanes = LANES, .round = round_table, .layernorm = layernorm_table, .rmsnorm = rmsnorm_table, .l2norm = l2norm_table,
                           .softmax = softmax_table, .activate = activate_table, .exp = exp_table, .softcap = softcap_table,
                           .sum = sum_table, .dot = dot_table, .widen = widen_table, .scores = scores_table, .soften = soften_table,
                           .turn = turn_table, .mix = mix_table, .adam = adam_table};
