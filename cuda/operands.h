// operands.h: inside of cuda/backend*.cu: what an operation reads and writes, made ready.
#ifndef RETINA_CUDA_OPERANDS_H
#define RETINA_CUDA_OPERANDS_H

#include "kernels.h"
#include "light.h"
#include "memory.h"

#define S gpu_stream()

static inline float *out_of(Tensor t) { return (float *)t.data; }
static inline const int32_t *ints(Tensor t) { return (const int32_t *)gpu_ready(t.data, tensor_bytes(t)); }

static inline Stored stored(Tensor t) {
    Stored s = {NULL, DTYPE_F32};
    if (!tensor_given(t)) return s;
    s.data = gpu_ready(t.data, tensor_bytes(t));
    s.type = (int)t.dtype;
    return s;
}

// In f32, whatever t is stored in.
static inline const float *floats(Tensor t) {
    if (t.dtype != DTYPE_BF16) return (const float *)gpu_ready(t.data, tensor_bytes(t));
    float *wide = (float *)gpu_room(tensor_count(t) * sizeof(float));
    cuda_widen(wide, stored(t), tensor_count(t), S);
    return wide;
}

// backend.cu: a linear layer as its product takes it, but for what it multiplies, and attention in f32
HOST Gemm gpu_linear_product(Tensor out, Tensor x, Tensor w, Tensor b, Act act);
HOST Attention gpu_attention_of(Tensor out, Tensor q, Tensor k, Tensor v, const AttnShape *s, Tensor weights);
HOST RotaryStored gpu_rotary_stored_of(float *out, Tensor q, Tensor key, Tensor v, Tensor cosine, Tensor sine, int heads, Tensor keys, Tensor values, const int32_t *at);
HOST void gpu_attend(Attention a);

// backend_bf16.cu: what --dtype bf16 does in another way
HOST void gpu_bf16_operations(Device *table);

#endif
