// safetensors.c: see safetensors.h.
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "option.h" // nearest_name

#define HEADER_MAX 100000000 // bytes; the reference's limit
#define NAME_MAX_BYTES 1024
#define COUNT_MAX 1000000

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
    uint32_t *index, index_mask;
};

static uint32_t hash(const char *s) {
    uint32_t h = 2166136261u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
    return h ^ h >> 15;
}

static uint64_t whole(const Json *v, const char *path, const char *name, const char *what) {
    need(v->kind == JSON_NUMBER && v->integral && v->integer >= 0, "%s: tensor \"%s\": %s is no whole number", path, name, what);
    return (uint64_t)v->integer;
}

// One header entry, checked against the data's size. Returns its first byte.
static uint64_t entry_read(TensorEntry *e, const Json *v, const char *name, size_t name_length, Bytes file, uint64_t data_at, const char *path) {
    uint64_t data_size = file.size - data_at;
    need(name_length <= NAME_MAX_BYTES && strlen(name) == name_length, "%s: a tensor's name of %zu bytes, or with a zero byte in it", path, name_length);
    need(v->kind == JSON_OBJECT && v->count == 3, "%s: tensor \"%s\": dtype, shape and data_offsets are wanted", path, name);
    const Json *dtype = json_get(v, "dtype"), *shape = json_get(v, "shape"), *offsets = json_get(v, "data_offsets");
    need(dtype && shape && offsets && dtype->kind == JSON_TEXT && shape->kind == JSON_ARRAY && offsets->kind == JSON_ARRAY && offsets->count == 2,
         "%s: tensor \"%s\": dtype, shape and data_offsets are wanted", path, name);
    int d = dtype_find(dtype->text, dtype->length);
    need(d >= 0, "%s: tensor \"%s\" has the unknown type \"%.40s\"", path, name, dtype->text);
    need(shape->count <= TENSOR_RANK_MAX, "%s: tensor \"%s\" has %zu dimensions; at most %d are possible", path, name, shape->count, TENSOR_RANK_MAX);
    *e = (TensorEntry){.name = name, .dtype = (Dtype)d, .ndim = (int)shape->count, .path = path};
    uint64_t elements = 1, bits;
    for (size_t i = 0; i < shape->count; i++) {
        e->shape[i] = (int64_t)whole(&shape->items[i], path, name, "a dimension");
        need(!__builtin_mul_overflow(elements, (uint64_t)e->shape[i], &elements), "%s: tensor \"%s\" is larger than any file", path, name);
    }
    uint64_t begin = whole(&offsets->items[0], path, name, "an offset"), end = whole(&offsets->items[1], path, name, "an offset");
    need(!__builtin_mul_overflow(elements, (uint64_t)dtype_bits(e->dtype), &bits) && bits % 8 == 0,
         "%s: tensor \"%s\" does not end on a whole byte, or is larger than any file", path, name);
    need(begin <= end && end <= data_size, "%s: tensor \"%s\" lies at bytes %llu to %llu of %llu: the file is cut off or damaged", path, name,
         (unsigned long long)begin, (unsigned long long)end, (unsigned long long)data_size);
    need(end - begin == bits / 8, "%s: tensor \"%s\" has %llu bytes, its shape and type want %llu", path, name, (unsigned long long)(end - begin),
         (unsigned long long)(bits / 8));
    e->size = (size_t)(end - begin);
    e->bytes = file.bytes + data_at + begin;
    return begin;
}

static int by_place(const void *a, const void *b) {
    const TensorEntry *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1; // empty ones first
    return strcmp(x->name, y->name);
}

