// verbalize_report_said.c: the strip under each picture: what every layer says, word by word, and what it says of no picture.
#include <math.h>
#include <string.h>

#include "verbalize_report.h"

#define SHOWN 12   // pictures with all their captions
#define THUMB 160  // pixels of a shown picture's longer side
#define KINDS 8    // colours of words

static const char *layer_name(Report *r, int place) {
    int l = r->v->layer[place];
    return l == 0 ? "before the first block" : arena_print(r->a, "layer %d%s", l, place == r->v->native ? " (the model's own)" : "");
}

static int picture_of(Report *r, size_t i) {
    if (r->s->captions_given.count || r->s->features_given.count) return -1;
    ImageOptions options = picture_options(&r->s->picture_options);
    Image image = gathered_read(r->a, &r->s->pictures.items[r->v->at[i]], &options);
    Picture p = picture_from(&image);
    return page_thumbnail(r->page, p.rgb, p.width, p.height, THUMB, 88);
}

static const char *const world_kinds[KINDS] = {"colour", "shape", "size", "pattern", "number", "habitat", "position", "unknown"};
static const int kind_of_word[WORD_KINDS] = {[WORD_COLOUR] = 1, [WORD_SHAPE] = 2, [WORD_SIZE] = 3, [WORD_PATTERN] = 4, [WORD_NUMBER] = 5, [WORD_PLACE] = 6, [WORD_POSITION] = 7, [WORD_UNKNOWN] = 8};

