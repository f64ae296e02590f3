// world.c: `retina world`: pictures of the procedural world, and one line of truth for each.
//
// Writes DIR/images/NNNNNN.jpg and DIR/scenes.jsonl. Boxes and keypoints are in pixels of the picture.
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "io/image.h"
#include "io/json.h"
#include "io/option.h"
#include "io/progress.h"
#include "io/thread.h"
#include "train/world.h"

enum { CHUNK = 256, FORMAT_JPEG = 0, FORMAT_PNG, FORMAT_PPM };

typedef struct {
    WorldPreset preset;
    uint64_t seed, first;
    int split; // -1: all
    int size;
    WorldScene *scene; // CHUNK
    uint8_t *rgb;      // CHUNK pictures
} Batch;

static void draw(void *arg, size_t begin, size_t end) {
    Batch *b = arg;
    for (size_t i = begin; i < end; i++) {
        if (b->split < 0) world_scene(&b->scene[i], b->preset, b->seed, b->first + i);
        else world_scene_in(&b->scene[i], b->preset, b->seed, (WorldSplit)b->split, b->first + i);
        world_render(&b->scene[i], b->size, b->rgb + i * 3 * (size_t)b->size * (size_t)b->size);
    }
}

// Hundredths of a pixel are enough, and short.
static double in_pixels(double units, int size) {
    double v = units * size / WORLD_SIDE * 100 + 0.5;
    return (double)(int64_t)v / 100;
}

static void write_object(JsonOut *o, const WorldObject *w, int size) {
    json_open(o, NULL, '{');
    json_put_text(o, "shape", shape_names[w->shape]);
    json_put_text(o, "colour", colour_names[w->colour]);
    json_put_text(o, "size", w->large ? "large" : "small");
    json_put_text(o, "pattern", w->striped ? "striped" : "plain");
    json_open(o, "box", '[');
    const double box[4] = {w->box.x0, w->box.y0, w->box.x1, w->box.y1};
    for (int i = 0; i < 4; i++) json_put_real(o, NULL, in_pixels(box[i], size));
    json_close(o);
    json_put_int(o, "depth", (int64_t)w->depth);
    json_open(o, "keypoints", '[');
    for (int k = 0; k < w->keypoints; k++) {
        json_open(o, NULL, '[');
        for (int i = 0; i < 2; i++) json_put_real(o, NULL, in_pixels(w->keypoint[k][i], size));
        json_close(o);
    }
    json_close(o);
    json_close(o);
}

// ---- how well one would do without looking: the commonest answer of each kind of question

enum { ANSWERS = 64 };

typedef struct {
    const char *answer[ANSWERS];
    int64_t times[ASK_KINDS][ANSWERS], asked[ASK_KINDS];
    int known;
} Tally;

static void tally_add(Tally *t, const WorldQuestion *q) {
    int a = 0;
    while (a < t->known && strcmp(t->answer[a], q->answer) != 0) a++;
    need(a < ANSWERS, "world: more than %d different answers", ANSWERS);
    if (a == t->known) t->answer[t->known++] = q->answer;
    t->times[q->kind][a]++;
    t->asked[q->kind]++;
}

static void tally_print(const Tally *t) {
    printf("question     asked    best blind guess\n");
    for (AskKind kind = 0; kind < ASK_KINDS; kind++) {
        int best = 0;
        for (int a = 1; a < t->known; a++)
            if (t->times[kind][a] > t->times[kind][best]) best = a;
        if (t->asked[kind])
            printf("%-11s %6lld    %.3f  %s\n", ask_names[kind], (long long)t->asked[kind], (double)t->times[kind][best] / (double)t->asked[kind], t->answer[best]);
    }
}

// One line: {"id", "image", "preset", "seed", "split", "habitat", "objects", "captions", "questions"}.
static void write_scene(Arena *a, Writer *lines, Tally *tally, const WorldScene *s, uint64_t id, const char *image, int size) {
    JsonOut *o = json_out(a, 0);
    json_open(o, NULL, '{');
    json_put_int(o, "id", (int64_t)id);
    json_put_text(o, "image", image);
    json_put_text(o, "preset", world_preset_names[s->preset]);
    json_put_int(o, "seed", (int64_t)s->seed);
    json_put_text(o, "split", world_split_names[world_split(s)]);
    json_put_text(o, "habitat", habitat_names[s->habitat]);
    json_open(o, "objects", '[');
    for (int i = 0; i < s->count; i++) write_object(o, &s->object[i], size);
    json_close(o);
    json_open(o, "captions", '[');
    for (int k = 0; k < WORLD_CAPTIONS; k++) {
        char text[WORLD_TEXT];
        world_caption_of(text, s, k);
        json_put_text(o, NULL, text);
    }
    json_close(o);
    json_open(o, "questions", '[');
    WorldQuestion q[ASK_KINDS];
    int n = world_questions(q, s);
    for (int k = 0; k < n; k++) {
        tally_add(tally, &q[k]);
        json_open(o, NULL, '{');
        json_put_text(o, "q", q[k].question);
        json_put_text(o, "a", q[k].answer);
        json_put_text(o, "type", ask_names[q[k].kind]);
        json_close(o);
    }
    json_close(o);
    json_close(o);
    size_t length;
    const char *line = json_done(o, &length);
    writer_put(lines, line, length);
    writer_put(lines, "\n", 1);
}

