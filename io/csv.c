// csv.c: see csv.h.
#include "csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "option.h" // nearest_name
#include "stray.h"
#include "utf8.h"

#define ROW_MAX ((size_t)1 << 30) // bytes; a row beyond it is a quote that never closes

typedef enum { LINES_UNKNOWN, LINES_LF, LINES_CR } LineEnd; // LF: also \r\n

typedef struct {
    size_t begin, end; // in the row's text
} Cell;

struct Csv {
    Reader *in;
    Arena *arena;
    const char *path;
    char separator;
    LineEnd lines;
    const char **names;
    size_t columns;
    uint64_t line, row_line, quote_line; // of the next byte, of the row's first, of the last opening quote
    uint64_t row_offset;                 // of the row's first byte in the file
    char *text;                          // of the row: every cell, closed by 0
    size_t used, room;
    Cell *cells;
    size_t count, cell_room;
    size_t begin;                        // of the cell being read
};

static void text_put(Csv *c, const void *bytes, size_t n) {
    if (c->room - c->used < n) {
        size_t room = c->room * 2 > c->used + n ? c->room * 2 : c->used + n;
        need(c->used + n <= ROW_MAX, "%s:%llu: a row of more than %zu MiB; the quote that opens in line %llu does not close", c->path,
             (unsigned long long)c->row_line, ROW_MAX >> 20, (unsigned long long)c->quote_line);
        c->text = arena_grow(c->arena, c->text, c->used, room, 1);
        c->room = room;
    }
    memcpy(c->text + c->used, bytes, n);
    c->used += n;
}

static void cell_end(Csv *c) {
    if (c->count == c->cell_room) {
        c->cells = arena_grow(c->arena, c->cells, c->count, c->cell_room * 2, sizeof *c->cells);
        c->cell_room *= 2;
    }
    c->cells[c->count++] = (Cell){c->begin, c->used};
    text_put(c, "", 1);
    c->begin = c->used;
}

static const char *column_name(const Csv *c, size_t i, char room[24]) {
    if (i < c->columns) return c->names[i];
    snprintf(room, 24, "%zu", i + 1);
    return room;
}

static void cells_check(const Csv *c) {
    for (size_t i = 0; i < c->count; i++) {
        const char *t = c->text + c->cells[i].begin;
        size_t n = c->cells[i].end - c->cells[i].begin, good = utf8_valid(t, n);
        char name[24];
        need(good == n, "%s:%llu: column \"%s\" holds the byte 0x%02X, which is not UTF-8; convert the file, as with `iconv -f latin1 -t utf-8`", c->path,
             (unsigned long long)c->row_line, column_name(c, i, name), (unsigned char)t[good]);
        need(!memchr(t, 0, n), "%s:%llu: column \"%s\" holds a zero byte; this is no text file, or UTF-16 (convert it with `iconv -f utf-16 -t utf-8`)",
             c->path, (unsigned long long)c->row_line, column_name(c, i, name));
    }
}

static int peek(Csv *c) {
    const uint8_t *s;
    return reader_peek(c->in, &s) ? s[0] : -1;
}

static bool passed(Csv *c, int wanted) {
    if (peek(c) != wanted) return false;
    reader_pass(c->in, 1);
    return true;
}

typedef enum { NO_END, LINE_END, JOINED } End;

// Passes over a line end outside quotes. A \r that is none joins the cell.
static End line_end(Csv *c) {
    bool cr = passed(c, '\r'), lf = passed(c, '\n');
    if (!cr && !lf) return NO_END;
    if (!lf && c->lines == LINES_LF && peek(c) >= 0) {
        text_put(c, "\r", 1);
        return JOINED;
    }
    if (c->lines == LINES_UNKNOWN) c->lines = lf ? LINES_LF : LINES_CR;
    c->line++;
    return LINE_END;
}

static void quoted_read(Csv *c) {
    c->quote_line = c->line;
    do {
        const uint8_t *s, *quote;
        do {
            size_t n = reader_peek(c->in, &s);
            need(n > 0, "%s:%llu: the file ends inside the quote that opens here", c->path, (unsigned long long)c->quote_line);
            quote = memchr(s, '"', n);
            if (quote) n = (size_t)(quote - s);
            for (const uint8_t *at = s; (at = memchr(at, '\n', n - (size_t)(at - s))); at++) c->line++;
            text_put(c, s, n);
            reader_pass(c->in, n + (quote != NULL));
        } while (!quote);
        if (peek(c) == '"') text_put(c, "\"", 1);
    } while (passed(c, '"'));
}

