// fuzz_preprocess.c: configurations of image processors; sizes of pictures, and a small picture where what comes out is small.
#include <string.h>

#include "fuzz.h"
#include "model/preprocess.h"

static void parse(Arena *a, Bytes input) {
    static const char *const names[] = {FUZZ_DIR "/config.json", FUZZ_DIR "/preprocessor_config.json", FUZZ_DIR "/processor_config.json", FUZZ_DIR "/open_clip_config.json"};
    for (size_t i = 0; i < 4; i++) {
        Bytes b = fuzz_part(input, i);
        if (b.size) fuzz_place(names[i], b.bytes, b.size);
    }
    if (!preprocess_there(a, FUZZ_DIR)) die(FUZZ_PATH ": nothing there");
    Preprocess p = preprocess_read(a, FUZZ_DIR);
    static uint8_t rgb[7 * 5 * 3];
    static const int sizes[][2] = {{640, 480}, {1, 1}, {3, 4000}, {7, 5}};
    int w = 0, h = 0;
    for (size_t i = 0; i < 4; i++) {
        Trap trap; // pictures that are too oblong are refused
        w = h = 0;
        if (!trap_set(&trap)) continue;
        preprocess_size(&p, sizes[i][0], sizes[i][1], &w, &h);
        if (w < 1 || h < 1) die("%d x %d becomes %d x %d", sizes[i][0], sizes[i][1], w, h);
        trap_end(&trap);
    }
    int rw = 0, rh = 0;
    preprocess_resized(&p, (Picture){.rgb = rgb, .width = 7, .height = 5, .path = FUZZ_PATH}, &rw, &rh);
    if (w < 1 || h < 1 || (int64_t)w * h > 4096 || (int64_t)rw * rh > 4096 || p.frames > 4) return;
    Prepared r = preprocess_prepare(a, &p, (Picture){.rgb = rgb, .width = 7, .height = 5, .path = FUZZ_PATH});
    fuzz_touch(r.pixels.data, tensor_count(r.pixels) * 4);
}

const Fuzz fuzz_target = {
    .name = "preprocess",
    .parse = parse,
    .seeds = (const char *const[]){"test/golden/preprocess/*/: config.json preprocessor_config.json processor_config.json open_clip_config.json",
                                   "test/golden/preprocess_crops/*/: config.json preprocessor_config.json processor_config.json open_clip_config.json", NULL},
    .words = (const char *const[]){"\"size\":{\"shortest_edge\":7}", "\"crop_size\":", "\"do_pad\":true", "\"resample\":3", "\"image_mean\":[0,0,0]", "\"rescale_factor\":", "\"patch_size\":2", "\"merge_size\":1", "null", "0",
                                   "-1", "1e400", "true", "false", "\"min_pixels\":", "\"longest_edge\":", "{}", "[]", "\"image_processor_type\":\"Qwen2VLImageProcessor\"", "3", "8", "\"max_crops\":5", "\"overlap_margins\":[2,0]", "\"base_image_input_size\":[8,8]", "\"image_processor_type\":\"MolmoImageProcessor\"", NULL},
    .memory = (size_t)64 << 20,
};
