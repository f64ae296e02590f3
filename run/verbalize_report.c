// verbalize_report.c: step `report`: report.html and table.tsv from what the other steps left.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"
#include "io/csv.h"
#include "io/number.h"
#include "verbalize_measure.h"

#define SHOWN 12   // pictures with all their captions
#define THUMB 160  // pixels of a shown picture's longer side
#define KINDS 8    // colours of words

typedef struct {
    Verbalize *s;
    Arena *a;
    Page *page;
    Writer *table;
    Verbal *v;
    LayerWords *words;
    Truth *truth;      // NULL beyond the world
    Categories *c;     // NULL without
    Scores *scores;    // NULL without
    ReferenceScores *references; // NULL without
    Likelihoods *likelihood; // NULL without
    double *x;         // (L) layer numbers
    int native, from;  // places among the layers: the model's own; layer 1
    bool retrieval;
} Report;

static void measure(Report *r, const char *name, Interval i, double beside, const char *what) {
    char t[4][32];
    writer_print(r->table, "%s\t%s\t%s\t%s\t%s\t%s\n", name, isnan(i.value) ? "" : real_repr(i.value, t[0]), isnan(i.low) ? "" : real_repr(i.low, t[1]),
                 isnan(i.high) ? "" : real_repr(i.high, t[2]), isnan(beside) ? "" : real_repr(beside, t[3]), what);
}

static Interval alone(double x) { return (Interval){x, NAN, NAN}; }
static const char *percent(Arena *a, double x) { return isnan(x) ? "–" : arena_print(a, "%.0f %%", 100 * x); }
static const char *layer_name(Report *r, int place) {
    int l = r->v->layer[place];
    return l == 0 ? "before the first block" : arena_print(r->a, "layer %d%s", l, place == r->v->native ? " (the model's own)" : "");
}

// ---- what is said, layer by layer

static int picture_of(Report *r, size_t i) {
    if (r->s->captions_given.count || r->s->features_given.count) return -1;
    ImageOptions options = picture_options(&r->s->picture_options);
    Image image = gathered_read(r->a, &r->s->pictures.items[r->v->at[i]], &options);
    Picture p = picture_from(&image);
    return page_thumbnail(r->page, p.rgb, p.width, p.height, THUMB, 88);
}

static const char *const world_kinds[KINDS] = {"colour", "shape", "size", "pattern", "number", "place", "position", "unknown"};
static const int kind_of_word[WORD_KINDS] = {[WORD_COLOUR] = 1, [WORD_SHAPE] = 2, [WORD_SIZE] = 3, [WORD_PATTERN] = 4, [WORD_NUMBER] = 5, [WORD_PLACE] = 6, [WORD_POSITION] = 7, [WORD_UNKNOWN] = 8};

