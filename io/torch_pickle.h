// torch_pickle.h: the pickle inside a file of torch.save, interpreted. For torch_file.c alone.
#ifndef RETINA_IO_TORCH_PICKLE_H
#define RETINA_IO_TORCH_PICKLE_H

#include "torch_file.h"
#include "zip.h"

// The value that the pickle builds, tensors in place in the archive. prefix: of the archive's entries, "archive/". Dies with
// path and byte for every operation that no state dict needs. file: the archive.
const TorchValue *torch_pickle(Arena *a, const Zip *zip, const char *prefix, Bytes pickle, Bytes file);

#endif
