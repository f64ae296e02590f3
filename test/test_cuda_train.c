// test_cuda_train.c: gradients of every operation, AdamW and whole steps of training on the emulated GPU (make gpu: on a real one): the
// bits of the CPU.
//
// Bound: none. Every case runs forward and backward on a tape of either device; inputs are once parameters, whose gradients are added
// to, and once results, whose gradients are written first. Shapes: 1, a half-warp, a warp and a block and one beside each, primes. The
// CPU's own gradients are checked against differences (test_tape.c) and PyTorch (test_gradients.c).
// Caught when broken on purpose: a chain of a sum over rows that starts at zero, rows of one id added in another order, a product of
// shared heads that does not add, dropout numbered within a head, a norm's mean forgotten, AdamW without decay.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cuda/backend.h"
#include "cuda_check.h"
#include "cuda_reports.h"
#include "golden.h"
#include "io/file.h"
#include "io/random.h"
#include "model/clip.h"
#include "model/gradients.h"
#include "model/kernels.h"
#include "model/model.h"
#include "train/optimiser.h"
#include "train/recon_net.h"

static const Device *gpu;
static Arena *arena, *step;

static Tensor numbers(int ndim, const long *shape, uint64_t seed) {
    Tensor x = tensor_take(arena, DTYPE_F32, ndim, shape);
    for (size_t i = 0; i < tensor_count(x); i++) f32(x)[i] = (float)rng_normal((Rng){seed, 7}, i) * (i % 13 == 5 ? 3.0f : 1.0f);
    return x;
}

static Tensor indices(int ndim, const long *shape, long below) {
    Tensor x = tensor_take(arena, DTYPE_I32, ndim, shape);
    for (size_t i = 0; i < tensor_count(x); i++) i32(x)[i] = (int32_t)((i * i * 7 + i * 3 + 3) % (size_t)below);
    return x;
}

// ---- one operation

enum { INPUTS = 3 };
typedef Tensor Build(Run *run, const Tensor *in, long n, Tensor list);

typedef struct {
    const char *name;
    Build *build;
    long n;
    Tensor in[INPUTS], list;
} Case;

static float *gradients_on(const Device *device, const Case *c, bool results, size_t *count) {
    Tape *tape = tape_new_on(arena, device);
    Tensor p[INPUTS] = {NO_TENSOR}, x[INPUTS] = {NO_TENSOR};
    *count = 0;
    for (int i = 0; i < INPUTS; i++)
        if (tensor_given(c->in[i])) p[i] = tape_parameter(tape, c->in[i]), *count += tensor_count(p[i]);
    Run *run = run_on(arena, device);
    run->recorder = tape_recorder(tape);
    for (int i = 0; i < INPUTS; i++)
        if (tensor_given(p[i])) x[i] = results ? scale(run, p[i], 1) : p[i];
    Tensor out = c->build(run, x, c->n, c->list), seed = numbers(out.ndim, out.shape, 99);
    tape_seed(tape, arena, out, f32(seed));
    tape_backward(tape, arena, NO_TENSOR, 1);
    float *all = take(arena, float, *count), *at = all;
    for (int i = 0; i < INPUTS; i++)
        if (tensor_given(p[i])) device->read(at, tape_gradient(tape, p[i]), tensor_bytes(p[i])), at += tensor_count(p[i]);
    return all;
}

static void both(Case c) {
    size_t bad = 0, n, m;
    bool zero = true;
    emu_forget();
    for (int results = 0; results < 2; results++) {
        const float *want = gradients_on(device_cpu(), &c, results, &n), *got = gradients_on(gpu, &c, results, &m);
        for (size_t i = 0; i < n; i++) bad += memcmp(want + i, got + i, 4) != 0, zero = zero && want[i] == 0;
    }
    char t[128];
    check(bad == 0 && (!zero || n == 1) && emu_reports() == 0, "gradient of %s %s: %zu of %zu differ%s; %s", c.name, tensor_shape_text(c.in[0], t), bad, 2 * n, zero ? "; all are zero" : "",
          emu_reports() ? emu_first_report() : "nothing reported");
    arena_release(arena, (Mark){0});
}

