// tokenizer_class.c: the tokenizer classes of transformers 5.24, as far as they put something of
// their own in the place of what tokenizer.json says.
//
// Source: transformers 5.24, models/*/tokenization_*.py and models/auto/tokenization_auto.py. Used
// for directories without tokenizer.json, with `rebuild`, and for the special tokens that a class
// adds by itself.
#include <string.h>

#include "tokenizer_parts.h"

// The parts below are JSON with ` for ", and %NAME% for what class_part() puts in.
// clang-format off
#define SPLIT_THEN_BYTES(pattern)                                                           \
    "{`type`:`Sequence`,`pretokenizers`:["                                                  \
    "{`type`:`Split`,`pattern`:{`Regex`:" pattern "},`behavior`:`Isolated`},"               \
    "{`type`:`ByteLevel`,`add_prefix_space`:%PREFIX_SPACE%,`use_regex`:false}]}"
#define BYTES "{`type`:`ByteLevel`,`add_prefix_space`:%PREFIX_SPACE%}"
#define MARK "\xE2\x96\x81"
#define MARKS_DECODED(and_then)                                                             \
    "{`type`:`Sequence`,`decoders`:["                                                       \
    "{`type`:`Replace`,`pattern`:{`String`:`" MARK "`},`content`:` `},"                     \
    "{`type`:`ByteFallback`},{`type`:`Fuse`}" and_then "]}"
#define END "<|endoftext|>"
#define NOTHING .before = TOKEN_NAMED, .after = TOKEN_NAMED

