// cache.c: see cache.h.
#include "cache.h"

#include <string.h>

#include "device.h"

// Keys, or values, of B texts of so many tokens.
static Tensor room_for(Arena *a, const Cache *c, long tokens, long width) { return tensor_take_on(a, c->device, c->device->keeps, DIMS(c->B, tokens, width)); }

Cache *cache_new(Arena *a, const Device *device, int B, int capacity, int L, int width) {
    Cache *c = take_zero(a, Cache, 1);
    *c = (Cache){.device = device, .B = B, .capacity = capacity, .L = L, .count = B};
    c->lengths = take_zero(a, int32_t, (size_t)B);
    c->k = take(a, Tensor, (size_t)L);
    c->v = take(a, Tensor, (size_t)L);
    for (int l = 0; l < L; l++) {
        c->k[l] = room_for(a, c, capacity, width);
        c->v[l] = room_for(a, c, capacity, width);
    }
    return c;
}

static size_t token_bytes(Tensor t) { return (size_t)t.shape[2] * dtype_size(t.dtype); }

static char *text_at(Tensor t, int b) { return (char *)t.data + (size_t)b * (size_t)t.shape[1] * token_bytes(t); }

Tensor cache_rows(const Cache *c, Tensor all) { return tensor_of(text_at(all, c->first), all.dtype, DIMS(c->count, all.shape[1], all.shape[2])); }

size_t cache_bytes(const Cache *c) {
    size_t bytes = 0;
    for (int l = 0; l < c->L; l++) bytes += tensor_bytes(c->k[l]) + tensor_bytes(c->v[l]);
    for (int l = 0; l < c->seen_layers; l++) bytes += tensor_bytes(c->seen_k[l]) + tensor_bytes(c->seen_v[l]);
    return bytes;
}

static uint8_t *visible_at(const Cache *c, int b) { return (uint8_t *)c->visible.data + (size_t)b * (size_t)c->capacity; }

static void tokens_copy(const Cache *c, Tensor t, int to, int from, long tokens) { c->device->copy(text_at(t, to), text_at(t, from), (size_t)tokens * token_bytes(t)); }

void cache_copy(Cache *c, int to, int from) {
    if (to == from) return;
    c->lengths[to] = c->lengths[from];
    for (int l = 0; l < c->L; l++) {
        tokens_copy(c, c->k[l], to, from, c->lengths[from]);
        tokens_copy(c, c->v[l], to, from, c->lengths[from]);
    }
    if (tensor_given(c->visible)) memcpy(visible_at(c, to), visible_at(c, from), (size_t)c->capacity);
    for (int l = 0; l < c->seen_layers; l++) {
        tokens_copy(c, c->seen_k[l], to, from, c->seen_k[l].shape[1]);
        tokens_copy(c, c->seen_v[l], to, from, c->seen_v[l].shape[1]);
    }
}

void cache_looks(Cache *c, Arena *a, int layers, int seen) {
    c->seen_layers = layers;
    c->seen_k = take(a, Tensor, (size_t)layers);
    c->seen_v = take(a, Tensor, (size_t)layers);
    long width = c->k[0].shape[2];
    for (int l = 0; l < layers; l++) {
        c->seen_k[l] = room_for(a, c, seen, width);
        c->seen_v[l] = room_for(a, c, seen, width);
    }
}

// The tokens of text b in t become those that text from[b] had.
static void tokens_gather(const Cache *c, Arena *scratch, Tensor t, const int *from) {
    Mark mark = arena_mark(scratch);
    char **old = take(scratch, char *, (size_t)c->B);
    for (int b = 0; b < c->B; b++) { // only texts that move are set aside
        size_t bytes = (size_t)c->lengths[b] * token_bytes(t);
        old[b] = text_at(t, b);
        if (from[b] == b) continue;
        void *aside = tensor_take_on(scratch, c->device, t.dtype, DIMS(c->lengths[b], t.shape[2])).data;
        c->device->copy(aside, old[b], bytes);
        old[b] = aside;
    }
    for (int b = 0; b < c->B; b++)
        if (from[b] != b) c->device->copy(text_at(t, b), old[from[b]], (size_t)c->lengths[from[b]] * token_bytes(t));
    arena_release(scratch, mark);
}

void cache_gather(Cache *c, Arena *scratch, const int *from) {
    Mark mark = arena_mark(scratch);
    int32_t *lengths = take(scratch, int32_t, (size_t)c->B);
    for (int b = 0; b < c->B; b++) lengths[b] = c->lengths[from[b]];
    for (int l = 0; l < c->L; l++) {
        tokens_gather(c, scratch, c->k[l], from);
        tokens_gather(c, scratch, c->v[l], from);
    }
    if (tensor_given(c->visible)) {
        uint8_t *old = take(scratch, uint8_t, tensor_bytes(c->visible));
        memcpy(old, c->visible.data, tensor_bytes(c->visible));
        for (int b = 0; b < c->B; b++) memcpy(visible_at(c, b), old + (size_t)from[b] * (size_t)c->capacity, (size_t)c->capacity);
    }
    memcpy(c->lengths, lengths, (size_t)c->B * sizeof *lengths);
    arena_release(scratch, mark);
}
