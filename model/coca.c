// coca.c: CoCa: a picture becomes image tokens, a text becomes text tokens, a decoder reads both; every block shows its output.
//
// Source: OpenCLIP's CoCa (verbalize.md 1), which is not quite the paper's: one pooler, whose row 0 is the contrastive
// vector. Held by: test/test_coca.c, every tap, against open_clip in float32.
// Letters: B images or texts, C width, E width of everything behind the pooler, T tokens, Q queries, L blocks, V vocabulary.
// Bites: three matrices are stored [in, out]; the text's tokens go to the decoder before ln_final; the class row stands
// behind the text at the position that the text's length gives it; its mask hides what stands behind padding by one row.
#include "coca.h"

#include <string.h>

#include "device.h"

// ---- weights

static CocaBlock block_load(Weights *w, const CocaStack *s, const char *prefix, int l, bool cross) {
    CocaBlock k = {0};
    long C = s->C, F = s->F;
    k.ln1_w = weights_take(w, DIMS(C), "%s.%d.ln_1.weight", prefix, l);
    k.ln1_b = weights_take(w, DIMS(C), "%s.%d.ln_1.bias", prefix, l);
    if (cross) {
        k.kv_w = weights_take(w, DIMS(C), "%s.%d.ln_1_kv.weight", prefix, l);
        k.kv_b = weights_take(w, DIMS(C), "%s.%d.ln_1_kv.bias", prefix, l);
    }
    k.in_w = weights_take(w, DIMS(3 * C, C), "%s.%d.attn.in_proj_weight", prefix, l);
    k.in_b = weights_take(w, DIMS(3 * C), "%s.%d.attn.in_proj_bias", prefix, l);
    k.out_w = weights_take(w, DIMS(C, C), "%s.%d.attn.out_proj.weight", prefix, l);
    k.out_b = weights_take(w, DIMS(C), "%s.%d.attn.out_proj.bias", prefix, l);
    if (s->scaled) k.scale1 = weights_take(w, DIMS(C), "%s.%d.ls_1.gamma", prefix, l);
    k.ln2_w = weights_take(w, DIMS(C), "%s.%d.ln_2.weight", prefix, l);
    k.ln2_b = weights_take(w, DIMS(C), "%s.%d.ln_2.bias", prefix, l);
    k.fc_w = weights_take(w, DIMS(F, C), "%s.%d.mlp.c_fc.weight", prefix, l);
    k.fc_b = weights_take(w, DIMS(F), "%s.%d.mlp.c_fc.bias", prefix, l);
    k.proj_w = weights_take(w, DIMS(C, F), "%s.%d.mlp.c_proj.weight", prefix, l);
    k.proj_b = weights_take(w, DIMS(C), "%s.%d.mlp.c_proj.bias", prefix, l);
    if (s->scaled) k.scale2 = weights_take(w, DIMS(C), "%s.%d.ls_2.gamma", prefix, l);
    return k;
}

static CocaBlock *blocks_load(Arena *a, Weights *w, const CocaStack *s, const char *prefix, bool cross) {
    CocaBlock *k = take_zero(a, CocaBlock, (size_t)s->L);
    for (int l = 0; l < s->L; l++) k[l] = block_load(w, s, prefix, l, cross);
    return k;
}

