// bpe.h: learns byte-pair merges from words and writes tokenizer.json as the reference library saves it.
//
// Source: Sennrich et al. 2016 (arXiv:1508.07909). Of pairs equally often, the one first in byte order is merged, so the
// result depends on the counts alone.
#ifndef RETINA_TRAIN_BPE_H
#define RETINA_TRAIN_BPE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/memory.h"

typedef struct Bpe Bpe;

typedef enum {
    BPE_CLIP,  // byte-level symbols, "</w>" closes a word, lower case
    BPE_LLAMA, // characters with byte fallback, "▁" opens a word
} BpeKind;

Bpe *bpe_new(Arena *a, BpeKind kind);
void bpe_read(Bpe *b, const char *text); // counts its words; words end at spaces and between letters and signs
void bpe_learn(Bpe *b, int most);        // merges until every word is one symbol, or `most` merges
// An added special token; ids continue after the vocabulary. Call after bpe_learn.
int bpe_special(Bpe *b, const char *text);
int bpe_size(const Bpe *b); // ids, special ones included
int bpe_words(const Bpe *b, int *whole); // different words read, and how many of them are one token

// tokenizer.json into `dir`. BPE_CLIP: the first two special tokens open and close a text. BPE_LLAMA: <s> opens it.
void bpe_write(Bpe *b, const char *dir);

#endif
