// cuda_whole.c: whole forwards through the backend, as `--device cuda --dtype bf16` runs them, beside transformers in bf16 on the same GPU.
// Times are the clock's: sending pictures up and reading results back belong to it.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cuda.h"
#include "cuda/backend.h"
#include "cuda/memory.h"
#include "io/progress.h"
#include "io/random.h"
#include "model/generate.h"

static double rounds_of(double (*once)(void *arg), void *arg, Peer *torch, const char *ask, double *python) {
    double ours[5], theirs[5];
    bool asked = torch && peer_ask(torch, "%s\n", ask) > 0;
    once(arg);
    for (int i = 0; i < 5; i++) {
        ours[i] = once(arg);
        if (asked) theirs[i] = peer_ask(torch, "%s\n", ask);
    }
    *python = asked ? times_of(theirs, 5).median : 0;
    return times_of(ours, 5).median;
}

typedef struct {
    Model *m;
    Inputs in, *prompts;
    int texts, tokens;
    uint64_t said; // a sum over the ids of the last answers
    int32_t first[32][2]; // ids of theirs
} Whole;

static const char *mark(double fraction, double gate, double goal) { return fraction >= goal ? "goal" : fraction >= gate ? "gate" : "BELOW"; }

static double forward_once(void *arg) {
    Whole *w = arg;
    double start = seconds_now();
    Arena *scratch = arena_new("a forward");
    Run *run = run_on(scratch, w->m->device);
    Outputs out = model_forward(run, w->m, &w->in);
    run_read(run, tensor_given(out.image_embeds) ? out.image_embeds : out.hidden);
    arena_free(scratch);
    return seconds_now() - start;
}

// Seconds of one further token of all texts: a long answer less a short one.
static double tokens_once(void *arg) {
    Whole *w = arg;
    double took[2];
    for (int i = 0; i < 2; i++) {
        Arena *a = arena_new("answers");
        GenerateOptions o = generate_options(a, w->m);
        o.max_new = o.min_new = i ? w->tokens + 1 : 1;
        double start = seconds_now();
        Generated *out = generate(a, w->m, w->prompts, w->texts, &o, NULL);
        took[i] = seconds_now() - start;
        w->said = 0;
        for (int t = 0; i && t < w->texts && t < 32; t++) memcpy(w->first[t], out[t].ids, sizeof w->first[t]);
        for (int t = 0; t < w->texts; t++)
            for (int k = 0; k < out[t].count; k++) w->said = w->said * 31 + (uint64_t)out[t].ids[k];
        arena_free(a);
    }
    return (took[1] - took[0]) / w->tokens;
}

static double first_once(void *arg) {
    Whole *w = arg;
    Arena *a = arena_new("answers");
    GenerateOptions o = generate_options(a, w->m);
    o.max_new = o.min_new = 1;
    double start = seconds_now();
    generate(a, w->m, w->prompts, w->texts, &o, NULL);
    double took = seconds_now() - start;
    arena_free(a);
    return took;
}

static double pictures(Bench *b, const char *dir, int batch) {
    Arena *a = arena_new("a model");
    Whole w = {.m = model_open(a, dir, false)};
    w.m->compute = COMPUTE_BF16;
    w.in = w.m->family->example(a, w.m, 0, 0, 0);
    long side = w.in.pixels.shape[2];
    w.in.pixels = tensor_take(a, DTYPE_F32, DIMS(batch, 3, side, side));
    for (size_t i = 0; i < tensor_count(w.in.pixels); i++) f32(w.in.pixels)[i] = (float)((double)(i * 2654435761u % 4096) / 2048 - 1);
    char ask[600];
    double python;
    snprintf(ask, sizeof ask, "pictures %s %d %ld", dir, batch, side);
    double ours = rounds_of(forward_once, &w, b->torch, ask, &python);
    const double flops = 382e9 * batch; // ViT-L/14-336: 349 in linear layers, 33 in attention
    bench_say(b->page, "| ViT-L/14-336 forward, bf16 | %d pictures: %.0f image/s (PyTorch %.0f) | %.2f | %.1f TFLOP/s | - | %.2f | %.2f | 0.80 | 1.00 | %s | |", batch, batch / ours, python > 0 ? batch / python : 0,
              ours * 1e3, flops / ours * 1e-12, python / ours, flops / b->bf16 / ours, python > 0 ? mark(python / ours, 0.8, 1) : "");
    arena_free(a);
    return ours;
}

static Whole language_model(Arena *a, const char *dir, int texts, int tokens) {
    Whole w = {.m = model_open(a, dir, false), .texts = texts, .tokens = 48};
    w.m->compute = COMPUTE_BF16;
    w.prompts = take_zero(a, Inputs, (size_t)texts);
    for (int i = 0; i < texts; i++) {
        w.prompts[i].ids = tensor_take(a, DTYPE_I32, DIMS(1, tokens));
        for (int t = 0; t < tokens; t++) i32(w.prompts[i].ids)[t] = 3 + (t * 37 + i * 101) % 30000;
    }
    return w;
}

static double weights_of(Arena *a, const char *dir, const Model *m) { // bytes; of the table of embeddings, a row is read
    struct stat file;
    return stat(path_join(a, dir, "model.safetensors"), &file) == 0 ? (double)file.st_size - (double)m->vocabulary * 4096 * 2 : 0;
}

static const char *without_text(int ways) { // sums of Way
    static const char *const names[] = {", products one by one", ", K not cut", ", turned and stored one by one", ", no step ahead", ", norms before products", ", turned before attention", ", norms apart from what they follow"};
    static char text[260];
    text[0] = 0;
    for (int i = 0; i < 7; i++)
        if (ways >> i & 1) strcat(text, names[i]);
    return text;
}

