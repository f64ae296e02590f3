// bench_pictures.c: `retina bench jpeg resize`: pictures decoded and resized, against libjpeg-turbo and Pillow in the same run.
//
// Both run on one core and are timed by the processor's clock, so that a busy machine does not decide. Before timing,
// the bytes are compared. Without files, photographs are imitated: noise of every size and hard edges, which
// compress about as photographs do.
#include "bench_pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_peer.h"
#include "io/checksum.h"
#include "io/image.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/resize.h"

// ---- pictures

// Noise between a grid of random values `step` pixels apart.
static float noise(Rng r, uint64_t plane, int x, int y, int step) {
    int gx = x / step, gy = y / step;
    float fx = (float)(x % step) / (float)step, fy = (float)(y % step) / (float)step, v[4];
    for (int i = 0; i < 4; i++) v[i] = (float)rng_uniform(r, plane << 32 | (uint64_t)(gy + i / 2) << 16 | (uint64_t)(gx + i % 2));
    return (v[0] * (1 - fx) + v[1] * fx) * (1 - fy) + (v[2] * (1 - fx) + v[3] * fx) * fy;
}

uint8_t *bench_photograph(Arena *a, int width, int height) {
    uint8_t *rgb = take(a, uint8_t, (size_t)width * (size_t)height * 3);
    Rng r = rng_of(1, "photograph");
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float light = 0, size = 110;
            for (int step = 128, octave = 0; step > 1; step /= 2, octave++, size *= 0.6f) light += size * (noise(r, (uint64_t)octave, x, y, step) - 0.5f);
            bool dark = noise(r, 20, x, y, 96) > 0.55f; // things with edges
            for (int c = 0; c < 3; c++) {
                float v = 128 + (dark ? -50 : 20) + light + 60 * (noise(r, 30 + (uint64_t)c, x, y, 64) - 0.5f);
                rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
    return rgb;
}

// ---- a folder for files that the peer reads, too

typedef struct {
    const PicturesBench *bench;
    const char *folder;
    Peer peer;
} Pictures;

static Pictures pictures_start(const PicturesBench *b) {
    char *folder = arena_print(b->arena, "%s/retina-bench.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    need(mkdtemp(folder), "bench: %s: no folder can be made there", folder);
    Pictures p = {.bench = b, .folder = folder};
    if (b->venv) p.peer = peer_start(b->venv, "test/bench/peer_pictures.py", NULL);
    return p;
}

static void pictures_end(Pictures *p) {
    if (p->bench->venv) peer_end(&p->peer);
    size_t n;
    char **names = folder_list(p->bench->arena, p->folder, &n);
    for (size_t i = 0; i < n; i++) unlink(names[i]);
    rmdir(p->folder);
}

static const char *drawn(const Pictures *p, const char *name, int width, int height, int quality, JpegSampling sampling) {
    Arena *a = p->bench->arena;
    const char *path = arena_print(a, "%s/%s", p->folder, name);
    Mark mark = arena_mark(a);
    Bytes b = jpeg_encode(a, bench_photograph(a, width, height), width, height, quality, sampling);
    file_draft(path, b.bytes, b.size);
    arena_release(a, mark);
    return path;
}

static double peer_answer(const char *answer, uint32_t crc, const char *what) {
    double seconds;
    unsigned long theirs;
    need(sscanf(answer, "%lf %lu", &seconds, &theirs) == 2, "bench: the peer said \"%s\"; is Pillow in that environment?", answer);
    need(theirs == crc, "bench: %s: other bytes than the peer's; nothing is timed", what);
    return seconds;
}

static void result(const PicturesBench *b, const char *what, const char *size, double pixels, double *ours, double *theirs) {
    Times t = times_of(ours, b->rounds), p = {0};
    char peer[100] = "";
    if (b->venv) {
        p = times_of(theirs, b->rounds);
        snprintf(peer, sizeof peer, " %.2f (%.2f – %.2f) | %.2f |", 1e3 * p.median, 1e3 * p.least, 1e3 * p.most, t.median / p.median);
    }
    bench_say(b->out, "| %s | %s | %.2f (%.2f – %.2f) | %.0f |%s %s |", what, size, 1e3 * t.median, 1e3 * t.least, 1e3 * t.most, pixels / t.median * 1e-6, peer,
               t.most > 1.5 * t.least || p.most > 1.5 * p.least ? "noisy" : "");
}

static void head(const PicturesBench *b, const char *what, const char *peer) {
    char column[120] = "";
    if (b->venv) snprintf(column, sizeof column, " %s | ratio |", peer);
    bench_say(b->out, "%s, `retina bench%s`, %s, one core, milliseconds of processor time,\nmedian (smallest – largest) of %d alternating rounds; ratio: ours over the peer, lower is better.\n",
               what, b->venv ? " --peers VENV" : "", cpu_describe(), b->rounds);
    bench_say(b->out, "| picture | | ours | Mpixel/s |%s note |\n|---|---|---|---|%s---|", column, b->venv ? "---|---|" : "");
}

// ---- JPEG

static void one_jpeg(Pictures *p, const char *path) {
    const PicturesBench *b = p->bench;
    Arena *a = b->arena;
    Mark mark = arena_mark(a);
    Bytes file = file_read(a, path);
    double *ours = take(a, double, (size_t)b->rounds), *theirs = take(a, double, (size_t)b->rounds), pixels = 0;
    char answer[200], size[64];
    for (int r = -1; r < b->rounds; r++) { // the first one warms up
        Mark inner = arena_mark(a);
        double start = cpu_seconds();
        Image image = image_decode(a, file, NULL);
        double seconds = cpu_seconds() - start, peer = 0;
        uint32_t crc = crc32_of(0, image.rgb, (size_t)image.width * (size_t)image.height * 3);
        pixels = (double)image.width * image.height;
        snprintf(size, sizeof size, "%d x %d, %zu KB", image.width, image.height, file.size / 1000);
        if (b->venv) {
            peer_line(&p->peer, answer, sizeof answer, "jpeg\t%s\n", path);
            peer = peer_answer(answer, crc, path);
        }
        if (r >= 0) ours[r] = seconds, theirs[r] = peer;
        arena_release(a, inner);
    }
    result(b, path_stem(a, path), size, pixels, ours, theirs);
    arena_release(a, mark);
}

void bench_jpeg(const PicturesBench *b) {
    threads_set(1);
    Pictures p = pictures_start(b);
    char who[100] = "";
    if (b->venv) peer_line(&p.peer, who, sizeof who, "who\n");
    head(b, "JPEG decoded to RGB", who);
    for (size_t i = 0; i < b->images.count; i++) one_jpeg(&p, b->images.items[i]);
    static const struct {
        const char *name;
        int width, height, quality;
        JpegSampling sampling;
    } all[] = {{"q75-420.jpg", 640, 427, 75, JPEG_420}, {"q90-420.jpg", 640, 427, 90, JPEG_420}, {"q75-444.jpg", 640, 427, 75, JPEG_444},
               {"q90-444.jpg", 640, 427, 90, JPEG_444}, {"q95-444.jpg", 640, 427, 95, JPEG_444}, {"large-q85-420.jpg", 4032, 3024, 85, JPEG_420}};
    for (size_t i = 0; i < sizeof all / sizeof *all && b->images.count == 0; i++) {
        const char *path = drawn(&p, all[i].name, all[i].width, all[i].height, all[i].quality, all[i].sampling);
        one_jpeg(&p, path);
        if (!b->venv) continue; // nobody here writes progressive files
        char answer[200], *progressive = arena_print(b->arena, "%s/progressive-%s", p.folder, all[i].name);
        peer_line(&p.peer, answer, sizeof answer, "progressive\t%s\t%s\n", path, progressive);
        one_jpeg(&p, progressive);
    }
    pictures_end(&p);
}

// ---- resize

static void one_resize(Pictures *p, const char *path, int width, int height, ResizeFilter filter) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
    const PicturesBench *b = p->bench;
    Arena *a = b->arena;
    Mark mark = arena_mark(a);
    Image image = image_read(a, path, NULL);
    double *ours = take(a, double, (size_t)b->rounds), *theirs = take(a, double, (size_t)b->rounds);
    char answer[200];
    for (int r = -1; r < b->rounds; r++) {
        Mark inner = arena_mark(a);
        double start = cpu_seconds();
        const uint8_t *out = resize_rgb8(a, image.rgb, image.width, image.height, width, height, filter);
        double seconds = cpu_seconds() - start, peer = 0;
        if (b->venv) {
            peer_line(&p->peer, answer, sizeof answer, "resize\t%s\t%d\t%d\t%d\n", path, width, height, (int)filter);
            peer = peer_answer(answer, crc32_of(0, out, (size_t)width * (size_t)height * 3), path);
        }
        if (r >= 0) ours[r] = seconds, theirs[r] = peer;
        arena_release(a, inner);
    }
    result(b, arena_print(a, "%d x %d to %d x %d", image.width, image.height, width, height), names[filter], (double)image.width * image.height, ours, theirs);
    arena_release(a, mark);
}

void bench_resize(const PicturesBench *b) {
    threads_set(1);
    Pictures p = pictures_start(b);
    head(b, "RGB resized, 8 bits", "Pillow");
    const char *small = drawn(&p, "small.jpg", 640, 427, 90, JPEG_420), *large = drawn(&p, "large.jpg", 4032, 3024, 85, JPEG_420);
    static const int sizes[][3] = {{0, 335, 224}, {0, 503, 336}, {0, 378, 378}, {0, 980, 654}, {1, 298, 224}, {1, 1306, 980}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int f = 0; f < 3; f++)
            one_resize(&p, sizes[i][0] ? large : small, sizes[i][1], sizes[i][2], f == 0 ? RESIZE_BILINEAR : f == 1 ? RESIZE_BICUBIC : RESIZE_LANCZOS);
    pictures_end(&p);
}
