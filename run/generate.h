// generate.h: `retina generate`.
#ifndef RETINA_RUN_GENERATE_H
#define RETINA_RUN_GENERATE_H

int run_generate(int argc, char **argv);

#endif
