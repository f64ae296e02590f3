// bench.c: `retina bench`: how fast the f32 products are, against the machine's own ceiling and a peer in the same run.
//
// Ours and the peer alternate, round by round, on random data of the same size; medians, smallest and largest, ratio of the
// medians. Before timing, ours is compared with double precision. A contender whose largest time is over 1.5 times its
// smallest is marked noisy. Rules: performance.md 2.
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_peer.h"
#include "bench_pictures.h"
#include "bench_speed.h"
#include "bench_tokenizer.h"
#include "bench_training.h"
#include "bench_verbalize.h"
#include "io/option.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/kernels.h"

static const long shapes[][3] = {{577, 1024, 1024}, {577, 4096, 1024}, {577, 1024, 4096}, {4096, 4096, 4096}, {8192, 384, 96}, {16, 4096, 4096}, {1, 4096, 4096}};

static double peer_time(Peer *p, const long *shape) { return peer_ask(p, "%ld %ld %ld %d\n", shape[0], shape[1], shape[2], threads_count()); }

// Fused multiply-adds per second out of registers: the tile of the product on a packed panel that stays in L1.
static void peak_job(void *arg, size_t begin, size_t end) {
    const KernelTable *k = kernels();
    float C[16 * 32], *packed = arg;
    for (size_t i = begin; i < end; i++) k->tile(k->MR, 128, packed, k->MR, packed + 16 * 128, k->NR, C, k->NR, false);
}

