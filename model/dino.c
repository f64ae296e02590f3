// dino.c: DINOv2 and DINOv3, vision transformers that learned from pictures alone.
//
// Sources: see dino.h; names as in the checkpoints. Departs from them: nowhere.
// Held by: test/test_models.c, every tap, against transformers in float32.
// Letters: B images, P patch side (px), GH x GW patches, R registers, T = 1 + R + GH*GW tokens, C width, F inner width, H heads.
// Bites: DINOv2 resamples its position table for every picture that is not exactly the table's grid, with another filter when
// there are registers; registers get no position. DINOv3 turns queries and keys of the patch tokens only.
#include "dino.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "interpolate.h"
#include "kernels.h" // widen, sincos_of

// ---- parameters

static Tensor bias(Weights *w, bool there, int n, const char *prefix, int l, const char *name) {
    return there ? weights_take(w, DIMS(n), "%s.%d.%s", prefix, l, name) : NO_TENSOR;
}

static void norms_load(DinoLayer *k, Weights *w, int C, const char *prefix, int l) {
    k->norm1_w = weights_take(w, DIMS(C), "%s.%d.norm1.weight", prefix, l);
    k->norm1_b = weights_take(w, DIMS(C), "%s.%d.norm1.bias", prefix, l);
    k->norm2_w = weights_take(w, DIMS(C), "%s.%d.norm2.weight", prefix, l);
    k->norm2_b = weights_take(w, DIMS(C), "%s.%d.norm2.bias", prefix, l);
    k->scale1 = weights_take(w, DIMS(C), "%s.%d.layer_scale1.lambda1", prefix, l);
    k->scale2 = weights_take(w, DIMS(C), "%s.%d.layer_scale2.lambda1", prefix, l);
}

static DinoLayer layer_load2(Weights *w, const Dino *m, bool qkv_bias, int l) {
    static const char p[] = "encoder.layer";
    DinoLayer k = {0};
    int C = m->C, F = m->F;
    norms_load(&k, w, C, p, l);
    k.q_w = weights_take(w, DIMS(C, C), "%s.%d.attention.attention.query.weight", p, l);
    k.k_w = weights_take(w, DIMS(C, C), "%s.%d.attention.attention.key.weight", p, l);
    k.v_w = weights_take(w, DIMS(C, C), "%s.%d.attention.attention.value.weight", p, l);
    k.o_w = weights_take(w, DIMS(C, C), "%s.%d.attention.output.dense.weight", p, l);
    k.q_b = bias(w, qkv_bias, C, p, l, "attention.attention.query.bias");
    k.k_b = bias(w, qkv_bias, C, p, l, "attention.attention.key.bias");
    k.v_b = bias(w, qkv_bias, C, p, l, "attention.attention.value.bias");
    k.o_b = bias(w, true, C, p, l, "attention.output.dense.bias");
    if (m->gated) {
        k.in_w = weights_take(w, DIMS(2 * F, C), "%s.%d.mlp.weights_in.weight", p, l);
        k.in_b = bias(w, true, 2 * F, p, l, "mlp.weights_in.bias");
    } else {
        k.up_w = weights_take(w, DIMS(F, C), "%s.%d.mlp.fc1.weight", p, l);
        k.up_b = bias(w, true, F, p, l, "mlp.fc1.bias");
    }
    k.down_w = weights_take(w, DIMS(C, F), m->gated ? "%s.%d.mlp.weights_out.weight" : "%s.%d.mlp.fc2.weight", p, l);
    k.down_b = bias(w, true, C, p, l, m->gated ? "mlp.weights_out.bias" : "mlp.fc2.bias");
    return k;
}

