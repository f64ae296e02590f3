// test_hostile.c: headers that promise 2^63 bytes, or another end of the world: each is refused with a sentence that names
// the file, and without taking the memory. And what damaged files (test/fuzz/) once found.
//
// Caught when broken on purpose (test/mutations.txt): the check of config_int, that of a shard's name, the growth check of inflated
// zip entries, the digits of a PPM's numbers, the limit of pixels, the depth of brackets and of elements, a count of a MAT array.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/checksum.h"
#include "io/csv.h"
#include "io/image.h"
#include "io/mat.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/tar.h"
#include "io/torch_file.h"
#include "io/xml.h"
#include "model/generate.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"
#include "scratch.h"

#define MEMORY ((size_t)4 << 20)

typedef void ReadFn(Arena *a, const char *path);

static void safetensors(Arena *a, const char *path) { tensors_open(a, path); }
static void npy(Arena *a, const char *path) { npy_read(a, path); }
static void npz(Arena *a, const char *path) {
    Npz *z = npz_open(a, path);
    for (size_t i = 0; i < npz_count(z); i++) npz_read(a, z, npz_name(z, i));
}
static void torch(Arena *a, const char *path) { torch_read(a, file_map(a, path)); }
static void tar(Arena *a, const char *path) {
    Tar *t = tar_open(a, path);
    for (TarEntry e; tar_next(t, &e);) tar_read(a, t);
}
static void mat(Arena *a, const char *path) {
    Mat *m = mat_open(a, path);
    for (size_t i = 0; i < mat_count(m); i++) mat_find(m, mat_name(m, i));
}
static void picture(Arena *a, const char *path) { image_read(a, path, NULL); }
static void cut_picture(Arena *a, const char *path) { image_read(a, path, &(ImageOptions){.truncated_ok = true}); }
static void json(Arena *a, const char *path) { json_int32(json_read(a, path), "n"); }
static void any_json(Arena *a, const char *path) { json_read(a, path); }
static void xml(Arena *a, const char *path) { xml_read(a, path); }
static void csv(Arena *a, const char *path) {
    Csv *c = csv_open(a, path, ',');
    while (csv_next(c)) csv_get_int(c, 0);
}

static char *folder_of(Arena *a, const char *path) { return arena_text(a, path, (size_t)(path_name(path) - path) - 1); }

static void model(Arena *a, const char *path) {
    Model *m = model_open(a, folder_of(a, path), true);
    Inputs in = m->family->example(a, m, 0, 0, 0);
    model_taps(a, m, &in);
    if (m->family->generates) generate_options(a, m);
}
static void tokenizer(Arena *a, const char *path) {
    const Tokenizer *t = tokenizer_load(a, folder_of(a, path), false);
    tokenizer_encode(t, a, "abc", 3, true);
}
static void preprocess(Arena *a, const char *path) {
    Preprocess p = preprocess_read(a, folder_of(a, path));
    int w, h;
    preprocess_size(&p, 640, 480, &w, &h);
}
static void folder(Arena *a, const char *path) { tensors_open(a, folder_of(a, path)); }

// Refused, in one sentence about this file, and without the memory that it promises.
static int number; // of the folder

static void refused(const char *what, ReadFn *read, const char *name, const void *bytes, size_t size) {
    Arena *names = arena_new("names"), *a = arena_new("hostile");
    const char *path = scratch_file(names, arena_print(names, "%d/%s", ++number, name), bytes, size);
    Trap trap;
    bool died = !trap_set(&trap);
    if (!died) {
        read(a, path);
        trap_end(&trap);
    }
    bool named = died && (strstr(trap.message, name));
    bool system = died && strstr(trap.message, "the system has no");
    check(died && named && !system && arena_peak(a) < MEMORY, "%s: %s (%zu KiB)", what, died ? trap.message : "accepted", arena_peak(a) >> 10);
    arena_free(a);
    arena_free(names);
}

// The same, and the sentence says where and what.
static void sentence(const char *what, ReadFn *read, const char *name, const char *content, const char *says) {
    Arena *a = arena_new("hostile");
    const char *path = scratch_file(a, arena_print(a, "%d/%s", ++number, name), content, strlen(content));
    Trap trap;
    bool died = !trap_set(&trap);
    if (!died) {
        read(a, path);
        trap_end(&trap);
    }
    check(died && strstr(trap.message, path) && strstr(trap.message, says), "%s: %s", what, died ? trap.message : "accepted");
    arena_free(a);
}

