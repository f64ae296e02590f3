// zoo_clip.c: the recipe of the zoo's `clip`, and its scores.
//
// Two stages, because a tower trained on captions alone learns colours and never shapes (world.md 3):
//   0  the vision tower alone: every patch token, after blocks 3 and 5, must tell which object owns its patch: shape, colour,
//      size, pattern, box and, which is what makes shapes learnable, the pixels that it owns
//   1  everything: CLIP's loss, the choice between the caption and four near misses, and the patch targets still
//   2  the text tower and the projections, against the vision tower as it will be saved: it stands still from here on
// The heads on the patch tokens are not saved. The position table begins with sines and cosines of the patch's place.
#include <string.h>

#include "merges.h"
#include "init.h"
#include "io/file.h"
#include "io/stamp.h"
#include "model/clip.h"
#include "real.h"
#include "zoo.h"

enum { BATCH = 32, NEAR = 4, STAGES = 3, HEADS = 2, SENTENCES = 4000, WIDTH = 96, TEXT_WIDTH = 64 };
static const int head_after[HEADS] = {5, 3};  // blocks
static const int stage_steps[STAGES] = {1600, 2000, 3000};
static const double stage_lr[STAGES] = {3e-3, 2e-3, 2e-3};
static const int stage_warmup[STAGES] = {200, 100, 100};
static const char *const stage_names[STAGES] = {"clip: patches", "clip: captions", "clip: texts"};

static const InitRule rules[] = {
    {"logit_scale", INIT_CONSTANT, 2.6592600369327783},           // ln(1 / 0.07)
    {"*layer*norm*.weight", INIT_CONSTANT, 1},
    {"*norm*.weight", INIT_CONSTANT, 1},
    {"*.bias", INIT_CONSTANT, 0},
    {"*class_embedding", INIT_NORMAL, 0.10206207261596577},       // 96^-0.5
    {"vision_model.embeddings.position_embedding.weight", INIT_CONSTANT, 0}, // sines and cosines below
    {"*position_embedding.weight", INIT_NORMAL, 0.01},
    {"*token_embedding.weight", INIT_NORMAL, 0.02},
    {"vision_model.*.out_proj.weight", INIT_NORMAL_FAN, 0.28867513459481287}, // (2 L)^-0.5: blocks add up to size one
    {"vision_model.*.fc2.weight", INIT_NORMAL_FAN, 0.28867513459481287},
    {"text_model.*.out_proj.weight", INIT_NORMAL_FAN, 0.35355339059327373},
    {"text_model.*.fc2.weight", INIT_NORMAL_FAN, 0.35355339059327373},
    {"*.weight", INIT_NORMAL_FAN, 1},
};

static const char *config_text_of(Arena *a, const Tokenizer *tok) {
    int bos = tokenizer_named(tok, TOKEN_BOS), eos = tokenizer_named(tok, TOKEN_EOS), V = tokenizer_highest(tok) + 1;
    return arena_print(a, "{\n"
        "  \"architectures\": [\"CLIPModel\"],\n  \"dtype\": \"bfloat16\",\n  \"initializer_factor\": 1.0,\n"
        "  \"logit_scale_init_value\": 2.6592,\n  \"model_type\": \"clip\",\n  \"projection_dim\": %d,\n"
        "  \"text_config\": {\n    \"attention_dropout\": 0.0,\n    \"bos_token_id\": %d,\n    \"eos_token_id\": %d,\n"
        "    \"hidden_act\": \"quick_gelu\",\n    \"hidden_size\": %d,\n    \"intermediate_size\": %d,\n    \"layer_norm_eps\": 1e-05,\n"
        "    \"max_position_embeddings\": 77,\n    \"model_type\": \"clip_text_model\",\n    \"num_attention_heads\": 4,\n"
        "    \"num_hidden_layers\": 4,\n    \"pad_token_id\": %d,\n    \"projection_dim\": %d,\n    \"vocab_size\": %d\n  },\n"
        "  \"vision_config\": {\n    \"attention_dropout\": 0.0,\n    \"hidden_act\": \"quick_gelu\",\n    \"hidden_size\": %d,\n"
        "    \"image_size\": %d,\n    \"intermediate_size\": %d,\n    \"layer_norm_eps\": 1e-05,\n    \"model_type\": \"clip_vision_model\",\n"
        "    \"num_attention_heads\": 4,\n    \"num_channels\": 3,\n    \"num_hidden_layers\": 6,\n    \"patch_size\": %d,\n"
        "    \"projection_dim\": %d\n  }\n}\n",
        TEXT_WIDTH, bos, eos, TEXT_WIDTH, 4 * TEXT_WIDTH, eos, TEXT_WIDTH, V, WIDTH, ZOO_SIDE, 4 * WIDTH, PATCH_SIDE, TEXT_WIDTH);
}

