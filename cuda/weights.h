// weights.h: inside of cuda/: weights, which get a copy on the GPU when an operation first meets them, in their stored type, and lose it
// with the arena that they were announced with (gpu_keep, memory.h).
#ifndef RETINA_CUDA_WEIGHTS_H
#define RETINA_CUDA_WEIGHTS_H

#include "memory.h"
#include "model/kept.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    Kept kept;
    void *copy;        // NULL: not met yet
    struct Slab *slab; // what it shares with its owner's others
} GpuWeight;

GpuWeight *weights_with(const void *p, size_t bytes); // what was announced and holds these bytes, or NULL
void weights_room(GpuWeight *w);                      // for the copy
void weights_forget(const char *from, size_t count);  // those whose token lies there
size_t weights_bytes(bool copied);                    // of those that are on the GPU, or will be

#ifdef __cplusplus
}
#endif

#endif
