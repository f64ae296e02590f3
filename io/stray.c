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

void stray_refuse_packed(Bytes f) { need(f.size < 2 || memcmp(f.bytes, "\x1F\x8B", 2) != 0, "%s: is compressed; unpack it with `gunzip` first", f.path); }

void stray_refuse_text(Bytes f, const char *whose) {
    stray_refuse(f);
    bool utf16 = f.size >= 2 && (memcmp(f.bytes, "\xFF\xFE", 2) == 0 || memcmp(f.bytes, "\xFE\xFF", 2) == 0);
    need(!utf16, "%s: is UTF-16%s; convert it with `iconv -f utf-16 -t utf-8`", f.path, whose);
    stray_refuse_packed(f);
}
