// test_thread.c: ranges of a parallel loop, and where its threads run.
//
// Caught when broken on purpose: the last range longer than what there is, nested loops on other threads, workers on the caller's processor.
#define _GNU_SOURCE // sched_getcpu and affinities
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "io/progress.h"
#include "io/thread.h"

enum { MOST = 5000 };

typedef struct {
    atomic_int times[MOST]; // that an index was met
    atomic_bool wrong;      // a range that is none
    size_t n, grain;
} Met;

static void meet(void *arg, size_t begin, size_t end) {
    Met *m = arg;
    if (begin >= end || end > m->n || end - begin > m->grain || begin % m->grain != 0 || thread_index() < 0 || thread_index() >= threads_count()) atomic_store(&m->wrong, true);
    for (size_t i = begin; i < end && i < MOST; i++) atomic_fetch_add(&m->times[i], 1);
}

static bool all_once(Met *m) {
    if (atomic_load(&m->wrong)) return false;
    for (size_t i = 0; i < MOST; i++)
        if (atomic_load(&m->times[i]) != (i < m->n)) return false;
    return true;
}

static void nest(void *arg, size_t begin, size_t end) {
    int index = thread_index();
    parallel_for(end - begin, 1, meet, arg);
    if (thread_index() != index || threads_here() != 1) atomic_store(&((Met *)arg)->wrong, true);
}

static void test_ranges(void) {
    static const size_t sizes[] = {0, 1, 2, 7, 64, 1000, MOST}, grains[] = {1, 3, 64, 9999};
    static Met m;
    for (int threads = 1; threads <= 5; threads += 2) {
        threads_set(threads);
        bool ok = true;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                memset(&m, 0, sizeof m);
                m.n = sizes[s], m.grain = grains[g];
                parallel_for(m.n, m.grain, meet, &m);
                ok = ok && all_once(&m);
            }
        check(ok, "%d threads: every index once, in ranges of the grain", threads);
        memset(&m, 0, sizeof m);
        m.n = 1, m.grain = 1;
        parallel_for(6, 1, nest, &m);
        check(!atomic_load(&m.wrong) && atomic_load(&m.times[0]) == 6, "%d threads: a loop in a loop runs where it is called, and knows that", threads);
        check(threads_here() == threads, "%d threads: outside of loops there are so many", threads);
    }
}

// ---- waiting for one another

static void count_and_wait(void *arg, size_t begin, size_t end) {
    atomic_long *count = arg;
    (void)begin, (void)end;
    atomic_fetch_add(count, 1);
    for (int i = 0; atomic_load(count) < 1;) thread_pause(&i);
}

// ---- where they run

typedef struct {
    atomic_int workers, beside; // that took part; whose processors are not the caller's
    int caller;
} Places;

static void look(void *arg, size_t begin, size_t end) {
    Places *p = arg;
    (void)begin, (void)end;
    if (thread_index() > 0) {
        cpu_set_t mine;
        atomic_fetch_add(&p->workers, 1);
        if (sched_getaffinity(0, sizeof mine, &mine) == 0 && !CPU_ISSET(p->caller, &mine)) atomic_fetch_add(&p->beside, 1);
    }
    for (double until = seconds_now() + 5e-4; seconds_now() < until;) continue;
}

static void test_places(void) {
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) {
        printf("SKIP where threads run: one processor\n");
        return;
    }
    threads_set(2);
    for (int cpu = 0, tried = 0; cpu < CPU_SETSIZE && tried < 2; cpu++) { // a worker's place is not by chance the other one
        if (!CPU_ISSET(cpu, &all)) continue;
        tried++;
        bool seen = false, apart = true;
        for (int i = 0; i < 200 && !seen; i++) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            sched_setaffinity(0, sizeof all, &all); // it is there, and may go
            Places p = {.caller = sched_getcpu()};
            parallel_for(4, 1, look, &p);
            if (p.caller != cpu || sched_getcpu() != cpu || atomic_load(&p.workers) == 0) continue; // moved, or alone
            seen = true, apart = atomic_load(&p.beside) == atomic_load(&p.workers);
        }
        check(seen && apart, "a worker does not run on the caller's processor, be it the first or the second");
    }
    cpu_set_t after;
    check(sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&all, &after), "the caller may run where it could");
}

int main(void) {
    test_ranges();
    atomic_long count = 0;
    threads_set(3);
    parallel_for(3, 1, count_and_wait, &count);
    check(atomic_load(&count) == 3, "who waits for what others have done goes on");
    test_places();
    return check_end();
}
