// tokenizer_stream.c: text while its ids arrive. See tokenizer.h.
//
// The ids from `context` on are decoded without and with those not printed yet; what the second
// text has more is new. `context` stays one printed stretch behind, because the first token of a
// text decodes differently (it loses a space) and because some steps look one token back.
#include <string.h>

#include "tokenizer_parts.h"

struct TokenStream {
    const Tokenizer *tokenizer;
    Arena *arena;
    bool keep_special;
    bool at_end_only; // a step that the last ids can change anywhere: everything comes from
                      // stream_end
    bool bytes;       // <0xHH> tokens: a run of them is one thing until something else follows
    int32_t *ids;
    size_t count, room;
    size_t context, printed; // indices of ids
    size_t written;          // bytes returned so far
};

TokenStream *stream_new(const Tokenizer *t, Arena *a, bool keep_special) {
    TokenStream *s = take_zero(a, TokenStream, 1);
    *s = (TokenStream){.tokenizer = t, .arena = a, .keep_special = keep_special};
    s->at_end_only = t->clean_up && t->model.kind != MODEL_BPE;
    for (size_t i = 0; i < t->decodes.count; i++) {
        const Decode *d = &t->decodes.steps[i];
        if (d->kind == DECODE_BYTE_FALLBACK) s->bytes = true;
        if (d->kind == DECODE_STRIP && d->stop) s->at_end_only = true;
    }
    return s;
}

const char *stream_put(TokenStream *s, int32_t id) {
    if (s->count == s->room) {
        size_t room = s->room ? size_mul(s->room, 2, "token stream") : 256;
        s->ids = arena_grow(s->arena, s->ids, s->count, room, sizeof *s->ids);
        s->room = room;
    }
    s->ids[s->count++] = id;
    Piece token;
    if (s->at_end_only || !decode_token(s->tokenizer, id, s->keep_special, &token)) return "";
    if (s->bytes && decode_byte_token(token) >= 0) return "";
    const int32_t *from = s->ids + s->context;
    Piece old = decode_all(s->tokenizer, s->arena, from, s->printed - s->context, s->keep_special);
    Piece now = decode_all(s->tokenizer, s->arena, from, s->count - s->context, s->keep_special);
    bool open_end = now.length >= 3 && memcmp(now.text + now.length - 3, "\xEF\xBF\xBD", 3) == 0;
    if (open_end || now.length <= old.length || memcmp(now.text, old.text, old.length) != 0)
        return "";
    s->context = s->printed;
    s->printed = s->count;
    s->written += now.length - old.length;
    return arena_text(s->arena, now.text + old.length, now.length - old.length);
}

const char *stream_end(TokenStream *s) {
    Piece all = decode_all(s->tokenizer, s->arena, s->ids, s->count, s->keep_special);
    if (all.length <= s->written) return "";
    size_t before = s->written;
    s->written = all.length;
    return arena_text(s->arena, all.text + before, all.length - before);
}
