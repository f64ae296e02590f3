// jpeg_markers.c: see jpeg_parts.h. Everything between the pictures' data: tables, frame, scan headers.
#include <string.h>

#include "jpeg_parts.h"

// ---- segments of known length

typedef struct {
    const uint8_t *at, *end; // the payload
    size_t missing;          // bytes that the file no longer has: only behind a complete picture, where that is nobody's loss
} Segment;

// false: not even its length is there. Of a segment that the file cuts off, its reader looks at what is there, as libjpeg does before it wants more.
static bool segment_take(Jpeg *j, Segment *s, const char *what) {
    const ptrdiff_t left = j->end - j->at;
    jpeg_need(j, left >= 2 || j->complete, "the file ends in %s marker; it is truncated", what);
    if (left < 2) {
        j->at = j->end;
        return false;
    }
    int length = j->at[0] << 8 | j->at[1];
    jpeg_need(j, length >= 2, "%s marker %d bytes long; the file is damaged", what, length);
    jpeg_need(j, left >= length || j->complete, "the file ends in %s marker; it is truncated", what);
    const ptrdiff_t there = left < length ? left : length;
    *s = (Segment){j->at + 2, j->at + there, (size_t)(length - there)};
    j->at += there;
    return true;
}

// For markers whose content does not matter: an impossible length counts as none, as in libjpeg.
static bool segment_pass(Jpeg *j, Segment *s, const char *what) {
    if (j->end - j->at < 2 || j->at[0] || j->at[1] >= 2) return segment_take(j, s, what);
    j->at += 2;
    *s = (Segment){j->at, j->at, 0};
    return true;
}

static size_t segment_left(const Segment *s) { return (size_t)(s->end - s->at); }
static size_t segment_promised(const Segment *s) { return segment_left(s) + s->missing; }

void jpeg_next_marker(Jpeg *j) {
    for (;;) {
        const uint8_t *ff = j->at < j->end ? memchr(j->at, 0xFF, (size_t)(j->end - j->at)) : NULL;
        if (ff)
            while (ff < j->end && *ff == 0xFF) ff++;
        if (!ff || ff == j->end) {
            j->at = j->end;
            j->cut = true;
            j->pending = M_EOI;
            return;
        }
        j->at = ff + 1;
        if (*ff) {
            j->pending = *ff;
            return;
        }
    }
}

// ---- tables

static void read_quant(Jpeg *j) {
    Segment s;
    if (!segment_take(j, &s, "a quantisation table")) return;
    while (segment_left(&s) > 0) {
        int wide = *s.at >> 4, index = *s.at & 15;
        const ptrdiff_t size = wide ? 128 : 64;
        s.at++;
        jpeg_need(j, index < 4, "quantisation table number %d, 0 to 3 are possible; the file is damaged", index);
        if (j->complete && j->end - s.at < size) { // a table is as long as it is, whatever its marker says
            j->at = j->end;
            return;
        }
        jpeg_need(j, s.end - s.at >= size, "a quantisation table that is too short; the file is damaged");
        for (int i = 0; i < 64; i++) {
            j->quant[index][jpeg_zigzag[i]] = wide ? (uint16_t)(s.at[0] << 8 | s.at[1]) : s.at[0];
            s.at += wide ? 2 : 1;
        }
        j->quant_given[index] = true;
    }
}

static void code_set(Jpeg *j, int kind, int index, const uint8_t counts[16], const uint8_t *symbols, int n) {
    JpegCode *c = &j->code[kind][index];
    c->given = true;
    c->built = false;
    memcpy(c->counts + 1, counts, 16);
    memset(c->symbols, 0, sizeof c->symbols);
    memcpy(c->symbols, symbols, (size_t)n);
}

