// regex_first.c: which bytes a match can begin with, for every instruction of a program.
//
// The matcher asks this before it tries an alternative, so that most of them cost one look at a table, and a search goes
// past what cannot begin a match. More bytes than can is no mistake, fewer is one.
#include "regex_parts.h"

static const First every = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, true};

static void add_byte(First *f, unsigned byte) { f->bytes[byte / 64] |= (uint64_t)1 << byte % 64; }

static void add_class(First *f, const RegexClass *k) {
    char bytes[4];
    f->bytes[0] |= k->ascii[0], f->bytes[1] |= k->ascii[1];
    for (size_t i = 0; i < k->set.count; i++) {
        if (k->set.ranges[i].to < 128) continue;
        utf8_put(bytes, k->set.ranges[i].from < 128 ? 128 : k->set.ranges[i].from);
        unsigned from = (unsigned char)bytes[0];
        utf8_put(bytes, k->set.ranges[i].to);
        if (from == 0xEF) from = 0xED; // utf8_put makes a surrogate U+FFFD
        for (unsigned b = from; b <= (unsigned char)bytes[0]; b++) add_byte(f, b);
    }
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
        add_class(&f, &r->classes[i->x]);
        break;
    case DO_RUN:
        if (i->most) add_class(&f, &r->classes[i->x]);
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
