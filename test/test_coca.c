// test_coca.c: CoCa's captions against open_clip's: ids for every setting of its generator, captions and entropies of every
// layer by the study's own loop; and what must hold without a reference. Taps: test_models.c.
//
// Bounds: entropies 1e-5 bits (float softmax there, double sums here); everything else is equal.
// Caught when broken on purpose: the minimum length counted from one more, the penalty applied twice to an id said twice, the end token
// not forced at the end, cross keys of the neighbour row, positions from 0 in each step, beams divided by the length without one, the
// earliest of the best beams, a row that stays after its end, the window forgotten, pooler queries not normalised.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "golden.h"
#include "io/file.h"
#include "io/thread.h"
#include "model/coca_generate.h"
#include "model/device.h"
#include "scratch.h"

static const char *const names[] = {"test/golden/coca-small", "test/golden/coca-equal"};

typedef struct {
    Arena *a;
    const char *name;
    Model *m;
    const Coca *coca;
    Tensor pixels, tokens; // tokens (B, Q - 1, E): the model's own
    const Json *said;      // generate.json
} Case;

static Case open_case(Arena *a, const char *path) {
    Case c = {.a = a, .name = path_name(path), .m = model_open(a, path, false)};
    c.coca = c.m->own;
    c.pixels = golden_input(golden_open(a, path_join(a, path, "golden.safetensors")), "pixel_values");
    Run *run = run_new(a);
    c.tokens = coca_image_tokens(run, c.coca, coca_pool(run, c.coca, coca_tower(run, c.coca, c.pixels, NULL, NULL)));
    c.said = json_read(a, path_join(a, path, "generate.json"));
    return c;
}

static CocaOptions options_of(const Case *c, const Json *s) {
    CocaOptions o = coca_options(c->m);
    const char *way = json_text_or(s, "generation_type", "top_k");
    o.way = strcmp(way, "top_k") == 0 ? COCA_TOP_K : strcmp(way, "top_p") == 0 ? COCA_TOP_P : COCA_BEAMS;
    o.seq_len = (int)json_int_or(s, "seq_len", c->m->context);
    o.min_seq_len = (int)json_int_or(s, "min_seq_len", o.min_seq_len);
    o.max_seq_len = (int)json_int_or(s, "max_seq_len", o.max_seq_len);
    o.stop_length = (int)json_int_or(s, "stop_length", 0);
    o.fixed_length = json_bool_or(s, "fixed_output_length", false);
    o.top_p = json_real_or(s, "top_p", o.top_p);
    o.temperature = json_real_or(s, "temperature", 1);
    o.repetition_penalty = json_real_or(s, "repetition_penalty", 1);
    o.beams = (int)json_int_or(s, "num_beams", o.beams);
    o.groups = (int)json_int_or(s, "num_beam_groups", o.groups);
    o.eos = (int32_t)json_int(s, "eos_token_id");
    const Json *text = json_get(s, "text");
    int32_t *prompt = take(c->a, int32_t, text ? text->count : 1);
    for (size_t i = 1; text && i < text->count; i++) prompt[o.prompt_count++] = (int32_t)text->items[i].integer;
    o.prompt = prompt;
    return o;
}

static bool same_ids(const int32_t *ids, int count, const Json *want) {
    bool same = (size_t)count == want->count;
    for (int i = 0; same && i < count; i++) same = ids[i] == (int32_t)want->items[i].integer;
    return same;
}

// Every generate() call of the reference, paddings included.
static void test_settings(const Case *c) {
    const Json *calls = json_get(c->said, "captions");
    enum { NAMED = 11 }; // the rest are beams with other end tokens, told together
    int right = 0;
    for (size_t k = 0; k < calls->count; k++) {
        const Json *s = json_get(&calls->items[k], "settings"), *want = json_get(&calls->items[k], "ids");
        CocaOptions o = options_of(c, s);
        Caption *got = coca_generate(c->a, c->m, c->tokens, &o);
        bool same = want->count == (size_t)c->tokens.shape[0];
        for (size_t b = 0; same && b < want->count; b++) same = same_ids(got[b].ids, got[b].length, &want->items[b]);
        right += k >= NAMED && same;
        if (k < NAMED) check(same, "%s: %s, at most %d, at least %d, penalty %g, %d beams in %d groups, prompt %d, window %d, stop %d: the reference's ids", c->name,
              json_text(s, "generation_type"), o.seq_len, o.min_seq_len, o.repetition_penalty, o.beams, o.groups, o.prompt_count, o.max_seq_len, o.stop_length);
    }
    check(right == (int)calls->count - NAMED && right > 0, "%s: %d of %zu searches with other end tokens: the reference's ids", c->name, right, calls->count - NAMED);
}

