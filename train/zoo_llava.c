// zoo_llava.c: the recipe of the zoo's `llava`: the vision tower of the zoo's clip, a projector, a small Llama.
//
// Stages as in the paper (Liu et al. 2023), before them the language itself:
//   0  the language model alone: captions, and questions about them, which the caption answers
//   1  the projector alone, on captions
//   2  projector and language model, half captions, half questions
// and one more, because questions about places and about what is not there need it:
//   3  everything but the tower's last block, which nobody reads: captions, lessons of many questions, and the clip's patch
//      targets after blocks 3 and 5, with places told from the picture's middle
// The tower stands still until then; what is saved is this model's own.
#include <string.h>

#include "init.h"
#include "io/blake2b.h"
#include "io/file.h"
#include "merges.h"
#include "model/llava.h"
#include "zoo_dialog.h"
#include "zoo_llava.h"

enum { BATCH = 32, STAGES = 4, HEADS = 2, LESSONS = 20, SENTENCES = 3000, WIDTH = 128, INNER = 352, BLOCKS = 4, CONTEXT = 512 };
static const int stage_steps[STAGES] = {440, 165, 2200, 6000};
static const double stage_lr[STAGES] = {2e-3, 3e-3, 2e-3, 1e-3};
enum { WARMUP = 100 };
static const int stage_warmup[STAGES] = {WARMUP, WARMUP, WARMUP, WARMUP};
static const char *const stage_names[STAGES] = {"llava: language", "llava: projector", "llava: answers", "llava: everything"};
static const int head_after[HEADS] = {5, 3}; // blocks; the projector reads the state after the fifth
#define PATCH_WEIGHT 0.25
static const char *const patterns[STAGES][8] = {{"model.language_model.*", "lm_head.weight", NULL},
                                                {"model.multi_modal_projector.*", NULL},
                                                {"model.language_model.*", "lm_head.weight", "model.multi_modal_projector.*", NULL},
    {"model.language_model.*", "lm_head.weight", "model.multi_modal_projector.*", "model.vision_tower.*embeddings*",
     "model.vision_tower.*pre_layrnorm*", "model.vision_tower.*layers.[0-4].*", "patches.*", NULL}};

static const InitRule rules[] = {
    {"model.vision_tower.*", INIT_CONSTANT, 0}, // read from the clip
    {"*norm.weight", INIT_CONSTANT, 1},
    {"*layernorm.weight", INIT_CONSTANT, 1},
    {"*.bias", INIT_CONSTANT, 0},
    {"*embed_tokens.weight", INIT_NORMAL, 0.1},
    {"*o_proj.weight", INIT_NORMAL_FAN, 0.35355339059327373}, // (2 L)^-0.5: blocks add up to size one
    {"*down_proj.weight", INIT_NORMAL_FAN, 0.35355339059327373},
    {"*.weight", INIT_NORMAL_FAN, 1},
};

// ---- files

static Merges *words_learn(Arena *a, uint64_t seed) {
    Merges *b = merges_new(a, MERGES_LLAMA);
    for (uint64_t i = 0; i < SENTENCES; i++) {
        WorldScene s;
        world_scene_in(&s, WORLD_SCENES, seed, SPLIT_TRAIN, i);
        char text[WORLD_TEXT];
        for (int kind = 0; kind < CAPTION_KINDS; kind++)
            if (world_caption(text, &s, (CaptionKind)kind, rng_sub(s.rng, 77))) merges_read(b, text);
        WorldQuestion q[ASK_KINDS];
        int n = world_questions(q, &s);
        for (int k = 0; k < n; k++) {
            merges_read(b, arena_print(a, "USER: \n%s ASSISTANT: %s", q[k].question, q[k].answer)); // after the picture's line break
            merges_read(b, q[k].question);
        }
        merges_read(b, "USER: \n" DESCRIBE " ASSISTANT:");
    }
    merges_learn(b, 4096);
    return b;
}

static const char chat_template[] =
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' ' }}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' ' }}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

static void put_file(Arena *a, const char *dir, const char *name, const char *text) {
    file_write(path_join(a, dir, name), text, strlen(text));
}

