// regex.h: the regular expressions of tokenizer files, with the meaning that Oniguruma gives them inside `tokenizers`.
//
// The leftmost match wins, alternatives are tried in order, repetition is greedy unless it says otherwise. Matching never
// recurses over the text, and its time is bounded: see regex_match.c.
#ifndef RETINA_MODEL_REGEX_H
#define RETINA_MODEL_REGEX_H

#include "unicode.h"

typedef struct Regex Regex;

// Dies with `where`, the pattern, the place in it, and what to do about what is not read here.
Regex *regex_read(Arena *a, const char *pattern, size_t length, const char *where);

// What a search needs besides; from regex_room. It grows, and serves one search after another. How many steps
// all of them may take together follows from how many bytes they were given.
typedef struct {
    Growing stack, memo;
    uint64_t bytes, steps;
} RegexRoom;

static inline RegexRoom regex_room(Arena *a) { return (RegexRoom){.stack = {.arena = a}, .memo = {.arena = a}}; }

// All matches in one text (UTF-8), from left to right. One may be empty, but not where the one before it ends.
typedef struct {
    const Regex *regex;
    const char *text;
    size_t n, at, last_end;
    RegexRoom *room;
    uint64_t remember_from, limit; // in steps of the room
    bool memo;                     // failures are remembered
} RegexSearch;

RegexSearch regex_search(const Regex *r, const char *text, size_t n, RegexRoom *room);
bool regex_next(RegexSearch *s, size_t *begin, size_t *end); // dies where a text needs too many steps

#endif
