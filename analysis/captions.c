// captions.c: see captions.h.
#include "captions.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/utf8.h"

enum { ALIGNED_MOST = 4000 }; // pieces of each caption: a table of 32 MB

typedef enum {
    SCRIPT_NONE, SCRIPT_LATIN, SCRIPT_GREEK, SCRIPT_CYRILLIC, SCRIPT_HEBREW, SCRIPT_ARABIC, SCRIPT_INDIC, SCRIPT_THAI,
    SCRIPT_HAN, SCRIPT_KANA, SCRIPT_HANGUL, SCRIPT_OTHER, SCRIPTS
} Script;

// First and last code point of the letters of each script. What is in none of them is a mark, a symbol, a picture.
static const struct {
    uint32_t first, last;
    Script script;
} ranges[] = {
    {'A', 'Z', SCRIPT_LATIN}, {'a', 'z', SCRIPT_LATIN}, {0xAA, 0xAA, SCRIPT_LATIN},
    {0xBA, 0xBA, SCRIPT_LATIN}, {0xC0, 0xD6, SCRIPT_LATIN}, {0xD8, 0xF6, SCRIPT_LATIN},
    {0xF8, 0x2AF, SCRIPT_LATIN}, {0x370, 0x3FF, SCRIPT_GREEK}, {0x400, 0x52F, SCRIPT_CYRILLIC},
    {0x530, 0x58F, SCRIPT_OTHER}, {0x5D0, 0x5EA, SCRIPT_HEBREW}, {0x620, 0x64A, SCRIPT_ARABIC},
    {0x66E, 0x6D3, SCRIPT_ARABIC}, {0x750, 0x77F, SCRIPT_ARABIC}, {0x900, 0xDFF, SCRIPT_INDIC},
    {0xE01, 0xEFF, SCRIPT_THAI}, {0xF00, 0x10FF, SCRIPT_OTHER}, {0x1100, 0x11FF, SCRIPT_HANGUL},
    {0x1200, 0x17FF, SCRIPT_OTHER}, {0x1E00, 0x1EFF, SCRIPT_LATIN}, {0x1F00, 0x1FFF, SCRIPT_GREEK},
    {0x3041, 0x30FF, SCRIPT_KANA}, {0x3131, 0x318E, SCRIPT_HANGUL}, {0x31F0, 0x31FF, SCRIPT_KANA},
    {0x3400, 0x4DBF, SCRIPT_HAN}, {0x4E00, 0x9FFF, SCRIPT_HAN}, {0xAC00, 0xD7A3, SCRIPT_HANGUL},
    {0xF900, 0xFAFF, SCRIPT_HAN}, {0xFF21, 0xFF3A, SCRIPT_LATIN}, {0xFF41, 0xFF5A, SCRIPT_LATIN},
    {0xFF66, 0xFF9D, SCRIPT_KANA}, {0x20000, 0x3FFFF, SCRIPT_HAN}};

static Script script_of(uint32_t code) {
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return ranges[i].script;
    return SCRIPT_NONE;
}

// The character at t; returns its bytes, at least 1. A byte that begins no character is code 0xFFFD.
static size_t character(const char *t, uint32_t *code) {
    size_t size = 0;
    bool good = utf8_length((const unsigned char *)t, 4) > 0; // closed by 0, so never beyond
    *code = good ? utf8_next(t, &size) : 0xFFFD;
    return good ? size : 1;
}

static bool spaceless(Script s) { return s == SCRIPT_HAN || s == SCRIPT_KANA || s == SCRIPT_THAI; }

static bool in_word(uint32_t code) {
    Script s = script_of(code);
    return (code >= '0' && code <= '9') || (s != SCRIPT_NONE && !spaceless(s)) || (code >= 0x300 && code <= 0x36F);
}

static bool joins(uint32_t code) { return code == '\'' || code == '-' || code == 0x2019; }

typedef enum { PIECE_SPACE, PIECE_MARK, PIECE_WORD } PieceKind;

// The piece at t: its kind, and its bytes.
static size_t piece_at(const char *t, PieceKind *kind) {
    uint32_t code, next;
    size_t n = character(t, &code), more;
    bool space = code == ' ' || (code >= '\t' && code <= '\r') || code == 0xA0 || code == 0x3000;
    if (space) {
        *kind = PIECE_SPACE;
        while (t[n] && (t[n] == ' ' || (t[n] >= '\t' && t[n] <= '\r'))) n++;
        return n;
    }
    *kind = in_word(code) || spaceless(script_of(code)) ? PIECE_WORD : PIECE_MARK;
    if (!in_word(code)) return n;
    while (t[n]) {
        more = character(t + n, &next);
        if (joins(next)) { // only between letters
            uint32_t after;
            if (!t[n + more]) break;
            size_t last = character(t + n + more, &after);
            if (!in_word(after)) break;
            n += more + last;
        } else if (in_word(next)) {
            n += more;
        } else {
            break;
        }
    }
    return n;
}