static void tower_load(Arena *a, Coca *m, Weights *w) {
    CocaConfig *c = &m->cfg;
    long C = c->vision.C, E = c->E;
    m->G_h = c->height / c->P, m->G_w = c->width / c->P, m->T = m->G_h * m->G_w + 1;
    m->cls = weights_take(w, DIMS(C), "visual.class_embedding");
    m->positions = weights_take(w, DIMS(m->T, C), "visual.positional_embedding");
    m->patch_w = weights_take(w, DIMS(C, 3, c->P, c->P), "visual.conv1.weight");
    if (c->pre_norm) {
        m->pre_w = weights_take(w, DIMS(C), "visual.ln_pre.weight");
        m->pre_b = weights_take(w, DIMS(C), "visual.ln_pre.bias");
    }
    m->vision = blocks_load(a, w, &c->vision, "visual.transformer.resblocks", false);
    m->query = weights_take(w, DIMS(c->Q, E), "visual.attn_pool.query");
    if (C == E) { // the reference's attention keeps one matrix where the widths agree
        m->pool_in_w = weights_take(w, DIMS(3 * E, E), "visual.attn_pool.attn.in_proj_weight");
    } else {
        m->pool_q = weights_take(w, DIMS(E, E), "visual.attn_pool.attn.q_proj_weight");
        m->pool_k = weights_take(w, DIMS(E, C), "visual.attn_pool.attn.k_proj_weight");
        m->pool_v = weights_take(w, DIMS(E, C), "visual.attn_pool.attn.v_proj_weight");
    }
    m->pool_in_b = weights_take(w, DIMS(3 * E), "visual.attn_pool.attn.in_proj_bias");
    m->pool_out_w = weights_take(w, DIMS(E, E), "visual.attn_pool.attn.out_proj.weight");
    m->pool_out_b = weights_take(w, DIMS(E), "visual.attn_pool.attn.out_proj.bias");
    m->q_norm_w = weights_take(w, DIMS(E), "visual.attn_pool.ln_q.weight");
    m->q_norm_b = weights_take(w, DIMS(E), "visual.attn_pool.ln_q.bias");
    m->k_norm_w = weights_take(w, DIMS(C), "visual.attn_pool.ln_k.weight");
    m->k_norm_b = weights_take(w, DIMS(C), "visual.attn_pool.ln_k.bias");
    m->post_w = weights_take(w, DIMS(E), "visual.ln_post.weight");
    m->post_b = weights_take(w, DIMS(E), "visual.ln_post.bias");
    m->visual_proj = weights_take(w, DIMS(E, E), "visual.proj");
}

static void text_load(Arena *a, Coca *m, Weights *w) {
    CocaConfig *c = &m->cfg;
    long E = c->E;
    m->tokens = weights_take(w, DIMS(c->V, E), "text.token_embedding.weight");
    m->text_positions = weights_take(w, DIMS(c->context + c->class_row, E), "text.positional_embedding");
    if (c->class_row) m->text_cls = weights_take(w, DIMS(E), "text.cls_emb");
    m->text = blocks_load(a, w, &c->text, "text.transformer.resblocks", false);
    m->text_final_w = weights_take(w, DIMS(E), "text.ln_final.weight");
    m->text_final_b = weights_take(w, DIMS(E), "text.ln_final.bias");
    if (c->projection_bias) {
        m->text_proj = weights_take(w, DIMS(E, E), "text.text_projection.weight");
        m->text_proj_b = weights_take(w, DIMS(E), "text.text_projection.bias");
    } else if (c->projected) {
        m->text_proj = weights_take(w, DIMS(E, E), "text.text_projection");
    }
}

// A bare matrix [in, out] as [out, in], in its own type. NO_TENSOR while it is being trained: then it is turned in each pass.
static Tensor turned(Arena *a, const Device *device, Tensor w) {
    if (w.node) return NO_TENSOR;
    long R = w.shape[0], C = w.shape[1];
    if (!w.data) return tensor_of(NULL, w.dtype, DIMS(C, R));
    enum { SIDE = 64 }; // a block stays in the cache
    Tensor t = tensor_take(a, w.dtype, DIMS(C, R));
    for (long r0 = 0; r0 < R; r0 += SIDE)
        for (long c0 = 0; c0 < C; c0 += SIDE)
            for (long c = c0; c < c0 + SIDE && c < C; c++)
                for (long r = r0; r < r0 + SIDE && r < R; r++) {
                    if (w.dtype == DTYPE_F32) f32(t)[c * R + r] = f32(w)[r * C + c];
                    else ((uint16_t *)t.data)[c * R + r] = ((const uint16_t *)w.data)[r * C + c];
                }
    device->keep(a, t.data, tensor_bytes(t));
    return t;
}

