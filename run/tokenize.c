// tokenize.c: `retina tokenize`: texts to token ids, and back.
#include "tokenize.h"

#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "io/option.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

typedef struct {
    const Tokenizer *tokenizer;
    Arena *arena;
    bool json_lines, no_special, decode, keep_special;
} Job;

static void print_text(const Job *j, const char *text, size_t n) {
    if (j->json_lines) {
        JsonOut *o = json_out(j->arena, 0);
        json_put_text_n(o, NULL, text, n);
        text = json_done(o, &n);
    }
    fwrite(text, 1, n, stdout);
    putchar('\n');
}

static void decode(const Job *j, const char *text, size_t n, const char *where) {
    const Json *list = json_parse(j->arena, text, n, where);
    need(list->kind == JSON_ARRAY, "%s: a JSON array of token ids is wanted", where);
    int32_t *ids = take(j->arena, int32_t, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const Json *v = &list->items[i];
        need(v->kind == JSON_NUMBER && v->integral && v->integer >= 0 && v->integer <= INT32_MAX,
             "%s: entry %zu is not a token id", where, i);
        ids[i] = (int32_t)v->integer;
    }
    size_t length;
    const char *out =
        tokenizer_decode(j->tokenizer, j->arena, ids, list->count, j->keep_special, &length);
    print_text(j, out, length);
}

static void encode(const Job *j, const char *text, size_t n, const char *where) {
    size_t bad = utf8_valid(text, n);
    need(bad == n,
         "%s: not UTF-8 at byte %zu; convert it first, or give JSON strings with --json-lines",
         where, bad);
    Ids ids = tokenizer_encode(j->tokenizer, j->arena, text, n, !j->no_special);
    putchar('[');
    for (size_t i = 0; i < ids.count; i++) printf(i ? ", %d" : "%d", ids.ids[i]);
    printf("]\n");
}

static void one(const Job *j, const char *text, size_t n, bool json, const char *where) {
    Mark mark = arena_mark(j->arena);
    if (j->decode) {
        decode(j, text, n, where);
    } else if (json) {
        const Json *v = json_parse(j->arena, text, n, where);
        need(v->kind == JSON_TEXT, "%s: a JSON string is wanted", where);
        encode(j, v->text, v->length, where);
    } else {
        encode(j, text, n, where);
    }
    arena_release(j->arena, mark);
}

static void all_lines(const Job *j, const char *path) {
    Bytes b = file_read(j->arena, path);
    const char *text = (const char *)b.bytes;
    for (size_t at = 0, line = 1; at < b.size; line++) {
        const char *end = memchr(text + at, '\n', b.size - at);
        size_t n = end ? (size_t)(end - text) - at : b.size - at, next = at + n + 1;
        if (end && n && text[at + n - 1] == '\r') n--;
        Mark mark = arena_mark(j->arena);
        one(j, text + at, n, j->json_lines, arena_print(j->arena, "%s:%zu", b.path, line));
        arena_release(j->arena, mark);
        at = next;
    }
}

int run_tokenize(int argc, char **argv) {
    Job j = {0};
    const char *file = NULL;
    bool rebuild = false;
    Option options[] = {
        {"file", OPT_TEXT, &file, "the inputs are the lines of this file; - is stdin"},
        {"json-lines", OPT_FLAG, &j.json_lines,
         "each line is a JSON string (with --decode: each output is)"},
        {"no-special", OPT_FLAG, &j.no_special,
         "leave out the special tokens that the reference adds"},
        {"decode", OPT_FLAG, &j.decode, "the inputs are JSON arrays of ids, the outputs are texts"},
        {"keep-special", OPT_FLAG, &j.keep_special, "with --decode: show special tokens"},
        {"tokenizer-rebuild", OPT_FLAG, &rebuild,
         "let the reference's class overrule tokenizer.json, as transformers 5 does"},
        {"quiet", OPT_FLAG, &quiet, "no notes"},
    };
    TextList rest = {0};
    options_parse("retina tokenize DIR [TEXT…] [options]",
                  "One JSON array of token ids for each input, one a line.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count == 0) die_usage("tokenize: which directory? retina tokenize DIR TEXT");
    if (rest.count == 1 && !file) die_usage("tokenize: no input; give texts, or --file F");
    j.arena = arena_new("tokenize");
    j.tokenizer = tokenizer_load(j.arena, rest.items[0], rebuild);
    char where[64];
    for (size_t i = 1; i < rest.count; i++) {
        snprintf(where, sizeof where, "input %zu", i);
        one(&j, rest.items[i], strlen(rest.items[i]), false, where);
    }
    if (file) all_lines(&j, file);
    arena_free(j.arena);
    return 0;
}
