// files.c: the input of a run as files that need no disk. The linker puts these in the place of
// io/file.c's own for callers in other files (-Wl,--wrap).
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define PLACED_MAX 8
#define DIR_LENGTH (sizeof FUZZ_DIR - 1)

typedef struct {
    const char *path;
    const uint8_t *bytes;
    size_t size;
} File;

static File files[PLACED_MAX + 1]; // the first is the input
static size_t file_count;

void fuzz_input(const uint8_t *bytes, size_t size) {
    files[0] = (File){FUZZ_PATH, bytes, size};
    file_count = 1;
}

void fuzz_place(const char *path, const void *bytes, size_t size) {
    need(file_count <= PLACED_MAX, "fuzz: more than %d files", PLACED_MAX);
    files[file_count++] = (File){path, bytes, size};
}

static const File *placed(const char *path) {
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0) return &files[i];
    return NULL;
}

static bool is_ours(const char *path) {
    return strncmp(path, FUZZ_DIR, DIR_LENGTH) == 0 && (path[DIR_LENGTH] == 0 || path[DIR_LENGTH] == '/');
}

// Wrapped functions have no header: only the linker knows them.
Bytes __real_file_map(Arena *a, const char *path);
Bytes __wrap_file_map(Arena *a, const char *path);
Bytes __real_file_read(Arena *a, const char *path);
Bytes __wrap_file_read(Arena *a, const char *path);
bool __real_file_exists(const char *path);
bool __wrap_file_exists(const char *path);
bool __real_folder_exists(const char *path);
bool __wrap_folder_exists(const char *path);
char **__real_folder_list(Arena *a, const char *path, size_t *count);
char **__wrap_folder_list(Arena *a, const char *path, size_t *count);

Bytes __wrap_file_map(Arena *a, const char *path) {
    const File *f = placed(path);
    if (f) return (Bytes){.bytes = f->bytes, .size = f->size, .path = f->path};
    need(!is_ours(path), "%s: cannot be opened", path);
    return __real_file_map(a, path);
}

void __wrap_file_unmap(Bytes b);
void __wrap_file_unmap(Bytes b) { (void)b; }

Bytes __wrap_file_read(Arena *a, const char *path) {
    const File *f = placed(path);
    if (f) return (Bytes){(const uint8_t *)arena_text(a, (const char *)f->bytes, f->size), f->size, f->path};
    need(!is_ours(path), "%s: cannot be opened", path);
    return __real_file_read(a, path);
}

bool __wrap_file_exists(const char *path) {
    return placed(path) || (!is_ours(path) && __real_file_exists(path));
}

bool __wrap_folder_exists(const char *path) {
    return strcmp(path, FUZZ_DIR) == 0 || (!is_ours(path) && __real_folder_exists(path));
}

char **__wrap_folder_list(Arena *a, const char *path, size_t *count) {
    if (strcmp(path, FUZZ_DIR) != 0) return __real_folder_list(a, path, count);
    char **names = take(a, char *, file_count);
    *count = 0;
    for (size_t i = 1; i < file_count; i++)
        names[(*count)++] = arena_text(a, files[i].path, strlen(files[i].path));
    return names;
}

// A reader over a file; there is one at a time. Pieces of 1, 2, 3 … 61, 1, 2 … bytes, in memory of their own size.
static struct {
    const File *file;
    size_t at, piece_at, piece_size, next;
    uint8_t *piece;
} reader;

Reader *__wrap_reader_open(const char *path);
const char *__wrap_reader_path(const Reader *r);
size_t __wrap_reader_peek(Reader *r, const uint8_t **bytes);
void __wrap_reader_pass(Reader *r, size_t size);
size_t __wrap_reader_read(Reader *r, void *out, size_t size);
bool __wrap_reader_skip(Reader *r, uint64_t size);
void __wrap_reader_go(Reader *r, uint64_t offset);
uint64_t __wrap_reader_offset(const Reader *r);
bool __wrap_reader_size(const Reader *r, uint64_t *size);
void __wrap_reader_close(Reader *r);

static void piece_drop(void) {
    free(reader.piece);
    reader.piece = NULL;
    reader.piece_at = reader.piece_size = 0;
}

Reader *__wrap_reader_open(const char *path) {
    piece_drop();
    reader.file = placed(path);
    need(reader.file, "%s: cannot be opened", path);
    reader.at = 0;
    reader.next = reader.file->size % 61;
    return (Reader *)(uintptr_t)&reader;
}

const char *__wrap_reader_path(const Reader *r) { return reader.file->path; }

size_t __wrap_reader_peek(Reader *r, const uint8_t **bytes) {
    if (reader.piece_at == reader.piece_size) {
        piece_drop();
        size_t left = reader.file->size - reader.at, n = reader.next++ % 61 + 1;
        if (n > left) n = left;
        if (n == 0) return 0;
        reader.piece = malloc(n);
        memcpy(reader.piece, reader.file->bytes + reader.at, n);
        reader.piece_size = n;
        reader.at += n;
    }
    *bytes = reader.piece + reader.piece_at;
    return reader.piece_size - reader.piece_at;
}

void __wrap_reader_pass(Reader *r, size_t size) { reader.piece_at += size; }

size_t __wrap_reader_read(Reader *r, void *out, size_t size) {
    size_t done = 0;
    const uint8_t *bytes;
    for (size_t n; done < size && (n = __wrap_reader_peek(r, &bytes)) > 0; done += n) {
        if (n > size - done) n = size - done;
        memcpy((uint8_t *)out + done, bytes, n);
        __wrap_reader_pass(r, n);
    }
    return done;
}

uint64_t __wrap_reader_offset(const Reader *r) { return reader.at - (reader.piece_size - reader.piece_at); }

bool __wrap_reader_skip(Reader *r, uint64_t size) {
    uint64_t at = __wrap_reader_offset(r);
    if (size > reader.file->size - at) return false;
    piece_drop();
    reader.at = (size_t)(at + size);
    return true;
}

void __wrap_reader_go(Reader *r, uint64_t offset) {
    piece_drop();
    reader.at = (size_t)offset;
}

bool __wrap_reader_size(const Reader *r, uint64_t *size) {
    *size = reader.file->size;
    return reader.file->size % 2; // every other input comes through a pipe
}

void __wrap_reader_close(Reader *r) { piece_drop(); }