// Of the first texts, how many begin with the ids that 32 texts alone began with: sums of other kernels, in bf16, may choose another one.
static void as_others(Bench *b, const Whole *w, char *said, size_t room) {
    static int32_t first[32][2];
    static bool known;
    int same = 0;
    said[0] = 0;
    if (w->texts == 32 && !known) memcpy(first, w->first, sizeof first), known = true;
    if (w->texts <= 32 || !known) return;
    for (int t = 0; t < 32; t++) same += memcmp(first[t], w->first[t], sizeof first[t]) == 0;
    snprintf(said, room, "%d of 32 begin as before%s", same, same < 24 ? ": WRONG" : "");
    b->wrong += same < 24;
}

// Bytes of a step: the weights once, and each text's keys and values in bf16, half of the new ones on average.
static double step_bytes(Arena *a, const char *dir, const Whole *w, int prompt) {
    return weights_of(a, dir, w->m) + (double)w->texts * (prompt + 1 + w->tokens / 2.0) * 8 * 2 * 4096 * 2;
}

static void answers(Bench *b, const char *dir, int texts, int without) {
    Arena *a = arena_new("a model");
    Whole w = language_model(a, dir, texts, 64);
    char ask[600];
    double python, bytes = step_bytes(a, dir, &w, 64);
    snprintf(ask, sizeof ask, "answers %s %d 64", dir, texts);
    static uint64_t said[129]; // of so many texts: the same ids whatever is left out
    char begins[60];
    gpu_without(without);
    double ours = rounds_of(tokens_once, &w, !without ? b->torch : NULL, ask, &python), roof = bytes / b->copy / ours;
    as_others(b, &w, begins, sizeof begins);
    bench_say(b->page, "| 7B language model, 8 of its 32 layers, bf16 | next token of %d text%s%s: %.0f tokens/s (PyTorch %.0f) | %.3f | %.2f TB/s | - | %.2f | %.2f | %s | %s | %s |", texts, texts > 1 ? "s" : "", without_text(without),
              texts / ours, python > 0 ? texts / python : 0, ours * 1e3, bytes / ours * 1e-12, python / ours, roof, texts == 1 ? "0.60 | 0.80" : "0.50 | 0.70", texts == 1 ? mark(roof, 0.6, 0.8) : mark(roof, 0.5, 0.7), begins);
    const int others = WAY_SPLIT | WAY_TOGETHER; // sums in another order: a prompt of 64 tokens, too, is a product of few rows
    if (!(without & others) && said[texts] && said[texts] != w.said) b->wrong++, bench_say(b->page, "| 7B language model | other ids than before: WRONG | | | | | | | | | |");
    if (!said[texts]) said[texts] = w.said;
    gpu_without(0);
    arena_free(a);
}

static void prompt(Bench *b, const char *dir, int tokens) {
    Arena *a = arena_new("a model");
    Whole w = language_model(a, dir, 1, tokens);
    char ask[600];
    double python, flops = weights_of(a, dir, w.m) * tokens + 8 * 2.0 * tokens * tokens * 4096; // two of each weight of two bytes; attention's, causal
    flops -= (double)w.m->vocabulary * 4096 * 2 * (tokens - 1); // of the last layer, one row is asked for
    snprintf(ask, sizeof ask, "prompt %s 1 %d", dir, tokens);
    double ours = rounds_of(first_once, &w, b->torch, ask, &python);
    bench_say(b->page, "| 7B language model, 8 of its 32 layers, bf16 | prompt of %d tokens: %.0f tokens/s (PyTorch %.0f) | %.2f | %.1f TFLOP/s | - | %.2f | %.2f | - | - | | |", tokens, tokens / ours,
              python > 0 ? tokens / python : 0, ours * 1e3, flops / ours * 1e-12, python / ours, flops / b->bf16 / ours);
    arena_free(a);
}

void bench_whole(Bench *b, const char *models) {
    const char *why;
    const Device *gpu = device_cuda(&why);
    need(gpu, "bench: %s", why);
    device_use(gpu);
    char path[500];
    snprintf(path, sizeof path, "%s/vit", models);
    const bool fed = bench_begins(b, "input pipeline", "64 JPEGs");
    if (bench_begins(b, "ViT-L/14-336 forward", "64 pictures") || fed) {
        const double forward = pictures(b, path, 64);
        if (fed) bench_pipeline(b, models, forward);
    }
    snprintf(path, sizeof path, "%s/llama", models);
    static const int left_out[][2] = {{1, 0}, {32, 0}, {64, 0}, {128, 0}, {1, WAY_TOGETHER}, {32, WAY_TOGETHER}, {32, WAY_SPLIT}, {1, WAY_STORED}, {1, WAY_AHEAD}, {32, WAY_AHEAD}, {1, WAY_NORMED},
                                     {1, WAY_TURNED}, {32, WAY_TURNED}, {32, WAY_BEHIND}}; // texts, ways
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        const int texts = left_out[i][0];
        char shape[300];
        snprintf(shape, sizeof shape, "next token of %d text%s%s", texts, texts > 1 ? "s" : "", without_text(left_out[i][1]));
        if (bench_begins(b, "7B language model", shape)) answers(b, path, texts, left_out[i][1]);
    }
    if (bench_begins(b, "7B language model", "prompt of 2048 tokens")) prompt(b, path, 2048);
}