static DinoLayer layer_load3(Weights *w, const Dino *m, const Json *c, int l) {
    static const char p[] = "model.layer";
    DinoLayer k = {0};
    int C = m->C, F = m->F;
    bool inner = json_bool_or(c, "mlp_bias", true);
    norms_load(&k, w, C, p, l);
    k.q_w = weights_take(w, DIMS(C, C), "%s.%d.attention.q_proj.weight", p, l);
    k.k_w = weights_take(w, DIMS(C, C), "%s.%d.attention.k_proj.weight", p, l);
    k.v_w = weights_take(w, DIMS(C, C), "%s.%d.attention.v_proj.weight", p, l);
    k.o_w = weights_take(w, DIMS(C, C), "%s.%d.attention.o_proj.weight", p, l);
    k.q_b = bias(w, json_bool_or(c, "query_bias", true), C, p, l, "attention.q_proj.bias");
    k.k_b = bias(w, json_bool_or(c, "key_bias", false), C, p, l, "attention.k_proj.bias");
    k.v_b = bias(w, json_bool_or(c, "value_bias", true), C, p, l, "attention.v_proj.bias");
    k.o_b = bias(w, json_bool_or(c, "proj_bias", true), C, p, l, "attention.o_proj.bias");
    if (m->gated) {
        k.gate_w = weights_take(w, DIMS(F, C), "%s.%d.mlp.gate_proj.weight", p, l);
        k.gate_b = bias(w, inner, F, p, l, "mlp.gate_proj.bias");
    }
    k.up_w = weights_take(w, DIMS(F, C), "%s.%d.mlp.up_proj.weight", p, l);
    k.up_b = bias(w, inner, F, p, l, "mlp.up_proj.bias");
    k.down_w = weights_take(w, DIMS(C, F), "%s.%d.mlp.down_proj.weight", p, l);
    k.down_b = bias(w, inner, C, p, l, "mlp.down_proj.bias");
    return k;
}

static Dino *common(Model *model, int C, int L, int H, int P) {
    const Json *c = model->config;
    Dino *m = take_zero(model->arena, Dino, 1);
    m->C = config_int_or(c, "hidden_size", C);
    m->L = config_blocks(c, "num_hidden_layers", L);
    m->H = config_int_or(c, "num_attention_heads", H);
    m->P = config_int_or(c, "patch_size", P);
    m->act = act_named(json_text_or(c, "hidden_act", "gelu"), c->source);
    need(m->C > 0 && m->L > 0 && m->P > 0, "%s: hidden_size %d, num_hidden_layers %d, patch_size %d: no network", c->source, m->C, m->L, m->P);
    need(m->H > 0 && m->C % m->H == 0, "%s: hidden_size %d does not divide into num_attention_heads %d", c->source, m->C, m->H);
    return m;
}

static void *load2(Model *model) {
    const Json *c = model->config;
    Weights *w = model->weights;
    Dino *m = common(model, 768, 12, 12, 14);
    bool registers = strcmp(json_text_or(c, "model_type", ""), "dinov2_with_registers") == 0;
    m->R = registers ? config_int_or(c, "num_register_tokens", 4) : 0;
    m->eps = (float)json_real_or(c, "layer_norm_eps", 1e-6);
    m->gated = json_bool_or(c, "use_swiglu_ffn", false);
    int inner = config_inner(c, "mlp_ratio", 4, m->C), side = config_int_or(c, "image_size", 224);
    m->F = m->gated ? (inner * 2 / 3 + 7) / 8 * 8 : inner;
    m->G = side / m->P;
    need(m->F > 0 && m->G > 0, "%s: image_size %d, patch_size %d and mlp_ratio do not make a model", c->source, side, m->P);
    m->cls = weights_take(w, DIMS(1, 1, m->C), "embeddings.cls_token");
    if (registers) m->registers = weights_take(w, DIMS(1, m->R, m->C), "embeddings.register_tokens");
    m->positions = weights_take(w, DIMS(1, m->G * m->G + 1, m->C), "embeddings.position_embeddings");
    m->patch_w = weights_take(w, DIMS(m->C, config_int_or(c, "num_channels", 3), m->P, m->P), "embeddings.patch_embeddings.projection.weight");
    m->patch_b = weights_take(w, DIMS(m->C), "embeddings.patch_embeddings.projection.bias");
    m->layers = take_zero(model->arena, DinoLayer, (size_t)m->L);
    for (int l = 0; l < m->L; l++) m->layers[l] = layer_load2(w, m, json_bool_or(c, "qkv_bias", true), l);
    m->norm_w = weights_take(w, DIMS(m->C), "layernorm.weight");
    m->norm_b = weights_take(w, DIMS(m->C), "layernorm.bias");
    return m;
}

