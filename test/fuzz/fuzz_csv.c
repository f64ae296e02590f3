// fuzz_csv.c: tables, commas and tabs.
#include "fuzz.h"
#include "io/csv.h"

static void parse(Arena *a, Bytes input) {
    Csv *c = csv_open(a, FUZZ_PATH, input.size % 3 ? ',' : '\t');
    while (csv_next(c))
        for (size_t i = 0; i < csv_columns(c); i++) {
            fuzz_touch(csv_get(c, i), csv_length(c, i) + 1);
            csv_missing(c, i);
        }
    csv_close(c);
}

const Fuzz fuzz_target = {.name = "csv", .parse = parse,
                          .seeds = (const char *const[]){"test/fuzz/seeds/short.?sv", "test/golden/containers/pandas.csv", "test/golden/containers/pandas.tsv", "test/golden/containers/index.csv", NULL},
                          .words = (const char *const[]){"\"", "\"\"", "\r\n", "\r", "\n", ",", "\t", "\xEF\xBB\xBF", "\"\n", ",\"", NULL}};
