// test_page.c: a report with everything in it is well-formed, refers to nothing outside, and shows what it was given.
//
// Leaves build/report.html for looking at: on a desk and on a phone, in light and in dark.
// Seen to catch: a picture stored twice; a cell that is not escaped; a section that is not closed; marks in the first caption.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"
#include "analysis/plot.h"
#include "analysis/statistics.h"
#include "check.h"
#include "io/file.h"
#include "io/image.h"
#include "io/random.h"
#include "markup_check.h"

static const char *const models[4] = {"LLaVA", "Idefics2", "Qwen2.5-VL", "Qwen3.5"};

static size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (const char *t = text; (t = strstr(t, part)); t += strlen(part)) n++;
    return n;
}

static int picture(Page *p, Arena *a, uint64_t seed) {
    enum { S = 48 };
    uint8_t *rgb = take(a, uint8_t, S * S * 3);
    Rng r = rng_of(seed, "picture");
    double x0 = 10 + 28 * rng_uniform(r, 0), y0 = 10 + 28 * rng_uniform(r, 1), radius = 6 + 10 * rng_uniform(r, 2);
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++)
            for (int c = 0; c < 3; c++) {
                bool in = hypot(x - x0, y - y0) < radius;
                rgb[(y * S + x) * 3 + c] = (uint8_t)(255 * (in ? rng_uniform(r, (uint64_t)(3 + c)) : 0.25 + 0.6 * rng_uniform(r, (uint64_t)(6 + c)) * y / S));
            }
    Bytes png = png_encode(a, rgb, S, S);
    return page_picture(p, png.bytes, png.size, S, S);
}

static void figures(Page *p, Arena *a) {
    double k[3] = {10, 50, 100}, v[4][3] = {{.473, .449, .467}, {.461, .438, .451}, {.214, .105, .093}, {.188, .069, .054}};
    Plot *lines = plot_new(a, "Two connectors keep half of the neighbours, two keep almost none", "KNOR over k, four models");
    plot_x(lines, (Axis){.kind = AXIS_LOG, .label = "k, neighbours compared"});
    plot_y(lines, (Axis){.label = "KNOR", .zero = true});
    for (int m = 0; m < 4; m++) {
        double low[3], high[3];
        for (int i = 0; i < 3; i++) low[i] = v[m][i] - .015, high[i] = v[m][i] + .015;
        int s = plot_series(lines, models[m]);
        plot_band(lines, s, k, low, high, 3);
        plot_line(lines, s, k, v[m], 3);
    }
    Plot *spectrum = plot_new(a, "Singular values before and after", "mean singular value of each component");
    double x[100], y[100], z[100];
    for (int i = 0; i < 100; i++) x[i] = i + 1, y[i] = 500 * pow(i + 1, -.9), z[i] = 990 * exp(-i / 12.0) + 20 * pow(i + 1, -.3);
    plot_x(spectrum, (Axis){.label = "component"});
    plot_y(spectrum, (Axis){.kind = AXIS_LOG, .label = "mean singular value"});
    plot_line(spectrum, plot_series(spectrum, "before"), x, y, 100);
    plot_line(spectrum, plot_series(spectrum, "after"), x, z, 100);
    const char *both[2] = {plot_svg(lines, PLOT_INLINE), plot_svg(spectrum, PLOT_INLINE)};
    page_figures(p, both, 2, "Left: share of neighbours in common; bands are 95 % intervals over groups of equal pictures. Right: singular values of the centred tokens.");
}

