// choose.h: what every way of choosing the next id has in common: transformers' generate, OpenCLIP's, and their beams.
#ifndef RETINA_MODEL_CHOOSE_H
#define RETINA_MODEL_CHOOSE_H

#include <stdint.h>

#include "io/memory.h"

typedef struct {
    float score;
    int32_t id;
} Choice;

// Divides a positive score by the penalty, multiplies a negative one: once for each id of the sequence.
void scores_penalise(float *scores, int V, const int32_t *sequence, int length, double penalty);
float scores_top(const float *scores, int V); // the largest that is a number; -inf if none is
int32_t scores_largest(const float *scores, int V); // of equals the lowest id
void choices_sort(Choice *c, int n);                // the largest first, of equals the lowest id

#endif
