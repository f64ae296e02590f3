// choosing.h: inside of cuda/: what choose.cu offers to the table of operations.
#ifndef RETINA_CUDA_CHOOSING_H
#define RETINA_CUDA_CHOOSING_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "model/choose.h"
#ifdef __cplusplus
}
#endif

typedef struct {
    const float *logits; // (R, V)
    long R, V;
    Choosing how;        // its lists on the device
    Distribution *rows;  // as in Chosen
    Choice *best, *likeliest;
    const double *sums;  // these, cuda_choose's own
    const float *tops;
    const uint64_t *firsts;
    float *scores;
    long pieces;
} CudaChoose;
HOST void cuda_choose(CudaChoose *c, void *room, bool changed, cudaStream_t stream); // changed: scores are not the logits; room: as many bytes as the function says
HOST size_t cuda_choose_room(long R, long V, bool changed);

#endif
