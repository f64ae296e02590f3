// csv.h: tables as text, row by row in constant memory. RFC 4180, and what pandas writes and reads.
//
// Read: cells in double quotes (a quote inside is doubled) may hold separators and line breaks; \n, \r\n or, if the
// header ends so, \r ends a row; a byte order mark is passed over; empty lines are. A lone \r inside a row is part of
// its cell: Python before 3.13 leaves it unquoted. Refused, with the line: rows that are longer or shorter than the header, text after a
// closing quote, a quote that never closes, bytes that are not UTF-8, two columns of one name.
#ifndef RETINA_IO_CSV_H
#define RETINA_IO_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"

#define CSV_NONE SIZE_MAX

typedef struct Csv Csv;
Csv *csv_open(Arena *a, const char *path, char separator); // reads the header; ',' or '\t'; "-" is stdin
size_t csv_columns(const Csv *c);
const char *csv_name(const Csv *c, size_t column);
size_t csv_find(const Csv *c, const char *name);   // CSV_NONE: there is no such column
size_t csv_column(const Csv *c, const char *name); // dies with the nearest name
bool csv_next(Csv *c);                             // false: no more rows
uint64_t csv_line(const Csv *c);                   // where the row begins, from 1
void csv_close(Csv *c);

// Rows out of turn, for tables with pictures in their cells: csv_go makes the next csv_next give the row of that place.
typedef struct {
    uint64_t offset, line;
} CsvPlace;
CsvPlace csv_place(const Csv *c);      // of the row that csv_next gave
void csv_go(Csv *c, CsvPlace place);   // dies for pipes

// Cells of the row, valid until csv_next. Texts are closed by 0, and hold none.
const char *csv_get(const Csv *c, size_t column);
size_t csv_length(const Csv *c, size_t column);
bool csv_missing(const Csv *c, size_t column);      // empty, or a word that pandas takes for NaN: NA, null, None …
double csv_get_real(const Csv *c, size_t column);   // NaN where missing
int64_t csv_get_int(const Csv *c, size_t column);   // "12", and "12.0" as pandas has it in columns with gaps
bool csv_get_bool(const Csv *c, size_t column);     // True, False, true, false, TRUE, FALSE, 1, 0

// Written with \n, quotes only where they must be, floats as Python's repr, NaN as an empty cell, True and False.
typedef struct CsvWriter CsvWriter;
CsvWriter *csv_create(Arena *a, const char *path, char separator, const char *const *names, size_t count);
void csv_put(CsvWriter *w, const char *text); // NULL: an empty cell
void csv_put_n(CsvWriter *w, const char *text, size_t length);
void csv_put_real(CsvWriter *w, double value);
void csv_put_float(CsvWriter *w, float value);
void csv_put_int(CsvWriter *w, int64_t value);
void csv_put_bool(CsvWriter *w, bool value);
void csv_end_row(CsvWriter *w);
void csv_finish(CsvWriter *w);

#endif
