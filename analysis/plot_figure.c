// plot_figure.c: where the parts of a figure stand. See plot.h.
//
// From above: title, subtitle, legend (in rows over the drawing, so it never covers data), name of the y axis (level, so
// that it can be read), drawing, numbers, name of the x axis, note.
#include <math.h>
#include <string.h>

#include "plot_parts.h"

// ---- small pieces

void plot_attribute(Markup *m, const char *name, double v) {
    markup_print(m, " %s=\"", name);
    markup_number(m, v);
    markup_put(m, "\"");
}

static void view_box(Markup *m, const double box[4]) { // left, top, width, height
    markup_put(m, " viewBox=\"");
    for (int i = 0; i < 4; i++) {
        markup_number(m, box[i]);
        markup_put(m, i < 3 ? " " : "\"");
    }
}

static void group_at(Markup *m, double x, double y, const char *rest) { // rest: of the tag, after translate(x y)
    markup_put(m, "<g transform=\"translate(");
    markup_number(m, x);
    markup_put(m, " ");
    markup_number(m, y);
    markup_print(m, ")%s", rest);
}

void plot_text_at(Markup *m, const char *class, const char *anchor, double x, double y, const char *text) {
    markup_print(m, "<text class=\"%s\" text-anchor=\"%s\"", class, anchor);
    plot_attribute(m, "x", x), plot_attribute(m, "y", y);
    markup_put(m, ">");
    markup_text(m, text);
    markup_put(m, "</text>\n");
}

void plot_line_at(Markup *m, const char *class, double x0, double y0, double x1, double y1) {
    markup_print(m, "<line class=\"%s\"", class);
    plot_attribute(m, "x1", x0), plot_attribute(m, "y1", y0), plot_attribute(m, "x2", x1), plot_attribute(m, "y2", y1);
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
        group_at(m, x + 4, y + 14, " rotate(-36)\">");
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
    markup_put(m, "<svg");
    plot_attribute(m, "x", inner[0]), plot_attribute(m, "y", inner[1]), plot_attribute(m, "width", inner[2]), plot_attribute(m, "height", inner[3]);
    view_box(m, inner);
    markup_put(m, ">\n");
    marks_draw(p, m);
    markup_put(m, "</svg>\n");
    rules_draw(p, m, x0, x1, y0, y1, true);
    if (p->x.kind == AXIS_NAMES) names_draw(p, m, y1);
    if (p->x.label) plot_text_at(m, "soft", "middle", (x0 + x1) / 2, y1 + names + 14, p->x.label);
    if (note) plot_text_at(m, "soft", "start", 0, p->height - 5, note);
}

void plot_begin(Markup *m, double width, double height, const char *title, const char *description, PlotUse use) {
    double rim = use == PLOT_FILE ? 14 : 0;
    double box[4] = {-rim, -rim, width + 2 * rim, height + 2 * rim};
    markup_put(m, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\"");
    view_box(m, box);
    if (use == PLOT_FILE) markup_print(m, " width=\"%.0f\" height=\"%.0f\"", box[2], box[3]);
    else markup_print(m, " style=\"max-width:%.0fpx;min-width:%.0fpx\"", width, fmin(0.72 * width, 416)); // letters neither huge nor tiny
    markup_put(m, " aria-label=\"");
    markup_text(m, title ? title : "");
    markup_put(m, "\">\n<title>");
    markup_text(m, title ? title : "");
    markup_put(m, "</title>\n<desc>");
    markup_text(m, description ? description : "");
    markup_put(m, "</desc>\n");
    if (use == PLOT_FILE) {
        markup_print(m, "<style>%s</style>\n<rect class=\"back\" x=\"-14\" y=\"-14\" width=\"%.0f\" height=\"%.0f\"/>\n", plot_css(), box[2], box[3]);
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
            group_at(body, left[c], height, "\">\n");
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
