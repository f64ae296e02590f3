// tar.c: see tar.h.
//
// Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar's manual, "Basic Tar Format".
// Where they leave a choice, Python's tarfile is followed, through which webdataset reads.
#include "tar.h"

#include <string.h>

#include "stray.h"

#define BLOCK 512
#define NAME_MAX_BYTES (1 << 20) // of a long name or a pax header: more is an attack on our memory
#define PARTS_MAX 10000          // of a sample; each is compared with each
#define GROW ((size_t)1 << 20)   // members of unknown archives (pipes) are read in steps, so a false size asks for little

struct Tar {
    Reader *in;
    Arena *arena;
    const char *path;
    uint64_t end;     // where the current member's padding ends
    TarEntry current;
    char *name, *extra; // of the current member; the content of headers about it. Both grow
    size_t name_room, extra_room;
    bool ahead;       // the current member begins the next sample
    bool over;
};

static _Noreturn void refuse(const Tar *t, uint64_t at, const char *what) { die("%s: the header at byte %llu: %s", t->path, (unsigned long long)at, what); }

Tar *tar_open(Arena *a, const char *path) {
    Tar *t = take_zero(a, Tar, 1);
    t->in = reader_open(path);
    t->arena = a;
    t->path = arena_text(a, reader_path(t->in), strlen(reader_path(t->in)));
    const uint8_t *s;
    size_t n = reader_peek(t->in, &s);
    need(n > 0, "%s: is empty, and no tar archive", t->path);
    stray_refuse((Bytes){.bytes = s, .size = n, .path = t->path});
    const char *packed = n > 2 && s[0] == 0x1f && s[1] == 0x8b ? "gunzip" : n > 2 && memcmp(s, "BZh", 3) == 0 ? "bunzip2" : n > 5 && memcmp(s, "\xFD" "7zXZ", 5) == 0 ? "unxz"
                         : n > 3 && memcmp(s, "\x28\xB5\x2F\xFD", 4) == 0 ? "unzstd" : NULL;
    need(!packed, "%s: is compressed; unpack it with `%s` first", t->path, packed);
    return t;
}

void tar_close(Tar *t) { reader_close(t->in); }

// Octal digits after spaces, ended by a space or a zero.
static bool octal(const uint8_t *f, int n, uint64_t *v) {
    int i = 0;
    while (i < n && f[i] == ' ') i++;
    for (*v = 0; i < n && f[i] >= '0' && f[i] <= '7'; i++) *v = *v << 3 | (uint64_t)(f[i] - '0');
    return i == n || f[i] == ' ' || f[i] == 0;
}

// Octal; or, with the highest bit set, to the base of 256.
static uint64_t number(const Tar *t, const uint8_t *f, int n, uint64_t at) {
    uint64_t v = 0;
    if (f[0] & 0x80) {
        v = f[0] & 0x7f; // 0xFF begins a negative number: too large
        for (int i = 1; i < n; i++) {
            if (v >> 55) refuse(t, at, "an impossible size");
            v = v << 8 | f[i];
        }
        return v;
    }
    if (!octal(f, n, &v)) refuse(t, at, "a number that is not octal");
    return v;
}

static void name_set(Tar *t, const char *prefix, size_t prefix_length, const char *name, size_t length) {
    size_t n = prefix_length + (prefix_length > 0) + length;
    if (t->name_room <= n) {
        t->name_room = n < 500 ? 1024 : n * 2;
        t->name = take(t->arena, char, t->name_room);
    }
    char *o = t->name;
    memcpy(o, prefix, prefix_length);
    o += prefix_length;
    if (prefix_length) *o++ = '/';
    memcpy(o, name, length);
    o[length] = 0;
}

