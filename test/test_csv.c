// test_csv.c: what pandas wrote, read cell by cell and written again to the same bytes; numbers as Python's repr; every
// refusal; a table larger than the memory it takes.
//
// Caught when broken on purpose: "" kept as two quotes; a lone \r taken as a line end; NaN for every word with "na" in it;
// reprs by plain rounding to 17 digits; 1e16 written out; a row's line number counted without its cells' line breaks.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/number.h"
#include "io/picture_cell.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static void test_numbers(Arena *a) {
    Bytes b = file_read(a, GOLDEN "repr.txt");
    int doubles = 0, floats = 0, wrong = 0;
    for (const char *line = (const char *)b.bytes; *line; line = strchr(line, '\n') + 1) {
        char *space, got[32];
        uint64_t bits = strtoull(line, &space, 16);
        const char *want = arena_text(a, space + 1, strcspn(space + 1, "\n"));
        if (space - line == 16) {
            double x, back;
            memcpy(&x, &bits, 8);
            real_repr(x, got);
            wrong += strcmp(got, want) != 0 || !real_parse(got, &back) || (memcmp(&back, &x, 8) != 0 && !isnan(x));
            doubles++;
        } else {
            uint32_t narrow = (uint32_t)bits;
            float x;
            memcpy(&x, &narrow, 4);
            float_repr(x, got);
            wrong += strcmp(got, want) != 0;
            floats++;
        }
        if (wrong == 1) printf("     %s for %s\n", got, want), wrong++;
    }
    check(doubles > 400 && floats > 300 && wrong == 0, "repr: %d doubles and %d floats, %d wrong", doubles, floats, wrong);
    static const char *const no[] = {"", "-", "+", ".", "1.", "e1", "1e", "1e+", "0x1", "1 ", " 1", "1,5", "infx", "nan(1)", "--1", "1.5.", "١"};
    static const char *const yes[] = {"1", "-1", "+1", ".5", "1.", "1.5e-3", "1E5", "INF", "-Infinity", "NaN", "00012", "1e400"};
    double x;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcmp(no[i], "1.") != 0) check(!real_parse(no[i], &x), "no number: \"%s\"", no[i]);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) check(real_parse(yes[i], &x), "a number: \"%s\" is %g", yes[i], x);
    int64_t n;
    check(int_parse("-9223372036854775808", &n) && n == INT64_MIN && int_parse("9223372036854775807", &n) && n == INT64_MAX, "the ends of int64");
    check(!int_parse("9223372036854775808", &n) && !int_parse("-9223372036854775809", &n) && !int_parse("1.0", &n) && !int_parse("", &n), "no whole numbers");
}

// Every cell of a file that pandas wrote; `shift` is 1 when an index stands before the columns.
static void test_pandas(Arena *a, const char *name, char separator, size_t shift) {
    const Json *golden = json_read(a, GOLDEN "tables.json"), *columns = json_get(golden, "columns"), *rows = json_get(golden, "rows");
    Csv *c = csv_open(a, path_join(a, GOLDEN, name), separator);
    size_t n = 0, wrong = 0;
    check(csv_columns(c) == columns->count + shift && csv_find(c, "nothing") == CSV_NONE, "%s: columns", name);
    for (size_t k = 0; k < columns->count; k++) check(csv_column(c, columns->items[k].text) == k + shift, "%s: column %s", name, columns->items[k].text);
    while (csv_next(c)) {
        const Json *row = &rows->items[n++];
        const char *at[6];
        for (size_t k = 0; k < 6; k++) at[k] = csv_get(c, k + shift);
        const Json *w = row->items;
        wrong += strcmp(at[0], w[0].text) != 0 || strcmp(at[1], w[1].text) != 0 || csv_length(c, 1 + shift) != w[1].length;
        if (w[1].length) wrong += csv_missing(c, 1 + shift);
        double real = csv_get_real(c, 2 + shift);
        wrong += w[2].kind == JSON_NULL ? !isnan(real) || !csv_missing(c, 2 + shift) : real != strtod(w[2].text, NULL);
        wrong += csv_get_int(c, 3 + shift) != w[3].integer;
        wrong += w[4].kind == JSON_NULL ? !csv_missing(c, 4 + shift) : csv_get_int(c, 4 + shift) != (int64_t)strtod(w[4].text, NULL);
        wrong += csv_get_bool(c, 5 + shift) != w[5].truth;
        if (shift) wrong += csv_get_int(c, 0) != (int64_t)n - 1;
        if (wrong == 1) printf("     row %zu\n", n), wrong++;
    }
    check(n == rows->count && n == 18 && wrong == 0, "%s: %zu rows, %zu wrong", name, n, wrong);
    check(!csv_next(c), "%s: still at its end", name);
    csv_close(c);
}

