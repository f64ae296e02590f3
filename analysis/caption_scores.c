// caption_scores.c: see caption_scores.h. Held by: test/test_caption_scores.c against pycocoevalcap's scorers on the same words.
#include "caption_scores.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/names.h"

enum { GRAMS = 4 };

// A sentence: word numbers, and for each n its distinct n-grams with counts, sorted.
typedef struct {
    uint32_t id, count;
} Gram;

typedef struct {
    uint32_t *words;
    size_t length;
    Gram *grams[GRAMS];
    size_t gram_count[GRAMS];
} Sentence;

typedef struct {
    const char *text; // first: names.h
    uint32_t pictures; // among whose references it is
    uint32_t last;     // picture counted last, + 1
} Entry;

typedef struct {
    Arena *arena;
    Entry *entries;
    size_t count, room;
    Names names;
} Table;

static uint32_t intern(Table *t, const char *text) {
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 1024;
        t->entries = arena_grow(t->arena, t->entries, t->count, room, sizeof *t->entries);
        t->room = room;
    }
    t->entries[t->count] = (Entry){.text = text};
    const Entry *old = names_add(&t->names, t->arena, t->entries, sizeof *t->entries);
    return (uint32_t)(old ? (size_t)(old - t->entries) : t->count++);
}

static int by_id(const void *a, const void *b) {
    const Gram *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

// Letters and digits are kept (other scripts byte by byte), the rest parts words or, inside one, is dropped.
static Sentence sentence_of(Table *t, const char *text) {
    Arena *a = t->arena;
    size_t bytes = strlen(text), at = 0;
    Sentence s = {.words = take(a, uint32_t, bytes / 2 + 1)};
    const char **words = take(a, const char *, bytes / 2 + 1);
    char *word = take(a, char, bytes + 1);
    for (size_t i = 0; i <= bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) word[at++] = (char)c;
        else if (c == 0 || c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (at) words[s.length] = arena_text(a, word, at), s.length++;
            at = 0;
        }
    }
    for (size_t i = 0; i < s.length; i++) s.words[i] = intern(t, words[i]);
    for (int n = 0; n < GRAMS; n++) {
        size_t all = s.length > (size_t)n ? s.length - (size_t)n : 0;
        Gram *g = s.grams[n] = take(a, Gram, all + 1);
        for (size_t i = 0; i < all; i++) {
            const char *joined = words[i];
            for (int k = 1; k <= n; k++) joined = arena_print(a, "%s %s", joined, words[i + (size_t)k]);
            g[i] = (Gram){intern(t, joined), 1};
        }
        if (all) qsort(g, all, sizeof *g, by_id);
        size_t m = 0;
        for (size_t i = 0; i < all; i++) {
            if (m && g[m - 1].id == g[i].id) g[m - 1].count++;
            else g[m++] = g[i];
        }
        s.gram_count[n] = m;
    }
    return s;
}

static uint32_t count_of(const Sentence *s, int n, uint32_t id) {
    const Gram *g = bsearch(&(Gram){id, 0}, s->grams[n], s->gram_count[n], sizeof(Gram), by_id);
    return s->gram_count[n] && g ? g->count : 0;
}

// ---- BLEU

typedef struct {
    double right[GRAMS], all[GRAMS], length, reference;
} Bleu;

static void bleu_add(Bleu *b, const Sentence *c, const Sentence *r, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++) { // the closest length, the shorter of two as close
        size_t d = r[i].length > c->length ? r[i].length - c->length : c->length - r[i].length, e = r[best].length > c->length ? r[best].length - c->length : c->length - r[best].length;
        if (d < e || (d == e && r[i].length < r[best].length)) best = i;
    }
    b->length += (double)c->length, b->reference += (double)r[best].length;
    for (int n = 0; n < GRAMS; n++)
        for (size_t g = 0; g < c->gram_count[n]; g++) {
            uint32_t most = 0, own = c->grams[n][g].count;
            for (size_t i = 0; i < count; i++) {
                uint32_t m = count_of(&r[i], n, c->grams[n][g].id);
                most = m > most ? m : most;
            }
            b->right[n] += own < most ? own : most, b->all[n] += own;
        }
}

static void bleu_end(const Bleu *b, double out[GRAMS]) {
    double product = 1, brevity = b->length > 0 && b->length < b->reference ? exp(1 - b->reference / b->length) : 1;
    for (int n = 0; n < GRAMS; n++) {
        product *= b->all[n] > 0 ? b->right[n] / b->all[n] : 0;
        out[n] = pow(product, 1.0 / (n + 1)) * brevity;
    }
}

