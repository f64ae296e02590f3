// random.h: counter-based random numbers. A value depends on (seed, stream, index) only, never on
// the order of calls, so any value can be drawn alone, by any thread, on any machine.
//
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox4x32-10.
#ifndef RETINA_IO_RANDOM_H
#define RETINA_IO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t seed, stream;
} Rng;

void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

Rng rng_of(uint64_t seed, const char *purpose); // one stream per purpose: rng_of(seed, "split")
Rng rng_sub(Rng r, uint64_t index);             // an independent stream under it: per scene, per step

uint32_t rng_u32(Rng r, uint64_t index);
uint64_t rng_u64(Rng r, uint64_t index);
double rng_uniform(Rng r, uint64_t index);                // [0, 1), 53 bits
uint64_t rng_below(Rng r, uint64_t index, uint64_t bound); // [0, bound), bound >= 1; bias < 2^-64 * bound
double rng_normal(Rng r, uint64_t index);                 // N(0, 1); the same bits on every machine
void rng_permutation(Rng r, uint32_t *out, uint32_t n);   // Fisher-Yates

double log_fixed(double x); // natural logarithm, x > 0, with the same bits on every machine; error < 2 ulp

// PyTorch's torch.randperm(n) on the CPU after manual_seed(seed): MT19937, for faithful splits.
void torch_randperm(uint32_t seed, uint32_t *out, uint32_t n);

#endif
