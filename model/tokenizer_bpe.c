// tokenizer_bpe.c: byte-pair encoding of one word.
//
// Source: Sennrich et al. 2016 (arXiv:1508.07909); details of unknown characters from
// huggingface/tokenizers, src/models/bpe/model.rs. The pair of the lowest rank is merged first, the
// leftmost among equals. Bites: an unknown character that waits to be fused is written *after* the
// byte tokens of a later one.
#include <string.h>

#include "tokenizer_parts.h"

// ---- reading

static int32_t id_wanted(const Model *m, Piece text, size_t rank, const char *where) {
    int32_t id = words_id(&m->words, text.text, text.length);
    need(id >= 0, "%s: merge %zu: \"%.80s\" is not in the vocabulary", where, rank, text.text);
    return id;
}

// Is there a ▁ right behind something else?
static bool mark_inside(Piece p) {
    static const char mark[] = "\xE2\x96\x81";
    for (size_t i = 1; i + 3 <= p.length; i++)
        if (memcmp(p.text + i, mark, 3) == 0 && (i < 3 || memcmp(p.text + i - 3, mark, 3) != 0))
            return true;
    return false;
}

// "a b" or ["a", "b"].
static void merge_read(const Json *v, Piece *left, Piece *right, size_t rank, const char *where) {
    if (v->kind == JSON_ARRAY && v->count == 2 && v->items[0].kind == JSON_TEXT &&
        v->items[1].kind == JSON_TEXT) {
        *left = (Piece){v->items[0].text, v->items[0].length};
        *right = (Piece){v->items[1].text, v->items[1].length};
        return;
    }
    const char *space = v->kind == JSON_TEXT ? memchr(v->text, ' ', v->length) : NULL;
    need(space && !memchr(space + 1, ' ', v->length - (size_t)(space + 1 - v->text)),
         "%s: merge %zu is not two texts with a space between", where, rank);
    *left = (Piece){v->text, (size_t)(space - v->text)};
    *right = (Piece){space + 1, v->length - left->length - 1};
}

static void merges_read(Model *m, Arena *a, const Json *list, const char *where) {
    need(list->count < 1u << 29, "%s: %zu merges are more than this program can hold", where,
         list->count);
    merges_open(m, a, list->count);
    Growing whole = {.arena = a};
    size_t rank = 0;
    for (size_t i = 0; i < list->count; i++) {
        const Json *v = &list->items[i];
        if (v->kind == JSON_TEXT && strncmp(v->text, "#version", 8) == 0) continue;
        Piece left, right;
        merge_read(v, &left, &right, rank, where);
        int32_t x = id_wanted(m, left, rank, where), y = id_wanted(m, right, rank, where);
        need(right.length >= m->prefix.length,
             "%s: merge %zu: \"%.80s\" is shorter than the continuing_subword_prefix", where, rank,
             right.text);
        whole.length = 0;
        growing_put(&whole, left.text, left.length);
        growing_put(&whole, right.text + m->prefix.length, right.length - m->prefix.length);
        growing_put(&whole, "", 1); // for messages
        Piece both = {whole.text, whole.length - 1};
        merges_add(m, x, y, (uint32_t)rank, id_wanted(m, both, rank, where));
        if (mark_inside(both)) m->parts = false;
        if (right.length == m->prefix.length) m->twins = true; // it adds nothing
        rank++;
    }
}

static Piece affix_read(Arena *a, const Json *json, const char *key) {
    const char *text = json_text_or(json, key, "");
    return piece_copy(a, (Piece){text, strlen(text)});
}

// Tokens that are one character of one or two bytes.
static void short_find(Model *m) {
    memset(m->short_ids, 0xff, sizeof m->short_ids); // -1
    for (size_t i = 0; i < m->words.count; i++) {
        const Word *w = &m->words.words[i];
        size_t at = 0;
        if (w->text.length == 1 || (w->text.length == 2 && (unsigned char)w->text.text[0] >= 0xC0))
            m->short_ids[utf8_next(w->text.text, &at)] = w->id;
    }
}

static bool ids_shared(const Words *w) {
    for (size_t i = 0; i < w->count; i++)
        if (words_word(w, w->words[i].id) != &w->words[i]) return true;
    return false;
}