static Page *report(Arena *a) {
    Page *p = page_new(a, "What a connector keeps of an image", "Synthetic numbers, to look at the page itself: LLaVA-1.5 shape, 2,000 pictures of which 1,204 are distinct.");
    page_headline(p, "Of a picture's 100 nearest neighbours, the connector keeps", "46.7 %", "95 % interval 45.9 – 47.5 %", "chance 5.0 %, floor of copies 2.1 %");
    page_headline(p, "A small network recovers this much of the variance of what went in", "91.7 %", "91.2 – 92.1 %", "predicting the mean: 0 %");
    page_headline(p, "Captions that stay the same when the reconstruction is put in", "36 %", "34 – 38 %", "injecting the unchanged tokens: 88 %");
    page_section(p, "Geometry", "Which pictures are close to each other, before the connector and after it.\n\nCopies are each other's neighbours in every space, so they are counted apart.");
    figures(p, a);
    const PageColumn columns[] = {{"model", false, NULL}, {"images", true, NULL}, {"KNOR@10", true, "share of the 10 nearest in common"}, {"effective rank", true, NULL}, {"remark", false, NULL}};
    page_table_begin(p, "Overlap and rank, with 95 % intervals", columns, 5);
    for (int m = 0; m < 4; m++) {
        page_cell(p, models[m]);
        page_cell_number(p, 121861 / (m + 1), 0);
        page_cell_interval(p, .473 - .1 * m, .46 - .1 * m, .48 - .1 * m, 3);
        page_cell_number(p, m == 3 ? NAN : 8.9077 * (m + 1), 2);
        page_cell(p, m == 2 ? "<raw residual> & outliers" : "");
    }
    page_table_end(p);
    page_note(p, "E_pre of the Qwen models is the residual stream before the merger's norm: one direction holds 99 % of its energy.");
    int pictures[24];
    for (int i = 0; i < 24; i++) pictures[i] = picture(p, a, (uint64_t)i);
    page_section(p, "Neighbours", NULL);
    page_gallery_begin(p, "The first picture of a row is the query. Framed: neighbours on both sides of the connector.");
    for (int row = 0; row < 2; row++) {
        PagePicture query = {pictures[row], arena_print(a, "00001000%d", row), false}, rest[7];
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < 7; i++) rest[i] = (PagePicture){pictures[(row * 5 + i * (side + 1) + 3) % 24], arena_print(a, "%.3f", .95 - .02 * i), i % 3 == 0};
            page_gallery_row(p, side ? "after the connector" : "before", &query, rest, 7);
        }
    }
    page_gallery_end(p);
    page_section(p, "Captions", "The same picture, described from its own tokens, from the stored ones, and from reconstructed ones. Marked: words that differ from the first caption.");
    const PageCaption captions[3] = {{"original", "A plate of pasta with tomato sauce and a basil leaf stands on a wooden table.", "CLIPScore 32.0"},
                                     {"injected unchanged", "A plate of pasta with tomato sauce and a leaf of basil on a wooden table.", "31.8"},
                                     {"reconstructed", "A bowl of noodles with sauce on a table.", "29.4"}};
    page_captions(p, pictures[4], "000010004", captions, 3);
    const PageCaption collapsed[3] = {{"original", "A red disc.", NULL}, {"injected unchanged", "A red disc.", NULL}, {"masked 0.7", "", NULL}};
    page_captions(p, pictures[5], "000010005", collapsed, 3);
    page_section(p, "Errors by token", NULL);
    double error[144];
    Rng r = rng_of(1, "errors");
    for (uint64_t i = 0; i < 144; i++) error[i] = exp(-(pow((double)(i / 12) - 6, 2) + pow((double)(i % 12) - 4, 2)) / 12) + .15 * rng_uniform(r, i);
    const char *maps[2];
    for (int i = 0; i < 2; i++)
        maps[i] = plot_heat(a, (Heat){.title = i ? "Reconstructed from after" : "Mean prediction", .label = "squared error by token", .values = error, .rows = 12, .columns = 12, .width = 260}, PLOT_INLINE);
    page_figures(p, maps, 2, "Where the picture is recovered badly.");
    page_made(p, "command", "./retina connectors --model llava-1.5-7b --images food --seed 42");
    page_made(p, "model", "llava-1.5-7b, b2:bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    page_made(p, "seed", "42");
    return p;
}

// What a column's name does not say is read, too, where nothing can be pointed at: on a phone, on paper.
static void test_terms(Arena *a) {
    Page *p = page_new(a, "t", NULL);
    page_table_begin(p, NULL, (PageColumn[]){{"a", false, "x < y"}, {"b", true, NULL}, {"c", true, "the rest"}}, 3);
    page_table_end(p);
    page_table_begin(p, NULL, (PageColumn[]){{"a", false, NULL}}, 1);
    page_table_end(p);
    const char *html = page_html(p, NULL);
    check(count_of(html, "<p class=\"terms\">") == 1 && count_of(html, "<b>a</b>: x &lt; y. <b>c</b>: the rest.</p>") == 1, "a table's terms are explained under it");
}

static void test_small(Arena *a) {
    Page *p = page_new(a, "<script>alert(1)</script>", "a & b"), *q = page_new(a, "t", NULL);
    page_text(p, "one\n\ntwo < three\n\n\n");
    const char *fault = markup_fault(page_html(p, NULL), true);
    check(!fault && count_of(page_html(p, NULL), "<p>") == 2 && count_of(page_html(p, NULL), "<script>") == 1, "a small page: %s", fault ? fault : "well-formed");
    page_table_begin(p, NULL, (PageColumn[]){{"a", false, NULL}, {"b", true, NULL}}, 2);
    page_cell(p, "x");
    check_dies("a text inside a table", "inside an open table") { page_text(p, "x"); }
    check_dies("a row that is not full", "cell 1") { page_table_end(p); }
    check_dies("a page that is not finished", "open table") { page_html(p, NULL); }
    check_dies("a picture that is none", "neither") { page_picture(p, "GIF89a", 6, 1, 1); }
    check_dies("a cell without a table", "outside of a table") { page_cell(q, "x"); }
    check_dies("a row without a gallery", "outside of a gallery") { page_gallery_row(q, NULL, NULL, NULL, 0); }
    check_dies("a picture that was not given", "picture 3 of 0") { page_captions(q, 3, NULL, NULL, 0); }
}

