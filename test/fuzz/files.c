// files.c: the input of a run as a file that needs no disk. The linker puts these in the place of io/file.c's own for
// callers in other files (-Wl,--wrap).
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static struct {
    const uint8_t *bytes;
    size_t size;
} input;

void fuzz_input(const uint8_t *bytes, size_t size) { input.bytes = bytes, input.size = size; }

// Wrapped functions have no header: only the linker knows them.
Bytes __real_file_map(Arena *a, const char *path);
Bytes __wrap_file_map(Arena *a, const char *path);
Bytes __wrap_file_map(Arena *a, const char *path) {
    if (strcmp(path, FUZZ_PATH) != 0) return __real_file_map(a, path);
    return (Bytes){.bytes = input.bytes, .size = input.size, .path = FUZZ_PATH};
}

void __wrap_file_unmap(Bytes b);
void __wrap_file_unmap(Bytes b) { (void)b; }

// A reader over the input; there is one at a time. Pieces of 1, 2, 3 … 61, 1, 2 … bytes, in memory of their own size.
static struct {
    size_t at, piece_at, piece_size, next;
    uint8_t *piece;
} reader;

Reader *__wrap_reader_open(const char *path);
const char *__wrap_reader_path(const Reader *r);
size_t __wrap_reader_peek(Reader *r, const uint8_t **bytes);
void __wrap_reader_pass(Reader *r, size_t size);
size_t __wrap_reader_read(Reader *r, void *out, size_t size);
bool __wrap_reader_skip(Reader *r, uint64_t size);
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
    reader.at = 0;
    reader.next = input.size % 61;
    return (Reader *)(uintptr_t)&reader;
}

const char *__wrap_reader_path(const Reader *r) { return FUZZ_PATH; }

size_t __wrap_reader_peek(Reader *r, const uint8_t **bytes) {
    if (reader.piece_at == reader.piece_size) {
        piece_drop();
        size_t left = input.size - reader.at, n = reader.next++ % 61 + 1;
        if (n > left) n = left;
        if (n == 0) return 0;
        reader.piece = malloc(n);
        memcpy(reader.piece, input.bytes + reader.at, n);
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
    if (size > input.size - at) return false;
    piece_drop();
    reader.at = (size_t)(at + size);
    return true;
}

bool __wrap_reader_size(const Reader *r, uint64_t *size) {
    *size = input.size;
    return input.size % 2; // every other input comes through a pipe
}

void __wrap_reader_close(Reader *r) { piece_drop(); }
