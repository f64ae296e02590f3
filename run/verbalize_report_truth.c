// verbalize_report_truth.c: of scenes that are known to the last object: how true captions are, from which layer on, and how likely
// a layer finds a caption that is given to it.
#include <math.h>
#include <string.h>

#include "io/csv.h"
#include "verbalize_report.h"

static void truth_panel(Report *r, int k, Plot **panel) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *mean = take(r->a, double, L), *shuffled = take(r->a, double, L);
    for (size_t l = 0; l < L; l++) {
        const LayerTruth *t = &r->truth->layers[l];
        y[l] = t->f[k].value, low[l] = t->f[k].low, high[l] = t->f[k].high;
        mean[l] = isnan(y[l]) ? NAN : t->mean_f[k], shuffled[l] = isnan(y[l]) ? NAN : t->shuffled_f[k];
        report_measure(r, arena_print(r->a, "%s f layer %d", fact_names[k], v->layer[l]), t->f[k], t->mean_f[k], "mean control");
        report_measure(r, arena_print(r->a, "%s precision layer %d", fact_names[k], v->layer[l]), t->precision[k], t->shuffled_precision[k], "captions of other pictures");
        report_measure(r, arena_print(r->a, "%s recall layer %d", fact_names[k], v->layer[l]), t->recall[k], t->shuffled_recall[k], "captions of other pictures");
    }
    const char *what = k == FACT_RELATION ? "precision" : k == FACT_COUNT ? "told rightly" : "F1";
    Plot *p = *panel = report_curve(r, fact_names[k], "Share over the layers, with the mean control and captions of other pictures", what, 250, 230);
    plot_y(p, (Axis){.label = report_any_finite(y, v->L) ? what : "next to none are said", .fixed = true, .low = 0, .high = 1});
    int s = plot_series_like(p, NULL, 0, false);
    plot_band(p, s, r->x, low, high, L);
    plot_line(p, s, r->x, y, L);
    plot_line(p, plot_series_like(p, NULL, 1, true), r->x, mean, L);
    plot_line(p, plot_series_like(p, NULL, 7, true), r->x, shuffled, L);
}

// Said plainly where there is nothing to see.
static void truth_limits(Report *r) {
    const char *unseen = "";
    for (int k = 0; k < FACTS; k++) {
        const LayerTruth *t = &r->truth->layers[r->native];
        if (isnan(t->f[k].value) || !(t->f[k].low > t->shuffled_f[k])) unseen = arena_print(r->a, "%s%s%s", unseen, *unseen ? ", " : "", fact_names[k]);
    }
    if (*unseen) page_note(r->page, arena_print(r->a, "Not shown by this model, even at its own layer: %s. Either nothing of the kind is said, or it is no truer than of other pictures.", unseen));
    Interval after = r->truth->after_colour[FACT_SHAPE];
    if (!(after.low > 0)) page_note(r->page, arena_print(r->a, "The order colour before shape is not established here: layers from colours to shapes: %.0f, and in 95 %% of resamples of the pictures %.0f to %.0f.", after.value, after.low, after.high));
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
        if (report_emerged(r, k)) page_cell_interval(r->page, e.value, e.low, e.high, 0);
        else page_cell(r->page, "never");
        for (size_t i = 0; i < runs; i++) page_cell(r->page, layers[i][k] ? layers[i][k] : "–");
    }
    page_table_end(r->page);
}

void report_truth(Report *r) {
    if (!r->truth) return;
    Plot *panels[FACTS];
    page_section(r->page, "What is true, and from where on", "Every scene is known to the last object, so each caption can be marked. Precision: of the colours (shapes, …) that are said, how many are there. Recall: of those that are there, how many are said. F1 is their harmonic mean. "
                                                             "A caption that names everything has full recall and tells nothing, so each curve stands beside what the same captions score on other pictures.");
    for (int k = 0; k < FACTS; k++) truth_panel(r, k, &panels[k]);
    const char *svgs[FACTS];
    for (int k = 0; k < FACTS; k++) svgs[k] = plot_svg(panels[k], PLOT_INLINE);
    page_small_figures(r->page, svgs, FACTS, "Solid: captions, band 95 % over pictures. Dashed with squares: the mean control's one caption held against every scene. Dashed with dots: the captions dealt to other pictures; where they do no worse, nothing is known of the picture. "
                                   "Count: all objects told are as many as there are. Binding: two or more attributes of one object in one phrase. A missing point: next to nothing of the kind was said.");
    PageColumn columns[] = {{"family", false, NULL}, {"emerges at layer", true, NULL},
                            {"layers after colour", true, "in the same resamples of pictures, with a 95 % interval"}, {"F1, own layer", true, "count: told rightly; position: precision"}, {"mean control", true, NULL}, {"other pictures", true, NULL}, {"precision", true, "own layer; of at least ten words"}, {"recall", true, "own layer"}};
    page_table_begin(r->page, "Where each family emerges: the first layer from which on F1, less that of captions dealt to other pictures, stays above half of what it is at the model's own layer. In brackets: 95 % over pictures.", columns, 8);
    for (int k = 0; k < FACTS; k++) {
        const LayerTruth *t = &r->truth->layers[r->native];
        Interval e = r->truth->emergence[k], p = t->said[k] >= SAID_LEAST ? t->precision[k] : interval_alone(NAN);
        page_cell(r->page, fact_names[k]);
        if (report_emerged(r, k)) page_cell_interval(r->page, e.value, e.low, e.high, 0);
        else page_cell(r->page, "never");
        Interval after = report_emerged(r, k) && k != FACT_COLOUR ? r->truth->after_colour[k] : interval_alone(NAN);
        page_cell_interval(r->page, after.value, after.low, after.high, 0);
        page_cell_interval(r->page, t->f[k].value, t->f[k].low, t->f[k].high, 2);
        page_cell_number(r->page, isnan(t->f[k].value) ? NAN : t->mean_f[k], 2);
        page_cell_number(r->page, isnan(t->f[k].value) ? NAN : t->shuffled_f[k], 2);
        page_cell_number(r->page, p.value, 2);
        page_cell_number(r->page, t->recall[k].value, 2);
        report_measure(r, arena_print(r->a, "emergence %s", fact_names[k]), e, NAN, "layer");
    }
    page_table_end(r->page);
    beside_table(r);
    truth_limits(r);
}

