// lines.c: see lines.h.
#include "lines.h"

#include <string.h>

#define LINE_MAX_BYTES ((size_t)1 << 30) // longer is no text file

struct Lines {
    Reader *in;
    Arena *arena;
    const char *path;
    char *text;
    size_t room;
    uint64_t number;
};

Lines *lines_open(Arena *a, const char *path) {
    Lines *l = take_zero(a, Lines, 1);
    *l = (Lines){.in = reader_open(path), .arena = a, .text = take(a, char, 4096), .room = 4096};
    l->path = arena_text(a, reader_path(l->in), strlen(reader_path(l->in)));
    const uint8_t *s;
    if (reader_peek(l->in, &s) >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0) reader_pass(l->in, 3);
    return l;
}

const char *lines_next(Lines *l, size_t *length) {
    const uint8_t *s, *stop = NULL;
    size_t used = 0;
    bool any = false;
    for (size_t n; !stop && (n = reader_peek(l->in, &s)) > 0;) {
        any = true;
        stop = memchr(s, '\n', n);
        if (stop) n = (size_t)(stop - s);
        if (l->room - used <= n) {
            need(used + n < LINE_MAX_BYTES, "%s:%llu: a line of more than %zu MiB; this is no text file", l->path, (unsigned long long)l->number + 1, LINE_MAX_BYTES >> 20);
            size_t room = l->room * 2 > used + n + 1 ? l->room * 2 : used + n + 1;
            l->text = arena_grow(l->arena, l->text, used, room, 1);
            l->room = room;
        }
        memcpy(l->text + used, s, n);
        used += n;
        reader_pass(l->in, n + (stop != NULL));
    }
    if (!any) return NULL;
    if (used && l->text[used - 1] == '\r') used--;
    l->text[used] = 0;
    l->number++;
    *length = used;
    return l->text;
}

const char *lines_path(const Lines *l) { return l->path; }

uint64_t lines_number(const Lines *l) { return l->number; }

void lines_close(Lines *l) { reader_close(l->in); }

const Json *lines_json(Arena *a, Lines *l) {
    size_t n;
    const char *text;
    while ((text = lines_next(l, &n)))
        if (strspn(text, " \t") < n) return json_parse_line(a, text, n, l->path, l->number);
    return NULL;
}
