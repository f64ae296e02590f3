// gather.c: see gather.h.
#include "gather.h"

#include <string.h>
#include <strings.h>

#include "lines.h"
#include "tar.h"

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

// A link to nothing counts: it fails later, alone, and is listed.
static bool picture_here(const char *path) { return looks_like_picture(path) && !folder_exists(path); }

static void add_file(List *l, const char *path) { add(l, (Gathered){.path = path, .key = path_stem(l->arena, path)}); }

static void add_folder(List *l, const char *path) {
    size_t n, before = l->count;
    char **names = folder_list(l->arena, path, &n);
    for (size_t i = 0; i < n; i++)
        if (picture_here(names[i])) add_file(l, names[i]);
    for (size_t i = 0; i < n && before == l->count; i++) {
        if (!folder_exists(names[i])) continue;
        size_t m;
        char **inner = folder_list(l->arena, names[i], &m);
        for (size_t j = 0; j < m; j++)
            if (picture_here(inner[j])) add_file(l, inner[j]);
        if (l->count > before) { // the first sub-folder with pictures decides: then all of them count
            before = (size_t)-1;
            for (i++; i < n; i++) {
                if (!folder_exists(names[i])) continue;
                inner = folder_list(l->arena, names[i], &m);
                for (size_t j = 0; j < m; j++)
                    if (picture_here(inner[j])) add_file(l, inner[j]);
            }
        }
    }
}

static void add_list(List *l, const char *path) {
    const char *folder = path_folder(l->arena, path), *line;
    Lines *lines = lines_open(l->arena, path);
    size_t n;
    while ((line = lines_next(lines, &n)))
        if (n) add_file(l, line[0] == '/' ? arena_text(l->arena, line, n) : path_join(l->arena, folder, line)); // one that is missing fails later, alone
    lines_close(lines);
}

// Names that agree up to their extensions.
static bool beside(const char *a, const char *b) {
    size_t n = strlen(a) - strlen(path_extension(a));
    return n == strlen(b) - strlen(path_extension(b)) && memcmp(a, b, n) == 0;
}

// A caption stands before its picture or behind it, next to it but for other kinds of its name.
static void add_archive(List *l, const char *path) {
    const char *kept = arena_text(l->arena, path, strlen(path));
    size_t first = l->count;
    TarEntry text = {.size = 0};
    Tar *t = tar_open(l->arena, path);
    for (TarEntry e; tar_next(t, &e);) {
        Gathered *last = l->count > first ? &l->items[l->count - 1] : NULL;
        if (strncmp(path_name(e.name), "__", 2) == 0 || e.size == 0) continue;
        if (looks_like_picture(e.name)) {
            Gathered g = {.path = kept, .key = path_stem(l->arena, e.name), .member = arena_text(l->arena, e.name, strlen(e.name)), .offset = e.offset, .size = e.size};
            if (text.size && beside(text.name, g.member)) g.text_offset = text.offset, g.text_size = text.size;
            add(l, g);
        } else if (strcmp(path_extension(e.name), "txt") == 0) {
            if (last && beside(last->member, e.name)) last->text_offset = e.offset, last->text_size = e.size;
            else text = (TarEntry){.name = arena_text(l->arena, e.name, strlen(e.name)), .offset = e.offset, .size = e.size};
        }
    }
    tar_close(t);
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

const char *gathered_name(Arena *a, const Gathered *g) { return g->member ? arena_print(a, "%s: %s", g->path, g->member) : g->path; }

Image gathered_read(Arena *a, const Gathered *g, const ImageOptions *options) {
    if (!g->member) return image_read(a, g->path, options);
    Bytes b = file_map(a, g->path);
    need(g->offset <= b.size && g->size <= b.size - g->offset, "%s: has changed: \"%s\" is no longer inside", g->path, g->member);
    Bytes member = {.bytes = b.bytes + g->offset, .size = (size_t)g->size, .path = gathered_name(a, g)};
    ImageOptions own = options ? *options : (ImageOptions){0};
    own.taken_out = arena_print(a, "tar -xOf %s %s >picture", path_quoted(a, g->path), path_quoted(a, g->member));
    Image image = image_decode(a, member, &own);
    file_unmap(b);
    return image;
}
