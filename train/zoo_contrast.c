// zoo_contrast.c: scores of a model with two towers; see zoo.h.
#include <string.h>

#include "io/progress.h"
#include "zoo.h"

enum { SCORED = 1500, CHUNK = 100 };

typedef struct {
    const Contrastive *model;
    size_t width;
    float *image, *text, *wrong[CHANGES]; // (SCORED, width), unit length
    bool has[CHANGES][SCORED];
    uint64_t graph[SCORED];
} Scored;

static void embed_chunk(const Tokenizer *tok, Scored *e, int first, uint64_t seed) {
    const Contrastive *c = e->model;
    Arena *a = arena_new("scores");
    Run *run = run_new(a);
    Tensor pixels = tensor_take(a, DTYPE_F32, DIMS(CHUNK, 3, ZOO_SIDE, ZOO_SIDE));
    const char *texts[(1 + CHANGES) * CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        WorldScene s, other;
        world_scene_in(&s, WORLD_SCENES, seed, SPLIT_TEST, (uint64_t)(first + i));
        zoo_pixels(f32(pixels) + (size_t)i * 3 * ZOO_SIDE * ZOO_SIDE, &s);
        e->graph[first + i] = world_graph(&s);
        Rng r = rng_sub(s.rng, 78);
        char *text = take(a, char, WORLD_TEXT);
        world_caption(text, &s, CAPTION_FULL, rng_sub(r, 3));
        texts[i] = text;
        for (int k = 0; k < CHANGES; k++) {
            char *wrong = take_zero(a, char, WORLD_TEXT);
            bool ok = world_change(&other, &s, (WorldChange)k, rng_sub(r, (uint64_t)(20 + k)));
            e->has[k][first + i] = ok && world_caption(wrong, &other, CAPTION_FULL, rng_sub(r, 3));
            texts[(1 + k) * CHUNK + i] = wrong;
        }
    }
    Tensor image = c->pixels(run, c->model, pixels);
    memcpy(e->image + (size_t)first * e->width, f32(image), tensor_bytes(image));
    for (int k = -1; k < CHANGES; k++) {
        Tensor ids = zoo_texts(a, tok, texts + (k + 1) * CHUNK, CHUNK, c->pad, c->length, NULL), text = c->ids(run, c->model, ids);
        memcpy((k < 0 ? e->text : e->wrong[k]) + (size_t)first * e->width, f32(text), tensor_bytes(text));
    }
    arena_free(a);
}

static double cosine(const Scored *e, const float *a, int i, const float *b, int j) {
    double s = 0;
    for (size_t k = 0; k < e->width; k++) s += (double)a[(size_t)i * e->width + k] * b[(size_t)j * e->width + k];
    return s;
}

// Among groups of 100 pictures of different graphs: whose own text is the nearest, and the other way round.
static void retrieval(const Scored *e, Score *i2t, Score *t2i) {
    int group[CHUNK], n = 0;
    for (int i = 0; i < SCORED; i++) {
        bool known = false;
        for (int j = 0; j < n; j++) known = known || e->graph[group[j]] == e->graph[i];
        if (!known) group[n++] = i;
        if (n < CHUNK) continue;
        for (int p = 0; p < CHUNK; p++) {
            double own = cosine(e, e->image, group[p], e->text, group[p]);
            bool first_text = true, first_image = true;
            for (int q = 0; q < CHUNK; q++) {
                first_text = first_text && (q == p || cosine(e, e->image, group[p], e->text, group[q]) < own);
                first_image = first_image && (q == p || cosine(e, e->image, group[q], e->text, group[p]) < own);
            }
            i2t->right += first_text, t2i->right += first_image;
            i2t->of++, t2i->of++;
        }
        n = 0;
    }
}

size_t contrastive_scores(Arena *a, const Contrastive *c, const Tokenizer *tok, const char *title, uint64_t seed, Score *out) {
    static const double bars[CHANGES] = {[CHANGE_COLOUR] = 0.98, [CHANGE_SHAPE] = 0.9, [CHANGE_SIZE] = 0.9, [CHANGE_HABITAT] = 0.99,
                                         [CHANGE_BINDING] = 0.75};
    Scored *e = take_zero(a, Scored, 1);
    e->model = c, e->width = (size_t)c->width;
    e->image = take(a, float, SCORED * e->width);
    e->text = take(a, float, SCORED * e->width);
    for (int k = 0; k < CHANGES; k++) e->wrong[k] = take(a, float, SCORED * e->width);
    Progress bar = progress_start(title, SCORED);
    for (int i = 0; i < SCORED; i += CHUNK) {
        embed_chunk(tok, e, i, seed + 2);
        progress_at(&bar, (size_t)(i + CHUNK));
    }
    progress_end(&bar);
    size_t n = 0;
    out[n++] = (Score){.name = "image to text among 100", .blind = 0.01, .bar = 0.95};
    out[n++] = (Score){.name = "text to image among 100", .blind = 0.01, .bar = 0.95};
    retrieval(e, &out[0], &out[1]);
    for (int k = 0; k < CHANGES; k++) {
        Score *s = &out[n++];
        *s = (Score){.name = arena_print(a, "choice: %s", world_change_names[k]), .blind = 0.5, .bar = bars[k]};
        for (int i = 0; i < SCORED; i++)
            if (e->has[k][i]) {
                s->right += cosine(e, e->image, i, e->text, i) > cosine(e, e->image, i, e->wrong[k], i);
                s->of++;
            }
    }
    for (size_t i = 0; i < n; i++) out[i].value = out[i].of ? (double)out[i].right / (double)out[i].of : 0;
    return n;
}
