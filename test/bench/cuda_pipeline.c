// cuda_pipeline.c: pictures from JPEG files to a model's input on the host's cores, as `retina extract` reads them, beside the GPU's time for them.
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cuda.h"
#include "io/progress.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/batch.h"
#include "run/bench_photograph.h"

enum { COUNT = 64, WIDTH = 640, HEIGHT = 480, SIDE = 336, ROUNDS = 7 };

typedef struct {
    Arena *arena;
    Batch batch;
    const Gathered *items[COUNT];
    uint8_t *drawn[COUNT]; // what was written
    char *paths[COUNT];
    Preprocess clip;
} Pictures;

static const char clip_processor[] = "{\"image_processor_type\": \"CLIPImageProcessor\", \"do_resize\": true, \"size\": {\"shortest_edge\": 336}, \"resample\": 3, "
                                     "\"do_center_crop\": true, \"crop_size\": {\"height\": 336, \"width\": 336}, \"do_rescale\": true, \"rescale_factor\": 0.00392156862745098, "
                                     "\"do_normalize\": true, \"image_mean\": [0.48145466, 0.4578275, 0.40821073], \"image_std\": [0.26862954, 0.26130258, 0.27577711], "
                                     "\"do_convert_rgb\": true}\n";

// Windows of one large imitation of a photograph, no two alike.
static void write_job(void *arg, size_t begin, size_t end) {
    Pictures *p = arg;
    for (size_t k = begin; k < end; k++) {
        Bytes jpeg = jpeg_encode(p->batch.arenas[k], p->drawn[k], WIDTH, HEIGHT, 90, JPEG_420);
        file_draft(p->paths[k], jpeg.bytes, jpeg.size);
    }
}

static void pictures_write(Pictures *p, const char *folder) {
    Arena *a = p->arena;
    const int wide = 2 * WIDTH, high = 2 * HEIGHT;
    const uint8_t *all = bench_photograph(a, wide, high);
    for (int k = 0; k < COUNT; k++) {
        const int x = k % 8 * (WIDTH / 8), y = k / 8 * (HEIGHT / 8);
        p->drawn[k] = take(a, uint8_t, (size_t)WIDTH * HEIGHT * 3);
        for (int r = 0; r < HEIGHT; r++) memcpy(p->drawn[k] + (size_t)r * WIDTH * 3, all + ((size_t)(y + r) * (size_t)wide + (size_t)x) * 3, (size_t)WIDTH * 3);
        p->paths[k] = arena_print(a, "%s/%02d.jpg", folder, k);
    }
    parallel_for(COUNT, 1, write_job, p);
    const Gathering g = pictures_gather(a, (const char *const *)p->paths, COUNT);
    need(g.count == COUNT, "bench: %zu pictures in %s", g.count, folder);
    for (int k = 0; k < COUNT; k++) p->items[k] = &g.items[k];
}

static double read_once(Pictures *p) {
    double start = seconds_now();
    batch_read(&p->batch, p->items, COUNT, &p->clip, NULL, NULL, NULL);
    return seconds_now() - start;
}

// ---- what is right

