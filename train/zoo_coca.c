// zoo_coca.c: the recipe of the zoo's `coca`.
//
// The vision tower begins as the clip's of the zoo, which has learned shapes (world.md 3), with two new blocks behind it:
//   0  the tower's old blocks stand still: new blocks, pooler, text tower and decoder learn words; short padding, for speed
//   1  everything: captions, CLIP's loss with near misses, and the clip's patch targets after blocks 3 and 5; texts padded to the
//      context, where the class row stands in use
// Losses as in the paper (Yu et al. 2022): contrastive 1, captions 2. OpenCLIP's two slips (labels not shifted, the decoder's
// projection never initialised) are not repeated. The contrastive side reads captions that tell everything, the decoder
// two for each picture, of every kind down to one word, and lists from top to bottom (zoo_data.c). The heads on the patch tokens are not saved.
#include <string.h>

#include "init.h"
#include "io/blake2b.h"
#include "io/file.h"
#include "model/coca.h"
#include "real.h"
#include "zoo.h"

enum { BATCH = 32, NEAR = 4, SAID = 2, STAGES = 2, HEADS = 2, WIDTH = 96, BLOCKS = 8, OLD_BLOCKS = 6, E = 64, CONTEXT = 31 };
static const int head_after[HEADS] = {5, 3}; // blocks
static const int stage_steps[STAGES] = {1000, 6000};
static const double stage_lr[STAGES] = {3e-3, 2e-3};
enum { WARMUP = 100 };
static const int stage_warmup[STAGES] = {WARMUP, WARMUP};
#define OLD_LR 0.3      // of the rate, for what comes from the clip
#define CAPTION_WEIGHT 2
#define PATCH_WEIGHT 0.5
static const char *const stage_names[STAGES] = {"coca: words", "coca: everything"};
static const char *const patterns[STAGES][8] = {
    {"visual.transformer.resblocks.[67].*", "visual.attn_pool.*", "visual.ln_post.*", "visual.proj", "text.*", "text_decoder.*", "logit_scale", NULL}, {"*", NULL}};

static const InitRule rules[] = {
    {"logit_scale", INIT_CONSTANT, 2.6592600369327783}, // ln(1 / 0.07)
    {"*norm.weight", INIT_CONSTANT, 1},
    {"*.ln_*.weight", INIT_CONSTANT, 1},
    {"*bias", INIT_CONSTANT, 0},
    {"visual.attn_pool.query", INIT_NORMAL, 1},
    {"visual.*_embedding", INIT_CONSTANT, 0}, // from the clip, as most of the tower
    {"visual.transformer.*.out_proj.weight", INIT_NORMAL_FAN, 0.1}, // a new block begins as nearly nothing
    {"visual.transformer.*.c_proj.weight", INIT_NORMAL_FAN, 0.1},
    {"text.token_embedding.weight", INIT_NORMAL, 0.1},
    {"text.positional_embedding", INIT_NORMAL, 0.05},
    {"text.cls_emb", INIT_NORMAL, 0.05},
    {"text.*.out_proj.weight", INIT_NORMAL_FAN, 0.40824829046386302}, // (2 L)^-0.5: blocks add up to size one
    {"text.*.c_proj.weight", INIT_NORMAL_FAN, 0.40824829046386302},
    {"text_decoder.*.out_proj.weight", INIT_NORMAL_FAN, 0.28867513459481287},
    {"text_decoder.*.c_proj.weight", INIT_NORMAL_FAN, 0.28867513459481287},
    {"*_projection", INIT_NORMAL, 0.125}, // E^-0.5
    {"visual.proj", INIT_NORMAL, 0.125},
    {"*weight", INIT_NORMAL_FAN, 1},
};

