// json.c: see json.h. One pass over the bytes; values of an array or object are collected on a
// stack and copied into the arena when it closes.
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "utf8.h"

#define DEPTH_MAX 64
#define INDEX_FROM 16 // objects with fewer keys are searched in order

typedef struct {
    Json value;
    const char *key;
    size_t key_length;
} Slot;

typedef struct {
    Held held;
    Arena *arena;
    const char *path, *bytes;
    size_t size, at;
    Slot *stack; // open values, malloc'd: it grows while the arena is in use
    size_t used, room;
    uint64_t first_line; // of these bytes in their file, less 1
    int depth;
} Parser;

static uint64_t line_of(const char *bytes, size_t at) {
    uint64_t line = 1;
    for (size_t i = 0; i < at; i++) line += bytes[i] == '\n';
    return line;
}

static _Noreturn void bad(Parser *p, const char *what) {
    die("%s:%llu: not JSON: %s at byte %zu", p->path, (unsigned long long)(p->first_line + line_of(p->bytes, p->at)), what, p->at);
}

static void skip_space(Parser *p) {
    while (p->at < p->size) {
        char c = p->bytes[p->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') break;
        p->at++;
    }
}

static int hex4(Parser *p) {
    if (p->size - p->at < 4) bad(p, "an escape that is cut off");
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p->bytes[p->at++];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) bad(p, "a \\u escape without four hexadecimal digits");
        v = v * 16 + d;
    }
    return v;
}

// The text that begins at p->at, decoded and closed by 0, into `out` or, when that is NULL, into the arena.
static const char *parse_text(Parser *p, char *out, size_t *length) {
    p->at++; // the opening quote
    size_t end = p->at;
    while (end < p->size && p->bytes[end] != '"') end += p->bytes[end] == '\\' && end + 1 < p->size ? 2 : 1;
    if (end >= p->size) bad(p, "a text without its closing quote");
    char *text = out ? out : take(p->arena, char, end - p->at + 1), *o = text; // escapes only shrink
    while (p->bytes[p->at] != '"') {
        unsigned char c = (unsigned char)p->bytes[p->at];
        if (c < 0x20) bad(p, "a control character inside a text");
        if (c == '\\') {
            p->at += 2;
            switch (p->bytes[p->at - 1]) {
            case '"': *o++ = '"'; break;
            case '\\': *o++ = '\\'; break;
            case '/': *o++ = '/'; break;
            case 'b': *o++ = '\b'; break;
            case 'f': *o++ = '\f'; break;
            case 'n': *o++ = '\n'; break;
            case 'r': *o++ = '\r'; break;
            case 't': *o++ = '\t'; break;
            case 'u': {
                unsigned u = (unsigned)hex4(p);
                if (u >= 0xD800 && u <= 0xDBFF && p->size - p->at >= 6 && p->bytes[p->at] == '\\' && p->bytes[p->at + 1] == 'u') {
                    size_t back = p->at;
                    p->at += 2;
                    unsigned low = (unsigned)hex4(p);
                    if (low >= 0xDC00 && low <= 0xDFFF) u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
                    else p->at = back, u = 0xFFFD;
                } else if (u >= 0xD800 && u <= 0xDFFF) {
                    u = 0xFFFD;
                }
                o = utf8_put(o, u);
                break;
            }
            default: bad(p, "an unknown escape");
            }
        } else if (c < 0x80) {
            *o++ = (char)c;
            p->at++;
        } else {
            int n = utf8_length((const unsigned char *)p->bytes + p->at, p->size - p->at);
            if (n == 0) bad(p, "a text that is not UTF-8");
            memcpy(o, p->bytes + p->at, (size_t)n);
            o += n;
            p->at += (size_t)n;
        }
    }
    p->at++;
    *length = (size_t)(o - text);
    *o = 0;
    return text;
}

