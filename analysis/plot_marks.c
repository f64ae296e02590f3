// plot_marks.c: lines, bands, points, bars, boxes, densities, histograms. See plot.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot_parts.h"
#include "statistics.h"

static void widen(double range[2], double v, AxisKind kind, size_t *lost) {
    if (!isfinite(v)) return;
    if (kind == AXIS_LOG && v <= 0) {
        (*lost)++;
        return;
    }
    if (v < range[0]) range[0] = v;
    if (v > range[1]) range[1] = v;
}

void marks_range(Plot *p, double x[2], double y[2]) {
    size_t none = 0;
    x[0] = y[0] = INFINITY, x[1] = y[1] = -INFINITY;
    p->lost = 0;
    for (int i = 0; i < p->mark_count; i++) {
        const PlotMark *k = &p->marks[i];
        for (size_t j = 0; j < k->n; j++) {
            if (k->x) widen(x, k->x[j], p->x.kind, k->low ? &none : &p->lost);
            if (k->y) widen(y, k->y[j], p->y.kind, &p->lost);
            if (k->low) widen(y, k->low[j], p->y.kind, k->kind == MARK_BAND ? &p->lost : &none);
            if (k->high) widen(y, k->high[j], p->y.kind, &none);
        }
        if (k->kind == MARK_BARS) widen(y, 0, AXIS_LINEAR, &none);
        if (k->kind == MARK_RULE && k->axis == 'y') widen(y, k->at, p->y.kind, &none);
        if (k->kind == MARK_RULE && k->axis == 'x') widen(x, k->at, p->x.kind, &none);
    }
    if (p->value_decimals >= 0 && p->y.kind == AXIS_LINEAR && y[0] < y[1]) { // room for the numbers at the ends of bars
        double room = 0.07 * (y[1] - y[0]);
        if (y[1] > 0) y[1] += room;
        if (y[0] < 0) y[0] -= room;
    }
}

// ---- small pieces

static void point(Markup *m, char command, double x, double y) {
    char c[2] = {command, 0};
    markup_put(m, c);
    markup_number(m, x);
    markup_put(m, " ");
    markup_number(m, y);
}

static void rectangle(Markup *m, const char *class, double x0, double y0, double x1, double y1) {
    markup_print(m, "<rect class=\"%s\"", class);
    plot_attribute(m, "x", fmin(x0, x1));
    plot_attribute(m, "y", fmin(y0, y1));
    plot_attribute(m, "width", fabs(x1 - x0));
    plot_attribute(m, "height", fabs(y1 - y0));
    markup_put(m, "/>\n");
}

static void segment(Markup *m, const char *class, double x0, double y0, double x1, double y1) {
    markup_print(m, "<path class=\"%s\" d=\"", class);
    point(m, 'M', x0, y0);
    point(m, 'L', x1, y1);
    markup_put(m, "\"/>\n");
}

// One for each colour: circle, square, triangle, diamond, triangle downwards, cross, pentagon, hexagon.
void marker_draw(Markup *m, int kind, double x, double y) {
    static const char *const shapes[COLOURS] = {
        "m-3.8 0a3.8 3.8 0 1 0 7.6 0a3.8 3.8 0 1 0 -7.6 0z", "m-3.4 -3.4h6.8v6.8h-6.8z", "m0 -4.6l4.4 7.6h-8.8z",
        "m0 -4.9l4.9 4.9l-4.9 4.9l-4.9 -4.9z", "m0 4.6l4.4 -7.6h-8.8z",
        "m-1.3 -4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z", "m0 -4.4l4.2 3l-1.6 5h-5.2l-1.6 -5z",
        "m-2.2 -4h4.4l2.2 4l-2.2 4h-4.4l-2.2 -4z"};
    point(m, 'M', x, y);
    markup_put(m, shapes[kind % COLOURS]);
}

// Lines without markers are told apart by their dashes.
static const char *dash_of(const Series *s, bool marked) {
    static const char *const patterns[COLOURS] = {"", "8 3", "2 3", "9 3 2 3", "5 2 1 2 1 2", "12 4", "4 4", "1 4"};
    return s->dashed ? "5 4" : marked ? "" : patterns[s->colour];
}

