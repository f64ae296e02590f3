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
#include "io/file.h"
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

static void ceilings(Bench *b) {
    Ceilings c = ceilings_measure(b->ask.arena);
    ceilings_say(&c, b->ask.out);
}

static void tile(Bench *b) { bench_say(b->ask.out, "bf16 %.0f GFLOP/s", ceilings_tile(b->ask.arena) * 1e-9); }

typedef struct {
    const char *name;
    void (*run)(Bench *b);
    const char *options; // that it reads, besides --out and --threads
    int rounds;          // usually
    bool alone;          // it is run where it is named; the others without a name, too
} Kind;

static const Kind kinds[] = {{"products", products, " peers rounds rows packed ", 11, false},
                             {"speed", speed, " peers rounds rows packed ", 11, false},
                             {"training", training, " peers rounds rows clip ", 11, false},
                             {"verbalize", captions, " peers rounds layers pictures length peer-layers config ", 3, false},
                             {"jpeg", jpeg, " peers rounds rows images ", 11, false},
                             {"resize", resize, " peers rounds rows ", 11, false},
                             {"forward", forward, " peers rounds rows model tokens packed ", 11, true},
                             {"tokenizer", tokenizer, " ", 0, true},
                             {"ceilings", ceilings, " ", 0, true},
                             {"tile", tile, " ", 0, true},
                             {"machine", machine, " ", 0, true}};
enum { KINDS = sizeof kinds / sizeof *kinds };

// The kinds named; what stands behind `tokenizer` are its directories.
static size_t kinds_asked(Bench *b, const Kind **asked) {
    size_t n = 0, words = b->given.count;
    for (size_t k = 0; k < KINDS && words == 0; k++)
        if (!kinds[k].alone) asked[n++] = &kinds[k];
    while (b->given.count && (n == 0 || asked[n - 1]->run != tokenizer)) {
        if (n == KINDS) die_usage("bench: no more than %d kinds at once", (int)KINDS);
        asked[n++] = &kinds[option_which("bench", b->given.items[0], kinds, sizeof *kinds, KINDS)];
        b->given.items++, b->given.count--;
    }
    return n;
}

static bool kind_reads(const Kind *k, const char *option) {
    const char *word = strstr(k->options, option);
    return word && word[-1] == ' ' && word[strlen(option)] == ' ';
}

// An option that a kind has, and none of those asked for, would be ignored.
static void options_read(const Kind *const *asked, size_t n, int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char option[32];
        if (strncmp(argv[i], "--", 2) != 0 || snprintf(option, sizeof option, "%.*s", (int)strcspn(argv[i] + 2, "="), argv[i] + 2) >= (int)sizeof option) continue;
        const char *of = NULL;
        for (size_t k = 0; k < KINDS && !of; k++)
            if (kind_reads(&kinds[k], option)) of = kinds[k].name;
        for (size_t k = 0; k < n; k++)
            if (kind_reads(asked[k], option)) of = NULL;
        if (of) die_usage("bench %s: --%s means nothing to it, but to bench %s", asked[0]->name, option, of);
    }
}

// What is missing is told before minutes are spent.
static void files_there(const Bench *b, const Kind *const *asked, size_t n) {
    static const char *const script = "test/bench/peer_speed.py";
    need(!b->ask.venv || file_exists(script), "bench --peers: no %s here: the peers' scripts are found from retina.c's own folder", script);
    for (size_t k = 0; k < n; k++)
        need(asked[k]->run != training || b->ask.rows || file_exists(path_join(b->ask.arena, b->clip, "config.json")), "bench training: no %s/config.json; --clip DIR says where the zoo's CLIP is", b->clip);
}

static void run_kinds(Bench *b, const Kind *const *asked, size_t n, int rounds) {
    int threads = threads_count();
    for (size_t k = 0; k < n; k++) {
        if (n > 1) bench_say(b->ask.out, "%s### %s\n", k ? "\n" : "", asked[k]->name);
        b->ask.rounds = rounds ? rounds : asked[k]->rounds;
        asked[k]->run(b);
        threads_set(threads); // some kinds take one
    }
}

int run_bench(int argc, char **argv) {
    bool found = false;
    Bench bench = {.ask = {.arena = arena_new("bench"), .found = &found}, .clip = "data/zoo/clip", .tokens = 600, .captions = {.layers = 12, .pictures = 8, .length = 30, .peer_layers = 1}}, *b = &bench;
    const char *out = NULL;
    int threads = 0, rounds = 0;
    Option options[] = {{"peers", OPT_TEXT, &b->ask.venv, "a Python environment with PyTorch", NULL},
                        {"rounds", OPT_INT, &rounds, "of each contender; 0: 11, or 3 of verbalize", NULL},
                        {"out", OPT_TEXT, &out, "F.md, as test/bench/NAME.md; without it the table is only printed", NULL},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {NULL, OPT_FLAG, NULL, "products, speed, training, forward, jpeg, resize", NULL},
                        {"rows", OPT_TEXT, &b->ask.rows, "only rows whose name holds this, or one of several: A|B", NULL},
                        {NULL, OPT_FLAG, NULL, "products, speed, forward", NULL},
                        {"packed", OPT_FLAG, &b->ask.packed, "our weights, too, are packed before anything is timed", NULL},
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
    options_parse("retina bench [products|speed|training|verbalize|jpeg|resize|forward|tokenizer DIR…|ceilings|tile|machine …] [--peers VENV] [--out test/bench/NAME.md]",
                  "products: the float32 products against the machine, PyTorch and OpenBLAS in one run. speed: bf16, decoding, attention, passes over memory, analysis. training: one step. verbalize: captions of all layers against open_clip's own procedure. "
                  "jpeg, resize: pictures decoded against libjpeg-turbo, resized against Pillow, on one core. Without a word: all of these. forward: a whole model. tokenizer: texts to ids, and texts that could make it slow. ceilings: what this machine can do at most. tile: products of bf16 out of the first cache alone. "
                  "machine: the name that test/bench/ has for machines like this one. Numbers are drawn anew each time; RETINA_BENCH_SEED=N in the environment draws those of seed N again.",
                  options, sizeof options / sizeof *options, argc, argv, &b->given);
    const Kind *asked[KINDS];
    size_t n = kinds_asked(b, asked);
    options_read(asked, n, argc, argv);
    const OptionCount counts[] = {{"tokens", b->tokens, 1}, {"rounds", rounds, 0, ROUNDS_MOST}, {"threads", threads, 0}, {"layers", b->captions.layers, 1}, {"pictures", b->captions.pictures, 1},
                                  {"peer-layers", b->captions.peer_layers, 1}, {"length", b->captions.length, 2}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    files_there(b, asked, n);
    if (threads) threads_set(threads);
    if (out) b->ask.out = writer_open(out);
    run_kinds(b, asked, n, rounds);
    if (b->ask.rows && !found) {
        if (b->ask.out) writer_drop(b->ask.out);
        die_usage("bench %s: --rows %s: no row has that in its name", asked[0]->name, b->ask.rows);
    }
    if (b->ask.out) writer_close(b->ask.out);
    arena_free(b->ask.arena);
    return 0;
}