static Tensor b_linear(Run *r, const Tensor *in, long n, Tensor list) { return linear(r, in[0], in[1], in[2]); }
static Tensor b_embedding(Run *r, const Tensor *in, long n, Tensor list) { return embedding(r, in[0], list); }
static Tensor b_layernorm(Run *r, const Tensor *in, long n, Tensor list) { return layernorm(r, in[0], in[1], in[2], 1e-5f); }
static Tensor b_rmsnorm(Run *r, const Tensor *in, long n, Tensor list) { return rmsnorm(r, in[0], in[1], 1e-6f, n ? RMS_ZERO_CENTRED : RMS_PLAIN); }
static Tensor b_l2norm(Run *r, const Tensor *in, long n, Tensor list) { return l2norm(r, in[0], n ? 50 : 1e-12f); }
static Tensor b_activation(Run *r, const Tensor *in, long n, Tensor list) { return activation(r, in[0], (Act)n); }
static Tensor b_add(Run *r, const Tensor *in, long n, Tensor list) { return add(r, in[0], in[1]); }
static Tensor b_twice(Run *r, const Tensor *in, long n, Tensor list) { return mul(r, add(r, in[0], in[1]), in[0]); }
static Tensor b_add_rows(Run *r, const Tensor *in, long n, Tensor list) { return add_rows(r, in[0], in[1]); }
static Tensor b_mul(Run *r, const Tensor *in, long n, Tensor list) { return mul(r, in[0], in[1]); }
static Tensor b_mul_row(Run *r, const Tensor *in, long n, Tensor list) { return mul_row(r, in[0], in[1]); }
static Tensor b_scale(Run *r, const Tensor *in, long n, Tensor list) { return scale(r, in[0], -1.75f); }
static Tensor b_scale_by(Run *r, const Tensor *in, long n, Tensor list) { return scale_by(r, in[0], in[1]); }
static Tensor b_softcap(Run *r, const Tensor *in, long n, Tensor list) { return softcap(r, in[0], 1.5f); }
static Tensor b_clamp(Run *r, const Tensor *in, long n, Tensor list) { return clamp(r, in[0], -1, 0.75f); }
static Tensor b_exp(Run *r, const Tensor *in, long n, Tensor list) { return exp_of(r, in[0]); }
static Tensor b_dropout(Run *r, const Tensor *in, long n, Tensor list) { return dropout(r, in[0], 0.3f, 7, (uint64_t)n); }
static Tensor b_patchify(Run *r, const Tensor *in, long n, Tensor list) { return patchify(r, in[0], (int)n); }
static Tensor b_prepend(Run *r, const Tensor *in, long n, Tensor list) { return prepend_row(r, in[0], in[1]); }
static Tensor b_rows_slice(Run *r, const Tensor *in, long n, Tensor list) { return rows_slice(r, in[0], n, in[0].shape[1]); }
static Tensor b_rows_at(Run *r, const Tensor *in, long n, Tensor list) { return rows_at(r, in[0], list); }
static Tensor b_rows_put(Run *r, const Tensor *in, long n, Tensor list) { return rows_put(r, in[0], list, in[1]); }
static Tensor b_concat_last(Run *r, const Tensor *in, long n, Tensor list) { return concat_last(r, in[0], in[1]); }
static Tensor b_concat_tokens(Run *r, const Tensor *in, long n, Tensor list) { return concat_tokens(r, in[0], in[1]); }
static Tensor b_mean_tokens(Run *r, const Tensor *in, long n, Tensor list) { return mean_tokens(r, in[0]); }
static Tensor b_slice_last(Run *r, const Tensor *in, long n, Tensor list) { return slice_last(r, in[0], n, tensor_last(in[0])); }
static Tensor b_transpose(Run *r, const Tensor *in, long n, Tensor list) { return transpose(r, in[0]); }
static Tensor b_cross_entropy(Run *r, const Tensor *in, long n, Tensor list) { return cross_entropy(r, in[0], list); }
static Tensor b_mean_squared(Run *r, const Tensor *in, long n, Tensor list) { return mean_squared(r, in[0], in[1]); }

static Tensor b_rotary(Run *r, const Tensor *in, long n, Tensor list) {
    Tensor c, s;
    static const float frequencies[] = {1, 0.3f, 0.07f};
    rotary_tables(r, &c, &s, list, tensor_of((void *)(uintptr_t)frequencies, DTYPE_F32, DIMS(n)));
    return rotary(r, in[0], c, s, 3);
}

