// test_recon.c: the reconstructors' networks against torch.nn with the same weights, their sizes against those of the
// study, training that finds a linear map, and a run that goes on after it was cut off.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "io/random.h"
#include "io/safetensors.h"
#include "io/thread.h"
#include "test/check.h"
#include "train/recon_net.h"

static Arena *arena;
static Tensors *golden;
static const char *network;
static Tape *tape;

static Tensor from_golden(const char *name, int ndim, const long *shape) {
    Tensor t = tensor_take(arena, DTYPE_F32, ndim, shape);
    const TensorEntry *e = tensors_need(golden, arena_print(arena, "%s/%s", network, name));
    need(e->size == tensor_bytes(t), "%s has another shape", e->name);
    memcpy(t.data, e->bytes, e->size);
    return t;
}

static Tensor golden_parameter(Recon *r, const char *name, int ndim, const long *shape, InitKind kind, double scale) {
    (void)r, (void)kind, (void)scale;
    return tape_parameter(tape, from_golden(arena_print(arena, "weight/%s", name), ndim, shape));
}

static void test_network(const char *name, ReconConfig c, long T_out) {
    network = name;
    tape = tape_new(arena);
    ReconNet *net = recon_net_new(arena, &c, NULL, golden_parameter);
    Run *run = run_new(arena);
    run->recorder = tape_recorder(tape);
    Tensor x = from_golden("x", DIMS(3, 5, c.I)), want = from_golden("y", DIMS(3, T_out, c.O));
    Tensor y = recon_net_forward(run, net, x, 0);
    check_near(arena_print(arena, "%s: output", name), f32(y), f32(want), tensor_count(want), 3e-6); // float through a dozen layers
    float *g = take(arena, float, tensor_count(y));
    double last = (double)tensor_count(y) - 1;
    for (size_t i = 0; i < tensor_count(y); i++) g[i] = (float)(-1 + 2 * (double)i / last);
    tape_seed(tape, arena, y, g);
    tape_backward(tape, arena, NO_TENSOR, 1);
    Tensor first = tape_parameter_at(tape, 0), slope = from_golden("gradient", 2, first.shape);
    check_near(arena_print(arena, "%s: gradient of the first weight", name), tape_gradient(tape, first), f32(slope), tensor_count(slope), 3e-5);
}

static long counted;
static Tensor count_parameter(Recon *r, const char *name, int ndim, const long *shape, InitKind kind, double scale) {
    (void)r, (void)name, (void)kind, (void)scale;
    Tensor t = tensor_of(NULL, DTYPE_F32, ndim, shape);
    counted += (long)tensor_count(t);
    return t;
}

static void test_size(const char *name, ReconConfig c, long want) {
    counted = 0;
    recon_net_new(arena, &c, NULL, count_parameter);
    check(counted == want, "%s: %ld parameters, the study's has %ld", name, counted, want);
}

// ---- training on a linear map of 4 channels to 3, 6 tokens, with a little noise

enum { IMAGES = 60, TOKENS = 6, IN = 4, OUT = 3 };

static void read_input(void *arg, size_t image, float *out) {
    (void)arg;
    Rng r = rng_sub(rng_of(5, "input"), image);
    for (int i = 0; i < TOKENS * IN; i++) out[i] = (float)rng_normal(r, (uint64_t)i) * (i % IN == 2 ? 1000 : 1) + 3; // one large channel
}

static int cut_after; // targets that are still read before the run is cut off; 0: it is not

static void read_target(void *arg, size_t image, float *out) {
    if (cut_after && --cut_after == 0) _exit(7);
    float x[TOKENS * IN];
    read_input(arg, image, x);
    for (int t = 0; t < TOKENS; t++)
        for (int c = 0; c < OUT; c++) out[t * OUT + c] = 100 + 2 * x[t * IN + c] - 0.5f * x[t * IN + 3];
}