// The search of later OpenCLIP, against transformers' own over the same model; paddings excluded.
static void test_later_beams(const Case *c) {
    const char *path = arena_print(c->a, "%s/beams.json", c->m->dir);
    if (!file_exists(path)) return; // a directory of test/peers/coca.py
    const Json *calls = json_get(json_read(c->a, path), "captions");
    int right = 0;
    for (size_t k = 0; k < calls->count; k++) {
        const Json *s = json_get(&calls->items[k], "settings"), *want = json_get(&calls->items[k], "ids");
        CocaOptions o = coca_options(c->m);
        o.way = COCA_LATER_BEAMS;
        o.seq_len = (int)json_int(s, "max_length"), o.min_seq_len = (int)json_int(s, "min_length"), o.beams = (int)json_int(s, "num_beams"), o.eos = (int32_t)json_int(s, "eos_token_id");
        o.length_penalty = json_real_or(s, "length_penalty", 1), o.repetition_penalty = json_real_or(s, "repetition_penalty", 1);
        Caption *got = coca_generate(c->a, c->m, c->tokens, &o);
        bool same = want->count == (size_t)c->tokens.shape[0];
        for (size_t b = 0; same && b < want->count; b++) same = same_ids(got[b].ids, got[b].count, &want->items[b]);
        right += same;
        if (!same) check(same, "%s: %d later beams, at most %d, end %d, penalties %g and %g", c->name, o.beams, o.seq_len, o.eos, o.repetition_penalty, o.length_penalty);
    }
    check(right == (int)calls->count && right > 0, "%s: %d of %zu later searches: transformers' ids", c->name, right, calls->count);
}

// All layers of all pictures as one batch, against the study's loop, layer by layer without a cache.
static void test_layers(const Case *c) {
    const Json *s = json_get(c->said, "layers"), *ids = json_get(s, "ids"), *entropy = json_get(s, "entropy"), *steps = json_get(s, "steps");
    int L = c->coca->cfg.vision.L, layers[16], B = (int)c->pixels.shape[0];
    for (int l = 0; l < L; l++) layers[l] = l + 1;
    Run *run = run_new(c->a);
    Tensor tokens = coca_image_tokens(run, c->coca, coca_pool(run, c->coca, coca_states(run, c->m, c->pixels, layers, L, "")));
    size_t each = tensor_count(c->tokens);
    check(memcmp(f32(tokens) + (size_t)(L - 1) * each, c->tokens.data, each * sizeof(float)) == 0, "%s: the last layer's image tokens are the model's own", c->name);
    CocaOptions o = options_of(c, json_get(s, "settings"));
    Caption *got = coca_generate(c->a, c->m, tokens, &o);
    double worst = 0;
    bool same = ids->count == (size_t)L;
    for (int l = 0; same && l < L; l++)
        for (int b = 0; b < B; b++) {
            const Caption *k = &got[l * B + b];
            same = same && same_ids(k->ids, k->count, &ids->items[l].items[b]) && (size_t)k->steps == steps->items[l].items[b].count;
            worst = fmax(worst, fabs(k->mean_entropy - entropy->items[l].items[b].number));
            for (int i = 0; same && i < k->steps; i++) worst = fmax(worst, fabs(k->entropy[i] - steps->items[l].items[b].items[i].number));
        }
    check(same, "%s: %d layers of %d pictures: the captions of the study's loop", c->name, L, B);
    check(worst <= 1e-5, "%s: entropies within %.1e bits (allow 1e-5)", c->name, worst);
}