// "LENGTH KEY=VALUE\n" …: the path and the size, where they are given.
static void pax_read(Tar *t, const char *p, size_t n, uint64_t at, bool *named, bool *sized, uint64_t *size) {
    for (size_t i = 0; i < n && p[i];) {
        size_t begin = i, length = 0;
        for (; i < n && p[i] >= '0' && p[i] <= '9' && length <= n; i++) length = length * 10 + (size_t)(p[i] - '0');
        if (i >= n || p[i] != ' ' || length > n - begin || length < i + 2 - begin || p[begin + length - 1] != '\n') refuse(t, at, "a damaged pax record");
        const char *key = p + i + 1, *end = p + begin + length - 1, *equals = memchr(key, '=', (size_t)(end - key));
        if (!equals) refuse(t, at, "a pax record without '='");
        size_t k = (size_t)(equals - key);
        if (k == 4 && memcmp(key, "path", 4) == 0) {
            if (memchr(equals, 0, (size_t)(end - equals))) refuse(t, at, "a name with a zero byte");
            name_set(t, "", 0, equals + 1, (size_t)(end - equals - 1));
            *named = true;
        } else if (k == 4 && memcmp(key, "size", 4) == 0) {
            *size = 0;
            for (const char *c = equals + 1; c < end; c++) {
                if (*c < '0' || *c > '9' || *size > (UINT64_MAX >> 4) / 10) refuse(t, at, "a size that is no number");
                *size = *size * 10 + (uint64_t)(*c - '0');
            }
            *sized = true;
        } else if (k > 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
            refuse(t, at, "a sparse member; make the archive again without --sparse");
        }
        i = begin + length;
    }
}

typedef enum { BLOCK_ZERO, BLOCK_HEADER, BLOCK_OTHER } BlockKind;

static BlockKind block_kind(const uint8_t h[BLOCK]) {
    bool zero = true;
    unsigned sum = 0;
    int signed_sum = 0; // of old programs with signed chars
    for (int i = 0; i < BLOCK; i++) {
        uint8_t b = i >= 148 && i < 156 ? ' ' : h[i];
        zero = zero && h[i] == 0;
        sum += b;
        signed_sum += (int8_t)b;
    }
    uint64_t told;
    return zero ? BLOCK_ZERO : octal(h + 148, 8, &told) && (told == sum || told == (uint64_t)signed_sum) ? BLOCK_HEADER : BLOCK_OTHER;
}

// After the end comes padding: zeros, or what was on the tape before. But a second archive would be lost in silence.
static void end_check(Tar *t) {
    uint8_t h[BLOCK];
    for (uint64_t at; at = reader_offset(t->in), reader_read(t->in, h, BLOCK) == BLOCK;)
        need(block_kind(h) != BLOCK_HEADER, "%s: another archive after the end of the first, at byte %llu; join archives with `tar --concatenate`", t->path, (unsigned long long)at);
}

// The next block that is a header; false at the end of the archive.
static bool header_next(Tar *t, uint8_t h[BLOCK], uint64_t *at) {
    bool whole = reader_skip(t->in, t->end - reader_offset(t->in));
    if (!whole && !t->name) refuse(t, 0, "is cut off"); // in a header that comes before the first name
    need(whole, "%s: the member \"%s\" is cut off", t->path, t->name);
    *at = reader_offset(t->in);
    size_t n = reader_read(t->in, h, BLOCK);
    if (n == 0) return false;
    if (n < BLOCK) refuse(t, *at, "is cut off");
    BlockKind kind = block_kind(h);
    if (kind == BLOCK_ZERO) {
        end_check(t);
        return false;
    }
    if (kind != BLOCK_HEADER) refuse(t, *at, *at ? "is damaged: its checksum does not fit" : "its checksum does not fit; this is no tar archive");
    t->end = *at + BLOCK;
    return true;
}

// The content of a header that says something about the next member, closed by 0.
static char *extra_read(Tar *t, uint64_t size, uint64_t at) {
    if (size > NAME_MAX_BYTES) refuse(t, at, "a name or pax header of more than 1 MiB");
    if (t->extra_room <= size) {
        t->extra_room = size < 2048 ? 4096 : (size_t)size * 2;
        t->extra = take(t->arena, char, t->extra_room);
    }
    if (reader_read(t->in, t->extra, (size_t)size) != size) refuse(t, at, "is cut off");
    t->extra[size] = 0;
    return t->extra;
}

// Of the folders before the name: ustar's, and those of Go before 1.8, which called its archives GNU's. There the time of the last
// access stands in their place, if anything does.
static size_t prefix_length(const uint8_t h[BLOCK]) {
    uint64_t time;
    bool gnu = memcmp(h + 257, "ustar ", 6) == 0;
    return gnu && octal(h + 345, 12, &time) ? 0 : strnlen((char *)h + 345, 155);
}

static uint64_t padded(uint64_t size) { return (size + BLOCK - 1) / BLOCK * BLOCK; }

