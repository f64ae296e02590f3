// verbalize_config.c: --config: the original's interpret.yaml, a flat list of "key: value". Options on the command line win.
//
// What names its files and its model there is accepted and not used: pictures, model and folder are options here.
#include <stdlib.h>
#include <string.h>

#include "io/lines.h"
#include "io/number.h"
#include "verbalize.h"

static bool truth(const char *value, const char *where) {
    static const char *const yes[] = {"true", "True", "yes", "on"}, *const no[] = {"false", "False", "no", "off"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0) return true;
        if (strcmp(value, no[i]) == 0) return false;
    }
    die("%s: \"%s\" is neither true nor false", where, value);
}

static int whole(const char *value, const char *where) {
    int64_t v;
    need(int_parse(value, &v) && v >= 0 && v <= 1000000, "%s: \"%s\" is no whole number from 0 on", where, value);
    return (int)v;
}

static double real(const char *value, const char *where) {
    double v;
    need(real_parse(value, &v), "%s: \"%s\" is no number", where, value);
    return v;
}

static void set(Verbalize *s, const char *key, const char *value, const char *where) {
    static const char *const ids[] = {"pad_token_id", "eos_token_id", "sot_token_id"},
                             *const unused[] = {"model_name", "pretrained", "keep_probs", "input_path_template", "output_caps_path_template", "output_entropy_path_template"};
    bool null = strcmp(value, "null") == 0 || strcmp(value, "~") == 0 || !*value;
    for (int i = 0; i < 3; i++)
        if (strcmp(key, ids[i]) == 0) {
            s->config_ids[i] = null ? 0 : whole(value, where); // 0 and null: the model's own, as in the original
            return;
        }
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        if (strcmp(key, unused[i]) == 0) return;
    if (strcmp(key, "seq_len") == 0) s->seq_len = whole(value, where);
    else if (strcmp(key, "min_seq_len") == 0) s->min_seq_len = whole(value, where);
    else if (strcmp(key, "max_seq_len") == 0) s->max_seq_len = whole(value, where);
    else if (strcmp(key, "top_k") == 0) s->top_k = whole(value, where);
    else if (strcmp(key, "top_p") == 0) s->top_p = real(value, where);
    else if (strcmp(key, "temperature") == 0) s->temperature = real(value, where);
    else if (strcmp(key, "repetition_penalty") == 0) s->repetition_penalty = real(value, where);
    else if (strcmp(key, "fixed_output_length") == 0) s->fixed_length = truth(value, where);
    else if (strcmp(key, "generation_type") == 0) {
        need(strcmp(value, "top_k") == 0 || strcmp(value, "top_p") == 0, "%s: generation_type \"%s\"; top_k and top_p are the original's", where, value);
        s->decode = value[4] == 'p' ? DECODE_TOP_P : DECODE_TOP_K;
    } else {
        die("%s: \"%s\" is no key of the original's interpret.yaml", where, key);
    }
}

void verbalize_config(Verbalize *s, const char *path) {
    Lines *l = lines_open(s->arena, path);
    size_t n;
    for (const char *line; (line = lines_next(l, &n));) {
        const char *where = arena_print(s->arena, "%s:%llu", path, (unsigned long long)lines_number(l));
        char *text = arena_text(s->arena, line, n), *hash = text;
        while ((hash = strchr(hash, '#')) && hash > text && hash[-1] != ' ' && hash[-1] != '\t') hash++;
        if (hash) *hash = 0;
        for (size_t m = strlen(text); m && strchr(" \t", text[m - 1]); m--) text[m - 1] = 0;
        if (!*text || strcmp(text, "---") == 0) continue;
        char *colon = strchr(text, ':');
        need(colon && colon > text && *text != ' ' && *text != '\t', "%s: key: value is wanted, one a line, nothing nested", where);
        *colon = 0;
        char *value = colon + 1;
        while (*value == ' ' || *value == '\t') value++;
        size_t m = strlen(value);
        if (m >= 2 && (value[0] == '"' || value[0] == '\'') && value[m - 1] == value[0]) value[m - 1] = 0, value++;
        set(s, text, value, where);
    }
    lines_close(l);
}