// The bits of n: causal, window, cap, lengths, dropout, a mask of keys.
static Tensor b_attention(Run *r, const Tensor *in, long n, Tensor list) {
    long Tk = in[1].shape[1];
    Tensor hidden = run_input(r, DTYPE_U8, DIMS(2, Tk)), lengths = run_input(r, DTYPE_I32, DIMS(2));
    for (long i = 0; i < 2 * Tk; i++) ((uint8_t *)hidden.data)[i] = i % 5 != 3;
    i32(lengths)[0] = (int32_t)(Tk - (Tk > 1)), i32(lengths)[1] = (int32_t)Tk;
    AttnShape s = {.heads = 4, .kv_heads = 2, .causal = n & 1, .window = n & 2 ? 3 : 0, .softcap = n & 4 ? 2 : 0, .key_lengths = n & 8 ? i32(lengths) : NULL,
                   .dropout = n & 16 ? 0.3f : 0, .seed = 5, .stream = 11, .key_mask = n & 32 ? hidden : NO_TENSOR};
    return attention(r, in[0], in[1], in[2], s);
}

#define ONE(name_, build_, n_, ...) both((Case){.name = name_, .build = build_, .n = n_, .in = {__VA_ARGS__}})
#define WITH(list_, name_, build_, n_, ...) both((Case){.name = name_, .build = build_, .n = n_, .in = {__VA_ARGS__}, .list = list_})

static void points(long n) {
#define X numbers(DIMS(n), 1)
#define Y numbers(DIMS(n), 2)
    for (int act = ACT_NONE; act <= ACT_SIGMOID; act++) ONE("an activation", b_activation, act, X);
    ONE("add", b_add, 0, X, Y);
    ONE("a tensor read twice", b_twice, 0, X, Y);
    ONE("mul", b_mul, 0, X, Y);
    ONE("scale", b_scale, 0, X);
    ONE("scale_by", b_scale_by, 0, X, numbers(DIMS(1), 3));
    ONE("softcap", b_softcap, 0, X);
    ONE("clamp", b_clamp, 0, X);
    ONE("exp", b_exp, 0, X);
    ONE("dropout", b_dropout, n, X);
    ONE("mean_squared", b_mean_squared, 0, X, Y);
#undef X
#undef Y
}

static void rows(long R, long C) {
#define X numbers(DIMS(R, C), 1)
#define W numbers(DIMS(C), 2)
    ONE("layernorm", b_layernorm, 0, X, W, numbers(DIMS(C), 3));
    ONE("rmsnorm", b_rmsnorm, 0, X, W);
    ONE("rmsnorm, 1 + w", b_rmsnorm, 1, X, W);
    ONE("l2norm", b_l2norm, 0, X);
    ONE("l2norm under its floor", b_l2norm, 1, X);
    ONE("add_rows", b_add_rows, 0, X, W);
    ONE("mul_row", b_mul_row, 0, X, W);
    ONE("transpose", b_transpose, 0, X);
    ONE("linear", b_linear, 0, X, numbers(DIMS(5, C), 4), numbers(DIMS(5), 5));
    WITH(indices(DIMS(3, 7), R), "embedding", b_embedding, 0, X);
    Tensor targets = indices(DIMS(R), C);
    if (R > 1) i32(targets)[1] = -1;
    WITH(targets, "cross_entropy", b_cross_entropy, 0, X);
#undef X
#undef W
}

static void tokens(long B, long T, long C) {
#define X numbers(DIMS(B, T, C), 1)
    ONE("add_rows, a table", b_add_rows, 0, X, numbers(DIMS(T, C), 2));
    ONE("prepend_row", b_prepend, 0, X, numbers(DIMS(C), 2));
    ONE("rows_slice", b_rows_slice, T / 2, X);
    ONE("concat_last", b_concat_last, 0, X, numbers(DIMS(B, T, 3), 2));
    ONE("concat_tokens", b_concat_tokens, 0, X, numbers(DIMS(B, 2, C), 2));
    ONE("slice_last", b_slice_last, C / 3, X);
    ONE("mean_tokens", b_mean_tokens, 0, X);
    WITH(indices(DIMS(B), T), "rows_at", b_rows_at, 0, X);
    long put = B * T / 2 + 1; // some places twice: the later row is seen
    WITH(indices(DIMS(put), B * T), "rows_put", b_rows_put, 0, X, numbers(DIMS(put, C), 2));
#undef X
}

static void heads(long T, long Tk, long D) {
    static const long kinds[] = {0, 1, 6, 11, 16, 21, 36};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (T <= Tk) ONE("attention", b_attention, kinds[i], numbers(DIMS(2, T, 4 * D), 1), numbers(DIMS(2, Tk, 2 * D), 2), numbers(DIMS(2, Tk, 2 * D), 3));
}

