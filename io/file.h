// file.h: files as bytes. Read whole or mapped; written beside and renamed into place, so that a
// reader never sees half a file and a failure leaves nothing behind.
#ifndef RETINA_IO_FILE_H
#define RETINA_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

typedef struct {
    const uint8_t *bytes;
    size_t size;
    const char *path; // for messages
} Bytes;

Bytes file_map(Arena *a, const char *path);  // read-only mapping, in huge pages where the system has them, for the life of the process or until file_unmap
void file_unmap(Bytes b);
Bytes file_read(Arena *a, const char *path); // a copy in the arena, followed by one 0 byte; "-" is stdin

bool file_exists(const char *path);
bool folder_exists(const char *path);
void folder_make(const char *path); // with all missing parents
// Names in a folder, sorted by byte order, without . and ..; full paths. *count receives how many.
char **folder_list(Arena *a, const char *path, size_t *count);

bool folder_same(const char *a, const char *b); // both are there, and one folder
// What is shipped with the program, as data/zoo/clip: from the present folder, else from the program's own or, once
// installed, from share/retina beside its bin; the path itself where none has it.
char *file_shipped(Arena *a, const char *path);

char *path_join(Arena *a, const char *folder, const char *name);
const char *path_name(const char *path);      // after the last '/'
char *path_folder(Arena *a, const char *path); // before it; "" where there is none, "/" of "/a"
char *path_stem(Arena *a, const char *path);  // name without its last extension
char *path_quoted(Arena *a, const char *path); // as one word of a shell
const char *path_extension(const char *path); // after the last '.' of the name, or ""

// From front to back through one buffer: any size, pipes too.
typedef struct Reader Reader;
Reader *reader_open(const char *path); // "-" is stdin
const char *reader_path(const Reader *r);
size_t reader_peek(Reader *r, const uint8_t **bytes); // what is there without waiting for more; 0 at the end
void reader_pass(Reader *r, size_t size);             // that many of the bytes just seen
size_t reader_read(Reader *r, void *out, size_t size); // less than `size` only at the end
bool reader_skip(Reader *r, uint64_t size);           // false: it ends before
void reader_go(Reader *r, uint64_t offset);           // the next byte is that one; dies for pipes
uint64_t reader_offset(const Reader *r);
bool reader_size(const Reader *r, uint64_t *size); // of the whole file; false for pipes, which do not say
void reader_close(Reader *r);

typedef struct Writer Writer;
Writer *writer_open(const char *path); // PATH.tmp.… until writer_close (temporary.h); parents are made
void writer_put(Writer *w, const void *bytes, size_t size);
void writer_print(Writer *w, const char *format, ...) PRINTF_LIKE(2, 3);
void writer_patch(Writer *w, uint64_t offset, const void *bytes, size_t size); // overwrite what was put before
uint64_t writer_offset(const Writer *w);
void writer_close(Writer *w); // flush, fsync, rename; dies if any of it failed
void writer_drop(Writer *w);  // give up: the file never appears

void file_write(const char *path, const void *bytes, size_t size);
// The same without waiting for the disk: for files that can be made again at once.
void file_draft(const char *path, const void *bytes, size_t size);

#endif
