// verbalize_report.c: step `report`: report.html and table.tsv from what the other steps left.
#include <math.h>
#include <string.h>

#include "io/csv.h"
#include "io/number.h"
#include "verbalize_report.h"
#include "verbalize_states.h"

void report_measure(Report *r, const char *name, Interval i, double beside, const char *what) {
    char t[4][32];
    writer_print(r->table, "%s\t%s\t%s\t%s\t%s\t%s\n", name, isnan(i.value) ? "" : real_repr(i.value, t[0]), isnan(i.low) ? "" : real_repr(i.low, t[1]),
                 isnan(i.high) ? "" : real_repr(i.high, t[2]), isnan(beside) ? "" : real_repr(beside, t[3]), what);
}

Interval interval_alone(double x) { return (Interval){x, NAN, NAN}; }
const char *report_percent(Arena *a, double x) { return isnan(x) ? "–" : arena_print(a, "%.0f %%", 100 * x); }

Plot *report_curve(Report *r, const char *title, const char *description, const char *y_label, double width, double height) {
    Plot *p = plot_new(r->a, title, description);
    plot_size(p, width, height);
    plot_x(p, (Axis){.label = "layer", .whole = true, .fixed = r->v->L > 1, .low = r->x[0], .high = r->x[r->v->L - 1]});
    plot_y(p, (Axis){.label = y_label, .zero = true});
    return p;
}

bool report_any_finite(const double *y, int n) {
    for (int i = 0; i < n; i++)
        if (isfinite(y[i])) return true;
    return false;
}

bool report_emerged(const Report *r, int k) { return r->truth->emergence[k].value <= r->v->layer[r->native]; }

static void entropy_section(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *q25 = take(r->a, double, L), *q75 = take(r->a, double, L), *control = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        y[l] = r->words[l].entropy.mean, low[l] = r->words[l].entropy_mean.low, high[l] = r->words[l].entropy_mean.high;
        q25[l] = r->words[l].entropy.q25, q75[l] = r->words[l].entropy.q75, control[l] = v->mean ? v->mean[l].entropy : NAN;
        report_measure(r, arena_print(r->a, "entropy layer %d", v->layer[l]), r->words[l].entropy_mean.low == r->words[l].entropy_mean.low ? r->words[l].entropy_mean : interval_alone(y[l]), control[l], "mean control");
    }
    if (!report_any_finite(y, v->L)) return;
    page_section(r->page, "Uncertainty", "How unsure the decoder is of its own next word, averaged along the caption. Low does not mean right: a caption that has fallen into a loop is sure of itself, too.");
    Plot *p = report_curve(r, "Entropy of the caption", "Mean entropy per token over the layers, with the quartiles of captions and the mean control", "bits a token", 620, 340);
    int quartiles = plot_series_like(p, NULL, 0, false), mean = plot_series_like(p, "mean", 0, false);
    plot_band(p, quartiles, r->x, q25, q75, L);
    plot_band(p, mean, r->x, low, high, L);
    plot_line(p, mean, r->x, y, L);
    if (report_any_finite(control, v->L)) plot_line(p, plot_series_like(p, "mean control", 1, true), r->x, control, L);
    if (v->native >= 0) plot_rule(p, 'x', v->layer[v->native], "the model's own");
    const char *file = plot_svg(p, PLOT_FILE);
    file_write(verbalize_path(r->s, "entropy.svg"), file, strlen(file));
    page_figure(r->page, plot_svg(p, PLOT_INLINE), "Wide band: the middle half of the captions; narrow band: 95 % interval of the mean. Where the curve lies on the mean control, the captions owe nothing to the picture in what they are unsure of.");
}

// ---- categories

#define PUBLISHED "data/verbalize/published_shares.tsv"

