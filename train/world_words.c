// world_words.c: see world_words.h. Held by: test/test_world_words.c: every caption of the generator is grammatical and true
// of its own scene in every family; changed ones are not.
//
// A phrase is a determiner, attributes in any order, a noun, each at most once and at least an attribute or a noun. "a" means
// at least one, a number exactly that many. An object is on the left when its centre is in the left half.
#include "world_words.h"

#include <string.h>

const char *const word_kind_names[WORD_KINDS] = {"unknown", "function", "colour", "shape", "size", "pattern", "number", "place", "position", "thing"};
const char *const fact_names[FACTS] = {"colour", "shape", "size", "pattern", "habitat", "count", "position", "binding"};

static const char *const number_words[] = {"no", "one", "two", "three", "four"};
static const char *const function_words[] = {"a", "an", "the", "of", "and", "in", "on", "at", "is", "are", "there", "this", "what", "where", "how", "many", "which", "or", "yes", "colour", "shape", "place", "describe"};
static const char *const position_words[] = {"left", "right", "above", "below", "top", "bottom"};
enum { LEFT, RIGHT, ABOVE, BELOW, TOP, BOTTOM };

typedef struct {
    WorldWord *w;
    int value;     // place in the kind's list
    bool plural;   // shapes, things
    bool an;       // begins with a vowel's letter
} Token;

typedef struct {
    Token *t;
    size_t count, at;
} Tokens;

typedef struct {
    size_t from, to;
    int number; // -1: an article or nothing
    bool article, the, noun, plural;
    int large, striped, colour, shape; // -1: not told
} Phrase;

static bool same(const WorldWord *w, const char *text) {
    if (strlen(text) != w->length) return false;
    for (size_t i = 0; i < w->length; i++) {
        char c = w->text[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != text[i]) return false;
    }
    return true;
}

static int among(const WorldWord *w, const char *const *list, int n) {
    for (int i = 0; i < n; i++)
        if (same(w, list[i])) return i;
    return -1;
}

static void know(Token *t) {
    static const char *const sizes[] = {"small", "large"}, *const patterns[] = {"plain", "striped"}, *const things[] = {"object", "objects", "picture"};
    const struct {
        WordKind kind;
        const char *const *list;
        int n;
        bool plural;
    } lists[] = {{WORD_COLOUR, colour_names, COLOURS, false}, {WORD_SHAPE, shape_names, SHAPES, false}, {WORD_SHAPE, shape_plurals, SHAPES, true},
                 {WORD_SIZE, sizes, 2, false}, {WORD_PATTERN, patterns, 2, false}, {WORD_NUMBER, number_words, 5, false}, {WORD_PLACE, habitat_names, HABITATS, false},
                 {WORD_POSITION, position_words, 6, false}, {WORD_THING, things, 3, false}, {WORD_FUNCTION, function_words, (int)(sizeof function_words / sizeof *function_words), false}};
    WorldWord *w = t->w;
    t->an = w->length && strchr("aeiouAEIOU", w->text[0]) != NULL;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        t->value = among(w, lists[i].list, lists[i].n);
        if (t->value < 0) continue;
        w->kind = lists[i].kind;
        t->plural = lists[i].plural || (w->kind == WORD_THING && t->value == 1);
        return;
    }
    w->kind = w->length == 1 && strchr(",.?!;:-", w->text[0]) ? WORD_FUNCTION : WORD_UNKNOWN;
}

static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static Tokens split(Arena *a, const char *text) {
    size_t n = strlen(text);
    Tokens t = {.t = take(a, Token, n + 1)};
    WorldWord *words = take_zero(a, WorldWord, n + 1);
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        if (space(text[i])) {
            i++;
            continue;
        }
        if (!strchr(",.?!;:", text[i]))
            while (j < n && !space(text[j]) && !strchr(",.?!;:", text[j])) j++;
        words[t.count] = (WorldWord){.text = text + i, .length = j - i};
        t.t[t.count] = (Token){.w = &words[t.count]};
        know(&t.t[t.count]);
        t.count++;
        i = j;
    }
    return t;
}

// ---- phrases

