// verbalize_tune.c: step `tune`, and --tuned: each layer's states read through an affine map of its own (train/tuned.h).
//
// The maps belong to other pictures than those that are captioned through them: tune on some, give the file to a run on others.
#include <stdio.h>
#include <string.h>

#include "io/csv.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "io/stamp.h"
#include "model/coca_generate.h"
#include "model/ops.h"
#include "train/tuned.h"
#include "verbalize_states.h"

enum { BATCH = 16 };
#define RATE 3e-3

struct TunedMaps {
    Tensor *weight, *bias; // (layer_count); NO_TENSOR: the native layer's, which needs none
};

// ---- making them

// States of the first n pictures behind every wanted layer: layer_count of (n, T, C).
static Tensor *states_of(Verbalize *s, Arena *a, const Verbal *v, size_t n) {
    Speaker *k = verbalize_speaker(s);
    size_t each = (size_t)k->T * (size_t)k->C;
    Tensor *all = take(a, Tensor, (size_t)k->layer_count);
    for (int l = 0; l < k->layer_count; l++) all[l] = tensor_take(a, DTYPE_F32, DIMS((long)n, k->T, k->C));
    Arena *scratch = arena_new("states to learn from");
    StateReader *reader = states_reader(s, 1);
    for (size_t i = 0; i < n; i++) {
        Mark mark = arena_mark(scratch);
        States x = states_read(reader, scratch, v->at[i], 1);
        need(x.good == 1, "%s; it could be read when it was captioned", x.reasons[0]);
        for (int l = 0; l < k->layer_count; l++) memcpy(f32(all[l]) + i * each, x.states[l].data, each * sizeof(float));
        arena_release(scratch, mark);
    }
    states_reader_free(reader);
    arena_free(scratch);
    return all;
}

// The captions that are read: those beside the pictures, else the native layer's. (n, L): start, words, end, padding.
static Tensor texts_of(Verbalize *s, Arena *a, const Verbal *v, size_t n) {
    Speaker *k = verbalize_speaker(s);
    const Coca *coca = k->model->own;
    CocaOptions o = coca_options(k->model);
    Ids *words = take(a, Ids, n);
    long L = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = v->beside[i] ? v->beside[i] : v->captions[v->native][i];
        words[i] = speaker_words(k, a, text);
        if ((long)words[i].count > k->model->context - 1) words[i].count = (size_t)k->model->context - 1; // start and words are fed
        if ((long)words[i].count + 2 > L) L = (long)words[i].count + 2;
    }
    Tensor ids = tensor_take(a, DTYPE_I32, DIMS((long)n, L));
    for (size_t i = 0; i < n; i++)
        for (long t = 0; t < L; t++) i32(ids)[(long)i * L + t] = t == 0 ? o.sot : t <= (long)words[i].count ? words[i].ids[t - 1] : t == (long)words[i].count + 1 ? o.eos : coca->cfg.pad;
    return ids;
}

static void maps_write(Verbalize *s, const Tuned *maps) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("tuned maps");
    TensorPlan *plan = take(a, TensorPlan, (size_t)k->layer_count * 2);
    size_t n = 0;
    for (int l = 0; l < k->layer_count; l++) {
        if (k->layers[l] == k->native) continue;
        plan[n++] = (TensorPlan){arena_print(a, "weight.%d", k->layers[l]), DTYPE_F32, 2, {k->C, k->C}};
        plan[n++] = (TensorPlan){arena_print(a, "bias.%d", k->layers[l]), DTYPE_F32, 1, {k->C}};
    }
    TensorsWriter *w = tensors_create(a, verbalize_path(s, "tuned.safetensors"), plan, n, (const char *[]){"model", verbalize_model_stamp(s), NULL});
    for (int l = 0; l < k->layer_count; l++) {
        if (k->layers[l] == k->native) continue;
        tensors_put(w, arena_print(a, "weight.%d", k->layers[l]), maps[l].weight.data, tensor_bytes(maps[l].weight));
        tensors_put(w, arena_print(a, "bias.%d", k->layers[l]), maps[l].bias.data, tensor_bytes(maps[l].bias));
    }
    tensors_finish(w);
    static const char *const columns[] = {"layer", "divergence_before", "divergence_after"};
    CsvWriter *c = csv_create(a, verbalize_path(s, "tuned.csv"), ',', columns, 3);
    for (int l = 0; l < k->layer_count; l++) {
        if (k->layers[l] == k->native) continue;
        csv_put_int(c, k->layers[l]), csv_put_real(c, maps[l].before), csv_put_real(c, maps[l].after);
        csv_end_row(c);
    }
    csv_finish(c);
    arena_free(a);
}

