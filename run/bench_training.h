// bench_training.h: `retina bench training`: one step of training against PyTorch.
#ifndef RETINA_RUN_BENCH_TRAINING_H
#define RETINA_RUN_BENCH_TRAINING_H

#include "bench_peer.h"

void bench_training(Arena *a, const char *clip, const char *venv, int rounds, const char *rows, Writer *w); // clip: the zoo's directory

#endif
