// tokenizer_normal.c: the normalisers of a tokenizer.json, one after the other on a piece of text.
//
// Source: huggingface/tokenizers, src/normalizers/*.rs; the charsmap of SentencePiece as the crate
// spm_precompiled reads it.
// Bites: the charsmap takes the *shortest* key that a cluster begins with and drops the rest of the
// cluster, which is not what SentencePiece does; ids have to be the library's. BERT's classes are
// those of an old Unicode (unicode_tables.py measures them).
#include <string.h>

#include "io/base64.h"
#include "tokenizer_parts.h"

#define STEPS_MAX 100 // of a file; published ones have up to 6

// ---- reading

static void charsmap_read(Normal *s, Arena *a, const Json *json, const char *where) {
    const Json *given = json_get(json, "precompiled_charsmap");
    need(given && given->kind == JSON_TEXT, "%s: Precompiled without its text precompiled_charsmap",
         where);
    Bytes map = base64_decode(a, given->text, given->length, BASE64_STRICT, where);
    const unsigned char *b = map.bytes;
    need(map.size >= 4, "%s: a charsmap of %zu bytes", where, map.size);
    size_t trie = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    s->unit_count = trie / 4;
    need(s->unit_count > 0 && s->unit_count <= (map.size - 4) / 4,
         "%s: a charsmap of %zu bytes that promises a trie of %zu", where, map.size, trie);
    uint32_t *units = take(a, uint32_t, s->unit_count);
    for (size_t i = 0; i < s->unit_count; i++, b += 4)
        units[i] =
            (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
    s->units = units;
    s->pool =
        (Piece){(const char *)map.bytes + 4 + s->unit_count * 4, map.size - 4 - s->unit_count * 4};
    size_t bad = utf8_valid(s->pool.text, s->pool.length);
    need(bad == s->pool.length, "%s: a charsmap with a replacement that is not UTF-8, at byte %zu",
         where, bad);
}

static Piece text_of(Arena *a, const Json *json, const char *key, const char *where) {
    const Json *v = json_get(json, key);
    need(v && v->kind == JSON_TEXT, "%s: \"%s\" is not there or is not a text", where, key);
    return piece_copy(a, (Piece){v->text, v->length});
}

static Normal *step_new(Normals *n, NormalKind kind, const char *where) {
    need(n->count < STEPS_MAX, "%s: more than %d steps", where, STEPS_MAX);
    Normal *s = &n->steps[n->count++];
    *s = (Normal){.kind = kind};
    return s;
}

// BERT's normaliser is up to four steps: clean and set Chinese apart; take accents off (NFD, then
// no nonspacing marks); lower case.
static void bert_read(Normals *n, const Json *json, const char *where) {
    bool lower = json_bool_or(json, "lowercase", true);
    Normal *s = step_new(n, NORMAL_BERT, where);
    s->clean = json_bool_or(json, "clean_text", true);
    s->chinese = json_bool_or(json, "handle_chinese_chars", true);
    if (json_bool_or(json, "strip_accents", lower)) { // null: as lowercase
        step_new(n, NORMAL_FORM, where)->form = NFD;
        step_new(n, NORMAL_FILTER, where)->flags = UNI_NONSPACING;
    }
    if (lower) step_new(n, NORMAL_LOWER, where);
}

static void normals_collect(Normals *n, Arena *a, const Json *json, const char *where) {
    need(json->kind == JSON_OBJECT, "%s: an object with a \"type\" is wanted", where);
    const char *type = json_text(json, "type");
    if (strcmp(type, "Sequence") == 0) {
        const Json *list = json_get(json, "normalizers");
        need(list && list->kind == JSON_ARRAY, "%s: a Sequence without its list \"normalizers\"",
             where);
        for (size_t i = 0; i < list->count; i++) normals_collect(n, a, &list->items[i], where);
        return;
    }
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
    for (int f = 0; f < 4; f++)
        if (strcmp(type, forms[f]) == 0) {
            step_new(n, NORMAL_FORM, where)->form = (NormalForm)f;
            return;
        }
    if (strcmp(type, "Lowercase") == 0) {
        step_new(n, NORMAL_LOWER, where);
    } else if (strcmp(type, "Strip") == 0) {
        Normal *s = step_new(n, NORMAL_STRIP, where);
        s->left = json_bool_or(json, "strip_left", true);
        s->right = json_bool_or(json, "strip_right", true);
    } else if (strcmp(type, "StripAccents") == 0) {
        step_new(n, NORMAL_FILTER, where)->flags = UNI_MARK;
    } else if (strcmp(type, "Prepend") == 0) {
        step_new(n, NORMAL_PREPEND, where)->text = text_of(a, json, "prepend", where);
    } else if (strcmp(type, "Replace") == 0) {
        Normal *s = step_new(n, NORMAL_REPLACE, where);
        s->pattern = pattern_read(a, json_get(json, "pattern"), where);
        s->text = text_of(a, json, "content", where);
    } else if (strcmp(type, "BertNormalizer") == 0 || strcmp(type, "Bert") == 0) {
        bert_read(n, json, where);
    } else if (strcmp(type, "Nmt") == 0) {
        step_new(n, NORMAL_NMT, where);
    } else if (strcmp(type, "Precompiled") == 0) {
        charsmap_read(step_new(n, NORMAL_CHARSMAP, where), a, json, where);
    } else if (strcmp(type, "ByteLevel") == 0) {
        step_new(n, NORMAL_BYTES, where);
    } else {
        die("%s: a normaliser of type \"%s\", which this program does not know", where, type);
    }
}

Normals normals_read(Arena *a, const Json *json, const char *where) {
    Normals n = {0};
    if (!json) return n;
    n.steps = take(a, Normal, STEPS_MAX);
    normals_collect(&n, a, json, where);
    return n;
}

// ---- the steps; each appends to `out`

static bool ascii_only(Piece p) {
    size_t i = 0;
    for (uint64_t w; i + 8 <= p.length; i += 8) {
        memcpy(&w, p.text + i, 8);
        if (w & 0x8080808080808080u) return false;
    }
    for (; i < p.length; i++)
        if ((unsigned char)p.text[i] >= 0x80) return false;
    return true;
}

static void apply_lower(Growing *out, Piece in) {
    growing_room(out, in.length);
    for (size_t at = 0; at < in.length;) {
        unsigned char c = (unsigned char)in.text[at];
        if (c < 0x80) {
            growing_room(out, 1);
            out->text[out->length++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            at++;
            continue;
        }
        uint32_t lower[2];
        int count = unicode_lower(utf8_next(in.text, &at), lower);
        for (int i = 0; i < count; i++) growing_char(out, lower[i]);
    }
}

// Leaves out the characters with one of `flags`.
static void apply_filter(Growing *out, Piece in, uint32_t flags) {
    growing_room(out, in.length);
    for (size_t at = 0, begin = 0; at < in.length; begin = at)
        if (!(unicode_flags(utf8_next(in.text, &at)) & flags))
            growing_put(out, in.text + begin, at - begin);
}

static Piece stripped(Piece p, bool left, bool right) {
    size_t begin = 0, end = p.length;
    while (left && begin < end) {
        size_t next = begin;
        if (!(unicode_flags(utf8_next(p.text, &next)) & UNI_SPACE)) break;
        begin = next;
    }
    while (right && end > begin) {
        size_t last = utf8_before(p.text, end), next = last;
        if (!(unicode_flags(utf8_next(p.text, &next)) & UNI_SPACE)) break;
        end = last;
    }
    return (Piece){p.text + begin, end - begin};
}

static void check_growth(const Growing *out, size_t limit) {
    need(out->length <= limit,
         "tokenizer.json: its normalizer blows a text up to more than %zu bytes; the file is "
         "damaged",
         limit);
}

// What of an output comes from the first character of all, as long as nothing else stands before it.
typedef struct {
    size_t bytes;
    bool over;
} Front;

static void front_grow(Front *f, size_t bytes, size_t of_first) {
    if (!f->over) f->bytes += of_first;
    f->over = f->over || of_first < bytes;
}

// The new text comes from the last character that it stands for, or from the one before it.
static void apply_replace(Growing *out, const Normal *s, RegexRoom *room, Piece in, size_t *origin, size_t limit) {
    size_t at = 0, begin, end;
    Front front = {0};
    PatternSearch search = pattern_search(s->pattern, in, room);
    while (pattern_next(&search, &begin, &end)) {
        check_growth(out, limit);
        growing_put(out, in.text + at, begin - at);
        front_grow(&front, begin - at, origin_in(*origin, at, begin));
        growing_put(out, s->text.text, s->text.length);
        bool first = (end ? utf8_before(in.text, end) : 0) < *origin;
        front_grow(&front, s->text.length, first ? s->text.length : 0);
        at = end;
    }
    growing_put(out, in.text + at, in.length - at);
    front_grow(&front, in.length - at, origin_in(*origin, at, in.length));
    *origin = front.bytes;
}

static bool is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0x2F800 && c <= 0x2FA1F); // 2B820…2B91F is left out there too
}

