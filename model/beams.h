// beams.h: beam search, and what it shares with the other ways of choosing (generate.c).
#ifndef RETINA_MODEL_BEAMS_H
#define RETINA_MODEL_BEAMS_H

#include "cache.h"
#include "generate.h"

// Penalties and bans on the scores of one sequence's next token, in the reference's order.
void generate_process(float *scores, int V, const int32_t *sequence, int length, int new_count, const GenerateOptions *o);
bool generate_ends(const GenerateOptions *o, int32_t id);
double generate_log_sum(Arena *scratch, const float *scores, int V); // log of the sum of exp

// The best of o->beams sequences. kept: keys and values; scratch: one step.
Generated beam_search(Arena *a, Arena *kept, Arena *scratch, const Model *m, const Inputs *prompt, const GenerateOptions *o, Taps *taps);

#endif
