// parts.h: what the emulator's files share: the threads of the block that runs, and the shadow of its memory.
#ifndef RETINA_CUDA_EMU_PARTS_H
#define RETINA_CUDA_EMU_PARTS_H

#include "emulate.h"

#define THREADS_MAX 1024
#define SHARED_MAX (227 * 1024) // of one block on sm_90
#define DEVICE_MAX ((size_t)512 << 20)

typedef struct {
    void *shared;
    const void *global;
    int bytes, given, group;
} Copy;

typedef struct {
    void *sp;    // where the fiber stopped
    char *stack; // kept from launch to launch
    dim3 index;
    int tid;
    enum { READY, AT_BARRIER, AT_NAMED, AT_WARP, AT_MBARRIER, ENDED } state;
    int line;      // of the barrier or warp operation where it stands
    int at;        // named barrier, or which mbarrier
    uint32_t mask; // of the warp operation
    uint64_t value;
    // order within the interval between two block barriers: a clock per thread, and what this thread knows of the others'
    uint32_t interval;
    uint16_t *known; // [THREADS_MAX]
    Copy *copies;
    int copies_count, copies_room, group;
} Thread;

typedef struct {
    const char *kernel;
    void (*run)(void *);
    void *arguments;
    size_t arguments_size, shared;
    dim3 grid, size, block;
    int threads, ended, waiting;
    Thread *thread[THREADS_MAX];
    Thread *self; // NULL between launches
    void *scheduler_sp;
    // numbers that only grow: a block barrier starts a new interval; a launch and a block remember their first
    uint32_t interval, launch_first, block_first;
    bool abandoned;
} Machine;
extern Machine machine;
extern EmuCounts counts;

#define OUTSIDE_CODE __attribute__((noinline))
void report(const void *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void give_way(void); // to the scheduler, until the state is READY again

// shadow.c
typedef enum { LOAD, STORE, ATOMIC } Kind;
void shadow_block_starts(void);
void shadow_access(void *p, size_t bytes, Kind kind, const void *code);
void shadow_in_flight(void *p, size_t bytes); // a copy was started: not readable before it has landed

// What the threads that arrived at a barrier had done, as far as another who passes it knows.
typedef struct {
    uint32_t interval;
    uint16_t known[THREADS_MAX];
} Met;
void shadow_arrive(Met *m, Thread *t);
void shadow_pass(Thread *t, const Met *m);
void shadow_join(Met *to, const Met *from);
void shadow_landed(void *p, size_t bytes); // the copy is there
void *shared_memory(void);

void warpgroup_meets(int line); // all four warps

bool emu_put_off_order(void *p, size_t bytes, bool taken); // capture.c: what device_taken and device_released say is true behind commands that wait

// hopper.c
void hopper_block_starts(void);
void hopper_thread_ends(void);
void hopper_block_ends(void);
bool hopper_lands(bool newest); // one tile that is on its way; false: there is none

// warp.c: all lanes of the mask put down a value and get everybody's
const uint64_t *warp_exchange(int line, uint32_t mask, uint64_t value);

#endif
