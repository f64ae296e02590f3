// test_cuda_attention.c: attention through the emulator against the CPU: f32 bit for bit, bf16 within its rounding.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"
#include "io/random.h"

enum { CAUSAL = 1, WINDOW = 2, CAP = 4, LENGTHS = 8, KEY_MASK = 16, MASK = 32, WEIGHTS = 64, WIDE = 128, DROPOUT = 256, NARROW = 512, TURNS = 1024, KEPT = 2048 };

static void one(long B, long Tq, long Tk, long H, long G, long D, int with) {
    size_t q_n = (size_t)(B * Tq * H * D), k_n = (size_t)(B * Tk * G * D), w_n = (size_t)(B * H * Tq * Tk);
    float *q = random_floats(q_n, 1), *k = random_floats(k_n, 2), *v = random_floats(k_n, 3), *mask = random_floats((size_t)(Tq * Tk), 4);
    float *out = malloc(q_n * 4), *got = malloc(q_n * 4), *weights = malloc(w_n * 4), *got_weights = malloc(w_n * 4);
    int32_t lengths[8];
    uint8_t *key_mask = malloc((size_t)(B * Tk));
    for (long b = 0; b < B; b++) lengths[b] = (int32_t)(b == 3 ? 0 : Tk - b * Tk / 3);
    for (long i = 0; i < B * Tk; i++) key_mask[i] = rng_uniform((Rng){.seed = 9}, (uint64_t)i) < 0.7 && i / Tk != 1; // text 1 sees nothing
    Attention a = {.out = out, .q = q, .k = k, .v = v, .B = B, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = 0.3f, .softcap = with & CAP ? 2 : 0,
                   .causal = with & CAUSAL, .window = with & WIDE ? 45 : with & WINDOW ? 5 : 0, .key_lengths = with & LENGTHS ? lengths : NULL, .key_mask = with & KEY_MASK ? key_mask : NULL,
                   .mask = with & MASK ? mask : NULL, .weights = with & WEIGHTS ? weights : NULL,
                   .dropout = with & DROPOUT ? 0.3f : 0, .seed = 5, .stream = 6};
    Attention d = a;
    d.q = to_device(q, q_n * 4), d.k = to_device(k, k_n * 4), d.v = to_device(v, k_n * 4), d.out = device_room(q_n * 4);
    if (a.key_lengths) d.key_lengths = to_device(lengths, (size_t)B * 4);
    if (a.key_mask) d.key_mask = to_device(key_mask, (size_t)(B * Tk));
    if (a.mask) d.mask = to_device(mask, (size_t)(Tq * Tk) * 4);
    if (a.weights) d.weights = device_room(w_n * 4);
    attention_rows(&a);
    for (int version = 1; version <= (cuda_attention_apart_takes(&d) ? 3 : 2); version++) {
        emu_forget();
        if (version == 3) cuda_attention_apart(&d, device_room(cuda_attention_apart_room(&d)), NULL);
        else cuda_attention_version(&d, version, NULL);
        from_device(got, d.out, q_n * 4);
        bool same = memcmp(got, out, q_n * 4) == 0 && emu_reports() == 0;
        if (a.weights) {
            from_device(got_weights, d.weights, w_n * 4);
            same = same && memcmp(got_weights, weights, w_n * 4) == 0;
        }
        check(same, "attention %ld x %ld/%ld, heads %ld/%ld of %ld, with %d, version %d: the CPU's bits %s", B, Tq, Tk, H, G, D, with, version, emu_first_report());
    }
    device_empty();
    free(q), free(k), free(v), free(mask), free(out), free(got), free(weights), free(got_weights), free(key_mask);
}

// Numbers of bf16 on the device; x becomes what they are.
static const uint16_t *to_halves(float *x, size_t n) {
    uint16_t *h = malloc(n * 2);
    need(h, "a test: no memory");
    convert_f32_bf16(h, x, n), convert_bf16_f32(x, h, n);
    const uint16_t *there = to_device(h, n * 2);
    free(h);
    return there;
}

