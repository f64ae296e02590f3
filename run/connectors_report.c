// connectors_report.c: step `report`: report.html and table.tsv from what the other steps wrote.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"
#include "analysis/plot.h"
#include "analysis/statistics.h"
#include "connectors.h"
#include "io/base64.h"
#include "io/csv.h"
#include "io/number.h"

#define GALLERY 8  // query pictures
#define NEAREST 6  // neighbours of each
#define SHOWN 12   // captions side by side
#define MAPS 6     // pictures with their reconstruction error
#define FIGURE 480 // pixels of the first figure's width: whole on a phone, too
#define THUMB 128  // pixels of a shown picture's longer side

typedef struct {
    Study *s;
    Arena *a;
    Page *page;
    Writer *table;
    const Json *geometry, *overlap;
    Vectors *v;
    int *picture; // of the page, per row; -1: not yet stored
} Report;

// ---- small readers

static Interval interval_of(const Json *j) {
    need(j, "geometry.json: a figure is missing; run `retina connectors geometry` again");
    return (Interval){.value = json_real_or(j, "value", NAN), .low = json_real_or(j, "low", NAN), .high = json_real_or(j, "high", NAN)};
}

// One column of numbers; NaN where a cell is empty.
static double *column_of(Arena *a, const char *path, const char *name, size_t *count) {
    Csv *c = csv_open(a, path, ',');
    size_t column = csv_column(c, name), room = 0, n = 0;
    double *x = NULL;
    while (csv_next(c)) {
        if (n == room) x = arena_grow(a, x, n, room = room ? room * 2 : 256, sizeof *x);
        x[n++] = csv_get_real(c, column);
    }
    csv_close(c);
    *count = n;
    return x;
}

static void measure(Report *r, const char *name, Interval i, double beside, const char *what) {
    char t[4][32];
    writer_print(r->table, "%s\t%s\t%s\t%s\t%s\t%s\n", name, isnan(i.value) ? "" : real_text(i.value, t[0]), isnan(i.low) ? "" : real_text(i.low, t[1]),
                 isnan(i.high) ? "" : real_text(i.high, t[2]), isnan(beside) ? "" : real_text(beside, t[3]), what);
}

static const char *percent(Arena *a, double x) { return arena_print(a, "%.1f %%", 100 * x); }
static const char *percent_interval(Arena *a, Interval i) { return arena_print(a, "95 %% interval: %.1f – %.1f %%", 100 * i.low, 100 * i.high); }

static int picture_of(Report *r, size_t row) {
    if (r->picture[row] >= 0) return r->picture[row];
    Image image = study_image(r->a, r->s, r->v->places[row]);
    Picture p = picture_from(&image);
    return r->picture[row] = page_thumbnail(r->page, p.rgb, p.width, p.height, THUMB, 85);
}

// ---- sections

static const Json *distinct(Report *r, const char *metric, int k) {
    return json_path(r->geometry, arena_print(r->a, "distinct_pictures.%s.k%d", metric, k));
}

static int ks_of(Report *r, int ks[8]) {
    const Json *all = json_get(r->geometry, "all_pictures");
    int n = 0;
    for (size_t i = 0; all && i < all->count && n < 8; i++) ks[n++] = atoi(all->keys[i] + 1);
    need(n > 0, "geometry.json: holds no neighbourhoods; run `retina connectors geometry` again");
    return n;
}

enum { METRICS = 6, SHOWN_METRICS = 3 };
static const char *const metrics[METRICS] = {"l2", "cosine", "l2_standardised", "normed_l2", "normed_cosine", "normed_l2_standardised"};
static const char *const metric_names[SHOWN_METRICS] = {"l2", "cosine", "l2, channels standardised"}; // and again, normed

