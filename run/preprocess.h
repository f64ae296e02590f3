// preprocess.h: `retina preprocess`.
#ifndef RETINA_RUN_PREPROCESS_H
#define RETINA_RUN_PREPROCESS_H

int run_preprocess(int argc, char **argv);

#endif
