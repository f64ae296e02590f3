// regex_compile.c: the tree of a pattern as a program for regex_match.c.
//
// Counted repetition is written out, except of a single character, which is one instruction whatever its count: most of a
// tokenizer's pattern is such runs. So a program is as long as the pattern with its counts written out, and PROGRAM_MAX
// ends what would blow up. Held by: test/test_regex.c. Bites: under (?i) characters that stand side by side may be one in
// the text (ss is ß), and one may be several.
#include <string.h>

#include "regex_parts.h"

#define PROGRAM_MAX 10000 // instructions; published patterns take up to 150
#define BEHIND_MAX 1000   // characters that a look behind may go back

typedef struct {
    const Source *source;
    Regex *regex;
    uint32_t room, class_room, work;
    CharSet word; // what \b looks at, once it was asked for
    bool behind;  // inside a look behind, where an end counts only at one place
    bool looping; // inside a loop around what can be empty, where it counts what was taken since it began
} Compiler;

static void compile_node(Compiler *c, Node *node);

// ---- writing

static uint32_t emit(Compiler *c, Operation op, size_t at) {
    Regex *r = c->regex;
    if (r->count == PROGRAM_MAX || c->work++ > 100 * PROGRAM_MAX)
        regex_refuse(c->source, at, "written out with its counts the pattern is longer than %d steps; use smaller counts",
                     PROGRAM_MAX);
    if (r->count == c->room) {
        uint32_t room = 2 * c->room + 32;
        r->program = arena_grow(c->source->arena, r->program, c->room, room, sizeof *r->program);
        c->room = room;
    }
    r->program[r->count] = (Instruction){.op = (uint8_t)op, .memo = -1};
    return r->count++;
}

static uint32_t class_of(Compiler *c, const CharSet *set) {
    Regex *r = c->regex;
    for (uint32_t i = 0; i < r->class_count; i++) // the same one again, as a count writes it
        if (r->classes[i].set.ranges == set->ranges && r->classes[i].set.count == set->count) return i;
    if (r->class_count == c->class_room) {
        uint32_t room = 2 * c->class_room + 8;
        r->classes = arena_grow(c->source->arena, r->classes, c->class_room, room, sizeof *r->classes);
        c->class_room = room;
    }
    r->classes[r->class_count] = (RegexClass){.set = *set};
    return r->class_count++;
}

static uint32_t word_class(Compiler *c) {
    if (c->word.count == 0) {
        c->word.arena = c->source->arena;
        charset_property(&c->word, "word", 4, false);
    }
    return class_of(c, &c->word);
}

static uint32_t split(Compiler *c, size_t at) {
    uint32_t pc = emit(c, DO_SPLIT, at);
    if (!c->behind && !c->looping) c->regex->program[pc].memo = (int32_t)c->regex->split_count++;
    return pc;
}

// The two ways of a split, the wanted one first.
static void ways(Compiler *c, uint32_t pc, uint32_t into, uint32_t past, RepeatMode mode) {
    c->regex->program[pc].x = mode == LAZY ? past : into;
    c->regex->program[pc].y = mode == LAZY ? into : past;
}

static void jump(Compiler *c, uint32_t to, size_t at) {
    uint32_t pc = emit(c, DO_JUMP, at);
    c->regex->program[pc].x = to;
}

// ---- characters

static void one_class(Compiler *c, const CharSet *set, size_t at) {
    uint32_t k = class_of(c, set), pc = emit(c, DO_CLASS, at);
    c->regex->program[pc].x = k;
}

static void exact(Compiler *c, uint32_t character, size_t at) {
    uint32_t pc = emit(c, DO_BYTES, at);
    Instruction *i = &c->regex->program[pc];
    i->size = (uint8_t)(utf8_put(i->bytes, character) - i->bytes);
}

static void any_case(Compiler *c, uint32_t character, size_t at) {
    CharSet same = {.arena = c->source->arena};
    charset_same(&same, character);
    if (same.count == 1 && same.ranges->from == same.ranges->to)
        exact(c, character, at);
    else
        one_class(c, &same, at);
}

// Whether this many nodes from here on fold to these characters.
static bool folds_to(const Node *node, const uint32_t *several, int size) {
    for (int i = 0; i < size; i++, node = node->next)
        if (!node || node->kind != NODE_CHAR || !node->fold || folded(node->c) != folded(several[i])) return false;
    return true;
}

// The characters that each fold to all of the `size` nodes from here on.
static CharSet one_for(Compiler *c, const Node *node, int size) {
    CharSet set = {.arena = c->source->arena};
    uint32_t one;
    const uint32_t *several;
    for (int i = 0; (several = several_to_one(i, &one)); i++)
        if ((several[2] ? 3 : 2) == size && folds_to(node, several, size)) charset_add(&set, one, one);
    charset_tidy(&set);
    return set;
}