static void *load3(Model *model) {
    const Json *c = model->config;
    Weights *w = model->weights;
    Dino *m = common(model, 384, 12, 6, 16);
    m->three = true;
    m->F = config_int_or(c, "intermediate_size", 1536);
    m->R = config_int_or(c, "num_register_tokens", 0);
    m->eps = (float)json_real_or(c, "layer_norm_eps", 1e-5);
    m->theta = (float)json_real_or(c, "rope_theta", 100);
    m->gated = json_bool_or(c, "use_gated_mlp", false);
    need(m->C / m->H % 4 == 0, "%s: heads of %d channels have no rotary positions in two dimensions: a multiple of 4 is needed", c->source, m->C / m->H);
    m->cls = weights_take(w, DIMS(1, 1, m->C), "embeddings.cls_token");
    m->registers = weights_take(w, DIMS(1, m->R, m->C), "embeddings.register_tokens");
    m->patch_w = weights_take(w, DIMS(m->C, config_int_or(c, "num_channels", 3), m->P, m->P), "embeddings.patch_embeddings.weight");
    m->patch_b = weights_take(w, DIMS(m->C), "embeddings.patch_embeddings.bias");
    m->layers = take_zero(model->arena, DinoLayer, (size_t)m->L);
    for (int l = 0; l < m->L; l++) m->layers[l] = layer_load3(w, m, c, l);
    m->norm_w = weights_take(w, DIMS(m->C), "norm.weight");
    m->norm_b = weights_take(w, DIMS(m->C), "norm.bias");
    return m;
}

// ---- embeddings

// DINOv2's table for a grid of GH x GW patches, the class token's row first: as stored, or resampled.
static Tensor position_rows(Run *run, const Dino *m, long GH, long GW) {
    long C = m->C, T = GH * GW + 1, N = (long)m->G * m->G;
    Tensor rows = run_input(run, DTYPE_F32, DIMS(T, C)), stored = run_input(run, DTYPE_F32, DIMS(N + 1, C));
    if (run->dry) return rows;
    float *table = f32(stored);
    widen(table, m->positions.data, m->positions.dtype, (size_t)((N + 1) * C));
    memcpy(rows.data, table, (size_t)C * sizeof(float));
    if (GH == m->G && GW == m->G) memcpy(f32(rows) + C, table + C, (size_t)(N * C) * sizeof(float));
    else grid_resample(f32(rows) + C, (int)GH, (int)GW, table + C, m->G, m->G, m->C, m->R > 0 ? GRID_BICUBIC_ANTIALIAS : GRID_BICUBIC);
    return rows;
}

// (B, 1 + N, C) -> (B, 1 + R + N, C): the registers behind the class token.
static Tensor registers_put(Run *run, const Dino *m, Tensor x) {
    if (m->R == 0) return x;
    long B = x.shape[0], T = x.shape[1];
    Tensor ids = run_input(run, DTYPE_I32, DIMS(B, m->R));
    for (long i = 0; !run->dry && i < B * m->R; i++) i32(ids)[i] = (int32_t)(i % m->R);
    Tensor rows = embedding(run, tensor_view(m->registers, DIMS(m->R, m->C)), ids);
    return concat_tokens(run, concat_tokens(run, rows_slice(run, x, 0, 1), rows), rows_slice(run, x, 1, T));
}

static Tensor embed(Run *run, const Dino *m, Tensor pixels, long GH, long GW) {
    Tensor w = tensor_view(m->patch_w, DIMS(m->C, (long)(tensor_count(m->patch_w) / (size_t)m->C)));
    Tensor x = linear(run, patchify(run, pixels, m->P), w, m->patch_b); // (B, GH*GW, C)
    if (m->three) x = tap_channels_first(run, x, GH, GW, "embeddings.patch_embeddings");
    else x = tap(run, tap_channels_first(run, x, GH, GW, "embeddings.patch_embeddings.projection"), "embeddings.patch_embeddings");
    x = prepend_row(run, x, tensor_view(m->cls, DIMS(m->C)));
    if (!m->three) x = add_rows(run, x, position_rows(run, m, GH, GW));
    return tap(run, registers_put(run, m, x), "embeddings");
}

