// test_gradients.c: whole models: CLIP's loss, a language model's, LLaVA's with frozen parts, every parameter's gradient
// against PyTorch's autograd in double (test/reference/gradients.py); the same bits for all threads and levels.
//
// ALLOW: float32 through two or three blocks; measured 4e-7 to 3e-6 of a tensor's norm, times ten.
#include <string.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "io/thread.h"
#include "model/clip.h"
#include "model/kernels.h"
#include "model/llava.h"
#include "test/check.h"
#include "test/levels.h"
#include "train/tape.h"

#define ALLOW 3e-5

static Arena *arena;

// The parameters of test/golden/DIR as f32, those that `trained` names with a node.
typedef struct {
    Tape *tape;
    Model *model;
    Weight *list;
    size_t count;
} Built;

static bool is_trained(const char *model, const char *name) {
    if (strcmp(model, "llava") != 0) return true;
    return strstr(name, "multi_modal_projector") || strstr(name, "language_model.layers");
}

static Built build(const char *model, const char *dir) {
    const char *path = arena_print(arena, "test/golden/%s", dir);
    Model *mapped = model_open(arena, path, false);
    const Weight *from;
    Built b = {.tape = tape_new(arena), .count = weights_list(mapped->weights, &from)};
    b.list = take(arena, Weight, b.count);
    for (size_t i = 0; i < b.count; i++) {
        Tensor x = tensor_take(arena, DTYPE_F32, from[i].tensor.ndim, from[i].tensor.shape);
        widen(f32(x), from[i].tensor.data, from[i].tensor.dtype, tensor_count(x));
        if (is_trained(model, from[i].name)) x = tape_parameter(b.tape, x);
        b.list[i] = (Weight){.name = from[i].name, .tensor = x};
    }
    b.model = model_build(arena, path, mapped->config, weights_memory(arena, b.list, b.count));
    return b;
}

static Tensor golden_input(Tensors *t, const char *name) {
    const TensorEntry *e = tensors_need(t, name);
    long shape[DIMS_MAX];
    for (int d = 0; d < e->ndim; d++) shape[d] = (long)e->shape[d];
    Tensor x = tensor_take(arena, e->dtype == DTYPE_F32 ? DTYPE_F32 : DTYPE_I32, e->ndim, shape);
    if (e->dtype == DTYPE_F32) memcpy(x.data, e->bytes, e->size);
    else
        for (size_t i = 0; i < tensor_count(x); i++) {
            int64_t v;
            memcpy(&v, e->bytes + 8 * i, 8);
            i32(x)[i] = (int32_t)v;
        }
    return x;
}

static Tensor clip_loss(Run *run, const Built *b, Tensors *g) {
    const Clip *m = b->model->own;
    Tensor ids = golden_input(g, "input/input_ids"), own = tensor_take(arena, DTYPE_I32, DIMS(2));
    ids.shape[0] = 2;
    i32(own)[0] = 0, i32(own)[1] = 1;
    Outputs o = b->model->family->forward(run, b->model, &(Inputs){.pixels = golden_input(g, "input/pixel_values"), .ids = ids});
    Tensor image = l2norm(run, o.image_embeds, 0), text = l2norm(run, o.text_embeds, 0);
    Tensor s = scale_by(run, linear(run, image, text, NO_TENSOR), exp_of(run, m->logit_scale));
    return scale(run, add(run, cross_entropy(run, s, own), cross_entropy(run, transpose(run, s), own)), 0.5f);
}

static Tensor text_loss(Run *run, const Built *b, Tensors *g, bool pictures) {
    Inputs in = {.ids = golden_input(g, "input/input_ids")};
    if (pictures) in.pixels = golden_input(g, "input/pixel_values");
    Outputs o = b->model->family->forward(run, b->model, &in);
    long T = in.ids.shape[1], V = tensor_last(o.logits);
    Tensor target = tensor_take(arena, DTYPE_I32, DIMS(T));
    for (long t = 0; t < T; t++) {
        i32(target)[t] = t + 1 < T ? i32(in.ids)[t + 1] : -1;
        if (pictures && i32(target)[t] == b->model->image_token) i32(target)[t] = -1;
    }
    return cross_entropy(run, tensor_view(o.logits, DIMS(T, V)), target);
}

