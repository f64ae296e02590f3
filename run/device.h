// device.h: --device auto|cpu|cuda, --packed and --dtype, for every command that computes.
#ifndef RETINA_RUN_DEVICE_H
#define RETINA_RUN_DEVICE_H

#include "model/run.h"

// choice: the place in "auto|cpu|cuda". Models that are opened from now on live there. cuda without a GPU dies; auto computes on
// the CPU, and says why when there is a GPU that it cannot use. packed: their weights stay packed for a CPU's products (model/packed.h). compute, which
// they are to be given, is only looked at: bf16x3 that means f32 on that device is noted.
void device_pick(int choice, bool packed, Compute compute);
#define PACKED_HELP "on a CPU, weights stay packed for products: faster from the second input on, the same results, as much memory again"

const char *device_built(void); // for --version: "cpu, cuda" or "cpu"

#endif
