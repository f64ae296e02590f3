// resample_parts.h: what resample.c (bootstrap) and permute.c (permutations) share. See statistics.h.
#ifndef RETINA_ANALYSIS_RESAMPLE_PARTS_H
#define RETINA_ANALYSIS_RESAMPLE_PARTS_H

#include "statistics.h"

// The rows of group g are rows[start[g] … start[g+1]); groups in order of their first row.
typedef struct {
    size_t count;
    size_t *start;
    uint32_t *rows;
} RowGroups;
RowGroups resample_groups(const uint32_t *group, size_t n, Arena *a); // group NULL: each row alone
int resample_replicates(Resampling how);

#endif
