// test_safetensors.c: files of the reference read and written to the same bytes; every rule of the format broken once;
// shards by index; a header of 10^6 tensors.
//
// Caught when broken on purpose: types ordered by size only; a header padded to 16; holes between tensors let through;
// the index read as "any shard will do"; links followed out of the folder.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static void test_kinds(Arena *a) {
    Tensors *t = tensors_open(a, GOLDEN "kinds.safetensors");
    check(tensors_count(t) == 17, "kinds: 17 tensors");
    check_text("kinds: metadata", tensors_metadata(t, "format"), "pt");
    check(tensors_metadata(t, "nothing") == NULL, "kinds: metadata that is not there");
    const TensorEntry *e = tensors_need(t, "a.0.float32");
    check(e->dtype == DTYPE_F32 && e->ndim == 2 && e->shape[0] == 2 && e->shape[1] == 3 && e->size == 24, "kinds: type and shape");
    float want[6];
    for (int i = 0; i < 6; i++) want[i] = (float)((i * 37) % 101 - 50);
    check_same("kinds: float32 bytes", e->bytes, want, sizeof want);
    check(tensors_need(t, "z.scalar")->ndim == 0 && tensors_need(t, "z.scalar")->size == 4, "kinds: a scalar");
    e = tensors_need(t, "z.empty");
    check(e->ndim == 3 && e->shape[1] == 0 && e->size == 0, "kinds: no elements");
    check(tensors_find(t, "odd \"name\"\\\n\u00e9") != NULL, "kinds: a name with escapes");
    check(tensors_find(t, "a.0.float3") == NULL && tensors_find(t, "") == NULL, "kinds: names that are not there");
    check_dies("kinds: nearest name", "the nearest is \"a.0.float32\"") tensors_need(t, "a.0.float23");
    check_dies("kinds: no near name", "no tensor \"zebra\" among its 17") tensors_need(t, "zebra");
    check(tensors_need(tensors_open(a, GOLDEN "float8.safetensors"), "f8")->dtype == DTYPE_F8_E4M3, "float8: known by name");

    // the same tensors, announced in the order of another alphabet, put last to first: the reference's own bytes
    size_t n = tensors_count(t);
    TensorPlan *plan = take(a, TensorPlan, n);
    for (size_t i = 0; i < n; i++) {
        const TensorEntry *from = tensors_at(t, (i * 5 + 3) % n);
        plan[i] = (TensorPlan){.name = from->name, .dtype = from->dtype, .ndim = from->ndim};
        memcpy(plan[i].shape, from->shape, sizeof plan[i].shape);
    }
    const char *path = scratch_path(a, "again.safetensors");
    TensorsWriter *w = tensors_create(a, path, plan, n, (const char *[]){"format", "pt", NULL});
    for (size_t i = n; i-- > 0;) {
        const TensorEntry *from = tensors_at(t, i);
        size_t half = from->size / 2;
        tensors_put(w, from->name, from->bytes, half);
        tensors_put(w, from->name, from->bytes + half, from->size - half);
    }
    tensors_finish(w);
    Bytes ours = file_read(a, path), theirs = file_read(a, GOLDEN "kinds.safetensors");
    check(ours.size == theirs.size, "written again: %zu bytes, the reference %zu", ours.size, theirs.size);
    if (ours.size == theirs.size) check_same("written again", ours.bytes, theirs.bytes, ours.size);

    TensorPlan one = {.name = "x", .dtype = DTYPE_F32, .ndim = 1, .shape = {3}};
    w = tensors_create(a, path, &one, 1, NULL);
    tensors_put(w, "x", want, 8);
    check_dies("too much data", "more data for \"x\"") tensors_put(w, "x", want, 8);
    check_dies("too little data", "\"x\" got 8 of its 12 bytes") tensors_finish(w);
    check_same("an unfinished file leaves the old one", file_read(a, path).bytes, theirs.bytes, theirs.size);
    TensorPlan twins[2] = {one, one};
    check_dies("two of a name", "\"x\" is there twice") tensors_create(a, path, twins, 2, NULL);
    tensors_close(t);
}

