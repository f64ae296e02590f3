// device.h: the table of operations that a device fills: the numbers only. Shapes are checked, results
// are allocated and tapes are written by ops.c before and after, once for all devices.
#ifndef RETINA_MODEL_DEVICE_H
#define RETINA_MODEL_DEVICE_H

#include "choose.h"
#include "ops.h"

struct Device {
    const char *name;
    // Where results lie. NULL: in the program's own memory, and then `read` is never called.
    const MemorySource *memory;
    void (*read)(void *to, const void *device, size_t bytes); // waits until the numbers are there
    // read in two halves, between which further commands may be given; a second one may be begun before the first has ended.
    unsigned long (*read_begin)(const void *device, size_t bytes);
    void (*read_end)(void *to, unsigned long begun, size_t bytes);
    bool (*holds)(const void *p); // whether these are numbers that C code cannot read; NULL: none are
    int ahead; // so many steps may well be begun before the results of the first are read; 0: they are there at once
    void (*write)(void *device, const void *from, size_t bytes);
    void (*copy)(void *to, const void *from, size_t bytes); // between results
    void (*keep)(Arena *a, const void *bytes, size_t size); // of the program; will not change while the arena lives: weights
    const struct Device *(*bf16)(void);   // the same device, with products of linear layers in bf16; never NULL
    const struct Device *(*bf16x3)(void); // split in two; NULL, or of it: f32 is faster here
    void (*plan)(size_t bytes, long inputs, const char *where); // dies when a forward of so many does not fit; 0: it has ended; NULL: memory is the system's
    void (*repeats)(void);                                  // run_repeats; NULL: nothing is to be gained
    void (*linear)(Tensor out, Tensor x, Tensor w, Tensor b);
    void (*linear_activated)(Tensor out, Tensor x, Tensor w, Tensor b, Act act); // NULL: two steps; else activation may work in place
    void (*linear_into)(Tensor x, Tensor h, Tensor w, Tensor b, NormNext *next); // x += linear(h); NULL: two steps; next: what may be done then, or NULL
    long norms_behind; // of up to so many rows, a norm may be
    bool (*linears)(Tensor *out, int count, Tensor x, const Rms *norm, const Tensor *w, const Tensor *b);               // NULL, or false: one by one
    bool (*linear_gated)(Tensor out, Tensor x, const Rms *norm, Tensor w, Tensor b, Act act, Tensor up_w, Tensor up_b); // NULL, or false: three steps
    Dtype keeps;      // keys and values of texts (cache.h): DTYPE_F32, or DTYPE_BF16 where attention and rows_store take it
    long rounds_from; // from so many rows on, results that only products read are of dtype bf16 (ops.h); 0: never, all is f32
    void (*embedding)(Tensor out, Tensor table, Tensor ids);
    void (*layernorm)(Tensor out, Tensor x, Tensor w, Tensor b, float eps);
    void (*rmsnorm)(Tensor out, Tensor x, Tensor w, float eps, RmsKind kind);
    void (*l2norm)(Tensor out, Tensor x, float floor);
    void (*activation)(Tensor out, Tensor x, Act act);
    void (*add)(Tensor out, Tensor a, Tensor b); // out may be a
    void (*add_rows)(Tensor out, Tensor x, Tensor rows);
    void (*mul)(Tensor out, Tensor a, Tensor b);
    void (*mul_row)(Tensor out, Tensor x, Tensor row);
    void (*scale)(Tensor out, Tensor x, float factor);
    void (*softcap)(Tensor out, Tensor x, float cap);
    void (*clamp)(Tensor out, Tensor x, float low, float high);
    void (*patchify)(Tensor out, Tensor pixels, int P);
    // out[dst..dst+rows) = x[src..src+rows) of every batch item; row counts per item are given by the shapes
    void (*copy_tokens)(Tensor out, long to, Tensor x, long from, long tokens);
    void (*copy_columns)(Tensor out, long to, Tensor x, long from, long columns);
    void (*broadcast_row)(Tensor out, long at, Tensor row); // out[b, at, :] = row
    void (*rows_at)(Tensor out, Tensor x, Tensor index);
    void (*rows_put)(Tensor x, Tensor index, Tensor rows); // in place
    void (*rows_store)(Tensor store, Tensor x, const int32_t *at); // store[b, at[b] + t, :] = x[b, t, :]
    void (*mean_tokens)(Tensor out, Tensor x);
    void (*rotary)(Tensor out, Tensor x, Tensor cos, Tensor sin, int heads);
    void (*rotary_tables)(Tensor cos, Tensor sin, Tensor positions, Tensor frequencies);
    // NULL, or false: one by one
    bool (*rotary_stored)(Tensor out, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, int heads, Tensor keys, Tensor values, const int32_t *at);
    // NULL, or false: rotary_stored, then attention
    bool (*attention_stored)(Tensor out, Tensor q, Tensor key, Tensor v, Tensor cos, Tensor sin, Tensor keys, Tensor values, const int32_t *at, const AttnShape *shape);
    void (*attention)(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *shape, Tensor weights); // weights: NO_TENSOR or (B,H,Tq,Tk)
    void (*cross_entropy)(Tensor out, Tensor logits, Tensor targets);
    void (*mean_squared)(Tensor out, Tensor a, Tensor b);
    void (*choose)(Tensor out, Tensor logits, const Choosing *how); // choose.h; out: bytes
    // Of each of the rows x (N, C), the K others with the largest offset[j] + x[i] x[j], the product summed in ascending c and fused: ids and those
    // sums (N, K), largest first, equal ones by smaller index. All in the program's memory. NULL, or false: not so many.
    bool (*nearest)(int32_t *id, float *score, const float *x, const float *offset, long N, int C, int K);
    void (*transpose)(Tensor out, Tensor x);
    void (*scale_by)(Tensor out, Tensor x, Tensor factor);
    void (*exp_of)(Tensor out, Tensor x);
    void (*dropout)(Tensor out, Tensor x, float p, uint64_t seed, uint64_t stream);
    const struct Gradients *gradients; // gradients.h: what training asks for beside all this
};

// ops_cpu.c. bf16: products of a linear layer take their inputs and weights rounded to bf16 and add up in f32; between
// layers everything stays f32, so the error is below that of a reference that rounds every result.
const Device *device_cpu(void);
const Device *device_cpu_bf16(void);
const Device *device_computing(const Device *device, Compute compute); // COMPUTE_BF16X3 may be the device itself

// Where models are opened from now on (model.h): the choice of --device. At first the CPU.
void device_use(const Device *device);
const Device *device_used(void);

// A tensor in the memory of a device that lives as long as the arena's mark.
Tensor tensor_take_on(Arena *a, const Device *device, Dtype dtype, int ndim, const long *shape);

#endif