static void parse_number(Parser *p, Json *v) {
    size_t begin = p->at;
    bool negative = p->bytes[p->at] == '-', integral = true, fits = true;
    if (negative) p->at++;
#define DIGIT (p->at < p->size && p->bytes[p->at] >= '0' && p->bytes[p->at] <= '9')
    if (!DIGIT) bad(p, "something that is no value");
    uint64_t u = 0;
    bool zero = p->bytes[p->at] == '0';
    for (; DIGIT; p->at++) {
        uint64_t d = (uint64_t)(p->bytes[p->at] - '0');
        if (u > (UINT64_MAX - d) / 10) fits = false;
        else u = u * 10 + d;
    }
    if (zero && p->at - begin - negative > 1) bad(p, "a number with a leading zero");
    if (p->at < p->size && p->bytes[p->at] == '.') {
        integral = false;
        p->at++;
        if (!DIGIT) bad(p, "a number with nothing after its point");
        while (DIGIT) p->at++;
    }
    if (p->at < p->size && (p->bytes[p->at] == 'e' || p->bytes[p->at] == 'E')) {
        integral = false;
        p->at++;
        if (p->at < p->size && (p->bytes[p->at] == '+' || p->bytes[p->at] == '-')) p->at++;
        if (!DIGIT) bad(p, "a number with nothing after its exponent sign");
        while (DIGIT) p->at++;
    }
#undef DIGIT
    v->kind = JSON_NUMBER;
    v->integral = integral && fits && u <= (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (v->integral) {
        v->integer = negative ? (int64_t)(0 - u) : (int64_t)u;
        v->number = (double)v->integer;
        return;
    }
    char stack_text[64], *text = stack_text; // strtod wants a closing 0, which the file may not have
    size_t n = p->at - begin;
    if (n >= sizeof stack_text) text = take(p->arena, char, n + 1);
    memcpy(text, p->bytes + begin, n);
    text[n] = 0;
    v->number = strtod(text, NULL);
}

static uint32_t hash_key(const char *key, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)key[i]) * 16777619u;
    return h ^ h >> 15;
}

static void parse_value(Parser *p, Json *v);

static Slot *push(Parser *p) {
    if (p->used == p->room) {
        size_t room = p->room ? p->room * 2 : 256;
        p->stack = memory_grow(p->stack, room * sizeof *p->stack, p->path);
        p->room = room;
    }
    return &p->stack[p->used++];
}

// Moves the values above `base` into the arena; for objects, builds the index and refuses twins.
static void close_container(Parser *p, Json *v, size_t base) {
    size_t n = v->count = p->used - base;
    Json *items = take(p->arena, Json, n);
    for (size_t i = 0; i < n; i++) items[i] = p->stack[base + i].value;
    v->items = items;
    if (v->kind == JSON_OBJECT) {
        v->keys = take(p->arena, const char *, n);
        v->key_lengths = take(p->arena, size_t, n);
        for (size_t i = 0; i < n; i++) v->keys[i] = p->stack[base + i].key, v->key_lengths[i] = p->stack[base + i].key_length;
        uint32_t room = 1;
        if (n >= INDEX_FROM) {
            while (room < n * 2) room *= 2;
            v->index = take_zero(p->arena, uint32_t, room);
            v->index_mask = room - 1;
        }
        for (size_t i = 0; i < n; i++) {
            bool twin = false;
            if (v->index) {
                uint32_t h = hash_key(v->keys[i], v->key_lengths[i]) & v->index_mask;
                for (; v->index[h]; h = (h + 1) & v->index_mask) {
                    size_t j = v->index[h] - 1;
                    if (v->key_lengths[j] == v->key_lengths[i] && memcmp(v->keys[j], v->keys[i], v->key_lengths[i]) == 0) twin = true;
                }
                v->index[h] = (uint32_t)i + 1;
            } else {
                for (size_t j = 0; j < i; j++)
                    if (v->key_lengths[j] == v->key_lengths[i] && memcmp(v->keys[j], v->keys[i], v->key_lengths[i]) == 0) twin = true;
            }
            if (twin) bad(p, arena_print(p->arena, "the key \"%.80s\" twice in one object,", v->keys[i]));
        }
    }
    p->used = base;
}

