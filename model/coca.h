// coca.h: CoCa as OpenCLIP builds it: a vision tower, a pooler, a text tower, and a decoder that reads both.
// Source: Yu et al. 2022 (arXiv:2205.01917); facts: verbalize.md 1. Names as in the checkpoint.
#ifndef RETINA_MODEL_COCA_H
#define RETINA_MODEL_COCA_H

#include "cache.h"
#include "model.h"

// A stack of blocks of one width. F inner channels, act and eps of its MLPs and norms.
typedef struct {
    int C, F, L, H;
    Act act;
    float eps;
    bool scaled; // layer scale: ls_1, ls_2
} CocaStack;

typedef struct {
    CocaStack vision, text, cross; // cross: both kinds of the decoder's blocks
    int E;                         // width of text, decoder, pooler output and contrastive space
    int height, width, P;          // of a picture, and of its patches, in pixels
    int Q, pooler_heads;           // queries of the pooler: one pooled, the rest image tokens
    bool pre_norm;                 // ln_pre
    bool mean_pool;                // the pooled vector is the mean of the image tokens instead of row 0
    bool patch_dropout;            // the reference has a module of that name; it does nothing in inference
    int V, context, decoder_context, eos;
    int pad, said_pad;       // what the text tower passes over; what generation ends and fills up a text with
    bool class_row;    // embed_cls: the class embedding stands behind the text
    bool cls_correct;  // the class row's mask as it was meant, not as it was written (verbalize.md 1.4)
    char pool;         // without a class row: 'm' largest id, 'f' first, 'l' last, 'e' end token
    bool projected, projection_bias; // text_projection is there; it is a module with a bias
    bool logit_bias;
    bool inferred; // no configuration was there: read from the shapes
} CocaConfig;

typedef struct {
    Tensor ln1_w, ln1_b, kv_w, kv_b, ln2_w, ln2_b; // (C); kv: norm of the image tokens, cross blocks only
    Tensor in_w, in_b, out_w, out_b;               // (3C, C), (3C): rows q, k, v; (C, C), (C)
    Tensor fc_w, fc_b, proj_w, proj_b;             // (F, C), (F), (C, F), (C)
    Tensor scale1, scale2;                         // (C), with layer scale
} CocaBlock;

typedef struct {
    CocaConfig cfg;
    int G_h, G_w, T; // patches down and across; tokens, the class token first
    Tensor cls, positions, patch_w, pre_w, pre_b; // (Cv), (T, Cv), (Cv, 3, P, P)
    CocaBlock *vision;
    // pooler: the queries' side never sees the picture
    Tensor query, q_norm_w, q_norm_b, k_norm_w, k_norm_b;
    Tensor pool_in_w;               // (3E, E) where Cv = E; else absent and
    Tensor pool_q, pool_k, pool_v;  // (E, E), (E, Cv), (E, Cv)
    Tensor pool_in_b, pool_out_w, pool_out_b, post_w, post_b;
    Tensor visual_proj;             // (E, E) as [in, out]
    Tensor tokens, text_positions, text_cls; // (V, E), (rows, E), (E)
    CocaBlock *text;
    Tensor text_final_w, text_final_b, text_proj, text_proj_b;
    CocaBlock *self, *cross; // the decoder's, alternating
    Tensor final_w, final_b, head; // head (E, V) as [in, out]
    Tensor logit_scale;
    Tensor visual_proj_t, text_proj_t, head_t; // the three bare matrices as [out, in], where they stand still
} Coca;

// config: the model configuration of open_clip_config.json (the inner object), or NULL: everything from the shapes.
CocaConfig coca_config(const Json *config, const Weights *w, const char *dir);

// pixels (B, 3, h, w) -> the residual stream after the last block (B, T, Cv). states[l] receives a copy of block l's output where
// wanted[l] says so; both may be NULL.
Tensor coca_tower(Run *run, const Coca *m, Tensor pixels, const bool *wanted, Tensor *states);
// A residual stream of any block through the pooler and ln_post: (B, Q, E).
Tensor coca_pool(Run *run, const Coca *m, Tensor x);
// What the decoder sees of it: (B, Q - 1, E). The tap "visual#tokens".
Tensor coca_image_tokens(Run *run, const Coca *m, Tensor pooled);
// The contrastive vector of it: (B, E), not normalised.
Tensor coca_image_embed(Run *run, const Coca *m, Tensor pooled);
// ids (B, L) -> the tokens for the decoder (B, L, E); embed receives the contrastive vector (B, E), not normalised.
Tensor coca_text(Run *run, const Coca *m, Tensor ids, Tensor *embed);
// Text tokens (B, T, E) before image tokens (B, Q - 1, E): logits (B, T, V) of what follows each.
Tensor coca_decode(Run *run, const Coca *m, Tensor tokens, Tensor image);

// What the tower's blocks gave, read through their taps: (count * B, T, Cv); row i * B + b is layer layers[i] of picture b. Layers
// count from 1, 0 is ln_pre's output. part: "", or ".ln_1", ".attn" (then a block's own module of that name).
Tensor coca_states(Run *run, const Model *model, Tensor pixels, const int *layers, int count, const char *part);

// Keys and values of texts of R rows, and of the image tokens (R, Q - 1, E) that they look at: computed here, once.
Cache *coca_cache(Arena *a, const Coca *m, const Device *device, int R, int capacity);
void coca_look(Run *run, const Coca *m, Tensor image_tokens, Cache *cache);
// Logits (R, V) behind the last of ids (R, T), which continue what the cache holds.
Tensor coca_continue(Run *run, const Coca *m, Tensor ids, Cache *cache);

extern const Family coca_family;

#endif