static void files_write(Arena *a, const char *dir, int image, int pad) {
    zoo_preprocessor_write(a, dir);
    put_file(a, dir, "chat_template.jinja", chat_template);
    put_file(a, dir, "generation_config.json", arena_print(a, "{\n  \"bos_token_id\": 1,\n  \"do_sample\": false,\n  \"eos_token_id\": 2,\n"
             "  \"pad_token_id\": %d\n}\n", pad));
    put_file(a, dir, "processor_config.json", arena_print(a, "{\n  \"image_token\": \"<image>\",\n  \"num_additional_image_tokens\": 1,\n"
             "  \"patch_size\": %d,\n  \"processor_class\": \"LlavaProcessor\",\n  \"vision_feature_select_strategy\": \"default\"\n}\n", PATCH_SIDE));
    put_file(a, dir, "tokenizer_config.json", arena_print(a,
             "{\n  \"add_bos_token\": true,\n  \"add_eos_token\": false,\n  \"added_tokens_decoder\": {\n"
             "    \"%d\": {\"content\": \"<image>\", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, \"single_word\": false, \"special\": true},\n"
             "    \"%d\": {\"content\": \"<pad>\", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, \"single_word\": false, \"special\": true}\n  },\n"
             "  \"bos_token\": \"<s>\",\n  \"clean_up_tokenization_spaces\": false,\n  \"eos_token\": \"</s>\",\n  \"image_token\": \"<image>\",\n"
             "  \"legacy\": true,\n  \"model_max_length\": %d,\n  \"pad_token\": \"<pad>\",\n  \"processor_class\": \"LlavaProcessor\",\n"
             "  \"tokenizer_class\": \"LlamaTokenizer\",\n  \"unk_token\": \"<unk>\"\n}\n", image, pad, CONTEXT));
}

// The tower's configuration is the clip's, word for word.
static const char *config_make(Arena *a, const char *clip, int V, int image, int pad) {
    const Json *c = json_get(json_read(a, path_join(a, clip, "config.json")), "vision_config");
    need(c, "%s/config.json: no vision_config; is it a CLIP?", clip);
    return arena_print(a, "{\n  \"architectures\": [\"LlavaForConditionalGeneration\"],\n  \"dtype\": \"bfloat16\",\n  \"image_seq_length\": %d,\n"
        "  \"image_token_index\": %d,\n  \"model_type\": \"llava\",\n  \"multimodal_projector_bias\": true,\n  \"pad_token_id\": %d,\n"
        "  \"projector_hidden_act\": \"gelu\",\n"
        "  \"text_config\": {\n    \"attention_bias\": false,\n    \"attention_dropout\": 0.0,\n    \"bos_token_id\": 1,\n    \"eos_token_id\": 2,\n"
        "    \"head_dim\": 32,\n    \"hidden_act\": \"silu\",\n    \"hidden_size\": %d,\n    \"intermediate_size\": %d,\n"
        "    \"max_position_embeddings\": %d,\n    \"mlp_bias\": false,\n    \"model_type\": \"llama\",\n    \"num_attention_heads\": 4,\n"
        "    \"num_hidden_layers\": %d,\n    \"num_key_value_heads\": 2,\n    \"pad_token_id\": %d,\n    \"rms_norm_eps\": 1e-05,\n"
        "    \"rope_parameters\": {\"rope_theta\": 10000.0, \"rope_type\": \"default\"},\n    \"tie_word_embeddings\": false,\n"
        "    \"use_cache\": true,\n    \"vocab_size\": %d\n  },\n  \"tie_word_embeddings\": false,\n"
        "  \"vision_config\": {\n    \"attention_dropout\": 0.0,\n    \"hidden_act\": \"%s\",\n    \"hidden_size\": %lld,\n    \"image_size\": %lld,\n"
        "    \"intermediate_size\": %lld,\n    \"layer_norm_eps\": 1e-05,\n    \"model_type\": \"clip_vision_model\",\n"
        "    \"num_attention_heads\": %lld,\n    \"num_channels\": 3,\n    \"num_hidden_layers\": %lld,\n    \"patch_size\": %lld,\n"
        "    \"projection_dim\": %lld\n  },\n  \"vision_feature_layer\": -2,\n  \"vision_feature_select_strategy\": \"default\"\n}\n",
        ZOO_PATCHES, image, pad, WIDTH, INNER, CONTEXT, BLOCKS, pad, V, json_text(c, "hidden_act"), (long long)json_int(c, "hidden_size"),
        (long long)json_int(c, "image_size"), (long long)json_int(c, "intermediate_size"), (long long)json_int(c, "num_attention_heads"),
        (long long)json_int(c, "num_hidden_layers"), (long long)json_int(c, "patch_size"), (long long)json_int(c, "projection_dim"));
}

