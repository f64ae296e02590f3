// backend.h: the table of operations for an NVIDIA GPU.
#ifndef RETINA_CUDA_BACKEND_H
#define RETINA_CUDA_BACKEND_H

#include "model/device.h"

// The first GPU, opened at the first call. NULL when there is none; then *why says so in words.
const Device *device_cuda(const char **why);
const char *device_cuda_name(void); // "NVIDIA H200, 132 multiprocessors, 140 GiB", after device_cuda gave a table

#endif
