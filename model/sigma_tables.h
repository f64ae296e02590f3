// sigma_tables.h: what test/reference/sigma_tables.py wrote down.
#ifndef RETINA_MODEL_SIGMA_TABLES_H
#define RETINA_MODEL_SIGMA_TABLES_H

#include <stdint.h>

typedef struct {
    uint32_t first, last;
} SigmaRange;

extern const SigmaRange sigma_skipped[], sigma_cased[]; // in the order of characters
extern const int sigma_skipped_count, sigma_cased_count;

#endif