// A row alone, the rows in another order, other numbers of threads, and without a cache: the same bits.
static void test_rows(const Case *c) {
    CocaOptions o = coca_options(c->m);
    o.seq_len = c->m->context, o.way = COCA_TOP_K, o.top_k = 3, o.temperature = 0.7, o.seed = 5, o.top = 2;
    long each = c->tokens.shape[1] * c->tokens.shape[2];
    uint64_t keys[2] = {11, 7}, turned[2] = {7, 11};
    o.keys = keys;
    Caption *both = coca_generate(c->a, c->m, c->tokens, &o);
    bool same = true;
    for (int b = 0; b < 2; b++) {
        threads_set(b ? 3 : 1);
        o.keys = keys + b;
        Caption *one = coca_generate(c->a, c->m, tensor_of(f32(c->tokens) + b * each, DTYPE_F32, DIMS(1, c->tokens.shape[1], c->tokens.shape[2])), &o);
        same = same && one->count == both[b].count && memcmp(one->ids, both[b].ids, (size_t)one->count * sizeof(int32_t)) == 0 &&
               memcmp(one->entropy, both[b].entropy, (size_t)one->steps * sizeof(double)) == 0 && memcmp(one->logprobs, both[b].logprobs, (size_t)one->steps * sizeof(float)) == 0 &&
               memcmp(one->top_logprobs, both[b].top_logprobs, (size_t)(2 * one->steps) * sizeof(float)) == 0;
    }
    Tensor swapped = tensor_take(c->a, DTYPE_F32, DIMS(2, c->tokens.shape[1], c->tokens.shape[2]));
    for (int b = 0; b < 2; b++) memcpy(f32(swapped) + b * each, f32(c->tokens) + (1 - b) * each, (size_t)each * sizeof(float));
    o.keys = turned;
    Caption *back = coca_generate(c->a, c->m, swapped, &o);
    for (int b = 0; b < 2; b++)
        same = same && back[1 - b].count == both[b].count && memcmp(back[1 - b].entropy, both[b].entropy, (size_t)both[b].steps * sizeof(double)) == 0;
    check(same, "%s: drawn captions, rows alone, turned round, on 1 and 3 threads: the same bits", c->name);
    threads_set(threads_available());
    Run *run = run_new(c->a);
    Tensor ids = tensor_take(c->a, DTYPE_I32, DIMS(1, both[0].count)), embed;
    memcpy(ids.data, both[0].ids, tensor_bytes(ids));
    i32(ids)[3] = 0; // a padding id in the text hides the column behind it
    Tensor logits = coca_decode(run, c->coca, coca_text(run, c->coca, ids, &embed), tensor_of(c->tokens.data, DTYPE_F32, DIMS(1, c->tokens.shape[1], c->tokens.shape[2])));
    Cache *cache = coca_cache(c->a, c->coca, c->m->device, 1, both[0].count);
    coca_look_all(c->coca, tensor_of(c->tokens.data, DTYPE_F32, DIMS(1, c->tokens.shape[1], c->tokens.shape[2])), cache, 1);
    cache->first = 0, cache->count = 1;
    same = true;
    for (int t = 0; t < both[0].count; t++) {
        Tensor now = coca_continue(run, c->coca, tensor_of(i32(ids) + t, DTYPE_I32, DIMS(1, 1)), cache);
        same = same && memcmp(now.data, f32(logits) + (size_t)t * tensor_count(now), tensor_bytes(now)) == 0;
    }
    check(same, "%s: word by word with a cache and without class row, and at once with it: the same logits", c->name);
}

// With bf16 captions are computed in it, keys and values of the words and of the picture kept in it: the same bits alone and together;
// the first id's probabilities near those of f32, and not the same. 0.02: three times what was measured.
static void test_bf16(const Case *c) {
    CocaOptions o = coca_options(c->m);
    o.seq_len = c->m->context, o.way = COCA_TOP_K, o.top_k = 1, o.top = 1;
    long each = c->tokens.shape[1] * c->tokens.shape[2];
    Caption *wide = coca_generate(c->a, c->m, c->tokens, &o);
    c->m->compute = COMPUTE_BF16;
    Cache *cache = coca_cache(c->a, c->coca, model_device(c->m), 1, 4);
    Caption *both = coca_generate(c->a, c->m, c->tokens, &o);
    bool same = cache->k[0].dtype == cache->seen_v[0].dtype;
    double worst = 0;
    for (int b = 0; b < 2; b++) {
        Tensor one = tensor_of(f32(c->tokens) + b * each, DTYPE_F32, DIMS(1, c->tokens.shape[1], c->tokens.shape[2]));
        Caption *alone = coca_generate(c->a, c->m, one, &o);
        same = same && alone->count == both[b].count && memcmp(alone->ids, both[b].ids, (size_t)alone->count * sizeof(int32_t)) == 0 &&
               memcmp(alone->logprobs, both[b].logprobs, (size_t)alone->steps * sizeof(float)) == 0;
        worst = fmax(worst, fabs((double)both[b].logprobs[0] - (double)wide[b].logprobs[0]));
    }
    c->m->compute = COMPUTE_F32;
    check(same && cache->k[0].dtype == DTYPE_BF16, "%s in bf16: captions alone and together, the same bits", c->name);
    check(worst > 0 && worst <= 0.02, "%s in bf16: the first id's log-probability within %.1e of f32's (allow 0.02), and not the same", c->name, worst);
}

