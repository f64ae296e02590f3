// connectors.c: `retina connectors`: options, pictures, the order of the steps.
#include "connectors.h"
#include "device.h"

#include <stdio.h>
#include <string.h>

#include "io/progress.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/resize.h"
#include "train/world.h"
#include "version.h"

#define WORLD_PICTURES 1200 // of the default run: more than ten times the largest neighbourhood
#define WORLD_PIXELS 64

Model *study_model(Study *s) {
    if (!s->model) {
        s->model = model_open(s->arena, s->model_dir, false);
        s->model->compute = s->compute;
    }
    return s->model;
}

char *study_path(Study *s, const char *name) { return path_join(s->arena, s->out, name); }

// The default pictures: held-out scenes of the procedural world, with the full caption beside each.
static void draw_world(Study *s) {
    char *folder = study_path(s, arena_print(s->arena, "images-%lld", (long long)s->seed));
    int n = s->count ? s->count : WORLD_PICTURES;
    Arena *a = arena_new("the world's pictures");
    uint8_t *rgb = take(a, uint8_t, WORLD_PIXELS * WORLD_PIXELS * 3);
    Progress bar = progress_start("draw", (size_t)n);
    for (int i = 0; i < n; i++) {
        Mark mark = arena_mark(a);
        char *picture = arena_print(a, "%s/%05d.jpg", folder, i), *text = arena_print(a, "%s/%05d.txt", folder, i), caption[WORLD_TEXT];
        if (s->fresh || !file_exists(picture) || !file_exists(text)) {
            WorldScene scene;
            world_scene_in(&scene, WORLD_SCENES, (uint64_t)s->seed, SPLIT_TEST, (uint64_t)i);
            world_render(&scene, WORLD_PIXELS, rgb);
            world_caption_of(caption, &scene, WORLD_CAPTIONS - 1);
            Bytes b = jpeg_encode(a, rgb, WORLD_PIXELS, WORLD_PIXELS, 92, JPEG_444);
            file_draft(text, caption, strlen(caption));
            file_draft(picture, b.bytes, b.size);
        }
        arena_release(a, mark);
        progress_at(&bar, (size_t)i + 1);
    }
    progress_end(&bar);
    arena_free(a);
}

Gathering *study_pictures(Study *s) {
    if (s->pictures.count) return &s->pictures;
    const char *path = s->images;
    if (s->from_world) {
        path = study_path(s, arena_print(s->arena, "images-%lld", (long long)s->seed));
        draw_world(s);
    }
    s->pictures = pictures_gather(s->arena, &path, 1);
    if (s->count && (size_t)s->count < s->pictures.count) s->pictures.count = (size_t)s->count;
    return &s->pictures;
}

// The study squashes every picture to a square before the model's own processor sees it (aspect not kept, bicubic).
Picture study_picture(Arena *a, Study *s, const Image *image) {
    Picture p = picture_from(image);
    if (s->image_size <= 0) return p;
    p.rgb = resize_rgb8(a, p.rgb, p.width, p.height, s->image_size, s->image_size, RESIZE_BICUBIC);
    p.width = p.height = s->image_size;
    return p;
}

Image study_image(Arena *a, Study *s, size_t place) {
    ImageOptions o = picture_options(&s->picture_options);
    return gathered_read(a, &study_pictures(s)->items[place], &o);
}

// ---- steps

typedef struct {
    const char *name;
    void (*run)(Study *s);
} Step;

// Jobs of --shard i/n write into one folder, so merging is finding that nothing is missing.
static void merge(Study *s) {
    Vectors *v = vectors_open(s);
    Remarks failed, damaged;
    vectors_remarks(s, &failed, &damaged);
    note("%zu pictures, %zu of them distinct, %zu that could not be read, %zu damaged", v->N, v->groups.count, failed.count, damaged.count);
}

static const Step steps[] = {
    {"extract", connectors_extract},   // vectors before and after the connector
    {"geometry", connectors_geometry}, // neighbours, spectra, concentration
    {"recon", connectors_recon},       // rebuild the connector's input from its output
    {"captions", connectors_captions}, // captions live, injected, rebuilt
    {"report", connectors_report},     // report.html and table.tsv
    {"export", connectors_export},     // vectors rebuilt, and projected again
    {"merge", merge},                  // check that the parts of all shards are there
    {"knn", connectors_geometry},      // the original's name for it
};
#define STEPS (sizeof steps / sizeof *steps)
#define WHOLE 5 // the study itself

