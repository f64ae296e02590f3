// zoo.c: `retina zoo [NAME…]`: trains the small models of the zoo on the world, from nothing, to the bit.
#include <stdio.h>
#include <string.h>

#include "zoo.h"

#include "device.h"
#include "io/option.h"
#include "io/thread.h"
#include "train/zoo.h"

static const struct {
    const char *name;
    const char *(*train)(Arena *a, const ZooOptions *o);
} recipes[] = {{"clip", zoo_clip}, {"llava", zoo_llava}, {"coca", zoo_coca}}; // in the order in which they need one another
#define RECIPES (sizeof recipes / sizeof *recipes)

static bool asked(const TextList *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0) return true;
    return names->count == 0;
}

int run_zoo(int argc, char **argv) {
    const char *out = NULL, *clip = NULL;
    int threads = 0, percent = 100, stop_after = 0, device = 0;
    int64_t seed = 0;
    bool fresh = false;
    Option options[] = {
        {"out", OPT_TEXT, &out, "the model's directory; with several models, a folder of them; default data/zoo/NAME", NULL},
        {"clip", OPT_TEXT, &clip, "llava, coca: the CLIP whose vision tower they begin with; default: the one just trained, or data/zoo/clip", NULL},
        {"seed", OPT_LONG, &seed, "of first values, batches, scores", NULL},
        {"percent", OPT_INT, &percent, "of the recipe's steps; ZOO.json says what a shipped model has", NULL},
        {"stop-after", OPT_INT, &stop_after, "updates after which to stop and print the checksum of the weights", NULL},
        {"fresh", OPT_FLAG, &fresh, "start over instead of continuing an interrupted run", NULL},
        {"device", OPT_CHOICE, &device, "where to train; scores are made on the CPU", "auto|cpu|cuda"},
        {"threads", OPT_INT, &threads, "0: as many as there are cores", NULL},
        {"quiet", OPT_FLAG, &quiet, "no progress, no notes", NULL},
    };
    TextList names;
    options_parse("retina zoo [clip] [llava] [coca] [options]", "Trains the small models of the zoo; can be interrupted at any moment and goes on.", options,
                  sizeof options / sizeof *options, argc, argv, &names);
    for (size_t i = 0; i < names.count; i++) option_which("zoo", names.items[i], recipes, sizeof *recipes, RECIPES);
    if (percent < 1 || percent > 1000) die_usage("--percent %d: 1 to 1000", percent);
    if (threads < 0) die_usage("--threads %d: 0 or more", threads);
    if (stop_after < 0) die_usage("--stop-after %d: 0 or more", stop_after);
    threads_set(threads ? threads : threads_available());
    device_pick(device, false, COMPUTE_F32);
    Arena *a = arena_new("the zoo");
    for (size_t k = 0; k < RECIPES; k++) {
        if (!asked(&names, recipes[k].name)) continue;
        const char *folder = out && names.count == 1 ? out : path_join(a, out ? out : "data/zoo", recipes[k].name);
        ZooOptions o = {.out = folder, .seed = (uint64_t)seed, .steps = percent, .fresh = fresh, .stop_after = stop_after, .clip = clip ? clip : file_shipped(a, "data/zoo/clip")};
        printf("%s  %s\n", recipes[k].train(a, &o), folder);
        if (!clip && k == 0) clip = folder;
    }
    arena_free(a);
    return 0;
}