static void line_begin(Markup *m, const char *dash) {
    markup_put(m, "<path class=\"l\"");
    if (*dash) markup_print(m, " stroke-dasharray=\"%s\"", dash);
    markup_put(m, " d=\"");
}

void swatch_draw(Markup *m, const Series *s, double x, double y) {
    markup_print(m, "<g class=\"c%d\">", s->colour + 1);
    if (s->area) rectangle(m, "f", x, y - 6, x + 11, y + 5);
    if (s->line) {
        line_begin(m, s->fit ? "" : dash_of(s, s->marker));
        point(m, 'M', x, y);
        point(m, 'L', x + 20, y);
        markup_put(m, "\"/>");
    }
    if (s->marker) {
        markup_put(m, "<path class=\"f\" d=\"");
        marker_draw(m, s->colour, x + 10, y);
        markup_put(m, "\"/>");
    }
    markup_put(m, "</g>\n");
}

// ---- lines, bands, points

// The x positions of a series that stands beside others over names: its own slot.
typedef struct {
    double centre, half; // px
} Slot;

static bool grouped(MarkKind k) { return k == MARK_BARS || k == MARK_BOX || k == MARK_VIOLIN; }

static bool stands_at(const PlotMark *k, int series, int name) {
    return k->series == series && (k->kind == MARK_BARS ? (size_t)name < k->n : grouped(k->kind) && k->name == name);
}

// Every slot is as wide as the most crowded name needs; at the others, slots stand in the middle.
static Slot slot_of(const Plot *p, int series, int name) {
    int most = 1, here = 0, own = 0;
    for (int at = 0; at < p->x.count; at++) {
        int count = 0;
        for (int s = 0; s < p->series_count; s++) {
            bool stands = false;
            for (int i = 0; i < p->mark_count; i++) stands = stands || stands_at(&p->marks[i], s, at);
            if (at == name && s == series) own = count;
            count += stands;
        }
        if (at == name) here = count;
        if (count > most) most = count;
    }
    double whole = fabs(scale_at(&p->sx, 1) - scale_at(&p->sx, 0)) * 0.76;
    if (whole > 90.0 * most) whole = 90.0 * most; // a few bars are not walls
    return (Slot){scale_at(&p->sx, name) + whole / most * (own + 0.5 - here / 2.0), whole / most / 2};
}

static void draw_line(const Plot *p, Markup *m, const PlotMark *k) {
    const Series *s = &p->series[k->series];
    bool marked = s->marker, open = false;
    line_begin(m, dash_of(s, marked));
    for (size_t i = 0; i < k->n; i++) {
        bool shown = scale_shows(&p->sx, k->x[i]) && scale_shows(&p->sy, k->y[i]);
        if (shown) point(m, open ? 'L' : 'M', scale_at(&p->sx, k->x[i]), scale_at(&p->sy, k->y[i]));
        open = shown;
    }
    markup_put(m, "\"/>\n");
    if (!marked) return;
    markup_put(m, "<path class=\"f\" d=\"");
    for (size_t i = 0; i < k->n; i++)
        if (scale_shows(&p->sx, k->x[i]) && scale_shows(&p->sy, k->y[i]))
            marker_draw(m, s->colour, scale_at(&p->sx, k->x[i]), scale_at(&p->sy, k->y[i]));
    markup_put(m, "\"/>\n");
}

// One closed area for each run without gaps.
static void draw_band(const Plot *p, Markup *m, const PlotMark *k) {
    markup_put(m, "<path class=\"b\" d=\"");
    for (size_t begin = 0; begin < k->n; begin++) {
        size_t end = begin;
        while (end < k->n && scale_shows(&p->sx, k->x[end]) && scale_shows(&p->sy, k->low[end]) && scale_shows(&p->sy, k->high[end])) end++;
        for (size_t i = begin; i < end; i++) point(m, i == begin ? 'M' : 'L', scale_at(&p->sx, k->x[i]), scale_at(&p->sy, k->low[i]));
        for (size_t i = end; i > begin; i--) point(m, 'L', scale_at(&p->sx, k->x[i - 1]), scale_at(&p->sy, k->high[i - 1]));
        if (end > begin) markup_put(m, "z");
        begin = end;
    }
    markup_put(m, "\"/>\n");
}

