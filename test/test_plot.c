// test_plot.c: figures are well-formed, no text stands on another or outside, data lies where it should, hostile input.
//
// Seen to catch: a legend without line breaks; ticks from a step that is too small; names that are not escaped; y not turned
// over; the violin drawn from unsorted values. Looked at in a browser, in light and dark, besides.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/plot.h"
#include "analysis/plot_parts.h"
#include "check.h"
#include "io/file.h"
#include "io/random.h"
#include "markup_check.h"

static double number_after(const char *t, const char *end, const char *key) {
    const char *at = strstr(t, key);
    return at && at < end ? strtod(at + strlen(key), NULL) : NAN;
}

static bool inside(const char *t, const char *end, const char *key) {
    const char *at = strstr(t, key);
    return at && at < end;
}

// Boxes of all level texts of a figure; those inside a turned group are left out.
static bool texts_apart(const char *svg, const char **why) {
    static struct {
        double x0, x1, y0, y1;
        char text[80];
    } box[400];
    static char message[300];
    int n = 0;
    double left = number_after(svg, svg + strlen(svg), "viewBox=\""), top = 0, width = 0, height = 0;
    sscanf(strstr(svg, "viewBox=\""), "viewBox=\"%lf %lf %lf %lf", &left, &top, &width, &height);
    double dx = 0, dy = 0;
    bool turned = false;
    for (const char *t = svg; (t = strchr(t, '<')); t++) {
        const char *end = strchr(t, '>');
        if (strncmp(t, "<g transform=", 13) == 0) {
            turned = inside(t, end, "rotate");
            if (!turned) sscanf(t, "<g transform=\"translate(%lf %lf", &dx, &dy);
        }
        if (strncmp(t, "<text ", 6) != 0) continue;
        if (turned) {
            turned = false;
            continue;
        }
        const char *close = strstr(end, "</text>");
        bool title = inside(t, end, "title"), small = inside(t, end, "\"tick\""), tiny = inside(t, end, "\"n\"");
        double size = title ? 15 : small ? 12 : tiny ? 11 : 13;
        snprintf(box[n].text, sizeof box[n].text, "%.*s", (int)(close - end - 1), end + 1);
        double w = text_width(box[n].text, size) / 1.1, x = number_after(t, end, " x=\"") + dx, y = number_after(t, end, " y=\"") + dy;
        if (inside(t, end, "\"middle\"")) x -= w / 2;
        if (inside(t, end, "\"end\"")) x -= w;
        box[n].x0 = x, box[n].x1 = x + w, box[n].y0 = y - size * 0.7, box[n].y1 = y + size * 0.2;
        if (x < left - 1 || x + w > left + width + 1 || box[n].y0 < top - 1 || box[n].y1 > top + height + 1) {
            snprintf(message, sizeof message, "\"%s\" stands outside", box[n].text);
            *why = message;
            return false;
        }
        for (int i = 0; i < n; i++)
            if (box[i].x0 < box[n].x1 && box[n].x0 < box[i].x1 && box[i].y0 < box[n].y1 && box[n].y0 < box[i].y1) {
                snprintf(message, sizeof message, "\"%s\" stands on \"%s\"", box[n].text, box[i].text);
                *why = message;
                return false;
            }
        if (n < 399) n++;
    }
    *why = n ? "" : "no text";
    return n > 0;
}

static void check_figure(const char *name, const char *svg) {
    const char *fault = markup_fault(svg, false), *why = "";
    bool apart = texts_apart(svg, &why);
    check(!fault && apart && !strstr(svg, "nan") && !strstr(svg, "inf\""), "%s: %s%s", name, fault ? fault : "well-formed, texts apart ", why);
}

static double *numbers(Arena *a, const char *what, size_t n, double scale, double shift) {
    double *x = take(a, double, n);
    Rng r = rng_of(4, what);
    for (size_t i = 0; i < n; i++) x[i] = shift + scale * rng_normal(r, i);
    return x;
}

static const char *const models[4] = {"LLaVA", "Idefics2", "Qwen2.5-VL", "Qwen3.5"};

