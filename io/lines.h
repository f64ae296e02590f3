// lines.h: a text file line by line in constant memory; JSON lines.
#ifndef RETINA_IO_LINES_H
#define RETINA_IO_LINES_H

#include "json.h"

typedef struct Lines Lines;
Lines *lines_open(Arena *a, const char *path); // "-" is stdin; a byte order mark is passed over. A longer line takes more of `a`
// The next line without its \n or \r\n, closed by 0 (it may hold a 0 itself), valid until the next; NULL: no more.
const char *lines_next(Lines *l, size_t *length);
const char *lines_path(const Lines *l);
uint64_t lines_number(const Lines *l); // of the line just read, from 1
void lines_close(Lines *l);

// The value on the next line that is not empty; NULL: no more. It lives in `a`, another arena, which the caller marks and releases.
const Json *lines_json(Arena *a, Lines *l);

#endif
