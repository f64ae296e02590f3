// chat.c: `retina chat`: the prompt that a model's chat template makes of a question.
#include "chat.h"

#include <stdio.h>
#include <unistd.h>

#include "io/option.h"
#include "model/chat.h"

int run_chat(int argc, char **argv) {
    const char *user = NULL, *system = NULL;
    int images = 0, thinking = THINK_DEFAULT;
    bool no_prompt = false;
    Option options[] = {
        {"user", OPT_TEXT, &user, "the user's turn"},
        {"system", OPT_TEXT, &system, "a system turn before it"},
        {"images", OPT_INT, &images, "images in the user's turn, before its text"},
        {"no-generation-prompt", OPT_FLAG, &no_prompt,
         "end with the user's turn, not with the beginning of the answer"},
        {"thinking", OPT_CHOICE, &thinking,
         "of models that write <think>: closed in advance, or open (default: Qwen3.5 off)",
         "default|off|on"},
        {"quiet", OPT_FLAG, &quiet, "no notes"},
    };
    TextList rest = {0};
    options_parse("retina chat DIR --user TEXT [options]",
                  "Prints the rendered prompt of the model's chat template.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count != 1)
        die_usage("chat: one model directory is wanted, %zu are given", rest.count);
    if (!user) die_usage("chat: --user TEXT is missing");
    if (images < 0) die_usage("--images %d: 0 or more are wanted", images);
    Arena *a = arena_new("chat");
    Chat chat = chat_load(a, rest.items[0]);
    ChatTurn turns[2];
    size_t count = 0;
    if (system) turns[count++] = (ChatTurn){CHAT_SYSTEM, system, 0};
    turns[count++] = (ChatTurn){CHAT_USER, user, images};
    // As it is: a prompt may end with a line break of its own.
    fputs(chat_render(a, &chat, turns, count, !no_prompt, (ChatThinking)thinking), stdout);
    if (isatty(1)) putchar('\n');
    arena_free(a);
    return 0;
}
