// picture_cell.c: see picture_cell.h. Held by: test/test_csv.c.
#include "picture_cell.h"

#include <string.h>

#include "base64.h"
#include "number.h"

#define NUMBER_MOST 64 // characters; no picture is as short in base64

static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool leads_out(const char *path) {
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2])) return true;
    return *path == '/';
}

PictureCell picture_cell(Arena *a, const char *text, size_t length, const char *folder, const char *where) {
    PictureCell cell = {0};
    while (length && space(*text)) text++, length--;
    while (length && space(text[length - 1])) length--;
    need(length > 0, "%s: holds no picture", where);
    if (length <= NUMBER_MOST && int_parse(arena_text(a, text, length), &cell.row)) {
        cell.kind = CELL_ROW;
        return cell;
    }
    if (length > 5 && memcmp(text, "file:", 5) == 0) {
        const char *path = arena_text(a, text + 5, length - 5);
        need(!leads_out(path), "%s: \"file:%.80s\": a path below the table's folder is wanted", where, path);
        cell.kind = CELL_FILE;
        cell.path = path_join(a, folder, path);
        return cell;
    }
    if (length > 5 && memcmp(text, "data:", 5) == 0) { // data:image/jpeg;base64,/9j/…
        const char *comma = memchr(text, ',', length);
        need(comma && comma - text >= 7 && memcmp(comma - 7, ";base64", 7) == 0, "%s: \"%.*s\": \"data:image/…;base64,\" is wanted", where, length < 40 ? (int)length : 40, text);
        length -= (size_t)(comma + 1 - text);
        text = comma + 1;
    }
    cell.bytes = base64_decode(a, text, length, BASE64_LOOSE, where);
    return cell;
}
