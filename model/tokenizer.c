// tokenizer.c: a text on its way through the stages of a loaded tokenizer. See tokenizer.h,
// tokenizer_parts.h.
#include "tokenizer.h"

#include <string.h>

#include "openclip_text.h"
#include "tokenizer_parts.h"

// ---- added tokens in a text

static bool word_before(const char *text, size_t at) {
    if (at == 0) return false;
    size_t begin = utf8_before(text, at);
    return unicode_flags(utf8_next(text, &begin)) & UNI_WORD;
}

static bool word_after(const char *text, size_t n, size_t at) {
    return at < n && (unicode_flags(utf8_next(text, &at)) & UNI_WORD);
}

// Back over white space, not beyond `limit`.
static size_t spaces_before(const char *text, size_t at, size_t limit) {
    while (at > limit) {
        size_t begin = utf8_before(text, at), next = begin;
        if (!(unicode_flags(utf8_next(text, &next)) & UNI_SPACE)) break;
        at = begin;
    }
    return at;
}

static size_t spaces_after(const char *text, size_t n, size_t at) {
    for (size_t next = at; at < n; at = next)
        if (!(unicode_flags(utf8_next(text, &next)) & UNI_SPACE)) break;
    return at;
}

// Writes the ids of the added tokens in `text` (the longest at each place, from the left) and hands
// on what lies between. A token that does not stand as it wants to still uses up its place. White
// space that one token swallowed may be another token: then both are written, as in the library.
typedef void GapFn(Encoder *e, Piece gap, size_t origin);
static void take_added(Encoder *e, const Trie *trie, Piece text, size_t origin, GapFn *gap) {
    const Tokenizer *t = e->tokenizer;
    size_t done = 0, length;
    size_t spaces_end = 0; // up to here white space was seen: a token that is a space comes often
    for (size_t at = 0; at < text.length;) {
        int32_t index = trie->first[(unsigned char)text.text[at]]
                            ? trie_longest(trie, text.text + at, text.length - at, &length)
                            : -1;
        if (index < 0) {
            at++;
            continue;
        }
        size_t begin = at, end = at + length;
        at = end;
        const Added *a = &t->added[index];
        if (t->split_special && words_id(&t->special, a->content.text, a->content.length) >= 0)
            continue;
        if (a->single_word &&
            (word_before(text.text, begin) || word_after(text.text, text.length, end)))
            continue;
        if (a->left) begin = begin < done ? done : spaces_before(text.text, begin, done);
        if (a->right) {
            if (end >= spaces_end) spaces_end = spaces_after(text.text, text.length, end);
            end = spaces_end;
        }
        if (done < begin) gap(e, (Piece){text.text + done, begin - done}, origin_in(origin, done, begin));
        if (begin < end) ids_put(e, a->id); // else another has taken all of it
        done = end;
    }
    if (done < text.length)
        gap(e, (Piece){text.text + done, text.length - done}, origin_in(origin, done, text.length));
}

// ---- the stages

static bool is_text(Piece p, const char *text) { return p.length == strlen(text) && memcmp(p.text, text, p.length) == 0; }

static void word_out(void *self, Piece word) {
    Encoder *e = self;
    const Tokenizer *t = e->tokenizer;
    if (t->clean == CLEAN_LOWER && t->before_count == 1 && is_text(word, OPENCLIP_START)) ids_put(e, t->before[0]);
    else if (t->clean == CLEAN_LOWER && t->after_count == 1 && is_text(word, OPENCLIP_END)) ids_put(e, t->after[0]);
    else model_word(&t->model, e, word);
}

static void split_gap(Encoder *e, Piece gap, size_t origin) {
    splits_apply(&e->tokenizer->splits, e->split, e->split_rooms, gap, origin, word_out, e);
}

static void normalise_gap(Encoder *e, Piece gap, size_t origin) {
    gap = normals_apply(&e->tokenizer->normals, e->normal, &e->normal_room, gap, &origin);
    take_added(e, &e->tokenizer->normal, gap, origin, split_gap);
}

