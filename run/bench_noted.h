// bench_noted.h: what a forward does: its products, each with its weight, and how many operations they and attention are. It runs once
// on a device that notes them.
#ifndef RETINA_RUN_BENCH_NOTED_H
#define RETINA_RUN_BENCH_NOTED_H

#include "model/device.h"

typedef struct {
    long rows;
    Tensor x, w, b;
} Product;

typedef struct {
    const Device *real; // that computes
    Arena *arena;       // of the list
    Product *list;
    size_t count, room;
    double products, attention; // operations: a multiplication and a sum are two
} Noted;

// What runs on this device is computed by `real` and noted, until the next call.
const Device *noted_by(Noted *noted, Arena *a, const Device *real);
double noted_operations(const Noted *noted); // of products and attention
double noted_bytes(const Noted *noted); // of the products' weights

#endif
