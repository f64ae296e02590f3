// jpeg.c: see image.h and jpeg_parts.h. The picture as a whole.
//
// A picture in one sequential scan goes through block by block, and rows of RGB leave as soon as their
// neighbours are known. A picture in several scans is collected as coefficients first.
//
// Damage: by default it is an error, also where libjpeg only warns and fills up with grey. With
// options.truncated_ok the picture is what Pillow gives with LOAD_TRUNCATED_IMAGES: the file counts as if an
// end marker followed, damaged parts are filled as libjpeg fills them, and what no longer can be read at all
// is black (white for CMYK), as Pillow leaves it.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jpeg_parts.h"

_Noreturn void jpeg_die(const Jpeg *j, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    die("%s: byte %td: %s", j->path, j->at - j->start, text);
}

void jpeg_damaged(Jpeg *j, const char *format, ...) {
    char text[200];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!j->options.truncated_ok)
        die("%s: byte %td: %s; the picture is damaged, get it again or use --truncated ok", j->path, j->at - j->start, text);
    if (!j->damage[0]) snprintf(j->damage, sizeof j->damage, "byte %td: %s", j->at - j->start, text);
}

// ---- rows of samples to rows of RGB

// Row y of the picture in one component, at full width; `room` holds it when it is not there already.
static const uint8_t *full_row(const Jpeg *j, const JpegComponent *c, int y, uint8_t *room) {
    int fx = j->h_max / c->h, fy = j->v_max / c->v, row = y / fy;
    const uint8_t *near = jpeg_row_at(c, row);
    if (fx == 1 && fy == 1) return near;
    int other = y % 2 ? row + 1 : row - 1; // the next nearest row, for fy == 2
    const uint8_t *far = other < 0 || other >= c->height ? near : jpeg_row_at(c, other);
    if (fx == 1 && fy == 2) {
        j->rows->tall(room, near, far, c->width, y % 2 ? 2 : 1);
    } else if (fx == 2 && fy == 1 && c->width > 2) {
        j->rows->wide(room, near, c->width);
    } else if (fx == 2 && fy == 2 && c->width > 2) {
        j->rows->wide_tall(room, near, far, c->width);
    } else {
        for (int x = 0; x < j->width; x++) room[x] = near[x / fx];
    }
    return room;
}

