// regex_match.c: a program on a text.
//
// Backtracking with a stack of its own: what may still be tried lies there, and only what stands in brackets of its own,
// (?=…) and (?>…), is a call. Two things keep hostile texts and patterns in bounds:
//   - when a search has taken more than FREE_STEPS a byte it begins to remember: which split failed at which place (it will
//     again, from wherever it is reached), in which stretch of text an endless run failed, and which split inside a look
//     succeeded. Then every split runs at most once at every place, over all matches of the text together;
//   - where that cannot be (inside a loop around what can be empty or a look behind: there the outcome depends on how the
//     place was reached), the steps of all searches together are bounded by the bytes that they were given.
// Held by: test/test_regex.c; test/fuzz/fuzz_pattern.c.
#include <string.h>

#include "regex_parts.h"

#define FREE_STEPS 16          // a byte, before anything is remembered; plain patterns take 3 to 10
#define STEPS_AT_ONCE 10000000 // the library gives up after so many for one match
#define STEPS_A_BYTE 2000      // and this one after so many more for every byte
#define STACK_MAX 20000000     // entries, 640 MB; a text of 10 MB needs them where every character leaves two
#define SPLITS_MAX 256         // of a program that remembers: two bits each for every byte of the text

typedef enum { GO_ON = 0, FAILED = 1, SUCCEEDED = 2 } Outcome;
typedef enum { OTHER_WAY, RUN_BACK, RUN_ON, NOTE_FAILURE, SLOT_BACK } EntryKind;

typedef struct {
    EntryKind kind;
    uint32_t pc;
    size_t at;        // the place of the way; where the run ends now; what the slot held
    size_t low, high; // RUN: the shortest and longest that it may be
} Entry;

typedef struct {
    size_t low, high; // an endless run that may end anywhere in here failed
} Dead;

typedef struct {
    const Regex *r;
    const char *text;
    size_t n;
    RegexSearch *search;
    Entry *stack;
    size_t top, room;
    size_t *slots;
    Dead *dead;
    uint8_t *bits; // two for every place and split: failed; succeeded, inside a look
    uint64_t steps, look_at;
} Match;

static bool run(Match *m, uint32_t pc, size_t at, size_t target, size_t *end);

_Noreturn static void give_up(const Match *m, const char *why) {
    die("%s: the pattern %.300s %s on this text; cut the text into shorter ones", m->r->where, m->r->pattern, why);
}

// ---- room

static void push(Match *m, Entry e) {
    if (m->top == m->room) {
        if (m->top > STACK_MAX) give_up(m, "leaves too much to be tried");
        Growing *g = &m->search->room->stack;
        g->length = m->top * sizeof(Entry);
        growing_room(g, (m->top / 2 + 64) * sizeof(Entry));
        m->stack = (Entry *)(void *)g->text;
        m->room = g->room / sizeof(Entry);
    }
    m->stack[m->top++] = e;
}

// The slots, then where runs are dead, then two bits for every split at every place.
static void lay_out(Match *m, bool remember) {
    const Regex *r = m->r;
    Growing *g = &m->search->room->memo;
    size_t slots = r->slot_count * sizeof(size_t), dead = r->run_count * sizeof(Dead);
    size_t bits = remember ? size_mul(m->n + 1, r->split_count, "a text") / 4 + 1 : 0;
    g->length = 0;
    growing_room(g, slots);
    g->length = slots; // what they hold stays
    growing_room(g, size_add(dead, bits, "a text"));
    m->slots = (size_t *)(void *)g->text;
    m->dead = (Dead *)(void *)(g->text + slots);
    m->bits = (uint8_t *)g->text + slots + dead;
    if (remember) memset(g->text + slots, 0, dead + bits);
}

// When it is time to look: too much was done, or enough to begin to remember.
static void look_at_steps(Match *m) {
    RegexSearch *s = m->search;
    if (m->steps > s->limit) give_up(m, "needs too many steps");
    m->look_at = s->limit + 1;
    if (s->memo || m->r->split_count > SPLITS_MAX) return;
    s->memo = true;
    lay_out(m, true);
}

