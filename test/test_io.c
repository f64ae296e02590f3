// test_io.c: random numbers against published vectors, JSON accepted and refused, files of earlier runs, arenas.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "io/json.h"
#include "io/memory.h"
#include "io/random.h"
#include "scratch.h"

static void test_random(void) {
    // Random123's kat_vectors for philox4x32-10
    uint32_t out[4];
    philox4x32(out, (uint32_t[4]){0}, (uint32_t[2]){0});
    check_same("philox zeros", out, (uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, 16);
    philox4x32(out, (uint32_t[4]){~0u, ~0u, ~0u, ~0u}, (uint32_t[2]){~0u, ~0u});
    check_same("philox ones", out, (uint32_t[4]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, 16);
    philox4x32(out, (uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, (uint32_t[2]){0xa4093822, 0x299f31d0});
    check_same("philox pi", out, (uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}, 16);
    double m1 = 0, m2 = 0, m4 = 0;
    Rng r = rng_of(7, "moments");
    int n = 200000;
    for (int i = 0; i < n; i++) {
        double x = rng_normal(r, (uint64_t)i);
        m1 += x, m2 += x * x, m4 += x * x * x * x;
    }
    check_value("normal mean", m1 / n, 0, 0.01);
    check_value("normal variance", m2 / n, 1, 0.02);
    check_value("normal fourth moment", m4 / n, 3, 0.1);
    uint32_t p[10];
    torch_randperm(42, p, 10);
    check_same("torch randperm 42", p, (uint32_t[10]){2, 6, 1, 8, 4, 5, 0, 9, 3, 7}, sizeof p);
    torch_randperm(0, p, 10);
    check_same("torch randperm 0", p, (uint32_t[10]){4, 1, 7, 5, 3, 9, 0, 8, 6, 2}, sizeof p);
}

static void refused(Arena *a, const char *text, const char *part) {
    check_dies(text, part) { json_parse(a, text, strlen(text), "t.json"); }
}

// The last value of a key counts, in the place of the first, whether the object has an index or not.
static void keys_twice(Arena *a) {
    const char *few = "{\"a\":1,\"b\":2,\"a\":[3],\"a\":4}";
    const Json *j = json_parse(a, few, strlen(few), "t.json");
    check(j->count == 2 && json_int(j, "a") == 4 && j->items[0].integer == 4 && strcmp(j->keys[1], "b") == 0, "a key three times");
    check_dies("a key that may come once", "t.json: the object that begins at byte 0 has the key \"a\" twice") json_keys_once(j);
    char many[1000] = "{";
    for (int i = 0; i < 60; i++) sprintf(many + strlen(many), "\"k%d\":%d,", i % 40, i);
    strcpy(many + strlen(many) - 1, "}");
    j = json_parse(a, many, strlen(many), "t.json");
    int wrong = j->count != 40;
    for (int i = 0; i < 40; i++) {
        const char *key = arena_print(a, "k%d", i);
        wrong += json_int(j, key) != (i < 20 ? i + 40 : i) || strcmp(j->keys[i], key) != 0;
    }
    check(wrong == 0 && !json_get(j, "k40"), "keys twice among many");
}

static void test_json(void) {
    Arena *a = arena_new("test");
    const char *t = "{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {\"c\": 9007199254740993}}";
    const Json *j = json_parse(a, t, strlen(t), "t.json");
    check(json_get(j, "a")->count == 5, "array of five");
    check_value("number", json_get(j, "a")->items[1].number, -2500, 0);
    check_text("escapes", json_get(j, "a")->items[4].text, "x\xc3\xa9\xf0\x9f\x98\x80\n");
    check(json_int(json_get(j, "b"), "c") == 9007199254740993, "integers beyond 2^53");
    check(json_path(j, "b.c") && !json_path(j, "b.d.e"), "paths");
    refused(a, "{\"a\":1,}", "member without");
    refused(a, "[1,]", "no value");
    refused(a, "[01]", "leading zero");
    refused(a, "[1] x", "more text");
    refused(a, "\xEF\xBB\xBF{}", "byte order mark");
    refused(a, "[\"\x80\"]", "UTF-8");
    refused(a, "[\"a", "closing quote");
    refused(a, "[\"\\", "closing quote");
    refused(a, "[NaN]", "NaN, which JSON does not have");
    refused(a, "[-Infinity]", "put null or 1e999");
    refused(a, "\xFF\xFE{", "UTF-16; save it as UTF-8");
    refused(a, "\x1F\x8B\x08", "gunzip");
    refused(a, "[\x1F\x8B", "no value");
    refused(a, "", "value is due");
    keys_twice(a);
    char deep[200];
    memset(deep, '[', 199);
    deep[199] = 0;
    refused(a, deep, "127 brackets");
    JsonOut *o = json_out(a, 0);
    json_open(o, NULL, '{');
    json_put_text(o, "k\"", "v\n");
    json_put_real(o, "x", 0.1);
    json_put_real(o, "nan", NAN);
    json_open(o, "l", '[');
    json_put_int(o, NULL, -3);
    json_close(o);
    json_close(o);
    check_text("writer", json_done(o, NULL), "{\"k\\\"\": \"v\\n\", \"x\": 0.1, \"nan\": null, \"l\": [-3]}");
    arena_free(a);
}

// What an earlier run left, whole, of other things, damaged.
static void test_kept(void) {
    Arena *a = arena_new("test");
    static const struct {
        const char *text;
        bool kept;
    } files[] = {{"{\"made_from\": \"these\"}", true}, {"{\"made_from\": \"others\"}", false}, {"{\"made_from\": 3}", false}, {"{\"made_from\": \"the", false}, {"[]", false}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = scratch_file(a, "kept.json", files[i].text, strlen(files[i].text));
        check((json_kept(a, path, "these") != NULL) == files[i].kept, "kept: %s", files[i].text);
    }
    check(!json_kept(a, scratch_path(a, "none.json"), "these"), "kept: no file");
    arena_free(a);
}

static void test_arena(void) {
    Arena *a = arena_new("test");
    Mark m = arena_mark(a);
    char *p = take(a, char, 1000);
    memset(p, 1, 1000);
    for (int i = 0; i < 50; i++) memset(take(a, char, 100000), 2, 100000);
    arena_release(a, m);
    check(take(a, char, 1000) == p, "release brings back the same room");
    check_dies("an overflowing size", "beyond this machine") { arena_take(a, (size_t)-1, 16); }
    arena_free(a);
}

int main(void) {
    test_random();
    test_json();
    test_kept();
    test_arena();
    return check_end();
}
