// world_draw.c: pictures of scenes: ground, then objects from back to front, then light and noise.
//
// Coverage: 4 x 4 samples a pixel. An outline cuts a line of samples in at most a few stretches, so a pixel is
// never tested by itself: inside a stretch whole pixels are counted at once.
// Held by test/test_world.c (boxes against pixels, any order, threads). Cost: see bench in the test's output.
#include "world.h"

#include <math.h>
#include <string.h>

#include "io/error.h"

// ---- outlines: corners for radius 1, in turn; a circle has none

typedef struct {
    int corners;
    float corner[12][2];
    int keypoints;
    float keypoint[WORLD_KEYPOINTS][2];
} Outline;

#define CROSS 0.34f     // half the width of a cross's arm
#define BAR 0.4f        // short side of a bar / long side
#define RING_HOLE 0.56f // inner radius of a ring
#define STAR_IN 0.42f   // inner radius of a star; the outer is 1.1

// cos and sin of 18, 36, 54 and 72 degrees
#define C18 0.95105652f
#define S18 0.30901699f
#define C36 0.80901699f
#define S36 0.58778525f
#define OUT(x, y) {(x) * 1.1f, (y) * 1.1f}
#define IN(x, y) {(x)*STAR_IN, (y)*STAR_IN}

static const Outline outlines[SHAPES] = {
    [SHAPE_SQUARE] = {4, {{-.86f, -.86f}, {.86f, -.86f}, {.86f, .86f}, {-.86f, .86f}}, 4, {{-.86f, -.86f}, {.86f, -.86f}, {.86f, .86f}, {-.86f, .86f}}},
    [SHAPE_TRIANGLE] = {3, {{0, -.96f}, {1.04f, .84f}, {-1.04f, .84f}}, 3, {{0, -.96f}, {1.04f, .84f}, {-1.04f, .84f}}},
    [SHAPE_DIAMOND] = {4, {{0, -1.1f}, {.9f, 0}, {0, 1.1f}, {-.9f, 0}}, 4, {{0, -1.1f}, {.9f, 0}, {0, 1.1f}, {-.9f, 0}}},
    [SHAPE_CROSS] = {12,
                     {{-CROSS, -1}, {CROSS, -1}, {CROSS, -CROSS}, {1, -CROSS}, {1, CROSS}, {CROSS, CROSS}, {CROSS, 1}, {-CROSS, 1}, {-CROSS, CROSS}, {-1, CROSS}, {-1, -CROSS}, {-CROSS, -CROSS}},
                     4,
                     {{0, -1}, {1, 0}, {0, 1}, {-1, 0}}},
    [SHAPE_STAR] = {10,
                    {OUT(0, -1), IN(S36, -C36), OUT(C18, -S18), IN(C18, S18), OUT(S36, C36), IN(0, 1), OUT(-S36, C36), IN(-C18, S18), OUT(-C18, -S18), IN(-S36, -C36)},
                    5,
                    {OUT(0, -1), OUT(C18, -S18), OUT(S36, C36), OUT(-S36, C36), OUT(-C18, -S18)}},
    [SHAPE_BAR] = {4, {{-1.1f, -1.1f * BAR}, {1.1f, -1.1f * BAR}, {1.1f, 1.1f * BAR}, {-1.1f, 1.1f * BAR}}, 2, {{-1.1f, 0}, {1.1f, 0}}},
};

static double clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }

// Corner k in the scene's units; an upright bar has x and y exchanged.
static void turn(const WorldObject *o, const float at[2], double *x, double *y) {
    int swap = o->shape == SHAPE_BAR && o->upright;
    *x = o->x + o->radius * (double)at[swap];
    *y = o->y + o->radius * (double)at[!swap];
}

void outline_place(WorldObject *o) {
    const Outline *line = &outlines[o->shape];
    double r = line->corners ? 0 : o->radius;
    o->box = (WorldBox){o->x - r, o->y - r, o->x + r, o->y + r};
    for (int k = 0; k < line->corners; k++) {
        double x, y;
        turn(o, line->corner[k], &x, &y);
        if (x < o->box.x0) o->box.x0 = x;
        if (x > o->box.x1) o->box.x1 = x;
        if (y < o->box.y0) o->box.y0 = y;
        if (y > o->box.y1) o->box.y1 = y;
    }
    o->keypoints = line->keypoints;
    for (int k = 0; k < line->keypoints; k++) turn(o, line->keypoint[k], &o->keypoint[k][0], &o->keypoint[k][1]);
}