static void whisker(const Plot *p, Markup *m, double x, double low, double high, double half) {
    if (!scale_shows(&p->sy, low) || !scale_shows(&p->sy, high)) return;
    double y0 = scale_at(&p->sy, low), y1 = scale_at(&p->sy, high);
    point(m, 'M', x, y0);
    point(m, 'L', x, y1);
    point(m, 'M', x - half, y0);
    point(m, 'L', x + half, y0);
    point(m, 'M', x - half, y1);
    point(m, 'L', x + half, y1);
}

static void draw_errors(const Plot *p, Markup *m, const PlotMark *k) {
    markup_put(m, "<path class=\"w\" d=\"");
    for (size_t i = 0; i < k->n; i++)
        if (scale_shows(&p->sx, k->x[i])) whisker(p, m, scale_at(&p->sx, k->x[i]), k->low[i], k->high[i], 3.5);
    markup_put(m, "\"/>\n");
}

// Many points are one path of round-ended strokes without length: eight bytes each, and quick to draw.
static void draw_points(const Plot *p, Markup *m, const PlotMark *k) {
    bool many = k->n > 200;
    markup_print(m, "<path class=\"%s\" d=\"", many ? k->n > 1500 ? "p thin" : "p some" : "o");
    for (size_t i = 0; i < k->n; i++) {
        if (!scale_shows(&p->sx, k->x[i]) || !scale_shows(&p->sy, k->y[i])) continue;
        double x = scale_at(&p->sx, k->x[i]), y = scale_at(&p->sy, k->y[i]);
        if (many) {
            point(m, 'M', x, y);
            markup_put(m, "h0");
        } else {
            marker_draw(m, p->series[k->series].colour, x, y);
        }
    }
    markup_put(m, "\"/>\n");
}

// The line, from the first to the last x; with one logarithmic axis it is a curve, so it is drawn in pieces.
static void draw_fit(const Plot *p, Markup *m, const PlotMark *k) {
    double *x = take(p->arena, double, k->n), *y = take(p->arena, double, k->n), low = INFINITY, high = -INFINITY;
    memcpy(x, k->x, sizeof *x * k->n);
    memcpy(y, k->y, sizeof *y * k->n);
    size_t n = pairs_finite(x, y, k->n);
    Line line = line_fit(x, y, n);
    if (isnan(line.slope)) return;
    for (size_t i = 0; i < n; i++) low = fmin(low, x[i]), high = fmax(high, x[i]);
    int pieces = p->x.kind == AXIS_LOG || p->y.kind == AXIS_LOG ? 64 : 1;
    bool open = false;
    markup_put(m, "<path class=\"l over\" d=\"");
    for (int i = 0; i <= pieces; i++) {
        double at = i == pieces ? high : low + (high - low) * i / pieces, v = line.intercept + line.slope * at;
        bool shown = scale_shows(&p->sx, at) && scale_shows(&p->sy, v);
        if (shown) point(m, open ? 'L' : 'M', scale_at(&p->sx, at), scale_at(&p->sy, v));
        open = shown;
    }
    markup_put(m, "\"/>\n");
}

// ---- bars, boxes, densities, histograms