static void plain_read(Csv *c) {
    const uint8_t *s;
    for (size_t n; (n = reader_peek(c->in, &s)) > 0;) {
        size_t i = 0;
        while (i < n && s[i] != (uint8_t)c->separator && s[i] != '\n' && s[i] != '\r') i++;
        text_put(c, s, i);
        reader_pass(c->in, i);
        if (i < n) return;
    }
}

// One cell and the separator after it; false when it was the row's last.
static bool cell_read(Csv *c) {
    if (c->used == c->begin && passed(c, '"')) {
        quoted_read(c);
        End end = line_end(c);
        bool more = end == NO_END && passed(c, c->separator);
        need(more || end == LINE_END || (end == NO_END && peek(c) < 0), "%s:%llu: text after the closing quote of cell %zu; a quote inside a quoted cell is written twice",
             c->path, (unsigned long long)c->line, c->count + 1);
        return more;
    }
    for (;;) {
        plain_read(c);
        if (passed(c, c->separator)) return true;
        if (line_end(c) != JOINED) return false;
    }
}

static bool row_read(Csv *c) {
    End end;
    c->used = c->count = c->begin = 0;
    do {
        c->row_line = c->line;
        c->row_offset = reader_offset(c->in);
        end = line_end(c); // an empty line
    } while (end == LINE_END);
    if (end == NO_END && peek(c) < 0) return false;
    for (bool more = true; more;) {
        more = cell_read(c);
        cell_end(c);
    }
    cells_check(c);
    return true;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

Csv *csv_open(Arena *a, const char *path, char separator) {
    Csv *c = take_zero(a, Csv, 1);
    *c = (Csv){.arena = a, .separator = separator, .line = 1, .room = 4096, .cell_room = 32};
    c->text = take(a, char, c->room);
    c->cells = take(a, Cell, c->cell_room);
    c->in = reader_open(path);
    c->path = arena_text(a, reader_path(c->in), strlen(reader_path(c->in)));
    const uint8_t *s;
    size_t n = reader_peek(c->in, &s);
    if (n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0) reader_pass(c->in, 3);
    stray_refuse_text((Bytes){.bytes = s, .size = n, .path = c->path}, ", as what Excel calls Unicode text");
    need(row_read(c), "%s: is empty; a first line with the columns' names is wanted", c->path);
    c->columns = c->count;
    c->names = take(a, const char *, c->columns);
    const char **sorted = take(a, const char *, c->columns);
    for (size_t i = 0; i < c->columns; i++) sorted[i] = c->names[i] = arena_text(a, csv_get(c, i), csv_length(c, i));
    qsort(sorted, c->columns, sizeof *sorted, by_bytes);
    for (size_t i = 1; i < c->columns; i++) // an unnamed index and a separator at the end of each line are harmless
        need(!*sorted[i] || strcmp(sorted[i - 1], sorted[i]) != 0, "%s: two columns are named \"%s\"", c->path, sorted[i]);
    return c;
}

void csv_close(Csv *c) { reader_close(c->in); }

size_t csv_columns(const Csv *c) { return c->columns; }

const char *csv_name(const Csv *c, size_t column) { return c->names[column]; }

size_t csv_find(const Csv *c, const char *name) {
    for (size_t i = 0; i < c->columns; i++)
        if (strcmp(c->names[i], name) == 0) return i;
    return CSV_NONE;
}

size_t csv_column(const Csv *c, const char *name) {
    size_t i = csv_find(c, name);
    if (i != CSV_NONE) return i;
    const char *near = nearest_name(name, c->names, c->columns);
    if (near) die("%s: has no column \"%s\"; the nearest is \"%s\"", c->path, name, near);
    die("%s: has no column \"%s\" among its %zu", c->path, name, c->columns);
}

bool csv_next(Csv *c) {
    if (!row_read(c)) return false;
    need(c->count == c->columns, "%s:%llu: a row of %zu cells under a header of %zu", c->path, (unsigned long long)c->row_line, c->count, c->columns);
    return true;
}

uint64_t csv_line(const Csv *c) { return c->row_line; }

CsvPlace csv_place(const Csv *c) { return (CsvPlace){c->row_offset, c->row_line}; }

void csv_go(Csv *c, CsvPlace place) {
    reader_go(c->in, place.offset);
    c->line = place.line;
}

const char *csv_get(const Csv *c, size_t column) { return c->text + c->cells[column].begin; }

size_t csv_length(const Csv *c, size_t column) { return c->cells[column].end - c->cells[column].begin; }

bool csv_missing(const Csv *c, size_t column) {
    static const char *const words[] = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
                                        "NULL", "NaN", "None", "n/a", "nan", "null"}; // pandas 3.1's
    const char *t = csv_get(c, column);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(t, words[i]) == 0) return true;
    return false;
}

