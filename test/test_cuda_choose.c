// test_cuda_choose.c: the next ids of rows of scores by the GPU's kernels on the emulated GPU: the bits of the CPU (model/choose_cpu.c, which
// test_choose.c holds against plain definitions).
//
// Bound: none. Vocabularies around a warp, a block, a piece of 4096 and of real models; rows that end in ties, -inf and NaN.
// Caught when broken on purpose: see test/mutations.txt.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "cuda/backend.h"
#include "cuda_check.h"
#include "io/random.h"
#include "model/device.h"

static const Device *gpu;
static Arena *arena;

// Few different values where `steps` is small, so that many are equal; hard > 0: some are no numbers, or infinite.
static Tensor scores(long R, long V, double steps, int hard, uint64_t seed) {
    Tensor x = tensor_take(arena, DTYPE_F32, DIMS(R, V));
    for (size_t i = 0; i < tensor_count(x); i++) {
        f32(x)[i] = (float)(nearbyint(rng_normal((Rng){seed, 3}, i) * 2 * steps) / steps);
        if (hard && i % 7 == 3) f32(x)[i] = i % 3 ? -INFINITY : NAN;
        if (hard == 2 && i % 11 == 5) f32(x)[i] = INFINITY;
        if (hard == 3) f32(x)[i] = i % 2 ? -INFINITY : NAN;
        if (i % 13 == 2 && f32(x)[i] == 0) f32(x)[i] = -0.0f;
    }
    return x;
}

// Some ids of each row, without a double one.
static const int32_t *ids(long R, long V, int room, uint64_t seed) {
    int32_t *list = take(arena, int32_t, (size_t)(R * room));
    for (long r = 0; r < R; r++)
        for (int k = 0; k < room; k++) list[r * room + k] = k < V && k <= r % room ? (int32_t)((seed + (uint64_t)(r + 3 * k)) % (uint64_t)V) : -1;
    for (long r = 0; r < R; r++) // 3 k mod V may repeat
        for (int k = 0; k < room; k++)
            for (int j = 0; j < k; j++)
                if (list[r * room + j] == list[r * room + k]) list[r * room + k] = -1;
    return list;
}

static bool equal(double a, double b) { return a == b || (a != a && b != b); }

static bool same(const Choice *a, const Choice *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i].id != b[i].id || !equal((double)a[i].score, (double)b[i].score) || !equal((double)a[i].logit, (double)b[i].logit)) return false;
    return true;
}

static void both(const char *name, Tensor x, const Choosing *how) {
    const size_t R = (size_t)tensor_rows(x);
    emu_forget();
    Choosing here = *how, there = *how;
    Run *run = run_on(arena, gpu);
    Tensor next = run_tensor(run, DTYPE_I32, DIMS((long)R));
    if (how->best == 1) here.next = take(arena, int32_t, R), there.next = next.data;
    Chosen want = choose(run_on(arena, device_cpu()), x, &here), got = choose(run, x, &there);
    bool rows = true, nexts = how->best != 1 || memcmp(run_read(run, next).data, here.next, R * sizeof(int32_t)) == 0;
    for (size_t r = 0; r < R; r++)
        rows = rows && equal(want.rows[r].log_sum, got.rows[r].log_sum) && equal(want.rows[r].entropy, got.rows[r].entropy) && equal(want.rows[r].asked, got.rows[r].asked);
    char t[128];
    check(rows && same(want.best, got.best, R * (size_t)how->best) && same(want.likeliest, got.likeliest, R * (size_t)how->likeliest) && nexts && emu_reports() == 0,
          "%s, %s scores: sums %s, best %s, likeliest %s, for the next step %s; %s", name, tensor_shape_text(x, t), rows ? "equal" : "differ", same(want.best, got.best, R * (size_t)how->best) ? "equal" : "differ",
          same(want.likeliest, got.likeliest, R * (size_t)how->likeliest) ? "equal" : "differ", nexts ? "equal" : "differ", emu_reports() ? emu_first_report() : "nothing reported");
}

static void sweep(long R, long V, double steps, int hard) {
    const int most = V < 13 ? (int)V : 13;
    Tensor x = scores(R, V, steps, hard, (uint64_t)(R * 131 + V));
    double *uniform = take(arena, double, (size_t)R);
    float *plus = take(arena, float, (size_t)R);
    for (long r = 0; r < R; r++) uniform[r] = rng_uniform((Rng){9, 4}, (uint64_t)r), plus[r] = (float)-r * 1.3f;
    uniform[R - 1] = 0x1.fffffffffffffp-1;
    both("greedy", x, &(Choosing){.temperature = 1, .best = 1});
    Choosing rules = {.temperature = 0.7, .asked = (int32_t)V - 1, .penalty = 1.3f, .penalised_room = 16, .banned_room = 16, .best = 1, .likeliest = most};
    rules.penalised = ids(R, V, 16, 5), rules.banned = ids(R, V, 16, 7);
    both("rules, likeliest", x, &rules);
    rules.normalised = true, rules.plus = plus, rules.best = most, rules.likeliest = 0;
    both("beams", x, &rules);
    static const Drawing ways[] = {{.top_p = 1, .filter_temperature = 1, .temperature = 1},
                                   {.top_k = 5, .top_p = 1, .filter_temperature = 1, .temperature = 0.5},
                                   {.top_p = 0.6, .filter_temperature = 1, .temperature = 2},
                                   {.top_k = 20, .top_p = 0.9, .filter_temperature = 1.5, .temperature = 1.5}};
    for (int k = 0; k < 4 && R <= 3; k++) {
        Choosing drawn = {.temperature = 1, .best = 1, .draw = ways[k]};
        drawn.draw.uniform = uniform;
        if (k == 3) drawn.banned_room = 16, drawn.banned = rules.banned;
        both((const char *[]){"drawn", "top 5", "nucleus 0.6", "top 20, nucleus 0.9, bans"}[k], x, &drawn);
    }
    arena_release(arena, (Mark){0});
}

int main(void) {
    const char *why;
    gpu = device_cuda(&why);
    if (!gpu) return check_end();
    arena = arena_new("test");
    static const struct {
        long R, V;
        double steps;
        int hard;
    } shapes[] = {{1, 1, 1000, 0}, {33, 1, 1000, 0}, {3, 31, 2, 0}, {33, 33, 1000, 0}, {1, 33, 1000, 1}, {2, 257, 2, 2}, {1, 1000, 1000, 3}, {1, 1000, 1000, 0}, {1, 4097, 4, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) sweep(shapes[i].R, shapes[i].V, shapes[i].steps, shapes[i].hard);
    if (real_shapes()) sweep(32, 32000, 1000, 0), sweep(3, 151936, 1000, 0), sweep(2, 151936, 4, 1);
    arena_free(arena);
    return check_end();
}