static void tower_read(Arena *a, Trainee *t, const char *clip) {
    static const char prefix[] = "model.vision_tower.";
    Tensors *file = tensors_open(a, clip);
    for (size_t i = 0; i < t->own; i++) {
        if (strncmp(t->names[i], prefix, sizeof prefix - 1) != 0) continue;
        tensor_widen(f32(t->data[i]), file, arena_print(a, "vision_model.%s", t->names[i] + sizeof prefix - 1), tensor_count(t->data[i]));
    }
    tensors_close(file);
}

// ---- one step

enum { CAPTIONS, ANSWERS, LOSSES }; // places among the losses, nats per token

static Tensor after(Run *run, Tensor ids, long from) { // columns [from, T) of i32 (B, T)
    long B = ids.shape[0], T = ids.shape[1];
    Tensor out = run_input(run, DTYPE_I32, DIMS(B, T - from));
    for (long b = 0; b < B; b++) memcpy(i32(out) + b * (T - from), i32(ids) + b * T + from, (size_t)(T - from) * sizeof(int32_t));
    return out;
}

// What the projector reads. With the truth about the pictures, heads look at their patches, too.
static Tensor visual(Run *run, const Stage *s, const Dialogs *d, PatchHeads *heads) {
    const Llava *m = s->model->own;
    if (!d->truth) return llava_visual(run, m, d->pixels);
    bool wanted[7] = {0};
    Tensor states[7];
    for (int h = 0; h < HEADS; h++) wanted[head_after[h]] = true;
    clip_vision_forward(run, m->vision, d->pixels, false, head_after[0], wanted, states);
    *heads = patch_heads_forward(run, s, (Tensor[HEADS]){states[head_after[0]], states[head_after[1]]}, HEADS);
    return rows_slice(run, states[head_after[0]], 1, ZOO_PATCHES + 1);
}

// One batch of talks: the gradient of its loss is added. *loss, and *answers: that of the answers alone.
static void talks_step(const Stage *s, const Dialogs *d, Arena *step, Tensor *loss, Tensor *answers) {
    const Llava *m = s->model->own;
    tape_begin(s->tape);
    Run *run = run_on(step, tape_device(s->tape));
    run->recorder = tape_recorder(s->tape);
    PatchHeads heads = {0};
    Tensor x = llama_embed(run, m->text, d->ids);
    if (tensor_given(d->pixels)) x = llava_merge(run, m, x, d->ids, llava_project(run, m, visual(run, s, d, &heads)));
    Tensor h = llama_forward(run, m->text, x, NO_TENSOR, NULL);
    Tensor logits = llama_logits(run, m->text, rows_slice(run, h, d->silent, d->ids.shape[1]));
    *loss = cross_entropy(run, logits, after(run, d->targets, d->silent));
    *answers = cross_entropy(run, logits, after(run, d->answers, d->silent));
    if (heads.heads) patch_heads_backward(s, step, &heads, d->truth, PATCH_WEIGHT);
    tape_backward(s->tape, step, *loss, 1);
}

// The first is whole in the stages of language and projector, where there is no second.
typedef struct {
    Dialogs first, second;
    bool two;
} Batch;

