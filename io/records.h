// records.h: JSON objects one after the other in constant memory: of JSON lines, or of one long array.
#ifndef RETINA_IO_RECORDS_H
#define RETINA_IO_RECORDS_H

#include "json.h"

typedef struct Records Records;
Records *records_open(Arena *a, const char *path);   // "-" is stdin. Which of the two it is shows by its first byte: [ or {
const Json *records_next(Arena *a, Records *r);      // in `a`, another arena, which the caller marks and releases; NULL: no more
uint64_t records_line(const Records *r);             // where the object begins, from 1
void records_close(Records *r);

#endif