static ReconHistory train(const char *path, int epochs, bool faithful, ReconKind kind, double *losses, float *prediction) {
    Arena *a = arena_new("one training");
    ReconConfig c = {.kind = kind, .I = IN, .O = OUT, .h = 16, .layers = kind == RECON_TOKENS ? 3 : 1, .heads = 2, .T_in = TOKENS, .T_out = TOKENS,
                     .dropout = 0.1, .batch = 8, .epochs = epochs, .patience = 100, .lr = 1e-2, .decay = 0.01, .min_delta = 1e-4, .warmup = 5,
                     .accumulation = 2, .seed = 3, .faithful = faithful};
    Recon *r = recon_new(a, c);
    ReconData d = {.input = read_input, .target = read_target, .T = TOKENS};
    uint32_t list[IMAGES];
    for (uint32_t i = 0; i < IMAGES; i++) list[i] = i;
    ReconHistory h = recon_train(r, &d, list, 48, list + 48, 12, path, false, losses);
    float x[TOKENS * IN], y[TOKENS * OUT];
    read_input(NULL, 55, x), read_target(NULL, 55, y);
    recon_predict(r, a, x, TOKENS, prediction);
    ReconScore s = recon_score(r, prediction, y, TOKENS, NULL);
    check(s.mse < 0.3 * s.mse_mean && s.cosine > 0.9, "%c%s: error %.4f on an unseen picture, the mean's is %.4f, cosine %.4f", "ABC"[kind],
          faithful ? ", faithful" : "", s.mse, s.mse_mean, s.cosine);
    arena_free(a);
    return h;
}

static void test_training(void) {
    const char *one = arena_print(arena, "/tmp/retina-recon-%ld-1", (long)getpid()), *two = arena_print(arena, "/tmp/retina-recon-%ld-2", (long)getpid());
    double losses[30], again[30];
    float p[TOKENS * OUT], q[TOKENS * OUT];
    ReconHistory h = train(one, 30, false, RECON_TOKENS, losses, p);
    check(h.best_loss < 0.5 * losses[0] && h.best > 5, "A learns a linear map: loss %.4f, then %.4f in epoch %d of %d", losses[0], h.best_loss, h.best, h.epochs);
    threads_set(3);
    train(two, 30, false, RECON_TOKENS, again, q);
    threads_set(1);
    check_same("3 threads: the same predictions", q, p, sizeof p);
    train(two, 30, false, RECON_TOKENS, again, q); // reads what is there
    check_same("a finished run is read, not repeated", q, p, sizeof p);
    unlink(two);
    for (int cut = 0; cut < 2; cut++) { // 60 targets an epoch: in the eleventh, then ten epochs later
        cut_after = cut ? 600 : 700;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) train(two, 30, false, RECON_TOKENS, again, q), _exit(0);
        int status = 0;
        check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "a run is cut off in the middle of an epoch");
    }
    cut_after = 0;
    memset(again, 0, sizeof again);
    train(two, 30, false, RECON_TOKENS, again, q);
    check_same("cut off twice: the same predictions", q, p, sizeof p);
    check_same("and the same losses", again, losses, sizeof losses);
    unlink(one), unlink(two);
    train(one, 30, true, RECON_TOKENS, losses, p);
    unlink(one);
    train(one, 30, false, RECON_MIXER, losses, p);
    unlink(one);
}

int main(void) {
    threads_set(1);
    arena = arena_new("test");
    golden = tensors_open(arena, "test/golden/recon.safetensors");
    test_network("A", (ReconConfig){.kind = RECON_TOKENS, .I = 12, .h = 10, .O = 7, .layers = 4}, 5);
    test_network("B", (ReconConfig){.kind = RECON_ENCODER, .I = 9, .h = 16, .O = 6, .layers = 1, .heads = 8, .T_in = 5, .T_out = 5}, 5);
    test_network("C", (ReconConfig){.kind = RECON_MIXER, .I = 9, .h = 8, .O = 6, .layers = 2, .heads = 2, .T_in = 5, .T_out = 8}, 8);
    ReconConfig c = {.kind = RECON_MIXER, .h = 2048, .layers = 8, .heads = 16};
    test_size("A for LLaVA", (ReconConfig){.kind = RECON_TOKENS, .I = 4096, .h = 2048, .O = 1024, .layers = 3}, 27282432);
    c.I = 4096, c.O = 1152, c.T_in = 64, c.T_out = 576, test_size("C for Idefics2", c, 442020672);
    c.I = 3584, c.O = 1280, c.T_in = 144, c.T_out = 576, test_size("C for Qwen2.5-VL", c, 440703936);
    c.I = 4096, c.O = 1152, c.T_in = 100, c.T_out = 400, test_size("C for Qwen3.5", c, 441756592);
    check_dies("a width that heads do not divide", "heads") {
        c.heads = 7;
        recon_net_new(arena, &c, NULL, count_parameter);
    }
    check_dies("more epochs than a checkpoint counts", "65535 at most") recon_new(arena, (ReconConfig){.kind = RECON_TOKENS, .I = 4, .h = 4, .O = 3, .layers = 3, .epochs = 65536});
    test_training();
    return check_end();
}