// A short cell without spaces around it; a longer one is no number, and comes back as it is.
static const char *trimmed(const Csv *c, size_t column, char room[64]) {
    const char *t = csv_get(c, column), *end = t + csv_length(c, column);
    while (*t == ' ') t++;
    while (end > t && end[-1] == ' ') end--;
    if (end - t >= 64) return t;
    memcpy(room, t, (size_t)(end - t));
    room[end - t] = 0;
    return room;
}

static _Noreturn void cell_die(const Csv *c, size_t column, const char *wanted) {
    die("%s:%llu: column \"%s\" holds \"%.80s\"; %s is wanted", c->path, (unsigned long long)c->row_line, c->names[column], csv_get(c, column), wanted);
}

double csv_get_real(const Csv *c, size_t column) {
    double x;
    char room[64];
    if (csv_missing(c, column)) return NAN;
    if (!real_parse(trimmed(c, column, room), &x)) cell_die(c, column, "a number");
    return x;
}

int64_t csv_get_int(const Csv *c, size_t column) {
    int64_t i;
    double x;
    char room[64];
    const char *t = trimmed(c, column, room);
    if (int_parse(t, &i)) return i;
    if (!real_parse(t, &x) || x != floor(x) || fabs(x) >= 0x1p53) cell_die(c, column, "a whole number");
    return (int64_t)x;
}

bool csv_get_bool(const Csv *c, size_t column) {
    static const char *const words[] = {"True", "true", "TRUE", "1", "False", "false", "FALSE", "0"};
    char room[64];
    const char *t = trimmed(c, column, room);
    for (size_t i = 0; i < 8; i++)
        if (strcmp(t, words[i]) == 0) return i < 4;
    cell_die(c, column, "True or False");
}

// ---- writing

struct CsvWriter {
    Writer *out;
    const char *path;
    char separator;
    size_t columns, count; // cells put into this row
};

static void separator_put(CsvWriter *w) {
    need(w->count < w->columns, "%s: a row of more than %zu cells", w->path, w->columns);
    if (w->count++) writer_put(w->out, &w->separator, 1);
}

void csv_put_n(CsvWriter *w, const char *text, size_t n) {
    separator_put(w);
    bool quote = n == 0 && w->columns == 1; // else an empty line
    for (size_t i = 0; i < n && !quote; i++) quote = text[i] == w->separator || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        writer_put(w->out, text, n);
        return;
    }
    writer_put(w->out, "\"", 1);
    for (size_t i = 0; i < n;) {
        const char *next = memchr(text + i, '"', n - i);
        size_t run = next ? (size_t)(next - text) - i + 1 : n - i; // up to and with the quote
        writer_put(w->out, text + i, run);
        if (next) writer_put(w->out, "\"", 1);
        i += run;
    }
    writer_put(w->out, "\"", 1);
}

void csv_put(CsvWriter *w, const char *text) { csv_put_n(w, text, text ? strlen(text) : 0); }

void csv_put_real(CsvWriter *w, double value) {
    char t[32];
    csv_put(w, isnan(value) ? NULL : real_repr(value, t));
}

void csv_put_float(CsvWriter *w, float value) {
    char t[32];
    csv_put(w, isnan(value) ? NULL : float_repr(value, t));
}

void csv_put_int(CsvWriter *w, int64_t value) {
    char t[32];
    csv_put_n(w, t, (size_t)snprintf(t, sizeof t, "%lld", (long long)value));
}

void csv_put_bool(CsvWriter *w, bool value) { csv_put(w, value ? "True" : "False"); }

void csv_end_row(CsvWriter *w) {
    need(w->count == w->columns, "%s: a row of %zu cells under a header of %zu", w->path, w->count, w->columns);
    writer_put(w->out, "\n", 1);
    w->count = 0;
}

CsvWriter *csv_create(Arena *a, const char *path, char separator, const char *const *names, size_t count) {
    CsvWriter *w = take_zero(a, CsvWriter, 1);
    *w = (CsvWriter){.path = arena_text(a, path, strlen(path)), .separator = separator, .columns = count, .out = writer_open(path)};
    for (size_t i = 0; i < count; i++) csv_put(w, names[i]);
    csv_end_row(w);
    return w;
}

void csv_finish(CsvWriter *w) {
    need(w->count == 0, "%s: the last row is not finished", w->path);
    writer_close(w->out);
}
