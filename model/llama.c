// llama.c: a causal text transformer that shows the output of every module; one forward, a switch per family.
//
// Source: Touvron et al. 2023 (arXiv:2302.13971) and the papers of the families; names as in transformers 5.
// Held by: test/test_models.c, every tap of every switch, against transformers in float32.
// Letters: B texts, T tokens, C width, F feed-forward width, H query heads, G key/value heads, D head width.
// Bites: Mistral slides by default, Qwen2 does not; Llama's attention_bias also puts a bias on o_proj; OLMo's norm
// has no weights and a fixed eps; Gemma counts its sliding layers from 0; a window counts the token itself.
#include "llama.h"

#include <math.h>
#include <string.h>

// ---- configuration

typedef struct {
    const char *type;
    int V, C, F, L, H, G, D, context; // class defaults (models.md 3.2); D 0: C / H
    double eps, theta;
    bool tied;
    int end; // eos_token_id; -1: none
} Defaults;

static const Defaults defaults[] = {{"llama", 32000, 4096, 11008, 32, 32, 0, 0, 2048, 1e-6, 10000, false, 2},
                                    {"mistral", 32000, 4096, 14336, 32, 32, 8, 0, 4096 * 32, 1e-6, 10000, false, 2},
                                    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 0, 32768, 1e-6, 10000, false, -1},
                                    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 10000, false, -1},
                                    {"olmo", 50304, 4096, 11008, 32, 32, 0, 0, 2048, 1e-5, 10000, false, 50279},
                                    {"olmo2", 50304, 4096, 11008, 32, 32, 0, 0, 2048, 1e-5, 10000, false, 50279},
                                    {"gemma2", 256000, 2304, 9216, 26, 8, 4, 256, 8192, 1e-6, 10000, true, 1}};

static const Defaults *defaults_of(const Json *j) {
    const char *type = json_text_or(j, "model_type", "llama");
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i].type, type) == 0) return &defaults[i];
    die("%s: a text model of type \"%s\"; llama, mistral, qwen2, qwen3, olmo, olmo2 and gemma2 are known", j->source, type);
}

int llama_end_token(const Json *config) { return defaults_of(config)->end; }

// Which layers slide: layer_types where the family's class knows it, else the family's rule.
static void windows_read(LlamaConfig *c, const Json *j, Arena *a, const char *type) {
    bool mistral = strcmp(type, "mistral") == 0, gemma = strcmp(type, "gemma2") == 0, qwen = strncmp(type, "qwen", 4) == 0;
    const Json *given = json_find(j, "sliding_window", 14), *types = gemma || qwen ? json_get(j, "layer_types") : NULL;
    bool slides = (mistral || gemma || qwen) && !(given && given->kind == JSON_NULL);
    if (qwen && !json_bool_or(j, "use_sliding_window", false)) slides = false;
    if (slides) c->window = config_int_or(j, "sliding_window", 4096);
    need(!slides || c->window > 0, "%s: sliding_window is %d; a window of at least one token is wanted, or null", j->source, c->window);
    need(!types || (types->kind == JSON_ARRAY && types->count == (size_t)c->L), "%s: layer_types is no list of %d layers", j->source, c->L);
    c->windowed = take_zero(a, bool, (size_t)c->L);
    int from = config_int_or(j, "max_window_layers", 28);
    for (int l = 0; l < c->L; l++) {
        const char *kind = !types ? NULL : types->items[l].kind == JSON_TEXT ? types->items[l].text : "";
        bool sliding = kind && strcmp(kind, "sliding_attention") == 0;
        need(!kind || sliding || strcmp(kind, "full_attention") == 0, "%s: layer_types: a layer of \"%s\"; full_attention and sliding_attention can be computed", j->source, kind);
        need(!sliding || slides, "%s: layer_types: layer %d slides, and the window is off (sliding_window, use_sliding_window)", j->source, l);
        c->windowed[l] = slides && (kind ? sliding : mistral || (gemma && l % 2 == 0) || (qwen && l >= from));
    }
}