static void *batch_make(const void *who, Arena *a, int stage, uint64_t seed, int64_t at) {
    Batch *b = take_zero(a, Batch, 1);
    uint64_t from = seed + 500 + (uint64_t)stage, first = (uint64_t)at * BATCH;
    if (stage < 2) {
        b->first = dialogs_make(a, who, from, first, BATCH, stage == 0 ? TALK_BOTH : TALK_CAPTION, stage > 0, false);
        return b;
    }
    int asked = stage == 3 ? LESSONS : BATCH / 2, told = BATCH - asked;
    b->two = true;
    b->first = dialogs_make(a, who, from, first, told, stage == 3 ? TALK_COLUMN : TALK_CAPTION, true, stage == 3);
    b->second = dialogs_make(a, who, from, first + (uint64_t)told, asked, stage == 3 ? TALK_LESSON : TALK_QUESTIONS, true, stage == 3);
    return b;
}

static void train_step(const Stage *s, Arena *step, int stage, const void *batch, double *losses, Tensor *later) {
    (void)stage, (void)losses;
    const Batch *b = batch;
    Tensor none;
    tape_zero(s->tape);
    talks_step(s, &b->first, step, &later[CAPTIONS], &later[ANSWERS]);
    if (b->two) talks_step(s, &b->second, step, &none, &later[ANSWERS]);
}

// ---- the recipe

static const AdamConfig adam = {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 1};

static Stage *stage_open(Arena *a, Trainee *t, int stage, bool begins) {
    (void)begins;
    return stage_new(a, t, patterns[stage], adam, (Group){.lr_factor = 1, .decay = 0.01});
}

const char *zoo_llava(Arena *a, const ZooOptions *o) {
    folder_make(o->out);
    Merges *words = words_learn(a, o->seed);
    int image = merges_special(words, "<image>"), pad = merges_special(words, "<pad>"), V = (merges_size(words) + 7) / 8 * 8;
    merges_write(words, o->out);
    files_write(a, o->out, image, pad);
    const char *config = config_make(a, o->clip, V, image, pad);
    put_file(a, o->out, "config.json", config);
    Speaker who = {.tok = tokenizer_load(a, o->out, false), .image = image, .image_tokens = ZOO_PATCHES};
    Trainee *t = trainee_new(a, o->out, config);
    patch_heads_add(t, HEADS, (int)json_int(json_get(t->config, "vision_config"), "hidden_size"));
    for (size_t i = 0; i < t->count; i++) init_tensor(t->data[i], rules, sizeof rules / sizeof *rules, o->seed, t->names[i]);
    tower_read(a, t, o->clip);
    const Course course = {.stages = STAGES, .titles = stage_names, .steps = stage_steps, .lr = stage_lr, .warmup = stage_warmup, .open = stage_open, .make = batch_make, .step = train_step, .arg = &who,
                           .losses = {[CAPTIONS] = {"captions", 4}, [ANSWERS] = {"answers", 4}}, .loss_count = LOSSES};
    const char *recipe = arena_print(a, "llava: language %d steps lr %g, projector %d steps lr %g, answers %d steps lr %g, everything %d steps lr %g, batch %d, AdamW 0.9 0.98 "
                                     "decay 0.01 clip 1, warm-up %d, cosine to 0.02, seed %llu, tower %.16s", course_steps(&course, o, 0), stage_lr[0], course_steps(&course, o, 1),
                                     stage_lr[1], course_steps(&course, o, 2), stage_lr[2], course_steps(&course, o, 3), stage_lr[3], BATCH, WARMUP, (unsigned long long)o->seed,
                                     tower_checksum(a, o->clip));
    Journey *j = journey_open(a, t, o->out, recipe, o->fresh);
    if (!course_run(a, t, o, &course, j)) return trainee_checksum(a, t);
    Score scores[32];
    size_t n = llava_scores(a, t, &who, o->seed, scores);
    return course_end(a, t, o, j, (ZooWords){.name = "llava", .recipe = recipe, .prompt = DESCRIBE,
                                             .training_only = "in the last stage, two linear heads on the patch tokens after blocks 3 and 5, not saved; questions about halves of the picture"},
                      scores, n);
}
