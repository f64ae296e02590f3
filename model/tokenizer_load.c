// tokenizer_load.c: from the files of a directory to a Tokenizer.
//
// Source: transformers 5.24, tokenization_utils_base.py and tokenization_utils_tokenizers.py, for
// which file is looked at for what; huggingface/tokenizers, src/processors/*.rs. Bites: beside a
// tokenizer.json the reference does not look at add_bos_token.
#include <string.h>

#include "tokenizer_parts.h"

// ---- post-processors

typedef struct {
    int32_t *ids;
    size_t count, room;
} Side;

static void side_put(const Load *l, Side *s, int64_t id, const char *where) {
    need(id >= 0 && id <= INT32_MAX, "%s: the id %lld", where, (long long)id);
    if (s->count == s->room) {
        s->ids = arena_grow(l->keep, s->ids, s->count, s->room * 2 + 4, sizeof *s->ids);
        s->room = s->room * 2 + 4;
    }
    s->ids[s->count++] = (int32_t)id;
}

static void template_read(const Load *l, const Json *json, Side sides[2], const char *where) {
    const Json *single = json_get(json, "single"), *special = json_get(json, "special_tokens");
    need(single && single->kind == JSON_ARRAY,
         "%s: a TemplateProcessing without its list \"single\"", where);
    int side = 0;
    for (size_t i = 0; i < single->count; i++) {
        const Json *sequence = json_get(&single->items[i], "Sequence"),
                   *token = json_get(&single->items[i], "SpecialToken");
        need(sequence || token, "%s: a part that is neither Sequence nor SpecialToken", where);
        json_keys_once(&single->items[i]);
        json_keys_once(sequence ? sequence : token);
        if (sequence) {
            need(strcmp(json_text(sequence, "id"), "A") == 0 && side == 0,
                 "%s: \"single\" must have the sequence A once, and no other", where);
            side = 1;
            continue;
        }
        const char *name = json_text(token, "id");
        const Json *described = json_get(special, name), *ids = json_get(described, "ids");
        json_keys_once(described);
        need(ids && ids->kind == JSON_ARRAY, "%s: \"%s\" is not in special_tokens", where, name);
        for (size_t k = 0; k < ids->count; k++) {
            need(ids->items[k].kind == JSON_NUMBER && ids->items[k].integral,
                 "%s: an id of \"%s\" is not a whole number", where, name);
            side_put(l, &sides[side], ids->items[k].integer, where);
        }
    }
    need(side == 1, "%s: \"single\" does not have the sequence A", where);
}

static int64_t pair_id(const Json *json, const char *key, const char *where) {
    const Json *pair = json_get(json, key);
    need(pair && pair->kind == JSON_ARRAY && pair->count == 2 &&
             pair->items[1].kind == JSON_NUMBER && pair->items[1].integral,
         "%s: \"%s\" is not [text, id]", where, key);
    return pair->items[1].integer;
}

static void post_read(const Load *l, const Json *json, Side sides[2], int *templates,
                      const char *where) {
    need(json->kind == JSON_OBJECT, "%s: an object with a \"type\" is wanted", where);
    json_keys_once(json);
    const char *type = json_text(json, "type");
    if (strcmp(type, "ByteLevel") == 0) return; // moves offsets, not ids
    if (strcmp(type, "Sequence") == 0) {
        const Json *list = json_get(json, "processors");
        need(list && list->kind == JSON_ARRAY, "%s: a Sequence without its list \"processors\"",
             where);
        for (size_t i = 0; i < list->count; i++)
            post_read(l, &list->items[i], sides, templates, where);
        return;
    }
    need(++*templates == 1, "%s: a Sequence with two parts that add tokens", where);
    if (strcmp(type, "TemplateProcessing") == 0) {
        template_read(l, json, sides, where);
    } else if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
        side_put(l, &sides[0], pair_id(json, "cls", where), where);
        side_put(l, &sides[1], pair_id(json, "sep", where), where);
    } else {
        die("%s: a post-processor of type \"%s\", which this program does not know", where, type);
    }
}