// A class row behind a text of 3 ids padded to 12 sees columns 0 … 3: all ids and one of padding, not itself.
static void class_row_sink(void *arg, const char *name, Tensor x) { // (1, H, 13, 13)
    (void)name;
    long T = x.shape[3];
    const float *row = f32(x) + (T - 1) * T;
    bool right = T == 13;
    for (long j = 0; right && j < T; j++) right = (row[j] > 0) == (j <= 3);
    *(bool *)arg = right;
}

static void test_class_row(const Case *c) {
    static int32_t text[12] = {59, 9, 60};
    Inputs in = {.ids = tensor_of(text, DTYPE_I32, DIMS(1, 12))};
    Taps *taps = taps_asking(c->a, model_taps(c->a, c->m, &in), NULL, 0);
    bool right = false;
    taps_read(taps, "text.transformer.resblocks.0.attn#weights", class_row_sink, &right);
    Run *run = run_new(c->a);
    run->taps = taps;
    model_forward(run, c->m, &in);
    check(right, "%s: the class row sees the text, one column of padding, and not itself", c->name);
}

// OpenCLIP's own list of merges, in small: bytes, bytes that end a word, merges, start, end.
static void test_vocabulary(Arena *a) {
    static const char list[] = "\"bpe_simple_vocab_16e6.txt#version: 0.2\nc a\nca t</w>\n";
    const char *file = scratch_file(a, "vocabulary/bpe_simple_vocab_16e6.txt", list, sizeof list - 1);
    const Tokenizer *t = tokenizer_load(a, arena_text(a, file, strlen(file) - strlen(path_name(file)) - 1), false);
    Ids ids = tokenizer_encode(t, a, "Cat !", 5, true);
    static const int32_t want[] = {514, 513, 256, 515};
    check_same("OpenCLIP's list of merges: start, \"cat\" the second merge, \"!\" at a word's end, end", ids.count == 4 ? ids.ids : NULL, want, ids.count == 4 ? sizeof want : 0);
    static const struct {
        const char *text;
        int32_t want[6];
        size_t count;
    } own[] = {{"cat <END_of_text>cat", {514, 513, 515, 513, 515}, 5}, // special tokens by OpenCLIP's names, in a text too
               {"!\u0345!", {514, 256, 256, 515}, 4},                   // a mark with a capital that is a letter: dropped where case is ignored
               {"'\u017f", {514, 6, 129, 379, 515}, 5}};                // so is this an s
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        ids = tokenizer_encode(t, a, own[i].text, strlen(own[i].text), true);
        bool as_many = ids.count == own[i].count;
        check_same(own[i].text, as_many ? ids.ids : NULL, own[i].want, as_many ? own[i].count * sizeof *own[i].want : 0);
    }
    check(tokenizer_encode(t, a, "<|endoftext|>", 13, false).count == 13, "HF's name of a special token is a text as any other");
    CocaOptions o = {.sot = 514, .eos = 515, .pad = 0};
    int32_t row[] = {514, 513, 513, 256, 515, 0, 0}, unended[] = {514, 513, 0}, broken[] = {514, 160, 513, 515};
    check_text("words of a caption: no start, end or padding", coca_words(a, t, &o, &(Caption){.ids = row, .count = 7, .length = 7}), "cat cat !");
    check_text("words of a caption that ended with padding", coca_words(a, t, &o, &(Caption){.ids = unended, .count = 3, .length = 3}), "cat");
    check_text("a byte that is no UTF-8", coca_words(a, t, &o, &(Caption){.ids = broken, .count = 4, .length = 4}), "\xEF\xBF\xBD" "cat");
}

