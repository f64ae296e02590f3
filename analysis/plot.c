// plot.c: figures: what they are made of, where their parts stand. See plot.h.
//
// From above: title, subtitle, legend (in rows over the drawing, so it never covers data), name of the y axis (level, so
// that it can be read), drawing, numbers, name of the x axis, note.
// Colours: eight that stay apart (CIELAB distance 15 among the first five) under simulated red, green and blue blindness
// (Machado et al. 2009), with a contrast of 3 or more; one set for white, one for black.
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot_parts.h"
#include "statistics.h"

static const char style[] =
    ".plot{width:100%;height:auto;display:block}"
    ".plot text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#1b1f24}"
    ".plot .title{font-size:15px;font-weight:600}.plot .soft,.plot .tick{fill:#57606a}.plot .tick{font-size:12px}"
    ".plot .n{font-size:11px}.plot .halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}"
    ".plot .grid{stroke:#dfe3e8;stroke-width:1}.plot .axis{stroke:#6e7781;stroke-width:1}"
    ".plot .rule{stroke:#57606a;stroke-width:1.3;stroke-dasharray:4 3}.plot .back{fill:#fff}"
    ".plot .c1{color:#0a6ebd}.plot .c2{color:#d1500a}.plot .c3{color:#1da388}.plot .c4{color:#7a1673}"
    ".plot .c5{color:#6b3410}.plot .c6{color:#5b2fd0}.plot .c7{color:#04463a}.plot .c8{color:#66717c}"
    ".plot .l{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:butt}"
    ".plot .edge{stroke-width:1.3}.plot .over{stroke-width:2.4}.plot .f{fill:currentColor}.plot .o{fill:currentColor;opacity:.75}"
    ".plot .b{fill:currentColor;opacity:.17}.plot .v{fill:currentColor;opacity:.5}.plot .v0{fill:currentColor;opacity:.28}"
    ".plot .q{fill:currentColor;fill-opacity:.22;stroke:currentColor;stroke-width:1.5}"
    ".plot .w{fill:none;stroke:currentColor;stroke-width:1.5}.plot .w.ink{stroke:#1b1f24;stroke-width:1.2}"
    ".plot .inkfill{fill:#1b1f24}.plot .hole{fill:#fff}"
    ".plot .p{fill:none;stroke:currentColor;stroke-linecap:round;stroke-width:3}.plot .some{stroke-width:4;opacity:.5}"
    ".plot .thin{opacity:.3}.plot .out{opacity:.5}"
    "@media (prefers-color-scheme:dark){.plot text{fill:#e6edf3}.plot .soft,.plot .tick{fill:#9aa5b1}"
    ".plot .halo{stroke:#14181d}.plot .grid{stroke:#30363d}.plot .axis{stroke:#8b949e}.plot .rule{stroke:#9aa5b1}.plot .back{fill:#14181d}"
    ".plot .c1{color:#5cb3f5}.plot .c2{color:#ff9457}.plot .c3{color:#4fe3a0}.plot .c4{color:#c65bb4}"
    ".plot .c5{color:#e6e870}.plot .c6{color:#6d86fb}.plot .c7{color:#c98c97}.plot .c8{color:#d5e9f7}"
    ".plot .w.ink{stroke:#e6edf3}.plot .inkfill{fill:#e6edf3}.plot .hole{fill:#14181d}.plot .thin{opacity:.4}}";

const char *plot_css(void) { return style; }

// ---- building

Plot *plot_new(Arena *a, const char *title, const char *description) {
    Plot *p = take(a, Plot, 1);
    *p = (Plot){.arena = a, .title = title, .description = description, .width = 560, .height = 360, .value_decimals = -1};
    return p;
}

void plot_size(Plot *p, double width, double height) {
    need(width >= 160 && height >= 120 && width <= 4000 && height <= 4000,
         "plot \"%s\": %g x %g px; 160 x 120 to 4000 x 4000 are possible", p->title, width, height);
    p->width = width;
    p->height = height;
}

void plot_subtitle(Plot *p, const char *text) { p->subtitle = text; }

