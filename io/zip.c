// zip.c: see zip.h.
//
// Source: APPNOTE.TXT 6.3 (PKWARE). Numbers are little-endian; they are put together from bytes, so nothing depends on
// this machine's order or on alignment.
#include "zip.h"

#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "inflate.h"
#include "names.h"

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20 };  // bytes of each record, without names and extras
enum { FLAG_ENCRYPTED = 1, STORED = 0, DEFLATED = 8, ZIP64 = 1, PAD = 0x4246 }; // PAD: the extra field that torch aligns with
#define DEFLATE_RATIO 1032 // one bit each for a length and a distance code give 258 bytes
#define FULL 0xFFFFFFFFu   // in a 32-bit field: see the zip64 record

struct Zip {
    Bytes file;
    ZipEntry *entries;
    size_t count;
    Names names;
};

static uint64_t le(const uint8_t *p, int n) {
    uint64_t v = 0;
    while (n-- > 0) v = v << 8 | p[n];
    return v;
}

bool zip_is(Bytes file) { return file.size >= END && (memcmp(file.bytes, "PK\3\4", 4) == 0 || memcmp(file.bytes, "PK\5\6", 4) == 0); }

// The end record: the last whose comment reaches exactly to the end of the file, else the last before something that was
// appended, as zeros that fill a block: Python and PyTorch read such files.
static const uint8_t *end_find(Bytes f) {
    if (f.size < END) return NULL;
    const uint8_t *inside = NULL;
    size_t lowest = f.size - END > 65535 ? f.size - END - 65535 : 0;
    for (size_t at = f.size - END;; at--) {
        const uint8_t *p = f.bytes + at;
        size_t comment = le(p + 20, 2), left = f.size - at - END;
        if (memcmp(p, "PK\5\6", 4) == 0 && comment == left) return p;
        if (memcmp(p, "PK\5\6", 4) == 0 && comment < left && !inside) inside = p;
        if (at == lowest) return inside;
    }
}

typedef struct {
    uint64_t count, size, at;
} Directory;

static Directory directory_find(Bytes f) {
    const uint8_t *end = end_find(f);
    need(end, "%s: the archive's directory is missing: the file is cut off, or no zip archive", f.path);
    Directory d = {le(end + 10, 2), le(end + 12, 4), le(end + 16, 4)};
    uint64_t disks = le(end + 4, 2) | le(end + 6, 2), end_at = (uint64_t)(end - f.bytes);
    if (end_at >= LOCATOR && memcmp(end - LOCATOR, "PK\6\7", 4) == 0) {
        uint64_t at = le(end - LOCATOR + 8, 8);
        need(end_at - LOCATOR >= END64 && at <= end_at - LOCATOR - END64 && memcmp(f.bytes + at, "PK\6\6", 4) == 0,
             "%s: the archive's zip64 record is not where it should be", f.path);
        const uint8_t *p = f.bytes + at;
        disks = le(p + 16, 4) | le(p + 20, 4);
        d = (Directory){le(p + 32, 8), le(p + 40, 8), le(p + 48, 8)};
    }
    need(disks == 0, "%s: one part of an archive in several; join them first", f.path);
    need(d.at <= end_at && d.size <= end_at - d.at && d.count <= d.size / CENTRAL, "%s: the archive's directory of %llu entries at byte %llu does not fit the file",
         f.path, (unsigned long long)d.count, (unsigned long long)d.at);
    return d;
}

// What the zip64 extra field says in place of the fields that are FULL, in this order.
static void zip64_read(ZipEntry *e, const uint8_t *extra, size_t n, Bytes f) {
    for (size_t at = 0; n - at >= 4;) {
        size_t id = le(extra + at, 2), size = le(extra + at + 2, 2);
        at += 4;
        if (size > n - at) break;
        if (id == ZIP64) {
            uint64_t *fields[] = {&e->size, &e->packed, &e->header_at};
            for (int k = 0; k < 3; k++) {
                if (*fields[k] != FULL) continue;
                need(size >= 8, "%s: the entry \"%s\" has too short a zip64 field", f.path, e->name);
                *fields[k] = le(extra + at, 8);
                at += 8;
                size -= 8;
            }
        }
        at += size;
    }
}