static void text(const char *what, ReadFn *read, const char *name, const char *content) { refused(what, read, name, content, strlen(content)); }

static void test_safetensors(void) {
    static const char huge[] = "\0\0\0\0\0\0\0\x80{}";
    refused("header of 2^63 bytes", safetensors, "a.safetensors", huge, sizeof huge - 1);
    static const char *const shapes[] = {"[9223372036854775807]", "[4294967296,4294967296]", "[9223372036854775807,0,9223372036854775807]", "[18446744073709551616]"};
    for (int i = 0; i < 4; i++) {
        char file[200] = {0};
        int n = snprintf(file + 8, 180, "{\"x\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,9223372036854775804]}}", shapes[i]);
        file[0] = (char)n;
        refused(shapes[i], safetensors, "b.safetensors", file, (size_t)n + 8);
    }
}

static void test_arrays(void) {
    static const char *const shapes[] = {"(9223372036854775807,)", "(4294967296, 4294967296)", "(18446744073709551615,)", "(2305843009213693952,)"};
    for (int i = 0; i < 4; i++) {
        char file[128];
        memset(file, ' ', sizeof file);
        memcpy(file, "\x93NUMPY\1\0\x76\0", 10);
        int n = snprintf(file + 10, 110, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shapes[i]);
        file[10 + n] = ' ', file[127] = '\n';
        refused(shapes[i], npy, "a.npy", file, sizeof file);
    }
}

static uint8_t *le(uint8_t *p, uint64_t v, int n) {
    for (; n > 0; n--, v >>= 8) *p++ = (uint8_t)v;
    return p;
}

// One entry whose directory promises `size` bytes out of `packed`, in its zip64 field.
static size_t zip_of(uint8_t *file, uint64_t size, uint64_t packed, int method) {
    uint8_t *p = file;
    memcpy(p, "PK\3\4", 4);
    p = le(le(p + 4, 45, 2), 0, 2);
    p = le(le(le(le(le(p, (uint64_t)method, 2), 0, 4), 0, 4), 0, 4), 0, 4);
    p = le(le(p, 5, 2), 0, 2);
    memcpy(p, "x.npy\3\0", 7);
    p += 7;
    uint8_t *directory = p;
    memcpy(p, "PK\1\2", 4);
    p = le(le(le(p + 4, 45, 2), 45, 2), 0, 2);
    p = le(le(le(le(p, (uint64_t)method, 2), 0, 4), 0, 4), UINT32_MAX, 4);
    p = le(le(le(p, UINT32_MAX, 4), 5, 2), 20, 2);
    p = le(le(p, 0, 2 + 2 + 2 + 4), 0, 4);
    memcpy(p, "x.npy", 5);
    p = le(le(le(le(p + 5, 1, 2), 16, 2), size, 8), packed, 8);
    size_t n = (size_t)(p - directory), at = (size_t)(directory - file);
    memcpy(p, "PK\5\6", 4);
    p = le(le(le(p + 4, 0, 4), 1, 2), 1, 2);
    p = le(le(le(p, n, 4), at, 4), 0, 2);
    return (size_t)(p - file);
}