static void read_codes(Jpeg *j) {
    Segment s;
    if (!segment_take(j, &s, "a Huffman table")) return;
    while (segment_promised(&s) > 16) {
        if (segment_left(&s) < 17) return;
        int kind = *s.at >> 4, index = *s.at & 15, n = 0;
        const uint8_t *counts = s.at + 1;
        s.at += 17;
        for (int i = 0; i < 16; i++) n += counts[i];
        jpeg_need(j, n <= 256 && (size_t)n <= segment_promised(&s), "a Huffman table of %d symbols in a marker that is too short for it; the file is damaged", n);
        if ((size_t)n > segment_left(&s)) return;
        jpeg_need(j, kind < 2 && index < 4, "Huffman table class %d number %d, 0 to 1 and 0 to 3 are possible; the file is damaged", kind, index);
        code_set(j, kind, index, counts, s.at, n);
        s.at += n;
    }
    jpeg_need(j, segment_promised(&s) == 0, "%zu bytes too many in a Huffman table marker; the file is damaged", segment_promised(&s));
}

// Motion JPEG frames leave out the tables of T.81 annex K, so a sequential file may use them without giving them.
static void codes_default(Jpeg *j) {
    for (int i = 0; i < 2; i++)
        for (int kind = 0; kind < 2; kind++)
            if (!j->code[kind][i].given) {
                const JpegStandardCode *c = &jpeg_standard_codes[kind][i];
                code_set(j, kind, i, c->counts, c->symbols, c->n);
            }
}

// Of arithmetic coding, so it says nothing here; but only a damaged file has a bad one.
static void read_conditioning(Jpeg *j) {
    Segment s;
    if (!segment_take(j, &s, "an arithmetic conditioning")) return;
    jpeg_need(j, s.missing || segment_left(&s) % 2 == 0, "arithmetic conditioning of %zu bytes; the file is damaged", segment_left(&s));
    for (; segment_left(&s) >= 2; s.at += 2)
        jpeg_need(j, s.at[0] < 32 && (s.at[0] >= 16 || (s.at[1] & 15) <= s.at[1] >> 4), "impossible arithmetic conditioning; the file is damaged");
}

// ---- application markers: only what decides about colour and orientation

static void read_app(Jpeg *j, int marker) {
    Segment s;
    if (!segment_pass(j, &s, "an application") || s.missing) return;
    size_t n = segment_left(&s);
    const uint8_t *p = s.at;
    if (marker == M_APP0 && n >= 14 && memcmp(p, "JFIF", 5) == 0) j->jfif = true;
    if (marker == M_APP0 + 14 && n >= 12 && memcmp(p, "Adobe", 5) == 0) {
        j->adobe = true;
        j->adobe_transform = p[11];
    }
    if (marker == M_APP0 + 1 && n >= 6 && memcmp(p, "Exif\0", 6) == 0 && !j->has_exif) {
        j->exif_orientation = exif_orientation(p, n);
        j->has_exif = true;
    }
    if (marker == M_APP0 + 1 && n > 29 && memcmp(p, "http://ns.adobe.com/xap/1.0/", 29) == 0)
        j->xmp_orientation = xmp_orientation(p + 29, n - 29);
}

// ---- the frame

static _Noreturn void refuse_frame(const Jpeg *j, int marker) {
    bool arithmetic = marker > 0xC8, lossless = marker % 4 == 3;
    if (marker % 8 >= 5) die("%s: a hierarchical JPEG, which is not read here (nor by Pillow); save it again with the program that made it", j->path);
    die("%s: a JPEG with %s%s coding, which is not read here; convert it: python3 -c \"from PIL import Image; "
        "Image.open('%s').convert('RGB').save('picture.png')\"",
        j->path, lossless ? "lossless " : "", arithmetic ? "arithmetic" : "Huffman", path_name(j->path));
}

