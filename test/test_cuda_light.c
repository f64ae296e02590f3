// test_cuda_light.c: every light kernel over a sweep of shapes on the emulated GPU, through the table of operations: the bits of the CPU.
//
// Bound: none. Shapes: 1, a half-warp and a warp and one beside each, a block and one beside, primes. Inputs are normal numbers with a
// few large ones; the emulator knows that results were written by nobody, and reports every step outside, race and unwritten number.
// Caught when broken on purpose: a fold in another order, a shuffle over 32 lanes, a row behind the last one that is written.
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cuda/backend.h"
#include "cuda/device.h"
#include "cuda_check.h"
#include "io/random.h"
#include "model/device.h"
#include "model/gradients.h"
#include "model/kernels.h"
#include "model/ops.h"

static const Device *gpu;
static Arena *arena;

static Tensor in_type(Tensor x, Dtype type) {
    if (type == DTYPE_F32) return x;
    Tensor narrow = tensor_take(arena, type, x.ndim, x.shape);
    if (type == DTYPE_BF16) convert_f32_bf16(narrow.data, f32(x), tensor_count(x));
    else convert_f32_f16(narrow.data, f32(x), tensor_count(x));
    return narrow;
}

static Tensor numbers(Dtype type, int ndim, const long *shape, uint64_t seed) {
    Tensor x = tensor_take(arena, DTYPE_F32, ndim, shape);
    for (size_t i = 0; i < tensor_count(x); i++) f32(x)[i] = (float)rng_normal((Rng){seed, 7}, i) * (i % 13 == 5 ? 9.0f : 1.0f);
    return in_type(x, type);
}

static Tensor indices(int ndim, const long *shape, long below) {
    Tensor x = tensor_take(arena, DTYPE_I32, ndim, shape);
    for (size_t i = 0; i < tensor_count(x); i++) i32(x)[i] = (int32_t)((i * 7 + 3) % (size_t)below);
    return x;
}

// The same operation on both devices, from the same inputs.
typedef Tensor Operation(Run *run, const Tensor *in, long n);

static void both(const char *name, Operation *operation, const Tensor *in, long n) {
    emu_forget();
    Run *here = run_on(arena, device_cpu()), *there = run_on(arena, gpu);
    Tensor want = operation(here, in, n), got = run_read(there, operation(there, in, n));
    size_t bad = 0, count = tensor_count(want);
    bool shapes = tensor_same_shape(want, got);
    for (size_t i = 0; shapes && i < count; i++) bad += memcmp(f32(want) + i, f32(got) + i, 4) != 0;
    char t[128];
    check(shapes && bad == 0 && emu_reports() == 0, "%s %s: %zu of %zu differ; %s", name, tensor_shape_text(want, t), bad, count, emu_reports() ? emu_first_report() : "nothing reported");
    arena_release(arena, (Mark){0});
}