static void write_picture(Arena *a, const char *path, const uint8_t *rgb, int size, int format) {
    Bytes b = format == FORMAT_JPEG ? jpeg_encode(a, rgb, size, size, 92, JPEG_444) : format == FORMAT_PNG ? png_encode(a, rgb, size, size) : ppm_encode(a, rgb, size, size);
    file_draft(path, b.bytes, b.size); // the next run draws the same bytes
}

int run_world(int argc, char **argv) {
    int preset = 0, size = WORLD_SIDE, threads = 0, split = 0, format = FORMAT_JPEG;
    int64_t count = 100, first = 0, seed = 1;
    const char *out = NULL;
    Option options[] = {
        {"out", OPT_TEXT, &out, "folder to write to: images/ and scenes.jsonl"},
        {"count", OPT_LONG, &count, "how many scenes"},
        {"first", OPT_LONG, &first, "number of the first scene; a scene depends on its number alone"},
        {"preset", OPT_CHOICE, &preset, "kind of scene", "scenes"},
        {"size", OPT_INT, &size, "side of the pictures [pixels, 32 to 336]"},
        {"split", OPT_CHOICE, &split, "which part of the world; the parts share no content", "all|train|validation|test"},
        {"format", OPT_CHOICE, &format, "of the pictures; jpeg: quality 92, no subsampling", "jpeg|png|ppm"},
        {"seed", OPT_LONG, &seed, "of the world"},
        {"threads", OPT_INT, &threads, "0: all cores of this process"},
        {"quiet", OPT_FLAG, &quiet, "no progress, no notes"},
    };
    options_parse("retina world --out DIR [options]", "Draws the procedural world: pictures, and what is true of them.", options,
                  sizeof options / sizeof *options, argc, argv, NULL);
    if (!out || !*out) die_usage("world: --out DIR is missing: where to write the scenes");
    if (count < 1 || first < 0) die_usage("world: --count %lld --first %lld: at least one scene, numbered from 0", (long long)count, (long long)first);
    if (size < WORLD_SIZE_MIN || size > WORLD_SIZE_MAX) die_usage("world: --size %d: from %d to %d pixels", size, WORLD_SIZE_MIN, WORLD_SIZE_MAX);
    if (threads < 0) die_usage("world: --threads %d", threads);
    threads_set(threads ? threads : threads_available());

    Arena *a = arena_new("world");
    size_t picture = 3 * (size_t)size * (size_t)size;
    Batch b = {.preset = (WorldPreset)preset, .seed = (uint64_t)seed, .split = split - 1, .size = size, .scene = take(a, WorldScene, CHUNK), .rgb = take(a, uint8_t, CHUNK * picture)};
    folder_make(path_join(a, out, "images"));
    Writer *lines = writer_open(path_join(a, out, "scenes.jsonl"));
    Tally *tally = take_zero(a, Tally, 1);
    Progress bar = progress_start("draw", (size_t)count);
    for (int64_t done = 0; done < count;) {
        int n = count - done < CHUNK ? (int)(count - done) : CHUNK;
        b.first = (uint64_t)(first + done);
        parallel_for((size_t)n, 8, draw, &b);
        for (int i = 0; i < n; i++) {
            Mark mark = arena_mark(a);
            const char *image = arena_print(a, "images/%06lld.%s", (long long)(b.first + (uint64_t)i), (const char *[]){"jpg", "png", "ppm"}[format]);
            write_picture(a, path_join(a, out, image), b.rgb + (size_t)i * picture, size, format);
            write_scene(a, lines, tally, &b.scene[i], b.first + (uint64_t)i, image, size);
            arena_release(a, mark);
            progress_at(&bar, (size_t)++done);
        }
    }
    writer_close(lines);
    progress_end(&bar);
    tally_print(tally);
    arena_free(a);
    return 0;
}
