// labelled.h: pictures with a class each: six public sets as they lie on disk, and lists of one's own (ex2.md 9).
//
// A set is named as the study names it: cub, fgvc_aircraft, flowers, pets, stanford_cars, stanford_dogs; root is the folder
// that holds all sets. Nothing but the lists is read: whether a picture is there and whole shows when it is.
#ifndef RETINA_IO_LABELLED_H
#define RETINA_IO_LABELLED_H

#include "memory.h"

typedef struct {
    const char *path;
    int label; // from 0
} LabelledPicture;

typedef struct {
    const char *const *classes; // names by label, as the study's lists have them
    int class_count;
    const LabelledPicture *pictures; // in the order of the set's own list
    size_t count;
} Labelled;

Labelled labelled_read(Arena *a, const char *set, const char *root, const char *split);

// Lines of a label, a tab and a path, which is meant from the list's own folder; classes.txt beside it, one name a line.
Labelled labelled_list(Arena *a, const char *path);

const char *const *labelled_classes(Arena *a, const char *path, int *count); // one name a line, none twice

extern const char *const flower_names[102]; // which the set's own files do not give

#endif
