// packed.h: weights kept a second time, in the order in which products read them (`--packed`).
//
// A product by blocks lays a weight's numbers in panels each time. Where one weight meets picture after picture its panels may as well stay: as
// much memory again (twice as much for f32 products of bf16 weights), in huge pages where the system has them. They hold the same numbers,
// so no bit of a result changes.
#ifndef RETINA_MODEL_PACKED_H
#define RETINA_MODEL_PACKED_H

#include "kernels.h"

// One way of laying panels; its address tells it from others.
typedef struct {
    size_t (*bytes)(const Gemm *g);                      // of all panels of g's weight
    long (*parts)(const Gemm *g);                        // that can be laid apart
    void (*pack)(void *panels, const Gemm *g, long part); // what it does not write stays zero
} Packing;

void packed_use(bool wanted);                                  // of models opened from now on
void packed_keep(Arena *a, const void *weight, size_t size);   // Device.keep of a CPU
bool packed_wants(const Gemm *g); // its weight is one whose panels are kept
// The panels of g->B, laid when a product first asks. NULL: they are not kept; the product lays them for itself. Called by the
// thread that begins products.
const void *packed_weight(const Gemm *g, const Packing *how);
size_t packed_bytes(void); // of all that stand now

#endif