static void test_kinds(Arena *a) {
    double k[3] = {10, 50, 100}, v[3] = {.47, .45, .46}, low[3] = {.44, .43, .45}, high[3] = {.5, .47, .48};
    for (int use = 0; use < 2; use++) {
        Plot *p = plot_new(a, "Neighbours that survive the connector", "KNOR over k");
        plot_x(p, (Axis){.kind = AXIS_LOG, .label = "k"});
        plot_y(p, (Axis){.label = "KNOR", .zero = true});
        for (int m = 0; m < 8; m++) {
            int s = plot_series(p, m < 4 ? models[m] : "a series with a rather long name");
            plot_band(p, s, k, low, high, 3);
            plot_line(p, s, k, v, 3);
            plot_errors(p, s, k, low, high, 3);
        }
        plot_rule(p, 'y', 0.01, "chance");
        plot_rule(p, 'x', 50, "the study's k");
        check_figure(use ? "lines, file" : "lines", plot_svg(p, use ? PLOT_FILE : PLOT_INLINE));
    }
    double *x = numbers(a, "x", 2000, 1, 3), *y = numbers(a, "y", 2000, 5, -2);
    Plot *p = plot_new(a, "A title so long that it has to be broken into two lines because one line of it is wider than the figure", "");
    plot_subtitle(p, "and a subtitle of the same kind, which goes on and on until it cannot stand on one line any longer either");
    plot_x(p, (Axis){.label = "x"});
    plot_y(p, (Axis){.label = "y"});
    plot_points(p, plot_series(p, "points"), x, y, 2000);
    plot_fit(p, plot_series_like(p, "line", 2, false), x, y, 2000);
    check_figure("scatter", plot_svg(p, PLOT_INLINE));

    p = plot_new(a, "Bars", "");
    plot_x(p, (Axis){.kind = AXIS_NAMES, .names = models, .count = 4});
    double bars[4] = {.2, -.3, NAN, .45}, bl[4] = {.1, -.4, NAN, .44}, bh[4] = {.25, -.2, NAN, .47};
    plot_bars(p, plot_series(p, "one"), bars, bl, bh, 4);
    plot_bars(p, plot_series(p, "two"), bars, NULL, NULL, 3);
    plot_values(p, 2);
    check_figure("bars", plot_svg(p, PLOT_INLINE));

    p = plot_new(a, "Boxes and densities", "");
    plot_x(p, (Axis){.kind = AXIS_NAMES, .names = models, .count = 4});
    int s = plot_series(p, "s"), t = plot_series(p, "t");
    for (int m = 0; m < 4; m++) plot_box(p, s, m, y + 100 * m, 100), plot_violin(p, t, m, x + 300 * m, 300);
    check_figure("boxes and densities", plot_svg(p, PLOT_INLINE));

    Plot *panels[3];
    for (int m = 0; m < 3; m++) {
        panels[m] = plot_new(a, models[m], "");
        plot_size(panels[m], 280, 220);
        plot_x(panels[m], (Axis){.label = "score"});
        plot_histogram(panels[m], plot_series_like(panels[m], NULL, m, false), y, 2000, 40, -20, 20);
    }
    check_figure("histograms in panels", plot_panels(a, "Three panels", "", panels, 3, 2, PLOT_FILE));
    const double shares[2 * 3] = {60, NAN, 20, 30, 40, 50}, layers[3] = {1, 2, 3};
    check_figure("stacked shares", plot_stack(a, (Stack){.title = "Shares", .x_label = "layer", .y_label = "%", .names = (const char *const[]){"a & b", "c"}, .x = layers, .y = shares, .points = 3, .count = 2}, PLOT_INLINE));
    check_figure("one layer", plot_stack(a, (Stack){.title = "Shares", .x_label = "layer", .y_label = "%", .names = (const char *const[]){"a"}, .x = layers, .y = shares, .points = 1, .count = 1}, PLOT_FILE));
    check_figure("heat map", plot_heat(a, (Heat){.title = "Heat", .label = "error", .values = y, .rows = 20, .columns = 24, .picture = "data:,"}, PLOT_INLINE));
}