// The study's own shares beside ours, where the layers are as many as its tower has.
static void published_table(Report *r) {
    const char *published = file_shipped(r->a, PUBLISHED);
    if (!r->c || r->truth || r->v->L - r->from != 24 || r->v->layer[r->v->L - 1] != 24 || !file_exists(published)) return;
    Csv *c = csv_open(r->a, published, '\t');
    size_t n = csv_columns(c);
    PageColumn *columns = take_zero(r->a, PageColumn, n);
    int *class = take(r->a, int, n);
    for (size_t k = 0; k < n; k++) {
        columns[k] = (PageColumn){arena_text(r->a, csv_name(c, k), strlen(csv_name(c, k))), true, k ? "here, then published" : NULL};
        class[k] = classes_named(r->c->classes, columns[k].name);
        if (class[k] >= 0) columns[k].name = classes_title(r->c->classes, r->a, class[k]);
    }
    page_table_begin(r->page, "Here and, after the stroke, as published for CoCa ViT-L/14 on 5,000 pictures of COCO, labelled by Llama-3.1-70B; percent. For orientation: other pictures of the same kind move single shares by up to 2 points.", columns, (int)n);
    for (int l = r->from; csv_next(c) && l < r->v->L; l++)
        for (size_t k = 0; k < n; k++) {
            if (k == 0) page_cell_number(r->page, r->v->layer[l], 0);
            else if (class[k] < 0) page_cell(r->page, arena_print(r->a, "– / %s", csv_get(c, k))); // --map has no such class
            else page_cell(r->page, arena_print(r->a, "%.1f / %s", r->c->table[l * r->c->K + class[k]], csv_get(c, k)));
        }
    page_table_end(r->page);
    csv_close(c);
}

static bool by_grammar(const Report *r) { return r->s->labeller == LABEL_WORLD && !r->s->labels_dir; }

// In words: who put the parts of captions into categories.
static const char *labelled_by(Report *r) {
    switch (r->s->labels_dir ? LABEL_NONE : r->s->labeller) {
    case LABEL_WORLD: return "the grammar of the world, which knows the kind of every word";
    case LABEL_LEXICON: return "a table of words. Good enough to see the chart, not to quote it: a table built from published answers differs from the language model that gave them by 18 points a layer";
    case LABEL_LLM: return arena_print(r->a, "the language model %s, asked with the %s prompt", r->s->llm ? path_name(r->s->llm) : r->c->labeller, r->s->prompt_kind == 1 ? "original" : "repaired");
    default: return r->c->labeller;
    }
}

static void category_section(Report *r) {
    if (!r->c) return;
    Verbal *v = r->v;
    int shown;
    const char *svg = sac_figure(v, r->c, r->a, PLOT_INLINE, &shown);
    page_section(r->page, "Categories", arena_print(r->a, "Each part of a caption has a category; each caption weighs the same. Labelled by: %s.%s", labelled_by(r), by_grammar(r) ? " The classes are the study's: a shape is an Inanimate Object, a size or a number Quantity, a pattern Shape & Style & State, a habitat a Location." : ""));
    page_figure(r->page, svg, arena_print(r->a, "Categories with at least 5 %% at some layer, stacked in the order of their share at layer %d, in the form of the study's chart. What is left to 100 %% are the others.", v->layer[r->from]));
    size_t strict = 0, tolerant = 0, all = v->N * (size_t)v->L;
    for (int l = 0; l < v->L; l++) strict += r->c->strict_ok[l], tolerant += r->c->tolerant_ok[l];
    page_text(r->page, arena_print(r->a, "Of %zu answers the strict reader takes %zu, the tolerant one %zu; the tables are of the %s one.", all, strict, tolerant, r->s->parse == 1 ? "strict" : "tolerant"));
    PageColumn *columns = take_zero(r->a, PageColumn, (size_t)shown + 1);
    int *order = take(r->a, int, (size_t)r->c->K);
    shares_shown(order, r->c->table + (size_t)r->from * (size_t)r->c->K, v->L - r->from, r->c->K, 5);
    columns[0] = (PageColumn){"layer", true, NULL};
    for (int k = 0; k < shown; k++) columns[k + 1] = (PageColumn){classes_title(r->c->classes, r->a, order[k]), true, r->c->emergence[order[k]] < 0 ? NULL : arena_print(r->a, "above half of its final share from layer %d on", v->layer[r->c->emergence[order[k]]])};
    if (!shown) return;
    page_table_begin(r->page, "Mean share of each category, percent", columns, shown + 1);
    for (int l = 0; l < v->L; l++) {
        page_cell_number(r->page, v->layer[l], 0);
        for (int k = 0; k < shown; k++) {
            page_cell_number(r->page, r->c->table[l * r->c->K + order[k]], 1);
            report_measure(r, arena_print(r->a, "share %s layer %d", classes_name(r->c->classes, order[k]), v->layer[l]), interval_alone(r->c->table[l * r->c->K + order[k]]), NAN, "percent");
        }
    }
    page_table_end(r->page);
    published_table(r);
}

// ---- diversity, scores

