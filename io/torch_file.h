// torch_file.h: what torch.save wrote (.pt, .pth, .bin): a zip archive with a pickle and the storages beside it. Another program may
// have compressed it.
//
// A pickle is a program. Here it is interpreted, never executed: a fixed list of operations and of names, each read as
// the data it stands for. Any other class becomes a value that says what it is (TORCH_OTHER); it stops nobody who does
// not ask for it. Tensors stay in the mapped file.
#ifndef RETINA_IO_TORCH_FILE_H
#define RETINA_IO_TORCH_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "dtype.h"
#include "file.h"

#define TORCH_RANK_MAX 8

typedef enum { TORCH_NONE, TORCH_BOOL, TORCH_INT, TORCH_REAL, TORCH_TEXT, TORCH_LIST, TORCH_TUPLE, TORCH_DICT, TORCH_TENSOR, TORCH_OTHER } TorchKind;

typedef struct {
    Dtype dtype;
    int ndim;
    int64_t shape[TORCH_RANK_MAX], strides[TORCH_RANK_MAX]; // in elements
    const uint8_t *bytes; // the first element
    size_t size, storage; // bytes of all elements; of the storage that they are in
    bool contiguous;      // row after row, without holes
    bool too_many;        // so many elements are repeated in this file that a few bytes ask for gigabytes
} TorchTensor;

typedef struct TorchValue TorchValue;
struct TorchValue {
    TorchKind kind;
    union {
        bool truth;
        int64_t integer;
        double number;
        struct { // TEXT, closed by 0; OTHER: what it is, as in "argparse.Namespace"
            const char *text;
            size_t length;
        };
        struct { // LIST, TUPLE; DICT: keys[i] belongs to items[i]
            const TorchValue **items, **keys;
            size_t count;
        };
        const TorchTensor *tensor;
    };
};

bool torch_is(Bytes file); // an archive, or the older form, which torch_read refuses with the way to convert it
const TorchValue *torch_read(Arena *a, Bytes file); // dies with file and place; the file must stay mapped
const char *torch_kind_name(const TorchValue *v);   // "a dict", "a tensor", "an argparse.Namespace"

// The value of a text key; NULL: not there, or v is no dict. The last one wins where a key is there twice.
const TorchValue *torch_get(const TorchValue *v, const char *key);
const TorchValue *torch_need(const TorchValue *v, const char *key, TorchKind kind, const char *path); // dies with the reason

// The elements row after row and aligned: in place where they are so already, gathered into the arena otherwise, repeated ones
// (expand) as often as they count. Dies where that goes too far.
const void *torch_data(Arena *a, const TorchTensor *t, const char *path);

// Writing: one dict of numbers, texts, lists of texts and tensors, which torch.load reads with weights_only. Tensors are
// streamed: begin, then bytes in pieces, then end.
typedef struct TorchWriter TorchWriter;
TorchWriter *torch_create(Arena *a, const char *path);
void torch_put_int(TorchWriter *w, const char *key, int64_t value);
void torch_put_real(TorchWriter *w, const char *key, double value);
void torch_put_bool(TorchWriter *w, const char *key, bool value);
void torch_put_text(TorchWriter *w, const char *key, const char *text);
void torch_put_texts(TorchWriter *w, const char *key, const char *const *texts, size_t count);
void torch_tensor_begin(TorchWriter *w, const char *key, Dtype dtype, int ndim, const int64_t *shape);
void torch_tensor_put(TorchWriter *w, const void *bytes, size_t size);
void torch_tensor_end(TorchWriter *w);
void torch_finish(TorchWriter *w);

#endif