static void overlap_figure(Report *r, const int *ks, int n) {
    Plot *p = plot_new(r->a, "Neighbours kept by the connector", "Share of the k nearest pictures that stay among the k nearest, over k, with chance and duplicate floor");
    plot_size(p, FIGURE, 340);
    plot_x(p, (Axis){.kind = n > 1 ? AXIS_LOG : AXIS_LINEAR, .label = "k, neighbours"});
    plot_y(p, (Axis){.label = "KNOR, share kept", .fixed = true, .low = 0, .high = 1});
    double x[8], y[8], low[8], high[8];
    for (int m = 0; m < SHOWN_METRICS; m++) {
        int series = plot_series(p, metric_names[m]);
        for (int k = 0; k < n; k++) {
            Interval i = interval_of(json_get(distinct(r, metrics[m], ks[k]), "knor"));
            x[k] = ks[k], y[k] = i.value, low[k] = i.low, high[k] = i.high;
        }
        plot_band(p, series, x, low, high, (size_t)n);
        plot_line(p, series, x, y, (size_t)n);
    }
    int chance = plot_series(p, "chance"), floor = plot_series_like(p, "duplicate floor (all pictures)", 5, true);
    for (int k = 0; k < n; k++) y[k] = json_real(distinct(r, "l2", ks[k]), "chance");
    plot_line(p, chance, x, y, (size_t)n);
    for (int k = 0; k < n; k++) y[k] = json_real_or(json_path(r->geometry, arena_print(r->a, "all_pictures.k%d", ks[k])), "duplicate_floor", 0);
    plot_line(p, floor, x, y, (size_t)n);
    const char *file = plot_svg(p, PLOT_FILE);
    file_write(study_path(r->s, "overlap.svg"), file, strlen(file));
    page_figure(r->page, plot_svg(p, PLOT_INLINE), "KNOR: the share of a picture's k nearest neighbours before the connector that are among its k nearest after it. One picture per group of copies; bands are 95 % bootstrap intervals over pictures. Unrelated spaces would lie on the chance line; where a set holds copies of a picture, these alone give the duplicate floor.");
}

static int numbers_of(const Json *list, double *x, int most) {
    int n = 0;
    for (size_t i = 0; list && i < list->count && n < most; i++) x[n++] = list->items[i].number;
    return n;
}

static void spectrum_figure(Report *r) {
    const char *svgs[2];
    for (int which = 0; which < 2; which++) {
        Plot *p = plot_new(r->a, which ? "Shares of the energy" : "Singular values of a picture's tokens", "Mean over pictures, component by component, before and after the connector");
        plot_size(p, 380, 320);
        plot_x(p, (Axis){.label = "component"});
        plot_y(p, (Axis){.kind = AXIS_LOG, .label = which ? "share of energy" : "singular value"});
        for (int side = 0; side < 2; side++) {
            double y[128], x[128];
            int n = numbers_of(json_path(r->overlap, arena_print(r->a, "global.spectrum_and_rank.%s_summary.%s", side ? "post" : "pre", which ? "mean_energy_spectrum_topn" : "mean_singular_values_topn")), y, 100);
            for (int i = 0; i < n; i++) {
                x[i] = i + 1;
                if (!(y[i] > (which ? 1e-12 : 1e-6) * y[0])) y[i] = NAN; // beyond the rank: the mean token was subtracted
            }
            plot_line(p, plot_series(p, side ? "after" : "before"), x, y, (size_t)n);
        }
        svgs[which] = plot_svg(p, PLOT_INLINE);
    }
    page_figures(r->page, svgs, 2, "Tokens of one picture, their mean subtracted; averaged over pictures. A steep fall means that few directions carry a picture.");
}