static Tensor do_layernorm(Run *r, const Tensor *in, long n) { return layernorm(r, in[0], in[1], in[2], 1e-5f); }
static Tensor do_rmsnorm(Run *r, const Tensor *in, long n) { return rmsnorm(r, in[0], in[1], 1e-6f, n ? RMS_ZERO_CENTRED : RMS_PLAIN); }
static Tensor do_l2norm(Run *r, const Tensor *in, long n) { return l2norm(r, in[0], 1e-12f); }
static Tensor do_act(Run *r, const Tensor *in, long n) { return activation(r, in[0], (Act)n); }
static Tensor do_add(Run *r, const Tensor *in, long n) { return add(r, in[0], in[1]); }
static Tensor do_mul(Run *r, const Tensor *in, long n) { return mul(r, in[0], in[1]); }
static Tensor do_add_rows(Run *r, const Tensor *in, long n) { return add_rows(r, in[0], in[1]); }
static Tensor do_mul_row(Run *r, const Tensor *in, long n) { return mul_row(r, in[0], in[1]); }
static Tensor do_scale(Run *r, const Tensor *in, long n) { return scale(r, in[0], 0.3f); }
static Tensor do_scale_by(Run *r, const Tensor *in, long n) { return scale_by(r, in[0], in[1]); }
static Tensor do_softcap(Run *r, const Tensor *in, long n) { return softcap(r, in[0], 5); }
static Tensor do_clamp(Run *r, const Tensor *in, long n) { return clamp(r, in[0], -1, 0.5f); }
static Tensor do_exp(Run *r, const Tensor *in, long n) { return exp_of(r, in[0]); }
static Tensor do_patchify(Run *r, const Tensor *in, long n) { return patchify(r, in[0], (int)n); }
static Tensor do_prepend(Run *r, const Tensor *in, long n) { return prepend_row(r, in[0], in[1]); }
static Tensor do_slice(Run *r, const Tensor *in, long n) { return rows_slice(r, in[0], n, in[0].shape[1]); }
static Tensor do_rows_at(Run *r, const Tensor *in, long n) { return rows_at(r, in[0], in[1]); }
static Tensor do_rows_put(Run *r, const Tensor *in, long n) { return rows_put(r, in[0], in[1], in[2]); }
static Tensor do_concat_last(Run *r, const Tensor *in, long n) { return concat_last(r, in[0], in[1]); }
static Tensor do_concat_tokens(Run *r, const Tensor *in, long n) { return concat_tokens(r, in[0], in[1]); }
static Tensor do_slice_last(Run *r, const Tensor *in, long n) { return slice_last(r, in[0], n, tensor_last(in[0])); }
static Tensor do_mean(Run *r, const Tensor *in, long n) { return mean_tokens(r, in[0]); }
static Tensor do_transpose(Run *r, const Tensor *in, long n) { return transpose(r, in[0]); }
static Tensor do_embedding(Run *r, const Tensor *in, long n) { return embedding(r, in[0], in[1]); }
static Tensor do_cross_entropy(Run *r, const Tensor *in, long n) { return cross_entropy(r, in[0], in[1]); }
static Tensor do_mean_squared(Run *r, const Tensor *in, long n) { return mean_squared(r, in[0], in[1]); }
static Tensor do_linear(Run *r, const Tensor *in, long n) { return linear(r, in[0], in[1], in[2]); }

static int never(Recorder *self, const OpRecord *op) { return (void)self, (void)op, 0; }

static Tensor do_dropout(Run *r, const Tensor *in, long n) {
    Recorder recorder = {.record = never}; // dropout is the identity without a tape
    r->recorder = &recorder;
    Tensor out = dropout(r, in[0], 0.25f, 5, (uint64_t)n);
    r->recorder = NULL;
    return out;
}

static Tensor do_rotary(Run *r, const Tensor *in, long n) {
    Tensor c, s;
    rotary_tables(r, &c, &s, in[1], in[2]);
    return rotary(r, in[0], c, s, (int)n);
}

// What is kept, as an operation's result in f32: times one.
static Tensor kept(Run *r, Tensor x) {
    if (x.dtype == DTYPE_F32) return x;
    Tensor wide = tensor_take(arena, DTYPE_F32, x.ndim, x.shape);
    if (r->device->memory) memcpy(wide.data, run_read(r, x).data, tensor_bytes(wide));
    else convert_bf16_f32(f32(wide), x.data, tensor_count(x));
    return scale(r, wide, 1);
}

static Tensor do_store(Run *r, const Tensor *in, long n) { // n: in bf16
    Tensor store = run_tensor(r, n ? DTYPE_BF16 : DTYPE_F32, in[1].ndim, in[1].shape);
    run_write(r, store, f32(in[1]));
    rows_store(r, store, in[0], i32(in[2]));
    return kept(r, store);
}

