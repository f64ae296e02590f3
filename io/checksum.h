// checksum.h: the two checksums of zip, gzip, zlib and PNG. Running: start with 0 and 1, go on with the result.
#ifndef RETINA_IO_CHECKSUM_H
#define RETINA_IO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(uint32_t crc, const void *bytes, size_t size);     // ISO 3309, reflected 0xEDB88320; start with 0
uint32_t adler32_of(uint32_t adler, const void *bytes, size_t size); // RFC 1950; start with 1

#endif
