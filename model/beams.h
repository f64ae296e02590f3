// beams.h: beam search, and what it shares with the other ways of choosing (generate.c).
#ifndef RETINA_MODEL_BEAMS_H
#define RETINA_MODEL_BEAMS_H

#include "cache.h"
#include "choose.h"
#include "generate.h"

// What is penalised and banned as one sequence's next token, in the reference's order.
void generate_rules(Arena *a, Rules *r, int V, const int32_t *sequence, int length, int new_count, const GenerateOptions *o);
bool generate_ends(const GenerateOptions *o, int32_t id);

// The best of o->beams sequences. kept: keys and values; scratch: one step.
Generated beam_search(Arena *a, Arena *kept, Arena *scratch, const Model *m, const Inputs *prompt, const GenerateOptions *o, Taps *taps);

#endif
