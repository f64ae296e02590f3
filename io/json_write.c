// json_write.c: see json.h. Texts are escaped, valid UTF-8 passes, anything else becomes U+FFFD.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "number.h"
#include "utf8.h"

#define DEPTH_MAX 64 // what json.c reads

struct JsonOut {
    Arena *arena;
    char *text;
    size_t used, room;
    int indent, depth;
    char brackets[DEPTH_MAX + 1];
    bool filled[DEPTH_MAX + 1];
};

JsonOut *json_out(Arena *a, int indent) {
    JsonOut *o = take_zero(a, JsonOut, 1);
    o->arena = a;
    o->indent = indent;
    return o;
}

static void out(JsonOut *o, const char *bytes, size_t n) {
    if (o->used + n + 1 > o->room) {
        size_t room = o->room ? o->room * 2 : 1024;
        while (room < o->used + n + 1) room *= 2;
        o->text = arena_grow(o->arena, o->text, o->used, room, 1);
        o->room = room;
    }
    memcpy(o->text + o->used, bytes, n);
    o->used += n;
    o->text[o->used] = 0;
}

static void out_quoted(JsonOut *o, const char *text, size_t n) {
    out(o, "\"", 1);
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t run = 0;
        while (i + run < n && (unsigned char)text[i + run] >= 0x20 && text[i + run] != '"' && text[i + run] != '\\' &&
               (unsigned char)text[i + run] < 0x80)
            run++;
        if (run) {
            out(o, text + i, run);
            i += run;
        } else if (c >= 0x80) { // valid UTF-8 passes, anything else becomes U+FFFD
            int k = utf8_length((const unsigned char *)text + i, n - i);
            out(o, k ? text + i : "\xEF\xBF\xBD", k ? (size_t)k : 3);
            i += k ? (size_t)k : 1;
        } else {
            char e[8];
            int k = c == '"'    ? snprintf(e, sizeof e, "\\\"")
                    : c == '\\' ? snprintf(e, sizeof e, "\\\\")
                    : c == '\n' ? snprintf(e, sizeof e, "\\n")
                    : c == '\t' ? snprintf(e, sizeof e, "\\t")
                    : c == '\r' ? snprintf(e, sizeof e, "\\r")
                    : c == '\b' ? snprintf(e, sizeof e, "\\b")
                    : c == '\f' ? snprintf(e, sizeof e, "\\f")
                                : snprintf(e, sizeof e, "\\u%04x", c);
            out(o, e, (size_t)k);
            i++;
        }
    }
    out(o, "\"", 1);
}

static void out_line(JsonOut *o) {
    if (o->indent <= 0) return;
    out(o, "\n", 1);
    for (int i = 0; i < o->indent * o->depth; i++) out(o, " ", 1);
}

static void out_key(JsonOut *o, const char *key) {
    if (o->depth) {
        if (o->filled[o->depth]) out(o, ", ", o->indent ? 1 : 2);
        o->filled[o->depth] = true;
        out_line(o);
    }
    if (key) {
        out_quoted(o, key, strlen(key));
        out(o, ": ", o->indent < 0 ? 1 : 2);
    }
}

void json_open(JsonOut *o, const char *key, char bracket) {
    out_key(o, key);
    need(o->depth < DEPTH_MAX, "JSON output: more than 64 brackets inside each other");
    out(o, &bracket, 1);
    o->brackets[++o->depth] = bracket;
    o->filled[o->depth] = false;
}

void json_close(JsonOut *o) {
    bool filled = o->filled[o->depth];
    char c = o->brackets[o->depth--] == '{' ? '}' : ']';
    if (filled) out_line(o);
    out(o, &c, 1);
}

void json_put_text_n(JsonOut *o, const char *key, const char *text, size_t n) {
    out_key(o, key);
    out_quoted(o, text, n);
}

void json_put_text(JsonOut *o, const char *key, const char *text) { json_put_text_n(o, key, text, strlen(text)); }

void json_put_int(JsonOut *o, const char *key, int64_t v) {
    char t[32];
    int n = snprintf(t, sizeof t, "%lld", (long long)v);
    out_key(o, key);
    out(o, t, (size_t)n);
}

void json_put_real(JsonOut *o, const char *key, double v) {
    char t[32];
    out_key(o, key);
    const char *s = isfinite(v) ? real_text(v, t) : "null";
    out(o, s, strlen(s));
}

void json_put_bool(JsonOut *o, const char *key, bool v) {
    out_key(o, key);
    out(o, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(JsonOut *o, const char *key) {
    out_key(o, key);
    out(o, "null", 4);
}

const char *json_done(JsonOut *o, size_t *length) {
    need(o->depth == 0 && o->used > 0, "JSON output: a bracket was left open");
    if (length) *length = o->used;
    return o->text;
}

void json_file_write(JsonOut *o, const char *path) {
    size_t length;
    const char *text = json_done(o, &length);
    file_write(path, text, length);
}
