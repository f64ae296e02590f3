// tokenizer_decode.c: ids back to text.
//
// Source: huggingface/tokenizers, src/decoders/*.rs and pre_tokenizers/{byte_level,metaspace}.rs. A
// decoder is a list of steps; each turns a list of texts (at first the tokens) into another, and
// what is left is joined. Bites: a run of <0xHH> that is no UTF-8 becomes one U+FFFD for each byte
// of the run, ByteLevel's bytes one for each maximal invalid part; WordPiece's clean-up looks at
// one token at a time.
#include <string.h>

#include "tokenizer_parts.h"

#define STEPS_MAX 100 // of a file; published ones have up to 4
static const char REPLACEMENT[] = "\xEF\xBF\xBD"; // U+FFFD

// ---- reading

static Piece text_of(Arena *a, const Json *json, const char *key, const char *otherwise,
                     const char *where) {
    const Json *v = json_get(json, key);
    if (!v && otherwise) return (Piece){otherwise, strlen(otherwise)};
    need(v && v->kind == JSON_TEXT, "%s: \"%s\" is not there or is not a text", where, key);
    return piece_copy(a, (Piece){v->text, v->length});
}

static size_t count_of(const Json *json, const char *key, const char *where) {
    int64_t n = json_int_or(json, key, 0);
    need(n >= 0, "%s: \"%s\" is %lld", where, key, (long long)n);
    return (size_t)n;
}

static void decodes_collect(Decodes *d, Arena *a, const Json *json, const char *where) {
    need(json->kind == JSON_OBJECT, "%s: an object with a \"type\" is wanted", where);
    const char *type = json_text(json, "type");
    if (strcmp(type, "Sequence") == 0) {
        const Json *list = json_get(json, "decoders");
        need(list && list->kind == JSON_ARRAY, "%s: a Sequence without its list \"decoders\"",
             where);
        for (size_t i = 0; i < list->count; i++) decodes_collect(d, a, &list->items[i], where);
        return;
    }
    need(d->count < STEPS_MAX, "%s: more than %d steps", where, STEPS_MAX);
    Decode *s = &d->steps[d->count++];
    *s = (Decode){.kind = DECODE_BYTES};
    if (strcmp(type, "ByteLevel") == 0) {
        s->kind = DECODE_BYTES;
    } else if (strcmp(type, "Metaspace") == 0) {
        s->kind = DECODE_METASPACE;
        s->text = one_character(a, json, "replacement", where);
        s->prepends = prepend_of(json, where) != PREPEND_NEVER;
        s->pattern = pattern_literal(a, s->text);
    } else if (strcmp(type, "WordPiece") == 0) {
        s->kind = DECODE_WORDPIECE;
        s->text = text_of(a, json, "prefix", "##", where);
        s->cleanup = json_bool_or(json, "cleanup", true);
    } else if (strcmp(type, "BPEDecoder") == 0) {
        s->kind = DECODE_BPE;
        s->text = text_of(a, json, "suffix", "</w>", where);
        need(s->text.length, "%s: a BPEDecoder with an empty suffix", where);
        s->pattern = pattern_literal(a, s->text);
    } else if (strcmp(type, "Replace") == 0) {
        s->kind = DECODE_REPLACE;
        s->pattern = pattern_read(a, json_get(json, "pattern"), where);
        s->text = text_of(a, json, "content", NULL, where);
    } else if (strcmp(type, "Fuse") == 0) {
        s->kind = DECODE_FUSE;
    } else if (strcmp(type, "Strip") == 0) {
        s->kind = DECODE_STRIP;
        s->text = one_character(a, json, "content", where);
        s->start = count_of(json, "start", where);
        s->stop = count_of(json, "stop", where);
    } else if (strcmp(type, "ByteFallback") == 0) {
        s->kind = DECODE_BYTE_FALLBACK;
    } else if (strcmp(type, "CTC") == 0) {
        s->kind = DECODE_CTC;
        s->text = text_of(a, json, "pad_token", "<pad>", where);
        s->delimiter = text_of(a, json, "word_delimiter_token", "|", where);
        s->cleanup = json_bool_or(json, "cleanup", true);
    } else {
        die("%s: a decoder of type \"%s\", which this program does not know", where, type);
    }
}