static void parse_container(Parser *p, Json *v) {
    bool object = p->bytes[p->at] == '{';
    char closing = object ? '}' : ']';
    v->kind = object ? JSON_OBJECT : JSON_ARRAY;
    if (++p->depth > DEPTH_MAX) bad(p, "more than 64 brackets inside each other");
    p->at++;
    size_t base = p->used;
    skip_space(p);
    if (p->at < p->size && p->bytes[p->at] == closing) {
        p->at++;
    } else {
        for (;;) {
            const char *key = NULL;
            size_t key_length = 0;
            skip_space(p);
            if (object) {
                if (p->at >= p->size || p->bytes[p->at] != '"') bad(p, "an object member without its name");
                key = parse_text(p, NULL, &key_length);
                skip_space(p);
                if (p->at >= p->size || p->bytes[p->at] != ':') bad(p, "a name without ':'");
                p->at++;
            }
            Json value;
            parse_value(p, &value);
            *push(p) = (Slot){value, key, key_length};
            skip_space(p);
            if (p->at >= p->size) bad(p, "the end of the file inside brackets");
            char c = p->bytes[p->at];
            if (c != ',' && c != closing) bad(p, object ? "neither ',' nor '}' after a member" : "neither ',' nor ']' after a value");
            p->at++;
            if (c == closing) break;
        }
    }
    close_container(p, v, base);
    p->depth--;
}

static void parse_word(Parser *p, const char *word) {
    size_t n = strlen(word);
    if (p->size - p->at < n || memcmp(p->bytes + p->at, word, n) != 0) bad(p, "something that is no value");
    p->at += n;
}

static void parse_value(Parser *p, Json *v) {
    skip_space(p);
    if (p->at >= p->size) bad(p, "the end of the file where a value is due");
    memset(v, 0, sizeof *v);
    v->source = p->path;
    v->offset = p->at;
    switch (p->bytes[p->at]) {
    case '{':
    case '[': parse_container(p, v); break;
    case '"':
        v->kind = JSON_TEXT;
        v->text = parse_text(p, NULL, &v->length);
        break;
    case 't':
        parse_word(p, "true");
        v->kind = JSON_BOOL;
        v->truth = true;
        break;
    case 'f':
        parse_word(p, "false");
        v->kind = JSON_BOOL;
        break;
    case 'n':
        parse_word(p, "null");
        v->kind = JSON_NULL;
        break;
    default: parse_number(p, v);
    }
}

static void stack_dropped(Held *h) { free(((Parser *)h)->stack); }

const Json *json_parse_line(Arena *a, const char *bytes, size_t size, const char *path, uint64_t line) {
    Parser p = {.arena = a, .path = arena_text(a, path, strlen(path)), .bytes = bytes, .size = size, .first_line = line - 1};
    held_add(&p.held, stack_dropped);
    Json *root = take(a, Json, 1);
    parse_value(&p, root);
    skip_space(&p);
    if (p.at != p.size) bad(&p, "more text after the value");
    held_remove(&p.held);
    free(p.stack);
    return root;
}

const Json *json_parse(Arena *a, const char *bytes, size_t size, const char *path) { return json_parse_line(a, bytes, size, path, 1); }

// ---- reading front to back

char json_scan_next(JsonScan *s) {
    Parser p = {.bytes = s->bytes, .size = s->size, .at = s->at};
    skip_space(&p);
    s->at = p.at;
    return s->at < s->size ? s->bytes[s->at] : 0;
}

void json_scan_byte(JsonScan *s, char wanted) {
    if (json_scan_next(s) != wanted) json_scan_die(s, (char[]){'n', 'o', ' ', '\'', wanted, '\'', 0});
    s->at++;
}

size_t json_scan_text(JsonScan *s, char *out) {
    size_t length;
    if (json_scan_next(s) != '"') json_scan_die(s, "no text");
    Parser p = {.path = s->path, .bytes = s->bytes, .size = s->size, .at = s->at};
    parse_text(&p, out, &length);
    s->at = p.at;
    return length;
}

uint64_t json_scan_whole(JsonScan *s) {
    char first = json_scan_next(s);
    if (first < '0' || first > '9') json_scan_die(s, "no whole number");
    uint64_t u = 0;
    size_t begin = s->at;
    for (; s->at < s->size && s->bytes[s->at] >= '0' && s->bytes[s->at] <= '9'; s->at++) {
        uint64_t d = (uint64_t)(s->bytes[s->at] - '0');
        if (u > (UINT64_MAX - d) / 10) json_scan_die(s, "a number beyond 64 bits");
        u = u * 10 + d;
    }
    if (first == '0' && s->at - begin > 1) json_scan_die(s, "a number with a leading zero");
    return u;
}

void json_scan_die(const JsonScan *s, const char *what) { die("%s:%llu: %s at byte %zu of the text", s->path, (unsigned long long)line_of(s->bytes, s->at), what, s->at); }

