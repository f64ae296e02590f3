// test_spair.c: a small tree like SPair-71k's, made here.
//
// Caught when broken on purpose: x for y; a keypoint that is null taken for (0, 0); pairs of every category; height for width.
#include <string.h>

#include "check.h"
#include "io/file.h"
#include "io/spair.h"
#include "scratch.h"

static const char pair[] = "{\"pair_id\": 7, \"category\": \"dog\", \"src_imname\": \"2008_002719.jpg\", \"trg_imname\": \"2008_004100.jpg\", \"src_imsize\": [500, 375, 3], "
                           "\"trg_imsize\": [333, 500, 3], \"src_bndbox\": [10, 20, 210, 320], \"trg_bndbox\": [1, 2, 303.5, 404], \"src_kps\": [[9, 9]], \"kps_ids\": [\"0\"]}";
static const char picture[] = "{\"filename\": \"2008_002719.jpg\", \"image_width\": 500, \"image_height\": 375, \"azimuth_id\": 5, \"bndbox\": [10, 20, 210, 320], "
                              "\"kps\": {\"0\": [15, 25], \"1\": null, \"29\": [200, 300.5]}}";

static void test_tree(Arena *a) {
    scratch_text(a, "spair/PairAnnotation/test/000002-b-a:dog.json", pair);
    scratch_text(a, "spair/PairAnnotation/test/000001-a-b:dog.json", pair);
    scratch_text(a, "spair/PairAnnotation/test/000003-a-b:hotdog.json", pair);
    scratch_text(a, "spair/PairAnnotation/test/000004-a-b:cat.json", pair);
    scratch_text(a, "spair/ImageAnnotation/dog/2008_002719.json", picture);
    scratch_text(a, "spair/ImageAnnotation/cat/x.json", "{\"kps\": {}}");
    scratch_text(a, "spair/ImageAnnotation/README", "no category");
    const char *root = scratch_path(a, "spair");
    size_t count;
    char **list = spair_categories(a, root, &count);
    check(count == 2 && strcmp(list[0], "cat") == 0 && strcmp(list[1], "dog") == 0, "categories: folders in order, files left out");
    list = spair_pairs(a, root, "test", "dog", &count);
    check(count == 2 && strstr(list[0], "000001-") && strstr(list[1], "000002-"), "pairs of one category, in order of their paths");
    SpairPair p = spair_pair(a, list[0]);
    check(strcmp(p.category, "dog") == 0 && strcmp(p.source, "2008_002719") == 0 && strcmp(p.target, "2008_004100") == 0, "a pair's names");
    check(p.source_size[0] == 500 && p.source_size[1] == 375 && p.target_size[0] == 333 && p.target_size[1] == 500, "a pair's sizes");
    check(p.source_box[0] == 10 && p.source_box[3] == 320 && p.target_box[1] == 2 && p.target_box[2] == 303.5, "a pair's boxes");
    SpairPicture s = spair_picture(a, root, p.category, p.source);
    int seen = 0;
    for (int i = 0; i < SPAIR_POINTS; i++) seen += s.seen[i];
    check(seen == 2 && s.seen[0] && s.x[0] == 15 && s.y[0] == 25 && !s.seen[1] && s.seen[29] && s.x[29] == 200 && s.y[29] == 300.5, "keypoints, null ones unseen");
    check(s.width == 500 && s.height == 375 && s.azimuth == 5 && s.box[2] == 210, "a picture's size, azimuth, box");
    check(strstr(s.path, "spair/JPEGImages/dog/2008_002719.jpg") != NULL, "where the picture is");
}

static void test_refusals(Arena *a) {
    const char *root = scratch_path(a, "spair");
    size_t count;
    check_dies("no such category", "holds no pair \"…:cow.json\"") spair_pairs(a, root, "test", "cow", &count);
    check_dies("no such split", "PairAnnotation/train: the folder cannot be read") spair_pairs(a, root, "train", "dog", &count);
    check_dies("no size", "cat/x.json: \"image_width\" is missing") spair_picture(a, root, "cat", "x");
    scratch_text(a, "bad1.json", "{\"category\": \"dog\", \"src_imname\": \"../x.jpg\"}");
    check_dies("a name that leads elsewhere", "\"../x.jpg\" is no name of a file") spair_pair(a, scratch_path(a, "bad1.json"));
    scratch_text(a, "bad2.json", "{\"category\": \"dog\", \"src_imname\": \"a\", \"trg_imname\": \"b\", \"src_imsize\": [0, 5]}");
    check_dies("no pixels", "\"src_imsize\": 0 pixels") spair_pair(a, scratch_path(a, "bad2.json"));
    scratch_text(a, "bad3.json", "{\"category\": \"dog\", \"src_imname\": \"a\", \"trg_imname\": \"b\", \"src_imsize\": [5, 5], \"trg_imsize\": [5, 5], \"src_bndbox\": [1, 2, \"3\", 4]}");
    check_dies("a box of texts", "\"src_bndbox\": a list of 4 numbers is wanted") spair_pair(a, scratch_path(a, "bad3.json"));
    scratch_text(a, "bad4.json", "[]");
    check_dies("no object", "an object is wanted") spair_pair(a, scratch_path(a, "bad4.json"));
    scratch_text(a, "spair/ImageAnnotation/dog/y.json", "{\"image_width\": 5, \"image_height\": 5, \"azimuth_id\": 8, \"kps\": {}}");
    check_dies("an azimuth beyond", "\"azimuth_id\" is 8") spair_picture(a, root, "dog", "y");
}

int main(void) {
    Arena *a = arena_new("test_spair");
    test_tree(a);
    test_refusals(a);
    arena_free(a);
    return check_end();
}
