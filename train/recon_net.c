// recon_net.c: see recon_net.h. Letters: B images, T tokens in, O channels out, h width, H heads.
// Dropout as in PyTorch's encoder layers: of the attention's weights, after it, inside the feed-forward and after it.
// Initial values are PyTorch's (spec 5.1).
#include "recon_net.h"

#include <math.h>

enum { DROPOUTS = 4096 }; // streams that one step may use

typedef struct {
    Tensor w, b;
} Dense;

typedef struct {
    Dense dense, norm;
} TokenLayer; // the last one has no norm

typedef struct {
    Dense q, k, v, out, up, down, norm1, norm2;
} Block;

struct ReconNet {
    ReconConfig cfg;
    TokenLayer *layers;                  // A
    Dense in1, in2;                      // into the width; B has in1 only
    Tensor positions;                    // (T, h)
    Block *blocks;
    Dense mix1, mix2, out1, out2, norm;  // C: T -> 2 T_out -> T_out, then h -> 2h -> O; B: out1 and norm
};

typedef struct {
    Arena *arena;
    Recon *recon;
    ReconParameter *make;
} Maker;

// PyTorch's Linear: weight and bias uniform within 1/sqrt(in).
static Dense dense(const Maker *m, const char *name, long in, long out) {
    Dense d = {.w = m->make(m->recon, arena_print(m->arena, "%s.weight", name), DIMS(out, in), INIT_UNIFORM_FAN, 1)};
    d.b = m->make(m->recon, arena_print(m->arena, "%s.bias", name), DIMS(out), INIT_UNIFORM, 1 / sqrt((double)in));
    return d;
}

// A projection of attention: q, k and v are Xavier-uniform as one (3h, h) matrix; all biases begin at zero.
static Dense projection(const Maker *m, const char *name, long h, bool out) {
    double bound = out ? 1 / sqrt((double)h) : sqrt(6.0 / (double)(4 * h));
    Dense d = {.w = m->make(m->recon, arena_print(m->arena, "%s.weight", name), DIMS(h, h), INIT_UNIFORM, bound)};
    d.b = m->make(m->recon, arena_print(m->arena, "%s.bias", name), DIMS(h), INIT_CONSTANT, 0);
    return d;
}

static Dense norm(const Maker *m, const char *name, long n) {
    Dense d = {.w = m->make(m->recon, arena_print(m->arena, "%s.weight", name), DIMS(n), INIT_CONSTANT, 1)};
    d.b = m->make(m->recon, arena_print(m->arena, "%s.bias", name), DIMS(n), INIT_CONSTANT, 0);
    return d;
}

static void tokens_new(ReconNet *net, const Maker *m) {
    const ReconConfig *c = &net->cfg;
    net->layers = take_zero(m->arena, TokenLayer, (size_t)c->layers);
    for (int l = 0; l < c->layers; l++) {
        long in = l < 2 ? c->I : c->h, out = l == 0 ? c->I : l == c->layers - 1 ? c->O : c->h;
        net->layers[l].dense = dense(m, arena_print(m->arena, "layers.%d", l), in, out);
        if (l < c->layers - 1) net->layers[l].norm = norm(m, arena_print(m->arena, "norms.%d", l), out);
    }
}

static void blocks_new(ReconNet *net, const Maker *m, long inner) {
    long h = net->cfg.h;
    net->blocks = take(m->arena, Block, (size_t)net->cfg.layers);
    for (int l = 0; l < net->cfg.layers; l++) {
        Block *k = &net->blocks[l];
        const char *name = arena_print(m->arena, "encoder.layers.%d", l);
        k->q = projection(m, arena_print(m->arena, "%s.self_attn.q_proj", name), h, false);
        k->k = projection(m, arena_print(m->arena, "%s.self_attn.k_proj", name), h, false);
        k->v = projection(m, arena_print(m->arena, "%s.self_attn.v_proj", name), h, false);
        k->out = projection(m, arena_print(m->arena, "%s.self_attn.out_proj", name), h, true);
        k->up = dense(m, arena_print(m->arena, "%s.linear1", name), h, inner);
        k->down = dense(m, arena_print(m->arena, "%s.linear2", name), inner, h);
        k->norm1 = norm(m, arena_print(m->arena, "%s.norm1", name), h);
        k->norm2 = norm(m, arena_print(m->arena, "%s.norm2", name), h);
    }
}

size_t recon_net_parameters(const ReconConfig *c) { return (size_t)c->layers * 16 + 16; }

