// safetensors.c: see safetensors.h.
//
// Files of torch.save are opened here too: whoever asks for tensors by name need not know how they are stored.
#include "safetensors.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "option.h" // nearest_name
#include "stray.h"
#include "torch_file.h"

#define ENTRY_MIN 48 // bytes of the shortest entry: "":{"dtype":"","shape":[],"data_offsets":[0,0]},

typedef struct {
    Bytes file;
    const Json *metadata;
} Shard;

struct Tensors {
    Arena *arena;
    Shard *shards;
    size_t shard_count;
    TensorEntry *entries;
    size_t count, room;
    Names names;
};

// One header on its way through json_scan: a header of 10^6 entries would need gigabytes as a tree.
typedef struct {
    JsonScan scan;
    char *pool; // where the next text goes; the pool is as large as the header, and no text grows by decoding
    Bytes file;
    uint64_t data_at;
} Header;

// ':' and whether a list goes on are the same everywhere: true while there is one more item before `closing`.
static bool another(JsonScan *s, bool first, char closing) {
    if (json_scan_next(s) == closing) {
        json_scan_byte(s, closing);
        return false;
    }
    if (!first) json_scan_byte(s, ',');
    return true;
}

static size_t list_read(Header *h, uint64_t *out, size_t room, const char *name, const char *what) {
    JsonScan *s = &h->scan;
    size_t n = 0;
    json_scan_byte(s, '[');
    for (; another(s, n == 0, ']'); n++) {
        need(n < room, "%s: tensor \"%s\": %s has more than %zu numbers", s->path, name, what, room);
        out[n] = json_scan_whole(s);
    }
    return n;
}

// "name": {"dtype": …, "shape": …, "data_offsets": …}, the name already read; checked against the data's size.
static void entry_read(Header *h, TensorEntry *e, const char *name) {
    JsonScan *s = &h->scan;
    uint64_t shape[TENSOR_RANK_MAX], offsets[2];
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    int seen = 0, d = -1;
    *e = (TensorEntry){.name = name, .path = s->path};
    json_scan_byte(s, '{');
    for (bool first = true; another(s, first, '}'); first = false) {
        json_scan_text(s, h->pool); // the pool's next place is only borrowed
        int field = strcmp(h->pool, "dtype") == 0 ? DTYPE : strcmp(h->pool, "shape") == 0 ? SHAPE : strcmp(h->pool, "data_offsets") == 0 ? OFFSETS : 0;
        need(field && !(seen & field), "%s: tensor \"%s\": the key \"%.40s\" is unknown, or there twice", s->path, name, h->pool);
        seen |= field;
        json_scan_byte(s, ':');
        if (field == DTYPE) {
            d = dtype_find(h->pool, json_scan_text(s, h->pool));
            need(d >= 0, "%s: tensor \"%s\" has the unknown type \"%.40s\"", s->path, name, h->pool);
        } else if (field == SHAPE) {
            e->ndim = (int)list_read(h, shape, TENSOR_RANK_MAX, name, "its shape");
        } else {
            need(list_read(h, offsets, 2, name, "data_offsets") == 2, "%s: tensor \"%s\": data_offsets wants two numbers", s->path, name);
        }
    }
    need(seen == (DTYPE | SHAPE | OFFSETS), "%s: tensor \"%s\": dtype, shape and data_offsets are wanted", s->path, name);
    e->dtype = (Dtype)d;
    uint64_t elements = 1, bits, size = h->file.size - h->data_at, begin = offsets[0], end = offsets[1];
    for (int i = 0; i < e->ndim; i++) {
        need(shape[i] <= INT64_MAX && !__builtin_mul_overflow(elements, shape[i], &elements), "%s: tensor \"%s\" is larger than any file", s->path, name);
        e->shape[i] = (int64_t)shape[i];
    }
    need(!__builtin_mul_overflow(elements, (uint64_t)dtype_bits(e->dtype), &bits) && bits % 8 == 0,
         "%s: tensor \"%s\" does not end on a whole byte, or is larger than any file", s->path, name);
    need(begin <= end && end <= size, "%s: tensor \"%s\" lies at bytes %llu to %llu of %llu: the file is cut off or damaged", s->path, name,
         (unsigned long long)begin, (unsigned long long)end, (unsigned long long)size);
    need(end - begin == bits / 8, "%s: tensor \"%s\" has %llu bytes, its shape and type want %llu", s->path, name, (unsigned long long)(end - begin),
         (unsigned long long)(bits / 8));
    e->size = (size_t)(end - begin);
    e->bytes = h->file.bytes + h->data_at + begin;
}