static void world_words(Report *r, const char *caption, const WorldScene *scene, PageLayer *out) {
    WorldReading w = world_read(r->a, caption, scene);
    PageWord *words = take(r->a, PageWord, w.count + 1);
    for (size_t i = 0; i < w.count; i++)
        words[i] = (PageWord){.text = w.words[i].text, .length = w.words[i].length, .kind = kind_of_word[w.words[i].kind],
                              .truth = w.words[i].said == SAID_TRUE ? 1 : w.words[i].said == SAID_FALSE ? -1 : 0};
    out->words = words, out->count = w.count;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

// Where the phrase stands in the caption from `at` on, small and capital letters alike; the caption's length when nowhere.
static size_t place_of(const char *caption, size_t at, const char *phrase) {
    size_t n = strlen(caption), m = strlen(phrase);
    for (; m && at + m <= n; at++) {
        size_t i = 0;
        while (i < m && lower(caption[at + i]) == lower(phrase[i])) i++;
        if (i == m) return at;
    }
    return n;
}

// The caption cut into the parts that were labelled, in order, and what stands between them.
static void category_words(Report *r, const char *caption, const Answer *answer, const int *kind_of_class, PageLayer *out) {
    PageWord *words = take(r->a, PageWord, answer ? answer->count * 2 + 1 : 1);
    size_t n = 0, at = 0, length = strlen(caption);
    for (size_t p = 0; answer && p < answer->count; p++) {
        size_t found = place_of(caption, at, answer->parts[p].phrase), m = strlen(answer->parts[p].phrase);
        if (found == length || m == 0) continue;
        size_t end = found;
        while (end > at && caption[end - 1] == ' ') end--;
        while (at < end && caption[at] == ' ') at++;
        if (end > at) words[n++] = (PageWord){.text = caption + at, .length = end - at};
        words[n++] = (PageWord){.text = caption + found, .length = m, .kind = kind_of_class[classes_of(r->c->classes, answer->parts[p].labels[0], NULL)]};
        at = found + m;
    }
    while (at < length && caption[at] == ' ') at++;
    if (at < length) words[n++] = (PageWord){.text = caption + at, .length = length - at};
    out->words = words, out->count = n;
}

static void said_section(Report *r) {
    Verbal *v = r->v;
    WorldScene scene;
    bool world = r->truth != NULL;
    page_section(r->page, "What each layer says", r->retrieval ? "The state behind each block goes through the tower's own last norm and projection; shown is the caption of the bank that is nearest. This is retrieval, not verbalisation: every answer is a well-formed caption, whatever the layer knows."
                                            : "The state behind each block goes, unchanged, where the model puts its last one, and the model's own decoder says what it sees. Move the slider, or let it play. The bar is the decoder's mean uncertainty along its own words, in bits a token.");
    int kind_of_class[512] = {0}, n = 0, order[512];
    const char *kinds[KINDS];
    if (world) {
        for (int k = 0; k < KINDS; k++) kinds[n++] = world_kinds[k];
    } else if (r->c) {
        need(r->c->K <= 512, "%d classes; a report shows at most 512", r->c->K);
        int shown = shares_shown(order, r->c->table + (size_t)r->from * (size_t)r->c->K, v->L - r->from, r->c->K, 0), unknown = classes_unknown(r->c->classes);
        // the seven that are said most over all layers, then UNKNOWN in the eighth colour
        double *sum = take_zero(r->a, double, (size_t)r->c->K);
        for (int k = 0; k < r->c->K; k++)
            for (int l = 0; l < v->L; l++) sum[k] += isnan(r->c->table[l * r->c->K + k]) ? 0 : r->c->table[l * r->c->K + k];
        for (int pick = 0; pick < KINDS - 1; pick++) {
            int best = -1;
            for (int i = 0; i < shown; i++)
                if (order[i] != unknown && !kind_of_class[order[i]] && sum[order[i]] > 0 && (best < 0 || sum[order[i]] > sum[best])) best = order[i];
            if (best < 0) break;
            kinds[n++] = classes_name(r->c->classes, best);
            kind_of_class[best] = n;
        }
        if (n == KINDS - 1) kinds[n++] = "UNKNOWN", kind_of_class[unknown] = n;
    }
    const char **labels = take(r->a, const char *, (size_t)v->L);
    for (int l = 0; l < v->L; l++) labels[l] = layer_name(r, l);
    double most = 0;
    for (int l = 0; l < v->L; l++) most = fmax(most, isnan(r->words[l].entropy.max) ? 0 : r->words[l].entropy.max);
    page_layers_begin(r->page, NULL, labels, v->L, r->from, kinds, n, world);
    size_t cards = v->N < SHOWN ? v->N : SHOWN;
    for (size_t k = 0; k < cards; k++) {
        size_t i = k * v->N / cards;
        PageLayer *said = take_zero(r->a, PageLayer, (size_t)v->L);
        if (world) verbalize_scene(r->s, v->names[i], &scene);
        for (int l = 0; l < v->L; l++) {
            double h = v->entropy[l][i];
            if (world) world_words(r, v->captions[l][i], &scene, &said[l]);
            else category_words(r, v->captions[l][i], r->c ? &r->c->answers[l][i] : NULL, kind_of_class, &said[l]);
            said[l].bar = isnan(h) || most <= 0 ? NAN : h / most;
            said[l].note = isnan(h) ? NULL : arena_print(r->a, "%.2f bits", h);
        }
        const char *name = v->names[i] ? v->names[i] : arena_print(r->a, "caption %zu", i);
        page_layers_card(r->page, picture_of(r, i), v->beside[i] ? arena_print(r->a, "%s: %s", name, v->beside[i]) : name, said);
    }
    page_layers_end(r->page);
    if (!v->mean) return;
    PageColumn columns[] = {{"layer", true, NULL}, {"said of the mean picture", false, "the layer's state averaged over pictures, position by position"}, {"bits", true, NULL}, {"pictures that get this very caption", true, NULL}};
    page_table_begin(r->page, "The control: what a layer says of no picture in particular. A claim that a layer knows something is a claim against this.", columns, 4);
    for (int l = 0; l < v->L; l++) {
        page_cell_number(r->page, v->layer[l], 0);
        page_cell(r->page, v->mean[l].text);
        page_cell_number(r->page, v->mean[l].entropy, 2);
        page_cell(r->page, percent(r->a, r->words[l].like_mean));
    }
    page_table_end(r->page);
    if (v->zero) page_text(r->page, arena_print(r->a, "With every image token set to zero the decoder says: “%s” (%.2f bits a token).", v->zero->text, v->zero->entropy));
}

// ---- curves

static Plot *curve(Report *r, const char *title, const char *description, const char *y_label, double width, double height) {
    Plot *p = plot_new(r->a, title, description);
    plot_size(p, width, height);
    plot_x(p, (Axis){.label = "layer", .whole = true, .fixed = r->v->L > 1, .low = r->x[0], .high = r->x[r->v->L - 1]});
    plot_y(p, (Axis){.label = y_label, .zero = true});
    return p;
}

static bool any_finite(const double *y, int n) {
    for (int i = 0; i < n; i++)
        if (isfinite(y[i])) return true;
    return false;
}

static void entropy_section(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *q25 = take(r->a, double, L), *q75 = take(r->a, double, L), *control = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        y[l] = r->words[l].entropy.mean, low[l] = r->words[l].entropy_mean.low, high[l] = r->words[l].entropy_mean.high;
        q25[l] = r->words[l].entropy.q25, q75[l] = r->words[l].entropy.q75, control[l] = v->mean ? v->mean[l].entropy : NAN;
        measure(r, arena_print(r->a, "entropy layer %d", v->layer[l]), r->words[l].entropy_mean.low == r->words[l].entropy_mean.low ? r->words[l].entropy_mean : alone(y[l]), control[l], "mean control");
    }
    if (!any_finite(y, v->L)) return;
    page_section(r->page, "Uncertainty", "How unsure the decoder is of its own next word, averaged along the caption. Low does not mean right: a caption that has fallen into a loop is sure of itself, too.");
    Plot *p = curve(r, "Entropy of the caption", "Mean entropy per token over the layers, with the quartiles of captions and the mean control", "bits a token", 620, 340);
    int quartiles = plot_series_like(p, NULL, 0, false), mean = plot_series_like(p, "mean", 0, false);
    plot_band(p, quartiles, r->x, q25, q75, L);
    plot_band(p, mean, r->x, low, high, L);
    plot_line(p, mean, r->x, y, L);
    if (any_finite(control, v->L)) plot_line(p, plot_series_like(p, "mean control", 1, true), r->x, control, L);
    if (v->native >= 0) plot_rule(p, 'x', v->layer[v->native], "the model's own");
    const char *file = plot_svg(p, PLOT_FILE);
    file_write(verbalize_path(r->s, "entropy.svg"), file, strlen(file));
    page_figure(r->page, plot_svg(p, PLOT_INLINE), "Wide band: the middle half of the captions; narrow band: 95 % interval of the mean. Where the curve lies on the mean control, the captions owe nothing to the picture in what they are unsure of.");
}

