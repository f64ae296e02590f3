// device.c: see device.h. The one file that knows whether the kernels of cuda/ were built.
#include "device.h"

#include <unistd.h>

#include "io/error.h"
#include "model/device.h"

#ifdef RETINA_CUDA
#include "cuda/backend.h"
#endif

enum { AUTO, CPU, CUDA };

#ifdef RETINA_CUDA
const char *device_built(void) { return "cpu, cuda"; }

void device_pick(int choice) {
    device_use(device_cpu());
    if (choice == CPU) return;
    const char *why = NULL;
    const Device *gpu = device_cuda(&why);
    if (gpu) device_use(gpu), note("on %s", device_cuda_name());
    else if (choice == CUDA) die("--device cuda: no GPU can be used here: %s; use --device cpu", why);
    else if (access("/dev/nvidiactl", F_OK) == 0) note("the GPU cannot be used (%s): on the CPU", why);
}
#else
const char *device_built(void) { return "cpu"; }

void device_pick(int choice) {
    need(choice != CUDA, "--device cuda: this build has no CUDA (no nvcc was found when it was made); use --device cpu");
    device_use(device_cpu());
}
#endif