static void record(Study *s, double seconds) {
    Remarks failed = {0}, damaged = {0};
    if (s->all_parts) vectors_remarks(s, &failed, &damaged);
    Writer *w = writer_open(study_path(s, "run.txt"));
    writer_print(w, "command = %s\n", s->command);
    options_record(s->options, s->option_count, w);
    for (size_t i = 0; i < failed.count; i++) writer_print(w, "not read = %s: %s\n", failed.items[i].path, failed.items[i].what);
    for (size_t i = 0; i < damaged.count; i++) writer_print(w, "damaged = %s: %s\n", damaged.items[i].path, damaged.items[i].what);
    writer_print(w, "version = %s\nmodel checksum = %s\n", VERSION, s->model_stamp ? s->model_stamp : "");
    writer_print(w, "instructions = %s\nthreads used = %d\nseconds = %.1f\n", cpu_describe(), threads_count(), seconds);
    writer_close(w);
}

// The small models of the zoo know only the words that they were trained with.
static const char *study_prompt(Arena *a, const char *model_dir) {
    const char *zoo = path_join(a, model_dir, "ZOO.json"), *own = file_exists(zoo) ? json_text_or(json_read(a, zoo), "prompt", NULL) : NULL;
    return own ? own : "Describe this image in one detailed sentence, focusing on the main objects, attributes, and scene.";
}

static void check_counts(const Study *s, int threads) {
    const OptionCount counts[] = {{"part-size", s->part_size, 1}, {"batch", s->batch, 1}, {"topk", s->topk, 1}, {"captions", s->captions, 1}, {"max-new-tokens", s->max_new, 1},
                                  {"epochs", s->epochs, 1, RECON_EPOCHS_MAX}, {"hidden-size", s->hidden, 1}, {"num-layers", s->layers, 3, RECON_LAYERS_MAX}, {"count", s->count, 0}, {"threads", threads, 0}, {"img-size", s->image_size, -1}};
    options_bounded(counts, sizeof counts / sizeof *counts);
}

// Told before a picture is drawn or read.
static void check_model(Study *s) {
    const char *family = model_open(s->arena, s->model_dir, true)->family->name;
    need(strcmp(family, "llava") == 0, "%s: a %s model; the connectors study reads LLaVA-type models", s->model_dir, family);
}

static void run_steps(Study *s, const Step *step) {
    double started = seconds_now();
    folder_make(s->out);
    if (step) {
        step->run(s);
        record(s, seconds_now() - started);
        return;
    }
    need(study_pictures(s)->count >= LEAST_PICTURES, "%s: %zu pictures; the study needs at least %d", s->images ? s->images : "--count", study_pictures(s)->count, LEAST_PICTURES);
    for (size_t i = 0; i < WHOLE; i++) {
        if (i == WHOLE - 1) record(s, seconds_now() - started);
        if (s->pre_point && steps[i].run == connectors_captions) note("--pre-point normed: no captions, for a connector cannot be given its input back from behind a norm");
        else steps[i].run(s);
    }
    printf("%s\n", study_path(s, "report.html"));
}

