// markup.c: see markup.h.
#include "markup.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

struct Markup {
    Arena *arena;
    char *text;
    size_t length, room; // room counts the closing 0
};

Markup *markup_new(Arena *a) {
    Markup *m = take(a, Markup, 1);
    *m = (Markup){.arena = a, .text = take(a, char, 4096), .room = 4096};
    m->text[0] = 0;
    return m;
}

static char *grow(Markup *m, size_t more) {
    size_t wanted = size_add(size_add(m->length, more, "markup"), 1, "markup");
    if (wanted > m->room) {
        size_t room = wanted > m->room * 2 ? wanted : m->room * 2;
        m->text = arena_grow(m->arena, m->text, m->length + 1, room, 1);
        m->room = room;
    }
    return m->text + m->length;
}

void markup_put_n(Markup *m, const char *text, size_t length) {
    char *to = grow(m, length);
    memcpy(to, text, length);
    m->length += length;
    m->text[m->length] = 0;
}

void markup_put(Markup *m, const char *text) { markup_put_n(m, text, strlen(text)); }

void markup_print(Markup *m, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    need(n >= 0, "markup: a text that cannot be formatted");
    vsnprintf(grow(m, (size_t)n), (size_t)n + 1, format, again);
    va_end(again);
    m->length += (size_t)n;
}

// Bytes of the character at s (of n), 0 if it is none that XML allows.
static size_t character(const char *s, size_t n) {
    size_t at = 0;
    if (utf8_length((const unsigned char *)s, n) == 0) return 0;
    uint32_t code = utf8_next(s, &at);
    bool bad = (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x80 && code < 0xA0) || code == 0xFFFE || code == 0xFFFF;
    return bad ? 0 : at;
}

void markup_text_n(Markup *m, const char *text, size_t length) {
    for (size_t i = 0; i < length;) {
        size_t size = character(text + i, length - i);
        if (size == 0) markup_put(m, "\xEF\xBF\xBD");
        else if (text[i] == '&') markup_put(m, "&amp;");
        else if (text[i] == '<') markup_put(m, "&lt;");
        else if (text[i] == '>') markup_put(m, "&gt;");
        else if (text[i] == '"') markup_put(m, "&quot;");
        else if (text[i] == '\'') markup_put(m, "&#39;");
        else markup_put_n(m, text + i, size);
        i += size ? size : 1;
    }
}

void markup_text(Markup *m, const char *text) { markup_text_n(m, text, strlen(text)); }

void markup_number(Markup *m, double x) {
    char text[64];
    need(isfinite(x) && fabs(x) < 1e15, "markup: a coordinate of %g", x);
    int n = snprintf(text, sizeof text, "%.2f", x);
    while (text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    text[n] = 0;
    markup_put(m, strcmp(text, "-0") == 0 ? "0" : text);
}

const char *markup_done(const Markup *m, size_t *length) {
    if (length) *length = m->length;
    return m->text;
}
