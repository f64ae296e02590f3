// error.c: see error.h.
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "held.h"

bool quiet = false;
bool bar_stands = false;

static _Thread_local Trap *innermost = NULL;
static _Thread_local uint64_t trap_count = 0;
static void (*cleaner)(void) = NULL;

void trap_push(Trap *t) {
    t->message[0] = 0;
    t->outer = innermost;
    t->number = ++trap_count;
    innermost = t;
}

uint64_t trap_number(void) { return innermost ? innermost->number : 0; }

void trap_end(Trap *t) { innermost = t->outer; }

void at_death(void (*clean)(void)) { cleaner = clean; }

// A message that is too long, as one with a name of thousands of bytes, loses its middle: the reason stands at the end.
static void message_put(char *out, size_t room, const char *format, va_list list) {
    static const char gap[] = " ... ";
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(out, room, format, list);
    char *whole = n >= 0 && (size_t)n >= room ? malloc((size_t)n + 1) : NULL;
    if (whole) { // without memory the beginning has to do
        size_t head = room / 3, tail = room - head - sizeof gap;
        vsnprintf(whole, (size_t)n + 1, format, again);
        memcpy(out + head, gap, sizeof gap - 1);
        memcpy(out + head + sizeof gap - 1, whole + (size_t)n - tail, tail + 1);
        free(whole);
    }
    va_end(again);
}

static void print_line(const char *prefix, const char *format, va_list list) {
    char line[4096];
    message_put(line, sizeof line, format, list);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) *c = ' '; // a message is one line, whatever a file held
    fflush(stdout);
    fprintf(stderr, "%sretina: %s%s\n", bar_stands ? "\n" : "", prefix, line);
    bar_stands = false;
}

static _Noreturn void leave(int status, const char *format, va_list list) {
    print_line("", format, list);
    if (cleaner) cleaner();
    exit(status);
}

_Noreturn void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (!innermost) leave(1, format, list);
    Trap *t = innermost;
    innermost = t->outer;
    message_put(t->message, sizeof t->message, format, list);
    va_end(list);
    held_release(t->number);
    longjmp(t->jump, 1);
}

_Noreturn void die_system(const char *format, ...) {
    va_list list;
    va_start(list, format);
    leave(1, format, list);
}

_Noreturn void die_usage(const char *format, ...) {
    va_list list;
    va_start(list, format);
    leave(2, format, list);
}

void note(const char *format, ...) {
    if (quiet) return;
    va_list list;
    va_start(list, format);
    print_line("note: ", format, list);
    va_end(list);
}