Decodes decodes_read(Arena *a, const Json *json, const char *where) {
    Decodes d = {0};
    if (!json) return d;
    d.given = true;
    d.steps = take(a, Decode, STEPS_MAX);
    decodes_collect(&d, a, json, where);
    return d;
}

// ---- lists of texts

typedef struct {
    Arena *arena;
    Piece *items;
    size_t count;
    size_t limit; // bytes of all of them
} Texts;

static void check_growth(const Texts *t) {
    size_t sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        sum += t->items[i].length;
        need(sum <= t->limit,
             "tokenizer.json: its decoder blows a text up to more than %zu bytes; the file is "
             "damaged",
             t->limit);
    }
}

static Piece held(const Growing *g) { return (Piece){g->text ? g->text : "", g->length}; }

// `room`: for an expression; NULL where the pattern is a fixed text.
static Piece replaced(Arena *a, RegexRoom *room, Piece in, const Pattern *pattern, Piece by) {
    size_t at = 0, begin, end;
    PatternSearch search = pattern_search(pattern, in, room);
    if (!pattern_next(&search, &begin, &end)) return in;
    Growing out = {.arena = a};
    const size_t limit = growth_limit(in.length);
    do {
        need(out.length <= limit,
             "tokenizer.json: its decoder blows a text up to more than %zu bytes; the file is "
             "damaged",
             limit);
        growing_put(&out, in.text + at, begin - at);
        growing_put(&out, by.text, by.length);
        at = end;
    } while (pattern_next(&search, &begin, &end));
    growing_put(&out, in.text + at, in.length - at);
    return held(&out);
}

// Where `text`, which begins with a space, is in `in` from `at` on; in.length: nowhere.
static size_t text_at(Piece in, size_t at, const char *text, size_t n) {
    while (in.length - at >= n) {
        const char *space = memchr(in.text + at, ' ', in.length - at - n + 1);
        if (!space) break;
        if (memcmp(space, text, n) == 0) return (size_t)(space - in.text);
        at = (size_t)(space - in.text) + 1;
    }
    return in.length;
}