static float gradients(const Built *b, const char *model, Tensors *g) {
    tape_begin(b->tape), tape_zero(b->tape);
    Run *run = run_new(arena);
    run->recorder = tape_recorder(b->tape);
    Tensor loss = strcmp(model, "clip") == 0 ? clip_loss(run, b, g) : text_loss(run, b, g, strcmp(model, "llava") == 0);
    tape_backward(b->tape, arena, loss, 1);
    return *f32(loss);
}

static void test_model(const char *model, const char *dir, Tensors *golden) {
    Built b = build(model, dir);
    Tensors *inputs = tensors_open(arena, arena_print(arena, "test/golden/%s/golden.safetensors", dir));
    threads_set(1);
    float loss = gradients(&b, model, inputs), want;
    memcpy(&want, tensors_need(golden, arena_print(arena, "%s#loss", model))->bytes, 4);
    check_value(arena_print(arena, "%s: loss", model), (double)loss, (double)want, 2e-6 * (double)want);
    size_t trained = 0, total = 0;
    for (size_t i = 0; i < b.count; i++) {
        const TensorEntry *e = tensors_find(golden, arena_print(arena, "%s/%s", model, b.list[i].name));
        const float *got = tape_gradient(b.tape, b.list[i].tensor);
        if (!e || !got) {
            // Both or neither; but a last layer that nobody reads may have no gradient in PyTorch and zeros here.
            bool zeros = got && !e;
            for (size_t k = 0; zeros && k < tensor_count(b.list[i].tensor); k++) zeros = got[k] == 0;
            if (e || (got && !zeros)) check(false, "%s: %s has a gradient on one side only", model, b.list[i].name);
            continue;
        }
        size_t n = tensor_count(b.list[i].tensor), stride = n / 40 > 1 ? n / 40 : 1, m = (n + stride - 1) / stride;
        float *some = take(arena, float, m), *same = take(arena, float, m);
        if (!check(e->size == m * 4, "%s: %s: as many numbers", model, b.list[i].name)) continue;
        memcpy(same, e->bytes, e->size);
        double norm = 0;
        for (size_t k = 0; k < m; k++) some[k] = got[k * stride], norm += (double)same[k] * (double)same[k];
        const char *name = arena_print(arena, "%s: %s", model, b.list[i].name);
        if (strstr(name, "k_proj.bias")) check_within(name, some, same, m, 1e-6); // a key's bias moves no softmax: zero but for rounding
        else check_near(name, some, same, m, ALLOW);
        trained++, total += n;
    }
    check(trained > 10, "%s: %zu parameters compared, %zu numbers", model, trained, total);
    float *first = take(arena, float, total), *again = take(arena, float, total);
    for (int t = 0; t < 3; t++) {
        threads_set((int[]){1, 2, 5}[t]);
        gradients(&b, model, inputs);
        size_t at = 0;
        for (size_t i = 0; i < tape_parameters(b.tape) && at < total; i++) {
            Tensor p = tape_parameter_at(b.tape, i);
            size_t n = tensor_count(p) < total - at ? tensor_count(p) : total - at;
            memcpy((t ? again : first) + at, tape_gradient(b.tape, p), n * sizeof(float));
            at += n;
        }
        if (t) check_same(arena_print(arena, "%s: bits on %d threads", model, (int[]){1, 2, 5}[t]), again, first, at * sizeof(float));
    }
}

// A hash of all gradients of one model.
static int print_digest(const char *model, const char *dir) {
    Built b = build(model, dir);
    gradients(&b, model, tensors_open(arena, arena_print(arena, "test/golden/%s/golden.safetensors", dir)));
    Blake2b h;
    uint8_t digest[16];
    blake2b_start(&h, sizeof digest, NULL, 0);
    for (size_t i = 0; i < tape_parameters(b.tape); i++) {
        Tensor p = tape_parameter_at(b.tape, i);
        blake2b_add(&h, tape_gradient(b.tape, p), tensor_bytes(p));
    }
    blake2b_end(&h, digest);
    return levels_print(digest, sizeof digest);
}

int main(int argc, char **argv) {
    arena = arena_new("test");
    if (levels_child(argc)) return print_digest("clip", "clip-openai");
    levels_check("all gradients of a CLIP", argv[0]);
    Tensors *golden = tensors_open(arena, "test/golden/gradients.safetensors");
    test_model("clip", "clip-openai", golden);
    test_model("llama", "llama-2", golden);
    test_model("llava", "llava-default", golden);
    return check_end();
}
