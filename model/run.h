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

// --dtype: how products of linear layers are made.
typedef enum {
    COMPUTE_F32,  // the reference
    COMPUTE_BF16, // of numbers rounded to bf16, with sums in f32
    COMPUTE_BF16X3 // of numbers split in two bf16s, with an error below 1e-5 of a product's norm, where that is faster than f32; else of f32
} Compute;
#define COMPUTE_CHOICES "f32|bf16|bf16x3"
const char *compute_name(Compute c); // of these

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
Run *run_on(Arena *arena, const Device *device); // a model's: run_on(arena, model->device)

// Two kinds of tensors, on a CPU the same. What operations give lies on the device and is for operations only; numbers that
// C code writes (ids, positions, masks, tables) lie in the program's own memory, and every operation takes them as inputs.
// i32 and u8 tensors are always of the second kind. Neither has memory in a dry run.
Tensor run_tensor(Run *run, Dtype dtype, int ndim, const long *shape); // an operation's result
Tensor run_input(Run *run, Dtype dtype, int ndim, const long *shape);  // to be written here, before it is used

// x where C code can read it, in f32: x itself, or a copy in the run's arena.
Tensor run_read(Run *run, Tensor x);
// The same in two halves, for bytes: a device may be given more to do before they are waited for. Two may be under way.
unsigned long run_read_begin(Run *run, Tensor x);
Tensor run_read_end(Run *run, Tensor x, unsigned long begun);
// An input (f32) that several operations read, where they read it without sending it again: x itself, or a copy on the device.
Tensor run_send(Run *run, Tensor x);
// x = numbers (f32, as many; x may be of bf16); and bytes from one tensor to another of the same size: both for results of operations.
void run_write(Run *run, Tensor x, const float *numbers);
void run_copy(Run *run, Tensor to, Tensor from);
// What follows until the next run_read is a step that comes again and again with the same shapes (a new token): a device may
// keep its commands and repeat them.
void run_repeats(Run *run);

// A block's temporaries die with its mark. With a tape set, nothing dies: backward needs the values.
typedef struct {
    Mark mark;
    size_t planned;
} RunMark;
RunMark run_mark(Run *run);
void run_release(Run *run, RunMark m);

#endif
