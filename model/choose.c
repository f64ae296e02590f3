// choose.c: see choose.h.
#include "choose.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

void scores_penalise(float *scores, int V, const int32_t *sequence, int length, double penalty) {
    if (penalty == 1) return;
    float p = (float)penalty;
    for (int i = 0; i < length; i++) {
        bool seen = false;
        for (int j = 0; j < i && !seen; j++) seen = sequence[j] == sequence[i];
        if (seen || sequence[i] < 0 || sequence[i] >= V) continue;
        float *s = &scores[sequence[i]];
        *s = *s < 0 ? *s * p : *s / p;
    }
}

// In lanes, as are the sums over a vocabulary in generate.c: one chain of comparisons would take longer than a GPU's whole step.
float scores_top(const float *scores, int V) {
    enum { LANES = 32 };
    float top[LANES];
    for (int k = 0; k < LANES; k++) top[k] = -INFINITY;
    int i = 0;
    for (; i + LANES <= V; i += LANES)
        for (int k = 0; k < LANES; k++) top[k] = scores[i + k] > top[k] ? scores[i + k] : top[k];
    for (; i < V; i++) top[0] = scores[i] > top[0] ? scores[i] : top[0];
    for (int k = 1; k < LANES; k++) top[0] = top[k] > top[0] ? top[k] : top[0];
    return top[0];
}

int32_t scores_largest(const float *scores, int V) {
    const float top = scores_top(scores, V);
    for (int i = 0; i < V; i++)
        if (scores[i] == top) return i;
    return 0;
}

static int by_score(const void *a, const void *b) {
    const Choice *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void choices_sort(Choice *c, int n) { qsort(c, (size_t)n, sizeof *c, by_score); }
