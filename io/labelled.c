// labelled.c: see labelled.h. Held by: test/test_labelled.c; MAT files as scipy writes them.
//
// Bites: labels in the files begin with 1; an aircraft's variant has spaces in it; a breed's name begins after the first hyphen.
#include "labelled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "mat.h"
#include "names.h"

typedef struct {
    Arena *arena;
    const char *folder, *split;
    LabelledPicture *pictures;
    size_t count, room;
    const char **classes;
    int class_count;
} Reading;

// ---- parts of every set

// The words of the next line that holds any, parted by one space; the last has all that is left. NULL: no more lines.
static const char **words_next(Arena *a, Lines *l, const char *path, size_t wanted) {
    size_t n, found = 0;
    const char *text;
    do {
        if (!(text = lines_next(l, &n))) return NULL;
    } while (n == 0);
    need(strlen(text) == n, "%s:%llu: a zero byte; this is no text file", path, (unsigned long long)lines_number(l));
    const char **word = take(a, const char *, wanted);
    for (char *rest = arena_text(a, text, n); rest && found < wanted; found++) {
        char *space = found + 1 < wanted ? strchr(rest, ' ') : NULL;
        if (space) *space = 0;
        word[found] = rest;
        rest = space ? space + 1 : NULL;
    }
    need(found == wanted && *word[found - 1], "%s:%llu: \"%.80s\": %zu words with a space between them are wanted", path, (unsigned long long)lines_number(l), text, wanted);
    return word;
}

static int label_from(const Reading *r, double number, const char *path, uint64_t place) {
    need(number >= 1 && number <= r->class_count && number == (int)number, "%s:%llu: class %g; 1 to %d are wanted", path, (unsigned long long)place, number, r->class_count);
    return (int)number - 1;
}

static int label_read(const Reading *r, const char *text, const char *path, const Lines *l) {
    char *end;
    double number = strtod(text, &end);
    need(*text >= '0' && *text <= '9' && !*end, "%s:%llu: \"%.80s\" is no class; a number is wanted", path, (unsigned long long)lines_number(l), text);
    return label_from(r, number, path, lines_number(l));
}

static void picture_add(Reading *r, const char *path, int label) {
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 1024;
        r->pictures = arena_grow(r->arena, r->pictures, r->count, room, sizeof *r->pictures);
        r->room = room;
    }
    r->pictures[r->count++] = (LabelledPicture){path, label};
}

static void classes_make(Reading *r, int count) {
    r->class_count = count;
    r->classes = take_zero(r->arena, const char *, (size_t)count);
}

static void class_name(Reading *r, int label, const char *name, const char *path, uint64_t place) {
    need(!r->classes[label] || strcmp(r->classes[label], name) == 0, "%s:%llu: class %d is \"%s\", and was \"%s\" before", path, (unsigned long long)place, label + 1, name, r->classes[label]);
    r->classes[label] = name;
}

static void split_is(const Reading *r, const char *set, const char *const *splits) {
    char list[64] = "";
    for (; *splits; splits++) {
        if (strcmp(r->split, *splits) == 0) return;
        snprintf(list + strlen(list), sizeof list - strlen(list), " %s", *splits);
    }
    die("%s: has no split \"%s\"; its splits are%s", set, r->split, list);
}

// Changes every `from` of a text of ours.
static char *changed(Arena *a, const char *text, char from, char to) {
    char *out = arena_text(a, text, strlen(text));
    for (char *c = out; *c; c++)
        if (*c == from) *c = to;
    return out;
}

// ---- CUB-200-2011: three lists joined by the picture's number

typedef struct {
    const char *id, *path;
    int label, train; // -1: not said
} Bird;

static Bird *birds_read(Reading *r, size_t *count) {
    const char *path = path_join(r->arena, r->folder, "images.txt");
    Lines *l = lines_open(r->arena, path);
    Bird *bird = NULL;
    size_t room = 0, n = 0;
    for (const char **word; (word = words_next(r->arena, l, path, 2)); n++) {
        if (n == room) {
            bird = arena_grow(r->arena, bird, n, room ? room * 2 : 1024, sizeof *bird);
            room = room ? room * 2 : 1024;
        }
        bird[n] = (Bird){word[0], word[1], -1, -1};
    }
    lines_close(l);
    *count = n;
    return bird;
}

// "Gray_crowned_Rosy_Finch" is a "Gray-crowned-Rosy Finch": hyphens, and a space before the last part.
static const char *bird_name(Arena *a, const char *name) {
    char *out = changed(a, name, '_', '-');
    const char *last = strrchr(name, '_');
    if (last) out[last - name] = ' ';
    return out;
}

