// zoo_model.c: the parameters of a model being trained, stages in which some of them stand still, saving.
#include <fnmatch.h>
#include <string.h>

#include "init.h"
#include "io/stamp.h"
#include "model/kernels.h" // widen
#include "zoo.h"

enum { EXTRA_MAX = 16 };

Trainee *trainee_new(Arena *a, const char *dir, const char *config_json) {
    Trainee *t = take_zero(a, Trainee, 1);
    t->arena = a;
    t->dir = dir;
    t->file = "model.safetensors";
    t->config = json_parse(a, config_json, strlen(config_json), "config.json");
    Weights *dry = weights_dry(a, "zoo");
    model_build(a, dir, t->config, dry);
    const Weight *list;
    t->own = t->count = weights_list(dry, &list);
    t->names = take(a, const char *, t->count + EXTRA_MAX);
    t->data = take(a, Tensor, t->count + EXTRA_MAX);
    for (size_t i = 0; i < t->count; i++) {
        t->names[i] = list[i].name;
        t->data[i] = tensor_take(a, DTYPE_F32, list[i].tensor.ndim, list[i].tensor.shape);
    }
    return t;
}

Tensor *trainee_extra(Trainee *t, const char *name, int ndim, const long *shape) {
    need(t->count - t->own < EXTRA_MAX, "more than %d parameters besides the model's own", EXTRA_MAX);
    t->names[t->count] = name;
    t->data[t->count] = tensor_take(t->arena, DTYPE_F32, ndim, shape);
    return &t->data[t->count++];
}

Tensor trainee_find(const Trainee *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->names[i], name) == 0) return t->data[i];
    die("%s: there is no parameter \"%s\"", t->dir, name);
}

static bool fits(const char *name, const char *const *patterns) {
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, name, 0) == 0) return true;
    return false;
}

Stage *stage_new(Arena *a, const Trainee *t, const char *const *patterns, AdamConfig config, Group all) {
    Stage *s = take_zero(a, Stage, 1);
    s->tape = tape_new_on(a, device_used());
    s->names = take(a, const char *, t->count);
    s->data = take(a, Tensor, t->count);
    Weight *list = take(a, Weight, t->count);
    size_t trained = 0;
    for (size_t i = 0; i < t->count; i++) {
        Tensor x = t->data[i];
        if (fits(t->names[i], patterns)) {
            s->data[trained] = x;
            x = tape_parameter(s->tape, x);
            s->names[trained++] = t->names[i];
        } else {
            tape_device(s->tape)->keep(a, x.data, tensor_bytes(x));
        }
        list[i] = (Weight){.name = t->names[i], .tensor = x};
    }
    s->model = model_build(a, t->dir, t->config, weights_memory(a, list, t->own));
    s->extra = take(a, Tensor, t->count - t->own + 1);
    for (size_t i = t->own; i < t->count; i++) s->extra[i - t->own] = list[i].tensor;
    s->adam = adam_new(a, s->tape, config, all);
    return s;
}

void stage_read(const Stage *s) {
    for (size_t i = 0; i < tape_parameters(s->tape); i++) {
        Tensor from = tape_parameter_at(s->tape, i), to = s->data[i];
        if (from.data != to.data) tape_device(s->tape)->read(to.data, from.data, tensor_bytes(to));
    }
}

Model *trainee_model(Arena *a, const Trainee *t) {
    Weight *list = take(a, Weight, t->own);
    for (size_t i = 0; i < t->own; i++) list[i] = (Weight){.name = t->names[i], .tensor = t->data[i]};
    return model_build(a, t->dir, t->config, weights_memory(a, list, t->own));
}

const char *trainee_checksum(Arena *a, const Trainee *t) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    for (size_t i = 0; i < t->own; i++) blake2b_add(&h, t->data[i].data, tensor_bytes(t->data[i]));
    return stamp_text(&h, a);
}

const char *tower_checksum(Arena *a, const char *clip) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    Tensors *file = tensors_open(a, clip);
    size_t found = 0;
    for (size_t i = 0; i < tensors_count(file); i++) {
        const TensorEntry *e = tensors_at(file, i);
        if (strncmp(e->name, "vision_model.", 13) != 0) continue;
        blake2b_add(&h, e->bytes, e->size);
        found++;
    }
    tensors_close(file);
    need(found > 0, "%s: holds no vision tower; is it the zoo's clip?", clip);
    return stamp_text(&h, a);
}

void tensor_widen(float *out, const Tensors *file, const char *name, size_t n) {
    const TensorEntry *e = tensors_need(file, name);
    need(e->size == n * dtype_size(e->dtype), "%s: \"%s\" holds another number of values than the %zu that are wanted", e->path, name, n);
    Arena *a = arena_new("a stored tensor");
    void *aligned = arena_take(a, e->size, 1);
    memcpy(aligned, e->bytes, e->size);
    widen(out, aligned, e->dtype, n);
    arena_free(a);
}

void trainee_round(Trainee *t) {
    for (size_t i = 0; i < t->own; i++)
        for (size_t k = 0; k < tensor_count(t->data[i]); k++) f32(t->data[i])[k] = bf16_round(f32(t->data[i])[k]);
}

void trainee_save(Arena *a, const Trainee *t, const char *dir) {
    Mark mark = arena_mark(a);
    TensorPlan *plan = take_zero(a, TensorPlan, t->own);
    for (size_t i = 0; i < t->own; i++) {
        plan[i] = (TensorPlan){.name = t->names[i], .dtype = DTYPE_BF16, .ndim = t->data[i].ndim};
        for (int d = 0; d < t->data[i].ndim; d++) plan[i].shape[d] = t->data[i].shape[d];
        if (strcmp(t->names[i], "logit_scale") == 0) plan[i].ndim = 0; // the reference wants a bare number
    }
    const char *const metadata[] = {"format", "pt", NULL};
    TensorsWriter *w = tensors_create(a, path_join(a, dir, t->file), plan, t->own, metadata);
    for (size_t i = 0; i < t->own; i++) {
        size_t n = tensor_count(t->data[i]);
        uint16_t *half = take(a, uint16_t, n);
        convert_f32_bf16(half, f32(t->data[i]), n);
        tensors_put(w, t->names[i], half, n * sizeof *half);
    }
    tensors_finish(w);
    arena_release(a, mark);
}