// ---- truth

static void truth_panel(Report *r, int k, Plot **panel) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *mean = take(r->a, double, L), *shuffled = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        const LayerTruth *t = &r->truth->layers[l];
        y[l] = t->f[k].value, low[l] = t->f[k].low, high[l] = t->f[k].high;
        mean[l] = isnan(y[l]) ? NAN : t->mean_f[k], shuffled[l] = isnan(y[l]) ? NAN : t->shuffled_f[k];
        measure(r, arena_print(r->a, "%s f layer %d", fact_names[k], v->layer[l]), t->f[k], t->mean_f[k], "mean control");
        measure(r, arena_print(r->a, "%s precision layer %d", fact_names[k], v->layer[l]), t->precision[k], t->shuffled_precision[k], "captions of other pictures");
        measure(r, arena_print(r->a, "%s recall layer %d", fact_names[k], v->layer[l]), t->recall[k], t->shuffled_recall[k], "captions of other pictures");
    }
    const char *what = k == FACT_RELATION ? "precision" : k == FACT_COUNT ? "told rightly" : "F1";
    Plot *p = *panel = curve(r, fact_names[k], "Share over the layers, with the mean control and captions of other pictures", what, 250, 230);
    plot_y(p, (Axis){.label = what, .fixed = true, .low = 0, .high = 1});
    int s = plot_series_like(p, NULL, 0, false);
    plot_band(p, s, r->x, low, high, L);
    plot_line(p, s, r->x, y, L);
    plot_line(p, plot_series_like(p, NULL, 1, true), r->x, mean, L);
    plot_line(p, plot_series_like(p, NULL, 7, true), r->x, shuffled, L);
}

static bool emerged(const Report *r, int k) { return r->truth->emergence[k].value <= r->v->layer[r->native]; }