static void *load(Model *model) {
    Arena *a = model->arena;
    Weights *w = model->weights;
    Coca *m = take_zero(a, Coca, 1);
    m->cfg = coca_config(model->config, w, model->dir);
    const CocaConfig *c = &m->cfg;
    tower_load(a, m, w);
    text_load(a, m, w);
    m->self = blocks_load(a, w, &c->cross, "text_decoder.resblocks", false);
    m->cross = blocks_load(a, w, &c->cross, "text_decoder.cross_attn", true);
    m->final_w = weights_take(w, DIMS(c->E), "text_decoder.ln_final.weight");
    m->final_b = weights_take(w, DIMS(c->E), "text_decoder.ln_final.bias");
    m->head = weights_take(w, DIMS(c->E, c->V), "text_decoder.text_projection");
    m->logit_scale = weights_take(w, 0, NULL, "logit_scale");
    if (c->logit_bias) weights_take(w, 0, NULL, "logit_bias");
    m->visual_proj_t = turned(a, model->device, m->visual_proj);
    if (c->projected && !c->projection_bias) m->text_proj_t = turned(a, model->device, m->text_proj);
    m->head_t = turned(a, model->device, m->head);
    model->vocabulary = c->V;
    model->context = c->context < c->decoder_context ? c->context : c->decoder_context;
    model->image_tokens = c->Q - 1;
    model->padded = c->context, model->pad = c->pad; // the class row's place and view depend on it
    return m;
}

// ---- parts of a forward pass

// x W for a bare matrix [in, out].
static Tensor times(Run *run, Tensor x, Tensor w, Tensor w_turned) { return linear(run, x, tensor_given(w_turned) ? w_turned : transpose(run, w), NO_TENSOR); }

// Rows [from, to) of a stored matrix or vector: a view, or on the tape a slice, so that gradients find their way.
static Tensor part(Run *run, Tensor w, long from, long to) {
    long width = w.ndim == 2 ? w.shape[1] : 1;
    Tensor r;
    if (run->recorder && w.node) r = rows_slice(run, tensor_view(w, DIMS(1, w.shape[0], width)), from, to);
    else r = tensor_of(w.data ? (char *)w.data + (size_t)(from * width) * dtype_size(w.dtype) : NULL, w.dtype, DIMS(to - from, width));
    return w.ndim == 2 ? tensor_view(r, DIMS(to - from, width)) : tensor_view(r, DIMS(to - from));
}

// The which-th third of an input projection: 0 queries, 1 keys, 2 values.
static Tensor third(Run *run, Tensor x, Tensor w, Tensor b, long C, int which) {
    return linear(run, x, part(run, w, which * C, (which + 1) * C), part(run, b, which * C, (which + 1) * C));
}

// The same rows (R, C) for each of B: (B, R, C).
static Tensor repeated(Run *run, Tensor rows, long B) {
    long R = rows.shape[0];
    Tensor ids = run_input(run, DTYPE_I32, DIMS(B, R));
    for (long i = 0; !run->dry && i < B * R; i++) i32(ids)[i] = (int32_t)(i % R);
    return embedding(run, rows, ids);
}

// A block's second half, and the sum of its first: x + attention's output h, then the MLP.
static Tensor rest_of_block(Run *run, const CocaStack *s, const CocaBlock *k, Tensor x, Tensor h, const char *p, int l) {
    if (s->scaled) h = tap(run, mul_row(run, h, k->scale1), "%s.%d.ls_1", p, l);
    x = add_into(run, x, h);
    h = tap(run, layernorm_rounded(run, x, k->ln2_w, k->ln2_b, s->eps), "%s.%d.ln_2", p, l);
    h = linear_activated(run, h, k->fc_w, k->fc_b, s->act, "%s.%d.mlp.c_fc", p, l);
    h = tap(run, h, "%s.%d.mlp.gelu", p, l);
    if (!s->scaled) return linear_into(run, x, h, k->proj_w, k->proj_b, NULL, "c_proj", "%s.%d.mlp", p, l);
    h = tap(run, linear(run, h, k->proj_w, k->proj_b), "%s.%d.mlp.c_proj", p, l);
    h = tap(run, h, "%s.%d.mlp", p, l);
    return add_into(run, x, tap(run, mul_row(run, h, k->scale2), "%s.%d.ls_2", p, l));
}

// Where a block's keys go when a text is continued: layer `at` of the cache. ends (B): tokens that are in after this call.
typedef struct {
    Cache *cache;
    const int32_t *ends;
    int at;
} Kept;

