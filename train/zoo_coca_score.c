// zoo_coca_score.c: what the zoo's `coca` says about held-out pictures, against the world's truth (verbalize.md 8).
//
// Captions: greedy, as OpenCLIP's generate makes them; their words are read by world_words; the blind guess is what the same
// captions score on other pictures. Relations are seldom said of its own
// accord, so they are a choice: of a true caption "a red disc left of a blue star" and the one with left and right (above and
// below) exchanged, which has the larger probability under the decoder?
#include <string.h>

#include "io/progress.h"
#include "model/coca_generate.h"
#include "model/kernels.h"
#include "world_words.h"
#include "zoo.h"

enum { SCORED = 600, CHUNK = 50, E = 64, CONTEXT = 31, FAMILIES = 5 };

static const struct {
    Fact fact;
    const char *name;
    double bar;
} families[FAMILIES] = {{FACT_COLOUR, "colours", 0.95}, {FACT_SHAPE, "shapes", 0.95}, {FACT_SIZE, "sizes", 0}, {FACT_PATTERN, "patterns", 0}, {FACT_PLACE, "habitats", 0.95}};

typedef struct {
    Score *precision[FAMILIES], *recall[FAMILIES], *count, *binding, *grammar, *relation;
} Tally;

static void share(Score *s, int64_t right, int64_t of) { s->right += right, s->of += of; }

// A caption's facts, into one row of scores.
static void tally_reading(const Tally *y, const WorldReading *r) {
    for (int k = 0; k < FAMILIES; k++) {
        const FactScore *f = &r->facts[families[k].fact];
        share(y->precision[k], f->right, f->said);
        share(y->recall[k], f->told, f->there);
    }
    share(y->count, r->facts[FACT_COUNT].told, r->facts[FACT_COUNT].there);
    share(y->binding, r->facts[FACT_BINDING].right, r->facts[FACT_BINDING].said);
    share(y->grammar, r->grammatical, 1);
}

// blind: the same captions, each against another picture's truth.
static void captions_score(const Model *model, const Tokenizer *tok, const WorldScene *scenes, Tensor tokens, const Tally *y, const Tally *blind) {
    Arena *a = arena_new("captions");
    CocaOptions o = coca_options(model);
    Caption *said = coca_generate(a, model, tokens, &o);
    for (int i = 0; i < CHUNK; i++) {
        const char *text = coca_words(a, tok, &o, &said[i]);
        WorldReading own = world_read(a, text, &scenes[i]), other = world_read(a, text, &scenes[(i + 1) % CHUNK]);
        tally_reading(y, &own);
        tally_reading(blind, &other);
    }
    arena_free(a);
}

static const char *turned(Arena *a, const char *text) {
    static const char *const words[][2] = {{" left of ", " right of "}, {" above ", " below "}};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            const char *at = strstr(text, words[i][k]);
            if (at) return arena_print(a, "%.*s%s%s", (int)(at - text), text, words[i][!k], at + strlen(words[i][k]));
        }
    return NULL;
}

// The sum of the logarithms of the words' probabilities: ids (L) and the logits (L - 1, V) before each.
static double likelihood(Arena *a, const int32_t *ids, long L, const float *logits, int V) {
    double sum = 0;
    float *e = take(a, float, (size_t)V);
    for (long t = 0; t + 1 < L && ids[t + 1]; t++) {
        const float *z = logits + t * V;
        float top = z[0];
        for (int i = 1; i < V; i++) top = z[i] > top ? z[i] : top;
        for (int i = 0; i < V; i++) e[i] = z[i] - top;
        kernels()->exp(e, e, V);
        double all = 0;
        for (int i = 0; i < V; i++) all += (double)e[i];
        sum += (double)z[ids[t + 1]] - (double)top - log_of(all);
    }
    return sum;
}

