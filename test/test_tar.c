// test_tar.c: archives of Python's tarfile in three forms, members and samples; damaged and hostile headers; a pipe; brace
// expansion as webdataset has it.
//
// Caught when broken on purpose: padding of 512-byte members; the name of a long-name header kept for two members; the
// sample's key cut at the last dot; a second archive behind the first lost; base-256 sizes read as octal.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "io/json.h"
#include "io/tar.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static void test_samples(Arena *a, const char *path, const char *name) {
    const Json *golden = json_read(a, GOLDEN "samples.json");
    Tar *t = tar_open(a, path);
    TarSample s;
    size_t n = 0, wrong = 0;
    for (; tar_sample(a, t, &s); n++) {
        const Json *want = n < golden->count ? &golden->items[n] : NULL, *parts = want ? json_get(want, "parts") : NULL;
        if (!want || strcmp(json_text(want, "key"), s.key) != 0 || parts->count != s.count) {
            printf("     sample %zu: %s, %zu members\n", n, s.key, s.count);
            wrong++;
            continue;
        }
        for (size_t i = 0; i < s.count; i++) {
            const Json *p = parts->items[i].items;
            wrong += strcmp(p[0].text, s.parts[i].extension) != 0 || p[1].length != s.parts[i].content.size || memcmp(p[1].text, s.parts[i].content.bytes, p[1].length) != 0;
            wrong += tar_part(&s, p[0].text) != &s.parts[i];
        }
    }
    check(n == golden->count && n > 6 && wrong == 0, "%s: %zu samples, %zu wrong", name, n, wrong);
    check(!tar_sample(a, t, &s) && tar_part(&s, "jpg") == NULL, "%s: still at its end", name);
    tar_close(t);
}

static void test_members(Arena *a) {
    Bytes whole = file_read(a, GOLDEN "pax.tar");
    Tar *t = tar_open(a, GOLDEN "pax.tar");
    TarEntry e;
    size_t n = 0, wrong = 0;
    for (; tar_next(t, &e); n++) {
        Bytes b;
        if (n % 2) continue; // content that nobody reads is passed over
        b = tar_read(a, t);
        wrong += b.size != e.size || memcmp(b.bytes, whole.bytes + e.offset, b.size) != 0;
        if (n == 2) check_text("a member's place, for messages", b.path, GOLDEN "pax.tar: a/0001.TXT");
    }
    check(n == 13 && wrong == 0, "members: %zu regular files, %zu wrong", n, wrong);
    check_dies("content twice", "was read already") tar_read(a, t);
    tar_close(t);
}

// ---- headers made by hand

typedef struct {
    uint8_t bytes[32 * 512];
    size_t size;
} Made;

static void sum(uint8_t *h) {
    unsigned s = 0;
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++) s += h[i];
    snprintf((char *)h + 148, 8, "%06o", s);
}

static uint8_t *header(Made *m, char type, const char *name, const char *size) {
    uint8_t *h = m->bytes + m->size;
    memset(h, 0, 512);
    memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(h + 124, size, strlen(size));
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\0" "00", 8);
    sum(h);
    m->size += 512;
    return h;
}

static void content(Made *m, const char *text, size_t n) {
    memset(m->bytes + m->size, 0, (n + 511) / 512 * 512);
    memcpy(m->bytes + m->size, text, n);
    m->size += (n + 511) / 512 * 512;
}

static char *listed(Arena *a, const Made *m, size_t size) { // "name=content|…"
    Tar *t = tar_open(a, scratch_file(a, "made.tar", m->bytes, size));
    char *all = arena_text(a, "", 0);
    for (TarEntry e; tar_next(t, &e);) {
        Bytes b = tar_read(a, t);
        all = arena_print(a, "%s%s=%s|", all, e.name, (const char *)b.bytes);
    }
    tar_close(t);
    return all;
}

