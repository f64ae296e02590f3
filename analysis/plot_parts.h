// plot_parts.h: what the plot_*.c files share. See plot.h.
#ifndef RETINA_ANALYSIS_PLOT_PARTS_H
#define RETINA_ANALYSIS_PLOT_PARTS_H

#include "io/markup.h"
#include "plot.h"

enum { TEXT = 13, TITLE = 15, MARKER_POINTS = 24, TICKS_MOST = 64, COLOURS = 8 };

typedef struct {
    const char *name, *note; // legend text and what is added to it
    int colour;
    bool dashed, line, marker, area, fit; // how it appears in the legend; fit: its line is a fitted one
} Series;

typedef enum {
    MARK_LINE, MARK_BAND, MARK_ERRORS, MARK_POINTS, MARK_FIT, MARK_BARS, MARK_BOX, MARK_VIOLIN, MARK_HISTOGRAM, MARK_RULE
} MarkKind;

typedef struct {
    MarkKind kind;
    int series;
    size_t n;
    double *x, *y, *low, *high; // NULL where the kind has none
    int name;                   // box, violin
    double at;                  // rule
    char axis;
    const char *label;
} PlotMark;

// An axis on the page: value v lies at from + (f(v) - f(low)) * (to - from) / (f(high) - f(low)), f = log10 or nothing.
typedef struct {
    AxisKind kind;
    double low, high, from, to;
    double tick[TICKS_MOST];
    const char *text[TICKS_MOST]; // NULL: a grid line without a number
    int ticks;
} Scale;

struct Plot {
    Arena *arena;
    const char *title, *subtitle, *description;
    double width, height;
    Axis x, y;
    Series *series;
    PlotMark *marks;
    int series_count, mark_count, series_room, mark_room;
    int value_decimals; // -1: bars without numbers
    size_t lost;        // values that a logarithmic axis cannot show
    Scale sx, sy;
};

// plot_figure.c
void plot_attribute(Markup *m, const char *name, double v); //  name="v"
void plot_text_at(Markup *m, const char *class, const char *anchor, double x, double y, const char *text);
void plot_line_at(Markup *m, const char *class, double x0, double y0, double x1, double y1);
double plot_paragraph(Plot *p, Markup *m, const char *class, const char *text, double size, double y); // returns the next line's y
void plot_begin(Markup *m, double width, double height, const char *title, const char *description, PlotUse use);

// plot_axis.c
double text_width(const char *text, double size);                       // px, of a common sans-serif; a little generous
int text_lines(Arena *a, const char *text, double size, double width, const char **lines, int most); // wrapped at spaces
void axis_ticks(Arena *a, Scale *s, double room, bool extend, bool zero); // room: px; extend: ends on ticks
double scale_at(const Scale *s, double v);
bool scale_shows(const Scale *s, double v);
const char *number_text(Arena *a, double v, int decimals); // "−1,234.5", "10⁻⁶"

// plot_marks.c
void marks_range(Plot *p, double x[2], double y[2]); // of all data; fills p->lost
void marks_draw(Plot *p, Markup *m);
void marker_draw(Markup *m, int kind, double x, double y);
void swatch_draw(Markup *m, const Series *s, double x, double y);

#endif
