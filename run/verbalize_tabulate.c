// verbalize_tabulate.c: step `tabulate`: everything that can be counted, as CSV, under the original's names where it has some.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/json.h"
#include "verbalize_measure.h"
#include "verbalize_states.h"

// ---- categories

static void shares_csv(Verbalize *s, const Verbal *v, const Categories *c, const char *file, bool macro) {
    int from = s->compat ? layer_first(v) : 0, skip = s->compat ? 1 : 0;
    const char **names = take(s->arena, const char *, (size_t)c->K + 1);
    names[0] = "layer";
    for (int k = 0; k < c->K; k++) names[k + 1] = classes_name(c->classes, k);
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, file), ',', names + skip, (size_t)(c->K + 1 - skip));
    for (int l = from; l < v->L; l++) {
        if (!skip) csv_put_int(w, v->layer[l]);
        for (int k = 0; k < c->K; k++) csv_put_real(w, macro ? c->shares[l].macro[k] : c->shares[l].micro[k]);
        csv_end_row(w);
    }
    csv_finish(w);
}

typedef struct {
    const char *label;
    size_t count[3];
} Count;

static int by_count(const void *a, const void *b) {
    const Count *x = a, *y = b;
    if (x->count[0] != y->count[0]) return x->count[0] > y->count[0] ? -1 : 1;
    return strcmp(x->label, y->label);
}

// Raw labels of a layer with their counts in first, second and third place.
static void detail_csv(Verbalize *s, const Verbal *v, const Categories *c) {
    static const char *const names[] = {"layer", "label", "first", "second", "third", "class", "mapped"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "classification_detail.csv"), ',', names, 7);
    Arena *a = arena_new("labels");
    size_t unmapped = 0, kinds = 0;
    for (int l = 0; l < v->L; l++) {
        Mark mark = arena_mark(a);
        Count *list = NULL;
        size_t n = 0, room = 0;
        for (size_t i = 0; i < v->N; i++)
            for (size_t p = 0; p < c->answers[l][i].count; p++)
                for (int k = 0; k < 3; k++) {
                    const char *label = c->answers[l][i].parts[p].labels[k];
                    size_t at = 0;
                    while (at < n && strcmp(list[at].label, label) != 0) at++; // some hundred labels at most
                    if (at == n) {
                        if (n == room) list = arena_grow(a, list, n, room = room ? room * 2 : 64, sizeof *list);
                        list[n++] = (Count){.label = label};
                    }
                    list[at].count[k]++;
                }
        if (n) qsort(list, n, sizeof *list, by_count);
        for (size_t i = 0; i < n; i++) {
            bool mapped;
            int class = classes_of(c->classes, list[i].label, &mapped);
            csv_put_int(w, v->layer[l]);
            csv_put(w, list[i].label);
            for (int k = 0; k < 3; k++) csv_put_int(w, (int64_t)list[i].count[k]);
            csv_put(w, classes_name(c->classes, class));
            csv_put_bool(w, mapped);
            csv_end_row(w);
            if (!mapped) unmapped += list[i].count[0], kinds += list[i].count[0] > 0;
        }
        arena_release(a, mark);
    }
    arena_free(a);
    csv_finish(w);
    if (unmapped) note("%zu parts have first labels (%zu kinds, layer by layer) that the map does not know: counted as UNKNOWN, listed in classification_detail.csv", unmapped, kinds);
}

static void parse_csv(Verbalize *s, const Verbal *v, const Categories *c) {
    static const char *const names[] = {"layer", "answers", "strict_ok", "tolerant_ok", "empty", "kept"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "parse.csv"), ',', names, 6);
    for (int l = 0; l < v->L; l++) {
        const int64_t row[] = {v->layer[l], (int64_t)v->N, (int64_t)c->strict_ok[l], (int64_t)c->tolerant_ok[l], (int64_t)c->empty[l], (int64_t)c->shares[l].kept};
        for (int k = 0; k < 6; k++) csv_put_int(w, row[k]);
        csv_end_row(w);
    }
    csv_finish(w);
}

const char *sac_figure(const Verbal *v, const Categories *c, Arena *a, PlotUse use, int *shown) {
    int from = layer_first(v), L = v->L - from, *order = take(a, int, (size_t)c->K);
    const double *table = c->table + (size_t)from * (size_t)c->K;
    int n = shares_shown(order, table, L, c->K, 5);
    double *x = take(a, double, (size_t)L), *y = take(a, double, (size_t)L * (size_t)(n ? n : 1));
    const char **names = take(a, const char *, (size_t)n + 1);
    for (int l = 0; l < L; l++) x[l] = v->layer[from + l];
    for (int k = 0; k < n; k++) {
        names[k] = classes_title(c->classes, a, order[k]);
        for (int l = 0; l < L; l++) y[k * L + l] = table[l * c->K + order[k]];
    }
    if (shown) *shown = n;
    return plot_stack(a, (Stack){.title = "Categories of a layer's words", .description = "Stacked areas: mean share of each category of words over the layers; what is left to 100 % are categories below 5 % everywhere",
                                 .x_label = "layer", .y_label = "Mean Percentage of Class (%)", .names = names, .x = x, .y = y, .points = L, .count = n}, use);
}

