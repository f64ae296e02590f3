// bench_tokenizer.h: how fast texts become ids, and that no text makes it slow.
#ifndef RETINA_RUN_BENCH_TOKENIZER_H
#define RETINA_RUN_BENCH_TOKENIZER_H

#include "io/file.h"

// The tokenizers of these directories on one thread; a table to stdout and to `w` (may be NULL).
void bench_tokenizer(Arena *a, const char *const *dirs, size_t count, Writer *w);

#endif
