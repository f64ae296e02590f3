// chat.c: see chat.h.
//
// Source: the templates published with the checkpoints, and for image placeholders
// transformers 5.24, models/*/processing_*.py. Held by: test/test_chat.c against transformers' own
// rendering. Bites: Llama-3 and Gemma trim every turn, Qwen2 none; Llama-3.1 writes its dates even
// into a system turn of one's own; Idefics2 writes "User:" before an image and "User: " before
// text, and its processor puts a space between the closing fake token and a word.
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
    if (*c.bos && !mentions(template, "bos_token") && !mentions(template, c.bos)) c.bos = "";
    return c;
}

// ---- rendering

static void put(Growing *out, const char *text) { growing_put(out, text, strlen(text)); }

static void put_times(Growing *out, const char *text, int times) {
    for (int i = 0; i < times; i++) put(out, text);
}

static bool python_space(uint32_t c) {
    return (unicode_flags(c) & UNI_SPACE) || (c >= 0x1C && c <= 0x1F);
}

// Takes white space off both ends of what was put since `from`, as strip() and Jinja's trim do, if
// the template trims.
static void trim(const Chat *c, Growing *out, size_t from) {
    while (c->trims && out->length > from) {
        size_t last = utf8_before(out->text, out->length), next = last;
        if (!python_space(utf8_next(out->text, &next))) break;
        out->length = last;
    }
    size_t begin = from;
    while (c->trims && begin < out->length) {
        size_t next = begin;
        if (!python_space(utf8_next(out->text, &next))) break;
        begin = next;
    }
    if (begin == from) return;
    memmove(out->text + from, out->text + begin, out->length - begin);
    out->length -= begin - from;
}

static void put_text(Growing *out, const Chat *c, const char *text) {
    size_t from = out->length;
    put(out, text);
    trim(c, out, from);
}

static void llava(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    for (size_t i = 0; i < n; i++) {
        if (t[i].role != CHAT_SYSTEM) put(out, t[i].role == CHAT_USER ? "USER: " : "ASSISTANT: ");
        put_times(out, "<image>\n", t[i].images);
        put_text(out, c, t[i].text);
        put(out, " ");
    }
    if (prompt) put(out, "ASSISTANT:");
}

static void idefics2(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    static const char *const roles[] = {"System", "User", "Assistant"};
    put(out, c->start);
    for (size_t i = 0; i < n; i++) {
        put(out, roles[t[i].role]);
        put(out, t[i].images ? ":" : ": ");
        put_times(out, "<image>", t[i].images);
        put_text(out, c, t[i].text);
        put(out, "<end_of_utterance>\n");
    }
    if (prompt) put(out, "Assistant:");
}

static void qwen(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt,
                 ChatThinking thinking) {
    static const char *const roles[] = {"system", "user", "assistant"};
    if (c->system && (n == 0 || t[0].role != CHAT_SYSTEM)) {
        put(out, "<|im_start|>system\n");
        put(out, c->system);
        put(out, "<|im_end|>\n");
    }
    for (size_t i = 0; i < n; i++) {
        put(out, "<|im_start|>");
        put(out, roles[t[i].role]);
        put(out, "\n");
        size_t from = out->length;
        if (t[i].images) put_times(out, c->image, t[i].images);
        put(out, t[i].text);
        trim(c, out, from);
        put(out, "<|im_end|>\n");
    }
    if (!prompt) return;
    put(out, "<|im_start|>assistant\n");
    bool closed = thinking == THINK_OFF || (thinking == THINK_DEFAULT && c->family == CHAT_QWEN35);
    if (c->family != CHAT_QWEN2 && closed)
        put(out, "<think>\n\n</think>\n\n");
    else if (c->family == CHAT_QWEN35)
        put(out, "<think>\n");
}