static void operations(void) {
    static const long counts[] = {1, 31, 257, 1025};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) points(counts[i]);
    static const struct {
        long R, C;
    } shapes[] = {{2, 2}, {7, 15}, {65, 16}, {33, 31}, {5, 33}, {3, 257}, {131, 37}, {5, 2056}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) rows(shapes[i].R, shapes[i].C);
    tokens(1, 2, 1);
    tokens(2, 5, 7);
    tokens(3, 17, 33);
    heads(1, 2, 4);
    heads(5, 17, 16);
    heads(33, 33, 20);
    WITH(indices(DIMS(2, 5), 4000), "rotary", b_rotary, 3, numbers(DIMS(2, 5, 3 * 8), 1));
    WITH(indices(DIMS(3), 4000), "rotary", b_rotary, 1, numbers(DIMS(2, 3, 3 * 2), 1));
    ONE("patchify", b_patchify, 4, numbers(DIMS(2, 3, 9, 14), 1));
    if (!real_shapes()) return;
    points(1 << 18);
    rows(4099, 512);
    tokens(4, 577, 256);
    heads(577, 577, 64);
}

// ---- whole steps: three updates on either device, then the parameters

enum { UPDATES = 3 };

typedef struct {
    Tape *tape;
    Adam *adam;
    const Device *device;
} Trained;

static void updates_done(const char *name, const Trained *here, const Trained *there, double loss_here, double loss_there) {
    size_t bad = 0, total = 0;
    for (size_t i = 0; i < tape_parameters(here->tape); i++) {
        Tensor want = tape_parameter_at(here->tape, i), got = tape_parameter_at(there->tape, i);
        float *x = take(step, float, tensor_count(got));
        gpu->read(x, got.data, tensor_bytes(got));
        for (size_t k = 0; k < tensor_count(want); k++) bad += memcmp(f32(want) + k, x + k, 4) != 0;
        total += tensor_count(want);
    }
    check(bad == 0 && total > 100 && loss_here == loss_there && emu_reports() == 0, "%s, three updates: %zu of %zu parameters differ, losses %.9g and %.9g; %s", name, bad, total,
          loss_here, loss_there, emu_reports() ? emu_first_report() : "nothing reported");
}

static Trained *trained;

static Tensor recon_parameter(Recon *r, const char *name, int ndim, const long *shape, InitKind kind, double factor) {
    Tensor t = tensor_take(arena, DTYPE_F32, ndim, shape);
    (void)r;
    init_fill(f32(t), ndim, shape, kind, factor, 3, name);
    return tape_parameter(trained->tape, t);
}

static double recon_updates(Trained *t, const ReconConfig *c) {
    trained = t;
    t->tape = tape_new_on(arena, t->device);
    ReconNet *net = recon_net_new(arena, c, NULL, recon_parameter);
    t->adam = adam_new(arena, t->tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1}, (Group){.lr_factor = 1, .decay = 0.01});
    float loss = 0;
    for (int i = 0; i < UPDATES; i++) {
        Run *run = run_on(step, t->device);
        run->recorder = tape_recorder(t->tape);
        Tensor x = numbers(DIMS(3, c->T_in, c->I), 20 + (uint64_t)i), y = numbers(DIMS(3, c->T_out, c->O), 30 + (uint64_t)i);
        Tensor l = mean_squared(run, recon_net_forward(run, net, x, (uint64_t)i + 1), y);
        tape_backward(t->tape, step, l, 1);
        loss = *f32(run_read(run, l));
        tape_begin(t->tape);
        arena_release(step, (Mark){0});
        adam_update(t->adam, 1e-2);
        tape_zero(t->tape);
    }
    return (double)loss;
}

static void recon_case(const char *name, ReconConfig c) {
    emu_forget();
    Trained here = {.device = device_cpu()}, there = {.device = gpu};
    double a = recon_updates(&here, &c), b = recon_updates(&there, &c);
    updates_done(name, &here, &there, a, b);
    arena_release(step, (Mark){0}), arena_release(arena, (Mark){0});
}

