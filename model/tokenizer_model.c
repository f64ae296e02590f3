// tokenizer_model.c: what the models of a tokenizer share, and the two that need no file of their
// own.
#include <string.h>

#include "tokenizer_parts.h"

void vocab_read(Words *w, Arena *a, const Json *vocab, const char *where) {
    need(vocab->kind == JSON_OBJECT, "%s: \"vocab\" is not an object", where);
    words_open(w, a, vocab->count);
    size_t bytes = 0;
    for (size_t i = 0; i < vocab->count; i++) bytes += vocab->key_lengths[i] + 1;
    char *pool = take(a, char, bytes);
    for (size_t i = 0; i < vocab->count; i++) {
        const Json *v = &vocab->items[i];
        need(v->kind == JSON_NUMBER && v->integral && v->integer >= 0 && v->integer <= INT32_MAX,
             "%s: the id of \"%.80s\" is not a whole number from 0 to 2147483647", where,
             vocab->keys[i]);
        size_t n = vocab->key_lengths[i];
        memcpy(pool, vocab->keys[i], n + 1);
        words_add(w, a, (Piece){pool, n}, (int32_t)v->integer);
        pool += n + 1;
    }
}

void bytes_find(Model *m) {
    static const char digits[] = "0123456789ABCDEF";
    for (int b = 0; b < 256; b++) {
        const char name[6] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
        m->bytes[b] = words_id(&m->words, name, sizeof name);
    }
}

