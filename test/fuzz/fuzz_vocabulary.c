// fuzz_vocabulary.c: directories without tokenizer.json: tokenizer_config.json, vocab.json with merges.txt, or vocab.txt.
#include <string.h>

#include "fuzz.h"
#include "model/tokenizer.h"

static void parse(Arena *a, Bytes input) {
    static const char *const names[] = {FUZZ_DIR "/config.json", FUZZ_DIR "/tokenizer_config.json", FUZZ_DIR "/added_tokens.json", FUZZ_DIR "/vocab.json", FUZZ_DIR "/merges.txt", FUZZ_DIR "/vocab.txt"};
    for (size_t i = 0; i < 6; i++) {
        Bytes b = fuzz_part(input, i);
        if (b.size) fuzz_place(names[i], b.bytes, b.size);
    }
    const Tokenizer *t = tokenizer_load(a, FUZZ_DIR, false);
    static const char text[] = "A photo of 2 caf\xC3\xA9s,  <|endoftext|> it's\n[SEP] ##ing";
    Ids ids = tokenizer_encode(t, a, text, sizeof text - 1, true);
    size_t n;
    const char *back = tokenizer_decode(t, a, ids.ids, ids.count, false, &n);
    fuzz_touch(back, n + 1);
}

const Fuzz fuzz_target = {
    .name = "vocabulary",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/tokenizers/*_files: config.json tokenizer_config.json added_tokens.json vocab.json merges.txt vocab.txt", "test/fuzz/seeds/vocabulary.*", NULL},
    .words = (const char *const[]){"\n", "\r\n", " ", "#version: 0.2\n", "a b\n", "\"a\":", "##", "</w>", "[UNK]", "\xC4\xA0", ": -1", ": 0", ": 2147483647", "{", "}", NULL},
};
