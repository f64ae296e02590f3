// gather.c: see gather.h.
#include "gather.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct {
    Arena *arena;
    Gathered *items;
    size_t count, room;
} List;

static void add(List *l, Gathered g) {
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        l->items = arena_grow(l->arena, l->items, l->count, room, sizeof *l->items);
        l->room = room;
    }
    l->items[l->count++] = g;
}

static bool looks_like_picture(const char *path) {
    const char *e = path_extension(path);
    return strcasecmp(e, "jpg") == 0 || strcasecmp(e, "jpeg") == 0 || strcasecmp(e, "png") == 0;
}

static void add_file(List *l, const char *path) { add(l, (Gathered){.path = path, .key = path_stem(l->arena, path)}); }

static void add_folder(List *l, const char *path) {
    size_t n, before = l->count;
    char **names = folder_list(l->arena, path, &n);
    for (size_t i = 0; i < n; i++)
        if (looks_like_picture(names[i]) && file_exists(names[i])) add_file(l, names[i]);
    for (size_t i = 0; i < n && before == l->count; i++) {
        if (!folder_exists(names[i])) continue;
        size_t m;
        char **inner = folder_list(l->arena, names[i], &m);
        for (size_t j = 0; j < m; j++)
            if (looks_like_picture(inner[j]) && file_exists(inner[j])) add_file(l, inner[j]);
        if (l->count > before) { // the first sub-folder with pictures decides: then all of them count
            before = (size_t)-1;
            for (i++; i < n; i++) {
                if (!folder_exists(names[i])) continue;
                inner = folder_list(l->arena, names[i], &m);
                for (size_t j = 0; j < m; j++)
                    if (looks_like_picture(inner[j]) && file_exists(inner[j])) add_file(l, inner[j]);
            }
        }
    }
}

static void add_list(List *l, const char *path) {
    Bytes text = file_read(l->arena, path);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? arena_text(l->arena, path, (size_t)(slash - path)) : arena_text(l->arena, "", 0);
    const char *at = (const char *)text.bytes, *end = at + text.size;
    for (int line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n && at[n - 1] == '\r') n--;
        if (n) {
            char *name = arena_text(l->arena, at, n);
            if (name[0] != '/') name = path_join(l->arena, folder, name);
            add_file(l, name); // a file that is missing fails later, alone
        }
        at = stop ? stop + 1 : end;
    }
}

// ---- archives: POSIX ustar, GNU long names, pax paths and sizes; nothing is ever written

static uint64_t number_field(const uint8_t *f, int n, const char *path, uint64_t at) {
    uint64_t v = 0;
    if (f[0] & 0x80) { // base 256
        v = f[0] & 0x7f;
        for (int i = 1; i < n; i++) {
            need(v >> 56 == 0, "%s: the header at byte %llu has an impossible size", path, (unsigned long long)at);
            v = v << 8 | f[i];
        }
        return v;
    }
    int i = 0;
    while (i < n && f[i] == ' ') i++;
    for (; i < n && f[i] >= '0' && f[i] <= '7'; i++) v = v << 3 | (uint64_t)(f[i] - '0');
    return v;
}

// "LENGTH path=VALUE\n" records; the value of `key` if it is there.
static char *pax_value(Arena *a, const uint8_t *p, size_t size, const char *key) {
    char *found = NULL;
    size_t k = strlen(key), at = 0;
    while (at < size) {
        size_t length = 0, i = at;
        while (i < size && p[i] >= '0' && p[i] <= '9' && length < size) length = length * 10 + (size_t)(p[i++] - '0');
        if (i >= size || p[i] != ' ' || length > size - at || length <= i + 1 - at) break;
        const char *record = (const char *)p + i + 1;
        size_t n = at + length - (i + 1);
        if (n > k + 1 && strncmp(record, key, k) == 0 && record[k] == '=') found = arena_text(a, record + k + 1, n - k - 2);
        at += length;
    }
    return found;
}

static void add_archive(List *l, const char *path) {
    Bytes b = file_map(l->arena, path);
    char *long_name = NULL, *pax_size = NULL;
    for (uint64_t at = 0; b.size - at >= 512;) {
        const uint8_t *h = b.bytes + at;
        bool empty = true;
        for (int i = 0; i < 512 && empty; i++) empty = h[i] == 0;
        if (empty) break;
        uint64_t sum = 0, told = number_field(h + 148, 8, path, at);
        for (int i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : h[i];
        need(sum == told, "%s: the header at byte %llu is damaged (its checksum does not fit)", path, (unsigned long long)at);
        uint64_t size = number_field(h + 124, 12, path, at), data = at + 512;
        if (pax_size) sscanf(pax_size, "%llu", (unsigned long long *)&size);
        need(size <= b.size - data, "%s: the member at byte %llu is cut off", path, (unsigned long long)at);
        char type = (char)h[156], *name = long_name;
        if (!name) {
            char *prefix = arena_text(l->arena, (const char *)h + 345, strnlen((const char *)h + 345, 155));
            name = arena_text(l->arena, (const char *)h, strnlen((const char *)h, 100));
            if (memcmp(h + 257, "ustar", 6) == 0 && *prefix) name = path_join(l->arena, prefix, name);
        }
        if (type == 'L') {
            long_name = arena_text(l->arena, (const char *)b.bytes + data, strnlen((const char *)b.bytes + data, (size_t)size));
        } else if (type == 'x') {
            char *pax_name = pax_value(l->arena, b.bytes + data, (size_t)size, "path");
            if (pax_name) long_name = pax_name;
            pax_size = pax_value(l->arena, b.bytes + data, (size_t)size, "size");
        } else {
            bool file = type == '0' || type == 0;
            if (file && size && looks_like_picture(name) && strncmp(path_name(name), "__", 2) != 0)
                add(l, (Gathered){.path = b.path, .key = path_stem(l->arena, name), .offset = data, .size = size});
            long_name = pax_size = NULL;
        }
        uint64_t padded = (size + 511) / 512 * 512;
        if (padded > b.size - data) break;
        at = data + padded;
    }
    file_unmap(b);
}

Gathering pictures_gather(Arena *a, const char *const *paths, size_t count) {
    List l = {.arena = a};
    for (size_t i = 0; i < count; i++) {
        size_t before = l.count;
        const char *extension = path_extension(paths[i]);
        if (folder_exists(paths[i])) add_folder(&l, paths[i]);
        else if (strcasecmp(extension, "txt") == 0) add_list(&l, paths[i]);
        else if (strcasecmp(extension, "tar") == 0) add_archive(&l, paths[i]);
        else {
            need(file_exists(paths[i]), "%s: there is no such picture, folder, list or archive", paths[i]);
            add_file(&l, paths[i]);
        }
        need(l.count > before, "%s: holds no picture (.jpg, .jpeg, .png)", paths[i]);
    }
    return (Gathering){.items = l.items, .count = l.count};
}

Image gathered_read(Arena *a, const Gathered *g, const ImageOptions *options) {
    if (g->size == 0) return image_read(a, g->path, options);
    Bytes b = file_map(a, g->path);
    need(g->offset <= b.size && g->size <= b.size - g->offset, "%s: has changed: \"%s\" is no longer inside", g->path, g->key);
    Bytes member = {.bytes = b.bytes + g->offset, .size = (size_t)g->size, .path = arena_print(a, "%s:%s", g->path, g->key)};
    Image image = image_decode(a, member, options);
    file_unmap(b);
    return image;
}
