// verbalize_ask.c: an instruction model labels captions, asked as the original asked it.
//
// The prompt is the original's to the letter, its typing errors and its example that is no JSON included (--prompt original), or
// the same with the example repaired (--prompt fixed). Each distinct caption is asked once, greedily; an answer ends with the
// model's end token, when its outermost brace closes, or when it says one part for the 31st time: loops that never close are the
// most frequent fault of the original's answers.
#include <stdio.h>
#include <string.h>

#include "io/csv.h"
#include "io/json.h"
#include "io/progress.h"
#include "io/stamp.h"
#include "model/generate.h"
#include "model/prompt.h"
#include "verbalize.h"

#define AT_ONCE 16     // captions in a file of answers, and in a batch
#define REPEATS_MOST 30

#define IN "\n            " // the original's source is indented, and its lines keep that
static const char system_text[] =
    "Label Visual Attributes in Captions\n" IN
    "You help me label captions with visual attributes. I give you a caption in my prompt." IN
    "For each part of the caption you give upto 3 labels. here is the list of possible labels:" IN
    "[male,female,person,young,old,facial expression,hair color,hair style,body part,object,furniture,vehicle,electronics,tools,toys,shape," IN
    "texture,color,size,material,pattern,composition,style,position,state,orientation,surface,background,clothing,accessories,atmosphere,event," IN
    "outdoor scene,indoor scene,nature,plants,body of water,weather, season,buildings,lighting,food,drink,dessert,fruits,sport,transportation,signs,animal," IN
    "locations or places,rooms,actions,interactions,relations,technology,numbers,time,UNKNOWN]." IN
    "before assigning the class, remove non-words. an example of non-word is \"'s\" and \"-\"." IN
    "Do not remove the repeated words." IN
    "If you do not know the word label it as \"UNKNOWN\". It is better to use \"UNKNOWN\" then to put labels you are unsure or not confident about!" IN
    "You do not give any explanations." IN
    "Respond with a json dictionary where the keys are the parts of the caption and the values are 3 classes per each part of the caption.";
static const char user_1[] = "The girl with the yellow sun hat is holding a cat.";
#define ASSISTANT_1(action)                                                                        \
    "{" IN "\"The girl\": [\"person\", \"young\", \"female\"]," IN "\"yellow\": [\"color\", \"\", \"\"]," IN            \
    "\"sun hat\": [\"clothing\",\"season\",\"object\"]," IN "\"is holding\": [\"" action "\",\"\",\"\"]," IN             \
    "\"a cat\": [\"animal\",\"\",\"\"]" IN "}"
static const char user_2[] = "the handgadragon girl 's fat with dragon 's adobe handcgadragon 's handgadragon 's handcgadragon 's ' sports ...";
#define ASSISTANT_2(comma, unknown)                                                                \
    "{" IN "\"the handgadragon\" : [\"UNKNOWN\",\"\",\"\"]" comma IN "\"girl\": [\"person\",\"female\",\"young\"]," IN     \
    "\"fat\": [\"state\",\"\",\"\"]," IN "\"with dragon\": [\"animal\",\"\",\"\"]," IN "\"adobe\": [\"UNKNOWN\",\"\",\"\"]," IN \
    "\"handcgadragon\": [\"" unknown "\",\"\",\"\"]," IN "\"handgadragon\": [\"UNKNOWN\",\"\",\"\"]," IN                  \
    "\"handcgadragon\": [\"" unknown "\",\"\",\"\"]," IN "\"sports\": [\"sport\",\"\",\"\"]\n        }"

static char *question(Arena *a, const Chat *chat, bool original, const char *caption) {
    const ChatTurn turns[] = {{.role = CHAT_SYSTEM, .text = system_text},
                              {.role = CHAT_USER, .text = user_1},
                              {.role = CHAT_ASSISTANT, .text = original ? ASSISTANT_1("action") : ASSISTANT_1("actions")},
                              {.role = CHAT_USER, .text = user_2},
                              {.role = CHAT_ASSISTANT, .text = original ? ASSISTANT_2("", "UNKNOWNn") : ASSISTANT_2(",", "UNKNOWN")},
                              {.role = CHAT_USER, .text = caption}};
    return chat_render(a, chat, turns, sizeof turns / sizeof *turns, true, THINK_OFF);
}

const char *verbalize_question(Verbalize *s, Arena *a, const char *caption) {
    Chat chat = chat_load(a, s->llm);
    need(chat.family != CHAT_NONE, "%s: has no chat template; an instruction model is wanted", s->llm);
    return question(a, &chat, s->prompt_kind == 1, caption);
}

// ---- listening

typedef struct {
    TokenStream *stream;
    char *text;
    size_t length, room;
    int depth;
    bool opened, quoted, escaped;
    const char *why; // why it was stopped; NULL: it was not
} Ear;

typedef struct {
    Arena *arena;
    Ear *ears;
} Ears;

// Whether the last part of what was said so far was said too often.
static bool repeats(Ears *e, const Ear *ear) {
    Mark mark = arena_mark(e->arena);
    Answer x = answer_tolerant(e->arena, ear->text, ear->length);
    int n = 0;
    for (size_t i = 0; i < x.count; i++) n += strcmp(x.parts[i].phrase, x.parts[x.count - 1].phrase) == 0;
    arena_release(e->arena, mark);
    return n > REPEATS_MOST;
}

