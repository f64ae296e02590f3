// kernels_math.h: exp and activations over n elements.
#include "kernels_formulas.h"

// Chains of operations wait for one another; three vectors' chains in turns do not, where there are registers for them. gcc puts them in
// turns when it is asked to, clang does not.
#if LANES == 16 && !defined(__clang__)
#define TOGETHER 3
#define IN_TURNS __attribute__((optimize("schedule-insns")))
#else
#define TOGETHER 1
#define IN_TURNS
#endif

#define ASKED_AHEAD 512 // what is written past the caches comes from memory too: so many numbers ahead are asked for, into L2

// past: out is at a multiple of the vector's size.
INLINE void put(float *out, V y, bool past) {
    if (past) store_past(out, y);
    else store(out, y);
}

// out[i] = expression of x over n elements.
#define RANGE(out, in, n, past, expression)                                                        \
    do {                                                                                           \
        long i = 0;                                                                                \
        for (; i + TOGETHER * LANES <= (n); i += TOGETHER * LANES) {                               \
            V y[TOGETHER];                                                                         \
            for (int t = 0; (past) && t < TOGETHER; t++) __builtin_prefetch((in) + i + t * LANES + ASKED_AHEAD, 0, 2); \
            for (int t = 0; t < TOGETHER; t++) {                                                   \
                V x = load((in) + i + t * LANES);                                                  \
                y[t] = expression;                                                                 \
            }                                                                                      \
            for (int t = 0; t < TOGETHER; t++) put((out) + i + t * LANES, y[t], past);             \
        }                                                                                          \
        for (; TOGETHER > 1 && i + LANES <= (n); i += LANES) {                                     \
            V x = load((in) + i);                                                                  \
            store((out) + i, expression);                                                          \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            V x = load_part((in) + i, (n) - i, 0);                                                 \
            store_part((out) + i, expression, (n) - i);                                            \
        }                                                                                          \
    } while (0)

static IN_TURNS void exp_table(float *out, const float *in, long n) { RANGE(out, in, n, false, vexp(x)); }

static IN_TURNS void softcap_table(float *out, const float *in, long n, float cap) { RANGE(out, in, n, false, all(cap) * vtanh(x / all(cap))); }

static IN_TURNS void activate_table(float *out, const float *in, long n, Act act, bool past) {
    past = past && (size_t)out % sizeof(V) == 0;
    switch (act) { // one loop per activation, without a choice inside
    case ACT_GELU: RANGE(out, in, n, past, vact(x, ACT_GELU)); break;
    case ACT_GELU_TANH: RANGE(out, in, n, past, vact(x, ACT_GELU_TANH)); break;
    case ACT_QUICK_GELU: RANGE(out, in, n, past, vact(x, ACT_QUICK_GELU)); break;
    case ACT_SILU: RANGE(out, in, n, past, vact(x, ACT_SILU)); break;
    case ACT_RELU: RANGE(out, in, n, past, vact(x, ACT_RELU)); break;
    case ACT_TANH: RANGE(out, in, n, past, vact(x, ACT_TANH)); break;
    case ACT_SIGMOID: RANGE(out, in, n, past, vact(x, ACT_SIGMOID)); break;
    case ACT_NONE: RANGE(out, in, n, past, x); break;
    }
    if (past) past_done();
}
