// csv_text.h: one cell of a CSV file as pandas writes it: quoted only where it must be.
#ifndef RETINA_IO_CSV_TEXT_H
#define RETINA_IO_CSV_TEXT_H

#include <math.h>
#include <string.h>

#include "json.h" // real_text

static inline void csv_text(Writer *w, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        writer_put(w, text, strlen(text));
        return;
    }
    writer_put(w, "\"", 1);
    for (const char *c = text; *c; c++) {
        if (*c == '"') writer_put(w, "\"", 1);
        writer_put(w, c, 1);
    }
    writer_put(w, "\"", 1);
}

static inline void csv_real(Writer *w, double value) { // NaN is an empty cell
    char t[32];
    if (!isnan(value)) writer_print(w, "%s", real_text(value, t));
}

#endif
