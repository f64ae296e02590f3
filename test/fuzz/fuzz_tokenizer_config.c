// fuzz_tokenizer_config.c: what stands beside a tokenizer.json: its configuration, the older files of special and added tokens.
#include <string.h>

#include "fuzz.h"
#include "model/tokenizer.h"

static const char vocabulary[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true},{\"id\":9,\"content\":\"<new>\",\"special\":false,\"normalized\":true,\"single_word\":true,\"lstrip\":true}],"
    "\"normalizer\":{\"type\":\"Lowercase\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<s>\":3,\"\xC4\xA0\":4},\"merges\":[[\"a\",\"b\"]]}}";

static void parse(Arena *a, Bytes input) {
    static const char *const names[] = {FUZZ_DIR "/config.json", FUZZ_DIR "/tokenizer_config.json", FUZZ_DIR "/added_tokens.json", FUZZ_DIR "/special_tokens_map.json"};
    fuzz_place(FUZZ_DIR "/tokenizer.json", vocabulary, sizeof vocabulary - 1);
    for (size_t i = 0; i < 4; i++) {
        Bytes b = fuzz_part(input, i);
        if (b.size) fuzz_place(names[i], b.bytes, b.size);
    }
    const Tokenizer *t = tokenizer_load(a, FUZZ_DIR, input.size % 2);
    static const char text[] = "ab <s>AB <new> <|image|>  ba</s>";
    Ids ids = tokenizer_encode(t, a, text, sizeof text - 1, true);
    size_t n;
    const char *back = tokenizer_decode(t, a, ids.ids, ids.count, false, &n);
    fuzz_touch(back, n + 1);
    for (int i = 0; i < TOKEN_NAMED; i++) {
        int32_t id = tokenizer_named(t, (NamedToken)i);
        if (id >= 0 && !tokenizer_token(t, id, NULL)) die("a named token that is none");
    }
}

const Fuzz fuzz_target = {
    .name = "tokenizer_config",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/tokenizers/*: config.json tokenizer_config.json added_tokens.json special_tokens_map.json",
                                   "test/golden/chat/*: config.json tokenizer_config.json added_tokens.json special_tokens_map.json", "test/fuzz/seeds/beside*", NULL},
    .words = (const char *const[]){"\"added_tokens_decoder\":", "\"bos_token\":", "\"pad_token\":null", "\"extra_special_tokens\":[\"<e>\"]", "\"additional_special_tokens\":", "{\"content\":\"<x>\"}", "\"lstrip\":true",
                                   "\"normalized\":true", "\"legacy\":false", "\"LlamaTokenizer\"", "\"T5Tokenizer\"", "\"Qwen2Tokenizer\"", "\"BertTokenizer\"", "\"7\":", "\"image_token\":\"<i>\"", "null", "[]", "{}",
                                   "\"split_special_tokens\":true", "\"add_bos_token\":true", NULL},
};
