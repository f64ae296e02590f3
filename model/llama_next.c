// llama_next.c: the scores of the next token, out of the last one's hidden state.
#include "llama.h"

static Tensor capped(Run *run, const Llama *m, Tensor logits) { return m->cfg.final_softcap > 0 ? softcap(run, logits, m->cfg.final_softcap) : logits; }

Tensor llama_logits(Run *run, const Llama *m, Tensor hidden) { return capped(run, m, tap(run, linear(run, hidden, m->head, NO_TENSOR), "lm_head")); }

// Who taps something gets the norm of all tokens, under its names. Else it is of those that are asked for, and within the product where the device
// does so.
Tensor llama_next(Run *run, const Llama *m, Tensor x, Cache *cache) {
    const long B = x.shape[0], T = x.shape[1];
    const bool apart = run->taps || m->cfg.norm == NORM_PLAIN;
    x = apart ? llama_forward(run, m, x, NO_TENSOR, cache) : llama_layers(run, m, x, NO_TENSOR, cache);
    if (T > 1) x = rows_slice(run, x, T - 1, T);
    x = tensor_view(x, DIMS(B, m->cfg.C));
    if (apart) return llama_logits(run, m, x);
    const Rms norm = llama_rms(&m->cfg, m->norm);
    Tensor logits;
    linears(run, &logits, 1, x, &norm, &m->head, (Tensor[]){NO_TENSOR});
    return capped(run, m, logits);
}
