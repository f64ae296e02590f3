// verbalize_likelihood.c: step `likelihood`: how likely is a given text under each layer?
//
// Text that is read, not written: the picture's own caption (the one beside it, else the native layer's), teacher-forced, in nats
// a token, the end included. A smoother measure than what a layer says by itself, and it reaches facts that greedy captions never
// mention: of a scene of the world the true caption is held against the same one with a single change, and the layer has chosen
// right when the true one is likelier. Half is chance.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/csv.h"
#include "io/json.h"
#include "io/progress.h"
#include "io/stamp.h"
#include "verbalize_measure.h"
#include "verbalize_states.h"

#define CHOICES_OTHERS 32 // pictures with choices where every text needs a forward of its own (LLaVA)

const char *const choice_names[CHOICES] = {"colour", "shape", "size", "pattern", "habitat", "binding", "position"};

typedef struct {
    const char *text[1 + 1 + CHOICES]; // the caption; the true relation; the changed ones, NULL where the scene offers none
} Texts;

enum { TEXT_OWN, TEXT_RELATION, TEXT_CHANGED };

// "a red disc left of a blue star" with the other side.
static const char *turned(Arena *a, const char *text) {
    static const char *const words[][2] = {{" left of ", " right of "}, {" right of ", " left of "}, {" above ", " below "}, {" below ", " above "}};
    for (size_t i = 0; i < 4; i++) {
        const char *at = strstr(text, words[i][0]);
        if (at) return arena_print(a, "%.*s%s%s", (int)(at - text), text, words[i][1], at + strlen(words[i][0]));
    }
    return NULL;
}

static Texts texts_of(Verbalize *s, const Verbal *v, Arena *a, size_t i, bool choices) {
    Texts t = {{NULL}};
    WorldScene scene, other;
    char text[WORLD_TEXT];
    t.text[TEXT_OWN] = v->beside[i] ? v->beside[i] : v->captions[v->native >= 0 ? v->native : v->L - 1][i];
    if (!choices || !verbalize_scene(s, v->names[i], &scene)) return t;
    Rng r = rng_sub(scene.rng, 64);
    if (world_caption(text, &scene, CAPTION_FULL, r)) t.text[TEXT_OWN] = arena_text(a, text, strlen(text)); // the changed ones are FULL, too
    for (int c = 0; c < CHANGES; c++)
        if (world_change(&other, &scene, (WorldChange)c, rng_sub(scene.rng, 65 + (uint64_t)c)) && world_caption(text, &other, CAPTION_FULL, r)) t.text[TEXT_CHANGED + c] = arena_text(a, text, strlen(text));
    if (world_caption(text, &scene, CAPTION_RELATION, r)) {
        t.text[TEXT_RELATION] = arena_text(a, text, strlen(text));
        t.text[TEXT_CHANGED + CHANGES] = turned(a, text);
    }
    return t;
}

// One picture: log-likelihoods of all texts under all layers, then of the caption under the mean states.
static void picture(Verbalize *s, const Verbal *v, Arena *a, const States *x, const Texts *t, JsonOut *o, size_t i) {
    Speaker *k = verbalize_speaker(s);
    int L = v->L, rows = 0, of[1 + 1 + CHOICES];
    Tensor *states = x->states, pixels = x->shown[0], *each = take(a, Tensor, (size_t)L * (3 + CHOICES)), *shown = take(a, Tensor, (size_t)L * (3 + CHOICES));
    const char **texts = take(a, const char *, (size_t)L * (3 + CHOICES));
    verbalize_rescale(s, states);
    for (int w = 0; w < 2 + CHOICES; w++) {
        of[w] = rows;
        for (int l = 0; t->text[w] && l < L; l++) each[rows] = states[l], texts[rows] = t->text[w], shown[rows++] = pixels;
    }
    int control = rows;
    for (int l = 0; l < L; l++) each[rows] = verbalize_mean_state(s, a, l), texts[rows] = t->text[TEXT_OWN], shown[rows++] = pixels;
    double *p = speaker_likelihood(k, a, each, shown, texts, rows);
    json_open(o, NULL, '{');
    json_put_text(o, "name", v->names[i]);
    json_put_text(o, "text", t->text[TEXT_OWN]);
    json_open(o, "logprob", '[');
    for (int l = 0; l < L; l++) json_put_real(o, NULL, p[of[TEXT_OWN] + l]);
    json_close(o);
    json_open(o, "control", '[');
    for (int l = 0; l < L; l++) json_put_real(o, NULL, p[control + l]);
    json_close(o);
    json_open(o, "choices", '{');
    for (int c = 0; c < CHOICES; c++) {
        int truth = c == CHANGES ? TEXT_RELATION : TEXT_OWN;
        if (!t->text[TEXT_CHANGED + c] || !t->text[truth]) continue;
        json_open(o, choice_names[c], '[');
        for (int l = 0; l < L; l++) json_put_real(o, NULL, p[of[truth] + l] - p[of[TEXT_CHANGED + c] + l]);
        json_close(o);
    }
    json_close(o);
    json_close(o);
}

