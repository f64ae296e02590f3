// world_text.c: what can be said and asked about a scene. Everything said is true; which facts are told is drawn.
//
// Held by test/test_world.c, with a parser of its own for the sentences.
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/error.h"

const char *const ask_names[ASK_KINDS] = {"colour", "shape", "count", "left/right", "above/below", "habitat", "size", "pattern", "yes/no"};
static const char *const numbers[] = {"no", "one", "two", "three", "four"};

// Apart by this much (units), two objects are left and right, above and below of each other.
#define APART 8.0
// Centres this near to an edge are on that side of the picture.
#define SIDE 22.0

typedef struct {
    Rng rng;
    uint64_t next;
} Draw;

static int below(Draw *d, int bound) { return (int)rng_below(d->rng, d->next++, (uint64_t)bound); }
static bool chance(Draw *d, double p) { return rng_uniform(d->rng, d->next++) < p; }

static void say(char text[WORLD_TEXT], const char *format, ...) PRINTF_LIKE(2, 3);
static void say(char text[WORLD_TEXT], const char *format, ...) {
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text + used, WORLD_TEXT - used, format, list);
    va_end(list);
    need(n >= 0 && (size_t)n < WORLD_TEXT - used, "world: a caption needs %d bytes, there are %d", (int)used + n, WORLD_TEXT);
}

// ---- which facts of an object are told

enum { TELL_SIZE = 1, TELL_PATTERN = 2, TELL_COLOUR = 4, TELL_SHAPE = 8, TELL_THING = TELL_COLOUR | TELL_SHAPE, TELL_ALL = 15 };

// In what is told, do the two look alike?
static bool alike(const WorldObject *a, const WorldObject *b, int tell) {
    return (!(tell & TELL_SIZE) || a->large == b->large) && (!(tell & TELL_PATTERN) || a->striped == b->striped) &&
           (!(tell & TELL_COLOUR) || a->colour == b->colour) && (!(tell & TELL_SHAPE) || a->shape == b->shape);
}

static int how_many(const WorldScene *s, const WorldObject *o, int tell) {
    int n = 0;
    for (int i = 0; i < s->count; i++) n += alike(&s->object[i], o, tell);
    return n;
}

// "striped red discs" after its number or article. `plain` is said only when it is asked for.
static void say_kind(char text[WORLD_TEXT], const WorldObject *o, int tell, bool many, bool plain) {
    if (tell & TELL_SIZE) say(text, "%s ", o->large ? "large" : "small");
    if (tell & TELL_PATTERN && (o->striped || plain)) say(text, "%s ", o->striped ? "striped" : "plain");
    if (tell & TELL_COLOUR) say(text, "%s ", colour_names[o->colour]);
    if (tell & TELL_SHAPE) say(text, "%s", many ? shape_plurals[o->shape] : shape_names[o->shape]);
    else say(text, "object%s", many ? "s" : "");
}

static void say_number(char text[WORLD_TEXT], int n, const WorldObject *o, int tell, bool plain) {
    char kind[WORLD_TEXT] = "";
    say_kind(kind, o, tell, n > 1, plain);
    if (n > 1) say(text, "%s %s", numbers[n], kind);
    else say(text, "%s %s", strchr("aeiou", kind[0]) ? "an" : "a", kind);
}

// All objects, from left to right, those that look alike together where the first stands.
static void say_all(char text[WORLD_TEXT], const WorldScene *s, int tell) {
    int groups[WORLD_OBJECTS], n = 0;
    for (int i = 0; i < s->count; i++) {
        bool told = false;
        for (int j = 0; j < i && !told; j++) told = alike(&s->object[i], &s->object[j], tell);
        if (!told) groups[n++] = i;
    }
    for (int k = 0; k < n; k++) {
        const WorldObject *o = &s->object[groups[k]];
        say(text, "%s", k == 0 ? "" : k < n - 1 ? ", " : " and ");
        say_number(text, how_many(s, o, tell), o, tell, false);
    }
}

