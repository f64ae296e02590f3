// gather.h: which pictures are meant: files, folders, .txt lists and .tar archives as one numbered list.
#ifndef RETINA_IO_GATHER_H
#define RETINA_IO_GATHER_H

#include "image.h"

typedef struct {
    const char *path; // of the picture, or of the archive that holds it
    const char *key;  // its name without folder and extension: what tables call it
    const char *member;    // its name inside that archive; NULL: it is a file of its own
    uint64_t offset, size; // inside an archive; size 0: the whole file
    uint64_t text_offset, text_size; // there, of the .txt of the same name: its caption; text_size 0: none
} Gathered;

typedef struct {
    const Gathered *items;
    size_t count;
} Gathering;

// A folder: its .jpg, .jpeg and .png files (any case), sorted; if it has none, those of its direct sub-folders, folder after
// folder. A .txt file: one path a line, relative to the list's own folder. A .tar file: its pictures in order. Anything
// else: one picture. Dies when a path does not exist or holds no picture.
Gathering pictures_gather(Arena *a, const char *const *paths, size_t count);

const char *gathered_name(Arena *a, const Gathered *g); // for messages: "a/b.jpg", or "a.tar: b/c.jpg"
Image gathered_read(Arena *a, const Gathered *g, const ImageOptions *options); // dies as image_read does

#endif