static bool is_ycc(const Jpeg *j) {
    const JpegComponent *c = j->component;
    if (j->components == 4) return j->adobe && j->adobe_transform != 0; // YCCK
    if (j->jfif) return true;
    if (j->adobe) return j->adobe_transform != 0;
    return !(c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B');
}

// a * b / 255, rounded; as Pillow does it.
static inline int over_255(int a, int b) {
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

// Four components: Pillow takes all of them for Adobe's, which are stored inverted. k is then what is left of white.
static void cmyk_row(uint8_t *rgb, const uint8_t *const row[4], bool ycck, int n) {
    for (int x = 0; x < n; x++)
        for (int i = 0; i < 3; i++) {
            int k = row[3][x], ink = ycck ? rgb[3 * x + i] : 255 - row[i][x];
            rgb[3 * x + i] = (uint8_t)(k - over_255(ink, k));
        }
}

static void rows_out(const Jpeg *j, int from, int to, uint8_t *room) {
    size_t room_row = (size_t)j->width + 8;
    bool ycc = j->components > 1 && is_ycc(j);
    for (int y = from; y < to; y++) {
        const uint8_t *row[4] = {NULL};
        uint8_t *rgb = j->rgb + (size_t)y * j->width * 3;
        for (int i = 0; i < j->components; i++) row[i] = full_row(j, &j->component[i], y, room + (size_t)i * room_row);
        if (ycc) j->rows->ycc(rgb, row[0], row[1], row[2], j->width);
        if (j->components == 4) {
            cmyk_row(rgb, row, ycc, j->width);
        } else if (!ycc) {
            bool grey = j->components == 1;
            j->rows->interleave(rgb, row[0], row[grey ? 0 : 1], row[grey ? 0 : 2], j->width);
        }
    }
}

// How many rows are final once the samples of `done` rows are there: the last may need the row below it.
static int rows_ready(const Jpeg *j, int done) { return done >= j->height ? j->height : done - 1; }

// ---- scans to samples

static void one_scan(Jpeg *j, uint8_t *room) {
    bool alone = j->scan_count == 1;
    int count = alone ? j->scan[0]->blocks_h : j->mcus_down, out = 0;
    jpeg_scan_prepare(j);
    jpeg_scan_open(j);
    for (int i = 0; i < count; i++) {
        jpeg_sequential_row(j, i);
        int ready = rows_ready(j, (i + 1) * 8 * (alone ? 1 : j->v_max));
        rows_out(j, out, ready, room);
        out = ready;
    }
    if (j->options.truncated_ok) return; // whatever follows
    j->complete = true;
    // Pillow wants a few bytes more than the last block needs, or the end marker.
    int64_t spare = (j->in.end - j->in.at) * 8 + j->in.count - j->in.made_up;
    jpeg_need(j, !j->cut || spare >= 64, "the file ends without an end marker; it is truncated, get it again or use --truncated ok");
    jpeg_need(j, j->cut || jpeg_read_markers(j) == M_EOI, "a second scan where the first held the whole picture; the file is damaged");
}

static void samples_of_row(Jpeg *j, int mcu_row, bool smooth) {
    _Alignas(32) int16_t guess[64];
    for (int i = 0; i < j->components; i++) {
        JpegComponent *c = &j->component[i];
        for (int y = mcu_row * c->v; y < (mcu_row + 1) * c->v && y < c->blocks_h; y++)
            for (int x = 0; x < c->blocks_w; x++) {
                const int16_t *block = c->coefficients + ((size_t)y * c->across + x) * 64;
                if (smooth) jpeg_smooth_block(j, c, y, x, guess);
                j->rows->idct(jpeg_block_at(c, x, y), c->stride, smooth ? guess : block, c->quant);
            }
    }
}

static void many_scans(Jpeg *j, uint8_t *room) {
    do {
        jpeg_scan_prepare(j);
        jpeg_scan_open(j);
        int count = j->scan_count == 1 ? j->scan[0]->blocks_h : j->mcus_down;
        for (int i = 0; i < count; i++) {
            if (j->progressive) jpeg_progressive_row(j, i);
            else jpeg_sequential_row(j, i);
        }
    } while (jpeg_read_markers(j) == M_SOS);
    if (j->cut) jpeg_damaged(j, "the file ends without an end marker");
    for (int i = 0; i < j->components; i++)
        if (!j->component[i].latched) jpeg_damaged(j, "no scan holds component %d", j->component[i].id);
    bool smooth = jpeg_smooth_wanted(j);
    for (int i = 0, out = 0; i < j->mcus_down; i++) {
        samples_of_row(j, i, smooth);
        int ready = rows_ready(j, (i + 1) * 8 * j->v_max);
        rows_out(j, out, ready, room);
        out = ready;
    }
}

// ---- the picture

// Every block takes two bits at least, or one in the first scan of a progressive file: so a small file cannot
// ask for a large picture.
static void check_data(const Jpeg *j) {
    uint64_t blocks = 0, bits = (uint64_t)(j->end - j->at) * 8;
    for (int i = 0; i < j->components; i++) blocks += (uint64_t)j->component[i].blocks_w * (uint64_t)j->component[i].blocks_h;
    jpeg_need(j, bits >= blocks * (j->progressive ? 1 : 2), "%td bytes of data cannot hold %d x %d pixels; the file is truncated, get it again or use --truncated ok",
              j->end - j->at, j->width, j->height);
}

static const JpegRows *rows_for_machine(void) {
#if defined(__x86_64__)
    const char *forced = getenv("RETINA_ISA");
    if (__builtin_cpu_supports("avx2") && !(forced && strcmp(forced, "scalar") == 0)) return &jpeg_rows_avx2;
#endif
    return &jpeg_rows_plain;
}

static void planes_take(Arena *a, Jpeg *j, bool many) {
    for (int i = 0; i < j->components; i++) {
        JpegComponent *c = &j->component[i];
        jpeg_need(j, j->h_max % c->h == 0 && j->v_max % c->v == 0,
                  "sampling factors %d x %d beside %d x %d: only whole ratios are possible (libjpeg refuses them, too)", c->h, c->v, j->h_max, j->v_max);
        size_t blocks = size_mul((size_t)c->across, (size_t)c->down, j->path);
        c->ring = c->v == 1 ? 2 : c->v == 2 ? 4 : 8;
        c->samples = take(a, uint8_t, size_mul((size_t)c->across, (size_t)c->ring * 64, j->path));
        if (many) c->coefficients = take_zero(a, int16_t, size_mul(blocks, 64, j->path));
    }
    j->unstuffed = take(a, uint8_t, (size_t)(j->end - j->at) + 8);
}

Image jpeg_decode(Arena *a, Bytes file, const ImageOptions *options) {
    Jpeg jpeg, *j = &jpeg;
    memset(j, 0, sizeof *j);
    j->path = file.path;
    j->start = j->at = file.bytes;
    j->end = file.bytes + file.size;
    j->options = options ? *options : (ImageOptions){0};
    j->rows = rows_for_machine();
    need(file.size >= 3 && memcmp(file.bytes, "\xFF\xD8\xFF", 3) == 0, "%s: not a JPEG: it does not begin with FF D8 FF", file.path);
    j->at += 2;
    jpeg_need(j, jpeg_read_markers(j) == M_SOS, "the file ends before the picture begins; it is truncated");

    bool many = j->progressive || j->scan_count < j->components;
    if (!j->options.truncated_ok) check_data(j);
    size_t bytes = size_mul(size_mul((size_t)j->width, (size_t)j->height, j->path), 3, j->path);
    j->rgb = take(a, uint8_t, bytes);
    Mark mark = arena_mark(a);
    planes_take(a, j, many);
    uint8_t *room = take(a, uint8_t, ((size_t)j->width + 8) * 4);
    void (*decode)(Jpeg *, uint8_t *) = many ? many_scans : one_scan;
    if (j->options.truncated_ok) {
        Trap trap;
        memset(j->rgb, j->components == 4 ? 255 : 0, bytes);
        if (trap_set(&trap)) {
            decode(j, room);
            trap_end(&trap);
        } else {
            if (j->scan_number > JPEG_SCANS_MAX) die("%s", trap.message); // no damage
            size_t n = strlen(file.path) + 2;                              // who prints the rest names the file
            bool named = strlen(trap.message) > n && strncmp(trap.message, file.path, n - 2) == 0;
            if (!j->damage[0]) snprintf(j->damage, sizeof j->damage, "%.*s", (int)sizeof j->damage - 1, trap.message + (named ? n : 0));
        }
    } else {
        decode(j, room);
    }
    arena_release(a, mark);
    int orientation = j->exif_orientation ? j->exif_orientation : j->xmp_orientation;
    return (Image){.width = j->width,
                   .height = j->height,
                   .rgb = j->rgb,
                   .orientation = orientation ? orientation : 1,
                   .format = "JPEG",
                   .damage = j->damage[0] ? arena_text(a, j->damage, strlen(j->damage)) : NULL};
}
