// llama.h: text decoders of the Llama type: Llama 2 and 3, Vicuna, Mistral, Qwen2, Qwen3, OLMo, OLMo 2, Gemma 2.
// One forward with switches; facts: models.md 7.5.
#ifndef RETINA_MODEL_LLAMA_H
#define RETINA_MODEL_LLAMA_H

#include "cache.h"
#include "model.h"
#include "rope.h"

typedef enum { NORM_RMS, NORM_RMS_ZERO_CENTRED, NORM_PLAIN } LlamaNorm; // plain: LayerNorm without weights (OLMo)
typedef enum { BLOCK_PRE, BLOCK_POST, BLOCK_BOTH } LlamaBlock;          // norms before (most), after (OLMo 2), both (Gemma 2)
typedef enum { QK_NONE, QK_PER_HEAD, QK_WHOLE } LlamaQkNorm;            // Qwen3 per head, OLMo 2 over the whole vector

typedef struct {
    int C, F, L, H, G, D, V, context;
    Act act;
    float eps;
    LlamaNorm norm;
    LlamaBlock block;
    LlamaQkNorm qk_norm;
    bool qkv_bias, o_bias, mlp_bias, tied;
    Rope rope;
    bool *windowed; // (L): this layer slides
    int window;
    float clip_qkv, attn_softcap, final_softcap, scale, embed_scale; // 0: off
} LlamaConfig;

typedef struct {
    Tensor q_w, q_b, k_w, k_b, v_w, v_b, o_w, o_b, q_norm, k_norm;
    Tensor gate_w, gate_b, up_w, up_b, down_w, down_b;
    Tensor norm1, norm2, norm3, norm4; // input, post attention, pre feed-forward, post feed-forward: those of the family
} LlamaLayer;

typedef struct {
    LlamaConfig cfg;
    const char *prefix; // "model.", "model.language_model.", or "" without a head
    Tensor embed, norm, head; // (V, C), (C), (V, C): head is embed when tied, absent in a decoder that is only read
    float *frequencies;       // (D / 2): of a text of one token
    LlamaLayer *layers;
} Llama;

// tied: the head may be the embedding even where `config` does not say so.
Llama *llama_load(Arena *a, const Json *config, Weights *w, const char *prefix, bool tied);
int llama_end_token(const Json *config); // of the family's class, for files that do not name one; -1: none
Tensor llama_embed(Run *run, const Llama *m, Tensor ids); // (B, T, C), the tap embed_tokens

// embeds (B, T, C) -> the last hidden state after the final norm (B, T, C). With a cache, the tokens follow what the
// cache's current texts hold, and are added to it. mask: u8 (B, T) or NO_TENSOR. Without a tape, embeds is used up.
Tensor llama_forward(Run *run, const Llama *m, Tensor embeds, Tensor mask, Cache *cache);
Tensor llama_layers(Run *run, const Llama *m, Tensor embeds, Tensor mask, Cache *cache); // the same before that norm
Tensor llama_logits(Run *run, const Llama *m, Tensor hidden); // (…, V), the tap lm_head
Tensor llama_next(Run *run, const Llama *m, Tensor embeds, Cache *cache); // (B, V): of the last token
Rms llama_rms(const LlamaConfig *c, Tensor w);

extern const Family llama_family, llama_headless_family;

#endif
