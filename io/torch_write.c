// torch_write.c: see torch_file.h. The storages come first, each as it is put; the pickle that refers to them comes last.
#include <string.h>

#include "torch_file.h"
#include "utf8.h"
#include "zip.h"

#define ALIGN 64 // torch's own

struct TorchWriter {
    Arena *arena;
    ZipWriter *zip;
    const char *path;
    uint8_t *pickle;
    size_t used, room;
    size_t storages;
};

static void put(TorchWriter *w, const void *bytes, size_t n) {
    if (w->room - w->used < n) {
        size_t room = w->room * 2 > w->used + n ? w->room * 2 : w->used + n;
        w->pickle = arena_grow(w->arena, w->pickle, w->used, room, 1);
        w->room = room;
    }
    memcpy(w->pickle + w->used, bytes, n);
    w->used += n;
}

static void op(TorchWriter *w, uint8_t code, uint64_t number, int n) { // a code and a little-endian number of n bytes
    uint8_t b[9] = {code};
    for (int i = 0; i < n; i++) b[1 + i] = (uint8_t)(number >> (8 * i));
    put(w, b, 1 + (size_t)n);
}

static void text_put(TorchWriter *w, const char *text) {
    size_t n = strlen(text);
    need(n <= UINT32_MAX && utf8_valid(text, n) == n, "%s: the text \"%.40s\" is not UTF-8", w->path, text);
    op(w, 'X', n, 4);
    put(w, text, n);
}

static void int_put(TorchWriter *w, int64_t v) {
    if (v >= 0 && v < 256) op(w, 'K', (uint64_t)v, 1);
    else if (v >= INT32_MIN && v <= INT32_MAX) op(w, 'J', (uint64_t)v, 4);
    else {
        op(w, 0x8a, 8, 1);
        op(w, (uint8_t)v, (uint64_t)v >> 8, 7);
    }
}

static void name_put(TorchWriter *w, const char *module_and_name) { put(w, module_and_name, strlen(module_and_name)); }

TorchWriter *torch_create(Arena *a, const char *path) {
    TorchWriter *w = take_zero(a, TorchWriter, 1);
    *w = (TorchWriter){.arena = a, .path = arena_text(a, path, strlen(path)), .zip = zip_create(a, path)};
    put(w, "\x80\x02}(", 4);
    return w;
}

void torch_put_int(TorchWriter *w, const char *key, int64_t value) {
    text_put(w, key);
    int_put(w, value);
}

void torch_put_real(TorchWriter *w, const char *key, double value) {
    uint64_t u, swapped = 0;
    memcpy(&u, &value, 8);
    for (int i = 0; i < 8; i++) swapped = swapped << 8 | (u >> (8 * i) & 255);
    text_put(w, key);
    op(w, 'G', swapped, 8);
}

void torch_put_bool(TorchWriter *w, const char *key, bool value) {
    text_put(w, key);
    op(w, value ? 0x88 : 0x89, 0, 0);
}

void torch_put_text(TorchWriter *w, const char *key, const char *text) {
    text_put(w, key);
    text_put(w, text);
}

void torch_put_texts(TorchWriter *w, const char *key, const char *const *texts, size_t count) {
    text_put(w, key);
    put(w, "](", 2);
    for (size_t i = 0; i < count; i++) text_put(w, texts[i]);
    put(w, "e", 1);
}

static const char *storage_name(TorchWriter *w, Dtype d) {
    switch (d) {
    case DTYPE_F32: return "ctorch\nFloatStorage\n";
    case DTYPE_F64: return "ctorch\nDoubleStorage\n";
    case DTYPE_F16: return "ctorch\nHalfStorage\n";
    case DTYPE_BF16: return "ctorch\nBFloat16Storage\n";
    case DTYPE_I64: return "ctorch\nLongStorage\n";
    case DTYPE_I32: return "ctorch\nIntStorage\n";
    case DTYPE_I16: return "ctorch\nShortStorage\n";
    case DTYPE_I8: return "ctorch\nCharStorage\n";
    case DTYPE_U8: return "ctorch\nByteStorage\n";
    case DTYPE_BOOL: return "ctorch\nBoolStorage\n";
    default: die("%s: tensors of type %s are not written; safetensors files take them", w->path, dtype_name(d));
    }
}

void torch_tensor_begin(TorchWriter *w, const char *key, Dtype dtype, int ndim, const int64_t *shape) {
    size_t count = 1;
    need(ndim >= 0 && ndim <= TORCH_RANK_MAX, "%s: \"%s\" has %d dimensions", w->path, key, ndim);
    for (int i = 0; i < ndim; i++) {
        need(shape[i] >= 0, "%s: \"%s\" has a dimension of %lld", w->path, key, (long long)shape[i]);
        count = size_mul(count, (size_t)shape[i], w->path);
    }
    const char *number = arena_print(w->arena, "%zu", w->storages++);
    text_put(w, key);
    name_put(w, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text_put(w, "storage");
    name_put(w, storage_name(w, dtype));
    text_put(w, number);
    text_put(w, "cpu");
    int_put(w, (int64_t)count);
    put(w, "tQK\0(", 5); // the storage, from its first element
    for (int i = 0; i < ndim; i++) int_put(w, shape[i]);
    put(w, "t(", 2);
    for (int i = 0; i < ndim; i++) {
        int64_t stride = 1; // as torch has it: a dimension of 0 counts as 1
        for (int k = i + 1; k < ndim; k++) stride *= shape[k] > 0 ? shape[k] : 1;
        int_put(w, stride);
    }
    name_put(w, "t\x89" "ccollections\nOrderedDict\n)RtR"); // needs no gradient, has no hooks
    zip_begin(w->zip, arena_print(w->arena, "archive/data/%s", number), size_mul(count, dtype_size(dtype), w->path), ALIGN);
}

void torch_tensor_put(TorchWriter *w, const void *bytes, size_t size) { zip_put(w->zip, bytes, size); }
void torch_tensor_end(TorchWriter *w) { zip_end(w->zip); }

void torch_finish(TorchWriter *w) {
    put(w, "u.", 2);
    zip_add(w->zip, "archive/data.pkl", w->pickle, w->used, ALIGN);
    zip_add(w->zip, "archive/byteorder", "little", 6, ALIGN);
    zip_add(w->zip, "archive/version", "3\n", 2, ALIGN);
    zip_finish(w->zip);
}