void verbalize_tune(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    if (k->kind != SPEAKS_COCA) die_usage("verbalize tune: maps are trained through a CoCa's decoder; %s is another kind of model", s->model_dir);
    verbalize_caption(s);
    Verbal *v = verbal_open(s);
    need(v->native >= 0, "verbalize tune: the model's own layer, %d, must be among --layers: the others learn from it", k->native);
    const Coca *coca = k->model->own;
    Arena *a = arena_new("tuning");
    size_t n = v->N < (size_t)s->calibration ? v->N : (size_t)s->calibration;
    Model *wide = tuned_model(a, k->model);
    Tensor *states = states_of(s, a, v, n), ids = texts_of(s, a, v, n);
    Tuned *maps = take_zero(a, Tuned, (size_t)k->layer_count);
    Progress bar = progress_start("tune", (size_t)k->layer_count);
    for (int l = 0; l < k->layer_count; l++) {
        TunedConfig c = {.steps = s->tune_steps, .batch = BATCH, .lr = RATE, .seed = (uint64_t)s->seed + (uint64_t)k->layers[l]};
        if (k->layers[l] != k->native) maps[l] = tuned_train(a, wide, states[l], states[v->native], ids, coca->cfg.pad, &c);
        progress_at(&bar, (size_t)l + 1);
    }
    progress_end(&bar);
    maps_write(s, maps);
    printf("%s\n", verbalize_path(s, "tuned.safetensors"));
    arena_free(a);
}

// ---- using them

static struct TunedMaps *maps_open(Verbalize *s) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = s->arena;
    struct TunedMaps *maps = take(a, struct TunedMaps, 1);
    maps->weight = take_zero(a, Tensor, (size_t)k->layer_count), maps->bias = take_zero(a, Tensor, (size_t)k->layer_count);
    Tensors *t = tensors_open(a, s->tuned);
    const char *model = tensors_metadata(t, "model");
    need(model, "%s: holds no maps of `retina verbalize tune`", s->tuned);
    need(strcmp(model, verbalize_model_stamp(s)) == 0, "%s: maps for another model than %s", s->tuned, s->model_dir);
    for (int l = 0; l < k->layer_count; l++) {
        if (k->layers[l] == k->native) continue;
        const TensorEntry *w = tensors_need(t, arena_print(a, "weight.%d", k->layers[l])), *b = tensors_need(t, arena_print(a, "bias.%d", k->layers[l]));
        maps->weight[l] = tensor_take(a, DTYPE_F32, DIMS(k->C, k->C)), maps->bias[l] = tensor_take(a, DTYPE_F32, DIMS(k->C));
        need(w->dtype == DTYPE_F32 && w->size == tensor_bytes(maps->weight[l]) && b->dtype == DTYPE_F32 && b->size == tensor_bytes(maps->bias[l]), "%s: the map of layer %d is none from %d to %d channels", s->tuned,
             k->layers[l], k->C, k->C);
        memcpy(maps->weight[l].data, w->bytes, w->size), memcpy(maps->bias[l].data, b->bytes, b->size);
    }
    tensors_close(t);
    return maps;
}

void verbalize_tuned_apply(Verbalize *s, int l, float *x) {
    Speaker *k = verbalize_speaker(s);
    if (!s->tuned) return;
    if (!s->tuned_maps) s->tuned_maps = maps_open(s);
    if (k->layers[l] == k->native) return;
    Arena *a = arena_new("a tuned state");
    Tensor y = linear(run_new(a), tensor_of(x, DTYPE_F32, DIMS(1, k->T, k->C)), s->tuned_maps->weight[l], s->tuned_maps->bias[l]);
    memcpy(x, y.data, tensor_bytes(y));
    arena_free(a);
}