static void hear_char(Ears *e, Ear *ear, char c) {
    if (c == '\n') return; // as the original
    if (ear->length + 1 >= ear->room) {
        size_t room = ear->room ? ear->room * 2 : 1024;
        ear->text = arena_grow(e->arena, ear->text, ear->length, room, 1);
        ear->room = room;
    }
    ear->text[ear->length++] = c, ear->text[ear->length] = 0;
    if (ear->quoted) {
        if (ear->escaped) ear->escaped = false;
        else if (c == '\\') ear->escaped = true;
        else if (c == '"') ear->quoted = false;
        return;
    }
    if (c == '"') ear->quoted = true;
    else if (c == '{') ear->depth++, ear->opened = true;
    else if (c == '}' && ear->depth > 0 && --ear->depth == 0) ear->why = "closed";
    else if (c == ']' && repeats(e, ear)) ear->why = "repeats";
}

static bool hear(void *arg, int text, int32_t id) {
    Ears *e = arg;
    Ear *ear = &e->ears[text];
    for (const char *c = stream_put(ear->stream, id); *c && !ear->why; c++) hear_char(e, ear, *c);
    return ear->why == NULL;
}

// ---- asking

typedef struct {
    Arena *arena;
    Model *model;
    Prompter prompter;
    GenerateOptions options;
    const char *made_from, *folder;
    bool original;
} Asker;

static void ask(Asker *k, const char *path, const char *const *captions, size_t n) {
    Arena *a = arena_new("answers");
    Inputs *prompts = take_zero(a, Inputs, n);
    Ears ears = {.arena = a, .ears = take_zero(a, Ear, n)};
    for (size_t i = 0; i < n; i++) {
        const char *text = question(a, &k->prompter.chat, k->original, captions[i]);
        Ids ids = tokenizer_encode(k->prompter.tokenizer, a, text, strlen(text), k->prompter.chat.special);
        need(k->model->context == 0 || ids.count + (size_t)k->options.max_new <= (size_t)k->model->context, "%s: the question of %zu tokens and an answer of %d do not fit into its %d positions; --label-tokens N asks for less",
             k->model->dir, ids.count, k->options.max_new, k->model->context);
        prompts[i].ids = tensor_of(ids.ids, DTYPE_I32, DIMS(1, (long)ids.count));
        ears.ears[i] = (Ear){.stream = stream_new(k->prompter.tokenizer, a, false), .text = arena_text(a, "", 0)};
    }
    GenerateOptions o = k->options;
    o.heard = hear, o.arg = &ears;
    Generated *g = generate(a, k->model, prompts, (int)n, &o, NULL);
    JsonOut *out = json_out(a, 1);
    json_open(out, NULL, '{');
    json_put_text(out, "made_from", k->made_from);
    json_open(out, "answers", '[');
    for (size_t i = 0; i < n; i++) {
        Ear *ear = &ears.ears[i];
        if (!ear->why)
            for (const char *c = stream_end(ear->stream); *c; c++) hear_char(&ears, ear, *c);
        json_open(out, NULL, '{');
        json_put_text(out, "caption", captions[i]);
        json_put_text(out, "answer", ear->text);
        json_put_text(out, "stopped", strcmp(g[i].stopped, "stop") == 0 ? ear->why : g[i].stopped);
        json_close(out);
    }
    json_close(out);
    json_close(out);
    json_file_write(out, path);
    arena_free(a);
}

static const Json *chunk_read(Asker *k, const char *path, const char *const *captions, size_t n) {
    const Json *list = json_get(json_kept(k->arena, path, k->made_from), "answers");
    if (!list || list->kind != JSON_ARRAY || list->count != n) return NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(json_text_or(&list->items[i], "caption", ""), captions[i]) != 0) return NULL;
    return list;
}

// The model by its content: another one in the same folder is asked again.
static const char *made_from_of(Verbalize *s) {
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    const char *settings = arena_print(s->arena, "%s|%d", s->prompt_kind == 1 ? "original" : "fixed", s->label_tokens);
    blake2b_add(&h, settings, strlen(settings));
    stamp_model(&h, s->llm);
    return stamp_text(&h, s->arena);
}

void verbalize_ask(Verbalize *s, const char *const *captions, size_t count, const char **answers) {
    Asker asker = {.arena = s->arena, .model = model_open(s->arena, s->llm, false), .original = s->prompt_kind == 1}, *k = &asker;
    need(k->model->family->generates && !k->model->family->takes_images, "%s: a %s model; a language model with a chat template is wanted", s->llm, k->model->family->name);
    k->prompter = prompter_load(s->arena, k->model);
    need(k->prompter.chat.family != CHAT_NONE, "%s: has no chat template; an instruction model is wanted", s->llm);
    k->options = generate_options(s->arena, k->model);
    k->options.max_new = s->label_tokens;
    k->made_from = made_from_of(s);
    k->folder = verbalize_path(s, arena_print(s->arena, "label_top3_%s", verbalize_labeller_name(s)));
    Progress bar = progress_start("label", count);
    static const char *const columns[] = {"caption", "stopped"};
    CsvWriter *w = NULL;
    for (size_t at = 0; at < count; at += AT_ONCE) {
        size_t n = count - at < AT_ONCE ? count - at : AT_ONCE;
        char *path = arena_print(s->arena, "%s/answers-%05zu.json", k->folder, at / AT_ONCE);
        const Json *list = s->fresh ? NULL : chunk_read(k, path, captions + at, n);
        if (list) progress_resume(&bar, at + n);
        else {
            ask(k, path, captions + at, n);
            list = chunk_read(k, path, captions + at, n);
            need(list, "%s: was written and cannot be read", path);
        }
        if (!w) w = csv_create(s->arena, path_join(s->arena, k->folder, "stopped.csv"), ',', columns, 2);
        for (size_t i = 0; i < n; i++) {
            answers[at + i] = json_text(&list->items[i], "answer");
            csv_put(w, captions[at + i]), csv_put(w, json_text(&list->items[i], "stopped"));
            csv_end_row(w);
        }
        progress_at(&bar, at + n);
    }
    if (w) csv_finish(w);
    progress_end(&bar);
}
