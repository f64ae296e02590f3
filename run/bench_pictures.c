// bench_pictures.c: `retina bench jpeg resize`: pictures decoded and resized, against libjpeg-turbo and Pillow in the same run.
//
// Both run on one core and are timed by the processor's clock, so that a busy machine does not decide. In every round the
// bytes are compared, before their time counts.
#include "bench_pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_photograph.h"
#include "io/checksum.h"
#include "io/image.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/resize.h"

#define JPEG_MOST 1.5 // of libjpeg-turbo's time: the gate

typedef struct {
    Arena *arena;
    Table table;
} Pictures;

static Pictures pictures_start(const BenchAsk *ask) {
    threads_set(1);
    return (Pictures){.arena = ask->arena, .table = table_open(ask, "test/bench/peer_pictures.py", NULL)};
}

static const char *drawn(const Pictures *p, const char *name, int width, int height, int quality, JpegSampling sampling) {
    Arena *a = p->arena;
    const char *path = arena_print(a, "%s/%s", bench_folder(), name);
    Mark mark = arena_mark(a);
    Bytes b = jpeg_encode(a, bench_photograph(a, width, height), width, height, quality, sampling);
    file_draft(path, b.bytes, b.size);
    arena_release(a, mark);
    return path;
}

// ---- one picture, ours and the peer's

typedef struct {
    Pictures *p;
    const char *path, *line; // for the peer
    Bytes file;              // to be decoded
    Image image;             // decoded, or to be resized
    int width, height;       // of the result
    ResizeFilter filter;
    uint32_t crc; // of our result
} Picture;

static double decode_seconds(void *arg) {
    Picture *k = arg;
    Mark mark = arena_mark(k->p->arena);
    double start = bench_clock();
    k->image = image_decode(k->p->arena, k->file, NULL);
    double seconds = bench_clock() - start;
    k->crc = crc32_of(0, k->image.rgb, (size_t)k->image.width * (size_t)k->image.height * 3);
    arena_release(k->p->arena, mark);
    return seconds;
}

static double resize_seconds(void *arg) {
    Picture *k = arg;
    Mark mark = arena_mark(k->p->arena);
    double start = bench_clock();
    const uint8_t *out = resize_rgb8(k->p->arena, k->image.rgb, k->image.width, k->image.height, k->width, k->height, k->filter);
    double seconds = bench_clock() - start;
    k->crc = crc32_of(0, out, (size_t)k->width * (size_t)k->height * 3);
    arena_release(k->p->arena, mark);
    return seconds;
}

static double peer_seconds(void *arg) {
    Picture *k = arg;
    char answer[200];
    double seconds;
    unsigned long theirs;
    peer_line(k->p->table.peer, answer, sizeof answer, "%s\n", k->line);
    need(sscanf(answer, "%lf %lu", &seconds, &theirs) == 2, "bench: the peer said \"%s\"; is Pillow in that environment?", answer);
    need(theirs == k->crc, "bench: %s: other bytes than the peer's; nothing is timed", k->path);
    return seconds;
}

// The ratio, for a gate that wants at most `most` (INFINITY: there is none); NaN without a peer.
static double contest(Picture *k, double (*ours)(void *arg), const char *what, const char *(*size)(const Picture *k), double most) {
    const Table *t = &k->p->table;
    Rounds r = rounds_wanted((Way[]){{ours, k}, {peer_seconds, k}}, t->peer ? 2 : 1, t->rounds, &(RatioWanted){WAY(0), WAY(1), most}, t->peer ? 1 : 0);
    const Times *of = rounds_shown(&r, WAY(0), t->peer ? WAY(1) : 0);
    Times x = of[0], p = of[1];
    const char *peer = t->peer ? arena_print(k->p->arena, " %.2f (%.2f – %.2f) | %.2f |", 1e3 * p.median, 1e3 * p.least, 1e3 * p.most, x.median / p.median) : "";
    bench_say(t->w, "| %s | %s | %.2f (%.2f – %.2f) | %.0f |%s %s |", what, size(k), 1e3 * x.median, 1e3 * x.least, 1e3 * x.most,
              (double)k->image.width * k->image.height / x.median * 1e-6, peer, rounds_note(&r));
    return t->peer ? rounds_ratio(&r, WAY(0), WAY(1)) : NAN;
}

static void head(const Pictures *p, const char *kind, const char *what, const char *peer) {
    const Table *t = &p->table;
    const char *who = t->peer ? arena_print(p->arena, " Peer: %s.", peer_who(t->peer)) : "";
    const char *column = t->peer ? arena_print(p->arena, " %s | ratio |", peer) : "";
    bench_say(t->w, "%s, `retina bench %s%s`, %s, one core, milliseconds of processor time,\nmedian (smallest – largest) of %d alternating rounds; ratio: ours over the peer, lower is better.%s\n",
              what, kind, t->peer ? " --peers VENV" : "", cpu_describe(), t->rounds, who);
    bench_say(t->w, "| picture | | ours | Mpixel/s |%s note |\n|---|---|---|---|%s---|", column, t->peer ? "---|---|" : "");
}

