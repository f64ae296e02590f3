// tokenizer_merge.c: the merges of a byte-pair encoding, and their order within a word: the lowest rank first, the
// leftmost among equals.
//
// Source: huggingface/tokenizers, src/models/bpe/word.rs (merge_all), where one heap holds all candidates: here, too, but
// for those that come in order, which are nearly all. A word of 1 MiB is ten times the size of the cache: what counts is
// how many lines of memory a merge touches. (words of random letters or digits under 256,000 merges, MB/s on one core
// of an AMD EPYC 9004 that had other work: one heap 2; a linked list for each rank 3.4; lists in lines of the cache and
// symbols of 8 bytes 7; these, and symbols asked for eight candidates ahead 9. To ask for the places of the pairs that a
// merge is going to make gained nothing.)
// Bites: of a candidate the library asks whether the two symbols that now stand there make the *same token*, not whether
// they are the same pair.
#include <string.h>

#include "tokenizer_parts.h"

#define SHORT_WORD 24 // symbols; up to here the lowest rank is searched
#define LISTS_FROM 48 // symbols; below, the heap alone is as quick
#define INSIDE (-1)   // id of a place that another symbol has grown over
#define END (-2)      // and of the place behind the last symbol

// ---- the table of merges

void merges_open(Model *m, Arena *a, size_t count) {
    m->merge_places = 2 * (uint32_t)count + 1;
    m->merges = take_zero(a, Merge, m->merge_places);
    m->ranks = (uint32_t)count;
    m->wholes = take_zero(a, int32_t, count);
}

static inline uint64_t pair_of(int32_t left, int32_t right) { return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1; }

// Where a pair stands, or the free place where it would.
static inline Merge *place_of(const Model *m, uint64_t pair) {
    uint32_t h = (uint32_t)((pair * 0x9E3779B97F4A7C15u >> 32) * m->merge_places >> 32);
    while (m->merges[h].pair && m->merges[h].pair != pair)
        if (++h == m->merge_places) h = 0;
    return &m->merges[h];
}

void merges_add(Model *m, int32_t left, int32_t right, uint32_t rank, int32_t whole) {
    uint64_t pair = pair_of(left, right);
    *place_of(m, pair) = (Merge){pair, rank, whole};
    m->wholes[rank] = whole;
}

static inline const Merge *merge_of(const Model *m, int32_t left, int32_t right) {
    const Merge *place = place_of(m, pair_of(left, right));
    return place->pair ? place : NULL;
}

// ---- few symbols: find the lowest rank, merge, close the gap

static size_t merge_short(const Model *m, Symbol *s, size_t count) {
    const Merge *of[SHORT_WORD];
    for (size_t i = 0; i + 1 < count; i++) of[i] = merge_of(m, s[i].id, s[i + 1].id);
    for (;;) {
        size_t best = count;
        for (size_t i = 0; i + 1 < count; i++)
            if (of[i] && (best == count || of[i]->rank < of[best]->rank)) best = i;
        if (best == count) return count;
        s[best].id = of[best]->whole;
        count--;
        for (size_t i = best + 1; i < count; i++) s[i] = s[i + 1];
        for (size_t i = best + 1; i + 1 < count; i++) of[i] = of[i + 1];
        if (best > 0) of[best - 1] = merge_of(m, s[best - 1].id, s[best].id);
        if (best + 1 < count) of[best] = merge_of(m, s[best].id, s[best + 1].id);
    }
}

// ---- many symbols: the queue of candidates
//
// A candidate is a rank and a position. Nearly all arrive in such an order that they need no sorting: they are of a higher
// rank than those whose turn it is, and within a rank they come from the left to the right. These wait in a list for each
// rank. Those that come late wait in a heap. What the lists have lowest is taken off them a little before its turn, so that
// the memory that it leads to can be asked for; what arrives below the last one of these is late, too.

#define AHEAD 8 // candidates
#define LINE 16 // places of a list that lie together, in one line of the cache; the last one leads to the next line

typedef struct {
    uint32_t first, last; // places
    uint32_t rightmost;   // the position at the last place
} List;

