// siglip.c: SigLIP, two transformers whose similarity is a probability for each pair by itself.
//
// Source: Zhai et al. 2023 (arXiv:2303.15343); names as in the checkpoint; blocks are CLIP's (clip.c).
// Departs from it: nowhere. Held by: test/test_models.c, every tap, against transformers in float32.
// Letters: B images or texts, P patch side (px), GH x GW patches, T tokens, C width, F inner width, V vocabulary.
// Bites: no class token; the patch convolution has a bias and drops what is left over at the right and at the bottom; the
// text tower masks nothing and reads its LAST position, so a text must be padded to the length it was trained with.
#include "siglip.h"

#include <string.h>

#include "interpolate.h"
#include "kernels.h" // widen

// ---- vision

static void head_load(SiglipVision *m, Weights *w) {
    const char *p = m->prefix;
    int C = m->cfg.C, F = m->cfg.F;
    m->probe = weights_take(w, DIMS(1, 1, C), "%shead.probe", p);
    m->in_w = weights_take(w, DIMS(3 * C, C), "%shead.attention.in_proj_weight", p);
    m->in_b = weights_take(w, DIMS(3 * C), "%shead.attention.in_proj_bias", p);
    m->out_w = weights_take(w, DIMS(C, C), "%shead.attention.out_proj.weight", p);
    m->out_b = weights_take(w, DIMS(C), "%shead.attention.out_proj.bias", p);
    m->norm_w = weights_take(w, DIMS(C), "%shead.layernorm.weight", p);
    m->norm_b = weights_take(w, DIMS(C), "%shead.layernorm.bias", p);
    m->fc1_w = weights_take(w, DIMS(F, C), "%shead.mlp.fc1.weight", p);
    m->fc1_b = weights_take(w, DIMS(F), "%shead.mlp.fc1.bias", p);
    m->fc2_w = weights_take(w, DIMS(C, F), "%shead.mlp.fc2.weight", p);
    m->fc2_b = weights_take(w, DIMS(C), "%shead.mlp.fc2.bias", p);
}

SiglipVision *siglip_vision_load(Arena *a, const Json *c, Weights *w, const char *prefix) {
    SiglipVision *m = take_zero(a, SiglipVision, 1);
    m->cfg = clip_config(c, (ClipConfig){.C = 768, .F = 3072, .L = 12, .H = 12, .eps = 1e-6f}, "gelu_pytorch_tanh");
    m->prefix = prefix;
    m->image = config_int_or(c, "image_size", 224);
    m->P = config_int_or(c, "patch_size", 16);
    m->head = json_bool_or(c, "vision_use_head", true);
    need(m->P > 0 && m->image >= m->P, "%s: a picture of %d pixels has no patch of %d", config_where(c), m->image, m->P);
    int G = m->image / m->P, C = m->cfg.C, channels = config_int_or(c, "num_channels", 3);
    m->T = G * G;
    m->patch_w = weights_take(w, DIMS(C, channels, m->P, m->P), "%sembeddings.patch_embedding.weight", prefix);
    m->patch_b = weights_take(w, DIMS(C), "%sembeddings.patch_embedding.bias", prefix);
    m->positions = weights_take(w, DIMS(m->T, C), "%sembeddings.position_embedding.weight", prefix);
    m->layers = take_zero(a, ClipLayer, (size_t)m->cfg.L);
    for (int l = 0; l < m->cfg.L; l++) m->layers[l] = clip_layer_load(w, &m->cfg, prefix, l);
    m->post_w = weights_take(w, DIMS(C), "%spost_layernorm.weight", prefix);
    m->post_b = weights_take(w, DIMS(C), "%spost_layernorm.bias", prefix);
    if (m->head) head_load(m, w);
    return m;
}

// The table for a grid of GH x GW patches: as stored, or resampled as a whole.
static Tensor position_rows(Run *run, const SiglipVision *m, long GH, long GW) {
    int G = m->image / m->P, C = m->cfg.C;
    if (GH == G && GW == G) return clip_positions(run, m->positions, m->T, m->prefix);
    Tensor rows = run_input(run, DTYPE_F32, DIMS(1, GH * GW, C)), stored = run_input(run, DTYPE_F32, DIMS(m->T, C));
    if (run->dry) return rows;
    float *table = f32(stored);
    widen(table, m->positions.data, m->positions.dtype, (size_t)m->T * (size_t)C);
    grid_resample(f32(rows), (int)GH, (int)GW, table, G, G, C, GRID_BICUBIC);
    return rows;
}