// x (B, T, C): attention among its own tokens, then the MLP. kept NULL: no cache.
static Tensor self_block(Run *run, const CocaStack *s, const CocaBlock *k, Tensor x, AttnShape shape, const Kept *kept, const char *p, int l) {
    RunMark mark = run_mark(run);
    Tensor h = tap(run, layernorm_rounded(run, x, k->ln1_w, k->ln1_b, s->eps), "%s.%d.ln_1", p, l);
    Tensor q = third(run, h, k->in_w, k->in_b, s->C, 0), key = third(run, h, k->in_w, k->in_b, s->C, 1), v = third(run, h, k->in_w, k->in_b, s->C, 2);
    shape.heads = s->H;
    if (kept) {
        const Cache *c = kept->cache;
        Tensor keys = cache_rows(c, c->k[kept->at + l]), values = cache_rows(c, c->v[kept->at + l]);
        rows_store(run, keys, key, c->lengths + c->first);
        rows_store(run, values, v, c->lengths + c->first);
        key = keys, v = values;
        shape.key_lengths = kept->ends;
    } else if (tap_wanted(run, "%s.%d.attn#weights", p, l)) {
        tap(run, attention_weights(run, q, key, shape), "%s.%d.attn#weights", p, l);
    }
    h = linear(run, attention(run, q, key, v, shape), k->out_w, k->out_b);
    h = tap(run, h, "%s.%d.attn", p, l);
    x = rest_of_block(run, s, k, x, h, p, l);
    run_release(run, mark);
    return tap(run, x, "%s.%d", p, l);
}

// Keys and values of the image tokens for one cross block.
static void look(Run *run, const CocaStack *s, const CocaBlock *k, Tensor image, Tensor *key, Tensor *v, const char *p, int l) {
    Tensor h = tap(run, layernorm_rounded(run, image, k->kv_w, k->kv_b, s->eps), "%s.%d.ln_1_kv", p, l);
    *key = third(run, h, k->in_w, k->in_b, s->C, 1);
    *v = third(run, h, k->in_w, k->in_b, s->C, 2);
}

static Tensor cross_block(Run *run, const CocaStack *s, const CocaBlock *k, Tensor x, Tensor image, const Cache *cache, const char *p, int l) {
    RunMark mark = run_mark(run);
    Tensor key, v;
    if (cache) key = cache_rows(cache, cache->seen_k[l]), v = cache_rows(cache, cache->seen_v[l]);
    else look(run, s, k, image, &key, &v, p, l);
    Tensor h = tap(run, layernorm_rounded(run, x, k->ln1_w, k->ln1_b, s->eps), "%s.%d.ln_1", p, l);
    Tensor q = third(run, h, k->in_w, k->in_b, s->C, 0);
    AttnShape shape = {.heads = s->H};
    if (tap_wanted(run, "%s.%d.attn#weights", p, l)) tap(run, attention_weights(run, q, key, shape), "%s.%d.attn#weights", p, l);
    h = linear(run, attention(run, q, key, v, shape), k->out_w, k->out_b);
    h = tap(run, h, "%s.%d.attn", p, l);
    x = rest_of_block(run, s, k, x, h, p, l);
    run_release(run, mark);
    return tap(run, x, "%s.%d", p, l);
}

// ---- the tower and its pooler

#define TOWER "visual.transformer.resblocks"

Tensor coca_tower(Run *run, const Coca *m, Tensor pixels, const bool *wanted, Tensor *states) {
    const CocaConfig *c = &m->cfg;
    need(pixels.ndim == 4 && pixels.shape[1] == 3 && pixels.shape[2] == c->height && pixels.shape[3] == c->width,
         "CoCa's vision tower takes pixels (B, 3, %d, %d)", c->height, c->width);
    Tensor w = tensor_view(m->patch_w, DIMS(c->vision.C, 3L * c->P * c->P));
    Tensor x = linear(run, patchify(run, pixels, c->P), w, NO_TENSOR);
    x = tap_channels_first(run, x, m->G_h, m->G_w, "visual.conv1");
    x = prepend_row(run, x, m->cls);
    x = add_rows(run, x, m->positions);
    if (c->patch_dropout) x = tap(run, x, "visual.patch_dropout");
    if (c->pre_norm) x = layernorm(run, x, m->pre_w, m->pre_b, c->vision.eps);
    x = tap(run, x, "visual.ln_pre");
    for (int l = 0; l < c->vision.L; l++) {
        x = self_block(run, &c->vision, &m->vision[l], x, (AttnShape){0}, NULL, TOWER, l);
        if (wanted && wanted[l]) states[l] = rows_slice(run, x, 0, m->T); // a copy: x goes on in place
    }
    return tap(run, x, "visual.transformer");
}

