// answers.c: reading what a labeller answered. See categories.h.
//
// Two readers, on purpose: the strict one loses what the original loses (11.8 % of its first layer), the tolerant one does not.
// Bites: an ordinary JSON reader refuses keys that are there twice, and a dictionary would keep one of them; a third of the
// published answers has some, and all count.
#include <stdint.h>
#include <string.h>

#include "categories.h"
#include "io/markup.h"
#include "io/utf8.h"

#define DEPTH_MOST 200 // nesting; Python's own limit is near a thousand frames

typedef struct {
    Arena *arena;
    const char *text;
    size_t length, at;
    size_t phrase_end; // place of the last phrase's closing quote
    bool unclosed; // a quote was opened behind which none closes: nor does one behind any later place
    Answer answer;
    size_t room;
} Reading;

static AnswerPart *part_new(Reading *r) {
    if (r->answer.count == r->room) {
        size_t room = r->room ? r->room * 2 : 16;
        r->answer.parts = arena_grow(r->arena, r->answer.parts, r->answer.count, room, sizeof *r->answer.parts);
        r->room = room;
    }
    AnswerPart *p = &r->answer.parts[r->answer.count++];
    *p = (AnswerPart){.phrase = "", .labels = {"", "", ""}};
    return p;
}

static char peek(const Reading *r) { return r->at < r->length ? r->text[r->at] : 0; }

static void pass_space(Reading *r) {
    while (r->at < r->length && (r->text[r->at] == ' ' || r->text[r->at] == '\t' || r->text[r->at] == '\n' || r->text[r->at] == '\r')) r->at++;
}

static bool pass(Reading *r, char c) {
    if (r->at >= r->length || r->text[r->at] != c) return false;
    r->at++;
    return true;
}

