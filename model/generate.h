// generate.h: text from a language model, as the reference's generate() makes it.
#ifndef RETINA_MODEL_GENERATE_H
#define RETINA_MODEL_GENERATE_H

#include "model.h"

typedef struct {
    const int32_t *ids;
    int count;
} BannedWord;

typedef struct {
    int max_new, min_new;       // new tokens
    int min_length;             // prompt and answer together
    int beams;                  // 1: greedy or sampling
    int beams_told;             // num_beams of the directory; nobody obeys it by itself
    double length_penalty;      // of beams: score / length^penalty
    bool sample;                // draw; else take the largest
    double temperature, top_p;  // of drawing; 1: off
    int top_k;                  // 0: off
    double repetition_penalty;  // of every id in prompt and answer; 1: off
    int no_repeat_ngram;        // 0: off
    const int32_t *eos;         // ids that end a text
    int eos_count;
    const int32_t *banned, *banned_first; // ids that are never chosen, and never as the first of an answer
    int banned_count, banned_first_count;
    const BannedWord *words;    // whose last id is not chosen where the others stand before it
    int word_count;
    enum { EARLY_USUAL, EARLY_FIRST, EARLY_NEVER } early; // beams: end when no text can become better by its present length; with the
                                                          // first that are finished; or only when none can at full length
    const char *not_drawn, *not_searched; // settings of the directory that drawing, and beams, cannot follow; NULL: none
    uint64_t seed;              // of drawing, with the text's number and the step
    bool (*heard)(void *arg, int text, int32_t id); // after each new token of greedy or drawn texts; false ends that text
    void *arg;
} GenerateOptions;

typedef struct {
    int32_t *ids; // new ones only, the ending id included if it came
    float *logprobs; // of each, under the model (before penalties and warping)
    double *entropies; // of the distribution that each was chosen from, in bits, likewise before; NULL after beam search
    int count;
    const char *stopped; // "eos", "length" or "stop" (heard said so)
} Generated;

// What the directory's generation_config.json says, over defaults: greedy, 64 new tokens. `eos` falls back to config.json. Dies
// where it says what changes greedy text and cannot be followed.
GenerateOptions generate_options(Arena *a, const Model *m);

// One answer per prompt. Prompts may differ in length; each is (1, T) with its own pixels. They are read one by one and
// continued together, one batch. taps (count, or NULL): what acts while each
// prompt is read.
Generated *generate(Arena *a, const Model *m, const Inputs *prompts, int count, const GenerateOptions *o, Taps *const *taps);

#endif
