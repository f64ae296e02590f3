// plot.h: figures as SVG, readable in light and dark, for a page or as a file.
//
//     Plot *p = plot_new(arena, "Overlap before and after", "KNOR over k for two models, with intervals");
//     plot_x(p, (Axis){.kind = AXIS_LOG, .label = "k"});
//     plot_y(p, (Axis){.label = "KNOR", .zero = true});
//     int s = plot_series(p, "LLaVA");
//     plot_band(p, s, k, low, high, n);
//     plot_line(p, s, k, knor, n);
//     plot_rule(p, 'y', 0.01, "chance");
//     const char *svg = plot_svg(p, PLOT_FILE);
//
// All data is copied. A NaN leaves a gap. What cannot be drawn (a value <= 0 on a logarithmic axis) is counted in a note
// under the figure, never dropped in silence. The same input gives the same bytes.
#ifndef RETINA_ANALYSIS_PLOT_H
#define RETINA_ANALYSIS_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

typedef struct Plot Plot;
typedef enum { AXIS_LINEAR, AXIS_LOG, AXIS_NAMES } AxisKind;

typedef struct {
    AxisKind kind;
    const char *label;        // with its unit
    const char *const *names; // AXIS_NAMES: of positions 0 … count-1 (x only)
    int count;
    bool fixed; // from low to high; else from the data
    double low, high;
    bool zero; // 0 must be in
    bool whole; // fixed x axes: numbers only at whole values
} Axis;

// title: what the figure says, also its name for screen readers; description: what is drawn, for those who do not see it.
Plot *plot_new(Arena *a, const char *title, const char *description);
void plot_size(Plot *p, double width, double height); // 560 x 360 px if not called
void plot_subtitle(Plot *p, const char *text);
void plot_x(Plot *p, Axis axis);
void plot_y(Plot *p, Axis axis);

// A series has a colour (and with it a marker and a dash, so that colour is never needed). name NULL: not in the legend.
int plot_series(Plot *p, const char *name);
int plot_series_like(Plot *p, const char *name, int colour, bool dashed); // colour 0 … 7: of the series with that number

void plot_line(Plot *p, int series, const double *x, const double *y, size_t n); // with markers up to 24 points
void plot_band(Plot *p, int series, const double *x, const double *low, const double *high, size_t n);
void plot_errors(Plot *p, int series, const double *x, const double *low, const double *high, size_t n); // whiskers
void plot_points(Plot *p, int series, const double *x, const double *y, size_t n);
void plot_fit(Plot *p, int series, const double *x, const double *y, size_t n); // least-squares line; r goes into the legend
// Of the names of the x axis; several series stand side by side. low and high (intervals): both or neither.
void plot_bars(Plot *p, int series, const double *y, const double *low, const double *high, size_t n);
void plot_values(Plot *p, int decimals); // print the values above the bars
// Median, quartiles, whiskers to the last value within 1.5 quartile ranges, the rest as points; or the density with them.
void plot_box(Plot *p, int series, int name, const double *values, size_t n);
void plot_violin(Plot *p, int series, int name, const double *values, size_t n);
void plot_histogram(Plot *p, int series, const double *values, size_t n, int bins, double low, double high);
void plot_rule(Plot *p, char axis, double at, const char *label); // a line across, 'x' or 'y'

typedef enum {
    PLOT_INLINE, // for a page that contains plot_css() once
    PLOT_FILE    // with its own style and background
} PlotUse;
const char *plot_svg(Plot *p, PlotUse use);
// Panels of one figure, `columns` in a row, under one title.
const char *plot_panels(Arena *a, const char *title, const char *description, Plot *const *panels, int count, int columns, PlotUse use);

// Values (rows, columns) as coloured cells; over a picture, in grey, if `picture` is an URI (a data: URI in a self-contained page).
// NaN cells stay empty. The scale goes from low to high; low >= high: from the data.
typedef struct {
    const char *title, *description, *label; // label: of the colour scale
    const double *values;
    int rows, columns;
    double low, high;
    const char *picture;
    double width; // of the map; 320 if 0
} Heat;
const char *plot_heat(Arena *a, Heat heat, PlotUse use);

// Areas on top of each other, the first at the bottom, each from the sum of those below it; shares in percent. Names stand to
// the right in the order of the areas, from the top. Colours are matplotlib's tab20 at equal steps, as the study of captions
// of layers has them.
typedef struct {
    const char *title, *description, *x_label, *y_label;
    const char *const *names; // (count)
    const double *x, *y;      // (points), (count, points); NaN counts as nothing
    int points, count;
} Stack;
const char *plot_stack(Arena *a, Stack s, PlotUse use);

const char *plot_css(void);

#endif
