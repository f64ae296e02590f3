// test_labelled.c: the six public sets, as small as can be with all their classes, and a list of one's own. MAT files: scipy's
// (test/reference/containers.py); texts: made here.
//
// Caught when broken on purpose: labels that begin with 1; the other split of CUB; a variant cut at its first space; test's pictures of
// the cars in train's folder; a breed's name after the last hyphen.
#include <string.h>

#include "check.h"
#include "io/file.h"
#include "io/labelled.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/labelled"

// One line "0 …\n1 …\n" for each of count, of a form with the number in it.
static const char *rows(Arena *a, int count, const char *form) {
    char *all = arena_text(a, "", 0);
    for (int i = 0; i < count; i++) {
        const char *before = strstr(form, "#"), *row = form;
        char *line = arena_text(a, "", 0);
        for (; before; row = before + 1, before = strstr(row, "#")) line = arena_print(a, "%s%.*s%d", line, (int)(before - row), row, i + 1);
        all = arena_print(a, "%s%s%s\n", all, line, row);
    }
    return all;
}

static void picture_is(const Labelled *l, size_t i, const char *end, int label) {
    const char *path = i < l->count ? l->pictures[i].path : "nothing";
    size_t n = strlen(path), m = strlen(end);
    check(i < l->count && n >= m && strcmp(path + n - m, end) == 0 && l->pictures[i].label == label, "%s is %d", end, label);
}

static void test_cub(Arena *a) {
    scratch_text(a, "cub/CUB_200_2011/classes.txt", arena_print(a, "%s%s", rows(a, 199, "# 00#.Black_footed_Albatross#"), "200 200.Sayornis\n"));
    scratch_text(a, "cub/CUB_200_2011/images.txt", "3 200.Sayornis/c.jpg\n1 001.A/a.jpg\n2 001.A/b.jpg\n");
    scratch_text(a, "cub/CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n3 200\n");
    scratch_text(a, "cub/CUB_200_2011/train_test_split.txt", "1 1\n2 0\n3 1\n");
    const char *root = scratch_path(a, "");
    Labelled l = labelled_read(a, "cub", root, "train");
    check(l.count == 2 && l.class_count == 200, "cub: two pictures of 200 classes");
    picture_is(&l, 0, "CUB_200_2011/images/200.Sayornis/c.jpg", 199);
    picture_is(&l, 1, "CUB_200_2011/images/001.A/a.jpg", 0);
    check_text("hyphens but for the last part", l.classes[0], "Black-footed Albatross1");
    check_text("one part", l.classes[199], "Sayornis");
    l = labelled_read(a, "cub", root, "test");
    check(l.count == 1, "cub: the other split");
    picture_is(&l, 0, "001.A/b.jpg", 0);
    check_dies("no such split", "cub: has no split \"val\"; its splits are train test") labelled_read(a, "cub", root, "val");
    scratch_text(a, "cub/CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n3 201\n");
    check_dies("a class beyond", "image_class_labels.txt:3: class 201; 1 to 200 are wanted") labelled_read(a, "cub", root, "train");
    scratch_text(a, "cub/CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n");
    check_dies("no class", "picture 3 has no class in image_class_labels.txt") labelled_read(a, "cub", root, "train");
    scratch_text(a, "cub/CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n4 1\n");
    check_dies("no such picture", ":3: picture 4 is not in images.txt") labelled_read(a, "cub", root, "train");
    scratch_text(a, "cub/CUB_200_2011/images.txt", "1 a.jpg\n1 b.jpg\n");
    check_dies("twice", "the picture \"1\" is there twice") labelled_read(a, "cub", root, "train");
    scratch_text(a, "cub/CUB_200_2011/images.txt", "1\n");
    check_dies("one word", "images.txt:1: \"1\": 2 words") labelled_read(a, "cub", root, "train");
}

static void test_aircraft(Arena *a) {
    const char *root = scratch_path(a, "aircraft");
    scratch_text(a, "aircraft/fgvc-aircraft-2013b/data/variants.txt", arena_print(a, "%s%s", rows(a, 98, "70#"), "Boeing 717\nATR-42\n"));
    scratch_text(a, "aircraft/fgvc-aircraft-2013b/data/images_variant_val.txt", arena_print(a, "%s%s", rows(a, 98, "100000# 70#"), "0056978 Boeing 717\n0056979 ATR-42\n"));
    scratch_text(a, "aircraft/fgvc-aircraft-2013b/data/images_manufacturer_val.txt", arena_print(a, "%s%s", rows(a, 98, "100000# Lockheed Martin"), "0056978 Boeing\n0056979 ATR\n"));
    Labelled l = labelled_read(a, "fgvc_aircraft", root, "val");
    check(l.count == 100 && l.class_count == 100, "aircraft: 100 of 100");
    picture_is(&l, 98, "data/images/0056978.jpg", 98);
    check_text("maker and variant", l.classes[0], "Lockheed Martin 701");
    check_text("the maker once", l.classes[98], "Boeing 717");
    check_text("a maker that the variant only begins like", l.classes[99], "ATR ATR-42");
    scratch_text(a, "aircraft/fgvc-aircraft-2013b/data/images_variant_val.txt", "1 MD-11\n");
    check_dies("no such variant", "images_variant_val.txt:1: \"MD-11\" is not in variants.txt") labelled_read(a, "fgvc_aircraft", root, "val");
    scratch_text(a, "aircraft/fgvc-aircraft-2013b/data/variants.txt", "A\nB\n");
    check_dies("too few", "2 variants; 100 are wanted") labelled_read(a, "fgvc_aircraft", root, "val");
}

