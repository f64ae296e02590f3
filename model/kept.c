// kept.c: see kept.h.
#include "kept.h"

#include <string.h>

static Kept *at(const KeptList *l, size_t i) { return (Kept *)((char *)l->items + i * l->stride); }

// The first item that begins behind p.
static size_t after(const KeptList *l, const char *p) {
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at(l, middle)->begin <= p) low = middle + 1;
        else high = middle;
    }
    return low;
}

void *kept_with(const KeptList *l, const void *bytes, size_t size) {
    const char *p = bytes;
    size_t i = after(l, p);
    if (i == 0) return NULL;
    Kept *k = at(l, i - 1);
    return p + size <= k->begin + k->size ? k : NULL;
}

void *kept_add(KeptList *l, const void *bytes, size_t size, Arena *a, const MemorySource *source) {
    if (size == 0 || kept_with(l, bytes, size)) return NULL;
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 512;
        l->items = memory_grow(l->items, size_mul(l->room, l->stride, "weights"), "weights");
    }
    Kept new = {.begin = bytes, .size = size, .token = arena_take_from(a, source, 1)}, *k = at(l, after(l, bytes));
    memmove((char *)k + l->stride, k, (size_t)((char *)at(l, l->count++) - (char *)k));
    memset(k, 0, l->stride);
    *k = new;
    return k;
}

void kept_forget(KeptList *l, const char *from, size_t count, void (*ended)(void *item)) {
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        Kept *k = at(l, i);
        if (k->token >= from && k->token < from + count) ended(k);
        else if (n++ < i) memcpy(at(l, n - 1), k, l->stride);
    }
    l->count = n;
}
