// test_tape.c: gradients of every operation against central differences of the operation itself, chains of
// operations, the same bits for every number of threads (for every instruction set: test_gradients.c).
//
// Central differences in float: the loss sum(r * out), r random, is summed in double; steps of 2^-4 and 2^-5 with
// Richardson's extrapolation leave an error of h^4 and rounding of 1e-7 / h: about 1e-5 of the gradient's size for the
// smooth operations on values of size one. ALLOW below is 20 times what was measured for the worst of them.
// It caught, broken on purpose: dW with x and g exchanged, the mean term of layernorm dropped, sums for means in the
// norms, heads of a group mapped cyclically, the rotation not turned back, the softmax's sum dropped, dropout without
// its factor, rows under rows_put not hidden, rows without a target counted, a gradient's buffer taken over twice.
#include <math.h>
#include <string.h>

#include "io/random.h"
#include "io/thread.h"
#include "model/ops.h"
#include "test/check.h"
#include "train/tape.h"

enum { INPUTS = 4 };
#define ALLOW 3e-4

// One operation to check: builds its output from up to four float inputs.
typedef Tensor Build(Run *run, Tensor *in);

typedef struct {
    const char *name;
    Build *build;
    int inputs;
    long shape[INPUTS][3]; // closed by 0
    double low, high;      // range of the inputs
} Case;

static Arena *weights, *step;
static int32_t index_data[16];

static Tensor ids(int ndim, const long *shape) { return tensor_of(index_data, DTYPE_I32, ndim, shape); }