static size_t cut(const char *t, Piece *out, PieceKind *kinds) {
    size_t n = 0;
    for (PieceKind kind; *t; n++) {
        size_t size = piece_at(t, &kind);
        if (out) out[n] = (Piece){t, size, false};
        if (kinds) kinds[n] = kind;
        t += size;
    }
    return n;
}

// ---- words

typedef struct {
    const char *text;
    size_t length;
} Word;

static int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

static int by_letters(const void *a, const void *b) {
    const Word *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    for (size_t i = 0; i < n; i++) {
        int d = lower((unsigned char)x->text[i]) - lower((unsigned char)y->text[i]);
        if (d) return d;
    }
    return (x->length > y->length) - (x->length < y->length);
}

// Words in the order of the text.
static Word *words_of(const char *t, Arena *a, size_t *count) {
    size_t n = 0, most = cut(t, NULL, NULL);
    Word *w = take(a, Word, most);
    for (PieceKind kind; *t;) {
        size_t size = piece_at(t, &kind);
        if (kind == PIECE_WORD) w[n++] = (Word){t, size};
        t += size;
    }
    *count = n;
    return w;
}

size_t caption_words(const char *text) {
    size_t n = 0;
    for (PieceKind kind; *text;) {
        text += piece_at(text, &kind);
        n += kind == PIECE_WORD;
    }
    return n;
}

size_t caption_distinct_words(const char *text, Arena *a) {
    Mark mark = arena_mark(a);
    size_t n, distinct = 0;
    Word *w = words_of(text, a, &n);
    if (n) qsort(w, n, sizeof *w, by_letters);
    for (size_t i = 0; i < n; i++) distinct += i == 0 || by_letters(w + i - 1, w + i) != 0;
    arena_release(a, mark);
    return distinct;
}

double caption_f1(const char *candidate, const char *reference, Arena *a) {
    Mark mark = arena_mark(a);
    size_t n, m, shared = 0;
    Word *x = words_of(candidate, a, &n), *y = words_of(reference, a, &m);
    if (n) qsort(x, n, sizeof *x, by_letters);
    if (m) qsort(y, m, sizeof *y, by_letters);
    for (size_t i = 0, j = 0; i < n && j < m;) {
        int d = by_letters(x + i, y + j);
        if (d == 0) shared++;
        if (d <= 0) i++;
        if (d >= 0) j++;
    }
    arena_release(a, mark);
    return n + m ? 2.0 * (double)shared / (double)(n + m) : 1;
}

static const char *trimmed(const char *t, size_t *length) {
    while (*t == ' ' || (*t >= '\t' && *t <= '\r')) t++;
    size_t n = strlen(t);
    while (n && (t[n - 1] == ' ' || (t[n - 1] >= '\t' && t[n - 1] <= '\r'))) n--;
    *length = n;
    return t;
}

bool caption_equal(const char *x, const char *y) {
    size_t n, m;
    x = trimmed(x, &n), y = trimmed(y, &m);
    return n == m && memcmp(x, y, n) == 0;
}

// ---- difference

static bool same(const Piece *x, const Piece *y) { return x->length == y->length && memcmp(x->text, y->text, x->length) == 0; }

// Marks what is not in the longest common sequence of x (n) and y (m). table holds (n + 1, m + 1) lengths of common ends.
static void align(Piece **x, size_t n, Piece **y, size_t m, Arena *a) {
    size_t width = m + 1;
    uint16_t *table = take_zero(a, uint16_t, size_mul(n + 1, width, "captions"));
    for (size_t i = n; i-- > 0;)
        for (size_t j = m; j-- > 0;) {
            uint16_t down = table[(i + 1) * width + j], right = table[i * width + j + 1];
            table[i * width + j] = same(x[i], y[j]) ? (uint16_t)(table[(i + 1) * width + j + 1] + 1) : down > right ? down : right;
        }
    size_t i = 0, j = 0;
    while (i < n && j < m) {
        if (same(x[i], y[j])) i++, j++;
        else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) x[i++]->changed = true;
        else y[j++]->changed = true;
    }
    while (i < n) x[i++]->changed = true;
    while (j < m) y[j++]->changed = true;
}

// The pieces that count (no spaces); spaces between two changed pieces are marked with them afterwards.
static Piece **solid(Piece *p, const PieceKind *kinds, size_t n, Arena *a, size_t *count) {
    Piece **s = take(a, Piece *, n);
    *count = 0;
    for (size_t i = 0; i < n; i++)
        if (kinds[i] != PIECE_SPACE) s[(*count)++] = p + i;
    return s;
}

