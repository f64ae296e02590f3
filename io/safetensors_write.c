// safetensors_write.c: see safetensors.h. The head first, then the data as it is put.
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "safetensors.h"

typedef struct {
    TensorPlan plan;
    uint64_t begin, size, put;
} Slot;

struct TensorsWriter {
    Writer *file;
    const char *path;
    Slot *slots;
    size_t count;
    Names names;
    uint64_t data_at; // where the data begins
};

// The reference's order: types from the last of this list to the first, then names, so that every tensor is aligned.
static int by_type_and_name(const void *a, const void *b) {
    static const int place[DTYPE_COUNT] = {[DTYPE_BOOL] = 0, [DTYPE_F4] = 1, [DTYPE_F6_E2M3] = 2, [DTYPE_F6_E3M2] = 3, [DTYPE_U8] = 4,
                                           [DTYPE_I8] = 5, [DTYPE_F8_E5M2] = 6, [DTYPE_F8_E4M3] = 7, [DTYPE_F8_E8M0] = 8, [DTYPE_F8_E4M3FNUZ] = 9,
                                           [DTYPE_F8_E5M2FNUZ] = 10, [DTYPE_I16] = 11, [DTYPE_U16] = 12, [DTYPE_F16] = 13, [DTYPE_BF16] = 14, [DTYPE_I32] = 15,
                                           [DTYPE_U32] = 16, [DTYPE_F32] = 17, [DTYPE_C64] = 18, [DTYPE_F64] = 19, [DTYPE_I64] = 20, [DTYPE_U64] = 21};
    const Slot *x = a, *y = b;
    int px = place[x->plan.dtype], py = place[y->plan.dtype];
    return px != py ? (px > py ? -1 : 1) : strcmp(x->plan.name, y->plan.name);
}

// Puts one header entry and returns where its data ends.
static uint64_t entry_write(JsonOut *o, Slot *s, uint64_t begin, const char *path) {
    const TensorPlan *p = &s->plan;
    need(strlen(p->name) <= TENSORS_NAME_MAX && p->ndim >= 0 && p->ndim <= TENSOR_RANK_MAX, "%s: \"%.80s\" has a name of %zu bytes and %d dimensions",
         path, p->name, strlen(p->name), p->ndim);
    size_t size = dtype_size(p->dtype);
    json_open(o, p->name, '{');
    json_put_text(o, "dtype", dtype_name(p->dtype));
    json_open(o, "shape", '[');
    for (int d = 0; d < p->ndim; d++) {
        need(p->shape[d] >= 0, "%s: \"%s\" has a dimension of %lld", path, p->name, (long long)p->shape[d]);
        json_put_int(o, NULL, p->shape[d]);
        size = size_mul(size, (size_t)p->shape[d], path);
    }
    json_close(o);
    s->begin = begin;
    s->size = size;
    size_t end = size_add((size_t)begin, size, path);
    json_open(o, "data_offsets", '[');
    json_put_int(o, NULL, (int64_t)begin);
    json_put_int(o, NULL, (int64_t)end);
    json_close(o);
    json_close(o);
    return end;
}

TensorsWriter *tensors_create(Arena *a, const char *path, const TensorPlan *plan, size_t count, const char *const *metadata) {
    TensorsWriter *w = take_zero(a, TensorsWriter, 1);
    w->path = arena_text(a, path, strlen(path));
    w->slots = take_zero(a, Slot, count);
    w->count = count;
    for (size_t i = 0; i < count; i++) w->slots[i].plan = plan[i];
    qsort(w->slots, count, sizeof *w->slots, by_type_and_name);
    w->names = names_build(a, w->slots, sizeof *w->slots, count, path, "tensor");
    JsonOut *o = json_out(a, -1); // as compact as the reference's: the same tensors give the same bytes
    json_open(o, NULL, '{');
    if (metadata && metadata[0]) {
        json_open(o, "__metadata__", '{');
        for (size_t i = 0; metadata[i]; i += 2) json_put_text(o, metadata[i], metadata[i + 1]);
        json_close(o);
    }
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) end = entry_write(o, &w->slots[i], end, path);
    json_close(o);
    size_t n;
    const char *text = json_done(o, &n);
    size_t padded = (n + 7) / 8 * 8;
    need(count <= TENSORS_COUNT_MAX && padded <= TENSORS_HEADER_MAX, "%s: %zu tensors with a header of %zu bytes; write several files", path, count, padded);
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    w->file = writer_open(path);
    writer_put(w->file, length, 8);
    writer_put(w->file, text, n);
    writer_put(w->file, "       ", padded - n);
    w->data_at = 8 + padded;
    return w;
}

// Sequential data is appended; anything else fills the file with zeros up to its place and is patched in.
void tensors_put(TensorsWriter *w, const char *name, const void *bytes, size_t size) {
    const Slot *found = names_find(&w->names, name);
    need(found, "%s: the tensor \"%s\" was not announced", w->path, name);
    Slot *s = &w->slots[found - w->slots];
    need(size <= s->size - s->put, "%s: more data for \"%s\" than its shape wants", w->path, name);
    uint64_t at = w->data_at + s->begin + s->put;
    static const uint8_t zeros[4096];
    while (writer_offset(w->file) < at) {
        uint64_t gap = at - writer_offset(w->file);
        writer_put(w->file, zeros, gap < sizeof zeros ? (size_t)gap : sizeof zeros);
    }
    uint64_t behind = writer_offset(w->file) - at, patch = behind < size ? behind : size;
    if (patch) writer_patch(w->file, at, bytes, (size_t)patch);
    writer_put(w->file, (const uint8_t *)bytes + patch, size - (size_t)patch);
    s->put += size;
}

void tensors_finish(TensorsWriter *w) {
    for (size_t i = 0; i < w->count; i++) {
        const Slot *s = &w->slots[i];
        if (s->put == s->size) continue;
        writer_drop(w->file);
        die("%s: \"%s\" got %llu of its %llu bytes", w->path, s->plan.name, (unsigned long long)s->put, (unsigned long long)s->size);
    }
    writer_close(w->file);
}
