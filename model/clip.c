// clip.c: CLIP, a vision and a text transformer that end in one space; every block shows its output.
//
// Source: Radford et al. 2021 (arXiv:2103.00020), section 2.4; names as in the checkpoint.
// Departs from it: nowhere. Held by: test/test_models.c, every tap, against transformers in float32.
// Letters: B images or texts, P patch side (px), G patches per side, T tokens, C width, H heads, L blocks.
// Bites: the class token is row 0 of the positions; the norm before the blocks is spelled pre_layrnorm;
// GELU is x * sigmoid(1.702 x) in OpenAI's files and erf in others: always from the configuration; the end of
// a text is the largest id in files whose eos_token_id says 2.
#include "clip.h"

#include <string.h>

#include "interpolate.h"
#include "kernels.h" // widen

ClipConfig clip_config(const Json *c, ClipConfig usual, const char *act) {
    ClipConfig k = {.C = config_int_or(c, "hidden_size", usual.C),
                    .F = config_int_or(c, "intermediate_size", usual.F),
                    .L = config_blocks(c, "num_hidden_layers", usual.L),
                    .H = config_int_or(c, "num_attention_heads", usual.H),
                    .act = act_named(json_text_or(c, "hidden_act", act), config_where(c)),
                    .eps = (float)json_real_or(c, "layer_norm_eps", usual.eps)};
    need(k.C > 0 && k.F > 0 && k.L > 0, "%s: hidden_size %d, intermediate_size %d, num_hidden_layers %d: no network", config_where(c), k.C, k.F, k.L);
    need(k.H > 0 && k.C % k.H == 0, "%s: hidden_size %d does not divide into num_attention_heads %d", config_where(c), k.C, k.H);
    return k;
}

ClipLayer clip_layer_load(Weights *w, const ClipConfig *c, const char *prefix, int l) {
    ClipLayer k;
    int C = c->C, F = c->F;
    k.q_w = weights_take(w, DIMS(C, C), "%sencoder.layers.%d.self_attn.q_proj.weight", prefix, l);
    k.q_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.self_attn.q_proj.bias", prefix, l);
    k.k_w = weights_take(w, DIMS(C, C), "%sencoder.layers.%d.self_attn.k_proj.weight", prefix, l);
    k.k_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.self_attn.k_proj.bias", prefix, l);
    k.v_w = weights_take(w, DIMS(C, C), "%sencoder.layers.%d.self_attn.v_proj.weight", prefix, l);
    k.v_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.self_attn.v_proj.bias", prefix, l);
    k.o_w = weights_take(w, DIMS(C, C), "%sencoder.layers.%d.self_attn.out_proj.weight", prefix, l);
    k.o_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.self_attn.out_proj.bias", prefix, l);
    k.ln1_w = weights_take(w, DIMS(C), "%sencoder.layers.%d.layer_norm1.weight", prefix, l);
    k.ln1_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.layer_norm1.bias", prefix, l);
    k.fc1_w = weights_take(w, DIMS(F, C), "%sencoder.layers.%d.mlp.fc1.weight", prefix, l);
    k.fc1_b = weights_take(w, DIMS(F), "%sencoder.layers.%d.mlp.fc1.bias", prefix, l);
    k.fc2_w = weights_take(w, DIMS(C, F), "%sencoder.layers.%d.mlp.fc2.weight", prefix, l);
    k.fc2_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.mlp.fc2.bias", prefix, l);
    k.ln2_w = weights_take(w, DIMS(C), "%sencoder.layers.%d.layer_norm2.weight", prefix, l);
    k.ln2_b = weights_take(w, DIMS(C), "%sencoder.layers.%d.layer_norm2.bias", prefix, l);
    return k;
}

// x (B, T, C) += attention(norm(x)). Temporaries die with the mark of the caller.
static Tensor attend(Run *run, const ClipConfig *c, const ClipLayer *k, Tensor x, AttnShape shape, const char *prefix, int l) {
    Tensor h = layernorm_rounded(run, x, k->ln1_w, k->ln1_b, c->eps);
    h = tap(run, h, "%sencoder.layers.%d.layer_norm1", prefix, l);
    Tensor q = tap(run, linear_rounded(run, h, k->q_w, k->q_b), "%sencoder.layers.%d.self_attn.q_proj", prefix, l);
    Tensor key = tap(run, linear_rounded(run, h, k->k_w, k->k_b), "%sencoder.layers.%d.self_attn.k_proj", prefix, l);
    Tensor v = tap(run, linear_rounded(run, h, k->v_w, k->v_b), "%sencoder.layers.%d.self_attn.v_proj", prefix, l);
    if (tap_wanted(run, "%sencoder.layers.%d.self_attn#weights", prefix, l))
        tap(run, attention_weights(run, q, key, shape), "%sencoder.layers.%d.self_attn#weights", prefix, l);
    return linear_into(run, x, attention(run, q, key, v, shape), k->o_w, k->o_b, NULL, "out_proj", "%sencoder.layers.%d.self_attn", prefix, l);
}