static void mark_spaces(Piece *p, const PieceKind *kinds, size_t n) {
    for (size_t i = 1; i + 1 < n; i++)
        if (kinds[i] == PIECE_SPACE) p[i].changed = p[i - 1].changed && p[i + 1].changed;
}

void caption_difference(Arena *a, const char *x, const char *y, Piece **px, size_t *nx, Piece **py, size_t *ny) {
    const char *text[2] = {x, y};
    Piece *p[2], **s[2];
    PieceKind *kinds[2];
    size_t n[2], m[2];
    for (int t = 0; t < 2; t++) {
        n[t] = cut(text[t], NULL, NULL);
        p[t] = take(a, Piece, n[t]);
    }
    Mark mark = arena_mark(a);
    for (int t = 0; t < 2; t++) {
        kinds[t] = take(a, PieceKind, n[t]);
        cut(text[t], p[t], kinds[t]);
        s[t] = solid(p[t], kinds[t], n[t], a, &m[t]);
    }
    size_t head = 0, tail = 0;
    while (head < m[0] && head < m[1] && same(s[0][head], s[1][head])) head++;
    while (tail < m[0] - head && tail < m[1] - head && same(s[0][m[0] - 1 - tail], s[1][m[1] - 1 - tail])) tail++;
    size_t u = m[0] - head - tail, v = m[1] - head - tail;
    if (u <= ALIGNED_MOST && v <= ALIGNED_MOST) {
        align(s[0] + head, u, s[1] + head, v, a);
    } else {
        for (size_t i = 0; i < u; i++) s[0][head + i]->changed = true;
        for (size_t i = 0; i < v; i++) s[1][head + i]->changed = true;
    }
    for (int t = 0; t < 2; t++) mark_spaces(p[t], kinds[t], n[t]);
    arena_release(a, mark);
    *px = p[0], *nx = n[0], *py = p[1], *ny = n[1];
}

// ---- collapse

static bool same_words(const Word *x, const Word *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (by_letters(x + i, y + i) != 0) return false;
    return true;
}

static bool thrice_running(const Word *w, size_t n) {
    for (size_t size = 1; size <= 8 && 3 * size <= n; size++) {
        size_t run = 0; // words that equal the word `size` before them
        for (size_t i = size; i < n; i++) {
            run = by_letters(w + i, w + i - size) == 0 ? run + 1 : 0;
            if (run >= 2 * size) return true;
        }
    }
    return false;
}

static int by_four(const void *a, const void *b) {
    const Word *x = *(const Word *const *)a, *y = *(const Word *const *)b;
    for (int i = 0; i < 4; i++) {
        int d = by_letters(x + i, y + i);
        if (d) return d;
    }
    return 0;
}

static bool mostly_repeats(const Word *w, size_t n, Arena *a) {
    if (n < 8) return false;
    size_t groups = n - 3, repeats = 0;
    const Word **g = take(a, const Word *, groups);
    for (size_t i = 0; i < groups; i++) g[i] = w + i;
    qsort(g, groups, sizeof *g, by_four);
    for (size_t i = 1; i < groups; i++) repeats += same_words(g[i - 1], g[i], 4);
    return 2 * repeats > groups;
}

// The script of most letters; SCRIPT_NONE when there are none.
static Script main_script(const char *t) {
    size_t count[SCRIPTS] = {0};
    while (*t) {
        uint32_t code;
        t += character(t, &code);
        count[script_of(code)]++;
    }
    Script most = SCRIPT_NONE;
    count[SCRIPT_HAN] += count[SCRIPT_KANA]; // Japanese mixes both
    count[SCRIPT_NONE] = 0;
    for (int s = 1; s < SCRIPTS; s++)
        if (count[s] > count[most]) most = (Script)s;
    return most;
}

Collapse caption_collapse(const char *text, const char *reference, Arena *a) {
    Mark mark = arena_mark(a);
    size_t n;
    Word *w = words_of(text, a, &n);
    Collapse c = CAPTION_SOUND;
    Script own = main_script(text), other = reference ? main_script(reference) : SCRIPT_NONE;
    if (n == 0) c = CAPTION_EMPTY;
    else if (n < 3) c = CAPTION_SHORT;
    else if (thrice_running(w, n) || mostly_repeats(w, n, a)) c = CAPTION_REPEATS;
    else if (own != SCRIPT_NONE && other != SCRIPT_NONE && own != other) c = CAPTION_SCRIPT;
    arena_release(a, mark);
    return c;
}

const char *caption_collapse_name(Collapse c) {
    static const char *const names[] = {"sound", "empty", "short", "repeats", "script"};
    return names[c];
}
