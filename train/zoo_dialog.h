// zoo_dialog.h: inside of train/: talks about pictures of the world, for the zoo's `llava`.
#ifndef RETINA_TRAIN_ZOO_DIALOG_H
#define RETINA_TRAIN_ZOO_DIALOG_H

#include "zoo.h"

#define DESCRIBE "describe the picture."

// Who writes the talks: the id that stands for a piece of a picture, and how many there are.
typedef struct {
    const Tokenizer *tok;
    int32_t image;
    int image_tokens;
} Speaker;

typedef struct {
    Tensor pixels;  // (B, 3, 64, 64), or NO_TENSOR
    Tensor ids;     // (B, T), padded at the end
    Tensor targets; // (B, T): the next id where it is to be learned, else -1
    int silent;     // tokens at the front, up to the picture's last, that no row learns anything from
} Dialogs;

// Scenes first … first+B of the training split. describe: one turn with a full caption; else all questions in any order.
// pictures: with pictures, and only answers are to be learned; else texts alone, and every token is.
Dialogs dialogs_make(Arena *step, const Speaker *who, uint64_t seed, uint64_t first, int B, bool describe, bool pictures);

// "USER: <image>\nTEXT ASSISTANT:" with the picture's tokens expanded.
Ids dialog_prompt(Arena *a, const Speaker *who, const char *text, bool picture);

#endif
