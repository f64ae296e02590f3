// device.h: --device auto|cpu|cuda, for every command that computes.
#ifndef RETINA_RUN_DEVICE_H
#define RETINA_RUN_DEVICE_H

// choice: the place in "auto|cpu|cuda". Models that are opened from now on live there. cuda without a GPU dies; auto computes on
// the CPU, and says why when there is a GPU that it cannot use.
void device_pick(int choice);

const char *device_built(void); // for --version: "cpu, cuda" or "cpu"

#endif