// null turns a cap off; only a key that is missing has the default.
static float softcap_read(const Json *j, const char *key, double otherwise) {
    const Json *given = json_find(j, key, strlen(key));
    return given && given->kind == JSON_NULL ? 0 : (float)json_real_or(j, key, otherwise);
}

static LlamaConfig config_read(Arena *a, const Json *j) {
    const char *type = json_text_or(j, "model_type", "llama");
    const Defaults *d = defaults_of(j);
    bool gemma = strcmp(type, "gemma2") == 0, olmo = strcmp(type, "olmo") == 0, olmo2 = strcmp(type, "olmo2") == 0;
    LlamaConfig c = {.C = config_int_or(j, "hidden_size", d->C),
                     .F = config_int_or(j, "intermediate_size", d->F),
                     .L = config_blocks(j, "num_hidden_layers", d->L),
                     .H = config_int_or(j, "num_attention_heads", d->H),
                     .V = config_int_or(j, "vocab_size", d->V),
                     .context = config_int_or(j, "max_position_embeddings", d->context),
                     .eps = (float)json_real_or(j, "rms_norm_eps", d->eps),
                     .tied = json_bool_or(j, "tie_word_embeddings", d->tied)};
    const Json *groups = json_find(j, "num_key_value_heads", 19);
    c.G = groups && groups->kind == JSON_NULL ? c.H : config_int_or(j, "num_key_value_heads", d->G ? d->G : c.H);
    need(c.H > 0 && c.G > 0 && c.H % c.G == 0, "%s: num_attention_heads %d over num_key_value_heads %d", j->source, c.H, c.G);
    need(c.C > 0 && c.F > 0 && c.L > 0 && c.V > 0, "%s: hidden_size %d, intermediate_size %d, num_hidden_layers %d, vocab_size %d: no network", j->source, c.C, c.F, c.L, c.V);
    c.D = config_int_or(j, "head_dim", d->D ? d->D : c.C / c.H);
    need(c.D > 0 && c.D % 2 == 0, "%s: a head width of %d; rotary positions need an even one", j->source, c.D);
    const char *act = json_text_or(j, "hidden_act", "silu");
    if (gemma) act = json_text_or(j, "hidden_activation", "gelu_pytorch_tanh");
    c.act = act_named(act, j->source);
    bool qwen2 = strcmp(type, "qwen2") == 0, fixed = qwen2 || strcmp(type, "mistral") == 0; // whose classes know no attention_bias
    bool bias = !fixed && json_bool_or(j, "attention_bias", false);
    c.qkv_bias = bias || qwen2;
    c.o_bias = bias;
    c.mlp_bias = strcmp(type, "llama") == 0 && json_bool_or(j, "mlp_bias", false);
    c.norm = gemma ? NORM_RMS_ZERO_CENTRED : olmo ? NORM_PLAIN : NORM_RMS;
    if (olmo) c.eps = 1e-5f;
    c.block = gemma ? BLOCK_BOTH : olmo2 ? BLOCK_POST : BLOCK_PRE;
    c.qk_norm = strcmp(type, "qwen3") == 0 ? QK_PER_HEAD : olmo2 ? QK_WHOLE : QK_NONE;
    c.clip_qkv = olmo ? (float)json_real_or(j, "clip_qkv", 0) : 0;
    need(!olmo || !json_get(j, "clip_qkv") || c.clip_qkv > 0, "%s: clip_qkv %g; queries, keys and values are clipped at a positive number, or null", j->source, (double)c.clip_qkv);
    if (gemma) {
        c.scale = (float)(1 / sqrt(json_real_or(j, "query_pre_attn_scalar", 256)));
        c.attn_softcap = softcap_read(j, "attn_logit_softcapping", 50);
        c.final_softcap = softcap_read(j, "final_logit_softcapping", 30);
        c.embed_scale = (float)sqrt((double)c.C);
    }
    c.rope = rope_read(a, j, d->theta, c.D, c.context);
    windows_read(&c, j, a, type);
    return c;
}