// ---- coverage

enum { SAMPLES = 4, STRETCHES = 6 };

// The stretches of x in which the horizontal line at y lies inside: from[k] to from[k + 1], k even. Returns how many ends.
static int line_cut(const WorldObject *o, double y, double from[2 * STRETCHES]) {
    const Outline *line = &outlines[o->shape];
    int n = 0;
    if (!line->corners) {
        double dy = y - o->y, hole = o->shape == SHAPE_RING ? o->radius * (double)RING_HOLE : 0;
        double outer = o->radius * o->radius - dy * dy, inner = hole * hole - dy * dy;
        if (outer <= 0) return 0;
        from[n++] = o->x - sqrt(outer);
        if (inner > 0) {
            from[n++] = o->x - sqrt(inner);
            from[n++] = o->x + sqrt(inner);
        }
        from[n++] = o->x + sqrt(outer);
        return n;
    }
    double x0, y0, x1, y1;
    turn(o, line->corner[line->corners - 1], &x0, &y0);
    for (int k = 0; k < line->corners; k++, x0 = x1, y0 = y1) {
        turn(o, line->corner[k], &x1, &y1);
        if ((y0 <= y) == (y1 <= y)) continue;
        double x = x0 + (x1 - x0) * ((y - y0) / (y1 - y0));
        int j = n++;
        for (; j > 0 && from[j - 1] > x; j--) from[j] = from[j - 1];
        from[j] = x;
    }
    return n;
}

// Index of the first sample (SAMPLES a pixel, at their middles) that is not left of x, in [0, end].
static int sample_at(double x, double per_unit, int end) {
    return (int)clamp(ceil(x * per_unit - 0.5), 0, end);
}

// hits (size): how many of the 16 samples of each pixel of row py lie inside o; first and last (exclusive) pixel touched.
static void row_cover(const WorldObject *o, int size, int py, uint8_t *hits, int *first, int *last) {
    double per_unit = (double)size * SAMPLES / WORLD_SIDE;
    int end = size * SAMPLES;
    *first = (int)clamp(floor(o->box.x0 * size / WORLD_SIDE) - 1, 0, size);
    *last = (int)clamp(ceil(o->box.x1 * size / WORLD_SIDE) + 1, 0, size);
    memset(hits + *first, 0, (size_t)(*last - *first));
    for (int sub = 0; sub < SAMPLES; sub++) {
        double from[2 * STRETCHES], y = (py * SAMPLES + sub + 0.5) / per_unit;
        int ends = line_cut(o, y, from);
        for (int k = 0; k + 1 < ends; k += 2) {
            int a = sample_at(from[k], per_unit, end), b = sample_at(from[k + 1], per_unit, end);
            while (a < b && a % SAMPLES) hits[a++ / SAMPLES]++;
            for (; a + SAMPLES <= b; a += SAMPLES) hits[a / SAMPLES] += SAMPLES;
            while (a < b) hits[a++ / SAMPLES]++;
        }
    }
}

static void rows_of(const WorldObject *o, int size, int *first, int *last) {
    *first = (int)clamp(floor(o->box.y0 * size / WORLD_SIDE), 0, size);
    *last = (int)clamp(ceil(o->box.y1 * size / WORLD_SIDE), 0, size);
}

// object numbers, the farthest first
static void back_to_front(const WorldScene *s, int order[WORLD_OBJECTS]) {
    for (int i = 0; i < s->count; i++) {
        int j = i;
        for (; j > 0 && s->object[order[j - 1]].depth < s->object[i].depth; j--) order[j] = order[j - 1];
        order[j] = i;
    }
}

// ---- the ground

enum { LATTICE = 40 }; // random bytes, one a knot; enough for cells of 2 units and their shifts

typedef struct {
    uint8_t knot[LATTICE][LATTICE];
} Lattice;

static void lattice_fill(Lattice *l, Rng r) {
    for (int i = 0; i < LATTICE * LATTICE; i += 16) {
        uint32_t block[4];
        philox4x32(block, (const uint32_t[4]){(uint32_t)i, 0, (uint32_t)r.stream, (uint32_t)(r.stream >> 32)},
                   (const uint32_t[2]){(uint32_t)r.seed, (uint32_t)(r.seed >> 32)});
        for (int k = 0; k < 16; k++) (&l->knot[0][0])[i + k] = (uint8_t)(block[k / 4] >> 8 * (k % 4));
    }
}

static float smooth(float t) { return t * t * (3 - 2 * t); }