typedef struct {
    uint64_t next[AHEAD], end; // a ring of rank << 32 | position, rising; the last of them
    size_t taken, loaded;      // of the ring, all together
    List *lists;               // by rank; NULL: all candidates are late
    uint64_t *filled, *words;  // a bit for each list with something in it, and one for each word of such bits
    uint32_t ranks, from;      // the first of those words of words that may have a bit
    uint32_t *places, used;    // positions, in lines; lines that were ever taken
    uint32_t spare;            // the first of the lines that came back, each of which leads to the next one; 0: none
    uint64_t *heap;
    size_t heap_count;
} Queue;

static uint64_t key_of(uint32_t rank, uint32_t position) { return (uint64_t)rank << 32 | position; }

static void heap_push(Queue *q, uint64_t key) {
    size_t i = q->heap_count++;
    for (; i > 0 && key < q->heap[(i - 1) / 2]; i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = key;
}

static uint64_t heap_pop(Queue *q) {
    uint64_t *h = q->heap, top = h[0], key = h[--q->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->heap_count; i = child) {
        if (child + 1 < q->heap_count && h[child + 1] < h[child]) child++;
        if (key <= h[child]) break;
        h[i] = h[child];
    }
    h[i] = key;
    return top;
}

static bool list_filled(const Queue *q, uint32_t rank) { return q->filled[rank / 64] >> rank % 64 & 1; }

static void list_mark(Queue *q, uint32_t rank) {
    q->filled[rank / 64] |= (uint64_t)1 << rank % 64;
    q->words[rank / 4096] |= (uint64_t)1 << rank / 64 % 64;
    if (rank / 4096 < q->from) q->from = rank / 4096;
}

static void list_unmark(Queue *q, uint32_t rank) {
    q->filled[rank / 64] &= ~((uint64_t)1 << rank % 64);
    if (!q->filled[rank / 64]) q->words[rank / 4096] &= ~((uint64_t)1 << rank / 64 % 64);
}

// The lowest rank that has something in its list, NO_MERGE: none has.
static uint32_t list_lowest(Queue *q) {
    for (; q->from * 4096 < q->ranks; q->from++)
        if (q->words[q->from]) {
            uint32_t word = q->from * 64 + (uint32_t)__builtin_ctzll(q->words[q->from]);
            return word * 64 + (uint32_t)__builtin_ctzll(q->filled[word]);
        }
    return NO_MERGE;
}

// The first place of a line that is free.
static uint32_t line_take(Queue *q) {
    uint32_t line = q->spare;
    if (!line) return LINE * ++q->used;
    q->spare = q->places[line + LINE - 1];
    return line;
}

static void line_give(Queue *q, uint32_t place) {
    uint32_t line = place - place % LINE;
    q->places[line + LINE - 1] = q->spare;
    q->spare = line;
}

static void list_append(Queue *q, uint32_t rank, uint32_t position) {
    List *list = &q->lists[rank];
    if (!list_filled(q, rank)) {
        list_mark(q, rank);
        list->first = list->last = line_take(q);
    } else if (++list->last % LINE == LINE - 1) {
        uint32_t line = line_take(q);
        q->places[list->last] = line;
        list->last = line;
    }
    q->places[list->last] = list->rightmost = position;
}

static uint32_t list_pop(Queue *q, uint32_t rank) {
    List *list = &q->lists[rank];
    uint32_t place = list->first, position = q->places[place];
    if (place == list->last) {
        list_unmark(q, rank);
        line_give(q, place);
    } else if (++list->first % LINE == LINE - 1) {
        list->first = q->places[list->first];
        line_give(q, place);
    }
    return position;
}

static bool list_takes(const Queue *q, uint32_t rank, uint32_t position) {
    if (!q->lists || key_of(rank, position) < q->end) return false;
    return !list_filled(q, rank) || q->lists[rank].rightmost <= position;
}

// Each merge makes two candidates at most. Lines: full ones, and one for each rank that is not.
static Queue queue_open(const Model *m, Encoder *e, size_t count) {
    size_t most = size_mul(count, 3, m->path), lines = most / (LINE - 1) + (m->ranks < most ? m->ranks : most) + 2;
    Queue q = {.ranks = m->ranks, .heap = scratch_take(e, SCRATCH_HEAP, most, sizeof *q.heap)};
    if (count < LISTS_FROM || lines > UINT32_MAX / LINE) return q;
    size_t words = m->ranks / 64 + 1;
    if (!e->filled) e->filled = take_zero(e->arena, uint64_t, words + words / 64 + 1);
    q.filled = e->filled, q.words = e->filled + words;
    q.lists = scratch_take(e, SCRATCH_LISTS, m->ranks, sizeof *q.lists);
    q.places = scratch_take(e, SCRATCH_PLACES, lines, LINE * sizeof *q.places);
    return q;
}

static void queue_put(Queue *q, uint32_t rank, uint32_t position) {
    if (list_takes(q, rank, position))
        list_append(q, rank, position);
    else
        heap_push(q, key_of(rank, position));
}

// Takes the lowest candidate off the lists into the ring.
static bool queue_load(Queue *q, const Symbol *s) {
    uint32_t rank = q->lists ? list_lowest(q) : NO_MERGE;
    if (rank == NO_MERGE) return false;
    uint32_t at = list_pop(q, rank);
    q->next[q->loaded++ % AHEAD] = q->end = key_of(rank, at);
    __builtin_prefetch(&s[at]);
    return true;
}

// false: no candidate is left.
static bool queue_next(Queue *q, const Symbol *s, uint64_t *key) {
    while (q->loaded - q->taken < AHEAD && queue_load(q, s)) continue;
    bool listed = q->taken < q->loaded;
    if (!listed && !q->heap_count) return false;
    bool late = q->heap_count && (!listed || q->heap[0] < q->next[q->taken % AHEAD]);
    *key = late ? heap_pop(q) : q->next[q->taken++ % AHEAD];
    return true;
}

// ---- and the merging

// Symbols grow where they stand: the place of the first character has the id, the second and the last one have the number
// of places, by which one comes from a symbol to its neighbours.
static uint32_t after(const Symbol *s, uint32_t at) { return s[at + 1].id == INSIDE ? at + s[at + 1].span : at + 1; }
static uint32_t before(const Symbol *s, uint32_t at) { return s[at - 1].id == INSIDE ? at - s[at - 1].span : at - 1; }

// Finds the merge of a symbol with the next one, and puts it into the queue.
static void pair_up(const Model *m, Queue *q, Symbol *s, uint32_t at) {
    int32_t right = s[after(s, at)].id;
    const Merge *merge = right == END ? NULL : merge_of(m, s[at].id, right);
    s[at].rank = merge ? merge->rank : NO_MERGE;
    if (merge) queue_put(q, merge->rank, at);
}

// Is there still a merge that makes what this rank makes?
static bool still(const Model *m, const Symbol *s, uint32_t rank) {
    if (s->id == INSIDE || s->rank == NO_MERGE) return false;
    return s->rank == rank || m->wholes[s->rank] == m->wholes[rank];
}

static void merge_at(const Model *m, Queue *q, Symbol *s, uint32_t at) {
    uint32_t right = after(s, at), end = after(s, right);
    s[at].id = m->wholes[s[at].rank];
    s[right].id = INSIDE;
    s[at + 1].span = s[end - 1].span = end - at;
    if (at) pair_up(m, q, s, before(s, at));
    pair_up(m, q, s, at);
}

static size_t merge_long(const Model *m, Encoder *e, Symbol *s, size_t count) {
    Queue q = queue_open(m, e, count);
    s[count].id = END;
    for (uint32_t i = 0; i < count; i++) pair_up(m, &q, s, i);
    for (uint64_t key; queue_next(&q, s, &key);)
        if (still(m, &s[(uint32_t)key], (uint32_t)(key >> 32))) merge_at(m, &q, s, (uint32_t)key);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (s[i].id != INSIDE) s[kept++].id = s[i].id;
    return kept;
}

size_t merge_all(const Model *m, Encoder *e, Symbol *s, size_t count) {
    return count <= SHORT_WORD && !m->twins ? merge_short(m, s, count) : merge_long(m, e, s, count);
}