static bool is(const Tokens *t, size_t at, const char *word) { return at < t->count && same(t->t[at].w, word); }

static bool phrase_at(const Tokens *t, size_t at, Phrase *p) {
    *p = (Phrase){.from = at, .number = -1, .large = -1, .striped = -1, .colour = -1, .shape = -1};
    if (is(t, at, "a") || is(t, at, "an")) p->article = true, at++;
    else if (is(t, at, "the")) p->the = true, at++;
    else if (at < t->count && t->t[at].w->kind == WORD_NUMBER) p->number = t->t[at++].value;
    size_t first = at;
    for (; at < t->count && !p->noun; at++) {
        const Token *k = &t->t[at];
        if (k->w->kind == WORD_SIZE && p->large < 0) p->large = k->value;
        else if (k->w->kind == WORD_PATTERN && p->striped < 0) p->striped = k->value;
        else if (k->w->kind == WORD_COLOUR && p->colour < 0) p->colour = k->value;
        else if (k->w->kind == WORD_SHAPE) p->noun = true, p->shape = k->value, p->plural = k->plural;
        else if (k->w->kind == WORD_THING && k->value < 2) p->noun = true, p->plural = k->plural;
        else break;
    }
    p->to = at;
    return at > first;
}

static bool fits(const WorldObject *o, const Phrase *p) {
    return (p->large < 0 || o->large == (p->large == 1)) && (p->striped < 0 || o->striped == (p->striped == 1)) && (p->colour < 0 || (int)o->colour == p->colour) &&
           (p->shape < 0 || (int)o->shape == p->shape);
}

static int fitting(const WorldScene *s, const Phrase *p) {
    int n = 0;
    for (int i = 0; i < s->count; i++) n += fits(&s->object[i], p);
    return n;
}

// ---- truth

static bool stands(const WorldObject *a, int relation, const WorldObject *b) { // b NULL: in its half of the picture
    double x = b ? b->x : WORLD_SIDE / 2.0, y = b ? b->y : WORLD_SIDE / 2.0;
    switch (relation) {
    case LEFT: return a->x < x;
    case RIGHT: return a->x > x;
    case ABOVE:
    case TOP: return a->y < y;
    default: return a->y > y;
    }
}

static bool related(const WorldScene *s, const Phrase *p, int relation, const Phrase *q) {
    for (int i = 0; i < s->count; i++) {
        if (!fits(&s->object[i], p)) continue;
        if (!q && stands(&s->object[i], relation, NULL)) return true;
        for (int j = 0; q && j < s->count; j++)
            if (j != i && fits(&s->object[j], q) && stands(&s->object[i], relation, &s->object[j])) return true;
    }
    return false;
}

// What stands behind the phrase that ends at `at`: "left of Q", "above Q", "on the left", "at the top". Returns the place of
// the position word, or 0.
static size_t relation_at(const Tokens *t, size_t at, int *relation, bool *two) {
    size_t w = at;
    if ((is(t, at, "on") || is(t, at, "at")) && is(t, at + 1, "the")) w = at + 2;
    if (w >= t->count || t->t[w].w->kind != WORD_POSITION) return 0;
    *relation = t->t[w].value;
    *two = w == at && *relation <= BELOW;
    return w;
}

static void judge(WorldWord *w, FactScore *f, bool right, bool counted) {
    w->said = right ? SAID_TRUE : SAID_FALSE;
    if (counted) f->said++, f->right += right;
}

typedef struct {
    bool colour[COLOURS], shape[SHAPES], size[2], pattern[2], place[HABITATS];
} Seen;

// One word by itself: is there such a thing? Distinct words are counted once.
static void judge_word(const Token *t, const WorldScene *s, FactScore *f, Seen *seen) {
    Phrase p = {.large = -1, .striped = -1, .colour = -1, .shape = -1};
    bool *once;
    Fact fact;
    switch (t->w->kind) {
    case WORD_COLOUR: p.colour = t->value, fact = FACT_COLOUR, once = &seen->colour[t->value]; break;
    case WORD_SHAPE: p.shape = t->value, fact = FACT_SHAPE, once = &seen->shape[t->value]; break;
    case WORD_SIZE: p.large = t->value, fact = FACT_SIZE, once = &seen->size[t->value]; break;
    case WORD_PATTERN: p.striped = t->value, fact = FACT_PATTERN, once = &seen->pattern[t->value]; break;
    case WORD_PLACE:
        judge(t->w, &f[FACT_PLACE], t->value == (int)s->habitat, !seen->place[t->value]);
        seen->place[t->value] = true;
        return;
    default: return;
    }
    judge(t->w, &f[fact], fitting(s, &p) > 0, !*once);
    *once = true;
}