static void test_pets(Arena *a) {
    const char *root = scratch_path(a, "pets");
    scratch_text(a, "pets/oxford-iiit-pet/annotations/test.txt", arena_print(a, "#Image CLASS-ID SPECIES BREED ID\n%s", rows(a, 37, "american_bulldog#_10# # 2 1")));
    Labelled l = labelled_read(a, "pets", root, "test");
    check(l.count == 37 && l.class_count == 37, "pets: one of each");
    picture_is(&l, 2, "oxford-iiit-pet/images/american_bulldog3_103.jpg", 2);
    check_text("a breed", l.classes[36], "american bulldog37");
    scratch_text(a, "pets/oxford-iiit-pet/annotations/test.txt", "Abyssinian_201 1 1 1\n");
    check_dies("a class without a picture", "class 2 has no picture") labelled_read(a, "pets", root, "test");
    scratch_text(a, "pets/oxford-iiit-pet/annotations/test.txt", "Abyssinian_201 1 1 1\nBengal_1 1 1 1\n");
    check_dies("two names of a class", "test.txt:2: class 1 is \"Bengal\", and was \"Abyssinian\" before") labelled_read(a, "pets", root, "test");
    scratch_text(a, "pets/oxford-iiit-pet/annotations/test.txt", "Abyssinian_201 one 1 1\n");
    check_dies("no number", "\"one\" is no class") labelled_read(a, "pets", root, "test");
}

static void test_matlab(Arena *a) {
    Labelled l = labelled_read(a, "flowers", GOLDEN, "train");
    check(l.count == 2 && l.class_count == 102 && strcmp(l.classes[101], "blackberry lily") == 0, "flowers: train");
    picture_is(&l, 0, "flowers-102/jpg/image_00006.jpg", 29);
    picture_is(&l, 1, "flowers-102/jpg/image_00002.jpg", 0);
    l = labelled_read(a, "flowers", GOLDEN, "test");
    check(l.count == 3, "flowers: test");
    picture_is(&l, 1, "jpg/image_00001.jpg", 76);
    l = labelled_read(a, "flowers", GOLDEN, "val");
    picture_is(&l, 0, "jpg/image_00003.jpg", 101);
    l = labelled_read(a, "stanford_cars", GOLDEN, "train");
    check(l.count == 3 && l.class_count == 196, "cars: train");
    picture_is(&l, 0, "stanford_cars/cars_train/00001.jpg", 195);
    check_text("the year in front", l.classes[3], "1994 Maker3 C/V Sedan");
    l = labelled_read(a, "stanford_cars", GOLDEN, "test");
    picture_is(&l, 0, "stanford_cars/cars_test/00001.jpg", 1);
    l = labelled_read(a, "stanford_dogs", GOLDEN, "test");
    check(l.count == 121 && l.class_count == 120, "dogs: test");
    picture_is(&l, 120, "stanford_dogs/Images/n02085620-Great_0-dog/n120.jpg", 0);
    check_text("a breed after the first hyphen", l.classes[7], "Great 7-dog");
    check_dies("no such folder", "oxford-iiit-pet: the folder of \"pets\" is not there") labelled_read(a, "pets", GOLDEN, "test");
    check_dies("no such set", "\"birds\" is no set that is known here: cub, ") labelled_read(a, "birds", GOLDEN, "test");
}

static void test_list(Arena *a) {
    scratch_text(a, "own/classes.txt", "red disc\r\nblue square\r\n");
    scratch_text(a, "own/list.tsv", "1\tx/a picture.jpg\n0\t/tmp/b.png\n");
    Labelled l = labelled_list(a, scratch_path(a, "own/list.tsv"));
    check(l.count == 2 && l.class_count == 2 && strcmp(l.classes[1], "blue square") == 0, "a list of one's own");
    picture_is(&l, 0, "own/x/a picture.jpg", 1);
    check_text("an absolute path", l.pictures[1].path, "/tmp/b.png");
    scratch_text(a, "own/list.tsv", "1\ta\n2\tb\n");
    check_dies("a label beyond", "list.tsv:2: label 2; classes.txt names 0 to 1") labelled_list(a, scratch_path(a, "own/list.tsv"));
    scratch_text(a, "own/list.tsv", "1 a\n");
    check_dies("no tab", "list.tsv:1: \"1 a\": a label, a tab and a path are wanted") labelled_list(a, scratch_path(a, "own/list.tsv"));
    scratch_text(a, "own/list.tsv", "\n");
    check_dies("nothing", "lists no picture") labelled_list(a, scratch_path(a, "own/list.tsv"));
    scratch_text(a, "own/classes.txt", "a\nb\na\n");
    check_dies("a name twice", "classes.txt:3: \"a\" is there twice") labelled_list(a, scratch_path(a, "own/list.tsv"));
}

int main(void) {
    Arena *a = arena_new("test_labelled");
    test_cub(a);
    test_aircraft(a);
    test_pets(a);
    test_matlab(a);
    test_list(a);
    arena_free(a);
    return check_end();
}