// The same for few queries: the CPU's result in another order of its sums. KEPT: keys and values in bf16, with no number behind a text's end.
static void few_by(int version, long B, long Tq, long Tk, long H, long G, long D, int with) {
    size_t q_n = (size_t)(B * Tq * H * D), k_n = (size_t)(B * Tk * G * D);
    float *q = random_floats(q_n, 1), *k = random_floats(k_n, 2), *v = random_floats(k_n, 3), *out = malloc(q_n * 4), *got = malloc(q_n * 4);
    int32_t lengths[8];
    uint8_t *key_mask = malloc((size_t)(B * Tk));
    for (long b = 0; b < B; b++) lengths[b] = (int32_t)(Tk - b * Tk / 3);
    for (long i = 0; i < B * Tk; i++) key_mask[i] = rng_uniform((Rng){.seed = 9}, (uint64_t)i) < 0.7 && i / Tk != 1;
    Attention a = {.out = out, .q = q, .k = k, .v = v, .B = B, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = 0.3f, .softcap = with & CAP ? 2 : 0, .causal = with & CAUSAL,
                   .window = with & WINDOW ? 5 : 0, .key_lengths = with & LENGTHS ? lengths : NULL, .key_mask = with & KEY_MASK ? key_mask : NULL};
    Attention d = a;
    for (long b = 0; b < B && a.key_lengths; b++)
        for (long e = (b * Tk + lengths[b]) * G * D; e < (b + 1) * Tk * G * D; e++) k[e] = v[e] = NAN;
    d.q = to_device(q, q_n * 4), d.out = device_room(q_n * 4);
    if (with & KEPT) d.k16 = to_halves(k, k_n), d.v16 = to_halves(v, k_n), d.k = d.v = NULL;
    else d.k = to_device(k, k_n * 4), d.v = to_device(v, k_n * 4);
    if (a.key_lengths) d.key_lengths = to_device(lengths, (size_t)B * 4);
    if (a.key_mask) d.key_mask = to_device(key_mask, (size_t)(B * Tk));
    attention_rows(&a);
    emu_forget();
    uint16_t *rounded = with & NARROW ? device_room(q_n * 2) : NULL, *back = malloc(q_n * 2);
    float *room = device_room(cuda_attention_few_room(&d));
    if (version) cuda_attention_few_version(&d, rounded, room, version, NULL);
    else cuda_attention_few(&d, rounded, room, NULL);
    if (rounded) from_device(back, rounded, q_n * 2), convert_bf16_f32(got, back, q_n);
    else from_device(got, d.out, q_n * 4);
    free(back);
    char name[100];
    snprintf(name, sizeof name, "attention of few, version %d, %ld x %ld/%ld, heads %ld/%ld of %ld, with %d", version, B, Tq, Tk, H, G, D, with);
    check_near(name, got, out, q_n, rounded ? 3e-3 : 1e-5); // a rounding to bf16 is 2^-9 at most
    check(emu_reports() == 0, "%s: nothing to say %s", name, emu_first_report());
    device_empty();
    free(q), free(k), free(v), free(out), free(got), free(key_mask);
}

static void few(long B, long Tq, long Tk, long H, long G, long D, int with) {
    few_by(0, B, Tq, Tk, H, G, D, with);
    for (int version = 1; with & KEPT && version <= (D > 128 ? 1 : 2); version++) few_by(version, B, Tq, Tk, H, G, D, with);
}

