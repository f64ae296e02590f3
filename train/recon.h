// recon.h: networks that rebuild what a connector was given from what it gave. Source: the connectors study, spec 5.
//
// Three networks (recon_net.c):
//   A  token by token: Linear in-in, LayerNorm, GELU, dropout; Linear in-h, LayerNorm, GELU, dropout; Linear h-out
//   B  Linear in-h, + positions, an encoder with norms last, Linear h-out, LayerNorm
//   C  a two-layer network in-h, + positions, an encoder with norms first, a two-layer network along the tokens
//      (T to T_out), a two-layer network h-out: for connectors that change the number of tokens
// Letters: N images, T tokens, I and O channels in and out.
#ifndef RETINA_TRAIN_RECON_H
#define RETINA_TRAIN_RECON_H

#include "optimiser.h"

typedef enum { RECON_TOKENS, RECON_ENCODER, RECON_MIXER } ReconKind; // A, B, C

#define RECON_EPOCHS_MAX 65535 // a checkpoint's stage: the epochs below bit 16, there whether it is done
#define RECON_LAYERS_MAX 64

typedef struct {
    ReconKind kind;
    int I, O, h;     // h = min(hidden, max(I, O)) for A
    int layers;      // A: 3, or more: each further one is Linear h-h, LayerNorm, GELU, dropout; B, C: of the encoder
    int heads;       // B (the original: 8 whatever was asked for), C (16)
    int T_in, T_out; // B, C; 0 for A
    double dropout;
    int batch;       // images
    int epochs, patience;
    double lr, decay, min_delta;
    int warmup, accumulation;
    uint64_t seed;
    const char *data; // what the vectors are, as text: part of a checkpoint's recipe; NULL: not told
    bool faithful;   // as the original: the schedule counts micro-batches, a last incomplete batch of training images is left
                     // out (of the channel statistics, too), validation batches count alike, the last weights are kept
} ReconConfig;

typedef struct Recon Recon;

// Tokens come by call, so that vectors may lie in many mapped files: image i's tokens, (T, I) and (T_out, O), f32.
typedef struct {
    void *arg;
    void (*input)(void *arg, size_t image, float *out);
    void (*target)(void *arg, size_t image, float *out);
    int T; // of the input; the target has as many, or the network's T_out
} ReconData;

Recon *recon_new(Arena *a, ReconConfig config); // where models are opened (device_use)
long recon_parameters(const Recon *r);

typedef struct {
    int epochs, best;            // run; the one that is kept (from 1)
    double train_loss, best_loss; // normalised mean squared error: last epoch; best on the validation images
} ReconHistory;
// First the means and deviations of every channel over the tokens of the training images, in double, two passes. They
// become part of the network: inputs are normalised by them, and predictions are given back in the target's own units.
// path: a checkpoint after every epoch, from which a killed run goes on to the same bytes; and where the network is at the end.
typedef enum { RECON_GO_ON, RECON_FRESH, RECON_GO_ON_OR_AGAIN } ReconStart; // a checkpoint of another recipe: refused, not looked at, told and replaced
ReconHistory recon_train(Recon *r, const ReconData *d, const uint32_t *train, size_t n, const uint32_t *validation, size_t m, const char *path,
                         ReconStart start, double *losses); // losses: (epochs) validation loss of each, or NULL

// prediction (T, or T_out, O) in the target's units for one image's input (T, I).
void recon_predict(Recon *r, Arena *scratch, const float *input, int T, float *prediction);

typedef struct {
    double mse;            // normalised: 1 is what predicting the mean of the training images costs, on average
    double mse_mean;       // what that prediction costs on this image
    double cosine;         // mean over tokens, in the target's units
    double cosine_centred; // the same after the training mean has been subtracted from both
} ReconScore;
// error (T): normalised squared error of each token; may be NULL.
ReconScore recon_score(Recon *r, const float *prediction, const float *target, int T, double *error);

#endif
