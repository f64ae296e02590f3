// fuzz_tar.c: archives, member by member and sample by sample. Checksums are put right before reading, or hardly a damaged
// header would be looked into.
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "io/tar.h"

static void parse(Arena *a, Bytes input) {
    if (input.size % 4)
        for (size_t at = 0; at + 512 <= input.size; at += 512) {
            uint8_t *h = (uint8_t *)(uintptr_t)input.bytes + at;
            unsigned sum = 8 * ' ';
            for (int i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0 : h[i];
            if (memcmp(h + 257, "ustar", 5) == 0) snprintf((char *)h + 148, 8, "%06o", sum);
        }
    Tar *t = tar_open(a, FUZZ_PATH);
    TarEntry e;
    TarSample s;
    if (input.size % 2) {
        while (tar_next(t, &e)) {
            fuzz_touch(e.name, strlen(e.name) + 1);
            Bytes b = tar_read(a, t);
            fuzz_touch(b.bytes, b.size);
        }
    } else {
        while (tar_sample(a, t, &s))
            for (size_t i = 0; i < s.count; i++) fuzz_touch(s.parts[i].content.bytes, s.parts[i].content.size);
    }
    tar_close(t);
}

const Fuzz fuzz_target = {.name = "tar", .parse = parse,
                          .seeds = (const char *const[]){"test/fuzz/seeds/short.*.tar", "test/golden/containers/ustar.tar", "test/golden/containers/gnu.tar", "test/golden/containers/pax.tar", NULL},
                          .words = (const char *const[]){"ustar", "x", "L", "12 path=abc\n", "12 size=123\n", "20 GNU.sparse.map=1\n", "77777777777", "\x80", NULL}};
