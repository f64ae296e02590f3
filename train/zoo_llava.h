// zoo_llava.h: inside of train/: the scores of the zoo's `llava` (zoo_llava_score.c).
#ifndef RETINA_TRAIN_ZOO_LLAVA_H
#define RETINA_TRAIN_ZOO_LLAVA_H

#include "zoo_dialog.h"

// Captions and questions of held-out scenes; at most 32 scores.
size_t llava_scores(Arena *a, const Trainee *t, const Speaker *who, uint64_t seed, Score *out);

#endif
