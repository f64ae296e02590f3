// test_tokenizer.c: tokenizers of every family against what the reference library gave for them
// (test/reference/make_tokenizers.py), and what no golden can hold: streams, limits, errors, long
// lines.
//
// Caught when broken on purpose: the last repetition of a digit pattern taken too long, \s+(?!\S)
// that keeps its last space, "İ" lowered to one character, marks not reordered in NFC, lstrip that
// reaches into the token before, a charsmap that takes the longest key, fused unknowns written
// before byte tokens, equal scores that take the later piece, a leading space stripped from every
// token, one U+FFFD for a whole run of bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"
#include "io/json.h"
#include "io/progress.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

#define GOLDEN "test/golden/tokenizers"

static char *print_ids(Arena *a, const int32_t *ids, size_t count) {
    char *text = arena_print(a, "%s", "");
    for (size_t i = 0; i < count && i < 24; i++) text = arena_print(a, "%s%d ", text, ids[i]);
    return text;
}

static Ids ids_of(Arena *a, const Json *list) {
    Ids ids = {.ids = take(a, int32_t, list->count + 1), .count = list->count};
    for (size_t i = 0; i < list->count; i++) ids.ids[i] = (int32_t)list->items[i].integer;
    return ids;
}

static bool same_ids(Ids a, Ids b) {
    return a.count == b.count && memcmp(a.ids, b.ids, a.count * sizeof *a.ids) == 0;
}

static bool same_text(const char *text, size_t n, const Json *want) {
    return n == want->length && memcmp(text, want->text, n) == 0;
}

// All pieces of a stream together.
static char *streamed(const Tokenizer *t, Arena *a, Ids ids, bool keep, size_t *n) {
    Growing all = {.arena = a};
    TokenStream *s = stream_new(t, a, keep);
    for (size_t i = 0; i < ids.count; i++) {
        const char *piece = stream_put(s, ids.ids[i]);
        size_t k = strlen(piece), bad = utf8_valid(piece, k);
        if (bad < k) growing_put(&all, "<HALF A CHARACTER>", 18);
        growing_put(&all, piece, k);
    }
    const char *rest = stream_end(s);
    growing_put(&all, rest, strlen(rest));
    *n = all.length;
    growing_put(&all, "", 1);
    return all.text;
}

typedef struct {
    const Tokenizer *t;
    const char *name;
    int compared, wrong;
} Family;

static void decoding(Family *f, Arena *a, Ids ids, bool keep, const Json *want) {
    size_t n, m;
    char *text = tokenizer_decode(f->t, a, ids.ids, ids.count, keep, &n);
    char *pieces = streamed(f->t, a, ids, keep, &m);
    f->compared += 2;
    if (!same_text(text, n, want) && f->wrong++ < 3)
        printf("     %s: %s decodes to \"%s\", not \"%s\"\n", f->name,
               print_ids(a, ids.ids, ids.count), text, want->text);
    bool zero = memchr(want->text, 0, want->length) != NULL; // pieces are C strings
    if (!zero && !same_text(pieces, m, want) && f->wrong++ < 3)
        printf("     %s: %s streams as \"%s\", not \"%s\"\n", f->name,
               print_ids(a, ids.ids, ids.count), pieces, want->text);
}

static void family(Arena *a, const char *name, const Json *texts, const Json *want) {
    Family f = {.name = name, .t = tokenizer_load(a, arena_print(a, GOLDEN "/%s", name), false)};
    const Json *ids = json_get(want, "ids"), *plain = json_get(want, "plain"),
               *decoded = json_get(want, "decoded"), *kept = json_get(want, "kept");
    for (size_t i = 0; i < texts->count; i++) {
        const Json *text = &texts->items[i];
        Ids expected = ids_of(a, &ids->items[i]);
        Ids got = tokenizer_encode(f.t, a, text->text, text->length, true),
            bare = tokenizer_encode(f.t, a, text->text, text->length, false);
        f.compared += 2;
        if (!same_ids(got, expected) && f.wrong++ < 3)
            printf("     %s: \"%s\" is %s, not %s\n", name, text->text,
                   print_ids(a, got.ids, got.count), print_ids(a, expected.ids, expected.count));
        if (bare.count != (size_t)plain->items[i].integer && f.wrong++ < 3)
            printf("     %s: \"%s\" is %zu ids without special ones\n", name, text->text,
                   bare.count);
        decoding(&f, a, expected, false, &decoded->items[i]);
        decoding(&f, a, expected, true,
                 kept->items[i].kind == JSON_NULL ? &decoded->items[i] : &kept->items[i]);
    }
    const Json *random = json_get(want, "random");
    for (size_t i = 0; i < random->count; i++) {
        const Json *r = random->items[i].items;
        decoding(&f, a, ids_of(a, &r[0]), false, &r[1]);
        decoding(&f, a, ids_of(a, &r[0]), true, &r[2]);
    }
    check(f.compared > 350 && f.wrong == 0, "%-16s %d comparisons, %d wrong", name, f.compared,
          f.wrong);
}

