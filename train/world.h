// world.h: a small world drawn by a program: scenes whose truth is known, their pictures, captions and questions.
//
// Scene i of a seed depends on (seed, preset, i) only, so any scene can be drawn alone, by any thread. All of it is
// integers, sqrt and + - * / in a written order: the same bytes on every machine.
// Lengths are in units of which the picture has 64 a side, whatever its size in pixels; y points down.
#ifndef RETINA_TRAIN_WORLD_H
#define RETINA_TRAIN_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/random.h"

enum { WORLD_SIDE = 64, WORLD_OBJECTS = 4, WORLD_KEYPOINTS = 6, WORLD_SIZE_MIN = 32, WORLD_SIZE_MAX = 336 };

typedef enum { WORLD_SCENES, WORLD_PRESETS } WorldPreset;
typedef enum { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLITS } WorldSplit;

typedef enum { HABITAT_DESERT, HABITAT_FOREST, HABITAT_CAVE, HABITAT_MEADOW, HABITAT_ARCTIC, HABITAT_OCEAN, HABITATS } Habitat;
typedef enum { SHAPE_DISC, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_DIAMOND, SHAPE_CROSS, SHAPE_STAR, SHAPE_RING, SHAPE_BAR, SHAPES } Shape;
typedef enum {
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_BLUE,
    COLOUR_YELLOW,
    COLOUR_PURPLE,
    COLOUR_ORANGE,
    COLOUR_WHITE,
    COLOUR_BLACK,
    COLOURS
} Colour;

extern const char *const world_preset_names[WORLD_PRESETS];
extern const char *const world_split_names[SPLITS];
extern const char *const habitat_names[HABITATS];
extern const char *const shape_names[SHAPES];
extern const char *const shape_plurals[SHAPES];
extern const char *const colour_names[COLOURS];
extern const float habitat_rgb[HABITATS][3]; // mean colour, [0,1]
extern const float colour_rgb[COLOURS][3];

typedef struct {
    double x0, y0, x1, y1;
} WorldBox;

typedef struct {
    Shape shape;
    Colour colour;
    bool large, striped;
    bool upright;  // a bar's long side is vertical
    double x, y;   // centre
    double radius; // small 7-9, large 12-16 (four objects: 6.5-8, 11-13)
    double depth;  // places from the front: 0 is drawn last and covers the others
    WorldBox box;  // of the whole outline, whether covered or not
    int keypoints; // corners and tips, in a fixed order per shape; a disc and a ring have none
    double keypoint[WORLD_KEYPOINTS][2];
} WorldObject;

typedef struct {
    WorldPreset preset;
    uint64_t seed, index;
    Rng rng; // of everything else about this scene: texture, noise, choice of words
    Habitat habitat;
    double light; // 0.85-1.15, times every colour
    int count;
    WorldObject object[WORLD_OBJECTS]; // from left to right
} WorldScene;

// ---- scenes (world.c)

void world_scene(WorldScene *s, WorldPreset preset, uint64_t seed, uint64_t i);
// Scene i of one split: the first of its tries 0, 1, … that falls into the split (try 0 is world_scene's).
void world_scene_in(WorldScene *s, WorldPreset preset, uint64_t seed, WorldSplit split, uint64_t i);

// The scene graph without positions, as an exact number: habitat and the sorted objects' attributes.
// Two scenes of the same content have the same graph; the split depends on it alone.
uint64_t world_graph(const WorldScene *s);
WorldSplit world_split(const WorldScene *s);

// Root of the summed squares of the channels' differences, object colour to habitat.
double world_contrast(Colour colour, Habitat habitat);
bool world_colour_shows(Colour colour, Habitat habitat); // contrast >= WORLD_CONTRAST
#define WORLD_CONTRAST 0.42

