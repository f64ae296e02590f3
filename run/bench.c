// bench.c: `retina bench`: how fast things are, against the machine's own ceiling and peers in the same run.
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "bench_forward.h"
#include "bench_pictures.h"
#include "bench_products.h"
#include "bench_speed.h"
#include "bench_tokenizer.h"
#include "bench_training.h"
#include "bench_verbalize.h"
#include "io/option.h"
#include "io/thread.h"
#include "model/cpu.h"

typedef struct {
    BenchAsk ask;
    const char *model, *clip;
    int tokens;
    VerbalizeBench captions;
    TextList images, given; // what stands behind the kind
} Bench;

static void products(Bench *b) { bench_products(&b->ask); }
static void speed(Bench *b) { bench_speed(&b->ask); }
static void training(Bench *b) { bench_training(&b->ask, b->clip); }
static void jpeg(Bench *b) { bench_jpeg(&b->ask, b->images); }
static void resize(Bench *b) { bench_resize(&b->ask); }

static void forward(Bench *b) {
    if (!b->model) die_usage("bench forward: --model DIR is wanted");
    bench_forward(&b->ask, b->model, b->tokens);
}

static void captions(Bench *b) {
    b->captions.rounds = b->ask.rounds, b->captions.venv = b->ask.venv;
    bench_verbalize(b->ask.arena, &b->captions, b->ask.out);
}

static void tokenizer(Bench *b) {
    if (b->given.count == 0) die_usage("bench tokenizer: which directories?");
    bench_tokenizer(b->ask.arena, (const char *const *)b->given.items, b->given.count, b->ask.out);
}

// How test/bench/ calls machines like this one: `make bench` writes there.
static void machine(Bench *b) {
    static const char *const ways[] = {[BF16_WIDE] = "", [BF16_DOT] = "-bf16", [BF16_AMX] = "-amx"};
    bench_say(b->ask.out, "%s%s", cpu_level_name(cpu_level()), ways[cpu_bf16()]);
}

static const struct {
    const char *name;
    void (*run)(Bench *b);
    int rounds; // usually
} kinds[] = {{"products", products, 11}, {"speed", speed, 11}, {"forward", forward, 11}, {"training", training, 11}, {"verbalize", captions, 3}, {"jpeg", jpeg, 11},
             {"resize", resize, 11}, {"tokenizer", tokenizer, 0}, {"machine", machine, 0}};

int run_bench(int argc, char **argv) {
    Bench bench = {.ask = {.arena = arena_new("bench")}, .clip = "data/zoo/clip", .tokens = 600, .captions = {.layers = 12, .pictures = 8, .length = 30, .peer_layers = 1}}, *b = &bench;
    const char *out = NULL;
    int threads = 0;
    Option options[] = {{"peers", OPT_TEXT, &b->ask.venv, "a Python environment with PyTorch", NULL},
                        {"rounds", OPT_INT, &b->ask.rounds, "of each contender; 0: 11, or 3 of verbalize", NULL},
                        {"out", OPT_TEXT, &out, "F.md, as test/bench/NAME.md; without it the table is only printed", NULL},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {NULL, OPT_FLAG, NULL, "products, speed, training, forward, jpeg", NULL},
                        {"rows", OPT_TEXT, &b->ask.rows, "only rows whose name holds this", NULL},
                        {NULL, OPT_FLAG, NULL, "forward", NULL},
                        {"model", OPT_TEXT, &b->model, "directory of the model (`retina random` makes one)", NULL},
                        {"tokens", OPT_INT, &b->tokens, "of a prompt", NULL},
                        {"packed", OPT_FLAG, &b->ask.packed, "weights stay packed for products", NULL},
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
    options_parse("retina bench [products|speed|forward|training|verbalize|jpeg|resize|tokenizer DIR…|machine] [--peers VENV] [--out test/bench/NAME.md]",
                  "products: the float32 products against the machine, PyTorch and OpenBLAS in one run. speed: bf16, decoding, attention, passes over memory, analysis. forward: a whole model. training: one step. verbalize: captions of all layers against open_clip's own procedure. "
                  "jpeg, resize: pictures decoded against libjpeg-turbo, resized against Pillow, on one core. tokenizer: texts to ids, and texts that could make it slow. machine: the name that test/bench/ has for machines like this one.",
                  options, sizeof options / sizeof *options, argc, argv, &b->given);
    size_t kind = b->given.count ? option_which("bench", b->given.items[0], kinds, sizeof *kinds, sizeof kinds / sizeof *kinds) : 0;
    if (b->given.count) b->given.items++, b->given.count--;
    if (b->given.count && kinds[kind].run != tokenizer) die_usage("bench %s %s: only tokenizer takes directories", kinds[kind].name, b->given.items[0]);
    const OptionCount counts[] = {{"tokens", b->tokens, 1}, {"rounds", b->ask.rounds, 0}, {"threads", threads, 0}, {"layers", b->captions.layers, 1}, {"pictures", b->captions.pictures, 1},
                                  {"peer-layers", b->captions.peer_layers, 1}, {"length", b->captions.length, 2}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    if (threads) threads_set(threads);
    if (b->ask.rounds == 0) b->ask.rounds = kinds[kind].rounds;
    if (out) b->ask.out = writer_open(out);
    kinds[kind].run(b);
    if (b->ask.out) writer_close(b->ask.out);
    arena_free(b->ask.arena);
    return 0;
}