// Everything that the scene holds, and which of it was said.
static void judge_scene(const WorldScene *s, FactScore *f, const Seen *seen, const bool pairs[COLOURS][SHAPES]) {
    Seen there = {0};
    bool there_pairs[COLOURS][SHAPES] = {{0}};
    for (int i = 0; i < s->count; i++) {
        const WorldObject *o = &s->object[i];
        there.colour[o->colour] = there.shape[o->shape] = there.size[o->large] = there_pairs[o->colour][o->shape] = true;
        if (o->striped) there.pattern[1] = true; // what is plain is never called so in a full caption
    }
    there.place[s->habitat] = true;
    const struct {
        Fact fact;
        const bool *there, *said;
        int n;
    } sets[] = {{FACT_COLOUR, there.colour, seen->colour, COLOURS}, {FACT_SHAPE, there.shape, seen->shape, SHAPES}, {FACT_SIZE, there.size, seen->size, 2},
                {FACT_PATTERN, there.pattern, seen->pattern, 2}, {FACT_PLACE, there.place, seen->place, HABITATS}, {FACT_BINDING, &there_pairs[0][0], &pairs[0][0], COLOURS * SHAPES}};
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++)
        for (int i = 0; i < sets[k].n; i++) f[sets[k].fact].there += sets[k].there[i], f[sets[k].fact].told += sets[k].there[i] && sets[k].said[i];
}

static void judge_all(Tokens *t, const WorldScene *s, FactScore *f) {
    Seen seen = {0};
    bool pairs[COLOURS][SHAPES] = {{0}};
    int told = 0;
    for (size_t i = 0; i < t->count; i++) judge_word(&t->t[i], s, f, &seen);
    for (size_t i = 0; i < t->count;) {
        Phrase p, q;
        if (!phrase_at(t, i, &p)) {
            i++;
            continue;
        }
        int n = fitting(s, &p), attributes = (p.large >= 0) + (p.striped >= 0) + (p.colour >= 0) + (p.shape >= 0), relation;
        bool two;
        Phrase plain = p; // in full captions what is not called striped is plain: "two discs and a striped disc"
        if (p.striped < 0) plain.striped = 0;
        if (p.number >= 0) judge(t->t[p.from].w, &f[FACT_COUNT], n == p.number || fitting(s, &plain) == p.number, true);
        told += p.number >= 0 ? p.number : 1;
        if (attributes >= 2) f[FACT_BINDING].said++, f[FACT_BINDING].right += n > 0;
        if (p.colour >= 0 && p.shape >= 0) pairs[p.colour][p.shape] = true;
        i = p.to;
        size_t w = relation_at(t, i, &relation, &two);
        if (!w) continue;
        size_t after = w + 1 + (size_t)is(t, w + 1, "of");
        if (two && !phrase_at(t, after, &q)) continue;
        judge(t->t[w].w, &f[FACT_RELATION], related(s, &p, relation, two ? &q : NULL), true);
    }
    judge_scene(s, f, &seen, pairs);
    f[FACT_COUNT].there = 1, f[FACT_COUNT].told = told == s->count;
}

// ---- grammar

static bool pass(Tokens *t, const char *word) {
    if (!is(t, t->at, word)) return false;
    t->at++;
    return true;
}

static bool pass_the(Tokens *t, const char *before) { // "in the", "on the"
    if (!is(t, t->at, before) || !is(t, t->at + 1, "the")) return false;
    t->at += 2;
    return true;
}

static bool pass_kind(Tokens *t, WordKind kind) {
    if (t->at >= t->count || t->t[t->at].w->kind != kind) return false;
    t->at++;
    return true;
}