// ---- tokenizer

void zoo_tokenizer_write(Arena *a, const char *dir, uint64_t seed, const char *pad_token, int length) {
    Merges *b = merges_new(a, MERGES_CLIP);
    for (uint64_t i = 0; i < SENTENCES; i++) {
        WorldScene s;
        world_scene_in(&s, WORLD_SCENES, seed, SPLIT_TRAIN, i);
        char text[WORLD_TEXT];
        for (int kind = 0; kind < CAPTION_KINDS; kind++)
            if (world_caption(text, &s, (CaptionKind)kind, rng_sub(s.rng, 77))) merges_read(b, text);
    }
    merges_learn(b, 4096);
    merges_special(b, "<|startoftext|>");
    merges_special(b, "<|endoftext|>");
    merges_write(b, dir);
    const char *config = arena_print(a,
        "{\n  \"bos_token\": \"<|startoftext|>\",\n  \"eos_token\": \"<|endoftext|>\",\n  \"errors\": \"replace\",\n"
        "  \"model_max_length\": %d,\n  \"pad_token\": \"%s\",\n  \"tokenizer_class\": \"CLIPTokenizer\",\n"
        "  \"unk_token\": \"<|endoftext|>\"\n}\n", length, pad_token);
    file_write(path_join(a, dir, "tokenizer_config.json"), config, strlen(config));
}

void zoo_preprocessor_write(Arena *a, const char *dir) {
    const char *text = arena_print(a, "{\n  \"crop_size\": {\"height\": %d, \"width\": %d},\n  \"do_center_crop\": true,\n"
        "  \"do_convert_rgb\": true,\n  \"do_normalize\": true,\n  \"do_rescale\": true,\n  \"do_resize\": true,\n"
        "  \"image_mean\": [0.48145466, 0.4578275, 0.40821073],\n  \"image_processor_type\": \"CLIPImageProcessor\",\n"
        "  \"image_std\": [0.26862954, 0.26130258, 0.27577711],\n  \"resample\": 3,\n"
        "  \"rescale_factor\": 0.00392156862745098,\n  \"size\": {\"shortest_edge\": %d}\n}\n", ZOO_SIDE, ZOO_SIDE, ZOO_SIDE);
    file_write(path_join(a, dir, "preprocessor_config.json"), text, strlen(text));
}

// ---- parameters

// Row 1 + p of the table: sines and cosines of the column and of the row of patch p, wavelengths 2 pi 100^(i/n).
static void positions_fill(float *table) {
    int n = WIDTH / 4, side = ZOO_SIDE / PATCH_SIDE;
    for (int p = 0; p < ZOO_PATCHES; p++)
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < n; i++) {
                double angle = (half ? p / side : p % side) / real_exp(real_log(100) * i / n);
                float *row = table + (1 + p) * WIDTH + half * 2 * n;
                row[i] = (float)(0.7 * real_cos(angle - 1.57079632679489661923)); // sin
                row[n + i] = (float)(0.7 * real_cos(angle));
            }
}