// Without a configuration everything is read from the shapes; heads of 64 channels need a wider model than the goldens'.
static void test_inferred(Arena *a) {
    const char *json = "{\"embed_dim\": 64, \"vision_cfg\": {\"image_size\": 12, \"patch_size\": 4, \"layers\": 2, \"width\": 128, \"mlp_ratio\": 1.5, "
                       "\"attentional_pool\": true, \"attn_pooler_queries\": 5, \"attn_pooler_heads\": 8, \"output_tokens\": true}, \"text_cfg\": {\"context_length\": 9, "
                       "\"vocab_size\": 33, \"width\": 64, \"heads\": 1, \"layers\": 1, \"embed_cls\": true, \"output_tokens\": true}, \"multimodal_cfg\": "
                       "{\"context_length\": 9, \"width\": 64, \"heads\": 1, \"layers\": 2}}";
    const Json *config = json_parse(a, json, strlen(json), "test");
    Weights *dry = weights_dry(a, "somewhere");
    Model *told = model_build(a, "somewhere", config, dry);
    const Weight *list;
    size_t n = weights_list(dry, &list);
    Weight *some = take(a, Weight, n);
    for (size_t i = 0; i < n; i++) some[i] = (Weight){.name = list[i].name, .tensor = tensor_take(a, DTYPE_F32, list[i].tensor.ndim, list[i].tensor.shape)};
    quiet = true; // it says what it inferred
    Model *read = model_build(a, "somewhere", NULL, weights_memory(a, some, n));
    quiet = false;
    CocaConfig x = ((const Coca *)told->own)->cfg, y = ((const Coca *)read->own)->cfg;
    check(memcmp(&x.vision, &y.vision, sizeof x.vision) == 0 && memcmp(&x.text, &y.text, sizeof x.text) == 0 && memcmp(&x.cross, &y.cross, sizeof x.cross) == 0 && x.E == y.E &&
              x.height == y.height && x.P == y.P && x.Q == y.Q && x.V == y.V && x.context == y.context && y.class_row && y.inferred,
          "without a configuration: widths, blocks, heads, patches, queries, vocabulary and context from the shapes");
}

// The text tower's padding and the generator's are two keys: text_cfg.pad_id, and pad_id of the whole.
static void test_pads(Arena *a) {
    static const char json[] = "{\"embed_dim\": 8, \"pad_id\": 5, \"vision_cfg\": {\"image_size\": 8, \"patch_size\": 4, \"layers\": 1, \"width\": 8, \"head_width\": 8, \"attentional_pool\": true, "
                               "\"output_tokens\": true}, \"text_cfg\": {\"pad_id\": 3, \"vocab_size\": 33, \"width\": 8, \"layers\": 1, \"embed_cls\": true, \"output_tokens\": true}, \"multimodal_cfg\": "
                               "{\"width\": 8, \"layers\": 1}}";
    Model *m = model_build(a, "somewhere", json_parse(a, json, sizeof json - 1, "test"), weights_dry(a, "somewhere"));
    check(((const Coca *)m->own)->cfg.pad == 3 && m->pad == 3 && coca_options(m).pad == 5, "padding of the text tower, %d, and of what is generated, %d", m->pad, coca_options(m).pad);
}

static void refused(Arena *a, const char *what, const char *from, const char *to, const char *reason) {
    Bytes text = file_read(a, "test/golden/coca-small/open_clip_config.json");
    const char *config = (const char *)text.bytes, *at = strstr(config, from);
    need(at, "the configuration has no %s", from);
    const char *changed = arena_print(a, "%.*s%s%s", (int)(at - config), config, to, at + strlen(from));
    Trap trap;
    if (!trap_set(&trap)) {
        check(strstr(trap.message, reason) != NULL, "refused, %s: %s", what, trap.message);
        return;
    }
    const Json *j = json_get(json_parse(a, changed, strlen(changed), "open_clip_config.json"), "model_cfg");
    model_build(a, "somewhere", j, weights_dry(a, "somewhere"));
    trap_end(&trap);
    check(false, "refused, %s: it was not", what);
}

static void directory(Arena *a, const char *path) {
    Case c = open_case(a, path);
    test_settings(&c);
    test_later_beams(&c);
    test_layers(&c);
    test_rows(&c);
    test_bf16(&c);
    if (!c.coca->cfg.cls_correct) test_class_row(&c);
}

int main(int count, char **argument) { // further directories, as test/reference/coca.py writes them
    Arena *a = arena_new("test_coca");
    for (int i = 1; i < count; i++) directory(a, argument[i]);
    if (count > 1) return check_end();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) directory(a, names[i]);
    test_vocabulary(a);
    test_inferred(a);
    test_pads(a);
    refused(a, "no pooler", "\"attentional_pool\": true", "\"attentional_pool\": false", "coca_base");
    refused(a, "the paper's two poolers", "\"attentional_pool\": true", "\"attentional_pool\": \"cascade\"", "two poolers");
    refused(a, "a RoBERTa text tower", "\"embed_cls\": true", "\"hf_model_name\": \"roberta-base\"", "coca_roberta");
    refused(a, "widths that differ", "\"embed_dim\": 16", "\"embed_dim\": 32", "must be equal");
    refused(a, "other blocks", "\"embed_cls\": true", "\"qk_norm\": true", "qk_norm");
    refused(a, "no image tokens", "\"output_tokens\": true", "\"output_tokens\": false", "image tokens");
    arena_free(a);
    return check_end();
}