// What is under (?i) at a node: three or two characters that may be one in the text, or one that may be several. The node
// behind it.
static const Node *folded_text(Compiler *c, const Node *node) {
    const size_t at = node->at;
    for (int size = 3; size > 1 && !c->behind; size--) {
        CharSet set = one_for(c, node, size);
        if (set.count == 0) continue;
        uint32_t s = split(c, at), over;
        for (int i = 0; i < size; i++, node = node->next) any_case(c, node->c, at);
        over = emit(c, DO_JUMP, at);
        ways(c, s, s + 1, over + 1, GREEDY);
        one_class(c, &set, at);
        c->regex->program[over].x = c->regex->count;
        return node;
    }
    const uint32_t *several = c->behind ? NULL : folded_several(node->c);
    uint32_t s = 0, over = 0;
    if (several) {
        s = split(c, at);
        for (; *several; several++) any_case(c, *several, at);
        over = emit(c, DO_JUMP, at);
        ways(c, s, s + 1, over + 1, GREEDY);
    }
    any_case(c, node->c, at);
    if (over) c->regex->program[over].x = c->regex->count;
    return node->next;
}

// The set of a node that is always one character, or NULL.
static const CharSet *single(Compiler *c, Node *node) {
    while (node->kind == NODE_LIST && node->first && !node->first->next) node = node->first;
    if (node->set || node->kind != NODE_CHAR || (node->fold && folded_several(node->c))) return node->set;
    node->set = take_zero(c->source->arena, CharSet, 1);
    node->set->arena = c->source->arena;
    if (node->fold)
        charset_same(node->set, node->c);
    else
        charset_add(node->set, node->c, node->c);
    return node->set;
}

// ---- widths

typedef struct {
    size_t least, most;
} Width;

static size_t times(size_t a, size_t b) {
    if (a == 0 || b == 0) return 0;
    return a > BEHIND_MAX || b > BEHIND_MAX ? WITHOUT_END : a * b;
}

static size_t plus(size_t a, size_t b) { return a > BEHIND_MAX || b > BEHIND_MAX ? WITHOUT_END : a + b; }

// How many characters a node can take; exact up to BEHIND_MAX.
static Width width(const Node *node) {
    Width w = {0, 0};
    switch (node->kind) {
    case NODE_CHAR: // under (?i) ss may be one character, and one three
        return node->fold ? (Width){1, 3} : (Width){1, 1};
    case NODE_CLASS:
        return (Width){1, 1};
    case NODE_LIST:
        for (const Node *n = node->first; n; n = n->next) {
            Width one = width(n);
            w = (Width){plus(w.least, one.least), plus(w.most, one.most)};
        }
        return w;
    case NODE_EITHER:
        w.least = WITHOUT_END;
        for (const Node *n = node->first; n; n = n->next) {
            Width one = width(n);
            w = (Width){one.least < w.least ? one.least : w.least, one.most > w.most ? one.most : w.most};
        }
        return w;
    case NODE_REPEAT:
        w = width(node->first);
        return (Width){times(w.least, node->least), times(w.most, node->most)};
    case NODE_ATOMIC:
        return width(node->first);
    default:
        return w;
    }
}

// ---- repetition and groups

static void run_of(Compiler *c, const Node *node, const CharSet *set) {
    uint32_t k = class_of(c, set), pc = emit(c, DO_RUN, node->at);
    Instruction *i = &c->regex->program[pc];
    i->x = k;
    i->mode = (uint8_t)node->mode;
    i->least = node->least, i->most = node->most;
    if (node->most == WITHOUT_END && !c->behind && !c->looping) i->memo = (int32_t)c->regex->run_count++;
}

// One time. A time in which nothing is taken is the last: the places that jump to the end then are chained through y.
static void once(Compiler *c, Node *node, bool can_be_empty, uint32_t *ends) {
    Regex *r = c->regex;
    const bool outer = c->looping;
    if (can_be_empty) {
        if (!node->slot) node->slot = ++r->slot_count;
        uint32_t begin = emit(c, DO_LOOP_BEGIN, node->at);
        r->program[begin].x = node->slot - 1;
    }
    c->looping |= can_be_empty;
    compile_node(c, node->first);
    c->looping = outer;
    if (!can_be_empty) return;
    uint32_t end = emit(c, DO_LOOP_END, node->at);
    r->program[end].x = node->slot - 1;
    r->program[end].y = *ends;
    *ends = end;
}

