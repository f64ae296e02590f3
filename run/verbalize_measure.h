// verbalize_measure.h: numbers over the captions of all layers: what tables and report share.
#ifndef RETINA_RUN_VERBALIZE_MEASURE_H
#define RETINA_RUN_VERBALIZE_MEASURE_H

#include "analysis/caption_scores.h"
#include "analysis/plot.h"
#include "analysis/statistics.h"
#include "train/world_words.h"
#include "verbalize.h"

typedef struct { // of one layer
    Description entropy;
    Interval entropy_mean;
    size_t distinct, vocabulary, same_next, at_limit;
    double words, type_token, jaccard_last; // means over captions; overlap of word sets with the native layer's caption
    double like_mean;                       // share of captions equal to the mean control's; NaN without
    double grammatical;                     // share of sentences of the world's grammar; NaN beyond the world
} LayerWords;

LayerWords *measure_words(Verbalize *s, const Verbal *v, Arena *a); // (L)

// f is what curves show: the harmonic mean of precision and recall over all pictures; 0 where nothing of the kind is said. For counts
// it is recall (no full caption needs a number word), for positions precision (no list says which relations a caption owes).
#define SAID_LEAST 10 // fewer words of a kind say nothing about their precision

typedef struct {
    Interval precision[FACTS], recall[FACTS], f[FACTS]; // f of positions: NaN where fewer than SAID_LEAST are said
    double mean_precision[FACTS], mean_recall[FACTS], mean_f[FACTS];             // the mean control's caption against every scene
    double shuffled_precision[FACTS], shuffled_recall[FACTS], shuffled_f[FACTS]; // captions dealt to other pictures
    double said[FACTS]; // over all pictures: what precision rests on
} LayerTruth;

typedef struct {
    LayerTruth *layers; // (L)
    // Layer number from which on f, less that of captions dealt to other pictures, stays above half of the native layer's;
    // one more than the native layer's: never.
    Interval emergence[FACTS];
    Interval after_colour[FACTS]; // how many layers later than colours, in the same resamples
} Truth;

Truth *measure_truth(Verbalize *s, const Verbal *v, Arena *a); // NULL beyond the world

typedef struct {
    Classes *classes;
    const char *labeller;
    int K;
    Shares *shares;   // (L)
    double *table;    // (L, K) macro
    size_t *strict_ok, *tolerant_ok, *empty; // (L)
    Answer **answers; // [L][N], as --parse says
    int *emergence;   // (K) place among the layers; -1: never
} Categories;

Categories *measure_categories(Verbalize *s, const Verbal *v, Arena *a); // NULL without categories

typedef struct {
    const char *judge;
    double **score; // [L][N] 100 max(0, cosine)
    double **rank;  // [L][N] from 1, of the right picture among all
    double *mean_score; // (L) of the mean control's caption, averaged over pictures; NaN without
    size_t vectors;
} Scores;

Scores *scores_open(Verbalize *s, const Verbal *v, Arena *a); // NULL when the step score wrote none

typedef struct {
    size_t with, texts;     // pictures that have references, and how many those are
    CaptionScores *layers;  // (L)
    CaptionScores *mean;    // (L) of the mean control's captions; NULL without
} ReferenceScores;

ReferenceScores *measure_references(Verbalize *s, const Verbal *v, Arena *a); // NULL without references

enum { CHOICES = CHANGES + 1 }; // the world's changes, and the side of a relation
extern const char *const choice_names[CHOICES];

typedef struct {
    const char **texts;       // (N) the caption that was read
    double **own, **control;  // [L][N] nats a token under the layer's state, and under the mean state
    double **margin[CHOICES]; // [L][N] nats a token by which the true text is likelier than the changed one; NaN: no such text
    size_t chosen[CHOICES];   // pictures with such a pair
} Likelihoods;

Likelihoods *measure_likelihood(Verbalize *s, const Verbal *v, Arena *a); // NULL when the step likelihood was not run

// The stacked chart of the shares, from layer 1 on; *shown (may be NULL): how many classes it has.
const char *sac_figure(const Verbal *v, const Categories *c, Arena *a, PlotUse use, int *shown);

int layer_first(const Verbal *v); // place of layer 1 (behind a layer 0, if that was read)

#endif
