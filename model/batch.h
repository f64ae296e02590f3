// batch.h: pictures read and prepared on all threads, a batch at a time. One that cannot be read is told, the rest goes on.
#ifndef RETINA_MODEL_BATCH_H
#define RETINA_MODEL_BATCH_H

#include "io/gather.h"
#include "io/remarks.h"
#include "preprocess.h"

typedef struct {
    size_t room;
    Arena **arenas;  // one per picture: threads do not share them
    Tensor *pixels;  // (3, height, width), until the next batch_read; NO_TENSOR where a picture failed
    char **errors;   // NULL, or why
    char **damage;   // NULL, or what was wrong with a picture that was read all the same
} Batch;

Batch batch_new(Arena *a, size_t room);
void batch_free(Batch *b);

// What becomes of a decoded picture before the preprocessing; called from several threads with the place in the batch.
typedef Picture BatchLook(void *arg, Arena *a, size_t k, const Image *image);

// items[0 … n) with n <= room. look may be NULL: the picture as it is.
void batch_read(Batch *b, const Gathered *const *items, size_t n, const Preprocess *p, const ImageOptions *o, BatchLook *look, void *arg);

// How many of these pictures cannot be read: an earlier run says so of all of them, but it may have been the disk.
size_t batch_failing(const Gathered *const *items, size_t n, const Preprocess *p, const ImageOptions *o);
// Whether as many of the pictures still cannot be read as an earlier run says, in its remarks from the first-th on.
bool batch_fails_still(const Remarks *failed, size_t first, const Gathered *items, size_t n, const Preprocess *p, const ImageOptions *o);

#endif
