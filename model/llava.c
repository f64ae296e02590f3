// llava.c: LLaVA-1.5, and every model of its form (any CLIP tower, any Llama-type decoder).
//
// Source: Liu et al. 2023 (arXiv:2310.03744); names as in transformers 5. Held by: test/test_models.c, every tap.
// Bites: the projector reads the tower's state before the last layer, un-normed, without its class token; the
// reference runs the last layer all the same, so here it runs only when one of its taps is asked for.
#include "llava.h"

#include <string.h>

static void layers_read(Llava *m, Arena *a, const Json *c) {
    const Json *given = json_get(c, "vision_feature_layer");
    m->layer_count = given && given->kind == JSON_ARRAY ? (int)given->count : 1;
    need(m->layer_count > 0, "%s: vision_feature_layer is an empty list", c->source);
    m->layers = take(a, int, (size_t)m->layer_count);
    for (int i = 0; i < m->layer_count; i++) {
        const Json *v = given && given->kind == JSON_ARRAY ? &given->items[i] : given;
        need(!v || (v->kind == JSON_NUMBER && v->integral), "%s: vision_feature_layer is no whole number", c->source);
        long layer = v ? (long)v->integer : -2, states = m->vision->cfg.L + 1;
        if (layer < 0) layer += states;
        need(layer >= 0 && layer < states, "%s: vision_feature_layer %ld of %ld states", c->source, v ? (long)v->integer : -2, states);
        m->layers[i] = (int)layer;
    }
}

static Llava *load_parts(Arena *a, const Json *c, Weights *w) {
    Json *empty = take_zero(a, Json, 1); // every key is missing
    *empty = (Json){.kind = JSON_OBJECT, .source = c->source};
    Llava *m = take_zero(a, Llava, 1);
    const Json *vision = json_get(c, "vision_config"), *text = json_get(c, "text_config");
    // Only a whole vision_config that is missing means the large tower; keys that one leaves out are CLIP's defaults.
    static const char large[] = "{\"hidden_size\": 1024, \"intermediate_size\": 4096, \"num_hidden_layers\": 24, \"num_attention_heads\": 16, "
                                "\"image_size\": 336, \"patch_size\": 14}";
    if (!vision) vision = json_parse(a, large, sizeof large - 1, "LLaVA's default vision_config");
    const char *kind = json_text_or(vision, "model_type", "clip_vision_model");
    need(strcmp(kind, "clip_vision_model") == 0, "%s: a vision tower of type \"%s\"; clip_vision_model can be run inside LLaVA", c->source, kind);
    m->vision = clip_vision_load(a, vision, w, "model.vision_tower.", weights_has(w, true, "model.vision_tower.post_layernorm.weight"));
    m->text = llama_load(a, text ? text : empty, w, "model.language_model.", json_bool_or(c, "tie_word_embeddings", false));
    m->text->cfg.final_softcap = 0; // the reference's LLaVA has a head of its own, whose scores no Gemma bends
    layers_read(m, a, c);
    const char *strategy = json_text_or(c, "vision_feature_select_strategy", "default");
    need(strcmp(strategy, "default") == 0 || strcmp(strategy, "full") == 0, "%s: vision_feature_select_strategy \"%s\"; default and full are known", c->source, strategy);
    m->drop_cls = strcmp(strategy, "default") == 0;
    m->act = act_named(json_text_or(c, "projector_hidden_act", "gelu"), c->source);
    m->image_token = config_int_or(c, "image_token_id", config_int_or(c, "image_token_index", 32000));
    long C = m->text->cfg.C, I = (long)m->vision->cfg.C * m->layer_count;
    bool bias = json_bool_or(c, "multimodal_projector_bias", true);
    m->w1 = weights_take(w, DIMS(C, I), "model.multi_modal_projector.linear_1.weight");
    if (bias) m->b1 = weights_take(w, DIMS(C), "model.multi_modal_projector.linear_1.bias");
    m->w2 = weights_take(w, DIMS(C, C), "model.multi_modal_projector.linear_2.weight");
    if (bias) m->b2 = weights_take(w, DIMS(C), "model.multi_modal_projector.linear_2.bias");
    return m;
}

int llava_image_tokens(const Llava *m) { return m->vision->T - (m->drop_cls ? 1 : 0); }

// Whether somebody asked for what lies behind the deepest state that the projector reads.
static bool last_layer_wanted(const Run *run, const ClipVision *v, int deepest) {
    for (int l = deepest; l < v->cfg.L; l++)
        if (tap_wanted_below(run, "%sencoder.layers.%d", v->prefix, l)) return true;
    return tap_wanted(run, "%sencoder", v->prefix) || tap_wanted(run, "%spost_layernorm", v->prefix) ||
           tap_wanted(run, "%.*s", (int)strlen(v->prefix) - 1, v->prefix);
}

Tensor llava_visual(Run *run, const Llava *m, Tensor pixels) {
    const ClipVision *v = m->vision;
    int L = v->cfg.L, deepest = 0;
    bool *wanted = take_zero(run->arena, bool, (size_t)L + 1);
    Tensor *states = take_zero(run->arena, Tensor, (size_t)L + 1);
    for (int i = 0; i < m->layer_count; i++) {
        wanted[m->layers[i]] = true;
        if (m->layers[i] > deepest) deepest = m->layers[i];
    }
    bool beyond = last_layer_wanted(run, v, deepest);
    Tensor last = clip_vision_forward(run, v, pixels, false, beyond ? L : deepest, wanted, states);
    if (beyond) {
        if (tensor_given(v->post_w)) clip_vision_pooled(run, v, last);
        tap_module(run, last, v->prefix);
    }
    Tensor x = NO_TENSOR;
    for (int i = 0; i < m->layer_count; i++) {
        Tensor s = states[m->layers[i]];
        if (m->drop_cls) s = rows_slice(run, s, 1, s.shape[1]);
        x = i ? concat_last(run, x, s) : s;
    }
    return x;
}