Tensor coca_pool(Run *run, const Coca *m, Tensor x) {
    const CocaConfig *c = &m->cfg;
    long E = c->E, B = x.shape[0];
    const float eps = 1e-5f; // norm_kwargs does not reach the pooler
    Tensor h = tap(run, layernorm(run, x, m->k_norm_w, m->k_norm_b, eps), "visual.attn_pool.ln_k");
    Tensor q = layernorm(run, tensor_view(repeated(run, m->query, 1), DIMS(c->Q, E)), m->q_norm_w, m->q_norm_b, eps);
    q = tap(run, q, "visual.attn_pool.ln_q");
    bool one = tensor_given(m->pool_in_w);
    Tensor wq = one ? part(run, m->pool_in_w, 0, E) : m->pool_q, wk = one ? part(run, m->pool_in_w, E, 2 * E) : m->pool_k,
           wv = one ? part(run, m->pool_in_w, 2 * E, 3 * E) : m->pool_v;
    q = repeated(run, linear(run, q, wq, part(run, m->pool_in_b, 0, E)), B);
    Tensor key = linear(run, h, wk, part(run, m->pool_in_b, E, 2 * E)), v = linear(run, h, wv, part(run, m->pool_in_b, 2 * E, 3 * E));
    AttnShape shape = {.heads = c->pooler_heads};
    if (tap_wanted(run, "visual.attn_pool.attn#weights")) tap(run, attention_weights(run, q, key, shape), "visual.attn_pool.attn#weights");
    h = linear(run, attention(run, q, key, v, shape), m->pool_out_w, m->pool_out_b);
    h = tap(run, h, "visual.attn_pool.attn");
    h = tap(run, h, "visual.attn_pool");
    return tap(run, layernorm(run, h, m->post_w, m->post_b, c->vision.eps), "visual.ln_post");
}

Tensor coca_image_tokens(Run *run, const Coca *m, Tensor pooled) {
    (void)m;
    return tap(run, rows_slice(run, pooled, 1, pooled.shape[1]), "visual#tokens");
}

Tensor coca_image_embed(Run *run, const Coca *m, Tensor pooled) {
    Tensor first = m->cfg.mean_pool ? mean_tokens(run, rows_slice(run, pooled, 1, pooled.shape[1])) : rows_slice(run, pooled, 0, 1);
    first = tensor_view(first, DIMS(pooled.shape[0], m->cfg.E));
    return tap(run, times(run, first, m->visual_proj, m->visual_proj_t), "visual");
}

// ---- the text tower

// verbalize.md 1.4: which columns padding leaves visible, for ids (B, L) and a class row behind them: (B, L + 1).
static Tensor class_mask(Run *run, const Coca *m, Tensor ids) {
    long B = ids.shape[0], L = ids.shape[1];
    Tensor mask = run_input(run, DTYPE_U8, DIMS(B, L + 1));
    if (run->dry) return mask;
    for (long b = 0; b < B; b++) {
        uint8_t *row = (uint8_t *)mask.data + b * (L + 1);
        for (long j = 0; j < L; j++) row[m->cfg.cls_correct ? j : j + 1] = i32(ids)[b * L + j] != m->cfg.pad;
        row[m->cfg.cls_correct ? L : 0] = 1;
    }
    return mask;
}

static void length_check(const Coca *m, long L) {
    need(L >= 1 && L <= m->cfg.context, "text: %ld tokens; CoCa's text tower holds %d", L, m->cfg.context);
}

