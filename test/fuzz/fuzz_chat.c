// fuzz_chat.c: chat templates and what else tells a conversation's form; one with pictures and one without are rendered.
#include <string.h>

#include "fuzz.h"
#include "model/chat.h"

static const ChatTurn turns[] = {{CHAT_SYSTEM, " Be brief. ", 0}, {CHAT_USER, "What <image> is this?\n", 2}, {CHAT_ASSISTANT, "A cat.", 0}, {CHAT_USER, "", 0}};

static void render(Arena *a, const Chat *c, const ChatTurn *t, size_t n, int images) {
    Trap trap; // not every family takes pictures, or a system text
    if (!trap_set(&trap)) return;
    const char *text = chat_render(a, c, t, n, images % 2, THINK_DEFAULT);
    fuzz_touch(text, strlen(text) + 1);
    ChatImage all[3] = {{2, 1}, {3, 5}, {4, 1}};
    const char *expanded = chat_expand(a, c, text, all, (size_t)images);
    fuzz_touch(expanded, strlen(expanded) + 1);
    trap_end(&trap);
}

static void parse(Arena *a, Bytes input) {
    static const char *const names[] = {FUZZ_DIR "/config.json", FUZZ_DIR "/tokenizer_config.json", FUZZ_DIR "/chat_template.json", FUZZ_DIR "/chat_template.jinja"};
    for (size_t i = 0; i < 4; i++) {
        Bytes b = fuzz_part(input, i);
        if (b.size) fuzz_place(names[i], b.bytes, b.size);
    }
    Chat c = chat_load(a, FUZZ_DIR);
    fuzz_touch(chat_family_name(c.family), strlen(chat_family_name(c.family)));
    render(a, &c, turns, 4, 3);
    render(a, &c, turns, 4, 2);
    render(a, &c, turns + 1, 3, 2);
    render(a, &c, turns + 2, 2, 0);
}

const Fuzz fuzz_target = {
    .name = "chat",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/chat/*: config.json tokenizer_config.json chat_template.json chat_template.jinja", NULL},
    .words = (const char *const[]){"<|im_start|>", "[INST]", "[/INST]", "<start_of_turn>", "<image>", "<|image_pad|>", "{{", "}}", "{%", "%}", "'", "\"", "trim", "strip()", "bos_token", "<think>",
                                   "<|vision_start|>", "<|start_header_id|>", "\\n", " + ", NULL},
};
