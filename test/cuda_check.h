// cuda_check.h: for tests of kernels: random inputs, and the way to the device and back.
#ifndef RETINA_TEST_CUDA_CHECK_H
#define RETINA_TEST_CUDA_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "cuda_reports.h"

float *random_floats(size_t n, unsigned long long seed); // normal; for free()
void *to_device(const void *host, size_t bytes);         // exactly as large, so that a step beyond is seen
void *device_room(size_t bytes);                         // nobody has written it; on a real GPU it is full of NaN
void from_device(void *host, const void *device, size_t bytes);
void device_empty(void); // frees all of the above
bool real_shapes(void);  // also the shapes of real models: on a GPU, unless SMALL_SHAPES is in the environment (compute-sanitizer)

#endif
