// verbalize.c: `retina verbalize`: options, the order of the steps.
#include "verbalize.h"
#include "device.h"
#include "version.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/progress.h"
#include "io/temporary.h"
#include "io/thread.h"
#include "io/utf8.h"
#include "model/cpu.h"
#include "verbalize_states.h"

#define DEFAULT_MODEL "data/zoo/coca"
#define STUDY_PROMPT "Describe the image in one short sentence."

char *verbalize_path(Verbalize *s, const char *name) { return path_join(s->arena, s->out, name); }

// ---- options

static Verbalize study = {.out = "out/verbalize", .part_size = 8, .batch_size = 500, .max_new = 32, .calibration = 256, .label_tokens = 1024,
                          .seq_len = 30, .min_seq_len = 5, .top_k = 1, .top_p = 0.9, .temperature = 1, .repetition_penalty = 1, .shards = 1, .choices = -1, .tune_steps = 200};

static struct { // options that become something else
    const char *shard, *config;
    int threads, device, dtype, save;
    bool packed;
} wish;

static Option options[] = {
    {"model", OPT_TEXT, &study.model_dir, "CoCa or LLaVA-type directory, or a CLIP one (nearest captions); default: the small CoCa", NULL},
    {"images", OPT_LIST, &study.images, "folder, list (.txt), table (.csv), archive or pattern a/{00..04}.tar; repeatable; without it the procedural world is drawn", NULL},
    {"features", OPT_LIST, &study.features_given, "states that --save-features kept, in place of pictures: files, or their folder; repeatable", NULL},
    {"out", OPT_TEXT, &study.out, "folder of the results", NULL},
    {"limit", OPT_INT, &study.count, "pictures, from the front of the list; 0: all (of the world: 192)", NULL},
    PICTURE_OPTIONS(study.picture_options),
    {NULL, OPT_FLAG, NULL, "caption", NULL},
    {"layers", OPT_TEXT, &study.layers_text, "all, or 1,5,24; 0: before the first block; default: all, of the world 0,all", NULL},
    {"prompt-text", OPT_TEXT, &study.prompt, "the user's words (LLaVA; default: what ZOO.json of a small model says, else the study's), or the words a caption begins with (CoCa; default: none)", NULL},
    {"max-new-tokens", OPT_INT, &study.max_new, "of a caption (LLaVA)", NULL},
    {"min-new-tokens", OPT_INT, &study.min_new, "of a caption (LLaVA)", NULL},
    {"tap", OPT_CHOICE, &study.tap, "what is read: the stream behind a block, or a module's output inside it (CoCa)", "block|ln_1|attn"},
    {"decode", OPT_CHOICE, &study.decode, "CoCa: greedy is the study's; beam-legacy is OpenCLIP's own search up to 3.x, beam that of transformers, which came after it", "greedy|top_k|top_p|beam-legacy|beam"},
    {"seq-len", OPT_INT, &study.seq_len, "CoCa: whole length, start and end included", NULL},
    {"min-seq-len", OPT_INT, &study.min_seq_len, "CoCa: no end before so many ids", NULL},
    {"top-k", OPT_INT, &study.top_k, "CoCa, of drawing", NULL},
    {"top-p", OPT_REAL, &study.top_p, "CoCa, of drawing", NULL},
    {"temperature", OPT_REAL, &study.temperature, "CoCa, after the filter as in the original", NULL},
    {"temperature-first", OPT_FLAG, &study.temperature_first, "CoCa: before the filter, as elsewhere", NULL},
    {"repetition-penalty", OPT_REAL, &study.repetition_penalty, "CoCa; 1: off", NULL},
    {"config", OPT_TEXT, &wish.config, "CoCa: the original's interpret.yaml; options here win", NULL},
    {"tokenizer", OPT_TEXT, &study.tokenizer, "CoCa: directory with CLIP's tokenizer, where the model's own has none", NULL},
    {"rescale", OPT_CHOICE, &study.rescale, "states brought to the scale of the native layer", "none|norm|moments"},
    {"tuned", OPT_TEXT, &study.tuned, "CoCa: each layer's states are read through its own map, from the tuned.safetensors that the step tune wrote on other pictures", NULL},
    {"tune-steps", OPT_INT, &study.tune_steps, "tune: updates of a layer's map", NULL},
    {"calibration", OPT_INT, &study.calibration, "pictures, from the front, whose mean state is the control and whose scale --rescale takes", NULL},
    {"bank", OPT_TEXT, &study.bank, "CLIP: captions to choose from, one a line; default: those beside the pictures", NULL},
    {"part-size", OPT_INT, &study.part_size, "pictures in a file that a killed run keeps", NULL},
    {"batch", OPT_INT, &study.rows, "captions spoken as one batch, about; 0: by memory. No result depends on it", NULL},
    {"batch-size", OPT_INT, &study.batch_size, "pictures in a caps_batch file", NULL},
    {"save-steps", OPT_FLAG, &study.save_steps, "keep every step in captions/part-*.json: id, log-probability, entropy, and (CoCa) the five likeliest ids", NULL},
    {"save-features", OPT_FLAG, &study.save_features, "keep the states themselves: features/part-*.safetensors, (pictures, tokens, width) a layer", NULL},
    {"save-dtype", OPT_CHOICE, &wish.save, "stored type of the states; auto: that of the computation", "auto|f32|bf16"},
    {"control", OPT_CHOICE, &study.control, "captions of the mean state, of no image tokens, or dealt to other pictures, in place of the pictures' own: for what follows", "none|mean|zero|shuffle"},
    {"shard", OPT_TEXT, &wish.shard, "i/n: only the i-th of n jobs' parts (caption); i from 0", NULL},
    {NULL, OPT_FLAG, NULL, "likelihood and score", NULL},
    {"likelihood", OPT_CHOICE, &study.likelihood, "how likely each layer finds the picture's caption", "on|off"},
    {"choices", OPT_INT, &study.choices, "pictures of the world for which a true caption is held against changed ones; -1: all (CoCa), 32 (LLaVA)", NULL},
    {"judge", OPT_TEXT, &study.judge, "CLIP directory that finds pictures by captions; default: CoCa's own towers; the small CLIP for the small LLaVA", NULL},
    {NULL, OPT_FLAG, NULL, "label and tabulate", NULL},
    {"captions", OPT_LIST, &study.captions_given, "caps_batch*.json to start from, with entropy_batch*.json beside them; repeatable", NULL},
    {"categories", OPT_CHOICE, &study.labeller, "who labels", "auto|none|world|lexicon|llm"},
    {"lexicon", OPT_TEXT, &study.lexicon, "table phrase, class", NULL},
    {"llm", OPT_TEXT, &study.llm, "instruction model that labels", NULL},
    {"label-tokens", OPT_INT, &study.label_tokens, "of an answer, at most", NULL},
    {"labels", OPT_TEXT, &study.labels_dir, "folder of answers that are there already", NULL},
    {"prompt", OPT_CHOICE, &study.prompt_kind, "for the labelling model: repaired, or with the original's faults", "fixed|original"},
    {"parse", OPT_CHOICE, &study.parse, "answers that are not JSON: what can be read, or dropped", "tolerant|strict"},
    {"weighted", OPT_FLAG, &study.weighted, "second and third labels count, too: 1/2 and 1/3 of a first", NULL},
    {"map", OPT_TEXT, &study.map, "table label, class in place of the original's", NULL},
    {"compat", OPT_FLAG, &study.compat, "as the original: its prompt, strict, tables without a column for the layer", NULL},
    {"beside", OPT_LIST, &study.beside_runs, "report: folders of other runs (other seeds of the model), whose emergence stands beside this one's; repeatable", NULL},
    {"references", OPT_TEXT, &study.references, "reference captions: name<TAB>caption lines, or COCO's captions JSON; default: those beside the pictures", NULL},
    {NULL, OPT_FLAG, NULL, "running", NULL},
    {"seed", OPT_LONG, &study.seed, "of world, bootstrap and shuffled control", NULL},
    {"fresh", OPT_FLAG, &study.fresh, "start over instead of going on", NULL},
    {"threads", OPT_INT, &wish.threads, "0: every core of this process", NULL},
    {"device", OPT_CHOICE, &wish.device, "where to compute", "auto|cpu|cuda"},
    {"dtype", OPT_CHOICE, &wish.dtype, "of the computation; f32 is the reference", COMPUTE_CHOICES},
    {"packed", OPT_FLAG, &wish.packed, PACKED_HELP, NULL},
    {"quiet", OPT_FLAG, &quiet, "no progress, no notes", NULL},
};