static void check_axis(const Plot *p, const Axis *a) {
    need(!a->fixed || (a->low < a->high && (a->kind != AXIS_LOG || a->low > 0)), "plot \"%s\": an axis from %g to %g",
         p->title, a->low, a->high);
    need(a->kind != AXIS_NAMES || (a->names && a->count > 0), "plot \"%s\": an axis of names without names", p->title);
}

void plot_x(Plot *p, Axis axis) {
    check_axis(p, &axis);
    p->x = axis;
}

void plot_y(Plot *p, Axis axis) {
    check_axis(p, &axis);
    need(axis.kind != AXIS_NAMES, "plot \"%s\": names belong on the x axis", p->title);
    p->y = axis;
}

int plot_series_like(Plot *p, const char *name, int colour, bool dashed) {
    if (p->series_count == p->series_room) {
        int room = p->series_room ? p->series_room * 2 : 8;
        p->series = arena_grow(p->arena, p->series, (size_t)p->series_count, (size_t)room, sizeof *p->series);
        p->series_room = room;
    }
    p->series[p->series_count] = (Series){.name = name, .colour = colour % COLOURS, .dashed = dashed};
    return p->series_count++;
}

int plot_series(Plot *p, const char *name) { return plot_series_like(p, name, p->series_count, false); }

static double *copy(Plot *p, const double *x, size_t n) {
    if (!x) return NULL;
    double *c = take(p->arena, double, n);
    if (n) memcpy(c, x, n * sizeof *c);
    return c;
}

static PlotMark *mark(Plot *p, MarkKind kind, int series, size_t n) {
    need(kind == MARK_RULE || (series >= 0 && series < p->series_count), "plot \"%s\": series %d of %d", p->title, series,
         p->series_count);
    if (p->mark_count == p->mark_room) {
        int room = p->mark_room ? p->mark_room * 2 : 16;
        p->marks = arena_grow(p->arena, p->marks, (size_t)p->mark_count, (size_t)room, sizeof *p->marks);
        p->mark_room = room;
    }
    PlotMark *k = &p->marks[p->mark_count++];
    *k = (PlotMark){.kind = kind, .series = series, .n = n};
    return k;
}

void plot_line(Plot *p, int series, const double *x, const double *y, size_t n) {
    PlotMark *k = mark(p, MARK_LINE, series, n);
    k->x = copy(p, x, n), k->y = copy(p, y, n);
    p->series[series].line = true;
    if (n <= MARKER_POINTS) p->series[series].marker = true;
}

void plot_band(Plot *p, int series, const double *x, const double *low, const double *high, size_t n) {
    PlotMark *k = mark(p, MARK_BAND, series, n);
    k->x = copy(p, x, n), k->low = copy(p, low, n), k->high = copy(p, high, n);
}

void plot_errors(Plot *p, int series, const double *x, const double *low, const double *high, size_t n) {
    PlotMark *k = mark(p, MARK_ERRORS, series, n);
    k->x = copy(p, x, n), k->low = copy(p, low, n), k->high = copy(p, high, n);
}

void plot_points(Plot *p, int series, const double *x, const double *y, size_t n) {
    PlotMark *k = mark(p, MARK_POINTS, series, n);
    k->x = copy(p, x, n), k->y = copy(p, y, n);
    p->series[series].marker = true;
}

void plot_fit(Plot *p, int series, const double *x, const double *y, size_t n) {
    PlotMark *k = mark(p, MARK_FIT, series, n);
    k->x = copy(p, x, n), k->y = copy(p, y, n);
    double *u = copy(p, x, n), *v = copy(p, y, n);
    size_t m = pairs_finite(u, v, n);
    p->series[series].line = p->series[series].fit = true;
    const char *r = number_text(p->arena, pearson(u, v, m).r, 3);
    p->series[series].note = arena_print(p->arena, "r = %s, n = %s", r, number_text(p->arena, (double)m, 0));
}

void plot_bars(Plot *p, int series, const double *y, const double *low, const double *high, size_t n) {
    need(p->x.kind == AXIS_NAMES && n <= (size_t)p->x.count && !low == !high,
         "plot \"%s\": %zu bars over %d names, with both ends of intervals or none", p->title, n, p->x.count);
    PlotMark *k = mark(p, MARK_BARS, series, n);
    k->y = copy(p, y, n), k->low = copy(p, low, n), k->high = copy(p, high, n);
    p->series[series].area = true;
}

