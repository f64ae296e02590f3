// fuzz_config.c: config.json of every family: a dry model of it, its taps with their shapes, and how it generates.
#include <string.h>

#include "fuzz.h"
#include "model/generate.h"

static void parse(Arena *a, Bytes input) {
    Bytes config = fuzz_part(input, 0), generation = fuzz_part(input, 1);
    if (config.size) fuzz_place(FUZZ_DIR "/config.json", config.bytes, config.size);
    if (generation.size) fuzz_place(FUZZ_DIR "/generation_config.json", generation.bytes, generation.size);
    Model *m = model_open(a, FUZZ_DIR, true);
    Inputs in = m->family->example(a, m, 0, 0, 0);
    const TapInfo *list;
    size_t n = taps_listed(model_taps(a, m, &in), &list);
    for (size_t i = 0; i < n; i++) fuzz_touch(list[i].name, strlen(list[i].name));
    if (m->family->generates) generate_options(a, m);
}

const Fuzz fuzz_target = {
    .name = "config",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/*: config.json generation_config.json", "test/golden/*: open_clip_config.json generation_config.json", NULL},
    .words = (const char *const[]){"\"hidden_size\":", "\"num_hidden_layers\":", "\"model_type\":\"llama\"", "\"model_type\":\"clip\"", "\"text_config\":{}", "\"vision_config\":{}", "null", "0", "-1", "1e400", "true",
                                   "\"gelu\"", "\"quick_gelu\"", "[]", "{}", "\"rope_scaling\":{\"rope_type\":\"llama3\"}", "\"eos_token_id\":[1,2]", "\"bad_words_ids\":[[1,2],[3]]", "\"suppress_tokens\":[1]", "\"early_stopping\":\"never\"", "\"num_beams\":3", "\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[2]}", "\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":4}", "\"rope_type\":\"dynamic\"", NULL},
    .memory = (size_t)64 << 20,
};