// The reference wants hf_tokenizer_name to look for tokenizer.json beside the weights; its own vocabulary is fixed.
static const char *config_text_of(Arena *a, const Tokenizer *tok) {
    return arena_print(a, "{\n \"embed_dim\": %d,\n"
        " \"vision_cfg\": {\"image_size\": %d, \"layers\": %d, \"width\": %d, \"head_width\": 24, \"patch_size\": %d, \"attentional_pool\": true, "
        "\"attn_pooler_queries\": 33, \"attn_pooler_heads\": 4, \"output_tokens\": true},\n"
        " \"text_cfg\": {\"context_length\": %d, \"vocab_size\": %d, \"width\": %d, \"heads\": 2, \"layers\": 3, \"embed_cls\": true, \"output_tokens\": true, "
        "\"hf_tokenizer_name\": \"coca\"},\n"
        " \"multimodal_cfg\": {\"context_length\": %d, \"vocab_size\": %d, \"width\": %d, \"heads\": 2, \"layers\": 3},\n \"custom_text\": true\n}",
        E, ZOO_SIDE, BLOCKS, WIDTH, PATCH_SIDE, CONTEXT, tokenizer_highest(tok) + 1, E, CONTEXT, tokenizer_highest(tok) + 1, E);
}

static void config_write(Arena *a, const char *dir, const char *model) {
    const char *text = arena_print(a, "{\"model_cfg\": %s,\n\"preprocess_cfg\": {\"size\": [%d, %d], \"mode\": \"RGB\", \"mean\": [0.48145466, 0.4578275, 0.40821073], "
        "\"std\": [0.26862954, 0.26130258, 0.27577711], \"interpolation\": \"bicubic\", \"resize_mode\": \"shortest\", \"fill_color\": 0}}\n", model, ZOO_SIDE, ZOO_SIDE);
    file_write(path_join(a, dir, "open_clip_config.json"), text, strlen(text));
}

// ---- parameters

// The clip's vision tower under OpenCLIP's names; its three projections become the thirds of one.
static void tower_read(Arena *a, const Trainee *t, const char *clip) {
    static const char *const bare[][2] = {{"embeddings.class_embedding", "class_embedding"}, {"embeddings.patch_embedding.weight", "conv1.weight"},
                                          {"embeddings.position_embedding.weight", "positional_embedding"},
                                          {"pre_layrnorm.weight", "ln_pre.weight"}, {"pre_layrnorm.bias", "ln_pre.bias"}};
    static const char *const block[][2] = {{"layer_norm1", "ln_1"}, {"layer_norm2", "ln_2"}, {"self_attn.out_proj", "attn.out_proj"}, {"mlp.fc1", "mlp.c_fc"}, {"mlp.fc2", "mlp.c_proj"}};
    static const char *const kinds[] = {"weight", "bias"};
    Tensors *file = tensors_open(a, clip);
    for (int i = 0; i < 5; i++) {
        Tensor x = trainee_find(t, arena_print(a, "visual.%s", bare[i][1]));
        tensor_widen(f32(x), file, arena_print(a, "vision_model.%s", bare[i][0]), tensor_count(x));
    }
    for (int l = 0; l < OLD_BLOCKS; l++)
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < 5; i++) {
                Tensor x = trainee_find(t, arena_print(a, "visual.transformer.resblocks.%d.%s.%s", l, block[i][1], kinds[k]));
                tensor_widen(f32(x), file, arena_print(a, "vision_model.encoder.layers.%d.%s.%s", l, block[i][0], kinds[k]), tensor_count(x));
            }
            Tensor x = trainee_find(t, arena_print(a, "visual.transformer.resblocks.%d.attn.in_proj_%s", l, kinds[k]));
            for (size_t i = 0, n = tensor_count(x) / 3; i < 3; i++)
                tensor_widen(f32(x) + i * n, file, arena_print(a, "vision_model.encoder.layers.%d.self_attn.%c_proj.%s", l, "qkv"[i], kinds[k]), n);
        }
    tensors_close(file);
}