// What stands in the two stores behind it, and the turned queries, as one row. n: heads of q, less than 0: stores in bf16; in: q, key, v, positions,
// frequencies, store, at
static Tensor do_rotary_stored(Run *r, const Tensor *in, long n) {
    Tensor c, s, stores[2];
    rotary_tables(r, &c, &s, in[3], in[4]);
    for (int i = 0; i < 2; i++) {
        stores[i] = run_tensor(r, n < 0 ? DTYPE_BF16 : DTYPE_F32, in[5].ndim, in[5].shape);
        run_write(r, stores[i], f32(in[5]));
    }
    Tensor q = rotary_stored(r, in[0], in[1], in[2], c, s, (int)labs(n), stores[0], stores[1], i32(in[6]));
#define FLAT(x) tensor_view(x, DIMS(1, (long)tensor_count(x)))
    return concat_last(r, FLAT(q), concat_last(r, FLAT(kept(r, stores[0])), FLAT(kept(r, stores[1]))));
}

// Every fifth number is one where e^-x is not a normal number, or nearly so.
static Tensor with_far(Tensor x) {
    static const float far[] = {-100, 100, -88.5f, 88.5f, -52, 0, -0.0f, 1e-30f, -1e-40f, -3e38f};
    for (size_t i = 2; i < tensor_count(x); i += 5) f32(x)[i] = far[i / 5 % 10];
    return x;
}

static void points(long n) {
    for (int act = ACT_NONE; act <= ACT_SIGMOID; act++)
        for (int far = 0; far < 2; far++) {
            Tensor x = numbers(DTYPE_F32, DIMS(n), 1);
            both(far ? "activation, far" : "activation", do_act, (Tensor[]){far ? with_far(x) : x}, act);
        }
#define POINT(name, operation, number) both(name, operation, (Tensor[]){numbers(DTYPE_F32, DIMS(n), 1), numbers(DTYPE_F32, DIMS(n), 2)}, number)
    POINT("add", do_add, 0);
    POINT("mul", do_mul, 0);
    POINT("scale", do_scale, 0);
    POINT("softcap", do_softcap, 0);
    POINT("clamp", do_clamp, 0);
    POINT("exp", do_exp, 0);
    POINT("dropout", do_dropout, n);
    POINT("mean_squared", do_mean_squared, 0);
    both("scale_by", do_scale_by, (Tensor[]){numbers(DTYPE_F32, DIMS(n), 1), numbers(DTYPE_BF16, DIMS(1), 2)}, 0);
}

static void norms(long R, long C, Dtype type) {
#define X numbers(DTYPE_F32, DIMS(R, C), 3)
#define W numbers(type, DIMS(C), 4)
    both("layernorm", do_layernorm, (Tensor[]){X, W, numbers(type, DIMS(C), 5)}, 0);
    both("layernorm, bare", do_layernorm, (Tensor[]){X, NO_TENSOR, NO_TENSOR}, 0);
    both("rmsnorm", do_rmsnorm, (Tensor[]){X, W}, 0);
    both("rmsnorm, 1 + w", do_rmsnorm, (Tensor[]){X, W}, 1);
    both("l2norm", do_l2norm, (Tensor[]){X}, 0);
}

static void rows(long R, long C, Dtype type) {
    norms(R, C, type);
    both("add_rows", do_add_rows, (Tensor[]){X, W}, 0);
    both("mul_row", do_mul_row, (Tensor[]){X, W}, 0);
    both("transpose", do_transpose, (Tensor[]){X}, 0);
    Tensor targets = indices(DIMS(R), C);
    if (R > 1) i32(targets)[1] = -1;
    both("cross_entropy", do_cross_entropy, (Tensor[]){X, targets}, 0);
    both("embedding", do_embedding, (Tensor[]){numbers(type, DIMS(R, C), 6), indices(DIMS(2, 3), R)}, 0);
    both("linear", do_linear, (Tensor[]){X, numbers(type, DIMS(5, C), 7), numbers(type, DIMS(5), 8)}, 0);
}

// Rows of which a block has several, the last block not all of them; weights of every type.
static void test_norms(void) {
    for (int backwards = 0; backwards < 2; backwards++) {
        emu_backwards(backwards);
        norms(1, 64, DTYPE_F32);
        norms(9, 516, DTYPE_F16);
        norms(301, 256, DTYPE_F32);
        norms(237, 1028, DTYPE_BF16);
        norms(67, 4096, DTYPE_F32);
        norms(31, 5120, DTYPE_BF16);
        if (real_shapes()) norms(6001, 1024, DTYPE_F32), norms(2999, 4096, DTYPE_BF16);
    }
    emu_backwards(false);
}