static double peak(Arena *a) { // GFLOP/s
    const KernelTable *k = kernels();
    float *packed = take(a, float, 128 * 48);
    for (int i = 0; i < 128 * 48; i++) packed[i] = (float)rng_normal(rng_of(1, "peak"), (uint64_t)i);
    double best = 0;
    for (int round = 0; round < 5; round++) {
        double start = seconds_now();
        parallel_for(20000, 100, peak_job, packed);
        double rate = 2.0 * k->MR * k->NR * 128 * 20000 / (seconds_now() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}

static double error_of(const float *C, const float *A, const float *B, const float *bias, const long *s) { // sampled elements against double
    double diff = 0, norm = 0;
    for (int i = 0; i < 200; i++) {
        long m = (long)rng_below(rng_of(2, "row"), (uint64_t)i, (uint64_t)s[0]), n = (long)rng_below(rng_of(2, "column"), (uint64_t)i, (uint64_t)s[1]);
        double want = (double)bias[n];
        for (long k = 0; k < s[2]; k++) want += (double)A[m * s[2] + k] * (double)B[n * s[2] + k];
        diff += pow((double)C[m * s[1] + n] - want, 2);
        norm += want * want;
    }
    return sqrt(diff / norm);
}

static void one(Arena *a, const long *s, Peer *peer, int rounds, double ceiling, Writer *w) {
    Mark mark = arena_mark(a);
    size_t M = (size_t)s[0], N = (size_t)s[1], K = (size_t)s[2];
    float *A = take(a, float, M * K), *B = take(a, float, N * K), *bias = take(a, float, N), *C = take(a, float, M * N);
    for (size_t i = 0; i < M * K; i++) A[i] = (float)(2 * rng_uniform(rng_of(3, "A"), i) - 1);
    for (size_t i = 0; i < N * K; i++) B[i] = (float)(2 * rng_uniform(rng_of(3, "B"), i) - 1);
    for (size_t i = 0; i < N; i++) bias[i] = (float)(2 * rng_uniform(rng_of(3, "bias"), i) - 1);
    Gemm g = {.kind = GEMM_NT, .M = s[0], .N = s[1], .K = s[2], .A = A, .lda = s[2], .B = B, .B_type = DTYPE_F32, .ldb = s[2], .C = C, .ldc = s[1], .bias = bias};
    gemm(&g);
    double error = error_of(C, A, B, bias, s);
    need(error <= 2e-6, "bench: %ld x %ld x %ld is wrong by %.1e; nothing is timed", s[0], s[1], s[2], error);
    double *ours = take(a, double, (size_t)rounds), *theirs = take(a, double, (size_t)rounds);
    for (int r = 0; r < rounds; r++) {
        double start = seconds_now();
        gemm(&g);
        ours[r] = seconds_now() - start;
        if (peer) theirs[r] = peer_time(peer, s);
    }
    Times t = times_of(ours, rounds), p = {NAN, NAN, NAN};
    if (peer) p = times_of(theirs, rounds);
    double rate = 2.0 * (double)M * (double)N * (double)K / t.median * 1e-9;
    bool noisy = t.most > 1.5 * t.least || (peer && p.most > 1.5 * p.least);
    char line[400];
    int n = snprintf(line, sizeof line, "| %ld x %ld x %ld | %.2f (%.2f – %.2f) | %.0f | %.2f |", s[0], s[1], s[2], 1e3 * t.median, 1e3 * t.least, 1e3 * t.most, rate, rate / ceiling);
    if (peer) n += snprintf(line + n, sizeof line - (size_t)n, " %.2f (%.2f – %.2f) | %.2f |", 1e3 * p.median, 1e3 * p.least, 1e3 * p.most, t.median / p.median);
    snprintf(line + n, sizeof line - (size_t)n, " %s |", noisy ? "noisy" : "");
    printf("%s\n", line);
    fflush(stdout);
    if (w) writer_print(w, "%s\n", line);
    arena_release(a, mark);
}

int run_bench(int argc, char **argv) {
    const char *peers = NULL, *out = NULL;
    int rounds = 0, threads = 0;
    VerbalizeBench v = {.layers = 12, .pictures = 8, .length = 30, .peer_layers = 1};
    int tokens = 600;
    const char *model = NULL, *clip = "data/zoo/clip";
    TextList what, images = {0};
    Option options[] = {{"peers", OPT_TEXT, &peers, "a Python environment with PyTorch", NULL},
                        {"rounds", OPT_INT, &rounds, "of each contender; 0: 11, or 3 of verbalize", NULL},
                        {"out", OPT_TEXT, &out, "F.md, as test/bench/NAME.md; without it the table is only printed", NULL},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {NULL, OPT_FLAG, NULL, "forward", NULL},
                        {"model", OPT_TEXT, &model, "directory of the model (`retina random` makes one)", NULL},
                        {"tokens", OPT_INT, &tokens, "of a prompt", NULL},
                        {NULL, OPT_FLAG, NULL, "training", NULL},
                        {"clip", OPT_TEXT, &clip, "directory of the zoo's CLIP", NULL},
                        {NULL, OPT_FLAG, NULL, "verbalize", NULL},
                        {"layers", OPT_INT, &v.layers, "of each picture", NULL},
                        {"pictures", OPT_INT, &v.pictures, "how many", NULL},
                        {"length", OPT_INT, &v.length, "ids of a caption, start and end included", NULL},
                        {"peer-layers", OPT_INT, &v.peer_layers, "that the peer really does; the rest is multiplied", NULL},
                        {"config", OPT_TEXT, &v.config, "an open_clip_config.json; default: coca_ViT-L-14", NULL},
                        {NULL, OPT_FLAG, NULL, "jpeg", NULL},
                        {"images", OPT_LIST, &images, "a JPEG; without it, drawn ones", NULL}};
    options_parse("retina bench [products|speed|forward|training|verbalize|jpeg|resize|tokenizer DIR…] [--peers VENV] [--out test/bench/NAME.md]",
                  "products: the float32 products against the machine and against PyTorch in one run. speed: bf16, decoding, attention, analysis. forward: a whole model. training: one step. verbalize: captions of all layers against open_clip's own procedure. "
                  "jpeg, resize: pictures decoded against libjpeg-turbo, resized against Pillow, on one core. tokenizer: texts to ids, and texts that could make it slow.",
                  options, sizeof options / sizeof *options, argc, argv, &what);
    bool tokenizers = what.count > 0 && strcmp(what.items[0], "tokenizer") == 0;
    if (tokenizers && what.count == 1) die_usage("bench tokenizer: which directories?");
    bool captions = what.count > 0 && strcmp(what.items[0], "verbalize") == 0;
    bool speed = what.count > 0 && strcmp(what.items[0], "speed") == 0, forward = what.count > 0 && strcmp(what.items[0], "forward") == 0;
    bool training = what.count > 0 && strcmp(what.items[0], "training") == 0;
    bool jpeg = what.count > 0 && strcmp(what.items[0], "jpeg") == 0, resize = what.count > 0 && strcmp(what.items[0], "resize") == 0;
    if (!tokenizers && (what.count > 1 || (what.count == 1 && !captions && !speed && !forward && !training && !jpeg && !resize && strcmp(what.items[0], "products") != 0)))
        die_usage("bench %s: products, speed, forward, training, verbalize, jpeg, resize or tokenizer", what.items[0]);
    if (forward && !model) die_usage("bench forward: --model DIR is wanted");
    if (tokens < 1) die_usage("bench: --tokens is at least 1");
    if (rounds < 0 || threads < 0) die_usage("bench: a count is negative");
    if (v.layers < 1 || v.pictures < 1 || v.length < 2 || v.peer_layers < 1) die_usage("bench: --layers, --pictures and --peer-layers are at least 1, --length at least 2");
    if (threads) threads_set(threads);
    Arena *a = arena_new("bench");
    if (tokenizers) {
        Writer *w = out ? writer_open(out) : NULL;
        bench_tokenizer(a, (const char *const *)(what.items + 1), (size_t)what.count - 1, w);
        if (w) writer_close(w);
        arena_free(a);
        return 0;
    }
    if (captions) {
        v.rounds = rounds ? rounds : 3, v.venv = peers;
        Writer *w = out ? writer_open(out) : NULL;
        bench_verbalize(a, &v, w);
        if (w) writer_close(w);
        arena_free(a);
        return 0;
    }
    if (rounds == 0) rounds = 11;
    if (speed || forward || training) {
        Writer *w = out ? writer_open(out) : NULL;
        if (speed) bench_speed(a, peers, rounds, w);
        else if (training) bench_training(a, clip, peers, rounds, w);
        else bench_forward(a, model, tokens, peers, rounds, w);
        if (w) writer_close(w);
        arena_free(a);
        return 0;
    }
    if (jpeg || resize) {
        PicturesBench p = {.arena = a, .venv = peers, .rounds = rounds, .images = images, .out = out ? writer_open(out) : NULL};
        if (jpeg) bench_jpeg(&p);
        else bench_resize(&p);
        if (p.out) writer_close(p.out);
        arena_free(a);
        return 0;
    }
    double ceiling = peak(a);
    Writer *w = out ? writer_open(out) : NULL;
    char head[600];
    snprintf(head, sizeof head,
             "f32 products, `retina bench%s`, %s, %d threads. Ceiling: %.0f GFLOP/s (the register tile on data in L1).\nTimes in ms, median (smallest – largest) of %d alternating rounds; ratio: "
             "ours over the peer, lower is better.\n\n| M x N x K | ours | GFLOP/s | of ceiling |%s note |\n|---|---|---|---|%s---|",
             peers ? " --peers VENV" : "", cpu_describe(), threads_count(), ceiling, rounds, peers ? " PyTorch | ratio |" : "", peers ? "---|---|" : "");
    printf("%s\n", head);
    if (w) writer_print(w, "%s\n", head);
    Peer peer;
    if (peers) peer = peer_start(peers, "test/bench/peer_torch.py", NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) one(a, shapes[i], peers ? &peer : NULL, rounds, ceiling, w);
    if (peers) peer_end(&peer);
    if (w) writer_close(w);
    arena_free(a);
    return 0;
}
