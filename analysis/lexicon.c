// lexicon.c: see lexicon.h. Held by: test/test_categories.c.
#include "lexicon.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/names.h"

typedef struct {
    const char *text; // first: names.h
    uint32_t *votes;  // (K) while learning
    int k;
    size_t count, of; // votes for k, and all
} Phrase;

struct Lexicon {
    Arena *arena;
    const Classes *classes;
    Phrase *phrases;
    size_t count, room;
    Names names;
};

Lexicon *lexicon_new(Arena *a, const Classes *c) {
    Lexicon *l = take_zero(a, Lexicon, 1);
    l->arena = a, l->classes = c;
    return l;
}

static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

// Lower case, one space between words, none around them.
static char *plain(Arena *a, const char *text) {
    size_t n = strlen(text);
    char *out = take(a, char, n + 1), *o = out;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (space(c)) {
            if (o > out && o[-1] != ' ') *o++ = ' ';
        } else {
            *o++ = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
    }
    if (o > out && o[-1] == ' ') o--;
    *o = 0;
    return out;
}

static Phrase *phrase_of(Lexicon *l, const char *text) {
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 1024;
        l->phrases = arena_grow(l->arena, l->phrases, l->count, room, sizeof *l->phrases);
        l->room = room;
    }
    l->phrases[l->count] = (Phrase){.text = text, .k = -1};
    Phrase *old = (Phrase *)(uintptr_t)names_add(&l->names, l->arena, l->phrases, sizeof *l->phrases);
    return old ? old : &l->phrases[l->count++];
}

void lexicon_learn(Lexicon *l, const Answer *answer) {
    for (size_t i = 0; i < answer->count; i++) {
        const char *text = plain(l->arena, answer->parts[i].phrase);
        if (!*text) continue;
        Phrase *p = phrase_of(l, text);
        if (!p->votes) p->votes = take_zero(l->arena, uint32_t, (size_t)classes_count(l->classes));
        p->votes[classes_of(l->classes, answer->parts[i].labels[0], NULL)]++;
    }
}

void lexicon_settle(Lexicon *l) {
    for (size_t i = 0; i < l->count; i++) {
        Phrase *p = &l->phrases[i];
        if (!p->votes) continue;
        p->k = 0, p->of = 0;
        for (int k = 0; k < classes_count(l->classes); k++) {
            p->of += p->votes[k];
            if (p->votes[k] > p->votes[p->k]) p->k = k;
        }
        p->count = p->votes[p->k];
    }
}

size_t lexicon_count(const Lexicon *l) { return l->count; }

static int by_phrase(const void *a, const void *b) { return strcmp(((const Phrase *)a)->text, ((const Phrase *)b)->text); }

void lexicon_write(const Lexicon *l, const char *path, size_t least) {
    Arena *a = arena_new("a lexicon's table");
    Phrase *sorted = take(a, Phrase, l->count + 1);
    memcpy(sorted, l->phrases, l->count * sizeof *sorted);
    qsort(sorted, l->count, sizeof *sorted, by_phrase);
    static const char *const names[] = {"phrase", "class", "count", "of"};
    CsvWriter *w = csv_create(a, path, '\t', names, 4);
    for (size_t i = 0; i < l->count; i++) {
        if (sorted[i].of < least || sorted[i].k < 0) continue;
        csv_put(w, sorted[i].text);
        csv_put(w, classes_name(l->classes, sorted[i].k));
        csv_put_int(w, (int64_t)sorted[i].count);
        csv_put_int(w, (int64_t)sorted[i].of);
        csv_end_row(w);
    }
    csv_finish(w);
    arena_free(a);
}

Lexicon *lexicon_read(Arena *a, const Classes *c, const char *path) {
    Lexicon *l = lexicon_new(a, c);
    Csv *t = csv_open(a, path, '\t');
    size_t phrase = csv_column(t, "phrase"), class = csv_column(t, "class"), count = csv_find(t, "count"), of = csv_find(t, "of");
    while (csv_next(t)) {
        int k = classes_named(c, csv_get(t, class));
        need(k >= 0, "%s:%llu: \"%s\" is none of the %d classes; --map FILE gives others", path, (unsigned long long)csv_line(t), csv_get(t, class), classes_count(c));
        const char *text = plain(a, csv_get(t, phrase));
        need(*text, "%s:%llu: a phrase without a word", path, (unsigned long long)csv_line(t));
        Phrase *p = phrase_of(l, text);
        need(p->k < 0, "%s:%llu: \"%s\" is there twice", path, (unsigned long long)csv_line(t), text);
        p->k = k, p->count = 1, p->of = 1;
        if (count != CSV_NONE && of != CSV_NONE) p->count = (size_t)csv_get_int(t, count), p->of = (size_t)csv_get_int(t, of);
    }
    csv_close(t);
    need(l->count > 0, "%s: holds no phrases", path);
    return l;
}

static bool passed_over(const char *word) {
    static const char *const words[] = {"a", "an", "the", "of", "and", "with", "in", "on", "to", "that", "is"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0) return true;
    for (const unsigned char *c = (const unsigned char *)word; *c; c++) // bytes of other scripts count as letters
        if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c >= 0x80) return false;
    return true;
}

Answer lexicon_answer(const Lexicon *l, Arena *a, const char *caption) {
    char *text = plain(a, caption);
    size_t words = 0, length = strlen(text);
    size_t *start = take(a, size_t, length / 2 + 2), *end = take(a, size_t, length / 2 + 2);
    for (size_t i = 0; i < length;) {
        size_t j = i;
        while (j < length && text[j] != ' ') j++;
        start[words] = i, end[words++] = j;
        i = j + 1;
    }
    Answer answer = {.parts = take(a, AnswerPart, words + 1), .sound = true};
    for (size_t w = 0; w < words;) {
        size_t n = words - w < LEXICON_WORDS ? words - w : LEXICON_WORDS;
        const Phrase *p = NULL;
        for (; n >= 1; n--) {
            char kept = text[end[w + n - 1]];
            text[end[w + n - 1]] = 0;
            p = names_find(&l->names, text + start[w]);
            bool last = p || (n == 1 && !passed_over(text + start[w]));
            if (last) {
                const char *phrase = arena_text(a, text + start[w], end[w + n - 1] - start[w]);
                answer.parts[answer.count++] = (AnswerPart){.phrase = phrase, .labels = {p ? classes_label_for(l->classes, p->k) : "UNKNOWN", "", ""}, .label_count = 3};
            }
            text[end[w + n - 1]] = kept;
            if (last || n == 1) break;
        }
        w += n;
    }
    return answer;
}
