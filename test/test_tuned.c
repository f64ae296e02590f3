// test_tuned.c: a layer whose states are the native ones under an invertible map is brought back to them: the decoder's distributions
// come close, from far; states that are the native ones stay as they are; the same bits on any number of threads.
#include <math.h>
#include <string.h>

#include "check.h"
#include "io/random.h"
#include "io/thread.h"
#include "train/tuned.h"

static Tensor normal(Arena *a, long N, long T, long C) {
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(N, T, C));
    Rng r = rng_of(3, "states");
    for (size_t i = 0; i < tensor_count(x); i++) f32(x)[i] = (float)(2 * rng_uniform(r, i) - 1);
    return x;
}

int main(void) {
    Arena *a = arena_new("test");
    Model *wide = tuned_model(a, model_open(a, "test/golden/coca-small", false));
    const Coca *m = wide->own;
    long N = 12, T = m->T, C = m->cfg.vision.C, L = 8;
    Tensor native = normal(a, N, T, C), moved = tensor_take(a, DTYPE_F32, DIMS(N, T, C)), ids = tensor_take(a, DTYPE_I32, DIMS(N, L));
    for (long r = 0; r < N * T; r++) // channels turned by one place, every other one with the other sign
        for (long c = 0; c < C; c++) f32(moved)[r * C + (c + 1) % C] = (c % 2 ? -1.5f : 1.0f) * f32(native)[r * C + c] + 0.25f;
    for (long i = 0; i < N * L; i++) i32(ids)[i] = i % L == 0 ? m->cfg.V - 2 : i % L == L - 1 && i / L % 2 ? m->cfg.pad : (int32_t)(1 + i * 7 % (m->cfg.V - 4));
    TunedConfig c = {.steps = 120, .batch = 6, .lr = 0.03, .seed = 1};
    Tuned t = tuned_train(a, wide, moved, native, ids, m->cfg.pad, &c);
    check(t.before > 0.01 && t.after < t.before / 4, "a turned layer is read: %.4f nats a token, then %.4f", t.before, t.after);
    threads_set(3);
    Tuned again = tuned_train(a, wide, moved, native, ids, m->cfg.pad, &c);
    check_same("the same on three threads", again.weight.data, t.weight.data, tensor_bytes(t.weight));
    Tuned own = tuned_train(a, wide, native, native, ids, m->cfg.pad, &(TunedConfig){.steps = 3, .batch = 4, .lr = 0.01, .seed = 1});
    check(own.before < 1e-9 && own.after < 1e-9, "the native layer needs no map: %.1e", own.after);
    return check_end();
}