// Directories as transformers' AutoTokenizer reads them: ids only.
static void directory(Arena *a, const char *name, const Json *texts, const Json *want) {
    const Json *ids = json_get(want, "ids");
    Tokenizer *t =
        tokenizer_load(a, arena_print(a, GOLDEN "/%s", name), json_bool_or(want, "rebuild", false));
    int wrong = 0;
    for (size_t i = 0; i < texts->count; i++) {
        const Json *text = &texts->items[i];
        Ids expected = ids_of(a, &ids->items[i]);
        Ids got = tokenizer_encode(t, a, text->text, text->length, true);
        if (!same_ids(got, expected) && wrong++ < 3)
            printf("     %s: \"%s\" is %s, not %s\n", name, text->text,
                   print_ids(a, got.ids, got.count), print_ids(a, expected.ids, expected.count));
    }
    check(texts->count > 50 && wrong == 0, "%-16s %zu texts, %d wrong", name, texts->count, wrong);
}

static void families(void) {
    Arena *a = arena_new("golden tokenizers");
    const Json *cases = json_read(a, GOLDEN "/cases.json"), *texts = json_get(cases, "texts");
    const Json *list = json_get(cases, "families"), *directories = json_get(cases, "directories");
    for (size_t i = 0; i < list->count; i++) {
        Mark mark = arena_mark(a);
        family(a, list->keys[i], texts, &list->items[i]);
        arena_release(a, mark);
    }
    check(list->count >= 25, "%zu families", list->count);
    for (size_t i = 0; i < directories->count; i++)
        directory(a, directories->keys[i], texts, &directories->items[i]);
    check(directories->count >= 5, "%zu directories", directories->count);
    arena_free(a);
}

// ---- Unicode

static void normal(const char *name, NormalForm form, const char *text, const char *want) {
    Arena *a = arena_new("normal form");
    Growing out = {.arena = a};
    unicode_normalize(&out, form, text, strlen(text));
    growing_put(&out, "", 1);
    check_text(name, out.text, want);
    arena_free(a);
}

static void unicode(void) {
    normal("NFC joins", NFC, "e\xCC\x81 A\xCC\x8A \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",
           "\xC3\xA9 \xC3\x85 \xED\x95\x9C");
    normal("NFC orders marks first", NFC, "a\xCC\x81\xCC\xA3", "\xE1\xBA\xA1\xCC\x81");
    normal("NFC leaves exclusions apart", NFC, "\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC");
    normal("NFC is blocked by an equal class", NFC, "e\xCC\x80\xCC\x81", "\xC3\xA8\xCC\x81");
    normal("NFD", NFD, "\xED\x95\x9C\xC3\xA9",
           "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"
           "e\xCC\x81");
    normal("NFKC", NFKC, "\xEF\xAC\x81\xC2\xBD\xEF\xBC\xA1",
           "fi1\xE2\x81\x84"
           "2A");
    normal("NFKD", NFKD, "\xE2\x91\xA0\xC3\x85", "1A\xCC\x8A");
    check(utf8_valid("a\xC3\xA9\xF0\x9F\x98\x80", 7) == 7, "valid UTF-8");
    check(utf8_valid("ab\xC0\x80", 4) == 2 && utf8_valid("\xED\xA0\x80", 3) == 0 &&
              utf8_valid("\xF4\x90\x80\x80", 4) == 0 && utf8_valid("a\xE2\x82", 3) == 1,
          "overlong, surrogate, beyond U+10FFFF, cut: all invalid");
    uint32_t lower[2];
    check(unicode_lower(0x130, lower) == 2 && lower[0] == 'i' && lower[1] == 0x307,
          "U+0130 lowers to two characters");
    check(unicode_lower(0x3A3, lower) == 1 && lower[0] == 0x3C3 &&
              unicode_lower(0x1E9E, lower) == 1 && lower[0] == 0xDF,
          "capital sigma, capital sharp s");
    // A long run of marks must not take quadratic time.
    Arena *a = arena_new("marks");
    Growing text = {.arena = a}, out = {.arena = a};
    growing_put(&text, "a", 1);
    for (int i = 0; i < 500000; i++) growing_put(&text, i % 2 ? "\xCC\x81" : "\xCC\xA3", 2);
    double begin = own_seconds();
    unicode_normalize(&out, NFC, text.text, text.length);
    double seconds = own_seconds() - begin;
    check(out.length == 3 + 2 * 499999 && memcmp(out.text, "\xE1\xBA\xA1\xCC\xA3", 5) == 0,
          "half a million marks in order");
    check(seconds < 2, "and in %.2f s (allow 2)", seconds);
    arena_free(a);
}