// English spacing undone. The library's decoder also makes "do not" into "don't"; transformers'
// does not.
static Piece cleaned(Arena *a, Piece in, bool do_not) {
    static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                                           {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                                           {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = strlen(pairs[i][0]), at = 0, hit = text_at(in, 0, pairs[i][0], n);
        if (hit == in.length || (i == 7 && !do_not)) continue;
        Growing out = {.arena = a};
        for (; hit < in.length; hit = text_at(in, at, pairs[i][0], n)) {
            growing_put(&out, in.text + at, hit - at);
            growing_put(&out, pairs[i][1], strlen(pairs[i][1]));
            at = hit + n;
        }
        growing_put(&out, in.text + at, in.length - at);
        in = held(&out);
    }
    return in;
}

// One U+FFFD for each part that cannot begin or continue a character, as from_utf8_lossy.
static void put_lossy(Growing *out, const char *bytes, size_t n) {
    while (n) {
        size_t good = utf8_valid(bytes, n);
        growing_put(out, bytes, good);
        bytes += good, n -= good;
        if (n == 0) break;
        growing_put(out, REPLACEMENT, 3);
        const unsigned char *s = (const unsigned char *)bytes;
        size_t bad = 1; // then as many bytes as still could have become a character
        unsigned low = 0x80, high = 0xBF;
        size_t wanted = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                        : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                        : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                       : 1;
        if (s[0] == 0xE0) low = 0xA0;
        if (s[0] == 0xED) high = 0x9F;
        if (s[0] == 0xF0) low = 0x90;
        if (s[0] == 0xF4) high = 0x8F;
        for (; bad < wanted && bad < n && s[bad] >= low && s[bad] <= high; bad++)
            low = 0x80, high = 0xBF;
        bytes += bad, n -= bad;
    }
}

// ---- the steps

static void decode_bytes(Texts *t) {
    Growing bytes = {.arena = t->arena}, out = {.arena = t->arena};
    for (size_t i = 0; i < t->count; i++) {
        Piece p = t->items[i];
        size_t before = bytes.length;
        growing_room(&bytes, p.length);
        for (size_t at = 0; at < p.length;) {
            int b = byte_of_character(utf8_next(p.text, &at));
            if (b < 0) { // not of the alphabet: the whole token stands for itself
                bytes.length = before;
                growing_put(&bytes, p.text, p.length);
                break;
            }
            bytes.text[bytes.length++] = (char)b;
        }
    }
    put_lossy(&out, bytes.text, bytes.length);
    t->items[0] = held(&out);
    t->count = 1;
}

// Rust's parser of numbers takes "+H" too.
int decode_byte_token(Piece p) {
    if (p.length != 6 || memcmp(p.text, "<0x", 3) != 0 || p.text[5] != '>') return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        char c = p.text[i];
        if (i == 3 && c == '+') continue;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void decode_byte_fallback(Texts *t) {
    size_t kept = 0;
    for (size_t i = 0; i < t->count;) {
        if (decode_byte_token(t->items[i]) < 0) {
            t->items[kept++] = t->items[i++];
            continue;
        }
        Growing run = {.arena = t->arena};
        for (int b; i < t->count && (b = decode_byte_token(t->items[i])) >= 0; i++)
            growing_put(&run, &(char){(char)b}, 1);
        size_t n = run.length;
        bool valid = utf8_valid(run.text, n) == n;
        if (valid) t->items[kept++] = held(&run);
        for (; !valid && n; n--) t->items[kept++] = (Piece){REPLACEMENT, 3}; // each a text of its own, as steps behind this one see
    }
    t->count = kept;
}

static Piece strip(Piece p, Piece c, size_t start, size_t stop) {
    for (; start && p.length >= c.length && memcmp(p.text, c.text, c.length) == 0; start--)
        p.text += c.length, p.length -= c.length;
    for (; stop && p.length >= c.length &&
           memcmp(p.text + p.length - c.length, c.text, c.length) == 0;
         stop--)
        p.length -= c.length;
    return p;
}

static void decode_fuse(Texts *t) {
    Growing out = {.arena = t->arena};
    for (size_t i = 0; i < t->count; i++) growing_put(&out, t->items[i].text, t->items[i].length);
    t->items[0] = held(&out);
    t->count = 1;
}

static void decode_wordpiece(Texts *t, const Decode *s) {
    for (size_t i = 0; i < t->count; i++) {
        Piece *p = &t->items[i];
        bool goes_on =
            p->length >= s->text.length && memcmp(p->text, s->text.text, s->text.length) == 0;
        if (i > 0 && goes_on) {
            p->text += s->text.length, p->length -= s->text.length;
        } else if (i > 0) {
            char *spaced = take(t->arena, char, p->length + 1);
            spaced[0] = ' ';
            memcpy(spaced + 1, p->text, p->length);
            *p = (Piece){spaced, p->length + 1};
        }
        if (s->cleanup) *p = cleaned(t->arena, *p, true);
    }
}

static void decode_ctc(Texts *t, const Decode *s) {
    size_t kept = 0;
    Pattern *pad = pattern_literal(t->arena, s->text),
            *delimiter = pattern_literal(t->arena, s->delimiter);
    for (size_t i = 0; i < t->count; i++) {
        Piece p = t->items[i];
        size_t next = i + 1;
        while (next < t->count && t->items[next].length == p.length &&
               memcmp(t->items[next].text, p.text, p.length) == 0)
            next++;
        i = next - 1;
        if (s->text.length) p = replaced(t->arena, NULL, p, pad, (Piece){"", 0});
        if (s->cleanup) {
            p = cleaned(t->arena, p, true);
            if (s->delimiter.length) p = replaced(t->arena, NULL, p, delimiter, (Piece){" ", 1});
        }
        if (p.length) t->items[kept++] = p;
    }
    t->count = kept;
}

static void decode_step(Texts *t, const Decode *s) {
    const Piece nothing = {"", 0}, space = {" ", 1};
    RegexRoom room = regex_room(t->arena);
    switch (s->kind) {
    case DECODE_BYTES:
        decode_bytes(t);
        break;
    case DECODE_METASPACE:
        for (size_t i = 0; i < t->count; i++)
            t->items[i] = replaced(t->arena, NULL, t->items[i], s->pattern,
                                   i == 0 && s->prepends ? nothing : space);
        break;
    case DECODE_WORDPIECE:
        decode_wordpiece(t, s);
        break;
    case DECODE_BPE:
        for (size_t i = 0; i < t->count; i++)
            t->items[i] =
                replaced(t->arena, NULL, t->items[i], s->pattern, i + 1 == t->count ? nothing : space);
        break;
    case DECODE_REPLACE:
        for (size_t i = 0; i < t->count; i++)
            t->items[i] = replaced(t->arena, &room, t->items[i], s->pattern, s->text);
        break;
    case DECODE_FUSE:
        decode_fuse(t);
        break;
    case DECODE_STRIP:
        for (size_t i = 0; i < t->count; i++)
            t->items[i] = strip(t->items[i], s->text, s->start, s->stop);
        break;
    case DECODE_BYTE_FALLBACK:
        decode_byte_fallback(t);
        break;
    case DECODE_CTC:
        decode_ctc(t, s);
        break;
    }
}

// ---- all of it

bool decode_token(const Tokenizer *t, int32_t id, bool keep_special, Piece *token) {
    const Added *added = added_of(t, id);
    const Word *word = added ? NULL : words_word(&t->model.words, id);
    if (!added && !word) return false;
    *token = added ? added->normal : word->text;
    return keep_special || words_id(&t->special, token->text, token->length) < 0;
}

// CLIP's class puts a space for every </w> and strips the ends as Python does.
static Piece clip_text(Arena *a, Piece p, Piece suffix) {
    if (suffix.length) p = replaced(a, NULL, p, pattern_literal(a, suffix), (Piece){" ", 1});
    unicode_strip(&p.text, &p.length);
    return p;
}

Piece decode_all(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count,
                 bool keep_special) {
    Texts texts = {.arena = a, .items = take(a, Piece, count + 1)};
    for (size_t i = 0; i < count; i++)
        if (decode_token(t, ids[i], keep_special, &texts.items[texts.count])) texts.count++;
    for (size_t i = 0; i < texts.count; i++) texts.limit += texts.items[i].length;
    texts.limit = growth_limit(texts.limit);
    for (size_t i = 0; i < t->decodes.count; i++) {
        decode_step(&texts, &t->decodes.steps[i]);
        check_growth(&texts);
    }
    Growing out = {.arena = a};
    for (size_t i = 0; i < texts.count; i++) {
        if (i && !t->decodes.given) growing_put(&out, " ", 1);
        growing_put(&out, texts.items[i].text, texts.items[i].length);
    }
    Piece p = held(&out);
    if (t->clip_decode) p = clip_text(a, p, t->model.suffix);
    if (t->clean_up && t->model.kind != MODEL_BPE) p = cleaned(a, p, false);
    return p;
}

char *tokenizer_decode(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count,
                       bool keep_special, size_t *length) {
    Piece p = decode_all(t, a, ids, count, keep_special);
    if (length) *length = p.length;
    return arena_text(a, p.text, p.length);
}

char *tokenizer_caption(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count, bool keep_special) {
    Piece p = decode_all(t, a, ids, count, keep_special);
    unicode_strip(&p.text, &p.length);
    Growing out = {.arena = a};
    for (size_t i = 0; i < p.length; i++) growing_put(&out, p.text[i] ? p.text + i : "\xEF\xBF\xBD", p.text[i] ? 1 : 3);
    growing_put(&out, "", 1);
    return out.text;
}