void bpe_read(Model *m, Arena *a, const Json *json, const Json *vocab, const Json *merges,
              const char *where) {
    const Json *unk = json_get(json, "unk_token");
    need(vocab && merges && merges->kind == JSON_ARRAY,
         "%s: a BPE needs \"vocab\" and a list \"merges\"", where);
    need(json_real_or(json, "dropout", 0) == 0, "%s: dropout %g makes ids random; set it to null",
         where, json_real_or(json, "dropout", 0));
    vocab_read(&m->words, a, vocab, where);
    m->prefix = affix_read(a, json, "continuing_subword_prefix");
    m->suffix = affix_read(a, json, "end_of_word_suffix");
    m->fuse_unk = json_bool_or(json, "fuse_unk", false);
    m->byte_fallback = json_bool_or(json, "byte_fallback", false);
    m->ignore_merges = json_bool_or(json, "ignore_merges", false);
    m->has_unk = unk != NULL;
    if (unk) {
        need(unk->kind == JSON_TEXT, "%s: \"unk_token\" is not a text", where);
        m->unk = words_id(&m->words, unk->text, unk->length);
    }
    bytes_find(m);
    short_find(m);
    m->twins = ids_shared(&m->words);
    // Parts are words of their own only if nothing depends on where a word begins and ends, and if
    // ▁ is a token, so that no run of unknown characters reaches across it.
    m->parts = !m->prefix.length && !m->suffix.length && !m->ignore_merges &&
               words_id(&m->words, "\xE2\x96\x81", 3) >= 0;
    merges_read(m, a, merges, where);
}

// ---- one word

// A character as the vocabulary spells it: with the prefix unless it is the first, with the suffix
// if it is the last.
static Piece spelled(const Model *m, Growing *room, Piece c, bool first, bool last) {
    bool prefixed = !first && m->prefix.length, suffixed = last && m->suffix.length;
    if (!prefixed && !suffixed) return c;
    room->length = 0;
    if (prefixed) growing_put(room, m->prefix.text, m->prefix.length);
    growing_put(room, c.text, c.length);
    if (suffixed) growing_put(room, m->suffix.text, m->suffix.length);
    return (Piece){room->text, room->length};
}

static int32_t symbol_id(const Model *m, Piece c) {
    size_t at = 0;
    if (c.length == 1 || (c.length == 2 && (unsigned char)c.text[0] >= 0xC0))
        return m->short_ids[utf8_next(c.text, &at)];
    return words_id(&m->words, c.text, c.length);
}

// The symbols that a word begins with, into `s`; returns how many. One for each character, or one
// for each byte of its spelling where byte_fallback takes it apart.
static size_t symbols_of(const Model *m, Encoder *e, Piece word, Symbol *s) {
    size_t count = 0;
    bool waiting = false; // an unknown character, to be fused with the next one
    for (size_t at = 0, begin = 0; at < word.length; begin = at) {
        utf8_next(word.text, &at);
        Piece c = spelled(m, &e->affixed, (Piece){word.text + begin, at - begin}, begin == 0,
                          at == word.length);
        int32_t id = symbol_id(m, c);
        if (id >= 0) {
            if (waiting) s[count++].id = m->unk;
            waiting = false;
            s[count++].id = id;
            continue;
        }
        bool known = m->byte_fallback;
        for (size_t i = 0; known && i < c.length; i++)
            known = m->bytes[(unsigned char)c.text[i]] >= 0;
        if (known) {
            for (size_t i = 0; i < c.length; i++)
                s[count++].id = m->bytes[(unsigned char)c.text[i]];
        } else if (m->has_unk) {
            need(m->unk >= 0,
                 "%s: the text has a character that is not in the vocabulary, and the unk_token is "
                 "not either",
                 m->path);
            if (waiting && !m->fuse_unk) s[count++].id = m->unk;
            waiting = true;
        }
    }
    if (waiting) s[count++].id = m->unk;
    return count;
}

void bpe_word(const Model *m, Encoder *e, Piece word) {
    if (m->ignore_merges) {
        int32_t id = words_id(&m->words, word.text, word.length);
        if (id >= 0) {
            ids_put(e, id);
            return;
        }
    }
    size_t most = word.length;
    if (m->byte_fallback)
        most = size_add(size_mul(most, 1 + m->prefix.length, m->path), m->suffix.length, m->path);
    need(most < UINT32_MAX, "a word of %zu bytes without a break is more than this program can hold",
         word.length);
    Symbol *s = scratch_take(e, SCRATCH_SYMBOLS, most + 1, sizeof *s);
    size_t count = merge_all(m, e, s, symbols_of(m, e, word, s));
    for (size_t i = 0; i < count; i++) ids_put(e, s[i].id);
}
