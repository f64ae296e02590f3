// coca_config.c: open_clip_config.json with OpenCLIP's defaults; what is no released CoCa is refused by name; and the
// configuration of a directory that has none, from the shapes of its weights (verbalize.md 1.1, 1.7).
#include <string.h>

#include "coca.h"

// A switch that changes the arithmetic in a way that no released CoCa uses.
static void refuse(const Json *c, const char *part, const char *const *keys) {
    for (; *keys; keys++) {
        const Json *v = json_get(c, *keys);
        bool off = !v || (v->kind == JSON_BOOL && !v->truth);
        need(off, "%s: %s.%s is set; CoCa is computed here as it was released, without it", c->source, part, *keys);
    }
}

static const char *const other_blocks[] = {"qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc", NULL};

// Norms and activations: norm_kwargs may hold eps, act_kwargs approximate.
static void kinds_read(CocaStack *s, const Json *c, bool quick, const char *path, const char *part) {
    s->act = quick ? ACT_QUICK_GELU : ACT_GELU;
    s->eps = 1e-5f;
    const Json *norm = json_get(c, "norm_kwargs"), *act = json_get(c, "act_kwargs"), *type = json_get(c, "block_type");
    if (norm) {
        need(norm->kind == JSON_OBJECT && norm->count <= 1 && (norm->count == 0 || json_get(norm, "eps")), "%s: %s.norm_kwargs holds more than eps", path, part);
        s->eps = (float)json_real_or(norm, "eps", 1e-5);
    }
    if (act) {
        const char *how = json_text_or(act, "approximate", NULL);
        need(act->kind == JSON_OBJECT && act->count <= 1 && (act->count == 0 || how) && !(quick && act->count), "%s: %s.act_kwargs holds more than approximate",
             path, part);
        if (how) {
            need(strcmp(how, "tanh") == 0 || strcmp(how, "none") == 0, "%s: %s.act_kwargs.approximate \"%s\"; none and tanh are known", path, part, how);
            if (strcmp(how, "tanh") == 0) s->act = ACT_GELU_TANH;
        }
    }
    need(!type || (type->kind == JSON_TEXT && strcmp(type->text, "default") == 0), "%s: %s.block_type is not \"default\"; other blocks are in no released CoCa", path,
         part);
    refuse(c, part, other_blocks);
    const Json *scale = json_get(c, "ls_init_value");
    s->scaled = scale && scale->kind != JSON_NULL;
}

static void stack_check(const CocaStack *s, const char *path, const char *part) {
    need(s->C > 0 && s->L > 0 && s->H > 0 && s->F > 0 && s->C % s->H == 0, "%s: %s: a width of %d over %d heads in %d blocks", path, part, s->C, s->H, s->L);
}

static void sides_read(const Json *c, const char *key, int otherwise, int *h, int *w, const char *path) {
    const Json *v = json_get(c, key);
    *h = *w = otherwise;
    if (!v) return;
    if (v->kind == JSON_NUMBER) *h = *w = config_int(c, key);
    else {
        need(v->kind == JSON_ARRAY && v->count == 2 && v->items[0].integral && v->items[1].integral && v->items[0].integer <= INT32_MAX && v->items[1].integer <= INT32_MAX, "%s: vision_cfg.%s is neither one nor two whole numbers", path, key);
        *h = (int)v->items[0].integer, *w = (int)v->items[1].integer;
    }
}

