// verbalize_pictures.c: what the study looks at: drawn scenes, folders, lists, tables, archives of the webdataset kind.
//
// An archive that is damaged in the middle gives what stands before the damage; a sample without a picture is counted, and so is
// one without a caption where others have one. Nothing ends the run that concerns one picture only, but a caption's file that is
// there and that the system does not give: to call it missing would be wrong.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/csv.h"
#include "io/progress.h"
#include "io/tar.h"
#include "model/beside.h"
#include "verbalize.h"

#define WORLD_PICTURES 192 // of the default run
#define WORLD_PIXELS 64

void picture_list_add(PictureList *l, Gathered g, const char *beside) {
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        l->items = arena_grow(l->arena, l->items, l->count, room, sizeof *l->items);
        l->beside = arena_grow(l->arena, l->beside, l->count, room, sizeof *l->beside);
        l->room = room;
    }
    l->items[l->count] = g, l->beside[l->count++] = beside;
}

// What is no caption counts as missing; the first is named, `where` in `of` (NULL: in no file of many).
static void count_unread(PictureList *l, const char *wrong, const char *of, const char *where) {
    if (wrong && l->unread++ == 0) l->first_unread = arena_print(l->arena, "that of %s%s%s is %s", of ? of : "", of ? ": " : "", where, wrong);
}

static bool is_picture(const char *extension) { return strcasecmp(extension, "jpg") == 0 || strcasecmp(extension, "jpeg") == 0 || strcasecmp(extension, "png") == 0; }

// ---- archives

typedef struct {
    const char *key; // up to the first dot of the base name, with folders
    Gathered picture;
    const char *text, *record;         // what KEY.txt and KEY.json say
    const char *bad_text, *bad_record; // … why they say nothing
    bool any, has_picture;
} Sample;

static void sample_end(Verbalize *s, PictureList *l, const char *archive, Sample *m) {
    if (m->any && m->has_picture) {
        const char *caption = m->text ? m->text : m->record;
        if (!caption) count_unread(l, m->bad_text ? m->bad_text : m->bad_record, archive, m->key);
        picture_list_add(l, m->picture, caption);
    } else if (m->any) {
        s->samples_bare++;
    }
    *m = (Sample){0};
}

static Bytes caption_bytes(Arena *scratch, Tar *t, const TarEntry *e) {
    return e->size <= BESIDE_MOST ? tar_read(scratch, t) : (Bytes){.size = (size_t)e->size};
}

static void member(PictureList *l, Sample *m, const char *path, const char *extension, Arena *scratch, Tar *t, const TarEntry *e) {
    bool png = strcasecmp(extension, "png") == 0;
    Mark mark = arena_mark(scratch);
    if (is_picture(extension) && e->size && !(png && m->has_picture)) { // beside a JPEG a PNG is a mask
        m->has_picture = true;
        m->picture = (Gathered){.path = path, .key = path_name(m->key), .member = arena_text(l->arena, e->name, strlen(e->name)), .offset = e->offset, .size = e->size};
    } else if (strcasecmp(extension, "txt") == 0) {
        Bytes b = caption_bytes(scratch, t, e);
        m->text = beside_text(l->arena, (const char *)b.bytes, b.size, &m->bad_text);
    } else if (strcasecmp(extension, "json") == 0) {
        Bytes b = caption_bytes(scratch, t, e);
        m->record = beside_record(l->arena, (const char *)b.bytes, b.size, &m->bad_record);
    }
    arena_release(scratch, mark);
}

static void read_archive(Verbalize *s, PictureList *l, const char *path, Arena *scratch, Tar *t) {
    Sample m = {0};
    for (TarEntry e; tar_next(t, &e);) {
        const char *base = path_name(e.name), *dot = strchr(base, '.');
        if (strncmp(base, "__", 2) == 0 || !dot || dot == base || !dot[1]) continue;
        size_t n = (size_t)(dot - e.name);
        if (!m.any || strlen(m.key) != n || strncmp(m.key, e.name, n) != 0) {
            sample_end(s, l, path, &m);
            m = (Sample){.key = arena_text(l->arena, e.name, n), .any = true};
        }
        member(l, &m, path, dot + 1, scratch, t, &e);
    }
    sample_end(s, l, path, &m);
}

static void add_archive(Verbalize *s, PictureList *l, const char *path) {
    Arena *scratch = arena_new("an archive");
    Trap trap;
    Tar *t = tar_open(l->arena, path); // what is no archive at all, or not there, is wrong use
    if (trap_set(&trap)) {
        read_archive(s, l, path, scratch, t);
        tar_close(t);
        trap_end(&trap);
    } else { // the sample that was being read is lost, what came before is not
        tar_close(t);
        s->archive_errors = arena_grow(s->arena, s->archive_errors, s->archives_damaged, s->archives_damaged + 1, sizeof *s->archive_errors);
        s->archive_errors[s->archives_damaged++] = arena_print(s->arena, "%s", trap.message);
        note("%s; what stands before it is used", trap.message);
    }
    arena_free(scratch);
}

// ---- tables and folders