const Json *json_read(Arena *a, const char *path) {
    Bytes b = file_read(a, path);
    return json_parse(a, (const char *)b.bytes, b.size, path);
}

const Json *json_kept(Arena *a, const char *path, const char *made_from) {
    Trap trap;
    if (!file_exists(path) || !trap_set(&trap)) return NULL;
    const Json *j = json_read(a, path);
    bool same = strcmp(json_text_or(j, "made_from", ""), made_from) == 0; // dies, too, where that is no text
    trap_end(&trap);
    return same ? j : NULL;
}

const Json *json_find(const Json *o, const char *key, size_t length) {
    if (!o || o->kind != JSON_OBJECT) return NULL;
    if (o->index) {
        uint32_t h = hash_key(key, length) & o->index_mask;
        for (; o->index[h]; h = (h + 1) & o->index_mask) {
            size_t j = o->index[h] - 1;
            if (o->key_lengths[j] == length && memcmp(o->keys[j], key, length) == 0) return &o->items[j];
        }
        return NULL;
    }
    for (size_t i = 0; i < o->count; i++)
        if (o->key_lengths[i] == length && memcmp(o->keys[i], key, length) == 0) return &o->items[i];
    return NULL;
}

const Json *json_get(const Json *o, const char *key) {
    const Json *v = json_find(o, key, strlen(key));
    return v && v->kind != JSON_NULL ? v : NULL;
}

const Json *json_path(const Json *o, const char *dotted) {
    while (o) {
        const char *dot = strchr(dotted, '.');
        size_t n = dot ? (size_t)(dot - dotted) : strlen(dotted);
        o = json_find(o, dotted, n);
        if (o && o->kind == JSON_NULL) return NULL;
        if (!dot) return o;
        dotted = dot + 1;
    }
    return NULL;
}

static const char *kind_name(const Json *v) {
    static const char *names[] = {"null", "true or false", "a number", "a text", "an array", "an object"};
    return names[v->kind];
}

static const Json *wanted(const Json *o, const char *key) {
    const Json *v = json_get(o, key);
    need(v, "%s: \"%s\" is missing", o ? o->source : "(nothing)", key);
    return v;
}

int64_t json_int(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    if (v->kind == JSON_NUMBER && !v->integral && v->number == floor(v->number) && fabs(v->number) < 0x1p53)
        return (int64_t)v->number; // 1e5 and 2.0 are whole numbers too
    need(v->kind == JSON_NUMBER && v->integral, "%s: \"%s\" is %s, a whole number is wanted", v->source, key, kind_name(v));
    return v->integer;
}

int64_t json_int_or(const Json *o, const char *key, int64_t otherwise) { return json_get(o, key) ? json_int(o, key) : otherwise; }

int32_t json_int32(const Json *o, const char *key) {
    int64_t v = json_int(o, key);
    need(v >= INT32_MIN && v <= INT32_MAX, "%s: \"%s\" is %lld, which is beyond what can be", json_get(o, key)->source, key, (long long)v);
    return (int32_t)v;
}

int32_t json_int32_or(const Json *o, const char *key, int32_t otherwise) { return json_get(o, key) ? json_int32(o, key) : otherwise; }

double json_real(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    need(v->kind == JSON_NUMBER, "%s: \"%s\" is %s, a number is wanted", v->source, key, kind_name(v));
    return v->number;
}

double json_real_or(const Json *o, const char *key, double otherwise) { return json_get(o, key) ? json_real(o, key) : otherwise; }

bool json_bool_or(const Json *o, const char *key, bool otherwise) {
    const Json *v = json_get(o, key);
    if (!v) return otherwise;
    need(v->kind == JSON_BOOL, "%s: \"%s\" is %s, true or false is wanted", v->source, key, kind_name(v));
    return v->truth;
}

const char *json_text(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    need(v->kind == JSON_TEXT, "%s: \"%s\" is %s, a text is wanted", v->source, key, kind_name(v));
    return v->text;
}

const char *json_text_or(const Json *o, const char *key, const char *otherwise) { return json_get(o, key) ? json_text(o, key) : otherwise; }

// ---- writing

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

const char *real_text(double v, char t[32]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(t, 32, "%.*g", digits, v);
        if (strtod(t, NULL) == v) break;
    }
    return t;
}
