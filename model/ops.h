// ops.h: the whole list of operations. A model file is written in these and nothing else.
//
// Letters: B images or texts, T tokens, C width, H query heads, G key/value heads, D head width, R rows
// (all dimensions but the last, multiplied), I/O inputs/outputs of a linear layer, V vocabulary.
//
// Every operation checks shapes first and dies naming both; takes its result from the run's arena; does no
// arithmetic in a dry run; leaves a record on the tape when one is set. Activations are f32; weights may be
// f32, bf16 or f16 and are widened where they are used.
//
// The f32 contract: each output element is summed in one fixed order (products over k ascending with fused
// multiply-add; norms and softmax sums in sixteen running sums), so results are the same bits for every thread
// count, batch size, position in the batch and instruction set.
#ifndef RETINA_MODEL_OPS_H
#define RETINA_MODEL_OPS_H

#include "run.h"

// Formulas: models.md 2. GELU is the exact one (erf).
typedef enum { ACT_NONE, ACT_GELU, ACT_GELU_TANH, ACT_QUICK_GELU, ACT_SILU, ACT_RELU, ACT_TANH, ACT_SIGMOID } Act;
typedef enum { RMS_PLAIN, RMS_ZERO_CENTRED } RmsKind; // times w, or times 1 + w (Gemma, Qwen3.5)
typedef struct {
    Tensor w;
    float eps;
    RmsKind kind;
} Rms;
Act act_named(const char *name, const char *where); // a config's hidden_act; dies on an unknown name

// ---- linear algebra
Tensor linear(Run *run, Tensor x, Tensor w, Tensor b); // (…, I) · (O, I)ᵀ + (O) -> (…, O); b may be NO_TENSOR
// activation(tap(linear(x, w, b), name), act), in one pass over the result where nobody asked for that tap.
Tensor linear_activated(Run *run, Tensor x, Tensor w, Tensor b, Act act, const char *name, ...) PRINTF_LIKE(6, 7);
// add_into(x, y) of y = linear(h, w, b), which is what MODULE.last gives and MODULE with it; in one pass where nobody asked for these two taps.
// next, or NULL: the norm that reads x then, of which a device may leave the result besides.
typedef struct {
    Rms norm;
    Tensor to; // NO_TENSOR: by none
    bool done; // rmsnorm_rounded(x) lies there
} NormNext;
Tensor linear_into(Run *run, Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next, const char *last, const char *module, ...) PRINTF_LIKE(8, 9);
NormNext next_room(Run *run, Tensor x); // where a device may leave norms of tensors like x
// linear(x, w[i], b[i]) for i < count <= 3, which a device may do at once; of rmsnorm_rounded(x) where a norm is given, else NULL.
void linears(Run *run, Tensor *out, int count, Tensor x, const Rms *norm, const Tensor *w, const Tensor *b);
// activation(linear(x, w, b), act) * linear(x, up_w, up_b), likewise. Who asks for a tap of one of them takes them apart.
Tensor linear_gated(Run *run, Tensor x, const Rms *norm, Tensor w, Tensor b, Act act, Tensor up_w, Tensor up_b);
Tensor embedding(Run *run, Tensor table, Tensor ids);  // (V, C), i32 (B, T) -> (B, T, C); an id outside dies

// ---- norms, over the last dimension
Tensor layernorm(Run *run, Tensor x, Tensor w, Tensor b, float eps); // biased variance, eps inside the root; w, b may be NO_TENSOR
Tensor rmsnorm(Run *run, Tensor x, Tensor w, float eps, RmsKind kind);
Tensor l2norm(Run *run, Tensor x, float floor); // x / max(||x||, floor) per row

// ---- for products
// linear and norms whose results only products read (linear layers, attention). Where products are in bf16 those round them anyway, so a GPU keeps
// such a result in bf16 (device.h, rounds_from), as it keeps that of linear_activated, attention and mul. What else reads one sees the rounded numbers.
Tensor linear_rounded(Run *run, Tensor x, Tensor w, Tensor b);
Tensor layernorm_rounded(Run *run, Tensor x, Tensor w, Tensor b, float eps);
Tensor rmsnorm_rounded(Run *run, Tensor x, Tensor w, float eps, RmsKind kind);

// ---- elementwise
Tensor activation(Run *run, Tensor x, Act act);
Tensor add(Run *run, Tensor a, Tensor b);      // same shape
Tensor add_into(Run *run, Tensor x, Tensor h); // x + h, into x's own memory unless a tape needs the old x
Tensor add_rows(Run *run, Tensor x, Tensor rows); // (B, T, C) + (T, C), or (…, C) + (C)
Tensor mul(Run *run, Tensor a, Tensor b);      // same shape
Tensor mul_row(Run *run, Tensor x, Tensor row); // (…, C) times (C)
Tensor scale(Run *run, Tensor x, float factor);
Tensor softcap(Run *run, Tensor x, float cap); // cap * tanh(x / cap)
Tensor clamp(Run *run, Tensor x, float low, float high);