static void repeat(Compiler *c, Node *node) {
    Regex *r = c->regex;
    const CharSet *set = single(c, node->first);
    if (set) {
        run_of(c, node, set);
        return;
    }
    const bool can_be_empty = node->most > 1 && width(node->first).least == 0, endless = node->most == WITHOUT_END;
    uint32_t ends = UINT32_MAX, last = UINT32_MAX; // `last`: the splits of the times that may be left out, likewise
    for (size_t i = 0; i < node->least; i++) once(c, node, can_be_empty, &ends);
    for (size_t i = endless ? node->most - 1 : node->least; i < node->most; i++) {
        uint32_t s = split(c, node->at);
        once(c, node, can_be_empty, &ends);
        r->program[s].y = last;
        last = s;
    }
    if (endless) jump(c, last, node->at);
    for (uint32_t before; last != UINT32_MAX; last = before) {
        before = r->program[last].y;
        ways(c, last, last + 1, r->count, node->mode);
    }
    for (uint32_t before; ends != UINT32_MAX; ends = before) {
        before = r->program[ends].y;
        r->program[ends].y = r->count;
    }
}

// What is inside, up to DO_END, for DO_LOOK and DO_ATOMIC.
static void inside(Compiler *c, uint32_t pc, Node *node) {
    const bool outer = c->looping;
    c->looping = false; // no loop around it is asked before its end
    compile_node(c, node);
    c->looping = outer;
    emit(c, DO_END, node->at);
    c->regex->program[pc].x = c->regex->count;
}

static void look(Compiler *c, Node *node) {
    const bool outer = c->behind;
    uint32_t pc = emit(c, DO_LOOK, node->at);
    Instruction *i = &c->regex->program[pc];
    i->negative = node->negative;
    if ((i->behind = node->behind)) {
        Width w = width(node->first);
        if (w.most > BEHIND_MAX)
            regex_refuse(c->source, node->at, "a look behind of no fixed length, or of more than %d characters",
                         BEHIND_MAX);
        i->least = w.least, i->most = w.most;
    }
    c->behind |= node->behind;
    inside(c, pc, node->first);
    c->behind = outer;
}

static void either(Compiler *c, Node *node) {
    Regex *r = c->regex;
    uint32_t last = UINT32_MAX; // the jumps to the end, chained through x until it is known
    for (Node *n = node->first; n; n = n->next) {
        uint32_t s = n->next ? split(c, n->at) : 0;
        compile_node(c, n);
        if (!n->next) break;
        jump(c, last, n->at);
        last = r->count - 1;
        ways(c, s, s + 1, r->count, GREEDY);
    }
    while (last != UINT32_MAX) {
        uint32_t before = r->program[last].x;
        r->program[last].x = r->count;
        last = before;
    }
}

static void compile_node(Compiler *c, Node *node) {
    Node wrapped = {.kind = NODE_ATOMIC, .at = node->at};
    Regex *r = c->regex;
    uint32_t pc;
    if (c->work++ > 100 * PROGRAM_MAX) emit(c, DO_END, node->at); // which refuses
    switch (node->kind) {
    case NODE_CHAR:
        if (node->fold)
            folded_text(c, &(Node){.kind = NODE_CHAR, .fold = true, .c = node->c, .at = node->at}); // alone
        else
            exact(c, node->c, node->at);
        return;
    case NODE_CLASS:
        one_class(c, node->set, node->at);
        return;
    case NODE_LIST:
        for (Node *n = node->first; n;)
            if (n->kind == NODE_CHAR && n->fold) {
                n = (Node *)folded_text(c, n);
            } else {
                compile_node(c, n);
                n = n->next;
            }
        return;
    case NODE_EITHER:
        either(c, node);
        return;
    case NODE_REPEAT:
        if (node->mode == POSSESSIVE && !single(c, node->first)) {
            Node greedy = *node;
            greedy.mode = GREEDY;
            wrapped.first = &greedy;
            compile_node(c, &wrapped);
            node->slot = greedy.slot;
            return;
        }
        repeat(c, node);
        return;
    case NODE_PLACE:
        pc = emit(c, DO_PLACE, node->at);
        r->program[pc].x = (uint32_t)node->place;
        if (node->place >= WORD_EDGE) r->program[pc].y = word_class(c);
        return;
    case NODE_LOOK:
        look(c, node);
        return;
    case NODE_ATOMIC:
        pc = emit(c, DO_ATOMIC, node->at);
        inside(c, pc, node->first);
        return;
    }
}

Regex *regex_read(Arena *a, const char *pattern, size_t length, const char *where) {
    Source source = {
        .arena = a, .pattern = arena_text(a, pattern, length), .where = arena_print(a, "%s", where), .length = length};
    Regex *r = take_zero(a, Regex, 1);
    r->pattern = source.pattern, r->where = source.where;
    Compiler c = {.source = &source, .regex = r};
    compile_node(&c, regex_parse(&source));
    emit(&c, DO_END, length);
    regex_first(a, r);
    return r;
}
