// world_words.h: what a sentence says about a scene of the world, and whether it is true.
//
// Any text is read, however broken: words that the world does not know are kept as unknown. Facts are collected by family.
#ifndef RETINA_TRAIN_WORLD_WORDS_H
#define RETINA_TRAIN_WORLD_WORDS_H

#include "io/memory.h"
#include "world.h"

typedef enum { WORD_UNKNOWN, WORD_FUNCTION, WORD_COLOUR, WORD_SHAPE, WORD_SIZE, WORD_PATTERN, WORD_NUMBER, WORD_PLACE, WORD_POSITION, WORD_THING, WORD_KINDS } WordKind;
extern const char *const word_kind_names[WORD_KINDS];

typedef enum { SAID_NOTHING, SAID_TRUE, SAID_FALSE } Said; // nothing: the word claims nothing about the scene

typedef struct {
    const char *text; // inside the sentence
    size_t length;
    WordKind kind;
    Said said;
} WorldWord;

// What is scored, each over the distinct things that a sentence says and that the scene holds.
typedef enum {
    FACT_COLOUR,   // colours said, colours there
    FACT_SHAPE,
    FACT_SIZE,     // small, large
    FACT_PATTERN,  // "striped" said, striped objects there
    FACT_PLACE,    // the habitat
    FACT_COUNT,    // numbers (and articles) said with what they count; told: all objects told is as many as there are
    FACT_RELATION, // "left of", "above" …; "on the left", "at the top" …
    FACT_BINDING,  // two or more attributes of one object in one phrase
    FACTS
} Fact;
extern const char *const fact_names[FACTS];

typedef struct {
    int said, right; // precision is right / said
    int there, told; // recall is told / there; there 0: no recall for this family
} FactScore;

typedef struct {
    WorldWord *words;
    size_t count;
    bool grammatical; // exactly a sentence of the world's grammar
    FactScore facts[FACTS];
} WorldReading;

// Words and marks of `text`, judged against a scene; scene NULL: kinds only.
WorldReading world_read(Arena *a, const char *text, const WorldScene *scene);

#endif