static void relations_score(const Coca *m, const Tokenizer *tok, const WorldScene *scenes, Tensor tokens, const Tally *y) {
    Arena *a = arena_new("relations");
    const char *texts[2 * CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        char *text = take_zero(a, char, WORLD_TEXT);
        bool has = world_caption(text, &scenes[i], CAPTION_RELATION, rng_sub(scenes[i].rng, 81));
        texts[i] = has ? text : "";
        texts[CHUNK + i] = has ? turned(a, text) : "";
    }
    Run *run = run_new(a);
    Tensor ids = zoo_texts(a, tok, texts, 2 * CHUNK, 0, CONTEXT, NULL), embed, text = coca_text(run, m, ids, &embed);
    Tensor seen = concat_tokens(run, tensor_view(tokens, DIMS(1, CHUNK * tokens.shape[1], E)), tensor_view(tokens, DIMS(1, CHUNK * tokens.shape[1], E)));
    Tensor logits = coca_decode(run, m, rows_slice(run, text, 0, CONTEXT - 1), tensor_view(seen, DIMS(2 * CHUNK, tokens.shape[1], E)));
    for (int i = 0; i < CHUNK; i++) {
        if (!*texts[i]) continue;
        double p[2];
        for (int k = 0; k < 2; k++) {
            long row = k * CHUNK + i;
            p[k] = likelihood(a, i32(ids) + row * CONTEXT, CONTEXT, f32(logits) + row * (CONTEXT - 1) * m->cfg.V, m->cfg.V);
        }
        share(y->relation, p[0] > p[1], 1);
    }
    arena_free(a);
}

static Tensor image_of(Run *run, const void *model, Tensor pixels) {
    return l2norm(run, coca_image_embed(run, model, coca_pool(run, model, coca_tower(run, model, pixels, NULL, NULL))), 1e-12f);
}

static Tensor text_of(Run *run, const void *model, Tensor ids) {
    Tensor embed;
    coca_text(run, model, ids, &embed);
    return l2norm(run, embed, 1e-12f);
}

static size_t tally_make(Arena *a, Tally *y, Score *out) {
    size_t n = 0;
    for (int k = 0; k < FAMILIES; k++) {
        out[n] = (Score){.name = arena_print(a, "captions: %s, precision", families[k].name), .bar = families[k].bar}, y->precision[k] = &out[n++];
        out[n] = (Score){.name = arena_print(a, "captions: %s, recall", families[k].name), .bar = families[k].bar}, y->recall[k] = &out[n++];
    }
    out[n] = (Score){.name = "captions: number of objects"}, y->count = &out[n++];
    out[n] = (Score){.name = "captions: attributes together"}, y->binding = &out[n++];
    out[n] = (Score){.name = "captions: grammatical"}, y->grammar = &out[n++];
    out[n] = (Score){.name = "likelihood: relations", .blind = 0.5, .bar = 0.85}, y->relation = &out[n++];
    return n;
}

size_t coca_scores(Arena *a, const Trainee *t, const Tokenizer *tok, uint64_t seed, Score *out) {
    Tally y, blind;
    Score unseen[2 * FAMILIES + 4];
    size_t n = tally_make(a, &y, out);
    tally_make(a, &blind, unseen);
    const Model *model = trainee_model(a, t);
    const Coca *m = model->own;
    Progress bar = progress_start("coca: scores", SCORED);
    for (int first = 0; first < SCORED; first += CHUNK) {
        Arena *scratch = arena_new("pictures");
        Run *run = run_new(scratch);
        WorldScene scenes[CHUNK];
        Tensor pixels = zoo_held_out(scratch, scenes, seed + 2, (uint64_t)first, CHUNK);
        Tensor tokens = coca_image_tokens(run, m, coca_pool(run, m, coca_tower(run, m, pixels, NULL, NULL)));
        captions_score(model, tok, scenes, tokens, &y, &blind);
        relations_score(m, tok, scenes, tokens, &y);
        arena_free(scratch);
        progress_at(&bar, (size_t)(first + CHUNK));
    }
    progress_end(&bar);
    for (size_t i = 0; i < n; i++) {
        out[i].value = out[i].of ? (double)out[i].right / (double)out[i].of : 0;
        if (unseen[i].of) out[i].blind = (double)unseen[i].right / (double)unseen[i].of;
    }
    const Contrastive c = {.model = m, .pixels = image_of, .ids = text_of, .width = E, .length = CONTEXT};
    return n + contrastive_scores(a, &c, tok, "coca: choices", seed, out + n);
}