// {"key": "text", …}: passed over once to find its end, and only then made a tree. Or null: NULL.
static const Json *metadata_read(Header *h, Arena *a) {
    JsonScan *s = &h->scan;
    json_scan_next(s);
    size_t begin = s->at;
    if (s->size - begin >= 4 && memcmp(s->bytes + begin, "null", 4) == 0) {
        s->at += 4;
        return NULL;
    }
    json_scan_byte(s, '{');
    for (bool first = true; another(s, first, '}'); first = false) {
        json_scan_text(s, h->pool);
        json_scan_byte(s, ':');
        if (json_scan_next(s) != '"') json_scan_die(s, "a value in __metadata__ that is no text");
        json_scan_text(s, h->pool);
    }
    return json_parse(a, s->bytes + begin, s->at - begin, s->path);
}

// Every entry of a header, in its order; sets *metadata.
static TensorEntry *header_read(Arena *a, Bytes file, size_t n, size_t *count, const Json **metadata) {
    Header h = {.scan = {.path = file.path, .bytes = (const char *)file.bytes + 8, .size = n}, .file = file, .data_at = 8 + n};
    h.pool = take(a, char, n + 1);
    TensorEntry *all = take(a, TensorEntry, n / ENTRY_MIN + 1);
    JsonScan *s = &h.scan;
    *count = 0;
    json_scan_byte(s, '{');
    for (bool first = true; another(s, first, '}'); first = false) {
        char *name = h.pool;
        size_t length = json_scan_text(s, name);
        json_scan_byte(s, ':');
        h.pool += length + 1;
        need(length <= TENSORS_NAME_MAX && strlen(name) == length, "%s: a tensor's name of %zu bytes, or with a zero byte in it", file.path, length);
        if (strcmp(name, "__metadata__") == 0) {
            need(!*metadata, "%s: __metadata__ is there twice", file.path);
            *metadata = metadata_read(&h, a);
        } else {
            need(*count < TENSORS_COUNT_MAX, "%s: more than %d tensors", file.path, TENSORS_COUNT_MAX);
            entry_read(&h, &all[(*count)++], name);
        }
    }
    json_scan_next(s);
    if (s->at < s->size) json_scan_die(s, "more text after the header");
    return all;
}

// Why a file of torch.save gives nothing: it is no dict, or what stands in it is none of the tensors that are read.
static _Noreturn void state_none(const TorchValue *v, const char *path) {
    if (v->kind != TORCH_DICT) die("%s: holds %s, not a dict of tensors by their names; a state_dict() is wanted", path, torch_kind_name(v));
    for (size_t k = 0; k < v->count; k++)
        if (v->items[k]->kind == TORCH_OTHER && v->keys[k]->kind == TORCH_TEXT)
            die("%s: holds a dict without tensors that are read: \"%s\" is %s; a state_dict() is wanted", path, v->keys[k]->text, torch_kind_name(v->items[k]));
    die("%s: holds a dict without tensors in it; a state_dict() is wanted", path);
}

// The tensors of a file of torch.save: of a dict in it that has a state dict's usual name, or of its own dict.
static TensorEntry *state_read(Arena *a, Bytes file, size_t *count) {
    static const char *const wrappers[] = {"state_dict", "model", "module", "model_state_dict"};
    const TorchValue *d = torch_read(a, file);
    size_t n = 0;
    for (int i = 0; i < 5 && n == 0; i++) {
        const TorchValue *inside = i < 4 ? torch_get(d, wrappers[i]) : d;
        for (size_t k = 0; inside && inside->kind == TORCH_DICT && k < inside->count; k++) n += inside->items[k]->kind == TORCH_TENSOR;
        if (n) d = inside;
    }
    if (n == 0) state_none(d, file.path);
    TensorEntry *all = take_zero(a, TensorEntry, n);
    *count = 0;
    for (size_t k = 0; k < d->count; k++) {
        if (d->items[k]->kind != TORCH_TENSOR) continue;
        const TorchTensor *t = d->items[k]->tensor;
        need(d->keys[k]->kind == TORCH_TEXT, "%s: a tensor whose name is %s", file.path, torch_kind_name(d->keys[k]));
        need(strlen(d->keys[k]->text) == d->keys[k]->length, "%s: a tensor whose name \"%s\" goes on behind a zero byte", file.path, d->keys[k]->text);
        TensorEntry *e = &all[(*count)++];
        *e = (TensorEntry){.name = d->keys[k]->text, .dtype = t->dtype, .ndim = t->ndim, .bytes = torch_data(a, t, file.path), .size = t->size, .path = file.path};
        memcpy(e->shape, t->shape, sizeof e->shape);
    }
    return all;
}