// ---- weights

static Tensor bias_if(bool has, Weights *w, long n, const char *prefix, int l, const char *name) {
    return has ? weights_take(w, DIMS(n), "%slayers.%d.%s.bias", prefix, l, name) : NO_TENSOR;
}

static LlamaLayer layer_load(Weights *w, const LlamaConfig *c, const char *p, int l) {
    LlamaLayer k = {0};
    long C = c->C, F = c->F, Q = (long)c->H * c->D, K = (long)c->G * c->D;
    k.q_w = weights_take(w, DIMS(Q, C), "%slayers.%d.self_attn.q_proj.weight", p, l);
    k.q_b = bias_if(c->qkv_bias, w, Q, p, l, "self_attn.q_proj");
    k.k_w = weights_take(w, DIMS(K, C), "%slayers.%d.self_attn.k_proj.weight", p, l);
    k.k_b = bias_if(c->qkv_bias, w, K, p, l, "self_attn.k_proj");
    k.v_w = weights_take(w, DIMS(K, C), "%slayers.%d.self_attn.v_proj.weight", p, l);
    k.v_b = bias_if(c->qkv_bias, w, K, p, l, "self_attn.v_proj");
    k.o_w = weights_take(w, DIMS(C, Q), "%slayers.%d.self_attn.o_proj.weight", p, l);
    k.o_b = bias_if(c->o_bias, w, C, p, l, "self_attn.o_proj");
    if (c->qk_norm != QK_NONE) {
        k.q_norm = weights_take(w, DIMS(c->qk_norm == QK_WHOLE ? Q : c->D), "%slayers.%d.self_attn.q_norm.weight", p, l);
        k.k_norm = weights_take(w, DIMS(c->qk_norm == QK_WHOLE ? K : c->D), "%slayers.%d.self_attn.k_norm.weight", p, l);
    }
    k.gate_w = weights_take(w, DIMS(F, C), "%slayers.%d.mlp.gate_proj.weight", p, l);
    k.gate_b = bias_if(c->mlp_bias, w, F, p, l, "mlp.gate_proj");
    k.up_w = weights_take(w, DIMS(F, C), "%slayers.%d.mlp.up_proj.weight", p, l);
    k.up_b = bias_if(c->mlp_bias, w, F, p, l, "mlp.up_proj");
    k.down_w = weights_take(w, DIMS(C, F), "%slayers.%d.mlp.down_proj.weight", p, l);
    k.down_b = bias_if(c->mlp_bias, w, C, p, l, "mlp.down_proj");
    if (c->norm == NORM_PLAIN) return k;
    if (c->block != BLOCK_POST) k.norm1 = weights_take(w, DIMS(C), "%slayers.%d.input_layernorm.weight", p, l);
    k.norm2 = weights_take(w, DIMS(C), "%slayers.%d.post_attention_layernorm.weight", p, l);
    if (c->block == BLOCK_BOTH) k.norm3 = weights_take(w, DIMS(C), "%slayers.%d.pre_feedforward_layernorm.weight", p, l);
    if (c->block != BLOCK_PRE) k.norm4 = weights_take(w, DIMS(C), "%slayers.%d.post_feedforward_layernorm.weight", p, l);
    return k;
}

static Llama *load_headless(Arena *a, const Json *config, Weights *w, const char *prefix) {
    Llama *m = take_zero(a, Llama, 1);
    m->cfg = config_read(a, config);
    m->prefix = prefix;
    const LlamaConfig *c = &m->cfg;
    m->frequencies = take(a, float, (size_t)c->D / 2);
    rope_frequencies(m->frequencies, &c->rope, c->D, 1);
    m->embed = weights_take(w, DIMS(c->V, c->C), "%sembed_tokens.weight", prefix);
    m->layers = take_zero(a, LlamaLayer, (size_t)c->L);
    for (int l = 0; l < c->L; l++) m->layers[l] = layer_load(w, c, prefix, l);
    if (c->norm != NORM_PLAIN) m->norm = weights_take(w, DIMS(c->C), "%snorm.weight", prefix);
    return m;
}

