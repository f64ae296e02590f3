// test_chat.c: chat templates of every family against transformers' rendering
// (test/reference/chat_templates.py), image placeholders against what its processors make of them.
//
// Caught when broken on purpose: the line break after <image> left out, "User: " before an image,
// the default system turn written beside one's own, turns not trimmed (Llama-3) or trimmed (Qwen2),
// only the text trimmed and not the whole turn (Qwen3.5), the date lines of Llama-3.1 missing,
// doubled fake tokens kept.
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/file.h"
#include "io/json.h"
#include "model/chat.h"

#define GOLDEN "test/golden/chat"

static ChatRole role_of(const char *name) {
    return strcmp(name, "system") == 0 ? CHAT_SYSTEM
           : strcmp(name, "user") == 0 ? CHAT_USER
                                       : CHAT_ASSISTANT;
}

static void family(Arena *a, const char *name, const Json *cases) {
    Chat chat = chat_load(a, arena_print(a, GOLDEN "/%s", name));
    for (size_t i = 0; i < cases->count; i++) {
        const Json *c = &cases->items[i], *turns = json_get(c, "turns"),
                   *think = json_get(c, "thinking");
        ChatTurn *t = take(a, ChatTurn, turns->count);
        for (size_t k = 0; k < turns->count; k++) {
            const Json *turn = turns->items[k].items;
            t[k] = (ChatTurn){role_of(turn[0].text), turn[1].text, (int)turn[2].integer};
        }
        char *text = chat_render(a, &chat, t, turns->count, json_bool_or(c, "prompt", true),
                                 !think         ? THINK_DEFAULT
                                 : think->truth ? THINK_ON
                                                : THINK_OFF);
        check_text(arena_print(a, "%s %zu", name, i), text, json_text(c, "text"));
    }
}

static void expansion(void) {
    Arena *a = arena_new("expansion");
    Chat llava = chat_load(a, GOLDEN "/llava"), idefics = chat_load(a, GOLDEN "/idefics2"),
         qwen = chat_load(a, GOLDEN "/qwen2_vl");
    check_text("LLaVA", chat_expand(a, &llava, "USER: <image>\nHi", (ChatImage[]){{3, 1}}, 1),
               "USER: <image><image><image>\nHi");
    check_text("Qwen2-VL, two of different size",
               chat_expand(a, &qwen,
                           "<|vision_start|><|image_pad|><|vision_end|><|vision_start|><|image_pad|"
                           "><|vision_end|>x",
                           (ChatImage[]){{2, 1}, {1, 1}}, 2),
               "<|vision_start|><|image_pad|><|image_pad|><|vision_end|><|vision_start|><|image_"
               "pad|><|vision_end|>x");
#define F "<fake_token_around_image>"
    check_text("Idefics2: a word after the closing token gets a space",
               chat_expand(a, &idefics, "User:<image>What?", (ChatImage[]){{2, 1}}, 1),
               "User:" F "<image><image>" F " What?");
    check_text("Idefics2: neighbours share a token; none before white space or <",
               chat_expand(a, &idefics, "<image><image>\n<image><end_of_utterance>",
                           (ChatImage[]){{1, 1}, {1, 1}, {1, 1}}, 3),
               F "<image>" F "<image>" F "\n" F "<image>" F "<end_of_utterance>");
    check_text("Idefics2: split in five",
               chat_expand(a, &idefics, "<image>x", (ChatImage[]){{1, 5}}, 1),
               F "<image>" F "<image>" F "<image>" F "<image>" F "<image>" F " x");
    check_dies("another number of images", "has 1 images, and 2 are given") {
        chat_expand(a, &llava, "<image>", (ChatImage[]){{1, 1}, {1, 1}}, 2);
    }
    arena_free(a);
}

static void errors(void) {
    Arena *a = arena_new("errors");
    const char *build = getenv("BUILD"),
               *dir = arena_print(a, "%s/test/chat", build ? build : "build");
    file_write(path_join(a, dir, "config.json"), "{\"model_type\":\"clip\"}", 21);
    Chat none = chat_load(a, dir), gemma = chat_load(a, GOLDEN "/gemma"),
         llama = chat_load(a, GOLDEN "/llama3");
    ChatTurn user = {CHAT_USER, "hi", 0}, system = {CHAT_SYSTEM, "hi", 0},
             picture = {CHAT_USER, "hi", 1}, broken = {CHAT_USER, "\xFF", 0};
    check_dies("an encoder", "no chat template here") {
        chat_render(a, &none, &user, 1, true, THINK_DEFAULT);
    }
    check_dies("a system turn for Gemma", "no system turn") {
        chat_render(a, &gemma, &system, 1, true, THINK_DEFAULT);
    }
    check_dies("an image for a language model", "takes no images") {
        chat_render(a, &llama, &picture, 1, true, THINK_DEFAULT);
    }
    check_dies("a text that is not UTF-8", "not UTF-8 at byte 0") {
        chat_render(a, &llama, &broken, 1, true, THINK_DEFAULT);
    }
    check(chat_load(a, GOLDEN "/llava").special && !llama.special,
          "LLaVA's prompt wants the tokenizer's <s>, Llama-3's has its own");
    file_write(path_join(a, dir, "config.json"), "{\"model_type\":\"qwen2_5_vl\"}", 27);
    Chat bare = chat_load(a, dir);
    check_text("a directory without a template takes its family's",
               chat_render(a, &bare, &picture, 1, true, THINK_DEFAULT),
               "<|im_start|>system\nYou are a helpful "
               "assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
               "hi<|im_end|>\n<|im_start|>assistant\n");
    const char *over_dir = arena_print(a, "%s/over", dir);
    static const char over_llama[] = "{\"bos_token\":\"<B>\",\"chat_template\":\"{{ bos_token }}<|start_header_id|>{{ content | trim }}<|eot_id|>\"}";
    file_write(path_join(a, over_dir, "config.json"), "{\"model_type\":\"llava\"}", 22);
    file_write(path_join(a, over_dir, "tokenizer_config.json"), over_llama, sizeof over_llama - 1);
    Chat over = chat_load(a, over_dir);
    char *seen = chat_render(a, &over, (ChatTurn[]){{CHAT_USER, " what?", 2}}, 1, true, THINK_DEFAULT);
    check_text("LLaVA over a model whose template knows text only", seen,
               "<B><|start_header_id|>user<|end_header_id|>\n\n<image>\n<image>\n what?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    check_text("and its images written out", strstr(chat_expand(a, &over, seen, (ChatImage[]){{2, 1}, {1, 1}}, 2), "<image>"),
               "<image><image>\n<image>\n what?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    arena_free(a);
}

int main(void) {
    quiet = true;
    Arena *a = arena_new("golden chats");
    const Json *cases = json_read(a, GOLDEN "/cases.json");
    for (size_t i = 0; i < cases->count; i++) family(a, cases->keys[i], &cases->items[i]);
    check(cases->count >= 19, "%zu templates", cases->count);
    arena_free(a);
    expansion();
    errors();
    return check_end();
}