void plot_values(Plot *p, int decimals) { p->value_decimals = decimals; }

static void distribution(Plot *p, MarkKind kind, int series, int name, const double *values, size_t n) {
    need(p->x.kind == AXIS_NAMES && name >= 0 && name < p->x.count, "plot \"%s\": name %d of %d", p->title, name,
         p->x.count);
    PlotMark *k = mark(p, kind, series, n);
    k->y = copy(p, values, n);
    k->name = name;
    p->series[series].area = true;
}

void plot_box(Plot *p, int series, int name, const double *values, size_t n) { distribution(p, MARK_BOX, series, name, values, n); }

void plot_violin(Plot *p, int series, int name, const double *values, size_t n) { distribution(p, MARK_VIOLIN, series, name, values, n); }

void plot_histogram(Plot *p, int series, const double *values, size_t n, int bins, double low, double high) {
    size_t *count = take(p->arena, size_t, (size_t)bins);
    histogram(count, bins, low, high, values, n);
    PlotMark *k = mark(p, MARK_HISTOGRAM, series, (size_t)bins + 1); // x: the edges; the last y is not used
    k->x = take(p->arena, double, (size_t)bins + 1);
    k->y = take(p->arena, double, (size_t)bins + 1);
    for (int b = 0; b <= bins; b++) {
        k->x[b] = low + (high - low) * b / bins;
        k->y[b] = b < bins ? (double)count[b] : 0;
    }
    p->series[series].area = true;
}

void plot_rule(Plot *p, char axis, double at, const char *label) {
    need(axis == 'x' || axis == 'y', "plot \"%s\": a rule across axis '%c'", p->title, axis);
    PlotMark *k = mark(p, MARK_RULE, 0, 0);
    k->axis = axis, k->at = at, k->label = label;
}

// ---- drawing

void plot_text_at(Markup *m, const char *class, const char *anchor, double x, double y, const char *text) {
    markup_print(m, "<text class=\"%s\" text-anchor=\"%s\" x=\"", class, anchor);
    markup_number(m, x);
    markup_put(m, "\" y=\"");
    markup_number(m, y);
    markup_put(m, "\">");
    markup_text(m, text);
    markup_put(m, "</text>\n");
}

void plot_line_at(Markup *m, const char *class, double x0, double y0, double x1, double y1) {
    const char *names[4] = {"x1", "y1", "x2", "y2"};
    double v[4] = {x0, y0, x1, y1};
    markup_print(m, "<line class=\"%s\"", class);
    for (int i = 0; i < 4; i++) {
        markup_print(m, " %s=\"", names[i]);
        markup_number(m, v[i]);
        markup_put(m, "\"");
    }
    markup_put(m, "/>\n");
}

// Text in as many lines as it takes; returns the y of the next line.
double plot_paragraph(Plot *p, Markup *m, const char *class, const char *text, double size, double y) {
    const char *lines[8];
    if (!text || !*text) return y;
    bool bold = strcmp(class, "title") == 0; // wider by about as much
    int n = text_lines(p->arena, text, bold ? size * 1.2 : size, p->width, lines, 8);
    for (int i = 0; i < n; i++, y += size + 5) plot_text_at(m, class, "start", 0, y + size, lines[i]);
    return y + 3;
}

static double legend(Plot *p, Markup *m, double y) {
    double x = 0;
    bool any = false;
    for (int i = 0; i < p->series_count; i++) {
        const Series *s = &p->series[i];
        if (!s->name && !s->note) continue;
        const char *text = !s->note ? s->name : !s->name ? s->note : arena_print(p->arena, "%s  (%s)", s->name, s->note);
        double room = s->line || s->marker ? 27 : 17, width = room + text_width(text, TEXT) + 16;
        if (x > 0 && x + width - 16 > p->width) x = 0, y += 19;
        swatch_draw(m, s, x, y + 8);
        plot_text_at(m, "", "start", x + room, y + 12.5, text);
        x += width;
        any = true;
    }
    return any ? y + 24 : y;
}

