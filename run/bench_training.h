// bench_training.h: `retina bench training`: one step of training against PyTorch.
#ifndef RETINA_RUN_BENCH_TRAINING_H
#define RETINA_RUN_BENCH_TRAINING_H

#include "bench_table.h"

void bench_training(const BenchAsk *ask, const char *clip); // clip: the zoo's directory

#endif
