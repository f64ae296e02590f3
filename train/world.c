// world.c: what a scene is: habitat, objects and where they are; its graph, its split, its near misses.
//
// Held by test/test_world.c. Bites: the order in which random numbers are taken is part of the format: a draw put in
// between changes every scene, and with them the shipped models.
#include "world.h"

#include <math.h>
#include <string.h>

#include "io/error.h"

const char *const world_preset_names[WORLD_PRESETS] = {"scenes"};
const char *const world_split_names[SPLITS] = {"train", "validation", "test"};
const char *const habitat_names[HABITATS] = {"desert", "forest", "cave", "meadow", "arctic", "ocean"};
const char *const shape_names[SHAPES] = {"disc", "square", "triangle", "diamond", "cross", "star", "ring", "bar"};
const char *const shape_plurals[SHAPES] = {"discs", "squares", "triangles", "diamonds", "crosses", "stars", "rings", "bars"};
const char *const colour_names[COLOURS] = {"red", "green", "blue", "yellow", "purple", "orange", "white", "black"};
const char *const world_change_names[CHANGES] = {"colour", "shape", "size", "pattern", "habitat", "binding"};

const float habitat_rgb[HABITATS][3] = {{0.80f, 0.68f, 0.46f}, {0.10f, 0.29f, 0.14f}, {0.29f, 0.27f, 0.28f},
                                        {0.55f, 0.76f, 0.38f}, {0.76f, 0.87f, 0.94f}, {0.13f, 0.40f, 0.62f}};
const float colour_rgb[COLOURS][3] = {{0.86f, 0.08f, 0.10f}, {0.06f, 0.66f, 0.16f}, {0.10f, 0.16f, 0.90f},
                                      {0.97f, 0.90f, 0.08f}, {0.62f, 0.12f, 0.80f}, {0.98f, 0.52f, 0.04f},
                                      {0.98f, 0.98f, 0.98f}, {0.03f, 0.03f, 0.03f}};

// Random numbers in the order of the calls, within one scene.
typedef struct {
    Rng rng;
    uint64_t next;
} Draw;

static double uniform(Draw *d, double low, double high) { return low + (high - low) * rng_uniform(d->rng, d->next++); }
static int below(Draw *d, int bound) { return (int)rng_below(d->rng, d->next++, (uint64_t)bound); }
static bool chance(Draw *d, double p) { return rng_uniform(d->rng, d->next++) < p; }

double world_contrast(Colour colour, Habitat habitat) {
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        double difference = (double)colour_rgb[colour][c] - (double)habitat_rgb[habitat][c];
        sum += difference * difference;
    }
    return sqrt(sum);
}

bool world_colour_shows(Colour colour, Habitat habitat) { return world_contrast(colour, habitat) >= WORLD_CONTRAST; }

static Colour colour_draw(Draw *d, Habitat habitat) {
    for (;;) {
        Colour colour = (Colour)below(d, COLOURS);
        if (world_colour_shows(colour, habitat)) return colour;
    }
}

static double area(WorldBox b) { return (b.x1 - b.x0) * (b.y1 - b.y0); }

// Shared area over the smaller box's.
static double overlap(WorldBox a, WorldBox b) {
    double w = (a.x1 < b.x1 ? a.x1 : b.x1) - (a.x0 > b.x0 ? a.x0 : b.x0);
    double h = (a.y1 < b.y1 ? a.y1 : b.y1) - (a.y0 > b.y0 ? a.y0 : b.y0);
    if (w <= 0 || h <= 0) return 0;
    double aa = area(a), ab = area(b);
    return w * h / (aa < ab ? aa : ab);
}