// ---- files made here

static const char *folder(Arena *a) {
    const char *build = getenv("BUILD");
    return arena_print(a, "%s/test/tokenizer", build ? build : "build");
}

static void put_file(Arena *a, const char *name, const char *text) {
    file_write(path_join(a, folder(a), name), text, strlen(text));
}

// {"a": 0, …, "ab": 26} and the merge a b, with other parts as given.
static const char *small(Arena *a, const char *parts) {
    return arena_print(a,
                       "{\"version\":\"1.0\",%s\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\","
                       "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"?\":4,\" \":5},"
                       "\"merges\":[\"a b\"]}}",
                       parts);
}

static void refuses(const char *name, const char *parts, const char *message) {
    Arena *a = arena_new("refused");
    put_file(a, "tokenizer.json", small(a, parts));
    check_dies(name, message) { tokenizer_load(a, folder(a), false); }
    arena_free(a);
}

static void refuses_file(const char *name, const char *text, const char *message) {
    Arena *a = arena_new("refused");
    put_file(a, "tokenizer.json", text);
    check_dies(name, message) { tokenizer_load(a, folder(a), false); }
    arena_free(a);
}

// Each of these steps writes every byte of a text as a character of two.
static void grows(void) {
    Arena *a = arena_new("a text that grows");
    Growing steps = {.arena = a};
    for (int i = 0; i < 60; i++) growing_put(&steps, ",{\"type\":\"ByteLevel\",\"use_regex\":false}", 39);
    growing_put(&steps, "", 1);
    put_file(a, "tokenizer.json", small(a, arena_print(a, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s]},", steps.text + 1)));
    Tokenizer *t = tokenizer_load(a, folder(a), false);
    check_dies("sixty steps that double a text", "again and again") { tokenizer_encode(t, a, "\xC3\xA9", 2, false); }
    arena_free(a);
}

// A token that a file adds again and again, each time with another id, and others after it.
static void added_again(void) {
    Arena *a = arena_new("tokens added again");
    Growing list = {.arena = a};
    for (int i = 0; i < 300; i++) {
        const char *entry = arena_print(a, ",{\"id\":%d,\"content\":\"<%d>\"}", 900 - i, i < 200 ? 0 : i % 3);
        growing_put(&list, entry, strlen(entry));
    }
    growing_put(&list, "", 1);
    put_file(a, "tokenizer.json", small(a, arena_print(a, "\"added_tokens\":[%s],", list.text + 1)));
    alarm(20); // it never ended
    Tokenizer *t = tokenizer_load(a, folder(a), false);
    Ids ids = tokenizer_encode(t, a, "<0><1>ab<2>", 11, false);
    alarm(0);
    check_text("three tokens added again and again", print_ids(a, ids.ids, ids.count), "6 8 3 7 ");
    arena_free(a);
}

// What the reference makes of keys that come twice: the last value counts, but not in added tokens and post-processors.
static void keys_twice(void) {
    Arena *a = arena_new("keys twice");
    put_file(a, "tokenizer.json", "{\"normalizer\":null,\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"x\",\"prepend\":\"a\"},"
                                  "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"a\":2},\"merges\":[]}}");
    Ids ids = tokenizer_encode(tokenizer_load(a, folder(a), false), a, "ba", 2, false);
    check_text("keys twice", print_ids(a, ids.ids, ids.count), "2 1 2 ");
    refuses("a key of an added token twice", "\"added_tokens\":[{\"id\":6,\"content\":\"x\",\"id\":7}],", "has the key \"id\" twice");
    refuses("a key of a post-processor twice", "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"single\":[{\"Sequence\":{\"id\":\"A\"}}]},",
            "tokenizer.json: the object that begins at byte 34 has the key \"single\" twice");
    arena_free(a);
}

// Metaspace's "first": a mark before every piece that comes from the first character, which may have become several. Ids of the library.
static void first_pieces(void) {
#define EACH "{\"type\":\"FixedLength\",\"length\":1}"
    static const struct {
        const char *normalizer, *splits, *text, *ids;
    } rows[] = {
        {"{\"type\":\"NFKC\"}", "{\"type\":\"Punctuation\",\"behavior\":\"Isolated\"}", "\xE2\x80\xA6" "a..", "1 2 1 2 1 2 3 2 2 "},
        {"{\"type\":\"NFKC\"}", EACH, "\xC2\xBD" "1", "1 7 1 9 1 8 7 "},
        {"{\"type\":\"NFC\"}", EACH, "e\xCC\x81" "a", "1 10 3 "},
        {"{\"type\":\"NFD\"}", EACH, "\xC3\xA9" "a", "1 5 1 6 3 "},
        {"{\"type\":\"NFD\"}", EACH, "ae\xCC\x81", "1 3 5 6 "},
        {"null", "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}," EACH, "\xC3\xA9\xC3\xA9", "1 12 1 13 12 13 "},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"bbb\"}", EACH, "aa", "1 4 1 4 1 4 4 4 4 "},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"xx\"}", EACH, "ab", "14 14 "},
        {"{\"type\":\"Prepend\",\"prepend\":\"xx\"}", EACH, "ab", "1 14 1 14 1 3 4 "},
        {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"StripAccents\"}]}", EACH, "\xC3\xA9" "a", "1 5 3 "},
    };