static void tokens(long B, long T, long C) {
#define Y numbers(DTYPE_F32, DIMS(B, T, C), 9)
    both("prepend_row", do_prepend, (Tensor[]){Y, numbers(DTYPE_F16, DIMS(C), 10)}, 0);
    both("rows_slice", do_slice, (Tensor[]){Y}, T / 2);
    both("rows_at", do_rows_at, (Tensor[]){Y, indices(DIMS(B), T)}, 0);
    both("concat_last", do_concat_last, (Tensor[]){Y, numbers(DTYPE_F32, DIMS(B, T, 3), 11)}, 0);
    both("concat_tokens", do_concat_tokens, (Tensor[]){Y, numbers(DTYPE_F32, DIMS(B, 2, C), 12)}, 0);
    both("slice_last", do_slice_last, (Tensor[]){Y}, C / 3);
    both("mean_tokens", do_mean, (Tensor[]){Y}, 0);
    long put = B * T / 2 + 1; // some places twice: the later row stays
    both("rows_put", do_rows_put, (Tensor[]){Y, indices(DIMS(put), B * T), numbers(DTYPE_F32, DIMS(put, C), 13)}, 0);
    for (long n = 0; n < 2; n++) both(n ? "rows_store, bf16" : "rows_store", do_store, (Tensor[]){Y, numbers(DTYPE_F32, DIMS(B, T + 9, C), 14), indices(DIMS(B), 9)}, n);
}

static Tensor do_attention(Run *r, const Tensor *in, long n) {
    int32_t lengths[] = {(int32_t)(in[1].shape[1] - n % 2), (int32_t)in[1].shape[1]};
    AttnShape s = {.heads = 4, .kv_heads = 2, .causal = n & 1, .window = n & 2 ? 3 : 0, .softcap = n & 4 ? 10 : 0, .key_lengths = n & 8 ? lengths : NULL};
    return attention(r, in[0], in[1], in[2], s);
}

static void heads(long T, long Tk, long D) {
    for (long n = 0; n < 16; n += 3)
        both("attention", do_attention, (Tensor[]){numbers(DTYPE_F32, DIMS(2, T, 4 * D), 17), numbers(DTYPE_F32, DIMS(2, Tk, 2 * D), 18), numbers(DTYPE_F32, DIMS(2, Tk, 2 * D), 19)}, n);
}

// --dtype bf16: products and attention by kernels of their own order, beside the CPU in f32 on inputs that bf16 holds exactly.
static void near_both(const char *name, Operation *operation, const Tensor *in, long n, double allow) {
    char t[128], line[200];
    emu_forget();
    Run *here = run_on(arena, device_cpu()), *there = run_on(arena, gpu->bf16());
    Tensor want = operation(here, in, n), got = run_read(there, operation(there, in, n));
    snprintf(line, sizeof line, "bf16: %s %s", name, tensor_shape_text(want, t));
    check_near(line, f32(got), f32(want), tensor_count(want), allow);
    check(emu_reports() == 0, "%s: %s", line, emu_reports() ? emu_first_report() : "nothing reported");
    arena_release(arena, (Mark){0});
}

static Tensor exact(Tensor x) { // values that bf16 holds
    uint16_t *h = take(arena, uint16_t, tensor_count(x));
    convert_f32_bf16(h, f32(x), tensor_count(x));
    convert_bf16_f32(f32(x), h, tensor_count(x));
    return x;
}

#define EXACT_ONE(seed, ...) exact(numbers(DTYPE_F32, DIMS(__VA_ARGS__), seed))

static Tensor do_three(Run *r, const Tensor *in, long n) { // one x for three products, then another x at its place
    Tensor q = linear(r, in[0], in[1], in[2]), k = linear(r, in[0], in[1], NO_TENSOR), v = linear(r, in[0], in[1], in[2]), sum = add(r, add(r, q, k), v);
    return n ? linear(r, add(r, in[0], in[0]), in[1], NO_TENSOR) : sum;
}