static void test_written_again(Arena *a, const char *name, char separator) {
    Csv *c = csv_open(a, path_join(a, GOLDEN, name), separator);
    const char *names[6], *path = scratch_path(a, name);
    for (size_t k = 0; k < 6; k++) names[k] = csv_name(c, k);
    CsvWriter *w = csv_create(a, path, separator, names, 6);
    while (csv_next(c)) {
        csv_put(w, csv_get(c, 0));
        csv_put_n(w, csv_get(c, 1), csv_length(c, 1));
        csv_put_real(w, csv_get_real(c, 2));
        csv_put_int(w, csv_get_int(c, 3));
        if (csv_missing(c, 4)) csv_put(w, NULL);
        else csv_put_float(w, (float)csv_get_real(c, 4));
        csv_put_bool(w, csv_get_bool(c, 5));
        csv_end_row(w);
    }
    csv_close(c);
    csv_finish(w);
    // the one difference: Python before 3.13 leaves a lone \r unquoted, which its own reader then trips over
    Bytes ours = file_read(a, path), theirs = file_read(a, path_join(a, GOLDEN, name));
    size_t o = 0, t = 0, quotes = 0;
    while (o < ours.size && t < theirs.size) {
        if (ours.bytes[o] == theirs.bytes[t]) o++, t++;
        else if (ours.bytes[o] == '"') o++, quotes++;
        else break;
    }
    check(o == ours.size && t == theirs.size && quotes == 6, "%s: written again, %zu quotes more around \\r", name, quotes);
}

static char *read_all(Arena *a, const char *text, size_t n, char separator) { // cells as "[a][b]|[c]…", rows with their lines
    Csv *c = csv_open(a, scratch_file(a, "table", text, n), separator);
    char *all = arena_print(a, "%s", "");
    while (csv_next(c)) {
        all = arena_print(a, "%s%llu", all, (unsigned long long)csv_line(c));
        for (size_t k = 0; k < csv_columns(c); k++) all = arena_print(a, "%s[%s]", all, csv_get(c, k));
        all = arena_print(a, "%s|", all);
    }
    csv_close(c);
    return all;
}

static void accepted(Arena *a, const char *text, const char *want) { check_text(want, read_all(a, text, strlen(text), ','), want); }

static void refused(Arena *a, const char *text, const char *part) { check_dies(part, part) read_all(a, text, strlen(text), ','); }

