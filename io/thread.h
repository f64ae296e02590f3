// thread.h: one pool of threads for the whole program.
#ifndef RETINA_IO_THREAD_H
#define RETINA_IO_THREAD_H

#include <stddef.h>

int threads_available(void); // cores that this process may use
void threads_set(int n);     // --threads; 1 keeps everything on the caller
int threads_count(void);
int threads_here(void);      // that a loop begun here would have: inside another one, 1

// Calls fn(arg, begin, end) over [0, n) in ranges of `grain` indices (the last may be shorter), from
// several threads at once; returns when all are done. Which thread runs which range is not fixed, so
// an output must belong to one index. Idle threads sleep. Calls from inside fn run on the caller.
// fn must not `die`, except under its own trap: check before, or collect and die after.
typedef void ParallelFn(void *arg, size_t begin, size_t end);
void parallel_for(size_t n, size_t grain, ParallelFn *fn, void *arg);

// For a loop inside fn that waits for what other threads do: the first times a moment, then the processor is left to others.
// *times: 0 before the loop.
void thread_pause(int *times);

// The number of the thread that calls, 0 (the caller of parallel_for) … threads_count()-1: for
// scratch memory per thread.
int thread_index(void);

#endif
