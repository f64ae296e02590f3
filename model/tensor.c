// tensor.c: see tensor.h.
#include "tensor.h"

#include <stdio.h>
#include <string.h>

Tensor tensor_of(void *data, Dtype dtype, int ndim, const long *shape) {
    need(ndim >= 1 && ndim <= DIMS_MAX, "tensor: %d dimensions: 1 to %d are possible", ndim, DIMS_MAX);
    Tensor t = {.data = data, .dtype = dtype, .ndim = ndim};
    for (int i = 0; i < ndim; i++) {
        need(shape[i] >= 0, "tensor: a dimension of %ld", shape[i]);
        t.shape[i] = shape[i];
    }
    return t;
}

Tensor tensor_take(Arena *a, Dtype dtype, int ndim, const long *shape) {
    Tensor t = tensor_of(NULL, dtype, ndim, shape);
    t.data = arena_take(a, tensor_count(t), dtype_size(dtype));
    return t;
}

Tensor tensor_view(Tensor x, int ndim, const long *shape) {
    Tensor t = tensor_of(x.data, x.dtype, ndim, shape);
    t.node = x.node;
    char from[128], to[128];
    need(tensor_count(t) == tensor_count(x), "tensor: a view of %s as %s: the counts differ", tensor_shape_text(x, from),
         tensor_shape_text(t, to));
    return t;
}

size_t tensor_count(Tensor x) {
    size_t n = 1;
    for (int i = 0; i < x.ndim; i++) n = size_mul(n, (size_t)x.shape[i], "a tensor");
    return n;
}

size_t tensor_bytes(Tensor x) { return size_mul(tensor_count(x), dtype_size(x.dtype), "a tensor"); }

long tensor_last(Tensor x) { return x.shape[x.ndim - 1]; }

long tensor_rows(Tensor x) {
    size_t n = 1;
    for (int i = 0; i + 1 < x.ndim; i++) n *= (size_t)x.shape[i];
    return (long)n;
}

int tensor_same_shape(Tensor a, Tensor b) {
    if (a.ndim != b.ndim) return 0;
    for (int i = 0; i < a.ndim; i++)
        if (a.shape[i] != b.shape[i]) return 0;
    return 1;
}

const char *tensor_shape_text(Tensor x, char text[128]) {
    size_t at = 0;
    text[at++] = '[';
    for (int i = 0; i < x.ndim; i++) at += (size_t)snprintf(text + at, 128 - at, "%s%ld", i ? ", " : "", x.shape[i]);
    snprintf(text + at, 128 - at, "]");
    return text;
}
