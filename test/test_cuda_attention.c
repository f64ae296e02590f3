// test_cuda_attention.c: attention through the emulator against the CPU: f32 bit for bit.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/kernels.h"
#include "cuda_check.h"
#include "io/random.h"

enum { CAUSAL = 1, WINDOW = 2, CAP = 4, LENGTHS = 8, KEY_MASK = 16, MASK = 32, WEIGHTS = 64 };

static void one(long B, long Tq, long Tk, long H, long G, long D, int with) {
    size_t q_n = (size_t)(B * Tq * H * D), k_n = (size_t)(B * Tk * G * D), w_n = (size_t)(B * H * Tq * Tk);
    float *q = random_floats(q_n, 1), *k = random_floats(k_n, 2), *v = random_floats(k_n, 3), *mask = random_floats((size_t)(Tq * Tk), 4);
    float *out = malloc(q_n * 4), *got = malloc(q_n * 4), *weights = malloc(w_n * 4), *got_weights = malloc(w_n * 4);
    int32_t lengths[8];
    uint8_t *key_mask = malloc((size_t)(B * Tk));
    for (long b = 0; b < B; b++) lengths[b] = (int32_t)(Tk - b * Tk / 3);
    for (long i = 0; i < B * Tk; i++) key_mask[i] = rng_uniform((Rng){.seed = 9}, (uint64_t)i) < 0.7 && i / Tk != 1; // text 1 sees nothing
    Attention a = {.out = out, .q = q, .k = k, .v = v, .B = B, .Tq = Tq, .Tk = Tk, .H = H, .G = G, .D = D, .scale = 0.3f, .softcap = with & CAP ? 2 : 0,
                   .causal = with & CAUSAL, .window = with & WINDOW ? 5 : 0, .key_lengths = with & LENGTHS ? lengths : NULL, .key_mask = with & KEY_MASK ? key_mask : NULL,
                   .mask = with & MASK ? mask : NULL, .weights = with & WEIGHTS ? weights : NULL};
    Attention d = a;
    d.q = to_device(q, q_n * 4), d.k = to_device(k, k_n * 4), d.v = to_device(v, k_n * 4), d.out = device_room(q_n * 4);
    if (a.key_lengths) d.key_lengths = to_device(lengths, (size_t)B * 4);
    if (a.key_mask) d.key_mask = to_device(key_mask, (size_t)(B * Tk));
    if (a.mask) d.mask = to_device(mask, (size_t)(Tq * Tk) * 4);
    if (a.weights) d.weights = device_room(w_n * 4);
    attention_rows(&a);
    emu_forget();
    cuda_attention(&d, NULL);
    from_device(got, d.out, q_n * 4);
    bool same = memcmp(got, out, q_n * 4) == 0 && emu_reports() == 0;
    if (a.weights) {
        from_device(got_weights, d.weights, w_n * 4);
        same = same && memcmp(got_weights, weights, w_n * 4) == 0;
    }
    check(same, "attention %ld x %ld/%ld, heads %ld/%ld of %ld, with %d: the CPU's bits %s", B, Tq, Tk, H, G, D, with, emu_first_report());
    device_empty();
    free(q), free(k), free(v), free(mask), free(out), free(got), free(weights), free(got_weights), free(key_mask);
}

int main(void) {
    one(1, 1, 1, 1, 1, 8, 0);
    one(2, 9, 9, 2, 2, 16, 0);
    one(1, 33, 33, 2, 1, 20, CAUSAL);
    one(1, 31, 31, 1, 1, 64, WINDOW | CAUSAL);
    one(2, 7, 67, 4, 2, 8, CAUSAL | LENGTHS | WEIGHTS);
    one(3, 5, 37, 3, 1, 12, KEY_MASK | WEIGHTS);
    one(1, 17, 45, 2, 2, 32, MASK | CAP);
    one(2, 1, 131, 4, 2, 16, CAUSAL | LENGTHS | KEY_MASK | WINDOW | CAP);
    one(1, 2, 5, 1, 1, 288, CAUSAL); // more outputs than a thread keeps
    one(1, 1, 5100, 1, 1, 8, 0);     // fewer queries a block
    one(1, 5, 7000, 1, 1, 4, 0);
    return check_end();
}
