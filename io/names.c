// names.c: see names.h.
#include "names.h"

#include <string.h>

static const char *name_at(const Names *n, size_t i) { return *(const char *const *)((const char *)n->items + i * n->stride); }

// The slot of this name, or the empty one where it would go.
static uint32_t *slot_of(const Names *n, const char *name) {
    uint32_t h = 2166136261u;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 16777619u;
    for (h = (h ^ h >> 15) & n->mask; n->slots[h]; h = (h + 1) & n->mask)
        if (strcmp(name_at(n, n->slots[h] - 1), name) == 0) break;
    return &n->slots[h];
}

static void rehash(Names *n, Arena *a, uint32_t room) {
    n->slots = take_zero(a, uint32_t, room);
    n->mask = room - 1;
    for (size_t i = 0; i < n->count; i++) *slot_of(n, name_at(n, i)) = (uint32_t)i + 1;
}

const void *names_add(Names *n, Arena *a, const void *items, size_t stride) {
    n->items = items;
    n->stride = stride;
    need(n->count < (uint32_t)1 << 30, "%zu entries are more than a table holds", n->count);
    if (!n->slots || n->count * 2 >= n->mask) rehash(n, a, n->slots ? (n->mask + 1) * 2 : 16);
    uint32_t *slot = slot_of(n, name_at(n, n->count));
    if (*slot) return (const char *)items + (*slot - 1) * stride;
    *slot = (uint32_t)++n->count;
    return NULL;
}

Names names_build(Arena *a, const void *items, size_t stride, size_t count, const char *path, const char *what) {
    need(count < (uint32_t)1 << 30, "%s: %zu entries are more than a table holds", path, count);
    uint32_t room = 16;
    while (room < count * 2) room *= 2;
    Names n = {.items = items, .stride = stride};
    rehash(&n, a, room);
    for (size_t i = 0; i < count; i++) need(!names_add(&n, a, items, stride), "%s: the %s \"%s\" is there twice", path, what, name_at(&n, i));
    return n;
}

const void *names_find(const Names *n, const char *name) {
    uint32_t i = n->slots ? *slot_of(n, name) : 0;
    return i ? (const char *)n->items + (i - 1) * n->stride : NULL;
}