static void draw_bars(const Plot *p, Markup *m, const PlotMark *k) {
    double base = p->sy.kind == AXIS_LOG ? p->sy.from : scale_at(&p->sy, 0);
    for (size_t i = 0; i < k->n; i++) {
        if (!scale_shows(&p->sy, k->y[i])) continue;
        Slot s = slot_of(p, k->series, (int)i);
        double half = s.half * 0.92;
        rectangle(m, "f", s.centre - half, base, s.centre + half, scale_at(&p->sy, k->y[i]));
    }
    markup_put(m, "<path class=\"w ink\" d=\"");
    for (size_t i = 0; i < k->n && k->low; i++) {
        Slot s = slot_of(p, k->series, (int)i);
        whisker(p, m, s.centre, k->low[i], k->high[i], fmin(3.5, s.half / 2));
    }
    markup_put(m, "\"/>\n");
    for (size_t i = 0; i < k->n && p->value_decimals >= 0; i++) {
        if (!scale_shows(&p->sy, k->y[i])) continue;
        double top = k->low && isfinite(k->high[i]) ? fmax(k->y[i], k->high[i]) : k->y[i];
        bool below = k->y[i] < 0;
        if (below) top = k->low && isfinite(k->low[i]) ? fmin(k->y[i], k->low[i]) : k->y[i];
        markup_put(m, "<text class=\"n\" text-anchor=\"middle\"");
        plot_attribute(m, "x", slot_of(p, k->series, (int)i).centre);
        plot_attribute(m, "y", scale_at(&p->sy, top) + (below ? 13 : -5));
        markup_print(m, ">%s</text>\n", number_text(p->arena, k->y[i], p->value_decimals));
    }
}

typedef struct {
    double *sorted;
    size_t n;
    double q25, median, q75, low, high; // low, high: ends of the whiskers
} Box;

static Box box_of(const Plot *p, const PlotMark *k) {
    Box b = {.sorted = take(p->arena, double, k->n)};
    for (size_t i = 0; i < k->n; i++)
        if (scale_shows(&p->sy, k->y[i])) b.sorted[b.n++] = k->y[i];
    sort_ascending(b.sorted, b.n);
    if (b.n == 0) return b;
    b.q25 = quantile_sorted(b.sorted, b.n, 0.25);
    b.median = quantile_sorted(b.sorted, b.n, 0.5);
    b.q75 = quantile_sorted(b.sorted, b.n, 0.75);
    double reach = 1.5 * (b.q75 - b.q25);
    b.low = b.q25, b.high = b.q75;
    for (size_t i = b.n; i-- > 0;)
        if (b.sorted[i] >= b.q25 - reach) b.low = fmin(b.low, b.sorted[i]);
    for (size_t i = 0; i < b.n; i++)
        if (b.sorted[i] <= b.q75 + reach) b.high = fmax(b.high, b.sorted[i]);
    return b;
}

static void draw_box(const Plot *p, Markup *m, const PlotMark *k) {
    Box b = box_of(p, k);
    if (b.n == 0) return;
    Slot s = slot_of(p, k->series, k->name);
    double half = s.half * 0.8, y25 = scale_at(&p->sy, b.q25), y75 = scale_at(&p->sy, b.q75);
    markup_put(m, "<path class=\"p out\" d=\"");
    for (size_t i = 0; i < b.n; i++)
        if (b.sorted[i] < b.low || b.sorted[i] > b.high) {
            point(m, 'M', s.centre, scale_at(&p->sy, b.sorted[i]));
            markup_put(m, "h0");
        }
    markup_put(m, "\"/>\n<path class=\"w\" d=\"");
    point(m, 'M', s.centre, y25);
    point(m, 'L', s.centre, scale_at(&p->sy, b.low));
    point(m, 'M', s.centre, y75);
    point(m, 'L', s.centre, scale_at(&p->sy, b.high));
    markup_put(m, "\"/>\n");
    rectangle(m, "q", s.centre - half, y25, s.centre + half, y75);
    segment(m, "l", s.centre - half, scale_at(&p->sy, b.median), s.centre + half, scale_at(&p->sy, b.median));
}