Llama *llama_load(Arena *a, const Json *config, Weights *w, const char *prefix, bool tied) {
    Llama *m = load_headless(a, config, w, prefix);
    m->cfg.tied = m->cfg.tied || tied;
    // The file decides: 4.x configurations of composite models say "tied" even when they are not.
    bool shared = m->cfg.tied && !weights_has(w, false, "lm_head.weight");
    m->head = shared ? m->embed : weights_take(w, DIMS(m->cfg.V, m->cfg.C), "lm_head.weight");
    return m;
}

// ---- forward

Rms llama_rms(const LlamaConfig *c, Tensor w) { return (Rms){w, c->eps, c->norm == NORM_RMS_ZERO_CENTRED ? RMS_ZERO_CENTRED : RMS_PLAIN}; }

static Tensor norm(Run *run, const LlamaConfig *c, Tensor x, Tensor w) {
    const Rms n = llama_rms(c, w);
    return c->norm == NORM_PLAIN ? layernorm(run, x, NO_TENSOR, NO_TENSOR, c->eps) : rmsnorm(run, x, w, n.eps, n.kind);
}

typedef struct {
    Tensor cos, sin;
    Tensor mask;
    Cache *cache;
    int32_t *ends; // (B): tokens in the cache after this call
} Where;

// Queries or keys after their norm, where the family has one: per head (B, T, H, D), or over the whole vector.
static Tensor qk_norm(Run *run, const LlamaConfig *c, Tensor x, Tensor w, int heads, const char *p, int l, const char *name) {
    if (c->qk_norm == QK_NONE) return x;
    long B = x.shape[0], T = x.shape[1];
    if (c->qk_norm == QK_PER_HEAD) x = tensor_view(x, DIMS(B, T, heads, c->D));
    x = rmsnorm(run, x, w, c->eps, RMS_PLAIN);
    x = tap(run, x, "%slayers.%d.self_attn.%s", p, l, name);
    return tensor_view(x, DIMS(B, T, (long)heads * c->D));
}

static Tensor clipped(Run *run, const LlamaConfig *c, Tensor x) { return c->clip_qkv > 0 ? clamp(run, x, -c->clip_qkv, c->clip_qkv) : x; }

// h: a layer's input, which `first` is still to be done to, or NULL.
static Tensor attend(Run *run, const Llama *m, const LlamaLayer *k, Tensor h, const Rms *first, const Where *at, int l) {
    const LlamaConfig *c = &m->cfg;
    const char *p = m->prefix;
    Tensor all[3];
    linears(run, all, 3, h, first, (Tensor[]){k->q_w, k->k_w, k->v_w}, (Tensor[]){k->q_b, k->k_b, k->v_b});
    Tensor q = tap(run, all[0], "%slayers.%d.self_attn.q_proj", p, l);
    q = qk_norm(run, c, q, k->q_norm, c->H, p, l, "q_norm");
    Tensor key = tap(run, all[1], "%slayers.%d.self_attn.k_proj", p, l);
    key = qk_norm(run, c, key, k->k_norm, c->G, p, l, "k_norm");
    Tensor v = tap(run, all[2], "%slayers.%d.self_attn.v_proj", p, l);
    q = clipped(run, c, q), key = clipped(run, c, key), v = clipped(run, c, v);
    AttnShape shape = {.heads = c->H, .kv_heads = c->G, .scale = c->scale, .causal = true, .window = c->windowed[l] ? c->window : 0,
                       .softcap = c->attn_softcap, .key_mask = at->mask};
    if (at->cache) {
        Tensor keys = cache_rows(at->cache, at->cache->k[l]), values = cache_rows(at->cache, at->cache->v[l]);
        shape.key_lengths = at->ends;
        return attention_stored(run, q, key, v, at->cos, at->sin, keys, values, at->cache->lengths + at->cache->first, shape);
    }
    q = rotary(run, q, at->cos, at->sin, c->H);
    key = rotary(run, key, at->cos, at->sin, c->G);
    if (tap_wanted(run, "%slayers.%d.self_attn#weights", p, l)) tap(run, attention_weights(run, q, key, shape), "%slayers.%d.self_attn#weights", p, l);
    return attention(run, q, key, v, shape);
}

