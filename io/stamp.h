// stamp.h: what a kept result was made from, by content: so that it is made again when a file behind it has changed, and
// not when a file was only copied or touched.
#ifndef RETINA_IO_STAMP_H
#define RETINA_IO_STAMP_H

#include "blake2b.h"
#include "gather.h"

// Adds a file's size and content: all of it up to 1 MiB, sixteen pieces of 64 KiB spread from its first to its last byte
// beyond (weights: a change to any tensor that a training makes is seen). What does not exist, or is no regular file, adds
// nothing.
void stamp_file(Blake2b *h, const char *path);
// The files that a model directory consists of, in the order of their names: configurations, tokenizer, templates, weights.
// Folders inside it, and what else lies there (results, above all), are left out.
void stamp_model(Blake2b *h, const char *dir);
// Pictures by name, place, size and some bytes; reading all of them would take as long as the work itself.
void stamp_pictures(Blake2b *h, const Gathering *g);
// Small pictures that a run drew itself, by content alone: drawn again, or in another folder, they are the same.
void stamp_drawn(Blake2b *h, const Gathering *g);
// Ends a hash that was started with 16 bytes: 32 hexadecimal digits.
char *stamp_text(Blake2b *h, Arena *a);

#endif
