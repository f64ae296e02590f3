// zoo.h: `retina zoo`.
#ifndef RETINA_RUN_ZOO_H
#define RETINA_RUN_ZOO_H

int run_zoo(int argc, char **argv);

#endif
