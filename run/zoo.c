// zoo.c: `retina zoo NAME --out DIR`: trains a small model of the zoo on the world, from nothing, to the bit.
#include <stdio.h>
#include <string.h>

#include "zoo.h"

#include "io/option.h"
#include "io/thread.h"
#include "train/zoo.h"

int run_zoo(int argc, char **argv) {
    const char *out = NULL, *clip = "data/zoo/clip";
    int threads = 0, percent = 100, stop_after = 0;
    int64_t seed = 0;
    bool fresh = false;
    Option options[] = {
        {"out", OPT_TEXT, &out, "directory to write; default data/zoo/NAME", NULL},
        {"clip", OPT_TEXT, &clip, "llava: the CLIP whose vision tower it sees with", NULL},
        {"seed", OPT_LONG, &seed, "of first values, batches, scores", NULL},
        {"percent", OPT_INT, &percent, "of the recipe's steps; the shipped models have 100 unless their ZOO.json says otherwise", NULL},
        {"stop-after", OPT_INT, &stop_after, "updates after which to stop and print the checksum of the weights", NULL},
        {"fresh", OPT_FLAG, &fresh, "start over instead of continuing an interrupted run", NULL},
        {"threads", OPT_INT, &threads, "0: as many as there are cores", NULL},
    };
    TextList rest;
    options_parse("retina zoo clip|llava [options]", "trains a small model of the zoo; can be interrupted at any moment", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count != 1 || (strcmp(rest.items[0], "clip") != 0 && strcmp(rest.items[0], "llava") != 0))
        die_usage("zoo: which model? `retina zoo clip` or `retina zoo llava`");
    if (percent < 1 || percent > 1000) die_usage("--percent %d: 1 to 1000", percent);
    if (threads < 0) die_usage("--threads %d: 0 or more", threads);
    threads_set(threads ? threads : threads_available());
    Arena *a = arena_new("the zoo");
    bool is_clip = strcmp(rest.items[0], "clip") == 0;
    ZooOptions o = {.out = out ? out : arena_print(a, "data/zoo/%s", rest.items[0]), .seed = (uint64_t)seed, .steps = percent, .fresh = fresh,
                    .stop_after = stop_after, .clip = clip};
    printf("%s\n", is_clip ? zoo_clip(a, &o) : zoo_llava(a, &o));
    return 0;
}