void model_read(Model *m, Arena *a, const Json *json, const char *path) {
    const char *where = arena_print(a, "%s: model", path);
    need(json && json->kind == JSON_OBJECT, "%s: there is no object \"model\"", path);
    *m = (Model){.path = path, .unk = -1};
    const char *type = json_text_or(json, "type", NULL);
    const Json *vocab = json_get(json, "vocab");
    if (!type) { // files from before models had a type
        if (json_get(json, "merges"))
            type = "BPE";
        else if (vocab && vocab->kind == JSON_ARRAY)
            type = "Unigram";
        else
            type = json_get(json, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
    }
    if (strcmp(type, "BPE") == 0) {
        m->kind = MODEL_BPE;
        bpe_read(m, a, json, vocab, json_get(json, "merges"), where);
    } else if (strcmp(type, "WordPiece") == 0) {
        m->kind = MODEL_WORDPIECE;
        need(vocab, "%s: a WordPiece without \"vocab\"", where);
        vocab_read(&m->words, a, vocab, where);
        wordpiece_read(m, a, json, where);
    } else if (strcmp(type, "Unigram") == 0) {
        m->kind = MODEL_UNIGRAM;
        unigram_read(m, a, json, where);
    } else if (strcmp(type, "WordLevel") == 0) {
        m->kind = MODEL_WORDLEVEL;
        need(vocab, "%s: a WordLevel without \"vocab\"", where);
        vocab_read(&m->words, a, vocab, where);
        const char *unk = json_text(json, "unk_token");
        m->unk = words_id(&m->words, unk, strlen(unk));
    } else {
        die("%s: the type \"%s\"; BPE, WordPiece, Unigram or WordLevel is wanted", where, type);
    }
}

void model_options(Model *m, Arena *a, const Json *o) {
    const Json *unk = json_get(o, "unk_token");
    if (unk) m->unk = words_id(&m->words, unk->text, unk->length);
    if (m->kind == MODEL_BPE) {
        const char *suffix = json_text_or(o, "end_of_word_suffix", "");
        m->suffix = piece_copy(a, (Piece){suffix, strlen(suffix)});
        m->prefix = (Piece){"", 0};
        m->has_unk = unk != NULL;
        m->fuse_unk = json_bool_or(o, "fuse_unk", false);
        m->byte_fallback = json_bool_or(o, "byte_fallback", false);
        m->ignore_merges = false;
    } else if (m->kind == MODEL_UNIGRAM) {
        m->unk = json_int32_or(o, "unk_id", m->unk);
        m->byte_fallback = false;
        need(m->unk < (int64_t)m->score_count,
             "%s: %zu pieces, and the class wants <unk> to have id %d", m->path, m->score_count,
             m->unk);
    }
}

// ---- encoding

void ids_put(Encoder *e, int32_t id) {
    if (e->count == e->room) {
        size_t room = e->room ? size_mul(e->room, 2, "token ids") : 64;
        e->ids = arena_grow(e->arena, e->ids, e->count, room, sizeof *e->ids);
        e->room = room;
    }
    e->ids[e->count++] = id;
}

void *scratch_take(Encoder *e, Scratch which, size_t count, size_t size) {
    size_t bytes = size_mul(count, size, "token scratch");
    if (bytes > e->scratch_size[which]) {
        bytes = size_add(bytes, bytes / 2, "token scratch");
        e->scratch[which] = arena_take(e->arena, bytes, 1);
        e->scratch_size[which] = bytes;
    }
    return e->scratch[which];
}

// Words of a text come again and again: a table of those seen, each at the place that its hash
// gives and until another needs it. The ids are those written when it was first seen.
#define SEEN_BYTES 27  // longest word remembered: an entry is 48 bytes
#define SEEN_MAX 16384 // entries
#define SEEN_FROM 512  // bytes of text below which it does not pay

struct Seen {
    size_t at; // in Encoder.ids
    uint32_t hash, count;
    uint8_t length; // 0: free
    char text[SEEN_BYTES];
};

void seen_open(Encoder *e, size_t text_bytes) {
    if (text_bytes < SEEN_FROM) return;
    uint32_t entries = 64;
    while (entries < SEEN_MAX && entries < text_bytes / 16) entries *= 2;
    e->seen = take_zero(e->arena, Seen, entries);
    e->seen_mask = entries - 1;
}

static void word_plain(const Model *m, Encoder *e, Piece word) {
    switch (m->kind) {
    case MODEL_BPE:
        bpe_word(m, e, word);
        break;
    case MODEL_WORDPIECE:
        wordpiece_word(m, e, word);
        break;
    case MODEL_UNIGRAM:
        unigram_word(m, e, word);
        break;
    case MODEL_WORDLEVEL: {
        int32_t id = words_id(&m->words, word.text, word.length);
        need(id >= 0 || m->unk >= 0,
             "%s: \"%.*s\" is not in the vocabulary, and the unk_token is not either", m->path,
             word.length < 80 ? (int)word.length : 80, word.text);
        ids_put(e, id >= 0 ? id : m->unk);
    }
    }
}

static void word_remembered(const Model *m, Encoder *e, Piece word) {
    if (!e->seen || word.length > SEEN_BYTES) {
        word_plain(m, e, word);
        return;
    }
    uint32_t hash = piece_hash(word);
    Seen *s = &e->seen[hash & e->seen_mask];
    if (s->hash == hash && s->length == word.length &&
        memcmp(s->text, word.text, word.length) == 0) {
        for (uint32_t i = 0; i < s->count; i++) ids_put(e, e->ids[s->at + i]);
        return;
    }
    size_t at = e->count;
    word_plain(m, e, word);
    *s = (Seen){
        .at = at, .hash = hash, .count = (uint32_t)(e->count - at), .length = (uint8_t)word.length};
    memcpy(s->text, word.text, word.length);
}

void model_word(const Model *m, Encoder *e, Piece word) {
    if (!m->parts) {
        word_remembered(m, e, word);
        return;
    }
    static const char mark[] = "\xE2\x96\x81";
    size_t begin = 0;
    for (size_t i = 0;
         i + 3 <= word.length;) { // a part ends before a ▁ that follows something else
        const char *hit = memchr(word.text + i, mark[0], word.length - i - 2);
        if (!hit) break;
        i = (size_t)(hit - word.text);
        bool is_mark = memcmp(hit, mark, 3) == 0;
        bool run = is_mark && i >= begin + 3 && memcmp(hit - 3, mark, 3) == 0;
        if (is_mark && !run && i > begin) {
            word_remembered(m, e, (Piece){word.text + begin, i - begin});
            begin = i;
        }
        i += is_mark ? 3 : 1;
    }
    word_remembered(m, e, (Piece){word.text + begin, word.length - begin});
}