// Names under the axis: on one line if they fit, else wrapped, else aslant.
static bool names_aslant(const Plot *p) {
    double slot = fabs(p->sx.to - p->sx.from) / p->x.count;
    for (int i = 0; i < p->x.count; i++) {
        char *words = arena_text(p->arena, p->x.names[i], strlen(p->x.names[i])), *rest = NULL;
        for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
            if (text_width(w, TEXT) > slot - 4) return true;
    }
    return false;
}

// Draws them if m is given; returns the height that they take.
static double names_draw(Plot *p, Markup *m, double y) {
    bool aslant = names_aslant(p);
    double slot = fabs(p->sx.to - p->sx.from) / p->x.count, height = 0;
    for (int i = 0; i < p->x.count; i++) {
        double x = scale_at(&p->sx, i);
        const char *lines[4];
        int n = aslant ? 0 : text_lines(p->arena, p->x.names[i], TEXT, slot - 4, lines, 4);
        height = fmax(height, aslant ? text_width(p->x.names[i], TEXT) * 0.6 + 16 : 16.0 * n + 4);
        for (int l = 0; l < n && m; l++) plot_text_at(m, "", "middle", x, y + 16 + 16 * l, lines[l]);
        if (!aslant || !m) continue;
        markup_put(m, "<g transform=\"translate(");
        markup_number(m, x + 4);
        markup_put(m, " ");
        markup_number(m, y + 14);
        markup_put(m, ") rotate(-36)\">");
        plot_text_at(m, "", "end", 0, 0, p->x.names[i]);
        markup_put(m, "</g>\n");
    }
    return height;
}

// Grid lines, axes and numbers; y0 is the upper rim of the drawing, y1 the lower.
static void axes_draw(Plot *p, Markup *m, double x0, double x1, double y0, double y1) {
    for (int i = 0; i < p->sy.ticks; i++) {
        double y = scale_at(&p->sy, p->sy.tick[i]);
        if (p->sy.text[i]) {
            plot_line_at(m, "grid", x0, y, x1, y);
            plot_text_at(m, "tick", "end", x0 - 7, y + 4, p->sy.text[i]);
        } else {
            plot_line_at(m, "axis", x0 - 3, y, x0, y);
        }
    }
    if (p->y.kind != AXIS_LOG && p->sy.low < 0 && p->sy.high > 0) plot_line_at(m, "axis", x0, scale_at(&p->sy, 0), x1, scale_at(&p->sy, 0));
    plot_line_at(m, "axis", x0, y1, x1, y1);
    double last = -1e9; // right end of the last number: the next must not touch it
    for (int i = 0; i < p->sx.ticks; i++) {
        double x = scale_at(&p->sx, p->sx.tick[i]);
        plot_line_at(m, "axis", x, y1, x, y1 + (p->sx.text[i] ? 5 : 3));
        if (!p->sx.text[i]) continue;
        double half = text_width(p->sx.text[i], 12) / 2, at = fmin(x, p->width - half);
        if (at - half < last + 5) continue;
        plot_text_at(m, "tick", "middle", at, y1 + 18, p->sx.text[i]);
        last = at + half;
    }
}

static void rules_draw(Plot *p, Markup *m, double x0, double x1, double y0, double y1, bool labels) {
    for (int i = 0; i < p->mark_count; i++) {
        const PlotMark *k = &p->marks[i];
        if (k->kind != MARK_RULE) continue;
        const Scale *s = k->axis == 'y' ? &p->sy : &p->sx;
        if (!scale_shows(s, k->at)) continue;
        double at = scale_at(s, k->at);
        if (at < fmin(s->from, s->to) - 1 || at > fmax(s->from, s->to) + 1) continue;
        if (!labels) {
            if (k->axis == 'y') plot_line_at(m, "rule", x0, at, x1, at);
            else plot_line_at(m, "rule", at, y0, at, y1);
        } else if (k->label) {
            bool left = at + text_width(k->label, TEXT) + 6 > x1; // of a vertical rule near the right rim
            if (k->axis == 'y') plot_text_at(m, "soft halo", "end", x1 - 2, at - 5 < y0 + 10 ? at + 15 : at - 5, k->label);
            else plot_text_at(m, "soft", left ? "end" : "start", left ? at + 3 : at - 3, y0 - 5, k->label);
        }
    }
}

