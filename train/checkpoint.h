// checkpoint.h: a training run on disk: every number that it goes on from, in one safetensors file.
// Written beside and renamed: a run that is killed at any moment continues from the last whole file, and ends with
// the same bytes as one that was left alone.
#ifndef RETINA_TRAIN_CHECKPOINT_H
#define RETINA_TRAIN_CHECKPOINT_H

#include "model/weights.h"
#include "optimiser.h"

typedef struct {
    const char *recipe; // everything that the numbers depend on, as text: a file of another recipe is refused
    const char *notes;  // what the run wants back besides, as text
    int stage;
    int64_t step; // updates done in this stage
} CheckpointHead;

// list: named f32 tensors, each in the program's memory or on the device.
void checkpoint_save(Arena *scratch, const char *path, CheckpointHead head, const Device *device, const Weight *list, size_t count);

// NULL when there is no such file; dies when it is damaged or of another recipe. The head lives in `a`.
typedef struct Checkpoint Checkpoint;
Checkpoint *checkpoint_open(Arena *a, const char *path, const char *recipe, CheckpointHead *head);
// Why a file that is there cannot be gone on from; of another recipe, what differs. NULL: it can, or is not there.
const char *checkpoint_unfit(Arena *a, const char *path, const char *recipe);
void checkpoint_read(Checkpoint *c, const Device *device, const Weight *list, size_t count); // fills the tensors; closes the file

// The moments of the optimiser, named after the parameters, into list[0 … 2 * parameters).
size_t checkpoint_moments(Arena *a, const Adam *o, const char *const *names, Weight *list);

#endif
