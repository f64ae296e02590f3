// kernels_scalar.c: the kernels for any processor: sixteen scalars stand for a vector.
#pragma GCC diagnostic ignored "-Wpsabi" // vectors are passed between inlined functions only
#define TABLE kernels_scalar
#define TILE_ROWS 4
#define TILE_VECTORS 1
#include "kernels_body.h"