static Tensor do_many(Run *r, const Tensor *in, long n) { // queries, keys, values, as a layer asks for them; n: the norm within, where the GPU takes it so
    Tensor h = n ? in[0] : layernorm_rounded(r, in[0], in[3], in[4], 1e-5f), out[3];
    linears(r, out, 3, h, n ? &(Rms){in[4], 1e-5f, RMS_ZERO_CENTRED} : NULL, (Tensor[]){in[1], in[1], in[5]}, (Tensor[]){in[2], NO_TENSOR, NO_TENSOR});
    return concat_last(r, out[0], concat_last(r, out[1], out[2]));
}

static Tensor do_gated(Run *r, const Tensor *in, long n) {
    const Rms norm = {in[1], 1e-5f, RMS_PLAIN};
    return linear_gated(r, n ? in[0] : rmsnorm_rounded(r, in[0], in[1], norm.eps, norm.kind), n ? &norm : NULL, in[2], NO_TENSOR, ACT_SILU, in[3], NO_TENSOR);
}

// What an operation leaves rounded for the product behind it; n > 3: other numbers are written in between.
static Tensor do_chain(Run *r, const Tensor *in, long n) {
    Tensor y = n % 4 == 0 ? layernorm(r, in[0], in[3], in[4], 1e-5f) : n % 4 == 1 ? rmsnorm(r, in[0], in[3], 1e-5f, RMS_PLAIN) : n % 4 == 2 ? activation(r, in[0], ACT_QUICK_GELU) : mul(r, in[0], in[0]);
    if (n > 3 && r->device->memory) run_write(r, y, f32(in[0]));
    else if (n > 3) memcpy(y.data, in[0].data, tensor_bytes(y));
    return linear(r, y, in[1], in[2]);
}

// Results that are kept in bf16: from norm to residual as a transformer's block, then what else may read such a tensor.
static Tensor do_block(Run *r, const Tensor *in, long n) {
    Tensor x = scale(r, in[0], 0.5f), w = in[1], up = in[2], down = in[3], b = in[4], wide = in[5];
    Tensor h = n % 2 ? rmsnorm_rounded(r, x, b, 1e-5f, RMS_PLAIN) : layernorm_rounded(r, x, b, b, 1e-5f);
    Tensor q = linear_rounded(r, h, w, b), k = linear_rounded(r, h, w, NO_TENSOR);
    x = linear_into(r, x, attention(r, q, k, q, (AttnShape){.heads = 2, .causal = n % 3 == 1}), w, b, NULL, "o", "a");
    h = layernorm_rounded(r, x, NO_TENSOR, NO_TENSOR, 1e-5f);
    h = n % 4 < 2 ? linear_activated(r, h, up, wide, ACT_QUICK_GELU, "up") : mul(r, linear_activated(r, h, up, wide, ACT_SILU, "gate"), linear_rounded(r, h, up, NO_TENSOR));
    x = linear_into(r, x, h, down, n % 2 ? b : NO_TENSOR, NULL, "down", "m");
    if (n > 3) x = add(r, add(r, x, q), activation(r, concat_last(r, slice_last(r, q, 0, 3), slice_last(r, q, 3, tensor_last(q))), ACT_TANH));
    return x;
}

static Tensor do_written(Run *r, const Tensor *in, long n) { // numbers put in the place of a tensor in bf16
    Tensor y = layernorm_rounded(r, in[0], in[3], in[3], 1e-5f);
    if (r->device->memory) run_write(r, y, f32(in[0]));
    else memcpy(y.data, in[0].data, tensor_bytes(y));
    return n ? linear(r, y, in[1], in[2]) : y;
}

static void blocks(long T, long D, Dtype type) {
    const long C = 2 * D, F = 3 * D;
    for (long n = 0; n < 8; n++)
        near_both("a block", do_block, (Tensor[]){EXACT_ONE(3, 2, T, C), numbers(type, DIMS(C, C), 4), numbers(type, DIMS(F, C), 5), numbers(type, DIMS(C, F), 6), EXACT_ONE(7, C), EXACT_ONE(8, F)}, n, 1e-2);
    for (long n = 0; n < 2; n++) near_both("written", do_written, (Tensor[]){EXACT_ONE(3, T, C), numbers(type, DIMS(33, C), 4), EXACT_ONE(5, 33), EXACT_ONE(7, C)}, n, type == DTYPE_BF16 ? 2e-6 : 4e-3);
}