static double bicubic(double x) { // Keys, a = -1/2
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Weights of the pixels from *first on that make pixel `at` when `from` of them become `to`: the filter as wide as the step.
static int taps(double *weight, int *first, int at, int from, int to) {
    const double step = (double)from / to, centre = (at + 0.5) * step;
    int n = 0;
    double sum = 0;
    *first = (int)fmax(0, centre - 2 * step + 0.5);
    for (int x = *first; x < from && x < (int)(centre + 2 * step + 0.5); x++) sum += weight[n++] = bicubic((x + 0.5 - centre) / step);
    for (int i = 0; i < n; i++) weight[i] /= sum;
    return n;
}

// The largest distance, in levels of 0..255, of some values of the tensor from double precision on the decoded picture. The JPEG's own loss is
// another matter: `loss` is the mean distance of decoded pixels from drawn ones.
static double picture_error(const Pictures *p, int k, double *loss) {
    static const double mean[] = {0.48145466, 0.4578275, 0.40821073}, deviation[] = {0.26862954, 0.26130258, 0.27577711};
    const int wide = SIDE * WIDTH / HEIGHT, left = (wide - SIDE) / 2;
    Arena *a = arena_new("a picture to compare with");
    const Image image = gathered_read(a, p->items[k], NULL);
    need(image.width == WIDTH && image.height == HEIGHT, "bench: %d x %d pixels of a JPEG", image.width, image.height);
    double worst = 0, across[32], down[32];
    *loss = 0;
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT * 3; i++) *loss += fabs((double)image.rgb[i] - p->drawn[k][i]) / (WIDTH * HEIGHT * 3.0);
    for (uint64_t n = 0; n < 300; n++) {
        const int x = (int)rng_below(rng_of(3, "x"), n, SIDE), y = (int)rng_below(rng_of(3, "y"), n, SIDE), c = (int)(n % 3);
        int x0, y0, nx = taps(across, &x0, left + x, WIDTH, wide), ny = taps(down, &y0, y, HEIGHT, SIDE);
        double sum = 0;
        for (int j = 0; j < ny; j++)
            for (int i = 0; i < nx; i++) sum += down[j] * across[i] * image.rgb[((size_t)(y0 + j) * WIDTH + (size_t)(x0 + i)) * 3 + (size_t)c];
        sum = fmin(fmax(sum, 0), 255);
        const double found = ((double)f32(p->batch.pixels[k])[((size_t)c * SIDE + (size_t)y) * SIDE + (size_t)x] * deviation[c] + mean[c]) * 255;
        worst = fmax(worst, fabs(found - sum));
    }
    arena_free(a);
    return worst;
}

static double pictures_error(const Pictures *p) { // 100: something failed
    double worst = 0, loss;
    for (int k = 0; k < COUNT; k++) {
        const Tensor x = p->batch.pixels[k];
        if (p->batch.errors[k] || p->batch.damage[k] || x.ndim != 3 || x.shape[0] != 3 || x.shape[1] != SIDE || x.shape[2] != SIDE) return 100;
        if (k % 9 == 0) worst = fmax(worst, picture_error(p, k, &loss)), worst = loss > 6 ? 100 : worst;
    }
    return worst;
}

// ---- the row

void bench_pipeline(Bench *b, const char *folder, double gpu) {
    Pictures p = {.arena = arena_new("an input pipeline")};
    p.batch = batch_new(p.arena, COUNT);
    folder = arena_print(p.arena, "%s/pictures", folder);
    folder_make(folder);
    const char *config = arena_print(p.arena, "%s/preprocessor_config.json", folder);
    file_draft(config, clip_processor, sizeof clip_processor - 1);
    p.clip = preprocess_read(p.arena, folder);
    pictures_write(&p, folder);
    double seconds[ROUNDS];
    read_once(&p);
    const double error = pictures_error(&p);
    const bool wrong = !(error <= 1.5); // both directions are rounded to whole levels
    for (int i = 0; i < ROUNDS; i++) seconds[i] = read_once(&p);
    const Times t = times_of(seconds, ROUNDS);
    const double share = t.median / gpu;
    bench_say(b->page, "| input pipeline | 64 JPEGs by %d threads: %.0f pictures/s, %.2f of the GPU's %.2f ms for ViT-L; 640 x 480, quality 90, 4:2:0, read, decoded, resized to 336 x 336, scaled | %.2f | - | - | - | %.2f | 2.00 | - | %s | %.2f of 255%s%s |",
              threads_count(), COUNT / t.median, share, gpu * 1e3, t.median * 1e3, 1 / share, share <= 0.5 ? "gate" : "BELOW", error, wrong ? " WRONG" : "", t.most > 1.5 * t.least ? " noisy" : "");
    b->rows++, b->wrong += wrong, b->below += share > 0.5;
    for (int k = 0; k < COUNT; k++) unlink(p.paths[k]);
    unlink(config), rmdir(folder);
    batch_free(&p.batch);
    arena_free(p.arena);
}