static void test_axes(Arena *a) {
    // many ranges: between 2 and 12 numbers, none on another, all inside the axis
    bool ok = true;
    Rng r = rng_of(6, "axes");
    for (int i = 0; i < 3000; i++) {
        double low = pow(10, 12 * rng_uniform(r, 4 * (uint64_t)i) - 6), high = low * (1 + pow(10, 6 * rng_uniform(r, 4 * (uint64_t)i + 1) - 2));
        bool logarithmic = i % 2, negative = !logarithmic && i % 3 == 0;
        Scale s = {.kind = logarithmic ? AXIS_LOG : AXIS_LINEAR, .low = negative ? -high : low, .high = negative ? low : high, .from = 0, .to = 300};
        axis_ticks(a, &s, 400, !logarithmic, false);
        int named = 0;
        for (int k = 0; k < s.ticks; k++) {
            named += s.text[k] != NULL;
            double slack = 1e-9 * (s.high - s.low) + 1e-9 * fabs(s.tick[k]);
            ok = ok && s.tick[k] >= s.low - slack && s.tick[k] <= s.high + slack && (k == 0 || s.tick[k] > s.tick[k - 1]);
            for (int l = 0; l < k; l++) ok = ok && !(s.text[k] && s.text[l] && strcmp(s.text[k], s.text[l]) == 0);
        }
        if (named < 2 || named > 16) {
            check(false, "axis %g … %g %s: %d numbers", s.low, s.high, logarithmic ? "log" : "", named);
            ok = false;
            break;
        }
    }
    check(ok, "3000 axes: distinct round numbers inside");
    check_text("thousands", number_text(a, -12345.678, 1), "−12,345.7");
    check_text("small", number_text(a, 2e-6, 7), "2×10⁻⁶");
    check_text("a power", number_text(a, 1e7, 0), "10⁷");
    check_text("no minus zero", number_text(a, -1e-9, 2), "0.00");
    static const double alone[] = {10, -0.25, 0};
    static const char *const told[] = {"10", "−0.25", "0"};
    for (int i = 0; i < 3; i++) {
        Scale one = {.kind = AXIS_LINEAR, .low = alone[i], .high = alone[i], .from = 0, .to = 300};
        axis_ticks(a, &one, 400, false, false);
        check_text("an axis of one value names that one", one.ticks == 1 ? one.text[0] : "", told[i]);
    }
    Scale s = {.kind = AXIS_LINEAR, .low = 0, .high = 10, .from = 100, .to = 0};
    check_value("value to pixel", scale_at(&s, 2.5), 75, 1e-12);
    s = (Scale){.kind = AXIS_LOG, .low = 1, .high = 100, .from = 0, .to = 200};
    check_value("logarithmic", scale_at(&s, 10), 100, 1e-12);
}

static void test_places(Arena *a) {
    // fixed axes: (0, 0) … (10, 10), so the markers' places are known from the axes' own lines
    Plot *p = plot_new(a, "", "");
    plot_x(p, (Axis){.fixed = true, .low = 0, .high = 10});
    plot_y(p, (Axis){.fixed = true, .low = 0, .high = 10});
    double x[3] = {0, 5, 10}, y[3] = {0, NAN, 10};
    plot_line(p, plot_series(p, NULL), x, y, 3);
    const char *svg = plot_svg(p, PLOT_INLINE), *line = strstr(svg, "class=\"l\""), *d = strstr(line, "d=\"");
    double u[2], v[2];
    check(sscanf(d, "d=\"M%lf %lfM%lf %lf\"", u, v, u + 1, v + 1) == 4, "a NaN leaves a gap");
    check(u[0] < u[1] && v[0] > v[1], "up is up and right is right");
    check_value("left end", u[0], p->sx.from, 0.006);
    check_value("upper end", v[1], p->sy.to, 0.006);
    p = plot_new(a, "Log", "");
    plot_y(p, (Axis){.kind = AXIS_LOG});
    double z[4] = {1, 0, 10, -3}, w[4] = {1, 2, 3, 4};
    plot_line(p, plot_series(p, NULL), w, z, 4);
    check(strstr(plot_svg(p, PLOT_INLINE), "2 values not above 0") != NULL, "what a logarithmic axis cannot show is said");
    p = plot_new(a, "<&\"\x01\xff'", "a < b & c");
    plot_line(p, plot_series(p, "<script>"), w, z, 4);
    check_figure("names that need escaping", plot_svg(p, PLOT_FILE));
    check(!strstr(plot_svg(p, PLOT_FILE), "<script>"), "no element from a name");
    check_same("the same bytes again", plot_svg(p, PLOT_FILE), plot_svg(p, PLOT_FILE), strlen(plot_svg(p, PLOT_FILE)));
}

