// inflate.h: DEFLATE (RFC 1951), bare or in its zlib wrapping (RFC 1950). Used by PNG, zip, npz.
#ifndef RETINA_IO_INFLATE_H
#define RETINA_IO_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

typedef enum { INFLATE_RAW, INFLATE_ZLIB } InflateForm;

typedef struct {
    size_t written, used; // bytes put out, bytes of input taken
    size_t needed;        // bytes of input without which the fault could not be seen; all, if there is none
    bool ended;           // the stream came to its own end, its checksum (zlib) was there and right
    const char *fault;    // NULL, or what is wrong with the data; `written` bytes are good all the same
    bool cut;             // the fault is that the input ends too early
    bool too_far;         // the fault is a match that begins before the data: where there is no room for it, zlib does not see it
    size_t settled;       // bytes put out before the symbol that needed the last byte of input; all, if none did
} Inflated;

// Never writes more than `room` bytes: with fault NULL and ended false the room was full and more would come.
Inflated inflate_some(uint8_t *out, size_t room, const uint8_t *in, size_t size, InflateForm form);

// Exactly `room` bytes, or dies; `where` is the place, as in "a.npz: x.npy". Returns the bytes of input taken.
size_t inflate(uint8_t *out, size_t room, const uint8_t *in, size_t size, InflateForm form, const char *where);

// A zlib stream of the bytes; the same bytes on every machine.
uint8_t *deflate_zlib(Arena *a, const uint8_t *in, size_t size, size_t *out_size);

#endif