// ---- moving rows
Tensor patchify(Run *run, Tensor pixels, int P);         // (B, 3, h, w) -> (B, (h/P)(w/P), 3·P·P), a row ordered (channel, y, x)
Tensor prepend_row(Run *run, Tensor x, Tensor row);      // (B, T, C), (C) -> (B, T+1, C)
Tensor rows_slice(Run *run, Tensor x, long begin, long end); // (B, T, C) -> (B, end-begin, C), tokens [begin, end)
Tensor rows_at(Run *run, Tensor x, Tensor index);        // (B, T, C), i32 (B) -> (B, C): one token of each
// (B, T, C) with the rows at flat positions index[0..n) (b*T + t) replaced by the n rows of `rows`, in order.
Tensor rows_put(Run *run, Tensor x, Tensor index, Tensor rows);
// store (B, capacity, C): x (B, T, C) goes to tokens at[b] … of each; the store is changed in place (key/value caches). A store
// of bf16 takes the nearest, ties to even; attention reads such keys and values.
void rows_store(Run *run, Tensor store, Tensor x, const int32_t *at);
Tensor concat_last(Run *run, Tensor a, Tensor b);        // (…, Ca), (…, Cb) -> (…, Ca+Cb)
Tensor concat_tokens(Run *run, Tensor a, Tensor b);      // (B, Ta, C), (B, Tb, C) -> (B, Ta+Tb, C)
Tensor mean_tokens(Run *run, Tensor x);                  // (B, T, C) -> (B, C)
Tensor slice_last(Run *run, Tensor x, long begin, long end); // columns [begin, end)

// ---- attention
// Rotary position embedding, half-split: within the first 2*tensor_last(cos) channels of each head,
// out[j] = x[j] cos - x[j+d/2] sin, out[j+d/2] = x[j+d/2] cos + x[j] sin. x (B, T, heads*D);
// cos, sin f32 (T, d/2) or (B, T, d/2).
Tensor rotary(Run *run, Tensor x, Tensor cos, Tensor sin, int heads);
// cos and sin of position * frequency: positions i32 (B, T) or (T), frequencies f32 (d/2).
void rotary_tables(Run *run, Tensor *cos, Tensor *sin, Tensor positions, Tensor frequencies);
// rotary(q); and rotary(key) and v into the stores of keys and values at tokens at[b] … of each, as rows_store: what stands between a layer's
// products and its attention where a text is continued, and may be done at once.
Tensor rotary_stored(Run *run, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, int heads, Tensor keys, Tensor values, const int32_t *at);

typedef struct {
    int heads, kv_heads; // kv_heads 0: as heads. Query head h uses key/value head h / (heads / kv_heads)
    float scale;         // 0: D^-0.5
    bool causal;         // key j is visible to query i iff j <= i + (Tk - Tq)
    int window;          // > 0: and i + (Tk - Tq) - j < window
    float softcap;       // > 0: scores become cap * tanh(score / cap)
    const int32_t *key_lengths; // (B): only the first keys of each are visible (then causal counts from there); NULL: all
    Tensor key_mask;            // u8 (B, Tk), 0 hides the key; or NO_TENSOR
    Tensor mask;                // f32 (Tq, Tk), added to the scores; or NO_TENSOR
    float dropout;              // > 0: of the weights, with a tape only, as dropout() below with this seed and stream
    uint64_t seed, stream;
} AttnShape;
// q (B, Tq, H*D), k and v (B, Tk, G*D) -> (B, Tq, H*D). A query that sees no key gives zeros.
Tensor attention(Run *run, Tensor q, Tensor k, Tensor v, AttnShape shape);
// attention(rotary_stored(q, key, v, …), keys, values, shape), which a device may do at once.
Tensor attention_stored(Run *run, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, Tensor keys, Tensor values, const int32_t *at, AttnShape shape);
// softmax(scores) (B, H, Tq, Tk), for taps only.
Tensor attention_weights(Run *run, Tensor q, Tensor k, AttnShape shape);

// ---- losses (train/ calls them; they record like any other operation)
// Mean over rows with target >= 0 of -log softmax(logits)[target]; targets i32 (R). -> (1)
Tensor cross_entropy(Run *run, Tensor logits, Tensor targets);
Tensor mean_squared(Run *run, Tensor a, Tensor b); // -> (1)
Tensor transpose(Run *run, Tensor x);              // (R, C) -> (C, R)
Tensor scale_by(Run *run, Tensor x, Tensor factor); // times one number that may be trained: factor (1)
Tensor exp_of(Run *run, Tensor x);
Tensor dropout(Run *run, Tensor x, float p, uint64_t seed, uint64_t stream); // identity without a tape; kept values / (1-p)

// ---- what a tape sees

typedef enum {
    OP_LINEAR, OP_EMBEDDING, OP_LAYERNORM, OP_RMSNORM, OP_L2NORM, OP_ACTIVATION, OP_ADD, OP_ADD_ROWS, OP_MUL, OP_MUL_ROW,
    OP_SCALE, OP_SOFTCAP, OP_CLAMP, OP_PATCHIFY, OP_PREPEND_ROW, OP_ROWS_SLICE, OP_ROWS_AT, OP_ROWS_PUT, OP_CONCAT_LAST,
    OP_CONCAT_TOKENS, OP_MEAN_TOKENS, OP_SLICE_LAST, OP_ROTARY, OP_ATTENTION, OP_CROSS_ENTROPY, OP_MEAN_SQUARED,
    OP_TRANSPOSE, OP_SCALE_BY, OP_EXP, OP_DROPOUT
} OpKind;

typedef struct {
    OpKind kind;
    Tensor out;
    Tensor in[4]; // as the function's tensor arguments, in order; absent ones are NO_TENSOR
    int inputs;
    float number, number2; // eps, factor, cap, floor, low/high, p
    int choice;            // Act, RmsKind, P, heads
    long begin, end;       // slices
    uint64_t seed, stream; // dropout
    AttnShape attn;
} OpRecord;

struct Recorder {
    // Called after the operation, only if an input has a node; returns the output's node.
    int (*record)(Recorder *self, const OpRecord *op);
};

#endif