static void test_hard(Arena *a) {
    double one[2] = {5, 5}, nothing[2] = {NAN, INFINITY}, wide[2] = {-1e300, 1e300}, tiny[2] = {1e-300, 2e-300};
    double *sets[4] = {one, nothing, wide, tiny};
    const char *names[4] = {"one value", "nothing finite", "very wide", "very small"};
    for (int i = 0; i < 4; i++)
        for (int logarithmic = 0; logarithmic < 2; logarithmic++) {
            Plot *p = plot_new(a, names[i], "");
            plot_x(p, (Axis){.kind = logarithmic ? AXIS_LOG : AXIS_LINEAR});
            plot_y(p, (Axis){.kind = logarithmic ? AXIS_LOG : AXIS_LINEAR});
            int s = plot_series(p, "s");
            plot_line(p, s, sets[i], sets[i], 2);
            plot_points(p, s, sets[i], sets[i], 2);
            plot_fit(p, s, sets[i], sets[i], 2);
            plot_band(p, s, sets[i], sets[i], sets[i], 2);
            const char *fault = markup_fault(plot_svg(p, PLOT_INLINE), false);
            check(!fault, "%s%s: %s", names[i], logarithmic ? ", log" : "", fault ? fault : "well-formed");
        }
    Plot *p = plot_new(a, "empty", "");
    check_figure("no data at all", plot_svg(p, PLOT_INLINE));
    p = plot_new(a, "x", "");
    check_dies("a series that is not there", "series 3 of 0") { plot_line(p, 3, one, one, 2); }
    check_dies("bars without names", "names") { plot_bars(p, plot_series(p, NULL), one, NULL, NULL, 2); }
    check_dies("an axis that goes backwards", "axis from") { plot_x(p, (Axis){.fixed = true, .low = 3, .high = 2}); }
    check_dies("a logarithmic axis from 0", "axis from") { plot_x(p, (Axis){.kind = AXIS_LOG, .fixed = true, .low = 0, .high = 2}); }
    Plot *small = plot_new(a, "a very long title in a very small figure, so that nothing is left for the drawing itself", "");
    plot_size(small, 160, 120);
    check_dies("no room", "no room") { plot_svg(small, PLOT_INLINE); }
}

static void test_markup(Arena *a) {
    Markup *m = markup_new(a);
    markup_text(m, "a<b>&\"'\n\t\x01\xC3\xA9\xED\xA0\x80\xF0\x9F\x98\x80\xC0\x80\xE2\x82");
    check_text("escaping", markup_done(m, NULL),
               "a&lt;b&gt;&amp;&quot;&#39;\n\t\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    m = markup_new(a);
    const double n[] = {0, -0.001, 1.5, 2, -12.345, 1000000};
    for (int i = 0; i < 6; i++) markup_number(m, n[i]), markup_put(m, " ");
    check_text("numbers", markup_done(m, NULL), "0 0 1.5 2 -12.35 1000000 ");
    check_dies("a coordinate that is none", "coordinate") { markup_number(m, NAN); }
}

int main(void) {
    Arena *a = arena_new("test");
    test_markup(a);
    test_kinds(a);
    test_axes(a);
    test_places(a);
    test_hard(a);
    arena_free(a);
    return check_end();
}