static void post_make(const Load *l, Tokenizer *t) {
    Side sides[2] = {{0}, {0}};
    const Json *given = json_get(l->file, "post_processor");
    int templates = 0;
    const Class *c = l->class;
    bool of_class = c && (c->before != TOKEN_NAMED || c->after != TOKEN_NAMED);
    if (of_class && (!given || l->rebuild)) {
        if (c->before != TOKEN_NAMED && t->named[c->before] >= 0)
            side_put(l, &sides[0], t->named[c->before], l->path);
        if (c->after != TOKEN_NAMED && t->named[c->after] >= 0)
            side_put(l, &sides[1], t->named[c->after], l->path);
    } else if (given) {
        post_read(l, given, sides, &templates, arena_print(l->keep, "%s: post_processor", l->path));
    } else if (!l->file) { // with a tokenizer.json the reference does not look at these
        if (json_bool_or(l->config, "add_bos_token", false) && t->named[TOKEN_BOS] >= 0)
            side_put(l, &sides[0], t->named[TOKEN_BOS], l->path);
        if (json_bool_or(l->config, "add_eos_token", false) && t->named[TOKEN_EOS] >= 0)
            side_put(l, &sides[1], t->named[TOKEN_EOS], l->path);
    }
    t->before = sides[0].ids, t->before_count = sides[0].count;
    t->after = sides[1].ids, t->after_count = sides[1].count;
}

// ---- the parts, from the file or from a class

static const char *truth(bool b) { return b ? "true" : "false"; }

// {"type": "Precompiled"} somewhere in the file's normaliser.
static const Json *charsmap_of(const Json *normalizer) {
    if (!normalizer || normalizer->kind != JSON_OBJECT) return NULL;
    if (strcmp(json_text_or(normalizer, "type", ""), "Precompiled") == 0) return normalizer;
    const Json *list = json_get(normalizer, "normalizers"), *found = NULL;
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->count && !found; i++)
        found = charsmap_of(&list->items[i]);
    return found;
}

static const char *quoted(Arena *a, Piece p) {
    JsonOut *o = json_out(a, 0);
    json_put_text_n(o, NULL, p.text ? p.text : "", p.length);
    return json_done(o, NULL);
}

// The options of tokenizer_config.json that go into a class's parts.
static const char *const *class_values(const Load *l) {
    const Json *c = l->config;
    bool llama = strcmp(l->class->name, "LlamaTokenizer") == 0;
    bool prefix = json_bool_or(c, "add_prefix_space", llama);
    const char *first = json_bool_or(c, "legacy", false) ? "always" : "first";
    const char *strip = ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}";
    bool accents = json_bool_or(c, "strip_accents", false);
    // clang-format off
    const char *values[] = {
        "PREFIX_SPACE", truth(prefix),
        "SCHEME", prefix ? first : "never",
        "STRIP", prefix ? strip : "",
        "CHINESE", truth(json_bool_or(c, "tokenize_chinese_chars", true)),
        "LOWER", truth(json_bool_or(c, "do_lower_case", true)),
        "ACCENTS", json_get(c, "strip_accents") ? truth(accents) : "null",
        "UNK", quoted(l->scratch, named_text(l, TOKEN_UNK)),
        NULL,
    };
    // clang-format on
    const char **kept = take(l->scratch, const char *, sizeof values / sizeof *values);
    memcpy(kept, values, sizeof values);
    return kept;
}

static void parts_of_class(const Load *l, Tokenizer *t) {
    const Class *c = l->class;
    const char *where = arena_print(l->keep, "%s: %s", l->path, c->name);
    const char *const *values = class_values(l);
    const Json *normalizer = c->normalizer ? class_part(l->scratch, c->normalizer, values) : NULL;
    if (strcmp(c->name, "T5Tokenizer") == 0)
        normalizer = charsmap_of(json_get(l->file, "normalizer"));
    t->normals = normals_read(l->keep, normalizer, where);
    t->splits = splits_read(l->keep, class_part(l->scratch, c->pre_tokenizer, values), where);
    t->decodes = decodes_read(l->keep, class_part(l->scratch, c->decoder, values), where);
}