static void cub(Reading *r) {
    split_is(r, "cub", (const char *const[]){"train", "test", NULL});
    Arena *a = r->arena;
    classes_make(r, 200);
    const char *path = path_join(a, r->folder, "classes.txt");
    Lines *l = lines_open(a, path);
    for (const char **word; (word = words_next(a, l, path, 2));) {
        const char *dot = strchr(word[1], '.');
        need(dot, "%s:%llu: \"%.80s\": a number, a dot and a name are wanted", path, (unsigned long long)lines_number(l), word[1]);
        class_name(r, label_read(r, word[0], path, l), bird_name(a, dot + 1), path, lines_number(l));
    }
    lines_close(l);
    size_t count;
    Bird *bird = birds_read(r, &count);
    Names ids = names_build(a, bird, sizeof *bird, count, path_join(a, r->folder, "images.txt"), "picture");
    for (int split = 0; split < 2; split++) {
        path = path_join(a, r->folder, split ? "train_test_split.txt" : "image_class_labels.txt");
        l = lines_open(a, path);
        for (const char **word; (word = words_next(a, l, path, 2));) {
            const Bird *found = names_find(&ids, word[0]);
            need(found, "%s:%llu: picture %s is not in images.txt", path, (unsigned long long)lines_number(l), word[0]);
            if (split) {
                need(strcmp(word[1], "0") == 0 || strcmp(word[1], "1") == 0, "%s:%llu: \"%s\"; 0 or 1 is wanted", path, (unsigned long long)lines_number(l), word[1]);
                bird[found - bird].train = word[1][0] - '0';
            } else {
                bird[found - bird].label = label_read(r, word[1], path, l);
            }
        }
        lines_close(l);
    }
    for (size_t i = 0; i < count; i++) {
        need(bird[i].label >= 0 && bird[i].train >= 0, "%s: picture %s has no %s", r->folder, bird[i].id, bird[i].label < 0 ? "class in image_class_labels.txt" : "line in train_test_split.txt");
        if (bird[i].train == (strcmp(r->split, "train") == 0)) picture_add(r, arena_print(a, "%s/images/%s", r->folder, bird[i].path), bird[i].label);
    }
}

// ---- FGVC-Aircraft

typedef struct {
    const char *name;
    int label;
} Known; // a variant, or a picture's number

// "Boeing" and "707-320", but "Boeing 717" alone.
static const char *aircraft_name(Arena *a, const char *maker, const char *variant) {
    size_t n = strlen(maker);
    return strncmp(variant, maker, n) == 0 && variant[n] == ' ' ? variant : arena_print(a, "%s %s", maker, variant);
}

static void aircraft(Reading *r) {
    split_is(r, "fgvc_aircraft", (const char *const[]){"train", "val", "trainval", "test", NULL});
    Arena *a = r->arena;
    int count;
    const char *path = path_join(a, r->folder, "variants.txt");
    const char *const *variant = labelled_classes(a, path, &count);
    need(count == 100, "%s: %d variants; 100 are wanted", path, count);
    classes_make(r, count);
    Known variants[100];
    for (int i = 0; i < count; i++) variants[i] = (Known){variant[i], i};
    Names by_name = names_build(a, variants, sizeof *variants, 100, path, "variant");

    path = arena_print(a, "%s/images_variant_%s.txt", r->folder, r->split);
    Lines *l = lines_open(a, path);
    Known *pictures = NULL;
    Names by_number = {0};
    for (const char **word; (word = words_next(a, l, path, 2));) {
        const Known *found = names_find(&by_name, word[1]);
        need(found, "%s:%llu: \"%s\" is not in variants.txt", path, (unsigned long long)lines_number(l), word[1]);
        if (r->count == r->room) pictures = arena_grow(a, pictures, r->count, r->room ? r->room * 2 : 1024, sizeof *pictures); // grows with r->pictures
        pictures[r->count] = (Known){word[0], found->label};
        need(!names_add(&by_number, a, pictures, sizeof *pictures), "%s:%llu: picture %s is there twice", path, (unsigned long long)lines_number(l), word[0]);
        picture_add(r, arena_print(a, "%s/images/%s.jpg", r->folder, word[0]), found->label);
    }
    lines_close(l);

    path = arena_print(a, "%s/images_manufacturer_%s.txt", r->folder, r->split);
    l = lines_open(a, path);
    for (const char **word; (word = words_next(a, l, path, 2));) {
        const Known *found = names_find(&by_number, word[0]);
        if (found) class_name(r, found->label, aircraft_name(a, word[1], variant[found->label]), path, lines_number(l));
    }
    lines_close(l);
}

