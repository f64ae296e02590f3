// openclip_text.h: how OpenCLIP's tokenizers clean a text before they read it (verbalize.md 1.5).
//
// As ftfy.fix_text, then html.unescape twice, then white space.
#ifndef RETINA_MODEL_OPENCLIP_TEXT_H
#define RETINA_MODEL_OPENCLIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

// UTF-8 in and out; closed by 0. lower: small letters, too, as OpenCLIP's own tokenizer has them (the hugging face one: not).
char *openclip_clean(Arena *a, const char *text, size_t n, bool lower, size_t *length);

#endif