#undef EACH
    Arena *a = arena_new("first pieces");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_file(a, "tokenizer.json", arena_print(a, "{\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s,{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
                                                     "\"prepend_scheme\":\"first\",\"split\":false}]},\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"merges\":[],\"vocab\":{\"?\":0,\"\xE2\x96\x81\":1,"
                                                     "\".\":2,\"a\":3,\"b\":4,\"e\":5,\"\xCC\x81\":6,\"1\":7,\"2\":8,\"\xE2\x81\x84\":9,\"\xC3\xA9\":10,\" \":11,\"\xC3\x83\":12,\"\xC2\xA9\":13,\"x\":14}}}",
                                                  rows[i].normalizer, rows[i].splits));
        Ids ids = tokenizer_encode(tokenizer_load(a, folder(a), false), a, rows[i].text, strlen(rows[i].text), false);
        check_text(arena_print(a, "the first pieces of %s, %s", rows[i].text, rows[i].normalizer), print_ids(a, ids.ids, ids.count), rows[i].ids);
    }
    arena_free(a);
}

// Bytes that are no UTF-8 are so many texts, of which CTC takes equal ones for one.
static void lone_bytes(void) {
    Arena *a = arena_new("lone bytes");
    put_file(a, "tokenizer.json", "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"CTC\",\"pad_token\":\"p\",\"word_delimiter_token\":\"|\",\"cleanup\":false}]},"
                                  "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"a\":0,\"<0xE2>\":1,\"<0x80>\":2,\"<0xA6>\":3}}}");
    size_t n;
    const int32_t ids[] = {0, 1, 2, 0, 1, 2, 3, 0, 0};
    check_text("bytes that are no UTF-8, then CTC", tokenizer_decode(tokenizer_load(a, folder(a), false), a, ids, 9, true, &n), "a\xEF\xBF\xBD" "a\xE2\x80\xA6" "a");
    arena_free(a);
}

