// dtype.h: element types, as safetensors names them.
#ifndef RETINA_IO_DTYPE_H
#define RETINA_IO_DTYPE_H

#include <stddef.h>

typedef enum {
    DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64,                     // what tensors of a model are stored in
    DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8, DTYPE_U8, DTYPE_BOOL, // indices and masks
    DTYPE_U16, DTYPE_U32, DTYPE_U64, DTYPE_C64,                      // known by name and size, never computed with
    DTYPE_F8_E4M3, DTYPE_F8_E5M2, DTYPE_F8_E8M0, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ, DTYPE_F6_E2M3, DTYPE_F6_E3M2, DTYPE_F4,
    DTYPE_COUNT
} Dtype;

const char *dtype_name(Dtype d);            // "F32"
int dtype_bits(Dtype d);                    // 32; 4 and 6 occur
size_t dtype_size(Dtype d);                 // bytes; dies for types smaller than a byte
int dtype_find(const char *name, size_t n); // the type of this name, or -1

#endif
