// world.h: `retina world`.
#ifndef RETINA_RUN_WORLD_H
#define RETINA_RUN_WORLD_H

int run_world(int argc, char **argv);

#endif
