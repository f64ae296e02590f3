// recon_net.h: inside of train/: the networks of the reconstructors, built from the operations of model/ops.h.
// Source: the connectors study, spec 5.1.
#ifndef RETINA_TRAIN_RECON_NET_H
#define RETINA_TRAIN_RECON_NET_H

#include "init.h"
#include "recon.h"

// Makes a trained parameter with first values; the name is kept.
typedef Tensor ReconParameter(Recon *r, const char *name, int ndim, const long *shape, InitKind kind, double scale);

typedef struct ReconNet ReconNet;
ReconNet *recon_net_new(Arena *a, const ReconConfig *c, Recon *r, ReconParameter *parameter);
size_t recon_net_parameters(const ReconConfig *c); // how many tensors, at most

// x (n, T, I), normalised -> (n, T_out, O). step: keys the dropout of a recorded run.
Tensor recon_net_forward(Run *run, const ReconNet *net, Tensor x, uint64_t step);

#endif
