// names.h: items found by their name, which is the first member of each: open addressing over an array that stays put.
#ifndef RETINA_IO_NAMES_H
#define RETINA_IO_NAMES_H

#include "memory.h"

typedef struct {
    uint32_t *slots, mask; // a slot holds an item's number + 1
    const void *items;
    size_t stride;
} Names;

// Dies with "PATH: the WHAT "NAME" is there twice" when two items share a name.
Names names_build(Arena *a, const void *items, size_t stride, size_t count, const char *path, const char *what);
const void *names_find(const Names *n, const char *name); // the item, or NULL

#endif
