// tokenizer.h: text to token ids and back, from the files of a Hugging Face directory.
//
// Ids are those of `tokenizer(text).input_ids` in transformers 5.24 with tokenizers 0.23. Where a
// class there throws away the normaliser, pre-tokenizer and decoder that tokenizer.json asks for
// and puts its own in their place, the file wins here; `rebuild` gives the class's.
//
// A loaded Tokenizer does not change, so any number of threads may use it, each with its own arena.
#ifndef RETINA_MODEL_TOKENIZER_H
#define RETINA_MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/memory.h"

typedef struct Tokenizer Tokenizer;

// tokenizer.json, or vocab.json + merges.txt, or vocab.txt, with tokenizer_config.json,
// config.json, special_tokens_map.json and added_tokens.json where they are. Dies, with file and
// place, on anything that cannot be followed exactly: an unknown component or option, a pattern with a back reference.
Tokenizer *tokenizer_load(Arena *a, const char *dir, bool rebuild);
// The tokenizer of an OpenCLIP model, from a directory of any kind (CLIP's own, say): texts are cleaned
// before (openclip_text.h). tokenizer_load does so by itself for a directory of OpenCLIP's.
Tokenizer *tokenizer_load_openclip(Arena *a, const char *dir);

typedef struct {
    int32_t *ids;
    size_t count;
} Ids;

// Ids of a text (UTF-8, `n` bytes; may hold zeros). With `special`, what the post-processor adds
// ([CLS], <s> …) is added. The ids and all scratch are in `a`.
Ids tokenizer_encode(const Tokenizer *t, Arena *a, const char *text, size_t n, bool special);

// The same, cut to at most `limit` ids as the reference's truncation does: the text's ids are cut
// at their end, the added ones stay. Dies when the added ones alone are more.
Ids tokenizer_encode_cut(const Tokenizer *t, Arena *a, const char *text, size_t n, size_t limit);

// Text of ids, closed by 0; *length (may be NULL) receives its bytes. Ids that the tokenizer does
// not have are skipped, as the reference does. Without `keep_special`, special tokens are left out.
char *tokenizer_decode(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count,
                       bool keep_special, size_t *length);

// The same as a caption: white space off both ends as Python's strip() does, and U+FFFD for a zero byte, which would end it.
char *tokenizer_caption(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count, bool keep_special);

// Text while ids arrive: stream_put returns what can be printed now ("" often), always whole
// characters that no later id changes; stream_end returns the rest. All pieces together are
// tokenizer_decode's text.
typedef struct TokenStream TokenStream;
TokenStream *stream_new(const Tokenizer *t, Arena *a, bool keep_special);
const char *stream_put(TokenStream *s, int32_t id);
const char *stream_end(TokenStream *s);

// One token. The text is that of the file ("Ġthe", "▁the", "##ing"), NULL for an id that does not
// exist; -1 for a text that is no token.
const char *tokenizer_token(const Tokenizer *t, int32_t id, size_t *length);
int32_t tokenizer_id(const Tokenizer *t, const char *token);
bool tokenizer_is_special(const Tokenizer *t, int32_t id);
size_t tokenizer_size(const Tokenizer *t);     // tokens, added ones included
int32_t tokenizer_highest(const Tokenizer *t); // the highest id

// The named special tokens of tokenizer_config.json, or the class's own names; -1 where there is
// none.
typedef enum {
    TOKEN_BOS,
    TOKEN_EOS,
    TOKEN_UNK,
    TOKEN_SEP,
    TOKEN_PAD,
    TOKEN_CLS,
    TOKEN_MASK,
    TOKEN_NAMED
} NamedToken;
int32_t tokenizer_named(const Tokenizer *t, NamedToken which);

// For `info`: "byte-level BPE", "BPE", "Unigram", "WordPiece", "WordLevel", and the class of the
// reference.
const char *tokenizer_kind(const Tokenizer *t);
const char *tokenizer_class(const Tokenizer *t);

#endif
