// tensor.h: a tensor is a small value: where the numbers lie, their type, their shape.
#ifndef RETINA_MODEL_TENSOR_H
#define RETINA_MODEL_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "io/dtype.h"
#include "io/memory.h"

#define DIMS_MAX 5

// Row-major. Passed by value; nobody owns it: the numbers lie in an arena or in a mapped file.
// data is NULL in a dry run. node is the tensor's place on the tape (train/tape.h), 0 when it has none.
typedef struct {
    void *data;
    Dtype dtype;
    int ndim;
    long shape[DIMS_MAX];
    int node;
} Tensor;

// Two arguments in one: DIMS(B, T, C) is "3, (const long[]){B, T, C}".
#define DIMS(...) (int)(sizeof((const long[]){__VA_ARGS__}) / sizeof(long)), (const long[]){__VA_ARGS__}

#define NO_TENSOR ((Tensor){0}) // an optional argument that is absent
static inline int tensor_given(Tensor t) { return t.ndim > 0; }

Tensor tensor_of(void *data, Dtype dtype, int ndim, const long *shape); // wraps memory that exists
Tensor tensor_take(Arena *a, Dtype dtype, int ndim, const long *shape); // uninitialised, in an arena
Tensor tensor_view(Tensor x, int ndim, const long *shape); // same numbers, another shape; dies if the count differs

size_t tensor_count(Tensor x); // elements
size_t tensor_bytes(Tensor x);
long tensor_last(Tensor x); // the last dimension
long tensor_rows(Tensor x); // elements / last dimension
int tensor_same_shape(Tensor a, Tensor b);
const char *tensor_shape_text(Tensor x, char text[128]); // "[2, 17, 64]"

static inline float *f32(Tensor x) { return (float *)x.data; }
static inline int32_t *i32(Tensor x) { return (int32_t *)x.data; }

#endif
