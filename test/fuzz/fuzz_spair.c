// fuzz_spair.c: what stands in a pair's and a picture's file.
#include <string.h>

#include "fuzz.h"
#include "io/spair.h"

static void parse(Arena *a, Bytes input) {
    if (input.size % 2) {
        SpairPair p = spair_pair(a, FUZZ_PATH);
        fuzz_touch(p.source, strlen(p.source) + 1);
        fuzz_touch(p.target, strlen(p.target) + 1);
        if (strchr(p.source, '/') || strchr(p.category, '/')) die("a name that leads elsewhere");
        return;
    }
    fuzz_place(FUZZ_DIR "/ImageAnnotation/dog/a.json", input.bytes, input.size);
    SpairPicture p = spair_picture(a, FUZZ_DIR, "dog", "a");
    fuzz_touch(p.x, sizeof p.x);
}

const Fuzz fuzz_target = {
    .name = "spair",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/spair.*", NULL},
    .words = (const char *const[]){"\"kps\":", "\"0\":", "[1, 2]", "null", "\"src_imname\":", "-1", "1e400", "../", "{}", "[]", NULL},
};