static void parts_of_file(const Load *l, Tokenizer *t) {
    Arena *a = l->keep;
    const char *where = arena_print(a, "%s: normalizer", l->path), *const none[] = {NULL};
    t->normals = normals_read(a, json_get(l->file, "normalizer"), where);
    if (strcmp(t->class, "SiglipTokenizer") == 0) {
        Normals first = normals_read(a, class_part(l->scratch, siglip_cleaning, none), where);
        Normal *both = take(a, Normal, first.count + t->normals.count + 1);
        memcpy(both, first.steps, first.count * sizeof *both);
        if (t->normals.count)
            memcpy(both + first.count, t->normals.steps, t->normals.count * sizeof *both);
        t->normals = (Normals){both, first.count + t->normals.count};
    }
    t->splits = splits_read(a, json_get(l->file, "pre_tokenizer"),
                            arena_print(a, "%s: pre_tokenizer", l->path));
    t->decodes =
        decodes_read(a, json_get(l->file, "decoder"), arena_print(a, "%s: decoder", l->path));
}

static const Json *lines_as_list(Arena *a, const char *path) {
    Bytes b = file_read(a, path);
    char *text = arena_text(a, (const char *)b.bytes, b.size);
    size_t bad = utf8_valid(text, b.size), count = 0;
    need(bad == b.size, "%s: not UTF-8 at byte %zu", path, bad);
    for (size_t i = 0; i < b.size; i++) count += text[i] == '\n';
    Json *items = take_zero(a, Json, count + 1), *list = take_zero(a, Json, 1);
    *list = (Json){.kind = JSON_ARRAY, .items = items, .source = path};
    for (size_t at = 0; at < b.size;) {
        char *end = memchr(text + at, '\n', b.size - at);
        size_t n = end ? (size_t)(end - text) - at : b.size - at, next = at + n + 1;
        text[at + n] = 0;
        if (n && text[at + n - 1] == '\r') text[at + --n] = 0;
        items[list->count++] =
            (Json){.kind = JSON_TEXT, .text = text + at, .length = n, .source = path};
        at = next;
    }
    return list;
}

// A line of vocab.txt is a token, white space at its end left out, its number the id.
static void vocab_lines(Words *w, Arena *a, const Json *lines) {
    words_open(w, a, lines->count);
    for (size_t i = 0; i < lines->count; i++) {
        Piece p = {lines->items[i].text, lines->items[i].length};
        while (p.length) {
            size_t last = utf8_before(p.text, p.length), next = last;
            if (!(unicode_flags(utf8_next(p.text, &next)) & UNI_SPACE)) break;
            p.length = last;
        }
        words_add(w, a, piece_copy(a, p), (int32_t)i);
    }
}

// ---- files

static const Json *optional_json(const Load *l, const char *name) {
    const char *path = path_join(l->scratch, l->dir, name);
    if (!file_exists(path)) return NULL;
    const Json *json = json_read(l->scratch, path);
    need(json->kind == JSON_OBJECT, "%s: an object is wanted", path);
    return json;
}

static bool has(const Load *l, const char *name) {
    return file_exists(path_join(l->scratch, l->dir, name));
}

// Vocabularies in forms that are not read here. The same name stands for SentencePiece's protobuf, whose first byte is 10,
// and for tiktoken's lines of base64 and rank.
static void refuse_other_forms(const Load *l) {
    typedef struct { const char *name, *needs; } Form;
    static const Form tekken = {"Mistral's tekken", "transformers and mistral-common"}, pieces = {"a SentencePiece", "transformers, sentencepiece and protobuf"},
                      ranks = {"a tiktoken", "transformers and tiktoken"};
    static const char *const names[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "qwen.tiktoken", "tekken.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!has(l, names[i])) continue;
        Bytes b = file_read(l->scratch, path_join(l->scratch, l->dir, names[i]));
        const Form *form = strcmp(names[i], "tekken.json") == 0 ? &tekken : b.size && b.bytes[0] == '\n' ? &pieces : &ranks;
        die("%s: %s is %s file, which this program does not read; convert it once, with %s installed: "
            "python -c \"from transformers import AutoTokenizer as A; A.from_pretrained('%s').save_pretrained('%s')\"",
            l->dir, names[i], form->name, form->needs, l->dir, l->dir);
    }
}