static const Class classes[] = {
    {.name = "CLIPTokenizer", .named = {"<|startoftext|>", END, END, NULL, END},
     .model = "{`end_of_word_suffix`:`</w>`,`unk_token`:%UNK%}",
     .normalizer = "{`type`:`Sequence`,`normalizers`:[{`type`:`NFC`},"
                   "{`type`:`Replace`,`pattern`:{`Regex`:%SPACES%},`content`:` `},{`type`:`Lowercase`}]}",
     .pre_tokenizer = "{`type`:`Sequence`,`pretokenizers`:["
                      "{`type`:`Split`,`pattern`:{`Regex`:%CLIP%},`behavior`:`Removed`,`invert`:true},"
                      "{`type`:`ByteLevel`,`add_prefix_space`:false}]}",
     .decoder = BYTES, .before = TOKEN_BOS, .after = TOKEN_EOS},
    {.name = "LlamaTokenizer", .named = {"<s>", "</s>", "<unk>"},
     .model = "{`fuse_unk`:true,`byte_fallback`:true}",
     .pre_tokenizer = "{`type`:`Metaspace`,`replacement`:`" MARK "`,`prepend_scheme`:`%SCHEME%`,`split`:false}",
     .decoder = MARKS_DECODED("%STRIP%"), NOTHING},
    {.name = "GemmaTokenizer", .named = {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"},
     .model = "{`fuse_unk`:true,`byte_fallback`:true,`unk_token`:%UNK%}",
     .normalizer = "{`type`:`Replace`,`pattern`:{`String`:` `},`content`:`" MARK "`}",
     .pre_tokenizer = "{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`MergedWithPrevious`}",
     .decoder = MARKS_DECODED(""), NOTHING},
    {.name = "Qwen2Tokenizer", .named = {NULL, END, END, NULL, END}, .model = "{}",
     .normalizer = "{`type`:`NFC`}", .pre_tokenizer = SPLIT_THEN_BYTES("%QWEN2%"), .decoder = BYTES, NOTHING},
    {.name = "Qwen3_5Tokenizer", .named = {NULL, END, END, NULL, END}, .model = "{}",
     .normalizer = "{`type`:`NFC`}", .pre_tokenizer = SPLIT_THEN_BYTES("%QWEN35%"), .decoder = BYTES, NOTHING},
    {.name = "GPT2Tokenizer", .named = {END, END, END}, .model = "{}",
     .pre_tokenizer = BYTES, .decoder = BYTES, NOTHING},
    {.name = "GPTNeoXTokenizer", .named = {END, END, END, NULL, "<|padding|>"}, .model = "{}",
     .normalizer = "{`type`:`NFC`}", .pre_tokenizer = BYTES, .decoder = BYTES, NOTHING},
    {.name = "RobertaTokenizer", .named = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}, .model = "{}",
     .pre_tokenizer = BYTES, .decoder = BYTES, .before = TOKEN_CLS, .after = TOKEN_SEP},
    {.name = "BertTokenizer", .named = {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
     .model = "{`unk_token`:%UNK%}",
     .normalizer = "{`type`:`BertNormalizer`,`clean_text`:true,`handle_chinese_chars`:%CHINESE%,"
                   "`strip_accents`:%ACCENTS%,`lowercase`:%LOWER%}",
     .pre_tokenizer = "{`type`:`BertPreTokenizer`}", .decoder = "{`type`:`WordPiece`,`prefix`:`##`}",
     .before = TOKEN_CLS, .after = TOKEN_SEP},
    {.name = "T5Tokenizer", .named = {NULL, "</s>", "<unk>", NULL, "<pad>"}, .model = "{`unk_id`:2}",
     .pre_tokenizer = "{`type`:`Sequence`,`pretokenizers`:["
                      "{`type`:`WhitespaceSplit`},{`type`:`Metaspace`,`replacement`:`" MARK "`}]}",
     .decoder = "{`type`:`Metaspace`,`replacement`:`" MARK "`}", .before = TOKEN_NAMED, .after = TOKEN_EOS},
};

// What AutoTokenizer has for a model's type. `wrong`: the class named in its published files is known to be
// wrong, and this one is taken whatever they say. NULL: the one that takes tokenizer.json as it is.
static const struct {
    const char *model_type, *class;
    bool wrong;
} models[] = {
    {"align", "BertTokenizer"},        {"bert", "BertTokenizer"},          {"blip", "BertTokenizer"},
    {"blip-2", "GPT2Tokenizer"},       {"clip", "CLIPTokenizer"},          {"clipseg", "CLIPTokenizer"},
    {"distilbert", "BertTokenizer"},   {"gemma", "GemmaTokenizer"},        {"gemma2", "GemmaTokenizer"},
    {"gpt2", "GPT2Tokenizer"},         {"gpt_neox", "GPTNeoXTokenizer"},   {"idefics2", "LlamaTokenizer"},
    {"internvl", "Qwen2Tokenizer"},    {"llava", NULL, true},              {"llava_next", NULL, true},
    {"mistral", NULL},                 {"mixtral", NULL},                  {"molmo", NULL, true},
    {"olmo", "GPTNeoXTokenizer"},      {"olmo2", NULL},                    {"qwen2", "Qwen2Tokenizer", true},
    {"qwen2_vl", "Qwen2Tokenizer"},    {"qwen2_5_vl", "Qwen2Tokenizer"},   {"qwen3", "Qwen2Tokenizer"},
    {"qwen3_vl", "Qwen2Tokenizer"},    {"qwen3_5", "Qwen3_5Tokenizer", true}, {"qwen3_5_text", "Qwen3_5Tokenizer"},
    {"roberta", "RobertaTokenizer"},   {"siglip", "SiglipTokenizer"},      {"t5", "T5Tokenizer"},
};
// clang-format on

// SigLIP's class is one of SentencePiece's; what it does to a text in code stands before the file's
// normaliser: lower case, no ASCII punctuation, single spaces.
const char siglip_cleaning[] = "{`type`:`Sequence`,`normalizers`:[{`type`:`Lowercase`},"
                               "{`type`:`Replace`,`pattern`:{`Regex`:%PUNCTUATION%},`content`:``},"
                               "{`type`:`Replace`,`pattern`:{`Regex`:%SPACES%},`content`:` `},"
                               "{`type`:`Strip`}]}";

static const Class *class_named(const char *name) {
    size_t n = strlen(name);
    if (n > 4 && strcmp(name + n - 4, "Fast") == 0) n -= 4;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
            return &classes[i];
    return NULL;
}

static bool same_name(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (n > 4 && strcmp(a + n - 4, "Fast") == 0) n -= 4;
    if (m > 4 && strcmp(b + m - 4, "Fast") == 0) m -= 4;
    return n == m && memcmp(a, b, n) == 0;
}

const Class *class_pick(const Json *config, const Json *model_config, bool byte_level,
                        const char **name) {
    static const char generic[] = "TokenizersBackend";
    const char *type = json_text_or(model_config, "model_type", ""), *registered = NULL;
    bool known = false, wrong = false;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(models[i].model_type, type) == 0)
            known = true, registered = models[i].class ? models[i].class : generic,
            wrong = models[i].wrong;
    const char *said = json_text_or(config, "tokenizer_class",
                                    json_text_or(model_config, "tokenizer_class", NULL));
    *name = said ? said : registered ? registered : generic;
    if (said && same_name(said, "LlamaTokenizer") && byte_level && !wrong)
        *name = generic; // Llama-3 files that say so
    else if (said && known && !same_name(said, registered))
        *name = strcmp(registered, generic) == 0 ? generic : wrong ? registered : said;
    if (same_name(*name, "PreTrainedTokenizer")) *name = generic;
    const Class *c = class_named(*name);
    if (c) *name = c->name;
    return c;
}

static void put_quoted(Growing *out, const char *text) {
    JsonOut *o = json_out(out->arena, 0);
    json_put_text(o, NULL, text);
    const char *quoted = json_done(o, NULL);
    growing_put(out, quoted, strlen(quoted));
}

// The value of %NAME%.
static void put_value(Growing *out, const char *const *values, const char *name, size_t n) {
    static const char *const expressions[] = {
        "CLIP",   pattern_clip, "QWEN2",       pattern_qwen2,      "QWEN35", pattern_qwen35, "OPENCLIP", pattern_openclip,
        "SPACES", "\\s+",       "PUNCTUATION", "[!-/:-@\\[-`{-~]", NULL};
    for (const char *const *v = expressions; *v; v += 2)
        if (strlen(*v) == n && memcmp(*v, name, n) == 0) put_quoted(out, v[1]);
    for (const char *const *v = values; *v; v += 2)
        if (strlen(*v) == n && memcmp(*v, name, n) == 0) growing_put(out, v[1], strlen(v[1]));
}

const Json *class_part(Arena *a, const char *text, const char *const *values) {
    Growing out = {.arena = a};
    for (; *text; text++) {
        if (*text != '%') {
            growing_put(&out, *text == '`' ? "\"" : text, 1);
            continue;
        }
        const char *end = strchr(text + 1, '%');
        put_value(&out, values, text + 1, (size_t)(end - text) - 1);
        text = end;
    }
    return json_parse(a, out.text, out.length, "tokenizer_class.c");
}
