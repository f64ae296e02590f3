// spair.c: see spair.h. Held by: test/test_spair.c.
//
// Bites: keypoints are those of the picture's file, never those that the pair's file repeats.
#include "spair.h"

#include <string.h>

#include "json.h"

char **spair_categories(Arena *a, const char *root, size_t *count) {
    const char *folder = path_join(a, root, "ImageAnnotation");
    size_t all, n = 0;
    char **list = folder_list(a, folder, &all);
    for (size_t i = 0; i < all; i++)
        if (folder_exists(list[i])) list[n++] = arena_text(a, path_name(list[i]), strlen(path_name(list[i])));
    need(n > 0, "%s: holds no folder; one for each category is wanted", folder);
    *count = n;
    return list;
}

// "000001-2008_002719-2008_004100:aeroplane.json"
char **spair_pairs(Arena *a, const char *root, const char *split, const char *category, size_t *count) {
    const char *folder = arena_print(a, "%s/PairAnnotation/%s", root, split), *end = arena_print(a, ":%s.json", category);
    size_t all, n = 0, length = strlen(end);
    char **list = folder_list(a, folder, &all);
    for (size_t i = 0; i < all; i++) {
        size_t whole = strlen(list[i]);
        if (whole > length && strcmp(list[i] + whole - length, end) == 0) list[n++] = list[i];
    }
    need(n > 0, "%s: holds no pair \"…%s\"", folder, end);
    *count = n;
    return list;
}

static const Json *row_of(const Json *object, const char *key, size_t count) {
    const Json *row = json_get(object, key);
    need(row && row->kind == JSON_ARRAY && row->count >= count, "%s: \"%s\": a list of %zu numbers is wanted", object->source, key, count);
    for (size_t i = 0; i < count; i++) need(row->items[i].kind == JSON_NUMBER, "%s: \"%s\": a list of %zu numbers is wanted", object->source, key, count);
    return row;
}

static void box_read(double box[4], const Json *object, const char *key) {
    const Json *row = row_of(object, key, 4);
    for (int i = 0; i < 4; i++) box[i] = row->items[i].number;
}

static void size_read(int size[2], const Json *object, const char *key) { // and channels, which nobody asks for
    const Json *row = row_of(object, key, 2);
    for (int i = 0; i < 2; i++) {
        need(row->items[i].integral && row->items[i].integer > 0 && row->items[i].integer <= INT32_MAX, "%s: \"%s\": %g pixels", object->source, key, row->items[i].number);
        size[i] = (int)row->items[i].integer;
    }
}

// Names go into paths.
static const char *name_read(Arena *a, const Json *object, const char *key) {
    const char *name = json_text(object, key);
    need(*name && !strchr(name, '/') && strcmp(name, "..") != 0, "%s: \"%s\": \"%.80s\" is no name of a file", object->source, key, name);
    return strcmp(path_extension(name), "jpg") == 0 ? path_stem(a, name) : name;
}

SpairPair spair_pair(Arena *a, const char *path) {
    const Json *j = json_read(a, path);
    need(j->kind == JSON_OBJECT, "%s: an object is wanted", path);
    SpairPair p = {.category = name_read(a, j, "category"), .source = name_read(a, j, "src_imname"), .target = name_read(a, j, "trg_imname")};
    size_read(p.source_size, j, "src_imsize");
    size_read(p.target_size, j, "trg_imsize");
    box_read(p.source_box, j, "src_bndbox");
    box_read(p.target_box, j, "trg_bndbox");
    return p;
}

SpairPicture spair_picture(Arena *a, const char *root, const char *category, const char *name) {
    const char *path = arena_print(a, "%s/ImageAnnotation/%s/%s.json", root, category, name);
    const Json *j = json_read(a, path), *points = json_get(j, "kps");
    need(points && points->kind == JSON_OBJECT, "%s: \"kps\": an object of keypoints is wanted", path);
    SpairPicture p = {.path = arena_print(a, "%s/JPEGImages/%s/%s.jpg", root, category, name), .width = json_int32(j, "image_width"), .height = json_int32(j, "image_height")};
    need(p.width > 0 && p.height > 0, "%s: %d x %d pixels", path, p.width, p.height);
    p.azimuth = json_int32(j, "azimuth_id");
    need(p.azimuth >= 0 && p.azimuth < 8, "%s: \"azimuth_id\" is %d; 0 to 7 are wanted", path, p.azimuth);
    box_read(p.box, j, "bndbox");
    for (int i = 0; i < SPAIR_POINTS; i++) {
        const char *key = arena_print(a, "%d", i);
        if (!json_get(points, key)) continue; // null, or not there at all
        const Json *at = row_of(points, key, 2);
        p.seen[i] = true, p.x[i] = at->items[0].number, p.y[i] = at->items[1].number;
    }
    return p;
}
