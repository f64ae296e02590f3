// bench_products.h: `retina bench products`: the f32 products against the machine's own ceiling and PyTorch.
#ifndef RETINA_RUN_BENCH_PRODUCTS_H
#define RETINA_RUN_BENCH_PRODUCTS_H

#include "bench_peer.h"

void bench_products(Arena *a, const char *venv, int rounds, Writer *w); // venv: of the peer; NULL: ours alone

#endif