static Tensor do_behind(Run *r, const Tensor *in, long n) {
    static const int32_t lengths[2] = {61, 70};
    return attention(r, in[0], in[1], in[2], (AttnShape){.heads = 2, .causal = true, .key_lengths = lengths});
}

// A cache's rows behind a text's end are nobody's: no number there may matter, whatever the cache is kept in, of many queries and of few.
static void behind(long Tq, Dtype type) {
    Tensor q = exact(numbers(DTYPE_F32, DIMS(2, Tq, 128), 3)), k = exact(numbers(DTYPE_F32, DIMS(2, 75, 128), 4)), v = exact(numbers(DTYPE_F32, DIMS(2, 75, 128), 5));
    for (long b = 0; b < 2; b++)
        for (long e = (b * 75 + (b ? 70 : 61)) * 128; e < (b + 1) * 75 * 128; e++) f32(k)[e] = f32(v)[e] = NAN;
    near_both("attention, NaN behind the ends", do_behind, (Tensor[]){q, in_type(k, type), in_type(v, type)}, 0, 1e-2);
}

static void half(long T, long Tk, long D) {
    for (long n = 0; n < 16; n += 3)
        near_both("attention", do_attention, (Tensor[]){EXACT_ONE(17, 2, T, 4 * D), EXACT_ONE(18, 2, Tk, 2 * D), EXACT_ONE(19, 2, Tk, 2 * D)}, n, 1e-2);
    for (long n = 0; n < 8; n++)
        near_both("chain", do_chain, (Tensor[]){EXACT_ONE(3, T, 8 * D), numbers(DTYPE_BF16, DIMS(33, 8 * D), 4), EXACT_ONE(5, 33), EXACT_ONE(6, 8 * D), EXACT_ONE(7, 8 * D)}, n, 5e-3);
    for (long n = 0; n < 2; n++) {
        near_both("linears", do_many, (Tensor[]){EXACT_ONE(3, T, 8 * D), numbers(DTYPE_BF16, DIMS(36, 8 * D), 4), EXACT_ONE(5, 36), EXACT_ONE(6, 8 * D), EXACT_ONE(7, 8 * D), numbers(DTYPE_BF16, DIMS(12, 8 * D), 8)}, n, 5e-3);
        near_both("linear_gated", do_gated, (Tensor[]){EXACT_ONE(3, T, 8 * D), EXACT_ONE(6, 8 * D), numbers(DTYPE_BF16, DIMS(388, 8 * D), 4), numbers(DTYPE_BF16, DIMS(388, 8 * D), 5)}, n, 1e-2);
    }
    for (long n = 0; n < 2; n++) near_both("linear", do_three, (Tensor[]){EXACT_ONE(3, T, 8 * D), numbers(DTYPE_BF16, DIMS(33, 8 * D), 4), EXACT_ONE(5, 33)}, n, 2e-6);
}

static Tensor positions_of(long B, long T) {
    Tensor positions = tensor_take(arena, DTYPE_I32, DIMS(B, T));
    for (long i = 0; i < B * T; i++) i32(positions)[i] = (int32_t)(i * 977 % 4000);
    return positions;
}

static Tensor frequencies_of(long half) {
    Tensor frequencies = tensor_take(arena, DTYPE_F32, DIMS(half));
    for (long j = 0; j < half; j++) f32(frequencies)[j] = 1.0f / (float)(1 + 3 * j * j);
    return frequencies;
}