// CLIP's loss of two pairs; CoCa's captions; or a decoder's, of every next token.
static Tensor model_loss(Run *run, const Model *m, const Golden *g) {
    Inputs in = {.pixels = golden_input(g, "pixel_values"), .ids = golden_input(g, "input_ids")};
    Tensor targets;
    if (strcmp(m->family->types[0], "clip") == 0) {
        in.ids.shape[0] = 2;
        Outputs o = m->family->forward(run, m, &in);
        targets = run_input(run, DTYPE_I32, DIMS(2));
        i32(targets)[0] = 0, i32(targets)[1] = 1;
        Tensor s = linear(run, l2norm(run, o.image_embeds, 0), l2norm(run, o.text_embeds, 0), NO_TENSOR);
        s = scale_by(run, s, exp_of(run, ((const Clip *)m->own)->logit_scale));
        return add(run, cross_entropy(run, s, targets), cross_entropy(run, transpose(run, s), targets));
    }
    Outputs o = m->family->forward(run, m, &in);
    if (tensor_given(o.image_embeds)) { // CoCa: captions, and the two towers
        targets = indices(DIMS(tensor_rows(o.logits)), tensor_last(o.logits));
        return add(run, cross_entropy(run, o.logits, targets), mean_squared(run, o.image_embeds, o.text_embeds));
    }
    long T = in.ids.shape[1];
    targets = run_input(run, DTYPE_I32, DIMS(T));
    for (long k = 0; k < T; k++) i32(targets)[k] = k + 1 < T && i32(in.ids)[k + 1] != m->image_token ? i32(in.ids)[k + 1] : -1;
    return cross_entropy(run, tensor_view(o.logits, DIMS(T, tensor_last(o.logits))), targets);
}

// A model of test/golden; every weight but a LLaVA's tower is a parameter.
static double model_updates(Trained *t, const char *dir) {
    const char *path = arena_print(arena, "test/golden/%s", dir);
    Golden *g = golden_open(arena, arena_print(arena, "%s/golden.safetensors", path));
    Model *mapped = model_open(arena, path, false);
    const Weight *from;
    size_t count = weights_list(mapped->weights, &from);
    Weight *list = take(arena, Weight, count);
    t->tape = tape_new_on(arena, t->device);
    for (size_t i = 0; i < count; i++) {
        Tensor x = tensor_take(arena, DTYPE_F32, from[i].tensor.ndim, from[i].tensor.shape);
        widen(f32(x), from[i].tensor.data, from[i].tensor.dtype, tensor_count(x));
        bool frozen = strstr(from[i].name, "vision_tower") != NULL;
        list[i] = (Weight){.name = from[i].name, .tensor = frozen ? x : tape_parameter(t->tape, x)};
    }
    Model *m = model_build(arena, path, mapped->config, weights_memory(arena, list, count));
    t->adam = adam_new(arena, t->tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 1}, (Group){.lr_factor = 1, .decay = 0.05});
    adam_spare_vectors(t->adam);
    float loss = 0;
    for (int i = 0; i < UPDATES; i++) {
        Run *run = run_on(step, t->device);
        run->recorder = tape_recorder(t->tape);
        Tensor l = model_loss(run, m, g);
        tape_backward(t->tape, step, l, 1);
        loss = *f32(run_read(run, l));
        tape_begin(t->tape);
        arena_release(step, (Mark){0});
        adam_update(t->adam, 1e-3);
        tape_zero(t->tape);
    }
    return (double)loss;
}

static void model_case(const char *dir) {
    emu_forget();
    Trained here = {.device = device_cpu()}, there = {.device = gpu};
    double a = model_updates(&here, dir), b = model_updates(&there, dir);
    updates_done(dir, &here, &there, a, b);
    arena_release(step, (Mark){0}), arena_release(arena, (Mark){0});
}

// ---- a reconstructor's whole way: epochs, the best weights, a checkpoint, a prediction

enum { IMAGES = 12, T = 4, I = 6, O = 5 };

static void read_input(void *arg, size_t image, float *out) {
    for (int i = 0; i < T * I; i++) out[i] = (float)rng_normal((Rng){8, image}, (uint64_t)i);
}

static void read_target(void *arg, size_t image, float *out) {
    float x[T * I];
    read_input(arg, image, x);
    for (int i = 0; i < T * O; i++) out[i] = 3 * x[i / O * I + i % O] + 1;
}

static double way(const Device *device, const char *path, bool fresh, float *prediction) {
    Arena *a = arena_new("one training");
    device_use(device);
    Recon *r = recon_new(a, (ReconConfig){.kind = RECON_TOKENS, .I = I, .O = O, .h = 8, .layers = 3, .dropout = 0.1, .batch = 4, .epochs = 3, .patience = 9, .lr = 1e-2, .decay = 0.01,
                                          .min_delta = 1e-4, .warmup = 2, .accumulation = 2, .seed = 3});
    device_use(device_cpu());
    uint32_t list[IMAGES];
    for (uint32_t i = 0; i < IMAGES; i++) list[i] = i;
    ReconHistory h = recon_train(r, &(ReconData){.input = read_input, .target = read_target, .T = T}, list, 9, list + 9, 3, path, fresh, NULL);
    float x[T * I];
    read_input(NULL, 11, x);
    recon_predict(r, a, x, T, prediction);
    arena_free(a);
    return h.best_loss;
}