static void vision_read(CocaConfig *k, const Json *c, bool quick, const char *path) {
    const Json *layers = json_get(c, "layers"), *pool = json_get(c, "attentional_pool");
    need(!json_get(c, "timm_model_name"), "%s: vision_cfg.timm_model_name: a tower from timm; CoCa's own vision transformer can be run", path);
    need(!layers || layers->kind == JSON_NUMBER, "%s: vision_cfg.layers is a list: a ResNet tower; CoCa's vision transformer can be run", path);
    need(!pool || pool->kind != JSON_TEXT, "%s: vision_cfg.attentional_pool \"%s\": the two poolers of the paper, which no released weights use; true (one pooler) can be run",
         path, pool ? pool->text : "");
    need(pool && pool->kind == JSON_BOOL && pool->truth,
         "%s: vision_cfg.attentional_pool is off: the decoder would see the tower's tokens directly, as in coca_base and coca_roberta-ViT-B-32, "
         "which have no published weights; only CoCa with its pooler can be run", path);
    need(json_bool_or(c, "output_tokens", false), "%s: vision_cfg.output_tokens is off: then the tower gives no image tokens, and the reference fails too", path);
    const char *pool_type = json_text_or(c, "pool_type", "tok"), *positions = json_text_or(c, "pos_embed_type", "learnable");
    need(strcmp(pool_type, "tok") == 0 || strcmp(pool_type, "avg") == 0, "%s: vision_cfg.pool_type \"%s\"; tok and avg can be run", path, pool_type);
    need(strcmp(positions, "learnable") == 0 || strcmp(positions, "sin_cos_2d") == 0, "%s: vision_cfg.pos_embed_type \"%s\" is not known", path, positions);
    int patch_w;
    sides_read(c, "image_size", 224, &k->height, &k->width, path);
    sides_read(c, "patch_size", 16, &k->P, &patch_w, path);
    need(k->P == patch_w && k->P > 0 && k->height >= k->P && k->width >= k->P, "%s: pictures of %d x %d pixels and patches of %d x %d", path, k->width, k->height,
         patch_w, k->P);
    int C = config_int_or(c, "width", 768), head = config_int_or(c, "head_width", 64);
    need(head > 0 && C >= head, "%s: vision_cfg: heads of %d channels in a width of %d", path, head, C);
    k->vision = (CocaStack){.C = C, .L = config_blocks(c, "layers", 12), .H = C / head, .F = config_inner(c, "mlp_ratio", 4, C)};
    kinds_read(&k->vision, c, quick, path, "vision_cfg");
    stack_check(&k->vision, path, "vision_cfg");
    k->Q = config_int_or(c, "attn_pooler_queries", 256);
    k->pooler_heads = config_int_or(c, "attn_pooler_heads", 8);
    k->pre_norm = !json_bool_or(c, "no_ln_pre", false);
    k->mean_pool = strcmp(pool_type, "avg") == 0;
    k->patch_dropout = json_real_or(c, "patch_dropout", 0) > 0;
    need(k->Q >= 2 && k->pooler_heads > 0 && k->E % k->pooler_heads == 0, "%s: a pooler of %d queries, %d heads and width %d", path, k->Q, k->pooler_heads, k->E);
}

static void text_read(CocaConfig *k, const Json *c, bool quick, const char *path) {
    need(!json_get(c, "hf_model_name"), "%s: text_cfg.hf_model_name: a text tower of another family, as in coca_roberta-ViT-B-32, which has no published weights", path);
    need(!json_bool_or(c, "no_causal_mask", false), "%s: text_cfg.no_causal_mask: a text tower that looks ahead cannot generate word by word", path);
    need(json_bool_or(c, "output_tokens", false), "%s: text_cfg.output_tokens is off: then the tower gives no tokens to the decoder, and the reference fails too", path);
    const char *pool = json_text_or(c, "pool_type", "argmax"), *proj = json_text_or(c, "proj_type", "linear");
    static const char *const pools[] = {"argmax", "first", "last", "eos"};
    for (int i = 0; i < 4; i++)
        if (strcmp(pool, pools[i]) == 0) k->pool = "mfle"[i];
    k->class_row = json_bool_or(c, "embed_cls", false);
    need(k->pool || k->class_row, "%s: text_cfg.pool_type \"%s\"; argmax, first, last and eos can be run", path, pool);
    need(strcmp(proj, "linear") == 0 || strcmp(proj, "none") == 0, "%s: text_cfg.proj_type \"%s\"; linear and none are known", path, proj);
    k->projected = strcmp(proj, "linear") == 0;
    k->projection_bias = k->projected && json_bool_or(c, "proj_bias", false);
    k->V = config_int_or(c, "vocab_size", 49408);
    k->context = config_int_or(c, "context_length", 77);
    k->pad = config_int_or(c, "pad_id", 0);
    k->eos = config_int_or(c, "eos_id", 2);
    k->cls_correct = json_bool_or(c, "correct_cls_mask", false);
    int C = config_int_or(c, "width", 512);
    k->text = (CocaStack){.C = C, .L = config_blocks(c, "layers", 12), .H = config_int_or(c, "heads", 8), .F = config_inner(c, "mlp_ratio", 4, C)};
    kinds_read(&k->text, c, quick, path, "text_cfg");
    stack_check(&k->text, path, "text_cfg");
    need(k->V > 0 && k->context > 0, "%s: text_cfg: a vocabulary of %d and %d positions", path, k->V, k->context);
}

// mlp_ratio, vocab_size, n_queries, attn_pooler_heads and dim_head stand here and are read by nobody.
static void decoder_read(CocaConfig *k, const Json *c, bool quick, const char *path) {
    int C = config_int_or(c, "width", 512);
    k->cross = (CocaStack){.C = C, .L = config_blocks(c, "layers", 12), .H = config_int_or(c, "heads", 8), .F = 4 * C, .eps = 1e-5f,
                           .act = quick ? ACT_QUICK_GELU : ACT_GELU};
    const Json *scale = json_get(c, "ls_init_value");
    k->cross.scaled = scale && scale->kind != JSON_NULL;
    k->decoder_context = config_int_or(c, "context_length", 77);
    stack_check(&k->cross, path, "multimodal_cfg");
}

// ---- without a configuration

