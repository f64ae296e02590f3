// tape.c: nodes, lines and the walk. The gradients of the operations are in backward_*.c.
//
// Nodes 1 … P are the parameters, later ones the outputs of the current pass. Gradient buffers of outputs are taken
// from the scratch arena and used again as soon as the operation that made the output has been walked: a pass of
// many blocks touches the same few buffers, which then stay in the cache.
#include "tape.h"

#include "backward.h"

typedef struct {
    float *gradient;
    size_t count;
    bool zero; // a parameter's: its numbers stand for zeros, and are made so when somebody wants them
} Node;

// Gradients of parameters lie one behind the other in few pieces of memory, so that a step begins with few commands, not one for each.
typedef struct {
    float *begin;
    size_t used, room;
} Pool;
enum { POOL_FIRST = 1 << 14, POOL_MOST = 1 << 22, POOL_STEP = 16 }; // numbers; a gradient begins on 64 bytes

struct Tape {
    Recorder recorder; // first: the recorder is the tape
    const Device *device;
    Arena *arena;
    Node *nodes; // nodes[0] is nobody
    size_t node_count, node_room, parameter_count;
    Tensor *parameters;
    size_t parameter_room;
    Pool *pools;
    size_t pool_count, pool_room;
    OpRecord *lines;
    size_t line_count, line_room;
};

// Temporaries of one operation's gradient, for all tapes of the process: its pages stay warm from step to step.
static Arena *inner;

typedef struct Buffer {
    struct Buffer *next;
    float *numbers;
    size_t count;
} Buffer;

static float *floats_on(Arena *a, const Device *device, size_t n) { return f32(tensor_take_on(a, device, DTYPE_F32, DIMS((long)n))); }

static int node_add(Tape *t, size_t count) {
    if (t->node_count == t->node_room) {
        t->nodes = arena_grow(t->arena, t->nodes, t->node_count, t->node_room * 2, sizeof *t->nodes);
        t->node_room *= 2;
    }
    t->nodes[t->node_count] = (Node){.count = count};
    return (int)t->node_count++;
}

static int tape_record(Recorder *self, const OpRecord *op) {
    Tape *t = (Tape *)self;
    if (t->line_count == t->line_room) {
        t->lines = arena_grow(t->arena, t->lines, t->line_count, t->line_room * 2, sizeof *t->lines);
        t->line_room *= 2;
    }
    OpRecord *line = &t->lines[t->line_count++];
    *line = *op;
    line->out.node = node_add(t, tensor_count(op->out));
    return line->out.node;
}

Tape *tape_new(Arena *a) { return tape_new_on(a, device_cpu()); }

Tape *tape_new_on(Arena *a, const Device *device) {
    Tape *t = take_zero(a, Tape, 1);
    t->device = device;
    t->recorder.record = tape_record;
    t->arena = a;
    if (!inner) inner = arena_new("one gradient");
    t->node_room = 1024, t->line_room = 1024, t->parameter_room = 256, t->pool_room = 16;
    t->nodes = take(a, Node, t->node_room);
    t->lines = take(a, OpRecord, t->line_room);
    t->parameters = take(a, Tensor, t->parameter_room);
    t->pools = take(a, Pool, t->pool_room);
    t->nodes[0] = (Node){0};
    t->node_count = 1;
    return t;
}

Recorder *tape_recorder(Tape *t) { return &t->recorder; }
const Device *tape_device(const Tape *t) { return t->device; }

static float *zeros(const Tape *t, Arena *a, size_t n) {
    float *d = floats_on(a, t->device, n);
    t->device->gradients->zero(d, n);
    return d;
}