static Tensor b_linear(Run *r, Tensor *in) { return linear(r, in[0], in[1], in[2]); }
static Tensor b_linear_bare(Run *r, Tensor *in) { return linear(r, in[0], in[1], NO_TENSOR); }
static Tensor b_embedding(Run *r, Tensor *in) { return embedding(r, in[0], ids(DIMS(2, 3))); }
static Tensor b_layernorm(Run *r, Tensor *in) { return layernorm(r, in[0], in[1], in[2], 1e-5f); }
static Tensor b_layernorm_bare(Run *r, Tensor *in) { return layernorm(r, in[0], NO_TENSOR, NO_TENSOR, 1e-2f); }
static Tensor b_rmsnorm(Run *r, Tensor *in) { return rmsnorm(r, in[0], in[1], 1e-5f, RMS_PLAIN); }
static Tensor b_rmsnorm_one(Run *r, Tensor *in) { return rmsnorm(r, in[0], in[1], 1e-5f, RMS_ZERO_CENTRED); }
static Tensor b_l2norm(Run *r, Tensor *in) { return l2norm(r, in[0], 1e-12f); }
static Tensor b_l2norm_floor(Run *r, Tensor *in) { return l2norm(r, in[0], 50); }
static Tensor b_gelu(Run *r, Tensor *in) { return activation(r, in[0], ACT_GELU); }
static Tensor b_gelu_tanh(Run *r, Tensor *in) { return activation(r, in[0], ACT_GELU_TANH); }
static Tensor b_quick_gelu(Run *r, Tensor *in) { return activation(r, in[0], ACT_QUICK_GELU); }
static Tensor b_silu(Run *r, Tensor *in) { return activation(r, in[0], ACT_SILU); }
static Tensor b_relu(Run *r, Tensor *in) { return activation(r, in[0], ACT_RELU); }
static Tensor b_tanh(Run *r, Tensor *in) { return activation(r, in[0], ACT_TANH); }
static Tensor b_sigmoid(Run *r, Tensor *in) { return activation(r, in[0], ACT_SIGMOID); }
static Tensor b_add(Run *r, Tensor *in) { return add(r, in[0], in[1]); }
static Tensor b_add_self(Run *r, Tensor *in) { return add(r, in[0], in[0]); }
static Tensor b_add_into(Run *r, Tensor *in) { return mul(r, add_into(r, in[0], in[1]), in[0]); }
static Tensor b_add_rows(Run *r, Tensor *in) { return add_rows(r, in[0], in[1]); }
static Tensor b_mul(Run *r, Tensor *in) { return mul(r, in[0], in[1]); }
static Tensor b_mul_self(Run *r, Tensor *in) { return mul(r, in[0], in[0]); }
static Tensor b_mul_row(Run *r, Tensor *in) { return mul_row(r, in[0], in[1]); }
static Tensor b_scale(Run *r, Tensor *in) { return scale(r, in[0], -1.75f); }
static Tensor b_softcap(Run *r, Tensor *in) { return softcap(r, in[0], 1.5f); }
static Tensor b_clamp(Run *r, Tensor *in) { return clamp(r, in[0], -3, 3); }
static Tensor b_patchify(Run *r, Tensor *in) { return patchify(r, tensor_view(in[0], DIMS(2, 3, 5, 6)), 2); }
static Tensor b_prepend(Run *r, Tensor *in) { return prepend_row(r, in[0], in[1]); }
static Tensor b_rows_slice(Run *r, Tensor *in) { return rows_slice(r, in[0], 1, 3); }
static Tensor b_rows_at(Run *r, Tensor *in) { return rows_at(r, in[0], ids(DIMS(2))); }
static Tensor b_rows_put(Run *r, Tensor *in) { return rows_put(r, in[0], ids(DIMS(3)), in[1]); }
static Tensor b_concat_last(Run *r, Tensor *in) { return concat_last(r, in[0], in[1]); }
static Tensor b_concat_tokens(Run *r, Tensor *in) { return concat_tokens(r, in[0], in[1]); }
static Tensor b_mean_tokens(Run *r, Tensor *in) { return mean_tokens(r, in[0]); }
static Tensor b_slice_last(Run *r, Tensor *in) { return slice_last(r, in[0], 2, 5); }
static Tensor b_rotary(Run *r, Tensor *in) {
    Tensor c, s, at = tensor_of(index_data, DTYPE_I32, DIMS(4));
    static float f[2] = {1, 0.3f};
    rotary_tables(r, &c, &s, at, tensor_of(f, DTYPE_F32, DIMS(2)));
    return rotary(r, in[0], c, s, 2); // D = 5: one channel passes
}
static Tensor b_attention(Run *r, Tensor *in) { return attention(r, in[0], in[1], in[2], (AttnShape){.heads = 2}); }
static Tensor b_attention_causal(Run *r, Tensor *in) {
    return attention(r, in[0], in[1], in[2], (AttnShape){.heads = 4, .kv_heads = 2, .causal = true, .scale = 0.7f});
}
static Tensor b_attention_masked(Run *r, Tensor *in) {
    static uint8_t mask[10] = {1, 1, 0, 1, 1, 0, 0, 0, 1, 1};
    static float added[15] = {0.5f, -1, 0, 0.25f, 2, 0, 1, -0.5f, 0, 0, 1, 0, 0, 0, -2};
    return attention(r, in[0], in[1], in[2], (AttnShape){.heads = 2, .softcap = 1.25f, .window = 4,
                     .key_mask = tensor_of(mask, DTYPE_U8, DIMS(2, 5)), .mask = tensor_of(added, DTYPE_F32, DIMS(3, 5))});
}
static Tensor b_attention_dropped(Run *r, Tensor *in) {
    return attention(r, in[0], in[1], in[2], (AttnShape){.heads = 2, .dropout = 0.4f, .seed = 5, .stream = 9, .softcap = 2});
}
static Tensor b_attention_self(Run *r, Tensor *in) { return attention(r, in[0], in[0], in[0], (AttnShape){.heads = 2, .causal = true}); }
static Tensor b_cross_entropy(Run *r, Tensor *in) { return cross_entropy(r, in[0], tensor_of(index_data + 8, DTYPE_I32, DIMS(4))); }
static Tensor b_mean_squared(Run *r, Tensor *in) { return mean_squared(r, in[0], in[1]); }
static Tensor b_transpose(Run *r, Tensor *in) { return transpose(r, in[0]); }
static Tensor b_scale_by(Run *r, Tensor *in) { return scale_by(r, in[0], in[1]); }
static Tensor b_exp(Run *r, Tensor *in) { return exp_of(r, in[0]); }
static Tensor b_dropout(Run *r, Tensor *in) { return dropout(r, in[0], 0.3f, 7, 9); }
static Tensor b_chain(Run *r, Tensor *in) { // a tensor that is read three times
    Tensor h = layernorm(r, in[0], in[1], NO_TENSOR, 1e-5f);
    Tensor y = activation(r, linear(r, h, in[2], NO_TENSOR), ACT_SILU);
    return add(r, add(r, in[0], y), mul(r, h, in[0]));
}

