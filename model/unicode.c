// unicode.c: see unicode.h. The data is in unicode_tables.c.
//
// Source: The Unicode Standard, chapter 3.11 (normal forms) and 3.12 (Hangul); UAX 29 (clusters).
// Held by: test/test_tokenizer.c; test/peers/check_tokenizers.py compares with the library.
#include "unicode.h"

#include <string.h>

#include "io/utf8.h"
#include "unicode_tables.h"

// ---- text that grows

void growing_room(Growing *g, size_t more) {
    size_t wanted = size_add(g->length, more, "text");
    if (wanted <= g->room) return;
    size_t room = size_add(wanted, wanted / 2 + 64, "text");
    g->text = arena_grow(g->arena, g->text, g->length, room, 1);
    g->room = room;
}

void growing_put(Growing *g, const char *text, size_t n) {
    growing_room(g, n);
    if (n) memcpy(g->text + g->length, text, n);
    g->length += n;
}

void growing_char(Growing *g, uint32_t c) {
    growing_room(g, 4);
    g->length = (size_t)(utf8_put(g->text + g->length, c) - g->text);
}

// ---- classes

uint32_t unicode_flags(uint32_t c) {
    if (c > 0x10FFFF) return 0;
    return unicode_kind_flags[unicode_blocks[(size_t)unicode_pages[c >> 6] << 6 | (c & 63)]];
}

static bool python_space(uint32_t c) { return (unicode_flags(c) & UNI_SPACE) || (c >= 0x1C && c <= 0x1F); }

// Bytes of the white space at text[at], 0: there is none. The text may be no UTF-8: it can come from any file.
static size_t space_at(const char *text, size_t n, size_t at) {
    int k = utf8_length((const unsigned char *)text + at, n - at);
    size_t next = at;
    return k && python_space(utf8_next(text, &next)) ? (size_t)k : 0;
}

void unicode_strip(const char **text, size_t *n) {
    for (size_t k; *n && (k = space_at(*text, *n, 0));) *text += k, *n -= k;
    while (*n) {
        size_t last = *n - 1;
        while (last && *n - last < 4 && ((unsigned char)(*text)[last] & 0xC0) == 0x80) last--;
        if (last + space_at(*text, *n, last) != *n) break;
        *n = last;
    }
}

size_t unicode_word(const char **text) {
    size_t n = strlen(*text), end = 0;
    for (size_t k; n && (k = space_at(*text, n, 0));) *text += k, n -= k;
    while (end < n && !space_at(*text, n, end)) end++;
    return end;
}

