// verbalize_label.c: step `label`: the parts of every caption get labels, from a grammar, a lexicon or a language model.
//
// All three write answers in the original's layout, one file a layer and batch, so what comes after reads them alike.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/names.h"
#include "io/progress.h"
#include "train/world_words.h"
#include "verbalize_files.h"

static const char *labeller(const Verbalize *s) {
    switch (s->labeller) {
    case LABEL_WORLD: return "world";
    case LABEL_LEXICON: return "lexicon";
    case LABEL_LLM: return s->compat || !s->llm ? "llama_70B" : path_name(s->llm);
    default: return "";
    }
}

const char *verbalize_labeller_name(Verbalize *s) { // a control's captions are others, and so are their answers
    static const char *const suffixes[] = {"", "-mean", "-zero", "-shuffle"};
    return s->control && *labeller(s) ? arena_print(s->arena, "%s%s", labeller(s), suffixes[s->control]) : labeller(s);
}

// Each caption once, in order of appearance.
typedef struct {
    const char *caption; // first: names.h
    const char *answer;
} Distinct;

typedef struct {
    Distinct *items;
    size_t count, room;
    Names names;
} DistinctList;

static Distinct *distinct_of(DistinctList *d, Arena *a, const char *caption) {
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : 256;
        d->items = arena_grow(a, d->items, d->count, room, sizeof *d->items);
        d->room = room;
    }
    d->items[d->count] = (Distinct){.caption = caption};
    const void *old = names_add(&d->names, a, d->items, sizeof *d->items);
    return old ? &d->items[(const Distinct *)old - d->items] : &d->items[d->count++];
}

// ---- the grammar of the world

static const char *world_answer(Arena *a, const char *caption) {
    static const char *const labels[WORD_KINDS] = {[WORD_UNKNOWN] = "UNKNOWN", [WORD_COLOUR] = "color", [WORD_SHAPE] = "object", [WORD_SIZE] = "size", [WORD_PATTERN] = "pattern",
                                                   [WORD_NUMBER] = "number", [WORD_PLACE] = "location", [WORD_POSITION] = "position", [WORD_THING] = "object"};
    WorldReading r = world_read(a, caption, NULL);
    AnswerPart *parts = take(a, AnswerPart, r.count + 1);
    size_t n = 0;
    for (size_t i = 0; i < r.count; i++) {
        if (r.words[i].kind == WORD_FUNCTION) continue;
        const char *phrase = arena_text(a, r.words[i].text, r.words[i].length);
        const char *label = strcmp(phrase, "picture") == 0 ? "composition" : labels[r.words[i].kind];
        parts[n++] = (AnswerPart){.phrase = phrase, .labels = {label, "", ""}};
    }
    return answer_text(a, parts, n);
}

// ---- files

static char *answers_folder(Verbalize *s) { return verbalize_path(s, arena_print(s->arena, "label_top3_%s", verbalize_labeller_name(s))); }

static char *mark_path(Verbalize *s) { return path_join(s->arena, answers_folder(s), "captions.mark"); }

static const char *caps_name(Verbalize *s, int b) {
    return s->captions_given.count ? path_name(s->captions_given.items[b]) : arena_print(s->arena, "caps_batch%d.json", b);
}

static char *answers_path(Verbalize *s, const Verbal *v, int l, int b) {
    return arena_print(s->arena, "%s/classification_%s_top3_labels_layer_%d_%s", answers_folder(s), verbalize_labeller_name(s), v->layer[l] - 1, caps_name(s, b));
}

static void answers_write(Verbalize *s, const Verbal *v, DistinctList *d, int l, int b) {
    Writer *w = writer_open(answers_path(s, v, l, b));
    size_t first, n = verbal_batch(v, s, b, &first);
    writer_print(w, "[");
    for (size_t i = first; i < first + n; i++) {
        if (i > first) writer_print(w, ", ");
        python_text(w, distinct_of(d, s->arena, v->captions[l][i])->answer);
    }
    writer_print(w, "]");
    writer_close(w);
}

