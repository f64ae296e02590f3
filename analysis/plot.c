// plot.c: what figures are made of; plot_figure.c draws them. See plot.h.
//
// Colours: eight that stay apart (CIELAB distance 15 among the first five) under simulated red, green and blue blindness
// (Machado et al. 2009), with a contrast of 3 or more; one set for white, one for black.
#include "plot.h"

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
