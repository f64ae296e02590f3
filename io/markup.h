// markup.h: a growing text for SVG and HTML, with escaping.
#ifndef RETINA_IO_MARKUP_H
#define RETINA_IO_MARKUP_H

#include <stddef.h>

#include "memory.h"

typedef struct Markup Markup;
Markup *markup_new(Arena *a);
void markup_put(Markup *m, const char *text); // as it is
void markup_put_n(Markup *m, const char *text, size_t length);
void markup_print(Markup *m, const char *format, ...) PRINTF_LIKE(2, 3);
// Text for element content and quoted attributes: & < > " ' become entities; control characters (but tab and line feed)
// and bytes that are not UTF-8 become U+FFFD.
void markup_text(Markup *m, const char *text);
void markup_text_n(Markup *m, const char *text, size_t length);
void markup_number(Markup *m, double x); // for coordinates: at most two decimals, no exponent, no "-0"
const char *markup_done(const Markup *m, size_t *length); // closed by 0; more may still be added. length may be NULL

#endif
