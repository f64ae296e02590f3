// check.c: test/cuda_check.h.
#include <stdlib.h>

#include "cuda_check.h"
#include "cuda/device.h"
#include "io/random.h"
#include "io/thread.h"

static void *held[256];
static int held_count;

typedef struct {
    float *to;
    Rng rng;
} Normal;

static void normal_job(void *arg, size_t begin, size_t end) {
    const Normal *x = arg;
    for (size_t i = begin; i < end; i++) x->to[i] = (float)rng_normal(x->rng, i);
}

float *random_floats(size_t n, unsigned long long seed) {
    float *p = malloc((n ? n : 1) * sizeof *p);
    need(p, "a test: no memory");
    Normal x = {p, {.seed = seed, .stream = 77}};
    parallel_for(n, 4096, normal_job, &x);
    return p;
}

void *device_room(size_t bytes) {
    need(held_count < 256, "a test: more than 256 pieces of device memory");
#ifdef RETINA_EMULATE
    CUDA_CHECK(cudaMalloc(&held[held_count], bytes)); // to the byte
#else
    // memcheck takes a cp.async of sixteen bytes that is given fewer, and fills up with zeros, for a read of sixteen.
    bytes = (bytes + 15) / 16 * 16;
    CUDA_CHECK(cudaMalloc(&held[held_count], bytes));
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
