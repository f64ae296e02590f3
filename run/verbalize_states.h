// verbalize_states.h: the states behind the wanted layers, of pictures or from files of --save-features, and their scale.
#ifndef RETINA_RUN_VERBALIZE_STATES_H
#define RETINA_RUN_VERBALIZE_STATES_H

#include "verbalize.h"

// ---- verbalize_states.c

typedef struct StateReader StateReader;

typedef struct {
    size_t good;         // pictures that could be read
    size_t *at;          // (good) their places among the study's pictures
    Tensor *states;      // (layer_count) of (good, T, C)
    Tensor *shown;       // (good) pixels (1, 3, h, w) beside the states; blank where the states came from files
    size_t failed;
    size_t *failed_at;   // (failed)
    const char **reasons;
} States;

StateReader *states_reader(Verbalize *s, size_t most); // for at most so many pictures at once
void states_reader_free(StateReader *r);
States states_read(StateReader *r, Arena *a, size_t from, size_t n); // pictures [from, from + n)
Tensor states_blank(Verbalize *s, Arena *a);                         // pixels (1, 3, h, w) of no picture

// --save-features: one file a part. made_from: the run's digest.
void features_write(Verbalize *s, const char *path, const char *made_from, const States *chunks, size_t count);
const char *verbalize_model_stamp(Verbalize *s); // of the model alone, by its content
bool verbalize_readable(Verbalize *s, const size_t *at, size_t n); // any of these pictures, which could not be read before, by now
bool tensors_made_from(const char *path, const char *made_from); // whether the file is there, whole, and of this digest

// ---- verbalize_calibrate.c

typedef struct Calibration {
    size_t n;     // pictures
    Tensor *mean; // per layer (1, T, C)
    float **channel_mean, **channel_std; // per layer (C), over pictures and tokens that the connector sees
    double *norm; // per layer: mean length of such a token
    int native;   // place among the layers, -1: the native layer was not read
    const char *missing; // places of pictures that could not be read, "[3,7]"; "" if all were
} Calibration;

const Calibration *verbalize_calibration(Verbalize *s);         // made when it is not there yet
const Calibration *verbalize_calibrate(Verbalize *s);           // … or lacks a picture that can be read by now
const char *verbalize_digest_of_means(Verbalize *s);            // verbalize_caption.c
void verbalize_rescale(Verbalize *s, Tensor *states);           // layer_count of (B, T, C), in place: what --rescale and --tuned say
Tensor verbalize_mean_state(Verbalize *s, Arena *a, int l);     // the control's, of the l-th wanted layer, rescaled: (1, T, C)

// ---- verbalize_tune.c

void verbalize_tuned_apply(Verbalize *s, int l, float *x); // --tuned: the state (T, C) of the l-th wanted layer, in place

#endif