static Tensor feed_forward(Run *run, const ClipConfig *c, const ClipLayer *k, Tensor x, const char *prefix, int l) {
    Tensor h = layernorm_rounded(run, x, k->ln2_w, k->ln2_b, c->eps);
    h = tap(run, h, "%sencoder.layers.%d.layer_norm2", prefix, l);
    h = linear_activated(run, h, k->fc1_w, k->fc1_b, c->act, "%sencoder.layers.%d.mlp.fc1", prefix, l);
    h = tap(run, h, "%sencoder.layers.%d.mlp.activation_fn", prefix, l);
    return linear_into(run, x, h, k->fc2_w, k->fc2_b, NULL, "fc2", "%sencoder.layers.%d.mlp", prefix, l);
}

Tensor clip_layer_forward(Run *run, const ClipConfig *c, const ClipLayer *k, Tensor x, AttnShape shape, const char *prefix, int l) {
    RunMark m = run_mark(run);
    x = attend(run, c, k, x, shape, prefix, l);
    x = feed_forward(run, c, k, x, prefix, l);
    run_release(run, m);
    return tap(run, x, "%sencoder.layers.%d", prefix, l);
}

Tensor clip_positions(Run *run, Tensor table, long T, const char *prefix) {
    Tensor at = run_input(run, DTYPE_I32, DIMS(1, T));
    for (long i = 0; !run->dry && i < T; i++) i32(at)[i] = (int32_t)i;
    return tap(run, embedding(run, table, at), "%sembeddings.position_embedding", prefix);
}

// ---- vision

ClipVision *clip_vision_load(Arena *a, const Json *c, Weights *w, const char *prefix, bool pooled) {
    ClipVision *m = take_zero(a, ClipVision, 1);
    m->cfg = clip_config(c, (ClipConfig){.C = 768, .F = 3072, .L = 12, .H = 12, .eps = 1e-5f}, "quick_gelu");
    m->prefix = prefix;
    m->image = config_int_or(c, "image_size", 224);
    m->P = config_int_or(c, "patch_size", 32);
    need(m->P > 0 && m->image >= m->P, "%s: a picture of %d pixels has no patch of %d", config_where(c), m->image, m->P);
    int G = m->image / m->P, C = m->cfg.C, channels = config_int_or(c, "num_channels", 3);
    m->T = G * G + 1;
    m->cls = weights_take(w, DIMS(C), "%sembeddings.class_embedding", prefix);
    m->patch_w = weights_take(w, DIMS(C, channels, m->P, m->P), "%sembeddings.patch_embedding.weight", prefix);
    m->positions = weights_take(w, DIMS(m->T, C), "%sembeddings.position_embedding.weight", prefix);
    m->pre_w = weights_take(w, DIMS(C), "%spre_layrnorm.weight", prefix);
    m->pre_b = weights_take(w, DIMS(C), "%spre_layrnorm.bias", prefix);
    m->layers = take_zero(a, ClipLayer, (size_t)m->cfg.L);
    for (int l = 0; l < m->cfg.L; l++) m->layers[l] = clip_layer_load(w, &m->cfg, prefix, l);
    if (pooled) {
        m->post_w = weights_take(w, DIMS(C), "%spost_layernorm.weight", prefix);
        m->post_b = weights_take(w, DIMS(C), "%spost_layernorm.bias", prefix);
    }
    return m;
}

// The table's rows for a grid of GH x GW patches: as stored, or resampled (the class token's row stays).
static Tensor position_rows(Run *run, const ClipVision *m, long GH, long GW, bool interpolate) {
    long G = m->image / m->P, C = m->cfg.C, T = GH * GW + 1;
    if (GH == G && GW == G) return clip_positions(run, m->positions, m->T, m->prefix);
    need(interpolate, "CLIP's vision tower takes pictures of %d x %d pixels, not %ld x %ld; --interpolate resamples its positions", m->image, m->image,
         GW * m->P, GH * m->P);
    Tensor rows = run_input(run, DTYPE_F32, DIMS(1, T, C)), stored = run_input(run, DTYPE_F32, DIMS(m->T, C));
    if (run->dry) return rows;
    float *table = f32(stored);
    widen(table, m->positions.data, m->positions.dtype, (size_t)(m->T * C));
    memcpy(rows.data, table, (size_t)C * sizeof(float));
    grid_resample(f32(rows) + C, (int)GH, (int)GW, table + C, (int)G, (int)G, (int)C, GRID_BICUBIC);
    return rows;
}

