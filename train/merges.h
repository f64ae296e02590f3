// merges.h: learns byte-pair merges from words and writes tokenizer.json as the reference library saves it.
//
// Source: Sennrich et al. 2016 (arXiv:1508.07909). Of pairs equally often, the one first in byte order is merged, so the
// result depends on the counts alone.
#ifndef RETINA_TRAIN_MERGES_H
#define RETINA_TRAIN_MERGES_H

#include <stdbool.h>
#include <stdint.h>

#include "io/memory.h"

typedef struct Merges Merges;

typedef enum {
    MERGES_CLIP,  // byte-level symbols, "</w>" closes a word, lower case
    MERGES_LLAMA, // characters with byte fallback, "▁" opens a word
} MergesKind;

Merges *merges_new(Arena *a, MergesKind kind);
void merges_read(Merges *b, const char *text); // counts its words; words end at spaces and between letters and signs
void merges_learn(Merges *b, int most);        // merges until every word is one symbol, or `most` merges
// An added special token; ids continue after the vocabulary. Call after merges_learn.
int merges_special(Merges *b, const char *text);
int merges_size(const Merges *b); // ids, special ones included
int merges_words(const Merges *b, int *whole); // different words read, and how many of them are one token

// tokenizer.json into `dir`. MERGES_CLIP: the first two special tokens open and close a text. MERGES_LLAMA: <s> opens it.
void merges_write(Merges *b, const char *dir);

#endif
