// mojibake.c: see mojibake.h. Held by: test/test_openclip_text.c, against ftfy 6.3 (test/reference/openclip_text.py).
//
// A text that holds an unlikely pair of characters goes back to bytes, by each of ten encodings that has all its characters; the first
// whose bytes are UTF-8 is it. Else parts that look like UTF-8 go through the same by themselves. All of it again until nothing changes.
// Bites: a byte that an encoding has nothing for stands for itself; U+FFFD stands for one that is lost (0x1A).
#include "mojibake.h"

#include <string.h>

#include "mojibake_tables.h"

#define DEPTH_MAX 64 // parts inside of parts; each is shorter than the one before, and the reference has been seen with three

typedef struct {
    uint32_t c;
    uint16_t class; // of mojibake_tables.h
    bool space, word;
} Character;

typedef struct {
    Character *at;
    size_t n;
} Characters;

uint32_t windows_control(uint32_t c) {
    static const uint16_t windows[32] = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                         0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
    return c >= 0x80 && c <= 0x9F ? windows[c - 0x80] : c;
}

// ---- sets of characters

static const MojibakeCharacter *known(uint32_t c) {
    int low = 0, high = mojibake_characters_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (mojibake_characters[middle].character == c) return &mojibake_characters[middle];
        if (mojibake_characters[middle].character < c) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

// Python's: beyond White_Space, the controls that part records are spaces.
static bool is_space(uint32_t c) { return unicode_flags(c) & UNI_SPACE || (c >= 0x1C && c <= 0x1F); }
static bool is_word(uint32_t c) { return unicode_flags(c) & (UNI_L | UNI_N) || c == '_'; }

static Character character(uint32_t c) {
    const MojibakeCharacter *k = known(c);
    return (Character){c, k ? k->class : 0, is_space(c), is_word(c)};
}

static bool in(const MojibakeSet *s, Character x) {
    return s->classes[x.class / 64] >> x.class % 64 & 1 || (s->space && x.space) || (s->word && x.word);
}

static bool begins_with(Characters t, size_t at, const MojibakePattern *p) {
    if (t.n - at < p->length || (p->begin && at > 0)) return false;
    for (int i = 0; i < p->length; i++)
        if (!in(&mojibake_sets[p->set[i]], t.at[at + (size_t)i])) return false;
    return true;
}

static bool is_bad(Characters t) {
    for (size_t at = 0; at < t.n; at++)
        for (int i = 0; i < mojibake_patterns_count; i++)
            if (begins_with(t, at, &mojibake_patterns[i])) return true;
    return false;
}

// ---- back to bytes

typedef struct {
    uint8_t *b;
    size_t n;
} Octets;

static bool windows(int encoding) { return encoding >= ENCODING_WINDOWS_1252 && encoding <= ENCODING_WINDOWS_1257; }

static bool encode(Octets *out, Characters t, int encoding) {
    out->n = 0;
    for (size_t i = 0; i < t.n; i++) {
        uint32_t c = t.at[i].c;
        const MojibakeCharacter *k = c >= 0x80 ? known(c) : NULL;
        uint8_t byte = windows(encoding) && c == 0xFFFD ? 0x1A : k ? k->byte[encoding] : 0;
        if (c >= 0x80 ? !byte : c == 0x1A && windows(encoding)) return false;
        out->b[out->n++] = c >= 0x80 ? byte : (uint8_t)c;
    }
    return true;
}

// Bytes in a row: the first from `from` to `to`, then one of each kind.
typedef struct {
    uint8_t from, to;
    const char *kinds;
} Sequence;

static bool is_kind(uint8_t b, char kind) {
    bool continuation = b >= 0x80 && b <= 0xBF, lost = b == 0x1A;
    switch (kind) {
    case 's': return b == ' ';
    case 'b': return continuation;
    case 'k': return continuation && b != 0x85 && b != 0xA0;
    case '1': return lost;
    case '?': return b == '?';
    case 'z': return lost || b == '?';
    case 'c': return lost || continuation;
    case 'a': return lost || b == '?' || continuation;
    case 'e': return b == 0xED;
    case 'h': return b >= 0xA0 && b <= 0xAF; // with 0xED before it, the high half of a pair of surrogates
    default: return b >= 0xB0 && b <= 0xBF;  // 'l': the low half
    }
}

// Bytes of the first sequence that stands at `at`; 0: none does.
static size_t sequence_at(Octets t, size_t at, const Sequence *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t n = 1 + strlen(list[i].kinds), k = 1;
        if (t.b[at] < list[i].from || t.b[at] > list[i].to || t.n - at < n) continue;
        while (k < n && is_kind(t.b[at + k], list[i].kinds[k - 1])) k++;
        if (k == n) return n;
    }
    return 0;
}

