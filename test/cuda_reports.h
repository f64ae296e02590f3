// cuda_reports.h: what tests of the backend ask the emulated GPU. On a real one (make test_cuda) it has nothing to say:
// compute-sanitizer does.
#ifndef RETINA_TEST_CUDA_REPORTS_H
#define RETINA_TEST_CUDA_REPORTS_H

#ifdef RETINA_EMULATE
#include "cuda/device.h"
#else
#include <stdbool.h>

typedef struct {
    int built, updated, launched;
} EmuGraphCounts;
static inline int emu_reports(void) { return 0; }
static inline const char *emu_first_report(void) { return ""; }
static inline void emu_forget(void) {}
static inline void emu_backwards(bool backwards) { (void)backwards; }
static inline void emu_late(bool late) { (void)late; }
static inline EmuGraphCounts emu_graph_counts(void) { return (EmuGraphCounts){0}; }
#endif

#endif