static void ways(void) {
    emu_forget();
    const char *one = arena_print(arena, "/tmp/retina-train-%ld-1", (long)getpid()), *two = arena_print(arena, "/tmp/retina-train-%ld-2", (long)getpid());
    float p[T * O], q[T * O];
    double a = way(device_cpu(), one, true, p), b = way(gpu, two, true, q);
    check(a == b && emu_reports() == 0, "a reconstructor trained: best losses %.9g and %.9g; %s", a, b, emu_reports() ? emu_first_report() : "nothing reported");
    check_same("its predictions", q, p, sizeof p);
    Bytes x = file_read(arena, one), y = file_read(arena, two);
    if (check(x.size == y.size, "its checkpoint: as many bytes")) check_same("its checkpoint", y.bytes, x.bytes, x.size);
    way(gpu, one, false, q); // reads what the CPU has left
    check_same("a checkpoint of the CPU read on the GPU", q, p, sizeof p);
    unlink(one), unlink(two);
    arena_release(arena, (Mark){0});
}

// TRAIN_PART names the only part that runs: racecheck of all takes minutes.
static bool wanted(const char *part) {
    const char *only = getenv("TRAIN_PART");
    return !only || strcmp(only, part) == 0;
}

// ---- sums over more rows than a block takes at a time

static float *sums_on(const Device *device, Tensor d, Tensor g, Tensor x, const int32_t *to, bool product) {
    const long R = g.shape[0], C = g.shape[1];
    Run *run = run_on(arena, device);
    d = run_send(run, d), g = run_send(run, g), x = run_send(run, x);
    if (to) device->gradients->add_rows(f32(d), to, f32(g), NULL, R, C);
    else device->gradients->sum_rows(f32(d), f32(g), product ? f32(x) : NULL, R, C, C);
    return f32(run_read(run, d));
}

static void long_sums(void) {
    static const long shapes[][2] = {{1, 3}, {15, 33}, {256, 32}, {257, 31}, {600, 33}, {529, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const long R = shapes[i][0], C = shapes[i][1];
        Tensor g = numbers(DIMS(R, C), 1), x = numbers(DIMS(R, C), 2), to = tensor_take(arena, DTYPE_I32, DIMS(R));
        for (long r = 0; r < R; r++) i32(to)[r] = r % 5 == 0 ? (int32_t)(r % 3) : 4; // most rows go to one place, none to the third
        for (int way = 0; way < 3; way++) {
            float *on[2];
            for (int k = 0; k < 2; k++) on[k] = sums_on(k ? gpu : device_cpu(), numbers(DIMS(5, C), 3), g, x, way == 2 ? i32(to) : NULL, way == 1);
            check(memcmp(on[0], on[1], (size_t)(5 * C) * sizeof(float)) == 0, "%s of %ld rows of %ld: the CPU's bits", (const char *[]){"a sum", "a sum of products", "places"}[way], R, C);
        }
    }
}

int main(void) {
    emu_late(true); // the next batch is made while the GPU works: no bit may hang on when commands run
    const char *why;
    gpu = device_cuda(&why);
    arena = arena_new("a case"), step = arena_new("a step");
    if (wanted("operations")) operations(), long_sums();
    if (wanted("recon")) {
        recon_case("reconstructor A", (ReconConfig){.kind = RECON_TOKENS, .I = 12, .h = 10, .O = 7, .layers = 3, .T_in = 5, .T_out = 5, .dropout = 0.1, .seed = 3});
        recon_case("reconstructor B", (ReconConfig){.kind = RECON_ENCODER, .I = 9, .h = 16, .O = 6, .layers = 1, .heads = 8, .T_in = 5, .T_out = 5, .dropout = 0.1, .seed = 3});
        recon_case("reconstructor C", (ReconConfig){.kind = RECON_MIXER, .I = 9, .h = 8, .O = 6, .layers = 2, .heads = 2, .T_in = 5, .T_out = 8, .dropout = 0.1, .seed = 3});
    }
    if (wanted("ways")) ways();
    if (wanted("models")) model_case("clip-openai");
    if (wanted("models")) model_case("llava-default");
    if (wanted("models")) model_case("coca-small");
    arena_free(step), arena_free(arena);
    return check_end();
}
