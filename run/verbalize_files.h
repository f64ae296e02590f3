// verbalize_files.h: files in the original's layout: one line, as Python's json.dumps writes it by itself.
#ifndef RETINA_RUN_VERBALIZE_FILES_H
#define RETINA_RUN_VERBALIZE_FILES_H

#include "io/file.h"
#include "verbalize.h"

// "…" with everything beyond ASCII as \uXXXX (two of them beyond U+FFFF).
void python_text(Writer *w, const char *text);
void python_real(Writer *w, double x); // as repr; NaN, Infinity

// {"layer_0": […], …} of batch b: captions, or entropies. Layer 0 of ours (before the first block) is left out: the original has none.
void verbal_write_captions(const Verbal *v, const Verbalize *s, int b, const char *path);
void verbal_write_entropies(const Verbal *v, const Verbalize *s, int b, const char *path);
Verbal *verbal_read_original(Verbalize *s); // --captions: caps_batch*.json, with entropy_batch*.json beside them if there
Verbal *verbal_new(Arena *a, int L, size_t N);

// A file that says of which captions the tables beside it were made, and by whom: of others they are made again.
void verbal_mark(const Verbal *v, const char *by, const char *path);
bool verbal_marked(const Verbal *v, const char *by, const char *path);

#endif