// Said plainly where there is nothing to see.
static void truth_limits(Report *r) {
    const char *unseen = "";
    for (int k = 0; k < FACTS; k++) {
        const LayerTruth *t = &r->truth->layers[r->native];
        if (isnan(t->f[k].value) || !(t->f[k].low > t->shuffled_f[k])) unseen = arena_print(r->a, "%s%s%s", unseen, *unseen ? ", " : "", fact_names[k]);
    }
    if (*unseen) page_note(r->page, arena_print(r->a, "Not shown by this model, even at its own layer: %s. Either nothing of the kind is said, or it is no truer than of other pictures.", unseen));
    Interval after = r->truth->after_colour[FACT_SHAPE];
    if (!(after.low > 0)) page_note(r->page, arena_print(r->a, "The order colour before shape is not established here: shapes come %.0f layers after colours, and in 95 %% of resamples of the pictures between %.0f and %.0f.", after.value, after.low, after.high));
}

// The layers at which another run saw families emerge: texts, "–" where it never did.
static const char **emergence_of(Report *r, const char *folder) {
    const char **layers = take_zero(r->a, const char *, FACTS);
    Csv *c = csv_open(r->a, path_join(r->a, folder, "emergence.csv"), ',');
    size_t what = csv_column(c, "what"), name = csv_column(c, "name"), layer = csv_column(c, "layer"), low = csv_column(c, "low"), high = csv_column(c, "high");
    while (csv_next(c))
        for (int k = 0; k < FACTS && strcmp(csv_get(c, what), "f") == 0; k++) {
            if (strcmp(csv_get(c, name), fact_names[k]) != 0) continue;
            layers[k] = *csv_get(c, layer) ? arena_print(r->a, "%.0f (%.0f – %.0f)", csv_get_real(c, layer), csv_get_real(c, low), csv_get_real(c, high)) : "never";
        }
    csv_close(c);
    return layers;
}

// --beside: the same of models that were trained from other seeds, say.
static void beside_table(Report *r) {
    size_t runs = r->s->beside_runs.count;
    if (!runs) return;
    PageColumn *columns = take_zero(r->a, PageColumn, runs + 2);
    const char ***layers = take(r->a, const char **, runs);
    columns[0] = (PageColumn){"family", false, NULL}, columns[1] = (PageColumn){"this run", true, NULL};
    for (size_t i = 0; i < runs; i++) {
        const char *folder = r->s->beside_runs.items[i];
        columns[i + 2] = (PageColumn){path_name(folder), true, folder};
        layers[i] = emergence_of(r, folder);
    }
    page_table_begin(r->page, "The layer from which on each family is told, here and in other runs, with 95 % intervals over pictures", columns, (int)runs + 2);
    for (int k = 0; k < FACTS; k++) {
        Interval e = r->truth->emergence[k];
        page_cell(r->page, fact_names[k]);
        if (emerged(r, k)) page_cell_interval(r->page, e.value, e.low, e.high, 0);
        else page_cell(r->page, "never");
        for (size_t i = 0; i < runs; i++) page_cell(r->page, layers[i][k] ? layers[i][k] : "–");
    }
    page_table_end(r->page);
}

static void truth_section(Report *r) {
    if (!r->truth) return;
    Plot *panels[FACTS];
    page_section(r->page, "What is true, and from where on", "Every scene is known to the last object, so each caption can be marked. Precision: of the colours (shapes, …) that are said, how many are there. Recall: of those that are there, how many are said. F1 is their harmonic mean. "
                                                             "A caption that names everything has full recall and tells nothing, so each curve stands beside what the same captions score on other pictures.");
    for (int k = 0; k < FACTS; k++) truth_panel(r, k, &panels[k]);
    const char *svgs[2];
    for (int half = 0; half < 2; half++)
        svgs[half] = plot_panels(r->a, half ? "and further" : "True words by family", "Four small panels: how well each family of facts is told, over the layers", panels + 4 * half, 4, 2, PLOT_INLINE);
    page_figures(r->page, svgs, 2, "Solid: captions, band 95 % over pictures. Dashed with squares: the mean control's one caption held against every scene. Dashed with dots: the captions dealt to other pictures; where they do no worse, nothing is known of the picture. "
                                   "Count: all objects told are as many as there are. Binding: two or more attributes of one object in one phrase. A missing point: next to nothing of the kind was said.");
    PageColumn columns[] = {{"family", false, NULL}, {"emerges at layer", true, "first layer from which on F1, less that of captions dealt to other pictures, stays above half of its value at the model's own layer; with a 95 % interval over pictures"},
                            {"layers after colour", true, "in the same resamples of pictures, with a 95 % interval"}, {"F1, own layer", true, "count: told rightly; position: precision"}, {"mean control", true, NULL}, {"other pictures", true, NULL}, {"precision", true, "own layer; of at least ten words"}, {"recall", true, "own layer"}};
    page_table_begin(r->page, "Where each family emerges, and how well the model's own layer tells it", columns, 8);
    for (int k = 0; k < FACTS; k++) {
        const LayerTruth *t = &r->truth->layers[r->native];
        Interval e = r->truth->emergence[k], p = t->said[k] >= SAID_LEAST ? t->precision[k] : alone(NAN);
        page_cell(r->page, fact_names[k]);
        if (emerged(r, k)) page_cell_interval(r->page, e.value, e.low, e.high, 0);
        else page_cell(r->page, "never");
        Interval after = emerged(r, k) && k != FACT_COLOUR ? r->truth->after_colour[k] : alone(NAN);
        page_cell_interval(r->page, after.value, after.low, after.high, 0);
        page_cell_interval(r->page, t->f[k].value, t->f[k].low, t->f[k].high, 2);
        page_cell_number(r->page, isnan(t->f[k].value) ? NAN : t->mean_f[k], 2);
        page_cell_number(r->page, isnan(t->f[k].value) ? NAN : t->shuffled_f[k], 2);
        page_cell_number(r->page, p.value, 2);
        page_cell_number(r->page, t->recall[k].value, 2);
        measure(r, arena_print(r->a, "emergence %s", fact_names[k]), e, NAN, "layer");
    }
    page_table_end(r->page);
    beside_table(r);
    truth_limits(r);
}

