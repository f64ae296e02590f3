// chat_render.c: see chat.h. Turns as the text of each family.
//
// Source: the templates published with the checkpoints, and for image placeholders
// transformers 5.24, models/*/processing_*.py. Held by: test/test_chat.c against transformers' own
// rendering. Bites: Llama-3 and Gemma trim every turn, Qwen2 none; Llama-3.1 writes its dates even
// into a system turn of one's own; Idefics2 writes "User:" before an image and "User: " before
// text, and its processor puts a space between the closing fake token and a word.
#include <string.h>

#include "chat.h"
#include "unicode.h"

static void put(Growing *out, const char *text) { growing_put(out, text, strlen(text)); }

static void put_times(Growing *out, const char *text, int times) {
    for (int i = 0; i < times; i++) put(out, text);
}

// Takes white space off both ends of what was put since `from`, as strip() and Jinja's trim do, if
// the template trims.
static void trim(const Chat *c, Growing *out, size_t from) {
    if (!c->trims || out->length == from) return;
    const char *text = out->text + from;
    size_t n = out->length - from;
    unicode_strip(&text, &n);
    memmove(out->text + from, text, n);
    out->length = from + n;
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

static const ChatTurn *images_in_text(Arena *a, const Chat *c, const ChatTurn *turns, size_t count) {
    ChatTurn *with = take(a, ChatTurn, count + 1);
    for (size_t i = 0; i < count; i++) {
        Growing text = {.arena = a};
        put_times(&text, c->image, turns[i].images);
        growing_put(&text, turns[i].text, strlen(turns[i].text) + 1);
        with[i] = (ChatTurn){.role = turns[i].role, .text = text.text};
    }
    return with;
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
             "%s: the chat template of the %s family takes no images", c->dir, chat_family_name(c->family));
        size_t n = strlen(turns[i].text), bad = utf8_valid(turns[i].text, n);
        need(bad == n, "a turn of the chat is not UTF-8 at byte %zu", bad);
    }
    if (c->image_in_text) turns = images_in_text(a, c, turns, count);
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
    need(found == count, "%s: the prompt has %zu images, and %zu are given; one %s is wanted for each", c->dir, found, count, holder);
    put(&out, text);
    growing_put(&out, "", 1);
    return c->family == CHAT_IDEFICS2 ? fakes_joined(a, out.text) : out.text;
}