// A vocabulary that is not read here is named for what it is.
static void other_form(const char *name, const char *content, const char *says) {
    Arena *a = arena_new("another form");
    const char *path = scratch_text(a, name, content);
    check_dies(name, says) {
        tokenizer_load(a, arena_text(a, path, (size_t)(path_name(path) - path) - 1), false);
    }
    arena_free(a);
}

static void errors(void) {
    refuses("pattern that is not read",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|b)\\\\1\"},"
            "\"behavior\":\"Isolated\"},",
            "the pattern (a|b)\\1: at byte 5: back references");
    refuses("unknown pre-tokenizer", "\"pre_tokenizer\":{\"type\":\"Magic\"},",
            "pre-tokenizer of type \"Magic\"");
    refuses("unknown normaliser", "\"normalizer\":{\"type\":\"Magic\"},",
            "normaliser of type \"Magic\"");
    refuses("unknown decoder", "\"decoder\":{\"type\":\"Magic\"},", "decoder of type \"Magic\"");
    refuses("unknown post-processor", "\"post_processor\":{\"type\":\"Magic\"},",
            "post-processor of type \"Magic\"");
    refuses("unknown behaviour",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":"
            "\"Eaten\"},",
            "behavior \"Eaten\"");
    refuses("template with a hole",
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
            "\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{}},",
            "\"<s>\" is not in special_tokens");
    refuses("charsmap that is not base64",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"ab!d\"},",
            "not in the alphabet");
    refuses("charsmap that promises more",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"},",
            "promises a trie");
    keys_twice();
    refuses("an added token that becomes nothing", "\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},\"added_tokens\":[{\"id\":6,\"content\":\"\\n\"}],",
            "becomes nothing in the normalizer");
    refuses("added token without content", "\"added_tokens\":[{\"id\":1}],", "no \"content\"");
    refuses_file("no model", "{}", "no object \"model\"");
    refuses_file("merge outside the vocabulary",
                 "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
                 "\"b\" is not in the vocabulary");
    refuses_file("negative id", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
                 "not a whole number");
    refuses_file("dropout",
                 "{\"model\":{\"type\":\"BPE\",\"dropout\":0.5,\"vocab\":{\"a\":0},\"merges\":[]}}",
                 "dropout 0.5");
    refuses_file("unk_id beyond the end",
                 "{\"model\":{\"type\":\"Unigram\",\"unk_id\":5,\"vocab\":[[\"a\",0]]}}",
                 "unk_id is 5");
    refuses_file("not JSON", "{\"model\":", "not JSON");
    Arena *a = arena_new("errors");
    check_dies("no such folder", "no such folder") {
        tokenizer_load(a, "build/there/is/none", false);
    }
    other_form("s/tokenizer.model", "\n\016\n\005<unk>", "tokenizer.model is a SentencePiece file, which this program does not read; convert it once, with transformers, sentencepiece and protobuf installed: python");
    other_form("t/tokenizer.model", "IQ== 0\nIg== 1\n", "tokenizer.model is a tiktoken file");
    other_form("q/qwen.tiktoken", "IQ== 0\n", "qwen.tiktoken is a tiktoken file");
    other_form("k/tekken.json", "{}", "tekken.json is Mistral's tekken file, which this program does not read; convert it once, with transformers and mistral-common installed");
    put_file(a, "tokenizer.json", small(a, ""));
    Tokenizer *t = tokenizer_load(a, folder(a), false);
    check_dies("text that is not UTF-8", "not UTF-8 at byte 2") {
        tokenizer_encode(t, a, "ab\xFF", 3, true);
    }
    check(tokenizer_encode(t, a, "abxab", 5, true).count == 3 && tokenizer_id(t, "ab") == 3 &&
              tokenizer_token(t, 77, NULL) == NULL && tokenizer_id(t, "zz") == -1,
          "the small tokenizer itself works");
    arena_free(a);
}

// ---- lengths

static double time_of(const Tokenizer *t, const char *text, size_t n, size_t *count) {
    Arena *a = arena_new("time");
    double begin = own_seconds();
    *count = tokenizer_encode(t, a, text, n, true).count;
    double seconds = own_seconds() - begin;
    arena_free(a);
    return seconds;
}

