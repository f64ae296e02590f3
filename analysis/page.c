// page.c: see page.h. Style and script: page_style.c.
#include "page.h"

#include <math.h>
#include <string.h>

#include "captions.h"
#include "io/base64.h"
#include "io/file.h"
#include "io/image.h"
#include "io/markup.h"
#include "model/resize.h"
#include "plot.h"
#include "page_style.h"
#include "plot_parts.h"

typedef struct {
    const char *uri;
    int width, height;
    bool shown;
} Picture;

typedef struct {
    const char *key, *value;
} Made;

struct Page {
    Arena *arena;
    const char *title, *subtitle;
    Markup *headlines, *contents, *body;
    int sections, columns, cell; // columns 0: no table is open
    const PageColumn *column;
    bool section_open, gallery_open;
    Picture *pictures;
    Made *made;
    int picture_count, picture_room, made_count, made_room, headline_count;
    const char *const *layer_labels; // of the layers that are open; NULL: none are
    int layers, layer_start;
};

Page *page_new(Arena *a, const char *title, const char *subtitle) {
    Page *p = take(a, Page, 1);
    *p = (Page){.arena = a, .title = title, .subtitle = subtitle};
    p->headlines = markup_new(a), p->contents = markup_new(a), p->body = markup_new(a);
    return p;
}

static void element(Markup *m, const char *name, const char *class, const char *text) {
    if (class) markup_print(m, "<%s class=\"%s\">", name, class);
    else markup_print(m, "<%s>", name);
    markup_text(m, text);
    markup_print(m, "</%s>", name);
}

// Nothing may be put into the body while a table or a gallery is open.
static Markup *body_of(Page *p, const char *what) {
    need(p->columns == 0 && !p->gallery_open && !p->layer_labels, "report \"%s\": %s inside an open %s", p->title, what,
         p->columns ? "table" : p->layer_labels ? "set of layers" : "gallery");
    return p->body;
}

void page_headline(Page *p, const char *sentence, const char *number, const char *interval, const char *beside) {
    Markup *m = p->headlines;
    markup_put(m, "<li>");
    element(m, "span", "say", sentence);
    markup_put(m, " ");
    element(m, "strong", NULL, number);
    if (interval) markup_put(m, " "), element(m, "span", "range", interval);
    if (beside) markup_put(m, " "), element(m, "span", "beside", beside);
    markup_put(m, "</li>\n");
    p->headline_count++;
}

void page_section(Page *p, const char *heading, const char *text) {
    Markup *m = body_of(p, "a section");
    if (p->section_open) markup_put(m, "</section>\n");
    p->section_open = true;
    p->sections++;
    markup_print(m, "<section id=\"s%d\">\n", p->sections);
    element(m, "h2", NULL, heading);
    markup_put(m, "\n");
    markup_print(p->contents, "<li><a href=\"#s%d\">", p->sections);
    markup_text(p->contents, heading);
    markup_put(p->contents, "</a></li>\n");
    if (text) page_text(p, text);
}

void page_text(Page *p, const char *text) {
    Markup *m = body_of(p, "a text");
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n) {
            markup_put(m, "<p>");
            markup_text_n(m, text, n);
            markup_put(m, "</p>\n");
        }
        text += n;
        while (*text == '\n') text++;
    }
}

void page_note(Page *p, const char *text) {
    element(body_of(p, "a note"), "p", "note", text);
    markup_put(p->body, "\n");
}

static void figures(Page *p, const char *class, const char *const *svgs, int count, const char *caption) {
    Markup *m = body_of(p, "a figure");
    markup_print(m, "<figure>\n<div class=\"%s\">\n", class);
    for (int i = 0; i < count; i++) {
        markup_put(m, "<div class=\"wide\">");
        markup_put(m, svgs[i]);
        markup_put(m, "</div>\n");
    }
    markup_put(m, "</div>\n");
    if (caption) element(m, "figcaption", NULL, caption);
    markup_put(m, "</figure>\n");
}

void page_figures(Page *p, const char *const *svgs, int count, const char *caption) { figures(p, "plots", svgs, count, caption); }
void page_small_figures(Page *p, const char *const *svgs, int count, const char *caption) { figures(p, "plots small", svgs, count, caption); }
void page_figure(Page *p, const char *svg, const char *caption) { page_figures(p, &svg, 1, caption); }

// ---- tables