static void diversity_section(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *distinct = take(r->a, double, L), *like = take(r->a, double, L), *grammatical = take(r->a, double, L), *near = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        distinct[l] = (double)r->words[l].distinct / (double)v->N, like[l] = r->words[l].like_mean, grammatical[l] = r->words[l].grammatical, near[l] = r->words[l].jaccard_last;
        report_measure(r, arena_print(r->a, "distinct captions layer %d", v->layer[l]), interval_alone((double)r->words[l].distinct), (double)v->N, "pictures");
    }
    page_section(r->page, "How different the captions are", "The study found a funnel: babble that differs from picture to picture, then a few stock sentences for all of them, then captions again.");
    Plot *p = report_curve(r, "Captions of a layer", "Distinct captions, those equal to the mean control, grammatical ones, and overlap with the model's own caption", "share", 620, 340);
    plot_y(p, (Axis){.label = "share", .fixed = true, .low = 0, .high = 1});
    plot_line(p, plot_series_like(p, "distinct / pictures", 0, false), r->x, distinct, L);
    plot_line(p, plot_series_like(p, "overlap with own layer", 2, false), r->x, near, L);
    if (report_any_finite(grammatical, v->L)) plot_line(p, plot_series_like(p, "in the world's grammar", 3, false), r->x, grammatical, L);
    if (report_any_finite(like, v->L)) plot_line(p, plot_series_like(p, "as the mean control", 1, true), r->x, like, L);
    const char *file = plot_svg(p, PLOT_FILE);
    file_write(verbalize_path(r->s, "diversity.svg"), file, strlen(file));
    page_figure(r->page, plot_svg(p, PLOT_INLINE), NULL);
    PageColumn columns[] = {{"layer", true, NULL}, {"bits, mean", true, NULL}, {"bits, median", true, NULL}, {"distinct", true, "of all pictures' captions"}, {"words", true, "mean"}, {"type/token", true, "different words of a caption over all its words, mean"},
                            {"vocabulary", true, "different words in the layer"}, {"same as next", true, "captions identical with the next layer's"}, {"overlap with own", true, "mean Jaccard overlap of word sets with the model's own layer"}};
    page_table_begin(r->page, "Captions in numbers", columns, 9);
    for (int l = 0; l < v->L; l++) {
        const LayerWords *w = &r->words[l];
        page_cell_number(r->page, v->layer[l], 0);
        page_cell_number(r->page, w->entropy.mean, 3), page_cell_number(r->page, w->entropy.median, 3);
        page_cell_number(r->page, (double)w->distinct, 0), page_cell_number(r->page, w->words, 2), page_cell_number(r->page, w->type_token, 3);
        page_cell_number(r->page, (double)w->vocabulary, 0), page_cell_number(r->page, l + 1 < v->L ? (double)w->same_next : NAN, 0), page_cell_number(r->page, w->jaccard_last, 3);
    }
    page_table_end(r->page);
    size_t least = v->N;
    for (int l = r->from; l < v->L; l++) least = r->words[l].distinct < least ? r->words[l].distinct : least;
    if (v->N > 1 && least >= v->N * 9 / 10) page_note(r->page, arena_print(r->a, "No funnel here: from layer 1 on at least %zu of %zu captions are distinct at every layer.", least, v->N));
}

static void score_section(Report *r) {
    if (!r->scores) return;
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *first = take(r->a, double, L), *flow = take(r->a, double, L), *fhigh = take(r->a, double, L), *hit = take(r->a, double, v->N);
    for (size_t l = 0; l < L; l++) {
        Resampling how = {.n = v->N, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "score bootstrap")};
        Interval i = v->N > 1 ? bootstrap_mean(how, r->scores->score[l], r->a) : interval_alone(r->scores->score[l][0]);
        for (size_t k = 0; k < v->N; k++) hit[k] = r->scores->rank[l][k] <= 1;
        Interval f = v->N > 1 ? bootstrap_mean(how, hit, r->a) : interval_alone(hit[0]);
        y[l] = i.value, low[l] = i.low, high[l] = i.high, first[l] = f.value, flow[l] = f.low, fhigh[l] = f.high;
        report_measure(r, arena_print(r->a, "score layer %d", v->layer[l]), i, r->scores->mean_score[l], "mean control");
        report_measure(r, arena_print(r->a, "picture found first layer %d", v->layer[l]), f, 1 / (double)v->N, "chance");
    }
    page_section(r->page, "Does the caption find its picture?", arena_print(r->a, "A contrastive model (%s) compares every caption with every picture: the cosine of the right pair, and how often the right picture comes first among %zu.", r->scores->judge, v->N));
    Plot *panels[2];
    panels[0] = report_curve(r, "Score", "100 times the cosine of caption and picture over the layers, with the mean control", "100 cos", 360, 300);
    int s = plot_series(panels[0], "captions");
    plot_band(panels[0], s, r->x, low, high, L);
    plot_line(panels[0], s, r->x, y, L);
    if (report_any_finite(r->scores->mean_score, v->L)) plot_line(panels[0], plot_series_like(panels[0], "mean control", 1, true), r->x, r->scores->mean_score, L);
    panels[1] = report_curve(r, "The right picture first", "Share of captions whose own picture is the nearest of all", "share", 360, 300);
    plot_y(panels[1], (Axis){.label = "share", .fixed = true, .low = 0, .high = 1});
    s = plot_series(panels[1], "captions");
    plot_band(panels[1], s, r->x, flow, fhigh, L);
    plot_line(panels[1], s, r->x, first, L);
    plot_rule(panels[1], 'y', 1 / (double)v->N, "chance");
    page_figure(r->page, plot_panels(r->a, "Captions judged by a contrastive model", "Two panels: score and share of pictures found", panels, 2, 2, PLOT_INLINE), "Bands: 95 % intervals over pictures.");
}