// What a feed-forward's last layer reads.
static Tensor gated(Run *run, const Llama *m, const LlamaLayer *k, Tensor h, const Rms *first, int l) {
    const char *p = m->prefix;
    if (!tap_wanted_below(run, "%slayers.%d.mlp", p, l)) return linear_gated(run, h, first, k->gate_w, k->gate_b, m->cfg.act, k->up_w, k->up_b);
    if (first) h = rmsnorm_rounded(run, h, first->w, first->eps, first->kind);
    Tensor gate = linear_activated(run, h, k->gate_w, k->gate_b, m->cfg.act, "%slayers.%d.mlp.gate_proj", p, l);
    gate = tap(run, gate, "%slayers.%d.mlp.act_fn", p, l);
    return mul(run, gate, tap(run, linear_rounded(run, h, k->up_w, k->up_b), "%slayers.%d.mlp.up_proj", p, l));
}

// x + linear(h), through a norm where the family has one behind it.
static Tensor added(Run *run, const Llama *m, Tensor x, Tensor h, Tensor w, Tensor b, Tensor norm_w, NormNext *next, const char *last, const char *module, const char *norm_name, int l) {
    const char *p = m->prefix;
    if (m->cfg.block == BLOCK_PRE) return linear_into(run, x, h, w, b, next, last, "%slayers.%d.%s", p, l, module);
    h = tap(run, linear(run, h, w, b), "%slayers.%d.%s.%s", p, l, module, last);
    h = norm(run, &m->cfg, tap(run, h, "%slayers.%d.%s", p, l, module), norm_w);
    return add_into(run, x, tap(run, h, "%slayers.%d.%s", p, l, norm_name));
}

// The norms between products, which these may do, before or after: RMS norms that nobody asked for.
typedef struct {
    NormNext next;        // may be done behind the last product; next.done: it was
    Rms rms;
    const Rms *first; // is to be done before the products that come: rms, or NULL
} Norms;

static bool norms_alone(const Run *run, const Llama *m, const char *name, int l) { return m->cfg.norm != NORM_PLAIN && !tap_wanted(run, "%slayers.%d.%s", m->prefix, l, name); }

// What products read: what the one before left; or x itself, which n->first is to be done to; or the norm, for who asks for it as `name`.
static Tensor norm_first(Run *run, const Llama *m, Tensor x, Tensor w, const char *name, int l, Norms *n) {
    const bool done = n->next.done;
    n->next.done = false, n->first = NULL, n->rms = llama_rms(&m->cfg, w);
    if (done) return n->next.to;
    if (norms_alone(run, m, name, l)) return n->first = &n->rms, x;
    x = m->cfg.norm == NORM_PLAIN ? layernorm_rounded(run, x, NO_TENSOR, NO_TENSOR, m->cfg.eps) : rmsnorm_rounded(run, x, w, n->rms.eps, n->rms.kind);
    return tap(run, x, "%slayers.%d.%s", m->prefix, l, name);
}

static NormNext *norm_next(const Run *run, const Llama *m, Tensor w, const char *name, int l, Norms *n) {
    return n->next.norm = llama_rms(&m->cfg, w), norms_alone(run, m, name, l) ? &n->next : NULL;
}