// A file of this header with `data` bytes after it; `claimed` < 0: the header's true length.
static const char *file_of(Arena *a, const char *header, size_t header_size, size_t data, long long claimed) {
    uint64_t n = claimed < 0 ? header_size : (uint64_t)claimed;
    uint8_t *b = take_zero(a, uint8_t, 8 + header_size + data);
    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(n >> (8 * i));
    memcpy(b + 8, header, header_size);
    return scratch_file(a, "broken.safetensors", b, 8 + header_size + data);
}

static void refused(Arena *a, const char *header, size_t data, const char *part) {
    const char *path = file_of(a, header, strlen(header), data, -1);
    check_dies(header, part) tensors_open(a, path);
}

static void accepted(Arena *a, const char *header, size_t data, size_t count) {
    check(tensors_count(tensors_open(a, file_of(a, header, strlen(header), data, -1))) == count, "%s", header);
}

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void test_rules(Arena *a) {
    accepted(a, "{}", 0, 0);
    accepted(a, "{\"a\":" T("F32", "1", "0,4") "}    ", 4, 1);
    accepted(a, "{ \"a\" : { \"data_offsets\" : [ 0 , 4 ] , \"shape\" : [ ] , \"dtype\" : \"F32\" } }", 4, 1);
    accepted(a, "{\"a\":" T("F4", "4", "0,2") ",\"b\":" T("F32", "0,9223372036854775807", "2,2") "}", 2, 2);
    accepted(a, "{\"b\":" T("U8", "1", "3,4") ",\"a\":" T("U8", "3", "0,3") ",\"__metadata__\":{}}", 4, 2);
    // rule 1: sizes
    check_dies("no bytes", "no safetensors file") tensors_open(a, scratch_file(a, "x", "", 0));
    check_dies("seven bytes", "no safetensors file") tensors_open(a, scratch_file(a, "x", "1234567", 7));
    check_dies("no header", "does not begin with '{'") tensors_open(a, file_of(a, "", 0, 0, -1));
    check_dies("a longer header", "is cut off") tensors_open(a, file_of(a, "{}", 2, 0, 3));
    check_dies("a huge header", "no safetensors file, or a damaged one") tensors_open(a, file_of(a, "{}", 2, 0, 0x7fffffffffffffff));
    check_dies("10^8 + 1", "no safetensors file, or a damaged one") tensors_open(a, file_of(a, "{}", 2, 0, 100000001));
    // rule 2: the text
    refused(a, " {}", 0, "does not begin with '{'");
    refused(a, "{}x", 0, "more text after the header");
    check_dies("a zero byte after the header", "more text after the header") tensors_open(a, file_of(a, "{}\0", 3, 0, -1));
    refused(a, "{\"a\":" T("F32", "1", "0,4"), 4, "no ','");
    refused(a, "{\"a\":" T("F32", "1", "0,4") ",}", 4, "no text");
    refused(a, "{\"a\":" T("F32", "1", "0,4") ",\"a\":" T("F32", "1", "4,8") "}", 8, "\"a\" is there twice");
    refused(a, "{\"a\\u0000\":" T("F32", "1", "0,4") "}", 4, "a zero byte in it");
    refused(a, "{\"\xff\":" T("F32", "1", "0,4") "}", 4, "not UTF-8");
    refused(a, "{\"a\":" T("F32", "1.0", "0,4") "}", 4, "no ','");
    refused(a, "{\"a\":" T("F32", "-1", "0,4") "}", 4, "no whole number");
    refused(a, "{\"a\":" T("F32", "-0", "0,0") "}", 0, "no whole number");
    refused(a, "{\"a\":" T("F32", "01", "0,4") "}", 4, "leading zero");
    refused(a, "{\"a\":" T("F32", "1e0", "0,4") "}", 4, "no ','");
    refused(a, "{\"a\":" T("F32", "18446744073709551616", "0,4") "}", 4, "beyond 64 bits");
    refused(a, "{\"a\":" T("F32", "NaN", "0,4") "}", 4, "no whole number");
    refused(a, "{\"a\":" T("F32", "[1]", "0,4") "}", 4, "no whole number");
    refused(a, "{\"a\":null}", 4, "no '{'");
    refused(a, "{\"__metadata__\":{\"a\":1}}", 0, "is no text");
    accepted(a, "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, 0); // the last one counts
    accepted(a, "{\"__metadata__\":null,\"a\":" T("F8_E4M3FNUZ", "2", "0,2") ",\"b\":" T("F8_E5M2FNUZ", "1", "2,3") "}", 3, 2);
    refused(a, "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    // rule 3: each tensor
    refused(a, "{\"a\":" T("F33", "1", "0,4") "}", 4, "unknown type \"F33\"");
    refused(a, "{\"a\":" T("F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, "more than 8 numbers");
    refused(a, "{\"a\":" T("F32", "1", "0,4,8") "}", 4, "more than 2 numbers");
    refused(a, "{\"a\":" T("F32", "1", "4") "}", 4, "wants two numbers");
    refused(a, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "dtype, shape and data_offsets are wanted");
    refused(a, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "or there twice");
    refused(a, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "\"x\" is unknown");
    refused(a, "{\"a\":" T("F32", "4294967296,4294967296", "0,4") "}", 4, "larger than any file");
    refused(a, "{\"a\":" T("F32", "4611686018427387904", "0,0") "}", 0, "larger than any file");
    refused(a, "{\"a\":" T("F4", "3", "0,1") "}", 1, "whole byte");
    refused(a, "{\"a\":" T("F32", "1", "4,0") "}", 4, "bytes 4 to 0");
    refused(a, "{\"a\":" T("F32", "2", "0,4") "}", 4, "has 4 bytes, its shape and type want 8");
    refused(a, "{\"a\":" T("F32", "2", "0,8") "}", 4, "cut off or damaged");
    refused(a, "{\"a\":" T("F32", "1", "18446744073709551612,18446744073709551615") "}", 4, "cut off or damaged");
    // rule 4: the whole buffer, once
    refused(a, "{\"a\":" T("F32", "1", "1,5") "}", 5, "overlaps its neighbour or leaves a hole");
    refused(a, "{\"a\":" T("F32", "1", "0,4") ",\"b\":" T("F32", "1", "5,9") "}", 9, "leaves a hole");
    refused(a, "{\"a\":" T("F32", "1", "0,4") ",\"b\":" T("F32", "1", "0,4") "}", 4, "overlaps");
    refused(a, "{\"a\":" T("F32", "1", "0,4") "}", 5, "1 bytes after the last tensor");
    char *name = take_zero(a, char, 1100), *header;
    memset(name, 'n', 1025);
    header = arena_print(a, "{\"%s\":" T("F32", "1", "0,4") "}", name);
    refused(a, header, 4, "name of 1025 bytes");
}

static void put_shard(Arena *a, const char *name, const char *const *names, size_t n, float first) {
    TensorPlan plan[4] = {0};
    for (size_t i = 0; i < n; i++) plan[i] = (TensorPlan){.name = names[i], .dtype = DTYPE_F32, .ndim = 1, .shape = {1}};
    TensorsWriter *w = tensors_create(a, scratch_path(a, name), plan, n, NULL);
    for (size_t i = 0; i < n; i++) {
        float v = first + (float)i;
        tensors_put(w, names[i], &v, sizeof v);
    }
    tensors_finish(w);
}

static const char *index_of(Arena *a, const char *map) {
    char *text = arena_print(a, "{\"metadata\": {\"total_size\": 1e3}, \"weight_map\": {%s}}", map);
    scratch_file(a, "m/model.safetensors.index.json", text, strlen(text));
    return scratch_path(a, "m");
}

static float value_of(const Tensors *t, const char *name) {
    float v;
    memcpy(&v, tensors_need(t, name)->bytes, sizeof v);
    return v;
}

static void test_shards(Arena *a) {
    put_shard(a, "m/s1", (const char *[]){"a", "b"}, 2, 1);
    put_shard(a, "m/s2", (const char *[]){"b", "c", "d"}, 3, 10);
    put_shard(a, "outside", (const char *[]){"e"}, 1, 100);
    const char *dir = index_of(a, "\"c\": \"s2\", \"a\": \"s1\", \"b\": \"s2\"");
    check(tensors_there(a, dir), "shards: found in the folder");
    Tensors *t = tensors_open(a, dir);
    check(tensors_count(t) == 3, "shards: what the index does not list is left out");
    check(value_of(t, "a") == 1 && value_of(t, "b") == 10 && value_of(t, "c") == 11, "shards: each from its own file");
    check_text("shards: order", arena_print(a, "%s%s%s", tensors_at(t, 0)->name, tensors_at(t, 1)->name, tensors_at(t, 2)->name), "abc");
    tensors_close(t);
    check_dies("shards: not in its file", "\"d\" is not in s1") tensors_open(a, index_of(a, "\"d\": \"s1\", \"c\": \"s2\""));
    check_dies("shards: no such file", "s3: cannot be opened") tensors_open(a, index_of(a, "\"d\": \"s3\""));
    check_dies("shards: up", "no plain file name") tensors_open(a, index_of(a, "\"e\": \"../outside\""));
    check_dies("shards: '..'", "no plain file name") tensors_open(a, index_of(a, "\"e\": \"..\""));
    check_dies("shards: backslash", "no plain file name") tensors_open(a, index_of(a, "\"e\": \"a\\\\b\""));
    check_dies("shards: empty name", "no plain file name") tensors_open(a, index_of(a, "\"e\": \"\""));
    check_dies("shards: a zero byte", "given no file's name") tensors_open(a, index_of(a, "\"e\": \"s1\\u0000\""));
    check_dies("shards: a number", "given no file's name") tensors_open(a, index_of(a, "\"e\": 1"));
    check_dies("shards: empty map", "missing or empty") tensors_open(a, index_of(a, ""));
    check(symlink("../outside", scratch_path(a, "m/link")) == 0 && symlink("s1", scratch_path(a, "m/near")) == 0, "links made");
    check_dies("shards: a link out", "leaves the model's folder") tensors_open(a, index_of(a, "\"e\": \"link\""));
    check(tensors_count(tensors_open(a, index_of(a, "\"a\": \"near\""))) == 1, "shards: a link inside");
    // the cache of a hub: snapshots/COMMIT/… linked to blobs/…
    put_shard(a, "cache/blobs/0123", (const char *[]){"a"}, 1, 7);
    const char *map = "{\"weight_map\": {\"a\": \"s\"}}", *bad = "{\"weight_map\": {\"e\": \"o\"}}";
    scratch_file(a, "cache/snapshots/9f/unet/diffusion_pytorch_model.safetensors.index.json", map, strlen(map));
    check(symlink("../../../blobs/0123", scratch_path(a, "cache/snapshots/9f/unet/s")) == 0, "links made");
    check(value_of(tensors_open(a, scratch_path(a, "cache/snapshots/9f/unet")), "a") == 7, "shards: a hub's cache");
    scratch_file(a, "cache/snapshots/9f/model.safetensors.index.json", bad, strlen(bad));
    check(symlink("../../../outside", scratch_path(a, "cache/snapshots/9f/o")) == 0, "links made");
    check_dies("shards: out of a hub's cache", "leaves the model's folder") tensors_open(a, scratch_path(a, "cache/snapshots/9f"));
}

// What torch.save wrote, by the same calls.
static void test_torch(Arena *a) {
    Tensors *t = tensors_open(a, GOLDEN "checkpoint.pt");
    check(tensors_count(t) == 7 && strcmp(tensors_at(t, 0)->name, "0.weight") == 0 && strcmp(tensors_at(t, 6)->name, "1.num_batches_tracked") == 0,
          "torch: the state dict inside a checkpoint, in its order");
    check(tensors_metadata(t, "format") == NULL, "torch: no metadata");
    const TensorEntry *e = tensors_need(tensors_open(a, GOLDEN "views.pt"), "transposed");
    float want[60];
    for (int i = 0; i < 60; i++) want[i] = (float)(((i % 12 * 5 + i / 12) * 37 + 11) % 101 - 50);
    check(e->ndim == 3 && e->shape[0] == 5, "torch: a transposed view");
    check_same("torch: gathered", e->bytes, want, sizeof want);
    check_dies("torch: nothing in it", "holds a dict without tensors") tensors_open(a, GOLDEN "manifest.pt");
    check_dies("torch: a module", ", not a dict of tensors by their names; a state_dict() is wanted") tensors_open(a, GOLDEN "module.pt");
    Bytes b = file_read(a, GOLDEN "checkpoint.pt");
    scratch_file(a, "old/pytorch_model.bin", b.bytes, b.size);
    check(tensors_count(tensors_open(a, scratch_path(a, "old"))) == 7, "torch: pytorch_model.bin in a folder");
    scratch_file(a, "old/any.safetensors", "\2\0\0\0\0\0\0\0{}", 10);
    check(tensors_count(tensors_open(a, scratch_path(a, "old"))) == 7, "the usual name before any other");
    unlink(scratch_path(a, "old/pytorch_model.bin"));
    check(tensors_count(tensors_open(a, scratch_path(a, "old"))) == 0, "any name, if it is the only one");
    scratch_file(a, "old/other.safetensors", "\2\0\0\0\0\0\0\0{}", 10);
    check(!tensors_there(a, scratch_path(a, "old")), "two of them");
    check_dies("two of them", "nor one other .safetensors file") tensors_open(a, scratch_path(a, "old"));
    char *header = arena_print(a, "%-640s", "{\"a\":" T("F32", "1", "0,4") "}"); // 640 bytes: the file begins as some pickles do
    check(strlen(header) == 640, "a header of 640 bytes");
    accepted(a, header, 4, 1);
}

// 10^6 entries: time and memory a small multiple of the header's own size.
static void test_large(Arena *a) {
    enum { N = 1000000 };
    char *header = take(a, char, (size_t)N * 96);
    size_t n = 0;
    for (int i = 0; i < N; i++)
        n += (size_t)sprintf(header + n, "%c\"model.layers.%d.weight\":" T("U8", "1", "%d,%d"), i ? ',' : '{', i, i, i + 1);
    header[n++] = '}';
    const char *path = file_of(a, header, n, N, -1);
    Arena *own = arena_new("large header");
    double start = own_seconds();
    Tensors *t = tensors_open(own, path);
    double took = own_seconds() - start, ratio = (double)arena_peak(own) / (double)n;
    check(tensors_count(t) == N, "10^6 tensors: all there");
    check(tensors_find(t, "model.layers.765432.weight") - tensors_at(t, 0) == 765432, "10^6 tensors: found by name");
    check(ratio < 4, "10^6 tensors: memory %.2f times the header (allow 4)", ratio);
    check(took < 10, "10^6 tensors: opened in %.2f s (allow 10: linear)", took);
    check_dies("10^6 + 1 tensors", "more than 1000000") {
        n += (size_t)sprintf(header + n - 1, ",\"one more\":" T("U8", "1", "%d,%d") "}", N, N + 1) - 1;
        tensors_open(own, file_of(a, header, n, N + 1, -1));
    }
    tensors_close(t);
    arena_free(own);
}

int main(void) {
    Arena *a = arena_new("test");
    test_kinds(a);
    test_rules(a);
    test_shards(a);
    test_torch(a);
    test_large(a);
    arena_free(a);
    return check_end();
}
