// coca_generate.h: captions from image tokens, as OpenCLIP's generate() makes them; facts: verbalize.md 3.3, 3.4, 3.6.
//
// All rows (pictures, layers of pictures) are decoded as one batch with a cache of keys and values; what they look at is
// computed once; a row that has ended leaves the batch. A row's result does not depend on the others.
#ifndef RETINA_MODEL_COCA_GENERATE_H
#define RETINA_MODEL_COCA_GENERATE_H

#include "choose.h"
#include "coca.h"
#include "tokenizer.h"

// Top-k of 1 is greedy. Beams: OpenCLIP's own search, up to 3.x; later beams: that of transformers, to which OpenCLIP went over.
typedef enum { COCA_TOP_K, COCA_TOP_P, COCA_BEAMS, COCA_LATER_BEAMS } CocaWay;

typedef struct {
    CocaWay way;
    int seq_len, min_seq_len; // the whole length, start and end token included; no end token before min_seq_len ids are there
    int max_seq_len;          // only the last so many ids are fed
    int stop_length;          // the stopping criterion MaxLength; 0: seq_len
    bool fixed_length;        // padding goes to seq_len, not to the longest of the batch
    int top_k;
    double top_p, temperature, repetition_penalty;
    bool temperature_first;   // before the filter, as elsewhere; else after it, as in the reference
    int beams, groups;        // of COCA_BEAMS; all groups do the same, so one is computed
    double length_penalty;    // of COCA_LATER_BEAMS, which know no groups
    int32_t sot, eos, pad;
    const int32_t *prompt;    // ids after the start token (way: not COCA_BEAMS); NULL: none
    int prompt_count;
    uint64_t seed;            // of drawing, with the row's key and the step
    const uint64_t *keys;     // (R): NULL: the row's number
    int top;                  // how many of the likeliest tokens of each step are wanted, too
} CocaOptions;

// OpenCLIP's defaults with greedy choice: seq_len 30, min_seq_len 5, top_k 1, top_p 0.1, 6 beams in 3 groups. Start and end are the
// last two ids of the vocabulary (CLIP's layout), padding as the configuration says. seq_len is cut to what the model can hold.
CocaOptions coca_options(const Model *m);

typedef struct {
    int32_t *ids;    // the start token, the prompt, …, the end token if it came; then padding up to `length`
    int count;       // without padding
    int length;      // as a row of the reference's result
    bool finished;   // ended by choice, not because seq_len was reached
    int steps;       // distributions that were made: one for each new id
    float *logprobs; // (steps) of the chosen id under softmax(logits)
    double *entropy; // (steps) bits of softmax(logits / temperature), before any rule or filter
    double mean_entropy; // over the steps: the caption's entropy. Beams: no entropies are made, and of COCA_BEAMS no steps
    int32_t *top_ids;    // (steps, top)
    float *top_logprobs;
} Caption;

// tokens (R, Q - 1, E): what each row sees. R captions.
Caption *coca_generate(Arena *a, const Model *m, Tensor tokens, const CocaOptions *o);

// Its words, without start, end and padding, white space at the ends removed.
char *coca_words(Arena *a, const Tokenizer *t, const CocaOptions *o, const Caption *c);

// ---- between coca_generate.c and coca_beams.c
void coca_rules(Arena *a, Rules *r, int V, const int32_t *x, int count, const CocaOptions *o); // least length and repetition
void coca_need_number(double score); // dies for NaN
void coca_beam_search(Arena *a, const Model *model, Tensor tokens, const CocaOptions *o, Caption *out);
void coca_later_beams(Arena *a, const Model *model, Tensor tokens, const CocaOptions *o, Caption *out);
Tensor coca_step(Run *run, const Coca *m, Tensor ids, Cache *cache); // logits of the next ids
void coca_look_all(const Coca *m, Tensor tokens, Cache *cache, int copies); // row r*copies + j sees tokens[r]

#endif
