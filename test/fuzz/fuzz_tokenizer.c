// fuzz_tokenizer.c: tokenizer.json: loaded, and if it is accepted, texts through it and back.
#include <string.h>

#include "fuzz.h"
#include "model/tokenizer.h"

static const char *const texts[] = {
    "Hello world,  it's 12345!\n\n<s> [CLS] <|endoftext|>",
    "\xC3\x85ngstr\xC3\xB6m \xE4\xB8\xAD\xE6\x96\x87 e\xCC\x81 \xEF\xB7\xBA \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x98\x80 \xE2\x96\x81x\t\xC2\xA0",
    "",
};

static void through(Arena *a, const Tokenizer *t, const char *text) {
    Ids ids = tokenizer_encode(t, a, text, strlen(text), true);
    size_t n;
    const char *back = tokenizer_decode(t, a, ids.ids, ids.count, true, &n);
    fuzz_touch(back, n + 1);
    for (size_t i = 0; i < ids.count; i++) tokenizer_token(t, ids.ids[i], &n);
}

static void parse(Arena *a, Bytes input) {
    static const char *const types[] = {"", "bert", "llama", "qwen2", "clip", "t5", "siglip", "roberta"};
    const char *type = types[input.size % 8];
    fuzz_place(FUZZ_DIR "/tokenizer.json", input.bytes, input.size);
    const char *config = arena_print(a, "{\"model_type\":\"%s\"}", type);
    if (*type) fuzz_place(FUZZ_DIR "/config.json", config, strlen(config));
    const Tokenizer *t = tokenizer_load(a, FUZZ_DIR, input.size % 3 == 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Trap trap;
        if (!trap_set(&trap)) continue; // a vocabulary without an unknown token may refuse a text
        through(a, t, texts[i]);
        trap_end(&trap);
    }
}

const Fuzz fuzz_target = {
    .name = "tokenizer",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/tokenizers/*/tokenizer.json", "test/fuzz/seeds/tokenizer.*.json", NULL},
    .words = (const char *const[]){"\"type\":\"Sequence\"", "\"Prepend\"", "\"Replace\"", "\"NFC\"", "\"NFKD\"", "\"Lowercase\"", "\"Strip\"", "\"BertNormalizer\"", "\"ByteLevel\"", "\"Split\"",
                                   "\"Metaspace\"", "\"Digits\"", "\"Punctuation\"", "\"TemplateProcessing\"", "\"WordPiece\"", "\"Unigram\"", "\"BPE\"", "true", "false", "null", "\"\"", "[]", "{}", "0", "-1",
                                   "\"Isolated\"", "\"Removed\"", "\"MergedWithNext\"", "\"Contiguous\"", "\xE2\x96\x81", "\"ignore_merges\":true", "\"byte_fallback\":true", NULL},
};