static size_t choice_pictures(Verbalize *s) { return s->choices >= 0 ? (size_t)s->choices : verbalize_speaker(s)->kind == SPEAKS_COCA ? SIZE_MAX : CHOICES_OTHERS; }

static void part(Verbalize *s, const Verbal *v, const char *path, const char *made_from, size_t from, size_t to) {
    Arena *a = arena_new("likelihoods");
    StateReader *reader = states_reader(s, 1);
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", made_from);
    json_open(o, "pictures", '[');
    for (size_t i = from; i < to; i++) {
        Arena *scratch = arena_new("likelihoods of a picture");
        States x = states_read(reader, scratch, v->at[i], 1);
        need(x.good == 1, "%s; it could be read when it was captioned", x.reasons[0]);
        Texts t = texts_of(s, v, scratch, i, i < choice_pictures(s));
        picture(s, v, scratch, &x, &t, o, i);
        arena_free(scratch);
    }
    json_close(o);
    json_close(o);
    json_file_write(o, path);
    states_reader_free(reader);
    arena_free(a);
}

static const char *made_from_of(Verbalize *s, const Verbal *v) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    const char *digest = arena_print(s->arena, "%s|%zu", verbalize_digest_of_means(s), choice_pictures(s));
    blake2b_add(&h, digest, strlen(digest));
    blake2b_add(&h, v->at, v->N * sizeof *v->at);
    for (size_t i = 0; i < v->N; i++) // the texts
        if (v->beside[i]) blake2b_add(&h, v->beside[i], strlen(v->beside[i]) + 1);
    return stamp_text(&h, s->arena);
}

static char *part_path(Verbalize *s, size_t p) { return arena_print(s->arena, "%s/likelihood/part-%05zu.json", s->out, p); }

static const Json *kept(Arena *a, const char *path, const char *made_from) {
    return json_get(json_kept(a, path, made_from), "pictures");
}

static bool applies(Verbalize *s) { return s->captions_given.count == 0 && !s->control && s->likelihood != 1 && !speaker_retrieves(verbalize_speaker(s)); }

void verbalize_likelihood(Verbalize *s) {
    if (!applies(s)) return;
    Verbal *v = verbal_open(s);
    const char *made_from = made_from_of(s, v);
    size_t each = (size_t)s->part_size, parts = (v->N + each - 1) / each;
    Progress bar = progress_start("likelihood", v->N);
    for (size_t p = 0; p < parts; p++) {
        size_t from = p * each, to = from + each < v->N ? from + each : v->N;
        Arena *a = arena_new("an earlier part");
        bool there = !s->fresh && kept(a, part_path(s, p), made_from);
        arena_free(a);
        if (there) progress_resume(&bar, to);
        else part(s, v, part_path(s, p), made_from, from, to);
        progress_at(&bar, to);
    }
    progress_end(&bar);
}

Likelihoods *measure_likelihood(Verbalize *s, const Verbal *v, Arena *a) {
    if (!applies(s)) return NULL;
    const char *made_from = made_from_of(s, v);
    size_t each = (size_t)s->part_size, parts = (v->N + each - 1) / each, row = 0, L = (size_t)v->L;
    Likelihoods *o = take_zero(a, Likelihoods, 1);
    o->own = take(a, double *, L), o->control = take(a, double *, L), o->texts = take(a, const char *, v->N + 1);
    for (size_t l = 0; l < L; l++) o->own[l] = take(a, double, v->N), o->control[l] = take(a, double, v->N);
    for (int c = 0; c < CHOICES; c++) {
        o->margin[c] = take(a, double *, L);
        for (size_t l = 0; l < L; l++) o->margin[c][l] = take(a, double, v->N);
    }
    for (size_t p = 0; p < parts; p++) {
        const Json *list = kept(a, part_path(s, p), made_from);
        if (!list) return NULL; // the step was not run
        need(list->kind == JSON_ARRAY && row + list->count <= v->N, "%s: is damaged; use --fresh", part_path(s, p));
        for (size_t i = 0; i < list->count; i++, row++) {
            const Json *own = json_get(&list->items[i], "logprob"), *control = json_get(&list->items[i], "control"), *choices = json_get(&list->items[i], "choices");
            need(own && own->count == L && control && control->count == L && choices, "%s: is damaged; use --fresh", part_path(s, p));
            o->texts[row] = json_text(&list->items[i], "text");
            for (size_t l = 0; l < L; l++) {
                o->own[l][row] = own->items[l].number, o->control[l][row] = control->items[l].number;
                for (int c = 0; c < CHOICES; c++) {
                    const Json *m = json_get(choices, choice_names[c]);
                    o->margin[c][l][row] = m && m->count == L ? m->items[l].number : NAN;
                    if (l == 0 && m) o->chosen[c]++;
                }
            }
        }
    }
    return row == v->N ? o : NULL;
}