static Tensor vision_embed(Run *run, const ClipVision *m, Tensor pixels, bool interpolate) {
    const char *p = m->prefix;
    long C = m->cfg.C, GH, GW;
    need(pixels.ndim == 4, "pixels: CLIP's vision tower takes (B, 3, height, width)");
    GH = pixels.shape[2] / m->P, GW = pixels.shape[3] / m->P;
    need(interpolate || (pixels.shape[2] == m->image && pixels.shape[3] == m->image),
         "CLIP's vision tower takes pictures of %d x %d pixels, not %ld x %ld; --interpolate resamples its positions", m->image, m->image, pixels.shape[3],
         pixels.shape[2]);
    Tensor w = tensor_view(m->patch_w, DIMS(C, (long)(tensor_count(m->patch_w) / (size_t)C)));
    Tensor x = linear(run, patchify(run, pixels, m->P), w, NO_TENSOR); // (B, GH*GW, C)
    x = tap_channels_first(run, x, GH, GW, "%sembeddings.patch_embedding", p);
    x = prepend_row(run, x, m->cls); // (B, T, C)
    Tensor rows = position_rows(run, m, GH, GW, interpolate);
    x = add_rows(run, x, tensor_view(rows, DIMS(GH * GW + 1, C)));
    return tap(run, x, "%sembeddings", p);
}

Tensor clip_vision_forward(Run *run, const ClipVision *m, Tensor pixels, bool interpolate, int layers, const bool *wanted, Tensor *states) {
    const char *p = m->prefix;
    if (layers < 0) layers = m->cfg.L;
    Tensor x = layernorm(run, vision_embed(run, m, pixels, interpolate), m->pre_w, m->pre_b, m->cfg.eps);
    x = tap(run, x, "%spre_layrnorm", p);
    AttnShape shape = {.heads = m->cfg.H};
    for (int l = 0;; l++) {
        if (wanted && wanted[l]) states[l] = rows_slice(run, x, 0, x.shape[1]); // a copy: x goes on in place
        if (l == layers) break;
        x = clip_layer_forward(run, &m->cfg, &m->layers[l], x, shape, p, l);
    }
    return layers == m->cfg.L ? tap(run, x, "%sencoder", p) : x;
}

Tensor clip_vision_pooled(Run *run, const ClipVision *m, Tensor last) {
    Tensor first = rows_slice(run, last, 0, 1);
    first = tensor_view(first, DIMS(last.shape[0], last.shape[2]));
    Tensor x = layernorm(run, first, m->post_w, m->post_b, m->cfg.eps);
    return tap(run, x, "%spost_layernorm", m->prefix);
}

// ---- text

ClipText *clip_text_load(Arena *a, const Json *c, Weights *w, const char *prefix) {
    ClipText *m = take_zero(a, ClipText, 1);
    m->cfg = clip_config(c, (ClipConfig){.C = 512, .F = 2048, .L = 12, .H = 8, .eps = 1e-5f}, "quick_gelu");
    m->prefix = prefix;
    m->V = config_int_or(c, "vocab_size", 49408);
    m->positions_count = config_int_or(c, "max_position_embeddings", 77);
    m->eos = config_int_or(c, "eos_token_id", 49407);
    int C = m->cfg.C;
    m->tokens = weights_take(w, DIMS(m->V, C), "%sembeddings.token_embedding.weight", prefix);
    m->positions = weights_take(w, DIMS(m->positions_count, C), "%sembeddings.position_embedding.weight", prefix);
    m->layers = take_zero(a, ClipLayer, (size_t)m->cfg.L);
    for (int l = 0; l < m->cfg.L; l++) m->layers[l] = clip_layer_load(w, &m->cfg, prefix, l);
    m->final_w = weights_take(w, DIMS(C), "%sfinal_layer_norm.weight", prefix);
    m->final_b = weights_take(w, DIMS(C), "%sfinal_layer_norm.bias", prefix);
    return m;
}

