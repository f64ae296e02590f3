// chat.h: a conversation as the text that a model was trained on, with the built-in renderer of its
// family.
//
// Chat templates are small programs in a template language; none is run here. The family is
// recognised by the marker strings in the directory's template and by config.json's model_type, and
// details that published templates of one family differ in (a default system text, trimming, the
// spaces around [INST]) are read off the template's text.
#ifndef RETINA_MODEL_CHAT_H
#define RETINA_MODEL_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

typedef enum {
    CHAT_NONE, // an encoder, or a language model without a template
    CHAT_LLAVA,
    CHAT_IDEFICS2,
    CHAT_QWEN2,  // Qwen2 … Qwen2.5-VL, Qwen3-VL: <|im_start|> turns
    CHAT_QWEN3,  // the same; <think> may be closed in advance
    CHAT_QWEN35, // the same; <think> is always there
    CHAT_LLAMA2,
    CHAT_LLAMA3,
    CHAT_LLAMA31, // with its two lines of dates
    CHAT_MISTRAL,
    CHAT_GEMMA,
    CHAT_OLMO,
    CHAT_MOLMO,
    CHAT_FAMILIES
} ChatFamily;

typedef enum {
    THINK_DEFAULT,
    THINK_OFF,
    THINK_ON
} ChatThinking; // default: Qwen3.5 off, Qwen3 as the model likes

typedef struct {
    ChatFamily family;
    const char *dir;
    const char *bos, *eos;    // texts; "" where nothing is written
    const char *system;       // the text of a system turn that is there by itself; NULL: none
    const char *image;        // what an image is in the text; NULL: the family takes none
    bool image_in_text;       // the template knows none: it is written at the head of the turn's text
    const char *open, *close; // Mistral: around a user's turn
    const char *answer;       //   before the model's
    const char *start;        // before the first turn, as SmolVLM has it
    const char *date;         // Llama 3.1
    bool trims;               // white space around a turn's text is taken off
    bool special; // the rendered text is to be encoded with the tokenizer's special tokens
} Chat;

typedef enum { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT } ChatRole;

typedef struct {
    ChatRole role;
    const char *text;
    int images; // before the text
} ChatTurn;

// The template in `dir` (chat_template.jinja, chat_template.json, tokenizer_config.json) and its
// model_type. A note is written where the template does not look like the family's.
Chat chat_load(Arena *a, const char *dir);
const char *chat_family_name(ChatFamily family);

// The text; with `prompt`, up to where the model's answer begins. Dies for a turn that the family
// cannot have: an image where none is understood, a system text for Gemma.
char *chat_render(Arena *a, const Chat *c, const ChatTurn *turns, size_t count, bool prompt,
                  ChatThinking thinking);

// The same text with every image written out as the tokens that it takes. `parts` is 1, or 5 for an
// Idefics2 image that is split. Dies if the text has another number of images.
typedef struct {
    int tokens, parts;
} ChatImage;
char *chat_expand(Arena *a, const Chat *c, const char *text, const ChatImage *images, size_t count);

#endif