bool tar_next(Tar *t, TarEntry *e) {
    uint8_t h[BLOCK];
    bool named = false, sized = false;
    uint64_t at, size = 0;
    while (!t->over && header_next(t, h, &at)) {
        uint64_t own_size = number(t, h + 124, 12, at), content = at + BLOCK;
        char type = (char)h[156];
        if (own_size > UINT64_MAX / 2) refuse(t, at, "an impossible size");
        if (type == 'L' || type == 'x') { // about the member that follows
            char *extra = extra_read(t, own_size, at);
            if (type == 'x') pax_read(t, extra, (size_t)own_size, at, &named, &sized, &size);
            else if (!named) name_set(t, "", 0, extra, strlen(extra));
            named |= type == 'L';
            t->end = content + padded(own_size);
            continue;
        }
        if (type == 'S') refuse(t, at, "a sparse member; make the archive again without --sparse");
        if (!sized) size = own_size;
        if (!named) {
            name_set(t, (char *)h + 345, prefix_length(h), (char *)h, strnlen((char *)h, 100));
        }
        size_t n = strlen(t->name);
        bool link = type >= '1' && type <= '6', folder = type == 0 && n > 0 && t->name[n - 1] == '/'; // these have no content
        if (!link && !folder) t->end = content + padded(size);
        named = sized = false;
        if (type != '0' && type != '7' && (type != 0 || folder)) continue;
        *e = t->current = (TarEntry){.name = t->name, .offset = content, .size = size};
        return true;
    }
    need(!named && !sized, "%s: ends after a header about a member that does not come", t->path);
    t->over = true;
    return false;
}

Bytes tar_read(Arena *a, Tar *t) {
    uint64_t size = t->current.size, known;
    need(reader_offset(t->in) == t->current.offset, "%s: \"%s\" was read already", t->path, t->current.name);
    if (reader_size(t->in, &known)) need(size <= known - t->current.offset, "%s: the member \"%s\" of %llu bytes is cut off", t->path, t->name, (unsigned long long)size);
    else known = 0;
    const char *where = arena_print(a, "%s: %s", t->path, t->current.name);
    size_t room = known || size < GROW ? (size_t)size : GROW, done = 0;
    uint8_t *p = take(a, uint8_t, size_add(room, 1, t->path));
    for (;;) {
        done += reader_read(t->in, p + done, room - done);
        need(done == room, "%s: the member \"%s\" of %llu bytes is cut off", t->path, t->name, (unsigned long long)size);
        if (done == size) break;
        room = size / 2 > room ? room * 2 : (size_t)size;
        p = arena_grow(a, p, done, room + 1, 1);
    }
    p[size] = 0; // for those that are texts
    return (Bytes){.bytes = p, .size = (size_t)size, .path = where};
}

// ---- samples

// "__…__" alone or as the first folder.
static bool is_note(const char *name) {
    size_t n = strcspn(name, "/");
    return n >= 4 && strncmp(name, "__", 2) == 0 && strncmp(name + n - 2, "__", 2) == 0;
}

// Length of the key, or 0 when the member belongs to no sample.
static size_t key_length(const char *name) {
    const char *base = path_name(name), *dot = strchr(base, '.');
    return dot && dot != base && !is_note(name) ? (size_t)(dot - name) : 0;
}

bool tar_sample(Arena *a, Tar *t, TarSample *s) {
    TarEntry e = t->current;
    TarPart *parts = NULL;
    size_t room = 0, key = 0;
    *s = (TarSample){.key = NULL};
    while (t->ahead || tar_next(t, &e)) {
        size_t n = key_length(e.name);
        if (n == 0) continue;
        t->ahead = s->key && (n != key || strncmp(s->key, e.name, n) != 0);
        if (t->ahead) break;
        if (!s->key) s->key = arena_text(a, e.name, key = n);
        char *extension = arena_text(a, e.name + n + 1, strlen(e.name + n + 1));
        for (char *c = extension; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
        need(s->count < PARTS_MAX, "%s: the sample \"%s\" has more than %d members", t->path, s->key, PARTS_MAX);
        for (size_t i = 0; i < s->count; i++)
            need(strcmp(parts[i].extension, extension) != 0, "%s: the sample \"%s\" has two members \"%s\"", t->path, s->key, extension);
        if (s->count == room) {
            parts = arena_grow(a, parts, room, room ? room * 2 : 4, sizeof *parts);
            room = room ? room * 2 : 4;
        }
        parts[s->count++] = (TarPart){.extension = extension, .content = tar_read(a, t)};
    }
    s->parts = parts;
    return s->key != NULL;
}

const TarPart *tar_part(const TarSample *s, const char *extension) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->parts[i].extension, extension) == 0) return &s->parts[i];
    return NULL;
}