static Tensor layer_forward(Run *run, const Llama *m, Tensor x, const Where *at, Norms *n, int l) {
    const LlamaLayer *k = &m->layers[l];
    const bool pre = m->cfg.block == BLOCK_PRE, both = m->cfg.block == BLOCK_BOTH;
    RunMark mark = run_mark(run);
    Tensor h = x;
    n->first = NULL;
    if (pre || both) h = norm_first(run, m, x, k->norm1, "input_layernorm", l, n);
    h = attend(run, m, k, h, n->first, at, l), n->first = NULL;
    NormNext *next = pre ? norm_next(run, m, k->norm2, "post_attention_layernorm", l, n) : NULL;
    x = h = added(run, m, x, h, k->o_w, k->o_b, k->norm2, next, "o_proj", "self_attn", "post_attention_layernorm", l);
    if (pre) h = norm_first(run, m, x, k->norm2, "post_attention_layernorm", l, n);
    if (both) h = norm_first(run, m, x, k->norm3, "pre_feedforward_layernorm", l, n);
    h = gated(run, m, k, h, n->first, l);
    next = pre && l + 1 < m->cfg.L ? norm_next(run, m, m->layers[l + 1].norm1, "input_layernorm", l + 1, n) : NULL;
    x = added(run, m, x, h, k->down_w, k->down_b, k->norm4, next, "down_proj", "mlp", "post_feedforward_layernorm", l);
    run_release(run, mark);
    return tap(run, x, "%slayers.%d", m->prefix, l);
}

Tensor llama_embed(Run *run, const Llama *m, Tensor ids) {
    Tensor x = embedding(run, m->embed, ids);
    if (m->cfg.embed_scale > 0) x = scale(run, x, m->cfg.embed_scale);
    return tap(run, x, "%sembed_tokens", m->prefix);
}

// How many tokens text b has: what the cache will hold of it, or what its mask leaves.
static long length_of(const Where *at, long b, long T) {
    if (at->ends) return at->ends[b];
    if (!tensor_given(at->mask)) return T;
    const uint8_t *row = (const uint8_t *)at->mask.data + b * T;
    while (T > 0 && !row[T - 1]) T--;
    return T;
}

// Cosines and sines (1 or B, T, D / 2). Where they depend on a text's length, each text has those of its own, as if it were alone; the
// reference gives a whole padded batch those of its longest.
static void turns_of(Run *run, const Llama *m, Tensor positions, long B, Where *at) {
    const LlamaConfig *c = &m->cfg;
    long T = positions.shape[1], half = c->D / 2;
    bool own = rope_by_length(&c->rope);
    if (!own) rotary_tables(run, &at->cos, &at->sin, positions, tensor_of(m->frequencies, DTYPE_F32, DIMS(half)));
    for (long b = 0; own && b < B; b++) {
        Tensor frequencies = run_input(run, DTYPE_F32, DIMS(half)), row = tensor_of(NULL, DTYPE_I32, DIMS(1, T)), cosine, sine;
        if (!run->dry) {
            rope_frequencies(f32(frequencies), &c->rope, c->D, length_of(at, b, T));
            row.data = i32(positions) + (positions.shape[0] > 1 ? b * T : 0);
        }
        rotary_tables(run, &cosine, &sine, row, frequencies);
        at->cos = b ? concat_tokens(run, at->cos, cosine) : cosine;
        at->sin = b ? concat_tokens(run, at->sin, sine) : sine;
    }
    if (own) at->cos = tensor_view(at->cos, DIMS(B, T, half)), at->sin = tensor_view(at->sin, DIMS(B, T, half));
    if (c->rope.attention != 1) at->cos = scale(run, at->cos, c->rope.attention), at->sin = scale(run, at->sin, c->rope.attention);
}

Tensor llama_layers(Run *run, const Llama *m, Tensor x, Tensor mask, Cache *cache) {
    const LlamaConfig *c = &m->cfg;
    long B = x.shape[0], T = x.shape[1];
    Where at = {.mask = mask, .cache = cache};
    Tensor positions = run_input(run, DTYPE_I32, DIMS(cache ? B : 1, T));
    if (cache) {
        at.ends = take(run->arena, int32_t, (size_t)B);
        for (long b = 0; b < B; b++) at.ends[b] = cache->lengths[cache->first + b] + (int32_t)T;
    }
    for (long b = 0; !run->dry && b < positions.shape[0]; b++)
        for (long t = 0; t < T; t++) i32(positions)[b * T + t] = (int32_t)(t + (cache ? cache->lengths[cache->first + b] : 0));
    turns_of(run, m, positions, B, &at);
    Norms norms = {.next = next_room(run, x)};
    for (int l = 0; l < c->L; l++) x = layer_forward(run, m, x, &at, &norms, l);
    if (cache)
        for (long b = 0; b < B; b++) cache->lengths[cache->first + b] += (int32_t)T;
    return x;
}

