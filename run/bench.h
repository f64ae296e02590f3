// bench.h: `retina bench`.
#ifndef RETINA_RUN_BENCH_H
#define RETINA_RUN_BENCH_H

int run_bench(int argc, char **argv);

#endif
