// backward_attention.c: gradients of rotary positions and of attention.
#include "backward.h"

void backward_rotary(Backward *w, const OpRecord *op, const float *g) {
    Tensor x = op->in[0];
    float *d = gradient_zeroed(w, x);
    if (d)
        w->to->rotary(d, g, f32(op->in[1]), f32(op->in[2]), x.shape[0] * x.shape[1], op->choice, x.shape[2] / op->choice, tensor_last(op->in[1]),
                      tensor_rows(op->in[1]));
}

void backward_attention(Backward *w, const OpRecord *op, const float *g) {
    Tensor q = op->in[0], k = op->in[1], v = op->in[2];
    const AttnShape *s = &op->attn;
    Attention a = {.q = f32(q), .k = f32(k), .v = f32(v), .B = q.shape[0], .Tq = q.shape[1], .Tk = k.shape[1], .H = s->heads, .G = s->kv_heads,
                   .D = q.shape[2] / s->heads, .scale = s->scale, .softcap = s->softcap, .causal = s->causal, .window = s->window,
                   .key_lengths = s->key_lengths, .key_mask = s->key_mask.data, .mask = f32(s->mask), .dropout = s->dropout, .seed = s->seed,
                   .stream = s->stream};
    AttentionGradient to = {.g = g};
    to.dq = gradient_into(w, q, &to.fresh_q);
    to.dk = gradient_zeroed(w, k);
    to.dv = gradient_zeroed(w, v);
    w->to->attention(w->inner, &a, &to);
}