// "size? pattern? colour? noun" in this order.
static bool pass_kinds(Tokens *t, bool *plural) {
    pass_kind(t, WORD_SIZE);
    pass_kind(t, WORD_PATTERN);
    pass_kind(t, WORD_COLOUR);
    if (t->at >= t->count) return false;
    const Token *k = &t->t[t->at];
    *plural = k->plural;
    return pass_kind(t, WORD_SHAPE) || (k->w->kind == WORD_THING && k->value < 2 && pass_kind(t, WORD_THING));
}

static bool pass_noun(Tokens *t) { // with its article or number, in agreement
    size_t from = t->at;
    bool plural, many = false;
    if (pass(t, "a") || pass(t, "an")) {
        if (t->at >= t->count || is(t, from, "an") != t->t[t->at].an) return false;
    } else {
        if (t->at >= t->count || t->t[t->at].w->kind != WORD_NUMBER || t->t[t->at].value == 0) return false;
        many = t->t[t->at++].value > 1;
    }
    return pass_kinds(t, &plural) && plural == many;
}

static bool at_end(const Tokens *t) { return t->at == t->count; }

// NP, NP and NP
static bool pass_nouns(Tokens *t) {
    if (!pass_noun(t)) return false;
    while (pass(t, ","))
        if (!pass_noun(t)) return false;
    return !pass(t, "and") || pass_noun(t);
}

static bool is_list(Tokens *t) { // of one form: colours, shapes, or both
    int form = -1;
    t->at = 0;
    do {
        bool colour = pass_kind(t, WORD_COLOUR), shape = t->at < t->count && !t->t[t->at].plural && pass_kind(t, WORD_SHAPE);
        int now = colour + 2 * shape;
        if (now == 0 || (form >= 0 && now != form)) return false;
        form = now;
    } while (pass(t, ","));
    return at_end(t);
}

static bool is_sentence(Tokens *t) {
    if (t->count == 0) return false;
    t->at = 0;
    if (pass_kind(t, WORD_PLACE) && at_end(t)) return true;
    if (is_list(t)) return true;
    t->at = 0;
    if (pass_the(t, "in")) return pass_kind(t, WORD_PLACE) && pass(t, ",") && pass_nouns(t) && at_end(t);
    if (is(t, 0, "a") && is(t, 1, "picture") && is(t, 2, "of")) {
        t->at = 3;
        if (pass(t, "the")) return pass_kind(t, WORD_PLACE) && at_end(t);
        return pass_noun(t) && at_end(t);
    }
    if (pass(t, "the")) {
        bool plural;
        if (!pass_kinds(t, &plural) || plural || !pass(t, "is")) return false;
        if (pass(t, "a")) return pass_kind(t, WORD_SHAPE) && at_end(t);
        return (pass_kind(t, WORD_COLOUR) || pass_kind(t, WORD_SIZE) || pass_kind(t, WORD_PATTERN)) && at_end(t);
    }
    if (!pass_noun(t)) return false;
    if (at_end(t)) return true;
    size_t after = t->at, w;
    int relation;
    bool two;
    if ((w = relation_at(t, after, &relation, &two))) {
        t->at = w + 1;
        if (!two) return at_end(t) && (relation < ABOVE) == is(t, after, "on") && (relation < ABOVE || relation > BELOW);
        if (relation < ABOVE && !pass(t, "of")) return false;
        return pass_noun(t) && at_end(t);
    }
    t->at = 0;
    return pass_nouns(t) && pass_the(t, "in") && pass_kind(t, WORD_PLACE) && at_end(t);
}

WorldReading world_read(Arena *a, const char *text, const WorldScene *scene) {
    Tokens t = split(a, text);
    WorldReading r = {.count = t.count};
    r.words = take(a, WorldWord, t.count + 1);
    if (scene) judge_all(&t, scene, r.facts);
    for (size_t i = 0; i < t.count; i++) r.words[i] = *t.t[i].w;
    if (t.count && same(t.t[t.count - 1].w, ".")) t.count--; // a full stop is no part of the world's sentences, and no fault
    r.grammatical = is_sentence(&t);
    return r;
}