// Positions begin at each text's length in the cache; (B, T) or, without one, (1, T).
static Tensor text_embed(Run *run, const Coca *m, Tensor ids, const Cache *cache) {
    long T = ids.shape[1], rows = cache ? ids.shape[0] : 1, E = m->cfg.E;
    Tensor x = tap(run, embedding(run, m->tokens, ids), "text.token_embedding"), at = run_input(run, DTYPE_I32, DIMS(rows, T));
    for (long b = 0; !run->dry && b < rows; b++)
        for (long t = 0; t < T; t++) i32(at)[b * T + t] = (int32_t)(t + (cache ? cache->lengths[cache->first + b] : 0));
    Tensor p = embedding(run, m->text_positions, at);
    return cache ? add(run, x, p) : add_rows(run, x, tensor_view(p, DIMS(T, E)));
}

#define TEXT "text.transformer.resblocks"

Tensor coca_text(Run *run, const Coca *m, Tensor ids, Tensor *embed) {
    const CocaConfig *c = &m->cfg;
    long B = ids.shape[0], L = ids.shape[1], E = c->E;
    length_check(m, L);
    Tensor x = text_embed(run, m, ids, NULL);
    AttnShape shape = {.causal = true};
    if (c->class_row) { // behind the text, at the position of its length
        Tensor at = run_input(run, DTYPE_I32, DIMS(1, 1));
        if (!run->dry) *i32(at) = (int32_t)L;
        Tensor last = add(run, repeated(run, tensor_view(m->text_cls, DIMS(1, E)), 1), embedding(run, m->text_positions, at)); // (1, 1, E)
        x = concat_tokens(run, x, repeated(run, tensor_view(last, DIMS(1, E)), B));
        shape.key_mask = class_mask(run, m, ids);
    }
    for (int l = 0; l < c->text.L; l++) x = self_block(run, &c->text, &m->text[l], x, shape, NULL, TEXT, l);
    x = tap(run, x, "text.transformer");
    Tensor pooled, tokens;
    if (c->class_row) {
        tokens = rows_slice(run, x, 0, L);
        pooled = tensor_view(rows_slice(run, x, L, L + 1), DIMS(B, E));
        pooled = tap(run, layernorm(run, pooled, m->text_final_w, m->text_final_b, c->text.eps), "text.ln_final");
    } else {
        tokens = tap(run, layernorm(run, x, m->text_final_w, m->text_final_b, c->text.eps), "text.ln_final");
        Tensor at = run_input(run, DTYPE_I32, DIMS(B));
        for (long b = 0; !run->dry && b < B; b++) {
            const int32_t *row = i32(ids) + b * L;
            long found = 0; // the first of the largest; of the end tokens, or 0
            for (long t = L - 1; t >= 0; t--)
                if (c->pool == 'm' ? row[t] >= row[found] : row[t] == c->eos) found = t;
            i32(at)[b] = (int32_t)(c->pool == 'f' ? 0 : c->pool == 'l' ? L - 1 : found);
        }
        pooled = rows_at(run, tokens, at);
    }
    if (c->projection_bias) pooled = tap(run, linear(run, pooled, m->text_proj, m->text_proj_b), "text.text_projection");
    else if (c->projected) pooled = times(run, pooled, m->text_proj, m->text_proj_t);
    *embed = tap(run, pooled, "text");
    return tokens;
}

// ---- the decoder

#define SELF "text_decoder.resblocks"
#define CROSS "text_decoder.cross_attn"

// Text tokens x (B, T, E) before image tokens, or what a cache holds of them -> (B, T, E) after ln_final.
static Tensor decode(Run *run, const Coca *m, Tensor x, Tensor image, const Kept *kept) {
    const CocaStack *s = &m->cfg.cross;
    for (int l = 0; l < s->L; l++) {
        x = self_block(run, s, &m->self[l], x, (AttnShape){.causal = true}, kept, SELF, l);
        x = cross_block(run, s, &m->cross[l], x, image, kept ? kept->cache : NULL, CROSS, l);
    }
    return tap(run, layernorm(run, x, m->final_w, m->final_b, s->eps), "text_decoder.ln_final");
}

static Tensor logits_of(Run *run, const Coca *m, Tensor x) { return tap(run, times(run, x, m->head, m->head_t), "text_decoder"); }