static void llama3(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    static const char *const roles[] = {"system", "user", "assistant"};
    put(out, c->bos);
    if (c->family == CHAT_LLAMA31) {
        put(out, "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December "
                 "2023\nToday Date: ");
        put(out, c->date);
        put(out, "\n\n");
        if (n && t[0].role == CHAT_SYSTEM) put_text(out, c, t[0].text), t++, n--;
        put(out, "<|eot_id|>");
    }
    for (size_t i = 0; i < n; i++) {
        put(out, "<|start_header_id|>");
        put(out, roles[t[i].role]);
        put(out, "<|end_header_id|>\n\n");
        put_text(out, c, t[i].text);
        put(out, "<|eot_id|>");
    }
    if (prompt) put(out, "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

// A system text goes into the first user turn.
static void llama2(Growing *out, const Chat *c, const ChatTurn *t, size_t n) {
    const char *system = NULL;
    for (size_t i = 0; i < n; i++) {
        if (t[i].role == CHAT_SYSTEM) {
            system = t[i].text;
        } else if (t[i].role == CHAT_USER) {
            put(out, c->bos);
            put(out, "[INST] ");
            size_t from = out->length;
            if (system) {
                put(out, "<<SYS>>\n");
                put(out, system);
                put(out, "\n<</SYS>>\n\n");
            }
            put(out, t[i].text);
            trim(c, out, from);
            put(out, " [/INST]");
            system = NULL;
        } else {
            put(out, " ");
            put_text(out, c, t[i].text);
            put(out, " ");
            put(out, c->eos);
        }
    }
}

static void mistral(Growing *out, const Chat *c, const ChatTurn *t, size_t n) {
    const char *system = NULL;
    put(out, c->bos);
    for (size_t i = 0; i < n; i++) {
        if (t[i].role == CHAT_SYSTEM) {
            system = t[i].text;
        } else if (t[i].role == CHAT_USER) {
            put(out, c->open);
            if (system) {
                put(out, system);
                put(out, "\n\n");
            }
            put_text(out, c, t[i].text);
            put(out, c->close);
            system = NULL;
        } else {
            put(out, c->answer);
            put_text(out, c, t[i].text);
            put(out, c->eos);
        }
    }
}

static void gemma(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    put(out, c->bos);
    for (size_t i = 0; i < n; i++) {
        need(t[i].role != CHAT_SYSTEM,
             "%s: Gemma's chat template has no system turn; put the text into the user's", c->dir);
        put(out, t[i].role == CHAT_USER ? "<start_of_turn>user\n" : "<start_of_turn>model\n");
        put_text(out, c, t[i].text);
        put(out, "<end_of_turn>\n");
    }
    if (prompt) put(out, "<start_of_turn>model\n");
}

static void olmo(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    static const char *const roles[] = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"};
    put(out, c->bos);
    for (size_t i = 0; i < n; i++) {
        put(out, roles[t[i].role]);
        put_text(out, c, t[i].text);
        if (t[i].role == CHAT_ASSISTANT) put(out, c->eos);
        if (t[i].role != CHAT_ASSISTANT || i + 1 < n) put(out, "\n");
    }
    if (prompt) put(out, "<|assistant|>\n");
}

static void molmo(Growing *out, const Chat *c, const ChatTurn *t, size_t n, bool prompt) {
    for (size_t i = 0; i < n; i++) {
        need(t[i].role != CHAT_SYSTEM,
             "%s: Molmo's chat template has no system turn; put the text into the user's", c->dir);
        put(out, t[i].role == CHAT_USER ? " User: " : " Assistant: ");
        put_text(out, c, t[i].text);
    }
    if (prompt) put(out, " Assistant:");
}

char *chat_render(Arena *a, const Chat *c, const ChatTurn *turns, size_t count, bool prompt,
                  ChatThinking thinking) {
    need(c->family != CHAT_NONE,
         "%s: no chat template here; give the model the text as it is (--raw)", c->dir);
    for (size_t i = 0; i < count; i++) {
        bool takes =
            c->image || c->family == CHAT_MOLMO; // Molmo's image stands before the text, as ids
        need(turns[i].images >= 0, "%s: a turn with %d images", c->dir, turns[i].images);
        need(turns[i].images == 0 || takes,
             "%s: the chat template of the %s family takes no images", c->dir, names[c->family]);
        size_t n = strlen(turns[i].text), bad = utf8_valid(turns[i].text, n);
        need(bad == n, "a turn of the chat is not UTF-8 at byte %zu", bad);
    }
    Growing out = {.arena = a};
    switch (c->family) {
    case CHAT_NONE:
    case CHAT_FAMILIES:
        break;
    case CHAT_LLAVA:
        llava(&out, c, turns, count, prompt);
        break;
    case CHAT_IDEFICS2:
        idefics2(&out, c, turns, count, prompt);
        break;
    case CHAT_QWEN2:
    case CHAT_QWEN3:
    case CHAT_QWEN35:
        qwen(&out, c, turns, count, prompt, thinking);
        break;
    case CHAT_LLAMA2:
        llama2(&out, c, turns, count);
        break;
    case CHAT_LLAMA3:
    case CHAT_LLAMA31:
        llama3(&out, c, turns, count, prompt);
        break;
    case CHAT_MISTRAL:
        mistral(&out, c, turns, count);
        break;
    case CHAT_GEMMA:
        gemma(&out, c, turns, count, prompt);
        break;
    case CHAT_OLMO:
        olmo(&out, c, turns, count, prompt);
        break;
    case CHAT_MOLMO:
        molmo(&out, c, turns, count, prompt);
        break;
    }
    growing_put(&out, "", 1);
    return out.text;
}

// ---- images

static const char FAKE[] = "<fake_token_around_image>";

// "fake fake" becomes one, and a word that follows a fake token directly gets a space before it.
static char *fakes_joined(Arena *a, const char *text) {
    const size_t n = sizeof FAKE - 1;
    Growing out = {.arena = a};
    while (*text) {
        if (strncmp(text, FAKE, n) != 0) {
            growing_put(&out, text++, 1);
            continue;
        }
        text += strncmp(text + n, FAKE, n) == 0 ? 2 * n : n;
        put(&out, FAKE);
        size_t next = 0;
        bool word = *text && *text != '<' && !(unicode_flags(utf8_next(text, &next)) & UNI_SPACE);
        if (word) put(&out, " ");
    }
    growing_put(&out, "", 1);
    return out.text;
}

char *chat_expand(Arena *a, const Chat *c, const char *text, const ChatImage *images,
                  size_t count) {
    const char *holder =
        c->family == CHAT_QWEN2 || c->family == CHAT_QWEN3 || c->family == CHAT_QWEN35
            ? "<|image_pad|>"
            : "<image>";
    if (c->image && !strstr(c->image, holder)) holder = "<image>";
    Growing out = {.arena = a};
    size_t found = 0;
    for (const char *hit; (hit = strstr(text, holder)); text = hit + strlen(holder), found++) {
        growing_put(&out, text, (size_t)(hit - text));
        if (found >= count) continue; // counted to say how many
        bool around = c->family == CHAT_IDEFICS2;
        for (int p = 0; p < (around ? images[found].parts : 1); p++) {
            if (around) put(&out, FAKE);
            put_times(&out, holder, images[found].tokens);
            if (around) put(&out, FAKE);
        }
    }
    need(found == count, "%s: the prompt has %zu images, and %zu are given", c->dir, found, count);
    put(&out, text);
    growing_put(&out, "", 1);
    return c->family == CHAT_IDEFICS2 ? fakes_joined(a, out.text) : out.text;
}
