// connectors_captions.c: step `captions`: does the caption survive when the connector's input is rebuilt from its output?
//
// Three captions of each picture, the same prompt, greedy: live (nothing touched), post_direct (the stored output injected
// unchanged: the control for storing and injecting), recon (the rebuilt input injected; the model's own connector does the
// rest). Pictures of the test part, one per group of copies. Work is kept in captions/chunk-*.json.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/captions.h"
#include "analysis/fit.h"
#include "connectors.h"
#include "io/csv.h"
#include "io/progress.h"
#include "model/beside.h"
#include "model/generate.h"

#define AT_ONCE 8 // pictures in a chunk: 24 texts are continued as one batch

typedef struct {
    const float *post; // what recon's projection is held against
    TokenFit fit;
} Projection;

// The output that the model's own connector gives for the rebuilt input.
static void hold_against(void *arg, const char *name, Tensor x) {
    Projection *p = arg;
    (void)name;
    p->fit = tokens_fit(f32(x), p->post, x.shape[1], x.shape[2]);
}

typedef struct {
    Study *s;
    Vectors *v;
    Recon *recon;
    Model *model;
    Preprocess preprocess;
    Prompter prompter;
    GenerateOptions options;
    Progress *bar;
    size_t before; // pictures of the chunks before
    double heard;  // ids of this one's texts so far
} Captions;

// A chunk of a large model takes minutes: each new id moves the bar. Texts that end early leave a jump to the chunk's end.
static bool hear(void *arg, int text, int32_t id) {
    Captions *c = arg;
    (void)text, (void)id;
    progress_at(c->bar, (double)c->before + ++c->heard / (3.0 * c->options.max_new));
    return true;
}

static Taps *replaced(Arena *a, const Captions *c, const Inputs *in, const char *name, Tensor with, Projection *read) {
    Taps *t = taps_asking(a, model_taps(a, c->model, in), NULL, 0);
    if (name) taps_replace(t, name, with);
    if (read) taps_read(t, TAP_POST, hold_against, read);
    return t;
}

static Tensor pixels_of(Arena *a, Captions *c, size_t row) {
    Image image = study_image(a, c->s, c->v->places[row]);
    Tensor x = preprocess_picture(a, &c->preprocess, study_picture(a, c->s, &image));
    return tensor_view(x, DIMS(1, x.shape[0], x.shape[1], x.shape[2]));
}

static const char *text_of(Arena *a, const Captions *c, const Generated *g) {
    return tokenizer_caption(c->prompter.tokenizer, a, g->ids, (size_t)g->count, false);
}

// What a kept chunk must have been made from: vectors, network, prompt and length.
static const char *made_from_of(const Study *s, const Vectors *v) {
    return arena_print(s->arena, "%s|%d|%d|%d|%d|%lld|%d|%d|%s", v->digest, s->epochs, s->hidden, s->layers, s->faithful, (long long)s->seed, s->captions, s->max_new, s->prompt);
}

static char *chunk_path(Study *s, size_t k) { return arena_print(s->arena, "%s/captions/chunk-%05zu.json", s->out, k); }

const Json *captions_chunk(Study *s, const Vectors *v, size_t k) {
    const Json *list = json_get(json_kept(s->arena, chunk_path(s, k), made_from_of(s, v)), "captions");
    return list && list->kind == JSON_ARRAY ? list : NULL;
}

static void chunk(Captions *c, const char *path, const uint32_t *rows, size_t n) {
    Arena *a = arena_new("captions");
    Vectors *v = c->v;
    Inputs *prompts = take_zero(a, Inputs, n * 3);
    Taps **taps = take_zero(a, Taps *, n * 3);
    Projection *projections = take_zero(a, Projection, n);
    for (size_t k = 0; k < n; k++) {
        Tensor pixels = pixels_of(a, c, rows[k]), ids = prompt_ids(a, &c->prompter, c->s->prompt, 1, false);
        Tensor post = tensor_take(a, DTYPE_F32, DIMS(1, v->T_post, v->D_post)), pre = tensor_take(a, DTYPE_F32, DIMS(1, v->T_pre, v->D_pre));
        vectors_post(v, rows[k], f32(post));
        recon_predict(c->recon, a, f32(post), v->T_post, f32(pre));
        for (int w = 0; w < 3; w++) prompts[k * 3 + (size_t)w] = (Inputs){.pixels = pixels, .ids = ids};
        projections[k].post = f32(post);
        taps[k * 3 + 1] = replaced(a, c, &prompts[k * 3], TAP_POST, post, NULL);
        taps[k * 3 + 2] = replaced(a, c, &prompts[k * 3], TAP_PRE, pre, &projections[k]);
    }
    Generated *g = generate(a, c->model, prompts, (int)(n * 3), &c->options, taps);
    JsonOut *o = json_out(a, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "made_from", made_from_of(c->s, v));
    json_open(o, "captions", '[');
    for (size_t k = 0; k < n; k++) {
        json_open(o, NULL, '{');
        json_put_int(o, "row", rows[k]);
        json_put_text(o, "key", v->keys[rows[k]]);
        json_put_text(o, "live", text_of(a, c, &g[k * 3]));
        json_put_text(o, "post_direct", text_of(a, c, &g[k * 3 + 1]));
        json_put_text(o, "recon", text_of(a, c, &g[k * 3 + 2]));
        json_put_real(o, "mse", projections[k].fit.mse);
        json_put_real(o, "cosine", projections[k].fit.cosine);
        json_close(o);
    }
    json_close(o);
    json_close(o);
    json_file_write(o, path);
    arena_free(a);
}