Tensor siglip_vision_forward(Run *run, const SiglipVision *m, Tensor pixels, bool interpolate) {
    const char *p = m->prefix;
    long C = m->cfg.C;
    need(pixels.ndim == 4, "pixels: SigLIP's vision tower takes (B, 3, height, width)");
    need(interpolate || (pixels.shape[2] == m->image && pixels.shape[3] == m->image),
         "SigLIP's vision tower takes pictures of %d x %d pixels, not %ld x %ld; --interpolate resamples its positions", m->image, m->image, pixels.shape[3],
         pixels.shape[2]);
    long GH = pixels.shape[2] / m->P, GW = pixels.shape[3] / m->P;
    Tensor w = tensor_view(m->patch_w, DIMS(C, (long)(tensor_count(m->patch_w) / (size_t)C)));
    Tensor x = linear(run, patchify(run, pixels, m->P), w, m->patch_b); // (B, GH*GW, C)
    x = tap_channels_first(run, x, GH, GW, "%sembeddings.patch_embedding", p);
    x = add_rows(run, x, tensor_view(position_rows(run, m, GH, GW), DIMS(GH * GW, C)));
    x = tap(run, x, "%sembeddings", p);
    AttnShape shape = {.heads = m->cfg.H};
    for (int l = 0; l < m->cfg.L; l++) x = clip_layer_forward(run, &m->cfg, &m->layers[l], x, shape, p, l);
    x = tap(run, x, "%sencoder", p);
    x = layernorm(run, x, m->post_w, m->post_b, m->cfg.eps);
    return tap(run, x, "%spost_layernorm", p);
}

// One learned query asks all tokens; then a feed-forward part with its own norm. The rows of in_proj that a side does not
// need are computed along: 1/3 of a product that is 1/100 of the tower's.
Tensor siglip_vision_pooled(Run *run, const SiglipVision *m, Tensor last) {
    const char *p = m->prefix;
    long B = last.shape[0], C = m->cfg.C;
    Tensor zero = run_input(run, DTYPE_I32, DIMS(B, 1));
    for (long b = 0; !run->dry && b < B; b++) i32(zero)[b] = 0;
    Tensor probe = embedding(run, tensor_view(m->probe, DIMS(1, C)), zero); // (B, 1, C)
    Tensor q = slice_last(run, linear(run, probe, m->in_w, m->in_b), 0, C);
    Tensor all = linear(run, last, m->in_w, m->in_b);
    Tensor h = attention(run, q, slice_last(run, all, C, 2 * C), slice_last(run, all, 2 * C, 3 * C), (AttnShape){.heads = m->cfg.H});
    Tensor x = tap(run, linear(run, h, m->out_w, m->out_b), "%shead.attention", p);
    h = tap(run, layernorm(run, x, m->norm_w, m->norm_b, m->cfg.eps), "%shead.layernorm", p);
    h = linear_activated(run, h, m->fc1_w, m->fc1_b, m->cfg.act, "%shead.mlp.fc1", p);
    h = tap(run, h, "%shead.mlp.activation_fn", p);
    h = tap(run, linear(run, h, m->fc2_w, m->fc2_b), "%shead.mlp.fc2", p);
    x = add(run, x, tap(run, h, "%shead.mlp", p));
    return tap(run, tensor_view(x, DIMS(B, C)), "%shead", p);
}

// ---- text

SiglipText *siglip_text_load(Arena *a, const Json *c, Weights *w, const char *prefix) {
    SiglipText *m = take_zero(a, SiglipText, 1);
    m->cfg = clip_config(c, (ClipConfig){.C = 768, .F = 3072, .L = 12, .H = 12, .eps = 1e-6f}, "gelu_pytorch_tanh");
    m->prefix = prefix;
    m->V = config_int_or(c, "vocab_size", 32000);
    m->positions_count = config_int_or(c, "max_position_embeddings", 64);
    int C = m->cfg.C;
    m->projection = config_int_or(c, "projection_size", C);
    m->tokens = weights_take(w, DIMS(m->V, C), "%sembeddings.token_embedding.weight", prefix);
    m->positions = weights_take(w, DIMS(m->positions_count, C), "%sembeddings.position_embedding.weight", prefix);
    m->layers = take_zero(a, ClipLayer, (size_t)m->cfg.L);
    for (int l = 0; l < m->cfg.L; l++) m->layers[l] = clip_layer_load(w, &m->cfg, prefix, l);
    m->final_w = weights_take(w, DIMS(C), "%sfinal_layer_norm.weight", prefix);
    m->final_b = weights_take(w, DIMS(C), "%sfinal_layer_norm.bias", prefix);
    m->head_w = weights_take(w, DIMS(m->projection, C), "%shead.weight", prefix);
    m->head_b = weights_take(w, DIMS(m->projection), "%shead.bias", prefix);
    return m;
}

Tensor siglip_text_forward(Run *run, const SiglipText *m, Tensor ids) {
    const char *p = m->prefix;
    long T = ids.shape[1];
    need(T <= m->positions_count, "text: %ld tokens; SigLIP's text tower holds %d; shorten it", T, m->positions_count);
    Tensor x = clip_text_embed(run, m->tokens, m->positions, ids, p);
    AttnShape shape = {.heads = m->cfg.H};
    for (int l = 0; l < m->cfg.L; l++) x = clip_layer_forward(run, &m->cfg, &m->layers[l], x, shape, p, l);
    x = tap(run, x, "%sencoder", p);
    x = layernorm(run, x, m->final_w, m->final_b, m->cfg.eps);
    return tap(run, x, "%sfinal_layer_norm", p);
}

