// choose.c: see choose.h.
#include "choose.h"

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

int32_t scores_largest(const float *scores, int V) {
    int best = 0;
    for (int i = 1; i < V; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

static int by_score(const void *a, const void *b) {
    const Choice *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void choices_sort(Choice *c, int n) { qsort(c, (size_t)n, sizeof *c, by_score); }