static _Noreturn void no_tokenizer(const Load *l) {
    const char *dir = l->dir;
    refuse_other_forms(l);
    need(folder_exists(dir), "%s: no such folder", dir);
    die("%s: no tokenizer.json here, and neither vocab.json with merges.txt nor vocab.txt; save "
        "the tokenizer with save_pretrained('%s')%s",
        dir, dir, has(l, "open_clip_config.json") || has(l, "open_clip_pytorch_model.bin") ? ", or put OpenCLIP's bpe_simple_vocab_16e6.txt.gz there" : "");
}

// Does the file have "ByteLevel" as a text anywhere?
static bool mentions_bytes(const Json *v) {
    if (!v) return false;
    if (v->kind == JSON_TEXT) return strcmp(v->text, "ByteLevel") == 0;
    bool found = false;
    for (size_t i = 0; (v->kind == JSON_OBJECT || v->kind == JSON_ARRAY) && i < v->count && !found;
         i++)
        found = mentions_bytes(&v->items[i]);
    return found;
}

static ModelKind class_kind(const Class *c) {
    if (strcmp(c->name, "BertTokenizer") == 0) return MODEL_WORDPIECE;
    return strcmp(c->name, "T5Tokenizer") == 0 ? MODEL_UNIGRAM : MODEL_BPE;
}

static void from_tokenizer_json(Load *l, Tokenizer *t) {
    const char *version = json_text_or(l->file, "version", "1.0");
    need(strcmp(version, "1.0") == 0, "%s: version \"%s\"; 1.0 is wanted", l->path, version);
    const Json *model = json_get(l->file, "model");
    model_read(&t->model, l->keep, model, l->path);
    if (!l->rebuild) {
        parts_of_file(l, t);
        return;
    }
    parts_of_class(l, t);
    const Json *options = class_part(l->scratch, l->class->model, class_values(l));
    need(t->model.kind == class_kind(l->class), "%s: not the kind of model that %s has", l->path,
         l->class->name);
    model_options(&t->model, l->keep, options);
}

static void from_vocabulary(Load *l, Tokenizer *t) {
    const char *where = arena_print(l->keep, "%s: model", l->path);
    need(l->class,
         "%s: neither tokenizer_config.json nor config.json names a class of tokenizer that says "
         "how to use this vocabulary; save the tokenizer as "
         "tokenizer.json",
         l->path);
    const Json *options = class_part(l->scratch, l->class->model, class_values(l));
    t->model = (Model){.path = l->path, .unk = -1};
    bool lines = strcmp(path_name(l->path), "vocab.txt") == 0;
    need(class_kind(l->class) == (lines ? MODEL_WORDPIECE : MODEL_BPE),
         "%s: not the kind of vocabulary that %s has", l->path, l->class->name);
    if (lines) {
        t->model.kind = MODEL_WORDPIECE;
        vocab_lines(&t->model.words, l->keep, lines_as_list(l->scratch, l->path));
        wordpiece_read(&t->model, l->keep, options, where);
    } else {
        t->model.kind = MODEL_BPE;
        const Json *merges = l->merges ? l->merges : lines_as_list(l->scratch, path_join(l->scratch, l->dir, "merges.txt"));
        bpe_read(&t->model, l->keep, options, l->vocabulary ? l->vocabulary : json_read(l->scratch, l->path), merges, where);
    }
    parts_of_class(l, t);
}

// Whether texts are cleaned as OpenCLIP does it, whose own tokenizer also makes small letters of all; one that it borrows
// from Hugging Face decides about that itself.
static bool is_openclip(const Load *l) {
    static const char *const files[] = {"open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"};
    bool any = l->openclip || l->merges;
    for (size_t i = 0; i < sizeof files / sizeof *files && !any; i++) any = has(l, files[i]);
    return any;
}

static bool is_borrowed(const Load *l) {
    const Json *config = optional_json(l, "open_clip_config.json"), *inner = json_get(config, "model_cfg");
    const Json *name = json_get(json_get(inner ? inner : config, "text_cfg"), "hf_tokenizer_name");
    return name && name->kind == JSON_TEXT;
}