// UTF-8 whose byte 0xA0, a space that does not break, became a space.
static const Sequence spaced[] = {{0xC2, 0xC3, "s"}, {0xC5, 0xC5, "s"}, {0xCE, 0xCE, "s"}, {0xD0, 0xD0, "s"}, {0xD9, 0xD9, "s"}, {0xE2, 0xE3, "sk"}, {0xE0, 0xE3, "ks"}, {0xF0, 0xF0, "sbb"}, {0xF0, 0xF0, "bsb"}, {0xF0, 0xF0, "bbs"}};
#define SPACED (sizeof spaced / sizeof *spaced)
// UTF-8, surrogates included, of which bytes are lost.
static const Sequence lossy[] = {{0xC2, 0xDF, "1"}, {0xC2, 0xC3, "?"}, {0xED, 0xED, "hzela"}, {0xED, 0xED, "haelz"}, {0xE0, 0xEF, "zc"}, {0xE0, 0xEF, "cz"}, {0xF0, 0xF4, "zcc"}, {0xF0, 0xF4, "czc"}, {0xF0, 0xF4, "ccz"}, {0x1A, 0x1A, ""}};

// "Ã " is the word "à", but before what makes it a part of "Ã quele" and the like, where Portuguese has the letter.
static bool is_a_grave(Octets t, size_t at) {
    static const char *const not[] = {" ", "quele", "quela", "quilo", "s "};
    if (t.n - at < 2 || t.b[at] != 0xC3 || t.b[at + 1] != ' ') return false;
    for (size_t i = 0; i < sizeof not / sizeof *not; i++)
        if (t.n - at - 2 >= strlen(not[i]) && memcmp(t.b + at + 2, not[i], strlen(not[i])) == 0) return false;
    return true;
}

static Octets spaces_restored(Arena *a, Octets t) {
    bool any = false;
    for (size_t at = 0; at < t.n && !any; at++) any = sequence_at(t, at, spaced, SPACED) > 0;
    if (!any) return t;
    Octets out = {take(a, uint8_t, t.n / 2 * 3 + 1), 0};
    for (size_t at = 0; at < t.n; at++) {
        bool grave = is_a_grave(t, at);
        out.b[out.n++] = t.b[at];
        if (!grave) continue;
        out.b[out.n++] = 0xA0;
        out.b[out.n++] = t.b[++at];
    }
    for (size_t at = 0, n; at < out.n; at += n ? n : 1) {
        n = sequence_at(out, at, spaced, SPACED);
        for (size_t i = 0; i < n; i++)
            if (out.b[at + i] == ' ') out.b[at + i] = 0xA0;
    }
    return out;
}

static Octets losses_marked(Arena *a, Octets t) {
    Octets out = {take(a, uint8_t, size_mul(t.n + 1, 3, "a text")), 0};
    for (size_t at = 0, n; at < t.n; at += n ? n : 1) {
        n = sequence_at(t, at, lossy, sizeof lossy / sizeof *lossy);
        if (n) memcpy(out.b + out.n, "\xEF\xBF\xBD", 3), out.n += 3;
        else out.b[out.n++] = t.b[at];
    }
    return out;
}

// ---- and forth

// A zero in two bytes, as Java has it. Here and below, the reference takes the end of a text's line for the last byte.
static bool java_zero(const uint8_t *s, size_t left) { return left >= 2 && s[0] == 0xC0 && (s[1] == 0x80 || (s[1] == '\n' && left == 2)); }

// A pair of surrogates, each in three bytes, as CESU-8 has characters beyond U+FFFF.
static bool surrogates(const uint8_t *s, size_t left) {
    return left >= 6 && s[0] == 0xED && is_kind(s[1], 'h') && is_kind(s[2], 'b') && s[3] == 0xED && is_kind(s[4], 'l') && (is_kind(s[5], 'b') || (s[5] == '\n' && left == 6));
}

