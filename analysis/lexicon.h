// lexicon.h: words and phrases with the class that a labeller usually gave them: a categoriser that needs no language model.
//
// Good enough to see a chart, not to quote it (verbalize.md 7.5): a report must say that it was this.
#ifndef RETINA_ANALYSIS_LEXICON_H
#define RETINA_ANALYSIS_LEXICON_H

#include "categories.h"

enum { LEXICON_WORDS = 6 }; // of the longest phrase

typedef struct Lexicon Lexicon;
Lexicon *lexicon_new(Arena *a, const Classes *c);
// Counts the parts of one answer, by the class of their first label. Phrases are lower-cased (ASCII), their white space single.
void lexicon_learn(Lexicon *l, const Answer *answer);
void lexicon_settle(Lexicon *l); // majority per phrase; of equal counts the class that comes first in the table
size_t lexicon_count(const Lexicon *l);

// A table phrase<TAB>class<TAB>count<TAB>of, sorted by phrase; those seen fewer than `least` times are left out.
void lexicon_write(const Lexicon *l, const char *path, size_t least);
Lexicon *lexicon_read(Arena *a, const Classes *c, const char *path); // settled

// The parts of a caption: the longest phrase of up to six words, again and again. Words that are in no phrase get the label
// "UNKNOWN", except a, an, the, of, and, with, in, on, to, that, is, and what holds no letter or digit: these are passed over.
// The label of a part is one that stands for its class (classes_label_for).
Answer lexicon_answer(const Lexicon *l, Arena *a, const char *caption);

#endif
