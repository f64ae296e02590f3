// zoo_dialog.h: inside of train/: talks about pictures of the world, for the zoo's `llava`.
#ifndef RETINA_TRAIN_ZOO_DIALOG_H
#define RETINA_TRAIN_ZOO_DIALOG_H

#include "zoo.h"

#define DESCRIBE "describe the picture."
#define DESCRIBE_DOWN "describe the picture from top to bottom." // in training only

// Who writes the talks: the id that stands for a piece of a picture, and how many there are.
typedef struct {
    const Tokenizer *tok;
    int32_t image;
    int image_tokens;
} Speaker;

typedef struct {
    Tensor pixels;  // (B, 3, 64, 64), or NO_TENSOR
    Tensor ids;     // (B, T), padded at the end
    Tensor targets; // (B, T): the next id where it is to be learned (what the assistant says), else -1
    Tensor answers; // (B, T): the same for answers to questions only
    PatchTruth *truth; // (B, ZOO_PATCHES) of a lesson's pictures, places from the picture's middle; else NULL
    int silent;     // tokens at the front, up to the picture's last, that no row learns anything from
} Dialogs;

// A full caption; all questions in any order; one after the other; a full caption, then the objects from top to bottom (captions go
// from left to right, so that only this teaches what stands above what); every question, those that only teach, and the hard ones again.
typedef enum { TALK_CAPTION, TALK_QUESTIONS, TALK_BOTH, TALK_COLUMN, TALK_LESSON } TalkKind;

// Scenes first … first+B of the training split, with their pictures or texts alone.
Dialogs dialogs_make(Arena *step, const Speaker *who, uint64_t seed, uint64_t first, int B, TalkKind kind, bool pictures, bool truth);

// "USER: <image>\nTEXT ASSISTANT:" with the picture's tokens expanded.
Ids dialog_prompt(Arena *a, const Speaker *who, const char *text, bool picture);

#endif
