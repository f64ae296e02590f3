// init.h: first values of parameters by rules over their names. A number depends on (seed, tensor's name, its index)
// only: adding a tensor changes no other.
#ifndef RETINA_TRAIN_INIT_H
#define RETINA_TRAIN_INIT_H

#include <stdint.h>

#include "model/tensor.h"

typedef enum {
    INIT_CONSTANT,       // scale
    INIT_NORMAL,         // N(0, scale^2)
    INIT_NORMAL_FAN,     // N(0, scale^2 / fan_in); fan_in: product of all dimensions but the first
    INIT_UNIFORM_FAN,    // U(-scale/sqrt(fan_in), +…): PyTorch's Linear weight (Kaiming, a = sqrt 5) with scale 1
    INIT_UNIFORM,        // U(-scale, scale): PyTorch's Linear bias with scale 1/sqrt(inputs)
    INIT_XAVIER_UNIFORM, // U(±sqrt(6 / (inputs + outputs))) times scale
} InitKind;

typedef struct {
    const char *pattern; // fnmatch over the name
    InitKind kind;
    double scale;
} InitRule;

// The first rule whose pattern fits. Dies when none does.
const InitRule *init_rule(const InitRule *rules, size_t count, const char *name);
void init_fill(float *out, int ndim, const long *shape, InitKind kind, double scale, uint64_t seed, const char *name);
void init_tensor(Tensor x, const InitRule *rules, size_t count, uint64_t seed, const char *name); // f32

#endif