// ---- categories

static void published_table(Report *r);

static void category_section(Report *r) {
    if (!r->c) return;
    Verbal *v = r->v;
    int shown;
    const char *svg = sac_figure(v, r->c, r->a, PLOT_INLINE, &shown);
    page_section(r->page, "Categories", arena_print(r->a, "Each part of a caption has a category; each caption weighs the same. Labelled by: %s%s.", r->c->labeller,
                                                    strcmp(r->c->labeller, "lexicon") == 0 ? ", a table of words. Good enough to see the chart, not to quote it: a table built from published answers differs from the language model that gave them by 18 points a layer" : ""));
    page_figure(r->page, svg, "Categories with at least 5 % at some layer, stacked in the order of their share at layer 1, in the form of the study's chart. What is left to 100 % are the others.");
    size_t strict = 0, tolerant = 0, all = v->N * (size_t)v->L;
    for (int l = 0; l < v->L; l++) strict += r->c->strict_ok[l], tolerant += r->c->tolerant_ok[l];
    page_text(r->page, arena_print(r->a, "Of %zu answers the strict reader takes %zu, the tolerant one %zu; the tables are of the %s one.", all, strict, tolerant, r->s->parse == 1 ? "strict" : "tolerant"));
    PageColumn *columns = take_zero(r->a, PageColumn, (size_t)shown + 1);
    int *order = take(r->a, int, (size_t)r->c->K);
    shares_shown(order, r->c->table + (size_t)r->from * (size_t)r->c->K, v->L - r->from, r->c->K, 5);
    columns[0] = (PageColumn){"layer", true, NULL};
    for (int k = 0; k < shown; k++) columns[k + 1] = (PageColumn){classes_name(r->c->classes, order[k]), true, r->c->emergence[order[k]] < 0 ? NULL : arena_print(r->a, "above half of its final share from layer %d on", v->layer[r->c->emergence[order[k]]])};
    if (!shown) return;
    page_table_begin(r->page, "Mean share of each category, percent", columns, shown + 1);
    for (int l = 0; l < v->L; l++) {
        page_cell_number(r->page, v->layer[l], 0);
        for (int k = 0; k < shown; k++) {
            page_cell_number(r->page, r->c->table[l * r->c->K + order[k]], 1);
            measure(r, arena_print(r->a, "share %s layer %d", classes_name(r->c->classes, order[k]), v->layer[l]), alone(r->c->table[l * r->c->K + order[k]]), NAN, "percent");
        }
    }
    page_table_end(r->page);
    published_table(r);
}

#define PUBLISHED "data/verbalize/published_shares.tsv"