static void say_list(char text[WORLD_TEXT], const WorldScene *s, int tell) {
    for (int i = 0; i < s->count; i++) {
        const WorldObject *o = &s->object[i];
        say(text, "%s", i ? ", " : "");
        if (tell & TELL_COLOUR) say(text, "%s%s", colour_names[o->colour], tell & TELL_SHAPE ? " " : "");
        if (tell & TELL_SHAPE) say(text, "%s", shape_names[o->shape]);
    }
}

// ---- captions

static const WorldObject *any(const WorldScene *s, Draw *d) { return &s->object[below(d, s->count)]; }

// At random one object of which there is one only, in what is told; NULL if there is none.
static const WorldObject *only(const WorldScene *s, int tell, Draw *d) {
    const WorldObject *fit[WORLD_OBJECTS];
    int n = 0;
    for (int i = 0; i < s->count; i++)
        if (how_many(s, &s->object[i], tell) == 1) fit[n++] = &s->object[i];
    return n ? fit[below(d, n)] : NULL;
}

// Two objects that words can tell apart, far enough from each other along x (or y); a is the left (upper) one.
static bool apart(const WorldScene *s, bool level, const WorldObject **a, const WorldObject **b, Draw *d) {
    int pairs[WORLD_OBJECTS * WORLD_OBJECTS][2], n = 0;
    for (int i = 0; i < s->count; i++)
        for (int j = 0; j < s->count; j++) {
            const WorldObject *p = &s->object[i], *q = &s->object[j];
            if ((level ? q->y - p->y : q->x - p->x) < APART) continue;
            if (how_many(s, p, TELL_THING) > 1 || how_many(s, q, TELL_THING) > 1) continue;
            pairs[n][0] = i, pairs[n++][1] = j;
        }
    if (!n) return false;
    const int *pair = pairs[below(d, n)];
    *a = &s->object[pair[0]], *b = &s->object[pair[1]];
    return true;
}

static bool say_relation(char text[WORLD_TEXT], const WorldScene *s, Draw *d) {
    bool level = chance(d, 0.5), turned = chance(d, 0.5);
    const WorldObject *a, *b;
    if (!apart(s, level, &a, &b, d) && !apart(s, level = !level, &a, &b, d)) return false;
    say_number(text, 1, turned ? b : a, TELL_THING, false);
    say(text, " %s ", level ? (turned ? "below" : "above") : (turned ? "right of" : "left of"));
    say_number(text, 1, turned ? a : b, TELL_THING, false);
    return true;
}

// "the disc is red": the one disc.
static bool say_is(char text[WORLD_TEXT], const WorldScene *s, Draw *d) {
    int by = chance(d, 0.5) ? TELL_SHAPE : TELL_COLOUR, what = below(d, 3);
    const WorldObject *o = only(s, by, d);
    if (!o) return false;
    say(text, "the ");
    say_kind(text, o, by, false, false);
    const char *words[3] = {by == TELL_SHAPE ? colour_names[o->colour] : shape_names[o->shape], o->large ? "large" : "small", o->striped ? "striped" : "plain"};
    say(text, by == TELL_COLOUR && what == 0 ? " is a %s" : " is %s", words[what]);
    return true;
}

static bool say_side(char text[WORLD_TEXT], const WorldScene *s, Draw *d) {
    int fit[WORLD_OBJECTS * 4][2], n = 0;
    static const char *const sides[4] = {"on the left", "on the right", "at the top", "at the bottom"};
    for (int i = 0; i < s->count; i++) {
        const WorldObject *o = &s->object[i];
        const bool on[4] = {o->x < SIDE, o->x > WORLD_SIDE - SIDE, o->y < SIDE, o->y > WORLD_SIDE - SIDE};
        for (int k = 0; k < 4; k++)
            if (on[k]) fit[n][0] = i, fit[n++][1] = k;
    }
    if (!n) return false;
    const int *f = fit[below(d, n)];
    say_number(text, 1, &s->object[f[0]], TELL_THING, false);
    say(text, " %s", sides[f[1]]);
    return true;
}

