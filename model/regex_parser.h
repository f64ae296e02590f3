// regex_parser.h: what regex_parse.c and regex_escape.c share.
#ifndef RETINA_MODEL_REGEX_PARSER_H
#define RETINA_MODEL_REGEX_PARSER_H

#include "regex_parts.h"

#define DEPTH_MAX 250    // groups and classes in one another: parsing, compiling and matching recurse over them
#define RANGES_MAX 50000 // of all classes together: \p{L} has 700, published patterns up to 8,000

typedef struct {
    const Source *source;
    size_t at;
    int depth, groups; // of groups and classes now; groups with numbers so far
    size_t ranges;     // of all classes so far, those in classes counted again
    bool fold, dot_all, extended; // (?i), (?m), (?x)
} Parser;

bool parse_word(Parser *p, const char *word); // takes it if it stands here

// The byte here; 0 at the end. A zero byte in a pattern is no operator either.
static inline char parse_peek(const Parser *p) { return p->at < p->source->length ? p->source->pattern[p->at] : 0; }

// ---- regex_escape.c

bool parse_named(Parser *p, CharSet *set, bool in_class); // behind a backslash: w, d, s, h, p{…} and their opposites; adds them
uint32_t parse_escaped(Parser *p);           // behind a backslash: the character that is meant
void parse_count(Parser *p, const CharSet *set, size_t at); // refuses a pattern of too many ranges
CharSet parse_class(Parser *p, bool *inverted); // behind "[", through its "]"; not yet inverted

#endif
