// categories.h: what a labeller said about the parts of a caption, read, merged into classes and counted.
//
// Source: the study "Visual Latent Captioning" (2025) and its published answers: a labeller (a language model, a lexicon, a
// grammar) answers a caption with a JSON dictionary, part of the caption -> up to three labels. The first label counts.
// Facts: verbalize.md 4 and 5. Letters: L layers, N captions of a layer, K classes.
#ifndef RETINA_ANALYSIS_CATEGORIES_H
#define RETINA_ANALYSIS_CATEGORIES_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

// ---- answers

typedef struct {
    const char *phrase;    // the part of the caption, decoded
    const char *labels[3]; // "" where none was given; "" too where it was no text
    int label_count;       // as many as were given
} AnswerPart;

typedef struct {
    AnswerPart *parts;
    size_t count;
    bool sound;     // strict: it was JSON. Tolerant: something was found
    size_t ignored; // strict: values that are not lists, and empty lists
} Answer;

// Strict, as the original: the whole answer is JSON as Python's json.loads takes it, each key of the outermost object counts
// (also one that is there twice) whose value is a list with something in it.
Answer answer_strict(Arena *a, const char *text, size_t length);
// Every `"part" : ["label", …]` anywhere in the text, whatever stands between: missing commas, nesting, prose, an end cut off.
Answer answer_tolerant(Arena *a, const char *text, size_t length);

// The answer as a labeller without a language model writes it, in the original's layout: {"part": ["label","",""], …}
const char *answer_text(Arena *a, const AnswerPart *parts, size_t count);

// ---- classes

typedef struct Classes Classes;
Classes *classes_original(Arena *a);                   // the 151 labels and 35 classes of the original
Classes *classes_read(Arena *a, const char *path);     // a table label<TAB>class with a header; UNKNOWN is always a class
int classes_count(const Classes *c);                   // K
const char *classes_name(const Classes *c, int k);     // in the order of the original's table: by code point
const char *classes_title(const Classes *c, Arena *a, int k); // as the original's chart has it: "Inanimate Object" for objects
int classes_named(const Classes *c, const char *name); // -1: there is none
int classes_unknown(const Classes *c);
// The class of a label, exact to the letter; labels that are not in the map belong to UNKNOWN, *mapped says so.
int classes_of(const Classes *c, const char *label, bool *mapped);
const char *classes_label_for(const Classes *c, int k);  // a label that belongs to the class: its own name if it can be
size_t classes_labels(const Classes *c); // how many labels the map knows

// ---- shares

typedef struct {
    int K;
    size_t kept;         // captions with at least one class
    double *macro;       // (K) mean over captions of 100 n_k / N: each caption weighs the same
    double *micro;       // (K) 100 sum n_k / sum N: each part weighs the same
    double *per_caption; // (N, K) percent; NaN where a caption has no class
} Shares;

// Of one layer: answers (N). weighted: a part's second and third label count as 1/2 and 1/3 of a first where they are given; the
// original counts the first alone.
Shares shares_of(Arena *a, const Classes *c, const Answer *answers, size_t N, bool weighted);

// The classes of the stacked chart: those whose largest share over layers is at least `least`, in descending order of their
// share at the first layer. shares (L, K). Returns how many; order (K).
int shares_shown(int *order, const double *shares, int L, int K, double least);

// First layer whose value exceeds half the last one's and from which on all do; -1: the last is not above zero.
int emergence_layer(const double *values, int L);

#endif