// Smooth noise in [0, 1]: x, y >= 0 in cells.
static float noise_at(const Lattice *l, float x, float y) {
    int ix = (int)x, iy = (int)y;
    float fx = smooth(x - (float)ix), fy = smooth(y - (float)iy);
    const uint8_t *a = &l->knot[iy % LATTICE][0], *b = &l->knot[(iy + 1) % LATTICE][0];
    int i = ix % LATTICE, j = (ix + 1) % LATTICE;
    float top = (float)a[i] + (float)(a[j] - a[i]) * fx, low = (float)b[i] + (float)(b[j] - b[i]) * fx;
    return (top + (low - top) * fy) * (1 / 255.0f);
}

// A wave of period 1 in [-1, 1] made of parabolas, close to a sine.
static float wave(float t) {
    t -= (float)(int)t; // t >= 0
    return t < 0.5f ? 16 * t * (0.5f - t) : -16 * (t - 0.5f) * (1 - t);
}

static float positive(float v) { return v > 0 ? v : 0; }

// How far the dot of the cell that holds (x, y) is from there, squared, in cells; its size hangs on the knot.
static float dot_at(const Lattice *l, float x, float y) {
    int ix = (int)x, iy = (int)y;
    uint8_t k = l->knot[iy % LATTICE][ix % LATTICE];
    float dx = x - (float)ix - 0.3f - 0.4f * (float)(k & 15) / 15, dy = y - (float)iy - 0.3f - 0.4f * (float)(k >> 4) / 15;
    return dx * dx + dy * dy;
}

// rgb[3]: the ground of a habitat at (x, y) in units.
static void ground(float rgb[3], Habitat habitat, const Lattice *l, float x, float y) {
    float v = 0, tint[3] = {1, 1, 1}; // the colour is the habitat's + v * tint
    switch (habitat) {
    case HABITAT_DESERT: // ripples across the wind
        v = 0.075f * wave((y + 5 * noise_at(l, x / 14, y / 9) + 0.15f * x) / 7) + 0.05f * (noise_at(l, x / 3, y / 2) - 0.5f);
        break;
    case HABITAT_FOREST: // trunks and what is between them
        v = 0.34f * (noise_at(l, x / 2.2f, y / 26) - 0.5f) + 0.10f * (noise_at(l, x / 5 + 7, y / 5) - 0.5f);
        tint[0] = 0.45f, tint[2] = 0.45f;
        break;
    case HABITAT_CAVE: // blotches
        v = 0.30f * (noise_at(l, x / 9, y / 9) - 0.5f) + 0.12f * (noise_at(l, x / 3 + 9, y / 3 + 5) - 0.5f);
        break;
    case HABITAT_MEADOW: // grass and flowers
        v = 0.12f * (noise_at(l, x / 1.7f, y / 6) - 0.5f);
        if (dot_at(l, x / 6, y / 6) < 0.030f) v = 0.22f, tint[1] = 0.7f;
        break;
    case HABITAT_ARCTIC: { // cracks where the noise passes its middle
        float n = noise_at(l, x / 11, y / 11) - 0.5f, m = noise_at(l, x / 13 + 11, y / 13 + 3) - 0.5f;
        v = 0.04f - 0.28f * positive(1 - 28 * (n < 0 ? -n : n)) - 0.22f * positive(1 - 28 * (m < 0 ? -m : m));
        tint[0] = 1.3f, tint[2] = 0.6f;
        break;
    }
    case HABITAT_OCEAN: { // swell with bright crests
        float w = wave((y + 4 * noise_at(l, x / 8, y / 20)) / 9);
        v = 0.06f * w + 0.16f * positive(w - 0.8f) * 5 * noise_at(l, x / 5, y / 4 + 13);
        break;
    }
    default: break;
    }
    for (int c = 0; c < 3; c++) rgb[c] = habitat_rgb[habitat][c] + v * tint[c];
}

// ---- pictures

static void size_check(int size) {
    need(size >= WORLD_SIZE_MIN && size <= WORLD_SIZE_MAX, "world: pictures of %d pixels, %d to %d are possible", size, WORLD_SIZE_MIN, WORLD_SIZE_MAX);
}

// Stripes of 5 units across the shape, in the colour and a darker one (of black: a lighter one).
static void stripe(float rgb[3], Colour colour, double y) {
    float t = (float)(y + 64) / 5;
    t -= (float)(int)t;
    for (int c = 0; c < 3; c++) {
        float full = colour_rgb[colour][c], other = colour == COLOUR_BLACK ? 0.45f : full * 0.52f;
        rgb[c] = t < 0.5f ? full : other;
    }
}

