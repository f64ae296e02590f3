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

// What is written past the caches comes from memory too: so many numbers ahead are asked for, into L2.
#define AHEAD_store 0
#define AHEAD_store_past 512

// out[i] = expression of x over n elements; put: store, or store_past.
#define RANGE(out, in, n, expression) RANGE_PUT(store, out, in, n, expression)
#define RANGE_PUT(put, out, in, n, expression)                                                             \
    do {                                                                                           \
        long i = 0;                                                                                \
        for (; i + TOGETHER * LANES <= (n); i += TOGETHER * LANES) {                               \
            V y[TOGETHER];                                                                         \
            for (int t = 0; t < TOGETHER; t++) {                                                   \
                if (AHEAD_##put) __builtin_prefetch((in) + i + t * LANES + AHEAD_##put, 0, 2); \
                V x = load((in) + i + t * LANES);                                                  \
                y[t] = expression;                                                                 \
            }                                                                                      \
            for (int t = 0; t < TOGETHER; t++) put((out) + i + t * LANES, y[t]);                   \
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

static IN_TURNS void exp_table(float *out, const float *in, long n) { RANGE(out, in, n, vexp(x)); }

static IN_TURNS void softcap_table(float *out, const float *in, long n, float cap) { RANGE(out, in, n, all(cap) * vtanh(x / all(cap))); }

// One loop per activation, without a choice inside.
#define ACTIVATE(put)                                                                              \
    switch (act) {                                                                                 \
    case ACT_GELU: RANGE_PUT(put, out, in, n, vact(x, ACT_GELU)); break;                           \
    case ACT_GELU_TANH: RANGE_PUT(put, out, in, n, vact(x, ACT_GELU_TANH)); break;                 \
    case ACT_QUICK_GELU: RANGE_PUT(put, out, in, n, vact(x, ACT_QUICK_GELU)); break;               \
    case ACT_SILU: RANGE_PUT(put, out, in, n, vact(x, ACT_SILU)); break;                           \
    case ACT_RELU: RANGE_PUT(put, out, in, n, vact(x, ACT_RELU)); break;                           \
    case ACT_TANH: RANGE_PUT(put, out, in, n, vact(x, ACT_TANH)); break;                           \
    case ACT_SIGMOID: RANGE_PUT(put, out, in, n, vact(x, ACT_SIGMOID)); break;                     \
    case ACT_NONE: RANGE_PUT(put, out, in, n, x); break;                                           \
    }

static IN_TURNS void activate_table(float *out, const float *in, long n, Act act) { ACTIVATE(store) }

static IN_TURNS void activate_past_table(float *out, const float *in, long n, Act act) {
    if ((size_t)out % sizeof(V) != 0) {
        activate_table(out, in, n, act);
        return;
    }
    ACTIVATE(store_past)
    past_done();
}
