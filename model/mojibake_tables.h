// mojibake_tables.h: what test/reference/mojibake_tables.py wrote down.
#ifndef RETINA_MODEL_MOJIBAKE_TABLES_H
#define RETINA_MODEL_MOJIBAKE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

enum { ENCODING_LATIN_1, ENCODING_WINDOWS_1252, ENCODING_WINDOWS_1257 = 6, ENCODING_MACROMAN = 8, ENCODINGS = 10 }; // between: more of Windows

typedef struct {
    uint16_t character;
    uint8_t class;           // what is in the same sets is of one class; 0: in none
    uint8_t byte[ENCODINGS]; // 0: not in that encoding
} MojibakeCharacter;

typedef struct {
    uint64_t classes[2];
    bool space, word;
} MojibakeSet;

typedef struct {
    uint8_t length;
    bool begin; // at the begin of the text only
    uint8_t set[7];
} MojibakePattern;

extern const MojibakeCharacter mojibake_characters[]; // in the order of characters
extern const int mojibake_characters_count;
extern const MojibakeSet mojibake_sets[];
extern const MojibakeSet *const mojibake_first[3], *const mojibake_continuation, *const mojibake_strict;
extern const MojibakePattern mojibake_patterns[];
extern const int mojibake_patterns_count;

#endif
