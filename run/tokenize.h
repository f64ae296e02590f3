// tokenize.h: `retina tokenize`.
#ifndef RETINA_RUN_TOKENIZE_H
#define RETINA_RUN_TOKENIZE_H

int run_tokenize(int argc, char **argv);

#endif