static void test_archives(void) {
    uint8_t file[512];
    refused("zip64 of 2^63 bytes", npz, "a.npz", file, zip_of(file, (uint64_t)1 << 63, (uint64_t)1 << 63, 0));
    refused("zip64 of 2^64-1 bytes", npz, "a.npz", file, zip_of(file, UINT64_MAX, UINT64_MAX, 0));
    refused("a bomb of 2^62 bytes", npz, "a.npz", file, zip_of(file, (uint64_t)1 << 62, 2, 8));
    refused("a bomb of 2^40 bytes", npz, "a.npz", file, zip_of(file, (uint64_t)1 << 40, 2, 8));
    refused("an archive without tensors", torch, "a.pt", file, zip_of(file, (uint64_t)1 << 63, (uint64_t)1 << 63, 0));
    refused("pickle without an archive", torch, "old.pt", "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

    for (int i = 0; i < 3; i++) { // a size in base 256, in octal, and a pax header's
        uint8_t block[2048] = {0};
        memcpy(block, "a.jpg", 5);
        memcpy(block + 100, "0000644", 7);
        memcpy(block + 124, i == 0 ? "\x80\0\0\0\x80\0\0\0\0\0\0\0" : i == 1 ? "77777777777\0" : "00000000034\0", 12);
        if (i == 0) block[128] = 0x7F;
        memcpy(block + 257, "ustar\0" "00", 8);
        block[156] = i == 2 ? 'x' : '0';
        if (i == 2) memcpy(block + 512, "28 size=9223372036854775807\n", 28);
        for (int at = 0; at < (i == 2 ? 2048 : 512); at += 1024) {
            if (at) memcpy(block + at, block, 512), block[at + 156] = '0';
            unsigned sum = 8 * ' ';
            for (int k = 0; k < 512; k++) sum += k >= 148 && k < 156 ? 0 : block[at + k];
            snprintf((char *)block + at + 148, 8, "%06o", sum);
        }
        static const char *const names[] = {"tar size in base 256", "tar size in octal", "tar size of pax"};
        refused(names[i], tar, "a.tar", block, sizeof block);
    }
}

static void test_mat(void) {
    uint8_t file[256] = {0};
    memset(file, ' ', 124);
    le(le(file + 124, 0x0100, 2), 0x4D49, 2);
    le(le(file + 128, 14, 4), 0x7FFFFFF8, 4);
    refused("an element of 2^31 bytes", mat, "a.mat", file, sizeof file);
    le(le(file + 128, 14, 4), 64, 4);
    le(le(le(le(file + 136, 6, 4), 8, 4), 6, 4), 0, 4);
    le(le(le(le(file + 152, 5, 4), 8, 4), 0x7FFFFFFF, 4), 0x7FFFFFFF, 4);
    le(le(file + 168, 0x00010001, 4), 'x', 4);
    le(le(file + 176, 9, 4), 16, 4);
    refused("an array of 2^62 numbers", mat, "a.mat", file, 200);
}

static void test_pictures(void) {
    uint8_t png[45] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7F\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x08\x02";
    uint32_t crc = crc32_of(0, png + 12, 17);
    for (int i = 0; i < 4; i++) png[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    refused("a PNG of 2^31 x 2^31", picture, "a.png", png, sizeof png);
    static const char jpeg[] = "\xFF\xD8\xFF\xC0\0\x11\x08\xFF\xFF\xFF\xFF\3\1\x22\0\2\x11\1\3\x11\1\xFF\xD9";
    refused("a JPEG of 65535 x 65535", picture, "a.jpg", jpeg, sizeof jpeg - 1);
    refused("a PNG of 2^31 x 2^31 that may be cut", cut_picture, "a.png", png, sizeof png);
    refused("a JPEG of 65535 x 65535 that may be cut", cut_picture, "a.jpg", jpeg, sizeof jpeg - 1);
    text("a PPM of 14000 x 14000 that may be cut", cut_picture, "a.ppm", "P6\n14000 14000\n255\nabc");
    text("a PPM of 2^63", picture, "a.ppm", "P6\n9223372036854775807 9223372036854775807\n255\n");
    text("a PPM with a number of 30 digits", picture, "a.ppm", "P6\n999999999999999999999999999999 1\n255\n");
    sentence("a width of 2^64 + 1 is not 1", picture, "a.ppm", "P6\n18446744073709551617 1\n255\nabc", ": byte 3: the width in the PPM header is beyond 2147483647");
    sentence("a height that is missing", picture, "a.ppm", "P6\n1 # no more\n", ": byte 15: no height in the PPM header");
    sentence("a PPM of 16 bits", picture, "a.ppm", "P6\n1 1\n65535\nabcdef", ": a PPM whose largest value is 65535; only 255 is read here");
    sentence("a PPM that is cut", picture, "a.ppm", "P6\n2 2\n255\nabc", ": 3 bytes of pixels where 2 x 2 take 12; the file is truncated");
}

static void test_texts(void) {
    text("a JSON number beyond an int", json, "a.json", "{\"n\": 9223372036854775807}");
    enum { LEVELS = 1000 }; // each well closed, so that nothing but the depth is wrong
    char deep[LEVELS * 7];
    memset(deep, '[', LEVELS);
    memset(deep + LEVELS, ']', LEVELS);
    refused("JSON of 1000 levels", any_json, "deep.json", deep, 2 * LEVELS);
    for (size_t i = 0; i < LEVELS; i++) memcpy(deep + i * 3, "<a>", 3), memcpy(deep + LEVELS * 3 + i * 4, "</a>", 4);
    refused("XML of 1000 levels", xml, "deep.xml", deep, sizeof deep);
    text("XML that grows", xml, "laughs.xml", "<!DOCTYPE x [<!ENTITY a \"&b;&b;\"><!ENTITY b \"&a;&a;\">]><x>&a;</x>");
    text("a CSV number beyond 64 bits", csv, "a.csv", "n\n9223372036854775808\n");
}

// What a download leaves in the place of a file: each reader says what it is.
static void test_strays(void) {
    static const struct {
        const char *name;
        ReadFn *read;
    } kinds[] = {{"a.safetensors", safetensors}, {"a.npy", npy}, {"a.npz", npz}, {"a.pt", torch}, {"a.tar", tar}, {"a.mat", mat}, {"a.jpg", picture}, {"a.json", any_json}, {"a.xml", xml},
                 {"a.csv", csv}, {"tokenizer.json", tokenizer}, {"config.json", model}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sentence("a pointer of Git LFS", kinds[i].read, kinds[i].name, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "run `git lfs pull`");
        sentence("a web page", kinds[i].read, kinds[i].name, "\n<!DOCTYPE HTML>\n<html><head></head></html>\n", "is a web page");
    }
}

static void test_directories(void) {
    static const char llama[] = "{\"model_type\":\"llama\",\"hidden_size\":8,\"num_attention_heads\":2,\"num_hidden_layers\":1,\"intermediate_size\":8,\"vocab_size\":8,\"%s\":%s}";
    static const char *const sizes[][2] = {{"num_key_value_heads", "9223372036854775807"}, {"num_key_value_heads", "4294967298"}, {"head_dim", "-4294967294"}, {"eos_token_id", "[4294967298]"},
                                           {"max_position_embeddings", "9223372036854775807"}};
    Arena *a = arena_new("texts");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) text(arena_print(a, "%s %s", sizes[i][0], sizes[i][1]), model, "config.json", arena_print(a, llama, sizes[i][0], sizes[i][1]));
    // Found by damaged files: a dry run through 2^31 blocks, sizes that overflow in a product, names too long for a message.
    text("2147483647 blocks", model, "config.json", "{\"model_type\":\"mistral\",\"num_hidden_layers\":2147483647}");
    text("a picture of 2^63", model, "config.json", "{\"model_type\":\"dinov3_vit\",\"image_size\":9223372036854775807,\"patch_size\":1}");
    text("an mlp_ratio of 1e300", model, "config.json", "{\"model_type\":\"dinov2\",\"mlp_ratio\":1e300}");
    text("more padding than positions", model, "config.json", "{\"model_type\":\"roberta\",\"pad_token_id\":600}");
    text("a token type of -1", model, "config.json", "{\"model_type\":\"bert\",\"type_vocab_size\":-1}");
    char *shard = arena_take(a, 3000, 1);
    memset(shard, 's', 3000);
    text("a shard with a long name", folder, "model.safetensors.index.json", arena_print(a, "{\"weight_map\":{\"a\":\"%.*s.safetensors\"}}", 2000, shard));
    text("a shard above its folder", folder, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x.safetensors\"}}");

    static const char bpe[] = "{\"added_tokens\":%s,\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":%s,\"b\":1},\"merges\":[]}}";
    text("a token of id 2^63", tokenizer, "tokenizer.json", arena_print(a, bpe, "[]", "9223372036854775807"));
    text("a token of id -1", tokenizer, "tokenizer.json", arena_print(a, bpe, "[]", "-1"));
    text("an added token of id 2^32", tokenizer, "tokenizer.json", arena_print(a, bpe, "[{\"id\":4294967296,\"content\":\"x\"}]", "0"));
    text("a charsmap of 2^32 bytes", tokenizer, "tokenizer.json",
         "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////wAAAAA=\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
    text("an unk_id of 2^63", tokenizer, "tokenizer.json", "{\"model\":{\"type\":\"Unigram\",\"unk_id\":9223372036854775807,\"vocab\":[[\"a\",0]]}}");
    text("a picture's size of 2^63", preprocess, "preprocessor_config.json",
         "{\"image_processor_type\":\"CLIPImageProcessor\",\"size\":{\"shortest_edge\":9223372036854775807},\"crop_size\":9223372036854775807}");
    arena_free(a);
}

int main(void) {
    test_safetensors();
    test_arrays();
    test_archives();
    test_mat();
    test_pictures();
    test_texts();
    test_strays();
    test_directories();
    return check_end();
}