Zip *zip_open(Arena *a, Bytes f) {
    Directory d = directory_find(f);
    Zip *z = take_zero(a, Zip, 1);
    *z = (Zip){.file = f, .count = (size_t)d.count, .entries = take_zero(a, ZipEntry, (size_t)d.count)};
    const uint8_t *p = f.bytes + d.at, *end = p + d.size;
    for (size_t i = 0; i < z->count; i++) {
        need(end - p >= CENTRAL && memcmp(p, "PK\1\2", 4) == 0, "%s: the archive's directory is damaged at entry %zu", f.path, i);
        size_t name = le(p + 28, 2), extra = le(p + 30, 2), comment = le(p + 32, 2);
        need((size_t)(end - p) - CENTRAL >= name + extra + comment, "%s: the archive's directory is cut off at entry %zu", f.path, i);
        ZipEntry *e = &z->entries[i];
        *e = (ZipEntry){.name = arena_text(a, (const char *)p + CENTRAL, name), .flags = (uint16_t)le(p + 8, 2), .method = (uint16_t)le(p + 10, 2),
                        .crc = (uint32_t)le(p + 16, 4), .packed = le(p + 20, 4), .size = le(p + 24, 4), .header_at = le(p + 42, 4)};
        need(strlen(e->name) == name, "%s: the entry \"%s\" has a zero byte in its name", f.path, e->name);
        zip64_read(e, p + CENTRAL + name, extra, f);
        p += CENTRAL + name + extra + comment;
    }
    need(end - p < 4 || memcmp(p, "PK\1\2", 4) != 0, "%s: the archive's directory goes on after the %zu entries that its end tells of; the file is damaged", f.path, z->count);
    z->names = names_build(a, z->entries, sizeof *z->entries, z->count, f.path, "entry");
    return z;
}

size_t zip_count(const Zip *z) { return z->count; }
const ZipEntry *zip_at(const Zip *z, size_t i) { return &z->entries[i]; }
const ZipEntry *zip_find(const Zip *z, const char *name) { return names_find(&z->names, name); }

const uint8_t *zip_data(const Zip *z, const ZipEntry *e) {
    Bytes f = z->file;
    need(f.size >= LOCAL && e->header_at <= f.size - LOCAL && memcmp(f.bytes + e->header_at, "PK\3\4", 4) == 0, "%s: the entry \"%s\" is not where the directory says",
         f.path, e->name);
    need(!(e->flags & FLAG_ENCRYPTED), "%s: the entry \"%s\" is encrypted; pack it again without a password", f.path, e->name);
    const uint8_t *p = f.bytes + e->header_at;
    uint64_t at = e->header_at + LOCAL + le(p + 26, 2) + le(p + 28, 2);
    need(at <= f.size && e->packed <= f.size - at, "%s: the entry \"%s\" of %llu bytes is cut off", f.path, e->name, (unsigned long long)e->packed);
    return f.bytes + at;
}

Bytes zip_read(Arena *a, const Zip *z, const ZipEntry *e) {
    const uint8_t *data = zip_data(z, e);
    const char *where = arena_print(a, "%s: %s", z->file.path, e->name);
    need(e->method == STORED || e->method == DEFLATED, "%s: is packed by method %d; pack it again by deflate, or not at all", where, e->method);
    Bytes out = {.bytes = data, .size = (size_t)e->size, .path = where};
    if (e->method == STORED) {
        need(e->packed == e->size, "%s: is stored, but as %llu bytes for %llu", where, (unsigned long long)e->packed, (unsigned long long)e->size);
    } else {
        need(e->size / DEFLATE_RATIO <= e->packed, "%s: %llu bytes cannot come out of %llu", where, (unsigned long long)e->size, (unsigned long long)e->packed);
        uint8_t *room = take(a, uint8_t, (size_t)e->size);
        inflate(room, (size_t)e->size, data, (size_t)e->packed, INFLATE_RAW, where);
        out.bytes = room;
    }
    need(e->crc == 0 || crc32_of(0, out.bytes, out.size) == e->crc, "%s: is damaged: its CRC-32 is not the stored one", where);
    return out;
}

// ---- writing

struct ZipWriter {
    Arena *arena;
    Writer *out;
    const char *path;
    ZipEntry *entries;
    size_t count, room;
    uint64_t data_at, put;
};

static uint8_t *le_put(uint8_t *p, uint64_t v, int n) {
    for (; n > 0; n--, v >>= 8) *p++ = (uint8_t)v;
    return p;
}

static uint64_t capped(uint64_t v) { return v < FULL ? v : FULL; }

ZipWriter *zip_create(Arena *a, const char *path) {
    ZipWriter *w = take_zero(a, ZipWriter, 1);
    *w = (ZipWriter){.arena = a, .path = arena_text(a, path, strlen(path)), .room = 16, .entries = take(a, ZipEntry, 16), .out = writer_open(path)};
    return w;
}

