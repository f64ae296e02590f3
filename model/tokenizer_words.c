// tokenizer_words.c: token texts and ids, both ways; sets of texts that are walked byte by byte.
#include <string.h>

#include "tokenizer_parts.h"

static uint32_t hash_bytes(const char *text, size_t n) {
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    while (n >= 8) {
        uint64_t w;
        memcpy(&w, text, 8);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        text += 8, n -= 8;
    }
    uint64_t w = 0;
    memcpy(&w, text, n);
    h = (h ^ w) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(h ^ h >> 29 ^ h >> 47);
}

uint32_t piece_hash(Piece p) { return hash_bytes(p.text, p.length); }

static uint32_t hash_number(uint64_t v) {
    v *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(v >> 32 ^ v >> 17);
}

bool piece_is(Piece p, const char *text) {
    return p.length == strlen(text) && memcmp(p.text, text, p.length) == 0;
}

Piece piece_copy(Arena *a, Piece p) { return (Piece){arena_text(a, p.text, p.length), p.length}; }

// ---- words

static void words_index(Words *w, Arena *a, uint32_t slots) {
    w->mask = slots - 1;
    w->by_text = take_zero(a, uint64_t, slots);
    w->by_id = take_zero(a, uint32_t, slots);
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t hash = hash_bytes(w->words[i].text.text, w->words[i].text.length),
                 h = hash & w->mask;
        while (w->by_text[h]) h = (h + 1) & w->mask;
        w->by_text[h] = (uint64_t)hash << 32 | (i + 1);
    }
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t h = hash_number((uint32_t)w->words[i].id) & w->mask;
        while (w->by_id[h] && w->words[w->by_id[h] - 1].id != w->words[i].id) h = (h + 1) & w->mask;
        w->by_id[h] = i + 1;
    }
}

void words_open(Words *w, Arena *a, size_t expected) {
    *w = (Words){.highest = -1, .room = expected < 8 ? 8 : expected};
    need(w->room < 1u << 29, "a vocabulary of %zu tokens is more than this program can hold",
         expected);
    w->words = take(a, Word, w->room);
    uint32_t slots = 16;
    while (slots < w->room * 2) slots *= 2;
    words_index(w, a, slots);
}

static uint32_t text_slot(const Words *w, const char *text, size_t n, uint32_t hash) {
    uint32_t h = hash & w->mask;
    for (; w->by_text[h]; h = (h + 1) & w->mask) {
        if ((uint32_t)(w->by_text[h] >> 32) != hash) continue;
        Piece p = w->words[(uint32_t)w->by_text[h] - 1].text;
        if (p.length == n && memcmp(p.text, text, n) == 0) break;
    }
    return h;
}

static uint32_t id_slot(const Words *w, int32_t id) {
    uint32_t h = hash_number((uint32_t)id) & w->mask;
    while (w->by_id[h] && w->words[w->by_id[h] - 1].id != id) h = (h + 1) & w->mask;
    return h;
}

// Takes the word's id out of the table: what came behind it for want of room moves up, so that no search ends too early.
// Left there, the ids of a text that is added again and again would fill the table, and a search would not end.
static void id_forget(Words *w, uint32_t index) {
    uint32_t hole = id_slot(w, w->words[index - 1].id);
    if (w->by_id[hole] != index) return; // a later word has that id
    for (uint32_t h = (hole + 1) & w->mask; w->by_id[h]; h = (h + 1) & w->mask) {
        uint32_t home = hash_number((uint32_t)w->words[w->by_id[h] - 1].id) & w->mask;
        if (((h - home) & w->mask) < ((h - hole) & w->mask)) continue;
        w->by_id[hole] = w->by_id[h];
        hole = h;
    }
    w->by_id[hole] = 0;
}

void words_add(Words *w, Arena *a, Piece text, int32_t id) {
    uint32_t hash = piece_hash(text), slot = text_slot(w, text.text, text.length, hash);
    uint32_t index = (uint32_t)w->by_text[slot];
    if (index) {
        if (w->words[index - 1].id != id) id_forget(w, index);
        w->words[index - 1].id = id;
    } else {
        if (w->count == w->room) {
            w->words = arena_grow(a, w->words, w->count, w->room * 2, sizeof *w->words);
            w->room *= 2;
            words_index(w, a, (w->mask + 1) * 2);
            slot = text_slot(w, text.text, text.length, hash);
        }
        w->words[w->count] = (Word){text, id};
        index = (uint32_t)++w->count;
        w->by_text[slot] = (uint64_t)hash << 32 | index;
    }
    w->by_id[id_slot(w, id)] = index;
    if (id > w->highest) w->highest = id;
}

int32_t words_id(const Words *w, const char *text, size_t n) {
    if (w->count == 0) return -1;
    uint32_t index = (uint32_t)w->by_text[text_slot(w, text, n, hash_bytes(text, n))];
    return index ? w->words[index - 1].id : -1;
}

const Word *words_word(const Words *w, int32_t id) {
    if (w->count == 0 || id < 0) return NULL;
    uint32_t index = w->by_id[id_slot(w, id)];
    return index ? &w->words[index - 1] : NULL;
}

// ---- tries

static TrieStep *trie_place(const Trie *t, uint64_t key) {
    uint32_t h = hash_number(key) & t->mask;
    while (t->steps[h].key && t->steps[h].key != key) h = (h + 1) & t->mask;
    return &t->steps[h];
}

static uint64_t trie_key(uint32_t node, unsigned char byte) { return ((uint64_t)node << 8 | byte) + 1; }

static void trie_room(Trie *t, Arena *a, uint32_t places) {
    const TrieStep *old = t->steps;
    uint32_t count = old ? t->mask + 1 : 0;
    t->steps = take_zero(a, TrieStep, places);
    t->mask = places - 1;
    for (uint32_t i = 0; i < count; i++)
        if (old[i].key) *trie_place(t, old[i].key) = old[i];
}

void trie_open(Trie *t, Arena *a) {
    *t = (Trie){0};
    trie_room(t, a, 256);
}

// The step from a node, made if there is none yet.
static TrieStep *trie_extend(Trie *t, Arena *a, uint32_t node, unsigned char byte) {
    uint64_t key = trie_key(node, byte);
    TrieStep *step = trie_place(t, key);
    if (step->key) return step;
    if (++t->used > t->mask / 8 * 5) {
        need(t->mask < 1u << 30, "a vocabulary whose tokens are together more than this program can hold");
        trie_room(t, a, (t->mask + 1) * 2);
        step = trie_place(t, key);
    }
    *step = (TrieStep){.key = key, .target = t->used, .value = -1};
    return step;
}

void trie_add(Trie *t, Arena *a, Piece text, int32_t value) {
    if (text.length == 0) return;
    TrieStep *step = NULL;
    for (size_t i = 0; i < text.length; i++) step = trie_extend(t, a, step ? step->target : 0, (unsigned char)text.text[i]);
    step->value = value;
    t->first[(unsigned char)text.text[0]] = true;
}

const TrieStep *trie_step(const Trie *t, uint32_t node, unsigned char byte) {
    const TrieStep *step = trie_place(t, trie_key(node, byte));
    return step->key ? step : NULL;
}

int32_t trie_longest(const Trie *t, const char *text, size_t n, size_t *length) {
    int32_t value = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        const TrieStep *step = trie_step(t, node, (unsigned char)text[i]);
        if (!step) break;
        if (step->value >= 0) value = step->value, *length = i + 1;
        node = step->target;
    }
    return value;
}