// Captions over layers: every layer of every card is in the page, so that it says everything without its script.
static void test_layers(Arena *a) {
    static const char *const labels[3] = {"layer 1", "layer 2", "layer 3"}, *const kinds[2] = {"colour", "<shape>"};
    Page *p = page_new(a, "t", NULL);
    PageWord words[] = {{"a", 1, 0, 0}, {"red&x", 3, 1, 1}, {"star", 4, 2, -1}, {", a", 3, 0, 0}, {"<b>", 3, 0, 0}};
    PageLayer said[3] = {{words, 5, 0.5, "0.50 bits"}, {words, 0, NAN, NULL}, {words, 2, 7, NULL}};
    page_layers_begin(p, NULL, labels, 3, 1, kinds, 2, true);
    check_dies("a text inside layers", "inside an open set of layers") { page_text(p, "x"); }
    page_layers_card(p, picture(p, a, 1), "<name>", said);
    page_layers_card(p, -1, NULL, said);
    page_layers_end(p);
    const char *html = page_html(p, NULL), *fault = markup_fault(html, true);
    check(!fault, "layers: %s", fault ? fault : "well-formed");
    check(count_of(html, "<li><b>layer") == 6 && count_of(html, "<em>(empty)</em>") == 2, "every layer of every card");
    check(count_of(html, "<p>a <span class=\"k1 yes\">red</span> <span class=\"k2 no\" title=\"false of this picture\">star</span>, a &lt;b&gt;</p>") == 2, "words by kind and truth, marks close to the word before");
    check(strstr(html, "width:50.0%") && strstr(html, "width:100.0%") && !strstr(html, "width:700"), "bars end at their end");
    check(strstr(html, "&lt;name&gt;") && strstr(html, "&lt;shape&gt;") && strstr(html, "value=\"1\" step"), "names escaped, the slider starts where it should");
    check_dies("a card outside of layers", "outside of layers") { page_layers_card(p, -1, NULL, said); }
    check_dies("a layer that is not there", "layer 3 of 3") { page_layers_begin(p, NULL, labels, 3, 3, kinds, 2, true); }
}

int main(void) {
    Arena *a = arena_new("test");
    Page *p = report(a);
    size_t size;
    const char *html = page_html(p, &size);
    const char *fault = markup_fault(html, true);
    check(!fault && strlen(html) == size, "well-formed: %s", fault ? fault : "yes");
    // nothing from outside: no address but the SVG name space and data URIs
    check(count_of(html, "http") == count_of(html, "xmlns=\"http://www.w3.org/2000/svg\"") && !strstr(html, "src="), "refers to nothing outside");
    check(count_of(html, "url(data:image/png;base64,") == count_of(html, "{background-image"), "pictures are inside");
    check(count_of(html, "data:image/png") <= 24 && count_of(html, "class=\"pic ") > 24, "each picture is stored once: %zu shown, %zu stored",
          count_of(html, "class=\"pic "), count_of(html, "data:image/png"));
    check(strstr(html, "&lt;raw residual&gt; &amp; outliers") != NULL, "cells are escaped");
    check(strstr(html, "data-v=\"0.47299999999999998\"") && strstr(html, ">0.473 <span>(0.460 – 0.480)</span></td>"), "intervals sort by their value");
    const char *caps = strstr(html, "class=\"caps\"");
    check(strstr(caps, "<dd>A <mark>plate</mark> of <mark>pasta</mark> with <mark>tomato</mark> sauce <mark>and a basil leaf stands</mark> on a <mark>wooden</mark> table.</dd>") != NULL, "the first caption marks what the last has not");
    check(strstr(caps, "A <mark>bowl</mark> of <mark>noodles</mark>") != NULL, "changed words are marked");
    check(strstr(html, "<em>(empty)</em>") != NULL, "an empty caption is said to be empty");
    check(count_of(html, "<section") == 5 && count_of(html, "<li><a href") == 4, "sections and contents");
    page_write(p, "build/report.html");
    check(file_exists("build/report.html"), "build/report.html is there to be looked at");

    test_terms(a);
    test_small(a);
    test_layers(a);
    arena_free(a);
    return check_end();
}