// ---- words, entropy, truth

static void entropy_csv(Verbalize *s, const Verbal *v, const LayerWords *m) {
    static const char *const names[] = {"layer", "n", "mean", "sd", "min", "q25", "median", "q75", "max", "mean_control"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "entropy.csv"), ',', names, 10);
    for (int l = 0; l < v->L; l++) {
        const Description *d = &m[l].entropy;
        csv_put_int(w, v->layer[l]), csv_put_int(w, (int64_t)d->n);
        const double row[] = {d->mean, d->std, d->min, d->q25, d->median, d->q75, d->max, v->mean ? v->mean[l].entropy : NAN};
        for (int k = 0; k < 8; k++) csv_put_real(w, row[k]);
        csv_end_row(w);
    }
    csv_finish(w);
}

static void diversity_csv(Verbalize *s, const Verbal *v, const LayerWords *m) {
    static const char *const names[] = {"layer", "entropy_mean", "entropy_median", "entropy_sd", "entropy_min", "entropy_max", "distinct", "words", "type_token", "vocabulary", "same_next", "jaccard_last", "at_limit", "like_mean_control", "grammatical"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "diversity.csv"), ',', names, 15);
    for (int l = 0; l < v->L; l++) {
        const LayerWords *o = &m[l];
        csv_put_int(w, v->layer[l]);
        const double entropy[] = {o->entropy.mean, o->entropy.median, o->entropy.std, o->entropy.min, o->entropy.max};
        for (int k = 0; k < 5; k++) csv_put_real(w, entropy[k]);
        csv_put_int(w, (int64_t)o->distinct);
        csv_put_real(w, o->words), csv_put_real(w, o->type_token);
        csv_put_int(w, (int64_t)o->vocabulary);
        if (l + 1 < v->L) csv_put_int(w, (int64_t)o->same_next);
        else csv_put(w, NULL);
        csv_put_real(w, o->jaccard_last);
        csv_put_int(w, (int64_t)o->at_limit);
        csv_put_real(w, o->like_mean), csv_put_real(w, o->grammatical);
        csv_end_row(w);
    }
    csv_finish(w);
}

static void truth_csv(Verbalize *s, const Verbal *v, const Truth *t) {
    static const char *const names[] = {"layer", "family", "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f", "f_low", "f_high", "said", "precision_mean_control", "recall_mean_control", "f_mean_control", "precision_shuffled", "recall_shuffled", "f_shuffled"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "truth.csv"), ',', names, 18);
    for (int l = 0; l < v->L; l++)
        for (int k = 0; k < FACTS; k++) {
            const LayerTruth *o = &t->layers[l];
            csv_put_int(w, v->layer[l]);
            csv_put(w, fact_names[k]);
            const double row[] = {o->precision[k].value, o->precision[k].low, o->precision[k].high, o->recall[k].value, o->recall[k].low, o->recall[k].high,
                                  o->f[k].value, o->f[k].low, o->f[k].high, o->said[k], o->mean_precision[k], o->mean_recall[k], o->mean_f[k], o->shuffled_precision[k], o->shuffled_recall[k], o->shuffled_f[k]};
            for (int i = 0; i < 16; i++) csv_put_real(w, row[i]);
            csv_end_row(w);
        }
    csv_finish(w);
}

static void emergence_csv(Verbalize *s, const Verbal *v, const Truth *t, const Categories *c) {
    static const char *const names[] = {"what", "name", "layer", "low", "high"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "emergence.csv"), ',', names, 5);
    for (int k = 0; t && k < FACTS; k++) {
        csv_put(w, "f"), csv_put(w, fact_names[k]);
        bool never = t->emergence[k].value > v->layer[v->native >= 0 ? v->native : v->L - 1]; // its interval may still reach below
        csv_put_real(w, never ? NAN : t->emergence[k].value), csv_put_real(w, never ? NAN : t->emergence[k].low), csv_put_real(w, never ? NAN : t->emergence[k].high);
        csv_end_row(w);
    }
    for (int k = 0; c && k < c->K; k++) {
        if (c->emergence[k] < 0) continue;
        csv_put(w, "share"), csv_put(w, classes_name(c->classes, k));
        csv_put_int(w, v->layer[c->emergence[k]]), csv_put(w, NULL), csv_put(w, NULL);
        csv_end_row(w);
    }
    csv_finish(w);
}

static void controls_csv(Verbalize *s, const Verbal *v) {
    static const char *const names[] = {"control", "layer", "entropy", "caption"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "controls.csv"), ',', names, 4);
    for (int l = 0; v->mean && l < v->L; l++) {
        csv_put(w, "mean"), csv_put_int(w, v->layer[l]), csv_put_real(w, v->mean[l].entropy), csv_put(w, v->mean[l].text);
        csv_end_row(w);
    }
    if (v->zero) {
        csv_put(w, "zero"), csv_put(w, NULL), csv_put_real(w, v->zero->entropy), csv_put(w, v->zero->text);
        csv_end_row(w);
    }
    csv_finish(w);
}

