// kept.h: bytes of the program that will not change while an arena lives (Device.keep: weights), found by address, and what a device keeps
// beside each: a copy on the GPU (cuda/weights.cu), panels for products (packed.c).
#ifndef RETINA_MODEL_KEPT_H
#define RETINA_MODEL_KEPT_H

#include <stdbool.h>

#include "io/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

// The first member of what a device keeps. Its token is a piece of the arena that it was announced with, of a source whose `hidden`
// calls kept_forget: with the arena, or the mark, it ends.
typedef struct {
    const char *begin;
    size_t size;
    const char *token;
} Kept;

typedef struct {
    size_t stride; // bytes of an item; the rest begins as {0}
    void *items;   // by address
    size_t count, room;
} KeptList;

void *kept_add(KeptList *l, const void *bytes, size_t size, Arena *a, const MemorySource *source); // NULL: nothing, or announced before (tied weights)
void *kept_with(const KeptList *l, const void *p, size_t bytes);                                   // the item that holds these bytes, or NULL; until the next kept_add
// Leaves out the items whose token lies in this piece, after ended() of each.
void kept_forget(KeptList *l, const char *from, size_t count, void (*ended)(void *item));

#ifdef __cplusplus
}
#endif

#endif
