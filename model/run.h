// run.h: everything that one forward pass needs, passed first to every operation.
//
// The same forward function is run in four ways, and a model file never knows which:
//   dry       shapes only, no numbers: lists the taps, plans the memory, checks the weights
//   plain     on the CPU or on a GPU (run->device)
//   recorded  every operation leaves a line on a tape (train/tape.h), and backward works
//   tapped    named tensors are read or replaced on the way (tap.h)
#ifndef RETINA_MODEL_RUN_H
#define RETINA_MODEL_RUN_H

#include <setjmp.h>
#include <stdbool.h>

#include "tensor.h"

typedef struct Run Run;
typedef struct Taps Taps;         // tap.h
typedef struct Device Device;     // device.h: the table of operations, CPU or CUDA
typedef struct Recorder Recorder; // ops.h: what a tape must offer

struct Run {
    Arena *arena;         // temporaries and results of this forward
    const Device *device; // never NULL
    bool dry;
    Taps *taps;                   // NULL: nobody asked for anything
    Recorder *recorder;           // NULL: inference
    size_t planned, planned_peak; // bytes: what a dry run would have taken
    bool stop;                    // a forward ends when every tap asked for has been served
    jmp_buf *finish;              // where tap() goes when the last tap asked for has been served; NULL: never
};

Run *run_new(Arena *arena); // on the CPU; temporaries in this arena
Run *run_dry(Arena *arena); // the arena holds only the Run and what lists need

// A tensor in the run's arena; without memory in a dry run.
Tensor run_tensor(Run *run, Dtype dtype, int ndim, const long *shape);

// A block's temporaries die with its mark. With a tape set, nothing dies: backward needs the values.
typedef struct {
    Mark mark;
    size_t planned;
} RunMark;
RunMark run_mark(Run *run);
void run_release(Run *run, RunMark m);

#endif