static int by_place(const void *a, const void *b) {
    const TensorEntry *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1; // empty ones first
    return strcmp(x->name, y->name);
}

// The tensors of a safetensors file in the order of their data, every rule checked.
static TensorEntry *tensors_read(Arena *a, Shard *s, size_t *count) {
    const char *path = s->file.path;
    stray_refuse(s->file);
    need(s->file.size >= 8, "%s: %zu bytes are no safetensors file", path, s->file.size);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | s->file.bytes[i];
    need(n <= TENSORS_HEADER_MAX, "%s: a header of %llu bytes; this is no safetensors file, or a damaged one", path, (unsigned long long)n);
    need(n <= s->file.size - 8, "%s: the header of %llu bytes is cut off: the file has %zu", path, (unsigned long long)n, s->file.size);
    need(n > 0 && s->file.bytes[8] == '{', "%s: the header does not begin with '{'; this is no safetensors file", path);
    TensorEntry *all = header_read(a, s->file, (size_t)n, count, &s->metadata);
    qsort(all, *count, sizeof *all, by_place);
    const uint8_t *at = s->file.bytes + 8 + n;
    for (size_t i = 0; i < *count; i++) {
        need(all[i].bytes == at, "%s: tensor \"%s\" overlaps its neighbour or leaves a hole before it", path, all[i].name);
        at += all[i].size;
    }
    need(at == s->file.bytes + s->file.size, "%s: %zu bytes after the last tensor", path, (size_t)(s->file.bytes + s->file.size - at));
    return all;
}

// Appends a file's entries; with a weight_map, only those that the index assigns to it.
static void entries_add(Tensors *t, TensorEntry *all, size_t count, const Json *weight_map, const char *file_name) {
    if (t->count == 0 && !weight_map) {
        t->entries = all;
        t->count = t->room = count;
        return;
    }
    if (t->count + count > t->room) {
        size_t room = (t->count + count) * 2;
        t->entries = arena_grow(t->arena, t->entries, t->count, room, sizeof *t->entries);
        t->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        const Json *m = json_get(weight_map, all[i].name);
        if (m && strcmp(m->text, file_name) == 0) t->entries[t->count++] = all[i]; // else another shard's by the index, or nobody's
    }
}

static void shard_read(Tensors *t, Shard *s, const char *path, const Json *weight_map, const char *file_name) {
    s->file = file_map(t->arena, path);
    path = s->file.path;
    size_t count;
    TensorEntry *all = torch_is(s->file) ? state_read(t->arena, s->file, &count) : tensors_read(t->arena, s, &count);
    entries_add(t, all, count, weight_map, file_name);
}

// The folder that the target of a link may lie in: the model's own, or, in a hub's cache
// (…/snapshots/COMMIT[/SUBFOLDER], files linked to …/blobs/DIGEST), the blobs beside it. `real` is changed.
static bool inside(const char *target, char *real) {
    size_t n = strlen(real);
    if (strncmp(target, real, n) == 0 && target[n] == '/') return true;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(real, '/');
        if (!slash || slash == real) return false;
        *slash = 0;
        if (strcmp(path_name(real), "snapshots") != 0) continue;
        strcpy(strrchr(real, '/') + 1, "blobs/"); // shorter than "snapshots"
        return strncmp(target, real, strlen(real)) == 0;
    }
    return false;
}

// A shard's name must stay inside its folder, also through links.
static char *shard_path(Arena *a, const char *folder, const Json *name, const char *index_path) {
    need(name->kind == JSON_TEXT && name->length > 0 && name->length <= NAME_MAX && strlen(name->text) == name->length && !strpbrk(name->text, "/\\") &&
             strcmp(name->text, ".") != 0 && strcmp(name->text, "..") != 0,
         "%s: \"%.80s\" is no plain file name", index_path, name->kind == JSON_TEXT ? name->text : "?");
    char *path = path_join(a, folder, name->text);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        char target[PATH_MAX], real[PATH_MAX];
        need(realpath(path, target) && realpath(*folder ? folder : ".", real), "%s: the link %s leads nowhere", index_path, name->text);
        need(inside(target, real), "%s: %s is a link that leaves the model's folder", index_path, name->text);
    }
    return path;
}

static int by_text(const void *a, const void *b) { return strcmp((*(const Json *const *)a)->text, (*(const Json *const *)b)->text); }

