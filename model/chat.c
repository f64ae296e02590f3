// chat.c: see chat.h. Which family a directory's template is of, and what is read off it.
//
// Source: the templates published with the checkpoints. Held by: test/test_chat.c against
// transformers' own rendering.
#include "chat.h"

#include <string.h>

#include "io/file.h"
#include "io/json.h"
#include "unicode.h"

static const char *const names[CHAT_FAMILIES] = {
    "none",    "LLaVA-1.5", "Idefics2", "Qwen2", "Qwen3", "Qwen3.5", "Llama-2",
    "Llama-3", "Llama-3.1", "Mistral",  "Gemma", "OLMo",  "Molmo"};

const char *chat_family_name(ChatFamily family) { return names[family]; }

// ---- the template's text

static const char *template_in(const Json *json, const char *where) {
    const Json *v = json_get(json, "chat_template");
    if (!v) return NULL;
    if (v->kind == JSON_TEXT) return v->text;
    need(v->kind == JSON_ARRAY, "%s: \"chat_template\" is neither a text nor a list", where);
    for (size_t i = 0; i < v->count; i++) // several, with names
        if (strcmp(json_text(&v->items[i], "name"), "default") == 0)
            return json_text(&v->items[i], "template");
    return NULL;
}

static const Json *json_if_there(Arena *a, const char *dir, const char *name) {
    const char *path = path_join(a, dir, name);
    return file_exists(path) ? json_read(a, path) : NULL;
}

static const char *template_of(Arena *a, const char *dir, const Json *config) {
    const char *path = path_join(a, dir, "chat_template.jinja");
    if (file_exists(path)) return (const char *)file_read(a, path).bytes;
    const char *from = template_in(json_if_there(a, dir, "chat_template.json"), dir);
    if (!from) from = template_in(config, dir);
    return from ? from : template_in(json_if_there(a, dir, "processor_config.json"), dir);
}

// The string constant of the template that has `marker` in it, escapes resolved; NULL: there is
// none.
static const char *constant_with(Arena *a, const char *template, const char *marker) {
    const char *hit = strstr(template, marker), *begin = hit;
    if (!hit) return NULL;
    while (begin > template && begin[-1] != '\'' && begin[-1] != '"' && begin[-1] != '}') begin--;
    if (begin == template || begin[-1] == '}') return NULL; // bare text
    char quote = begin[-1];
    Growing out = {.arena = a};
    for (const char *c = begin; *c && *c != quote; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            growing_put(&out, *c == 'n' ? "\n" : *c == 't' ? "\t" : c, 1);
        } else {
            growing_put(&out, c, 1);
        }
    }
    growing_put(&out, "", 1);
    return out.text;
}

// The text that stands between "<|im_start|>system" and "<|im_end|>" as it is, without expressions
// in it.
static const char *default_system(Arena *a, const char *template) {
    static const char open[] = "<|im_start|>system", close[] = "<|im_end|>";
    for (const char *at = template; (at = strstr(at, open));) {
        at += sizeof open - 1;
        const char *text = at[0] == '\n' ? at + 1 : at[0] == '\\' && at[1] == 'n' ? at + 2 : NULL;
        const char *end = text ? strstr(text, close) : NULL;
        if (end && end > text && strcspn(text, "'\"{}+\\\n") >= (size_t)(end - text))
            return arena_text(a, text, (size_t)(end - text));
    }
    return NULL;
}

// ---- the family

typedef struct {
    ChatFamily family;
    const char *markers[3]; // a template of the family has all of them
} Marks;

// The first that fits is taken.
// clang-format off
static const Marks marks[] = {
    {CHAT_IDEFICS2, {"<end_of_utterance>", "Assistant:"}},
    {CHAT_LLAVA, {"ASSISTANT:", "<image>"}},
    {CHAT_LLAMA31, {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date"}},
    {CHAT_LLAMA3, {"<|start_header_id|>", "<|eot_id|>"}},
    {CHAT_QWEN35, {"<|im_start|>", "<think>", "<|vision_start|>"}},
    {CHAT_QWEN3, {"<|im_start|>", "<think>"}},
    {CHAT_QWEN2, {"<|im_start|>", "<|im_end|>"}},
    {CHAT_LLAMA2, {"[INST]", "[/INST]", "<<SYS>>"}},
    {CHAT_MISTRAL, {"[INST]", "[/INST]"}},
    {CHAT_GEMMA, {"<start_of_turn>", "<end_of_turn>"}},
    {CHAT_OLMO, {"<|user|>", "<|assistant|>"}},
    {CHAT_MOLMO, {" Assistant:", "capitalize"}},
};
// clang-format on

// clang-format off
static const struct {
    const char *model_type;
    ChatFamily family;
} defaults[] = {
    {"llava", CHAT_LLAVA},     {"idefics2", CHAT_IDEFICS2}, {"qwen2_vl", CHAT_QWEN2},  {"qwen2_5_vl", CHAT_QWEN2}, {"qwen2", CHAT_QWEN2},   {"qwen3_vl", CHAT_QWEN2},
    {"qwen3", CHAT_QWEN3},     {"qwen3_5", CHAT_QWEN35},    {"qwen3_5_text", CHAT_QWEN35}, {"mistral", CHAT_MISTRAL}, {"gemma2", CHAT_GEMMA}, {"olmo2", CHAT_OLMO},
    {"molmo", CHAT_MOLMO},
};
// clang-format on

static bool has_all(const char *template, const Marks *m) {
    for (int i = 0; i < 3 && m->markers[i]; i++)
        if (!strstr(template, m->markers[i])) return false;
    return true;
}

static ChatFamily family_of(const char *dir, const char *type, const char *template) {
    ChatFamily expected = CHAT_NONE;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i].model_type, type) == 0) expected = defaults[i].family;
    if (!template) return expected;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (has_all(template, &marks[i])) return marks[i].family;
    if (expected != CHAT_NONE)
        note("%s: its chat template has none of the markers of the %s family; that family's own "
             "format is used. Compare `retina chat` with the reference once",
             dir, names[expected]);
    else
        note("%s: a chat template of a family that this program does not know", dir);
    return expected;
}

