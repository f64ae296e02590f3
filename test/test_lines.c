// test_lines.c: lines and JSON lines, at every place of the buffer, in constant memory.
//
// Caught when broken on purpose: the last line without \n lost; \r kept; a line across the buffer's end cut in two.
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "io/lines.h"
#include "scratch.h"

static void lines_are(Arena *a, const char *text, size_t size, const char *want) {
    Lines *l = lines_open(a, scratch_file(a, "lines", text, size));
    char *all = arena_text(a, "", 0);
    size_t n;
    for (const char *t; (t = lines_next(l, &n));) all = arena_print(a, "%s%llu:%zu:%s|", all, (unsigned long long)lines_number(l), n, t);
    lines_close(l);
    check_text(want, all, want);
}

static void test_lines(Arena *a) {
    lines_are(a, "", 0, "");
    lines_are(a, "\n", 1, "1:0:|");
    lines_are(a, "a\nb", 3, "1:1:a|2:1:b|");
    lines_are(a, "a\r\n\r\nb\r\n", 8, "1:1:a|2:0:|3:1:b|");
    lines_are(a, "\xEF\xBB\xBF" "a\rb\n", 7, "1:3:a\rb|");
    lines_are(a, "a\0b\n", 4, "1:3:a|");
    int wrong = 0;
    for (size_t place = 262144 - 3; place < 262144 + 3; place++) {
        char *text = take(a, char, place + 6);
        memset(text, 'x', place);
        memcpy(text + place, "\r\nyz\n", 5);
        Lines *l = lines_open(a, scratch_file(a, "long", text, place + 5));
        size_t n;
        const char *t = lines_next(l, &n);
        wrong += !t || n != place;
        t = lines_next(l, &n);
        wrong += !t || strcmp(t, "yz") != 0 || lines_next(l, &n);
        lines_close(l);
    }
    check(wrong == 0, "lines across the buffer's end: %d wrong", wrong);
}

static void test_json(Arena *a) {
    static const char text[] = "{\"key\": \"000010000\", \"x\": [1, 2]}\n\n  \n{\"key\": \"two\\nlines\"}\r\n3\n{\"key\": }\n";
    Lines *l = lines_open(a, scratch_file(a, "x.jsonl", text, sizeof text - 1));
    check_text("JSON lines: the first", json_text(lines_json(a, l), "key"), "000010000");
    check_text("JSON lines: after empty ones", json_text(lines_json(a, l), "key"), "two\nlines");
    check(lines_json(a, l)->integer == 3 && lines_number(l) == 5, "JSON lines: any value");
    check_dies("JSON lines: a bad one, by its number", "x.jsonl:6: not JSON") lines_json(a, l);
    check(!lines_json(a, l), "JSON lines: the end");
    lines_close(l);

    const char *path = scratch_path(a, "large.jsonl");
    Writer *w = writer_open(path);
    for (int i = 0; i < 200000; i++) writer_print(w, "{\"i\": %d, \"text\": \"%0200d\"}\n", i, i);
    writer_close(w);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    Arena *own = arena_new("lines");
    l = lines_open(own, path);
    long n = 0, wrong = 0;
    for (const Json *j;; n++) {
        Mark mark = arena_mark(own);
        j = lines_json(own, l);
        if (!j) break;
        wrong += json_int(j, "i") != n;
        arena_release(own, mark);
    }
    lines_close(l);
    getrusage(RUSAGE_SELF, &after);
#ifdef __SANITIZE_ADDRESS__
    after = before; // what is freed is kept back for a while there
#endif
    check(n == 200000 && wrong == 0 && arena_peak(own) < 65536 && after.ru_maxrss - before.ru_maxrss < 4096, "45 MB: %ld values, %ld wrong, %zu bytes of arena, %ld KiB", n, wrong,
          arena_peak(own), after.ru_maxrss - before.ru_maxrss);
    arena_free(own);
}

int main(void) {
    Arena *a = arena_new("test");
    test_lines(a);
    test_json(a);
    arena_free(a);
    return check_end();
}
