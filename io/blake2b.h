// blake2b.h: the BLAKE2b hash (RFC 7693), for checksums of files, fingerprints of pictures, and seeds by name.
#ifndef RETINA_IO_BLAKE2B_H
#define RETINA_IO_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"

typedef struct {
    uint64_t h[8];
    uint64_t count[2]; // bytes so far, 128 bits
    uint8_t block[128];
    size_t filled, digest;
} Blake2b;

void blake2b_start(Blake2b *b, size_t digest, const void *key, size_t key_size); // digest 1 … 64 bytes; key 0 … 64
void blake2b_add(Blake2b *b, const void *bytes, size_t size);
void blake2b_end(Blake2b *b, uint8_t *digest);

void blake2b(uint8_t *digest, size_t digest_size, const void *bytes, size_t size);

// The study's seed of one sample: the first 8 bytes, big-endian, of an 8-byte digest of "SEED:NAME". A draw seeded so
// depends on neither the order of samples nor on what else is computed.
uint64_t stable_seed(uint64_t seed, const char *name);

// 32-byte digest of a file's bytes as 64 hexadecimal digits ("b2sum -l 256" prints the same). Dies when it cannot be read.
char *file_checksum(Arena *a, const char *path);

#endif
