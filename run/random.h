// random.h: `retina random`.
#ifndef RETINA_RUN_RANDOM_H
#define RETINA_RUN_RANDOM_H

int run_random(int argc, char **argv);

#endif