// Draws radius and place of one object until its box fits beside those of the first n; false after 40 tries.
static bool place(Draw *d, WorldScene *s, const int *order, int n) {
    static const double ranges[2][2][2] = {{{7, 9}, {12, 16}}, {{6.5, 8}, {11, 13}}};
    enum { TRIES = 40 };
    WorldObject *o = &s->object[order[n]];
    const double *range = ranges[s->count == 4][o->large];
    for (int try = 0; try < TRIES; try++) {
        o->radius = uniform(d, range[0], range[1]);
        o->x = o->y = 0;
        outline_place(o); // the box about the origin: how far the outline reaches each way
        o->x = uniform(d, 1 - o->box.x0, WORLD_SIDE - 1 - o->box.x1);
        o->y = uniform(d, 1 - o->box.y0, WORLD_SIDE - 1 - o->box.y1);
        outline_place(o);
        bool free = true;
        for (int k = 0; k < n && free; k++) free = overlap(o->box, s->object[order[k]].box) <= 0.1;
        if (free) return true;
    }
    return false;
}

static void place_all(Draw *d, WorldScene *s) {
    int order[WORLD_OBJECTS], n = 0; // the large ones first: they need the room
    for (int i = 0; i < s->count; i++)
        if (s->object[i].large) order[n++] = i;
    for (int i = 0; i < s->count; i++)
        if (!s->object[i].large) order[n++] = i;
    for (int k = 0; k < n;) k = place(d, s, order, k) ? k + 1 : 0; // no room left: from the start, with new radii
}

static void sort_left_to_right(WorldScene *s) {
    for (int i = 1; i < s->count; i++)
        for (int j = i; j > 0 && s->object[j].x < s->object[j - 1].x; j--) {
            WorldObject o = s->object[j];
            s->object[j] = s->object[j - 1];
            s->object[j - 1] = o;
        }
}

static void scenes_draw(WorldScene *s, Draw *d) {
    s->habitat = (Habitat)below(d, HABITATS);
    s->light = uniform(d, 0.85, 1.15);
    s->count = 1 + below(d, WORLD_OBJECTS);
    int group = 1; // the first `group` objects share shape and colour
    if (s->count > 1 && chance(d, 0.3)) group = s->count > 2 ? 2 + below(d, 2) : 2;
    for (int i = 0; i < s->count; i++) {
        WorldObject *o = &s->object[i];
        o->shape = i > 0 && i < group ? s->object[0].shape : (Shape)below(d, SHAPES);
        o->colour = i > 0 && i < group ? s->object[0].colour : colour_draw(d, s->habitat);
        o->large = chance(d, 0.5);
        o->striped = chance(d, 0.5);
        o->upright = chance(d, 0.5);
        o->depth = i;
    }
    place_all(d, s);
    for (int i = s->count - 1; i > 0; i--) { // which lies in front has nothing to do with group and size
        int j = below(d, i + 1);
        double depth = s->object[i].depth;
        s->object[i].depth = s->object[j].depth;
        s->object[j].depth = depth;
    }
    sort_left_to_right(s);
}

static void scene_try(WorldScene *s, WorldPreset preset, uint64_t seed, uint64_t i, uint64_t try) {
    *s = (WorldScene){.preset = preset, .seed = seed, .index = i};
    s->rng = rng_sub(rng_sub(rng_of(seed, world_preset_names[preset]), i), try);
    Draw d = {.rng = rng_sub(s->rng, 0)};
    scenes_draw(s, &d);
}

void world_scene(WorldScene *s, WorldPreset preset, uint64_t seed, uint64_t i) {
    need(preset < WORLD_PRESETS, "world: preset %d, there are %d", (int)preset, WORLD_PRESETS);
    scene_try(s, preset, seed, i, 0);
}

void world_scene_in(WorldScene *s, WorldPreset preset, uint64_t seed, WorldSplit split, uint64_t i) {
    need(preset < WORLD_PRESETS, "world: preset %d, there are %d", (int)preset, WORLD_PRESETS);
    need(split < SPLITS, "world: split %d, there are %d", (int)split, SPLITS);
    uint64_t try = 0;
    do scene_try(s, preset, seed, i, try++);
    while (world_split(s) != split);
}