static const Case cases[] = {
    {"linear", b_linear, 3, {{2, 3, 5}, {7, 5}, {7}}, -1, 1},
    {"linear, wide", b_linear, 3, {{3, 21, 19}, {35, 19}, {35}}, -1, 1},
    {"linear without bias", b_linear_bare, 2, {{4, 5}, {3, 5}}, -1, 1},
    {"embedding", b_embedding, 1, {{6, 4}}, -1, 1},
    {"layernorm", b_layernorm, 3, {{3, 21}, {21}, {21}}, -1, 1},
    {"layernorm, bare", b_layernorm_bare, 1, {{2, 2, 9}}, -1, 1},
    {"rmsnorm", b_rmsnorm, 2, {{3, 18}, {18}}, -1, 1},
    {"rmsnorm, zero-centred", b_rmsnorm_one, 2, {{3, 17}, {17}}, -1, 1},
    {"l2norm", b_l2norm, 1, {{3, 18}}, -1, 1},
    {"l2norm under its floor", b_l2norm_floor, 1, {{3, 18}}, -1, 1},
    {"gelu", b_gelu, 1, {{5, 9}}, -4, 4},
    {"gelu_tanh", b_gelu_tanh, 1, {{5, 9}}, -4, 4},
    {"quick_gelu", b_quick_gelu, 1, {{5, 9}}, -4, 4},
    {"silu", b_silu, 1, {{5, 9}}, -4, 4},
    {"relu", b_relu, 1, {{5, 9}}, 0.2, 4},
    {"relu, off", b_relu, 1, {{5, 9}}, -4, 4},
    {"tanh", b_tanh, 1, {{5, 9}}, -2, 2},
    {"sigmoid", b_sigmoid, 1, {{5, 9}}, -4, 4},
    {"add", b_add, 2, {{3, 4}, {3, 4}}, -1, 1},
    {"add, itself", b_add_self, 1, {{3, 4}}, -1, 1},
    {"add_into", b_add_into, 2, {{3, 4}, {3, 4}}, -1, 1},
    {"add_rows, a table", b_add_rows, 2, {{3, 4, 5}, {4, 5}}, -1, 1},
    {"add_rows, one", b_add_rows, 2, {{3, 4, 5}, {5}}, -1, 1},
    {"mul", b_mul, 2, {{3, 4}, {3, 4}}, -1, 1},
    {"mul, itself", b_mul_self, 1, {{3, 4}}, -1, 1},
    {"mul_row", b_mul_row, 2, {{3, 4, 5}, {5}}, -1, 1},
    {"scale", b_scale, 1, {{3, 4}}, -1, 1},
    {"softcap", b_softcap, 1, {{3, 4}}, -2, 2},
    {"clamp, inside", b_clamp, 1, {{3, 4}}, -2, 2},
    {"patchify", b_patchify, 1, {{2, 3, 30}}, -1, 1},
    {"prepend_row", b_prepend, 2, {{2, 3, 4}, {4}}, -1, 1},
    {"rows_slice", b_rows_slice, 1, {{2, 4, 3}}, -1, 1},
    {"rows_at", b_rows_at, 1, {{2, 5, 3}}, -1, 1},
    {"rows_put", b_rows_put, 2, {{2, 3, 4}, {3, 4}}, -1, 1},
    {"concat_last", b_concat_last, 2, {{2, 3, 4}, {2, 3, 2}}, -1, 1},
    {"concat_tokens", b_concat_tokens, 2, {{2, 3, 4}, {2, 2, 4}}, -1, 1},
    {"mean_tokens", b_mean_tokens, 1, {{2, 3, 4}}, -1, 1},
    {"slice_last", b_slice_last, 1, {{2, 3, 6}}, -1, 1},
    {"rotary", b_rotary, 1, {{2, 4, 10}}, -1, 1},
    {"attention", b_attention, 3, {{2, 3, 10}, {2, 5, 10}, {2, 5, 10}}, -1, 1},
    {"attention, causal, shared keys", b_attention_causal, 3, {{2, 3, 20}, {2, 5, 10}, {2, 5, 10}}, -1, 1},
    {"attention, masks, cap, window", b_attention_masked, 3, {{2, 3, 10}, {2, 5, 10}, {2, 5, 10}}, -1, 1},
    {"attention, dropped weights", b_attention_dropped, 3, {{2, 3, 10}, {2, 5, 10}, {2, 5, 10}}, -1, 1},
    {"attention, one tensor thrice", b_attention_self, 1, {{2, 37, 36}}, -1, 1},
    {"cross_entropy", b_cross_entropy, 1, {{4, 6}}, -2, 2},
    {"mean_squared", b_mean_squared, 2, {{4, 6}, {4, 6}}, -2, 2},
    {"transpose", b_transpose, 1, {{4, 6}}, -2, 2},
    {"scale_by", b_scale_by, 2, {{4, 6}, {1}}, -2, 2},
    {"exp_of", b_exp, 1, {{4, 6}}, -2, 2},
    {"dropout", b_dropout, 1, {{4, 60}}, -2, 2},
    {"chain", b_chain, 3, {{4, 6}, {6}, {6, 6}}, -1, 1},
};