// Maps one file and appends its entries; with `index`, only those that the index assigns to this file.
static void shard_read(Tensors *t, Shard *s, const char *path, const Json *weight_map, const char *file_name) {
    s->file = file_map(t->arena, path);
    path = s->file.path;
    need(s->file.size >= 8, "%s: %zu bytes are no safetensors file", path, s->file.size);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | s->file.bytes[i];
    need(n <= HEADER_MAX, "%s: a header of %llu bytes; this is no safetensors file, or a damaged one", path, (unsigned long long)n);
    need(n <= s->file.size - 8, "%s: the header of %llu bytes is cut off: the file has %zu", path, (unsigned long long)n, s->file.size);
    need(n > 0 && s->file.bytes[8] == '{', "%s: the header does not begin with '{'; this is no safetensors file", path);
    const Json *header = json_parse(t->arena, (const char *)s->file.bytes + 8, (size_t)n, path);
    need(header->kind == JSON_OBJECT, "%s: the header is no object", path);
    need(header->count <= COUNT_MAX, "%s: %zu tensors; at most %d are possible", path, header->count, COUNT_MAX);
    if (t->count + header->count > t->room) {
        size_t room = (t->count + header->count) * 2;
        t->entries = arena_grow(t->arena, t->entries, t->count, room, sizeof *t->entries);
        t->room = room;
    }
    TensorEntry *all = take(t->arena, TensorEntry, header->count);
    size_t count = 0;
    for (size_t i = 0; i < header->count; i++) {
        const Json *v = &header->items[i];
        if (strcmp(header->keys[i], "__metadata__") == 0) {
            need(v->kind == JSON_OBJECT, "%s: __metadata__ is no object", path);
            for (size_t k = 0; k < v->count; k++) need(v->items[k].kind == JSON_TEXT, "%s: __metadata__ \"%s\" is no text", path, v->keys[k]);
            s->metadata = v;
            continue;
        }
        entry_read(&all[count++], v, header->keys[i], header->key_lengths[i], s->file, 8 + n, path);
    }
    qsort(all, count, sizeof *all, by_place);
    const uint8_t *at = s->file.bytes + 8 + n;
    for (size_t i = 0; i < count; i++) {
        need(all[i].bytes == at, "%s: tensor \"%s\" overlaps its neighbour or leaves a hole before it", path, all[i].name);
        at += all[i].size;
    }
    need(at == s->file.bytes + s->file.size, "%s: %zu bytes after the last tensor", path, (size_t)(s->file.bytes + s->file.size - at));
    for (size_t i = 0; i < count; i++) {
        if (weight_map) {
            const Json *m = json_get(weight_map, all[i].name);
            if (!m || m->kind != JSON_TEXT || strcmp(m->text, file_name) != 0) continue; // not this shard's by the index
        }
        t->entries[t->count++] = all[i];
    }
}

static void index_build(Tensors *t) {
    uint32_t room = 16;
    while (room < t->count * 2) room *= 2;
    t->index = take_zero(t->arena, uint32_t, room);
    t->index_mask = room - 1;
    for (size_t i = 0; i < t->count; i++) {
        uint32_t h = hash(t->entries[i].name) & t->index_mask;
        for (; t->index[h]; h = (h + 1) & t->index_mask) // within a file JSON refused twins already
            need(strcmp(t->entries[t->index[h] - 1].name, t->entries[i].name) != 0, "%s: tensor \"%s\" is also in %s", t->entries[i].path,
                 t->entries[i].name, t->entries[t->index[h] - 1].path);
        t->index[h] = (uint32_t)i + 1;
    }
}

// A shard's name must stay inside its folder, also through links.
static char *shard_path(Arena *a, const char *folder, const Json *name, const char *index_path) {
    need(name->kind == JSON_TEXT && name->length > 0 && strlen(name->text) == name->length && !strpbrk(name->text, "/\\") &&
             strcmp(name->text, ".") != 0 && strcmp(name->text, "..") != 0,
         "%s: \"%.80s\" is no plain file name", index_path, name->kind == JSON_TEXT ? name->text : "?");
    char *path = path_join(a, folder, name->text);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        // a hub's cache links blobs from a neighbour folder: accepted when the target is a regular file beside or two levels up
        char real_file[4096], real_folder[4096];
        if (realpath(path, real_file) && realpath(folder, real_folder)) {
            size_t keep = strlen(real_folder);
            for (int up = 0; up < 2 && keep > 1; up++)
                while (keep > 1 && real_folder[--keep] != '/') {}
            need(strncmp(real_file, real_folder, keep) == 0, "%s: %s is a link that leaves the model's folder", index_path, name->text);
        }
    }
    return path;
}

static void sharded_read(Tensors *t, const char *index_path) {
    Arena *a = t->arena;
    const Json *index = json_read(a, index_path), *map = json_get(index, "weight_map");
    need(map && map->kind == JSON_OBJECT && map->count > 0, "%s: \"weight_map\" is missing or empty", index_path);
    const char *slash = strrchr(index_path, '/');
    char *folder = slash ? arena_text(a, index_path, (size_t)(slash - index_path)) : arena_text(a, ".", 1);
    const Json **files = take(a, const Json *, map->count);
    size_t n = 0;
    for (size_t i = 0; i < map->count; i++) {
        size_t j = n; // consecutive tensors usually share a shard: search from the end
        while (j > 0 && (files[j - 1]->length != map->items[i].length || map->items[i].kind != JSON_TEXT || strcmp(files[j - 1]->text, map->items[i].text) != 0)) j--;
        if (j == 0) {
            shard_path(a, folder, &map->items[i], index_path);
            files[n++] = &map->items[i];
        }
    }
    t->shards = take_zero(a, Shard, n);
    for (size_t j = 0; j < n; j++) shard_read(t, &t->shards[t->shard_count++], shard_path(a, folder, files[j], index_path), map, files[j]->text);
    index_build(t);
    for (size_t i = 0; i < map->count; i++)
        need(tensors_find(t, map->keys[i]), "%s: tensor \"%s\" is not in %s, where the index places it", index_path, map->keys[i], map->items[i].text);
}

