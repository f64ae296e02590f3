// bert.c: BERT and RoBERTa, bidirectional text encoders with the norm after each half.
//
// Source: Devlin et al. 2018 (arXiv:1810.04805), Liu et al. 2019 (arXiv:1907.11692); names as in the checkpoint.
// Held by: test/test_models.c, every tap, against transformers in float32.
// Bites: RoBERTa's positions begin behind the padding id; a padded key is hidden, a padded query still gets a row.
#include "bert.h"

#include <string.h>

static BertLayer layer_load(Weights *w, const Bert *m, int l) {
    BertLayer k;
    long C = m->C, F = m->F;
#define BOTH(field, rows, columns, name)                                                           \
    k.field##_w = weights_take(w, DIMS(rows, columns), "encoder.layer.%d." name ".weight", l);     \
    k.field##_b = weights_take(w, DIMS(rows), "encoder.layer.%d." name ".bias", l)
#define NORM(field, name)                                                                          \
    k.field##_w = weights_take(w, DIMS(C), "encoder.layer.%d." name ".weight", l);                 \
    k.field##_b = weights_take(w, DIMS(C), "encoder.layer.%d." name ".bias", l)
    BOTH(q, C, C, "attention.self.query");
    BOTH(k, C, C, "attention.self.key");
    BOTH(v, C, C, "attention.self.value");
    BOTH(o, C, C, "attention.output.dense");
    NORM(ln1, "attention.output.LayerNorm");
    BOTH(up, F, C, "intermediate.dense");
    BOTH(down, C, F, "output.dense");
    NORM(ln2, "output.LayerNorm");
    return k;
}

Bert *bert_load(Arena *a, const Json *c, Weights *w) {
    Bert *m = take_zero(a, Bert, 1);
    bool roberta = strstr(json_text_or(c, "model_type", "bert"), "roberta") != NULL;
    m->C = config_int_or(c, "hidden_size", 768);
    m->F = config_int_or(c, "intermediate_size", 3072);
    m->L = config_blocks(c, "num_hidden_layers", 12);
    m->H = config_int_or(c, "num_attention_heads", 12);
    m->V = config_int_or(c, "vocab_size", roberta ? 50265 : 30522);
    m->positions_count = config_int_or(c, "max_position_embeddings", 512);
    m->types_count = config_int_or(c, "type_vocab_size", 2);
    m->padding = roberta ? config_int_or(c, "pad_token_id", 1) : -1;
    m->act = act_named(json_text_or(c, "hidden_act", "gelu"), c->source);
    m->eps = (float)json_real_or(c, "layer_norm_eps", 1e-12);
    need(m->H > 0 && m->C > 0 && m->C % m->H == 0, "%s: hidden_size %d does not divide into num_attention_heads %d", c->source, m->C, m->H);
    need(!json_bool_or(c, "is_decoder", false), "%s: is_decoder is true: a %s that sees only what stands before; the encoder can be run", c->source, json_text_or(c, "model_type", "bert"));
    m->words = weights_take(w, DIMS(m->V, m->C), "embeddings.word_embeddings.weight");
    m->positions = weights_take(w, DIMS(m->positions_count, m->C), "embeddings.position_embeddings.weight");
    m->types = weights_take(w, DIMS(m->types_count, m->C), "embeddings.token_type_embeddings.weight");
    m->ln_w = weights_take(w, DIMS(m->C), "embeddings.LayerNorm.weight");
    m->ln_b = weights_take(w, DIMS(m->C), "embeddings.LayerNorm.bias");
    m->layers = take_zero(a, BertLayer, (size_t)m->L);
    for (int l = 0; l < m->L; l++) m->layers[l] = layer_load(w, m, l);
    if (weights_has(w, true, "pooler.dense.weight")) {
        m->pool_w = weights_take(w, DIMS(m->C, m->C), "pooler.dense.weight");
        m->pool_b = weights_take(w, DIMS(m->C), "pooler.dense.bias");
    }
    return m;
}

// BERT: one row of positions for all texts; RoBERTa: each text counts its own tokens.
static Tensor position_rows(Run *run, const Bert *m, Tensor ids) {
    long B = ids.shape[0], T = ids.shape[1], rows = m->padding < 0 ? 1 : B;
    need(T + m->padding + 1 <= m->positions_count, "text: %ld tokens; this encoder holds %d", T, m->positions_count - m->padding - 1);
    Tensor at = run_input(run, DTYPE_I32, DIMS(rows, T));
    for (long b = 0; !run->dry && b < rows; b++) {
        int32_t count = 0;
        for (long t = 0; t < T; t++) {
            if (m->padding < 0) i32(at)[t] = (int32_t)t;
            else i32(at)[b * T + t] = i32(ids)[b * T + t] == m->padding ? m->padding : m->padding + ++count;
        }
    }
    return tap(run, embedding(run, m->positions, at), "embeddings.position_embeddings");
}

