// tokenizer_load.c: from the files of a directory to a Tokenizer.
//
// Source: transformers 5.24, tokenization_utils_base.py (_from_pretrained) and tokenization_utils_tokenizers.py
// (__init__) for which tokens are added in which order; huggingface/tokenizers,
// src/tokenizer/added_vocabulary.rs for the ids they get.
// Bites: an added token gets the id that its text has in the vocabulary or else the next free one; the "id"
// in the file is only what it had when it was saved. Tokens named in tokenizer_config.json are added to the
// vocabulary if they are not there.
#include <stdlib.h>
#include <string.h>

#include "tokenizer_parts.h"

typedef struct {
    Arena *keep, *scratch; // what lives as long as the tokenizer; what is needed while loading
    const char *dir, *path; // path: of the file that has the vocabulary
    const Json *file, *config, *model_config, *special_map, *added_map; // NULL: not there
    const Class *class;
    bool rebuild;
} Load;

// ---- adding tokens

static Piece normalised(const Load *l, const Tokenizer *t, Piece content) {
    Growing buffers[2] = {{.arena = l->scratch}, {.arena = l->scratch}};
    bool origin = true;
    return normals_apply(&t->normals, buffers, content, &origin);
}

// As add_tokens there: all of a list get their ids by what was there before the list.
static void added_put(const Load *l, Tokenizer *t, const Added *list, size_t count) {
    Arena *a = l->keep;
    int64_t vocabulary = (int64_t)(t->model.kind == MODEL_UNIGRAM ? t->model.score_count : t->model.words.count);
    int64_t next = t->added_ids.highest >= vocabulary || (vocabulary == 0 && t->added_count) ? (int64_t)t->added_ids.highest + 1 : vocabulary;
    for (size_t i = 0; i < count; i++) {
        Added added = list[i];
        if (added.content.length == 0) continue;
        int32_t index = words_id(&t->added_words, added.content.text, added.content.length);
        if (index < 0) {
            if (t->added_count == t->added_room) {
                t->added = arena_grow(a, t->added, t->added_count, t->added_room * 2 + 16, sizeof *t->added);
                t->added_room = t->added_room * 2 + 16;
            }
            index = (int32_t)t->added_count++;
            added.content = piece_copy(a, added.content);
            added.id = words_id(&t->model.words, added.content.text, added.content.length);
            if (added.id < 0) {
                need(next <= INT32_MAX, "%s: no id is left for the added token \"%.80s\"", t->path, added.content.text);
                added.id = (int32_t)next++;
            }
            words_add(&t->added_words, a, added.content, index);
        } else {
            added.content = t->added[index].content;
            added.id = t->added[index].id;
        }
        added.normal = added.normalized ? piece_copy(a, normalised(l, t, added.content)) : added.content;
        t->added[index] = added;
        words_add(&t->added_ids, a, added.content, added.id);
        if (added.special) words_add(&t->special, a, added.content, 0);
    }
}

static void tries_make(const Load *l, Tokenizer *t) {
    trie_open(&t->raw, l->keep);
    trie_open(&t->normal, l->keep);
    for (size_t i = t->added_count; i-- > 0;) { // of two with the same text, the first stays
        const Added *a = &t->added[i];
        if (a->normal.length == 0 || added_of(t, a->id) != a) continue;
        trie_add(a->normalized ? &t->normal : &t->raw, l->keep, a->normal, (int32_t)i);
    }
}

// ---- added tokens as files spell them

static bool flag(const Json *o, const char *key, bool otherwise) { return json_bool_or(o, key, otherwise); }

// "<s>" or {"content": "<s>", "lstrip": …}. false: neither.
static bool added_read(const Json *v, bool special, Added *out) {
    *out = (Added){0};
    if (v && v->kind == JSON_TEXT) {
        *out = (Added){.content = {v->text, v->length}, .special = true};
        return true;
    }
    const Json *content = v && v->kind == JSON_OBJECT ? json_get(v, "content") : NULL;
    if (!content || content->kind != JSON_TEXT) return false;
    out->content = (Piece){content->text, content->length};
    out->special = special || flag(v, "special", false);
    out->single_word = flag(v, "single_word", false);
    out->left = flag(v, "lstrip", false);
    out->right = flag(v, "rstrip", false);
    out->normalized = flag(v, "normalized", !out->special);
    return true;
}

