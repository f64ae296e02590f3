// tokenizer_added.c: the tokens beside the model's vocabulary: from tokenizer.json, from its
// configuration, from the reference's class.
//
// Source: transformers 5.24, tokenization_utils_base.py (_from_pretrained) and
// tokenization_utils_tokenizers.py (__init__) for which tokens are added in which order;
// huggingface/tokenizers, src/tokenizer/added_vocabulary.rs for the ids they get.
// Bites: an added token gets the id that its text has in the vocabulary or else the next free one;
// the "id" in the file is only what it had when it was saved. Tokens named in tokenizer_config.json
// are added to the vocabulary if they are not there.
#include <stdlib.h>
#include <string.h>

#include "tokenizer_parts.h"

// ---- adding tokens

static Piece normalised(const Load *l, const Tokenizer *t, RegexRoom *room, Piece content) {
    Growing buffers[2] = {{.arena = l->scratch}, {.arena = l->scratch}};
    size_t origin = 0;
    return normals_apply(&t->normals, buffers, room, content, &origin);
}

// As add_tokens there: all of a list get their ids by what was there before the list.
static void added_put(const Load *l, Tokenizer *t, const Added *list, size_t count) {
    Arena *a = l->keep;
    RegexRoom room = regex_room(l->scratch);
    int64_t vocabulary =
        (int64_t)(t->model.kind == MODEL_UNIGRAM ? t->model.score_count : t->model.words.count);
    int64_t next = t->added_ids.highest >= vocabulary || (vocabulary == 0 && t->added_count)
                       ? (int64_t)t->added_ids.highest + 1
                       : vocabulary;
    for (size_t i = 0; i < count; i++) {
        Added added = list[i];
        if (added.content.length == 0) continue;
        int32_t index = words_id(&t->added_words, added.content.text, added.content.length);
        if (index < 0) {
            if (t->added_count == t->added_room) {
                t->added = arena_grow(a, t->added, t->added_count, t->added_room * 2 + 16,
                                      sizeof *t->added);
                t->added_room = t->added_room * 2 + 16;
            }
            index = (int32_t)t->added_count++;
            added.content = piece_copy(a, added.content);
            added.id = words_id(&t->model.words, added.content.text, added.content.length);
            if (added.id < 0) {
                need(next <= INT32_MAX, "%s: no id is left for the added token \"%.80s\"", t->path,
                     added.content.text);
                added.id = (int32_t)next++;
            }
            words_add(&t->added_words, a, added.content, index);
        } else {
            added.content = t->added[index].content;
            added.id = t->added[index].id;
        }
        added.normal =
            added.normalized ? piece_copy(a, normalised(l, t, &room, added.content)) : added.content;
        t->added[index] = added;
        words_add(&t->added_ids, a, added.content, added.id);
        if (added.special) words_add(&t->special, a, added.content, 0);
    }
}

static void tries_make(const Load *l, Tokenizer *t) {
    trie_open(&t->raw, l->keep);
    trie_open(&t->normal, l->keep);
    for (size_t i = t->added_count; i-- > 0;) { // of two with the same text, the first stays (the reference takes any: a hash map's order)
        const Added *a = &t->added[i];
        if (added_of(t, a->id) != a) continue;
        need(a->normal.length || !a->normalized, // it would match between any two bytes, and does so in the reference, which then panics
             "%s: the added token \"%.80s\" becomes nothing in the normalizer; its \"normalized\" must be false", t->path, a->content.text);
        trie_add(a->normalized ? &t->normal : &t->raw, l->keep, a->normal, (int32_t)i);
    }
}

// ---- added tokens as files spell them

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
    out->special = special || json_bool_or(v, "special", false);
    out->single_word = json_bool_or(v, "single_word", false);
    out->left = json_bool_or(v, "lstrip", false);
    out->right = json_bool_or(v, "rstrip", false);
    out->normalized = json_bool_or(v, "normalized", !out->special);
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
        list->items =
            arena_grow(l->scratch, list->items, list->count, list->room * 2 + 32, sizeof a);
        list->room = list->room * 2 + 32;
    }
    if (list->count == 0) words_open(&list->places, l->scratch, 0);
    words_add(&list->places, l->scratch, a.content, (int32_t)list->count);
    list->items[list->count++] = a;
}

static bool list_has(const AddedList *list, Piece content) {
    return words_id(&list->places, content.text, content.length) >= 0;
}

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
        if (i + 1 == list.count || list.items[i + 1].id != list.items[i].id)
            list_put(l, &out, list.items[i]);
    return out;
}

static Added file_token(const Load *l, const Json *v, size_t i) {
    Added a;
    json_keys_once(v);
    need(added_read(v, false, &a), "%s: added_tokens: entry %zu has no \"content\"", l->path, i);
    int64_t id = json_int(v, "id");
    need(id >= 0 && id <= INT32_MAX, "%s: added_tokens: the id of \"%.80s\" is %lld", l->path,
         a.content.text, (long long)id);
    a.id = (int32_t)id;
    return a;
}

static AddedList file_tokens(const Load *l) {
    AddedList list = {0};
    const Json *given = json_get(l->file, "added_tokens");
    need(!given || given->kind == JSON_ARRAY, "%s: \"added_tokens\" is not a list", l->path);
    for (size_t i = 0; given && i < given->count; i++)
        list_put(l, &list, file_token(l, &given->items[i], i));
    return list;
}

// ---- what the configuration adds