static void test_forms(Arena *a) {
    accepted(a, "a,b\n1,2\n", "2[1][2]|");
    accepted(a, "a,b\n1,2", "2[1][2]|");
    accepted(a, "a,b\r\n1,2\r\n", "2[1][2]|");
    accepted(a, "a,b\r1,2\r3,4\r", "2[1][2]|3[3][4]|");
    accepted(a, "a,b\r1,2", "2[1][2]|");
    accepted(a, "\xEF\xBB\xBF\"a\",b\n\n\r\n\n\"1\",\"\"\n\n", "5[1][]|");
    accepted(a, "a,b\n\"1\n2\n3\",x\ny,z\n", "2[1\n2\n3][x]|5[y][z]|");
    accepted(a, "a,b\nx\"y,\"\"\"\"\n", "2[x\"y][\"]|");
    accepted(a, "a,b\nx,y\r", "2[x][y]|");
    accepted(a, "a,b\nx\r\r,y\n", "2[x\r\r][y]|");
    accepted(a, "a,b\n\rx,\"y\"\r\n", "2[\rx][y]|");
    accepted(a, "a\n\"\"\nb\n", "2[]|3[b]|");
    accepted(a, "a,b\n", "");
    accepted(a, "a,b", "");
    accepted(a, ",x,\n0,1,\n", "2[0][1][]|");
    check_text("tabs", read_all(a, "a\tb\n1,5\t\"x\ty\"\n", 14, '\t'), "2[1,5][x\ty]|");
    check_dies("empty", "is empty; a first line") csv_open(a, scratch_file(a, "x", "", 0), ',');
    check_dies("only empty lines", "is empty") csv_open(a, scratch_file(a, "x", "\n\r\n\n", 4), ',');
    refused(a, "a,b\n1\n", "table:2: a row of 1 cells under a header of 2");
    refused(a, "a,b\n1,\"\n\n\"\n1,2,3\n", "table:5: a row of 3 cells under a header of 2");
    refused(a, "a,b\n\n1,\"x\ny\n", "table:3: the file ends inside the quote that opens here");
    refused(a, "a,b\n1,\"x\"y\n", "table:2: text after the closing quote of cell 2");
    refused(a, "a,b\n\"x\"\ry,2\n", "table:2: text after the closing quote of cell 1");
    refused(a, "a,b\n1,caf\xe9\n", "table:2: column \"b\" holds the byte 0xE9, which is not UTF-8; convert");
    refused(a, "a,a\n1,2\n", "two columns are named \"a\"");
    check_dies("UTF-16", "is UTF-16, as what Excel calls") read_all(a, "\xff\xfe" "a\0,\0b\0\n\0", 10, ',');
    check_dies("compressed", "gunzip") read_all(a, "\x1f\x8b\x08", 3, ',');
    check_dies("a zero byte", "column \"b\" holds a zero byte") read_all(a, "a,b\n1,x\0y\n", 10, ',');
    Csv *c = csv_open(a, scratch_file(a, "x", "key,value\n x ,12.5\n", 19), ',');
    check(csv_next(c), "one row");
    check_dies("no such column", "has no column \"kex\"; the nearest is \"key\"") csv_column(c, "kex");
    check_dies("no number", "x:2: column \"key\" holds \" x \"; a number is wanted") csv_get_real(c, 0);
    check_dies("no whole number", "holds \"12.5\"; a whole number is wanted") csv_get_int(c, 1);
    check_dies("no truth", "True or False is wanted") csv_get_bool(c, 1);
    csv_close(c);
    CsvWriter *w = csv_create(a, scratch_path(a, "y"), ',', (const char *[]){"only"}, 1);
    check_dies("a short row", "a row of 0 cells under a header of 1") csv_end_row(w);
    csv_put(w, "");
    check_dies("a long row", "more than 1 cells") csv_put(w, "");
    check_dies("an unfinished row", "not finished") csv_finish(w);
    csv_end_row(w);
    csv_finish(w);
    check_text("an empty cell alone is quoted", (const char *)file_read(a, scratch_path(a, "y")).bytes, "only\n\"\"\n");
}

// Cells and line ends at every place of the reader's buffer.
static void test_buffer_ends(Arena *a) {
    int wrong = 0;
    for (size_t place = 262144 - 12; place < 262144 + 4; place++) {
        char *text = take(a, char, place + 64), *at = text;
        at += sprintf(at, "a,b\r\n");
        memset(at, 'x', place);
        at = text + place;
        at += sprintf(at, ",\"q\"\"\r\nz\"\r\n1\r,2\r\n");
        Csv *c = csv_open(a, scratch_file(a, "long", text, (size_t)(at - text)), ',');
        wrong += !csv_next(c) || csv_length(c, 0) != place - 5 || strcmp(csv_get(c, 1), "q\"\r\nz") != 0;
        wrong += !csv_next(c) || strcmp(csv_get(c, 0), "1\r") != 0 || strcmp(csv_get(c, 1), "2") != 0 || csv_line(c) != 4 || csv_next(c);
        csv_close(c);
    }
    check(wrong == 0, "cells across the buffer's end: %d wrong", wrong);
}

static void test_constant_memory(Arena *a) {
    const char *path = scratch_path(a, "large.csv");
    CsvWriter *w = csv_create(a, path, ',', (const char *[]){"key", "text", "x"}, 3);
    char text[1001];
    for (int i = 0; i < 1000; i++) text[i] = (char)(i % 7 ? 'a' + i % 26 : '"');
    text[1000] = 0;
    int rows = 60000;
    for (int i = 0; i < rows; i++) {
        csv_put_int(w, i);
        csv_put(w, text);
        csv_put_real(w, i / 8.0);
        csv_end_row(w);
    }
    csv_finish(w);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    Arena *own = arena_new("csv");
    Csv *c = csv_open(own, path, ',');
    int n = 0, wrong = 0;
    for (; csv_next(c); n++) wrong += csv_get_int(c, 0) != n || csv_length(c, 1) != 1000 || csv_get_real(c, 2) != n / 8.0;
    csv_close(c);
    getrusage(RUSAGE_SELF, &after);
#ifdef __SANITIZE_ADDRESS__
    after = before; // what is freed is kept back for a while there
#endif
    check(n == rows && wrong == 0, "70 MB: %d rows, %d wrong", n, wrong);
    check(arena_peak(own) < 65536 && after.ru_maxrss - before.ru_maxrss < 4096, "70 MB: took %zu bytes of arena, %ld KiB of memory", arena_peak(own),
          after.ru_maxrss - before.ru_maxrss);
    arena_free(own);
}

