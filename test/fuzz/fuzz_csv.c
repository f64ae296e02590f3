// fuzz_csv.c: tables, commas and tabs; the last row read again from its place, and its cells as pictures.
#include <string.h>

#include "fuzz.h"
#include "io/csv.h"
#include "io/picture_cell.h"

static void parse(Arena *a, Bytes input) {
    Csv *c = csv_open(a, FUZZ_PATH, input.size % 3 ? ',' : '\t');
    CsvPlace place = {0};
    char *first = NULL;
    while (csv_next(c)) {
        for (size_t i = 0; i < csv_columns(c); i++) {
            fuzz_touch(csv_get(c, i), csv_length(c, i) + 1);
            csv_missing(c, i);
        }
        place = csv_place(c);
        first = arena_text(a, csv_get(c, 0), csv_length(c, 0));
    }
    if (first) {
        csv_go(c, place);
        if (!csv_next(c) || csv_line(c) != place.line || strcmp(csv_get(c, 0), first) != 0) die("the last row is another again");
        PictureCell cell = picture_cell(a, first, strlen(first), FUZZ_DIR, FUZZ_PATH ": a cell");
        fuzz_touch(cell.bytes.bytes, cell.bytes.size);
    }
    csv_close(c);
}

const Fuzz fuzz_target = {.name = "csv", .parse = parse,
                          .seeds = (const char *const[]){"test/fuzz/seeds/short.?sv", "test/golden/containers/pandas.csv", "test/golden/containers/pandas.tsv", "test/golden/containers/index.csv", NULL},
                          .words = (const char *const[]){"\"", "\"\"", "\r\n", "\r", "\n", ",", "\t", "\xEF\xBB\xBF", "\"\n", ",\"", "data:image/png;base64,", "file:", "../", NULL}};