// ---- ROUGE-L

static size_t common(Arena *a, const Sentence *x, const Sentence *y) { // longest common subsequence
    Mark mark = arena_mark(a);
    size_t *row = take_zero(a, size_t, y->length + 1), longest;
    for (size_t i = 0; i < x->length; i++) {
        size_t corner = 0;
        for (size_t j = 0; j < y->length; j++) {
            size_t above = row[j + 1];
            row[j + 1] = x->words[i] == y->words[j] ? corner + 1 : above > row[j] ? above : row[j];
            corner = above;
        }
    }
    longest = row[y->length];
    arena_release(a, mark);
    return longest;
}

static double rouge(Arena *a, const Sentence *c, const Sentence *r, size_t count) {
    double p = 0, q = 0, beta = 1.2;
    for (size_t i = 0; i < count; i++) {
        double l = (double)common(a, c, &r[i]);
        if (c->length) p = fmax(p, l / (double)c->length);
        if (r[i].length) q = fmax(q, l / (double)r[i].length);
    }
    return p > 0 && q > 0 ? (1 + beta * beta) * p * q / (q + beta * beta * p) : 0;
}

// ---- CIDEr-D

static double weight(const Table *t, const Gram *g, double log_pictures) {
    double df = t->entries[g->id].pictures;
    return g->count * (log_pictures - log(df > 1 ? df : 1));
}

static double norm(const Table *t, const Sentence *s, int n, double log_pictures) {
    double sum = 0;
    for (size_t g = 0; g < s->gram_count[n]; g++) {
        double w = weight(t, &s->grams[n][g], log_pictures);
        sum += w * w;
    }
    return sqrt(sum);
}

static double cider(const Table *t, const Sentence *c, const Sentence *r, size_t count, double log_pictures) {
    double sum = 0, sigma = 6;
    for (size_t i = 0; i < count; i++)
        for (int n = 0; n < GRAMS; n++) {
            double dot = 0, x = norm(t, c, n, log_pictures), y = norm(t, &r[i], n, log_pictures);
            // lengths as the reference implementation counts them: in pairs of words
            double apart = fmax((double)c->length - 1, 0) - fmax((double)r[i].length - 1, 0);
            for (size_t g = 0; g < c->gram_count[n]; g++) {
                Gram other = {c->grams[n][g].id, count_of(&r[i], n, c->grams[n][g].id)};
                double w = weight(t, &other, log_pictures);
                dot += fmin(weight(t, &c->grams[n][g], log_pictures), w) * w;
            }
            if (x > 0 && y > 0) sum += dot / (x * y) * exp(-(apart * apart) / (2 * sigma * sigma));
        }
    return 10 * sum / GRAMS / (double)count;
}

CaptionScores caption_scores(Arena *a, const char *const *captions, const References *references, size_t N) {
    CaptionScores out = {0};
    Table t = {.arena = a};
    Sentence *own = take(a, Sentence, N + 1), **theirs = take(a, Sentence *, N + 1);
    for (size_t i = 0; i < N; i++) {
        if (!references[i].count) continue;
        out.n++;
        own[i] = sentence_of(&t, captions[i]);
        theirs[i] = take(a, Sentence, references[i].count);
        for (size_t k = 0; k < references[i].count; k++) {
            theirs[i][k] = sentence_of(&t, references[i].texts[k]);
            for (int n = 0; n < GRAMS; n++)
                for (size_t g = 0; g < theirs[i][k].gram_count[n]; g++) {
                    Entry *e = &t.entries[theirs[i][k].grams[n][g].id];
                    if (e->last != (uint32_t)i + 1) e->pictures++, e->last = (uint32_t)i + 1;
                }
        }
    }
    Bleu b = {0};
    for (size_t i = 0; i < N; i++) {
        if (!references[i].count) continue;
        bleu_add(&b, &own[i], theirs[i], references[i].count);
        out.rouge_l += rouge(a, &own[i], theirs[i], references[i].count) / (double)out.n;
        out.cider_d += cider(&t, &own[i], theirs[i], references[i].count, log((double)out.n)) / (double)out.n;
    }
    bleu_end(&b, out.bleu);
    if (!out.n) out = (CaptionScores){.bleu = {NAN, NAN, NAN, NAN}, .rouge_l = NAN, .cider_d = NAN};
    return out;
}