// A list with its texts indexed; of two with the same text, the later one is found.
typedef struct {
    Added *items;
    size_t count, room;
    Words places; // content → index
} AddedList;

static void list_put(const Load *l, AddedList *list, Added a) {
    if (list->count == list->room) {
        list->items = arena_grow(l->scratch, list->items, list->count, list->room * 2 + 32, sizeof a);
        list->room = list->room * 2 + 32;
    }
    if (list->count == 0) words_open(&list->places, l->scratch, 0);
    words_add(&list->places, l->scratch, a.content, (int32_t)list->count);
    list->items[list->count++] = a;
}

static bool list_has(const AddedList *list, Piece content) { return words_id(&list->places, content.text, content.length) >= 0; }

static int by_id(const void *a, const void *b) {
    const Added *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

// In the order of ids; of two with one id, the later one, as in a dict.
static AddedList by_ids(const Load *l, AddedList list) {
    AddedList out = {0};
    for (size_t i = 0; i < list.count; i++) list.items[i].order = i;
    if (list.count) qsort(list.items, list.count, sizeof *list.items, by_id);
    for (size_t i = 0; i < list.count; i++)
        if (i + 1 == list.count || list.items[i + 1].id != list.items[i].id) list_put(l, &out, list.items[i]);
    return out;
}

static Added file_token(const Load *l, const Json *v, size_t i) {
    Added a;
    need(added_read(v, false, &a), "%s: added_tokens: entry %zu has no \"content\"", l->path, i);
    int64_t id = json_int(v, "id");
    need(id >= 0 && id <= INT32_MAX, "%s: added_tokens: the id of \"%.80s\" is %lld", l->path, a.content.text, (long long)id);
    a.id = (int32_t)id;
    return a;
}

static AddedList file_tokens(const Load *l) {
    AddedList list = {0};
    const Json *given = json_get(l->file, "added_tokens");
    need(!given || given->kind == JSON_ARRAY, "%s: \"added_tokens\" is not a list", l->path);
    for (size_t i = 0; given && i < given->count; i++) list_put(l, &list, file_token(l, &given->items[i], i));
    return list;
}

// ---- what the configuration adds

// A named token: tokenizer_config.json, then special_tokens_map.json unless the former has its own list of
// added tokens, then the class. NULL with *given: it says that there is none.
static const Json *named_given(const Load *l, const char *key, bool *given) {
    size_t n = strlen(key);
    const Json *v = NULL;
    *given = false;
    if (!json_get(l->config, "added_tokens_decoder") && (v = json_find(l->special_map, key, n))) *given = true;
    else if ((v = json_find(l->config, key, n))) *given = true;
    return v && v->kind != JSON_NULL ? v : NULL;
}

static const char *const named_keys[TOKEN_NAMED] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// tokenizer_config.json's added_tokens_decoder, or what older files have instead. Sorted by id.
static AddedList config_tokens(const Load *l, const AddedList *from_file, const AddedList *special) {
    AddedList list = {0};
    const Json *decoder = json_get(l->config, "added_tokens_decoder");
    if (decoder) {
        need(decoder->kind == JSON_OBJECT, "%s/tokenizer_config.json: \"added_tokens_decoder\" is not an object", l->dir);
        for (size_t i = 0; i < decoder->count; i++) {
            Added a;
            char *end;
            long id = strtol(decoder->keys[i], &end, 10);
            need(*decoder->keys[i] && !*end && id >= 0 && id <= INT32_MAX, "%s/tokenizer_config.json: added_tokens_decoder: \"%.40s\" is not an id", l->dir, decoder->keys[i]);
            need(added_read(&decoder->items[i], false, &a), "%s/tokenizer_config.json: added_tokens_decoder: %ld has no \"content\"", l->dir, id);
            a.id = (int32_t)id;
            list_put(l, &list, a);
        }
    } else {
        for (size_t i = 0; l->added_map && i < l->added_map->count; i++) {
            const Json *id = &l->added_map->items[i];
            need(id->kind == JSON_NUMBER && id->integral && id->integer >= 0 && id->integer <= INT32_MAX, "%s/added_tokens.json: \"%.80s\" has no id", l->dir, l->added_map->keys[i]);
            Added a = {.content = {l->added_map->keys[i], l->added_map->key_lengths[i]}, .id = (int32_t)id->integer};
            a.special = list_has(special, a.content);
            a.normalized = !a.special;
            list_put(l, &list, a);
        }
        for (size_t i = 0; i < from_file->count; i++) list_put(l, &list, from_file->items[i]);
    }
    return by_ids(l, list);
}

// bos_token … mask_token, then every other *_token, as they stand.
static AddedList named_tokens(const Load *l, Piece contents[TOKEN_NAMED]) {
    AddedList list = {0};
    Added a;
    for (int i = 0; i < TOKEN_NAMED; i++) {
        bool given;
        const Json *v = named_given(l, named_keys[i], &given);
        contents[i] = (Piece){0};
        if (v) need(added_read(v, false, &a), "%s/tokenizer_config.json: \"%s\" is neither a text nor a token", l->dir, named_keys[i]);
        else if (!given && l->class && l->class->named[i]) a = (Added){.content = {l->class->named[i], strlen(l->class->named[i])}, .special = true};
        else continue;
        contents[i] = a.content;
        list_put(l, &list, a);
    }
    for (size_t i = 0; l->config && l->config->kind == JSON_OBJECT && i < l->config->count; i++) {
        const char *key = l->config->keys[i];
        size_t n = strlen(key);
        bool own = n > 6 && strcmp(key + n - 6, "_token") == 0;
        for (int k = 0; k < TOKEN_NAMED; k++) own = own && strcmp(key, named_keys[k]) != 0;
        if (own && added_read(&l->config->items[i], false, &a)) list_put(l, &list, a);
    }
    const Json *extra = json_get(l->config, "extra_special_tokens");
    for (size_t i = 0; extra && extra->kind == JSON_OBJECT && i < extra->count; i++)
        if (added_read(&extra->items[i], false, &a)) list_put(l, &list, a);
    return list;
}

static void list_put_all(const Load *l, AddedList *list, const Json *given) {
    Added a;
    for (size_t i = 0; given && given->kind == JSON_ARRAY && i < given->count; i++)
        if (added_read(&given->items[i], false, &a) && !list_has(list, a.content)) list_put(l, list, a);
}

// extra_special_tokens, which used to be additional_special_tokens.
static AddedList extra_tokens(const Load *l) {
    AddedList list = {0};
    const Json *extra = json_get(l->config, "extra_special_tokens"), *older = json_get(l->config, "additional_special_tokens");
    if (!extra || extra->count == 0) extra = older ? older : extra;
    list_put_all(l, &list, extra);
    if (!json_get(l->config, "added_tokens_decoder")) {
        const Json *more = json_get(l->special_map, "extra_special_tokens");
        if (!more && !extra) more = json_get(l->special_map, "additional_special_tokens");
        list_put_all(l, &list, more);
        if (more) extra = more;
    }
    if (!extra && l->class && strcmp(l->class->name, "T5Tokenizer") == 0)
        for (int i = 0; i < 100; i++) { // its extra_ids
            const char *text = arena_print(l->scratch, "<extra_id_%d>", i);
            list_put(l, &list, (Added){.content = {text, strlen(text)}, .special = true});
        }
    return list;
}

static void tokens_add(const Load *l, Tokenizer *t) {
    AddedList file = file_tokens(l);
    if (file.count) added_put(l, t, file.items, file.count);
    size_t moved = 0, first = 0;
    for (size_t i = 0; i < file.count; i++)
        if (tokenizer_id(t, file.items[i].content.text) != file.items[i].id && moved++ == 0) first = i;
    if (moved)
        note("%s: %zu added tokens get other ids than the file says, as in the reference: \"%.80s\" has %d there and %d here", l->path, moved, file.items[first].content.text,
             file.items[first].id, tokenizer_id(t, file.items[first].content.text));
    Piece contents[TOKEN_NAMED];
    AddedList named = named_tokens(l, contents), extra = extra_tokens(l), special = named;
    for (size_t i = 0; i < extra.count; i++) list_put(l, &special, extra.items[i]);
    AddedList add = config_tokens(l, &file, &special);
    for (size_t i = 0; i < add.count; i++)
        if (list_has(&named, add.items[i].content)) add.items[i].special = true;
    for (size_t i = 0; i < special.count; i++) {
        Added a = special.items[i];
        if (words_id(&t->added_words, a.content.text, a.content.length) >= 0 || list_has(&add, a.content)) continue;
        if (i < named.count) a.special = true;
        list_put(l, &add, a);
    }
    if (add.count) added_put(l, t, add.items, add.count);
    if (l->class && strcmp(l->class->name, "Qwen2Tokenizer") == 0) { // it adds its special tokens once more, plain
        AddedList again = {0};
        for (size_t i = 0; i < special.count; i++) list_put(l, &again, (Added){.content = special.items[i].content, .special = true});
        if (again.count) added_put(l, t, again.items, again.count);
    }
    for (int i = 0; i < TOKEN_NAMED; i++) t->named[i] = contents[i].text ? tokenizer_id(t, arena_text(l->scratch, contents[i].text, contents[i].length)) : -1;
    tries_make(l, t);
}

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
    need(single && single->kind == JSON_ARRAY, "%s: a TemplateProcessing without its list \"single\"", where);
    int side = 0;
    for (size_t i = 0; i < single->count; i++) {
        const Json *sequence = json_get(&single->items[i], "Sequence"), *token = json_get(&single->items[i], "SpecialToken");
        need(sequence || token, "%s: a part that is neither Sequence nor SpecialToken", where);
        if (sequence) {
            need(strcmp(json_text(sequence, "id"), "A") == 0 && side == 0, "%s: \"single\" must have the sequence A once, and no other", where);
            side = 1;
            continue;
        }
        const char *name = json_text(token, "id");
        const Json *ids = json_get(json_get(special, name), "ids");
        need(ids && ids->kind == JSON_ARRAY, "%s: \"%s\" is not in special_tokens", where, name);
        for (size_t k = 0; k < ids->count; k++) {
            need(ids->items[k].kind == JSON_NUMBER && ids->items[k].integral, "%s: an id of \"%s\" is not a whole number", where, name);
            side_put(l, &sides[side], ids->items[k].integer, where);
        }
    }
    need(side == 1, "%s: \"single\" does not have the sequence A", where);
}

