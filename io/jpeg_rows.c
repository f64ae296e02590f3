// jpeg_rows.c: the loops of jpeg_rows.inc for every machine.
#include "jpeg_parts.h"

#define NAME(x) plain_##x
#include "jpeg_rows.inc"

const JpegRows jpeg_rows_plain = {plain_idct, plain_wide, plain_tall, plain_wide_tall, plain_ycc, plain_interleave};