static void references_csv(Verbalize *s, const Verbal *v, const ReferenceScores *r) {
    static const char *const names[] = {"control", "layer", "pictures", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"};
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "references.csv"), ',', names, 9);
    for (int which = 0; which < 2; which++)
        for (int l = 0; l < v->L && (which == 0 || r->mean); l++) {
            const CaptionScores *c = which ? &r->mean[l] : &r->layers[l];
            csv_put(w, which ? "mean" : "none"), csv_put_int(w, v->layer[l]), csv_put_int(w, (int64_t)c->n);
            for (int n = 0; n < 4; n++) csv_put_real(w, c->bleu[n]);
            csv_put_real(w, c->rouge_l), csv_put_real(w, c->cider_d);
            csv_end_row(w);
        }
    csv_finish(w);
}

// A row a picture and layer; margins in nats a token, above 0: the true text is likelier.
static void likelihood_csv(Verbalize *s, const Verbal *v, const Likelihoods *o) {
    const char *names[5 + CHOICES] = {"name", "layer", "logprob", "logprob_mean_control", "text"};
    for (int c = 0; c < CHOICES; c++) names[5 + c] = arena_print(s->arena, "margin_%s", choice_names[c]);
    CsvWriter *w = csv_create(s->arena, verbalize_path(s, "likelihood.csv"), ',', names, 5 + CHOICES);
    for (size_t i = 0; i < v->N; i++)
        for (int l = 0; l < v->L; l++) {
            csv_put(w, v->names[i]), csv_put_int(w, v->layer[l]);
            csv_put_real(w, o->own[l][i]), csv_put_real(w, o->control[l][i]);
            csv_put(w, o->texts[i]);
            for (int c = 0; c < CHOICES; c++) csv_put_real(w, o->margin[c][l][i]);
            csv_end_row(w);
        }
    csv_finish(w);
}

static void summary_json(Verbalize *s, const Verbal *v, const Categories *c) {
    JsonOut *o = json_out(s->arena, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "command", s->command);
    json_put_text(o, "model", s->captions_given.count ? "" : s->model_dir);
    json_put_text(o, "model checksum", s->captions_given.count ? "" : verbalize_model_stamp(s));
    json_put_text(o, "what", v->model_text);
    json_put_int(o, "layers", v->L);
    json_put_int(o, "native layer", v->native >= 0 ? v->layer[v->native] : -1);
    json_put_int(o, "pictures", (int64_t)v->N);
    json_put_int(o, "pictures that could not be read", (int64_t)v->failed);
    json_put_int(o, "samples without a picture", (int64_t)s->samples_bare);
    json_put_int(o, "pictures without a caption beside them, where others have one", (int64_t)s->captions_missing);
    json_put_int(o, "archives damaged", (int64_t)s->archives_damaged);
    json_put_text(o, "labeller", c ? c->labeller : "none");
    if (c) {
        size_t strict = 0, tolerant = 0;
        for (int l = 0; l < v->L; l++) strict += c->strict_ok[l], tolerant += c->tolerant_ok[l];
        json_put_text(o, "parse", s->parse == 1 ? "strict" : "tolerant");
        json_put_int(o, "answers", (int64_t)(v->N * (size_t)v->L));
        json_put_int(o, "answers lost by the strict reader", (int64_t)(v->N * (size_t)v->L - strict));
        json_put_int(o, "answers lost by the tolerant reader", (int64_t)(v->N * (size_t)v->L - tolerant));
    }
    json_open(o, "options", '{');
    for (size_t i = 0; i < s->option_count; i++)
        if (s->options[i].name) json_put_text(o, s->options[i].name, option_text(s->arena, &s->options[i]));
    json_close(o);
    json_close(o);
    json_file_write(o, verbalize_path(s, "summary.json"));
}

void verbalize_tabulate(Verbalize *s) {
    Verbal *v = verbal_open(s);
    Arena *a = arena_new("tables");
    LayerWords *words = measure_words(s, v, a);
    Truth *truth = measure_truth(s, v, a);
    Categories *c = measure_categories(s, v, a);
    entropy_csv(s, v, words);
    diversity_csv(s, v, words);
    controls_csv(s, v);
    if (truth) truth_csv(s, v, truth);
    const Likelihoods *likelihood = measure_likelihood(s, v, a);
    if (likelihood) likelihood_csv(s, v, likelihood);
    const ReferenceScores *references = measure_references(s, v, a);
    if (references) references_csv(s, v, references);
    emergence_csv(s, v, truth, c);
    if (c) {
        shares_csv(s, v, c, "classification_data.csv", true);
        shares_csv(s, v, c, "classification_micro.csv", false);
        detail_csv(s, v, c);
        parse_csv(s, v, c);
        const char *svg = sac_figure(v, c, a, PLOT_FILE, NULL);
        file_write(verbalize_path(s, "sac.svg"), svg, strlen(svg));
    }
    summary_json(s, v, c);
    arena_free(a);
}