static long extent(const Weights *w, const char *dir, const char *name, int axis) {
    Tensor t = weights_peek(w, name);
    need(tensor_given(t) && axis < t.ndim, "%s: has no open_clip_config.json, and the shape of \"%s\" does not tell it", dir, name);
    return t.shape[axis];
}

static int blocks(const Weights *w, const char *format) {
    int n = 0;
    while (weights_has(w, false, format, n)) n++;
    return n;
}

static CocaConfig inferred(const Weights *w, const char *dir) {
    CocaConfig k = {.inferred = true, .pre_norm = weights_has(w, false, "visual.ln_pre.weight"), .pooler_heads = 8, .class_row = true,
                    .projected = true};
    need(!weights_are_dry(w), "%s: has no open_clip_config.json; without it the shapes must be read from the weights", dir);
    need(weights_has(w, false, "visual.attn_pool.query") && weights_has(w, false, "text.cls_emb"), "%s: has no open_clip_config.json, and its weights are those of no CoCa", dir);
    CocaStack s = {.act = ACT_GELU, .eps = 1e-5f};
    k.vision = k.text = k.cross = s;
    k.vision.C = (int)extent(w, dir, "visual.conv1.weight", 0);
    k.vision.F = (int)extent(w, dir, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0);
    k.vision.L = blocks(w, "visual.transformer.resblocks.%d.ln_1.weight");
    k.vision.scaled = weights_has(w, false, "visual.transformer.resblocks.0.ls_1.gamma");
    k.P = (int)extent(w, dir, "visual.conv1.weight", 2);
    long patches = extent(w, dir, "visual.positional_embedding", 0) - 1, side = 0;
    while (side * side < patches) side++;
    need(side * side == patches, "%s: has no open_clip_config.json, and %ld patches are no square", dir, patches);
    k.height = k.width = (int)side * k.P;
    k.Q = (int)extent(w, dir, "visual.attn_pool.query", 0);
    k.E = (int)extent(w, dir, "visual.attn_pool.query", 1);
    k.V = (int)extent(w, dir, "text.token_embedding.weight", 0);
    k.context = k.decoder_context = (int)extent(w, dir, "text.positional_embedding", 0) - 1;
    k.text.C = k.cross.C = k.E;
    k.text.F = (int)extent(w, dir, "text.transformer.resblocks.0.mlp.c_fc.weight", 0);
    k.cross.F = 4 * k.E;
    k.text.L = blocks(w, "text.transformer.resblocks.%d.ln_1.weight");
    k.cross.L = blocks(w, "text_decoder.resblocks.%d.ln_1.weight");
    k.text.scaled = weights_has(w, false, "text.transformer.resblocks.0.ls_1.gamma");
    k.cross.scaled = weights_has(w, false, "text_decoder.resblocks.0.ls_1.gamma");
    need(k.vision.C % 64 == 0 && k.E % 64 == 0, "%s: has no open_clip_config.json, and widths of %d and %d are no heads of 64 channels: how many there are must be told", dir,
         k.vision.C, k.E);
    k.vision.H = k.vision.C / 64, k.text.H = k.cross.H = k.E / 64;
    k.logit_bias = weights_has(w, false, "logit_bias");
    stack_check(&k.vision, dir, "vision tower"), stack_check(&k.text, dir, "text tower"), stack_check(&k.cross, dir, "decoder");
    need(k.E % k.pooler_heads == 0, "%s: has no open_clip_config.json, and a width of %d has no 8 heads", dir, k.E);
    note("%s: no open_clip_config.json; from the shapes: tower %d wide, %d blocks of 64-channel heads, patch %d of %d pixels; text %d wide, %d + %d blocks; exact GELU", dir,
         k.vision.C, k.vision.L, k.P, k.width, k.E, k.text.L, k.cross.L);
    return k;
}

CocaConfig coca_config(const Json *config, const Weights *w, const char *dir) {
    if (!config) return inferred(w, dir);
    CocaConfig k = {0};
    const char *path = config->source;
    const Json *vision = json_get(config, "vision_cfg"), *text = json_get(config, "text_cfg"), *decoder = json_get(config, "multimodal_cfg");
    need(vision && text && decoder, "%s: vision_cfg, text_cfg and multimodal_cfg are wanted", path);
    k.E = config_int(config, "embed_dim");
    k.said_pad = config_int_or(config, "pad_id", 0);
    need(k.E > 0, "%s: embed_dim %d", path, k.E);
    bool quick = json_bool_or(config, "quick_gelu", false);
    vision_read(&k, vision, quick, path);
    text_read(&k, text, quick, path);
    decoder_read(&k, decoder, quick, path);
    need(k.text.C == k.E && k.cross.C == k.E, "%s: embed_dim %d, text width %d and multimodal width %d must be equal: the decoder adds them up", path, k.E, k.text.C,
         k.cross.C);
    const Json *bias = json_get(config, "init_logit_bias");
    k.logit_bias = bias && bias->kind != JSON_NULL;
    return k;
}
