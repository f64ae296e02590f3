// ready.c: see ready.h.
#include "ready.h"

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

Tensor ready_tensor(Arena *a, Tensors *t, const char *name, Dtype as) {
    const TensorEntry *e = tensors_find(t, name);
    if (!e) return NO_TENSOR;
    need(e->ndim >= 1 && e->ndim <= DIMS_MAX, "%s: \"%s\" has %d dimensions", e->path, name, e->ndim);
    long shape[DIMS_MAX];
    for (int d = 0; d < e->ndim; d++) shape[d] = (long)e->shape[d];
    Tensor x = tensor_take(a, as, e->ndim, shape);
    size_t n = tensor_count(x);
    if (as == DTYPE_F32) {
        need(e->dtype == DTYPE_F32 || e->dtype == DTYPE_BF16 || e->dtype == DTYPE_F16 || e->dtype == DTYPE_F64, "%s: \"%s\" is %s; floats are wanted", e->path,
             name, dtype_name(e->dtype));
        widen(f32(x), e->bytes, e->dtype, n);
        return x;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t v = 0;
        if (e->dtype == DTYPE_I64) memcpy(&v, e->bytes + i * 8, 8);
        else if (e->dtype == DTYPE_I32) {
            int32_t w;
            memcpy(&w, e->bytes + i * 4, 4);
            v = w;
        } else if (e->dtype == DTYPE_U8 || e->dtype == DTYPE_BOOL) v = e->bytes[i];
        else die("%s: \"%s\" is %s; whole numbers are wanted", e->path, name, dtype_name(e->dtype));
        need(v >= INT32_MIN && v <= INT32_MAX, "%s: \"%s\" holds %lld", e->path, name, (long long)v);
        if (as == DTYPE_I32) i32(x)[i] = (int32_t)v;
        else ((uint8_t *)x.data)[i] = v != 0;
    }
    return x;
}

Tensor ready_ids(Arena *a, const char *text, Tensor *mask, Tensor *types) {
    *mask = *types = NO_TENSOR;
    if (file_exists(text)) {
        Tensors *t = tensors_open(a, text);
        tensors_need(t, "input_ids");
        *mask = ready_tensor(a, t, "attention_mask", DTYPE_U8);
        *types = ready_tensor(a, t, "token_type_ids", DTYPE_I32);
        return ready_tensor(a, t, "input_ids", DTYPE_I32);
    }
    size_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    Tensor x = tensor_take(a, DTYPE_I32, DIMS(1, (long)n));
    const char *c = text;
    for (size_t i = 0; i < n; i++) {
        char *end;
        long v = strtol(c, &end, 10);
        if (end == c || (*end && *end != ',') || v < 0 || v > INT32_MAX) die_usage("--ids %s: a file that exists, or ids as 1,2,3", text);
        i32(x)[i] = (int32_t)v;
        c = end + 1;
    }
    return x;
}

Tensor ready_replacement(Arena *a, const TextList *list, size_t i, const char **tap) {
    const char *text = list->items[i], *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) die_usage("--replace %s: NAME=FILE[:TENSOR] is wanted", text);
    for (size_t k = 0; k < list->count; k++)
        if (k != i && strncmp(list->items[k], text, (size_t)(equals + 1 - text)) == 0) die_usage("--replace %.*s: is given twice", (int)(equals - text), text);
    char *name = arena_text(a, text, (size_t)(equals - text)), *path = arena_print(a, "%s", equals + 1);
    const char *tensor = NULL;
    char *colon = strrchr(path, ':');
    if (colon && !file_exists(path)) *colon = 0, tensor = colon + 1;
    Tensors *file = tensors_open(a, path);
    if (!tensor) tensor = tensors_find(file, name) || tensors_count(file) != 1 ? name : tensors_at(file, 0)->name;
    const TensorEntry *e = tensors_need(file, tensor);
    long shape[DIMS_MAX] = {1};
    need(e->ndim <= DIMS_MAX, "%s: \"%s\" has %d dimensions", path, tensor, e->ndim);
    for (int d = 0; d < e->ndim; d++) shape[d] = (long)e->shape[d];
    void *copy = arena_take(a, e->size, 1);
    memcpy(copy, e->bytes, e->size);
    Dtype dtype = e->dtype;
    int ndim = e->ndim;
    tensors_close(file);
    *tap = name;
    return tensor_of(copy, dtype, ndim ? ndim : 1, shape);
}
