// unicode_properties.h: the data behind \p{…}, [[:…:]] and (?i), written by test/reference/unicode_properties.py.
#ifndef RETINA_MODEL_UNICODE_PROPERTIES_H
#define RETINA_MODEL_UNICODE_PROPERTIES_H

#include <stdint.h>

typedef enum { CATEGORIES, SCRIPT } PropertyKind;

typedef struct {
    const char *name; // small letters, without spaces, hyphens and underscores
    PropertyKind kind;
    uint32_t value;          // CATEGORIES: a bit for every one that is in it as a whole; SCRIPT: its number
    uint16_t first, ranges; // what else is in it: so many ranges of unicode_property_ranges, the first beginning there
} UnicodeProperty;

extern const int unicode_property_count;
extern const UnicodeProperty unicode_properties[]; // sorted by name

// first character << 8 | number of the category or script, up to the next run
extern const int unicode_category_run_count, unicode_script_run_count;
extern const uint32_t unicode_category_runs[], unicode_script_runs[];
extern const uint32_t unicode_property_ranges[]; // from, to, from, to …

// Characters that differ only in case have one of them in common, to which the others fold.
extern const int unicode_fold_count;
extern const uint32_t unicode_fold_from[], unicode_fold_to[]; // sorted by `from`
// A character that folds to two or three, as ß to ss; the last is 0 where there are two.
extern const int unicode_fold_several_count;
extern const uint32_t unicode_fold_several[][4];

#endif