static void test_forms(Arena *a) {
    Made m = {.size = 0};
    header(&m, '0', "a", "0000003");
    content(&m, "abc", 3);
    header(&m, 0, "old", "2 ");
    content(&m, "xy", 2);
    header(&m, 0, "folder/", "5"); // a folder of 1979: its size means nothing
    header(&m, '5', "folder", "7");
    header(&m, '1', "hard", "3");
    header(&m, '7', "contiguous", "1");
    content(&m, "z", 1);
    header(&m, 'V', "volume", "1"); // unknown: passed over, with content
    content(&m, "v", 1);
    uint8_t *h = header(&m, '0', "big", "");
    memcpy(h + 124, "\x80\0\0\0\0\0\0\0\0\0\0\4", 12);
    sum(h);
    content(&m, "four", 4);
    check_text("kinds of members", listed(a, &m, m.size), "a=abc|old=xy|contiguous=z|big=four|");
    memset(m.bytes + m.size, 0, 1024);
    check_text("end blocks", listed(a, &m, m.size + 1024), "a=abc|old=xy|contiguous=z|big=four|");
    memcpy(m.bytes + m.size + 1024, m.bytes, 2048);
    check_dies("an archive behind", "another archive after the end of the first, at byte 7680; join") listed(a, &m, m.size + 2048);
    m.bytes[m.size + 1024 + 148] ^= 1; // the sum of its first header; the second is at byte 8704
    check_dies("an archive behind, damaged", "another archive after the end of the first, at byte 8704; join") listed(a, &m, m.size + 3072);
    memset(m.bytes + m.size + 1024, '\n', 1024); // what a tape or another program left there
    check_text("something behind", listed(a, &m, m.size + 2047), "a=abc|old=xy|contiguous=z|big=four|");

    m.size = 0;
    header(&m, 'L', "././@LongLink", "6");
    content(&m, "longer\0", 6);
    header(&m, '0', "short", "1");
    content(&m, "1", 1);
    header(&m, '0', "next", "1");
    content(&m, "2", 1);
    header(&m, 'x', "pax", "37");
    content(&m, "14 path=named\n9 size=1\n8 a=b=c\n", 31);
    header(&m, '0', "short", "700"); // the pax size holds, not this one
    content(&m, "3", 1);
    h = header(&m, '0', "base", "1");
    memcpy(h + 345, "pre/fix", 7);
    sum(h);
    content(&m, "4", 1);
    h = header(&m, '0', "base", "1");
    memcpy(h + 257, "ustar  ", 8); // GNU's: the time of the last access stands there
    memcpy(h + 345, "15123456701", 11);
    sum(h);
    content(&m, "5", 1);
    h = header(&m, '0', "base", "1");
    memcpy(h + 257, "ustar  ", 8); // of Go before 1.8
    memcpy(h + 345, "2016/fix", 8);
    sum(h);
    content(&m, "6", 1);
    check_text("names and sizes from other headers", listed(a, &m, m.size), "longer=1|next=2|named=3|pre/fix/base=4|base=5|2016/fix/base=6|");
}

static void refused(Arena *a, char type, const char *name, const char *size, const char *text, const char *part) {
    Made m = {.size = 0};
    header(&m, type, name, size);
    content(&m, text, strlen(text));
    header(&m, '0', "after", "0");
    check_dies(part, part) listed(a, &m, m.size);
}

static void test_refused(Arena *a) {
    refused(a, '0', "a", "0000x", "", "byte 0: a number that is not octal");
    refused(a, '0', "a", "77777777777", "", "cut off");
    refused(a, '0', "a", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", "an impossible size");
    refused(a, '0', "a", "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", "an impossible size");
    refused(a, 'L', "a", "77777777777", "x", "of more than 1 MiB");
    refused(a, 'L', "a", "3777777", "x", "is cut off");
    refused(a, 'S', "a", "1", "x", "sparse member");
    refused(a, 'x', "a", "26", "22 GNU.sparse.major=1\n", "sparse member");
    refused(a, 'x', "a", "5", "9 a=b", "damaged pax record");
    refused(a, 'x', "a", "6", "6 a=bc", "damaged pax record");
    refused(a, 'x', "a", "3", "3 \n", "without '='");
    refused(a, 'x', "a", "5", "5 ab\n", "without '='");
    refused(a, 'x', "a", "14", "99999999999\n", "damaged pax record");
    refused(a, 'x', "a", "21", "17 size=12345678x", "damaged pax record");
    refused(a, 'x', "a", "13", "11 size=1x\n", "a size that is no number");
    refused(a, 'x', "a", "40", "32 size=99999999999999999999999\n", "a size that is no number");
    Made m = {.size = 0};
    header(&m, '0', "a", "1");
    content(&m, "1", 1);
    m.bytes[3]++;
    check_dies("another byte in the first header", "this is no tar archive") listed(a, &m, m.size);
    m.bytes[3]--;
    header(&m, '0', "b", "1")[0]++;
    content(&m, "1", 1);
    check_dies("another byte in the second", "byte 1024: is damaged") listed(a, &m, m.size);
    m.bytes[1024]--;
    check_dies("half a header", "byte 1024: is cut off") listed(a, &m, 1024 + 100);
    check_dies("half a member", "\"b\" of 1 bytes is cut off") listed(a, &m, 1024 + 512);
    check_dies("padding cut off", "the member \"b\" is cut off") listed(a, &m, 1024 + 512 + 1);
    m.size = 0;
    header(&m, 'L', "a", "3");
    content(&m, "abc", 3);
    check_dies("a long name for nobody", "a header about a member that does not come") listed(a, &m, m.size);
    check_dies("empty", "is empty, and no tar archive") tar_open(a, scratch_file(a, "x", "", 0));
    check_dies("gzip", "unpack it with `gunzip` first") tar_open(a, scratch_file(a, "x", "\x1f\x8b\x08\0", 4));
    check_dies("zstd", "`unzstd`") tar_open(a, scratch_file(a, "x", "\x28\xB5\x2F\xFD\0", 5));
    m.size = 0;
    header(&m, '0', "s.a", "0");
    header(&m, '0', "s.A", "0");
    TarSample s;
    check_dies("an extension twice", "the sample \"s\" has two members \"a\"") tar_sample(a, tar_open(a, scratch_file(a, "x", m.bytes, m.size)), &s);
    m.size = 0;
    header(&m, '0', "d/._photo.jpg", "0"); // what macOS adds; nothing stands before its first dot
    header(&m, '0', "d/photo.jpg", "0");
    Tar *t = tar_open(a, scratch_file(a, "x", m.bytes, m.size));
    check(tar_sample(a, t, &s) && strcmp(s.key, "d/photo") == 0 && !tar_sample(a, t, &s), "hidden files are no samples");
    tar_close(t);
}

static void feed(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size) _exit(1);
    fclose(f);
    _exit(0);
}