static void read_frame(Jpeg *j, int marker) {
    jpeg_need(j, !j->framed, "a second frame header; the file is damaged");
    if (marker != M_SOF0 && marker != M_SOF0 + 1 && marker != M_SOF0 + 2) refuse_frame(j, marker);
    Segment s;
    segment_take(j, &s, "a frame header"); // whole: no picture is complete before it
    jpeg_need(j, segment_left(&s) >= 6, "a frame header that is too short; the file is damaged");
    j->progressive = marker == M_SOF0 + 2;
    j->height = s.at[1] << 8 | s.at[2];
    j->width = s.at[3] << 8 | s.at[4];
    j->components = s.at[5];
    jpeg_need(j, s.at[0] == 8, "%d-bit samples, only 8-bit JPEGs are read here; convert it to PNG first", s.at[0]);
    jpeg_need(j, j->width > 0 && j->height > 0, "a picture of %d x %d pixels; the file is damaged or uses the DNL marker, save it again", j->width, j->height);
    jpeg_need(j, j->width <= JPEG_SIDE_MAX && j->height <= JPEG_SIDE_MAX, "a picture of %d x %d pixels, at most %d a side are possible", j->width, j->height, JPEG_SIDE_MAX);
    jpeg_need(j, j->components == 1 || j->components == 3 || j->components == 4, "%d components, 1, 3 and 4 are possible (grey, YCbCr or RGB, CMYK)", j->components);
    jpeg_need(j, segment_left(&s) == 6 + 3 * (size_t)j->components, "a frame header of the wrong length; the file is damaged");
    image_check_size(j->path, (uint64_t)j->width, (uint64_t)j->height, &j->options);
    j->h_max = j->v_max = 1;
    for (int i = 0; i < j->components; i++) {
        const uint8_t *p = s.at + 6 + 3 * i;
        JpegComponent *c = &j->component[i];
        *c = (JpegComponent){.id = p[0], .h = p[1] >> 4, .v = p[1] & 15, .quant_index = p[2]};
        jpeg_need(j, c->h >= 1 && c->h <= 4 && c->v >= 1 && c->v <= 4, "sampling factors %d x %d, 1 to 4 are possible; the file is damaged", c->h, c->v);
        if (c->h > j->h_max) j->h_max = c->h;
        if (c->v > j->v_max) j->v_max = c->v;
        memset(c->known, -1, sizeof c->known);
        memset(c->known_before, -1, sizeof c->known_before);
    }
    j->mcus_across = (j->width + 8 * j->h_max - 1) / (8 * j->h_max);
    j->mcus_down = (j->height + 8 * j->v_max - 1) / (8 * j->v_max);
    for (int i = 0; i < j->components; i++) {
        JpegComponent *c = &j->component[i];
        c->width = (j->width * c->h + j->h_max - 1) / j->h_max;
        c->height = (j->height * c->v + j->v_max - 1) / j->v_max;
        c->blocks_w = (c->width + 7) / 8;
        c->blocks_h = (c->height + 7) / 8;
        c->across = j->mcus_across * c->h;
        c->down = j->mcus_down * c->v;
        c->stride = c->across * 8;
    }
    j->framed = true;
}

// ---- scans

static bool read_scan(Jpeg *j) { // false: cut off
    jpeg_need(j, j->framed, "a scan before the frame header; the file is damaged");
    Segment s;
    if (!segment_take(j, &s, "a scan header") || (s.missing && !segment_left(&s))) return false;
    int n = segment_left(&s) ? s.at[0] : 0;
    jpeg_need(j, n >= 1 && n <= 4 && segment_promised(&s) == 4 + 2 * (size_t)n, "a scan header of %d components in %zu bytes; the file is damaged", n, segment_promised(&s));
    memset(j->scan, 0, sizeof j->scan);
    j->scan_count = n;
    for (int i = 0; i < n; i++) {
        if (segment_left(&s) < 3 + 2 * (size_t)i) return false;
        int id = s.at[1 + 2 * i], tables = s.at[2 + 2 * i], k = 0;
        // libjpeg's rule, by which several components may share an id; it also refuses some other orders
        while (k < j->components && (j->component[k].id != id || j->scan[k])) k++;
        jpeg_need(j, k < j->components, "a scan of component %d, which the frame does not have at that place; the file is damaged", id);
        JpegComponent *c = &j->component[k];
        for (int m = 0; m < i; m++) jpeg_need(j, j->scan[m] != c, "component %d twice in a scan; the file is damaged", id);
        j->scan[i] = c;
        c->dc_index = tables >> 4;
        c->ac_index = tables & 15;
    }
    if (s.missing) return false;
    const uint8_t *p = s.at + 1 + 2 * n;
    j->first = p[0];
    j->last = p[1];
    j->high = p[2] >> 4;
    j->low = p[2] & 15;
    j->scan_number++;
    jpeg_need(j, j->scan_number <= JPEG_SCANS_MAX, "more than %d scans; that is not a picture", JPEG_SCANS_MAX);
    return true;
}

