// large.c: files of any size, written piece by piece and read again, and the memory that reading took. See test/large.sh.
//
//     large make FORMAT PATH MIB        large read FORMAT PATH       FORMAT: safetensors, npz, pt, tar, csv, jsonl
//
// A streamed format may hold no more than a few of its own pieces. A mapped one is counted by its own pages (RssAnon):
// those of the file are the system's, which takes them back when it wants.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/json.h"
#include "io/lines.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/tar.h"
#include "io/torch_file.h"

#define PIECE ((size_t)16 << 20) // bytes of a tensor
#define MEMBER ((size_t)1 << 20) // bytes of a tar's member

static uint64_t sum; // of all bytes that were read
static long most_own;

static long status_kib(const char *key) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) kib = strtol(line + strlen(key) + 1, NULL, 10);
    fclose(f);
    return kib;
}

static void seen(const void *bytes, size_t size) {
    for (size_t i = 0; i + 8 <= size; i += 512) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)bytes + i, 8);
        sum += word;
    }
    long own = status_kib("RssAnon:");
    if (own > most_own) most_own = own;
}

// ---- writing

static const char *name_of(Arena *a, size_t i) { return arena_print(a, "tensor.%05zu", i); }

static void make_safetensors(Arena *a, const char *path, const uint8_t *piece, size_t count) {
    TensorPlan *plan = take_zero(a, TensorPlan, count);
    for (size_t i = 0; i < count; i++) plan[i] = (TensorPlan){.name = name_of(a, i), .dtype = DTYPE_F32, .ndim = 1, .shape = {(int64_t)(PIECE / 4)}};
    TensorsWriter *w = tensors_create(a, path, plan, count, NULL);
    for (size_t i = 0; i < count; i++) tensors_put(w, plan[i].name, piece, PIECE);
    tensors_finish(w);
}

static void make_npz(Arena *a, const char *path, const uint8_t *piece, size_t count) {
    NpzWriter *w = npz_create(a, path);
    for (size_t i = 0; i < count; i++) npz_put(w, name_of(a, i), DTYPE_F32, 1, (int64_t[]){(int64_t)(PIECE / 4)}, piece);
    npz_finish(w);
}

static void make_pt(Arena *a, const char *path, const uint8_t *piece, size_t count) {
    TorchWriter *w = torch_create(a, path);
    for (size_t i = 0; i < count; i++) {
        torch_tensor_begin(w, name_of(a, i), DTYPE_F32, 1, (int64_t[]){(int64_t)(PIECE / 4)});
        torch_tensor_put(w, piece, PIECE);
        torch_tensor_end(w);
    }
    torch_finish(w);
}

static void make_tar(const char *path, const uint8_t *piece, size_t count) {
    Writer *w = writer_open(path);
    for (size_t i = 0; i < count * (PIECE / MEMBER); i++) {
        char head[512] = {0};
        snprintf(head, 100, "%08zu.bin", i);
        snprintf(head + 100, 8, "%07o", 0644u);
        snprintf(head + 124, 12, "%011zo", MEMBER);
        memset(head + 148, ' ', 8);
        head[156] = '0';
        memcpy(head + 257, "ustar\0" "00", 8);
        unsigned total = 0;
        for (int k = 0; k < 512; k++) total += (uint8_t)head[k];
        snprintf(head + 148, 8, "%06o", total);
        writer_put(w, head, 512);
        writer_put(w, piece, MEMBER);
    }
    static const char end[1024];
    writer_put(w, end, sizeof end);
    writer_close(w);
}

static void make_rows(const char *path, size_t bytes, bool json) {
    Writer *w = writer_open(path);
    if (!json) writer_print(w, "id,caption,score\n");
    for (uint64_t i = 0; writer_offset(w) < bytes; i++) {
        if (json) writer_print(w, "{\"id\": %" PRIu64 ", \"caption\": \"a photo of a %" PRIu64 "\", \"scores\": [0.5, 1e-3]}\n", i, i % 977);
        else writer_print(w, "%" PRIu64 ",\"a photo, of a \"\"%" PRIu64 "\"\"\",0.5\n", i, i % 977);
    }
    writer_close(w);
}