// A step: turned and stored within attention, the bits of one after the other, in the result and in the stores.
static void turned(long B, long Tk, long H, long G, long D, bool narrow) {
    const size_t q_n = (size_t)(B * H * D), new_n = (size_t)(B * G * D), k_n = (size_t)(B * Tk * G * D), table_n = (size_t)(B * D / 2);
    float *q = random_floats(q_n, 1), *new_key = random_floats(new_n, 2), *new_value = random_floats(new_n, 3), *k = random_floats(k_n, 4), *v = random_floats(k_n, 5), *tables = random_floats(2 * table_n, 6);
    int32_t lengths[8], at[8];
    for (long b = 0; b < B; b++) at[b] = (int32_t)(Tk - 1 - b * Tk / 3), lengths[b] = at[b] + 1;
    Attention a = {.B = B, .Tq = 1, .Tk = Tk, .H = H, .G = G, .D = D, .scale = 0.3f, .causal = true, .key_lengths = to_device(lengths, (size_t)B * 4)};
    RotaryStored r = {.key = to_device(new_key, new_n * 4), .v = to_device(new_value, new_n * 4), .halves = 1, .at = to_device(at, (size_t)B * 4), .R = B, .T = 1, .capacity = Tk, .heads = H, .kv_heads = G, .D = D, .half = D / 2, .rows = B};
    r.q = to_device(q, q_n * 4), r.cosine = to_device(tables, table_n * 4), r.sine = to_device(tables + table_n, table_n * 4);
    void *got[2][3];
    const size_t bytes[3] = {q_n * (narrow ? 2 : 4), k_n * 2, k_n * 2};
    emu_forget();
    for (int within = 0; within < 2; within++) {
        a.k16 = to_halves(k, k_n), a.v16 = to_halves(v, k_n);
        r.keys = (void *)a.k16, r.values = (void *)a.v16, r.out = device_room(q_n * 4), a.out = device_room(q_n * 4);
        uint16_t *rounded = narrow ? device_room(q_n * 2) : NULL;
        float *room = device_room(cuda_attention_few_room(&a));
        a.q = within ? NULL : r.out;
        if (within) check(cuda_attention_few_turned_takes(&a, &r), "heads of %ld: turned within attention", D), cuda_attention_few_turned(&a, &r, rounded, room, NULL);
        else cuda_rotary_stored(&r, NULL), cuda_attention_few_version(&a, rounded, room, 2, NULL);
        const void *from[3] = {narrow ? (void *)rounded : a.out, a.k16, a.v16};
        for (int i = 0; i < 3; i++) from_device(got[within][i] = malloc(bytes[i]), from[i], bytes[i]);
    }
    bool same = true;
    for (int i = 0; i < 3; i++) same = same && memcmp(got[0][i], got[1][i], bytes[i]) == 0;
    check(same && emu_reports() == 0, "turned within attention, %ld texts of up to %ld, heads %ld/%ld of %ld%s: the same bits %s", B, Tk, H, G, D, narrow ? ", rounded" : "", emu_first_report());
    for (int i = 0; i < 6; i++) free(got[i / 3][i % 3]);
    free(q), free(new_key), free(new_value), free(k), free(v), free(tables);
    device_empty();
}

// bf16 against the f32 path on the same rounded values (whose own error is 1e-6).
static void tensor(long B, long Tq, long Tk, long H, long G, long D, int with) {
    size_t q_n = (size_t)(B * Tq * H * D), k_n = (size_t)(B * Tk * G * D);
    float *f[3] = {random_floats(q_n, 1), random_floats(k_n, 2), random_floats(k_n, 3)}, *out = malloc(q_n * 4), *got = malloc(q_n * 4);
    uint16_t *h[3];
    size_t n[3] = {q_n, k_n, k_n};
    for (int i = 0; i < 3; i++) {
        h[i] = malloc(n[i] * 2);
        convert_f32_bf16(h[i], f[i], n[i]), convert_bf16_f32(f[i], h[i], n[i]);
    }
    int32_t lengths[8];
    uint8_t *key_mask = malloc((size_t)(B * Tk));
    for (long b = 0; b < B; b++) lengths[b] = (int32_t)(Tk - b * Tk / 3);
    for (long i = 0; i < B * Tk; i++) key_mask[i] = rng_uniform((Rng){.seed = 9}, (uint64_t)i) < 0.7 && i / Tk != 1;
    Attention a = {.out = out, .q = f[0], .k = f[1], .v = f[2], .B = B, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = 0.3f, .softcap = with & CAP ? 2 : 0,
                   .causal = with & CAUSAL, .window = with & WINDOW ? 5 : 0, .key_lengths = with & LENGTHS ? lengths : NULL, .key_mask = with & KEY_MASK ? key_mask : NULL};
    AttentionBf16 d = {.q = to_device(h[0], q_n * 2), .k = to_device(h[1], k_n * 2), .v = to_device(h[2], k_n * 2), .out = device_room(q_n * 2), .B = B, .Tq = Tq, .Tk = Tk,
                       .H = H, .G = G, .D = D, .scale = 0.3f, .softcap = a.softcap, .causal = a.causal, .window = a.window};
    if (with & WIDE) d.out = NULL, d.out_f32 = device_room(q_n * 4); // results in f32
    if (a.key_lengths) d.key_lengths = to_device(lengths, (size_t)B * 4);
    if (a.key_mask) d.key_mask = to_device(key_mask, (size_t)(B * Tk));
    attention_rows(&a);
    emu_forget();
    if ((with & (NARROW | TURNS)) && cuda_attention_hopper_takes(&d)) cuda_attention_hopper_version(&d, (with & NARROW ? 128 : 208) + (with & TURNS ? 1000 : 0), NULL);
    else cuda_attention_bf16(&d, NULL);
    uint16_t *back = malloc(q_n * 2);
    if (with & WIDE) from_device(got, d.out_f32, q_n * 4);
    else from_device(back, d.out, q_n * 2), convert_bf16_f32(got, back, q_n);
    char name[100];
    snprintf(name, sizeof name, "bf16 attention %ld x %ld/%ld, heads %ld/%ld of %ld, with %d", B, Tq, Tk, H, G, D, with);
    check_near(name, got, out, q_n, 1e-2);
    check(emu_reports() == 0, "%s: nothing to say %s", name, emu_first_report());
    device_empty();
    for (int i = 0; i < 3; i++) free(f[i]), free(h[i]);
    free(out), free(got), free(back), free(key_mask);
}