static Trainee *parameters_make(Arena *a, const ZooOptions *o, const char *config) {
    Trainee *t = trainee_new(a, o->out, config);
    t->file = "open_clip_model.safetensors";
    patch_heads_add(t, HEADS, WIDTH);
    for (size_t i = 0; i < t->count; i++) init_tensor(t->data[i], rules, sizeof rules / sizeof *rules, o->seed, t->names[i]);
    tower_read(a, t, o->clip);
    return t;
}

static bool from_clip(const char *name) {
    static const char *const old[] = {"visual.class_embedding", "visual.positional_embedding", "visual.conv1.", "visual.ln_pre."};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strncmp(name, old[i], strlen(old[i])) == 0) return true;
    static const char blocks[] = "visual.transformer.resblocks.";
    return strncmp(name, blocks, sizeof blocks - 1) == 0 && name[sizeof blocks - 1] - '0' < OLD_BLOCKS;
}

// ---- one step

enum { CAPTIONS, PAIRS, PAIRS_RIGHT, HARD, HARD_RIGHT, PATCHES, SHAPES_RIGHT, LOSSES }; // places among the losses

// Texts [from, to) of (R, L, C).
static Tensor texts_slice(Run *run, Tensor x, long from, long to) {
    long L = x.shape[1], C = x.shape[2];
    Tensor flat = rows_slice(run, tensor_view(x, DIMS(1, x.shape[0] * L, C)), from * L, to * L);
    return tensor_view(flat, DIMS(to - from, L, C));
}

static void *batch_make(const void *tok, Arena *a, int stage, uint64_t seed, int64_t at) {
    Pairs *p = take(a, Pairs, 1);
    *p = zoo_pairs(a, tok, (PairsWanted){.B = BATCH, .K = NEAR, .full = 100, .truth = stage == 1, .boxes = BOX_FROM_MIDDLE, .habitats = true, .pad_zero = true, .said = SAID,
                   .length = stage ? CONTEXT : 0, .seed = seed + 700 + (uint64_t)stage, .first = (uint64_t)at * BATCH});
    return p;
}

static void train_step(const Stage *s, Arena *step, int stage, const void *batch, double *losses, Tensor *later) {
    const Coca *m = s->model->own;
    const Pairs p = *(const Pairs *)batch;
    bool patches = stage == 1;
    tape_begin(s->tape);
    tape_zero(s->tape);
    Run *run = run_on(step, tape_device(s->tape));
    run->recorder = tape_recorder(s->tape);
    bool wanted[BLOCKS] = {0};
    Tensor states[BLOCKS];
    for (int h = 0; h < HEADS; h++) wanted[head_after[h]] = patches;
    Tensor pooled = coca_pool(run, m, coca_tower(run, m, p.pixels, wanted, states));
    PatchHeads heads = {0};
    if (patches) heads = patch_heads_forward(run, s, (Tensor[HEADS]){states[head_after[0]], states[head_after[1]]}, HEADS);
    Tensor text, tokens = coca_text(run, m, p.ids, &text); // all of them: contrastive ones, near misses, the decoder's
    long R = p.ids.shape[0], L = p.ids.shape[1], told = R - SAID * BATCH;
    tokens = rows_slice(run, texts_slice(run, tokens, told, R), 0, L - 1);
    Tensor seen = coca_image_tokens(run, m, pooled), flat = tensor_view(seen, DIMS(1, BATCH * seen.shape[1], E)); // each picture once for each of its captions
    seen = tensor_view(concat_tokens(run, flat, flat), DIMS(SAID * BATCH, seen.shape[1], E));
    Tensor logits = coca_decode(run, m, tokens, seen), next = tensor_take(step, DTYPE_I32, DIMS(SAID * BATCH, L - 1));
    for (long b = 0; b < SAID * BATCH; b++)
        for (long t = 0; t < L - 1; t++) {
            int32_t id = i32(p.ids)[(told + b) * L + t + 1];
            i32(next)[b * (L - 1) + t] = id ? id : -1; // padding is not learned
        }
    Tensor loss = cross_entropy(run, logits, next);
    later[CAPTIONS] = loss;
    if (patches) {
        PatchScore score = patch_heads_backward(s, step, &heads, p.truth, PATCH_WEIGHT);
        losses[PATCHES] = score.loss, losses[SHAPES_RIGHT] = score.shape_right;
    }
    Tensor image = l2norm(run, coca_image_embed(run, m, pooled), 1e-12f);
    text = rows_slice(run, tensor_view(l2norm(run, text, 1e-12f), DIMS(1, R, E)), 0, told);
    float *di = take(step, float, tensor_count(image)), *dt = take(step, float, tensor_count(text)), ds;
    Contrast c = contrast_loss(step, f32(run_read(run, image)), f32(run_read(run, text)), BATCH, E, NEAR, p.given, f32(run_read(run, m->logit_scale))[0], 1, di, dt, &ds);
    tape_seed(s->tape, step, image, di);
    tape_seed(s->tape, step, text, dt);
    tape_seed(s->tape, step, m->logit_scale, &ds);
    losses[PAIRS] = c.pairs, losses[HARD] = c.hard, losses[PAIRS_RIGHT] = c.pairs_right, losses[HARD_RIGHT] = c.hard_right;
    tape_backward(s->tape, step, loss, CAPTION_WEIGHT);
}

