// bench_verbalize.h: captions of many layers against the original procedure (verbalize.md 7.3), in one run.
#ifndef RETINA_RUN_BENCH_VERBALIZE_H
#define RETINA_RUN_BENCH_VERBALIZE_H

#include "io/file.h"

typedef struct {
    int layers, pictures, length; // of each picture; ids of a caption, start and end included
    int peer_layers;              // so many are timed there, and multiplied: it takes one layer after the other
    int rounds;
    const char *venv;   // of the peer; NULL: ours alone
    const char *config; // an open_clip_config.json; NULL: coca_ViT-L-14
} VerbalizeBench;

void bench_verbalize(Arena *a, const VerbalizeBench *b, Writer *w);

#endif
