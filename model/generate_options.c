// generate_options.c: what a model directory says about how its text is made; see generate.h.
//
// generation_config.json, or config.json where there is none (as files were written before 2023). What changes greedy text is
// followed or refused by name; what only bears on drawing, or on beams, when text is made so. How many beams is for the caller to follow.
#include <string.h>

#include "beams.h"
#include "llama.h"

typedef struct {
    const Json *file, *config, *text; // file NULL: config, then its text part
} Told;

// NULL where nothing is said; null says nothing.
static const Json *told(const Told *t, const char *key) {
    if (t->file) return json_get(t->file, key);
    const Json *v = json_get(t->config, key);
    return v ? v : json_get(t->text, key);
}

static double told_real(const Told *t, const char *key, double otherwise) {
    const Json *v = told(t, key);
    need(!v || v->kind == JSON_NUMBER, "%s: \"%s\" is no number", v->source, key);
    return v ? v->number : otherwise;
}

static int told_int(const Told *t, const char *key, int otherwise) {
    const Json *v = told(t, key);
    need(!v || (v->kind == JSON_NUMBER && v->integral && v->integer >= INT32_MIN && v->integer <= INT32_MAX), "%s: \"%s\" is no whole number", v->source, key);
    return v ? (int)v->integer : otherwise;
}

static int32_t id_of(const Json *v, const char *key) {
    need(v->kind == JSON_NUMBER && v->integral && v->integer >= INT32_MIN && v->integer <= INT32_MAX, "%s: \"%s\" has what is no token id", v->source, key);
    return (int32_t)v->integer;
}

// One id, or a list of them.
static const int32_t *id_list(Arena *a, const Json *v, const char *key, int *count) {
    *count = 0;
    if (!v) return NULL;
    bool many = v->kind == JSON_ARRAY;
    int32_t *list = take(a, int32_t, many ? v->count : 1);
    if (!many) list[(*count)++] = id_of(v, key);
    for (size_t i = 0; many && i < v->count; i++) list[(*count)++] = id_of(&v->items[i], key);
    return list;
}

// A word of several ids is banned at its last, where the others stand before; the end token by itself never is.
static void bad_words_read(Arena *a, GenerateOptions *o, const Json *bad) {
    if (!bad) return;
    need(bad->kind == JSON_ARRAY, "%s: bad_words_ids is no list", bad->source);
    BannedWord *words = take(a, BannedWord, bad->count);
    for (size_t i = 0; i < bad->count; i++) {
        BannedWord w = {0};
        need(bad->items[i].kind == JSON_ARRAY && bad->items[i].count > 0, "%s: bad_words_ids holds what is no list of ids", bad->source);
        w.ids = id_list(a, &bad->items[i], "bad_words_ids", &w.count);
        if (w.count > 1 || !generate_ends(o, w.ids[0])) words[o->word_count++] = w;
    }
    o->words = words;
}

// Processors that are not here. A number that does nothing is not there; neither is false.
static void refuse(const Told *t) {
    static const struct {
        const char *key;
        double off;
    } list[] = {{"encoder_repetition_penalty", 1}, {"encoder_no_repeat_ngram_size", 0}, {"guidance_scale", 1}, {"num_return_sequences", 1}, {"penalty_alpha", 0},
                {"diversity_penalty", 0}, {"num_beam_groups", 1}, {"max_time", -1}, {"forced_bos_token_id", -1}, {"forced_eos_token_id", -1}, {"sequence_bias", -1},
                {"exponential_decay_length_penalty", -1}, {"token_healing", 0}, {"watermarking_config", -1}, {"stop_strings", -1}, {"dola_layers", -1}, {"constraints", -1}, {"force_words_ids", -1}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const Json *v = told(t, list[i].key);
        bool off = !v || (v->kind == JSON_NUMBER && v->number == list[i].off) || (v->kind == JSON_BOOL && !v->truth);
        need(off, "%s: \"%s\" is set, which changes the text and cannot be followed; take it out to generate without it", v->source, list[i].key);
    }
}

// The first of these keys that is set to something.
static const char *first_set(const Told *t, const char *const *keys) {
    for (; *keys; keys++) {
        const Json *v = told(t, *keys);
        if (v && !(v->kind == JSON_BOOL && !v->truth)) return *keys;
    }
    return NULL;
}

// The end tokens: of the file, else of the configuration, else of its class.
static const Json *ends_of(const Told *t, const Model *m) {
    if (told(t, "eos_token_id")) return told(t, "eos_token_id");
    const Json *parts[] = {m->config, config_text(m->config)};
    for (int i = 0; i < 2; i++)
        if (json_find(parts[i], "eos_token_id", 12)) return json_get(parts[i], "eos_token_id"); // null: none
    return NULL;
}

GenerateOptions generate_options(Arena *a, const Model *m) {
    GenerateOptions o = {.max_new = 64, .beams = 1, .length_penalty = 1, .temperature = 1, .top_p = 1, .repetition_penalty = 1};
    Told t = {.config = m->config, .text = config_text(m->config)};
    char *path = path_join(a, m->dir, "generation_config.json");
    if (file_exists(path)) t.file = json_read(a, path);
    need(!t.file || t.file->kind == JSON_OBJECT, "%s: is no JSON object", path);
    const Json *eos = ends_of(&t, m);
    o.eos = id_list(a, eos, "eos_token_id", &o.eos_count);
    if (!eos && !json_find(t.text, "eos_token_id", 12) && llama_end_token(t.text) >= 0) {
        int32_t *one = take(a, int32_t, 1);
        *one = llama_end_token(t.text);
        o.eos = one, o.eos_count = 1;
    }
    refuse(&t);
    o.repetition_penalty = told_real(&t, "repetition_penalty", 1);
    need(o.repetition_penalty > 0, "%s: repetition_penalty must be positive", m->dir);
    o.no_repeat_ngram = told_int(&t, "no_repeat_ngram_size", 0);
    o.min_new = told_int(&t, "min_new_tokens", 0);
    o.min_length = told(&t, "min_new_tokens") ? 0 : told_int(&t, "min_length", 0);
    bad_words_read(a, &o, told(&t, "bad_words_ids"));
    o.banned = id_list(a, told(&t, "suppress_tokens"), "suppress_tokens", &o.banned_count);
    o.banned_first = id_list(a, told(&t, "begin_suppress_tokens"), "begin_suppress_tokens", &o.banned_first_count);
    o.temperature = told_real(&t, "temperature", 1), o.top_p = told_real(&t, "top_p", 1), o.top_k = told_int(&t, "top_k", 0);
    o.beams_told = told_int(&t, "num_beams", 1);
    o.length_penalty = told_real(&t, "length_penalty", 1);
    const Json *early = told(&t, "early_stopping");
    if (early && early->kind == JSON_TEXT) {
        need(strcmp(early->text, "never") == 0, "%s: early_stopping \"%s\"; true, false and never are known", early->source, early->text);
        o.early = EARLY_NEVER;
    } else if (early) o.early = early->kind == JSON_BOOL && early->truth ? EARLY_FIRST : EARLY_USUAL;
    static const char *const drawing[] = {"min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", NULL}, *const searching[] = {"renormalize_logits", NULL};
    o.not_drawn = first_set(&t, drawing), o.not_searched = first_set(&t, searching);
    need(o.beams_told >= 1, "%s: num_beams must be positive", m->dir);
    return o;
}