// ---- DINOv3's rotary positions: the centre of a patch in [-1, 1], rows before columns; float steps as the reference takes them

typedef struct {
    Tensor cosine, sine; // (T, D/2); class token and registers are not turned
} Turns;

// The reference shows the cosines of the patches, twice beside each other, as a module's output: so they can be replaced.
static Tensor cosines_tapped(Run *run, Tensor cosine) {
    if (!tap_wanted(run, "rope_embeddings")) return cosine;
    long half = tensor_last(cosine);
    Tensor both = tap(run, concat_last(run, cosine, cosine), "rope_embeddings");
    return slice_last(run, both, 0, half);
}

static Tensor behind_fixed(Run *run, int fixed, float value, Tensor rows) {
    long N = rows.shape[0], half = rows.shape[1];
    Tensor front = run_input(run, DTYPE_F32, DIMS(1, fixed, half));
    for (long i = 0; !run->dry && i < fixed * half; i++) f32(front)[i] = value;
    return tensor_view(concat_tokens(run, front, tensor_view(rows, DIMS(1, N, half))), DIMS(fixed + N, half));
}

static Turns turns_of(Run *run, const Dino *m, long GH, long GW) {
    long quarter = m->C / m->H / 4, N = GH * GW;
    Tensor cosine = run_input(run, DTYPE_F32, DIMS(N, 2 * quarter)), sine = run_input(run, DTYPE_F32, DIMS(N, 2 * quarter));
    for (long i = 0; !run->dry && i < N; i++)
        for (long j = 0; j < 2 * quarter; j++) {
            bool row = j < quarter;
            float centre = 2.0f * (((float)(row ? i / GW : i % GW) + 0.5f) / (float)(row ? GH : GW)) - 1.0f;
            float power = (float)pow((double)m->theta, (double)(float)((double)(j % quarter) / (double)quarter));
            float angle = 6.28318530717958647692f * centre * (1.0f / power);
            double s, c;
            sincos_of((double)angle, &s, &c);
            f32(cosine)[i * 2 * quarter + j] = (float)c;
            f32(sine)[i * 2 * quarter + j] = (float)s;
        }
    return (Turns){behind_fixed(run, 1 + m->R, 1, cosines_tapped(run, cosine)), behind_fixed(run, 1 + m->R, 0, sine)};
}

// ---- blocks

static Tensor attend(Run *run, const Dino *m, const DinoLayer *k, Tensor h, const Turns *turns, const char *p) {
    Tensor q = m->three ? linear(run, h, k->q_w, k->q_b) : linear_rounded(run, h, k->q_w, k->q_b); // turned first, or read by attention
    q = tap(run, q, "%s.attention.q_proj", p);
    Tensor key = m->three ? linear(run, h, k->k_w, k->k_b) : linear_rounded(run, h, k->k_w, k->k_b);
    key = tap(run, key, "%s.attention.k_proj", p);
    Tensor v = tap(run, linear_rounded(run, h, k->v_w, k->v_b), "%s.attention.v_proj", p);
    if (m->three) q = rotary(run, q, turns->cosine, turns->sine, m->H), key = rotary(run, key, turns->cosine, turns->sine, m->H);
    AttnShape shape = {.heads = m->H};
    if (tap_wanted(run, "%s.attention#weights", p)) tap(run, attention_weights(run, q, key, shape), "%s.attention#weights", p);
    h = attention(run, q, key, v, shape);
    h = tap(run, linear(run, h, k->o_w, k->o_b), "%s.attention.o_proj", p);
    return tap(run, h, "%s.attention", p);
}

static Tensor gate_and_up(Run *run, const Dino *m, const DinoLayer *k, Tensor h, const char *p) {
    Tensor gate, up = NO_TENSOR;
    if (m->three) gate = linear(run, h, k->gate_w, k->gate_b);
    else {
        Tensor both = linear(run, h, k->in_w, k->in_b);
        gate = slice_last(run, both, 0, m->F), up = slice_last(run, both, m->F, 2 * m->F);
    }
    gate = tap(run, gate, "%s.mlp.gate_proj", p);
    gate = tap(run, activation(run, gate, m->three ? m->act : ACT_SILU), "%s.mlp.act_fn", p);
    if (m->three) up = linear(run, h, k->up_w, k->up_b);
    return mul(run, gate, tap(run, up, "%s.mlp.up_proj", p));
}