int run_connectors(int argc, char **argv) {
    Study study = {.arena = arena_new("connectors"), .out = "out/connectors", .topk = 100, .part_size = 64, .batch = 8,
                   .captions = 32, .max_new = 64, .epochs = 20, .hidden = 2048, .layers = 3, .seed = 42, .shards = 1};
    Study *s = &study;
    s->model_dir = file_shipped(s->arena, "data/zoo/llava");
    const char *shard = NULL;
    int threads = 0, device = 0, dtype = 0;
    bool packed = false;
    Option options[] = {
        {"model", OPT_TEXT, &s->model_dir, "LLaVA-type model directory", NULL},
        {"images", OPT_TEXT, &s->images, "folder, list or archive of pictures; without it the procedural world is drawn", NULL},
        {"out", OPT_TEXT, &s->out, "folder of the results", NULL},
        {"count", OPT_INT, &s->count, "pictures, from the front of the list; 0: all (of the world: 1200)", NULL},
        {"img-size", OPT_INT, &s->image_size, "square that pictures are squashed to first; 0: the model's own size, -1: not at all", NULL},
        PICTURE_OPTIONS(s->picture_options),
        {NULL, OPT_FLAG, NULL, "extract", NULL},
        {"part-size", OPT_INT, &s->part_size, "pictures in a file of vectors", NULL},
        {"batch", OPT_INT, &s->batch, "pictures in a forward", NULL},
        {"save-dtype", OPT_CHOICE, &s->save, "stored type of the vectors", "f32|bf16|f16"},
        {"shard", OPT_TEXT, &shard, "i/n: only the i-th of n jobs' files (extract, export); i from 0", NULL},
        {NULL, OPT_FLAG, NULL, "geometry", NULL},
        {"topk", OPT_INT, &s->topk, "largest neighbourhood", NULL},
        {"metric", OPT_CHOICE, &s->metric, "of the original's files", "l2|cosine"},
        {"pre-point", OPT_CHOICE, &s->pre_point, "what counts as before: the connector's input, or that after the tower's final norm", "raw|normed"},
        {NULL, OPT_FLAG, NULL, "recon", NULL},
        {"epochs", OPT_INT, &s->epochs, "at most", NULL},
        {"hidden-size", OPT_INT, &s->hidden, "width of the reconstructor, at most", NULL},
        {"num-layers", OPT_INT, &s->layers, "of the reconstructor", NULL},
        {NULL, OPT_FLAG, NULL, "captions", NULL},
        {"captions", OPT_INT, &s->captions, "test pictures that get captions", NULL},
        {"prompt", OPT_TEXT, &s->prompt, "the user's words; default: what ZOO.json of a small model says, else the study's", NULL},
        {"max-new-tokens", OPT_INT, &s->max_new, "of a caption", NULL},
        {NULL, OPT_FLAG, NULL, "running", NULL},
        {"faithful", OPT_FLAG, &s->faithful, "the original's split and schedule, its defects included", NULL},
        {"seed", OPT_LONG, &s->seed, "of world, split, training and bootstrap", NULL},
        {"fresh", OPT_FLAG, &s->fresh, "start over instead of going on", NULL},
        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
        {"device", OPT_CHOICE, &device, "where to compute", "auto|cpu|cuda"},
        {"dtype", OPT_CHOICE, &dtype, "of the model's computation; f32 is the reference", COMPUTE_CHOICES},
        {"packed", OPT_FLAG, &packed, PACKED_HELP, NULL},
        {"quiet", OPT_FLAG, &quiet, "no progress, no notes", NULL},
    };
    s->options = options;
    s->option_count = sizeof options / sizeof *options;
    TextList rest;
    options_parse("retina connectors [extract|merge|geometry|recon|export|captions|report] [options]",
                  "How a connector changes the image representation; without a step, all of them.", options, s->option_count, argc, argv, &rest);
    if (rest.count > 1) die_usage("connectors: one step at a time; without a step, all are done");
    const Step *step = rest.count ? &steps[option_which("connectors", rest.items[0], steps, sizeof *steps, STEPS)] : NULL; // NULL: the whole study
    if (shard) option_shard(shard, &s->shard, &s->shards);
    if (s->shards > 1 && !(step && (step->run == connectors_extract || step->run == connectors_export)))
        die_usage("--shard goes with the steps extract and export: `retina connectors extract --shard %s` for each, then `retina connectors` without it", shard);
    check_counts(s, threads);
    if (threads) threads_set(threads);
    s->compute = (Compute)dtype;
    need(folder_exists(s->model_dir), "%s: there is no such model directory; give --model DIR, or run in the project's folder, which has a small one", s->model_dir);
    check_model(s);
    if (!s->prompt) s->prompt = study_prompt(s->arena, s->model_dir);
    device_pick(device, packed, s->compute);
    s->from_world = s->images == NULL;
    if (s->image_size == 0) {
        Preprocess p = preprocess_read(s->arena, s->model_dir);
        int h;
        preprocess_size(&p, 100, 100, &s->image_size, &h);
    }
    char *command = arena_print(s->arena, "retina connectors");
    for (int i = 0; i < argc; i++) command = arena_print(s->arena, "%s %s", command, argv[i]);
    s->command = command;
    run_steps(s, step);
    return 0;
}