void page_table_begin(Page *p, const char *caption, const PageColumn *columns, int count) {
    Markup *m = body_of(p, "a table");
    need(count >= 1, "report \"%s\": a table without columns", p->title);
    PageColumn *own = take(p->arena, PageColumn, (size_t)count);
    memcpy(own, columns, sizeof *own * (size_t)count);
    p->column = own;
    p->columns = count;
    p->cell = 0;
    markup_put(m, "<div class=\"wide\"><table>\n");
    if (caption) element(m, "caption", NULL, caption);
    markup_put(m, "<thead><tr>");
    for (int i = 0; i < count; i++) {
        markup_put(m, columns[i].numeric ? "<th scope=\"col\" class=\"num\"" : "<th scope=\"col\"");
        if (columns[i].explanation) {
            markup_put(m, " title=\"");
            markup_text(m, columns[i].explanation);
            markup_put(m, "\"");
        }
        markup_put(m, "><button type=\"button\">");
        markup_text(m, columns[i].name);
        markup_put(m, "</button></th>");
    }
    markup_put(m, "</tr></thead>\n<tbody>\n");
}

// sort: what the column is sorted by, if not the text; NaN: the text. more: what goes to the next line in one piece where it is narrow, or NULL.
static void cell(Page *p, const char *text, const char *more, double sort) {
    need(p->columns > 0, "report \"%s\": a cell outside of a table", p->title);
    int column = p->cell++ % p->columns;
    if (column == 0) markup_put(p->body, "<tr>");
    markup_put(p->body, p->column[column].numeric ? "<td class=\"num\"" : "<td");
    if (!isnan(sort)) markup_print(p->body, " data-v=\"%.17g\"", sort);
    markup_put(p->body, ">");
    markup_text(p->body, text);
    if (more) markup_put(p->body, " "), element(p->body, "span", NULL, more);
    markup_put(p->body, "</td>");
    if (column == p->columns - 1) markup_put(p->body, "</tr>\n");
}

void page_cell(Page *p, const char *text) { cell(p, text, NULL, NAN); }

void page_cell_number(Page *p, double value, int decimals) { cell(p, number_text(p->arena, value, decimals), NULL, value); }

void page_cell_interval(Page *p, double value, double low, double high, int decimals) {
    Arena *a = p->arena;
    bool known = !isnan(low) && !isnan(high);
    cell(p, number_text(a, value, decimals), known ? arena_print(a, "(%s – %s)", number_text(a, low, decimals), number_text(a, high, decimals)) : NULL, value);
}

// The columns' explanations once more, for who cannot point at a header: on a phone, on paper.
static void table_terms(Page *p) {
    bool open = false;
    for (int i = 0; i < p->columns; i++) {
        if (!p->column[i].explanation) continue;
        markup_put(p->body, open ? " " : "<p class=\"terms\">");
        element(p->body, "b", NULL, p->column[i].name);
        markup_put(p->body, ": ");
        markup_text(p->body, p->column[i].explanation);
        markup_put(p->body, ".");
        open = true;
    }
    if (open) markup_put(p->body, "</p>\n");
}

void page_table_end(Page *p) {
    need(p->columns > 0 && p->cell % p->columns == 0, "report \"%s\": a table of %d columns ends after cell %d of its row", p->title,
         p->columns, p->columns ? p->cell % p->columns : 0);
    markup_put(p->body, "</tbody></table></div>\n");
    table_terms(p);
    p->columns = 0;
}

// ---- pictures: background images of classes, so that each is stored once

int page_picture(Page *p, const void *bytes, size_t size, int width, int height) {
    const unsigned char *b = bytes;
    bool png = size > 8 && memcmp(b, "\x89PNG", 4) == 0, jpeg = size > 3 && b[0] == 0xFF && b[1] == 0xD8;
    need((png || jpeg) && width > 0 && height > 0, "report \"%s\": a picture of %d x %d that is neither JPEG nor PNG",
         p->title, width, height);
    if (p->picture_count == p->picture_room) {
        int room = p->picture_room ? p->picture_room * 2 : 64;
        p->pictures = arena_grow(p->arena, p->pictures, (size_t)p->picture_count, (size_t)room, sizeof *p->pictures);
        p->picture_room = room;
    }
    const char *text = base64_encode(p->arena, bytes, size);
    const char *uri = arena_print(p->arena, "data:image/%s;base64,%s", png ? "png" : "jpeg", text);
    p->pictures[p->picture_count] = (Picture){.uri = uri, .width = width, .height = height};
    return p->picture_count++;
}

int page_thumbnail(Page *p, const uint8_t *rgb, int width, int height, int longest, int quality) {
    Arena *a = arena_new("a small picture");
    int longer = width > height ? width : height;
    if (longer > longest) {
        int w = width * longest / longer, h = height * longest / longer;
        w = w ? w : 1, h = h ? h : 1;
        rgb = resize_rgb8(a, rgb, width, height, w, h, RESIZE_BICUBIC);
        width = w, height = h;
    }
    Bytes jpeg = jpeg_encode(a, rgb, width, height, quality, JPEG_444);
    int n = page_picture(p, jpeg.bytes, jpeg.size, width, height);
    arena_free(a);
    return n;
}

