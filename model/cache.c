// cache.c: see cache.h.
#include "cache.h"

#include <string.h>

#include "device.h"

Cache *cache_new(Arena *a, const Device *device, int B, int capacity, int L, int width) {
    Cache *c = take_zero(a, Cache, 1);
    *c = (Cache){.device = device, .B = B, .capacity = capacity, .L = L, .count = B};
    c->lengths = take_zero(a, int32_t, (size_t)B);
    c->k = take(a, Tensor, (size_t)L);
    c->v = take(a, Tensor, (size_t)L);
    for (int l = 0; l < L; l++) {
        c->k[l] = tensor_take_on(a, device, DTYPE_F32, DIMS(B, capacity, width));
        c->v[l] = tensor_take_on(a, device, DTYPE_F32, DIMS(B, capacity, width));
    }
    return c;
}

static float *text_at(const Cache *c, Tensor t, int b) { return f32(t) + (size_t)b * (size_t)c->capacity * (size_t)t.shape[2]; }

Tensor cache_rows(const Cache *c, Tensor all) { return tensor_of(text_at(c, all, c->first), DTYPE_F32, DIMS(c->count, c->capacity, all.shape[2])); }

static uint8_t *visible_at(const Cache *c, int b) { return (uint8_t *)c->visible.data + (size_t)b * (size_t)c->capacity; }

void cache_copy(Cache *c, int to, int from) {
    if (to == from) return;
    c->lengths[to] = c->lengths[from];
    for (int l = 0; l < c->L; l++) {
        size_t bytes = (size_t)c->lengths[from] * (size_t)c->k[l].shape[2] * sizeof(float);
        c->device->copy(text_at(c, c->k[l], to), text_at(c, c->k[l], from), bytes);
        c->device->copy(text_at(c, c->v[l], to), text_at(c, c->v[l], from), bytes);
    }
    if (tensor_given(c->visible)) memcpy(visible_at(c, to), visible_at(c, from), (size_t)c->capacity);
    for (int l = 0; l < c->seen_layers; l++) {
        size_t n = (size_t)c->seen_k[l].shape[1] * (size_t)c->seen_k[l].shape[2];
        c->device->copy(f32(c->seen_k[l]) + (size_t)to * n, f32(c->seen_k[l]) + (size_t)from * n, n * sizeof(float));
        c->device->copy(f32(c->seen_v[l]) + (size_t)to * n, f32(c->seen_v[l]) + (size_t)from * n, n * sizeof(float));
    }
}

void cache_looks(Cache *c, Arena *a, int layers, int seen) {
    c->seen_layers = layers;
    c->seen_k = take(a, Tensor, (size_t)layers);
    c->seen_v = take(a, Tensor, (size_t)layers);
    long width = c->k[0].shape[2];
    for (int l = 0; l < layers; l++) {
        c->seen_k[l] = tensor_take_on(a, c->device, DTYPE_F32, DIMS(c->B, seen, width));
        c->seen_v[l] = tensor_take_on(a, c->device, DTYPE_F32, DIMS(c->B, seen, width));
    }
}

Tensor cache_seen(const Cache *c, Tensor all) {
    return tensor_of(f32(all) + (size_t)c->first * (size_t)(all.shape[1] * all.shape[2]), DTYPE_F32, DIMS(c->count, all.shape[1], all.shape[2]));
}

void cache_gather(Cache *c, Arena *scratch, const int *from) {
    Mark mark = arena_mark(scratch);
    int32_t *lengths = take(scratch, int32_t, (size_t)c->B);
    for (int b = 0; b < c->B; b++) lengths[b] = c->lengths[from[b]];
    for (int l = 0; l < c->L; l++)
        for (int which = 0; which < 2; which++) {
            Tensor t = which ? c->v[l] : c->k[l];
            Mark inner = arena_mark(scratch);
            float **old = take(scratch, float *, (size_t)c->B);
            for (int b = 0; b < c->B; b++) { // only texts that move are set aside
                size_t n = (size_t)c->lengths[b] * (size_t)t.shape[2];
                old[b] = text_at(c, t, b);
                if (from[b] == b) continue;
                float *aside = f32(tensor_take_on(scratch, c->device, DTYPE_F32, DIMS((long)n)));
                c->device->copy(aside, old[b], n * sizeof(float));
                old[b] = aside;
            }
            for (int b = 0; b < c->B; b++)
                if (from[b] != b) c->device->copy(text_at(c, t, b), old[from[b]], (size_t)c->lengths[from[b]] * (size_t)t.shape[2] * sizeof(float));
            arena_release(scratch, inner);
        }
    if (tensor_given(c->visible)) {
        uint8_t *old = take(scratch, uint8_t, tensor_bytes(c->visible));
        memcpy(old, c->visible.data, tensor_bytes(c->visible));
        for (int b = 0; b < c->B; b++) memcpy(visible_at(c, b), old + (size_t)from[b] * (size_t)c->capacity, (size_t)c->capacity);
    }
    memcpy(c->lengths, lengths, (size_t)c->B * sizeof *lengths);
    arena_release(scratch, mark);
}