static int64_t pair_id(const Json *json, const char *key, const char *where) {
    const Json *pair = json_get(json, key);
    need(pair && pair->kind == JSON_ARRAY && pair->count == 2 && pair->items[1].kind == JSON_NUMBER && pair->items[1].integral, "%s: \"%s\" is not [text, id]", where, key);
    return pair->items[1].integer;
}

static void post_read(const Load *l, const Json *json, Side sides[2], int *templates, const char *where) {
    need(json->kind == JSON_OBJECT, "%s: an object with a \"type\" is wanted", where);
    const char *type = json_text(json, "type");
    if (strcmp(type, "ByteLevel") == 0) return; // moves offsets, not ids
    if (strcmp(type, "Sequence") == 0) {
        const Json *list = json_get(json, "processors");
        need(list && list->kind == JSON_ARRAY, "%s: a Sequence without its list \"processors\"", where);
        for (size_t i = 0; i < list->count; i++) post_read(l, &list->items[i], sides, templates, where);
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
        if (c->before != TOKEN_NAMED && t->named[c->before] >= 0) side_put(l, &sides[0], t->named[c->before], l->path);
        if (c->after != TOKEN_NAMED && t->named[c->after] >= 0) side_put(l, &sides[1], t->named[c->after], l->path);
    } else if (given) {
        post_read(l, given, sides, &templates, arena_print(l->keep, "%s: post_processor", l->path));
    } else if (!l->file) { // with a tokenizer.json the reference does not look at these
        if (flag(l->config, "add_bos_token", false) && t->named[TOKEN_BOS] >= 0) side_put(l, &sides[0], t->named[TOKEN_BOS], l->path);
        if (flag(l->config, "add_eos_token", false) && t->named[TOKEN_EOS] >= 0) side_put(l, &sides[1], t->named[TOKEN_EOS], l->path);
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
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->count && !found; i++) found = charsmap_of(&list->items[i]);
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
    bool llama = strcmp(l->class->name, "LlamaTokenizer") == 0, prefix = flag(c, "add_prefix_space", llama);
    Piece contents[TOKEN_NAMED];
    named_tokens(l, contents);
    const char *values[] = {"PREFIX_SPACE", truth(prefix),
                            "SCHEME", !prefix ? "never" : flag(c, "legacy", false) ? "always" : "first",
                            "STRIP", prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "",
                            "CHINESE", truth(flag(c, "tokenize_chinese_chars", true)),
                            "LOWER", truth(flag(c, "do_lower_case", true)),
                            "ACCENTS", json_get(c, "strip_accents") ? truth(flag(c, "strip_accents", false)) : "null",
                            "UNK", quoted(l->scratch, contents[TOKEN_UNK]), NULL};
    const char **kept = take(l->scratch, const char *, sizeof values / sizeof *values);
    memcpy(kept, values, sizeof values);
    return kept;
}