Tensor clip_text_embed(Run *run, Tensor tokens, Tensor positions, Tensor ids, const char *prefix) {
    Tensor x = tap(run, embedding(run, tokens, ids), "%sembeddings.token_embedding", prefix);
    Tensor rows = clip_positions(run, positions, ids.shape[1], prefix); // (1, T, C)
    return tap(run, add_rows(run, x, tensor_view(rows, DIMS(rows.shape[1], rows.shape[2]))), "%sembeddings", prefix);
}

Tensor clip_text_forward(Run *run, const ClipText *m, Tensor ids, Tensor mask) {
    const char *p = m->prefix;
    long T = ids.shape[1];
    need(T <= m->positions_count, "text: %ld tokens; CLIP's text tower holds %d; shorten it", T, m->positions_count);
    Tensor x = clip_text_embed(run, m->tokens, m->positions, ids, p);
    AttnShape shape = {.heads = m->cfg.H, .causal = true, .key_mask = mask};
    for (int l = 0; l < m->cfg.L; l++) x = clip_layer_forward(run, &m->cfg, &m->layers[l], x, shape, p, l);
    x = tap(run, x, "%sencoder", p);
    x = layernorm(run, x, m->final_w, m->final_b, m->cfg.eps);
    return tap(run, x, "%sfinal_layer_norm", p);
}

Tensor clip_text_pooled(Run *run, const ClipText *m, Tensor last, Tensor ids) {
    long B = ids.shape[0], T = ids.shape[1];
    Tensor at = run_input(run, DTYPE_I32, DIMS(B));
    for (long b = 0; !run->dry && b < B; b++) {
        const int32_t *row = i32(ids) + b * T;
        long found = 0; // the reference's argmax: 0 when no end token is there
        for (long t = 0; t < T; t++) {
            if (m->eos == 2 ? row[t] > row[found] : row[t] == m->eos) {
                found = t;
                if (m->eos != 2) break;
            }
        }
        i32(at)[b] = (int32_t)found;
    }
    return rows_at(run, last, at);
}

// ---- the family: both towers

static const Rename full_renames[] = {{"clip.", ""}};
static const Rename vision_renames[] = {{"vision_model.", ""}};
static const TapAlias vision_aliases[] = {{"vision_model.", ""}};
static const char *const text_ignored[] = {"vision_model.*", "visual_projection.*", "logit_scale", "text_projection.*"};
static const char *const clip_ignored[] = {"*position_ids", "text_model.*", "text_projection.*", "logit_scale", "visual_projection.*", NULL};

static void *clip_load(Model *model) {
    Clip *m = take_zero(model->arena, Clip, 1);
    const Json *c = model->config, *vision = json_get(c, "vision_config"), *text = json_get(c, "text_config");
    m->projection = config_int_or(c, "projection_dim", 512);
    m->vision = clip_vision_load(model->arena, vision, model->weights, "vision_model.", true);
    m->text = clip_text_load(model->arena, text, model->weights, "text_model.");
    m->visual_projection = weights_take(model->weights, DIMS(m->projection, m->vision->cfg.C), "visual_projection.weight");
    m->text_projection = weights_take(model->weights, DIMS(m->projection, m->text->cfg.C), "text_projection.weight");
    m->logit_scale = weights_take(model->weights, 0, NULL, "logit_scale");
    model->vocabulary = m->text->V;
    model->context = m->text->positions_count;
    return m;
}

static Outputs clip_forward(Run *run, const Model *model, const Inputs *in) {
    const Clip *m = model->own;
    Outputs out = {0};
    if (m->vision && tensor_given(in->pixels)) {
        Tensor last = clip_vision_forward(run, m->vision, in->pixels, in->interpolate, -1, NULL, NULL);
        Tensor pooled = clip_vision_pooled(run, m->vision, last);
        tap_module(run, last, m->vision->prefix);
        out.image_embeds = tap(run, linear(run, pooled, m->visual_projection, NO_TENSOR), "visual_projection");
        out.hidden = last;
    }
    if (m->text && tensor_given(in->ids)) {
        Tensor last = clip_text_forward(run, m->text, in->ids, in->mask);
        Tensor pooled = clip_text_pooled(run, m->text, last, in->ids);
        tap_module(run, last, m->text->prefix);
        out.text_embeds = tap(run, linear(run, pooled, m->text_projection, NO_TENSOR), "text_projection");
    }
    return out;
}

Tensor clip_pixels(const Json *vision) {
    long S = config_int_or(vision, "image_size", 224);
    return tensor_of(NULL, DTYPE_F32, DIMS(1, config_int_or(vision, "num_channels", 3), S, S));
}