// line (size, 3): row py of the picture, not yet lit.
static void draw_row(float *line, const WorldScene *s, const Lattice *l, const int *order, int size, int py) {
    float unit = (float)WORLD_SIDE / (float)size, y = ((float)py + 0.5f) * unit;
    for (int px = 0; px < size; px++) ground(line + 3 * px, s->habitat, l, ((float)px + 0.5f) * unit, y);
    for (int k = 0; k < s->count; k++) {
        const WorldObject *o = &s->object[order[k]];
        int top, bottom, first, last;
        rows_of(o, size, &top, &bottom);
        if (py < top || py >= bottom) continue;
        uint8_t hits[WORLD_SIZE_MAX];
        float rgb[3];
        memcpy(rgb, colour_rgb[o->colour], sizeof rgb);
        if (o->striped) stripe(rgb, o->colour, (double)y - o->y);
        row_cover(o, size, py, hits, &first, &last);
        for (int px = first; px < last; px++) {
            if (!hits[px]) continue;
            float share = (float)hits[px] * (1.0f / (SAMPLES * SAMPLES));
            for (int c = 0; c < 3; c++) line[3 * px + c] += share * (rgb[c] - line[3 * px + c]);
        }
    }
}

// Light, noise of about 0.03 (the sum of a word's four bytes is normal enough), rounding to 8 bits.
static void develop(uint8_t *rgb, const float *line, const WorldScene *s, Rng r, int size, int py) {
    // four uniform bytes: variance 4 * (256^2 - 1) / 12 = 147.8^2
    const float scale = 0.03f * 255 / 147.8f, light = (float)s->light * 255;
    uint32_t block[4];
    for (int i = 0; i < 3 * size; i++) {
        if (i % 4 == 0)
            philox4x32(block, (const uint32_t[4]){(uint32_t)(i / 4), (uint32_t)py, (uint32_t)r.stream, (uint32_t)(r.stream >> 32)},
                       (const uint32_t[2]){(uint32_t)r.seed, (uint32_t)(r.seed >> 32)});
        uint32_t w = block[i % 4];
        int sum = (int)((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24)) - 510;
        float v = line[i] * light + (float)sum * scale + 0.5f;
        rgb[i] = v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
    }
}

void world_render(const WorldScene *s, int size, uint8_t *rgb) {
    size_check(size);
    Lattice lattice;
    int order[WORLD_OBJECTS];
    lattice_fill(&lattice, rng_sub(s->rng, 1));
    back_to_front(s, order);
    Rng noise = rng_sub(s->rng, 2);
    float line[3 * WORLD_SIZE_MAX];
    for (int py = 0; py < size; py++) {
        draw_row(line, s, &lattice, order, size, py);
        develop(rgb + (size_t)3 * size * py, line, s, noise, size, py);
    }
}

void world_owners(const WorldScene *s, int size, uint8_t *owner) {
    size_check(size);
    int order[WORLD_OBJECTS];
    back_to_front(s, order);
    memset(owner, 255, (size_t)size * size);
    for (int k = 0; k < s->count; k++) {
        const WorldObject *o = &s->object[order[k]];
        int top, bottom, first, last;
        rows_of(o, size, &top, &bottom);
        for (int py = top; py < bottom; py++) {
            uint8_t hits[WORLD_SIZE_MAX];
            row_cover(o, size, py, hits, &first, &last);
            for (int px = first; px < last; px++)
                if (hits[px] >= SAMPLES * SAMPLES / 2) owner[(size_t)py * size + px] = (uint8_t)order[k];
        }
    }
}

void world_patches(const WorldScene *s, int size, int patch, int8_t *object) {
    need(patch > 0 && size % patch == 0, "world: patches of %d pixels do not divide %d", patch, size);
    int side = size / patch;
    uint8_t owner[WORLD_SIZE_MAX * WORLD_SIZE_MAX];
    world_owners(s, size, owner);
    for (int p = 0; p < side * side; p++) {
        int pixels[256] = {0};
        for (int y = 0; y < patch; y++)
            for (int x = 0; x < patch; x++) pixels[owner[(size_t)(p / side * patch + y) * size + p % side * patch + x]]++;
        int best = -1;
        for (int i = 0; i < s->count; i++)
            if (8 * pixels[i] >= patch * patch && (best < 0 || pixels[i] > pixels[best])) best = i;
        object[p] = (int8_t)best;
    }
}
