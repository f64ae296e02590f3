// model.c: see model.h.
#include "model.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "bert.h"
#include "clip.h"
#include "coca.h"
#include "device.h"
#include "dino.h"
#include "llama.h"
#include "llava.h"
#include "siglip.h"

const Family *const *model_families(size_t *count) {
    static const Family *const list[] = {&clip_family,        &clip_vision_projection_family, &clip_text_projection_family,
                                         &clip_vision_family, &clip_text_family,              &llama_headless_family, &llama_family, &llava_family, &bert_family,
                                         &siglip_family,      &siglip_vision_family,          &siglip_text_family,
                                         &dinov2_family,      &dinov3_family,      &coca_family};
    *count = sizeof list / sizeof *list;
    return list;
}

const Json *config_text(const Json *config) {
    const Json *t = json_get(config, "text_config");
    return t ? t : config;
}

#define CONFIG_MAX (1 << 26) // published: contexts of 10 million
#define BLOCKS_MAX 10000 // published networks have up to 126

int config_int(const Json *config, const char *key) {
    int64_t v = json_int(config, key);
    need(v >= -CONFIG_MAX && v <= CONFIG_MAX, "%s: \"%s\" is %lld, which is no size of a network", json_get(config, key)->source, key, (long long)v);
    return (int)v;
}

int config_int_or(const Json *config, const char *key, int otherwise) { return json_get(config, key) ? config_int(config, key) : otherwise; }

int config_inner(const Json *config, const char *key, double otherwise, int width) {
    double v = width * json_real_or(config, key, otherwise);
    need(v >= 0 && v <= CONFIG_MAX, "%s: \"%s\" is %g, and %d times that is no size of a network", config->source, key, json_real_or(config, key, otherwise), width);
    return (int)v;
}

const char *config_where(const Json *config) { return config ? config->source : "config.json"; }

int config_blocks(const Json *config, const char *key, int otherwise) {
    int L = config_int_or(config, key, otherwise);
    need(L <= BLOCKS_MAX, "%s: \"%s\" is %d; up to %d can be run", json_get(config, key)->source, key, L, BLOCKS_MAX);
    return L;
}

static const Family *family_of(const Json *config, const char *dir) {
    if (!config || json_get(config, "multimodal_cfg")) return &coca_family; // OpenCLIP's files name no type
    const char *type = json_text_or(config, "model_type", NULL);
    need(type, "%s/config.json: \"model_type\" is missing: this is no model directory of transformers", dir);
    const Json *classes = json_get(config, "architectures");
    bool named = classes && classes->kind == JSON_ARRAY && classes->count > 0 && classes->items[0].kind == JSON_TEXT;
    size_t n;
    const Family *const *list = model_families(&n);
    for (size_t i = 0; i < n; i++) {
        const char *class = list[i]->architecture;
        if (class && !(named && fnmatch(class, classes->items[0].text, 0) == 0)) continue;
        for (const char *const *t = list[i]->types; *t; t++)
            if (strcmp(*t, type) == 0) return list[i];
    }
    char known[1024] = "";
    size_t at = 0;
    for (size_t i = 0; i < n; i++) // a type that several families have is told once
        for (const char *const *t = list[i]->types; *t && !list[i]->architecture && at < sizeof known - 64; t++) at += (size_t)snprintf(known + at, 64, at ? ", %s" : "%s", *t);
    die("%s/config.json: models of type \"%s\" cannot be run; these can: %s", dir, type, known);
}

// The device may hold copies of what will not change. It takes one when it first meets it.
static void keep_weights(const Model *m) {
    const Weight *list;
    size_t n = weights_list(m->weights, &list);
    for (size_t i = 0; i < n; i++) m->device->keep(m->arena, list[i].tensor.data, tensor_bytes(list[i].tensor));
}

Model *model_build(Arena *a, const char *dir, const Json *config, Weights *weights) {
    Model *m = take_zero(a, Model, 1);
    m->arena = a;
    m->dir = arena_text(a, dir, strlen(dir));
    m->config = config;
    m->family = family_of(config, dir);
    m->image_token = -1;
    const Family *f = m->family;
    m->weights = weights ? weights : weights_open(a, dir, f->renames, f->rename_count, f->ignored, f->ignored_count);
    m->device = weights_in_memory(m->weights) ? device_cpu() : device_used();
    m->own = f->load(m);
    weights_finish(m->weights);
    if (!weights_are_dry(m->weights)) keep_weights(m);
    return m;
}

