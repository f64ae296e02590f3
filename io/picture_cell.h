// picture_cell.h: a picture in a cell of a table (swap.md 1.3): the file in base64, perhaps as a "data:" address; the number of
// another row, whose picture is meant; or "file:" and a path, which is meant from the table's folder.
#ifndef RETINA_IO_PICTURE_CELL_H
#define RETINA_IO_PICTURE_CELL_H

#include "file.h"

typedef enum { CELL_BYTES, CELL_ROW, CELL_FILE } PictureCellKind;

typedef struct {
    PictureCellKind kind;
    Bytes bytes;      // BYTES: of the file, for image_decode
    int64_t row;      // ROW: what stands in that row's column "index"
    const char *path; // FILE
} PictureCell;

// Dies with `where`. White space around and inside is passed over. A path may not lead out of the folder.
PictureCell picture_cell(Arena *a, const char *text, size_t length, const char *folder, const char *where);

#endif