static void reference_section(Report *r) {
    if (!r->references) return;
    Verbal *v = r->v;
    page_section(r->page, "Against reference captions", arena_print(r->a, "%zu reference captions of %zu pictures. Words are lower-cased and rid of punctuation, which is not the official script's tokenizer: compare across layers, not with papers.", r->references->texts, r->references->with));
    PageColumn columns[] = {{"layer", true, NULL}, {"BLEU-1", true, NULL}, {"BLEU-4", true, NULL}, {"ROUGE-L", true, NULL}, {"CIDEr-D", true, NULL}, {"mean control: BLEU-4", true, "of the caption that the layer says of the mean picture"}, {"mean control: CIDEr-D", true, "of the caption that the layer says of the mean picture"}};
    page_table_begin(r->page, NULL, columns, 7);
    for (int l = 0; l < v->L; l++) {
        const CaptionScores *c = &r->references->layers[l], *m = r->references->mean ? &r->references->mean[l] : NULL;
        page_cell_number(r->page, v->layer[l], 0);
        page_cell_number(r->page, c->bleu[0], 3), page_cell_number(r->page, c->bleu[3], 3), page_cell_number(r->page, c->rouge_l, 3), page_cell_number(r->page, c->cider_d, 3);
        page_cell_number(r->page, m ? m->bleu[3] : NAN, 3), page_cell_number(r->page, m ? m->cider_d : NAN, 3);
        report_measure(r, arena_print(r->a, "CIDEr-D layer %d", v->layer[l]), interval_alone(c->cider_d), m ? m->cider_d : NAN, "mean control");
    }
    page_table_end(r->page);
}

// ---- the whole

static void headlines(Report *r) {
    Verbal *v = r->v;
    Arena *a = r->a;
    if (r->truth) {
        static const Fact shown[] = {FACT_COLOUR, FACT_SHAPE, FACT_PLACE};
        static const char *const names[] = {"Colours", "Shapes", "Habitats"};
        for (int i = 0; i < 3; i++) {
            Interval e = r->truth->emergence[shown[i]];
            const LayerTruth *t = &r->truth->layers[r->native];
            bool yes = report_emerged(r, shown[i]);
            page_headline(r->page, arena_print(a, "%s are told of the picture, and not of any picture, from", names[i]), !yes ? "nowhere" : arena_print(a, "layer %.0f", e.value),
                          !yes || isnan(e.low) ? NULL : e.low == e.high ? "in 95 % of resamples" : arena_print(a, "%.0f – %.0f", e.low, e.high),
                          arena_print(a, "F1 at the own layer %.2f; mean control %.2f, other pictures %.2f", t->f[shown[i]].value, t->mean_f[shown[i]], t->shuffled_f[shown[i]]));
        }
    }
    double first = r->words[r->from].entropy.mean, last = r->words[r->native].entropy.mean;
    if (isfinite(first) && isfinite(last))
        page_headline(r->page, "The decoder's uncertainty at the model's own layer, in bits a token", arena_print(a, "%.2f", last), NULL, arena_print(a, "layer %d: %.2f", v->layer[r->from], first));
    if (!r->truth) {
        size_t least = v->N;
        int at = 0;
        for (int l = 0; l < v->L; l++)
            if (r->words[l].distinct < least) least = r->words[l].distinct, at = l;
        page_headline(r->page, arena_print(a, "Distinct captions of %zu where they are fewest", v->N), arena_print(a, "%zu", least), NULL, arena_print(a, "layer %d", v->layer[at]));
    }
}

