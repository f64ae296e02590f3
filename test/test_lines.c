// test_lines.c: lines, JSON lines and arrays of objects, at every place of the buffer, in constant memory.
//
// Caught when broken on purpose: the last line without \n lost; \r kept; a line across the buffer's end cut in two.
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "io/lines.h"
#include "io/records.h"
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

static void records_are(Arena *a, const char *text, const char *want) {
    Records *r = records_open(a, scratch_file(a, "records.json", text, strlen(text)));
    char *all = arena_text(a, "", 0);
    for (const Json *j; (j = records_next(a, r));) all = arena_print(a, "%s%llu:%zu|", all, (unsigned long long)records_line(r), j->count);
    records_close(r);
    check_text(text, all, want);
}

static void test_records(Arena *a) {
    records_are(a, "", "");
    records_are(a, " \n", "");
    records_are(a, "[ ]\n", "");
    records_are(a, "{}", "1:0|");
    records_are(a, "{\"a\": \"}{\"}\n\n{\"b\": [1, {}], \"c\": \"\\\"}\"}\r\n", "1:1|3:2|");
    records_are(a, "\xEF\xBB\xBF\n[\n{\"a\":\n1}, {\"b\": \"\\\\\"},{}\n]\n\n", "3:1|4:1|4:0|");
    check_dies("a comma at the end", "records.json:1: an object {…} is wanted here") records_are(a, "[{},]", "");
    check_dies("a comma at the begin", "records.json:1: an object {…} is wanted here") records_are(a, "[,{}]", "");
    check_dies("no comma", "records.json:2: a comma or ] is wanted after the object") records_are(a, "[{}\n{}]", "");
    check_dies("two on a line", "records.json:1: text after the object; one a line is wanted") records_are(a, "{}{}", "");
    check_dies("text after the array", "records.json:2: text after the array") records_are(a, "[{}]\n[", "");
    check_dies("numbers", "records.json:1: an object {…} is wanted here") records_are(a, "[1, 2]", "");
    check_dies("the array is cut", "records.json:1: a comma or ] is wanted") records_are(a, "[{}", "");
    check_dies("an object is cut", "records.json:2: the file ends inside the object") records_are(a, "{}\n{\"a\": {}", "");
    check_dies("not JSON, with its own line", "records.json:3: not JSON") records_are(a, "[{},\n{\n\"a\" 1}]", "");

    const char *path = scratch_path(a, "large.json");
    Writer *w = writer_open(path);
    for (int i = 0; i < 100000; i++) writer_print(w, "%s{\"i\": %d, \"image\": \"%0400d\"}", i ? ",\n" : "[", i, i);
    writer_print(w, "]\n");
    writer_close(w);
    Arena *own = arena_new("records");
    Records *r = records_open(own, path);
    long n = 0, wrong = 0;
    for (Mark mark = arena_mark(own);; n++) {
        const Json *j = records_next(own, r);
        if (!j) break;
        wrong += json_int(j, "i") != n;
        arena_release(own, mark);
    }
    records_close(r);
    check(n == 100000 && wrong == 0 && arena_peak(own) < 65536, "an array of 45 MB: %ld objects, %ld wrong, %zu bytes of arena", n, wrong, arena_peak(own));
    arena_free(own);
}

int main(void) {
    Arena *a = arena_new("test");
    test_lines(a);
    test_json(a);
    test_records(a);
    arena_free(a);
    return check_end();
}