// Where --name stands on the command line, last; -1: nowhere.
static int place_of(const char *name, int argc, char **argv) {
    size_t n = strlen(name);
    int at = -1;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, n) == 0 && (!argv[i][2 + n] || argv[i][2 + n] == '=')) at = i;
    return at;
}

// The original's settings, read before the options, which win.
static void config_first(Verbalize *s, int argc, char **argv) {
    int at = place_of("config", argc, argv);
    if (at < 0) return;
    if (argv[at][8] == '=') verbalize_config(s, argv[at] + 9);
    else if (at + 1 < argc) verbalize_config(s, argv[at + 1]);
}

// What says nothing to this kind of model, or beside these other options, is told.
static void idle_options(Verbalize *s, int argc, char **argv) {
    enum { LLAVA = 1 << SPEAKS_LLAVA, COCA = 1 << SPEAKS_COCA, CLIP = 1 << SPEAKS_CLIP };
    static const struct {
        const char *name;
        int kinds;
    } own[] = {{"seq-len", COCA}, {"min-seq-len", COCA}, {"top-k", COCA}, {"top-p", COCA}, {"temperature", COCA}, {"temperature-first", COCA}, {"repetition-penalty", COCA}, {"config", COCA}, {"tokenizer", COCA},
               {"max-new-tokens", LLAVA}, {"min-new-tokens", LLAVA}, {"prompt-text", LLAVA | COCA}, {"save-steps", LLAVA | COCA}, {"likelihood", LLAVA | COCA}, {"choices", LLAVA | COCA}, {"bank", CLIP}};
    const Speaker *k = s->speaker;
    for (size_t i = 0; k && i < sizeof own / sizeof *own; i++)
        if (!(own[i].kinds >> k->kind & 1) && place_of(own[i].name, argc, argv) >= 0) note("--%s says nothing to a %s model", own[i].name, k->model->family->name);
    if (!k || k->kind != SPEAKS_COCA) return;
    bool draws = s->decode == DECODE_TOP_K || s->decode == DECODE_TOP_P;
    if (s->decode != DECODE_TOP_K && place_of("top-k", argc, argv) >= 0) note("--top-k says nothing without --decode top_k");
    if (s->decode != DECODE_TOP_P && place_of("top-p", argc, argv) >= 0) note("--top-p says nothing without --decode top_p");
    if (!draws && place_of("temperature-first", argc, argv) >= 0) note("--temperature-first says nothing without --decode top_k or top_p");
    if (!draws && s->decode != DECODE_GREEDY && place_of("temperature", argc, argv) >= 0) note("--temperature says nothing to a search");
}

