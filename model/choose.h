// choose.h: how the next id is taken from a model's scores, on the device that made them. What every way of making text has in common:
// transformers' generate, OpenCLIP's, and their beams. Of rows times vocabulary scores only what was chosen comes to C code.
#ifndef RETINA_MODEL_CHOOSE_H
#define RETINA_MODEL_CHOOSE_H

#include "run.h"

typedef struct {
    float score, logit; // what it was taken by; what the model gave
    int32_t id;
} Choice;

typedef struct {
    double log_sum; // log of the sum of exp over the logits
    double entropy; // of softmax(logits / temperature), in bits
    double asked;   // the logit of Choosing.asked
} Distribution;

// One id by a number of [0, 1) against the running sum of probabilities, the largest first. A probability counts in whole 2^-40 of
// the largest, so that a sum is the same in every order.
typedef struct {
    const double *uniform; // (R); NULL: nothing is drawn, the best is taken
    int top_k;             // these and the ties of the last; 0: all
    double top_p;          // of those the smallest set that has so much of their probability; 1: all
    double filter_temperature, temperature; // of what top_p adds up; of what is drawn from
} Drawing;

// A row's scores are its logits, or their log softmax; then penalised, then banned, then raised by `plus`. NaN is the least score; of equal
// ones the lowest id comes first.
typedef struct {
    double temperature; // of the entropy
    int32_t asked;      // an id whose logit is wanted, chosen or not
    bool normalised;    // log softmax
    float penalty;      // a positive score is divided by it, a negative one multiplied
    int penalised_room, banned_room;
    const int32_t *penalised, *banned; // (R, room), different ids of a row, filled up with -1; what is banned has a score of -inf
    const float *plus;                 // (R), or NULL
    int best;                          // so many are given, the largest score first
    int likeliest;                     // and so many by the logits alone
    Drawing draw;                      // best is 1
    int32_t *next;                     // (R), where the device's results lie, or NULL: the best id of each goes there too, for the next step
} Choosing;

typedef struct {
    const Distribution *rows; // (R)
    const Choice *best;       // (R, best)
    const Choice *likeliest;  // (R, likeliest)
} Chosen;

// logits (…, V), R rows. Waits for the result.
Chosen choose(Run *run, Tensor logits, const Choosing *how);
// The same in two halves: into `out` (u8, choose_bytes, where results lie), which is read while the device is at the next step already.
unsigned long choose_begin(Run *run, Tensor out, Tensor logits, const Choosing *how);
Chosen choose_end(Run *run, Tensor out, unsigned long begun, size_t R, const Choosing *how);

// Where in the result's bytes these stand: for devices. R distributions, then R * best, then R * likeliest choices.
static inline size_t choose_bytes(size_t R, const Choosing *how) { return R * (sizeof(Distribution) + (size_t)(how->best + how->likeliest) * sizeof(Choice)); }

// ---- what is penalised and banned in a row
typedef struct {
    int32_t *ids;
    int count, room;
} IdList;
typedef struct {
    IdList penalised, banned;
} Rules;
void rules_penalise(Arena *a, Rules *r, int V, const int32_t *sequence, int length); // each id of it once
void rules_ban(Arena *a, Rules *r, int V, const int32_t *ids, int count);            // those outside of the vocabulary are none
// Packs the rules of R rows. Rooms grow in powers of two, so that a step has the shapes of the one before, mostly.
void choosing_rules(Choosing *how, Arena *a, const Rules *rules, int R);

// ---- beams
typedef struct {
    float score, logprob; // with rules and what its beam has; under the model
    int beam;             // of its group
    int32_t id;
} Candidate;
// The how->best best ids of every row by its rules, R rows in groups of `beams`; (R * how->best), each group's in order, the best first.
Candidate *choose_beams(Arena *a, Run *run, Tensor logits, Choosing how, const Rules *rules, int beams);

// ---- of scores that are here
float scores_top(const float *scores, int V);      // the largest that is a number; -inf if none is
int32_t scores_largest(const float *scores, int V); // of equals the lowest id
Distribution scores_distribution(Arena *scratch, const float *logits, int V, double temperature);
void cpu_choose(Tensor out, Tensor logits, const Choosing *how); // of the CPU's table

#endif