static inline void count_steps(Match *m, size_t steps) {
    m->steps += steps;
    if (m->steps >= m->look_at) look_at_steps(m);
}

// What is remembered of a split at a place: two bits, FAILED and SUCCEEDED.
static uint8_t *noted(const Match *m, uint32_t pc, size_t at, int *shift) {
    size_t k = 2 * (at * m->r->split_count + (size_t)m->r->program[pc].memo);
    *shift = (int)(k % 8);
    return &m->bits[k / 8];
}

static void note_outcome(Match *m, const Entry *e, Outcome o) {
    int shift;
    uint8_t *byte = noted(m, e->pc, e->at, &shift);
    *byte |= (uint8_t)(o << shift);
}

// ---- characters

static inline bool can_begin(const Match *m, uint32_t pc, size_t at) {
    const First *f = &m->r->first[pc];
    if (at == m->n) return f->end;
    unsigned byte = (unsigned char)m->text[at];
    return f->bytes[byte / 64] >> byte % 64 & 1;
}

// Goes past one character of a class; false: none is here.
static inline bool take_one(const Match *m, const RegexClass *k, size_t *at) {
    if (*at == m->n) return false;
    unsigned byte = (unsigned char)m->text[*at];
    if (byte < 128) {
        bool has = k->first.bytes[byte / 64] >> byte % 64 & 1;
        *at += has;
        return has;
    }
    size_t next = *at;
    if (!charset_has(&k->set, utf8_next(m->text, &next))) return false;
    *at = next;
    return true;
}

static bool holds(const Match *m, const Instruction *i, size_t at) {
    const RegexClass *word = &m->r->classes[i->y];
    size_t before = at > 0 ? utf8_before(m->text, at) : m->n, here = at;
    switch ((Place)i->x) {
    case TEXT_BEGIN:
        return at == 0;
    case TEXT_END:
        return at == m->n;
    case TEXT_END_OR_LINE:
        return at == m->n || (at + 1 == m->n && m->text[at] == '\n');
    case LINE_BEGIN: // none begins where the text ends
        return at == 0 || (at < m->n && m->text[at - 1] == '\n');
    case LINE_END:
        return at == m->n || m->text[at] == '\n';
    default:
        return (take_one(m, word, &here) != take_one(m, word, &before)) == (i->x == WORD_EDGE);
    }
}

// ---- runs of one class

// Where the ends begin that are known to fail for an endless run which may end at `low` and beyond; SIZE_MAX: nowhere.
static size_t dead_from(const Match *m, const Instruction *i, size_t low) {
    if (!m->search->memo || i->memo < 0) return SIZE_MAX;
    const Dead *d = &m->dead[i->memo];
    return d->high < low || d->high == 0 ? SIZE_MAX : d->low > low ? d->low : low;
}

static void run_failed(Match *m, const Entry *e, size_t high) {
    const Instruction *i = &m->r->program[e->pc];
    if (m->search->memo && i->memo >= 0) m->dead[i->memo] = (Dead){e->low, high};
}

// From *at on; false: shorter than it must be, or known to fail.
static bool begin_run(Match *m, uint32_t pc, size_t *at) {
    const Instruction *i = &m->r->program[pc];
    const RegexClass *k = &m->r->classes[i->x];
    const size_t begin = *at;
    size_t count = 0;
    while (count < i->least && take_one(m, k, at)) count++;
    if (count < i->least) return false;
    const size_t low = *at, dead = dead_from(m, i, low);
    if (dead == low) return false;
    if (i->mode == LAZY) {
        push(m, (Entry){RUN_ON, pc, low, low, count});
        return true;
    }
    while (count < i->most && *at < dead && take_one(m, k, at)) count++;
    count_steps(m, (*at - begin) / 4);
    size_t high = *at;
    if (high == dead) { // from here on it goes as far as the one that failed did
        *at = utf8_before(m->text, high);
        high = m->dead[i->memo].high;
    }
    if (i->mode == GREEDY && (high > low || (m->search->memo && i->memo >= 0)))
        push(m, (Entry){RUN_BACK, pc, *at, low, high});
    return true;
}