// Progressive: what the scan adds must be possible. Out-of-order refinement is not an error (libjpeg warns).
static void scan_progress(Jpeg *j) {
    bool good = j->first == 0 ? j->last == 0 : j->first <= j->last && j->last < 64 && j->scan_count == 1;
    good = good && (j->high == 0 || j->low == j->high - 1) && j->low <= 13;
    jpeg_need(j, good, "a progressive scan of coefficients %d to %d, bits %d to %d; the file is damaged", j->first, j->last, j->high, j->low);
    for (int i = 0; i < j->scan_count; i++) {
        JpegComponent *c = j->scan[i];
        int to = j->last > 9 ? j->last : 9;
        for (int k = j->first ? 1 : 0; k <= to; k++) c->known_before[k] = j->scan_number > 1 ? c->known[k] : 0;
        for (int k = j->first; k <= j->last; k++) c->known[k] = (int8_t)j->low;
    }
}

void jpeg_scan_prepare(Jpeg *j) {
    int blocks = 0;
    for (int i = 0; i < j->scan_count; i++) blocks += j->scan[i]->h * j->scan[i]->v;
    jpeg_need(j, j->scan_count == 1 || blocks <= 10, "%d blocks in one MCU, at most 10 are possible; the file is damaged", blocks);
    for (int i = 0; i < j->scan_count; i++) {
        JpegComponent *c = j->scan[i];
        if (c->latched) continue;
        jpeg_need(j, c->quant_index < 4 && j->quant_given[c->quant_index], "quantisation table %d was never given; the file is damaged", c->quant_index);
        memcpy(c->quant, j->quant[c->quant_index], sizeof c->quant);
        c->latched = true;
    }
    if (j->progressive) scan_progress(j);
    else if (j->scan_number == 1) codes_default(j);
    for (int i = 0; i < j->scan_count; i++) {
        if (!j->progressive || (j->first == 0 && j->high == 0)) jpeg_code(j, 0, j->scan[i]->dc_index);
        if (!j->progressive || j->first > 0) jpeg_code(j, 1, j->scan[i]->ac_index);
    }
}

int jpeg_read_markers(Jpeg *j) {
    for (;;) {
        if (j->pending == 0) jpeg_next_marker(j);
        int marker = j->pending;
        j->pending = 0;
        if (marker == M_EOI) return M_EOI;
        if (marker == M_SOS) {
            if (read_scan(j)) return M_SOS;
            continue; // to the end
        }
        if (marker == M_DQT) {
            read_quant(j);
        } else if (marker == M_DHT) {
            read_codes(j);
        } else if (marker == M_DRI) {
            Segment s;
            if (!segment_take(j, &s, "a restart interval")) continue;
            jpeg_need(j, segment_promised(&s) == 2, "a restart interval of %zu bytes; the file is damaged", segment_promised(&s));
            if (!s.missing) j->restart_interval = s.at[0] << 8 | s.at[1];
        } else if (marker >= M_APP0 && marker <= M_APP0 + 15) {
            read_app(j, marker);
        } else if (marker == M_DAC) {
            read_conditioning(j);
        } else if (marker == M_COM || marker == M_DNL) {
            Segment s;
            segment_pass(j, &s, "a comment"); // the number of lines, too, is passed over
        } else if (marker >= M_SOF0 && marker <= M_SOF0 + 15 && marker != 0xC8) {
            read_frame(j, marker);
        } else if (!(marker >= M_RST0 && marker < M_RST0 + 8) && !(marker == 0x01 && j->scan_number > 0)) {
            // 01 has no meaning any more; before the first scan Pillow refuses it
            jpeg_die(j, "marker FF %02X, which no JPEG has there; the file is damaged", marker);
        }
    }
}