static int dims(const long *shape) {
    int n = 0;
    while (n < 3 && shape[n]) n++;
    return n;
}

// sum over i of r[i] * out[i], in double
static double loss_of(const Case *c, Tape *tape, Tensor *in, float *gradients) {
    Mark mark = arena_mark(step);
    tape_begin(tape);
    Run *run = run_new(step);
    run->recorder = tape_recorder(tape);
    Tensor out = c->build(run, in);
    size_t n = tensor_count(out);
    float *r = take(step, float, n);
    Rng rng = rng_of(3, "cotangent");
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        r[i] = (float)(2 * rng_uniform(rng, i) - 1);
        sum += (double)r[i] * (double)f32(out)[i];
    }
    if (gradients) {
        tape_zero(tape);
        tape_seed(tape, step, out, r);
        tape_backward(tape, step, NO_TENSOR, 1);
        for (int k = 0; k < c->inputs; k++) {
            memcpy(gradients, tape_gradient(tape, in[k]), tensor_bytes(in[k]));
            gradients += tensor_count(in[k]);
        }
    }
    arena_release(step, mark);
    return sum;
}

static size_t inputs_make(const Case *c, Tape *tape, Tensor *in) {
    size_t total = 0;
    for (int k = 0; k < c->inputs; k++) {
        Tensor x = tensor_take(weights, DTYPE_F32, dims(c->shape[k]), c->shape[k]);
        Rng rng = rng_of((uint64_t)k, c->name);
        for (size_t i = 0; i < tensor_count(x); i++) f32(x)[i] = (float)(c->low + (c->high - c->low) * rng_uniform(rng, i));
        if (strcmp(c->name, "relu, off") == 0) // away from the corner
            for (size_t i = 0; i < tensor_count(x); i++)
                if (fabsf(f32(x)[i]) < 0.2f) f32(x)[i] = -1;
        in[k] = tape_parameter(tape, x);
        total += tensor_count(x);
    }
    return total;
}