// The index of `key` in a sorted table, or -1.
static int find(const uint32_t *table, int count, uint32_t key) {
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (table[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && table[low] == key ? low : -1;
}

int unicode_lower(uint32_t c, uint32_t lower[2]) {
    lower[0] = c;
    if (!(unicode_flags(c) & UNI_LOWERS)) return 1;
    if (c < 0x80) {
        lower[0] = c + 32;
        return 1;
    }
    int i = find(unicode_lower_from, unicode_lower_count, c);
    if (i >= 0) lower[0] = unicode_lower_to[i];
    lower[1] = 0x307; // the dot that U+0130 keeps above its i
    return c == 0x130 ? 2 : 1;
}

// ---- normal forms
//
// Characters without the form's UNI_SLOW bit are starters that stand for themselves and join
// nothing before them. So a text is copied up to the starter before a slow character, and only the
// chunk from there to the next character that is not slow is taken apart, ordered and put together.

#define HANGUL_S 0xAC00u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11A7u // one before the first final consonant

typedef struct {
    uint32_t *c; // characters of a chunk
    size_t count, room;
    Arena *arena;
} Chunk;

static uint32_t class_of(uint32_t c) { return unicode_flags(c) >> 24; }

static void chunk_put(Chunk *k, uint32_t c) {
    if (k->count == k->room) {
        size_t room = k->room ? k->room * 2 : 64;
        k->c = arena_grow(k->arena, k->c, k->count, room, sizeof *k->c);
        k->room = room;
    }
    k->c[k->count++] = c;
}

static void decompose(Chunk *k, uint32_t c, bool compatible) {
    if (c >= HANGUL_S && c < HANGUL_S + 11172) {
        uint32_t s = c - HANGUL_S;
        chunk_put(k, HANGUL_L + s / 588);
        chunk_put(k, HANGUL_V + s % 588 / 28);
        if (s % 28) chunk_put(k, HANGUL_T + s % 28);
        return;
    }
    int i = find(unicode_parts_of, unicode_parts_count, c);
    if (i < 0) {
        chunk_put(k, c);
        return;
    }
    uint32_t at = unicode_parts_at[i] & 0xFFFF, canonical = unicode_parts_at[i] >> 16 & 0xFF,
             other = unicode_parts_at[i] >> 24;
    uint32_t count = canonical;
    if (compatible && other) at += canonical, count = other;
    if (count == 0) chunk_put(k, c); // it has a compatible decomposition only
    for (uint32_t j = 0; j < count; j++) chunk_put(k, unicode_parts[at + j]);
}

// Sorts a run of marks by combining class and keeps the order of equals. Short runs by insertion; a
// text of a million marks by counting.
static void order_run(Chunk *k, size_t begin, size_t end) {
    if (end - begin <= 16) {
        for (size_t i = begin + 1; i < end; i++) {
            uint32_t c = k->c[i], class = class_of(c);
            size_t j = i;
            for (; j > begin && class_of(k->c[j - 1]) > class; j--) k->c[j] = k->c[j - 1];
            k->c[j] = c;
        }
        return;
    }
    size_t starts[257] = {0};
    Mark mark = arena_mark(k->arena);
    uint32_t *copy = take(k->arena, uint32_t, end - begin);
    memcpy(copy, k->c + begin, (end - begin) * sizeof *copy);
    for (size_t i = begin; i < end; i++) starts[class_of(k->c[i]) + 1]++;
    for (int i = 0; i < 256; i++) starts[i + 1] += starts[i];
    for (size_t i = 0; i < end - begin; i++) k->c[begin + starts[class_of(copy[i])]++] = copy[i];
    arena_release(k->arena, mark);
}

static void order(Chunk *k) {
    for (size_t i = 0; i < k->count;) {
        if (class_of(k->c[i]) == 0) {
            i++;
            continue;
        }
        size_t begin = i;
        while (i < k->count && class_of(k->c[i]) != 0) i++;
        order_run(k, begin, i);
    }
}

// The composition of two characters, or 0.
static uint32_t join(uint32_t a, uint32_t b) {
    if (a >= HANGUL_L && a < HANGUL_L + 19 && b >= HANGUL_V && b < HANGUL_V + 21)
        return HANGUL_S + ((a - HANGUL_L) * 21 + (b - HANGUL_V)) * 28;
    if (a >= HANGUL_S && a < HANGUL_S + 11172 && (a - HANGUL_S) % 28 == 0 && b > HANGUL_T &&
        b < HANGUL_T + 28)
        return a + (b - HANGUL_T);
    int low = 0, high = unicode_pair_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        bool before = unicode_pair_first[middle] < a ||
                      (unicode_pair_first[middle] == a && unicode_pair_second[middle] < b);
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    bool found =
        low < unicode_pair_count && unicode_pair_first[low] == a && unicode_pair_second[low] == b;
    return found ? unicode_pair_whole[low] : 0;
}

static void compose(Chunk *k) {
    size_t kept = 0, starter = 0;
    bool have_starter = false;
    for (size_t i = 0; i < k->count; i++) {
        uint32_t c = k->c[i], class = class_of(c);
        // Blocked if something of the same or a higher class, or a starter, stands between.
        bool adjacent = have_starter && kept == starter + 1;
        bool blocked = have_starter && !adjacent && class_of(k->c[kept - 1]) >= class;
        uint32_t whole = have_starter && !blocked ? join(k->c[starter], c) : 0;
        if (whole) {
            k->c[starter] = whole;
            continue;
        }
        if (class == 0) starter = kept, have_starter = true;
        k->c[kept++] = c;
    }
    k->count = kept;
}

// How many bytes from s (of `left`) are ASCII, eight at a time.
static size_t ascii_run(const unsigned char *s, size_t left) {
    size_t i = 0;
    for (uint64_t w; i + 8 <= left; i += 8) {
        memcpy(&w, s + i, 8);
        if (w & 0x8080808080808080u) break;
    }
    while (i < left && s[i] < 0x80) i++;
    return i;
}

void unicode_normalize(Growing *out, NormalForm form, const char *text, size_t n) {
    const uint32_t slow = (uint32_t)UNI_SLOW << form;
    const bool compatible = form == NFKC || form == NFKD, composed = form == NFC || form == NFKC;
    growing_room(out, n);
    Chunk k = {.arena = out->arena};
    size_t copied = 0;  // text before it is in `out`
    size_t starter = 0; // the last character that is not slow, or the start
    for (size_t at = 0; at < n;) {
        if ((unsigned char)text[at] < 0x80) { // ASCII is never slow
            at += ascii_run((const unsigned char *)text + at, n - at);
            starter = at - 1;
            continue;
        }
        size_t here = at;
        if (!(unicode_flags(utf8_next(text, &at)) & slow)) {
            starter = here;
            continue;
        }
        size_t end = at; // of the chunk: the next character that is not slow
        while (end < n) {
            size_t next = end;
            if (!(unicode_flags(utf8_next(text, &next)) & slow)) break;
            end = next;
        }
        if (starter < copied) starter = copied;
        growing_put(out, text + copied, starter - copied);
        k.count = 0;
        for (size_t i = starter; i < end;) decompose(&k, utf8_next(text, &i), compatible);
        order(&k);
        if (composed) compose(&k);
        for (size_t i = 0; i < k.count; i++) growing_char(out, k.c[i]);
        copied = starter = at = end;
    }
    growing_put(out, text + copied, n - copied);
}

// ---- grapheme clusters

enum {
    OTHER,
    CONTROL,
    EXTEND,
    ZWJ,
    PREPEND,
    SPACING,
    HANGUL_LEAD,
    HANGUL_VOWEL,
    HANGUL_TAIL,
    HANGUL_LV,
    HANGUL_LVT,
    PICTOGRAPH,
    CONSONANT,
    LINKER,
    EXTEND_PLAIN
};

static int role_of(uint32_t c) { return (int)(unicode_flags(c) >> 17 & 15); }

size_t unicode_cluster_end(const char *text, size_t n, size_t at) {
    if (n - at > 1 && text[at] == '\r' && text[at + 1] == '\n') return at + 2; // GB3
    int role = role_of(utf8_next(text, &at));
    bool after_pictograph = role == PICTOGRAPH; // GB11: pictograph, then only Extend, then ZWJ
    bool after_consonant = role == CONSONANT,
         linked = false; // GB9c: consonant, then Extend and a linker
    while (at < n && role != CONTROL) {
        size_t next = at;
        int then = role_of(utf8_next(text, &next));
        bool extends = then == EXTEND || then == ZWJ || then == LINKER || then == EXTEND_PLAIN;
        bool joins = extends || then == SPACING || (role == PREPEND && then != CONTROL);
        joins |= role == HANGUL_LEAD && (then == HANGUL_LEAD || then == HANGUL_VOWEL ||
                                         then == HANGUL_LV || then == HANGUL_LVT);
        joins |= (role == HANGUL_LV || role == HANGUL_VOWEL) &&
                 (then == HANGUL_VOWEL || then == HANGUL_TAIL);
        joins |= (role == HANGUL_LVT || role == HANGUL_TAIL) && then == HANGUL_TAIL;
        joins |= role == ZWJ && after_pictograph && then == PICTOGRAPH;
        joins |= after_consonant && linked && then == CONSONANT;
        if (!joins) break;
        if (then == PICTOGRAPH || !extends || role == ZWJ) after_pictograph = then == PICTOGRAPH;
        if (then == CONSONANT)
            after_consonant = true, linked = false;
        else if (then == LINKER)
            linked = true;
        else if (then != EXTEND && then != ZWJ)
            after_consonant = linked = false;
        role = then;
        at = next;
    }
    return at;
}