// Gaussian density with Silverman's width, between the smallest and the largest value; as wide as the slot at its peak.
static void draw_violin(const Plot *p, Markup *m, const PlotMark *k) {
    enum { STEPS = 80 };
    Box b = box_of(p, k);
    if (b.n == 0) return;
    Slot s = slot_of(p, k->series, k->name);
    double least = b.sorted[0], most = b.sorted[b.n - 1], spread = std_of(b.sorted, b.n, 0), density[STEPS + 1], peak = 0;
    double range = (b.q75 - b.q25) / 1.349, width = 0.9 * (range > 0 ? fmin(spread, range) : spread) * pow((double)b.n, -0.2);
    if (width > 0) {
        for (int i = 0; i <= STEPS; i++) {
            double at = least + (most - least) * i / STEPS;
            density[i] = 0;
            for (size_t j = 0; j < b.n; j++) density[i] += exp(-0.5 * (at - b.sorted[j]) * (at - b.sorted[j]) / (width * width));
            if (density[i] > peak) peak = density[i];
        }
        markup_put(m, "<path class=\"v\" d=\"");
        for (int i = 0; i <= 2 * STEPS + 1; i++) { // up on the right, down on the left
            int j = i <= STEPS ? i : 2 * STEPS + 1 - i;
            double side = (i <= STEPS ? 0.92 : -0.92) * s.half * density[j] / peak;
            point(m, i ? 'L' : 'M', s.centre + side, scale_at(&p->sy, least + (most - least) * j / STEPS));
        }
        markup_put(m, "z\"/>\n");
    }
    markup_put(m, "<path class=\"w ink\" d=\"");
    point(m, 'M', s.centre, scale_at(&p->sy, b.low));
    point(m, 'L', s.centre, scale_at(&p->sy, b.high));
    markup_put(m, "\"/>\n");
    rectangle(m, "inkfill", s.centre - 3, scale_at(&p->sy, b.q25), s.centre + 3, scale_at(&p->sy, b.q75));
    markup_put(m, "<circle class=\"hole\" r=\"2.4\"");
    plot_attribute(m, "cx", s.centre);
    plot_attribute(m, "cy", scale_at(&p->sy, b.median));
    markup_put(m, "/>\n");
}

static void draw_histogram(const Plot *p, Markup *m, const PlotMark *k) {
    double base = p->sy.kind == AXIS_LOG ? p->sy.from : scale_at(&p->sy, 0);
    for (int outline = 0; outline < 2; outline++) {
        markup_print(m, "<path class=\"%s\" d=\"", outline ? "l edge" : "v0");
        point(m, 'M', scale_at(&p->sx, k->x[0]), base);
        for (size_t i = 0; i + 1 < k->n; i++) {
            double top = scale_shows(&p->sy, k->y[i]) ? scale_at(&p->sy, k->y[i]) : base;
            point(m, 'L', scale_at(&p->sx, k->x[i]), top);
            point(m, 'L', scale_at(&p->sx, k->x[i + 1]), top);
        }
        point(m, 'L', scale_at(&p->sx, k->x[k->n - 1]), base);
        markup_put(m, outline ? "\"/>\n" : "z\"/>\n");
    }
}

void marks_draw(Plot *p, Markup *m) {
    // areas first, then points, then lines over them
    for (int layer = 0; layer < 3; layer++)
        for (int i = 0; i < p->mark_count; i++) {
            const PlotMark *k = &p->marks[i];
            int own = k->kind == MARK_BAND || k->kind == MARK_BARS || k->kind == MARK_HISTOGRAM || k->kind == MARK_VIOLIN ? 0
                      : k->kind == MARK_POINTS                                                     ? 1
                                                                                                   : 2;
            if (own != layer || k->kind == MARK_RULE || k->n == 0) continue;
            markup_print(m, "<g class=\"c%d\">", p->series[k->series].colour + 1);
            switch (k->kind) {
            case MARK_LINE: draw_line(p, m, k); break;
            case MARK_BAND: draw_band(p, m, k); break;
            case MARK_ERRORS: draw_errors(p, m, k); break;
            case MARK_POINTS: draw_points(p, m, k); break;
            case MARK_FIT: draw_fit(p, m, k); break;
            case MARK_BARS: draw_bars(p, m, k); break;
            case MARK_BOX: draw_box(p, m, k); break;
            case MARK_VIOLIN: draw_violin(p, m, k); break;
            case MARK_HISTOGRAM: draw_histogram(p, m, k); break;
            case MARK_RULE: break;
            }
            markup_put(m, "</g>\n");
        }
}