static void add_table(PictureList *l, const char *path) {
    char separator = strcasecmp(path_extension(path), "tsv") == 0 ? '\t' : ',';
    Csv *c = csv_open(l->arena, path, separator);
    static const char *const names[] = {"path", "image", "image_path", "file", "filepath"};
    size_t column = CSV_NONE, caption = csv_find(c, "caption");
    for (size_t i = 0; i < sizeof names / sizeof *names && column == CSV_NONE; i++) column = csv_find(c, names[i]);
    need(column != CSV_NONE, "%s: has no column path, image, image_path, file or filepath", path);
    const char *folder = path_folder(l->arena, path);
    while (csv_next(c)) {
        const char *p = csv_get(c, column);
        need(*p, "%s:%llu: a row without a path", path, (unsigned long long)csv_line(c));
        const char *full = *p == '/' ? arena_text(l->arena, p, strlen(p)) : path_join(l->arena, folder, p);
        const char *wrong = NULL;
        const char *text = caption == CSV_NONE ? NULL : beside_text(l->arena, csv_get(c, caption), csv_length(c, caption), &wrong);
        count_unread(l, wrong, path, full);
        picture_list_add(l, (Gathered){.path = full, .key = path_stem(l->arena, full)}, text);
    }
    csv_close(c);
}

static void add_path(Verbalize *s, PictureList *l, const char *path) {
    const char *extension = path_extension(path);
    if (!folder_exists(path) && strcasecmp(extension, "tar") == 0) {
        size_t n;
        char **names = file_exists(path) ? NULL : brace_expand(l->arena, path, &n);
        if (!names) add_archive(s, l, path);
        else
            for (size_t i = 0; i < n; i++) {
                need(file_exists(names[i]), "%s: there is no such archive (of \"%s\")", names[i], path);
                add_archive(s, l, names[i]);
            }
    } else if (!folder_exists(path) && (strcasecmp(extension, "csv") == 0 || strcasecmp(extension, "tsv") == 0)) {
        add_table(l, path);
    } else {
        Gathering g = pictures_gather(l->arena, &path, 1);
        for (size_t i = 0; i < g.count; i++) {
            const char *picture = g.items[i].path, *wrong = NULL;
            const char *text = g.items[i].member ? NULL : beside_read(l->arena, picture, &wrong);
            count_unread(l, wrong, NULL, picture);
            picture_list_add(l, g.items[i], text);
        }
    }
}

// ---- the world

static const char *world_folder(Verbalize *s) { return verbalize_path(s, arena_print(s->arena, "images-%lld", (long long)s->seed)); }

static void draw_world(Verbalize *s) {
    const char *folder = world_folder(s);
    int n = s->count ? s->count : WORLD_PICTURES;
    Arena *a = arena_new("the world's pictures");
    uint8_t *rgb = take(a, uint8_t, WORLD_PIXELS * WORLD_PIXELS * 3);
    PictureList l = {.arena = s->arena};
    for (int i = 0; i < n; i++) {
        Mark mark = arena_mark(a);
        char *picture = arena_print(s->arena, "%s/%05d.jpg", folder, i), caption[WORLD_TEXT];
        WorldScene scene;
        world_scene_in(&scene, WORLD_SCENES, (uint64_t)s->seed, SPLIT_TEST, (uint64_t)i);
        world_caption_of(caption, &scene, WORLD_CAPTIONS - 1);
        if (s->fresh || !file_exists(picture)) {
            world_render(&scene, WORLD_PIXELS, rgb);
            Bytes b = jpeg_encode(a, rgb, WORLD_PIXELS, WORLD_PIXELS, 92, JPEG_444);
            file_draft(picture, b.bytes, b.size);
        }
        picture_list_add(&l, (Gathered){.path = picture, .key = path_stem(s->arena, picture)}, arena_text(s->arena, caption, strlen(caption)));
        arena_release(a, mark);
    }
    arena_free(a);
    s->pictures = (Gathering){.items = l.items, .count = l.count};
    s->beside = l.beside;
}

bool verbalize_scene(const Verbalize *s, const char *name, WorldScene *scene) {
    char *end;
    if (!s->from_world || !name) return false;
    unsigned long i = strtoul(name, &end, 10);
    if (*end || end == name) return false;
    world_scene_in(scene, WORLD_SCENES, (uint64_t)s->seed, SPLIT_TEST, i);
    return true;
}

Gathering *verbalize_pictures(Verbalize *s) {
    if (s->pictures.count) return &s->pictures;
    if (s->from_world) {
        draw_world(s);
        return &s->pictures;
    }
    PictureList l = {.arena = s->arena};
    if (s->features_given.count) features_open(s, &l);
    for (size_t i = 0; i < s->images.count; i++) add_path(s, &l, s->images.items[i]);
    need(l.count > 0 || !s->archives_damaged, "%s; no picture stands before that", s->archives_damaged ? s->archive_errors[0] : "");
    need(l.count > 0, "%s: holds no picture (.jpg, .jpeg, .png)", s->images.count ? s->images.items[0] : s->features_given.items[0]);
    if (s->count && (size_t)s->count < l.count) l.count = (size_t)s->count;
    size_t with = 0;
    for (size_t i = 0; i < l.count; i++) with += l.beside[i] != NULL;
    s->captions_missing = with ? l.count - with : 0;
    if (s->samples_bare) note("%zu samples of the archives have no picture", s->samples_bare);
    if (s->captions_missing) note("%zu of %zu pictures have no caption beside them", s->captions_missing, l.count);
    if (l.unread) note("%zu captions beside pictures cannot be used and count as missing: %s%s", l.unread, l.first_unread, l.unread > 1 ? ", and so on" : "");
    s->pictures = (Gathering){.items = l.items, .count = l.count};
    s->beside = l.beside;
    return &s->pictures;
}
