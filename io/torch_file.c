// torch_file.c: see torch_file.h. The archive around the pickle (torch_pickle.c), and what is asked of its values.
#include "torch_file.h"

#include <string.h>

#include "stray.h"
#include "torch_pickle.h"
#include "zip.h"

#define PICKLE_MAX (1 << 27) // bytes; each can ask for some fifty bytes of ours

// A pickle without an archive around it begins with this number. (One byte of it would not do: 80 02 also begins a
// safetensors file whose header has 640 bytes.)
static bool legacy(Bytes f) {
    static const char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    return f.size >= sizeof magic - 1 && memcmp(f.bytes, magic, sizeof magic - 1) == 0;
}

bool torch_is(Bytes f) { return legacy(f) || (zip_is(f) && f.bytes[8] != '{'); } // '{': a safetensors header of 64 MiB

// The entry "PREFIX/data.pkl".
static const ZipEntry *pickle_find(const Zip *z, const char *path) {
    const ZipEntry *found = NULL;
    for (size_t i = 0; i < zip_count(z); i++) {
        const char *slash = strchr(zip_at(z, i)->name, '/');
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        need(!found, "%s: holds both \"%s\" and \"%s\"", path, found->name, zip_at(z, i)->name);
        found = zip_at(z, i);
    }
    need(found, "%s: is a zip archive without a data.pkl, so not from torch.save", path);
    return found;
}

const TorchValue *torch_read(Arena *a, Bytes f) {
    need(!legacy(f),
         "%s: is in the form that torch.save had before version 1.6; convert it: python -c \"import sys, torch; torch.save(torch.load(sys.argv[1], map_location='cpu'), 'converted.pt')\" %s",
         f.path, path_quoted(a, f.path));
    stray_refuse(f);
    need(zip_is(f), "%s: is no file of torch.save", f.path);
    Zip *z = zip_open(a, f);
    const ZipEntry *e = pickle_find(z, f.path);
    const char *prefix = arena_text(a, e->name, strlen(e->name) - 8); // without "data.pkl"
    need(!zip_find(z, arena_print(a, "%sconstants.pkl", prefix)), "%s: is a TorchScript program; save its state_dict() with torch.save", f.path);
    const ZipEntry *order = zip_find(z, arena_print(a, "%sbyteorder", prefix));
    if (order) {
        Bytes o = zip_read(a, z, order);
        need(o.size == 6 && memcmp(o.bytes, "little", 6) == 0, "%s: was written on a big-endian machine; save it again on a little-endian one", f.path);
    }
    need(e->size <= PICKLE_MAX, "%s: \"%s\" is larger than %d MiB; this is no state dict", f.path, e->name, PICKLE_MAX >> 20);
    return torch_pickle(a, z, prefix, zip_read(a, z, e), f);
}

static const char *const kind_names[] = {"None", "a truth value", "a whole number", "a number", "a text", "a list", "a tuple", "a dict", "a tensor", "an object"};

const char *torch_kind_name(const TorchValue *v) { return v->kind == TORCH_OTHER ? v->text : kind_names[v->kind]; }

const TorchValue *torch_get(const TorchValue *v, const char *key) {
    if (v->kind != TORCH_DICT) return NULL;
    for (size_t i = v->count; i-- > 0;)
        if (v->keys[i]->kind == TORCH_TEXT && strcmp(v->keys[i]->text, key) == 0 && v->keys[i]->length == strlen(key)) return v->items[i];
    return NULL;
}

const TorchValue *torch_need(const TorchValue *v, const char *key, TorchKind kind, const char *path) {
    need(v->kind == TORCH_DICT, "%s: holds %s where a dict with \"%s\" is wanted", path, torch_kind_name(v), key);
    const TorchValue *item = torch_get(v, key);
    need(item, "%s: holds no \"%s\" among its %zu entries", path, key, v->count);
    need(item->kind == kind, "%s: \"%s\" is %s; %s is wanted", path, key, torch_kind_name(item), kind_names[kind]);
    return item;
}

const void *torch_data(Arena *a, const TorchTensor *t, const char *path) {
    size_t item = dtype_size(t->dtype);
    if (t->contiguous && (uintptr_t)t->bytes % item == 0) return t->bytes;
    need(!t->too_many, "%s: tensors whose elements are repeated (expand) to more than 1 GiB beyond the file's size; save them after .contiguous()", path);
    uint8_t *out = arena_take(a, t->size, 1), *o = out;
    int64_t index[TORCH_RANK_MAX] = {0};
    int outer = t->ndim; // dimensions around the elements that lie side by side
    size_t run = item;   // bytes of these
    while (outer > 0 && t->strides[outer - 1] == (int64_t)(run / item)) run *= (size_t)t->shape[--outer];
    for (const uint8_t *end = o + t->size; o < end; o += run) {
        size_t at = 0;
        for (int i = 0; i < outer; i++) at += (size_t)(index[i] * t->strides[i]);
        memcpy(o, t->bytes + at * item, run);
        for (int i = outer; i-- > 0;) {
            if (++index[i] < t->shape[i]) break;
            index[i] = 0;
        }
    }
    return out;
}
