// remarks.h: pictures of a long run and what is to be said of each: why it could not be read, how it is damaged.
#ifndef RETINA_IO_REMARKS_H
#define RETINA_IO_REMARKS_H

#include "memory.h"

typedef struct {
    const char *path, *what;
} Remark;

typedef struct {
    Arena *arena; // where the texts go
    Remark *items;
    size_t count, room;
} Remarks;

// Copies; bytes that are not UTF-8 become \xHH, so that every reader takes the tables below.
void remarks_add(Remarks *r, const char *path, const char *what);
bool remarks_name(const Remarks *r, size_t first, const char *path); // one of them, from the first-th on, is about it

// The remarks from the first-th on as one line of JSON, [["path", "what"], …], and back: for the heads of files, so that
// a continued run still knows them.
const char *remarks_text(Arena *a, const Remarks *r, size_t first);
void remarks_parse(Remarks *r, const char *text, const char *where);

// A table "image,COLUMN"; nothing to say: a table that an earlier run left is removed.
void remarks_save(const Remarks *r, const char *path, const char *column);

#endif
