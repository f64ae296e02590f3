// random.c: see random.h. Held by test/test_io.c (published known-answer vectors, moments).
#include "random.h"

#include <math.h>
#include <string.h>

#include "exact.h"
#include "memory.h"

void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) { exact_philox(out, counter, key); }

static void block(Rng r, uint64_t index, uint32_t out[4]) { exact_random(out, r.seed, r.stream, index); }

Rng rng_of(uint64_t seed, const char *purpose) {
    uint64_t h = 0xcbf29ce484222325u; // FNV-1a of the purpose
    for (const char *c = purpose; *c; c++) h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    return (Rng){.seed = seed, .stream = h};
}

Rng rng_sub(Rng r, uint64_t index) {
    uint32_t b[4];
    Rng side = {.seed = r.seed ^ 0x5851F42D4C957F2Du, .stream = r.stream};
    block(side, index, b);
    return (Rng){.seed = r.seed, .stream = (uint64_t)b[1] << 32 | b[0]};
}

uint32_t rng_u32(Rng r, uint64_t index) {
    uint32_t b[4];
    block(r, index, b);
    return b[0];
}

uint64_t rng_u64(Rng r, uint64_t index) {
    uint32_t b[4];
    block(r, index, b);
    return (uint64_t)b[1] << 32 | b[0];
}

double rng_uniform(Rng r, uint64_t index) { return (double)(rng_u64(r, index) >> 11) * 0x1p-53; }

uint64_t rng_below(Rng r, uint64_t index, uint64_t bound) {
    return (uint64_t)(((unsigned __int128)rng_u64(r, index) * bound) >> 64);
}

double log_fixed(double x) { return exact_log(x); }

// Marsaglia's polar method; a rejected pair goes on in a stream of its own for this index.
double rng_normal(Rng r, uint64_t index) {
    for (uint64_t attempt = 0;; attempt++) {
        uint32_t b[4];
        Rng s = {.seed = r.seed ^ (attempt * 0x9E3779B97F4A7C15u), .stream = r.stream};
        block(s, index, b);
        double u = ((double)b[0] + 0.5) * 0x1p-31 - 1, v = ((double)b[1] + 0.5) * 0x1p-31 - 1;
        double q = u * u + v * v;
        if (q < 1 && q > 0) return u * sqrt(-2 * log_fixed(q) / q);
    }
}

void rng_permutation(Rng r, uint32_t *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(r, i, i), t = out[i - 1];
        out[i - 1] = out[j];
        out[j] = t;
    }
}

// MT19937 (Matsumoto and Nishimura 1998), init_genrand seeding.
typedef struct {
    uint32_t state[624];
    int at;
} Mt;

static void mt_seed(Mt *m, uint32_t seed) {
    m->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        m->state[i] = 1812433253u * (m->state[i - 1] ^ (m->state[i - 1] >> 30)) + i;
    m->at = 624;
}

static uint32_t mt_next(Mt *m) {
    if (m->at == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (m->state[i] & 0x80000000u) | (m->state[(i + 1) % 624] & 0x7fffffffu);
            m->state[i] = m->state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        m->at = 0;
    }
    uint32_t y = m->state[m->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

void torch_randperm(uint32_t seed, uint32_t *out, uint32_t n) {
    Mt m;
    mt_seed(&m, seed);
    for (uint32_t i = 0; i < n; i++) out[i] = i;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t j = i + mt_next(&m) % (n - i), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
}
