// tokenize.c: `retina tokenize`: texts to token ids, and back.
#include "tokenize.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "io/lines.h"
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

static void decode(const Job *j, const Json *list, const char *where) {
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

// line: of the file; 0: a text of the command line.
static void one(const Job *j, const char *text, size_t n, bool json, const char *path, uint64_t line) {
    Mark mark = arena_mark(j->arena);
    const char *where = line ? arena_print(j->arena, "%s:%" PRIu64, path, line) : path;
    const Json *v = NULL;
    if (j->decode || json) v = line ? json_parse_line(j->arena, text, n, path, line) : json_parse(j->arena, text, n, path);
    if (j->decode) {
        decode(j, v, where);
    } else if (json) {
        need(v->kind == JSON_TEXT, "%s: a JSON string is wanted", where);
        encode(j, v->text, v->length, where);
    } else {
        encode(j, text, n, where);
    }
    arena_release(j->arena, mark);
}

static void all_lines(const Job *j, const char *path) {
    Arena *a = arena_new("lines");
    Lines *l = lines_open(a, path);
    size_t n;
    for (const char *text; (text = lines_next(l, &n));) one(j, text, n, j->json_lines, lines_path(l), lines_number(l));
    lines_close(l);
    arena_free(a);
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
        one(&j, rest.items[i], strlen(rest.items[i]), false, where, 0);
    }
    if (file) all_lines(&j, file);
    arena_free(j.arena);
    return 0;
}
