// blake2b.c: see blake2b.h. Source: RFC 7693, sections 2 and 3.
#include "blake2b.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file.h"

static const uint64_t start[8] = { // the fractions of the square roots of the first eight primes, as in SHA-512
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};

static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static inline uint64_t turn_right(uint64_t x, int n) { return x >> n | x << (64 - n); }

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
    v[a] += v[b] + x;
    v[d] = turn_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = turn_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = turn_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turn_right(v[b] ^ v[c], 63);
}

static void compress(Blake2b *b, const uint8_t *block, bool last) {
    uint64_t v[16], m[16];
    for (int i = 0; i < 16; i++) { // little-endian words
        uint64_t x = 0;
        for (int k = 7; k >= 0; k--) x = x << 8 | block[8 * i + k];
        m[i] = x;
    }
    for (int i = 0; i < 8; i++) v[i] = b->h[i], v[8 + i] = start[i];
    v[12] ^= b->count[0];
    v[13] ^= b->count[1];
    if (last) v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = sigma[round % 10];
        for (int i = 0; i < 4; i++) mix(v, i, i + 4, i + 8, i + 12, m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) b->h[i] ^= v[i] ^ v[8 + i];
}

static void count_up(Blake2b *b, size_t bytes) {
    b->count[0] += bytes;
    b->count[1] += b->count[0] < bytes;
}

void blake2b_start(Blake2b *b, size_t digest, const void *key, size_t key_size) {
    need(digest >= 1 && digest <= 64 && key_size <= 64, "blake2b: a digest of %zu bytes, a key of %zu; 1 to 64 and 0 to 64 are possible",
         digest, key_size);
    *b = (Blake2b){.digest = digest};
    memcpy(b->h, start, sizeof start);
    b->h[0] ^= 0x01010000u ^ (uint64_t)key_size << 8 ^ digest;
    if (key_size) {
        memcpy(b->block, key, key_size);
        b->filled = 128;
    }
}

// The last block stays in the buffer until blake2b_end: it is hashed differently.
void blake2b_add(Blake2b *b, const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    while (size > 0) {
        if (b->filled == 128) {
            count_up(b, 128);
            compress(b, b->block, false);
            b->filled = 0;
        }
        if (b->filled == 0 && size > 128) {
            count_up(b, 128);
            compress(b, p, false);
            p += 128, size -= 128;
            continue;
        }
        size_t n = 128 - b->filled < size ? 128 - b->filled : size;
        memcpy(b->block + b->filled, p, n);
        b->filled += n;
        p += n, size -= n;
    }
}

void blake2b_end(Blake2b *b, uint8_t *digest) {
    count_up(b, b->filled);
    memset(b->block + b->filled, 0, 128 - b->filled);
    compress(b, b->block, true);
    for (size_t i = 0; i < b->digest; i++) digest[i] = (uint8_t)(b->h[i / 8] >> (8 * (i % 8)));
}

void blake2b(uint8_t *digest, size_t digest_size, const void *bytes, size_t size) {
    Blake2b b;
    blake2b_start(&b, digest_size, NULL, 0);
    blake2b_add(&b, bytes, size);
    blake2b_end(&b, digest);
}

uint64_t stable_seed(uint64_t seed, const char *name) {
    char text[24];
    uint8_t digest[8];
    Blake2b b;
    blake2b_start(&b, 8, NULL, 0);
    blake2b_add(&b, text, (size_t)snprintf(text, sizeof text, "%" PRIu64 ":", seed));
    blake2b_add(&b, name, strlen(name));
    blake2b_end(&b, digest);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | digest[i];
    return value;
}

char *file_checksum(Arena *a, const char *path) {
    Bytes file = file_map(a, path);
    uint8_t digest[32];
    blake2b(digest, sizeof digest, file.bytes, file.size);
    file_unmap(file);
    char *text = take(a, char, 65);
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}
