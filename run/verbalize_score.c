// verbalize_score.c: step `score`: does a caption find its picture?
//
// A contrastive model gives every picture and every caption a vector; the score is 100 times their cosine, not below 0, the rank
// that of the right picture among all by cosine. The judge is the captioner's own pair of towers where it has one (CoCa), else a
// CLIP directory: no model from outside the study is needed for the default.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/names.h"
#include "io/progress.h"
#include "io/thread.h"
#include "model/batch.h"
#include "model/coca_generate.h"
#include "model/tokenizer.h"
#include "verbalize_files.h"
#include "verbalize_measure.h"

#define SCORES_MARK "scores.mark"
#define SMALL_LLAVA "data/zoo/llava" // its tower was trained as this CLIP's
#define SMALL_CLIP "data/zoo/clip"

typedef struct {
    const char *caption; // first: names.h
    size_t row;
} Text;

typedef struct {
    Model *model;
    Tokenizer *tokenizer;
    Preprocess preprocess;
    int C;
} Judge;

static const char *judge_dir(Verbalize *s) {
    if (s->captions_given.count || s->features_given.count) return NULL; // no pictures
    if (s->judge) return s->judge;
    if (strcmp(verbalize_speaker(s)->model->family->name, "coca") == 0 || verbalize_speaker(s)->kind == SPEAKS_CLIP) return s->model_dir;
    const char *clip = file_shipped(s->arena, SMALL_CLIP);
    return folder_same(s->model_dir, file_shipped(s->arena, SMALL_LLAVA)) && folder_exists(clip) ? clip : NULL;
}

static float *unit_of(Arena *a, Tensor x) {
    size_t n = tensor_count(x);
    float *v = take(a, float, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)f32(x)[i] * (double)f32(x)[i];
    for (size_t i = 0; i < n; i++) v[i] = (float)((double)f32(x)[i] / (sum > 0 ? sqrt(sum) : 1));
    return v;
}

static float *image_vector(Judge *j, Arena *a, Arena *scratch, Verbalize *s, const Verbal *v, size_t i) {
    ImageOptions options = picture_options(&s->picture_options);
    Image image = gathered_read(scratch, &s->pictures.items[v->at[i]], &options);
    Tensor x = preprocess_picture(scratch, &j->preprocess, picture_from(&image));
    Inputs in = {.pixels = tensor_view(x, DIMS(1, x.shape[0], x.shape[1], x.shape[2]))};
    Run *run = run_on(scratch, j->model->device);
    Outputs out = model_forward(run, j->model, &in);
    need(tensor_given(out.image_embeds), "%s: gives no vector of a picture; a CLIP or CoCa directory is wanted", j->model->dir);
    j->C = (int)tensor_last(out.image_embeds);
    return unit_of(a, run_read(run, out.image_embeds));
}

static Tensor clip_ids(const Judge *j, Arena *a, const char *caption) {
    Ids ids = tokenizer_encode_cut(j->tokenizer, a, caption, strlen(caption), (size_t)j->model->context);
    return tensor_of(ids.ids, DTYPE_I32, DIMS(1, (long)ids.count));
}

// [start, …, end], padded to the whole context: the class row of the weights that there are sees one place of padding.
static Tensor coca_ids(const Judge *j, Arena *a, const char *caption) {
    const Coca *m = j->model->own;
    CocaOptions o = coca_options(j->model);
    Ids ids = tokenizer_encode(j->tokenizer, a, caption, strlen(caption), false);
    long L = m->cfg.context, n = (long)ids.count + 2 < L ? (long)ids.count + 2 : L;
    Tensor t = tensor_take(a, DTYPE_I32, DIMS(1, L));
    for (long i = 0; i < L; i++) i32(t)[i] = i == 0 ? o.sot : i == n - 1 ? o.eos : i < n ? ids.ids[i - 1] : m->cfg.pad;
    return t;
}

static float *text_vector(Judge *j, Arena *a, Arena *scratch, const char *caption) {
    Inputs in = {.ids = strcmp(j->model->family->name, "coca") == 0 ? coca_ids(j, scratch, caption) : clip_ids(j, scratch, caption)};
    Run *run = run_on(scratch, j->model->device);
    Outputs out = model_forward(run, j->model, &in);
    need(tensor_given(out.text_embeds), "%s: gives no vector of a text; a CLIP or CoCa directory is wanted", j->model->dir);
    return unit_of(a, run_read(run, out.text_embeds));
}

static bool judges(const Model *m) { return strcmp(m->family->name, "clip") == 0 || strcmp(m->family->name, "coca") == 0; }

static double cosine(const float *x, const float *y, int C) {
    double sum = 0;
    for (int c = 0; c < C; c++) sum += (double)x[c] * (double)y[c];
    return sum;
}

static double score_of(double cos) { return cos > 0 ? 100 * cos : 0; }

typedef struct {
    const Verbal *v;
    float *const *images, *const *vectors;
    size_t *row, *rank; // (N, L): the caption's vector; the rank of its own picture
    double *own;        // (N, L) cosine with its own picture
    int C;
} Ranks;

static void rank_pictures(void *arg, size_t begin, size_t end) {
    Ranks *r = arg;
    for (size_t at = begin * (size_t)r->v->L; at < end * (size_t)r->v->L; at++) {
        size_t i = at / (size_t)r->v->L;
        const float *text = r->vectors[r->row[at]];
        r->own[at] = cosine(r->images[i], text, r->C), r->rank[at] = 1;
        for (size_t o = 0; o < r->v->N; o++) r->rank[at] += o != i && cosine(r->images[o], text, r->C) > r->own[at];
    }
}

