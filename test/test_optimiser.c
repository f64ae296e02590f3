// test_optimiser.c: AdamW against its formulas in double, the schedules, clipping, a run that is killed again and
// again, and the losses' gradients against differences of their values.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "io/random.h"
#include "io/thread.h"
#include "test/check.h"
#include "model/kernels.h"
#include "train/checkpoint.h"
#include "train/init.h"
#include "train/losses.h"
#include "train/real.h"

static uint16_t bf16_bits(float x) {
    uint16_t half;
    convert_f32_bf16(&half, &x, 1);
    return half;
}

static void fill(float *x, size_t n, const char *name) {
    Rng r = rng_of(1, name);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(r, i);
}

// Fifty updates with gradients that depend on the step, in double by the textbook (Loshchilov & Hutter 2019, algorithm 2).
static void test_adam(void) {
    enum { N = 300, STEPS = 50 };
    Arena *a = arena_new("adam");
    Tape *tape = tape_new(a);
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(3, 100)), b = tensor_take(a, DTYPE_F32, DIMS(7));
    fill(f32(x), N, "w"), fill(f32(b), 7, "b");
    x = tape_parameter(tape, x), b = tape_parameter(tape, b);
    Adam *o = adam_new(a, tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 5}, (Group){.lr_factor = 1, .decay = 0.1});
    adam_spare_vectors(o);
    check(o->groups[0].decay > 0 && o->groups[1].decay == 0, "vectors are spared decay, matrices are not");
    o->groups[1].lr_factor = 0.5;
    double w[N + 7], m[N + 7] = {0}, v[N + 7] = {0};
    for (int i = 0; i < N + 7; i++) w[i] = i < N ? (double)f32(x)[i] : (double)f32(b)[i - N];
    double worst_norm = 0;
    for (int t = 1; t <= STEPS; t++) {
        char name[32];
        snprintf(name, sizeof name, "g%d", t);
        float g[N + 7];
        fill(g, N + 7, name);
        for (int i = 0; i < N + 7; i++) g[i] *= t % 2 ? 1 : 0.01f; // clipped in odd steps only
        memcpy(tape_gradient(tape, x), g, N * sizeof *g);
        memcpy(tape_gradient(tape, b), g + N, 7 * sizeof *g);
        double norm = 0, lr = 0.01;
        for (int i = 0; i < N + 7; i++) norm += (double)g[i] * (double)g[i];
        norm = sqrt(norm);
        double shrink = norm > 5 ? 5 / (norm + 1e-6) : 1, got = adam_update(o, lr);
        worst_norm = fmax(worst_norm, fabs(got - norm) / norm);
        for (int i = 0; i < N + 7; i++) {
            double gi = (double)g[i] * shrink, rate = i < N ? lr : 0.5 * lr;
            m[i] = 0.9 * m[i] + 0.1 * gi;
            v[i] = 0.98 * v[i] + 0.02 * gi * gi;
            w[i] -= rate * (i < N ? 0.1 : 0) * w[i];
            w[i] -= rate * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.98, t))) + 1e-8);
        }
    }
    float want[N + 7], got[N + 7];
    for (int i = 0; i < N + 7; i++) want[i] = (float)w[i], got[i] = i < N ? f32(x)[i] : f32(b)[i - N];
    check_near("fifty updates", got, want, N + 7, 2e-6); // 50 roundings of size 6e-8
    check(worst_norm < 1e-12, "the gradient's norm (worst %.1e)", worst_norm);
    check_dies("a gradient that is not finite", "not finite") {
        tape_gradient(tape, x)[5] = NAN;
        adam_update(o, 0.01);
    }
    arena_free(a);
}

static void test_schedules(void) {
    check_value("cosine: first step of 200", schedule_cosine(3e-3, 0, 200, 1600, 0.02), 3e-3 / 200, 1e-9);
    check_value("cosine: half way", schedule_cosine(1, 500, 10, 1000, 0.02), 0.51, 1e-12);
    check_value("cosine: the end", schedule_cosine(1, 1000, 10, 1000, 0.02), 0.02, 1e-12);
    check_value("recon: the first update has rate 0", schedule_recon(3e-4, 0, 500, 17340), 0, 0);
    check_value("recon: end of the warm-up", schedule_recon(3e-4, 500, 500, 17340), 3e-4, 1e-18);
    // connectors.md 5.5: the study's 4340 updates end at 2.63e-4, because 17340 micro-batches were counted
    check_value("recon: where the study stopped", schedule_recon(3e-4, 4340, 500, 17340), 2.63e-4, 5e-7);
    check_value("recon: the end", schedule_recon(3e-4, 17340, 500, 17340), 3e-6, 1e-12);
    check_value("recon: fewer updates than warm-up", schedule_recon(1, 1, 500, 3), 0.5, 1e-15);
    double worst[3] = {0};
    for (int i = -2000; i <= 2000; i++) {
        double x = i * 0.0173;
        worst[0] = fmax(worst[0], fabs(real_exp(x) / exp(x) - 1));
        worst[1] = fmax(worst[1], fabs(real_cos(x) - cos(x)));
        worst[2] = fmax(worst[2], i > 0 ? fabs(real_log(x) - log(x)) : 0);
    }
    check(worst[0] < 1e-15 * 2 && worst[1] < 1e-15 && worst[2] < 2e-15, "exp, cos, log in double: %.1e %.1e %.1e", worst[0], worst[1], worst[2]);
}

