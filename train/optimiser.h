// optimiser.h: AdamW, the norm of a gradient, schedules.
#ifndef RETINA_TRAIN_OPTIMISER_H
#define RETINA_TRAIN_OPTIMISER_H

#include "tape.h"

// Parameters that are treated alike.
typedef struct {
    double lr_factor; // times the schedule's rate; 0: frozen
    double decay;     // decoupled weight decay
} Group;

typedef struct {
    double beta1, beta2, eps;
    double clip; // largest global norm of the gradient; 0: as it is
} AdamConfig;

typedef struct {
    Arena *arena;
    Tape *tape;
    AdamConfig config;
    Group *groups; // one per parameter of the tape
    float **m, **v; // first and second moments, one pair per parameter, on the tape's device
    int64_t step;  // updates done
} Adam;

// Moments of zeros for every parameter of the tape, all in one group; change groups[i] afterwards.
Adam *adam_new(Arena *a, Tape *tape, AdamConfig config, Group all);
// No decay for norms, biases, single numbers: everything of fewer than two dimensions.
void adam_spare_vectors(Adam *o);

// Square root of the summed squares of all gradients (frozen parameters left out), in double, parameters in order.
double adam_gradient_norm(const Adam *o);
// One update with the gradients as they are, scaled down to `clip` first. Loshchilov & Hutter 2019, as PyTorch:
//   w *= 1 - lr decay; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
//   w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
// Returns the norm before clipping. The gradients are left as they are: tape_zero before the next pass.
double adam_update(Adam *o, double lr);

// lr * min(1, (step+1)/warmup) * (floor + (1-floor) (1 + cos(pi step/total)) / 2): the zoo's schedule.
double schedule_cosine(double lr, int64_t step, int64_t warmup, int64_t total, double floor);
// The reconstructors' schedule (connectors.md 5.5): W = min(warmup, max(1, total-1)); step < W: lr min(1, step/W);
// then a cosine from lr to 0.01 lr with period total - W. The study's defect: `total` counts micro-batches while `step`
// counts updates; give it the number of updates for the corrected form.
double schedule_recon(double lr, int64_t step, int64_t warmup, int64_t total);

#endif
