// bench_training.c: `retina bench training`: one step of training against PyTorch: forward, loss, gradients, their norm cut
// to 1, AdamW, all in f32. The networks are those that the commands train: the connectors study's reconstructors at LLaVA's
// widths, and the zoo's CLIP, both towers, CLIP's loss. Before it is timed, PyTorch's gradients are compared with ours, from
// the same parameters.
#include "bench_training.h"

#include <stdio.h>
#include <string.h>

#include "bench_noted.h"
#include "bench_table.h"
#include "io/file.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/clip.h"
#include "model/cpu.h"
#include "train/recon_net.h"
#include "train/zoo.h"

typedef struct {
    Arena *scratch; // of a step, kept for the next one, as the commands do
    Tape *tape;
    Adam *adam;
    Tensor (*loss)(void *self, Run *run); // seeds the tape itself and gives NO_TENSOR, or gives one number
    uint64_t steps;
    // a reconstructor
    const ReconNet *net;
    Tensor x, y;
    // two towers
    const Clip *clip;
    Tensor pixels, ids;
} Training;

#define STEP_MOST 1.0 // the gate: over the peer's

static const AdamConfig rule = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1};

static void gradients(Training *t, const Device *device) {
    Arena *step = t->scratch;
    Mark mark = arena_mark(step);
    Run *run = run_on(step, device);
    tape_begin(t->tape);
    tape_zero(t->tape);
    run->recorder = tape_recorder(t->tape);
    t->steps++;
    Tensor loss = t->loss(t, run);
    tape_backward(t->tape, step, loss, 1);
    tape_begin(t->tape);
    arena_release(step, mark);
}

static void training_work(void *arg) {
    Training *t = arg;
    gradients(t, device_cpu());
    adam_update(t->adam, 1e-4);
}

// All parameters one behind the other, or their gradients.
static const float *joined(Arena *a, Tape *tape, bool of_gradients, size_t *count) {
    *count = 0;
    for (size_t i = 0; i < tape_parameters(tape); i++) *count += tensor_count(tape_parameter_at(tape, i));
    float *all = take(a, float, *count), *to = all;
    for (size_t i = 0; i < tape_parameters(tape); i++) {
        Tensor p = tape_parameter_at(tape, i);
        memcpy(to, of_gradients ? tape_gradient(tape, p) : f32(p), tensor_bytes(p));
        to += tensor_count(p);
    }
    return all;
}

// A product's gradients are two more, but of the network's own input none is wanted; attention's two products have five.
static double step_operations(Arena *a, Training *t) {
    Noted noted;
    gradients(t, noted_by(&noted, a, device_cpu()));
    double sum = 3 * noted.products + 3.5 * noted.attention;
    for (size_t i = 0; i < noted.count; i++) {
        const Product *p = &noted.list[i];
        if (p->x.data == t->x.data) sum -= 2.0 * (double)p->rows * (double)tensor_count(p->w);
    }
    return sum;
}

// The row's error is the peer's distance from our gradients, from the same parameters (which are compared with double in test/test_gradients.c).
static Row row_of(Arena *a, const Table *table, const char *name, const char *ask, Training *t, const Given *given) {
    Row row = {.name = name, .ask = ask, .work = training_work, .arg = t, .operations = step_operations(a, t), .peak = PEAK_F32, .most = STEP_MOST};
    if (!table->peer) return row;
    Reference *reference = take(a, Reference, 1);
    gradients(t, device_cpu());
    reference->y = joined(a, t->tape, true, &reference->n);
    row.check = (Check){relative_distance, reference, NULL, reference->n, 0, 1e-4};
    memcpy(row.given, given, sizeof row.given);
    return row;
}

static Tensor normals(Arena *a, const char *what, int ndim, const long *shape) {
    Tensor x = tensor_take(a, DTYPE_F32, ndim, shape);
    for (size_t i = 0; i < tensor_count(x); i++) f32(x)[i] = (float)rng_normal(rng_of(bench_seed(), what), i);
    return x;
}

static void gate(const Table *t, const char *name, Measured m, const char *library) {
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "a training step over PyTorch's: %s", name), .value = m.ratio, .bound = STEP_MOST, .goal = 0.6, .elsewhere = peer_without(t->arena, t->peer, library)});
}

// ---- reconstructors

typedef struct {
    Arena *arena;
    Tape *tape;
} Parameters;

// recon_net_new only hands the first argument on.
static Tensor parameter(Recon *given, const char *name, int ndim, const long *shape, InitKind kind, double scale) {
    Parameters *p = (Parameters *)(void *)given;
    Tensor t = tensor_take(p->arena, DTYPE_F32, ndim, shape);
    init_fill(f32(t), ndim, shape, kind, scale, 0, name);
    return tape_parameter(p->tape, t);
}

static Tensor recon_loss(void *self, Run *run) {
    Training *t = self;
    return mean_squared(run, recon_net_forward(run, t->net, t->x, t->steps), t->y);
}