// ---- the recipe

static const AdamConfig adam = {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 1};

static Stage *stage_open(Arena *a, Trainee *t, int stage, bool begins) {
    (void)begins;
    Stage *s = stage_new(a, t, patterns[stage], adam, (Group){.lr_factor = 1, .decay = 0.05});
    for (size_t i = 0; i < tape_parameters(s->tape); i++)
        if (from_clip(s->names[i])) s->adam->groups[i].lr_factor = OLD_LR;
    return s;
}

const char *zoo_coca(Arena *a, const ZooOptions *o) {
    folder_make(o->out);
    zoo_tokenizer_write(a, o->out, o->seed, "!", CONTEXT); // id 0 is the byte "!": CoCa's padding
    const Tokenizer *tok = tokenizer_load(a, o->out, false);
    const char *config = config_text_of(a, tok);
    config_write(a, o->out, config);
    Trainee *t = parameters_make(a, o, config);
    const Course course = {.stages = STAGES, .titles = stage_names, .steps = stage_steps, .lr = stage_lr, .warmup = stage_warmup, .open = stage_open, .make = batch_make, .step = train_step, .arg = tok,
                           .losses = {[CAPTIONS] = {"captions", 4}, [PAIRS] = {"pairs", 4}, [PAIRS_RIGHT] = {"", 3}, [HARD] = {"near", 4}, [HARD_RIGHT] = {"", 3},
                                      [PATCHES] = {"patches", 4}, [SHAPES_RIGHT] = {"shapes", 3}},
                           .loss_count = LOSSES};
    const char *recipe = arena_print(a, "coca: words %d steps lr %g, everything %d steps lr %g (blocks of the clip %g of it), batch %d, %d near misses, %d captions said with weight %d, "
                                     "patches %g, AdamW 0.9 0.98 decay 0.05 clip 1, warm-up %d, cosine to 0.02, seed %llu, tower %.16s", course_steps(&course, o, 0), stage_lr[0],
                                     course_steps(&course, o, 1), stage_lr[1], OLD_LR, BATCH, NEAR, SAID, CAPTION_WEIGHT, PATCH_WEIGHT, WARMUP, (unsigned long long)o->seed,
                                     tower_checksum(a, o->clip));
    Journey *j = journey_open(a, t, o->out, recipe, o->fresh);
    if (!course_run(a, t, o, &course, j)) return trainee_checksum(a, t);
    Score scores[32];
    size_t n = coca_scores(a, t, tok, o->seed, scores);
    return course_end(a, t, o, j, (ZooWords){.name = "coca", .recipe = recipe, .training_only = PATCH_HEADS_USED}, scores, n);
}