// A scene with one thing changed, for captions that are nearly right. False when the scene offers no such change.
// A group that shares the changed attribute changes together; colours stay visible in their habitat, so that no
// text gives itself away. BINDING exchanges the colours of two objects of other shapes.
typedef enum { CHANGE_COLOUR, CHANGE_SHAPE, CHANGE_SIZE, CHANGE_PATTERN, CHANGE_HABITAT, CHANGE_BINDING, CHANGES } WorldChange;
extern const char *const world_change_names[CHANGES];
bool world_change(WorldScene *out, const WorldScene *s, WorldChange change, Rng r);

// ---- pictures (world_draw.c)

// rgb (size, size, 3)
void world_render(const WorldScene *s, int size, uint8_t *rgb);
// owner (size, size): the object that covers at least half of the pixel and lies in front, or 255.
void world_owners(const WorldScene *s, int size, uint8_t *owner);
// object (size / patch)^2, row by row: the object that owns most pixels of the patch, and at least an eighth of
// them; -1 where none does.
void world_patches(const WorldScene *s, int size, int patch, int8_t *object);

// An outline at the origin with radius 1: box, keypoints.
void outline_place(WorldObject *o);

// ---- words (world_text.c)

enum { WORLD_TEXT = 256, WORLD_CAPTIONS = 5 };

typedef enum {
    CAPTION_WORD,     // red
    CAPTION_PLACE,    // a picture of the desert
    CAPTION_NUMBER,   // three objects
    CAPTION_COLOURS,  // red, blue, blue
    CAPTION_SHAPES,   // disc, star, star
    CAPTION_LIST,     // red disc, blue star, blue star
    CAPTION_PHRASE,   // a striped red disc
    CAPTION_PICTURE,  // a picture of a large disc
    CAPTION_IS,       // the disc is red
    CAPTION_SIDE,     // a red disc on the left
    CAPTION_COUNT,    // two blue stars
    CAPTION_RELATION, // a red disc left of a blue star
    CAPTION_IN,       // a red disc in the desert
    CAPTION_PLAIN,    // a red disc and two blue stars in the desert
    CAPTION_FULL,     // a large striped red disc and two small blue stars in the desert
    CAPTION_FIRST,    // in the desert, a large striped red disc and two small blue stars
    CAPTION_KINDS
} CaptionKind;

// False when the scene offers no caption of this kind (a relation needs two objects that words can tell apart).
// Always true of the scene. "a" means at least one, a number means exactly that many; in PLAIN, FULL and FIRST all
// objects are told, by groups that look alike in what is told, from left to right. What is not called striped there is plain.
bool world_caption(char text[WORLD_TEXT], const WorldScene *s, CaptionKind kind, Rng r);
// Every object from the top to the bottom, by colour and shape. Not among the captions: it only teaches.
void world_column(char text[WORLD_TEXT], const WorldScene *s);

// The five captions that a scene is written with, of rising information: k = 0 … 4; the last is FULL or FIRST.
void world_caption_of(char text[WORLD_TEXT], const WorldScene *s, int k);

typedef enum {
    ASK_COLOUR,
    ASK_SHAPE,
    ASK_COUNT,
    ASK_SIDE,  // left or right
    ASK_LEVEL, // above or below
    ASK_HABITAT,
    ASK_SIZE,
    ASK_PATTERN,
    ASK_THERE, // yes or no
    ASK_KINDS, // of a scene's own questions; two more that only teach:
    ASK_HALF = ASK_KINDS, // left or right half of the picture
    ASK_UPPER,            // upper or lower half
    ASK_TAUGHT
} AskKind;
extern const char *const ask_names[ASK_KINDS];

typedef struct {
    AskKind kind;
    char question[WORLD_TEXT];
    const char *answer; // one word, for the life of the program
} WorldQuestion;

// False when the scene offers no question of this kind.
bool world_ask(WorldQuestion *q, const WorldScene *s, AskKind kind, Rng r);
// The questions that a scene is written with: at most one of each kind; returns how many.
int world_questions(WorldQuestion q[ASK_KINDS], const WorldScene *s);

#endif
