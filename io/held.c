// held.c: see held.h.
#include "held.h"

#include <pthread.h>
#include <stddef.h>

#include "error.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Held *list = NULL;
static _Thread_local char own; // its address tells threads apart

void held_add(Held *h, void (*drop)(Held *)) {
    h->drop = drop;
    h->thread = &own;
    h->trap = trap_number();
    pthread_mutex_lock(&lock);
    h->next = list;
    list = h;
    pthread_mutex_unlock(&lock);
}

void held_remove(Held *h) {
    pthread_mutex_lock(&lock);
    for (Held **p = &list; *p; p = &(*p)->next)
        if (*p == h) {
            *p = h->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}

// Numbers of a thread's traps only grow, so everything it got inside this trap, or inside a later one that ended
// well, has this number or a higher one.
void held_release(uint64_t trap) {
    for (;;) {
        pthread_mutex_lock(&lock);
        Held **p = &list;
        while (*p && ((*p)->thread != &own || (*p)->trap < trap)) p = &(*p)->next;
        Held *h = *p;
        if (h) *p = h->next;
        pthread_mutex_unlock(&lock);
        if (!h) return;
        h->drop(h);
    }
}

const Held *held_list(void) { return list; }
