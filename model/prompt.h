// prompt.h: a text, with or without pictures, as the token ids that a model is given.
#ifndef RETINA_MODEL_PROMPT_H
#define RETINA_MODEL_PROMPT_H

#include "chat.h"
#include "model.h"
#include "tokenizer.h"

typedef struct {
    const Model *model;
    const Tokenizer *tokenizer;
    Chat chat;
} Prompter;

Prompter prompter_load(Arena *a, const Model *m); // reads the directory's tokenizer and template

// ids (1, T) of the text. raw: as it is, with the special tokens that the tokenizer adds by itself; else rendered by the
// chat template with `images` pictures before the text and a generation prompt. Encoders without a template are always raw.
// Where a model wants its texts padded (CoCa), they are, and cut where they are longer, as its tokenizer does.
// Image placeholders are written out as many times as a picture takes tokens.
Tensor prompt_ids(Arena *a, const Prompter *p, const char *text, int images, bool raw);
char *prompt_text(Arena *a, const Prompter *p, const char *text, int images, bool raw); // before the tokenizer

#endif