static Trainee *parameters_make(Arena *a, const char *dir, const Tokenizer *tok, uint64_t seed) {
    Trainee *t = trainee_new(a, dir, config_text_of(a, tok));
    patch_heads_add(t, HEADS, WIDTH);
    for (size_t i = 0; i < t->count; i++) init_tensor(t->data[i], rules, sizeof rules / sizeof *rules, seed, t->names[i]);
    positions_fill(f32(trainee_find(t, "vision_model.embeddings.position_embedding.weight")));
    return t;
}

// ---- one step

enum { PATCHES, SHAPES_RIGHT, PAIRS, PAIRS_RIGHT, HARD, HARD_RIGHT, LOSSES }; // places among the losses

static Tensor image_embed(Run *run, const Clip *m, Tensor last) {
    return l2norm(run, linear(run, clip_vision_pooled(run, m->vision, last), m->visual_projection, NO_TENSOR), 1e-12f);
}

static Tensor text_embed(Run *run, const Clip *m, Tensor ids) {
    Tensor last = clip_text_forward(run, m->text, ids, NO_TENSOR);
    return l2norm(run, linear(run, clip_text_pooled(run, m->text, last, ids), m->text_projection, NO_TENSOR), 1e-12f);
}

static bool has_texts(int stage) { return stage >= 1; }
static bool has_patches(int stage) { return stage <= 1; }

static void *batch_make(const void *tok, Arena *a, int stage, uint64_t seed, int64_t at) {
    Pairs *p = take(a, Pairs, 1);
    *p = zoo_pairs(a, has_texts(stage) ? tok : NULL, (PairsWanted){.B = BATCH, .K = has_texts(stage) ? NEAR : 0, .full = 75, .truth = has_patches(stage),
                   .seed = seed + 100 + (uint64_t)stage, .first = (uint64_t)at * BATCH});
    return p;
}

static void train_step(const Stage *s, Arena *step, int stage, const void *batch, double *losses, Tensor *later) {
    (void)later; // every loss here is computed by this side
    const Clip *m = s->model->own;
    const Pairs p = *(const Pairs *)batch;
    bool texts = has_texts(stage), patches = has_patches(stage);
    tape_begin(s->tape);
    tape_zero(s->tape);
    Run *run = run_on(step, tape_device(s->tape));
    run->recorder = tape_recorder(s->tape);
    bool wanted[7] = {0};
    Tensor states[7];
    for (int h = 0; h < HEADS; h++) wanted[head_after[h]] = patches;
    Tensor last = clip_vision_forward(run, m->vision, p.pixels, false, texts ? -1 : head_after[0], wanted, states);
    PatchHeads heads = {0};
    if (patches) heads = patch_heads_forward(run, s, (Tensor[HEADS]){states[head_after[0]], states[head_after[1]]}, HEADS);
    if (texts) {
        Tensor image = image_embed(run, m, last), text = text_embed(run, m, p.ids);
        float *di = take(step, float, tensor_count(image)), *dt = take(step, float, tensor_count(text)), ds;
        Contrast c = contrast_loss(step, f32(run_read(run, image)), f32(run_read(run, text)), BATCH, TEXT_WIDTH, NEAR, p.given, f32(run_read(run, m->logit_scale))[0], 1, di, dt, &ds);
        tape_seed(s->tape, step, image, di);
        tape_seed(s->tape, step, text, dt);
        tape_seed(s->tape, step, m->logit_scale, &ds);
        losses[PAIRS] = c.pairs, losses[HARD] = c.hard, losses[PAIRS_RIGHT] = c.pairs_right, losses[HARD_RIGHT] = c.hard_right;
    }
    if (patches) {
        PatchScore score = patch_heads_backward(s, step, &heads, p.truth, 1);
        losses[PATCHES] = score.loss, losses[SHAPES_RIGHT] = score.shape_right;
    }
    tape_backward(s->tape, step, NO_TENSOR, 1);
}

// ---- scores

static Tensor embed_pixels(Run *run, const void *m, Tensor pixels) { return image_embed(run, m, clip_vision_forward(run, ((const Clip *)m)->vision, pixels, false, -1, NULL, NULL)); }
static Tensor embed_ids(Run *run, const void *m, Tensor ids) { return text_embed(run, m, ids); }