static void parts_of_class(const Load *l, Tokenizer *t) {
    const Class *c = l->class;
    const char *where = arena_print(l->keep, "%s: %s", l->path, c->name);
    const char *const *values = class_values(l);
    const Json *normalizer = c->normalizer ? class_part(l->scratch, c->normalizer, values) : NULL;
    if (strcmp(c->name, "T5Tokenizer") == 0) normalizer = charsmap_of(json_get(l->file, "normalizer"));
    t->normals = normals_read(l->keep, normalizer, where);
    t->splits = splits_read(l->keep, class_part(l->scratch, c->pre_tokenizer, values), where);
    t->decodes = decodes_read(l->keep, class_part(l->scratch, c->decoder, values), where);
}

// What SigLIP's class does to a text in code: lower case, no ASCII punctuation, single spaces.
static const char siglip_cleaning[] =
    "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[!-/:-@\\\\[-`{-~]\"},\"content\":\"\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Strip\"}]}";

static void parts_of_file(const Load *l, Tokenizer *t) {
    Arena *a = l->keep;
    const char *where = arena_print(a, "%s: normalizer", l->path), *const none[] = {NULL};
    t->normals = normals_read(a, json_get(l->file, "normalizer"), where);
    if (strcmp(t->class, "SiglipTokenizer") == 0) {
        Normals first = normals_read(a, class_part(l->scratch, siglip_cleaning, none), where);
        Normal *both = take(a, Normal, first.count + t->normals.count + 1);
        memcpy(both, first.steps, first.count * sizeof *both);
        if (t->normals.count) memcpy(both + first.count, t->normals.steps, t->normals.count * sizeof *both);
        t->normals = (Normals){both, first.count + t->normals.count};
    }
    t->splits = splits_read(a, json_get(l->file, "pre_tokenizer"), arena_print(a, "%s: pre_tokenizer", l->path));
    t->decodes = decodes_read(a, json_get(l->file, "decoder"), arena_print(a, "%s: decoder", l->path));
}