// The run at the top of the stack shorter, by as little as what follows allows; false, and away with it, if it cannot be.
static bool shorter(Match *m, size_t *at) {
    Entry *e = &m->stack[m->top - 1];
    const size_t before = e->at;
    while (e->at > e->low) {
        e->at = utf8_before(m->text, e->at);
        if (!can_begin(m, e->pc + 1, e->at)) continue;
        *at = e->at;
        count_steps(m, (before - e->at) / 4);
        return true;
    }
    run_failed(m, e, e->high);
    count_steps(m, (before - e->low) / 4);
    m->top--;
    return false;
}

// Likewise longer, of a lazy one; `high` counts its characters.
static bool longer(Match *m, size_t *at) {
    Entry *e = &m->stack[m->top - 1];
    const Instruction *i = &m->r->program[e->pc];
    const size_t dead = dead_from(m, i, e->at);
    if (e->high < i->most && take_one(m, &m->r->classes[i->x], &e->at) && e->at != dead) {
        e->high++;
        *at = e->at;
        return true;
    }
    run_failed(m, e, e->at == dead ? m->dead[i->memo].high : e->at);
    m->top--;
    return false;
}

// ---- ways

// The last thing that can still be tried; false: nothing above `base`.
static bool back(Match *m, size_t base, uint32_t *pc, size_t *at) {
    while (m->top > base) {
        Entry *e = &m->stack[m->top - 1];
        *pc = e->pc + 1;
        switch (e->kind) {
        case OTHER_WAY:
            *pc = e->pc, *at = e->at;
            m->top--;
            return true;
        case RUN_BACK:
        case RUN_ON:
            if (e->kind == RUN_BACK ? shorter(m, at) : longer(m, at)) return true;
            break;
        case NOTE_FAILURE:
            note_outcome(m, e, FAILED);
            m->top--;
            break;
        case SLOT_BACK:
            m->slots[e->pc] = e->at;
            m->top--;
            break;
        }
    }
    return false;
}

static inline Outcome choose(Match *m, uint32_t *pc, size_t at) {
    const Instruction *i = &m->r->program[*pc];
    if (m->search->memo && i->memo >= 0) {
        int shift;
        const uint8_t *byte = noted(m, *pc, at, &shift);
        if (*byte >> shift & 3) return (Outcome)(*byte >> shift & 3);
        push(m, (Entry){NOTE_FAILURE, *pc, at, 0, 0});
    }
    const bool first = can_begin(m, i->x, at), second = can_begin(m, i->y, at);
    if (!first && !second) return FAILED;
    if (first && second) push(m, (Entry){OTHER_WAY, i->y, at, 0, 0});
    *pc = first ? i->x : i->y;
    return GO_ON;
}

// Whether what stands behind the instruction matches here, or up to here.
static Outcome look(Match *m, uint32_t *pc, size_t at) {
    const Instruction *i = &m->r->program[*pc];
    const size_t base = m->top;
    size_t from = at, end, back = 0;
    bool found = false;
    if (!i->behind) {
        found = run(m, *pc + 1, at, SIZE_MAX, &end);
    } else {
        for (; back < i->least && from > 0; back++) from = utf8_before(m->text, from);
        for (; back >= i->least && back <= i->most && !found; back++) {
            found = run(m, *pc + 1, from, at, &end);
            if (from == 0) break;
            from = utf8_before(m->text, from);
        }
    }
    for (size_t k = base; found && k < m->top; k++)
        if (m->stack[k].kind == NOTE_FAILURE) note_outcome(m, &m->stack[k], SUCCEEDED);
    m->top = base;
    *pc = i->x;
    return found != i->negative ? GO_ON : FAILED;
}

