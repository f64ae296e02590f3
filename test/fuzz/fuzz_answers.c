// fuzz_answers.c: a labeller's answers through both readers; what is read is written and read again.
#include <string.h>

#include "analysis/categories.h"
#include "fuzz.h"

static void touch(Arena *a, Answer x) {
    for (size_t i = 0; i < x.count; i++) {
        fuzz_touch(x.parts[i].phrase, strlen(x.parts[i].phrase) + 1);
        for (int k = 0; k < 3; k++) fuzz_touch(x.parts[i].labels[k], strlen(x.parts[i].labels[k]) + 1);
    }
    const char *text = answer_text(a, x.parts, x.count);
    Answer again = answer_strict(a, text, strlen(text));
    need(again.sound && again.count == x.count, "an answer of %zu parts reads back as %zu", x.count, again.count);
}

static void parse(Arena *a, Bytes input) {
    touch(a, answer_strict(a, (const char *)input.bytes, input.size));
    touch(a, answer_tolerant(a, (const char *)input.bytes, input.size));
}

const Fuzz fuzz_target = {.name = "answers", .parse = parse,
                          .seeds = (const char *const[]){"test/fuzz/seeds/answer.txt", "test/golden/verbalize/labels/classification_llama_70B_top3_labels_layer_1_caps_batch0.json", NULL},
                          .words = (const char *const[]){"\"", "\\\"", "\\u00e9", "\\ud83d", "{", "}", "[\"", "\"]", ": [", "\",", "NaN", "\\", NULL}};