// The study's own shares beside ours, where the layers are as many as its tower has.
static void published_table(Report *r) {
    if (!r->c || r->truth || r->v->L - r->from != 24 || r->v->layer[r->v->L - 1] != 24 || !file_exists(PUBLISHED)) return;
    Csv *c = csv_open(r->a, PUBLISHED, '\t');
    size_t n = csv_columns(c);
    PageColumn *columns = take_zero(r->a, PageColumn, n);
    int *class = take(r->a, int, n);
    for (size_t k = 0; k < n; k++) {
        columns[k] = (PageColumn){arena_text(r->a, csv_name(c, k), strlen(csv_name(c, k))), true, k ? "here, then published" : NULL};
        class[k] = classes_named(r->c->classes, columns[k].name);
    }
    page_table_begin(r->page, "Here and, after the stroke, as published for CoCa ViT-L/14 on 5,000 pictures of COCO, labelled by Llama-3.1-70B; percent. For orientation: other pictures of the same kind move single shares by up to 2 points.", columns, (int)n);
    for (int l = r->from; csv_next(c) && l < r->v->L; l++)
        for (size_t k = 0; k < n; k++) {
            if (k == 0) page_cell_number(r->page, r->v->layer[l], 0);
            else page_cell(r->page, arena_print(r->a, "%.1f / %s", class[k] < 0 ? 0 : r->c->table[l * r->c->K + class[k]], csv_get(c, k)));
        }
    page_table_end(r->page);
    csv_close(c);
}

// ---- diversity, scores

static void diversity_section(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *distinct = take(r->a, double, L), *like = take(r->a, double, L), *grammatical = take(r->a, double, L), *near = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        distinct[l] = (double)r->words[l].distinct / (double)v->N, like[l] = r->words[l].like_mean, grammatical[l] = r->words[l].grammatical, near[l] = r->words[l].jaccard_last;
        measure(r, arena_print(r->a, "distinct captions layer %d", v->layer[l]), alone((double)r->words[l].distinct), (double)v->N, "pictures");
    }
    page_section(r->page, "How different the captions are", "The study found a funnel: babble that differs from picture to picture, then a few stock sentences for all of them, then captions again.");
    Plot *p = curve(r, "Captions of a layer", "Distinct captions, those equal to the mean control, grammatical ones, and overlap with the model's own caption", "share", 620, 340);
    plot_y(p, (Axis){.label = "share", .fixed = true, .low = 0, .high = 1});
    plot_line(p, plot_series(p, "distinct / pictures"), r->x, distinct, L);
    plot_line(p, plot_series(p, "overlap with own layer"), r->x, near, L);
    if (any_finite(grammatical, v->L)) plot_line(p, plot_series(p, "in the world's grammar"), r->x, grammatical, L);
    if (any_finite(like, v->L)) plot_line(p, plot_series_like(p, "as the mean control", 1, true), r->x, like, L);
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
    if (least >= v->N * 9 / 10) page_note(r->page, arena_print(r->a, "No funnel here: from layer 1 on at least %zu of %zu captions are distinct at every layer.", least, v->N));
}

static void score_section(Report *r) {
    if (!r->scores) return;
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *first = take(r->a, double, L), *flow = take(r->a, double, L), *fhigh = take(r->a, double, L), *hit = take(r->a, double, v->N);
    for (size_t l = 0; l < L; l++) {
        Resampling how = {.n = v->N, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "score bootstrap")};
        Interval i = v->N > 1 ? bootstrap_mean(how, r->scores->score[l], r->a) : alone(r->scores->score[l][0]);
        for (size_t k = 0; k < v->N; k++) hit[k] = r->scores->rank[l][k] <= 1;
        Interval f = v->N > 1 ? bootstrap_mean(how, hit, r->a) : alone(hit[0]);
        y[l] = i.value, low[l] = i.low, high[l] = i.high, first[l] = f.value, flow[l] = f.low, fhigh[l] = f.high;
        measure(r, arena_print(r->a, "score layer %d", v->layer[l]), i, r->scores->mean_score[l], "mean control");
        measure(r, arena_print(r->a, "picture found first layer %d", v->layer[l]), f, 1 / (double)v->N, "chance");
    }
    page_section(r->page, "Does the caption find its picture?", arena_print(r->a, "A contrastive model (%s) compares every caption with every picture: the cosine of the right pair, and how often the right picture comes first among %zu.", r->scores->judge, v->N));
    Plot *panels[2];
    panels[0] = curve(r, "Score", "100 times the cosine of caption and picture over the layers, with the mean control", "100 cos", 360, 300);
    int s = plot_series(panels[0], "captions");
    plot_band(panels[0], s, r->x, low, high, L);
    plot_line(panels[0], s, r->x, y, L);
    if (any_finite(r->scores->mean_score, v->L)) plot_line(panels[0], plot_series_like(panels[0], "mean control", 1, true), r->x, r->scores->mean_score, L);
    panels[1] = curve(r, "The right picture first", "Share of captions whose own picture is the nearest of all", "share", 360, 300);
    plot_y(panels[1], (Axis){.label = "share", .fixed = true, .low = 0, .high = 1});
    s = plot_series(panels[1], "captions");
    plot_band(panels[1], s, r->x, flow, fhigh, L);
    plot_line(panels[1], s, r->x, first, L);
    plot_rule(panels[1], 'y', 1 / (double)v->N, "chance");
    page_figure(r->page, plot_panels(r->a, "Captions judged by a contrastive model", "Two panels: score and share of pictures found", panels, 2, 2, PLOT_INLINE), "Bands: 95 % intervals over pictures.");
}

