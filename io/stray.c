// stray.c: see stray.h.
#include "stray.h"

#include <strings.h>
#include <string.h>

static bool begins(Bytes f, const char *word) {
    size_t n = strlen(word);
    return f.size >= n && strncasecmp((const char *)f.bytes, word, n) == 0;
}

void stray_refuse(Bytes f) {
    if (f.size >= 3 && memcmp(f.bytes, "\xEF\xBB\xBF", 3) == 0) f.bytes += 3, f.size -= 3;
    while (f.size && strchr(" \t\r\n", f.bytes[0]) && f.bytes[0]) f.bytes++, f.size--;
    need(!begins(f, "version https://git-lfs.github.com/spec/"), "%s: is a pointer of Git LFS, not the file itself; fetch it: run `git lfs pull` in its folder", f.path);
    need(!begins(f, "<!doctype html") && !begins(f, "<html"), "%s: is a web page, such as a server sends in place of a file; get the file again", f.path);
}