static void made(Report *r) {
    Verbalize *s = r->s;
    Verbal *v = r->v;
    page_made(r->page, "command", s->command);
    page_made(r->page, "model", s->captions_given.count ? v->model_text : arena_print(r->a, "%s (%s)", s->model_dir, v->model_text));
    if (!s->captions_given.count) {
        page_made(r->page, "model checksum", verbalize_model_stamp(s));
        page_made(r->page, "pictures", arena_print(r->a, "%zu%s%s; %zu could not be read, %zu samples without a picture, %zu without a caption beside them, %zu archives damaged", v->N, s->from_world ? " held-out scenes of the procedural world" : " from ",
                                                 s->from_world ? "" : s->features_given.count ? s->features_given.items[0] : s->images.items[0], v->failed, s->samples_bare, s->captions_missing, s->archives_damaged));
        static const char *const rescales[] = {"none: states as they are", "norm: scaled to the native layer's mean token length", "moments: each channel to the native layer's mean and deviation"};
        page_made(r->page, "rescale", rescales[s->rescale]);
        static const char *const controls[] = {"none: the pictures' own captions", "mean: every caption is that of the mean state", "zero: every caption is said of no image tokens", "shuffle: captions of other pictures"};
        page_made(r->page, "control", controls[s->control]);
        if (s->tuned) page_made(r->page, "tuned", arena_print(r->a, "every layer but the model's own is read through a map of %s", s->tuned));
        page_made(r->page, "prompt", r->retrieval || !s->prompt ? "none" : s->prompt);
        page_made(r->page, "mean control", arena_print(r->a, "over the first %zu pictures that could be read", verbalize_calibration(s)->n));
    }
    page_made(r->page, "labels", r->c ? labelled_by(r) : "none");
    page_made(r->page, "layers", "counted from 1 behind each block, 0 before the first; the original's files count from 0");
    page_made(r->page, "seed", arena_print(r->a, "%lld", (long long)s->seed));
    page_made(r->page, "files", "caps_batch*.json, entropy_batch*.json, captions.csv, classification_data.csv, truth.csv, diversity.csv, entropy.csv, emergence.csv, scores.csv, controls.csv, parse.csv, table.tsv, run.txt");
}

void verbalize_report(Verbalize *s) {
    Report rep = {.s = s, .a = arena_new("the report"), .v = verbal_open(s)}, *r = &rep;
    Verbal *v = r->v;
    r->words = measure_words(s, v, r->a), r->truth = measure_truth(s, v, r->a), r->c = measure_categories(s, v, r->a), r->scores = scores_open(s, v, r->a), r->references = measure_references(s, v, r->a), r->likelihood = measure_likelihood(s, v, r->a);
    need(r->truth || !s->beside_runs.count, "--beside: where families of facts emerge is known of scenes of the world alone; leave out --images, --features and --captions");
    r->from = layer_first(v), r->native = v->native >= 0 ? v->native : v->L - 1;
    r->retrieval = !s->captions_given.count && speaker_retrieves(verbalize_speaker(s));
    r->x = take(r->a, double, (size_t)v->L);
    for (int l = 0; l < v->L; l++) r->x[l] = v->layer[l];
    r->page = page_new(r->a, r->retrieval ? "The nearest caption of every layer" : "A caption for every layer", s->captions_given.count ? v->model_text : arena_print(r->a, "%s, %zu pictures, %d layers", path_name(s->model_dir), v->N, v->L - r->from));
    r->table = writer_open(verbalize_path(s, "table.tsv"));
    writer_print(r->table, "measure\there\tlow\thigh\tbeside\twhat\n");
    headlines(r);
    report_said(r);
    report_truth(r);
    report_likelihood(r);
    entropy_section(r);
    category_section(r);
    diversity_section(r);
    score_section(r);
    reference_section(r);
    if (v->failed || s->archives_damaged) page_note(r->page, arena_print(r->a, "%zu pictures could not be read, %zu archives are damaged; failed.csv says why.", v->failed, s->archives_damaged));
    made(r);
    writer_close(r->table);
    page_write(r->page, verbalize_path(s, "report.html"));
    arena_free(r->a);
}
