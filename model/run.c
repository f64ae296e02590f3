// run.c: see run.h.
#include "device.h"

Run *run_new(Arena *arena) {
    Run *r = take_zero(arena, Run, 1);
    r->arena = arena;
    r->device = device_cpu();
    return r;
}

Run *run_dry(Arena *arena) {
    Run *r = run_new(arena);
    r->dry = true;
    return r;
}

Tensor run_tensor(Run *run, Dtype dtype, int ndim, const long *shape) {
    if (!run->dry) return tensor_take(run->arena, dtype, ndim, shape);
    Tensor t = tensor_of(NULL, dtype, ndim, shape);
    run->planned += (tensor_bytes(t) + 63) / 64 * 64; // the arena's own rounding
    if (run->planned > run->planned_peak) run->planned_peak = run->planned;
    return t;
}

RunMark run_mark(Run *run) { return (RunMark){.mark = arena_mark(run->arena), .planned = run->planned}; }

void run_release(Run *run, RunMark m) {
    if (run->recorder) return;
    if (!run->dry) arena_release(run->arena, m.mark); // a dry run's lists stay
    run->planned = m.planned;
}
