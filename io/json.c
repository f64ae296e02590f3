// json.c: see json.h. The parser: one pass over the bytes; values of an array or object are collected on a
// stack and copied into the arena when it closes. json_get.c answers questions, json_write.c writes.
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "stray.h"
#include "utf8.h"

#define DEPTH_MAX 127 // serde_json's
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
    die("%s:%llu: not JSON at byte %zu: %s", p->path, (unsigned long long)(p->first_line + line_of(p->bytes, p->at)), p->at, what);
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

// What other programs write in the place of a value, or of a whole file.
static _Noreturn void no_value(Parser *p) {
    if (p->depth == 0) stray_refuse((Bytes){.bytes = (const uint8_t *)p->bytes, .size = p->size, .path = p->path});
    static const struct {
        const char *begins, *text;
        size_t size;
        bool at_start;
    } known[] = {{"NaN", "NaN, which JSON does not have, though Python writes it; put null there", 3, false}, {"Infinity", "Infinity, which JSON does not have, though Python writes it; put null or 1e999 there", 8, false},
                 {"\xEF\xBB\xBF", "a byte order mark, which JSON does not have; save it as UTF-8 without one", 3, true}, {"\xFF\xFE", "UTF-16; save it as UTF-8", 2, true}, {"\xFE\xFF", "UTF-16; save it as UTF-8", 2, true}, {"\x1F\x8B", "compressed data; unpack them with `gunzip` first", 2, true}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (p->size - p->at >= known[i].size && memcmp(p->bytes + p->at, known[i].begins, known[i].size) == 0 && (p->at == 0 || !known[i].at_start)) bad(p, known[i].text);
    bad(p, "something that is no value");
}

static void parse_number(Parser *p, Json *v) {
    size_t begin = p->at;
    bool negative = p->bytes[p->at] == '-', integral = true, fits = true;
    if (negative) p->at++;
#define DIGIT (p->at < p->size && p->bytes[p->at] >= '0' && p->bytes[p->at] <= '9')
    if (!DIGIT) no_value(p);
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

static bool same_key(const Json *v, size_t i, size_t j) { return v->key_lengths[i] == v->key_lengths[j] && memcmp(v->keys[i], v->keys[j], v->key_lengths[i]) == 0; }

// The place of an earlier key that is the same; i: none, and the key is entered into the index, where there is one.
static size_t twin_of(Json *v, size_t i) {
    if (v->index) {
        uint32_t h = hash_key(v->keys[i], v->key_lengths[i]) & v->index_mask;
        for (; v->index[h]; h = (h + 1) & v->index_mask)
            if (same_key(v, v->index[h] - 1, i)) return v->index[h] - 1;
        v->index[h] = (uint32_t)i + 1;
    } else {
        for (size_t j = 0; j < i; j++)
            if (same_key(v, j, i)) return j;
    }
    return i;
}

// Moves the members above `base` into the arena and builds the index. A later value takes the place of an earlier one.
static void close_object(Parser *p, Json *v, size_t base) {
    size_t n = p->used - base, kept = 0;
    Json *items = take(p->arena, Json, n);
    v->keys = take(p->arena, const char *, n);
    v->key_lengths = take(p->arena, size_t, n);
    if (n >= INDEX_FROM) {
        uint32_t room = 1;
        while (room < n * 2) room *= 2;
        v->index = take_zero(p->arena, uint32_t, room);
        v->index_mask = room - 1;
    }
    for (const Slot *s = p->stack + base; s < p->stack + p->used; s++) {
        v->keys[kept] = s->key;
        v->key_lengths[kept] = s->key_length;
        size_t at = twin_of(v, kept);
        items[at] = s->value;
        if (at == kept) kept++;
        else v->twin = s->key;
    }
    v->items = items;
    v->count = kept;
    p->used = base;
}

static void close_array(Parser *p, Json *v, size_t base) {
    v->count = p->used - base;
    Json *items = take(p->arena, Json, v->count);
    for (size_t i = 0; i < v->count; i++) items[i] = p->stack[base + i].value;
    v->items = items;
    p->used = base;
}

static void parse_container(Parser *p, Json *v) {
    bool object = p->bytes[p->at] == '{';
    char closing = object ? '}' : ']';
    v->kind = object ? JSON_OBJECT : JSON_ARRAY;
    if (++p->depth > DEPTH_MAX) bad(p, "more than 127 brackets inside each other");
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
    (object ? close_object : close_array)(p, v, base);
    p->depth--;
}

static void parse_word(Parser *p, const char *word) {
    size_t n = strlen(word);
    if (p->size - p->at < n || memcmp(p->bytes + p->at, word, n) != 0) no_value(p);
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
    if (!file_exists(path)) return NULL;
    Bytes file = file_read(a, path); // what a disk does not give is not the same as what is not there
    if (!trap_set(&trap)) return NULL;
    const Json *j = json_parse(a, (const char *)file.bytes, file.size, path);
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