static Tensor feed_forward(Run *run, const Dino *m, const DinoLayer *k, Tensor h, const char *p) {
    bool plain2 = !m->three && !m->gated;
    if (m->gated) h = gate_and_up(run, m, k, h, p);
    else {
        h = linear_activated(run, h, k->up_w, k->up_b, m->act, plain2 ? "%s.mlp.fc1" : "%s.mlp.up_proj", p);
        h = tap(run, h, plain2 ? "%s.mlp.activation_fn" : "%s.mlp.act_fn", p);
    }
    h = tap(run, linear(run, h, k->down_w, k->down_b), plain2 ? "%s.mlp.fc2" : "%s.mlp.down_proj", p);
    return tap(run, h, "%s.mlp", p);
}

static Tensor layer_forward(Run *run, const Dino *m, const DinoLayer *k, Tensor x, const Turns *turns, int l) {
    char p[64];
    snprintf(p, sizeof p, m->three ? "model.layer.%d" : "encoder.layer.%d", l);
    RunMark mark = run_mark(run);
    Tensor h = tap(run, layernorm_rounded(run, x, k->norm1_w, k->norm1_b, m->eps), "%s.norm1", p);
    h = mul_row(run, attend(run, m, k, h, turns, p), k->scale1);
    x = add_into(run, x, tap(run, h, "%s.layer_scale1", p));
    h = tap(run, layernorm_rounded(run, x, k->norm2_w, k->norm2_b, m->eps), "%s.norm2", p);
    h = mul_row(run, feed_forward(run, m, k, h, p), k->scale2);
    x = add_into(run, x, tap(run, h, "%s.layer_scale2", p));
    run_release(run, mark);
    return tap(run, x, "%s", p);
}

Tensor dino_forward(Run *run, const Dino *m, Tensor pixels) {
    need(pixels.ndim == 4 && pixels.shape[2] >= m->P && pixels.shape[3] >= m->P, "pixels: %ld x %ld; DINO takes (B, 3, height, width) of at least %d x %d", pixels.shape[2], pixels.shape[3], m->P, m->P);
    long GH = pixels.shape[2] / m->P, GW = pixels.shape[3] / m->P;
    Tensor x = embed(run, m, pixels, GH, GW);
    Turns turns = {0};
    if (m->three) turns = turns_of(run, m, GH, GW);
    for (int l = 0; l < m->L; l++) x = layer_forward(run, m, &m->layers[l], x, &turns, l);
    x = tap(run, x, m->three ? "model" : "encoder");
    x = layernorm(run, x, m->norm_w, m->norm_b, m->eps);
    return tap(run, x, m->three ? "norm" : "layernorm");
}

// ---- the families

static Outputs forward(Run *run, const Model *model, const Inputs *in) {
    return (Outputs){.hidden = dino_forward(run, model->own, in->pixels)};
}

static Inputs example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)tokens;
    long S = config_int_or(model->config, "image_size", 224), channels = config_int_or(model->config, "num_channels", 3);
    return (Inputs){.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, channels, height ? height : S, width ? width : S))};
}

static const char *const ignored[] = {"embeddings.mask_token"};
static const Rename renames2[] = {{"dinov2.", ""}, {"dinov2_with_registers.", ""}};
static const char *const types2[] = {"dinov2", "dinov2_with_registers", NULL};
const Family dinov2_family = {.name = "dinov2", .types = types2, .load = load2, .forward = forward, .example = example, .renames = renames2,
                              .rename_count = 2, .ignored = ignored, .ignored_count = 1, .takes_images = true};

static const Rename renames3[] = {{"layer.", "model.layer."}};
static const TapAlias aliases3[] = {{"layer.", "model.layer."}};
static const char *const types3[] = {"dinov3_vit", NULL};
const Family dinov3_family = {.name = "dinov3", .types = types3, .load = load3, .forward = forward, .example = example, .renames = renames3,
                              .rename_count = 1, .ignored = ignored, .ignored_count = 1, .aliases = aliases3, .alias_count = 1, .takes_images = true};
