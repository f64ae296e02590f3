// caption_scores.h: captions against reference captions: BLEU, ROUGE-L, CIDEr-D.
//
// Sources: Papineni et al. 2002; Lin 2004; Vedantam et al. 2015, with the choices of the COCO caption evaluation: closest reference
// length, beta 1.2, image-level document frequencies, clipped counts, sigma 6. Words are lower-cased, punctuation is removed; this
// is not the PTB tokenizer of the official script, so numbers compare across layers, not with papers.
#ifndef RETINA_ANALYSIS_CAPTION_SCORES_H
#define RETINA_ANALYSIS_CAPTION_SCORES_H

#include <stddef.h>

#include "io/memory.h"

typedef struct {
    const char *const *texts; // of one picture
    size_t count;             // 0: the picture is left out
} References;

typedef struct {
    size_t n; // pictures with references
    double bleu[4], rouge_l, cider_d;
} CaptionScores;

CaptionScores caption_scores(Arena *a, const char *const *captions, const References *references, size_t N);

#endif