static void picture_at(Page *p, int picture, const char *name, bool marked) {
    need(picture >= 0 && picture < p->picture_count, "report \"%s\": picture %d of %d", p->title, picture, p->picture_count);
    p->pictures[picture].shown = true;
    markup_print(p->body, "<div class=\"pic i%d%s\" role=\"img\" aria-label=\"", picture, marked ? " marked" : "");
    markup_text(p->body, name ? name : "picture");
    markup_put(p->body, "\"></div>");
}

void page_gallery_begin(Page *p, const char *caption) {
    Markup *m = body_of(p, "a gallery");
    markup_put(m, "<figure class=\"gallery\">\n");
    if (caption) element(m, "figcaption", NULL, caption);
    p->gallery_open = true;
}

static void gallery_picture(Page *p, const PagePicture *q, const char *class) {
    markup_print(p->body, "<div class=\"%s\">", class);
    picture_at(p, q->picture, q->caption, q->marked);
    if (q->caption) element(p->body, "span", NULL, q->caption);
    markup_put(p->body, "</div>\n");
}

void page_gallery_row(Page *p, const char *label, const PagePicture *first, const PagePicture *rest, int count) {
    need(p->gallery_open, "report \"%s\": a row outside of a gallery", p->title);
    markup_put(p->body, "<div class=\"row\">\n");
    if (label) element(p->body, "div", "label", label);
    if (first) gallery_picture(p, first, "shot first");
    for (int i = 0; i < count; i++) gallery_picture(p, rest + i, "shot");
    markup_put(p->body, "</div>\n");
}

void page_gallery_end(Page *p) {
    need(p->gallery_open, "report \"%s\": the end of a gallery that is not open", p->title);
    markup_put(p->body, "</figure>\n");
    p->gallery_open = false;
}

void page_captions(Page *p, int picture, const char *name, const PageCaption *captions, int count) {
    Markup *m = body_of(p, "captions");
    markup_put(m, "<div class=\"caps\">\n");
    markup_put(m, "<div class=\"shot\">");
    picture_at(p, picture, name, false);
    if (name) element(m, "span", NULL, name);
    markup_put(m, "</div>\n<dl>\n");
    for (int i = 0; i < count; i++) {
        Piece *first, *own;
        size_t n, k;
        caption_difference(p->arena, captions[0].text, captions[i ? i : count - 1].text, &first, &n, &own, &k);
        if (i == 0) own = first, k = n;
        markup_put(m, "<div><dt>");
        markup_text(m, captions[i].label);
        if (captions[i].note) markup_put(m, " "), element(m, "span", NULL, captions[i].note);
        markup_put(m, "</dt><dd>");
        bool open = false;
        for (size_t j = 0; j < k; j++) {
            if (own[j].changed != open) markup_put(m, (open = own[j].changed) ? "<mark>" : "</mark>");
            markup_text_n(m, own[j].text, own[j].length);
        }
        if (open) markup_put(m, "</mark>");
        if (k == 0) element(m, "em", NULL, "(empty)");
        markup_put(m, "</dd></div>\n");
    }
    markup_put(m, "</dl></div>\n");
}

// ---- layers

void page_layers_begin(Page *p, const char *caption, const char *const *labels, int layers, int start, const char *const *kinds, int kind_count, bool truth) {
    Markup *m = body_of(p, "layers");
    need(layers >= 1 && start >= 0 && start < layers && kind_count <= 8, "report \"%s\": layer %d of %d, %d kinds", p->title, start, layers, kind_count);
    markup_put(m, "<figure class=\"layers\">\n");
    if (caption) element(m, "figcaption", NULL, caption);
    markup_put(m, "<div class=\"legend\">");
    for (int k = 0; k < kind_count; k++) {
        markup_print(m, "<span class=\"k%d\">", k + 1);
        markup_text(m, kinds[k]);
        markup_put(m, "</span> ");
    }
    if (truth) markup_put(m, "<span class=\"yes\">bold: true of this picture</span> <span class=\"no\">underlined: false of it</span>");
    markup_put(m, "</div>\n");
    markup_print(m, "<div class=\"slide\" hidden><button type=\"button\" class=\"play\" aria-label=\"play\">&#9654;</button>"
                    "<label><span>Layer</span> <input type=\"range\" min=\"0\" max=\"%d\" value=\"%d\" step=\"1\"></label> "
                    "<output aria-live=\"polite\"></output> <label><input type=\"checkbox\"> all layers</label></div>\n", layers - 1, start);
    markup_put(m, "<div class=\"cards\">\n");
    p->layer_labels = labels, p->layers = layers, p->layer_start = start;
}

