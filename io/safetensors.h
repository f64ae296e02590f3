// safetensors.h: tensors by name in a file: read mapped, written streaming.
//
// Format: https://github.com/huggingface/safetensors (u64 header length, JSON, data). Every rule of
// models.md 9.1 is checked before any data is touched; a file that breaks one is refused whole.
#ifndef RETINA_IO_SAFETENSORS_H
#define RETINA_IO_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "dtype.h"
#include "file.h"
#include "json.h"

#define TENSOR_RANK_MAX 8
enum { TENSORS_HEADER_MAX = 100000000, TENSORS_NAME_MAX = 1024, TENSORS_COUNT_MAX = 1000000 }; // bytes of a head (the reference's limit), of a name; tensors of a file

typedef struct {
    const char *name;
    Dtype dtype;
    int ndim;
    int64_t shape[TENSOR_RANK_MAX];
    const uint8_t *bytes; // mapped; not necessarily aligned
    size_t size;
    const char *path; // of its file, for messages
} TensorEntry;

typedef struct Tensors Tensors;

// One file, or every shard that an index names; .safetensors, or what torch.save wrote (.bin, .pt). In a folder the
// usual names are looked for: model.safetensors or its .index.json, diffusers' and OpenCLIP's names, pytorch_model.bin,
// and at last the only .safetensors file there is.
Tensors *tensors_open(Arena *a, const char *path);
bool tensors_there(Arena *a, const char *folder);     // whether tensors_open would find something
size_t tensors_count(const Tensors *t);
const TensorEntry *tensors_at(const Tensors *t, size_t i); // in the order of the data, shard after shard
const TensorEntry *tensors_find(const Tensors *t, const char *name); // NULL: not there
const TensorEntry *tensors_need(const Tensors *t, const char *name); // dies with the nearest names
const char *tensors_metadata(const Tensors *t, const char *key);     // of the first file; NULL: not there
void tensors_close(Tensors *t);

// ---- writing

typedef struct TensorsWriter TensorsWriter;
typedef struct {
    const char *name;
    Dtype dtype;
    int ndim;
    int64_t shape[TENSOR_RANK_MAX];
} TensorPlan;

// metadata: key, value, key, value … closed by NULL; NULL: none. Tensors lie in the reference's order: larger types
// first, then by name. Data is put by name, in pieces if wanted; close dies if anything is short.
TensorsWriter *tensors_create(Arena *a, const char *path, const TensorPlan *plan, size_t count, const char *const *metadata);
void tensors_put(TensorsWriter *w, const char *name, const void *bytes, size_t size); // continues after what was put before
void tensors_finish(TensorsWriter *w);

#endif