Tensor llama_forward(Run *run, const Llama *m, Tensor x, Tensor mask, Cache *cache) {
    x = llama_layers(run, m, x, mask, cache);
    return tap_module(run, tap(run, norm(run, &m->cfg, x, m->norm), "%snorm", m->prefix), m->prefix);
}

// ---- the family

// First as they are published; the last three: as a decoder without its head is saved, which a tied one's file may be.
static const Rename renames[] = {{"model.", "model."}, {"lm_head.", "lm_head."}, {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."},
                                 {"model.language_model.", "model."}, {"embed_tokens.", "model.embed_tokens."}, {"layers.", "model.layers."}, {"norm.", "model.norm."}};
static const TapAlias aliases[] = {{"language_model.model.", "model."}, {"language_model.lm_head", "lm_head"}};

static Llama *described(Model *model, Llama *m) {
    model->vocabulary = m->cfg.V;
    model->context = m->cfg.context;
    model->by_length = rope_by_length(&m->cfg.rope);
    return m;
}

static void *load(Model *model) { return described(model, llama_load(model->arena, model->config, model->weights, "model.", false)); }

static Outputs forward(Run *run, const Model *model, const Inputs *in) {
    const Llama *m = model->own;
    Tensor h = llama_forward(run, m, llama_embed(run, m, in->ids), in->mask, NULL);
    return (Outputs){.hidden = h, .logits = llama_logits(run, m, h)};
}

static Tensor next(Run *run, const Model *model, const Inputs *in, Cache *cache) {
    const Llama *m = model->own;
    return llama_next(run, m, llama_embed(run, m, in->ids), cache);
}

static Cache *cache_of(Arena *a, const Model *model, int B, int capacity) {
    const Llama *m = model->own;
    return cache_new(a, model_device(model), B, capacity, m->cfg.L, m->cfg.G * m->cfg.D);
}

static Inputs example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)model, (void)height, (void)width;
    return (Inputs){.ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : 1))};
}

static const char *const types[] = {"llama", "mistral", "qwen2", "qwen3", "olmo", "olmo2", "gemma2", NULL};
const Family llama_family = {.name = "llama", .types = types, .load = load, .forward = forward, .next = next, .cache = cache_of,
                             .example = example, .renames = renames, .rename_count = 8, .aliases = aliases, .alias_count = 2, .takes_text = true, .generates = true};

// ---- LlamaModel, MistralModel and so on: the decoder without its head, as text encoders are published; read, never to speak

static void *headless_load(Model *model) { return described(model, load_headless(model->arena, model->config, model->weights, "")); }

static Outputs headless_forward(Run *run, const Model *model, const Inputs *in) {
    const Llama *m = model->own;
    return (Outputs){.hidden = llama_forward(run, m, llama_embed(run, m, in->ids), in->mask, NULL)};
}

static const Rename headless_renames[] = {{"language_model.", ""}, {"model.language_model.", ""}, {"model.", ""}};
static const TapAlias headless_aliases[] = {{"model.", ""}};
static const char *const headless_ignored[] = {"lm_head.*"};
const Family llama_headless_family = {.name = "headless llama", .types = types, .architecture = "*Model", .load = headless_load, .forward = headless_forward,
                                      .example = example, .renames = headless_renames, .rename_count = 3, .ignored = headless_ignored, .ignored_count = 1,
                                      .aliases = headless_aliases, .alias_count = 1, .takes_text = true};
