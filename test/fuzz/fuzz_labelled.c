// fuzz_labelled.c: a list of labels and paths, and its classes.
#include <string.h>

#include "fuzz.h"
#include "io/labelled.h"

static void parse(Arena *a, Bytes input) {
    Labelled l;
    if (input.size % 2) {
        fuzz_place(FUZZ_DIR "/classes.txt", "a cat\na dog\n", 12);
        fuzz_place(FUZZ_DIR "/list", input.bytes, input.size);
        l = labelled_list(a, FUZZ_DIR "/list");
    } else {
        Bytes names = fuzz_part(input, 0), list = fuzz_part(input, 1);
        fuzz_place(FUZZ_DIR "/classes.txt", names.bytes, names.size);
        fuzz_place(FUZZ_DIR "/list", list.bytes, list.size);
        l = labelled_list(a, FUZZ_DIR "/list");
    }
    for (size_t i = 0; i < l.count; i++)
        if (l.pictures[i].label < 0 || l.pictures[i].label >= l.class_count || !strlen(l.pictures[i].path)) die("a picture without a class or a name");
}

const Fuzz fuzz_target = {
    .name = "labelled",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/labelled.*", NULL},
    .words = (const char *const[]){"\t", "\n", "\r\n", "0\t", "1\tx.jpg\n", "-1\t", "4294967296\t", "\xEF\xBB\xBF", NULL},
};