// A named token: tokenizer_config.json, then special_tokens_map.json unless the former has its own
// list of added tokens, then the class. NULL with *given: it says that there is none.
static const Json *named_given(const Load *l, const char *key, bool *given) {
    size_t n = strlen(key);
    const Json *v = NULL;
    *given = false;
    if (!json_get(l->config, "added_tokens_decoder") && (v = json_find(l->special_map, key, n)))
        *given = true;
    else if ((v = json_find(l->config, key, n)))
        *given = true;
    return v && v->kind != JSON_NULL ? v : NULL;
}

static const char *const named_keys[TOKEN_NAMED] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// tokenizer_config.json's added_tokens_decoder, or what older files have instead. Sorted by id.
static AddedList config_tokens(const Load *l, const AddedList *from_file,
                               const AddedList *special) {
    AddedList list = {0};
    const Json *decoder = json_get(l->config, "added_tokens_decoder");
    if (decoder) {
        need(decoder->kind == JSON_OBJECT,
             "%s/tokenizer_config.json: \"added_tokens_decoder\" is not an object", l->dir);
        for (size_t i = 0; i < decoder->count; i++) {
            Added a;
            char *end;
            long id = strtol(decoder->keys[i], &end, 10);
            need(*decoder->keys[i] && !*end && id >= 0 && id <= INT32_MAX,
                 "%s/tokenizer_config.json: added_tokens_decoder: \"%.40s\" is not an id", l->dir,
                 decoder->keys[i]);
            need(added_read(&decoder->items[i], false, &a),
                 "%s/tokenizer_config.json: added_tokens_decoder: %ld has no \"content\"", l->dir,
                 id);
            a.id = (int32_t)id;
            list_put(l, &list, a);
        }
    } else {
        for (size_t i = 0; l->added_map && i < l->added_map->count; i++) {
            const Json *id = &l->added_map->items[i];
            need(id->kind == JSON_NUMBER && id->integral && id->integer >= 0 &&
                     id->integer <= INT32_MAX,
                 "%s/added_tokens.json: \"%.80s\" has no id", l->dir, l->added_map->keys[i]);
            Added a = {.content = {l->added_map->keys[i], l->added_map->key_lengths[i]},
                       .id = (int32_t)id->integer};
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
        if (v)
            need(added_read(v, false, &a),
                 "%s/tokenizer_config.json: \"%s\" is neither a text nor a token", l->dir,
                 named_keys[i]);
        else if (!given && l->class && l->class->named[i])
            a = (Added){.content = {l->class->named[i], strlen(l->class->named[i])},
                        .special = true};
        else
            continue;
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
        if (added_read(&given->items[i], false, &a) && !list_has(list, a.content))
            list_put(l, list, a);
}

Piece named_text(const Load *l, NamedToken which) {
    Piece contents[TOKEN_NAMED];
    named_tokens(l, contents);
    return contents[which];
}

// extra_special_tokens, which used to be additional_special_tokens.
static AddedList extra_tokens(const Load *l) {
    AddedList list = {0};
    const Json *extra = json_get(l->config, "extra_special_tokens"),
               *older = json_get(l->config, "additional_special_tokens");
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

static int32_t id_of(const Tokenizer *t, Piece content) {
    int32_t index = words_id(&t->added_words, content.text, content.length);
    return index >= 0 ? t->added[index].id
                      : words_id(&t->model.words, content.text, content.length);
}

static void note_moved(const Load *l, const Tokenizer *t, const AddedList *file) {
    size_t moved = 0, first = 0;
    for (size_t i = 0; i < file->count; i++)
        if (id_of(t, file->items[i].content) != file->items[i].id && moved++ == 0) first = i;
    if (moved)
        note("%s: %zu added tokens get other ids than the file says, as in the reference: "
             "\"%.80s\" has %d there and %d here",
             l->path, moved, file->items[first].content.text, file->items[first].id,
             id_of(t, file->items[first].content));
}

void tokens_add(const Load *l, Tokenizer *t) {
    AddedList file = file_tokens(l);
    if (file.count) added_put(l, t, file.items, file.count);
    note_moved(l, t, &file);
    Piece contents[TOKEN_NAMED];
    AddedList named = named_tokens(l, contents), extra = extra_tokens(l), special = {0};
    for (size_t i = 0; i < named.count; i++) list_put(l, &special, named.items[i]);
    for (size_t i = 0; i < extra.count; i++) list_put(l, &special, extra.items[i]);
    AddedList add = config_tokens(l, &file, &special);
    for (size_t i = 0; i < add.count; i++)
        if (list_has(&named, add.items[i].content)) add.items[i].special = true;
    for (size_t i = 0; i < special.count; i++) {
        Added a = special.items[i];
        bool known = words_id(&t->added_words, a.content.text, a.content.length) >= 0;
        if (known || list_has(&add, a.content)) continue;
        if (i < named.count) a.special = true;
        list_put(l, &add, a);
    }
    if (add.count) added_put(l, t, add.items, add.count);
    if (l->class && strcmp(l->class->name, "Qwen2Tokenizer") == 0) {
        for (size_t i = 0; i < special.count; i++) // it adds them once more, without their flags
            special.items[i] = (Added){.content = special.items[i].content, .special = true};
        if (special.count) added_put(l, t, special.items, special.count);
    }
    for (int i = 0; i < TOKEN_NAMED; i++)
        t->named[i] = contents[i].text ? id_of(t, contents[i]) : -1;
    tries_make(l, t);
}
