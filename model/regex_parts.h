// regex_parts.h: what the files regex*.c share. Nobody else includes it.
//
//   pattern  →  nodes (regex_parse.c)  →  program (regex_compile.c)  →  matches (regex_match.c)
//
// Sets of characters, their names and their case: regex_class.c.
#ifndef RETINA_MODEL_REGEX_PARTS_H
#define RETINA_MODEL_REGEX_PARTS_H

#include "regex.h"

#define CHARACTER_MAX 0x10FFFFu
#define WITHOUT_END SIZE_MAX // of a repetition

// ---- regex_class.c: sets of characters

typedef struct {
    uint32_t from, to;
} Range;

typedef struct {
    Arena *arena;
    Range *ranges; // sorted and apart from each other, once it is tidy
    size_t count, room;
    bool untidy;
} CharSet;

void charset_add(CharSet *s, uint32_t from, uint32_t to);
void charset_tidy(CharSet *s);
void charset_join(CharSet *s, const CharSet *other);
void charset_meet(CharSet *s, const CharSet *other); // both tidy
void charset_invert(CharSet *s);                     // tidy, before and after
bool charset_has(const CharSet *s, uint32_t c);      // tidy
bool charset_property(CharSet *s, const char *name, size_t length, bool inverted); // adds; false: no such name
void charset_fold(CharSet *s); // adds what differs from a member only in case
void charset_same(CharSet *s, uint32_t c);           // adds c and what differs from it only in case
uint32_t folded(uint32_t c);                         // the one that stands for all that differ only in case
const uint32_t *folded_several(uint32_t c);          // the two or three characters (0 closes) that c folds to, or NULL
const uint32_t *charset_several(const CharSet *s, int *i);      // of the next member that has some, from *i = 0 on
const uint32_t *several_to_one(int i, uint32_t *c);             // those of the i-th such character, and itself; NULL: no more

// ---- regex_parse.c: a pattern as a tree

typedef enum { NODE_CHAR, NODE_CLASS, NODE_LIST, NODE_EITHER, NODE_REPEAT, NODE_PLACE, NODE_LOOK, NODE_ATOMIC } NodeKind;
typedef enum { GREEDY, LAZY, POSSESSIVE } RepeatMode;
typedef enum { TEXT_BEGIN, TEXT_END, TEXT_END_OR_LINE, LINE_BEGIN, LINE_END, WORD_EDGE, NO_WORD_EDGE } Place;

typedef struct Node {
    NodeKind kind;
    struct Node *first, *next; // its children; its next sibling
    uint32_t c;                // CHAR
    bool fold;                 // CHAR: whatever its case
    CharSet *set;              // CLASS; CHAR, once it was repeated
    RepeatMode mode;           // REPEAT
    size_t least, most;        // REPEAT
    Place place;               // PLACE
    bool behind, negative;     // LOOK
    size_t at;                 // in the pattern, for messages
    uint32_t slot;             // REPEAT of what can be empty: 1 + the number of its slot, once it has one
} Node;

typedef struct {
    Arena *arena;
    const char *pattern, *where;
    size_t length;
} Source;

Node *regex_parse(const Source *s);
Node *node_new(const Source *s, NodeKind kind, size_t at);
_Noreturn void regex_refuse(const Source *s, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);

// ---- regex_compile.c: the tree as a program

typedef enum {
    DO_BYTES,      // `size` bytes
    DO_CLASS,      // one character of classes[x]
    DO_RUN,        // least to most characters of classes[x]
    DO_SPLIT,      // on at x, and if that fails at y
    DO_JUMP,       // on at x
    DO_PLACE,      // x: a Place; y: the class of words' characters
    DO_LOOK,       // what follows up to DO_END matches here (or does not); on at x
    DO_ATOMIC,     // what follows up to DO_END, in its first way; on at x
    DO_LOOP_BEGIN, // slots[x] = here
    DO_LOOP_END,   // on at y if nothing was taken since
    DO_END,
} Operation;

typedef struct {
    uint8_t op, size, mode; // mode: a RepeatMode
    bool behind, negative;  // LOOK
    char bytes[4];
    uint32_t x, y;
    int32_t memo;       // SPLIT and endless RUN: a number of its own among its kind; -1: what fails here may do elsewhere
    size_t least, most; // RUN: characters; LOOK behind: how many back
} Instruction;

// The bytes that a match can begin with at an instruction, and whether one can begin at the end of the text.
typedef struct {
    uint64_t bytes[4];
    bool end;
} First;

typedef struct {
    First first; // the bits below 128 are the characters themselves
    CharSet set;
} RegexClass;

struct Regex {
    const char *pattern, *where; // for messages
    Instruction *program;
    First *first; // for every instruction
    RegexClass *classes;
    uint32_t count, class_count, slot_count, split_count, run_count;
};

// ---- regex_first.c

void regex_first(Arena *a, Regex *r); // fills r->first

#endif
