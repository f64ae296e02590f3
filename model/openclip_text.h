// openclip_text.h: how OpenCLIP's tokenizers clean a text before they read it (verbalize.md 1.5).
//
// As ftfy.fix_text, then html.unescape twice, then white space: but for one thing. Text that was decoded in a wrong encoding
// ("sch\u00C3\u00B6n") stays as it is: what ftfy guesses there from what letters stand beside which is not done here.
#ifndef RETINA_MODEL_OPENCLIP_TEXT_H
#define RETINA_MODEL_OPENCLIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

// UTF-8 in and out; closed by 0. lower: small letters, too, as OpenCLIP's own tokenizer has them (the hugging face one: not).
char *openclip_clean(Arena *a, const char *text, size_t n, bool lower, size_t *length);

#endif