static void make(Arena *a, const char *format, const char *path, size_t mib) {
    size_t count = (mib << 20) / PIECE;
    uint8_t *piece = take(a, uint8_t, PIECE);
    for (size_t i = 0; i < PIECE; i++) piece[i] = (uint8_t)(i * 2654435761u >> 13);
    if (strcmp(format, "safetensors") == 0) make_safetensors(a, path, piece, count);
    else if (strcmp(format, "npz") == 0) make_npz(a, path, piece, count);
    else if (strcmp(format, "pt") == 0) make_pt(a, path, piece, count);
    else if (strcmp(format, "tar") == 0) make_tar(path, piece, count);
    else make_rows(path, mib << 20, strcmp(format, "jsonl") == 0);
}

// ---- reading; each returns how many things there were

static size_t read_safetensors(Arena *a, const char *path) {
    Tensors *t = tensors_open(a, path);
    for (size_t i = 0; i < tensors_count(t); i++) seen(tensors_at(t, i)->bytes, tensors_at(t, i)->size);
    return tensors_count(t);
}

static size_t read_npz(Arena *a, const char *path) {
    Npz *z = npz_open(a, path);
    for (size_t i = 0; i < npz_count(z); i++) {
        Mark mark = arena_mark(a);
        Npy n = npz_read(a, z, npz_name(z, i));
        seen(n.data, n.size);
        arena_release(a, mark);
    }
    return npz_count(z);
}

static size_t read_pt(Arena *a, const char *path) {
    const TorchValue *v = torch_read(a, file_map(a, path));
    need(v->kind == TORCH_DICT, "%s: no dict", path);
    for (size_t i = 0; i < v->count; i++) {
        Mark mark = arena_mark(a);
        seen(torch_data(a, v->items[i]->tensor, path), v->items[i]->tensor->size);
        arena_release(a, mark);
    }
    return v->count;
}

static size_t read_tar(Arena *a, const char *path) {
    Tar *t = tar_open(a, path);
    Arena *samples = arena_new("samples");
    TarSample s;
    size_t n = 0;
    for (Mark mark = arena_mark(samples); tar_sample(samples, t, &s); n++, arena_release(samples, mark)) seen(s.parts[0].content.bytes, s.parts[0].content.size);
    return n;
}

static size_t read_csv(Arena *a, const char *path) {
    Csv *c = csv_open(a, path, ',');
    size_t n = 0;
    for (; csv_next(c); n++) sum += (uint64_t)csv_get_int(c, 0) + csv_length(c, 1);
    return n;
}

static size_t read_jsonl(Arena *a, const char *path) {
    Lines *l = lines_open(a, path);
    Arena *values = arena_new("values");
    size_t n = 0;
    const Json *v;
    for (Mark mark = arena_mark(values); (v = lines_json(values, l)); n++, arena_release(values, mark)) sum += (uint64_t)json_int(v, "id");
    return n;
}

static const struct {
    const char *name;
    size_t (*read)(Arena *a, const char *path);
    bool mapped;
    long most_kib; // own memory: a piece, buffers, the program
} formats[] = {{"safetensors", read_safetensors, true, 8 << 10}, {"npz", read_npz, true, 8 << 10}, {"pt", read_pt, true, 8 << 10},
               {"tar", read_tar, false, 16 << 10}, {"csv", read_csv, false, 8 << 10}, {"jsonl", read_jsonl, false, 8 << 10}};

int main(int argc, char **argv) {
    if (argc < 4 || (strcmp(argv[1], "make") == 0 && argc < 5)) die_usage("large make FORMAT PATH MIB, or large read FORMAT PATH");
    Arena *a = arena_new("large");
    if (strcmp(argv[1], "make") == 0) {
        make(a, argv[2], argv[3], strtoul(argv[4], NULL, 10));
        return 0;
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, argv[2]) != 0) continue;
        size_t n = formats[i].read(a, argv[3]);
        long peak = status_kib("VmHWM:"), own = formats[i].mapped ? most_own : peak;
        bool good = n > 0 && own <= formats[i].most_kib;
        printf("%s %s: %zu things, %ld KiB of memory of its own (allow %ld), %ld KiB at most%s\n", good ? "ok  " : "FAIL", argv[2], n, own, formats[i].most_kib, peak,
               formats[i].mapped ? " with the file's pages" : "");
        return !good;
    }
    die_usage("large read %s: no such format", argv[2]);
}