static void overlap_table(Report *r, const char *title, int first, const int *ks, int n) {
    bool again = first > 0; // said under the first table
    PageColumn columns[] = {{"metric", false, NULL}, {"k", true, NULL}, {"KNOR", true, again ? NULL : "share of neighbours kept; one picture per group of copies; 95 % interval"},
                            {"chance", true, again ? NULL : "k / (N - 1)"}, {"rank displacement", true, again ? NULL : "mean shift of a neighbour's place, k where it is gone"}};
    page_table_begin(r->page, title, columns, 5);
    for (int m = first; m < first + SHOWN_METRICS; m++)
        for (int k = 0; k < n; k++) {
            const Json *j = distinct(r, metrics[m], ks[k]);
            Interval i = interval_of(json_get(j, "knor"));
            page_cell(r->page, metric_names[m - first]);
            page_cell_number(r->page, ks[k], 0);
            page_cell_interval(r->page, i.value, i.low, i.high, 3);
            page_cell_number(r->page, json_real(j, "chance"), 3);
            page_cell_number(r->page, json_real(j, "rank_displacement"), 2);
            measure(r, arena_print(r->a, "knor@%d %s distinct", ks[k], metrics[m]), i, json_real(j, "chance"), "chance");
        }
    page_table_end(r->page);
}

// Of a measure in geometry.json and the files of the original, for a reader of the page.
static const char *spectrum_name(const char *key) {
    static const char *const names[][2] = {{"effective_rank", "effective rank: e to the entropy of the energy's shares"}, {"effective_rank_normalized", "effective rank, of the largest possible"},
                                           {"top1_energy_ratio", "energy in the largest value"}, {"top5_energy_ratio", "energy in the 5 largest"}, {"top10_energy_ratio", "energy in the 10 largest"},
                                           {"k80_energy", "values that hold 80 % of the energy"}, {"k90_energy", "values that hold 90 %"}, {"mean_pairwise_cosine", "cosine of two tokens, mean"},
                                           {"std_pairwise_cosine", "standard deviation"}, {"median_pairwise_cosine", "median"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i][0]) == 0) return names[i][1];
    return key;
}

static void geometry_section(Report *r) {
    page_section(r->page, "Geometry", "Which pictures are close to each other, each by the mean of its tokens, and how a picture's tokens are spread.");
    int ks[8], n = ks_of(r, ks);
    overlap_figure(r, ks, n);
    overlap_table(r, "Neighbour overlap, copies removed", 0, ks, n);
    if (distinct(r, metrics[SHOWN_METRICS], ks[0])) overlap_table(r, "The same, the connector's input after the tower's final norm, which the model does not apply to it", SHOWN_METRICS, ks, n);
    PageColumn raw[] = {{"k", true, NULL}, {"KNOR", true, "all pictures, copies included: what the original study reports"}, {"duplicate floor", true, "what copies reach by themselves"},
                        {"chance", true, NULL}, {"above the floor", true, "(KNOR - floor) / (1 - floor)"}};
    page_table_begin(r->page, arena_print(r->a, "Neighbour overlap, all pictures, %s", r->s->metric ? "cosine" : "l2"), raw, 5);
    for (int k = 0; k < n; k++) {
        const Json *j = json_path(r->geometry, arena_print(r->a, "all_pictures.k%d", ks[k]));
        Interval i = interval_of(json_get(j, "knor"));
        page_cell_number(r->page, ks[k], 0);
        page_cell_interval(r->page, i.value, i.low, i.high, 3);
        page_cell_number(r->page, json_real(j, "duplicate_floor"), 3);
        page_cell_number(r->page, json_real(j, "chance"), 3);
        page_cell_number(r->page, json_real(j, "above_floor"), 3);
        measure(r, arena_print(r->a, "knor@%d all", ks[k]), i, json_real(j, "duplicate_floor"), "duplicate floor");
    }
    page_table_end(r->page);
    spectrum_figure(r);
    PageColumn spectra[] = {{"measure", false, NULL}, {"before", true, NULL}, {"after", true, NULL}};
    page_table_begin(r->page, "Spectra and concentration, per picture", spectra, 3);
    const Json *pre = json_path(r->geometry, "spectra.pre"), *post = json_path(r->geometry, "spectra.post");
    for (size_t i = 0; pre && i < pre->count; i++) {
        Interval x = interval_of(&pre->items[i]), y = interval_of(json_get(post, pre->keys[i]));
        page_cell(r->page, spectrum_name(pre->keys[i]));
        page_cell_interval(r->page, x.value, x.low, x.high, 3);
        page_cell_interval(r->page, y.value, y.low, y.high, 3);
        measure(r, arena_print(r->a, "pre %s", pre->keys[i]), x, NAN, "");
        measure(r, arena_print(r->a, "post %s", pre->keys[i]), y, NAN, "");
    }
    page_table_end(r->page);
}

