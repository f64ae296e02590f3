// image.h: pictures. What comes out is what Pillow's Image.open(f).convert("RGB") gives, byte for byte.
//
// The kind of a file is told by its first bytes, never by its name. JPEG, PNG and PPM are read; BMP, GIF,
// WebP, TIFF and the rest are refused by name, with the command that converts them.
#ifndef RETINA_IO_IMAGE_H
#define RETINA_IO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "memory.h"

typedef struct {
    int width, height;  // pixels
    uint8_t *rgb;       // (height, width, 3), 0..255
    int orientation;    // 1..8 as EXIF 0x0112 says (1: upright, also when there is none); 1 once it is applied
    const char *format; // "JPEG", "PNG", "PPM"
    const char *path;   // of the file it came from, for messages
    const char *damage; // NULL, or what was wrong with the file and was tolerated: pass it to note()
} Image;

// All zero is what the studies do: damage is an error (what costs no pixel is only told: png.c), alpha is dropped, EXIF is reported only.
typedef struct {
    // Damaged and truncated files give what Pillow gives with ImageFile.LOAD_TRUNCATED_IMAGES = True
    // (missing data grey in a JPEG, black in a PNG), and Image.damage says so.
    bool truncated_ok;
    bool alpha_white;     // composite on white, as transformers 5 does with opened pictures; else drop alpha
    bool exif_apply;      // turn the picture upright, as transformers' load_image does with paths
    bool grey16_saturate; // 16-bit grey as Pillow converts it (everything above 255 is white), not its high byte
    uint64_t pixels_max;  // 0: IMAGE_PIXELS_MAX
    const char *taken_out; // for hints: the command that puts the file into one called "picture"; NULL: it lies at its path
} ImageOptions;

#define IMAGE_PIXELS_MAX 178956970u // where Pillow stops, too, and calls it a decompression bomb

// options may be NULL: all zero. The message of a failure names the file, the place, and how to mend it.
Image image_decode(Arena *a, Bytes file, const ImageOptions *options);
Image image_read(Arena *a, const char *path, const ImageOptions *options); // "-" is stdin

Image image_oriented(Arena *a, Image image); // turned upright by image.orientation; a copy if that moves pixels

// The decoders behind image_decode, each for a file that is known to begin right.
Image jpeg_decode(Arena *a, Bytes file, const ImageOptions *options);
Image png_decode(Arena *a, Bytes file, const ImageOptions *options);
Image ppm_decode(Arena *a, Bytes file, const ImageOptions *options);

// Encoders: the same picture gives the same bytes on every machine. rgb is (height, width, 3).
typedef enum { JPEG_444, JPEG_420 } JpegSampling;
Bytes jpeg_encode(Arena *a, const uint8_t *rgb, int width, int height, int quality, JpegSampling sampling); // quality 1..100
Bytes png_encode(Arena *a, const uint8_t *rgb, int width, int height);       // 8-bit RGB
Bytes png_encode_grey(Arena *a, const uint8_t *grey, int width, int height); // 8-bit grey, (height, width)
Bytes ppm_encode(Arena *a, const uint8_t *rgb, int width, int height);       // P6

// Shared by the decoders: dies unless the size is possible and within the limit.
void image_check_size(const char *path, uint64_t width, uint64_t height, const ImageOptions *options);
// Orientation in a TIFF block, "Exif\0\0" before it or not: 0 when it holds none; 1: upright, or nonsense, which hides what XMP says.
int exif_orientation(const uint8_t *tiff, size_t size);
// Orientation in an XMP packet, or 0.
int xmp_orientation(const uint8_t *xmp, size_t size);

#endif
