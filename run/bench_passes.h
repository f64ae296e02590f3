// bench_passes.h: a part of `retina bench speed`.
#ifndef RETINA_RUN_BENCH_PASSES_H
#define RETINA_RUN_BENCH_PASSES_H

#include "bench_table.h"

// Norms, activations, sums and AdamW against the rate of a triad, and PyTorch. Takes 0.8 GiB.
void bench_passes(Arena *a, const Table *all);

#endif
