// memory.c: see memory.h. An arena is a list of chunks; a chunk is one malloc. Chunks of a huge page and more are whole huge pages, where the system has
// them: a tile of a product touches a page for each of its rows, and the processor's table of pages is small.
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "pages.h"

#define ALIGN 64      // a cache line and an AVX-512 vector
#define CHUNK_MIN ((size_t)256 * 1024) // small arenas stay small; chunks double up to CHUNK_MAX
#define CHUNK_MAX ((size_t)64 * 1024 * 1024)

// Under AddressSanitizer what was not taken is poisoned, and every piece ends in poison, so that a step beyond a piece is
// seen as it is with malloc.
#if defined(__SANITIZE_ADDRESS__)
#define GUARDED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARDED 1
#endif
#endif
#ifdef GUARDED
#include <sanitizer/asan_interface.h>
#define GUARD ALIGN
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define SPOIL(p, n) memset(p, 0xff, n) // NaN as a float: what is read before it is written turns results red
#else
#define GUARD 0
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#define SPOIL(p, n) ((void)(p), (void)(n))
#endif

typedef struct Chunk {
    struct Chunk *next, *previous;
    size_t size, used; // of the bytes after the head
    void *block;       // what malloc gave
    unsigned char *bytes;
} Chunk;

struct Arena {
    const char *what;
    Chunk *first, *current;
    size_t in_use, peak;
    const MemorySource *source; // of the far chunks; NULL: there are none
    Chunk *far_first, *far_current;
};

// A path that was opened is shorter than this: the system opens no longer ones.
static _Thread_local char opened[4096];

void memory_opened(const char *path) { snprintf(opened, sizeof opened, "%s", path); }

// Behind a message that may name an arena only; a message that begins with the file needs nothing.
static bool opened_says(const char *what) { return opened[0] && strncmp(what, opened, strlen(opened)) != 0; }
#define OPENED(what) opened_says(what) ? "; opened last: " : "", opened_says(what) ? opened : ""

void *memory_take(size_t bytes, const char *what) {
    return memory_grow(NULL, bytes, what);
}

void *memory_grow(void *old, size_t bytes, const char *what) {
    void *p = fail_now(FAIL_MALLOC) ? NULL : realloc(old, bytes ? bytes : 1);
    if (!p)
        die_system("%s: the system has no %zu %s of memory left%s%s", what, bytes >> 20 ? bytes >> 20 : bytes, bytes >> 20 ? "MiB" : "bytes",
                   OPENED(what));
    return p;
}

size_t size_mul(size_t a, size_t b, const char *what) {
    size_t r;
    need(!__builtin_mul_overflow(a, b, &r), "%s: a size of %zu times %zu is beyond this machine%s%s", what, a, b, OPENED(what));
    return r;
}

size_t size_add(size_t a, size_t b, const char *what) {
    size_t r;
    need(!__builtin_add_overflow(a, b, &r), "%s: a size of %zu plus %zu is beyond this machine%s%s", what, a, b, OPENED(what));
    return r;
}

static Chunk *chunk_new(size_t size, const char *what) {
    const size_t head = (sizeof(Chunk) + ALIGN - 1) / ALIGN * ALIGN, needed = size_add(size, head, what), align = needed >= PAGE_HUGE ? PAGE_HUGE : ALIGN;
    const size_t bytes = size_add(needed, align - 1, what) / align * align;
    unsigned char *block = memory_take(size_add(bytes, align, what), what);
    Chunk *c = (Chunk *)(((uintptr_t)block + align - 1) / align * align);
    pages_huge_wanted(c, bytes);
    *c = (Chunk){.size = bytes - head, .block = block, .bytes = (unsigned char *)c + head};
    HIDE(c->bytes, c->size);
    return c;
}

Arena *arena_new(const char *what) {
    Arena *a = memory_take(sizeof *a, what);
    *a = (Arena){.what = what};
    return a;
}

void arena_free(Arena *a) {
    if (!a) return;
    for (Chunk *c = a->first, *next; c; c = next) {
        next = c->next;
        SHOW(c->bytes, c->size);
        free(c->block);
    }
    for (Chunk *c = a->far_first, *next; c; c = next) {
        next = c->next;
        a->source->hidden(c->bytes, c->used);
        a->source->give(c->block);
        free(c);
    }
    free(a);
}

// A far chunk's head lies here, its bytes there.
static Chunk *chunk_far(const MemorySource *source, size_t size, const char *what) {
    void *block = source->obtain(size, what); // first: it may die into a trap
    Chunk *c = memory_take(sizeof *c, what);
    *c = (Chunk){.size = size, .block = block, .bytes = block};
    return c;
}

