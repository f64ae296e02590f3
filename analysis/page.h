// page.h: a report as one self-contained HTML page: no file beside it, no network, readable in light and dark, on a desk and
// on a phone, on paper.
//
//     Page *p = page_new(arena, "What a connector keeps", "LLaVA-1.5 7B on 4,000 pictures");
//     page_headline(p, "Of the 100 nearest neighbours of a picture, the connector keeps", "46.7 %", "45.9 – 47.5 %", "chance: 1.2 %");
//     page_section(p, "Geometry", "Which pictures are close to each other, before and after.");
//     page_figure(p, plot_svg(plot, PLOT_INLINE), "Overlap over k. Bands: 95 % intervals.");
//     …
//     page_write(p, "out/report.html");
//
// Texts are plain: they are escaped here.
#ifndef RETINA_ANALYSIS_PAGE_H
#define RETINA_ANALYSIS_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "io/memory.h"

typedef struct Page Page;

Page *page_new(Arena *a, const char *title, const char *subtitle);

// A finding in one sentence, with its number large; interval and beside (what to hold it against) may be NULL. Headlines
// come first on the page, whenever they are added.
void page_headline(Page *p, const char *sentence, const char *number, const char *interval, const char *beside);

void page_section(Page *p, const char *heading, const char *text); // also a line of the contents; text may be NULL
void page_text(Page *p, const char *text);                         // paragraphs are parted by empty lines
void page_note(Page *p, const char *text);                         // set off: a warning, a limit

void page_figure(Page *p, const char *svg, const char *caption);
void page_figures(Page *p, const char *const *svgs, int count, const char *caption); // side by side where there is room
void page_small_figures(Page *p, const char *const *svgs, int count, const char *caption); // many of about 250 px, as many a row as fit

// Tables. Headers sort when clicked. A numeric column is set flush right and sorts by value.
typedef struct {
    const char *name;
    bool numeric;
    const char *explanation; // without a full stop; shown under the table, and when pointed at; NULL: none
} PageColumn;
void page_table_begin(Page *p, const char *caption, const PageColumn *columns, int count);
void page_cell(Page *p, const char *text);                                       // cells in order, row after row
void page_cell_number(Page *p, double value, int decimals);                      // NaN: an en dash
void page_cell_interval(Page *p, double value, double low, double high, int decimals); // "0.467 (0.459 – 0.475)", sorts by value; on two lines where it is narrow
void page_table_end(Page *p);

// Pictures. Each is stored once, however often it is shown. bytes: a whole JPEG or PNG file.
int page_picture(Page *p, const void *bytes, size_t size, int width, int height);
// Of pixels (height, width, 3): made small, its longer side at most `longest`, as a JPEG of this quality.
int page_thumbnail(Page *p, const uint8_t *rgb, int width, int height, int longest, int quality);

typedef struct {
    int picture;         // of page_picture
    const char *caption; // under it; NULL: none
    bool marked;         // framed: what the gallery points out
} PagePicture;
// Rows of pictures, the first of each row apart from the others (the query before its neighbours).
void page_gallery_begin(Page *p, const char *caption);
void page_gallery_row(Page *p, const char *label, const PagePicture *first, const PagePicture *rest, int count); // first may be NULL
void page_gallery_end(Page *p);

typedef struct {
    const char *label, *text;
    const char *note; // beside the label: a score; NULL: none
} PageCaption;
// A picture with captions side by side. Marked are the words of each that the first has not, and of the first what the last has not.
void page_captions(Page *p, int picture, const char *name, const PageCaption *captions, int count);

// What was said of pictures at each layer of a model: a card per picture, a slider that goes through the layers, and everything
// at once for who asks for it (or has no script). Words carry the colour of their kind; false ones are underlined.
typedef struct {
    const char *text; // may be part of a longer text
    size_t length;
    int kind;  // 0: none, 1 … 8: that colour
    int truth; // 1 true, -1 false, 0 neither
} PageWord;
typedef struct {
    const PageWord *words;
    size_t count;
    double bar;       // 0 … 1; NaN: none
    const char *note; // beside the bar; NULL: none
} PageLayer;
// labels (layers): what the slider calls them; start: shown first. kinds (8 at most): the legend.
void page_layers_begin(Page *p, const char *caption, const char *const *labels, int layers, int start, const char *const *kinds, int kind_count, bool truth);
void page_layers_card(Page *p, int picture, const char *name, const PageLayer *said); // said (layers); picture -1: none
void page_layers_end(Page *p);

// How it was made: what stands here first and is folded away is the command, the model, checksums, seeds.
void page_made(Page *p, const char *key, const char *value);

const char *page_html(Page *p, size_t *size);
void page_write(Page *p, const char *path);

#endif