// ---- Oxford's flowers and pets

static void flowers(Reading *r) {
    split_is(r, "flowers", (const char *const[]){"train", "val", "test", NULL});
    Arena *a = r->arena;
    classes_make(r, 102);
    for (int i = 0; i < 102; i++) r->classes[i] = flower_names[i];
    const char *labels_path = path_join(a, r->folder, "imagelabels.mat"), *ids_path = path_join(a, r->folder, "setid.mat");
    const char *variable = strcmp(r->split, "train") == 0 ? "trnid" : strcmp(r->split, "val") == 0 ? "valid" : "tstid";
    const MatValue *labels = mat_need(mat_open(a, labels_path), "labels", MAT_NUMBERS), *ids = mat_need(mat_open(a, ids_path), variable, MAT_NUMBERS);
    for (size_t i = 0; i < ids->count; i++) {
        double id = ids->numbers[i];
        need(id >= 1 && id <= (double)labels->count && id == (double)(size_t)id, "%s: %s: picture %g; 1 to %zu are wanted", ids_path, variable, id, labels->count);
        size_t n = (size_t)id;
        picture_add(r, arena_print(a, "%s/jpg/image_%05zu.jpg", r->folder, n), label_from(r, labels->numbers[n - 1], labels_path, n));
    }
}

static void pets(Reading *r) {
    split_is(r, "pets", (const char *const[]){"trainval", "test", NULL});
    Arena *a = r->arena;
    classes_make(r, 37);
    const char *path = arena_print(a, "%s/annotations/%s.txt", r->folder, r->split);
    Lines *l = lines_open(a, path);
    for (const char **word; (word = words_next(a, l, path, 4));) {
        if (*word[0] == '#') continue;
        int label = label_read(r, word[1], path, l);
        const char *number = strrchr(word[0], '_');
        need(number && number > word[0], "%s:%llu: \"%s\": a breed, _ and a number are wanted", path, (unsigned long long)lines_number(l), word[0]);
        class_name(r, label, changed(a, arena_text(a, word[0], (size_t)(number - word[0])), '_', ' '), path, lines_number(l));
        picture_add(r, arena_print(a, "%s/images/%s.jpg", r->folder, word[0]), label);
    }
    lines_close(l);
}

// ---- Stanford's cars and dogs

// "AM General Hummer SUV 2000" is a "2000 AM General Hummer SUV".
static const char *car_name(Arena *a, const char *name, const char *path) {
    const char *year = strrchr(name, ' ');
    need(year && strlen(year) == 5 && strspn(year + 1, "0123456789") == 4, "%s: \"%s\": a name that ends with a year is wanted", path, name);
    return arena_print(a, "%s %.*s", year + 1, (int)(year - name), name);
}

static void cars(Reading *r) {
    split_is(r, "stanford_cars", (const char *const[]){"train", "test", NULL});
    Arena *a = r->arena;
    const char *path = path_join(a, r->folder, "devkit/cars_meta.mat");
    Mat *m = mat_open(a, path);
    const MatValue *names = mat_need(m, "class_names", MAT_CELL);
    need(names->count == 196, "%s: class_names has %zu; 196 are wanted", path, names->count);
    classes_make(r, 196);
    for (int i = 0; i < 196; i++) r->classes[i] = car_name(a, mat_text(m, &names->items[i], "class_names"), path);
    bool train = strcmp(r->split, "train") == 0;
    path = path_join(a, r->folder, train ? "devkit/cars_train_annos.mat" : "cars_test_annos_withlabels.mat");
    m = mat_open(a, path);
    const MatValue *cars_of = mat_need(m, "annotations", MAT_STRUCT);
    for (size_t i = 0; i < cars_of->count; i++) {
        double label = mat_number(m, mat_field(m, cars_of, i, "class", MAT_NUMBERS), "class");
        const char *file = mat_text(m, mat_field(m, cars_of, i, "fname", MAT_TEXT), "fname");
        picture_add(r, arena_print(a, "%s/%s/%s", r->folder, train ? "cars_train" : "cars_test", file), label_from(r, label, path, i + 1));
    }
}