static const char *truth_in_archive(Arena *a, const Gathered *g, const char **wrong) {
    if (g->text_size == 0) return NULL;
    Bytes b = file_map(a, g->path);
    need(g->text_offset <= b.size && g->text_size <= b.size - g->text_offset, "%s: has changed: the caption of \"%s\" is no longer inside", g->path, g->member);
    const char *text = beside_text(a, (const char *)b.bytes + g->text_offset, (size_t)g->text_size, wrong);
    file_unmap(b);
    return text;
}

// The caption beside the picture; NULL when there is none.
static const char *truth_of(Arena *a, const Gathered *g) {
    const char *wrong = NULL;
    const char *text = g->member ? truth_in_archive(a, g, &wrong) : beside_read(a, g->path, &wrong);
    if (wrong) note("%s: the caption beside it counts as missing, for it is %s", gathered_name(a, g), wrong);
    return text;
}

static const char *const columns[] = {"sample_id", "key", "folder_id", "model", "image_path", "caption_live", "caption_post_direct", "caption_recon", "caption_gt",
                                      "reproj_mse_recon", "reproj_cosine_recon", "same_post_direct_live", "same_recon_post_direct", "f1_post_direct_vs_live",
                                      "f1_recon_vs_post_direct", "f1_live_vs_gt", "f1_post_direct_vs_gt", "f1_recon_vs_gt", "collapse_post_direct", "collapse_recon"};

static void row_put(Study *s, Arena *a, CsvWriter *w, const Vectors *v, const Json *j) {
    size_t i = (size_t)json_int(j, "row");
    need(i < v->N && strcmp(v->keys[i], json_text(j, "key")) == 0, "%s: belongs to other vectors; use --fresh", j->source);
    const char *live = json_text(j, "live"), *post = json_text(j, "post_direct"), *recon = json_text(j, "recon"), *truth = truth_of(a, &study_pictures(s)->items[v->places[i]]);
    const char *path = v->paths[i], *folder = path_name(path_folder(a, path));
    const char *cells[] = {arena_print(a, "0:%zu:%s", i, v->keys[i]), v->keys[i], folder, path_name(s->model_dir), path, live, post, recon, truth ? truth : ""};
    double numbers[] = {json_real_or(j, "mse", NAN), json_real_or(j, "cosine", NAN), caption_equal(live, post), caption_equal(post, recon),
                        caption_f1(post, live, a), caption_f1(recon, post, a), truth ? caption_f1(live, truth, a) : NAN,
                        truth ? caption_f1(post, truth, a) : NAN, truth ? caption_f1(recon, truth, a) : NAN};
    for (size_t k = 0; k < sizeof cells / sizeof *cells; k++) csv_put(w, cells[k]);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) csv_put_real(w, numbers[k]);
    csv_put(w, caption_collapse_name(caption_collapse(post, live, a)));
    csv_put(w, caption_collapse_name(caption_collapse(recon, live, a)));
    csv_end_row(w);
}

void connectors_captions(Study *s) {
    need(!s->pre_point, "captions: a connector cannot be given its input back from behind a norm; --pre-point raw is wanted");
    Vectors *v = vectors_open(s);
    Captions c = {.s = s, .v = v, .model = study_model(s)};
    c.recon = recon_open(s, v, RECON_GO_ON);
    c.preprocess = preprocess_read(s->arena, s->model_dir);
    c.prompter = prompter_load(s->arena, c.model);
    c.options = generate_options(s->arena, c.model);
    c.options.max_new = s->max_new;
    c.options.heard = hear, c.options.arg = &c;
    uint32_t *rows = take(s->arena, uint32_t, v->N);
    size_t n = 0;
    for (size_t g = 0; g < v->groups.count && n < (size_t)s->captions; g++) {
        uint32_t i = v->groups.first[g];
        if (s->part[i] == PART_TEST || (s->faithful && s->part[i] == PART_VALIDATION)) rows[n++] = i;
    }
    need(n > 0, "captions: no test picture among %zu; give more pictures", v->N);
    size_t chunks = (n + AT_ONCE - 1) / AT_ONCE;
    Progress bar = progress_start("captions", n);
    c.bar = &bar;
    for (size_t k = 0; k < chunks; k++) {
        size_t from = k * AT_ONCE, m = n - from < AT_ONCE ? n - from : AT_ONCE;
        c.before = from, c.heard = 0;
        if (s->fresh || !captions_chunk(s, v, k)) {
            progress_at(&bar, (double)from); // a large model's first word takes minutes
            chunk(&c, chunk_path(s, k), rows + from, m);
        } else progress_resume(&bar, from + m);
        progress_at(&bar, from + m);
    }
    progress_end(&bar);
    CsvWriter *w = csv_create(s->arena, study_path(s, "caption_original_vs_recon.csv"), ',', columns, sizeof columns / sizeof *columns);
    for (size_t k = 0; k < chunks; k++) {
        const Json *list = captions_chunk(s, v, k);
        need(list, "%s: is damaged; use --fresh", chunk_path(s, k));
        for (size_t i = 0; i < list->count; i++) row_put(s, s->arena, w, v, &list->items[i]);
    }
    csv_finish(w);
}
