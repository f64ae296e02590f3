// tokenizer_pieces.c: WordPiece (the longest piece first) and Unigram (the likeliest sequence of
// pieces).
//
// Source: Schuster & Nakajima 2012 as in BERT's code; Kudo 2018 (arXiv:1804.10959); details and
// ties from huggingface/tokenizers, src/models/wordpiece/mod.rs and src/models/unigram/model.rs.
#include <string.h>

#include "tokenizer_parts.h"

// ---- WordPiece

// With the vocabulary read already.
void wordpiece_read(Model *m, Arena *a, const Json *json, const char *where) {
    const char *unk = json_text_or(json, "unk_token", "[UNK]"),
               *prefix = json_text_or(json, "continuing_subword_prefix", "##");
    int64_t longest = json_int_or(json, "max_input_chars_per_word", 100);
    need(longest >= 0, "%s: max_input_chars_per_word is %lld", where, (long long)longest);
    m->longest = (size_t)longest;
    m->unk = words_id(&m->words, unk, strlen(unk));
    size_t k = strlen(prefix);
    trie_open(&m->trie, a);
    trie_open(&m->inside, a);
    for (size_t i = 0; i < m->words.count; i++) {
        const Word *w = &m->words.words[i];
        if (w->text.length == 0) continue;
        trie_add(&m->trie, a, w->text, w->id);
        if (w->text.length > k && memcmp(w->text.text, prefix, k) == 0)
            trie_add(&m->inside, a, (Piece){w->text.text + k, w->text.length - k}, w->id);
    }
}

void wordpiece_word(const Model *m, Encoder *e, Piece word) {
    size_t characters = 0, before = e->count;
    for (size_t i = 0; i < word.length; i++)
        characters += ((unsigned char)word.text[i] & 0xC0) != 0x80;
    bool known = characters <= m->longest;
    for (size_t at = 0, length = 0; known && at < word.length; at += length) {
        int32_t id =
            trie_longest(at ? &m->inside : &m->trie, word.text + at, word.length - at, &length);
        known = id >= 0;
        if (known) ids_put(e, id);
    }
    if (known) return;
    need(m->unk >= 0, "%s: \"%.*s\" is not in the vocabulary, and the unk_token is not either",
         m->path, word.length < 80 ? (int)word.length : 80, word.text);
    e->count = before;
    ids_put(e, m->unk);
}

// ---- Unigram

#define UNKNOWN_PENALTY 10.0 // below the worst piece

void unigram_read(Model *m, Arena *a, const Json *json, const char *where) {
    const Json *vocab = json_get(json, "vocab");
    need(vocab && vocab->kind == JSON_ARRAY,
         "%s: a Unigram needs a list \"vocab\" of [text, score]", where);
    int64_t unk = json_int_or(json, "unk_id", -1);
    need(unk < (int64_t)vocab->count, "%s: unk_id is %lld, and there are %zu pieces", where,
         (long long)unk, vocab->count);
    need(unk >= 0 || !json_get(json, "unk_id"), "%s: unk_id is %lld", where, (long long)unk);
    m->unk = (int32_t)unk;
    m->byte_fallback = json_bool_or(json, "byte_fallback", false);
    words_open(&m->words, a, vocab->count);
    trie_open(&m->trie, a);
    m->scores = take(a, double, vocab->count);
    m->score_count = vocab->count;
    double worst = 0;
    for (size_t i = 0; i < vocab->count; i++) {
        const Json *pair = &vocab->items[i];
        need(pair->kind == JSON_ARRAY && pair->count == 2 && pair->items[0].kind == JSON_TEXT &&
                 pair->items[1].kind == JSON_NUMBER,
             "%s: piece %zu is not [text, score]", where, i);
        Piece text = piece_copy(a, (Piece){pair->items[0].text, pair->items[0].length});
        m->scores[i] = pair->items[1].number;
        if (i == 0 || m->scores[i] < worst) worst = m->scores[i];
        words_add(&m->words, a, text, (int32_t)i);
        if (text.length) trie_add(&m->trie, a, text, (int32_t)i);
    }
    m->unk_score = worst - UNKNOWN_PENALTY;
    bytes_find(m);
}

// The best way to the end of every character so far. On equal scores the first found stays.
typedef struct {
    double score;
    uint32_t from; // NONE: not reached yet
    int32_t id;
} Best;

#define NONE UINT32_MAX

static void reach(Best *b, double score, uint32_t from, int32_t id) {
    if (b->from == NONE || score > b->score) *b = (Best){score, from, id};
}

// The ids of a piece of the best path that is of unknown characters. Its text may be in the vocabulary all the same: fused,
// they are looked up again.
static void unknown_put(const Model *m, Encoder *e, Piece p) {
    int32_t id = words_id(&m->words, p.text, p.length);
    bool bytes = id < 0 && m->byte_fallback;
    for (size_t i = 0; bytes && i < p.length; i++) bytes = m->bytes[(unsigned char)p.text[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < p.length; i++) ids_put(e, m->bytes[(unsigned char)p.text[i]]);
        return;
    }
    need(id >= 0 || m->unk >= 0,
         "%s: the text has a character that is in no piece, and there is no unk_id", m->path);
    ids_put(e, id >= 0 ? id : m->unk);
}

void unigram_word(const Model *m, Encoder *e, Piece word) {
    const size_t n = word.length;
    need(n < NONE, "a word of %zu bytes without a break is more than this program can hold", n);
    Best *best = scratch_take(e, SCRATCH_SYMBOLS, n + 1, sizeof *best);
    for (size_t i = 0; i <= n; i++) best[i].from = NONE, best[i].score = 0;
    for (size_t at = 0, next = 0; at < n; at = next) {
        utf8_next(word.text, &next);
        double here = best[at].score;
        bool single = false;
        uint32_t node = 0;
        for (size_t end = at; end < n;) {
            const TrieStep *step = trie_step(&m->trie, node, (unsigned char)word.text[end++]);
            if (!step) break;
            node = step->target;
            int32_t id = step->value;
            if (id < 0) continue;
            reach(&best[end], m->scores[id] + here, (uint32_t)at, id);
            single |= end == next;
        }
        if (single) continue;
        need(m->unk >= 0,
             "%s: the text has a character that is in no piece, and there is no unk_id", m->path);
        reach(&best[next], m->unk_score + here, (uint32_t)at, m->unk);
    }
    // Backwards along the path, then turned round in place: from[] becomes "where the next piece
    // ends".
    size_t end = n;
    uint32_t follows = NONE;
    while (end > 0) {
        uint32_t from = best[end].from;
        best[end].from = follows;
        follows = (uint32_t)end;
        end = from;
    }
    for (size_t at = 0; at < n;) {
        size_t stop = follows;
        int32_t id = best[stop].id;
        bool unknown = id == m->unk;
        follows = best[stop].from;
        while (unknown && follows != NONE && best[follows].id == m->unk) { // neighbours are one
            stop = follows;
            follows = best[stop].from;
        }
        if (unknown)
            unknown_put(m, e, (Piece){word.text + at, stop - at});
        else
            ids_put(e, id);
        at = stop;
    }
}