// Of the pictures with such a pair: how often the true text is the likelier one.
static Interval choice(Report *r, int c, int l) {
    size_t n = 0;
    double *hit = take(r->a, double, r->v->N);
    for (size_t i = 0; i < r->v->N; i++)
        if (!isnan(r->likelihood->margin[c][l][i])) hit[n++] = r->likelihood->margin[c][l][i] > 0;
    if (n < 2) return n ? alone(hit[0]) : alone(NAN);
    return bootstrap_mean((Resampling){.n = n, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "choice bootstrap")}, hit, r->a);
}

static void choice_panels(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    Plot *panels[CHOICES + 1];
    const char *at_chance = "";
    int n = 0;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L);
    for (int c = 0; c < CHOICES; c++) {
        if (r->likelihood->chosen[c] < SAID_LEAST) continue;
        for (size_t l = 0; l < L; l++) {
            Interval i = choice(r, c, (int)l);
            y[l] = i.value, low[l] = i.low, high[l] = i.high;
            measure(r, arena_print(r->a, "choice %s layer %d", choice_names[c], v->layer[l]), i, 0.5, "chance");
        }
        Plot *p = panels[n++] = curve(r, choice_names[c], "How often the true caption is likelier than the changed one, over the layers", "right", 250, 230);
        plot_y(p, (Axis){.label = "chosen rightly", .fixed = true, .low = 0, .high = 1});
        int s = plot_series_like(p, NULL, 2, false);
        plot_band(p, s, r->x, low, high, L);
        plot_line(p, s, r->x, y, L);
        plot_rule(p, 'y', 0.5, "chance");
        if (!(low[r->native] > 0.5))
            at_chance = arena_print(r->a, "%s%s%s, %s (%s – %s)", at_chance, *at_chance ? "; " : "", choice_names[c], percent(r->a, y[r->native]), percent(r->a, low[r->native]), percent(r->a, high[r->native]));
    }
    if (!n) return;
    const char *svgs[2] = {plot_panels(r->a, "The true caption against one with a single change", "Small panels, one a kind of change", panels, n < 4 ? n : 4, 2, PLOT_INLINE), NULL};
    if (n > 4) svgs[1] = plot_panels(r->a, "and further", "Small panels, one a kind of change", panels + 4, n - 4, 2, PLOT_INLINE);
    page_figures(r->page, svgs, n > 4 ? 2 : 1, "How often the true caption is the likelier one when one thing is changed: a colour, a shape, …; binding: the colours of two objects exchanged; position: left for right, above for below. Bands: 95 % over pictures. "
                                               "This asks what a layer can tell when it is asked, not what it says: it also reaches what captions never mention.");
    if (*at_chance) page_note(r->page, arena_print(r->a, "Not above chance, even at the model's own layer: %s.", at_chance));
}

static void likelihood_section(Report *r) {
    if (!r->likelihood) return;
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *control = take(r->a, double, L);
    page_section(r->page, "Words that are given", "The decoder reads a caption instead of writing one: how likely is it under the state of each layer? For each picture the caption that stands beside it, or the model's own.");
    for (size_t l = 0; l < L; l++) {
        Interval i = v->N > 1 ? bootstrap_mean((Resampling){.n = v->N, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "likelihood bootstrap")}, r->likelihood->own[l], r->a) : alone(r->likelihood->own[l][0]);
        y[l] = i.value, low[l] = i.low, high[l] = i.high, control[l] = mean_of(r->likelihood->control[l], v->N);
        measure(r, arena_print(r->a, "log-likelihood layer %d", v->layer[l]), i, control[l], "mean control");
    }
    Plot *p = plot_new(r->a, "Likelihood of the picture's caption", "Mean log-probability per token over the layers, with the mean control");
    plot_size(p, 620, 320);
    plot_x(p, (Axis){.label = "layer", .whole = true, .fixed = v->L > 1, .low = r->x[0], .high = r->x[v->L - 1]});
    plot_y(p, (Axis){.label = "nats a token"});
    int s = plot_series_like(p, "captions", 0, false);
    plot_band(p, s, r->x, low, high, L);
    plot_line(p, s, r->x, y, L);
    plot_line(p, plot_series_like(p, "mean control", 1, true), r->x, control, L);
    if (v->native >= 0) plot_rule(p, 'x', v->layer[v->native], "the model's own");
    page_figure(r->page, plot_svg(p, PLOT_INLINE), "Higher is likelier. Band: 95 % over pictures.");
    choice_panels(r);
}

