// records.c: see records.h. Finds where an object ends and leaves the rest to json.c. Held by: test/test_lines.c.
#include "records.h"

#include <string.h>

#define RECORD_MAX ((size_t)1 << 30) // bytes; a longer one is a bracket that never closes

struct Records {
    Reader *in;
    Arena *arena;
    const char *path;
    char *text;
    size_t used, room;
    uint64_t line, begins; // of the next byte; of the last object
    bool array, any, ended;
};

static int peek(Records *r) {
    const uint8_t *s;
    return reader_peek(r->in, &s) ? s[0] : -1;
}

// Passes over white space; returns how many lines began.
static uint64_t space_pass(Records *r) {
    uint64_t before = r->line;
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r';) {
        r->line += c == '\n';
        reader_pass(r->in, 1);
    }
    return r->line - before;
}

Records *records_open(Arena *a, const char *path) {
    Records *r = take_zero(a, Records, 1);
    *r = (Records){.in = reader_open(path), .arena = a, .room = 4096, .line = 1};
    r->text = take(a, char, r->room);
    r->path = arena_text(a, reader_path(r->in), strlen(reader_path(r->in)));
    const uint8_t *s;
    if (reader_peek(r->in, &s) >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0) reader_pass(r->in, 3);
    space_pass(r);
    r->array = peek(r) == '[';
    if (r->array) reader_pass(r->in, 1);
    return r;
}

static void text_put(Records *r, const uint8_t *bytes, size_t n) {
    if (r->room - r->used < n) {
        need(r->used + n <= RECORD_MAX, "%s:%llu: an object of more than %zu MiB begins here; one for each item is wanted", r->path, (unsigned long long)r->begins, RECORD_MAX >> 20);
        size_t room = r->room * 2 > r->used + n ? r->room * 2 : r->used + n;
        r->text = arena_grow(r->arena, r->text, r->used, room, 1);
        r->room = room;
    }
    memcpy(r->text + r->used, bytes, n);
    r->used += n;
}

// From its first bracket to the one that closes it. What stands between is json.c's to judge, but for texts, which may hold brackets.
static void object_find(Records *r) {
    size_t depth = 0;
    bool quoted = false, escaped = false, whole = false;
    r->used = 0;
    r->begins = r->line;
    while (!whole) {
        const uint8_t *s;
        size_t n = reader_peek(r->in, &s), i = 0;
        need(n > 0, "%s:%llu: the file ends inside the object that begins here; it is cut", r->path, (unsigned long long)r->begins);
        while (i < n && !whole) {
            uint8_t c = s[i++];
            r->line += c == '\n';
            if (quoted) {
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else {
                quoted = c == '"';
                depth += c == '{' || c == '[';
                if (c == '}' || c == ']') whole = --depth == 0;
            }
        }
        text_put(r, s, i);
        reader_pass(r->in, i);
    }
}

const Json *records_next(Arena *a, Records *r) {
    if (r->ended) return NULL;
    uint64_t lines = space_pass(r);
    int c = peek(r);
    r->ended = r->array ? c == ']' : c < 0;
    if (r->array && r->any && c == ',') {
        reader_pass(r->in, 1);
        space_pass(r);
        c = peek(r);
    } else if (r->any && !r->ended) {
        need(!r->array, "%s:%llu: a comma or ] is wanted after the object", r->path, (unsigned long long)r->line);
        need(lines > 0, "%s:%llu: text after the object; one a line is wanted", r->path, (unsigned long long)r->line);
    }
    if (r->ended && r->array) {
        reader_pass(r->in, 1);
        space_pass(r);
        need(peek(r) < 0, "%s:%llu: text after the array", r->path, (unsigned long long)r->line);
    }
    if (r->ended) return NULL;
    need(c == '{', "%s:%llu: an object {…} is wanted here", r->path, (unsigned long long)r->line);
    r->any = true;
    object_find(r);
    return json_parse_line(a, r->text, r->used, r->path, r->begins);
}

uint64_t records_line(const Records *r) { return r->begins; }

void records_close(Records *r) { reader_close(r->in); }
