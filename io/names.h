// names.h: items found by their name, which is the first member of each: open addressing over the caller's own array.
#ifndef RETINA_IO_NAMES_H
#define RETINA_IO_NAMES_H

#include "memory.h"

typedef struct {
    uint32_t *slots, mask; // a slot holds an item's number + 1
    const void *items;
    size_t stride, count;
} Names;

// Dies with "PATH: the WHAT "NAME" is there twice" when two items share a name.
Names names_build(Arena *a, const void *items, size_t stride, size_t count, const char *path, const char *what);
const void *names_find(const Names *n, const char *name); // the item, or NULL

// One by one, from {0}: the next item of `items`, which may have moved since. Returns the earlier item of the same name,
// and then leaves the new one out, or NULL.
const void *names_add(Names *n, Arena *a, const void *items, size_t stride);

#endif