static void test_pipe(Arena *a) {
    const char *path = scratch_path(a, "pipe");
    check(mkfifo(path, 0600) == 0, "a pipe made");
    Bytes whole = file_read(a, GOLDEN "gnu.tar");
    if (fork() == 0) feed(path, whole.bytes, whole.size);
    test_samples(a, path, "pipe");
    wait(NULL);
    Made m = {.size = 0};
    header(&m, '0', "a", "77777777777"); // 8 GiB, it says
    content(&m, "1", 1);
    if (fork() == 0) feed(path, m.bytes, m.size);
    Arena *own = arena_new("pipe");
    check_dies("a false size from a pipe", "\"a\" of 8589934591 bytes is cut off") {
        TarEntry e;
        Tar *t = tar_open(own, path);
        tar_next(t, &e);
        tar_read(own, t);
    }
    check(arena_peak(own) < (8 << 20), "a false size from a pipe takes %zu bytes", arena_peak(own));
    wait(NULL);
    arena_free(own);
}

static void test_braces(Arena *a) {
    const Json *golden = json_read(a, GOLDEN "braces.json");
    for (size_t i = 0; i < golden->count; i++) {
        size_t n, wrong = 0;
        char **got = brace_expand(a, golden->keys[i], &n);
        for (size_t k = 0; k < n && k < golden->items[i].count; k++) wrong += strcmp(got[k], golden->items[i].items[k].text) != 0;
        check(n == golden->items[i].count && wrong == 0, "braces: \"%s\" is %zu names, \"%s\" first", golden->keys[i], n, got[0]);
    }
    check_dies("braces: not closed", "{a{1..2}: a brace that is not closed") brace_expand(a, "{a{1..2}", (size_t[1]){0});
    check_dies("braces: not opened", "a}: a brace that was not opened") brace_expand(a, "a}", (size_t[1]){0});
    Arena *own = arena_new("too many names");
    check_dies("braces: too many", "more than 1000000 names") brace_expand(own, "{1..10000}{1..1000}", (size_t[1]){0});
    check_dies("braces: too many in a range", "more than 1000000 names") brace_expand(own, "{1..999999999999}", (size_t[1]){0});
    char *wide = take(a, char, 4000); // numbers as wide as the widest of them is written
    memset(wide, '0', 4000);
    memcpy(wide, "{", 1), memcpy(wide + 3980, "1..999999}", 11);
    check_dies("braces: names of 4 KB, a million of them", "names of more than 268435456 bytes") brace_expand(own, wide, (size_t[1]){0});
    check(arena_peak(own) < 4 << 20, "braces: counted before they are made: %zu KiB", arena_peak(own) >> 10);
    arena_free(own);
}

// The names that each pattern stands for, as a line of JSON; for test/peers/check_containers.py.
static int dump(Arena *a, int count, char **patterns) {
    for (int i = 0; i < count; i++) {
        size_t n = 0;
        char **names = brace_expand(a, patterns[i], &n);
        JsonOut *o = json_out(a, 0);
        json_open(o, NULL, '[');
        for (size_t k = 0; k < n; k++) json_put_text(o, NULL, names[k]);
        json_close(o);
        puts(json_done(o, NULL));
    }
    return 0;
}

int main(int argc, char **argv) {
    Arena *a = arena_new("test");
    if (argc > 1) return dump(a, argc - 1, argv + 1);
    test_samples(a, GOLDEN "ustar.tar", "ustar");
    test_samples(a, GOLDEN "gnu.tar", "gnu");
    test_samples(a, GOLDEN "pax.tar", "pax");
    test_members(a);
    test_forms(a);
    test_refused(a);
    test_pipe(a);
    test_braces(a);
    arena_free(a);
    return check_end();
}
