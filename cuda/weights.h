// weights.h: inside of cuda/: weights, which get a copy on the GPU when an operation first meets them, in their stored type, and lose it
// with the arena that they were announced with (gpu_keep, memory.h).
#ifndef RETINA_CUDA_WEIGHTS_H
#define RETINA_CUDA_WEIGHTS_H

#include "memory.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *begin; // in the program's memory
    size_t size;
    void *copy;        // NULL: not met yet
    const char *token; // a piece of the owner's arena on the GPU: when it is given back, so is this
    struct Slab *slab; // what it shares with the owner's others
} Kept;

Kept *weights_with(const char *p, size_t bytes);     // what was announced and holds these bytes, or NULL
void weights_room(Kept *k);                          // for the copy
void weights_forget(const char *from, size_t count); // those whose token lies there
size_t weights_bytes(bool copied);                   // of those that are on the GPU, or will be

#ifdef __cplusplus
}
#endif

#endif
