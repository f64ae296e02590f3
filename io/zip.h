// zip.h: archives of .npz and .pt files: stored and deflated entries, zip64.
//
// Sizes and offsets come from the central directory only: numpy and torch leave them out of the headers before the data.
#ifndef RETINA_IO_ZIP_H
#define RETINA_IO_ZIP_H

#include <stdbool.h>

#include "file.h"

typedef struct {
    const char *name;
    uint64_t size, packed, header_at;
    uint32_t crc;
    uint16_t method, flags; // method 0: stored, 8: deflated
} ZipEntry;

typedef struct Zip Zip;
bool zip_is(Bytes file); // begins as an archive does
Zip *zip_open(Arena *a, Bytes file);
size_t zip_count(const Zip *z);
const ZipEntry *zip_at(const Zip *z, size_t i); // in the directory's order
const ZipEntry *zip_find(const Zip *z, const char *name); // NULL: not there
const uint8_t *zip_data(const Zip *z, const ZipEntry *e); // where its bytes, as they are stored, lie in the file
// Its content: in place when it is stored, inflated into the arena otherwise. Checks the CRC-32, except where it is 0:
// torch can be told to leave it out.
Bytes zip_read(Arena *a, const Zip *z, const ZipEntry *e);

// Entries are written stored, one after the other, each with its size known before. `align`: the data begins at a
// multiple of it (a power of two).
typedef struct ZipWriter ZipWriter;
ZipWriter *zip_create(Arena *a, const char *path);
void zip_begin(ZipWriter *w, const char *name, uint64_t size, unsigned align);
void zip_put(ZipWriter *w, const void *bytes, size_t size);
void zip_end(ZipWriter *w); // dies unless exactly `size` bytes were put
void zip_add(ZipWriter *w, const char *name, const void *bytes, size_t size, unsigned align); // begin, put, end
void zip_finish(ZipWriter *w);

#endif