static void sharded_read(Tensors *t, const char *index_path) {
    Arena *a = t->arena;
    const Json *index = json_read(a, index_path), *map = json_get(index, "weight_map");
    need(map && map->kind == JSON_OBJECT && map->count > 0, "%s: \"weight_map\" is missing or empty", index_path);
    const char *folder = path_folder(a, index_path);
    const Json **files = take(a, const Json *, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const Json *file = files[i] = &map->items[i];
        need(file->kind == JSON_TEXT && strlen(file->text) == file->length, "%s: \"%s\" is given no file's name", index_path, map->keys[i]);
    }
    qsort(files, map->count, sizeof *files, by_text);
    size_t n = 0;
    for (size_t i = 0; i < map->count; i++)
        if (n == 0 || strcmp(files[n - 1]->text, files[i]->text) != 0) files[n++] = files[i];
    t->shards = take_zero(a, Shard, n);
    for (size_t j = 0; j < n; j++) shard_read(t, &t->shards[t->shard_count++], shard_path(a, folder, files[j], index_path), map, files[j]->text);
    t->names = names_build(a, t->entries, sizeof *t->entries, t->count, index_path, "tensor");
    for (size_t i = 0; i < map->count; i++)
        need(tensors_find(t, map->keys[i]), "%s: tensor \"%s\" is not in %s, where the index places it", index_path, map->keys[i], map->items[i].text);
}

// In the order of preference; safetensors before pickles.
static const char *const usual_names[] = {"model.safetensors",
                                          "model.safetensors.index.json",
                                          "model.fp16.safetensors",
                                          "diffusion_pytorch_model.safetensors",
                                          "diffusion_pytorch_model.safetensors.index.json",
                                          "diffusion_pytorch_model.fp16.safetensors",
                                          "open_clip_model.safetensors",
                                          "open_clip_pytorch_model.safetensors",
                                          "pytorch_model.bin",
                                          "pytorch_model.bin.index.json",
                                          "diffusion_pytorch_model.bin",
                                          "open_clip_pytorch_model.bin"};

static char *found_in(Arena *a, const char *folder) {
    for (size_t i = 0; i < sizeof usual_names / sizeof *usual_names; i++) {
        char *path = path_join(a, folder, usual_names[i]);
        if (file_exists(path)) return path;
    }
    size_t n;
    char **list = folder_list(a, folder, &n), *only = NULL;
    for (size_t i = 0; i < n; i++) { // by any name, if it is the only one
        if (strcmp(path_extension(list[i]), "safetensors") != 0) continue;
        if (only) return NULL;
        only = list[i];
    }
    return only;
}

bool tensors_there(Arena *a, const char *folder) { return found_in(a, folder) != NULL; }

Tensors *tensors_open(Arena *a, const char *path) {
    Tensors *t = take_zero(a, Tensors, 1);
    t->arena = a;
    if (folder_exists(path)) {
        char *inside = found_in(a, path);
        need(inside, "%s: holds no model.safetensors, model.safetensors.index.json or pytorch_model.bin, nor one other .safetensors file", path);
        path = inside;
    }
    size_t n = strlen(path);
    if (n > 11 && strcmp(path + n - 11, ".index.json") == 0) {
        sharded_read(t, path);
        return t;
    }
    t->shards = take_zero(a, Shard, 1);
    t->shard_count = 1;
    shard_read(t, &t->shards[0], path, NULL, NULL);
    t->names = names_build(a, t->entries, sizeof *t->entries, t->count, path, "tensor");
    return t;
}

size_t tensors_count(const Tensors *t) { return t->count; }

const TensorEntry *tensors_at(const Tensors *t, size_t i) { return &t->entries[i]; }

const TensorEntry *tensors_find(const Tensors *t, const char *name) { return names_find(&t->names, name); }

const TensorEntry *tensors_need(const Tensors *t, const char *name) {
    const TensorEntry *e = tensors_find(t, name);
    if (e) return e;
    const char **names = take(t->arena, const char *, t->count);
    for (size_t i = 0; i < t->count; i++) names[i] = t->entries[i].name;
    const char *near = nearest_name(name, names, t->count), *path = t->shards[0].file.path;
    if (near) die("%s: holds no tensor \"%s\"; the nearest is \"%s\"", path, name, near);
    die("%s: holds no tensor \"%s\" among its %zu", path, name, t->count);
}

const char *tensors_metadata(const Tensors *t, const char *key) {
    const Json *v = t->shards[0].metadata ? json_get(t->shards[0].metadata, key) : NULL;
    return v ? v->text : NULL;
}

void tensors_close(Tensors *t) {
    for (size_t i = 0; i < t->shard_count; i++) file_unmap(t->shards[i].file);
}
