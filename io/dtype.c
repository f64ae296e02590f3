// dtype.c: see dtype.h.
#include "dtype.h"

#include <string.h>

#include "error.h"

static const struct {
    const char *name;
    int bits;
} table[DTYPE_COUNT] = {{"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F64", 64},   {"I64", 64},   {"I32", 32}, {"I16", 16},
                        {"I8", 8},      {"U8", 8},      {"BOOL", 8},    {"U16", 16},   {"U32", 32},   {"U64", 64}, {"C64", 64},
                        {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
                        {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};

const char *dtype_name(Dtype d) { return table[d].name; }

int dtype_bits(Dtype d) { return table[d].bits; }

size_t dtype_size(Dtype d) {
    need(table[d].bits % 8 == 0, "the type %s has no whole number of bytes", table[d].name);
    return (size_t)table[d].bits / 8;
}

int dtype_find(const char *name, size_t n) {
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (strlen(table[d].name) == n && memcmp(table[d].name, name, n) == 0) return d;
    return -1;
}