// "row,side,n n n": the ids of the wanted row, -1 terminated.
static int neighbours_of(const char *text, size_t row, bool post, size_t *out) {
    char head[48];
    snprintf(head, sizeof head, "\n%zu,%s,", row, post ? "post" : "pre");
    const char *c = strstr(text, head);
    int n = 0;
    if (!c) return 0;
    for (c += strlen(head); n < NEAREST && *c >= '0' && *c <= '9';) {
        char *end;
        out[n++] = strtoul(c, &end, 10);
        c = *end == ' ' ? end + 1 : end;
    }
    return n;
}

static void gallery(Report *r) {
    page_section(r->page, "Neighbours",
                 arena_print(r->a, "Each row begins with a picture; the others are the nearest to it (%s between the means of their tokens), as the connector is given them (before) and as it passes them on (after). Framed: a neighbour that the other row has, too.", r->s->metric ? "cosine" : "l2"));
    Bytes b = file_read(r->a, study_path(r->s, "neighbours.csv"));
    size_t shown = r->v->groups.count < GALLERY ? r->v->groups.count : GALLERY;
    page_gallery_begin(r->page, NULL);
    for (size_t q = 0; q < shown; q++) {
        size_t row = r->v->groups.first[q * r->v->groups.count / shown], ids[2][NEAREST];
        int n[2] = {neighbours_of((const char *)b.bytes, row, false, ids[0]), neighbours_of((const char *)b.bytes, row, true, ids[1])};
        for (int side = 0; side < 2; side++) {
            PagePicture query = {.picture = picture_of(r, row), .caption = NULL}, rest[NEAREST];
            for (int k = 0; k < n[side]; k++) {
                bool both = false;
                for (int o = 0; o < n[!side]; o++) both = both || ids[!side][o] == ids[side][k];
                rest[k] = (PagePicture){.picture = picture_of(r, ids[side][k]), .marked = both};
            }
            page_gallery_row(r->page, arena_print(r->a, "%s, %s the connector", r->v->keys[row], side ? "after" : "before"), &query, rest, n[side]);
        }
    }
    page_gallery_end(r->page);
}

// ---- reconstruction

// Error of each token over the picture, of the first pictures that the network never saw.
static void recon_maps(Report *r, Recon *net) {
    int G = (int)lround(sqrt((double)r->v->T_pre));
    if (G * G != r->v->T_pre) return;
    size_t pre = (size_t)r->v->T_pre * (size_t)r->v->D_pre, post = (size_t)r->v->T_post * (size_t)r->v->D_post;
    float *x = take(r->a, float, post), *y = take(r->a, float, pre), *p = take(r->a, float, pre);
    const char *svgs[MAPS];
    int shown = 0;
    for (size_t i = 0; i < r->v->N && shown < MAPS; i++) {
        if (r->s->part[i] != (r->s->faithful ? PART_VALIDATION : PART_TEST)) continue;
        double *error = take(r->a, double, (size_t)r->v->T_pre);
        vectors_post(r->v, i, x);
        vectors_pre(r->v, i, y);
        recon_predict(net, r->a, x, r->v->T_post, p);
        recon_score(net, p, y, r->v->T_pre, error);
        Image image = study_image(r->a, r->s, r->v->places[i]);
        int side = image.width > 224 ? 224 : image.width;
        uint8_t *square = resize_rgb8(r->a, image.rgb, image.width, image.height, side, side, RESIZE_BICUBIC);
        Bytes jpeg = jpeg_encode(r->a, square, side, side, 85, JPEG_444);
        const char *uri = arena_print(r->a, "data:image/jpeg;base64,%s", base64_encode(r->a, jpeg.bytes, jpeg.size));
        svgs[shown++] = plot_heat(r->a, (Heat){.title = r->v->keys[i], .description = "Normalised reconstruction error of each token over the picture", .label = "error", .values = error, .rows = G, .columns = G,
                                                .picture = uri, .width = 200}, PLOT_INLINE);
    }
    if (shown) page_figures(r->page, svgs, shown, "Where the rebuilt tokens are wrong: normalised squared error of each token, drawn over its patch. Test pictures.");
}

