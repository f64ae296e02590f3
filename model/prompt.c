// prompt.c: see prompt.h.
#include "prompt.h"

#include <string.h>

Prompter prompter_load(Arena *a, const Model *m) {
    return (Prompter){.model = m, .tokenizer = tokenizer_load(a, m->dir, false), .chat = chat_load(a, m->dir)};
}

static char *expanded(Arena *a, const Prompter *p, const char *text, int images) {
    if (images == 0 || p->model->image_token < 0 || p->model->image_tokens == 0) return arena_text(a, text, strlen(text));
    ChatImage *list = take(a, ChatImage, (size_t)images);
    for (int i = 0; i < images; i++) list[i] = (ChatImage){.tokens = p->model->image_tokens, .parts = 1};
    return chat_expand(a, &p->chat, text, list, (size_t)images);
}

char *prompt_text(Arena *a, const Prompter *p, const char *text, int images, bool raw) {
    if (raw || p->chat.family == CHAT_NONE || !p->model->family->generates) return expanded(a, p, text, images);
    ChatTurn turn = {.role = CHAT_USER, .text = text, .images = images};
    return expanded(a, p, chat_render(a, &p->chat, &turn, 1, true, THINK_DEFAULT), images);
}

Tensor prompt_ids(Arena *a, const Prompter *p, const char *text, int images, bool raw) {
    bool rendered = !raw && p->chat.family != CHAT_NONE && p->model->family->generates;
    char *whole = prompt_text(a, p, text, images, raw);
    int padded = p->model->padded;
    Ids ids = padded ? tokenizer_encode_cut(p->tokenizer, a, whole, strlen(whole), (size_t)padded)
                     : tokenizer_encode(p->tokenizer, a, whole, strlen(whole), rendered ? p->chat.special : true);
    need(ids.count > 0, "the text \"%.60s\" has no token", text);
    Tensor t = tensor_take(a, DTYPE_I32, DIMS(1, padded ? padded : (long)ids.count));
    memcpy(t.data, ids.ids, ids.count * sizeof(int32_t));
    for (int i = (int)ids.count; i < padded; i++) i32(t)[i] = p->model->pad;
    return t;
}
