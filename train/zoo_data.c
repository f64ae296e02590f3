// zoo_data.c: batches of the world for the zoo. Scene i of a batch belongs to one thread; words become ids afterwards.
#include <stdio.h>
#include <string.h>

#include "io/thread.h"
#include "zoo.h"

// As CLIP's image processor computes it: byte times 1/255, minus mean, over deviation, in float.
void zoo_pixels(float *out, const WorldScene *s) {
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, deviation[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    uint8_t rgb[ZOO_SIDE * ZOO_SIDE * 3];
    world_render(s, ZOO_SIDE, rgb);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < ZOO_SIDE * ZOO_SIDE; i++)
            out[c * ZOO_SIDE * ZOO_SIDE + i] = ((float)rgb[3 * i + c] * 0.00392156862745098f - mean[c]) / deviation[c];
}

Tensor zoo_texts(Arena *step, const Tokenizer *tok, const char *const *texts, size_t count, int32_t pad, int length, int32_t *lengths) {
    Ids *ids = take(step, Ids, count);
    size_t T = length > 1 ? (size_t)length : 1;
    for (size_t i = 0; i < count; i++) {
        ids[i] = tokenizer_encode(tok, step, texts[i], strlen(texts[i]), true);
        if (ids[i].count > T) T = ids[i].count;
        if (lengths) lengths[i] = (int32_t)ids[i].count;
    }
    Tensor out = tensor_take(step, DTYPE_I32, DIMS((long)count, (long)T));
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < T; t++) i32(out)[i * T + t] = t < ids[i].count ? ids[i].ids[t] : pad;
    return out;
}

Tensor zoo_held_out(Arena *a, WorldScene *scenes, uint64_t seed, uint64_t first, int count) {
    Tensor pixels = tensor_take(a, DTYPE_F32, DIMS(count, 3, ZOO_SIDE, ZOO_SIDE));
    for (int i = 0; i < count; i++) {
        world_scene_in(&scenes[i], WORLD_SCENES, seed, SPLIT_TEST, first + (uint64_t)i);
        zoo_pixels(f32(pixels) + (size_t)i * 3 * ZOO_SIDE * ZOO_SIDE, &scenes[i]);
    }
    return pixels;
}

typedef struct {
    PairsWanted want;
    float *pixels;
    uint8_t *given;
    PatchTruth *truth;
    char (*text)[WORLD_TEXT]; // (B + B*K + said*B)
} PairsWork;

// Which fact is changed: always one shape and one binding, which are hardest to see, and a habitat if it is wanted; the others by chance.
static WorldChange change_draw(const PairsWanted *want, Rng r, int k) {
    static const WorldChange table[10] = {CHANGE_SHAPE,  CHANGE_SHAPE, CHANGE_BINDING, CHANGE_COLOUR,  CHANGE_COLOUR,
                                          CHANGE_COLOUR, CHANGE_SIZE,  CHANGE_SIZE,    CHANGE_PATTERN, CHANGE_PATTERN};
    if (k == 0) return CHANGE_SHAPE;
    if (k == 1) return CHANGE_BINDING;
    if (want->habitats && k == want->K - 1) return CHANGE_HABITAT;
    return table[rng_below(r, (uint64_t)(10 + k), 10)];
}

static void near_misses(const PairsWork *w, const WorldScene *s, Rng r, CaptionKind kind, int i) {
    for (int k = 0; k < w->want.K; k++) {
        Rng own = rng_sub(r, (uint64_t)(20 + k));
        WorldScene other;
        bool ok = world_change(&other, s, change_draw(&w->want, r, k), own);
        if (!ok) ok = world_change(&other, s, k == 1 ? CHANGE_SIZE : CHANGE_SHAPE, rng_sub(own, 1));
        ok = ok && world_caption(w->text[w->want.B + i * w->want.K + k], &other, kind, rng_sub(r, 3));
        w->given[i * w->want.K + k] = ok;
    }
}

// What a decoder is taught to say: mostly everything, the rest of every kind down to one word, so that it has a graded language to
// fall back on when it sees little; and, in every second caption, mostly what lies where, which is learned last. Captions go from left
// to right, so that above and below want lists of their own, "at the top a red disc, a blue star and a green ring".
static void caption_said(char text[WORLD_TEXT], const WorldScene *s, bool places, Rng r) {
    enum { FROM_TOP = CAPTION_KINDS };
    typedef struct {
        int percent, kind;
    } Share;
    static const Share mixes[2][14] = {
        {{66, CAPTION_FULL}, {12, FROM_TOP}, {5, CAPTION_WORD}, {4, CAPTION_COLOURS}, {4, CAPTION_SHAPES}, {5, CAPTION_LIST}, {4, CAPTION_PHRASE}},
        {{42, CAPTION_RELATION}, {30, FROM_TOP}, {6, CAPTION_SIDE}, {5, CAPTION_IS}, {5, CAPTION_COUNT}, {4, CAPTION_WORD}, {2, CAPTION_IN}, {2, CAPTION_PLAIN}, {2, CAPTION_PHRASE},
         {1, CAPTION_PLACE}, {1, CAPTION_NUMBER}}};
    const Share *mix = mixes[places];
    int draw = (int)rng_below(r, 0, 100);
    while (draw >= mix->percent) draw -= mix++->percent;
    if (mix->kind == FROM_TOP) {
        static const char begin[] = "at the top ";
        char list[WORLD_TEXT];
        world_column(list, s);
        int n = snprintf(text, WORLD_TEXT, "%s%s", begin, list);
        need(n > 0 && n < WORLD_TEXT, "world: a list of %d bytes, there are %d", n, WORLD_TEXT);
    } else if (!world_caption(text, s, (CaptionKind)mix->kind, rng_sub(r, 1))) world_caption(text, s, CAPTION_FULL, rng_sub(r, 1)); // not every scene has a relation
}