static void test_init(void) {
    enum { N = 40000 };
    static float x[N];
    long shape[2] = {100, 400};
    double mean = 0, square = 0, most = 0;
    init_fill(x, 2, shape, INIT_UNIFORM_FAN, 1, 3, "layer.weight");
    for (int i = 0; i < N; i++) mean += (double)x[i] / N, square += (double)x[i] * (double)x[i] / N, most = fmax(most, fabs((double)x[i]));
    check(most <= 0.05 && most > 0.0499 && fabs(mean) < 1e-3, "PyTorch's Linear: uniform within 1/sqrt(400)");
    check_value("its variance", square, 0.05 * 0.05 / 3, 2e-5);
    float again[10];
    long few[2] = {1, 10};
    init_fill(x, 2, shape, INIT_NORMAL, 0.02, 3, "w");
    init_fill(again, 2, few, INIT_NORMAL, 0.02, 3, "w");
    check_same("a number depends on seed, name, index only", x, again, sizeof again);
    check(bf16_bits(1.00390625f) == 0x3F80 && bf16_bits(1.01171875f) == 0x3F82 && bf16_bits(-0.0f) == 0x8000, "bf16: ties go to even");
}

// ---- killed again and again

enum { WALK = 60 };

// A least-squares walk: 60 updates with a checkpoint after each; the final weights are written to `out`.
static void walk(const char *folder, const char *out) {
    Arena *a = arena_new("walk");
    Tape *tape = tape_new(a);
    Tensor w = tensor_take(a, DTYPE_F32, DIMS(6, 5)), x = tensor_take(a, DTYPE_F32, DIMS(8, 5)), y = tensor_take(a, DTYPE_F32, DIMS(8, 6));
    fill(f32(w), 30, "w");
    w = tape_parameter(tape, w);
    Adam *o = adam_new(a, tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1}, (Group){.lr_factor = 1, .decay = 0.01});
    const char *names[] = {"w"};
    Weight list[3] = {{.name = "w", .tensor = w}};
    checkpoint_moments(a, o, names, list + 1);
    const char *path = path_join(a, folder, "walk.safetensors");
    CheckpointHead head;
    Checkpoint *c = checkpoint_open(a, path, "walk", &head);
    if (c) {
        checkpoint_read(c, device_cpu(), list, 3);
        o->step = head.step;
    }
    while (o->step < WALK) {
        char name[32];
        snprintf(name, sizeof name, "x%d", (int)o->step);
        fill(f32(x), 40, name), fill(f32(y), 48, name);
        tape_begin(tape), tape_zero(tape);
        Run *run = run_new(a);
        run->recorder = tape_recorder(tape);
        tape_backward(tape, a, mean_squared(run, linear(run, x, w, NO_TENSOR), y), 1);
        adam_update(o, schedule_cosine(0.05, o->step, 5, WALK, 0.02));
        checkpoint_save(a, path, (CheckpointHead){.recipe = "walk", .notes = "", .step = o->step}, device_cpu(), list, 3);
    }
    file_write(out, w.data, tensor_bytes(w));
    arena_free(a);
}

static void test_killed(void) {
    Arena *a = arena_new("killed");
    char *folder = arena_print(a, "%s/retina-walk-%ld", "/tmp", (long)getpid());
    char *quiet_folder = path_join(a, folder, "undisturbed"), *killed_folder = path_join(a, folder, "killed");
    folder_make(quiet_folder), folder_make(killed_folder);
    const char *quiet_out = path_join(a, quiet_folder, "w"), *killed_out = path_join(a, killed_folder, "w");
    walk(quiet_folder, quiet_out);
    int kills = 0;
    for (int attempt = 0; attempt < 400 && !file_exists(killed_out); attempt++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            threads_set(1); // threads do not survive a fork
            walk(killed_folder, killed_out);
            _exit(0);
        }
        usleep((useconds_t)(500 + 700 * (attempt % 23)));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        kills += WIFSIGNALED(status) != 0;
    }
    check(kills > 2, "the run was killed %d times on its way", kills);
    if (check(file_exists(killed_out), "it arrived all the same")) {
        Bytes q = file_read(a, quiet_out), k = file_read(a, killed_out);
        check(q.size == k.size, "as many bytes");
        check_same("the same bytes as undisturbed", k.bytes, q.bytes, q.size);
    }
    check_dies("another recipe's checkpoint", "another recipe") {
        CheckpointHead head;
        checkpoint_open(a, path_join(a, quiet_folder, "walk.safetensors"), "another", &head);
    }
    for (int i = 0; i < 2; i++) {
        size_t n;
        char **files = folder_list(a, i ? killed_folder : quiet_folder, &n);
        for (size_t k = 0; k < n; k++) unlink(files[k]);
        rmdir(i ? killed_folder : quiet_folder);
    }
    rmdir(folder);
    arena_free(a);
}

