// decode.h: `retina decode`.
#ifndef RETINA_RUN_DECODE_H
#define RETINA_RUN_DECODE_H

int run_decode(int argc, char **argv);

#endif