static void score(Verbalize *s, Verbal *v, const char *dir) {
    Arena *a = arena_new("scores"), *scratch = arena_new("a vector");
    Judge judge = {.model = strcmp(dir, s->model_dir) == 0 ? verbalize_speaker(s)->model : model_open(a, dir, false)}, *j = &judge;
    need(judges(j->model), "--judge %s: a %s model; a CLIP or CoCa directory is wanted", dir, j->model->family->name);
    j->tokenizer = s->tokenizer && strcmp(dir, s->model_dir) == 0 ? tokenizer_load_openclip(a, s->tokenizer) : tokenizer_load(a, dir, false);
    j->preprocess = preprocess_read(a, dir);
    float **images = take(a, float *, v->N);
    Progress bar = progress_start("score", v->N);
    for (size_t i = 0; i < v->N; i++) {
        Mark mark = arena_mark(scratch);
        images[i] = image_vector(j, a, scratch, s, v, i);
        arena_release(scratch, mark);
        progress_at(&bar, i + 1);
    }
    progress_end(&bar);
    Text *texts = take(a, Text, v->N * (size_t)v->L + 1);
    float **vectors = take(a, float *, v->N * (size_t)v->L + 1);
    Ranks ranks = {.v = v, .images = images, .vectors = vectors, .C = j->C};
    ranks.row = take(a, size_t, v->N * (size_t)v->L), ranks.rank = take(a, size_t, v->N * (size_t)v->L), ranks.own = take(a, double, v->N * (size_t)v->L);
    Names names = {0};
    size_t count = 0;
    for (size_t i = 0; i < v->N; i++)
        for (int l = 0; l < v->L; l++) { // each distinct caption has one vector
            texts[count] = (Text){.caption = v->captions[l][i], .row = count};
            const Text *old = names_add(&names, a, texts, sizeof *texts);
            ranks.row[i * (size_t)v->L + (size_t)l] = old ? old->row : count;
            if (old) continue;
            Mark mark = arena_mark(scratch);
            vectors[count++] = text_vector(j, a, scratch, v->captions[l][i]);
            arena_release(scratch, mark);
        }
    parallel_for(v->N, 1, rank_pictures, &ranks);
    static const char *const columns[] = {"name", "layer", "score", "rank", "of"};
    CsvWriter *w = csv_create(a, verbalize_path(s, "scores.csv"), ',', columns, 5);
    for (size_t i = 0; i < v->N; i++)
        for (int l = 0; l < v->L; l++) {
            size_t at = i * (size_t)v->L + (size_t)l;
            csv_put(w, v->names[i]);
            csv_put_int(w, v->layer[l]), csv_put_real(w, score_of(ranks.own[at])), csv_put_int(w, (int64_t)ranks.rank[at]), csv_put_int(w, (int64_t)v->N);
            csv_end_row(w);
        }
    for (int l = 0; v->mean && l < v->L; l++) { // the control, averaged over all pictures
        float *t = text_vector(j, a, scratch, v->mean[l].text);
        double sum = 0;
        for (size_t i = 0; i < v->N; i++) sum += score_of(cosine(images[i], t, j->C));
        csv_put(w, "(mean control)");
        csv_put_int(w, v->layer[l]), csv_put_real(w, sum / (double)v->N), csv_put(w, NULL), csv_put_int(w, (int64_t)v->N);
        csv_end_row(w);
    }
    csv_finish(w);
    verbal_mark(v, path_name(dir), verbalize_path(s, SCORES_MARK));
    arena_free(scratch);
    arena_free(a);
}

void verbalize_score(Verbalize *s) {
    const char *dir = judge_dir(s);
    need(dir || !s->judge, "--judge: pictures are wanted, and --captions and --features have none; run it where `caption` read --images");
    if (!dir) return; // nobody can judge
    Verbal *v = verbal_open(s);
    score(s, v, dir);
}

Scores *scores_open(Verbalize *s, const Verbal *v, Arena *a) {
    char *path = verbalize_path(s, "scores.csv");
    if (s->captions_given.count || !judge_dir(s) || !file_exists(path)) return NULL;
    need(verbal_marked(v, path_name(judge_dir(s)), verbalize_path(s, SCORES_MARK)), "%s: belongs to other captions, or to another judge; run `retina verbalize score` again", path);
    Scores *o = take_zero(a, Scores, 1);
    o->judge = judge_dir(s);
    o->score = take(a, double *, (size_t)v->L), o->rank = take(a, double *, (size_t)v->L), o->mean_score = take(a, double, (size_t)v->L);
    for (int l = 0; l < v->L; l++) o->score[l] = take(a, double, v->N), o->rank[l] = take(a, double, v->N), o->mean_score[l] = NAN;
    Csv *c = csv_open(a, path, ',');
    size_t name = csv_column(c, "name"), layer = csv_column(c, "layer"), score = csv_column(c, "score"), rank = csv_column(c, "rank"), row = 0;
    for (; csv_next(c); row++) {
        bool control = row >= v->N * (size_t)v->L;
        size_t i = control ? 0 : row / (size_t)v->L, l = row % (size_t)v->L;
        need(row < (v->N + 1) * (size_t)v->L && csv_get_int(c, layer) == v->layer[l] && (control || strcmp(csv_get(c, name), v->names[i]) == 0),
             "%s:%llu: belongs to other captions; run `retina verbalize score` again", path, (unsigned long long)csv_line(c));
        if (control) o->mean_score[l] = csv_get_real(c, score);
        else o->score[l][i] = csv_get_real(c, score), o->rank[l][i] = csv_get_real(c, rank);
    }
    csv_close(c);
    need(row >= v->N * (size_t)v->L, "%s: is cut off; run `retina verbalize score` again", path);
    return o;
}