// False: the bytes are neither UTF-8 nor one of these.
static bool decode(Characters *out, Octets t) {
    out->n = 0;
    for (size_t at = 0; at < t.n;) {
        const uint8_t *s = t.b + at;
        size_t left = t.n - at, good = utf8_valid(s, left);
        for (size_t i = 0; i < good;) out->at[out->n++] = character(utf8_next((const char *)s, &i));
        at += good, left -= good, s += good;
        if (left == 0) return true;
        bool zero = java_zero(s, left);
        if (!zero && !surrogates(s, left)) return false;
        out->at[out->n++] = character(zero ? 0 : 0x10000 + ((s[1] & 0x0Fu) << 16) + ((s[2] & 0x3Fu) << 10) + ((s[4] & 0x0Fu) << 6) + (s[5] & 0x3Fu));
        at += zero ? 2 : 6;
    }
    return true;
}

// ---- the guess

static Characters fixed(Arena *a, Characters t, int depth);

// How long a row of what looks like UTF-8 begins at `at`; 0: none.
static size_t utf8_like(Characters t, size_t at) {
    size_t end = at;
    if (at > 0 && in(mojibake_strict, t.at[at - 1])) return 0; // in the middle of a larger garble
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < 3 && !more; k++) { // and k + 1 characters after it
            if (t.n - end < k + 2 || !in(mojibake_first[k], t.at[end])) continue;
            size_t i = 1;
            while (i <= k + 1 && in(mojibake_continuation, t.at[end + i])) i++;
            more = i == k + 2;
            if (more) end += i;
        }
    }
    return end - at;
}

static Characters parts_fixed(Arena *a, Characters t, int depth) {
    Characters out = {take(a, Character, t.n), 0};
    for (size_t at = 0; at < t.n;) {
        size_t n = utf8_like(t, at);
        Characters part = {t.at + at, n ? n : 1};
        if (n && n < t.n && depth < DEPTH_MAX && is_bad(part)) part = fixed(a, part, depth + 1);
        memcpy(out.at + out.n, part.at, part.n * sizeof *out.at); // never longer than it was
        out.n += part.n;
        at += n ? n : 1;
    }
    return out;
}

static bool equal(Characters x, Characters y) { return x.n == y.n && (x.n == 0 || memcmp(x.at, y.at, x.n * sizeof *x.at) == 0); }

static bool is_ascii(Characters t) {
    for (size_t i = 0; i < t.n; i++)
        if (t.at[i].c >= 0x80) return false;
    return true;
}

static Characters step(Arena *a, Characters t, int depth) {
    if (is_ascii(t) || !is_bad(t)) return t;
    Octets bytes = {take(a, uint8_t, t.n), 0};
    for (int e = 0; e < ENCODINGS; e++) {
        if (!encode(&bytes, t, e)) continue;
        Octets whole = e == ENCODING_MACROMAN ? bytes : spaces_restored(a, bytes); // there, a dash and a space would look so
        if (windows(e)) whole = losses_marked(a, whole);
        Characters out = {take(a, Character, whole.n), 0};
        if (decode(&out, whole)) return out;
    }
    Characters out = parts_fixed(a, t, depth);
    if (!equal(out, t)) return out;
    for (size_t i = 0; i < out.n; i++) out.at[i] = character(windows_control(out.at[i].c));
    return out;
}

static Characters fixed(Arena *a, Characters t, int depth) {
    for (;;) {
        Characters before = t;
        t = step(a, before, depth);
        if (equal(t, before)) return t;
    }
}

void mojibake_fix(Growing *out, const char *text, size_t n) {
    bool ascii = true;
    for (size_t i = 0; i < n && ascii; i++) ascii = (unsigned char)text[i] < 0x80;
    if (ascii) { // nothing to guess, and no memory to take
        growing_put(out, text, n);
        return;
    }
    Characters t = {take(out->arena, Character, n + 1), 0};
    for (size_t at = 0; at < n;) t.at[t.n++] = character(utf8_next(text, &at));
    t = fixed(out->arena, t, 0);
    for (size_t i = 0; i < t.n; i++) growing_char(out, t.at[i].c);
}
