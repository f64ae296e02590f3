// unicode.h: what the tokenizers need to know of Unicode: classes of characters, lower case, the
// four normal forms, grapheme clusters. As the `tokenizers` library has it: see unicode_tables.py.
#ifndef RETINA_MODEL_UNICODE_H
#define RETINA_MODEL_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/memory.h"
#include "io/utf8.h"

enum {
    UNI_L = 1 << 0,           // letter
    UNI_M = 1 << 1,           // mark
    UNI_N = 1 << 2,           // number
    UNI_UPPER = 1 << 3,       // Lu, Lt
    UNI_LOWER = 1 << 4,       // Ll
    UNI_SPACE = 1 << 5,       // White_Space, 25 characters
    UNI_PUNCTUATION = 1 << 6, // BERT's: P* of an old Unicode, and all of ASCII's
    UNI_CONTROL =
        1 << 7, // BERT's clean_text removes it (C* of the same old Unicode, U+0000, U+FFFD)
    UNI_NONSPACING = 1 << 8, // BERT's strip_accents removes it
    UNI_NUMERIC = 1 << 9,    // the pre-tokenizer Digits takes it for one
    UNI_WORD = 1 << 10,      // \w
    UNI_MARK = 1 << 11,      // the normaliser StripAccents removes it
    UNI_LOWERS = 1 << 12,    // differs from its lower case
    UNI_SLOW = 1 << 13, // << form: may change, or join what stands before it, in that normal form
};

typedef enum { NFC, NFD, NFKC, NFKD } NormalForm;

uint32_t unicode_flags(uint32_t c);               // UNI_* bits; 0 beyond U+10FFFF
int unicode_lower(uint32_t c, uint32_t lower[2]); // how many characters: 1 or 2
void unicode_strip(const char **text, size_t *n); // Python's str.strip(): white space and U+001C … U+001F go off both ends
size_t unicode_word(const char **text);           // of its str.split(): *text goes on to the next word; its bytes, 0: there is none

// Text that grows in an arena.
typedef struct {
    Arena *arena;
    char *text;
    size_t length, room;
} Growing;

void growing_room(Growing *g, size_t more);
void growing_put(Growing *g, const char *text, size_t n);
void growing_char(Growing *g, uint32_t c);

// Appends `text` in a normal form. Linear in the length, whatever the text.
void unicode_normalize(Growing *out, NormalForm form, const char *text, size_t n);

// The end of the extended grapheme cluster (UAX 29) that begins at `at`. Flags are not paired:
// clusters matter to the charsmap only below 6 bytes.
size_t unicode_cluster_end(const char *text, size_t n, size_t at);

#endif