static void dogs(Reading *r) {
    split_is(r, "stanford_dogs", (const char *const[]){"train", "test", NULL});
    Arena *a = r->arena;
    classes_make(r, 120);
    const char *path = arena_print(a, "%s/%s_list.mat", r->folder, r->split);
    Mat *m = mat_open(a, path);
    const MatValue *files = mat_need(m, "file_list", MAT_CELL), *labels = mat_need(m, "labels", MAT_NUMBERS);
    need(files->count == labels->count, "%s: %zu files and %zu labels", path, files->count, labels->count);
    for (size_t i = 0; i < files->count; i++) {
        const char *file = mat_text(m, &files->items[i], "file_list"), *slash = strchr(file, '/'), *hyphen = strchr(file, '-');
        need(slash && hyphen && hyphen < slash, "%s: file_list: \"%.80s\": a folder \"NUMBER-BREED\" and a file are wanted", path, file);
        int label = label_from(r, labels->numbers[i], path, i + 1);
        class_name(r, label, changed(a, arena_text(a, hyphen + 1, (size_t)(slash - hyphen - 1)), '_', ' '), path, i + 1);
        picture_add(r, arena_print(a, "%s/Images/%s", r->folder, file), label);
    }
}

// ---- all of them

static Labelled done(const Reading *r, const char *what) {
    need(r->count > 0, "%s: lists no picture", what);
    for (int i = 0; i < r->class_count; i++) need(r->classes[i], "%s: class %d has no picture, so no name", what, i + 1);
    return (Labelled){r->classes, r->class_count, r->pictures, r->count};
}

Labelled labelled_read(Arena *a, const char *set, const char *root, const char *split) {
    static const struct {
        const char *name, *folder;
        void (*read)(Reading *r);
    } sets[] = {{"cub", "CUB_200_2011", cub},          {"fgvc_aircraft", "fgvc-aircraft-2013b/data", aircraft}, {"flowers", "flowers-102", flowers},
                {"pets", "oxford-iiit-pet", pets},     {"stanford_cars", "stanford_cars", cars},                {"stanford_dogs", "stanford_dogs", dogs}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strcmp(set, sets[i].name) != 0) continue;
        bool inside = sets[i].read == cub && folder_exists(path_join(a, root, "cub")); // that archive may have been unpacked in a folder of its own
        Reading r = {.arena = a, .folder = path_join(a, inside ? path_join(a, root, "cub") : root, sets[i].folder), .split = split};
        need(folder_exists(r.folder), "%s: the folder of \"%s\" is not there", r.folder, set);
        sets[i].read(&r);
        return done(&r, r.folder);
    }
    die("\"%s\" is no set that is known here: cub, fgvc_aircraft, flowers, pets, stanford_cars, stanford_dogs; others are read from a list of labels and paths", set);
}

const char *const *labelled_classes(Arena *a, const char *path, int *count) {
    Reading r = {.arena = a}; // names in the place of paths
    Names names = {0};
    Lines *l = lines_open(a, path);
    for (const char **word; (word = words_next(a, l, path, 1));) {
        picture_add(&r, word[0], 0);
        need(!names_add(&names, a, r.pictures, sizeof *r.pictures), "%s:%llu: \"%s\" is there twice", path, (unsigned long long)lines_number(l), word[0]);
    }
    lines_close(l);
    need(r.count > 0 && r.count <= INT32_MAX, "%s: holds %zu names", path, r.count);
    const char **list = take(a, const char *, r.count);
    for (size_t i = 0; i < r.count; i++) list[i] = r.pictures[i].path;
    *count = (int)r.count;
    return list;
}

Labelled labelled_list(Arena *a, const char *path) {
    Reading r = {.arena = a, .folder = path_folder(a, path)};
    const char *const *classes = labelled_classes(a, path_join(a, r.folder, "classes.txt"), &r.class_count);
    Lines *l = lines_open(a, path);
    for (const char **word; (word = words_next(a, l, path, 1));) {
        const char *tab = strchr(word[0], '\t');
        char *end;
        long label = strtol(word[0], &end, 10);
        need(tab && tab[1] && end == tab && *word[0] >= '0' && *word[0] <= '9', "%s:%llu: \"%.80s\": a label, a tab and a path are wanted", path, (unsigned long long)lines_number(l), word[0]);
        need(label < r.class_count, "%s:%llu: label %ld; classes.txt names 0 to %d", path, (unsigned long long)lines_number(l), label, r.class_count - 1);
        picture_add(&r, tab[1] == '/' ? tab + 1 : path_join(a, r.folder, tab + 1), (int)label);
    }
    lines_close(l);
    need(r.count > 0, "%s: lists no picture", path);
    return (Labelled){classes, r.class_count, r.pictures, r.count};
}
