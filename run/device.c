// device.c: see device.h. The one file that knows whether the kernels of cuda/ were built.
#include "device.h"

#include <unistd.h>

#include "io/error.h"
#include "model/device.h"
#include "model/packed.h"

#ifdef RETINA_CUDA
#include "cuda/backend.h"
#endif

enum { AUTO, CPU, CUDA };

#ifdef RETINA_CUDA
const char *device_built(void) { return "cpu, cuda"; }

static void pick(int choice) {
    if (choice == CPU) return;
    const char *why = NULL;
    const Device *gpu = device_cuda(&why);
    if (gpu) device_use(gpu), note("on %s", device_cuda_name());
    else if (choice == CUDA) die("--device cuda: no GPU can be used here: %s; use --device cpu", why);
    else if (access("/dev/nvidiactl", F_OK) == 0) note("the GPU cannot be used (%s): on the CPU", why);
}
#else
const char *device_built(void) { return "cpu"; }

static void pick(int choice) { need(choice != CUDA, "--device cuda: this build has no CUDA (no nvcc was found when it was made); use --device cpu"); }
#endif

void device_pick(int choice, bool packed, Compute compute) {
    device_use(device_cpu());
    pick(choice);
    if (packed && device_used() != device_cpu()) note("--packed: is for products on a CPU");
    packed_use(packed && device_used() == device_cpu());
    if (compute == COMPUTE_BF16X3 && device_computing(device_used(), compute) == device_used()) note("--dtype bf16x3: three products of bf16 are slower than one of f32 here: computed in f32");
}
