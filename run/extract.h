// extract.h: `retina extract`.
#ifndef RETINA_RUN_EXTRACT_H
#define RETINA_RUN_EXTRACT_H

int run_extract(int argc, char **argv);

#endif
