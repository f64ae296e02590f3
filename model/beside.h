// beside.h: the caption that lies beside a picture: same name, .txt, UTF-8.
#ifndef RETINA_MODEL_BESIDE_H
#define RETINA_MODEL_BESIDE_H

#include "io/memory.h"

#define BESIDE_MOST 65536 // bytes; more is no caption, and need not be read

// What n bytes say, white space off both ends as Python's strip() does; NULL when they say nothing, or are no caption. Then *wrong
// tells why; else it is NULL.
const char *beside_text(Arena *a, const char *bytes, size_t n, const char **wrong);
// Of a record: its "caption", or the first of its "captions", or of its "sentences" (Karpathy's lists of COCO) the "raw" one.
const char *beside_record(Arena *a, const char *bytes, size_t n, const char **wrong);
const char *beside_read(Arena *a, const char *picture, const char **wrong); // the same of the file; NULL, too, when there is none

#endif
