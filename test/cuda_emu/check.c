// check.c: test/cuda_check.h.
#include <stdlib.h>

#include "cuda_check.h"
#include "cuda/device.h"
#include "io/random.h"

static void *held[256];
static int held_count;

float *random_floats(size_t n, unsigned long long seed) {
    float *p = malloc((n ? n : 1) * sizeof *p);
    need(p, "a test: no memory");
    Rng r = {.seed = seed, .stream = 77};
    for (size_t i = 0; i < n; i++) p[i] = (float)rng_normal(r, i);
    return p;
}

void *device_room(size_t bytes) {
    need(held_count < 256, "a test: more than 256 pieces of device memory");
    CUDA_CHECK(cudaMalloc(&held[held_count], bytes));
#ifndef RETINA_EMULATE
    CUDA_CHECK(cudaMemset(held[held_count], 0xff, bytes));
#endif
    return held[held_count++];
}

void *to_device(const void *host, size_t bytes) {
    void *p = device_room(bytes);
    CUDA_CHECK(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice));
    return p;
}

void from_device(void *host, const void *device, size_t bytes) { CUDA_CHECK(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost)); }

void device_empty(void) {
    while (held_count) CUDA_CHECK(cudaFree(held[--held_count]));
}

bool real_shapes(void) {
#ifdef RETINA_EMULATE
    return false;
#else
    return !getenv("SMALL_SHAPES");
#endif
}