// ---- words that are given

// Of the pictures with such a pair: how often the true text is the likelier one.
static Interval choice(Report *r, int c, int l) {
    size_t n = 0;
    double *hit = take(r->a, double, r->v->N);
    for (size_t i = 0; i < r->v->N; i++)
        if (!isnan(r->likelihood->margin[c][l][i])) hit[n++] = r->likelihood->margin[c][l][i] > 0;
    if (n < 2) return n ? interval_alone(hit[0]) : interval_alone(NAN);
    return bootstrap_mean((Resampling){.n = n, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "choice bootstrap")}, hit, r->a);
}

static void choice_panels(Report *r) {
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    const char *svgs[CHOICES], *at_chance = "";
    int n = 0;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L);
    for (int c = 0; c < CHOICES; c++) {
        if (r->likelihood->chosen[c] < SAID_LEAST) continue;
        for (size_t l = 0; l < L; l++) {
            Interval i = choice(r, c, (int)l);
            y[l] = i.value, low[l] = i.low, high[l] = i.high;
            report_measure(r, arena_print(r->a, "choice %s layer %d", choice_names[c], v->layer[l]), i, 0.5, "chance");
        }
        Plot *p = report_curve(r, choice_names[c], "How often the true caption is likelier than the changed one, over the layers", "right", 250, 230);
        plot_y(p, (Axis){.label = "chosen rightly", .fixed = true, .low = 0, .high = 1});
        int s = plot_series_like(p, NULL, 2, false);
        plot_band(p, s, r->x, low, high, L);
        plot_line(p, s, r->x, y, L);
        plot_rule(p, 'y', 0.5, "chance");
        svgs[n++] = plot_svg(p, PLOT_INLINE);
        if (!(low[r->native] > 0.5))
            at_chance = arena_print(r->a, "%s%s%s, %s (%s – %s)", at_chance, *at_chance ? "; " : "", choice_names[c], report_percent(r->a, y[r->native]), report_percent(r->a, low[r->native]), report_percent(r->a, high[r->native]));
    }
    if (!n) return;
    page_small_figures(r->page, svgs, n, "The true caption against one with a single change: how often the true one is the likelier one. Changed is a colour, a shape, …; binding: the colours of two objects exchanged; position: left for right, above for below. Bands: 95 % over pictures. "
                                               "This asks what a layer can tell when it is asked, not what it says: it also reaches what captions never mention.");
    if (*at_chance) page_note(r->page, arena_print(r->a, "Not above chance, even at the model's own layer: %s.", at_chance));
}

void report_likelihood(Report *r) {
    if (!r->likelihood) return;
    Verbal *v = r->v;
    size_t L = (size_t)v->L;
    double *y = take(r->a, double, L), *low = take(r->a, double, L), *high = take(r->a, double, L), *control = take(r->a, double, L);
    page_section(r->page, "Words that are given", "The decoder reads a caption instead of writing one: how likely is it under the state of each layer? For each picture the caption that stands beside it, or the model's own.");
    for (size_t l = 0; l < L; l++) {
        Interval i = v->N > 1 ? bootstrap_mean((Resampling){.n = v->N, .replicates = 1000, .rng = rng_of((uint64_t)r->s->seed, "likelihood bootstrap")}, r->likelihood->own[l], r->a) : interval_alone(r->likelihood->own[l][0]);
        y[l] = i.value, low[l] = i.low, high[l] = i.high, control[l] = mean_of(r->likelihood->control[l], v->N);
        report_measure(r, arena_print(r->a, "log-likelihood layer %d", v->layer[l]), i, control[l], "mean control");
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