// ---- losses

static void unit_rows(float *x, int R, int C) {
    for (int r = 0; r < R; r++) {
        double s = 0;
        for (int c = 0; c < C; c++) s += (double)x[r * C + c] * (double)x[r * C + c];
        for (int c = 0; c < C; c++) x[r * C + c] = (float)((double)x[r * C + c] / sqrt(s));
    }
}

static void test_contrast(void) {
    enum { B = 5, K = 2, E = 6, TEXTS = B + B * K };
    Arena *a = arena_new("contrast");
    float image[B * E], text[TEXTS * E], di[B * E], dt[TEXTS * E], ds, none[TEXTS * E], none2[TEXTS * E], one;
    fill(image, B * E, "i"), fill(text, TEXTS * E, "t");
    unit_rows(image, B, E), unit_rows(text, TEXTS, E);
    uint8_t given[B * K] = {1, 1, 0, 1, 0, 0, 1, 0, 1, 1};
    double scale = 1.5, weight = 0.7;
    contrast_loss(a, image, text, B, E, K, given, scale, weight, di, dt, &ds);
    float want_i[B * E], want_t[TEXTS * E];
    for (int part = 0; part < 2; part++) {
        float *x = part ? text : image, *want = part ? want_t : want_i;
        for (int i = 0; i < (part ? TEXTS : B) * E; i++) {
            float was = x[i], h = 0x1p-10f;
            double loss[2];
            for (int s = 0; s < 2; s++) {
                x[i] = s ? was - h : was + h;
                Contrast c = contrast_loss(a, image, text, B, E, K, given, scale, weight, none, none2, &one);
                loss[s] = c.pairs + weight * c.hard;
            }
            x[i] = was;
            want[i] = (float)((loss[0] - loss[1]) / (2 * (double)h));
        }
    }
    check_near("contrast: gradient of the images", di, want_i, B * E, 1e-4); // h^2 and rounding of x + h
    check_near("contrast: gradient of the texts", dt, want_t, TEXTS * E, 1e-4);
    Contrast up = contrast_loss(a, image, text, B, E, K, given, scale + 1e-5, weight, none, none2, &one);
    Contrast down = contrast_loss(a, image, text, B, E, K, given, scale - 1e-5, weight, none, none2, &one);
    check_value("contrast: gradient of the scale", (double)ds, (up.pairs + weight * up.hard - down.pairs - weight * down.hard) / 2e-5, 1e-5);
    // One pair alone: nothing to choose from.
    Contrast alone = contrast_loss(a, image, text, 1, E, 0, given, scale, weight, none, none2, &one);
    check_value("contrast: one pair has loss 0", alone.pairs, 0, 1e-15);
    arena_free(a);
}

static void test_patches(void) {
    enum { R = 6 };
    static float x[R * PATCH_WIDTH], d[R * PATCH_WIDTH], none[R * PATCH_WIDTH], want[R * PATCH_WIDTH];
    PatchTruth t[R] = {0};
    fill(x, R * PATCH_WIDTH, "x");
    for (int r = 0; r < R; r++) {
        t[r].shape = (int8_t)(r % 3 == 2 ? PATCH_NONE : r), t[r].colour = (int8_t)(7 - r), t[r].large = r & 1, t[r].striped = r > 2;
        for (int i = 0; i < 4; i++) t[r].box[i] = 0.3f * (float)(i - r) + 0.01f;
        for (int i = 0; i < PATCH_SIDE * PATCH_SIDE; i++) t[r].mask[i] = (i * 7 + r) % 3 == 0;
    }
    patch_loss(x, t, R, 2, d);
    for (int i = 0; i < R * PATCH_WIDTH; i++) {
        float was = x[i], h = 0x1p-10f;
        x[i] = was + h;
        double up = patch_loss(x, t, R, 1, none).loss;
        x[i] = was - h;
        want[i] = (float)(2 * (up - patch_loss(x, t, R, 1, none).loss) / (2 * (double)h));
        x[i] = was;
    }
    check_near("patches: gradient", d, want, R * PATCH_WIDTH, 1e-3); // the smooth-L1's corner may lie within h
    threads_set(3);
    PatchScore three = patch_loss(x, t, R, 1, none);
    threads_set(1);
    check(three.loss == patch_loss(x, t, R, 1, none).loss, "patches: the same loss on 1 and 3 threads");
}

int main(void) {
    threads_set(1);
    test_adam();
    test_schedules();
    test_init();
    test_contrast();
    test_patches();
    test_killed();
    return check_end();
}