// A megabyte without a space: one word for most families. It takes 0.1 s; anything quadratic takes
// minutes.
static void long_lines(void) {
    static const char *const names[] = {"clip",  "gpt2",   "llama3",       "qwen2",
                                        "llava", "llama2", "gemma",        "bert",
                                        "t5",    "siglip", "unigram_bytes"};
    Arena *a = arena_new("long lines");
    const size_t n = 1 << 20;
    char *text = take(a, char, n + 1);
    static const char *const words[] = {"the", "small", "picture",  "shows", "walking", "attention",
                                        "x",   "value", "describe", "house", "and"};
    for (size_t i = 0, k = 0; i < n; k++) {
        const char *w = words[(k * k + k / 5) % 11];
        for (; *w && i < n; w++) text[i++] = *w;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Mark mark = arena_mark(a);
        Tokenizer *t = tokenizer_load(a, arena_print(a, GOLDEN "/%s", names[i]), false);
        size_t half_count, count;
        double half = time_of(t, text, n / 2, &half_count), whole = time_of(t, text, n, &count);
        check(count >= half_count && count > 0 && whole < 5, // a word of a megabyte is one unknown token for BERT
              "%-14s 1 MiB without a space: %zu ids in %.2f s (allow 5), half of it in %.2f s",
              names[i], count, whole, half);
        arena_release(a, mark);
    }
    arena_free(a);
}

// a, ab, aba, abaab …: each the one before it with the one before that.
static void fibonacci(Growing *out, size_t size) {
    growing_put(out, "ab", 2);
    for (size_t before = 1, whole; out->length < size; before = whole) {
        whole = out->length;
        growing_room(out, before);
        growing_put(out, out->text, before);
    }
    out->length = size;
}

// The words of test/reference/long_words.py.
static void long_word(Growing *out, const char *kind, size_t size) {
    static const struct {
        const char *kind;
        uint32_t first, count;
    } drawn[] = {{"letters", 'a', 26}, {"three letters", 'a', 3}, {"digits", '0', 10}, {"characters", 0x4E00, 500}};
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
        while (strcmp(kind, drawn[i].kind) == 0 && out->length + (drawn[i].first < 0x80 ? 1 : 3) <= size) {
            state = state * 1664525u + 1013904223u;
            growing_char(out, drawn[i].first + (state >> 16) % drawn[i].count);
        }
    if (strcmp(kind, "one letter") == 0) while (out->length < size) growing_put(out, "a", 1);
    if (strcmp(kind, "two letters") == 0) while (out->length < size) growing_put(out, "ab", 2);
    if (strcmp(kind, "Fibonacci") == 0) fibonacci(out, size);
}

static uint32_t checksum(Ids ids) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < ids.count; i++) h = (h ^ (uint32_t)ids.ids[i]) * 16777619u;
    return h;
}

// Words of 64 KiB in which every order of merges that is not the library's shows.
static void long_words(void) {
    Arena *a = arena_new("long words");
    const Json *families = json_read(a, GOLDEN "/words.json");
    for (size_t i = 0; i < families->count; i++) {
        Mark mark = arena_mark(a);
        Tokenizer *t = tokenizer_load(a, arena_print(a, GOLDEN "/%s", families->keys[i]), false);
        const Json *words = &families->items[i];
        const char *wrong = "";
        for (size_t k = 0; k < words->count; k++) {
            Growing word = {.arena = a};
            long_word(&word, words->keys[k], 1 << 16);
            Ids ids = tokenizer_encode(t, a, word.text, word.length, false);
            const Json *want = words->items[k].items; // count, checksum
            if ((int64_t)ids.count != want[0].integer || checksum(ids) != want[1].integer) wrong = words->keys[k];
        }
        check(words->count == 7 && !*wrong, "%-16s %zu words of 64 KiB%s%s", families->keys[i], words->count, *wrong ? ", wrong: " : "", wrong);
        arena_release(a, mark);
    }
    check(families->count >= 26, "%zu families", families->count);
    arena_free(a);
}