// ---- JPEG

static const char *file_said(const Picture *k) { return arena_print(k->p->arena, "%d x %d, %zu KB", k->image.width, k->image.height, k->file.size / 1000); }

static void one_jpeg(Pictures *p, const char *path, Ratios *into) {
    const char *name = path_stem(p->arena, path);
    if (!table_wants(&p->table, name)) return;
    Picture k = {.p = p, .path = path, .line = arena_print(p->arena, "jpeg\t%s", path), .file = file_read(p->arena, path)};
    ratios_add(into, contest(&k, decode_seconds, name, file_said, JPEG_MOST), name);
}

static const char turbo[] = "libjpeg-turbo";

static void jpeg_gate(const Pictures *p, const char *what, const Ratios *r, double goal) {
    gate_note(p->table.gates, (Gate){.what = arena_print(p->arena, "the largest of %s over %s's time", what, turbo), .detail = ratios_said(p->arena, r), .value = ratios_largest(r),
                                     .bound = JPEG_MOST, .goal = goal, .elsewhere = ratios_elsewhere(r, p->table.only, peer_without(p->arena, p->table.peer, turbo))});
}

void bench_jpeg(const BenchAsk *ask, TextList images) {
    static const struct {
        const char *name;
        int width, height, quality;
        JpegSampling sampling;
    } all[] = {{"q75-420.jpg", 640, 427, 75, JPEG_420}, {"q90-420.jpg", 640, 427, 90, JPEG_420}, {"q75-444.jpg", 640, 427, 75, JPEG_444},
               {"q90-444.jpg", 640, 427, 90, JPEG_444}, {"q95-444.jpg", 640, 427, 95, JPEG_444}, {"large-q85-420.jpg", 4032, 3024, 85, JPEG_420}};
    Pictures p = pictures_start(ask);
    char answer[200];
    head(&p, "jpeg", "JPEG decoded to RGB", peer_without(p.arena, p.table.peer, turbo) ? "Pillow" : turbo);
    Ratios given = {0}, baseline = {0}, progressive = {0};
    for (size_t i = 0; i < images.count; i++) one_jpeg(&p, images.items[i], &given);
    for (size_t i = 0; i < sizeof all / sizeof *all && images.count == 0; i++) {
        const char *path = drawn(&p, all[i].name, all[i].width, all[i].height, all[i].quality, all[i].sampling);
        one_jpeg(&p, path, &baseline);
        if (!ask->venv) continue; // nobody here writes progressive files
        const char *other = arena_print(p.arena, "%s/progressive-%s", bench_folder(), all[i].name);
        peer_line(p.table.peer, answer, sizeof answer, "progressive\t%s\t%s\n", path, other);
        one_jpeg(&p, other, &progressive);
    }
    if (given.count) jpeg_gate(&p, "JPEGs given", &given, 1.1);
    else jpeg_gate(&p, "baseline JPEGs", &baseline, 1.1), jpeg_gate(&p, "progressive JPEGs", &progressive, 1.2);
    table_close(&p.table);
}

// ---- resize

static const char *filter_said(const Picture *k) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
    return names[k->filter];
}

static void one_resize(Pictures *p, const char *path, int width, int height, ResizeFilter filter) {
    Picture k = {.p = p, .path = path, .line = arena_print(p->arena, "resize\t%s\t%d\t%d\t%d", path, width, height, (int)filter), .width = width, .height = height, .filter = filter};
    k.image = image_read(p->arena, path, NULL);
    const char *name = arena_print(p->arena, "%d x %d to %d x %d", k.image.width, k.image.height, width, height);
    if (table_wants(&p->table, arena_print(p->arena, "%s, %s", name, filter_said(&k)))) contest(&k, resize_seconds, name, filter_said, INFINITY);
}

void bench_resize(const BenchAsk *ask) {
    Pictures p = pictures_start(ask);
    head(&p, "resize", "RGB resized, 8 bits", "Pillow");
    const char *small = drawn(&p, "small.jpg", 640, 427, 90, JPEG_420), *large = drawn(&p, "large.jpg", 4032, 3024, 85, JPEG_420);
    static const int sizes[][3] = {{0, 335, 224}, {0, 503, 336}, {0, 378, 378}, {0, 980, 654}, {1, 298, 224}, {1, 1306, 980}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int f = 0; f < 3; f++) {
            Mark mark = arena_mark(p.arena);
            one_resize(&p, sizes[i][0] ? large : small, sizes[i][1], sizes[i][2], f == 0 ? RESIZE_BILINEAR : f == 1 ? RESIZE_BICUBIC : RESIZE_LANCZOS);
            arena_release(p.arena, mark);
        }
    table_close(&p.table);
}
