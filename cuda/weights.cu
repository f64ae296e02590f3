// weights.cu: see weights.h.
#include "weights.h"

#include <stdlib.h>

// Weights of one owner share memory that goes when the last of them goes.
typedef struct Slab {
    Arena *owner, *far;
    size_t count;
    struct Slab *next, *next_open;
} Slab;

static struct {
    Kept *kept; // by address
    size_t kept_count, kept_room;
    Slab *slabs;
} weights;

HOST size_t weights_bytes(bool copied) {
    size_t bytes = 0;
    for (size_t i = 0; i < weights.kept_count; i++) bytes += (weights.kept[i].copy != NULL) == copied ? weights.kept[i].size : 0;
    return bytes;
}

// Announcements whose token lies in this piece end, and with the last of an owner the copies.
HOST void weights_forget(const char *from, size_t count) {
    if (weights.kept_count == 0) return;
    size_t n = 0;
    Slab *ended = NULL;
    for (size_t i = 0; i < weights.kept_count; i++) {
        Kept k = weights.kept[i];
        if (k.token < from || k.token >= from + count) {
            weights.kept[n++] = k;
        } else if (--k.slab->count == 0) {
            k.slab->next = ended;
            ended = k.slab;
        }
    }
    weights.kept_count = n;
    while (ended) { // its own memory is hidden now: nothing of it is announced any more
        Slab *next = ended->next;
        for (Slab **at = &weights.slabs; *at; at = &(*at)->next_open)
            if (*at == ended) {
                *at = ended->next_open;
                break;
            }
        arena_free(ended->far);
        free(ended);
        ended = next;
    }
}

// The first announcement that begins behind p.
static size_t kept_after(const char *p) {
    size_t low = 0, high = weights.kept_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (weights.kept[middle].begin <= p) low = middle + 1;
        else high = middle;
    }
    return low;
}

HOST Kept *weights_with(const char *p, size_t bytes) {
    size_t at = kept_after(p);
    if (at == 0) return NULL;
    Kept *k = &weights.kept[at - 1];
    return p + bytes <= k->begin + k->size ? k : NULL;
}

static Slab *slab_of(Arena *owner) {
    for (Slab *s = weights.slabs; s; s = s->next_open)
        if (s->owner == owner) return s;
    Slab *s = (Slab *)memory_take(sizeof *s, "weights on the GPU");
    s->owner = owner;
    s->far = arena_new("weights on the GPU");
    s->count = 0;
    s->next = NULL;
    s->next_open = weights.slabs;
    weights.slabs = s;
    return s;
}

HOST void gpu_keep(Arena *a, const void *bytes, size_t size) {
    const char *p = (const char *)bytes;
    if (size == 0 || weights_with(p, size)) return; // tied weights
    if (weights.kept_count == weights.kept_room) {
        weights.kept_room = weights.kept_room ? 2 * weights.kept_room : 512;
        weights.kept = (Kept *)memory_grow(weights.kept, weights.kept_room * sizeof *weights.kept, "weights on the GPU");
    }
    size_t at = kept_after(p);
    memmove(weights.kept + at + 1, weights.kept + at, (weights.kept_count - at) * sizeof *weights.kept);
    weights.kept_count++;
    Kept *k = &weights.kept[at];
    k->begin = p;
    k->size = size;
    k->copy = NULL;
    k->token = (const char *)arena_take_from(a, &gpu_memory, 1);
    k->slab = slab_of(a);
    k->slab->count++;
}

HOST void weights_room(Kept *k) { k->copy = arena_take_from(k->slab->far, &gpu_memory, k->size); } // only arenas are touched: k stays where it is
