// thread.c: see thread.h. Workers sleep on a condition variable between jobs; within a job, ranges
// are handed out by an atomic counter.
#define _GNU_SOURCE // sched_getcpu and affinities
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "error.h"
#include "fail.h"
#include "memory.h"

enum { THREADS_MAX = 4096 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    int wanted;  // threads in all, the caller included; 0: not yet chosen
    int started; // workers that exist
    atomic_ulong job;
    bool open;  // the job can still be joined
    atomic_int inside; // workers that joined it and are not done
    ParallelFn *fn;
    void *arg;
    size_t n, grain;
    atomic_size_t next;
    int caller, placed, among; // the processor that began the last job; the workers that were told, and of how many threads
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER, .caller = -1};
static pthread_t workers[THREADS_MAX];

static _Thread_local int own_index = 0;
static _Thread_local bool inside = false;

int threads_available(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

void threads_set(int n) {
    if (n < 1 || n > THREADS_MAX) die_usage("--threads %d: between 1 and %d are possible", n, THREADS_MAX);
    pool.wanted = n;
}

int threads_count(void) {
    if (pool.wanted == 0) pool.wanted = threads_available();
    return pool.wanted;
}

int threads_here(void) { return inside ? 1 : threads_count(); }

int thread_index(void) { return own_index; }

static void run_ranges(void) {
    for (;;) {
        size_t begin = atomic_fetch_add(&pool.next, pool.grain);
        if (begin >= pool.n) return;
        size_t end = pool.n - begin < pool.grain ? pool.n : begin + pool.grain;
        pool.fn(pool.arg, begin, end);
    }
}

// Jobs of a training step follow one another within microseconds, and to be woken takes tens of them: a worker looks a little longer for the next
// job before it sleeps, and the thread that began a job for its end.
#define SPINS 1000

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void thread_pause(int *times) {
    if (*times < SPINS) ++*times, pause_briefly();
    else sched_yield(); // there may be more threads than cores
}

static void *worker(void *arg) {
    own_index = (int)(intptr_t)arg;
    inside = true;
    unsigned long seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&pool.job) == seen; i++) pause_briefly();
        pthread_mutex_lock(&pool.lock);
        while (pool.job == seen) pthread_cond_wait(&pool.wake, &pool.lock);
        seen = pool.job;
        bool join = pool.open && own_index < pool.wanted; // late for the job, or --threads was lowered
        pool.inside += join;
        pthread_mutex_unlock(&pool.lock);
        if (!join) continue;
        run_ranges();
        pthread_mutex_lock(&pool.lock);
        if (--pool.inside == 0) pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

// A worker that the system put on the caller's processor would wait there until the caller's work is done, job after job: it may use all
// others. Where there are no more processors than threads each has its own.
static void keep_apart(int threads) {
    int cpu = sched_getcpu(), next = 0;
    cpu_set_t all;
    if (cpu == pool.caller && pool.placed == pool.started && pool.among == threads) return;
    pool.caller = cpu, pool.placed = pool.started, pool.among = threads;
    if (cpu < 0 || sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < threads) return;
    bool each = CPU_COUNT(&all) == threads;
    CPU_CLR(cpu, &all);
    for (int i = 0; i < pool.started; i++) {
        cpu_set_t own = all;
        if (each && i < threads - 1) {
            while (!CPU_ISSET(next, &all)) next++;
            CPU_ZERO(&own);
            CPU_SET(next++, &own);
        }
        pthread_setaffinity_np(workers[i], sizeof own, &own);
    }
}

void parallel_for(size_t n, size_t grain, ParallelFn *fn, void *arg) {
    if (n == 0) return;
    if (grain == 0) grain = 1;
    int threads = threads_count();
    if (threads == 1 || inside || n <= grain) {
        for (size_t b = 0; b < n; b += grain) fn(arg, b, n - b < grain ? n : b + grain);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    while (pool.started < threads - 1) {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        int failed = fail_now(FAIL_THREAD) ? EAGAIN : pthread_create(&workers[pool.started], &attr, worker, (void *)(intptr_t)(pool.started + 1));
        pthread_attr_destroy(&attr);
        if (failed) { // go on with fewer: the results are the same
            pool.wanted = threads = pool.started + 1;
            break;
        }
        pool.started++;
    }
    keep_apart(threads);
    pool.fn = fn;
    pool.arg = arg;
    pool.n = n;
    pool.grain = grain;
    atomic_store(&pool.next, 0);
    pool.open = true;
    pool.job++;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);

    inside = true;
    run_ranges();
    inside = false;

    pthread_mutex_lock(&pool.lock);
    pool.open = false; // a worker that has not woken by now is not waited for
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS && atomic_load(&pool.inside) > 0; i++) pause_briefly();
    pthread_mutex_lock(&pool.lock);
    while (pool.inside > 0) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}