static void recon(Arena *a, const Table *table, const char *name, ReconConfig c) {
    if (!table_wants(table, name)) return;
    Mark mark = arena_mark(a);
    long T = c.T_in ? c.T_in : 576;
    Parameters p = {.arena = a, .tape = tape_new(a)};
    Training t = {.scratch = arena_new("a training step"), .tape = p.tape, .loss = recon_loss, .net = recon_net_new(a, &c, (Recon *)(void *)&p, parameter)};
    t.adam = adam_new(a, t.tape, rule, (Group){.lr_factor = 1, .decay = 0.01});
    t.x = normals(a, "input", DIMS(c.batch, T, c.I)), t.y = normals(a, "target", DIMS(c.batch, c.T_out ? c.T_out : T, c.O));
    const char *ask = arena_print(a, "recon %d %d %ld %d %d %d %d %d", (int)c.kind, c.batch, T, c.I, c.O, c.h, c.layers, threads_count());
    size_t count;
    const float *first = joined(a, t.tape, false, &count);
    const Given given[GIVEN_MOST] = {{"x", t.x.data, tensor_bytes(t.x)}, {"y", t.y.data, tensor_bytes(t.y)}, {"parameters", first, count * sizeof *first}};
    Row row = row_of(a, table, name, ask, &t, given);
    gate(table, name, table_row(table, &row), "PyTorch");
    arena_free(t.scratch);
    arena_release(a, mark);
}

// ---- the zoo's CLIP

static Tensor clip_loss(void *self, Run *run) {
    Training *t = self;
    const Clip *m = t->clip;
    long B = t->pixels.shape[0];
    Tensor seen = clip_vision_pooled(run, m->vision, clip_vision_forward(run, m->vision, t->pixels, false, -1, NULL, NULL));
    Tensor read = clip_text_pooled(run, m->text, clip_text_forward(run, m->text, t->ids, NO_TENSOR), t->ids);
    Tensor image = l2norm(run, linear(run, seen, m->visual_projection, NO_TENSOR), 1e-12f);
    Tensor text = l2norm(run, linear(run, read, m->text_projection, NO_TENSOR), 1e-12f);
    float *of_image = take(run->arena, float, tensor_count(image)), *of_text = take(run->arena, float, tensor_count(text)), of_scale;
    contrast_loss(run->arena, f32(image), f32(text), (int)B, (int)tensor_last(image), 0, NULL, (double)f32(m->logit_scale)[0], 0, of_image, of_text, &of_scale);
    tape_seed(t->tape, run->arena, image, of_image);
    tape_seed(t->tape, run->arena, text, of_text);
    tape_seed(t->tape, run->arena, m->logit_scale, &of_scale);
    return NO_TENSOR;
}

static void two_towers(Arena *a, const Table *table, const char *directory) {
    enum { B = 32, T = 16 };
    static const char *const all[] = {"*", NULL}, *name = "zoo's CLIP, 32 pictures and texts";
    if (!table_wants(table, name)) return;
    Mark mark = arena_mark(a);
    Bytes config = file_read(a, path_join(a, directory, "config.json"));
    Trainee *trainee = trainee_new(a, directory, arena_text(a, (const char *)config.bytes, config.size));
    Tensors *file = tensors_open(a, directory);
    for (size_t i = 0; i < trainee->count; i++) tensor_widen(f32(trainee->data[i]), file, trainee->names[i], tensor_count(trainee->data[i]));
    Stage *s = stage_new(a, trainee, all, rule, (Group){.lr_factor = 1, .decay = 0.01});
    Training t = {.scratch = arena_new("a training step"), .tape = s->tape, .adam = s->adam, .loss = clip_loss, .clip = s->model->own, .pixels = normals(a, "pixels", DIMS(B, 3, ZOO_SIDE, ZOO_SIDE))};
    t.ids = tensor_take(a, DTYPE_I32, DIMS(B, T));
    long V = s->model->vocabulary;
    for (int b = 0; b < B; b++)
        for (int k = 0; k < T; k++) // as texts are: the two ends have the largest ids
            i32(t.ids)[b * T + k] = k == 0 ? (int32_t)V - 2 : k == T - 1 ? (int32_t)V - 1 : (int32_t)rng_below(rng_of(bench_seed(), "ids"), (uint64_t)(b * T + k), (uint64_t)V - 2);
    const char *ask = arena_print(a, "clip %d %d %d", B, T, threads_count());
    const char *names = "";
    for (size_t i = 0; i < tape_parameters(t.tape); i++) names = arena_print(a, "%s%s\n", names, s->names[i]);
    const Given given[GIVEN_MOST] = {{"pixels", t.pixels.data, tensor_bytes(t.pixels)}, {"ids", t.ids.data, tensor_bytes(t.ids)}, {"names", names, strlen(names)}};
    Row row = row_of(a, table, name, ask, &t, given);
    if (peer_without(a, table->peer, "transformers")) row.ask = NULL;
    gate(table, name, table_row(table, &row), "transformers");
    arena_free(t.scratch);
    tensors_close(file);
    arena_release(a, mark);
}

void bench_training(const BenchAsk *ask, const char *clip) {
    Table t = table_open(ask, "test/bench/peer_speed.py", clip);
    Arena *a = ask->arena;
    bench_say(t.w, "\n`retina bench training%s`, %s, %s, %d alternating rounds: a step forward and backward, the norm of the gradients cut to 1, AdamW (PyTorch's fused), in f32. Error: the distance of PyTorch's gradients from ours, of the same parameters and inputs.%s",
              ask->venv ? " --peers VENV" : "", cpu_describe(), threads_said(a), t.rounds, peer_head(a, t.peer));
    table_head(&t, "one step");
    recon(a, &t, "reconstructor A, 576 tokens of 4096 to 1024, width 2048", (ReconConfig){.kind = RECON_TOKENS, .I = 4096, .O = 1024, .h = 2048, .layers = 3, .batch = 1});
    recon(a, &t, "reconstructor B, 144 tokens of 1024 to 1024, width 512, 4 layers, 2 images",
          (ReconConfig){.kind = RECON_ENCODER, .I = 1024, .O = 1024, .h = 512, .layers = 4, .heads = 8, .T_in = 144, .T_out = 144, .batch = 2});
    two_towers(a, &t, clip);
    table_close(&t);
}
