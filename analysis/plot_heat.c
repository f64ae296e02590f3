// plot_heat.c: values as coloured cells, alone or over a picture. See plot.h.
#include <math.h>

#include "plot_parts.h"

// Dark blue over green to yellow: brightness rises evenly, so it reads in grey and for every kind of colour vision.
static void colour_of(double t, char out[8]) {
    static const unsigned char stop[9][3] = {{48, 18, 92},   {58, 56, 132},  {48, 92, 140},  {38, 124, 142}, {30, 156, 137},
                                             {66, 186, 112}, {132, 211, 77}, {205, 226, 40}, {253, 240, 110}};
    double at = fmin(fmax(t, 0), 1) * 8;
    int i = at >= 8 ? 7 : (int)at;
    int rgb[3];
    for (int c = 0; c < 3; c++) rgb[c] = (int)(stop[i][c] + (at - i) * (stop[i + 1][c] - stop[i][c]) + 0.5);
    static const char digits[] = "0123456789abcdef";
    out[0] = '#';
    for (int c = 0; c < 3; c++) out[1 + 2 * c] = digits[rgb[c] >> 4], out[2 + 2 * c] = digits[rgb[c] & 15];
    out[7] = 0;
}

static void cell(Markup *m, double x, double y, double w, double h, const char *fill) {
    markup_put(m, "<rect");
    plot_attribute(m, "x", x), plot_attribute(m, "y", y), plot_attribute(m, "width", w), plot_attribute(m, "height", h);
    markup_print(m, " fill=\"%s\"/>\n", fill);
}

// The colour scale to the right of the map: a strip, and numbers beside it.
static void colour_scale(Arena *a, Markup *m, const Heat *h, double low, double high, double x, double y, double height) {
    enum { STEPS = 48 };
    char fill[8];
    for (int i = 0; i < STEPS; i++) {
        colour_of((i + 0.5) / STEPS, fill);
        cell(m, x, y + height * (STEPS - 1 - i) / STEPS, 14, height / STEPS + 0.5, fill);
    }
    Scale s = {.kind = AXIS_LINEAR, .low = low, .high = high, .from = y + height, .to = y};
    axis_ticks(a, &s, height * 1.1, false, false);
    s.low = low, s.high = high;
    for (int i = 0; i < s.ticks; i++) {
        double at = scale_at(&s, s.tick[i]);
        plot_line_at(m, "axis", x + 14, at, x + 18, at);
        plot_text_at(m, "tick", "start", x + 21, at + 4, s.text[i]);
    }
}

const char *plot_heat(Arena *a, Heat h, PlotUse use) {
    need(h.rows >= 1 && h.columns >= 1, "plot \"%s\": a map of %d x %d cells", h.title, h.rows, h.columns);
    size_t n = (size_t)h.rows * (size_t)h.columns;
    double low = h.low, high = h.high, width = h.width > 0 ? h.width : 320, size = width / h.columns, height = size * h.rows;
    if (!(low < high)) {
        low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < n; i++)
            if (isfinite(h.values[i])) low = fmin(low, h.values[i]), high = fmax(high, h.values[i]);
        if (!(low <= high)) low = 0, high = 1;
        if (low == high) high = low + (low != 0 ? fabs(low) : 1);
    }
    Plot whole = {.arena = a, .title = h.title, .width = width + 74};
    Markup *body = markup_new(a), *m = markup_new(a);
    double y = plot_paragraph(&whole, body, "title", h.title, TITLE, 0);
    y = plot_paragraph(&whole, body, "soft", h.label, TEXT, y);
    if (h.picture) { // without its colours, which would mix with those of the scale
        markup_put(body, "<image preserveAspectRatio=\"none\" style=\"filter:grayscale(1)\"");
        plot_attribute(body, "x", 0), plot_attribute(body, "y", y), plot_attribute(body, "width", width), plot_attribute(body, "height", height);
        markup_put(body, " href=\"");
        markup_text(body, h.picture);
        markup_put(body, "\"/>\n");
    }
    markup_print(body, "<g%s shape-rendering=\"crispEdges\">\n", h.picture ? " opacity=\"0.62\"" : "");
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(h.values[i])) continue;
        char fill[8];
        colour_of((h.values[i] - low) / (high - low), fill);
        cell(body, size * (double)(i % (size_t)h.columns), y + size * (double)(i / (size_t)h.columns), size, size, fill);
    }
    markup_put(body, "</g>\n");
    colour_scale(a, body, &h, low, high, width + 12, y, height);
    plot_begin(m, whole.width, y + height + 2, h.title, h.description, use);
    markup_put(m, markup_done(body, NULL));
    markup_put(m, "</svg>\n");
    return markup_done(m, NULL);
}
