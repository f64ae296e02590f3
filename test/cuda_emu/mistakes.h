// mistakes.h: one kernel per mistake (mistakes.cu), each in a wrong and a right form.
#ifndef RETINA_CUDA_EMU_MISTAKES_H
#define RETINA_CUDA_EMU_MISTAKES_H

#include <stdbool.h>

#define MISTAKES 22
#define MISTAKE_FLOATS 129 // of out and x[0..MISTAKE_FLOATS): no multiple of a block

void mistake_run(int which, bool wrong, float *out, const float *x, int *count);

#endif
