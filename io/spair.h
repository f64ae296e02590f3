// spair.h: pairs of pictures with corresponding keypoints, as SPair-71k lies on disk (law.md 3.1).
#ifndef RETINA_IO_SPAIR_H
#define RETINA_IO_SPAIR_H

#include <stdbool.h>

#include "memory.h"

#define SPAIR_POINTS 30 // places for keypoints that every picture has, most of them empty

typedef struct {
    const char *path;                   // ROOT/JPEGImages/CATEGORY/NAME.jpg
    bool seen[SPAIR_POINTS];
    double x[SPAIR_POINTS], y[SPAIR_POINTS]; // pixels; where seen
    double box[4];                      // left, top, right, bottom
    int width, height, azimuth;         // azimuth: 0..7
} SpairPicture;

typedef struct {
    const char *category, *source, *target; // "dog"; names of pictures, without folder and ".jpg"
    int source_size[2], target_size[2];     // width, height
    double source_box[4], target_box[4];    // left, top, right, bottom
} SpairPair;

char **spair_categories(Arena *a, const char *root, size_t *count); // in order of their names
// Files of a category's pairs in a split (trn, val, test), in order of their paths.
char **spair_pairs(Arena *a, const char *root, const char *split, const char *category, size_t *count);
SpairPair spair_pair(Arena *a, const char *path);
SpairPicture spair_picture(Arena *a, const char *root, const char *category, const char *name);

#endif