// One id for several texts. Then a candidate stays although another pair stands there now, if that makes the same token; and
// pairs come to their rank from the right to the left. Ids of the library.
static void twins(void) {
    static const struct {
        const char *text, *ids;
        int times;
    } rows[] = {{"abcd", "5 3 ", 1}, {"abcd", "5 3 ", 20}, {"abxxd", "7 5 3 ", 20}};
    Arena *a = arena_new("twins");
    put_file(a, "tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"bc\":4,\"ab\":5,\"abc\":5,\"bcd\":6,\"x\":5,\"xx\":7},"
                                  "\"merges\":[\"b c\",\"a b\",\"bc d\",\"a bc\",\"x x\"]}}");
    Tokenizer *t = tokenizer_load(a, folder(a), false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Growing text = {.arena = a};
        for (int k = 0; k < rows[i].times; k++) growing_put(&text, rows[i].text, strlen(rows[i].text));
        Ids ids = tokenizer_encode(t, a, text.text, text.length, false), first = {ids.ids, ids.count / (size_t)rows[i].times};
        check_text(arena_print(a, "one id for several texts, %s %d times", rows[i].text, rows[i].times), print_ids(a, first.ids, first.count), rows[i].ids);
        check(memcmp(ids.ids, ids.ids + first.count, (ids.count - first.count) * sizeof *ids.ids) == 0, "and again and again");
    }
    arena_free(a);
}

static void limits(void) {
    Arena *a = arena_new("limits");
    Tokenizer *t = tokenizer_load(a, GOLDEN "/clip", false);
    const char *text = "The small red cube stands to the left of a large blue sphere.";
    Ids all = tokenizer_encode(t, a, text, strlen(text), true),
        cut = tokenizer_encode_cut(t, a, text, strlen(text), 9);
    check(cut.count == 9 && cut.ids[0] == tokenizer_named(t, TOKEN_BOS) &&
              cut.ids[8] == tokenizer_named(t, TOKEN_EOS) &&
              memcmp(cut.ids, all.ids, 8 * sizeof *cut.ids) == 0,
          "cut to 9: both special tokens and the first 7");
    check(same_ids(all, tokenizer_encode_cut(t, a, text, strlen(text), 1000)),
          "a limit that is not reached changes nothing");
    check_dies("a limit below the special tokens", "the special ones alone are 2") {
        tokenizer_encode_cut(t, a, text, strlen(text), 1);
    }
    check(strcmp(tokenizer_class(t), "CLIPTokenizer") == 0 &&
              strcmp(tokenizer_kind(t), "byte-level BPE") == 0,
          "class and kind");
    check(tokenizer_is_special(t, tokenizer_named(t, TOKEN_EOS)) &&
              !tokenizer_is_special(t, tokenizer_id(t, "the</w>")),
          "special and not");
    check(tokenizer_named(t, TOKEN_PAD) == tokenizer_named(t, TOKEN_EOS) &&
              tokenizer_named(t, TOKEN_MASK) == -1,
          "named tokens");
    arena_free(a);
}

static void captions(void) {
    Arena *a = arena_new("captions");
    static const char spaced[] = "\xE3\x80\x80\xC2\xA0 a \x1C\0b \x1F\t", none[] = " \x1D\n";
    const Tokenizer *t = tokenizer_load(a, GOLDEN "/gpt2", false);
    Ids ids = tokenizer_encode(t, a, spaced, sizeof spaced - 1, false), white = tokenizer_encode(t, a, none, sizeof none - 1, false);
    check_text("a caption: Python's white space off both ends, a zero byte inside does not end it", tokenizer_caption(t, a, ids.ids, ids.count, false), "a \x1C\xEF\xBF\xBD" "b");
    check_text("a caption of white space alone", tokenizer_caption(t, a, white.ids, white.count, false), "");
    const char *odd = arena_text(a, " \xA0x \xE3\x80", 6), *words = "\xC2\xA0two\x1Cwords\xE3\x80\x80\xC2"; // no UTF-8: no space
    size_t n = 6;
    unicode_strip(&odd, &n);
    check_text("ends that are no UTF-8 stay", arena_text(a, odd, n), "\xA0x \xE3\x80");
    for (int i = 0; i < 4; i++, words += n) {
        n = unicode_word(&words);
        check_text("words as str.split() makes them", arena_text(a, words, n), ((const char *[]){"two", "words", "\xC2", ""})[i]);
    }
    arena_free(a);
}

int main(void) {
    quiet = true;
    families();
    captions();
    unicode();
    errors();
    grows();
    added_again();
    first_pieces();
    lone_bytes();
    limits();
    long_lines();
    long_words();
    twins();
    return check_end();
}