void zip_begin(ZipWriter *w, const char *name, uint64_t size, unsigned align) {
    size_t n = strlen(name);
    need(n <= 65535, "%s: an entry's name of %zu bytes", w->path, n);
    if (w->count == w->room) {
        w->entries = arena_grow(w->arena, w->entries, w->count, w->room * 2, sizeof *w->entries);
        w->room *= 2;
    }
    uint64_t at = writer_offset(w->out);
    w->entries[w->count++] = (ZipEntry){.name = arena_text(w->arena, name, n), .size = size, .packed = size, .header_at = at};
    bool large = size >= FULL;
    uint64_t unpadded = at + LOCAL + n + (large ? 20 : 0) + 4;
    size_t pad = align > 1 ? (size_t)(-unpadded & (align - 1)) : 0, extra = (large ? 20 : 0) + (align > 1 ? 4 + pad : 0);
    uint8_t *head = take_zero(w->arena, uint8_t, LOCAL + n + extra), *p = head;
    memcpy(p, "PK\3\4", 4);
    p = le_put(p + 4, large ? 45 : 20, 2); // version that can read it
    p = le_put(p, 0, 2 + 2 + 2);           // flags, method, time
    p = le_put(p, 0x21, 2);                // 1 January 1980: the same content gives the same file
    p = le_put(p, 0, 4);                   // CRC-32, filled in by zip_end
    p = le_put(p, capped(size), 4);
    p = le_put(p, capped(size), 4);
    p = le_put(p, n, 2);
    p = le_put(p, extra, 2);
    memcpy(p, name, n);
    p += n;
    if (large) p = le_put(le_put(le_put(le_put(p, ZIP64, 2), 16, 2), size, 8), size, 8);
    if (align > 1) le_put(le_put(p, PAD, 2), pad, 2);
    writer_put(w->out, head, LOCAL + n + extra);
    w->data_at = writer_offset(w->out);
    w->put = 0;
}

void zip_put(ZipWriter *w, const void *bytes, size_t size) {
    ZipEntry *e = &w->entries[w->count - 1];
    need(size <= e->size - w->put, "%s: more than the %llu bytes of \"%s\"", w->path, (unsigned long long)e->size, e->name);
    e->crc = crc32_of(e->crc, bytes, size);
    writer_put(w->out, bytes, size);
    w->put += size;
}

void zip_end(ZipWriter *w) {
    const ZipEntry *e = &w->entries[w->count - 1];
    need(w->put == e->size, "%s: \"%s\" got %llu of its %llu bytes", w->path, e->name, (unsigned long long)w->put, (unsigned long long)e->size);
    uint8_t crc[4];
    le_put(crc, e->crc, 4);
    writer_patch(w->out, e->header_at + 14, crc, 4);
}

void zip_add(ZipWriter *w, const char *name, const void *bytes, size_t size, unsigned align) {
    zip_begin(w, name, size, align);
    zip_put(w, bytes, size);
    zip_end(w);
}

static void central_put(ZipWriter *w, const ZipEntry *e) {
    bool large = e->size >= FULL, far = e->header_at >= FULL;
    size_t n = strlen(e->name), more = (large ? 16 : 0) + (far ? 8 : 0);
    uint8_t head[CENTRAL + 28] = {0}, *p = head;
    memcpy(p, "PK\1\2", 4);
    p = le_put(p + 4, more ? 45 : 20, 2);
    p = le_put(p, more ? 45 : 20, 2);
    p = le_put(p, 0, 6);
    p = le_put(p, 0x21, 2);
    p = le_put(p, e->crc, 4);
    p = le_put(p, capped(e->size), 4);
    p = le_put(p, capped(e->size), 4);
    p = le_put(p, n, 2);
    p = le_put(p, more ? more + 4 : 0, 2);
    p = le_put(p, 0, 2 + 2 + 2 + 4); // comment, disk, attributes
    p = le_put(p, capped(e->header_at), 4);
    writer_put(w->out, head, CENTRAL);
    writer_put(w->out, e->name, n);
    if (!more) return;
    p = le_put(le_put(head, ZIP64, 2), more, 2);
    if (large) p = le_put(le_put(p, e->size, 8), e->size, 8);
    if (far) le_put(p, e->header_at, 8);
    writer_put(w->out, head, more + 4);
}

void zip_finish(ZipWriter *w) {
    names_build(w->arena, w->entries, sizeof *w->entries, w->count, w->path, "entry");
    uint64_t at = writer_offset(w->out);
    for (size_t i = 0; i < w->count; i++) central_put(w, &w->entries[i]);
    uint64_t size = writer_offset(w->out) - at;
    uint8_t end[END64 + LOCATOR + END] = {0}, *p = end;
    if (at >= FULL || size >= FULL || w->count >= 65535) {
        memcpy(p, "PK\6\6", 4);
        p = le_put(p + 4, END64 - 12, 8);
        p = le_put(le_put(p, 45, 2), 45, 2);
        p = le_put(p, 0, 8);
        p = le_put(le_put(p, w->count, 8), w->count, 8);
        p = le_put(le_put(p, size, 8), at, 8);
        memcpy(p, "PK\6\7", 4);
        p = le_put(le_put(le_put(p + 4, 0, 4), at + size, 8), 1, 4);
    }
    memcpy(p, "PK\5\6", 4);
    p = le_put(p + 4, 0, 4);
    size_t count = w->count < 65535 ? w->count : 65535;
    p = le_put(le_put(p, count, 2), count, 2);
    p = le_put(le_put(p, capped(size), 4), capped(at), 4);
    p = le_put(p, 0, 2);
    writer_put(w->out, end, (size_t)(p - end));
    writer_close(w->out);
}