ReconNet *recon_net_new(Arena *a, const ReconConfig *c, Recon *r, ReconParameter *make) {
    ReconNet *net = take_zero(a, ReconNet, 1);
    net->cfg = *c;
    Maker m = {.arena = a, .recon = r, .make = make};
    if (c->kind == RECON_TOKENS) {
        tokens_new(net, &m);
        return net;
    }
    need(c->heads > 0 && c->h % c->heads == 0, "a reconstructor %d wide does not divide into %d heads", c->h, c->heads);
    need(c->T_in > 0 && c->T_out > 0, "a reconstructor with attention needs the numbers of tokens, not %d and %d", c->T_in, c->T_out);
    need(c->kind == RECON_MIXER || c->T_in == c->T_out, "the encoder rebuilds token by token: %d tokens are not %d", c->T_in, c->T_out);
    long h = c->h;
    if (c->kind == RECON_ENCODER) net->in1 = dense(&m, "input", c->I, h);
    else net->in1 = dense(&m, "input.0", c->I, 2 * h), net->in2 = dense(&m, "input.2", 2 * h, h);
    net->positions = make(r, "positions", DIMS(c->T_in, h), INIT_NORMAL, 1);
    blocks_new(net, &m, c->kind == RECON_ENCODER ? 2048 : 4 * h);
    if (c->kind == RECON_ENCODER) {
        net->out1 = dense(&m, "output", h, c->O);
        net->norm = norm(&m, "norm", c->O);
    } else {
        net->mix1 = dense(&m, "tokens.0", c->T_in, 2 * c->T_out), net->mix2 = dense(&m, "tokens.2", 2 * c->T_out, c->T_out);
        net->out1 = dense(&m, "output.0", h, 2 * h), net->out2 = dense(&m, "output.2", 2 * h, c->O);
    }
    return net;
}

// ---- forward

static Tensor apply(Run *run, Tensor x, Dense d) { return linear(run, x, d.w, d.b); }
static Tensor normal(Run *run, Tensor x, Dense d) { return layernorm(run, x, d.w, d.b, 1e-5f); }

typedef struct {
    const ReconNet *net;
    uint64_t next; // stream of the next dropout
} Drops;

static Tensor drop(Run *run, Tensor x, Drops *d) { return dropout(run, x, (float)d->net->cfg.dropout, d->net->cfg.seed, d->next++); }

static Tensor attend(Run *run, const ReconNet *net, const Block *k, Tensor x, Drops *d) {
    Tensor a = attention(run, apply(run, x, k->q), apply(run, x, k->k), apply(run, x, k->v), (AttnShape){.heads = net->cfg.heads, .dropout = (float)net->cfg.dropout, .seed = net->cfg.seed, .stream = d->next++});
    return drop(run, apply(run, a, k->out), d);
}

static Tensor feed(Run *run, const Block *k, Tensor x, Act act, Drops *d) {
    return drop(run, apply(run, drop(run, activation(run, apply(run, x, k->up), act), d), k->down), d);
}

// C's way from T_in to T_out tokens: a two-layer network along the tokens, for every image and channel.
static Tensor mix(Run *run, const ReconNet *net, Tensor x) {
    long B = x.shape[0], T = net->cfg.T_in, h = net->cfg.h;
    Tensor flat = tensor_view(x, DIMS(1, B * T, h)), all = NO_TENSOR;
    for (long b = 0; b < B; b++) {
        Tensor one = transpose(run, tensor_view(rows_slice(run, flat, b * T, (b + 1) * T), DIMS(T, h))); // (h, T)
        one = transpose(run, apply(run, activation(run, apply(run, one, net->mix1), ACT_GELU), net->mix2));
        one = tensor_view(one, DIMS(1, net->cfg.T_out, h));
        all = b ? concat_tokens(run, all, one) : one;
    }
    return tensor_view(all, DIMS(B, net->cfg.T_out, h));
}

static Tensor tokens_forward(Run *run, const ReconNet *net, Tensor x, Drops *d) {
    for (int l = 0; l < net->cfg.layers; l++) {
        const TokenLayer *k = &net->layers[l];
        x = apply(run, x, k->dense);
        if (l + 1 < net->cfg.layers) x = drop(run, activation(run, normal(run, x, k->norm), ACT_GELU), d);
    }
    return x;
}

Tensor recon_net_forward(Run *run, const ReconNet *net, Tensor x, uint64_t step) {
    Drops d = {.net = net, .next = step * DROPOUTS};
    if (net->cfg.kind == RECON_TOKENS) return tokens_forward(run, net, x, &d);
    need(x.shape[1] == net->cfg.T_in, "a reconstructor for %d tokens is given %ld", net->cfg.T_in, x.shape[1]);
    bool mixer = net->cfg.kind == RECON_MIXER;
    x = apply(run, x, net->in1);
    if (mixer) x = apply(run, activation(run, x, ACT_GELU), net->in2);
    x = add_rows(run, x, net->positions);
    for (int l = 0; l < net->cfg.layers; l++) {
        const Block *k = &net->blocks[l];
        if (mixer) { // norms first, ReLU
            x = add(run, x, attend(run, net, k, normal(run, x, k->norm1), &d));
            x = add(run, x, feed(run, k, normal(run, x, k->norm2), ACT_RELU, &d));
        } else { // norms last, GELU
            x = normal(run, add(run, x, attend(run, net, k, x, &d)), k->norm1);
            x = normal(run, add(run, x, feed(run, k, x, ACT_GELU, &d)), k->norm2);
        }
    }
    if (!mixer) return normal(run, apply(run, x, net->out1), net->norm);
    return apply(run, activation(run, apply(run, mix(run, net, x), net->out1), ACT_GELU), net->out2);
}