static size_t scores_make(Arena *a, const Trainee *t, const Tokenizer *tok, uint64_t seed, Score *out) {
    const Contrastive c = {.model = trainee_model(a, t)->own, .pixels = embed_pixels, .ids = embed_ids, .width = TEXT_WIDTH, .pad = tokenizer_named(tok, TOKEN_EOS)};
    return contrastive_scores(a, &c, tok, "clip: scores", seed, out);
}

// ---- the recipe

const char *zoo_world_hash(Arena *a) {
    Blake2b h;
    uint8_t rgb[ZOO_SIDE * ZOO_SIDE * 3];
    blake2b_start(&h, 16, NULL, 0);
    for (uint64_t i = 0; i < 16; i++) {
        WorldScene s;
        world_scene(&s, WORLD_SCENES, 0, i);
        world_render(&s, ZOO_SIDE, rgb);
        blake2b_add(&h, rgb, sizeof rgb);
        for (int k = 0; k < WORLD_CAPTIONS; k++) {
            char text[WORLD_TEXT] = {0};
            world_caption_of(text, &s, k);
            blake2b_add(&h, text, strlen(text));
        }
    }
    return stamp_text(&h, a);
}

static const AdamConfig adam = {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 1};
static const char *const patterns[STAGES][5] = {
    {"vision_model.embeddings.*", "vision_model.pre_layrnorm.*", "vision_model.encoder.layers.[0-4].*", "patches.*", NULL},
    {"*", NULL},
    {"text_model.*", "text_projection.*", "visual_projection.*", "logit_scale", NULL}};

static Stage *stage_open(Arena *a, Trainee *t, int stage, bool begins) {
    if (stage == 2 && begins) trainee_round(t); // what the text tower learns against is what the file will hold
    return stage_new(a, t, patterns[stage], adam, (Group){.lr_factor = 1, .decay = 0.05});
}

const char *zoo_clip(Arena *a, const ZooOptions *o) {
    folder_make(o->out);
    zoo_tokenizer_write(a, o->out, o->seed, "<|endoftext|>", 77);
    zoo_preprocessor_write(a, o->out);
    const Tokenizer *tok = tokenizer_load(a, o->out, false);
    Trainee *t = parameters_make(a, o->out, tok, o->seed);
    const char *config = config_text_of(a, tok);
    file_write(path_join(a, o->out, "config.json"), config, strlen(config));
    const Course course = {.stages = STAGES, .titles = stage_names, .steps = stage_steps, .lr = stage_lr, .warmup = stage_warmup, .open = stage_open, .make = batch_make, .step = train_step, .arg = tok,
                           .losses = {[PATCHES] = {"patches", 4}, [SHAPES_RIGHT] = {"shapes", 3}, [PAIRS] = {"pairs", 4}, [PAIRS_RIGHT] = {"", 3}, [HARD] = {"near", 4},
                                      [HARD_RIGHT] = {"", 3}},
                           .loss_count = LOSSES};
    const char *recipe = arena_print(a, "clip: patches %d steps lr %g, captions %d steps lr %g, texts %d steps lr %g, batch %d, %d near misses, AdamW 0.9 0.98 decay 0.05 clip 1, "
                                     "warm-up %d, %d and %d, cosine to 0.02, seed %llu", course_steps(&course, o, 0), stage_lr[0], course_steps(&course, o, 1), stage_lr[1],
                                     course_steps(&course, o, 2), stage_lr[2], BATCH, NEAR, stage_warmup[0], stage_warmup[1], stage_warmup[2], (unsigned long long)o->seed);
    Journey *j = journey_open(a, t, o->out, recipe, o->fresh);
    if (!course_run(a, t, o, &course, j)) return trainee_checksum(a, t);
    Score scores[16];
    size_t n = scores_make(a, t, tok, o->seed, scores);
    return course_end(a, t, o, j, (ZooWords){.name = "clip", .recipe = recipe, .training_only = PATCH_HEADS_USED}, scores, n);
}
