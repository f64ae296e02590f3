// bench.c: `retina bench`: how fast things are, against the machine's own ceiling and peers in the same run.
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "bench_pictures.h"
#include "bench_products.h"
#include "bench_speed.h"
#include "bench_tokenizer.h"
#include "bench_training.h"
#include "bench_verbalize.h"
#include "io/option.h"
#include "io/thread.h"

typedef struct {
    Arena *arena;
    const char *peers, *model, *clip, *rows;
    int rounds, tokens;
    VerbalizeBench captions;
    TextList images, given; // what stands behind the kind
    Writer *out;            // NULL: only printed
} Bench;

static int rounds_of(const Bench *b, int usual) { return b->rounds ? b->rounds : usual; }

static void products(Bench *b) { bench_products(b->arena, b->peers, rounds_of(b, 11), b->out); }
static void speed(Bench *b) { bench_speed(b->arena, b->peers, rounds_of(b, 11), b->rows, b->out); }
static void training(Bench *b) { bench_training(b->arena, b->clip, b->peers, rounds_of(b, 11), b->rows, b->out); }

static void forward(Bench *b) {
    if (!b->model) die_usage("bench forward: --model DIR is wanted");
    bench_forward(b->arena, b->model, b->tokens, b->peers, rounds_of(b, 11), b->rows, b->out);
}

static void captions(Bench *b) {
    b->captions.rounds = rounds_of(b, 3), b->captions.venv = b->peers;
    bench_verbalize(b->arena, &b->captions, b->out);
}

static PicturesBench pictures_of(const Bench *b) { return (PicturesBench){.arena = b->arena, .venv = b->peers, .rounds = rounds_of(b, 11), .images = b->images, .out = b->out}; }

static void jpeg(Bench *b) {
    PicturesBench p = pictures_of(b);
    bench_jpeg(&p);
}

static void resize(Bench *b) {
    PicturesBench p = pictures_of(b);
    bench_resize(&p);
}

static void tokenizer(Bench *b) {
    if (b->given.count == 0) die_usage("bench tokenizer: which directories?");
    bench_tokenizer(b->arena, (const char *const *)b->given.items, b->given.count, b->out);
}

static const struct {
    const char *name;
    void (*run)(Bench *b);
} kinds[] = {{"products", products}, {"speed", speed}, {"forward", forward}, {"training", training}, {"verbalize", captions}, {"jpeg", jpeg}, {"resize", resize}, {"tokenizer", tokenizer}};

int run_bench(int argc, char **argv) {
    Bench bench = {.arena = arena_new("bench"), .clip = "data/zoo/clip", .tokens = 600, .captions = {.layers = 12, .pictures = 8, .length = 30, .peer_layers = 1}}, *b = &bench;
    const char *out = NULL;
    int threads = 0;
    Option options[] = {{"peers", OPT_TEXT, &b->peers, "a Python environment with PyTorch", NULL},
                        {"rounds", OPT_INT, &b->rounds, "of each contender; 0: 11, or 3 of verbalize", NULL},
                        {"out", OPT_TEXT, &out, "F.md, as test/bench/NAME.md; without it the table is only printed", NULL},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {NULL, OPT_FLAG, NULL, "speed, training, forward", NULL},
                        {"rows", OPT_TEXT, &b->rows, "only rows whose name holds this", NULL},
                        {NULL, OPT_FLAG, NULL, "forward", NULL},
                        {"model", OPT_TEXT, &b->model, "directory of the model (`retina random` makes one)", NULL},
                        {"tokens", OPT_INT, &b->tokens, "of a prompt", NULL},
                        {NULL, OPT_FLAG, NULL, "training", NULL},
                        {"clip", OPT_TEXT, &b->clip, "directory of the zoo's CLIP", NULL},
                        {NULL, OPT_FLAG, NULL, "verbalize", NULL},
                        {"layers", OPT_INT, &b->captions.layers, "of each picture", NULL},
                        {"pictures", OPT_INT, &b->captions.pictures, "how many", NULL},
                        {"length", OPT_INT, &b->captions.length, "ids of a caption, start and end included", NULL},
                        {"peer-layers", OPT_INT, &b->captions.peer_layers, "that the peer really does; the rest is multiplied", NULL},
                        {"config", OPT_TEXT, &b->captions.config, "an open_clip_config.json; default: coca_ViT-L-14", NULL},
                        {NULL, OPT_FLAG, NULL, "jpeg", NULL},
                        {"images", OPT_LIST, &b->images, "a JPEG; without it, drawn ones", NULL}};
    options_parse("retina bench [products|speed|forward|training|verbalize|jpeg|resize|tokenizer DIR…] [--peers VENV] [--out test/bench/NAME.md]",
                  "products: the float32 products against the machine and against PyTorch in one run. speed: bf16, decoding, attention, passes over memory, analysis. forward: a whole model. training: one step. verbalize: captions of all layers against open_clip's own procedure. "
                  "jpeg, resize: pictures decoded against libjpeg-turbo, resized against Pillow, on one core. tokenizer: texts to ids, and texts that could make it slow.",
                  options, sizeof options / sizeof *options, argc, argv, &b->given);
    size_t kind = b->given.count ? option_which("bench", b->given.items[0], kinds, sizeof *kinds, sizeof kinds / sizeof *kinds) : 0;
    if (b->given.count) b->given.items++, b->given.count--;
    if (b->given.count && kinds[kind].run != tokenizer) die_usage("bench %s %s: only tokenizer takes directories", kinds[kind].name, b->given.items[0]);
    const OptionCount counts[] = {{"tokens", b->tokens, 1}, {"rounds", b->rounds, 0}, {"threads", threads, 0}, {"layers", b->captions.layers, 1}, {"pictures", b->captions.pictures, 1},
                                  {"peer-layers", b->captions.peer_layers, 1}, {"length", b->captions.length, 2}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    if (threads) threads_set(threads);
    if (out) b->out = writer_open(out);
    kinds[kind].run(b);
    if (b->out) writer_close(b->out);
    arena_free(b->arena);
    return 0;
}