static void say_word(char text[WORLD_TEXT], const WorldScene *s, Draw *d) {
    const WorldObject *o = any(s, d);
    const char *words[3] = {colour_names[o->colour], shape_names[o->shape], habitat_names[s->habitat]};
    say(text, "%s", words[below(d, 3)]);
}

static int tell_some(Draw *d) { // two facts at least, the shape or the colour among them
    static const int sets[] = {TELL_THING, TELL_THING | TELL_SIZE, TELL_THING | TELL_PATTERN, TELL_ALL, TELL_SIZE | TELL_SHAPE, TELL_PATTERN | TELL_SHAPE, TELL_SIZE | TELL_COLOUR};
    return sets[below(d, (int)(sizeof sets / sizeof *sets))];
}

bool world_caption(char text[WORLD_TEXT], const WorldScene *s, CaptionKind kind, Rng r) {
    Draw d = {.rng = r};
    const char *habitat = habitat_names[s->habitat];
    static const int counted[] = {TELL_SHAPE, TELL_COLOUR, TELL_THING, TELL_SIZE};
    *text = 0;
    switch (kind) {
    case CAPTION_WORD: say_word(text, s, &d); return true;
    case CAPTION_PLACE: say(text, "a picture of the %s", habitat); return true;
    case CAPTION_NUMBER: say(text, "%s object%s", numbers[s->count], s->count > 1 ? "s" : ""); return true;
    case CAPTION_COLOURS: say_list(text, s, TELL_COLOUR); return true;
    case CAPTION_SHAPES: say_list(text, s, TELL_SHAPE); return true;
    case CAPTION_LIST: say_list(text, s, TELL_THING); return true;
    case CAPTION_PHRASE:
    case CAPTION_PICTURE: {
        const WorldObject *o = any(s, &d);
        int tell = tell_some(&d);
        if (kind == CAPTION_PICTURE) say(text, "a picture of ");
        say_number(text, 1, o, tell, false);
        return true;
    }
    case CAPTION_IS: return say_is(text, s, &d);
    case CAPTION_SIDE: return say_side(text, s, &d);
    case CAPTION_COUNT: {
        const WorldObject *o = any(s, &d);
        int tell = counted[below(&d, 4)], n = how_many(s, o, tell);
        say(text, "%s ", numbers[n]);
        say_kind(text, o, tell, n > 1, false);
        return true;
    }
    case CAPTION_RELATION: return say_relation(text, s, &d);
    case CAPTION_IN:
        say_number(text, 1, any(s, &d), TELL_THING, false);
        say(text, " in the %s", habitat);
        return true;
    case CAPTION_PLAIN:
    case CAPTION_FULL:
        say_all(text, s, kind == CAPTION_FULL ? TELL_ALL : TELL_THING);
        say(text, " in the %s", habitat);
        return true;
    case CAPTION_FIRST:
        say(text, "in the %s, ", habitat);
        say_all(text, s, TELL_ALL);
        return true;
    default: die("world: caption of kind %d, there are %d", (int)kind, CAPTION_KINDS);
    }
}

