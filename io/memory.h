// memory.h: arenas. One arena per lifetime; a mark and a release bring it back; nothing is freed
// piece by piece.
#ifndef RETINA_IO_MEMORY_H
#define RETINA_IO_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct Arena Arena;
typedef struct Mark {
    void *chunk;
    size_t used;
    void *far_chunk; // of memory of another source
    size_t far_used;
} Mark;

// Where memory of another kind comes from (a GPU's). An arena can hand out both: they live and die with the same marks.
typedef struct {
    void *(*obtain)(size_t bytes, const char *what); // dies when there is none left
    void (*give)(void *bytes);                     // back to the source
    void (*shown)(void *bytes, size_t count);      // handed out, and taken back by a release: for whoever watches over
    void (*hidden)(void *bytes, size_t count);     // steps beyond a piece
} MemorySource;

Arena *arena_new(const char *what); // `what` names it in messages; kept by pointer
void arena_free(Arena *a);

// count * size bytes, 64-byte aligned, uninitialised. Dies, with the arena's name, the size and the file opened last, when
// the product overflows or the system has no more memory.
void *arena_take(Arena *a, size_t count, size_t size);
void *arena_zero(Arena *a, size_t count, size_t size);
#define take(arena, type, count) ((type *)arena_take((arena), (count), sizeof(type)))
#define take_zero(arena, type, count) ((type *)arena_zero((arena), (count), sizeof(type)))

// The same from the source; one source per arena. The bytes may be none that this processor can touch.
#define FAR_ALIGN 256 // where its pieces begin: what a GPU's allocator gives
void *arena_take_from(Arena *a, const MemorySource *source, size_t bytes);
void arena_reserve_from(Arena *a, const MemorySource *source, size_t bytes); // what is taken next, up to so many bytes, lies in one chunk

Mark arena_mark(Arena *a);
void arena_release(Arena *a, Mark mark); // chunks stay, for the next round

size_t arena_peak(const Arena *a); // most bytes in use at once since arena_new

// Grows `old` (of old_count) to new_count by taking and copying; the old room is lost until release.
void *arena_grow(Arena *a, const void *old, size_t old_count, size_t new_count, size_t size);

char *arena_text(Arena *a, const char *bytes, size_t length); // a copy with a closing 0
char *arena_print(Arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprint(Arena *a, const char *format, va_list list); // for functions that take such a list themselves

// Checked size arithmetic: dies instead of wrapping. `what` is the place, as in "a.png: header".
size_t size_mul(size_t a, size_t b, const char *what);
size_t size_add(size_t a, size_t b, const char *what);

// malloc for the few things outside an arena (thread stacks, tables for the process): never NULL.
void *memory_take(size_t bytes, const char *what);
void *memory_grow(void *old, size_t bytes, const char *what); // realloc

// This thread reads that file from now on: where memory is wanting or a size is too large, the message names it beside the
// arena, which only says what for. file.c calls it for every file it opens.
void memory_opened(const char *path);

#endif