void patch_truth(PatchTruth t[ZOO_PATCHES], const WorldScene *s, BoxOrigin origin) {
    uint8_t owner[ZOO_SIDE * ZOO_SIDE];
    int8_t object[ZOO_PATCHES];
    world_owners(s, ZOO_SIDE, owner);
    world_patches(s, ZOO_SIDE, PATCH_SIDE, object);
    int side = ZOO_SIDE / PATCH_SIDE;
    for (int p = 0; p < ZOO_PATCHES; p++) {
        memset(&t[p], 0, sizeof t[p]);
        t[p].shape = PATCH_NONE;
        if (object[p] < 0) continue;
        const WorldObject *o = &s->object[object[p]];
        t[p].shape = (int8_t)o->shape, t[p].colour = (int8_t)o->colour, t[p].large = o->large, t[p].striped = o->striped;
        bool middle = origin == BOX_FROM_MIDDLE;
        double cx = middle ? ZOO_SIDE / 2 : (p % side + 0.5) * PATCH_SIDE, cy = middle ? ZOO_SIDE / 2 : (p / side + 0.5) * PATCH_SIDE;
        t[p].box[0] = (float)((o->box.x0 - cx) / 16), t[p].box[1] = (float)((o->box.y0 - cy) / 16);
        t[p].box[2] = (float)((o->box.x1 - cx) / 16), t[p].box[3] = (float)((o->box.y1 - cy) / 16);
        for (int i = 0; i < PATCH_SIDE * PATCH_SIDE; i++) {
            int y = p / side * PATCH_SIDE + i / PATCH_SIDE, x = p % side * PATCH_SIDE + i % PATCH_SIDE;
            t[p].mask[i] = owner[y * ZOO_SIDE + x] == object[p];
        }
    }
}

static void pairs_job(void *arg, size_t begin, size_t end) {
    const PairsWork *w = arg;
    for (size_t i = begin; i < end; i++) {
        WorldScene s;
        world_scene_in(&s, WORLD_SCENES, w->want.seed, SPLIT_TRAIN, w->want.first + i);
        zoo_pixels(w->pixels + i * 3 * ZOO_SIDE * ZOO_SIDE, &s);
        if (w->truth) patch_truth(w->truth + i * ZOO_PATCHES, &s, w->want.boxes);
        Rng r = rng_sub(s.rng, 77);
        CaptionKind kind = rng_below(r, 2, 2) ? CAPTION_FULL : CAPTION_FIRST;
        if ((int)rng_below(r, 1, 100) < w->want.full) {
            world_caption(w->text[i], &s, kind, rng_sub(r, 3));
            near_misses(w, &s, r, kind, (int)i);
        } else world_caption_of(w->text[i], &s, 1 + (int)rng_below(r, 4, 3));
        for (int k = 0; k < w->want.said; k++) caption_said(w->text[w->want.B * (1 + w->want.K + k) + (int)i], &s, k % 2, rng_sub(r, (uint64_t)(5 + k)));
    }
}

Pairs zoo_pairs(Arena *step, const Tokenizer *tok, PairsWanted want) {
    size_t B = (size_t)want.B, texts = B * (size_t)(1 + want.K + want.said);
    Pairs p = {.pixels = tensor_take(step, DTYPE_F32, DIMS(want.B, 3, ZOO_SIDE, ZOO_SIDE)),
               .given = take_zero(step, uint8_t, B * (size_t)(want.K + 1)),
               .truth = want.truth ? take(step, PatchTruth, B * ZOO_PATCHES) : NULL};
    PairsWork w = {.want = want, .pixels = f32(p.pixels), .given = p.given, .truth = p.truth, .text = arena_zero(step, texts, WORLD_TEXT)};
    parallel_for(B, 1, pairs_job, &w);
    if (!tok) return p;
    const char **text = take(step, const char *, texts);
    for (size_t i = 0; i < texts; i++) text[i] = w.text[i];
    p.ids = zoo_texts(step, tok, text, texts, want.pad_zero ? 0 : tokenizer_named(tok, TOKEN_EOS), want.length, NULL);
    return p;
}
