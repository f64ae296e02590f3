// bench_noted.c: see bench_noted.h.
#include "bench_noted.h"

#include "model/tensor.h"

static struct { // a device's operations have no place for what is theirs
    Device table;
    Noted *to;
} now;

static void note_product(Tensor x, Tensor w, Tensor b) {
    Noted *n = now.to;
    if (n->count == n->room) {
        n->room = 2 * n->room + 64;
        n->list = arena_grow(n->arena, n->list, n->count, n->room, sizeof *n->list);
    }
    n->list[n->count++] = (Product){tensor_rows(x), x, w, b};
    n->products += 2.0 * (double)tensor_rows(x) * (double)tensor_count(w);
}

// Keys that the queries of a text see, all together.
static double seen(long Tq, long Tk, const AttnShape *s) {
    double pairs = 0;
    for (long i = 0; i < Tq; i++) {
        long last = s->causal ? i + Tk - Tq + 1 : Tk, begin = s->window > 0 && i + Tk - Tq - s->window + 1 > 0 ? i + Tk - Tq - s->window + 1 : 0;
        if (last > begin) pairs += (double)(last - begin);
    }
    return pairs;
}

static void note_attention(Tensor q, Tensor k, const AttnShape *s) {
    long Tq = q.shape[1];
    for (long b = 0; b < q.shape[0]; b++) now.to->attention += 4.0 * (double)tensor_last(q) * seen(Tq, s->key_lengths ? s->key_lengths[b] : k.shape[1], s);
}

static void linear_noted(Tensor out, Tensor x, Tensor w, Tensor b) { note_product(x, w, b), now.to->real->linear(out, x, w, b); }
static void activated_noted(Tensor out, Tensor x, Tensor w, Tensor b, Act act) { note_product(x, w, b), now.to->real->linear_activated(out, x, w, b, act); }
static void into_noted(Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next) { note_product(h, w, b), now.to->real->linear_into(x, h, w, b, next); }
static void attention_noted(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights) { note_attention(q, k, s), now.to->real->attention(out, q, k, v, s, weights); }
static const Device *itself(void) { return &now.table; }

const Device *noted_by(Noted *noted, Arena *a, const Device *real) {
    *noted = (Noted){.real = real, .arena = a};
    now.to = noted, now.table = *real;
    now.table.bf16 = now.table.bf16x3 = itself, now.table.linear = linear_noted, now.table.attention = attention_noted;
    if (real->linear_activated) now.table.linear_activated = activated_noted;
    if (real->linear_into) now.table.linear_into = into_noted;
    now.table.linears = NULL, now.table.linear_gated = NULL, now.table.rotary_stored = NULL, now.table.attention_stored = NULL; // one by one
    return &now.table;
}

double noted_operations(const Noted *noted) { return noted->products + noted->attention; }

double noted_bytes(const Noted *noted) {
    double bytes = 0;
    for (size_t i = 0; i < noted->count; i++) bytes += (double)tensor_bytes(noted->list[i].w);
    return bytes;
}