void verbalize_label(Verbalize *s) {
    if (s->labels_dir || s->labeller == LABEL_NONE) return; // they are there, or nobody wants them
    Verbal *v = verbal_open(s);
    Arena *a = s->arena;
    DistinctList d = {0};
    for (int l = 0; l < v->L; l++)
        for (size_t i = 0; i < v->N; i++) distinct_of(&d, a, v->captions[l][i]);
    if (s->labeller == LABEL_LLM) {
        const char **captions = take(a, const char *, d.count), **answers = take(a, const char *, d.count);
        for (size_t i = 0; i < d.count; i++) captions[i] = d.items[i].caption;
        verbalize_ask(s, captions, d.count, answers);
        for (size_t i = 0; i < d.count; i++) d.items[i].answer = answers[i];
    } else {
        Lexicon *lexicon = s->labeller == LABEL_LEXICON ? lexicon_read(a, s->map ? classes_read(a, s->map) : classes_original(a), s->lexicon) : NULL;
        for (size_t i = 0; i < d.count; i++) {
            if (lexicon) {
                Answer x = lexicon_answer(lexicon, a, d.items[i].caption);
                d.items[i].answer = answer_text(a, x.parts, x.count);
            } else {
                d.items[i].answer = world_answer(a, d.items[i].caption);
            }
        }
    }
    for (int b = 0; b < v->batches; b++)
        for (int l = 0; l < v->L; l++) answers_write(s, v, &d, l, b);
    verbal_mark(v, verbalize_labeller_name(s), mark_path(s));
}

// ---- reading

// The file of --labels for this layer and batch: whatever labeller's, but only one.
static const char *given_path(Verbalize *s, char **names, size_t count, int layer, const char *caps) {
    const char *found = NULL, *end = arena_print(s->arena, "_layer_%d_%s", layer - 1, caps);
    for (size_t i = 0; i < count; i++) {
        const char *name = path_name(names[i]);
        size_t n = strlen(name), m = strlen(end);
        if (strncmp(name, "classification_", 15) != 0 || n < m || strcmp(name + n - m, end) != 0) continue;
        need(!found, "%s: answers of two labellers for one layer: %s and %s; part them", s->labels_dir, path_name(found), name);
        found = names[i];
    }
    need(found, "%s: no file classification_…%s; answers of every layer and batch are wanted", s->labels_dir, end);
    return found;
}

const char ***verbalize_answers(Verbalize *s, const Verbal *v) {
    Arena *a = s->arena;
    if (s->labeller == LABEL_NONE && !s->labels_dir) return NULL;
    const char ***answers = take(a, const char **, (size_t)v->L);
    size_t count = 0;
    char **names = s->labels_dir ? folder_list(a, s->labels_dir, &count) : NULL;
    for (int l = 0; l < v->L; l++) {
        answers[l] = take_zero(a, const char *, v->N + 1);
        for (int b = 0; b < v->batches; b++) {
            size_t first, n = verbal_batch(v, s, b, &first);
            const char *path = names ? given_path(s, names, count, v->layer[l], caps_name(s, b)) : answers_path(s, v, l, b);
            need(file_exists(path), "%s: is missing; run `retina verbalize label` with the same options first", path);
            const Json *j = json_read(a, path);
            need(j->kind == JSON_ARRAY && j->count == n, "%s: %zu answers for %zu captions", path, j->kind == JSON_ARRAY ? j->count : 0, n);
            for (size_t i = 0; i < n; i++) {
                need(j->items[i].kind == JSON_TEXT, "%s: answer %zu is no text", path, i);
                answers[l][first + i] = j->items[i].text;
            }
        }
    }
    need(names || verbal_marked(v, verbalize_labeller_name(s), mark_path(s)), "%s: answers of other captions; run `retina verbalize label` with the same options first", answers_folder(s));
    return answers;
}

// ---- a lexicon from answers

void verbalize_lexicon(Verbalize *s) {
    if (!s->labels_dir) die_usage("verbalize lexicon: --labels DIR is wanted, a folder with files classification_…_labels_layer_K_….json");
    Arena *a = s->arena;
    size_t count, files = 0, answers = 0, lost = 0;
    char **names = folder_list(a, s->labels_dir, &count);
    Lexicon *l = lexicon_new(a, s->map ? classes_read(a, s->map) : classes_original(a));
    for (size_t f = 0; f < count; f++) {
        if (strncmp(path_name(names[f]), "classification_", 15) != 0 || strcmp(path_extension(names[f]), "json") != 0) continue;
        const Json *j = json_read(a, names[f]);
        need(j->kind == JSON_ARRAY, "%s: is no list of answers", names[f]);
        files++;
        for (size_t i = 0; i < j->count; i++, answers++) {
            need(j->items[i].kind == JSON_TEXT, "%s: answer %zu is no text", names[f], i);
            Answer x = answer_strict(a, j->items[i].text, j->items[i].length);
            lost += !x.sound;
            lexicon_learn(l, &x);
        }
    }
    need(files > 0, "%s: holds no files classification_….json", s->labels_dir);
    lexicon_settle(l);
    char *path = verbalize_path(s, "lexicon.tsv");
    lexicon_write(l, path, 1);
    note("%zu phrases from %zu answers of %zu files (%zu were not JSON)", lexicon_count(l), answers, files, lost);
    printf("%s\n", path);
}