static Outcome atomic(Match *m, uint32_t *pc, size_t *at) {
    const size_t base = m->top;
    const bool found = run(m, *pc + 1, *at, SIZE_MAX, at);
    m->top = base, *pc = m->r->program[*pc].x;
    return found ? GO_ON : FAILED;
}

static Outcome step(Match *m, uint32_t *pc, size_t *at, size_t target) {
    const Instruction *i = &m->r->program[*pc];
    switch ((Operation)i->op) {
    case DO_BYTES:
        if (m->n - *at < i->size || memcmp(m->text + *at, i->bytes, i->size) != 0) return FAILED;
        *at += i->size;
        break;
    case DO_CLASS:
        if (!take_one(m, &m->r->classes[i->x], at)) return FAILED;
        break;
    case DO_RUN:
        if (!begin_run(m, *pc, at)) return FAILED;
        break;
    case DO_SPLIT:
        return choose(m, pc, *at);
    case DO_JUMP:
        *pc = i->x;
        return GO_ON;
    case DO_PLACE:
        if (!holds(m, i, *at)) return FAILED;
        break;
    case DO_LOOK:
        return look(m, pc, *at);
    case DO_ATOMIC:
        return atomic(m, pc, at);
    case DO_LOOP_BEGIN:
        push(m, (Entry){SLOT_BACK, i->x, m->slots[i->x], 0, 0});
        m->slots[i->x] = *at;
        break;
    case DO_LOOP_END:
        if (m->slots[i->x] != *at) break;
        *pc = i->y;
        return GO_ON;
    case DO_END:
        return target == SIZE_MAX || target == *at ? SUCCEEDED : FAILED;
    }
    ++*pc;
    return GO_ON;
}

// From an instruction and a place to the next DO_END, which counts only at `target` if there is one. What may still be
// tried stays on the stack where it succeeds.
static bool run(Match *m, uint32_t pc, size_t at, size_t target, size_t *end) {
    const size_t base = m->top;
    for (;;) {
        Outcome o = step(m, &pc, &at, target);
        count_steps(m, 1);
        if (o == SUCCEEDED) {
            *end = at;
            return true;
        }
        if (o == FAILED && !back(m, base, &pc, &at)) return false;
    }
}

// ---- searching

RegexSearch regex_search(const Regex *r, const char *text, size_t n, RegexRoom *room) {
    room->bytes += n;
    const uint64_t soon = room->steps + FREE_STEPS * (uint64_t)n + 1000, limit = STEPS_AT_ONCE + STEPS_A_BYTE * room->bytes;
    return (RegexSearch){
        .regex = r, .text = text, .n = n, .last_end = SIZE_MAX, .room = room, .remember_from = soon, .limit = limit};
}

static size_t next_place(const Match *m, size_t at) {
    if (at < m->n)
        utf8_next(m->text, &at);
    else
        at++;
    return at;
}

static bool match_from(Match *m, size_t at, size_t *begin, size_t *end) {
    for (; at <= m->n; at = next_place(m, at)) {
        if (!can_begin(m, 0, at)) continue;
        m->top = 0;
        if (!run(m, 0, at, SIZE_MAX, end)) continue;
        *begin = at;
        return true;
    }
    return false;
}

bool regex_next(RegexSearch *s, size_t *begin, size_t *end) {
    RegexRoom *room = s->room;
    Match m = {.r = s->regex, .text = s->text, .n = s->n, .search = s, .steps = room->steps};
    m.look_at = s->memo ? s->limit + 1 : s->remember_from;
    m.stack = (Entry *)(void *)room->stack.text;
    m.room = room->stack.room / sizeof(Entry);
    lay_out(&m, false);
    bool found = false;
    for (; !found && s->n > 0 && s->at <= s->n; s->at = found ? *end : next_place(&m, s->at)) {
        if (!match_from(&m, s->at, begin, end)) break;
        found = *begin < *end || *end != s->last_end; // no empty one where the last one ended
    }
    if (!found) s->at = s->n + 1;
    s->last_end = found ? *end : SIZE_MAX;
    room->steps = m.steps;
    return found;
}