static int hex4(const char *s, size_t left) {
    int v = 0;
    if (left < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

// One escape at the backslash: its end, or NULL when it is none. Surrogate halves that stand alone become U+FFFD.
static const char *escape(const char *s, const char *end, char **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (end - s < 2) return NULL;
    if (s[1] == 'u') {
        int u = hex4(s + 2, (size_t)(end - s - 2)), low;
        if (u < 0) return NULL;
        s += 6;
        if (u >= 0xD800 && u < 0xDC00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u' && (low = hex4(s + 2, 4)) >= 0xDC00 && low < 0xE000) {
            *out = utf8_put(*out, 0x10000u + ((uint32_t)(u - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
            return s + 6;
        }
        *out = utf8_put(*out, (uint32_t)u);
        return s;
    }
    const char *found = s[1] ? strchr(from, s[1]) : NULL;
    if (!found) return NULL;
    *(*out)++ = to[found - from];
    return s + 2;
}

// A text in quotes, decoded. strict: NULL for what JSON does not allow. Else whatever stands up to the closing quote.
static const char *quoted(Reading *r, bool strict) {
    size_t start = r->at;
    if (!pass(r, '"')) return NULL;
    size_t close = r->at;
    while (close < r->length && r->text[close] != '"') close += r->text[close] == '\\' ? 2 : 1;
    if (close >= r->length) {
        r->at = start;
        r->unclosed = true;
        return NULL;
    }
    char *out = take(r->arena, char, close - r->at + 4), *o = out; // an escape is longer than what it stands for
    const char *s = r->text + r->at, *end = r->text + close;
    while (s < end) {
        const char *next = NULL;
        if (*s == '\\') next = escape(s, end, &o);
        else if ((unsigned char)*s >= 0x20) *o++ = *s, next = s + 1;
        if (!next) {
            if (strict) return NULL;
            *o++ = *s == '\\' ? '\\' : ' ';
            next = s + 1;
        }
        s = next;
    }
    *o = 0;
    r->at = close + 1;
    return out;
}

// ---- strict

static bool value(Reading *r, int depth, AnswerPart *list, bool *is_list);

static bool word(Reading *r, const char *w) {
    size_t n = strlen(w);
    if (r->length - r->at < n || memcmp(r->text + r->at, w, n) != 0) return false;
    r->at += n;
    return true;
}

static bool digits(Reading *r) {
    size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9') r->at++;
    return r->at > from;
}

static bool number(Reading *r) {
    pass(r, '-');
    if (!pass(r, '0') && !digits(r)) return false;
    if (peek(r) == '.') {
        r->at++;
        if (!digits(r)) return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (!pass(r, '-')) pass(r, '+');
        if (!digits(r)) return false;
    }
    return true;
}

// list: the part that the items become labels of; NULL: nobody's.
static bool array(Reading *r, int depth, AnswerPart *list) {
    r->at++;
    pass_space(r);
    if (pass(r, ']')) return true;
    for (;;) {
        pass_space(r);
        if (list && peek(r) == '"') {
            const char *t = quoted(r, true);
            if (!t) return false;
            if (list->label_count < 3) list->labels[list->label_count] = t;
        } else if (!value(r, depth + 1, NULL, NULL)) {
            return false;
        }
        if (list) list->label_count++;
        pass_space(r);
        if (pass(r, ']')) return true;
        if (!pass(r, ',')) return false;
    }
}

static bool object(Reading *r, int depth) {
    r->at++;
    pass_space(r);
    if (pass(r, '}')) return true;
    for (;;) {
        AnswerPart p = {.labels = {"", "", ""}};
        bool is_list = false;
        pass_space(r);
        p.phrase = quoted(r, true);
        if (!p.phrase) return false;
        pass_space(r);
        if (!pass(r, ':')) return false;
        pass_space(r);
        if (!value(r, depth + 1, depth == 0 ? &p : NULL, &is_list)) return false;
        if (depth == 0 && is_list && p.label_count) *part_new(r) = p;
        else if (depth == 0) r->answer.ignored++;
        pass_space(r);
        if (pass(r, '}')) return true;
        if (!pass(r, ',')) return false;
    }
}

static bool value(Reading *r, int depth, AnswerPart *list, bool *is_list) {
    if (depth > DEPTH_MOST) return false;
    switch (peek(r)) {
    case '{': return object(r, depth);
    case '[':
        if (is_list) *is_list = true;
        return array(r, depth, list);
    case '"': return quoted(r, true) != NULL;
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    case 'N': return word(r, "NaN"); // Python takes these three
    case 'I': return word(r, "Infinity");
    default: return word(r, "-Infinity") || number(r);
    }
}

Answer answer_strict(Arena *a, const char *text, size_t length) {
    Reading r = {.arena = a, .text = text, .length = length};
    pass_space(&r);
    bool outer = peek(&r) == '{';
    r.answer.sound = (outer ? object(&r, 0) : value(&r, 1, NULL, NULL));
    pass_space(&r);
    r.answer.sound = r.answer.sound && r.at == length;
    if (!r.answer.sound) return (Answer){0};
    return r.answer;
}

// ---- tolerant

static bool labelled(Reading *r) {
    AnswerPart p = {.labels = {"", "", ""}};
    r->unclosed = false;
    p.phrase = quoted(r, false);
    if (!p.phrase) return false;
    r->phrase_end = r->at - 1;
    pass_space(r);
    if (!pass(r, ':')) return false;
    pass_space(r);
    if (!pass(r, '[')) return false;
    for (;;) {
        pass_space(r);
        const char *t = quoted(r, false);
        if (!t) return false;
        if (p.label_count < 3) p.labels[p.label_count] = t;
        p.label_count++;
        pass_space(r);
        if (pass(r, ']')) break;
        if (!pass(r, ',') && peek(r) != '"') return false;
        pass_space(r);
        if (pass(r, ']')) break; // a comma too many
    }
    *part_new(r) = p;
    return true;
}

Answer answer_tolerant(Arena *a, const char *text, size_t length) {
    Reading r = {.arena = a, .text = text, .length = length};
    while (r.at < length) {
        const char *quote = memchr(text + r.at, '"', length - r.at);
        if (!quote) break;
        size_t from = r.at = (size_t)(quote - text);
        Mark mark = arena_mark(a);
        if (!labelled(&r)) {
            arena_release(a, mark);
            if (r.unclosed && r.at == from) break; // the part itself is not closed
            r.at = r.phrase_end; // quotes before it are escaped: a phrase from one of them ends there, too, and fails as this one
        }
    }
    r.answer.sound = r.answer.count > 0;
    return r.answer;
}

// ---- writing

static void put_quoted(Markup *m, const char *text) {
    markup_put(m, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') markup_print(m, "\\%c", *c);
        else if ((unsigned char)*c < 0x20) markup_print(m, "\\u%04x", (unsigned)*c);
        else markup_put_n(m, c, 1);
    }
    markup_put(m, "\"");
}

const char *answer_text(Arena *a, const AnswerPart *parts, size_t count) {
    Markup *m = markup_new(a);
    markup_put(m, "{");
    for (size_t i = 0; i < count; i++) {
        if (i) markup_put(m, ",");
        put_quoted(m, parts[i].phrase);
        markup_put(m, ": [");
        for (int k = 0; k < 3; k++) {
            if (k) markup_put(m, ",");
            put_quoted(m, parts[i].labels[k] ? parts[i].labels[k] : "");
        }
        markup_put(m, "]");
    }
    markup_put(m, "}");
    return markup_done(m, NULL);
}