static const char *const base_names[] = {"model", "diffusion_pytorch_model", "open_clip_model"};

static char *found_in(Arena *a, const char *folder) {
    for (size_t i = 0; i < 3; i++) {
        char *single = arena_print(a, "%s/%s.safetensors", folder, base_names[i]);
        if (file_exists(single)) return single;
        char *index = arena_print(a, "%s/%s.safetensors.index.json", folder, base_names[i]);
        if (file_exists(index)) return index;
    }
    return NULL;
}

bool tensors_there(Arena *a, const char *folder) { return found_in(a, folder) != NULL; }

Tensors *tensors_open(Arena *a, const char *path) {
    Tensors *t = take_zero(a, Tensors, 1);
    t->arena = a;
    if (folder_exists(path)) {
        char *inside = found_in(a, path);
        need(inside, "%s: holds no model.safetensors and no model.safetensors.index.json", path);
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
    index_build(t);
    return t;
}

size_t tensors_count(const Tensors *t) { return t->count; }

const TensorEntry *tensors_at(const Tensors *t, size_t i) { return &t->entries[i]; }

const TensorEntry *tensors_find(const Tensors *t, const char *name) {
    for (uint32_t h = hash(name) & t->index_mask; t->index[h]; h = (h + 1) & t->index_mask)
        if (strcmp(t->entries[t->index[h] - 1].name, name) == 0) return &t->entries[t->index[h] - 1];
    return NULL;
}

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

// ---- writing

typedef struct {
    TensorPlan plan;
    uint64_t begin, size, put;
} Slot;

struct TensorsWriter {
    Writer *file;
    const char *path;
    Slot *slots;
    size_t count;
    uint64_t data_at, at; // where the data begins; where the next sequential byte goes
};

static int by_size_and_name(const void *a, const void *b) {
    const Slot *x = a, *y = b;
    int bx = dtype_bits(x->plan.dtype), by = dtype_bits(y->plan.dtype);
    return bx != by ? (bx > by ? -1 : 1) : strcmp(x->plan.name, y->plan.name);
}

TensorsWriter *tensors_create(Arena *a, const char *path, const TensorPlan *plan, size_t count, const char *const *metadata) {
    TensorsWriter *w = take_zero(a, TensorsWriter, 1);
    w->path = arena_text(a, path, strlen(path));
    w->slots = take_zero(a, Slot, count);
    w->count = count;
    for (size_t i = 0; i < count; i++) w->slots[i].plan = plan[i];
    qsort(w->slots, count, sizeof *w->slots, by_size_and_name);
    JsonOut *o = json_out(a, 0);
    json_open(o, NULL, '{');
    if (metadata && metadata[0]) {
        json_open(o, "__metadata__", '{');
        for (size_t i = 0; metadata[i]; i += 2) json_put_text(o, metadata[i], metadata[i + 1]);
        json_close(o);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        Slot *s = &w->slots[i];
        uint64_t size = dtype_size(s->plan.dtype);
        json_open(o, s->plan.name, '{');
        json_put_text(o, "dtype", dtype_name(s->plan.dtype));
        json_open(o, "shape", '[');
        for (int d = 0; d < s->plan.ndim; d++) {
            json_put_int(o, NULL, s->plan.shape[d]);
            size = size_mul(size, (size_t)s->plan.shape[d], path);
        }
        json_close(o);
        json_open(o, "data_offsets", '[');
        json_put_int(o, NULL, (int64_t)at);
        json_put_int(o, NULL, (int64_t)(at + size));
        json_close(o);
        json_close(o);
        s->begin = at;
        s->size = size;
        at += size;
    }
    json_close(o);
    size_t n;
    const char *text = json_done(o, &n);
    size_t padded = (n + 7) / 8 * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    w->file = writer_open(path);
    writer_put(w->file, length, 8);
    writer_put(w->file, text, n);
    writer_put(w->file, "        ", padded - n);
    w->data_at = 8 + padded;
    return w;
}

// Sequential data is appended; anything else fills the file with zeros up to its place and is patched in.
void tensors_put(TensorsWriter *w, const char *name, const void *bytes, size_t size) {
    Slot *s = NULL;
    for (size_t i = 0; i < w->count && !s; i++)
        if (strcmp(w->slots[i].plan.name, name) == 0) s = &w->slots[i];
    need(s, "%s: the tensor \"%s\" was not announced", w->path, name);
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
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i].put != w->slots[i].size) {
            writer_drop(w->file);
            die("%s: \"%s\" got %llu of its %llu bytes", w->path, w->slots[i].plan.name, (unsigned long long)w->slots[i].put,
                (unsigned long long)w->slots[i].size);
        }
    writer_close(w->file);
}