void world_column(char text[WORLD_TEXT], const WorldScene *s) {
    int order[WORLD_OBJECTS];
    for (int i = 0; i < s->count; i++) {
        int at = i;
        for (; at > 0 && s->object[order[at - 1]].y > s->object[i].y; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    *text = 0;
    for (int k = 0; k < s->count; k++) {
        say(text, "%s", k == 0 ? "" : k < s->count - 1 ? ", " : " and ");
        say_number(text, 1, &s->object[order[k]], TELL_THING, false);
    }
}

void world_caption_of(char text[WORLD_TEXT], const WorldScene *s, int k) {
    static const struct {
        int count;
        CaptionKind kind[4];
    } levels[WORLD_CAPTIONS] = {
        {3, {CAPTION_WORD, CAPTION_PLACE, CAPTION_NUMBER}},
        {3, {CAPTION_COLOURS, CAPTION_SHAPES, CAPTION_LIST}},
        {4, {CAPTION_PHRASE, CAPTION_PICTURE, CAPTION_IS, CAPTION_SIDE}},
        {4, {CAPTION_COUNT, CAPTION_RELATION, CAPTION_IN, CAPTION_PLAIN}},
        {2, {CAPTION_FULL, CAPTION_FIRST}},
    };
    need(k >= 0 && k < WORLD_CAPTIONS, "world: caption %d, there are %d", k, WORLD_CAPTIONS);
    Rng r = rng_sub(s->rng, 16 + (uint64_t)k);
    // a kind that this scene does not offer: the next of its level; each level has one that always fits
    int at = (int)rng_below(r, 0, (uint64_t)levels[k].count);
    for (int n = 0; !world_caption(text, s, levels[k].kind[at], rng_sub(r, (uint64_t)n)); n++) at = (at + 1) % levels[k].count;
}

// ---- questions

// An object that is known by its shape (or its colour), alone or with others that share what is asked.
static const WorldObject *known(const WorldScene *s, int by, int asked, Draw *d) {
    const WorldObject *fit[WORLD_OBJECTS];
    int n = 0;
    for (int i = 0; i < s->count; i++)
        if (how_many(s, &s->object[i], by) == how_many(s, &s->object[i], by | asked)) fit[n++] = &s->object[i];
    return n ? fit[below(d, n)] : NULL;
}

static bool ask_known(WorldQuestion *q, const WorldScene *s, int by, int asked, Draw *d) {
    const WorldObject *o = known(s, by, asked, d);
    if (!o) return false;
    bool many = how_many(s, o, by) > 1;
    say(q->question, asked == TELL_COLOUR ? "what colour %s the " : "what shape %s the ", many ? "are" : "is");
    say_kind(q->question, o, by, many, false);
    say(q->question, "?");
    q->answer = asked == TELL_COLOUR ? colour_names[o->colour] : many ? shape_plurals[o->shape] : shape_names[o->shape];
    return true;
}

// "is the red disc large or small?"
static bool ask_which(WorldQuestion *q, const WorldScene *s, bool size, Draw *d) {
    const WorldObject *o = only(s, TELL_THING, d);
    if (!o) return false;
    const char *words[2] = {size ? "small" : "plain", size ? "large" : "striped"};
    bool turned = chance(d, 0.5);
    say(q->question, "is the ");
    say_kind(q->question, o, TELL_THING, false, false);
    say(q->question, " %s or %s?", words[turned], words[!turned]);
    q->answer = words[size ? o->large : o->striped];
    return true;
}

static bool ask_where(WorldQuestion *q, const WorldScene *s, bool level, Draw *d) {
    const WorldObject *a, *b;
    if (!apart(s, level, &a, &b, d)) return false;
    bool turned = chance(d, 0.5);
    say(q->question, "is the ");
    say_kind(q->question, turned ? b : a, TELL_THING, false, false);
    say(q->question, level ? " above or below the " : " left or right of the ");
    say_kind(q->question, turned ? a : b, TELL_THING, false, false);
    say(q->question, "?");
    q->answer = level ? (turned ? "below" : "above") : (turned ? "right" : "left");
    return true;
}

// The answer is drawn first, from those that the scene has, the rarer the likelier: one is always to be had.
static bool ask_count(WorldQuestion *q, const WorldScene *s, Draw *d) {
    enum { KINDS = 3 };
    static const int tells[KINDS] = {TELL_SHAPE, TELL_COLOUR, TELL_THING};
    static const double weight[WORLD_OBJECTS + 1] = {0, 0.2, 1, 1.6, 2};
    struct {
        const WorldObject *object; // NULL: of all objects
        int tell, count;
    } fit[1 + KINDS * WORLD_OBJECTS];
    int n = 0, of[WORLD_OBJECTS + 1] = {0};
    fit[n].object = NULL, fit[n++].count = s->count, of[s->count]++;
    for (int k = 0; k < KINDS; k++)
        for (int i = 0; i < s->count; i++) {
            int count = how_many(s, &s->object[i], tells[k]);
            fit[n].object = &s->object[i], fit[n].tell = tells[k], fit[n++].count = count, of[count]++;
        }
    double total = 0, at = 0, draw = rng_uniform(d->rng, d->next++);
    for (int c = 1; c <= WORLD_OBJECTS; c++) total += of[c] ? weight[c] : 0;
    int answer = 0;
    while (answer < WORLD_OBJECTS && at <= draw * total) answer++, at += of[answer] ? weight[answer] : 0;
    int which = below(d, of[answer]), f = 0;
    while (fit[f].count != answer || which-- > 0) f++;
    say(q->question, "how many ");
    if (fit[f].object) say_kind(q->question, fit[f].object, fit[f].tell, true, false);
    else say(q->question, "objects");
    say(q->question, " are there?");
    q->answer = numbers[answer];
    return true;
}

// "is there a red disc?": one that is there, or one with another colour or shape that is not.
static bool ask_there(WorldQuestion *q, const WorldScene *s, Draw *d) {
    bool yes = chance(d, 0.5);
    WorldObject o = *any(s, d);
    bool colour = chance(d, 0.5);
    while (!yes && how_many(s, &o, TELL_THING)) {
        if (colour) do o.colour = (Colour)below(d, COLOURS);
            while (!world_colour_shows(o.colour, s->habitat));
        else o.shape = (Shape)below(d, SHAPES);
    }
    say(q->question, "is there ");
    say_number(q->question, 1, &o, TELL_THING, false);
    say(q->question, "?");
    q->answer = yes ? "yes" : "no";
    return true;
}

// "is the red disc in the left or the right half?"
static bool ask_half(WorldQuestion *q, const WorldScene *s, bool level, Draw *d) {
    const WorldObject *fit[WORLD_OBJECTS];
    int n = 0;
    for (int i = 0; i < s->count; i++) {
        double from_middle = (level ? s->object[i].y : s->object[i].x) - WORLD_SIDE / 2;
        if (how_many(s, &s->object[i], TELL_THING) == 1 && (from_middle < -APART / 2 || from_middle > APART / 2)) fit[n++] = &s->object[i];
    }
    if (!n) return false;
    const WorldObject *o = fit[below(d, n)];
    say(q->question, "is the ");
    say_kind(q->question, o, TELL_THING, false, false);
    say(q->question, level ? " in the upper or the lower half?" : " in the left or the right half?");
    q->answer = level ? (o->y < WORLD_SIDE / 2 ? "upper" : "lower") : (o->x < WORLD_SIDE / 2 ? "left" : "right");
    return true;
}

bool world_ask(WorldQuestion *q, const WorldScene *s, AskKind kind, Rng r) {
    Draw d = {.rng = r};
    *q = (WorldQuestion){.kind = kind};
    switch (kind) {
    case ASK_COLOUR: return ask_known(q, s, TELL_SHAPE, TELL_COLOUR, &d);
    case ASK_SHAPE: return ask_known(q, s, TELL_COLOUR, TELL_SHAPE, &d);
    case ASK_COUNT: return ask_count(q, s, &d);
    case ASK_SIDE: return ask_where(q, s, false, &d);
    case ASK_LEVEL: return ask_where(q, s, true, &d);
    case ASK_HABITAT:
        say(q->question, chance(&d, 0.5) ? "where is this?" : "what place is this?");
        q->answer = habitat_names[s->habitat];
        return true;
    case ASK_SIZE: return ask_which(q, s, true, &d);
    case ASK_PATTERN: return ask_which(q, s, false, &d);
    case ASK_THERE: return ask_there(q, s, &d);
    case ASK_HALF: return ask_half(q, s, false, &d);
    case ASK_UPPER: return ask_half(q, s, true, &d);
    default: die("world: question of kind %d, there are %d", (int)kind, ASK_KINDS);
    }
}

int world_questions(WorldQuestion q[ASK_KINDS], const WorldScene *s) {
    int n = 0;
    for (AskKind kind = 0; kind < ASK_KINDS; kind++) n += world_ask(&q[n], s, kind, rng_sub(s->rng, 32 + (uint64_t)kind));
    return n;
}