// clean_text, and spaces around Chinese characters.
static void apply_bert(Growing *out, const Normal *s, Piece in) {
    for (size_t at = 0, begin = 0; at < in.length; begin = at) {
        uint32_t c = utf8_next(in.text, &at), f = unicode_flags(c);
        if (s->clean && (f & UNI_CONTROL)) continue;
        bool chinese = s->chinese && is_chinese(c);
        if (chinese) growing_put(out, " ", 1);
        if (s->clean && (f & UNI_SPACE))
            growing_put(out, " ", 1);
        else
            growing_put(out, in.text + begin, at - begin);
        if (chinese) growing_put(out, " ", 1);
    }
}

static void apply_nmt(Growing *out, Piece in) {
    for (size_t at = 0, begin = 0; at < in.length; begin = at) {
        uint32_t c = utf8_next(in.text, &at);
        bool gone = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                    c == 0x8F || c == 0x9F;
        bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
        if (space)
            growing_put(out, " ", 1);
        else if (!gone)
            growing_put(out, in.text + begin, at - begin);
    }
}

// The replacement of the shortest key that `p` begins with; false: none.
// A unit: leaf flag bit 8, label bits 0–7 and 31, offset bits 10–30 (shifted by 8 if bit 9 is set).
static bool charsmap_find(const Normal *s, Piece p, Piece *replacement) {
    size_t node = 0;
    uint32_t unit = s->units[0];
    for (size_t i = 0;; i++) {
        node ^= (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
        need(node < s->unit_count,
             "tokenizer.json: the charsmap's trie leads outside itself; the file is damaged");
        if (i > 0 && (unit >> 8 & 1)) break;
        if (i == p.length || p.text[i] == 0) return false;
        unsigned char c = (unsigned char)p.text[i];
        node ^= c;
        need(node < s->unit_count,
             "tokenizer.json: the charsmap's trie leads outside itself; the file is damaged");
        unit = s->units[node];
        if ((unit & 0x800000FFu) != c) return false;
    }
    size_t at = s->units[node] & 0x7FFFFFFFu;
    need(at <= s->pool.length &&
             (at == s->pool.length || ((unsigned char)s->pool.text[at] & 0xC0) != 0x80),
         "tokenizer.json: the charsmap points outside its replacements; the file is damaged");
    const char *end = memchr(s->pool.text + at, 0, s->pool.length - at);
    *replacement =
        (Piece){s->pool.text + at, end ? (size_t)(end - s->pool.text) - at : s->pool.length - at};
    return true;
}

// One part of a text in another's place, character for character; what is longer or shorter is so at its end. (Where nothing
// comes of the very first part, the library takes the next character for it.)
static void charsmap_put(Growing *out, Front *front, size_t *origin, Piece in, size_t begin, size_t end, Piece r) {
    size_t of_first = origin_in(*origin, begin, end), old = begin, new = 0;
    if (r.length == 0 && out->length == 0 && of_first && end < in.length) {
        *origin = end;
        utf8_next(in.text, origin);
    }
    while (old < begin + of_first && new < r.length) utf8_next(in.text, &old), utf8_next(r.text, &new);
    front_grow(front, r.length, of_first == end - begin && of_first ? r.length : new);
    growing_put(out, r.text, r.length);
}

static void apply_charsmap(Growing *out, const Normal *s, Piece in, size_t *origin, size_t limit) {
    Piece r;
    Front front = {0};
    for (size_t at = 0; at < in.length;) {
        check_growth(out, limit);
        size_t end = unicode_cluster_end(in.text, in.length, at);
        if (end - at < 6 && charsmap_find(s, (Piece){in.text + at, end - at}, &r)) {
            charsmap_put(out, &front, origin, in, at, end, r);
            at = end;
        }
        while (at < end) {
            size_t begin = at;
            utf8_next(in.text, &at);
            bool found = charsmap_find(s, (Piece){in.text + begin, at - begin}, &r);
            if (!found) r = (Piece){in.text + begin, at - begin};
            charsmap_put(out, &front, origin, in, begin, at, r);
        }
    }
    *origin = front.bytes;
}

// A normal form goes over the ends of characters: those of the first count as far as they stand there as they would alone.
static void apply_form(Growing *out, NormalForm form, Piece in, size_t *origin) {
    unicode_normalize(out, form, in.text, in.length);
    if (*origin == 0 || out->length == 0) return;
    size_t whole = out->length, same = 0, next = 0;
    unicode_normalize(out, form, in.text, *origin);
    while (next < whole && whole + same < out->length) {
        utf8_next(out->text, &next);
        if (out->length - whole < next || memcmp(out->text + same, out->text + whole + same, next - same) != 0) break;
        same = next;
    }
    bool joined = (form == NFC || form == NFKC) && whole + same < out->length; // its last one with what follows
    out->length = whole;
    if (same < whole && (same == 0 || joined)) utf8_next(out->text, &same);
    *origin = same;
}

// Steps that take one character after the other.
static void apply_each(Growing *out, const Normal *s, Piece in) {
    switch (s->kind) {
    case NORMAL_LOWER:
        apply_lower(out, in);
        break;
    case NORMAL_FILTER:
        apply_filter(out, in, s->flags);
        break;
    case NORMAL_BERT:
        apply_bert(out, s, in);
        break;
    case NORMAL_NMT:
        apply_nmt(out, in);
        break;
    default:
        bytes_put(out, in);
    }
}

Piece normals_apply(const Normals *n, Growing buffers[2], RegexRoom *room, Piece text, size_t *origin) {
    Growing *out = &buffers[0], *held = &buffers[1]; // `text` may lie in `held`, never in `out`
    const size_t limit = growth_limit(text.length);
    for (size_t i = 0; i < n->count; i++) {
        const Normal *s = &n->steps[i];
        if (s->kind == NORMAL_STRIP) {
            Piece inner = stripped(text, s->left, s->right);
            size_t begin = (size_t)(inner.text - text.text);
            *origin = origin_in(*origin, begin, begin + inner.length);
            text = inner;
            continue;
        }
        if (s->kind == NORMAL_FORM && ascii_only(text)) continue;
        out->length = 0;
        switch (s->kind) {
        case NORMAL_STRIP:
            break;
        case NORMAL_FORM:
            apply_form(out, s->form, text, origin);
            break;
        case NORMAL_PREPEND:
            if (text.length) growing_put(out, s->text.text, s->text.length);
            if (*origin) *origin += out->length;
            growing_put(out, text.text, text.length);
            break;
        case NORMAL_REPLACE:
            apply_replace(out, s, room, text, origin, limit);
            break;
        case NORMAL_CHARSMAP:
            apply_charsmap(out, s, text, origin, limit);
            break;
        default: {
            size_t first = origin_in(*origin, 0, text.length);
            apply_each(out, s, (Piece){text.text, first});
            *origin = out->length;
            apply_each(out, s, (Piece){text.text + first, text.length - first});
        }
        }
        check_growth(out, limit);
        text = (Piece){out->text, out->length};
        Growing *swap = out;
        out = held, held = swap;
    }
    return text;
}
