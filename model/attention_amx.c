// attention_amx.c: what attention of bf16 does otherwise than that of f32 (attention.c), in AMX tiles.
//
// The same sums over the same rounded numbers as by AVX512_BF16 (attention_avx512bf16.c): queries, keys, values and the softmax's
// weights are bf16, scores, softmax and outputs f32. Other is their order: a tile product adds up 32 values in an order of its
// own. So sums run over steps of 32, of d from 0 on, of keys from a multiple of 32 on, filled up with zeros. Few queries take the
// same steps by the same instruction (dot products of pairs would give other bits): a query's result does not depend on its
// block, on how many there are, or on its batch. It holds for any order that the instruction may have.
//   blocks       scores (keys, queries) = K (keys, words of d) · Q (words, queries): keys are rows of tiles as they lie.
//                outputs (d, queries) = Vᵀ (d, words of keys) · P (words, queries): the softmax writes P as tiles want it. Two
//                tiles by two meet at a time: four loads for four products, the packed side as a stream, as it is in L2
//   few queries  scores (keys, queries): tiles of keys kept in bf16 are loaded as they lie; outputs (queries, d) = P (queries,
//                words of keys) · V: two rows of values become words, and are not turned
//
// Every machine with AVX-512 checks it over a program for the instructions (test/amx_model.h). RETINA_ISA=avx512_bf16 runs without it.
//   version, two threads on hardware                            577 tokens, 16 heads of 64   600, 8 of 128, causal (test/bench/NOTES.md)
//   1  the exponential of f32, scores scaled, outputs divided   3.67 ms                      1.90 ms
//   2  all three as attention_words.h does them                 2.26                         1.16, in use
// Both by two hyperthreads of one core; on two cores version 1 took 4.2 ms of the first, f32 8.0 (test/bench/avx512-amx.md). What it should take:
//   a head, counted     5700 products of tiles: scores 19 · (18 · 8 + 4), outputs 19 · 2 · 19 · 4; 5738 loads; 1558 stores
//   of tiles            16 cycles a product, 8 a load, behind the products, 16 a store: 116 thousand, 0.3 ms on two threads of 3 GHz
//   of all else         2.2 ms on one thread of an Intel server, measured with empty instructions: softmax, masks, packing
//   together            1.4 ms on two cores; hyperthreads of one share its tiles, 0.6 ms, and its vector units
// One query of 600 keys of 128: 304 products, 418 loads and 46 stores a head, five thousand cycles, under the 307 KB that it reads.
#if defined(__x86_64__)
#include "attention_words.h"

#include "kernels_amx.h"

static size_t value_bytes(Dtype type) { return type == DTYPE_BF16 ? 2 : 4; }

// ---- blocks: A is packed by rows of tiles, 32 or, where no more than 16 are left, 16 of them, step after step; B as (words, 32)

static void pack_a(float *out, const Gemm *g, long m0, int mr, long k0, long kn) {
    int filled = mr <= 16 ? 16 : SIDE;
    for (long k = 0; k < kn; k += STEP)
        for (int r = 0; r < filled; r++, out += LANES) store(out, r < mr ? words_of(g->A + (m0 + r) * g->lda, DTYPE_F32, k0 + k, kn - k) : all(0));
}

// x (rows, D), 16 rows at most, as words: out[word * across + row], zeros beyond both.
static void pack_columns(float *out, long across, const float *x, long ld, long rows, long D) {
    for (long d = 0; d < D; d += STEP) {
        V t[LANES];
        for (long r = 0; r < LANES; r++) t[r] = r < rows ? words_of(x + r * ld, DTYPE_F32, d, D - d) : all(0);
        turn(t);
        for (long w = 0; w < LANES; w++, out += across) store(out, t[w]);
    }
}

static void pack_b(float *out, const Gemm *g, long k0, long kn, long n0) { // of f32
    for (long n = 0; n < COLUMNS; n += LANES) pack_columns(out + n, COLUMNS, (const float *)g->B + (n0 + n) * g->ldb + k0, g->ldb, g->N - n0 - n, kn);
}

// x (keys, D), the values of up to 32 neighbouring keys, a step: rows of tiles are channels. See attention.c for where they go.
static void pack_values(float *out, const float *x, long keys, long D, long first, long pairs, int tile) {
    for (long d = 0; d < D; d += LANES) {
        long panel = d / tile * tile, filled = D - panel <= 16 ? 16 : SIDE, n = D - d < LANES ? D - d : LANES;
        V t[LANES];
        for (long w = 0; w < LANES; w++) {
            V low = 2 * w < keys ? load_part(x + 2 * w * D + d, n, 0) : all(0), high = 2 * w + 1 < keys ? load_part(x + (2 * w + 1) * D + d, n, 0) : all(0);
            t[w] = words_between(low, high);
        }
        turn(t);
        float *o = out + panel * pairs + first * filled + (d - panel) * LANES;
        for (int r = 0; r < LANES; r++) store(o + r * LANES, t[r]);
    }
}