static void layer_words(Markup *m, const PageLayer *l) {
    bool any = false;
    for (size_t i = 0; i < l->count; i++) {
        const PageWord *w = &l->words[i];
        bool mark = w->length && (w->text[0] == ',' || w->text[0] == '.') && (w->length == 1 || w->text[1] == ' '); // stands close to the word before
        if (any && !mark) markup_put(m, " ");
        any = true;
        const char *truth = w->truth > 0 ? " yes" : w->truth < 0 ? " no" : "";
        if (w->kind > 0 || w->truth) markup_print(m, "<span class=\"k%d%s\"%s>", w->kind, truth, w->truth < 0 ? " title=\"false of this picture\"" : "");
        markup_text_n(m, w->text, w->length);
        if (w->kind > 0 || w->truth) markup_put(m, "</span>");
    }
    if (!any) element(m, "em", NULL, "(empty)");
}

void page_layers_card(Page *p, int picture, const char *name, const PageLayer *said) {
    Markup *m = p->body;
    need(p->layer_labels, "report \"%s\": a card outside of layers", p->title);
    markup_put(m, "<div class=\"card\">\n");
    if (picture >= 0) {
        markup_put(m, "<div class=\"shot\">");
        picture_at(p, picture, name, false);
        markup_put(m, "</div>\n");
    }
    markup_put(m, "<ol>\n");
    for (int l = 0; l < p->layers; l++) {
        markup_put(m, "<li>");
        element(m, "b", NULL, p->layer_labels[l]);
        markup_put(m, "<p>");
        layer_words(m, &said[l]);
        markup_put(m, "</p>");
        if (!isnan(said[l].bar)) markup_print(m, "<i class=\"bar\"><i style=\"width:%.1f%%\"></i></i>", 100 * fmin(fmax(said[l].bar, 0), 1));
        if (said[l].note) element(m, "small", NULL, said[l].note);
        markup_put(m, "</li>\n");
    }
    markup_put(m, "</ol>\n");
    if (name) element(m, "span", "of", name);
    markup_put(m, "</div>\n");
}

void page_layers_end(Page *p) {
    need(p->layer_labels, "report \"%s\": the end of layers that are not open", p->title);
    markup_put(p->body, "</div>\n</figure>\n");
    p->layer_labels = NULL;
}

void page_made(Page *p, const char *key, const char *value) {
    if (p->made_count == p->made_room) {
        int room = p->made_room ? p->made_room * 2 : 32;
        p->made = arena_grow(p->arena, p->made, (size_t)p->made_count, (size_t)room, sizeof *p->made);
        p->made_room = room;
    }
    p->made[p->made_count++] = (Made){key, value};
}

// ---- the whole

static void head(Page *p, Markup *m) {
    markup_put(m, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n");
    element(m, "title", NULL, p->title);
    markup_print(m, "\n<style>\n%s%s\n", page_style, plot_css());
    for (int i = 0; i < p->picture_count; i++)
        if (p->pictures[i].shown)
            markup_print(m, ".i%d{background-image:url(%s);aspect-ratio:%d/%d}\n", i, p->pictures[i].uri, p->pictures[i].width,
                         p->pictures[i].height);
    markup_put(m, "</style>\n</head>\n");
}

const char *page_html(Page *p, size_t *size) {
    body_of(p, "the end");
    Markup *m = markup_new(p->arena);
    head(p, m);
    markup_put(m, "<body>\n<header>\n");
    element(m, "h1", NULL, p->title);
    if (p->subtitle) element(m, "p", "sub", p->subtitle);
    markup_put(m, "\n</header>\n");
    if (p->sections > 1) markup_print(m, "<nav aria-label=\"Contents\"><ol>\n%s</ol></nav>\n", markup_done(p->contents, NULL));
    markup_put(m, "<main>\n");
    if (p->headline_count) markup_print(m, "<ul class=\"headlines\">\n%s</ul>\n", markup_done(p->headlines, NULL));
    markup_put(m, markup_done(p->body, NULL));
    if (p->section_open) markup_put(m, "</section>\n");
    if (p->made_count) {
        markup_put(m, "<section id=\"made\">\n<h2>How it was made</h2>\n<dl class=\"made\">\n");
        for (int i = 0; i < p->made_count; i++) {
            element(m, "dt", NULL, p->made[i].key);
            element(m, "dd", NULL, p->made[i].value);
            markup_put(m, "\n");
        }
        markup_put(m, "</dl>\n</section>\n");
    }
    markup_print(m, "</main>\n<script>\n%s</script>\n</body>\n</html>\n", page_script);
    return markup_done(m, size);
}

void page_write(Page *p, const char *path) {
    size_t size;
    const char *html = page_html(p, &size);
    file_write(path, html, size);
}
