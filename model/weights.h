// weights.h: where a model's parameters come from: a checkpoint's mapped files, memory (training), or nowhere
// (a dry run, which only collects names and shapes).
//
// A model asks for each parameter once, by its canonical name (transformers 5, as the module tree prints it) and
// shape. Files of all eras are accepted: a family's list of renames turns a stored name into the canonical one.
#ifndef RETINA_MODEL_WEIGHTS_H
#define RETINA_MODEL_WEIGHTS_H

#include <stdbool.h>

#include "io/safetensors.h"
#include "tensor.h"

typedef struct Weights Weights;

// A stored name that begins with `from` continues with `to` instead; the longest `from` wins.
typedef struct {
    const char *from, *to;
} Rename;

typedef struct {
    const char *name; // canonical
    Tensor tensor;
    bool scalar; // of no dimension in a file; the tensor is (1)
} Weight;

// Maps the files of `dir`. `ignored`: fnmatch patterns over canonical names that the family never reads.
Weights *weights_open(Arena *a, const char *dir, const Rename *renames, size_t rename_count, const char *const *ignored,
                      size_t ignored_count);
Weights *weights_dry(Arena *a, const char *where);
Weights *weights_memory(Arena *a, const Weight *list, size_t count); // tensors as given, nodes included

// The parameter of this name and shape, in its stored type. What is missing or misshapen is collected and
// reported by weights_finish. In a dry run: a tensor without data.
Tensor weights_take(Weights *w, int ndim, const long *shape, const char *format, ...) PRINTF_LIKE(4, 5);
// Whether the file holds it; a dry run answers `if_dry`.
bool weights_has(const Weights *w, bool if_dry, const char *format, ...) PRINTF_LIKE(3, 4);
// The stored tensor of this name, not counted as taken; NO_TENSOR when it is not there, or in a dry run.
Tensor weights_peek(const Weights *w, const char *name);
// Dies with one line that names the first three tensors that are missing, misshapen or left over.
void weights_finish(Weights *w);

size_t weights_list(const Weights *w, const Weight **list); // everything taken, in order
uint64_t weights_parameters(const Weights *w);              // elements of everything taken
bool weights_are_dry(const Weights *w);
bool weights_in_memory(const Weights *w);

#endif