static void turns(long B, long T, long heads, long D, long half) {
    both("rotary", do_rotary, (Tensor[]){numbers(DTYPE_F32, DIMS(B, T, heads * D), 15), positions_of(B, T), frequencies_of(half)}, heads);
    for (int n = 0; n < 4; n++) { // as many heads of keys, and one; kept in f32, and in bf16
        const long kv = n % 2 ? 1 : heads;
        both(n < 2 ? "rotary, stored" : "rotary, stored in bf16", do_rotary_stored,
             (Tensor[]){numbers(DTYPE_F32, DIMS(B, T, heads * D), 15), numbers(DTYPE_F32, DIMS(B, T, kv * D), 16), numbers(DTYPE_F32, DIMS(B, T, kv * D), 17), positions_of(B, T), frequencies_of(half),
                        numbers(DTYPE_F32, DIMS(B, T + 4, kv * D), 18), indices(DIMS(B), 5)},
             n < 2 ? heads : -heads);
    }
}

// A tensor that the GPU has no room for ends with what was asked for, what is there, and what helps; the next one works again.
static void too_little(void) {
#ifdef RETINA_EMULATE
    Tensor x = numbers(DTYPE_F32, DIMS(3, 1 << 20), 1);
    emu_limit(emu_in_use() + (4 << 20));
    check_dies("no room on the GPU", "MiB more are needed at or after patchify") { scale(run_on(arena, gpu), x, 2); }
    check_dies("no room on the GPU", "4 MiB free of") { scale(run_on(arena, gpu), x, 2); }
    check_dies("no room on the GPU", "a smaller --batch") { scale(run_on(arena, gpu), x, 2); }
    emu_limit(0);
    arena_release(arena, (Mark){0});
    both("scale, after that", do_scale, (Tensor[]){numbers(DTYPE_F32, DIMS(3, 1 << 12), 1)}, 0);
#endif
}

// A kernel that failed is told with the operation, its shape and what helps to find it; and so is a driver that is not there, or too old.
static void failures(void) {
#ifdef RETINA_EMULATE
    Tensor x = numbers(DTYPE_F32, DIMS(3, 7), 1);
    Run *run = run_on(arena, gpu);
    Tensor y = softcap(run, x, 2);
    emu_fail(cudaErrorLaunchFailure);
    check_dies("a kernel that failed", "cuda: unspecified launch failure, at or before softcap [3, 7]; CUDA_LAUNCH_BLOCKING=1 names the very one") { run_read(run, y); }
    arena_release(arena, (Mark){0});
    both("softcap, after that", do_softcap, (Tensor[]){numbers(DTYPE_F32, DIMS(3, 7), 1)}, 0);
#endif
}

static void no_gpu(void) {
#ifdef RETINA_EMULATE
    const char *why;
    emu_without(0);
    bool opened = device_cuda(&why) != NULL;
    check(!opened && strcmp(why, "there is no NVIDIA driver") == 0, "without a driver: %s", why);
    emu_without(12020);
    opened = device_cuda(&why) != NULL;
    check(!opened && strcmp(why, "the driver is for CUDA 12.2, and this program was built with 13.0") == 0, "with an old driver: %s", why);
    emu_without(-1);
#endif
}

// Of each function that the CPU's tables have (but for one at `spared`) the GPU's have another one: nothing is left out, nothing falls back to the CPU.
static void filled(const char *name, const void *cpu, const void *there, size_t bytes, size_t spared) {
    const void *const *here = cpu, *const *far = there;
    size_t functions = 0, missing = 0;
    for (size_t i = 0; i < bytes / sizeof *here; i++)
        if ((uintptr_t)here[i] > UINT32_MAX && i != spared) functions++, missing += !far[i] || far[i] == here[i]; // smaller ones are numbers
    check(functions > 12 && missing == 0, "%s: %zu of %zu are the GPU's own", name, functions - missing, functions);
}

static void tables(void) {
    const size_t first = offsetof(Device, linear), last = offsetof(Device, gradients), activated = (offsetof(Device, linear_activated) - first) / sizeof(void *);
    filled("operations", (const char *)device_cpu() + first, (const char *)gpu + first, last - first, activated); // in f32 two steps on the GPU
    filled("operations, bf16", (const char *)device_cpu_bf16() + first, (const char *)gpu->bf16() + first, last - first, SIZE_MAX);
    filled("gradients", device_cpu()->gradients, gpu->gradients, sizeof(Gradients), SIZE_MAX);
    filled("gradients, bf16", device_cpu_bf16()->gradients, gpu->bf16()->gradients, sizeof(Gradients), SIZE_MAX);
}