// ---- graph and split

uint64_t world_graph(const WorldScene *s) {
    uint64_t code[WORLD_OBJECTS], graph = (uint64_t)s->preset << 48 | (uint64_t)s->habitat << 40;
    for (int i = 0; i < s->count; i++) {
        const WorldObject *o = &s->object[i];
        uint64_t c = 0x100u | (uint64_t)o->shape << 5 | (uint64_t)o->colour << 2 | (uint64_t)o->large << 1 | o->striped;
        int j = i;
        for (; j > 0 && code[j - 1] < c; j--) code[j] = code[j - 1];
        code[j] = c;
    }
    for (int i = 0; i < s->count; i++) graph |= code[i] << 10 * i;
    return graph;
}

WorldSplit world_split(const WorldScene *s) {
    Rng r = rng_of(0, "world split"); // of no seed: a content is in the same split in every world
    switch (rng_below(r, world_graph(s), 10)) {
    case 0: return SPLIT_TEST;
    case 1: return SPLIT_VALIDATION;
    default: return SPLIT_TRAIN;
    }
}

// ---- near misses

static bool alike(const WorldObject *a, const WorldObject *b, bool wholly) {
    return a->shape == b->shape && a->colour == b->colour && (!wholly || (a->large == b->large && a->striped == b->striped));
}

static bool exchange_colours(WorldScene *out, const WorldScene *s, Draw *d) {
    int pairs[WORLD_OBJECTS * WORLD_OBJECTS][2], n = 0;
    for (int i = 0; i < s->count; i++)
        for (int j = i + 1; j < s->count; j++)
            if (s->object[i].shape != s->object[j].shape && s->object[i].colour != s->object[j].colour)
                pairs[n][0] = i, pairs[n++][1] = j;
    if (!n) return false;
    const int *pair = pairs[below(d, n)];
    const WorldObject *a = &s->object[pair[0]], *b = &s->object[pair[1]];
    for (int i = 0; i < s->count; i++)
        if (alike(&s->object[i], a, false)) out->object[i].colour = b->colour;
        else if (alike(&s->object[i], b, false)) out->object[i].colour = a->colour;
    return true;
}

static bool change_habitat(WorldScene *out, const WorldScene *s, Draw *d) {
    Habitat fit[HABITATS];
    int n = 0;
    for (Habitat h = 0; h < HABITATS; h++) {
        bool shows = h != s->habitat;
        for (int i = 0; i < s->count && shows; i++) shows = world_colour_shows(s->object[i].colour, h);
        if (shows) fit[n++] = h;
    }
    if (n) out->habitat = fit[below(d, n)];
    return n > 0;
}

bool world_change(WorldScene *out, const WorldScene *s, WorldChange change, Rng r) {
    Draw d = {.rng = r};
    *out = *s;
    const WorldObject *old = &s->object[below(&d, s->count)];
    Shape shape = (Shape)((old->shape + 1 + below(&d, SHAPES - 1)) % SHAPES);
    Colour colour;
    do colour = colour_draw(&d, s->habitat);
    while (colour == old->colour);
    if (change == CHANGE_HABITAT && !change_habitat(out, s, &d)) return false;
    if (change == CHANGE_BINDING && !exchange_colours(out, s, &d)) return false;
    for (int i = 0; i < s->count; i++) {
        if (!alike(&s->object[i], old, change == CHANGE_SIZE || change == CHANGE_PATTERN)) continue;
        WorldObject *o = &out->object[i];
        if (change == CHANGE_COLOUR) o->colour = colour;
        if (change == CHANGE_SHAPE) o->shape = shape;
        if (change == CHANGE_SIZE) o->large = !o->large;
        if (change == CHANGE_PATTERN) o->striped = !o->striped;
    }
    return world_graph(out) != world_graph(s); // two groups may have changed places
}