// Tiles 0 and 1 are rows of A, 2 and 3 columns of B, 4 to 7 their sums in C: at `ldc` numbers from row to row.
static void sixteen_rows(long words, const float *A, const float *B, float *C, long ldc, bool from_c) {
    const size_t row = (size_t)ldc * sizeof(float);
    if (from_c) {
        tile_load(4, C, row);
        tile_load(5, C + LANES, row);
    } else {
        tile_zero(4);
        tile_zero(5);
    }
    for (long w = 0; w < words; w += LANES, A += TILE, B += LANES * COLUMNS) {
        tile_load(2, B, COLUMNS * sizeof(float));
        tile_load(3, B + LANES, COLUMNS * sizeof(float));
        tile_stream(0, A, 64);
        tile_dot(4, 0, 2);
        tile_dot(5, 0, 3);
    }
    tile_store(4, C, row);
    tile_store(5, C + LANES, row);
}

static void all_rows(long words, const float *A, const float *B, float *C, long ldc, bool from_c) {
    const size_t row = (size_t)ldc * sizeof(float);
    float *below = C + 16 * ldc;
    if (from_c) {
        tile_load(4, C, row);
        tile_load(5, C + LANES, row);
        tile_load(6, below, row);
        tile_load(7, below + LANES, row);
    } else {
        sums_zero();
    }
    for (long w = 0; w < words; w += LANES, A += 2 * TILE, B += LANES * COLUMNS) {
        tile_load(2, B, COLUMNS * sizeof(float));
        tile_load(3, B + LANES, COLUMNS * sizeof(float));
        tile_stream(0, A, 64);
        tile_stream(1, A + TILE, 64);
        sums_add(true);
    }
    tile_store(4, C, row);
    tile_store(5, C + LANES, row);
    tile_store(6, below, row);
    tile_store(7, below + LANES, row);
}

static void copy_rows(float *out, long ldo, const float *x, long ld, int rows) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) store(out + r * ldo + v * LANES, load(x + r * ld + v * LANES));
}

static void tile(int mr, long words, const float *A, long ka, const float *B, long kb, float *C, long ldc, bool from_c) {
    void (*product)(long, const float *, const float *, float *, long, bool) = mr <= 16 ? sixteen_rows : all_rows;
    if (mr % 16 == 0) {
        product(words, A, B, C, ldc, from_c);
        return;
    }
    _Alignas(64) float whole[SIDE * COLUMNS] = {0}; // rows of C that nobody asked for stay as they are
    if (from_c) copy_rows(whole, COLUMNS, C, ldc, mr);
    product(words, A, B, whole, COLUMNS, from_c);
    copy_rows(C, ldc, whole, COLUMNS, mr);
}

// Weights of keys that are not there make the last step whole.
static void soften_steps(float *S, long rows, const float *top, float factor, float *over) {
    soften(S, rows, top, factor, over);
    for (long w = (rows + 1) / 2; w % LANES; w++)
        for (int v = 0; v < VECTORS; v++) store(S + w * COLUMNS + v * LANES, all(0));
}

// ---- few queries: M of them, M <= THIN_ROWS

static void pack_queries(float *out, const float *x, long M, long D) { pack_columns(out, LANES, x, D, M, D); }

typedef struct { // a step of 32 keys
    const char *at;
    size_t row; // bytes
} Keys;

// Keys from `base` on, `keys` of which exist: as they lie, or copied where they are of f32 or not whole.
INLINE Keys keys_at(float *room, const char *base, Dtype type, size_t row, long keys, long d, long D) {
    for (long r = 0; r < SIDE; r++) __builtin_prefetch(base + (size_t)(SIDE + r) * row + (size_t)d * value_bytes(type)); // rows are far apart
    if (type == DTYPE_BF16 && keys >= SIDE && d + STEP <= D) return (Keys){base + 2 * d, row};
    for (long r = 0; r < SIDE; r++) store(room + r * LANES, r < keys ? words_of(base + (size_t)r * row, type, d, D - d) : all(0));
    return (Keys){(const char *)room, 64};
}

