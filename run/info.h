// info.h: `retina info`.
#ifndef RETINA_RUN_INFO_H
#define RETINA_RUN_INFO_H

int run_info(int argc, char **argv);

#endif