static void recon_section(Report *r) {
    char *path = study_path(r->s, "recon.csv");
    size_t n, m;
    double *mse = column_of(r->a, path, "mse_pre", &n), *mean = column_of(r->a, path, "mse_mean", &m), *cosine = column_of(r->a, path, "cosine_pre", &m),
           *centred = column_of(r->a, path, "cosine_centred", &m);
    Recon *net = recon_open(r->s, r->v, RECON_GO_ON);
    const uint8_t *part = r->s->part;
    need(n == r->v->N, "recon.csv: %zu rows for %zu pictures; run `retina connectors recon` again", n, r->v->N);
    page_section(r->page, "Reconstruction", "A small network learns to rebuild what the connector was given from what it gave, token by token. Pictures of the test part were never seen, nor were copies of them.");
    PageColumn columns[] = {{"part", false, NULL}, {"pictures", true, NULL}, {"explained variance", true, "1 - error / error of predicting the mean training token"},
                            {"normalised error", true, "squared error, each channel divided by its deviation over the training tokens"}, {"mean prediction", true, "the error of predicting the mean training token"},
                            {"cosine", true, "inflated by what all tokens share"}, {"cosine, centred", true, "after subtracting the mean training token"}};
    page_table_begin(r->page, "How much of the connector's input can be rebuilt", columns, 7);
    Interval test = {NAN, NAN, NAN};
    for (int which = PART_TRAIN; which <= PART_TEST; which++) {
        double *ev = take(r->a, double, n), *columns4[4];
        uint32_t *group = take(r->a, uint32_t, n);
        for (int k = 0; k < 4; k++) columns4[k] = take(r->a, double, n);
        size_t c = 0;
        for (size_t i = 0; i < n; i++) {
            if (part[i] != which) continue;
            ev[c] = 1 - mse[i] / mean[i];
            columns4[0][c] = mse[i], columns4[1][c] = mean[i], columns4[2][c] = cosine[i], columns4[3][c] = centred[i];
            group[c++] = r->v->groups.group[i];
        }
        if (c == 0) continue;
        Resampling how = {.n = c, .group = group, .rng = rng_of((uint64_t)r->s->seed, "recon bootstrap")};
        Interval i = bootstrap_mean(how, ev, r->a);
        const char *name = (const char *[]){"training", "validation", "test"}[which];
        page_cell(r->page, name);
        page_cell_number(r->page, (double)c, 0);
        page_cell_interval(r->page, i.value, i.low, i.high, 3);
        for (int k = 0; k < 4; k++) page_cell_number(r->page, mean_of(columns4[k], c), 3);
        measure(r, arena_print(r->a, "explained variance %s", name), i, 0, "mean prediction");
        if (which == PART_TEST || (r->s->faithful && which == PART_VALIDATION)) test = i;
    }
    page_table_end(r->page);
    if (!isnan(test.value))
        page_headline(r->page, "Of the variance of the connector's input, its output still holds", percent(r->a, test.value), percent_interval(r->a, test), "predicting the mean: 0 %");
    recon_maps(r, net);
}

// ---- captions

