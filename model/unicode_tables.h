// unicode_tables.h: the data behind unicode.c, written by test/reference/unicode_tables.py.
#ifndef RETINA_MODEL_UNICODE_TABLES_H
#define RETINA_MODEL_UNICODE_TABLES_H

#include <stdint.h>

// Two levels: unicode_pages[c >> 6] is a block of 64 characters, a byte of it is a kind of character.
extern const uint32_t unicode_kind_flags[];
extern const uint16_t unicode_pages[];
extern const uint8_t unicode_blocks[];

// Lower case where it differs, sorted by `from`; U+0130 is two characters and unicode_lower() knows it.
extern const int unicode_lower_count;
extern const uint32_t unicode_lower_from[], unicode_lower_to[];

// Full decompositions, sorted by character: at | canonical count << 16 | compatible count << 24; the
// compatible parts follow the canonical ones, and are left out where they are the same.
extern const int unicode_parts_count;
extern const uint32_t unicode_parts_of[], unicode_parts_at[], unicode_parts[];

// Compositions: first + second = whole, sorted by first, then second. Hangul is arithmetic.
extern const int unicode_pair_count;
extern const uint32_t unicode_pair_first[], unicode_pair_second[], unicode_pair_whole[];

#endif