// The next chunk of the list if it is empty and large enough, else a new one put before it.
static void chunk_advance(Chunk **first, Chunk **current, const MemorySource *source, size_t bytes, const char *what) {
    Chunk *at = *current, *after = at ? at->next : *first;
    if (!after || after->size < bytes) {
        size_t size = at ? at->size * 2 : CHUNK_MIN;
        if (size > CHUNK_MAX) size = CHUNK_MAX;
        if (size < bytes) size = bytes;
        Chunk *c = source ? chunk_far(source, size, what) : chunk_new(size, what);
        c->previous = at;
        c->next = after;
        if (after) after->previous = c;
        if (at) at->next = c;
        else *first = c;
        after = c;
    }
    after->used = 0;
    *current = after;
}

void *arena_take(Arena *a, size_t count, size_t size) {
    size_t wanted = size_mul(count, size, a->what);
    size_t bytes = size_add(wanted, ALIGN - 1 + GUARD, a->what) / ALIGN * ALIGN;
    if (bytes == 0) bytes = ALIGN;
    if (!a->current || a->current->size - a->current->used < bytes) chunk_advance(&a->first, &a->current, NULL, bytes, a->what);
    void *p = a->current->bytes + a->current->used;
    SHOW(p, wanted);
    SPOIL(p, wanted);
    a->current->used += bytes;
    a->in_use += bytes;
    if (a->in_use > a->peak) a->peak = a->in_use;
    return p;
}

void *arena_take_from(Arena *a, const MemorySource *source, size_t wanted) {
    need(!a->source || a->source == source, "%s: memory of two sources", a->what);
    a->source = source;
    size_t bytes = size_add(wanted, FAR_ALIGN - 1, a->what) / FAR_ALIGN * FAR_ALIGN;
    if (bytes == 0) bytes = FAR_ALIGN;
    Chunk *c = a->far_current;
    if (!c || c->size - c->used < bytes) chunk_advance(&a->far_first, &a->far_current, source, bytes, a->what);
    c = a->far_current;
    void *p = c->bytes + c->used;
    source->shown(p, wanted);
    c->used += bytes;
    return p;
}

void arena_reserve_from(Arena *a, const MemorySource *source, size_t bytes) {
    need(!a->source || a->source == source, "%s: memory of two sources", a->what);
    a->source = source;
    const Chunk *c = a->far_current;
    if (!c || c->size - c->used < bytes) chunk_advance(&a->far_first, &a->far_current, source, bytes, a->what);
}

void *arena_zero(Arena *a, size_t count, size_t size) {
    void *p = arena_take(a, count, size);
    memset(p, 0, count * size);
    return p;
}

Mark arena_mark(Arena *a) {
    const Chunk *far = a->far_current;
    return (Mark){.chunk = a->current, .used = a->current ? a->current->used : 0, .far_chunk = a->far_current, .far_used = far ? far->used : 0};
}

static void release_far(Arena *a, Mark mark) {
    while (a->far_current != mark.far_chunk) {
        a->source->hidden(a->far_current->bytes, a->far_current->used);
        a->far_current->used = 0;
        a->far_current = a->far_current->previous;
    }
    Chunk *c = a->far_current;
    if (!c || c->used == mark.far_used) return;
    a->source->hidden(c->bytes + mark.far_used, c->used - mark.far_used);
    c->used = mark.far_used;
}

void arena_release(Arena *a, Mark mark) {
    while (a->current != mark.chunk) {
        a->in_use -= a->current->used;
        HIDE(a->current->bytes, a->current->used);
        a->current->used = 0;
        a->current = a->current->previous;
    }
    if (a->current) {
        a->in_use -= a->current->used - mark.used;
        HIDE(a->current->bytes + mark.used, a->current->used - mark.used);
        a->current->used = mark.used;
    }
    release_far(a, mark);
}

size_t arena_peak(const Arena *a) { return a->peak; }

void *arena_grow(Arena *a, const void *old, size_t old_count, size_t new_count, size_t size) {
    void *p = arena_take(a, new_count, size);
    if (old_count) memcpy(p, old, old_count * size);
    return p;
}

char *arena_text(Arena *a, const char *bytes, size_t length) {
    char *t = arena_take(a, size_add(length, 1, a->what), 1);
    if (length) memcpy(t, bytes, length);
    t[length] = 0;
    return t;
}

char *arena_vprint(Arena *a, const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, list);
    need(n >= 0, "%s: a text that cannot be formatted", a->what);
    char *t = arena_take(a, (size_t)n + 1, 1);
    vsnprintf(t, (size_t)n + 1, format, again);
    va_end(again);
    return t;
}

char *arena_print(Arena *a, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *t = arena_vprint(a, format, list);
    va_end(list);
    return t;
}
