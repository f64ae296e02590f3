// held.h: what the system lent us (mappings, open files, files half written). When a parser dies into a trap, what this
// thread got since that trap was set is given back; so parsers need no clean-up of their own.
#ifndef RETINA_IO_HELD_H
#define RETINA_IO_HELD_H

#include <stdint.h>

typedef struct Held Held;
struct Held {
    void (*drop)(Held *); // gives it back, the Held too if that was malloc'd; it may not lie in an arena, which may go first
    Held *next;
    const void *thread;
    uint64_t trap; // number of the innermost trap when it was got
};

void held_add(Held *h, void (*drop)(Held *));
void held_remove(Held *h);         // it was given back in the ordinary way
void held_release(uint64_t trap);  // by die, before it jumps
const Held *held_list(void);       // newest first

#endif