static void scales_set(Plot *p, double width, double height) {
    double x[2], y[2];
    marks_range(p, x, y);
    p->sx = (Scale){.kind = p->x.kind, .low = p->x.fixed ? p->x.low : x[0], .high = p->x.fixed ? p->x.high : x[1]};
    p->sy = (Scale){.kind = p->y.kind, .low = p->y.fixed ? p->y.low : y[0], .high = p->y.fixed ? p->y.high : y[1]};
    if (p->x.kind == AXIS_NAMES) p->sx.kind = AXIS_LINEAR, p->sx.low = -0.5, p->sx.high = p->x.count - 0.5;
    else axis_ticks(p->arena, &p->sx, p->x.whole ? fmin(width, 62 * (p->x.high - p->x.low)) : width, false, p->x.zero); // 62: linear_ticks' room for a step
    axis_ticks(p->arena, &p->sy, height * 1.35, !p->y.fixed && p->y.kind == AXIS_LINEAR, p->y.zero);
}

// A little air beside the first and last points, so that markers are not cut.
static void air(Scale *s, double share) {
    if (s->kind == AXIS_LOG) {
        double f = pow(s->high / s->low, share);
        s->low /= f, s->high *= f;
    } else {
        double d = (s->high - s->low) * share;
        s->low -= d, s->high += d;
    }
}

// The figure from (0, 0) to (width, height), without the <svg> around it.
static void figure(Plot *p, Markup *m) {
    double y = plot_paragraph(p, m, "title", p->title, TITLE, 0);
    y = plot_paragraph(p, m, "soft", p->subtitle, TEXT, y);
    y = legend(p, m, y);
    y = plot_paragraph(p, m, "soft", p->y.label, TEXT, y);
    scales_set(p, p->width - 60, p->height - y - 50);
    double left = 8, overhang = 6;
    for (int i = 0; i < p->sy.ticks; i++)
        if (p->sy.text[i]) left = fmax(left, text_width(p->sy.text[i], 12) + 9);
    if (!p->x.fixed && p->x.kind != AXIS_NAMES) air(&p->sx, 0.02);
    double x0 = left, x1 = p->width - overhang, y0 = y + 6;
    for (int i = 0; i < p->mark_count; i++)
        if (p->marks[i].kind == MARK_RULE && p->marks[i].axis == 'x' && p->marks[i].label) y0 = y + 22; // its label stands above
    p->sx.from = x0, p->sx.to = x1;
    for (int i = 0; p->x.kind == AXIS_NAMES && names_aslant(p) && i < p->x.count; i++) { // names aslant reach out to the left
        double reach = text_width(p->x.names[i], TEXT) * 0.81 - scale_at(&p->sx, i);
        if (reach > 0) x0 += reach, p->sx.from = x0;
    }
    const char *note = !p->lost ? NULL
                                : arena_print(p->arena, "%zu value%s not above 0 cannot be shown on a logarithmic axis.",
                                              p->lost, p->lost == 1 ? "" : "s");
    double names = p->x.kind == AXIS_NAMES ? names_draw(p, NULL, 0) : 22;
    double y1 = p->height - names - (p->x.label ? 20 : 0) - (note ? 20 : 0) - 2;
    need(y1 - y0 >= 20 && x1 - x0 >= 20, "plot \"%s\": %g x %g px leave no room for the drawing; plot_size() it larger",
         p->title, p->width, p->height);
    p->sy.from = y1, p->sy.to = y0;
    if (p->y.kind == AXIS_LOG && !p->y.fixed) air(&p->sy, 0.02);
    axes_draw(p, m, x0, x1, y0, y1);
    rules_draw(p, m, x0, x1, y0, y1, false);
    // an inner <svg> cuts off what lies outside of fixed axes; its rim leaves room for markers on the edge
    double inner[4] = {x0 - 6, y0 - 16, x1 - x0 + 12, y1 - y0 + 22};
    const char *names4[4] = {"x", "y", "width", "height"};
    markup_put(m, "<svg");
    for (int i = 0; i < 4; i++) {
        markup_print(m, " %s=\"", names4[i]);
        markup_number(m, inner[i]);
        markup_put(m, "\"");
    }
    markup_put(m, " viewBox=\"");
    for (int i = 0; i < 4; i++) {
        markup_number(m, inner[i]);
        markup_put(m, i < 3 ? " " : "\">\n");
    }
    marks_draw(p, m);
    markup_put(m, "</svg>\n");
    rules_draw(p, m, x0, x1, y0, y1, true);
    if (p->x.kind == AXIS_NAMES) names_draw(p, m, y1);
    if (p->x.label) plot_text_at(m, "soft", "middle", (x0 + x1) / 2, y1 + names + 14, p->x.label);
    if (note) plot_text_at(m, "soft", "start", 0, p->height - 5, note);
}