// "--model $M" of a variable that is not set. No prompt is one, too.
static void check_empty(void) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const Option *o = &options[i];
        if (o->kind == OPT_TEXT && o->value != &study.prompt && *(const char **)o->value && !**(const char **)o->value) die_usage("--%s: is empty; give a value, or leave it out", o->name);
        const TextList *list = o->kind == OPT_LIST ? o->value : NULL;
        for (size_t k = 0; list && k < list->count; k++)
            if (!*list->items[k]) die_usage("--%s: is empty; give a value, or leave it out", o->name);
    }
}

static void check_counts(const Verbalize *s) {
    const OptionCount counts[] = {{"limit", s->count, 0}, {"part-size", s->part_size, 1}, {"batch", s->rows, 0}, {"batch-size", s->batch_size, 1}, {"max-new-tokens", s->max_new, 1},
                                  {"min-new-tokens", s->min_new, 0}, {"calibration", s->calibration, 1}, {"label-tokens", s->label_tokens, 1}, {"tune-steps", s->tune_steps, 1}, {"top-k", s->top_k, 1}, {"choices", s->choices, -1},
                                  {"seq-len", s->seq_len, 2}, {"min-seq-len", s->min_seq_len, 0}, {"threads", wish.threads, 0}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    const struct {
        const char *name;
        double value, most;
    } reals[] = {{"top-p", s->top_p, 1}, {"temperature", s->temperature, INFINITY}, {"repetition-penalty", s->repetition_penalty, INFINITY}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (reals[i].value <= 0 || reals[i].value > reals[i].most) die_usage("--%s %g: above 0%s is wanted", reals[i].name, reals[i].value, reals[i].most == 1 ? " and at most 1" : "");
    if (s->min_seq_len >= s->seq_len) die_usage("--min-seq-len %d: below --seq-len %d is wanted", s->min_seq_len, s->seq_len);
    if (s->tuned && s->rescale) die_usage("--tuned maps were learned from states as they are; leave out --rescale");
    if (s->features_given.count && (s->images.count || s->captions_given.count || s->save_features)) die_usage("--features stands in place of --images and --captions, and is not saved again");
}

// CoCa's decoder takes no instruction: a prompt would be the beginning of every caption.
static bool model_is_coca(Verbalize *s) {
    return file_exists(path_join(s->arena, s->model_dir, "open_clip_config.json")) || !file_exists(path_join(s->arena, s->model_dir, "config.json"));
}

// What follows from other options: the model, its prompt, who labels.
static void defaults(Verbalize *s, bool model_needed, bool labels) {
    if (!s->model_dir) {
        s->model_dir = file_shipped(s->arena, DEFAULT_MODEL);
        need(!model_needed || folder_exists(s->model_dir), "%s: there is no such model directory; give --model DIR, or run in the project's folder, which has a small one", DEFAULT_MODEL);
    }
    s->from_world = s->images.count == 0 && s->captions_given.count == 0 && s->features_given.count == 0;
    const char *zoo = path_join(s->arena, s->model_dir, "ZOO.json");
    bool small = file_exists(zoo);
    if (!s->prompt && !model_is_coca(s)) s->prompt = small ? json_text_or(json_read(s->arena, zoo), "prompt", STUDY_PROMPT) : STUDY_PROMPT;
    if (!s->layers_text) s->layers_text = s->from_world && !s->tap ? "0,all" : "all";
    if (s->labeller == LABEL_AUTO) s->labeller = s->from_world ? LABEL_WORLD : s->llm ? LABEL_LLM : LABEL_LEXICON;
    if (s->labeller == LABEL_LEXICON && labels && !s->labels_dir) need(file_exists(s->lexicon), "%s: there is no such table of phrases; give --lexicon FILE, or --categories none", s->lexicon);
    if (s->labeller == LABEL_LLM && !s->llm && !s->labels_dir) die_usage("--categories llm: --llm DIR is wanted, a directory with an instruction model");
    if (s->compat) s->parse = 1, s->prompt_kind = 1; // strict, original
}

// ---- steps

typedef struct {
    const char *name;
    void (*run)(Verbalize *s);
} Step;

// Jobs of --shard i/n write into one folder, so merging is finding that nothing is missing, and writing the whole.
static void merge(Verbalize *s) {
    Verbal *v = verbal_open(s);
    verbalize_caption_whole(s, v);
    note("%zu pictures, %zu that could not be read, %d layers", v->N, v->failed, v->L);
}

static const Step steps[] = {
    {"caption", verbalize_caption},       // captions of every layer
    {"likelihood", verbalize_likelihood}, // given texts under every layer
    {"score", verbalize_score},           // pictures found by their captions
    {"label", verbalize_label},           // words put into categories
    {"tabulate", verbalize_tabulate},     // tables and figures
    {"report", verbalize_report},         // report.html and table.tsv
    {"merge", merge},                     // join the captions of all shards
    {"tune", verbalize_tune},             // tuned.safetensors: a map for each layer (CoCa)
    {"lexicon", verbalize_lexicon},       // lexicon.tsv from answers of --labels
};
#define QUESTION "question" // the one step that takes a caption
#define STEPS (sizeof steps / sizeof *steps)
#define WHOLE 6 // the study itself

static void record(Verbalize *s, double seconds) {
    Writer *w = writer_open(verbalize_path(s, "run.txt"));
    writer_print(w, "command = %s\n", s->command);
    options_record(s->options, s->option_count, w);
    writer_print(w, "version = %s\nmodel checksum = %s\n", VERSION, s->model ? verbalize_model_stamp(s) : "");
    writer_print(w, "instructions = %s\nthreads used = %d\nseconds = %.1f\n", cpu_describe(), threads_count(), seconds);
    writer_close(w);
}

// What an earlier run was writing when it was killed, also in folders that are complete and written no more.
static void sweep(Verbalize *s) {
    const char *parts[] = {"", "captions", "likelihood", "features", arena_print(s->arena, "label_top3_%s", verbalize_labeller_name(s))};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) temporary_sweep(verbalize_path(s, parts[i]));
}

static void run_steps(Verbalize *s, const Step *step) {
    double started = seconds_now();
    if (s->shards > 1 && !(step && step->run == verbalize_caption)) die_usage("--shard goes with the step caption: `retina verbalize caption --shard %s`, then `retina verbalize merge`", wish.shard);
    folder_make(s->out);
    sweep(s);
    if (step) {
        step->run(s);
        record(s, seconds_now() - started);
        return;
    }
    for (size_t i = 0; i < WHOLE; i++) {
        if (i == WHOLE - 1) record(s, seconds_now() - started);
        steps[i].run(s);
    }
    printf("%s\n", verbalize_path(s, "report.html"));
}

static bool is_step(const char *word) {
    for (size_t i = 0; i < STEPS; i++)
        if (strcmp(word, steps[i].name) == 0) return true;
    return strcmp(word, "all") == 0 || strcmp(word, QUESTION) == 0;
}

static bool is_list(const char *word) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].kind == OPT_LIST && strncmp(word, "--", 2) == 0 && strcmp(word + 2, options[i].name) == 0) return true;
    return false;
}

