// golden.h: what the reference computed, and a comparison tap by tap that names the first that leaves.
//
// Format: test/reference/golden.py. A golden file holds inputs, every module's output, results and
// generated ids of one forward pass; long tensors hold every s-th value only.
//
//     Golden *g = golden_open(arena, "test/golden/llama-2/golden.safetensors");
//     … run the model on golden_input(g, "input_ids"), every tap into golden_sink …
//     golden_end(g, "llama-2", 1e-5); // one line "ok" or "FAIL", and what is missing or too much
#ifndef RETINA_TEST_GOLDEN_H
#define RETINA_TEST_GOLDEN_H

#include "io/json.h"
#include "model/model.h"

typedef struct {
    const char *name;
    Tensor shape;        // of the whole tensor, without data
    long every;          // values[i] is element i * every of the row-major tensor
    const float *values;
    size_t count;
} GoldenTensor;

typedef struct {
    const Json *settings; // of the reference's generate(): max_new_tokens, num_beams, …
    const int64_t *ids;   // new ids of the first input, the end token included
    size_t count;
} GoldenAnswer;

typedef struct Golden Golden;

Golden *golden_open(Arena *a, const char *path);
const char *golden_path(const Golden *g);

// The reference's argument, whole: f32, or i32 for ids, masks and grids. NO_TENSOR: it was not given.
Tensor golden_input(const Golden *g, const char *name);
// All of them, as a model takes them: pixels, ids, types, and the mask in bytes.
Inputs golden_inputs(const Golden *g);
const GoldenTensor *golden_result(const Golden *g, const char *name); // "logits"; dies if it is not there

size_t golden_taps(const Golden *g); // in the order of the forward pass
const GoldenTensor *golden_tap_at(const Golden *g, size_t i);
const GoldenTensor *golden_tap(const Golden *g, const char *name); // NULL: no such tap
bool golden_optional(const Golden *g, const char *name);           // a tap that an implementation may leave out

size_t golden_answers(const Golden *g);
GoldenAnswer golden_answer(const Golden *g, size_t k);

// ||x - want|| / ||want|| over the stored values, rows of padding left out; infinity for another shape, for a value that is not
// finite, and for a reference of zeros that x does not share.
double golden_distance(const Golden *g, const GoldenTensor *want, Tensor x);

// Compares one tap and remembers the outcome; a TapSink (model/tap.h) with the Golden as its argument.
void golden_sink(void *golden, const char *name, Tensor x);
// NULL when every tap came within `allow`; else the first, in the order of the forward pass, that leaves,
// taps that did not come and taps that the reference does not have.
const char *golden_fault(Golden *g, double allow);
// Prints that as one check. Then everything is due again.
bool golden_end(Golden *g, const char *what, double allow);

#endif