static void check_case(const Case *c) {
    Tape *tape = tape_new(weights);
    Tensor in[INPUTS];
    size_t total = inputs_make(c, tape, in), at = 0;
    float *got = take(weights, float, total), *want = take(weights, float, total);
    loss_of(c, tape, in, got);
    for (int k = 0; k < c->inputs; k++)
        for (size_t i = 0; i < tensor_count(in[k]); i++) {
            float *x = &f32(in[k])[i], was = *x;
            double slope[2];
            for (int s = 0; s < 2; s++) {
                float h = s ? 0x1p-5f : 0x1p-4f, up = was + h, down = was - h;
                *x = up;
                double above = loss_of(c, tape, in, NULL);
                *x = down;
                slope[s] = (above - loss_of(c, tape, in, NULL)) / ((double)up - (double)down);
                *x = was;
            }
            want[at++] = (float)((4 * slope[1] - slope[0]) / 3);
        }
    check_near(c->name, got, want, total, ALLOW);
    int threads[] = {1, 2, 5};
    float *again = take(weights, float, total);
    bool same = true;
    for (int t = 0; t < 3; t++) {
        threads_set(threads[t]);
        loss_of(c, tape, in, again);
        same = same && memcmp(again, got, total * sizeof *got) == 0;
    }
    check(same, "%s: the same bits on 1, 2 and 5 threads", c->name);
}

// A weight that is used twice, one that nobody uses, and a second pass with and without tape_zero before it.
static void check_zero(void) {
    enum { R = 3, I = 5, O = 4 };
    Tape *tape = tape_new(weights);
    float *numbers = take(weights, float, R * I + O * I), *one = take(weights, float, O * I), *ones = take(weights, float, R * O), none[O] = {0};
    for (int i = 0; i < R * I + O * I; i++) numbers[i] = (float)rng_normal(rng_of(5, "numbers"), (uint64_t)i);
    for (int i = 0; i < R * O; i++) ones[i] = 1;
    Tensor x = tensor_of(numbers, DTYPE_F32, DIMS(1, R, I)), w = tape_parameter(tape, tensor_of(numbers + R * I, DTYPE_F32, DIMS(O, I)));
    Tensor unused = tape_parameter(tape, tensor_of(take_zero(weights, float, O), DTYPE_F32, DIMS(O)));
    for (int pass = 0; pass < 4; pass++) { // once; once more on top; anew; anew with the weight used twice
        Mark mark = arena_mark(step);
        tape_begin(tape);
        if (pass != 1) {
            for (int i = 0; i < O; i++) tape_gradient(tape, unused)[i] = NAN;
            tape_zero(tape);
        }
        Run *run = run_new(step);
        run->recorder = tape_recorder(tape);
        for (int use = 0; use < (pass == 3 ? 2 : 1); use++) tape_seed(tape, step, linear(run, x, w, NO_TENSOR), ones);
        tape_backward(tape, step, NO_TENSOR, 1);
        const float *got = tape_gradient(tape, w);
        if (pass == 0) memcpy(one, got, O * I * sizeof *one);
        bool right = true;
        for (int i = 0; i < O * I; i++) right = right && one[i] != 0 && fabsf(got[i] - one[i] * (float)(pass % 2 ? 2 : 1)) <= 1e-6f * fabsf(got[i]) + 1e-6f;
        check(right, "gradients of a weight, pass %d", pass);
        check(memcmp(tape_gradient(tape, unused), none, sizeof none) == 0, "nobody's gradient is zero, pass %d", pass);
        arena_release(step, mark);
    }
}

int main(void) {
    weights = arena_new("test weights"), step = arena_new("test step");
    const int32_t values[16] = {2, 0, 5, 2, 1, 4, 0, 3, 1, -1, 5, 0};
    memcpy(index_data, values, sizeof values);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
    check_zero();
    return check_end();
}
