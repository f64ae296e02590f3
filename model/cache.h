// cache.h: the keys and values of texts that are being generated. They belong to the generation, not to the model,
// so a prefix (the picture) is computed once for all questions about it. They are kept in the type that the device says
// (Device.keeps): f32, or bf16 where it computes in bf16, to the nearest as rows_store writes them.
#ifndef RETINA_MODEL_CACHE_H
#define RETINA_MODEL_CACHE_H

#include "run.h"

typedef struct Cache {
    const Device *device; // where keys and values lie
    int B, capacity, L; // texts, tokens that each may have, layers
    int32_t *lengths;   // (B): tokens that are in
    Tensor *k, *v;      // per layer (B, capacity, G*D)
    int first, count;   // the texts that the next call is about
    // What each text looks at besides itself (a picture), where a decoder has cross-attention: per layer (B, seen, G*D); else absent.
    int seen_layers;
    Tensor *seen_k, *seen_v;
    Tensor visible; // u8 (B, capacity): 0 hides a token from those after it, where a model has such a rule; else absent
} Cache;

Cache *cache_new(Arena *a, const Device *device, int B, int capacity, int L, int width); // width = G*D
Tensor cache_rows(const Cache *c, Tensor all);                     // the rows of the current texts, as a view; of k, v, seen_k or seen_v
size_t cache_bytes(const Cache *c);                                // of all keys and values
void cache_copy(Cache *c, int to, int from);                       // text `from` with all its tokens, and what it looks at
// Text i becomes the old text from[i], for beams: texts that look at the same picture, so what they look at stays.
void cache_gather(Cache *c, Arena *scratch, const int *from);
void cache_looks(Cache *c, Arena *a, int layers, int seen);        // room for what texts look at

#endif
