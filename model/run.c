// run.c: see run.h.
#include "run.h"

#include <string.h>

#include "device.h"
#include "kernels.h" // conversions

Run *run_on(Arena *arena, const Device *device) {
    Run *r = take_zero(arena, Run, 1);
    r->arena = arena;
    r->device = device;
    return r;
}

const char *compute_name(Compute c) { return c == COMPUTE_F32 ? "f32" : c == COMPUTE_BF16 ? "bf16" : "bf16x3"; }

Run *run_new(Arena *arena) { return run_on(arena, device_cpu()); }

Run *run_dry(Arena *arena) {
    Run *r = run_new(arena);
    r->dry = true;
    return r;
}

static Tensor planned(Run *run, Tensor t) {
    const size_t align = run->device->memory ? FAR_ALIGN : 64; // the arena's own rounding
    run->planned += (tensor_bytes(t) + align - 1) / align * align;
    if (run->planned > run->planned_peak) run->planned_peak = run->planned;
    return t;
}

Tensor run_tensor(Run *run, Dtype dtype, int ndim, const long *shape) {
    if (run->dry) return planned(run, tensor_of(NULL, dtype, ndim, shape));
    return tensor_take_on(run->arena, run->device, dtype, ndim, shape);
}

Tensor run_input(Run *run, Dtype dtype, int ndim, const long *shape) {
    if (run->dry) return planned(run, tensor_of(NULL, dtype, ndim, shape));
    return tensor_take(run->arena, dtype, ndim, shape);
}

Tensor tensor_take_on(Arena *a, const Device *device, Dtype dtype, int ndim, const long *shape) {
    if (!device->memory) return tensor_take(a, dtype, ndim, shape);
    Tensor t = tensor_of(NULL, dtype, ndim, shape);
    t.data = arena_take_from(a, device->memory, tensor_bytes(t));
    return t;
}

Tensor run_read(Run *run, Tensor x) {
    if (run->dry || !run->device->memory || !tensor_given(x)) return x;
    Tensor here = tensor_take(run->arena, x.dtype, x.ndim, x.shape);
    run->device->read(here.data, x.data, tensor_bytes(x));
    if (x.dtype != DTYPE_BF16) return here;
    Tensor wide = tensor_take(run->arena, DTYPE_F32, x.ndim, x.shape);
    convert_bf16_f32(f32(wide), here.data, tensor_count(x));
    return wide;
}

unsigned long run_read_begin(Run *run, Tensor x) { return run->device->memory ? run->device->read_begin(x.data, tensor_bytes(x)) : 0; }

Tensor run_read_end(Run *run, Tensor x, unsigned long begun) {
    if (!run->device->memory) return x;
    Tensor here = tensor_take(run->arena, x.dtype, x.ndim, x.shape);
    run->device->read_end(here.data, begun, tensor_bytes(x));
    return here;
}

Tensor run_send(Run *run, Tensor x) {
    if (run->dry || !run->device->memory) return x;
    Tensor there = run_tensor(run, x.dtype, x.ndim, x.shape);
    run_write(run, there, x.data);
    return there;
}

void run_write(Run *run, Tensor x, const float *numbers) {
    if (run->dry) return;
    RunMark mark = run_mark(run);
    const void *bytes = numbers;
    if (x.dtype == DTYPE_BF16) {
        Tensor rounded = tensor_take(run->arena, DTYPE_BF16, x.ndim, x.shape);
        convert_f32_bf16(rounded.data, numbers, tensor_count(x));
        bytes = rounded.data;
    }
    run->device->write(x.data, bytes, tensor_bytes(x));
    run_release(run, mark);
}

void run_copy(Run *run, Tensor to, Tensor from) {
    need(tensor_bytes(to) == tensor_bytes(from), "a copy of %zu bytes to %zu", tensor_bytes(from), tensor_bytes(to));
    if (!run->dry) run->device->copy(to.data, from.data, tensor_bytes(from));
}

void run_repeats(Run *run) {
    if (!run->dry && run->device->repeats) run->device->repeats();
}

RunMark run_mark(Run *run) { return (RunMark){.mark = arena_mark(run->arena), .planned = run->planned}; }

void run_release(Run *run, RunMark m) {
    if (run->recorder) return;
    if (!run->dry) arena_release(run->arena, m.mark); // a dry run's lists stay
    run->planned = m.planned;
}
