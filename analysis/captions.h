// captions.h: what can be said of captions by their words alone.
//
// A word is a run of letters and digits, with apostrophes and hyphens inside it; a character of a script without spaces (Han,
// Kana, Thai) is a word of its own. Texts are UTF-8; bytes that are not are passed over.
#ifndef RETINA_ANALYSIS_CAPTIONS_H
#define RETINA_ANALYSIS_CAPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

typedef struct {
    const char *text; // inside the caption
    size_t length;
    bool changed; // not part of what both captions share, in order
} Piece;

// Both captions cut into pieces (words, the marks and spaces between them) that join to the caption again, with what the
// other one lacks marked: the longest common sequence of words and marks, compared as written. Beyond 4,000 pieces of
// each, only what they share at the beginning and at the end counts as common.
void caption_difference(Arena *a, const char *x, const char *y, Piece **px, size_t *nx, Piece **py, size_t *ny);

size_t caption_words(const char *text);                       // how many
size_t caption_distinct_words(const char *text, Arena *a);    // different ones, small and capital letters (A-Z) alike
// 2PR / (P + R) of words as multisets, small and capital letters alike; both empty: 1, one empty: 0.
double caption_f1(const char *candidate, const char *reference, Arena *a);
bool caption_equal(const char *x, const char *y); // the same bytes, white space around them aside

// What is no caption any more, in this order (the first that fits).
typedef enum {
    CAPTION_SOUND,
    CAPTION_EMPTY,    // no word
    CAPTION_SHORT,    // fewer than three words
    CAPTION_REPEATS,  // a group of 1 to 8 words three times running; or more than half of the groups of 4 words are repeats
    CAPTION_SCRIPT    // most letters belong to another script than most letters of the reference
} Collapse;
Collapse caption_collapse(const char *text, const char *reference, Arena *a); // reference NULL: scripts are not compared
const char *caption_collapse_name(Collapse c); // "sound", "empty", "short", "repeats", "script"

#endif