static const Json *lines_as_list(Arena *a, const char *path) {
    Bytes b = file_read(a, path);
    char *text = arena_text(a, (const char *)b.bytes, b.size);
    size_t bad = utf8_invalid(text, b.size), count = 0;
    need(bad == b.size, "%s: not UTF-8 at byte %zu", path, bad);
    for (size_t i = 0; i < b.size; i++) count += text[i] == '\n';
    Json *items = take_zero(a, Json, count + 1), *list = take_zero(a, Json, 1);
    *list = (Json){.kind = JSON_ARRAY, .items = items, .source = path};
    for (size_t at = 0; at < b.size;) {
        char *end = memchr(text + at, '\n', b.size - at);
        size_t n = end ? (size_t)(end - text) - at : b.size - at, next = at + n + 1;
        text[at + n] = 0;
        if (n && text[at + n - 1] == '\r') text[at + --n] = 0;
        items[list->count++] = (Json){.kind = JSON_TEXT, .text = text + at, .length = n, .source = path};
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

static bool has(const Load *l, const char *name) { return file_exists(path_join(l->scratch, l->dir, name)); }

static _Noreturn void no_tokenizer(const Load *l) {
    const char *dir = l->dir;
    if (has(l, "tokenizer.model") || has(l, "spiece.model"))
        die("%s: %s is a SentencePiece file, which this program does not read; convert it once with: python -c \"from transformers import AutoTokenizer as A; "
            "A.from_pretrained('%s').save_pretrained('%s')\"", dir, has(l, "tokenizer.model") ? "tokenizer.model" : "spiece.model", dir, dir);
    need(folder_exists(dir), "%s: no such folder", dir);
    die("%s: no tokenizer.json here, and neither vocab.json with merges.txt nor vocab.txt; save the tokenizer with save_pretrained('%s')", dir, dir);
}

// Does the file have "ByteLevel" as a text anywhere?
static bool mentions_bytes(const Json *v) {
    if (!v) return false;
    if (v->kind == JSON_TEXT) return strcmp(v->text, "ByteLevel") == 0;
    bool found = false;
    for (size_t i = 0; (v->kind == JSON_OBJECT || v->kind == JSON_ARRAY) && i < v->count && !found; i++) found = mentions_bytes(&v->items[i]);
    return found;
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
    model_options(&t->model, l->keep, options);
}

static void from_vocabulary(Load *l, Tokenizer *t) {
    const char *where = arena_print(l->keep, "%s: model", l->path);
    need(l->class, "%s: neither tokenizer_config.json nor config.json names a class of tokenizer that says how to use this vocabulary; save the tokenizer as "
                   "tokenizer.json", l->path);
    const Json *options = class_part(l->scratch, l->class->model, class_values(l));
    t->model = (Model){.path = l->path, .unk = -1};
    bool wordpiece = strcmp(l->class->name, "BertTokenizer") == 0;
    need(wordpiece == (strcmp(path_name(l->path), "vocab.txt") == 0), "%s: not the kind of vocabulary that %s has", l->path, l->class->name);
    if (wordpiece) {
        t->model.kind = MODEL_WORDPIECE;
        vocab_lines(&t->model.words, l->keep, lines_as_list(l->scratch, l->path));
        wordpiece_read(&t->model, l->keep, options, where);
    } else {
        t->model.kind = MODEL_BPE;
        const Json *merges = lines_as_list(l->scratch, path_join(l->scratch, l->dir, "merges.txt"));
        bpe_read(&t->model, l->keep, options, json_read(l->scratch, l->path), merges, where);
    }
    parts_of_class(l, t);
}

static Tokenizer *load(Load *l) {
    Tokenizer *t = take_zero(l->keep, Tokenizer, 1);
    bool json = has(l, "tokenizer.json"), bpe = has(l, "vocab.json") && has(l, "merges.txt");
    if (!json && !bpe && !has(l, "vocab.txt")) no_tokenizer(l);
    t->path = l->path = path_join(l->keep, l->dir, json ? "tokenizer.json" : bpe ? "vocab.json" : "vocab.txt");
    l->file = json ? json_read(l->scratch, l->path) : NULL;
    need(!json || l->file->kind == JSON_OBJECT, "%s: an object is wanted", l->path);
    l->config = optional_json(l, "tokenizer_config.json");
    l->model_config = optional_json(l, "config.json");
    l->special_map = optional_json(l, "special_tokens_map.json");
    l->added_map = optional_json(l, "added_tokens.json");
    bool bytes = mentions_bytes(json_get(l->file, "pre_tokenizer")) || mentions_bytes(json_get(l->file, "decoder"));
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
    if (json) from_tokenizer_json(l, t);
    else from_vocabulary(l, t);
    tokens_add(l, t);
    post_make(l, t);
    bool said = json_get(l->config, "tokenizer_class") || json_get(l->model_config, "model_type");
    bool clip = strcmp(name, "CLIPTokenizer") == 0 || (!said && t->model.kind == MODEL_BPE && t->model.suffix.length);
    t->clip_decode = clip && t->decodes.count == 1 && t->decodes.steps[0].kind == DECODE_BYTES;
    t->clean_up = flag(l->config, "clean_up_tokenization_spaces", false);
    t->split_special = flag(l->config, "split_special_tokens", false);
    t->cut_left = strcmp(json_text_or(l->config, "truncation_side", "right"), "left") == 0;
    return t;
}

Tokenizer *tokenizer_load(Arena *a, const char *dir, bool rebuild) {
    Load l = {.keep = a, .scratch = arena_new("tokenizer files"), .dir = dir, .rebuild = rebuild};
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
