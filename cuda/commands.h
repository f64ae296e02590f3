// commands.h: inside of cuda/: what is put on the stream: at once, or, of a step that repeats, noted in a list that becomes a graph.
#ifndef RETINA_CUDA_COMMANDS_H
#define RETINA_CUDA_COMMANDS_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

void commands_copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind); // from NULL: zeros
void commands_list(void); // from now on they are noted (gpu_launch, device.h, too)
bool commands_listed(void);
void commands_launch(void *to, const void *from, size_t bytes); // these go up, the list runs, and ends

#ifdef __cplusplus
}
#endif

#endif