Tensor coca_decode(Run *run, const Coca *m, Tensor tokens, Tensor image) {
    need(tokens.shape[1] <= m->cfg.decoder_context, "text: %ld tokens; CoCa's decoder holds %d", tokens.shape[1], m->cfg.decoder_context);
    return logits_of(run, m, decode(run, m, tokens, image, NULL));
}

Cache *coca_cache(Arena *a, const Coca *m, const Device *device, int R, int capacity) {
    Cache *cache = cache_new(a, device, R, capacity, m->cfg.text.L + m->cfg.cross.L, m->cfg.E);
    cache_looks(cache, a, m->cfg.cross.L, m->cfg.Q - 1);
    if (m->cfg.class_row) {
        cache->visible = tensor_take(a, DTYPE_U8, DIMS(R, capacity));
        memset(cache->visible.data, 1, tensor_bytes(cache->visible));
    }
    return cache;
}

void coca_look(Run *run, const Coca *m, Tensor image, Cache *cache) {
    need(image.ndim == 3 && image.shape[0] == cache->count && image.shape[1] == m->cfg.Q - 1, "image tokens of %ld pictures for %d texts", image.shape[0], cache->count);
    const int32_t *first = take_zero(run->arena, int32_t, (size_t)cache->count);
    for (int l = 0; l < m->cfg.cross.L; l++) {
        RunMark mark = run_mark(run);
        Tensor key, v, to_k = cache_rows(cache, cache->seen_k[l]), to_v = cache_rows(cache, cache->seen_v[l]);
        look(run, &m->cfg.cross, &m->cross[l], image, &key, &v, CROSS, l);
        rows_store(run, to_k, key, first);
        rows_store(run, to_v, v, first);
        run_release(run, mark);
    }
}

// The mask of the class row hides columns from the tokens, too, as in OpenCLIP since 2.26: what stands behind a padding id in
// the text (verbalize.md 1.4). The rows of the current texts: u8 (B, capacity).
static Tensor hide(const Coca *m, Tensor ids, const Cache *cache) {
    if (!tensor_given(cache->visible)) return NO_TENSOR;
    long T = ids.shape[1], room = cache->capacity;
    uint8_t *first = (uint8_t *)cache->visible.data + cache->first * room;
    for (long b = 0; b < ids.shape[0]; b++)
        for (long t = 0; t < T; t++) {
            long at = cache->lengths[cache->first + b] + t + !m->cfg.cls_correct;
            if (at < room) first[b * room + at] = i32(ids)[b * T + t] != m->cfg.pad;
        }
    return tensor_of(first, DTYPE_U8, DIMS(ids.shape[0], room));
}

// The class row cannot influence the tokens before it, so it is left out here.
Tensor coca_continue(Run *run, const Coca *m, Tensor ids, Cache *cache) {
    const CocaConfig *c = &m->cfg;
    long B = ids.shape[0], T = ids.shape[1];
    int32_t *ends = take(run->arena, int32_t, (size_t)B), *lengths = cache->lengths + cache->first;
    for (long b = 0; b < B; b++) {
        ends[b] = lengths[b] + (int32_t)T;
        length_check(m, ends[b]);
        need(ends[b] <= c->decoder_context, "text: %d tokens; CoCa's decoder holds %d", ends[b], c->decoder_context);
    }
    Kept kept = {.cache = cache, .ends = ends};
    Tensor x = text_embed(run, m, ids, cache);
    AttnShape shape = {.causal = true, .key_mask = hide(m, ids, cache)};
    for (int l = 0; l < c->text.L; l++) x = self_block(run, &c->text, &m->text[l], x, shape, &kept, TEXT, l);
    if (!c->class_row) x = layernorm(run, x, m->text_final_w, m->text_final_b, c->text.eps);
    kept.at = c->text.L;
    x = decode(run, m, x, NO_TENSOR, &kept);
    for (long b = 0; b < B; b++) lengths[b] = ends[b];
    x = rows_slice(run, x, T - 1, T);
    return logits_of(run, m, tensor_view(x, DIMS(B, c->E)));
}