static bool caption_same(const Json *j) { return strcmp(json_text(j, "recon"), json_text(j, "post_direct")) == 0; }

// What differs is what a reader looks for: those captions come first.
static void captions_shown(Report *r) {
    const Json *first[2][SHOWN], *list; // those that differ, those that do not
    size_t count[2] = {0}, shown = 0;
    for (size_t chunk = 0; (list = captions_chunk(r->s, r->v, chunk)); chunk++)
        for (size_t i = 0; i < list->count; i++) {
            bool same = caption_same(&list->items[i]);
            if (count[same] < SHOWN) first[same][count[same]] = &list->items[i];
            count[same]++;
        }
    page_text(r->page, arena_print(r->a, "%zu of %zu rebuilt captions differ from the injected one; they are shown first. Marked: words of the live caption that the rebuilt one has not, and words of the others that the live one has not. Cosine of the projection: between what the connector makes of the rebuilt input and what it made of the true one.", count[0], count[0] + count[1]));
    for (int same = 0; same < 2; same++)
        for (size_t i = 0; i < count[same] && shown < SHOWN; i++, shown++) {
            const Json *j = first[same][i];
            PageCaption captions[] = {{"live", json_text(j, "live"), NULL}, {"injected unchanged", json_text(j, "post_direct"), NULL},
                                      {"rebuilt", json_text(j, "recon"), arena_print(r->a, "cosine of the projection %.3f", json_real_or(j, "cosine", NAN))}};
            page_captions(r->page, picture_of(r, (size_t)json_int(j, "row")), json_text(j, "key"), captions, 3);
        }
}

static void caption_section(Report *r) {
    char *path = study_path(r->s, "caption_original_vs_recon.csv");
    size_t n;
    double control = NAN;
    need(captions_chunk(r->s, r->v, 0), "%s: was made from other vectors or with other options; run `retina connectors captions` with the same options first", path);
    static const char *const names[] = {"same_post_direct_live", "same_recon_post_direct", "f1_post_direct_vs_live", "f1_recon_vs_post_direct", "f1_live_vs_gt", "f1_post_direct_vs_gt", "f1_recon_vs_gt"};
    static const char *const meanings[] = {"injected caption the same as the live one", "rebuilt caption the same as the injected one", "word F1: injected against live",
                                           "word F1: rebuilt against injected", "word F1: live against the given caption", "word F1: injected against the given caption", "word F1: rebuilt against the given caption"};
    page_section(r->page, "Captions", "The same prompt three times: live; with the stored connector output injected unchanged (the control); with the rebuilt input injected, so that the model's own connector projects it again.");
    PageColumn columns[] = {{"measure", false, "word F1: twice the words that two captions share, in any order, by the words of both: 0 to 1"}, {"mean", true, "95 % interval over pictures"}};
    page_table_begin(r->page, "Captions compared", columns, 2);
    for (int k = 0; k < 7; k++) {
        double *x = column_of(r->a, path, names[k], &n);
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (!isnan(x[i])) x[m++] = x[i];
        if (m == 0) continue;
        Resampling how = {.n = m, .rng = rng_of((uint64_t)r->s->seed, "captions bootstrap")};
        Interval i = bootstrap_mean(how, x, r->a);
        page_cell(r->page, meanings[k]);
        page_cell_interval(r->page, i.value, i.low, i.high, 3);
        measure(r, names[k], i, NAN, "");
        if (k == 0) control = i.value;
        if (k == 1)
            page_headline(r->page, "Captions that stay the same to the letter when the connector's input is rebuilt", percent(r->a, i.value), percent_interval(r->a, i),
                          arena_print(r->a, "control, injected unchanged: %.1f %%", 100 * control));
    }
    page_table_end(r->page);
    captions_shown(r);
}