// Every width of head that models have, each way that they mask, heads of their own keys and heads that share them: in f32, in bf16, and a step's
// few queries over keys that are kept in either.
static void sweep(void) {
    static const long widths[] = {64, 80, 96, 128};
    static const int masks[] = {0, CAUSAL, CAUSAL | WINDOW, CAUSAL | LENGTHS, CAUSAL | WINDOW | LENGTHS};
    for (int w = 0; w < 4; w++)
        for (int m = 0; m < 5; m++)
            for (long G = 1; G <= 2; G++) {
                const long D = widths[w], Tk = 37, Tq = masks[m] & LENGTHS ? 7 : 37; // with lengths: a text that is continued
                one(2, Tq, Tk, 2, G, D, masks[m]);
                tensor(2, Tq == Tk ? 70 : Tq, masks[m] & LENGTHS ? 140 : 70, 2, G, D, masks[m]); // more than a tile of keys
                few(2, 1 + m % 4, Tk, 2, G, D, masks[m]), few(2, 1 + m % 4, Tk, 2, G, D, masks[m] | KEPT);
            }
}

int main(void) {
    sweep();
    one(1, 1, 1, 1, 1, 8, 0);
    one(2, 9, 9, 2, 2, 16, 0);
    one(1, 33, 33, 2, 1, 20, CAUSAL);
    one(1, 31, 31, 1, 1, 64, WINDOW | CAUSAL);
    one(1, 16, 80, 2, 2, 8, CAUSAL | LENGTHS | WIDE); // the first key seen is no multiple of sixteen
    one(2, 7, 67, 4, 2, 8, CAUSAL | LENGTHS | WEIGHTS);
    one(3, 5, 37, 3, 1, 12, KEY_MASK | WEIGHTS);
    one(1, 17, 45, 2, 2, 32, MASK | CAP);
    one(2, 1, 131, 4, 2, 16, CAUSAL | LENGTHS | KEY_MASK | WINDOW | CAP);
    one(2, 20, 77, 4, 2, 80, CAUSAL | LENGTHS | WEIGHTS | WIDE);
    one(1, 40, 70, 1, 1, 128, MASK | CAP | WEIGHTS);
    one(2, 65, 67, 2, 2, 20, 0); // by products too, from 64 queries and keys on
    one(1, 70, 64, 3, 3, 64, WEIGHTS);
    one(2, 18, 33, 2, 2, 20, CAUSAL | DROPOUT);
    one(4, 9, 12, 1, 1, 8, LENGTHS | WEIGHTS); // the last text has no key at all
    one(2, 33, 150, 2, 1, 72, CAUSAL | WINDOW | LENGTHS | KEY_MASK | WEIGHTS);
    one(1, 2, 5, 1, 1, 288, CAUSAL); // more outputs than a thread keeps
    one(1, 1, 5100, 1, 1, 8, 0);     // fewer queries a block
    one(1, 5, 7000, 1, 1, 4, 0);
    tensor(1, 1, 1, 1, 1, 64, 0);
    tensor(1, 67, 130, 2, 1, 64, WIDE);
    tensor(1, 65, 65, 1, 1, 80, CAUSAL);
    tensor(1, 131, 131, 1, 1, 96, CAUSAL | WINDOW);
    tensor(3, 1, 70, 2, 1, 128, CAUSAL | LENGTHS | CAP);
    tensor(2, 33, 97, 2, 2, 64, KEY_MASK);
    tensor(2, 150, 300, 2, 1, 128, CAUSAL); // on Hopper by wgmma from here, as the second above
    tensor(1, 200, 70, 1, 1, 64, CAUSAL);   // queries that see nothing
    tensor(1, 131, 400, 2, 2, 64, WIDE);    // more tiles of keys than stages
    tensor(1, 400, 150, 3, 1, 64, 0);       // several tiles of queries a block, by turns in both rooms
    tensor(2, 150, 200, 2, 1, 64, NARROW); // tiles of 128 keys, where the shape would take wider ones
    tensor(3, 140, 400, 2, 2, 64, LENGTHS | NARROW);
    tensor(1, 400, 450, 3, 1, 64, TURNS);
    tensor(2, 150, 300, 2, 1, 128, CAUSAL | TURNS);
    tensor(1, 300, 70, 2, 1, 64, CAUSAL | NARROW | TURNS);
    tensor(3, 150, 300, 2, 1, 128, CAUSAL | LENGTHS);
    tensor(3, 140, 200, 2, 2, 64, LENGTHS | WIDE);
    few(1, 1, 1, 1, 1, 64, 0);
    few(2, 1, 133, 4, 2, 128, CAUSAL | LENGTHS);
    few(3, 2, 300, 2, 1, 20, CAUSAL | KEY_MASK | CAP);
    few(2, 1, 129, 2, 2, 64, LENGTHS | WINDOW | CAUSAL);
    few(1, 3, 40, 2, 2, 96, CAUSAL);
    few(2, 1, 133, 4, 2, 128, CAUSAL | LENGTHS | KEPT);
    few(3, 2, 300, 2, 1, 24, CAUSAL | KEY_MASK | CAP | KEPT);
    few(2, 1, 129, 2, 2, 64, LENGTHS | WINDOW | CAUSAL | KEPT);
    few(2, 4, 70, 2, 1, 256, CAUSAL | LENGTHS | KEPT);
    few(1, 1, 260, 2, 1, 8, KEPT);
    few(3, 1, 140, 2, 2, 64, LENGTHS | CAUSAL | KEPT | NARROW);
    few(2, 1, 128, 4, 1, 128, LENGTHS | CAUSAL | KEPT);
    few(2, 2, 31, 2, 2, 48, KEY_MASK | LENGTHS | CAUSAL | KEPT | NARROW);
    few(1, 1, 1, 1, 1, 16, KEPT);
    turned(1, 1, 1, 1, 8, false);
    turned(3, 127, 4, 2, 128, true);
    turned(2, 128, 2, 2, 64, false);
    turned(3, 300, 2, 1, 48, false); // the new token is in another chunk of each
    turned(2, 129, 6, 1, 128, true);
    emu_backwards(true);
    turned(2, 129, 2, 1, 80, true);
    few(1, 1, 260, 2, 1, 80, 0);
    tensor(1, 31, 129, 1, 1, 128, CAUSAL);
    tensor(1, 300, 385, 3, 1, 128, CAUSAL);
    emu_backwards(false);
    if (real_shapes()) {
        one(2, 577, 577, 16, 16, 64, 0);
        one(1, 729, 729, 4, 4, 72, 0);
        one(1, 1500, 1500, 4, 2, 128, CAUSAL);
        one(2, 1, 3000, 8, 2, 128, CAUSAL | LENGTHS);
        one(4, 577, 577, 16, 16, 64, 0);
        one(1, 577, 577, 16, 16, 64, WEIGHTS);
        one(13, 257, 577, 16, 16, 80, 0); // several parts
        tensor(2, 577, 577, 16, 16, 64, 0);
        tensor(40, 577, 577, 16, 16, 64, 0);
        tensor(40, 577, 577, 16, 16, 64, TURNS);
        tensor(3, 1500, 2100, 8, 2, 128, CAUSAL | LENGTHS | TURNS);
        tensor(3, 700, 900, 8, 8, 64, CAUSAL | LENGTHS);
        tensor(3, 1500, 2100, 8, 2, 128, CAUSAL | LENGTHS | WIDE);
        tensor(2, 2048, 2048, 8, 2, 128, CAUSAL);
        tensor(1, 1000, 1000, 4, 4, 80, CAUSAL);
        tensor(1, 577, 2000, 4, 4, 96, 0);
        tensor(4, 1, 4096, 32, 8, 128, CAUSAL | LENGTHS | WIDE);
        few(4, 1, 4096, 32, 8, 128, CAUSAL | LENGTHS);
        few(2, 1, 2100, 16, 16, 64, CAUSAL | LENGTHS);
        few(4, 1, 4096, 32, 8, 128, CAUSAL | LENGTHS | KEPT);
        few(2, 1, 2100, 16, 16, 64, CAUSAL | LENGTHS | KEPT);
        tensor(2, 3000, 3000, 4, 4, 128, CAUSAL | LENGTHS | KEY_MASK);
    }
    check_dies("a head of 72", "64, 80, 96 and 128") { cuda_attention_bf16(&(AttentionBf16){.B = 1, .Tq = 1, .Tk = 1, .H = 1, .G = 1, .D = 72, .scale = 1}, NULL); }
    return check_end();
}