static float *gradient_new(Tape *t, size_t n) { // zeros
    const size_t all = (n + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
    Pool *p = t->pool_count ? &t->pools[t->pool_count - 1] : NULL;
    if (!p || p->room - p->used < all) {
        size_t room = !p ? POOL_FIRST : p->room < POOL_MOST ? 2 * p->room : POOL_MOST;
        if (t->pool_count == t->pool_room) {
            t->pools = arena_grow(t->arena, t->pools, t->pool_count, t->pool_room * 2, sizeof *t->pools);
            t->pool_room *= 2;
        }
        if (room < all) room = all;
        p = &t->pools[t->pool_count++];
        *p = (Pool){.begin = zeros(t, t->arena, room), .room = room};
    }
    p->used += all;
    return p->begin + p->used - all;
}

Tensor tape_parameter(Tape *t, Tensor data) {
    need(data.dtype == DTYPE_F32, "a parameter is f32, not %s", dtype_name(data.dtype));
    need(t->node_count == t->parameter_count + 1, "parameters are made before the first operation is recorded");
    if (t->parameter_count == t->parameter_room) {
        t->parameters = arena_grow(t->arena, t->parameters, t->parameter_count, t->parameter_room * 2, sizeof *t->parameters);
        t->parameter_room *= 2;
    }
    if (t->device->memory) {
        const void *here = data.data;
        data.data = floats_on(t->arena, t->device, tensor_count(data));
        t->device->write(data.data, here, tensor_bytes(data));
    }
    data.node = node_add(t, tensor_count(data));
    t->nodes[data.node].gradient = gradient_new(t, tensor_count(data));
    t->parameters[t->parameter_count++] = data;
    return data;
}

size_t tape_parameters(const Tape *t) { return t->parameter_count; }
Tensor tape_parameter_at(const Tape *t, size_t i) { return t->parameters[i]; }

static float *gradient_of(const Tape *t, Node *n) {
    if (n->zero) t->device->gradients->zero(n->gradient, n->count);
    n->zero = false;
    return n->gradient;
}

float *tape_gradient(Tape *t, Tensor x) { return x.node > 0 && (size_t)x.node < t->node_count ? gradient_of(t, &t->nodes[x.node]) : NULL; }

// Where commands cost, few of them; else most gradients are written before they are read.
void tape_zero(Tape *t) {
    if (t->device->memory)
        for (size_t i = 0; i < t->pool_count; i++) t->device->gradients->zero(t->pools[i].begin, t->pools[i].used);
    else
        for (size_t i = 1; i <= t->parameter_count; i++) t->nodes[i].zero = true;
}

void tape_begin(Tape *t) {
    t->line_count = 0;
    t->node_count = t->parameter_count + 1;
}

// ---- what the gradients use

static float *buffer_take(Backward *w, size_t count) {
    for (Buffer **b = &w->spare; *b; b = &(*b)->next)
        if ((*b)->count == count) {
            float *numbers = (*b)->numbers;
            *b = (*b)->next;
            return numbers;
        }
    return floats_on(w->arena, w->device, count);
}

static void buffer_give(Backward *w, float *numbers, size_t count) {
    Buffer *b = take(w->arena, Buffer, 1);
    *b = (Buffer){.next = w->spare, .numbers = numbers, .count = count};
    w->spare = b;
}

float *gradient_into(Backward *w, Tensor x, bool *fresh) {
    if (!x.node) return NULL;
    Node *n = &w->tape->nodes[x.node];
    *fresh = n->gradient == NULL;
    if (*fresh) n->gradient = buffer_take(w, n->count);
    return gradient_of(w->tape, n);
}

float *gradient_of_sums(Backward *w, Tensor x, bool *fresh) {
    Node *n = &w->tape->nodes[x.node];
    bool zero = n->zero;
    n->zero = false;
    float *d = gradient_into(w, x, fresh);
    *fresh = *fresh || zero;
    return d;
}

float *gradient_zeroed(Backward *w, Tensor x) {
    bool fresh = false;
    float *d = gradient_into(w, x, &fresh);
    if (d && fresh) w->to->zero(d, tensor_count(x));
    return d;
}

void gradient_pass(Backward *w, Tensor x, const OpRecord *op, const float *g) {
    if (!x.node) return;
    Node *n = &w->tape->nodes[x.node], *out = &w->tape->nodes[op->out.node];
    if (!n->gradient && out->gradient == g && n->count == out->count) {
        n->gradient = out->gradient; // the last reader of g takes it
        out->gradient = NULL;
        return;
    }
    bool fresh = false;
    float *d = gradient_into(w, x, &fresh);
    if (fresh) w->device->copy(d, g, n->count * sizeof *d);
    else w->to->each(&(EachGradient){.kind = EACH_PASS, .d = d, .n = n->count, .g = g});
}

float *scratch_floats(Backward *w, size_t n) { return floats_on(w->inner, w->device, n); }

// ---- the walk

static BackwardFn *const backward_of[] = {
    [OP_LINEAR] = backward_linear,         [OP_EMBEDDING] = backward_embedding,   [OP_LAYERNORM] = backward_layernorm,
    [OP_RMSNORM] = backward_rmsnorm,       [OP_L2NORM] = backward_l2norm,         [OP_ACTIVATION] = backward_activation,
    [OP_ADD] = backward_add,               [OP_ADD_ROWS] = backward_add_rows,     [OP_MUL] = backward_mul,
    [OP_MUL_ROW] = backward_mul_row,       [OP_SCALE] = backward_scale,           [OP_SOFTCAP] = backward_softcap,
    [OP_CLAMP] = backward_clamp,           [OP_PATCHIFY] = backward_patchify,     [OP_PREPEND_ROW] = backward_prepend_row,
    [OP_ROWS_SLICE] = backward_rows_slice, [OP_ROWS_AT] = backward_rows_at,       [OP_ROWS_PUT] = backward_rows_put,
    [OP_CONCAT_LAST] = backward_concat_last, [OP_CONCAT_TOKENS] = backward_concat_tokens,
    [OP_MEAN_TOKENS] = backward_mean_tokens, [OP_SLICE_LAST] = backward_slice_last, [OP_ROTARY] = backward_rotary,
    [OP_ATTENTION] = backward_attention,   [OP_CROSS_ENTROPY] = backward_cross_entropy,
    [OP_MEAN_SQUARED] = backward_mean_squared, [OP_TRANSPOSE] = backward_transpose, [OP_SCALE_BY] = backward_scale_by,
    [OP_EXP] = backward_exp,               [OP_DROPOUT] = backward_dropout,
};

void tape_seed(Tape *t, Arena *scratch, Tensor x, const float *g) {
    if (!x.node) return;
    Node *n = &t->nodes[x.node];
    if (!n->gradient) n->gradient = zeros(t, scratch, n->count);
    t->device->gradients->each(&(EachGradient){.kind = EACH_PASS, .d = gradient_of(t, n), .n = n->count, .g = g});
}

void tape_backward(Tape *t, Arena *scratch, Tensor loss, float weight) {
    if (tensor_given(loss)) {
        need(tensor_count(loss) == 1, "backward begins at one number, not at %zu", tensor_count(loss));
        tape_seed(t, scratch, loss, &weight);
    }
    Backward w = {.tape = t, .device = t->device, .to = t->device->gradients, .arena = scratch, .inner = inner};
    Mark mark = arena_mark(inner);
    for (size_t i = t->line_count; i-- > 0;) {
        const OpRecord *op = &t->lines[i];
        float *g = t->nodes[op->out.node].gradient;
        if (!g) continue; // nothing that counts comes from here
        need((size_t)op->kind < sizeof backward_of / sizeof *backward_of && backward_of[op->kind], "no gradient for operation %d",
             (int)op->kind);
        backward_of[op->kind](&w, op, g);
        arena_release(inner, mark);
        Node *out = &t->nodes[op->out.node];
        if (!out->gradient) continue; // an input took it over
        buffer_give(&w, out->gradient, out->count);
        out->gradient = NULL;
    }
}