static Inputs clip_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    int T = tokens ? tokens : model->context;
    return (Inputs){.pixels = clip_pixels(json_get(model->config, "vision_config")), .ids = tensor_of(NULL, DTYPE_I32, DIMS(1, T))};
}

static const char *const clip_types[] = {"clip", NULL};
const Family clip_family = {.name = "clip", .types = clip_types, .load = clip_load, .forward = clip_forward, .example = clip_example,
                            .renames = full_renames, .rename_count = 1, .ignored = clip_ignored, .ignored_count = 1,
                            .takes_images = true, .takes_text = true};

// ---- the family: the vision tower alone (CLIPVisionModel)

static void *vision_load(Model *model) {
    return clip_vision_load(model->arena, model->config, model->weights, "", true);
}

static Outputs vision_forward(Run *run, const Model *model, const Inputs *in) {
    const ClipVision *m = model->own;
    Tensor last = clip_vision_forward(run, m, in->pixels, in->interpolate, -1, NULL, NULL);
    clip_vision_pooled(run, m, last);
    return (Outputs){.hidden = last};
}

static Inputs vision_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width, (void)tokens;
    return (Inputs){.pixels = clip_pixels(model->config)};
}

static const char *const vision_types[] = {"clip_vision_model", NULL};
const Family clip_vision_family = {.name = "clip_vision", .types = vision_types, .load = vision_load, .forward = vision_forward,
                                   .example = vision_example, .renames = vision_renames, .rename_count = 1, .ignored = clip_ignored,
                                   .ignored_count = 5, .aliases = vision_aliases, .alias_count = 1, .takes_images = true};

// ---- the family: the text tower alone (CLIPTextModel)

static const Rename text_renames[] = {{"text_model.", ""}};
static const TapAlias text_aliases[] = {{"text_model.", ""}};

static void *text_load(Model *model) {
    ClipText *m = clip_text_load(model->arena, model->config, model->weights, "");
    model->vocabulary = m->V;
    model->context = m->positions_count;
    return m;
}

static Outputs text_forward(Run *run, const Model *model, const Inputs *in) {
    return (Outputs){.hidden = clip_text_forward(run, model->own, in->ids, in->mask)};
}

static Inputs text_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    return (Inputs){.ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : model->context))};
}

static const char *const text_types[] = {"clip_text_model", NULL};
const Family clip_text_family = {.name = "clip_text", .types = text_types, .load = text_load, .forward = text_forward,
                                 .example = text_example, .renames = text_renames, .rename_count = 1, .ignored = text_ignored,
                                 .ignored_count = 4, .aliases = text_aliases, .alias_count = 1, .takes_text = true};

// ---- the families: one tower and its projection (CLIPVisionModelWithProjection, CLIPTextModelWithProjection), named as in
// the full model. Here the tower's own projection_dim counts.

static const char *const vision_projection_ignored[] = {"text_model.*", "text_projection.*", "logit_scale"};
static const char *const text_projection_ignored[] = {"vision_model.*", "visual_projection.*", "logit_scale"};

static void *vision_projection_load(Model *model) {
    Clip *m = take_zero(model->arena, Clip, 1);
    m->projection = config_int_or(model->config, "projection_dim", 512);
    m->vision = clip_vision_load(model->arena, model->config, model->weights, "vision_model.", true);
    m->visual_projection = weights_take(model->weights, DIMS(m->projection, m->vision->cfg.C), "visual_projection.weight");
    return m;
}

const Family clip_vision_projection_family = {.name = "clip_vision", .types = vision_types, .architecture = "CLIPVisionModelWithProjection",
                                              .load = vision_projection_load, .forward = clip_forward, .example = vision_example,
                                              .ignored = vision_projection_ignored, .ignored_count = 3, .takes_images = true};

static void *text_projection_load(Model *model) {
    Clip *m = take_zero(model->arena, Clip, 1);
    m->projection = config_int_or(model->config, "projection_dim", 512);
    m->text = clip_text_load(model->arena, model->config, model->weights, "text_model.");
    m->text_projection = weights_take(model->weights, DIMS(m->projection, m->text->cfg.C), "text_projection.weight");
    model->vocabulary = m->text->V;
    model->context = m->text->positions_count;
    return m;
}

const Family clip_text_projection_family = {.name = "clip_text", .types = text_types, .architecture = "CLIPTextModelWithProjection",
                                            .load = text_projection_load, .forward = clip_forward, .example = text_example,
                                            .ignored = text_projection_ignored, .ignored_count = 3, .takes_text = true};