static Encoder encode(const Tokenizer *t, Arena *a, const char *text, size_t n) {
    size_t bad = utf8_valid(text, n);
    need(bad == n, "text to tokenize: not UTF-8 at byte %zu; convert it first", bad);
    if (t->clean) text = openclip_clean(a, text, n, t->clean == CLEAN_LOWER, &n);
    Encoder e = {.arena = a,
                 .tokenizer = t,
                 .normal = {{.arena = a}, {.arena = a}},
                 .normal_room = regex_room(a),
                 .affixed = {.arena = a}};
    e.split = take_zero(a, Growing, t->splits.count * 2);
    for (size_t i = 0; i < t->splits.count * 2; i++) e.split[i].arena = a;
    e.split_rooms = take(a, RegexRoom, t->splits.count);
    for (size_t i = 0; i < t->splits.count; i++) e.split_rooms[i] = regex_room(a);
    seen_open(&e, n);
    size_t first = 0;
    if (n) utf8_next(text, &first);
    take_added(&e, &t->raw, (Piece){text, n}, first, normalise_gap);
    return e;
}

Ids tokenizer_encode(const Tokenizer *t, Arena *a, const char *text, size_t n, bool special) {
    Encoder e = encode(t, a, text, n);
    size_t before = special ? t->before_count : 0, after = special ? t->after_count : 0;
    Ids out = {.count = before + e.count + after};
    out.ids = take(a, int32_t, out.count + 1);
    if (before) memcpy(out.ids, t->before, before * sizeof *out.ids);
    if (e.count) memcpy(out.ids + before, e.ids, e.count * sizeof *out.ids);
    if (after) memcpy(out.ids + before + e.count, t->after, after * sizeof *out.ids);
    return out;
}

Ids tokenizer_encode_cut(const Tokenizer *t, Arena *a, const char *text, size_t n, size_t limit) {
    const size_t around = t->before_count + t->after_count;
    need(limit >= around, "%s: %zu tokens at most, and the special ones alone are %zu", t->path,
         limit, around);
    Ids all = tokenizer_encode(t, a, text, n, true);
    if (all.count <= limit) return all;
    size_t middle = all.count - around, kept = limit - around;
    int32_t *from = all.ids + t->before_count, *to = from;
    if (t->cut_left) from += middle - kept;
    memmove(to, from, kept * sizeof *to);
    memmove(to + kept, all.ids + t->before_count + middle, t->after_count * sizeof *to);
    all.count = limit;
    return all;
}

// ---- one token

const Added *added_of(const Tokenizer *t, int32_t id) {
    const Word *w = words_word(&t->added_ids, id);
    return w ? &t->added[words_id(&t->added_words, w->text.text, w->text.length)] : NULL;
}

const char *tokenizer_token(const Tokenizer *t, int32_t id, size_t *length) {
    const Added *a = added_of(t, id);
    const Word *w = words_word(&t->model.words, id);
    if (length) *length = a ? a->content.length : w ? w->text.length : 0;
    return a ? a->content.text : w ? w->text.text : NULL;
}

int32_t tokenizer_id(const Tokenizer *t, const char *token) {
    int32_t index = words_id(&t->added_words, token, strlen(token));
    return index >= 0 ? t->added[index].id : words_id(&t->model.words, token, strlen(token));
}

bool tokenizer_is_special(const Tokenizer *t, int32_t id) {
    const Added *a = added_of(t, id);
    return a && words_id(&t->special, a->normal.text, a->normal.length) >= 0;
}

size_t tokenizer_size(const Tokenizer *t) {
    size_t n = t->model.words.count;
    for (size_t i = 0; i < t->added_count; i++)
        n += words_id(&t->model.words, t->added[i].content.text, t->added[i].content.length) < 0;
    return n;
}

int32_t tokenizer_highest(const Tokenizer *t) {
    return t->added_ids.highest > t->model.words.highest ? t->added_ids.highest
                                                         : t->model.words.highest;
}

int32_t tokenizer_named(const Tokenizer *t, NamedToken which) {
    return which < TOKEN_NAMED ? t->named[which] : -1;
}

const char *tokenizer_kind(const Tokenizer *t) {
    static const char *const names[] = {"BPE", "WordPiece", "WordLevel", "Unigram"};
    for (size_t i = 0; i < t->splits.count; i++)
        if (t->model.kind == MODEL_BPE && t->splits.steps[i].kind == SPLIT_BYTES)
            return "byte-level BPE";
    return names[t->model.kind];
}

const char *tokenizer_class(const Tokenizer *t) { return t->class; }