static void few_scores(int M, float *S, long lds, const float *X, const void *K, Dtype type, long ld, long keys, long D) {
    static const int32_t key[LANES] = {0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240}; // of a row in a tile
    const size_t row = (size_t)ld * value_bytes(type);
    for (long n = 0; n < keys; n += SIDE) {
        _Alignas(64) float room[2 * TILE], sums[2 * TILE]; // (keys, queries)
        tile_zero(4);
        tile_zero(5);
        for (long d = 0; d < D; d += STEP) {
            Keys k = keys_at(room, (const char *)K + (size_t)n * row, type, row, keys - n, d, D);
            tile_load(2, X + d / 2 * LANES, 64);
            tile_stream(0, k.at, k.row);
            tile_stream(1, k.at + 16 * k.row, k.row);
            tile_dot(4, 0, 2);
            tile_dot(5, 1, 2);
        }
        tile_store(4, sums, 64);
        tile_store(5, sums + TILE, 64);
        for (long h = 0; h < 2 && n + h * LANES < keys; h++) {
            long there = keys - n - h * LANES;
            __mmask16 some = (__mmask16)(there < LANES ? (1u << there) - 1 : 0xffff);
            for (int m = 0; m < M; m++) _mm512_mask_storeu_ps(S + m * lds + n + h * LANES, some, _mm512_i32gather_ps(_mm512_loadu_si512(key), sums + h * TILE + m, 4));
        }
    }
}

#define CHANNELS 64 // of the outputs that are in tiles at a time

// words (16 pairs, CHANNELS): values of keys [j, j + 32) as words, d from d0 to `end`; zeros where there are no keys.
INLINE void words_of_values(float *words, const char *x, Dtype type, size_t row, long j, long keys, long d0, long end, long D) {
    for (long w = 0; w < PAIRS; w++, words += CHANNELS)
        for (long d = d0; d < end; d += STEP) {
            long low = j + 2 * w;
            if (low < keys) pair_words(words + d - d0, x, type, (size_t)low * row, (size_t)(low + 1) * row, d, D, low + 1 < keys);
            else store(words + d - d0, all(0)), store(words + d - d0 + LANES, all(0));
        }
}

// out (M, ldo) = the weights P (M, pairs of keys) times x (keys, D), times over (M); ldo: D filled up to 32.
static void few_mix(int M, float *out, long ldo, const float *P, long ldp, const float *over, const void *x, Dtype type, long ld, long keys, long D) {
    const size_t row = (size_t)ld * value_bytes(type), line = CHANNELS * sizeof(float);
    _Alignas(64) float words[PAIRS * CHANNELS], p[TILE] = {0}, sums[16 * CHANNELS]; // p: rows beyond M stay zero
    for (long d0 = 0; d0 < ldo; d0 += CHANNELS) {
        long end = ldo - d0 < CHANNELS ? ldo : d0 + CHANNELS;
        sums_zero();
        for (long j = 0; j < keys; j += STEP) {
            if (type == DTYPE_BF16) words_of_values(words, x, DTYPE_BF16, row, j, keys, d0, end, D);
            else words_of_values(words, x, DTYPE_F32, row, j, keys, d0, end, D);
            for (int m = 0; m < M; m++) store(p + m * LANES, load(P + m * ldp + j / 2));
            tile_load(0, p, 64);
            tile_load(1, words, line);
            tile_load(2, words + LANES, line);
            tile_dot(4, 0, 1);
            tile_dot(5, 0, 2);
            if (end - d0 <= STEP) continue;
            tile_load(1, words + 2 * LANES, line);
            tile_load(2, words + 3 * LANES, line);
            tile_dot(6, 0, 1);
            tile_dot(7, 0, 2);
        }
        tile_store(4, sums, line);
        tile_store(5, sums + LANES, line);
        tile_store(6, sums + 2 * LANES, line);
        tile_store(7, sums + 3 * LANES, line);
        for (int m = 0; m < M; m++)
            for (long d = d0; d < end; d += LANES) store(out + m * ldo + d, load(sums + m * CHANNELS + d - d0) * all(over[m]));
    }
}

static const TileKernel tiles = {.MR = SIDE, .NR = COLUMNS, .in_word = 2, .k_step = STEP, .begin = tiles_begin, .end = tiles_end, .pack_a = pack_a, .pack_b = pack_b, .tile = tile};
const AttentionDots attention_amx = {.tiles = &tiles, .step = STEP, .rows = 16, .pack_values = pack_values, .top = top_of, .soften = soften_steps, .multiply = multiply, .pack_queries = pack_queries,
                                     .few_scores = few_scores, .few_soften = few_soften, .few_mix = few_mix};
#else
typedef int not_this_processor;
#endif