static void world_words(Report *r, const char *caption, const WorldScene *scene, PageLayer *out) {
    WorldReading w = world_read(r->a, caption, scene);
    PageWord *words = take(r->a, PageWord, w.count + 1);
    for (size_t i = 0; i < w.count; i++)
        words[i] = (PageWord){.text = w.words[i].text, .length = w.words[i].length, .kind = kind_of_word[w.words[i].kind],
                              .truth = w.words[i].said == SAID_TRUE ? 1 : w.words[i].said == SAID_FALSE ? -1 : 0};
    out->words = words, out->count = w.count;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

// Where the phrase stands in the caption from `at` on, small and capital letters alike; the caption's length when nowhere.
static size_t place_of(const char *caption, size_t at, const char *phrase) {
    size_t n = strlen(caption), m = strlen(phrase);
    for (; m && at + m <= n; at++) {
        size_t i = 0;
        while (i < m && lower(caption[at + i]) == lower(phrase[i])) i++;
        if (i == m) return at;
    }
    return n;
}

// The caption cut into the parts that were labelled, in order, and what stands between them.
static void category_words(Report *r, const char *caption, const Answer *answer, const int *kind_of_class, PageLayer *out) {
    PageWord *words = take(r->a, PageWord, answer ? answer->count * 2 + 1 : 1);
    size_t n = 0, at = 0, length = strlen(caption);
    for (size_t p = 0; answer && p < answer->count; p++) {
        size_t found = place_of(caption, at, answer->parts[p].phrase), m = strlen(answer->parts[p].phrase);
        if (found == length || m == 0) continue;
        size_t end = found;
        while (end > at && caption[end - 1] == ' ') end--;
        while (at < end && caption[at] == ' ') at++;
        if (end > at) words[n++] = (PageWord){.text = caption + at, .length = end - at};
        words[n++] = (PageWord){.text = caption + found, .length = m, .kind = kind_of_class[classes_of(r->c->classes, answer->parts[p].labels[0], NULL)]};
        at = found + m;
    }
    while (at < length && caption[at] == ' ') at++;
    if (at < length) words[n++] = (PageWord){.text = caption + at, .length = length - at};
    out->words = words, out->count = n;
}

// The classes that are said most over all layers get a colour each, UNKNOWN the last one. Returns how many colours there are.
static int category_kinds(Report *r, const char **kinds, int *kind_of_class) {
    const Categories *c = r->c;
    int n = 0, *order = take(r->a, int, (size_t)c->K), unknown = classes_unknown(c->classes);
    int shown = shares_shown(order, c->table + (size_t)r->from * (size_t)c->K, r->v->L - r->from, c->K, 0);
    double *sum = take_zero(r->a, double, (size_t)c->K);
    for (int k = 0; k < c->K; k++)
        for (int l = 0; l < r->v->L; l++) sum[k] += isnan(c->table[l * c->K + k]) ? 0 : c->table[l * c->K + k];
    while (n < KINDS - 1) {
        int best = -1;
        for (int i = 0; i < shown; i++)
            if (order[i] != unknown && !kind_of_class[order[i]] && sum[order[i]] > 0 && (best < 0 || sum[order[i]] > sum[best])) best = order[i];
        if (best < 0) return n;
        kinds[n++] = classes_title(c->classes, r->a, best);
        kind_of_class[best] = n;
    }
    kinds[n++] = "UNKNOWN", kind_of_class[unknown] = n;
    return n;
}

// Of picture i; most: the entropy of a full bar, in bits.
static void card(Report *r, size_t i, const int *kind_of_class, double most) {
    Verbal *v = r->v;
    WorldScene scene;
    PageLayer *said = take_zero(r->a, PageLayer, (size_t)v->L);
    if (r->truth) verbalize_scene(r->s, v->names[i], &scene);
    for (int l = 0; l < v->L; l++) {
        double h = v->entropy[l][i];
        if (r->truth) world_words(r, v->captions[l][i], &scene, &said[l]);
        else category_words(r, v->captions[l][i], r->c ? &r->c->answers[l][i] : NULL, kind_of_class, &said[l]);
        said[l].bar = isnan(h) || most <= 0 ? NAN : h / most;
        said[l].note = isnan(h) ? NULL : arena_print(r->a, "%.2f bits", h);
    }
    const char *name = v->names[i] ? v->names[i] : arena_print(r->a, "caption %zu", i);
    page_layers_card(r->page, picture_of(r, i), v->beside[i] ? arena_print(r->a, "%s: %s", name, v->beside[i]) : name, said);
}

static void control_table(Report *r) {
    Verbal *v = r->v;
    PageColumn columns[] = {{"layer", true, NULL}, {"said of the mean picture", false, NULL}, {"bits", true, NULL}, {"% of pictures that get this very caption", true, NULL}};
    page_table_begin(r->page, "The control: what is said of the mean picture, which is a layer's state averaged over pictures, position by position, and so of no picture in particular. A claim that a layer knows something is a claim against this.", columns, 4);
    for (int l = 0; l < v->L; l++) {
        page_cell_number(r->page, v->layer[l], 0);
        page_cell(r->page, v->mean[l].text);
        page_cell_number(r->page, v->mean[l].entropy, 2);
        page_cell_number(r->page, 100 * r->words[l].like_mean, 0);
    }
    page_table_end(r->page);
    if (!v->zero) return;
    if (r->retrieval) page_text(r->page, arena_print(r->a, "Nearest to a state of zeros is: “%s”.", v->zero->text));
    else page_text(r->page, arena_print(r->a, "With every image token set to zero the decoder says: “%s” (%.2f bits a token).", v->zero->text, v->zero->entropy));
}

// What was done to a state before the decoder got it.
static const char *treated(const Verbalize *s) {
    static const char *const scales[] = {"unchanged", "brought to the mean length of those of the model's own layer", "each channel brought to the mean and the spread of the model's own layer"};
    return s->tuned ? "read through the layer's own map" : scales[s->rescale];
}

void report_said(Report *r) {
    static const char *const taps[] = {"The state behind each block", "What each block's attention reads", "What each block's attention adds"}; // as --tap names them
    Verbal *v = r->v;
    page_section(r->page, "What each layer says", r->retrieval ? "The state behind each block goes through the tower's own last norm and projection; shown is the caption of the bank that is nearest. This is retrieval, not verbalisation: every answer is a well-formed caption, whatever the layer knows."
                                            : arena_print(r->a, "%s, %s, takes the place of the one that the model itself uses%s, and the model's own decoder says what it sees. Move the slider, or let it play. The bar is the decoder's mean uncertainty along its own words, in bits a token.", taps[r->s->tap], treated(r->s), v->native >= 0 ? arena_print(r->a, ", behind block %d", v->layer[v->native]) : ""));
    const char *kinds[KINDS];
    memcpy(kinds, world_kinds, sizeof kinds);
    int *kind_of_class = take_zero(r->a, int, r->c ? (size_t)r->c->K : 1), n = r->truth ? KINDS : r->c ? category_kinds(r, kinds, kind_of_class) : 0;
    const char **labels = take(r->a, const char *, (size_t)v->L);
    double most = 0;
    for (int l = 0; l < v->L; l++) {
        labels[l] = layer_name(r, l);
        most = fmax(most, isnan(r->words[l].entropy.max) ? 0 : r->words[l].entropy.max);
    }
    page_layers_begin(r->page, NULL, labels, v->L, r->from, kinds, n, r->truth != NULL);
    size_t cards = v->N < SHOWN ? v->N : SHOWN;
    for (size_t k = 0; k < cards; k++) card(r, k * v->N / cards, kind_of_class, most);
    page_layers_end(r->page);
    if (v->mean) control_table(r);
}
