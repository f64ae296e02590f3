// beside.c: see beside.h.
#include "beside.h"

#include <string.h>

#include "io/file.h"
#include "io/utf8.h"
#include "unicode.h"

const char *beside_text(Arena *a, const char *bytes, size_t n, const char **wrong) {
    *wrong = n > BESIDE_MOST ? "too long for one" : utf8_valid(bytes, n) < n ? "not UTF-8" : memchr(bytes, 0, n) ? "no text: a zero byte is in it" : NULL;
    if (*wrong) return NULL;
    unicode_strip(&bytes, &n);
    return n ? arena_text(a, bytes, n) : NULL;
}

const char *beside_read(Arena *a, const char *picture, const char **wrong) {
    char *path = path_join(a, path_folder(a, picture), arena_print(a, "%s.txt", path_stem(a, picture)));
    *wrong = NULL;
    if (!file_exists(path)) return NULL;
    Bytes b = file_read(a, path);
    return beside_text(a, (const char *)b.bytes, b.size, wrong);
}