Tensor llava_project(Run *run, const Llava *m, Tensor visual) {
    visual = tap(run, visual, "model.multi_modal_projector#input");
    Tensor h = linear_activated(run, visual, m->w1, m->b1, m->act, "model.multi_modal_projector.linear_1");
    h = tap(run, h, "model.multi_modal_projector.act");
    h = tap(run, linear(run, h, m->w2, m->b2), "model.multi_modal_projector.linear_2");
    return tap(run, h, "model.multi_modal_projector");
}

bool llava_has_norm(const Llava *m) { return tensor_given(m->vision->post_w); }

Tensor llava_normed(Run *run, const Llava *m, Tensor visual) {
    const ClipVision *v = m->vision;
    Tensor rows = tensor_view(visual, DIMS((long)(tensor_count(visual) / (size_t)v->cfg.C), v->cfg.C));
    return tensor_view(layernorm(run, rows, v->post_w, v->post_b, v->cfg.eps), visual.ndim, visual.shape);
}

Tensor llava_merge(Run *run, const Llava *m, Tensor embeds, Tensor ids, Tensor visual) {
    long n = tensor_rows(visual), found = 0, total = (long)tensor_count(ids);
    Tensor index = run_input(run, DTYPE_I32, DIMS(n));
    if (!run->dry) {
        for (long i = 0; i < total; i++) {
            if (i32(ids)[i] != m->image_token) continue;
            if (found < n) i32(index)[found] = (int32_t)i;
            found++;
        }
        need(found == n, "the text holds %ld image tokens (id %d), the pictures give %ld: %d for each picture are wanted", found, m->image_token, n,
             llava_image_tokens(m));
    }
    return rows_put(run, embeds, index, visual);
}

static Tensor embed(Run *run, const Llava *m, const Inputs *in) {
    Tensor x = llama_embed(run, m->text, in->ids);
    if (!tensor_given(in->pixels)) return x;
    return llava_merge(run, m, x, in->ids, llava_project(run, m, llava_visual(run, m, in->pixels)));
}

// ---- the family

static const Rename renames[] = {{"vision_tower.vision_model.", "model.vision_tower."},
                                 {"model.vision_tower.vision_model.", "model.vision_tower."},
                                 {"vision_tower.", "model.vision_tower."},
                                 {"language_model.model.", "model.language_model."},
                                 {"language_model.lm_head.", "lm_head."},
                                 {"multi_modal_projector.", "model.multi_modal_projector."}};
static const TapAlias aliases[] = {{"vision_tower.vision_model", "model.vision_tower"},
                                   {"model.vision_tower.vision_model", "model.vision_tower"},
                                   {"vision_tower", "model.vision_tower"},
                                   {"language_model.model", "model.language_model"},
                                   {"language_model.lm_head", "lm_head"},
                                   {"multi_modal_projector", "model.multi_modal_projector"}};
static const char *const ignored[] = {"model.vision_tower.visual_projection.*", "model.vision_tower.post_layernorm.*", "model.image_newline"};

static void *load(Model *model) {
    Llava *m = load_parts(model->arena, model->config, model->weights);
    model->vocabulary = m->text->cfg.V;
    model->context = m->text->cfg.context;
    model->by_length = rope_by_length(&m->text->cfg.rope);
    model->image_token = m->image_token;
    model->image_tokens = llava_image_tokens(m);
    return m;
}

static Outputs forward(Run *run, const Model *model, const Inputs *in) {
    const Llava *m = model->own;
    if (!tensor_given(in->ids)) { // the tower and the projector alone
        llava_project(run, m, llava_visual(run, m, in->pixels));
        return (Outputs){0};
    }
    Tensor h = llama_forward(run, m->text, embed(run, m, in), in->mask, NULL);
    h = tap(run, h, "model");
    return (Outputs){.hidden = h, .logits = llama_logits(run, m->text, h)};
}

static Tensor next(Run *run, const Model *model, const Inputs *in, Cache *cache) {
    const Llava *m = model->own;
    return llama_next(run, m->text, embed(run, m, in), cache);
}

static Cache *cache_of(Arena *a, const Model *model, int B, int capacity) {
    const Llava *m = model->own;
    return cache_new(a, model_device(model), B, capacity, m->text->cfg.L, m->text->cfg.G * m->text->cfg.D);
}

static Inputs example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    const Llava *m = model->own;
    long S = m->vision->image, T = tokens ? tokens : llava_image_tokens(m) + 1;
    return (Inputs){.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, 3, S, S)), .ids = tensor_of(NULL, DTYPE_I32, DIMS(1, T))};
}

static const char *const types[] = {"llava", NULL};
const Family llava_family = {.name = "llava", .types = types, .load = load, .forward = forward, .next = next, .cache = cache_of,
                             .example = example, .renames = renames, .rename_count = 6, .ignored = ignored, .ignored_count = 3,
                             .aliases = aliases, .alias_count = 6, .takes_images = true, .takes_text = true, .generates = true};
