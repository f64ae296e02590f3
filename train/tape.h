// tape.h: reverse-mode differentiation: a forward pass leaves a line per operation, backward walks the lines from
// the last to the first and hands every input its gradient.
//
//     Tape *tape = tape_new(weights_arena);
//     Tensor w = tape_parameter(tape, data);                // once; w.node names it from now on
//     for (each step) {
//         Run *run = run_on(step_arena, tape_device(tape));
//         run->recorder = tape_recorder(tape);
//         Tensor loss = …operations of model/ops.h…;
//         tape_backward(tape, step_arena, loss);             // adds to the parameters' gradients
//         adamw_step(…), tape_zero(tape);
//         tape_begin(tape), arena_release(step_arena, mark); // the step's lines and values are gone
//     }
//
// Gradients are f32. A gradient's bits depend on the numbers only: every sum runs in one fixed order, whatever the
// threads and the instruction set. A view shares its tensor's node, so gradients are flat.
#ifndef RETINA_TRAIN_TAPE_H
#define RETINA_TRAIN_TAPE_H

#include "model/device.h"

typedef struct Tape Tape;

// Parameters' gradients and the list of lines live in this arena. Everything is computed on the device: runs that record
// on the tape are run_on(arena, tape_device(t)), and gradients are what its operations can read. On the CPU: plain numbers.
Tape *tape_new_on(Arena *a, const Device *device);
Tape *tape_new(Arena *a); // on the CPU
Recorder *tape_recorder(Tape *t);
const Device *tape_device(const Tape *t);

// Makes a tensor (f32, in memory that outlives the tape) a parameter: gives it a node and a gradient of zeros. On a device with
// memory of its own the tensor that comes back is a copy there, which alone is trained: read it with the device's `read`.
Tensor tape_parameter(Tape *t, Tensor data);
size_t tape_parameters(const Tape *t);
Tensor tape_parameter_at(const Tape *t, size_t i); // in the order in which they were made
float *tape_gradient(Tape *t, Tensor x);           // of a parameter; NULL when x is none
void tape_zero(Tape *t);                           // the parameters' gradients

// Adds `g` (as many numbers as x has, in either memory) to the gradient of x before tape_backward: for losses that are computed
// outside of the operations (losses.h). A tensor without a node is ignored.
void tape_seed(Tape *t, Arena *scratch, Tensor x, const float *g);

// Walks the lines backwards from `loss` (one number; its gradient is `weight`), or only from the seeds when loss is
// NO_TENSOR. Gradients of intermediates live in `scratch`. Can be called once per recorded pass.
void tape_backward(Tape *t, Arena *scratch, Tensor loss, float weight);

// Forgets all lines; parameters and their gradients stay.
void tape_begin(Tape *t);

#endif