static Tensor embed(Run *run, const Bert *m, Tensor ids, Tensor types) {
    long B = ids.shape[0], T = ids.shape[1];
    Tensor x = tap(run, embedding(run, m->words, ids), "embeddings.word_embeddings");
    if (!tensor_given(types)) {
        types = run_input(run, DTYPE_I32, DIMS(B, T));
        if (!run->dry) memset(types.data, 0, tensor_bytes(types));
    }
    Tensor kinds = tap(run, embedding(run, m->types, types), "embeddings.token_type_embeddings");
    x = add(run, x, kinds);
    Tensor places = position_rows(run, m, ids);
    x = places.shape[0] == B ? add(run, x, places) : add_rows(run, x, tensor_view(places, DIMS(T, m->C)));
    x = tap(run, layernorm(run, x, m->ln_w, m->ln_b, m->eps), "embeddings.LayerNorm");
    return tap(run, x, "embeddings");
}

static Tensor layer_forward(Run *run, const Bert *m, const BertLayer *k, Tensor x, Tensor mask, int l) {
    AttnShape shape = {.heads = m->H, .key_mask = mask};
    Tensor q = tap(run, linear(run, x, k->q_w, k->q_b), "encoder.layer.%d.attention.self.query", l);
    Tensor key = tap(run, linear(run, x, k->k_w, k->k_b), "encoder.layer.%d.attention.self.key", l);
    Tensor v = tap(run, linear(run, x, k->v_w, k->v_b), "encoder.layer.%d.attention.self.value", l);
    if (tap_wanted(run, "encoder.layer.%d.attention.self#weights", l))
        tap(run, attention_weights(run, q, key, shape), "encoder.layer.%d.attention.self#weights", l);
    Tensor h = tap(run, attention(run, q, key, v, shape), "encoder.layer.%d.attention.self", l);
    h = tap(run, linear(run, h, k->o_w, k->o_b), "encoder.layer.%d.attention.output.dense", l);
    h = layernorm(run, add(run, h, x), k->ln1_w, k->ln1_b, m->eps);
    h = tap(run, h, "encoder.layer.%d.attention.output.LayerNorm", l);
    h = tap(run, h, "encoder.layer.%d.attention.output", l);
    x = tap(run, h, "encoder.layer.%d.attention", l);
    h = linear_activated(run, x, k->up_w, k->up_b, m->act, "encoder.layer.%d.intermediate.dense", l);
    h = tap(run, h, "encoder.layer.%d.intermediate.intermediate_act_fn", l);
    h = tap(run, h, "encoder.layer.%d.intermediate", l);
    h = tap(run, linear(run, h, k->down_w, k->down_b), "encoder.layer.%d.output.dense", l);
    h = layernorm(run, add(run, h, x), k->ln2_w, k->ln2_b, m->eps);
    h = tap(run, h, "encoder.layer.%d.output.LayerNorm", l);
    h = tap(run, h, "encoder.layer.%d.output", l);
    return tap(run, h, "encoder.layer.%d", l);
}

Tensor bert_forward(Run *run, const Bert *m, Tensor ids, Tensor types, Tensor mask, int layers) {
    Tensor x = embed(run, m, ids, types);
    if (layers < 0) layers = m->L;
    for (int l = 0; l < layers; l++) {
        // the layer's result is new memory each time: it is copied down so that the rest can be released
        Tensor home = x;
        RunMark mark = run_mark(run);
        x = layer_forward(run, m, &m->layers[l], x, mask, l);
        if (!run->recorder) {
            run_copy(run, home, x);
            x = home;
        }
        run_release(run, mark);
    }
    return layers == m->L ? tap(run, x, "encoder") : x;
}

static const Rename renames[] = {{"bert.", ""}, {"roberta.", ""}, {"text_model.", ""}};
static const TapAlias aliases[] = {{"bert.", ""}, {"roberta.", ""}};
static const char *const ignored[] = {"cls.*", "lm_head.*", "classifier.*", "pooler.*"};

static void *load(Model *model) {
    Bert *m = bert_load(model->arena, model->config, model->weights);
    model->vocabulary = m->V;
    model->context = m->positions_count - m->padding - 1;
    need(model->context > 0, "%s/config.json: max_position_embeddings is %d, and %d of them are taken", model->dir, m->positions_count, m->padding + 1);
    return m;
}

static Outputs forward(Run *run, const Model *model, const Inputs *in) {
    const Bert *m = model->own;
    Tensor x = bert_forward(run, m, in->ids, in->types, in->mask, -1);
    if (tensor_given(m->pool_w)) {
        Tensor first = tensor_view(rows_slice(run, x, 0, 1), DIMS(x.shape[0], m->C));
        Tensor h = tap(run, linear(run, first, m->pool_w, m->pool_b), "pooler.dense");
        h = tap(run, activation(run, h, ACT_TANH), "pooler.activation");
        tap(run, h, "pooler");
    }
    return (Outputs){.hidden = x};
}

static Inputs example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    int few = model->context < 2 ? model->context : 2;
    return (Inputs){.ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : few))};
}

static const char *const types[] = {"bert", "roberta", "xlm-roberta", NULL};
const Family bert_family = {.name = "bert", .types = types, .load = load, .forward = forward, .example = example, .renames = renames,
                            .rename_count = 3, .ignored = ignored, .ignored_count = 4, .aliases = aliases, .alias_count = 2, .takes_text = true};
