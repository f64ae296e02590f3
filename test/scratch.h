// scratch.h: a folder for a test's files, made on first use under $TMPDIR or /tmp and removed at exit.
#ifndef RETINA_TEST_SCRATCH_H
#define RETINA_TEST_SCRATCH_H

#include <stddef.h>

#include "io/memory.h"

const char *scratch_path(Arena *a, const char *name);                                  // "/tmp/retina.XXXXXX/name"
const char *scratch_file(Arena *a, const char *name, const void *bytes, size_t size); // written there; folders in the name are made
const char *scratch_text(Arena *a, const char *name, const char *text);               // the same of a text

#endif
