// plot_stack.c: shares stacked over an axis of whole numbers. See plot.h.
//
// Looks as the study's published chart: grid at every layer and every 20 %, legend outside at the right in the order of the areas.
#include <math.h>

#include "plot_parts.h"

static const char *const tab20[20] = {"#1f77b4", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd", "#c5b0d5",
                                      "#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7", "#bcbd22", "#dbdb8d", "#17becf", "#9edae5"};

static const char *colour_of(int i, int n) {
    int k = n > 1 ? 20 * i / (n - 1) : 0;
    return tab20[k > 19 ? 19 : k];
}

static void point(Markup *m, double x, double y) {
    markup_number(m, x);
    markup_put(m, ",");
    markup_number(m, y);
    markup_put(m, " ");
}

enum { WIDTH = 560, HEIGHT = 320, LEFT = 44, LEGEND = 190, ROW = 18 };

const char *plot_stack(Arena *a, Stack s, PlotUse use) {
    need(s.points >= 1 && s.count >= 0, "plot \"%s\": %d areas over %d points", s.title, s.count, s.points);
    double low = s.x[0], high = s.x[s.points - 1], height = s.count * ROW > HEIGHT ? s.count * ROW : HEIGHT;
    if (!(low < high)) low -= 0.5, high += 0.5;
    Plot whole = {.arena = a, .title = s.title, .width = LEFT + WIDTH + LEGEND};
    Markup *body = markup_new(a), *m = markup_new(a);
    double top = plot_paragraph(&whole, body, "title", s.title, TITLE, 0);
    top = plot_paragraph(&whole, body, "soft", s.y_label, TEXT, top) + 6;
    double *below = take_zero(a, double, (size_t)s.points);
#define X(v) (LEFT + WIDTH * ((v) - low) / (high - low))
#define Y(v) (top + height * (1 - (v) / 100.0))
    for (int k = 0; k < s.count; k++) {
        markup_print(body, "<polygon fill=\"%s\" points=\"", colour_of(k, s.count));
        double first = 0;
        for (int i = 0; i < s.points; i++) {
            double v = s.y[k * s.points + i], at = below[i] + (isnan(v) ? 0 : v);
            point(body, s.points == 1 ? X(low) : X(s.x[i]), Y(at));
            first = at;
        }
        if (s.points == 1) point(body, X(high), Y(first)), point(body, X(high), Y(below[0]));
        for (int i = s.points - 1; i >= 0; i--) {
            double v = s.y[k * s.points + i];
            point(body, s.points == 1 ? X(low) : X(s.x[i]), Y(below[i]));
            below[i] += isnan(v) ? 0 : v;
        }
        markup_put(body, "\"><title>");
        markup_text(body, s.names[k]);
        markup_put(body, "</title></polygon>\n");
    }
    for (int v = 0; v <= 100; v += 20) {
        plot_line_at(body, "grid", LEFT, Y(v), LEFT + WIDTH, Y(v));
        plot_text_at(body, "tick", "end", LEFT - 6, Y(v) + 4, number_text(a, v, 0));
    }
    int step = 1 + (s.points - 1) / 26; // numbers that do not touch
    for (int i = 0; i < s.points; i++) {
        plot_line_at(body, "grid", X(s.x[i]), top, X(s.x[i]), top + height);
        if (i % step == 0) plot_text_at(body, "tick", "middle", X(s.x[i]), top + height + 16, number_text(a, s.x[i], 0));
    }
    plot_text_at(body, "soft", "middle", LEFT + WIDTH / 2.0, top + height + 36, s.x_label);
    for (int k = 0; k < s.count; k++) { // the top area first
        double y = top + (s.count - 1 - k) * ROW;
        markup_put(body, "<rect");
        plot_attribute(body, "x", LEFT + WIDTH + 14), plot_attribute(body, "y", y);
        markup_print(body, " width=\"13\" height=\"13\" fill=\"%s\"/>\n", colour_of(k, s.count));
        plot_text_at(body, "tick", "start", LEFT + WIDTH + 33, y + 11, s.names[k]);
    }
#undef X
#undef Y
    plot_begin(m, whole.width, top + height + 44, s.title, s.description, use);
    markup_put(m, markup_done(body, NULL));
    markup_put(m, "</svg>\n");
    return markup_done(m, NULL);
}
