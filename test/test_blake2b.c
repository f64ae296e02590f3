// test_blake2b.c: the self-test of RFC 7693, lengths around the block border, pieces, seeds.
//
// Seen to catch: the last block hashed early; a rotation by 62; big-endian words; the key not padded to a block.
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "io/blake2b.h"
#include "io/file.h"

static const char *hex(Arena *a, const uint8_t *bytes, size_t n) {
    char *text = take(a, char, 2 * n + 1);
    for (size_t i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

// RFC 7693, appendix E: bytes from a Fibonacci-like sequence.
static void sequence(uint8_t *out, size_t n, uint32_t seed) {
    uint32_t a = 0xDEAD4BADu * seed, b = 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t t = a + b;
        a = b;
        b = t;
        out[i] = (uint8_t)(t >> 24);
    }
}

int main(void) {
    Arena *a = arena_new("test");
    uint8_t d[64], data[1024], key[64];
    blake2b(d, 64, "abc", 3); // appendix A
    check_text("abc", hex(a, d, 64),
               "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4"
               "009923");
    Blake2b all, one; // appendix E: the hash of 48 hashes
    blake2b_start(&all, 32, NULL, 0);
    const size_t digests[4] = {20, 32, 48, 64}, lengths[6] = {0, 3, 128, 129, 255, 1024};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++) {
            sequence(data, lengths[j], (uint32_t)lengths[j]);
            blake2b(d, digests[i], data, lengths[j]);
            blake2b_add(&all, d, digests[i]);
            sequence(key, digests[i], (uint32_t)digests[i]);
            blake2b_start(&one, digests[i], key, digests[i]);
            blake2b_add(&one, data, lengths[j]);
            blake2b_end(&one, d);
            blake2b_add(&all, d, digests[i]);
        }
    blake2b_end(&all, d);
    check_text("self-test of the RFC", hex(a, d, 32), "c23a7800d98123bd10f506c61e29da5603d763b8bbad2e737f5e765a7bccd475");
    bool same = true;
    sequence(data, sizeof data, 5);
    for (size_t n = 0; n < 300; n++)
        for (size_t cut = 0; cut <= n; cut += 37) {
            uint8_t whole[16], pieces[16];
            blake2b(whole, 16, data, n);
            blake2b_start(&one, 16, NULL, 0);
            blake2b_add(&one, data, cut);
            blake2b_add(&one, data + cut, n - cut);
            blake2b_end(&one, pieces);
            same = same && memcmp(whole, pieces, 16) == 0;
        }
    check(same, "in one piece and in two, every length to 300");
    check_dies("a digest of 65 bytes", "1 to 64") { blake2b_start(&one, 65, NULL, 0); }
    check(stable_seed(1337, "416:0:000000000") == 2989024509977165355u, "stable_seed 416:0");
    check(stable_seed(1337, "416:1:000000001") == 8389475683650983045u, "stable_seed 416:1");
    check(stable_seed(1337, "832:0:000000478") == 1831971007158504781u, "stable_seed 832:0");
    file_write("build/test_blake2b.tmp", "abc", 3);
    check_text("checksum of a file", file_checksum(a, "build/test_blake2b.tmp"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    check_dies("a file that is not there", "cannot be opened") { file_checksum(a, "build/no such file"); }
    remove("build/test_blake2b.tmp");
    arena_free(a);
    return check_end();
}
