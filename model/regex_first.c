// regex_first.c: which bytes a match can begin with, for every instruction of a program.
//
// The matcher asks this before it tries an alternative, so that most of them cost one look at a table, and a search goes
// past what cannot begin a match. More bytes than can is no mistake, fewer is one.
#include "regex_parts.h"

static const First every = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, true};

static void add_byte(First *f, unsigned byte) { f->bytes[byte / 64] |= (uint64_t)1 << byte % 64; }

// The first bytes of a class: its characters in ASCII, and what the others begin with.
static First of_class(const CharSet *set) {
    First f = {{0}, false};
    char bytes[4];
    for (size_t i = 0; i < set->count; i++) {
        uint32_t from = set->ranges[i].from, to = set->ranges[i].to;
        for (; from <= to && from < 128; from++) add_byte(&f, from);
        if (from > to) continue;
        utf8_put(bytes, from);
        unsigned byte = (unsigned char)bytes[0];
        if (byte == 0xEF) byte = 0xED; // utf8_put makes a surrogate U+FFFD
        utf8_put(bytes, to);
        for (; byte <= (unsigned char)bytes[0]; byte++) add_byte(&f, byte);
    }
    return f;
}

static void join(First *f, const First *other) {
    for (int i = 0; i < 4; i++) f->bytes[i] |= other->bytes[i];
    f->end |= other->end;
}

// From what is known of the instructions behind it.
static First first_of(const Regex *r, uint32_t pc) {
    const Instruction *i = &r->program[pc];
    First f = {{0}, false};
    switch ((Operation)i->op) {
    case DO_BYTES:
        add_byte(&f, (unsigned char)i->bytes[0]);
        break;
    case DO_CLASS:
        f = r->classes[i->x].first;
        break;
    case DO_RUN:
        if (i->most) f = r->classes[i->x].first;
        if (i->least == 0) join(&f, &r->first[pc + 1]);
        break;
    case DO_SPLIT:
        f = r->first[i->x];
        join(&f, &r->first[i->y]);
        break;
    case DO_JUMP:
    case DO_LOOK:
        f = r->first[i->x];
        break;
    case DO_PLACE:
    case DO_ATOMIC:
    case DO_LOOP_BEGIN:
        f = r->first[pc + 1];
        break;
    case DO_LOOP_END:
        f = r->first[pc + 1];
        join(&f, &r->first[i->y]);
        break;
    case DO_END: // of a part of the program: what follows is the caller's
        f = every;
        break;
    }
    return f;
}

void regex_first(Arena *a, Regex *r) {
    for (uint32_t k = 0; k < r->class_count; k++) r->classes[k].first = of_class(&r->classes[k].set);
    r->first = take_zero(a, First, r->count);
    for (bool grew = true; grew;) { // once more for every loop around a loop
        grew = false;
        for (uint32_t pc = r->count; pc-- > 0;) {
            First f = first_of(r, pc), *known = &r->first[pc];
            for (int i = 0; i < 4; i++) grew |= (f.bytes[i] & ~known->bytes[i]) != 0;
            grew |= f.end && !known->end;
            *known = f;
        }
    }
}
