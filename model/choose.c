// choose.c: see choose.h. The CPU's way is in choose_cpu.c.
#include "choose.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"

static void choose_into(Run *run, Tensor out, Tensor logits, const Choosing *how) {
    const long V = tensor_last(logits);
    need(how->best >= 0 && how->best <= V && how->likeliest >= 0 && how->likeliest <= V, "choose: the best %d and the likeliest %d of %ld ids", how->best, how->likeliest, V);
    need(how->best == 1 || (!how->draw.uniform && !how->next), "choose: %d ids of a row are to be drawn, or read by the next step", how->best);
    need(how->asked >= 0 && how->asked < V, "choose: the score of id %d is asked for, of a vocabulary of %ld", how->asked, V);
    run->device->choose(out, logits, how);
}

static Chosen chosen_of(Tensor bytes, size_t R, const Choosing *how) {
    Chosen c = {.rows = bytes.data};
    c.best = (const Choice *)(c.rows + R);
    c.likeliest = c.best + R * (size_t)how->best;
    return c;
}

Chosen choose(Run *run, Tensor logits, const Choosing *how) {
    const size_t R = (size_t)tensor_rows(logits);
    Tensor out = run_tensor(run, DTYPE_U8, DIMS((long)choose_bytes(R, how)));
    choose_into(run, out, logits, how);
    return chosen_of(run_read(run, out), R, how);
}

unsigned long choose_begin(Run *run, Tensor out, Tensor logits, const Choosing *how) {
    choose_into(run, out, logits, how);
    return run_read_begin(run, out);
}

Chosen choose_end(Run *run, Tensor out, unsigned long begun, size_t R, const Choosing *how) { return chosen_of(run_read_end(run, out, begun), R, how); }

static void list_add(Arena *a, IdList *l, int V, int32_t id) {
    if (id < 0 || id >= V) return;
    for (int i = 0; i < l->count; i++)
        if (l->ids[i] == id) return;
    if (l->count == l->room) {
        int room = l->room ? 2 * l->room : 16;
        l->ids = arena_grow(a, l->ids, (size_t)l->count, (size_t)room, sizeof *l->ids);
        l->room = room;
    }
    l->ids[l->count++] = id;
}

void rules_penalise(Arena *a, Rules *r, int V, const int32_t *sequence, int length) {
    for (int i = 0; i < length; i++) list_add(a, &r->penalised, V, sequence[i]);
}

void rules_ban(Arena *a, Rules *r, int V, const int32_t *ids, int count) {
    for (int i = 0; i < count; i++) list_add(a, &r->banned, V, ids[i]);
}

static const int32_t *packed(Arena *a, const Rules *rules, int R, bool banned, int *room) {
    int most = 0;
    for (int r = 0; r < R; r++) {
        int n = banned ? rules[r].banned.count : rules[r].penalised.count;
        if (n > most) most = n;
    }
    for (*room = most ? 16 : 0; *room < most;) *room *= 2;
    int32_t *ids = take(a, int32_t, (size_t)R * (size_t)*room);
    memset(ids, -1, (size_t)R * (size_t)*room * sizeof *ids);
    for (int r = 0; r < R; r++) {
        const IdList *l = banned ? &rules[r].banned : &rules[r].penalised;
        if (l->count) memcpy(ids + (size_t)r * (size_t)*room, l->ids, (size_t)l->count * sizeof *ids);
    }
    return ids;
}

void choosing_rules(Choosing *how, Arena *a, const Rules *rules, int R) {
    how->penalised = packed(a, rules, R, false, &how->penalised_room);
    how->banned = packed(a, rules, R, true, &how->banned_room);
}

static int by_score(const void *a, const void *b) { // of equals the lowest place
    const Candidate *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->beam != y->beam) return x->beam < y->beam ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

Candidate *choose_beams(Arena *a, Run *run, Tensor logits, Choosing how, const Rules *rules, int beams) {
    const int R = (int)tensor_rows(logits), each = how.best, group = beams * each;
    choosing_rules(&how, a, rules, R);
    Chosen c = choose(run, logits, &how);
    Candidate *best = take(a, Candidate, (size_t)(R * each));
    for (int i = 0; i < R * each; i++) best[i] = (Candidate){c.best[i].score, c.best[i].logit - (float)c.rows[i / each].log_sum, i / each % beams, c.best[i].id};
    for (int i = 0; i < R * each; i += group) qsort(best + i, (size_t)group, sizeof *best, by_score);
    return best;
}