static void reference_section(Report *r) {
    if (!r->references) return;
    Verbal *v = r->v;
    page_section(r->page, "Against reference captions", arena_print(r->a, "%zu reference captions of %zu pictures. Words are lower-cased and rid of punctuation, which is not the official script's tokenizer: compare across layers, not with papers.", r->references->texts, r->references->with));
    PageColumn columns[] = {{"layer", true, NULL}, {"BLEU-1", true, NULL}, {"BLEU-4", true, NULL}, {"ROUGE-L", true, NULL}, {"CIDEr-D", true, NULL}, {"mean control: BLEU-4", true, NULL}, {"CIDEr-D", true, "of the mean control's caption"}};
    page_table_begin(r->page, NULL, columns, 7);
    for (int l = 0; l < v->L; l++) {
        const CaptionScores *c = &r->references->layers[l], *m = r->references->mean ? &r->references->mean[l] : NULL;
        page_cell_number(r->page, v->layer[l], 0);
        page_cell_number(r->page, c->bleu[0], 3), page_cell_number(r->page, c->bleu[3], 3), page_cell_number(r->page, c->rouge_l, 3), page_cell_number(r->page, c->cider_d, 3);
        page_cell_number(r->page, m ? m->bleu[3] : NAN, 3), page_cell_number(r->page, m ? m->cider_d : NAN, 3);
        measure(r, arena_print(r->a, "CIDEr-D layer %d", v->layer[l]), alone(c->cider_d), m ? m->cider_d : NAN, "mean control");
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
            bool yes = emerged(r, shown[i]);
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
        page_made(r->page, "pictures", arena_print(r->a, "%zu%s%s; %zu could not be read, %zu samples without a picture, %zu without a caption beside them, %zu archives damaged", v->N, s->from_world ? " held-out scenes of the procedural world" : " from ",
                                                 s->from_world ? "" : s->features_given.count ? s->features_given.items[0] : s->images.items[0], v->failed, s->samples_bare, s->captions_missing, s->archives_damaged));
        static const char *const rescales[] = {"none: states as they are", "norm: scaled to the native layer's mean token length", "moments: each channel to the native layer's mean and deviation"};
        page_made(r->page, "rescale", rescales[s->rescale]);
        static const char *const controls[] = {"none: the pictures' own captions", "mean: every caption is that of the mean state", "zero: every caption is said of no image tokens", "shuffle: captions of other pictures"};
        page_made(r->page, "control", controls[s->control]);
        page_made(r->page, "prompt", r->retrieval || !s->prompt ? "none" : s->prompt);
        page_made(r->page, "mean control", arena_print(r->a, "over the first %d pictures", s->calibration));
    }
    page_made(r->page, "labels", r->c ? r->c->labeller : "none");
    page_made(r->page, "layers", "counted from 1 behind each block, 0 before the first; the original's files count from 0");
    page_made(r->page, "seed", arena_print(r->a, "%lld", (long long)s->seed));
    page_made(r->page, "files", "caps_batch*.json, entropy_batch*.json, captions.csv, classification_data.csv, truth.csv, diversity.csv, entropy.csv, emergence.csv, scores.csv, controls.csv, parse.csv, table.tsv, run.txt");
}

void verbalize_report(Verbalize *s) {
    Report rep = {.s = s, .a = arena_new("the report"), .v = verbal_open(s)}, *r = &rep;
    Verbal *v = r->v;
    r->words = measure_words(s, v, r->a), r->truth = measure_truth(s, v, r->a), r->c = measure_categories(s, v, r->a), r->scores = scores_open(s, v, r->a), r->references = measure_references(s, v, r->a), r->likelihood = measure_likelihood(s, v, r->a);
    r->from = layer_first(v), r->native = v->native >= 0 ? v->native : v->L - 1;
    r->retrieval = !s->captions_given.count && speaker_retrieves(verbalize_speaker(s));
    r->x = take(r->a, double, (size_t)v->L);
    for (int l = 0; l < v->L; l++) r->x[l] = v->layer[l];
    r->page = page_new(r->a, r->retrieval ? "The nearest caption of every layer" : "A caption for every layer", s->captions_given.count ? v->model_text : arena_print(r->a, "%s, %zu pictures, %d layers", path_name(s->model_dir), v->N, v->L - r->from));
    r->table = writer_open(verbalize_path(s, "table.tsv"));
    writer_print(r->table, "measure\there\tlow\thigh\tbeside\twhat\n");
    headlines(r);
    said_section(r);
    truth_section(r);
    likelihood_section(r);
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