// Every row as a line of JSON, for test/peers/check_containers.py.
static int dump(Arena *a, const char *path, char separator) {
    Csv *c = csv_open(a, path, separator);
    do {
        JsonOut *o = json_out(a, 0);
        json_open(o, NULL, '[');
        bool header = csv_line(c) == 1;
        for (size_t i = 0; i < csv_columns(c); i++) json_put_text_n(o, NULL, header ? csv_name(c, i) : csv_get(c, i), header ? strlen(csv_name(c, i)) : csv_length(c, i));
        json_close(o);
        puts(json_done(o, NULL));
    } while (csv_next(c));
    csv_close(c);
    return 0;
}

// Rows read again out of turn, quotes with line breaks among them.
static void test_places(Arena *a) {
    static const char text[] = "\xEF\xBB\xBF" "index\timage\r\n\r\n7\t\"two\nlines\"\r\n8\tb\r\n9\tc";
    Csv *c = csv_open(a, scratch_file(a, "places.tsv", text, sizeof text - 1), '\t');
    CsvPlace place[3];
    int wrong = 0;
    for (int i = 0; i < 3; i++) {
        wrong += !csv_next(c) || csv_get_int(c, 0) != 7 + i;
        place[i] = csv_place(c);
    }
    wrong += csv_next(c);
    static const int order[] = {1, 0, 2, 2, 0};
    static const uint64_t line[] = {3, 5, 6};
    for (int k = 0; k < 5; k++) {
        csv_go(c, place[order[k]]);
        wrong += !csv_next(c) || csv_get_int(c, 0) != 7 + order[k] || csv_line(c) != line[order[k]];
    }
    csv_go(c, place[0]);
    wrong += !csv_next(c) || strcmp(csv_get(c, 1), "two\nlines") != 0 || !csv_next(c) || csv_get_int(c, 0) != 8;
    check(wrong == 0, "rows out of turn: %d wrong", wrong);
    csv_close(c);
}

static PictureCell cell(Arena *a, const char *text) { return picture_cell(a, text, strlen(text), "folder", "t.tsv:2"); }

static void test_picture_cells(Arena *a) {
    PictureCell p = cell(a, " iVBO\n Rw0=\t");
    check(p.kind == CELL_BYTES && p.bytes.size == 5 && memcmp(p.bytes.bytes, "\x89PNG\r", 5) == 0, "base64 with white space");
    p = cell(a, "data:image/png;base64,iVBORw0");
    check(p.kind == CELL_BYTES && p.bytes.size == 5 && memcmp(p.bytes.bytes, "\x89PNG\r", 5) == 0, "a data: address");
    p = cell(a, " 0123 ");
    check(p.kind == CELL_ROW && p.row == 123, "another row's picture");
    p = cell(a, "file:a/b c..d.jpg");
    check(p.kind == CELL_FILE && strcmp(p.path, "folder/a/b c..d.jpg") == 0, "a file");
    char digits[66];
    memset(digits, '1', 65), digits[65] = 0;
    check_dies("65 digits are no number of a row", "t.tsv:2: base64: 65 characters end in the middle") cell(a, digits);
    check_dies("nothing", "t.tsv:2: holds no picture") cell(a, " ");
    check_dies("an absolute path", "a path below the table's folder is wanted") cell(a, "file:/etc/passwd");
    check_dies("a path that leads out", "a path below the table's folder is wanted") cell(a, "file:a/../../b");
    check_dies("a data: address without base64", "\"data:image/…;base64,\" is wanted") cell(a, "data:image/png,iVBO");
    check_dies("no base64", "t.tsv:2: base64: character 3 is 0x2A") cell(a, "iV*O");
}

int main(int argc, char **argv) {
    Arena *a = arena_new("test");
    if (argc == 3) return dump(a, argv[1], argv[2][0] == 't' ? '\t' : ',');
    test_numbers(a);
    test_pandas(a, "pandas.csv", ',', 0);
    test_pandas(a, "pandas.tsv", '\t', 0);
    test_pandas(a, "index.csv", ',', 1);
    test_written_again(a, "pandas.csv", ',');
    test_written_again(a, "pandas.tsv", '\t');
    test_forms(a);
    test_buffer_ends(a);
    test_constant_memory(a);
    test_places(a);
    test_picture_cells(a);
    arena_free(a);
    return check_end();
}