// OpenCLIP's own tokenizer does nothing further to the letters, and has words and names of special tokens of its own.
static void openclip_parts(const Load *l, Tokenizer *t) {
    static const char splits[] = "{`type`:`Sequence`,`pretokenizers`:[{`type`:`Split`,`pattern`:{`Regex`:%OPENCLIP%},`behavior`:`Removed`,`invert`:true},"
                                 "{`type`:`ByteLevel`,`add_prefix_space`:false,`use_regex`:false}]}";
    static const char *const none[] = {NULL};
    t->normals.count = 0;
    if (t->model.kind != MODEL_BPE || !t->model.suffix.length) return;
    t->splits = splits_read(l->keep, class_part(l->scratch, splits, none), l->path);
    t->split_special = true;
}

static Tokenizer *load(Load *l) {
    Tokenizer *t = take_zero(l->keep, Tokenizer, 1);
    bool json = has(l, "tokenizer.json"), bpe = has(l, "vocab.json") && has(l, "merges.txt");
    const char *openclip = json || bpe ? NULL : openclip_vocabulary(l->scratch, l->dir, &l->vocabulary, &l->merges);
    if (!json && !bpe && !openclip && !has(l, "vocab.txt")) no_tokenizer(l);
    t->path = l->path = openclip ? arena_text(l->keep, openclip, strlen(openclip))
                                 : path_join(l->keep, l->dir,
                                             json  ? "tokenizer.json"
                                             : bpe ? "vocab.json"
                                                   : "vocab.txt");
    l->file = json ? json_read(l->scratch, l->path) : NULL;
    need(!json || l->file->kind == JSON_OBJECT, "%s: an object is wanted", l->path);
    l->config = optional_json(l, "tokenizer_config.json");
    if (openclip && !l->config) {
        static const char clip[] = "{\"tokenizer_class\": \"CLIPTokenizer\"}";
        l->config = json_parse(l->scratch, clip, sizeof clip - 1, l->path);
    }
    l->model_config = optional_json(l, "config.json");
    l->special_map = optional_json(l, "special_tokens_map.json");
    l->added_map = optional_json(l, "added_tokens.json");
    bool bytes = mentions_bytes(json_get(l->file, "pre_tokenizer")) ||
                 mentions_bytes(json_get(l->file, "decoder"));
    const char *name;
    l->class = class_pick(l->config, l->model_config, bytes, &name);
    t->class = arena_text(l->keep, name, strlen(name));
    if (l->rebuild && !l->class) {
        note("%s: %s takes the file as it is; there is nothing to rebuild", l->path, name);
        l->rebuild = false;
    }
    words_open(&t->added_words, l->keep, 0);
    words_open(&t->added_ids, l->keep, 0);
    words_open(&t->special, l->keep, 0);
    if (json)
        from_tokenizer_json(l, t);
    else
        from_vocabulary(l, t);
    tokens_add(l, t);
    post_make(l, t);
    bool said = json_get(l->config, "tokenizer_class") || json_get(l->model_config, "model_type");
    bool clip = strcmp(name, "CLIPTokenizer") == 0 ||
                (!said && t->model.kind == MODEL_BPE && t->model.suffix.length);
    t->clip_decode = clip && t->decodes.count == 1 && t->decodes.steps[0].kind == DECODE_BYTES;
    t->clean_up = json_bool_or(l->config, "clean_up_tokenization_spaces", false);
    t->split_special = json_bool_or(l->config, "split_special_tokens", false);
    t->cut_left = strcmp(json_text_or(l->config, "truncation_side", "right"), "left") == 0;
    t->clean = !is_openclip(l) ? CLEAN_NOT : is_borrowed(l) ? CLEAN_SPACES : CLEAN_LOWER;
    if (t->clean == CLEAN_LOWER) openclip_parts(l, t);
    return t;
}

static Tokenizer *load_from(Load l) {
    l.scratch = arena_new("tokenizer files");
    Tokenizer *volatile t = NULL;
    Trap trap;
    if (!trap_set(&trap)) { // the parsed files are large: they go, whatever happens
        arena_free(l.scratch);
        die("%s", trap.message);
    }
    t = load(&l);
    trap_end(&trap);
    arena_free(l.scratch);
    return t;
}

Tokenizer *tokenizer_load(Arena *a, const char *dir, bool rebuild) { return load_from((Load){.keep = a, .dir = dir, .rebuild = rebuild}); }

Tokenizer *tokenizer_load_openclip(Arena *a, const char *dir) { return load_from((Load){.keep = a, .dir = dir, .openclip = true}); }