static const char *token_text(const Json *config, const char *key, const char *otherwise) {
    const Json *v = json_get(config, key);
    if (v && v->kind == JSON_OBJECT) v = json_get(v, "content");
    return v && v->kind == JSON_TEXT ? v->text : otherwise;
}

static bool mentions(const char *template, const char *what) {
    return !template || strstr(template, what);
}

// Is the family's <|im_start|> template one for pictures, and what is one in it?
static const char *qwen_image(Arena *a, const char *type, const char *template) {
    if (!template)
        return strstr(type, "vl") || strcmp(type, "qwen3_5") == 0
                   ? "<|vision_start|><|image_pad|><|vision_end|>"
                   : NULL;
    if (strstr(template, "<|image_pad|>")) return "<|vision_start|><|image_pad|><|vision_end|>";
    return constant_with(a, template, "<image>");
}

static void qwen_details(Arena *a, Chat *c, const char *type, const char *template) {
    c->image = qwen_image(a, type, template);
    c->special = c->image != NULL;
    if (template)
        c->system = default_system(a, template);
    else if (c->family == CHAT_QWEN2 && strcmp(type, "qwen2") == 0)
        c->system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    else if (c->family == CHAT_QWEN2 && strcmp(type, "qwen3_vl") != 0)
        c->system = "You are a helpful assistant.";
}

Chat chat_load(Arena *a, const char *dir) {
    const Json *config = json_if_there(a, dir, "tokenizer_config.json"),
               *model = json_if_there(a, dir, "config.json");
    const char *template = template_of(a, dir, config),
               *type = json_text_or(model, "model_type", "");
    Chat c = {.family = family_of(dir, type, template),
              .dir = arena_text(a, dir, strlen(dir)),
              .start = ""};
    c.bos = token_text(config, "bos_token", "");
    c.eos = token_text(config, "eos_token", "");
    c.trims = template ? strstr(template, "trim") || strstr(template, "strip()") : false;
    switch (c.family) {
    case CHAT_LLAVA:
        c.image = "<image>", c.special = true, c.bos = "";
        break;
    case CHAT_IDEFICS2:
        c.image = "<image>", c.special = true, c.bos = "";
        if (template && strncmp(template, "<|im_start|>", 12) == 0) c.start = "<|im_start|>";
        break;
    case CHAT_QWEN2:
    case CHAT_QWEN3:
    case CHAT_QWEN35:
        qwen_details(a, &c, type, template);
        if (!template) c.trims = c.family != CHAT_QWEN2;
        c.bos = "";
        break;
    case CHAT_LLAMA31: {
        const char *date = constant_with(a, template, " Jul 2024");
        c.date = date ? date : "26 Jul 2024";
        if (strstr(template, "strftime_now"))
            note("%s: its chat template writes today's date; %s is written here, so that a prompt "
                 "stays the same",
                 dir, c.date);
        break;
    }
    case CHAT_MISTRAL:
        if (!*c.bos) c.bos = "<s>";
        if (!*c.eos) c.eos = "</s>";
        c.open = template ? constant_with(a, template, "[INST]") : NULL;
        c.close = template ? constant_with(a, template, "[/INST]") : NULL;
        if (!c.open) c.open = "[INST] ";
        if (!c.close) c.close = " [/INST]";
        c.answer =
            !template || strstr(template, "' ' + message") || strstr(template, "\" \" + message")
                ? " "
                : "";
        break;
    case CHAT_GEMMA:
        if (!*c.bos) c.bos = "<bos>";
        if (!template) c.trims = true;
        break;
    case CHAT_MOLMO:
        c.special = true, c.bos = "";
        break;
    default:
        break;
    }
    if (!c.image && strcmp(type, "llava") == 0) { // over a chat model, with that model's template
        c.image = "<image>\n", c.image_in_text = true;
        note("%s: its chat template knows no images; one is <image> and a line break before the user's words, as LLaVA is trained", dir);
    }
    if (*c.bos && !mentions(template, "bos_token") && !mentions(template, c.bos)) c.bos = "";
    return c;
}
