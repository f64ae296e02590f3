// ready.h: inputs that come as tensors in a file, under the names that the reference gives them.
#ifndef RETINA_MODEL_READY_H
#define RETINA_MODEL_READY_H

#include "io/option.h"
#include "io/safetensors.h"
#include "tap.h"

// A copy as f32 (from floats), i32 (from whole numbers) or u8 (not zero); NO_TENSOR when the file does not hold it.
Tensor ready_tensor(Arena *a, Tensors *t, const char *name, Dtype as);

// Ids (B, T): "1,2,3", or a file with input_ids and, if they are there, attention_mask (u8) and token_type_ids (i32).
Tensor ready_ids(Arena *a, const char *text, Tensor *mask, Tensor *types);

// The i-th --replace NAME=FILE[:TENSOR]: the tensor that takes the tap's place. Without TENSOR: the one of the tap's name, or the
// only one in the file.
Tensor ready_replacement(Arena *a, const TextList *list, size_t i, const char **name);

#endif