const Json *model_open_clip_config(Arena *a, const char *path) {
    const Json *whole = json_read(a, path), *model = json_get(whole, "model_cfg");
    if (!model) model = whole;
    need(model->kind == JSON_OBJECT, "%s: holds no model configuration", path);
    need(json_get(model, "multimodal_cfg"), "%s: has no multimodal_cfg; of OpenCLIP's models CoCa can be run", path);
    return model;
}

// Some CoCa weights lie there without any configuration: those are told by a tensor that only CoCa has.
static bool bare_coca(Arena *a, const char *dir) {
    if (!tensors_there(a, dir)) return false;
    Mark mark = arena_mark(a);
    Tensors *t = tensors_open(a, dir);
    bool found = tensors_find(t, "text_decoder.text_projection") || tensors_find(t, "module.text_decoder.text_projection");
    tensors_close(t);
    arena_release(a, mark);
    return found;
}

Model *model_open(Arena *a, const char *dir, bool dry) {
    need(folder_exists(dir), "%s: there is no such model directory", dir);
    char *path = path_join(a, dir, "config.json"), *open_clip = path_join(a, dir, "open_clip_config.json");
    if (file_exists(path)) {
        const Json *config = json_read(a, path);
        need(config->kind == JSON_OBJECT, "%s: is no JSON object", path);
        if (json_get(config, "model_type") || !file_exists(open_clip)) return model_build(a, dir, config, dry ? weights_dry(a, dir) : NULL);
    }
    if (file_exists(open_clip)) return model_build(a, dir, model_open_clip_config(a, open_clip), dry ? weights_dry(a, dir) : NULL);
    need(bare_coca(a, dir), "%s: has no config.json: this is no model directory", dir);
    return model_build(a, dir, NULL, NULL); // the shapes are read from the weights, dry or not
}

const Device *model_device(const Model *m) { return device_computing(m->device, m->compute); }

Taps *model_taps(Arena *a, const Model *m, const Inputs *in) {
    Run *run = run_dry(a);
    run->taps = taps_listing(a);
    Trap trap; // an operation that does not fit knows shapes, but not whose
    if (trap_set(&trap)) {
        m->family->forward(run, m, in);
        trap_end(&trap);
    } else {
        need(!strstr(trap.message, m->dir), "%s", trap.message);
        die("%s: %s", m->dir, trap.message);
    }
    return run->taps;
}

size_t model_scratch(Arena *a, const Model *m, const Inputs *in) {
    Mark mark = arena_mark(a);
    Run *run = run_dry(a);
    if (m->device) run->device = model_device(m); // it computes nothing, but some devices need a step's result apart, or keep it in fewer bytes
    m->family->forward(run, m, in);
    size_t peak = run->planned_peak;
    arena_release(a, mark);
    return peak;
}

Tensor model_next(Run *run, const Model *m, const Inputs *in, Cache *cache) {
    run->device = device_computing(run->device, m->compute);
    return m->family->next(run, m, in, cache);
}

// The memory for all results at once, on devices that count theirs.
static void forward_begin(Run *run, const Model *m, const Inputs *in) {
    if (!run->device->plan) return;
    const size_t scratch = model_scratch(run->arena, m, in), given = tensor_given(in->pixels) ? tensor_bytes(in->pixels) : 0; // which goes there, too
    run->device->plan(scratch + given, tensor_given(in->pixels) ? in->pixels.shape[0] : in->ids.shape[0], m->dir);
    arena_reserve_from(run->arena, run->device->memory, scratch);
}

static Outputs forward_end(Run *run, Outputs out) {
    run->finish = NULL;
    if (run->device->plan) run->device->plan(0, 0, NULL);
    return out;
}

Outputs model_forward(Run *run, const Model *m, const Inputs *in) {
    jmp_buf finish;
    run->device = device_computing(run->device, m->compute);
    forward_begin(run, m, in);
    if (!run->taps) return forward_end(run, m->family->forward(run, m, in));
    taps_begin(run->taps);
    if (setjmp(finish) != 0) return forward_end(run, (Outputs){0}); // the last tap asked for has been served
    run->finish = run->stop ? &finish : NULL;
    return forward_end(run, m->family->forward(run, m, in));
}