// The formula itself, against libm in double; that the CPU's and the GPU's activations have the bits of it is seen by points().
static void test_erf(void) {
    double worst = 0;
    for (int i = -200000; i <= 200000; i++) {
        float x = i % 2 ? (float)i * 3e-5f : ldexpf((float)i / 200000, -(i / 2 % 60));
        double want = erf((double)x), e = want == 0 ? fabs((double)f_erf(x)) : fabs((double)f_erf(x) - want) / ldexp(1, ilogb(want) - 23);
        if (!(e <= worst)) worst = e;
    }
    check(worst > 0 && worst <= 2, "erf within 2 units in the last place: %.2f", worst);
    check(isnan(f_erf(NAN)) && f_erf(INFINITY) == 1 && f_erf(-INFINITY) == -1 && signbit(f_erf(-0.0f)), "erf of the special numbers");
}

int main(void) {
    const char *why;
    no_gpu();
    gpu = device_cuda(&why);
    need(gpu, "a test of the GPU: %s", why);
    arena = arena_new("a case");
    tables();
    static const long counts[] = {1, 31, 255, 257, 1023, 1025, 2049};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) points(counts[i]);
    static const struct {
        long R, C;
        Dtype type;
    } shapes[] = {{1, 1, DTYPE_F32}, {7, 15, DTYPE_BF16}, {8, 16, DTYPE_F32}, {9, 17, DTYPE_F16}, {33, 31, DTYPE_F32}, {5, 33, DTYPE_BF16}, {2, 257, DTYPE_F32}, {17, 64, DTYPE_BF16}, {3, 1028, DTYPE_F32}, {2, 2100, DTYPE_BF16}, {3, 4000, DTYPE_BF16}, {9, 516, DTYPE_F16}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) rows(shapes[i].R, shapes[i].C, shapes[i].type);
    test_norms();
    tokens(1, 1, 1);
    tokens(2, 5, 7);
    tokens(3, 17, 33);
    tokens(2, 3, 12);
    heads(1, 1, 4);
    heads(5, 17, 16);
    heads(33, 33, 20);
    half(1, 9, 64);
    half(21, 33, 80);
    half(3, 5, 9); // nothing that tensor cores take
    for (int n = 0; n < 6; n++) behind((long[]){64, 20, 1}[n % 3], n < 3 ? DTYPE_F32 : DTYPE_BF16);
    blocks(1, 64, DTYPE_BF16);
    blocks(7, 64, DTYPE_BF16);
    blocks(21, 22, DTYPE_BF16); // rows that are filled up
    blocks(9, 32, DTYPE_F32);   // sums in f32
    turns(1, 1, 1, 2, 1);
    turns(2, 5, 3, 16, 8);
    turns(2, 3, 2, 20, 5);
    turns(3, 2, 5, 64, 32);
    both("patchify", do_patchify, (Tensor[]){numbers(DTYPE_F32, DIMS(2, 3, 9, 14), 16)}, 4);
    both("patchify", do_patchify, (Tensor[]){numbers(DTYPE_F32, DIMS(1, 1, 5, 5), 16)}, 5);
    too_little();
    failures();
    test_erf();
    if (real_shapes()) {
        points(1000003);
        rows(577, 1024, DTYPE_BF16);
        rows(300, 4096, DTYPE_F32);
        rows(9, 32000, DTYPE_F16);
        rows(70000, 32, DTYPE_F32);
        tokens(4, 577, 1024);
        heads(577, 577, 64);
        heads(1, 2000, 128);
        half(577, 577, 64);
        half(1, 3000, 128);
        turns(2, 600, 32, 128, 64);
        both("patchify", do_patchify, (Tensor[]){numbers(DTYPE_F32, DIMS(4, 3, 336, 336), 16)}, 14);
    }
    arena_free(arena);
    return check_end();
}