// "--images a.tar b.tar", as a shell makes it of *.tar: what lies on the disk belongs to the list before it.
static int spread_lists(Arena *a, int argc, char **argv, char ***out) {
    char **wide = take(a, char *, 2 * (size_t)argc + 1), *list = NULL;
    int n = 0;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (list && !is_step(word) && (file_exists(word) || folder_exists(word))) {
            wide[n++] = list, wide[n++] = word;
            continue;
        }
        list = is_list(word) ? word : NULL;
        wide[n++] = word;
        if (list && i + 1 < argc) wide[n++] = argv[++i];
    }
    *out = wide;
    return n;
}

int run_verbalize(int argc, char **argv) {
    Verbalize *s = &study;
    s->arena = arena_new("verbalize");
    argc = spread_lists(s->arena, argc, argv, &argv);
    s->lexicon = file_shipped(s->arena, "data/verbalize/lexicon.tsv");
    s->options = options;
    s->option_count = sizeof options / sizeof *options;
    config_first(s, argc, argv);
    TextList rest;
    options_parse("retina verbalize [all|caption|likelihood|score|label|tabulate|report|merge|tune|lexicon|question CAPTION] [options]",
                  "A caption for every layer of a vision tower; without a step, the whole study. question prints what --llm is asked.", options,
                  s->option_count, argc, argv, &rest);
    if (rest.count && strcmp(rest.items[0], QUESTION) == 0) {
        if (rest.count != 2 || !s->llm) die_usage("verbalize question: --llm DIR and one caption are wanted");
        printf("%s", verbalize_question(s, s->arena, rest.items[1]));
        return 0;
    }
    if (rest.count > 1) die_usage("verbalize: \"%s\" behind \"%s\": one step at a time; without a step, all are done", rest.items[1], rest.items[0]);
    if (wish.shard) option_shard(wish.shard, &s->shard, &s->shards);
    s->compute = (Compute)wish.dtype, s->save_bf16 = wish.save ? wish.save == 2 : s->compute == COMPUTE_BF16;
    check_empty();
    check_counts(s);
    size_t prompt = s->prompt ? strlen(s->prompt) : 0, good = s->prompt ? utf8_valid(s->prompt, prompt) : 0;
    if (good < prompt) die_usage("--prompt-text: is not UTF-8 at byte %zu", good);
    if (wish.threads) threads_set(wish.threads);
    device_pick(wish.device, wish.packed, s->compute);
    bool whole = rest.count == 0 || strcmp(rest.items[0], "all") == 0;
    const Step *step = whole ? NULL : &steps[option_which("verbalize", rest.items[0], steps, sizeof *steps, STEPS)];
    defaults(s, s->captions_given.count == 0 && !(step && step->run == verbalize_lexicon), !step || step->run == verbalize_label);
    char *command = arena_print(s->arena, "retina verbalize");
    for (int i = 0; i < argc; i++) command = arena_print(s->arena, "%s %s", command, argv[i]);
    s->command = command;
    run_steps(s, step);
    idle_options(s, argc, argv);
    return 0;
}