// ---- states of many layers, through their taps

typedef struct {
    float *out; // (count, B, T, Cv)
    const char *const *names;
    int count;
    size_t each;
} States;

static void state_sink(void *arg, const char *name, Tensor x) {
    States *s = arg;
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->names[i], name) == 0) memcpy(s->out + (size_t)i * s->each, x.data, s->each * sizeof(float));
}

Tensor coca_states(Run *run, const Model *model, Tensor pixels, const int *layers, int count, const char *part) {
    const Coca *m = model->own;
    Tensor out = run_input(run, DTYPE_F32, DIMS((long)count * pixels.shape[0], m->T, m->cfg.vision.C));
    Arena *a = arena_new("states of a tower");
    const char **names = take(a, const char *, (size_t)count);
    Inputs in = {.pixels = pixels};
    Taps *taps = taps_asking(a, model_taps(a, model, &in), NULL, 0);
    States s = {.out = f32(out), .names = names, .count = count, .each = tensor_count(out) / (size_t)count};
    for (int i = 0; i < count; i++) {
        need(layers[i] >= 0 && layers[i] <= m->cfg.vision.L, "layer %d: the tower has %d; 0 is what goes into the first", layers[i], m->cfg.vision.L);
        names[i] = layers[i] == 0 ? "visual.ln_pre" : arena_print(a, TOWER ".%d%s", layers[i] - 1, part);
        bool again = false;
        for (int j = 0; j < i; j++) again = again || strcmp(names[j], names[i]) == 0;
        if (!again) taps_read(taps, names[i], state_sink, &s);
    }
    Run *inner = run_on(run->arena, run->device);
    inner->taps = taps;
    inner->stop = true;
    RunMark mark = run_mark(inner);
    model_forward(inner, model, &in);
    run_release(inner, mark);
    arena_free(a);
    return out;
}

// ---- the family

// As the reference's forward(image, text): the decoder does not see the last token, behind which nothing is to be predicted.
static Outputs forward(Run *run, const Model *model, const Inputs *in) {
    const Coca *m = model->own;
    Outputs out = {0};
    Tensor image = NO_TENSOR;
    if (tensor_given(in->pixels)) {
        Tensor pooled = coca_pool(run, m, coca_tower(run, m, in->pixels, NULL, NULL));
        image = coca_image_tokens(run, m, pooled);
        out.image_embeds = coca_image_embed(run, m, pooled);
    }
    if (!tensor_given(in->ids)) return out;
    long L = in->ids.shape[1];
    Tensor tokens = coca_text(run, m, in->ids, &out.text_embeds);
    if (!tensor_given(image)) return out;
    if (L > 1) tokens = rows_slice(run, tokens, 0, L - 1);
    out.logits = coca_decode(run, m, tokens, image);
    return out;
}

static Tensor next(Run *run, const Model *model, const Inputs *in, Cache *cache) {
    const Coca *m = model->own;
    Tensor x = in->pixels;
    if (tensor_given(x)) { // (B, Q - 1, E): image tokens that are there already
        if (x.ndim != 3) x = coca_image_tokens(run, m, coca_pool(run, m, coca_tower(run, m, x, NULL, NULL)));
        coca_look(run, m, x, cache);
    }
    return coca_continue(run, m, in->ids, cache);
}

static Cache *cache_of(Arena *a, const Model *model, int B, int capacity) { return coca_cache(a, model->own, model_device(model), B, capacity); }

static Inputs example(Arena *a, const Model *model, int height, int width, int tokens) {
    (void)a, (void)height, (void)width;
    const CocaConfig *c = &((const Coca *)model->own)->cfg;
    int most = c->context < c->decoder_context ? c->context : c->decoder_context;
    return (Inputs){.pixels = tensor_of(NULL, DTYPE_F32, DIMS(1, 3, c->height, c->width)), .ids = tensor_of(NULL, DTYPE_I32, DIMS(1, tokens ? tokens : most))};
}

static const char *const types[] = {"coca", NULL};
const Family coca_family = {.name = "coca", .types = types, .load = load, .forward = forward, .next = next, .cache = cache_of, .example = example,
                            .takes_images = true, .takes_text = true, .generates = true};
