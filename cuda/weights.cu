// weights.cu: see weights.h.
#include "weights.h"

#include <stdlib.h>

// Weights of one owner share memory that goes when the last of them goes.
typedef struct Slab {
    Arena *owner, *far;
    size_t count;
    struct Slab *next, *next_ended;
} Slab;

static struct {
    KeptList kept;
    Slab *slabs, *ended;
} weights = {{sizeof(GpuWeight), NULL, 0, 0}, NULL, NULL};

HOST size_t weights_bytes(bool copied) {
    const GpuWeight *list = (const GpuWeight *)weights.kept.items;
    size_t bytes = 0;
    for (size_t i = 0; i < weights.kept.count; i++) bytes += (list[i].copy != NULL) == copied ? list[i].kept.size : 0;
    return bytes;
}

static void ended(void *item) {
    Slab *s = ((GpuWeight *)item)->slab;
    if (--s->count > 0) return;
    s->next_ended = weights.ended;
    weights.ended = s;
}

// Announcements whose token lies in this piece end, and with the last of an owner the copies.
HOST void weights_forget(const char *from, size_t count) {
    kept_forget(&weights.kept, from, count, ended);
    while (weights.ended) { // its own memory is hidden now: nothing of it is announced any more
        Slab *s = weights.ended;
        weights.ended = s->next_ended;
        for (Slab **at = &weights.slabs; *at; at = &(*at)->next)
            if (*at == s) {
                *at = s->next;
                break;
            }
        arena_free(s->far);
        free(s);
    }
}

HOST GpuWeight *weights_with(const void *p, size_t bytes) { return (GpuWeight *)kept_with(&weights.kept, p, bytes); }

static Slab *slab_of(Arena *owner) {
    for (Slab *s = weights.slabs; s; s = s->next)
        if (s->owner == owner) return s;
    Slab *s = (Slab *)memory_take(sizeof *s, "weights on the GPU");
    s->owner = owner;
    s->far = arena_new("weights on the GPU");
    s->count = 0;
    s->next = weights.slabs;
    weights.slabs = s;
    return s;
}

HOST void gpu_keep(Arena *a, const void *bytes, size_t size) {
    GpuWeight *w = (GpuWeight *)kept_add(&weights.kept, bytes, size, a, &gpu_memory);
    if (!w) return;
    w->slab = slab_of(a);
    w->slab->count++;
}

HOST void weights_room(GpuWeight *w) { w->copy = arena_take_from(w->slab->far, &gpu_memory, w->kept.size); } // only arenas are touched: w stays where it is