static void made(Report *r) {
    page_made(r->page, "command", r->s->command);
    page_made(r->page, "model", r->s->model_dir);
    page_made(r->page, "pictures", arena_print(r->a, "%zu from %s, %zu distinct", r->v->N, r->s->from_world ? "the procedural world (held-out scenes)" : r->s->images, r->v->groups.count));
    page_made(r->page, "vectors", arena_print(r->a, "before [%d, %d], after [%d, %d], raster order", r->v->T_pre, r->v->D_pre, r->v->T_post, r->v->D_post));
    page_made(r->page, "before", r->s->pre_point ? "the connector's input after the tower's final norm" : "what the connector is given");
    page_made(r->page, "model checksum", r->s->model_stamp);
    page_made(r->page, "seed", arena_print(r->a, "%lld", (long long)r->s->seed));
    page_made(r->page, "mode", r->s->faithful ? "faithful to the original (its split, its schedule, last weights)" : "corrected: parts by groups of copies, best weights on validation pictures");
    page_made(r->page, "files", "table.tsv, geometry.json, per_image.csv, recon.csv, caption_original_vs_recon.csv, run.txt");
}

void connectors_report(Study *s) {
    Report rep = {.s = s, .a = arena_new("the report")}, *r = &rep;
    r->v = vectors_open(s);
    r->picture = take(r->a, int, r->v->N);
    for (size_t i = 0; i < r->v->N; i++) r->picture[i] = -1;
    char *geometry = study_path(s, "geometry.json");
    need(file_exists(geometry), "%s: is missing; run `retina connectors geometry` with the same options first", geometry);
    r->geometry = json_read(r->a, geometry);
    need(strcmp(json_text_or(r->geometry, "made_from", ""), r->v->digest) == 0, "%s: was made from other vectors; run `retina connectors geometry` with the same options first", geometry);
    int ks[8], n = ks_of(r, ks);
    r->overlap = json_read(r->a, study_path(s, arena_print(r->a, "overlap_top%d_%s_torch.json", ks[n - 1], s->metric ? "cosine" : "l2")));
    r->page = page_new(r->a, "What a connector does to an image", arena_print(r->a, "%s, %zu pictures. The connector turns what the vision tower makes of a picture (before) into what the language model reads of it (after).", path_name(s->model_dir), r->v->N));
    r->table = writer_open(study_path(s, "table.tsv"));
    writer_print(r->table, "measure\there\tlow\thigh\tbeside\twhat\n");
    Interval knor = interval_of(json_get(distinct(r, "l2", ks[0]), "knor"));
    page_headline(r->page, arena_print(r->a, "Of a picture's %d nearest neighbours, the connector keeps", ks[0]), percent(r->a, knor.value), percent_interval(r->a, knor),
                  arena_print(r->a, "chance: %.1f %%", 100 * json_real(distinct(r, "l2", ks[0]), "chance")));
    Interval pre = interval_of(json_path(r->geometry, "spectra.pre.effective_rank")), post = interval_of(json_path(r->geometry, "spectra.post.effective_rank"));
    page_headline(r->page, "Effective rank of a picture's tokens after the connector", arena_print(r->a, "%.1f", post.value), arena_print(r->a, "95 %% interval: %.1f – %.1f", post.low, post.high),
                  arena_print(r->a, "before: %.1f", pre.value));
    geometry_section(r);
    gallery(r);
    if (file_exists(study_path(s, "recon.csv"))) recon_section(r);
    if (!s->pre_point && file_exists(study_path(s, "caption_original_vs_recon.csv"))) caption_section(r);
    Remarks failed, damaged;
    vectors_remarks(s, &failed, &damaged);
    if (failed.count) page_note(r->page, arena_print(r->a, "%zu pictures could not be read; failed.csv says why.", failed.count));
    if (damaged.count) page_note(r->page, arena_print(r->a, "%zu pictures are damaged and were read as far as they go; damaged.csv lists them.", damaged.count));
    made(r);
    writer_close(r->table);
    page_write(r->page, study_path(s, "report.html"));
    arena_free(r->a);
}
