// error.h: one line to the person at the keyboard, and how a long run survives a bad file.
//
// A message says: where (file, line, tensor, layer or option), what was found, what was expected,
// and how to mend it. Exit 1 for everything, 2 for wrong use.
//
// Parsers are written with `need` and never return error codes. Code that can go on without one
// input (one unreadable picture among a million) runs the parser under a trap:
//
//     Trap trap;
//     Mark mark = arena_mark(arena);
//     if (trap_set(&trap)) {
//         picture = image_decode(arena, bytes, path);
//         trap_end(&trap);
//     } else {                                  // `die` came here; trap.message says why
//         arena_release(arena, mark);
//         failed_add(path, trap.message);
//     }
//
// Rules of a trap: what the parser allocates lives in the arena that is released; locals changed
// between trap_set and the failure are `volatile`. Files and mappings opened since are closed (held.h).
#ifndef RETINA_IO_ERROR_H
#define RETINA_IO_ERROR_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

typedef struct Trap {
    jmp_buf jump;
    char message[1024]; // the line that would have been printed, without "retina: "
    struct Trap *outer;
    uint64_t number;
} Trap;

// True now; false when a `die` of this thread comes back here. trap_end() must follow on success.
#define trap_set(t) (trap_push(t), setjmp((t)->jump) == 0)
void trap_push(Trap *t);
void trap_end(Trap *t);
uint64_t trap_number(void); // of this thread's innermost trap; they only grow; 0: none

// Prints "retina: MESSAGE" and exits with 1, or jumps to this thread's innermost trap.
_Noreturn void die(const char *format, ...) PRINTF_LIKE(1, 2);

// The same for what is no input's fault, memory above all: not trapped, or a good picture would be listed as a bad one.
_Noreturn void die_system(const char *format, ...) PRINTF_LIKE(1, 2);

// Wrong use of the command line: prints and exits with 2. Not trapped.
_Noreturn void die_usage(const char *format, ...) PRINTF_LIKE(1, 2);

// One line on stderr, "retina: note: …".
void note(const char *format, ...) PRINTF_LIKE(1, 2);
extern bool quiet; // --quiet: no notes, no progress
extern bool bar_stands; // a progress bar is on the terminal's line, which has not ended: a message begins a new one

#define need(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) die(__VA_ARGS__);                                                        \
    } while (0)

// Runs before the process leaves through die or exit: removes half-written files. (file.c)
void at_death(void (*clean)(void));

#endif