void plot_begin(Markup *m, double width, double height, const char *title, const char *description, PlotUse use) {
    double rim = use == PLOT_FILE ? 14 : 0;
    markup_put(m, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" viewBox=\"");
    double box[4] = {-rim, -rim, width + 2 * rim, height + 2 * rim};
    for (int i = 0; i < 4; i++) {
        markup_number(m, box[i]);
        markup_put(m, i < 3 ? " " : "\"");
    }
    if (use == PLOT_FILE) markup_print(m, " width=\"%.0f\" height=\"%.0f\"", box[2], box[3]);
    else markup_print(m, " style=\"max-width:%.0fpx;min-width:%.0fpx\"", width, fmin(width, 416)); // letters neither huge nor tiny
    markup_put(m, " aria-label=\"");
    markup_text(m, title ? title : "");
    markup_put(m, "\">\n<title>");
    markup_text(m, title ? title : "");
    markup_put(m, "</title>\n<desc>");
    markup_text(m, description ? description : "");
    markup_put(m, "</desc>\n");
    if (use == PLOT_FILE) {
        markup_print(m, "<style>%s</style>\n<rect class=\"back\" x=\"-14\" y=\"-14\" width=\"%.0f\" height=\"%.0f\"/>\n", style, box[2], box[3]);
    }
}

const char *plot_svg(Plot *p, PlotUse use) {
    Markup *m = markup_new(p->arena);
    plot_begin(m, p->width, p->height, p->title, p->description, use);
    figure(p, m);
    markup_put(m, "</svg>\n");
    return markup_done(m, NULL);
}

const char *plot_panels(Arena *a, const char *title, const char *description, Plot *const *panels, int count, int columns, PlotUse use) {
    need(count >= 1 && columns >= 1, "plot \"%s\": %d panels in %d columns", title, count, columns);
    const double gap = 28;
    double width = 0, height = 0, *left = take(a, double, (size_t)columns + 1), head = 0;
    if (columns > count) columns = count;
    for (int c = 0; c < columns; c++) {
        double most = 0;
        for (int i = c; i < count; i += columns) most = fmax(most, panels[i]->width);
        left[c] = width;
        width += most + (c + 1 < columns ? gap : 0);
    }
    Plot whole = {.arena = a, .title = title, .width = width};
    Markup *body = markup_new(a), *m = markup_new(a);
    head = plot_paragraph(&whole, body, "title", title, TITLE + 1, 0);
    height = head + (head > 0 ? 8 : 0);
    for (int i = 0; i < count; i += columns) {
        double most = 0;
        for (int c = 0; c < columns && i + c < count; c++) {
            markup_put(body, "<g transform=\"translate(");
            markup_number(body, left[c]);
            markup_put(body, " ");
            markup_number(body, height);
            markup_put(body, ")\">\n");
            figure(panels[i + c], body);
            markup_put(body, "</g>\n");
            most = fmax(most, panels[i + c]->height);
        }
        height += most + (i + columns < count ? gap : 0);
    }
    plot_begin(m, width, height, title, description, use);
    markup_put(m, markup_done(body, NULL));
    markup_put(m, "</svg>\n");
    return markup_done(m, NULL);
}