Tensor siglip_text_pooled(Run *run, const SiglipText *m, Tensor last) {
    long T = last.shape[1];
    Tensor x = tensor_view(rows_slice(run, last, T - 1, T), DIMS(last.shape[0], m->cfg.C));
    return tap(run, linear(run, x, m->head_w, m->head_b), "%shead", m->prefix);
}

// ---- the family: both towers

typedef struct {
    SiglipVision *vision;
    SiglipText *text;
    Tensor logit_scale, logit_bias; // (1): probability of a pair = sigmoid(exp(scale) * cosine + bias)
} Siglip;

static void *siglip_load(Model *model) {
    Siglip *m = take_zero(model->arena, Siglip, 1);
    m->vision = siglip_vision_load(model->arena, json_get(model->config, "vision_config"), model->weights, "vision_model.");
    m->text = siglip_text_load(model->arena, json_get(model->config, "text_config"), model->weights, "text_model.");
    m->logit_scale = weights_take(model->weights, DIMS(1), "logit_scale");
    m->logit_bias = weights_take(model->weights, DIMS(1), "logit_bias");
    model->vocabulary = m->text->V;
    model->context = m->text->positions_count;
    return m;
}

static Outputs vision_run(Run *run, const SiglipVision *m, const Inputs *in) {
    Outputs out = {.hidden = siglip_vision_forward(run, m, in->pixels, in->interpolate)};
    if (m->head) out.image_embeds = siglip_vision_pooled(run, m, out.hidden);
    tap_module(run, out.hidden, m->prefix);
    return out;
}

static Tensor text_run(Run *run, const SiglipText *m, const Inputs *in, Tensor *last) {
    *last = siglip_text_forward(run, m, in->ids);
    Tensor pooled = siglip_text_pooled(run, m, *last);
    tap_module(run, *last, m->prefix);
    return pooled;
}

static Outputs siglip_forward(Run *run, const Model *model, const Inputs *in) {
    const Siglip *m = model->own;
    Outputs out = {0};
    Tensor last;
    if (tensor_given(in->pixels)) out = vision_run(run, m->vision, in);
    if (tensor_given(in->ids)) out.text_embeds = text_run(run, m->text, in, &last);
    return out;
}

static Inputs siglip_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    return (Inputs){.pixels = clip_pixels(json_get(model->config, "vision_config")),
                    .ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : model->context))};
}

static const char *const ignored[] = {"*position_ids", "text_model.*", "logit_scale", "logit_bias"};
static const char *const text_ignored[] = {"vision_model.*", "logit_scale", "logit_bias"};
static const char *const siglip_types[] = {"siglip", NULL};
const Family siglip_family = {.name = "siglip", .types = siglip_types, .load = siglip_load, .forward = siglip_forward, .example = siglip_example,
                              .ignored = ignored, .ignored_count = 1, .takes_images = true, .takes_text = true};

// ---- the families: one tower alone (SiglipVisionModel, SiglipTextModel)

static void *vision_load(Model *model) { return siglip_vision_load(model->arena, model->config, model->weights, ""); }

static Outputs vision_forward(Run *run, const Model *model, const Inputs *in) { return vision_run(run, model->own, in); }

static Inputs vision_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width, (void)tokens;
    return (Inputs){.pixels = clip_pixels(model->config)};
}

static const Rename vision_renames[] = {{"vision_model.", ""}};
static const TapAlias vision_aliases[] = {{"vision_model.", ""}};
static const char *const vision_types[] = {"siglip_vision_model", NULL};
const Family siglip_vision_family = {.name = "siglip_vision", .types = vision_types, .load = vision_load, .forward = vision_forward,
                                     .example = vision_example, .renames = vision_renames, .rename_count = 1, .ignored = ignored, .ignored_count = 4,
                                     .aliases = vision_aliases, .alias_count = 1, .takes_images = true};

static void *text_load(Model *model) {
    SiglipText *m = siglip_text_load(model->arena, model->config, model->weights, "");
    model->vocabulary = m->V;
    model->context = m->positions_count;
    return m;
}

static Outputs text_forward(Run *run, const Model *model, const Inputs *in) {
    Outputs out = {0};
    out.text_embeds = text_run(run, model->own, in, &out.hidden);
    return out;
}

static Inputs text_example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    return (Inputs){.ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : model->context))};
}

static const Rename text_renames[] = {{"text_model.", ""}};
static const TapAlias text_aliases[] = {{"text_model.", ""}};
static const char *const text_types[] = {"siglip_text_model", NULL};
const Family siglip_text_family = {.name = "siglip_text", .types = text_types, .load = text_load, .forward = text_forward, .example = text_example,
                                   .renames = text_renames, .rename_count = 1, .ignored = text_ignored, .ignored_count = 3, .aliases = text_aliases,
                                   .alias_count = 1, .takes_text = true};
