// test_world_words.c: sentences about scenes, read and judged (train/world_words.h).
//
// The generator's own captions are the reference: each is grammatical and true word for word; with one thing of the scene
// changed, what names that thing becomes false. Broken sentences are worked by hand.
// Seen red: colours judged against the wrong list, "a" taken for exactly one, left and right exchanged, every text grammatical.
#include <string.h>

#include "check.h"
#include "train/world_words.h"

static void own_captions(Arena *a) {
    int n = 0, wrong = 0, broken = 0, missed = 0, unknown = 0;
    for (int i = 0; i < 3000; i++) {
        WorldScene s;
        world_scene_in(&s, WORLD_SCENES, 7, SPLIT_TEST, (uint64_t)i);
        for (int k = 0; k < CAPTION_KINDS; k++) {
            char text[WORLD_TEXT];
            if (!world_caption(text, &s, (CaptionKind)k, rng_sub(s.rng, (uint64_t)k))) continue;
            Mark mark = arena_mark(a);
            WorldReading r = world_read(a, text, &s);
            n++;
            broken += !r.grammatical;
            for (size_t w = 0; w < r.count; w++) wrong += r.words[w].said == SAID_FALSE, unknown += r.words[w].kind == WORD_UNKNOWN;
            for (int f = 0; f < FACTS; f++) wrong += r.facts[f].right != r.facts[f].said;
            if (k == CAPTION_FULL || k == CAPTION_FIRST)
                for (int f = 0; f < FACTS; f++) missed += r.facts[f].told != r.facts[f].there;
            if (wrong + broken + missed == 1) note("first: \"%s\"", text);
            arena_release(a, mark);
        }
    }
    check(n > 30000 && wrong == 0 && unknown == 0, "%d captions: %d facts false, %d words unknown", n, wrong, unknown);
    check(broken == 0, "all grammatical but %d", broken);
    check(missed == 0, "full captions tell everything but %d", missed);
}

static void changed(Arena *a) {
    static const Fact fact[] = {[CHANGE_COLOUR] = FACT_COLOUR, [CHANGE_SHAPE] = FACT_SHAPE, [CHANGE_SIZE] = FACT_BINDING, [CHANGE_PATTERN] = FACT_BINDING, [CHANGE_HABITAT] = FACT_PLACE, [CHANGE_BINDING] = FACT_BINDING};
    int n[CHANGES] = {0}, caught[CHANGES] = {0}, pairs[CHANGES] = {0};
    for (int i = 0; i < 1000; i++) {
        WorldScene s, other;
        world_scene_in(&s, WORLD_SCENES, 7, SPLIT_TEST, (uint64_t)i);
        for (int c = 0; c < CHANGES; c++) {
            char text[WORLD_TEXT];
            if (!world_change(&other, &s, (WorldChange)c, rng_sub(s.rng, 99)) || !world_caption(text, &other, CAPTION_FULL, s.rng)) continue;
            Mark mark = arena_mark(a);
            WorldReading r = world_read(a, text, &s);
            bool all = r.facts[FACT_BINDING].right == r.facts[FACT_BINDING].said && r.facts[FACT_COUNT].right == r.facts[FACT_COUNT].said && r.facts[FACT_PLACE].right == r.facts[FACT_PLACE].said;
            n[c]++, caught[c] += !all, pairs[c] += r.facts[fact[c]].right < r.facts[fact[c]].said || r.facts[fact[c]].told < r.facts[fact[c]].there;
            arena_release(a, mark);
        }
    }
    // "a large disc" stays true where another one is there. A striped disc that became plain is told as "a disc", which is
    // true of the striped one, too: half of the changes of pattern cannot be heard.
    for (int c = 0; c < CHANGES; c++)
        check(n[c] > 100 && caught[c] >= n[c] * (c == CHANGE_PATTERN ? 45 : 95) / 100 && pairs[c] >= n[c] * 9 / 20, "changed %s: %d of %d captions have something false, %d in their family", world_change_names[c], caught[c], n[c], pairs[c]);
}

static WorldScene scene(void) { // a large red disc on the left, two small blue stars on the right, in the desert
    WorldScene s = {.habitat = HABITAT_DESERT, .count = 3};
    s.object[0] = (WorldObject){.shape = SHAPE_DISC, .colour = COLOUR_RED, .large = true, .x = 15, .y = 30};
    s.object[1] = (WorldObject){.shape = SHAPE_STAR, .colour = COLOUR_BLUE, .striped = true, .x = 45, .y = 10};
    s.object[2] = (WorldObject){.shape = SHAPE_STAR, .colour = COLOUR_BLUE, .x = 50, .y = 50};
    return s;
}

static const char *judged(Arena *a, const char *text) {
    WorldScene s = scene();
    WorldReading r = world_read(a, text, &s);
    const char *out = r.grammatical ? "yes" : "no";
    for (size_t i = 0; i < r.count; i++)
        if (r.words[i].said) out = arena_print(a, "%s %.*s%c", out, (int)r.words[i].length, r.words[i].text, r.words[i].said == SAID_TRUE ? '+' : '-');
    return out;
}

static void by_hand(Arena *a) {
    static const char *const cases[][2] = {
        {"red red green", "no red+ red+ green-"},
        {"red, blue, blue", "yes red+ blue+ blue+"},
        {"a red disc left of a blue star", "yes red+ disc+ left+ blue+ star+"},
        {"a red disc right of a blue star", "yes red+ disc+ right- blue+ star+"},
        {"a blue star above a blue star", "yes blue+ star+ above+ blue+ star+"},
        {"a red disc on the right", "yes red+ disc+ right-"},
        {"a blue star at the top", "yes blue+ star+ top+"},
        {"two blue stars", "yes two+ blue+ stars+"},
        {"three blue stars", "yes three- blue+ stars+"},
        {"three objects", "yes three+"},
        {"a picture of the ocean", "yes ocean-"},
        {"the disc is red", "yes disc+ red+"},
        {"A large Disc.", "yes large+ Disc+"},
        {"An Orange disc", "yes Orange- disc+"},
        {"a discs", "no discs+"},
        {"an red disc", "no red+ disc+"},
        {"two blue star", "no two+ blue+ star+"},
        {"a red disc and two blue stars", "no red+ disc+ two+ blue+ stars+"},
        {"a red disc and two small blue stars in the desert", "yes red+ disc+ two+ small+ blue+ stars+ desert+"},
        {"gold gold xyzzy", "no"},
        {"", "no"},
        {"left of of", "no"},
        {"a", "no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_text(arena_print(a, "\"%s\"", cases[i][0]), judged(a, cases[i][0]), cases[i][1]);
    WorldScene s = scene();
    WorldReading r = world_read(a, "a small red disc and two blue stars in the ocean", &s);
    const int want[FACTS][4] = {{2, 2, 2, 2}, {2, 2, 2, 2}, {1, 1, 2, 1}, {0, 0, 1, 0}, {1, 0, 1, 0}, {1, 1, 1, 1}, {0, 0, 0, 0}, {2, 1, 2, 2}};
    for (int f = 0; f < FACTS; f++)
        check(r.facts[f].said == want[f][0] && r.facts[f].right == want[f][1] && r.facts[f].there == want[f][2] && r.facts[f].told == want[f][3], "%s: said %d right %d there %d told %d",
              fact_names[f], r.facts[f].said, r.facts[f].right, r.facts[f].there, r.facts[f].told);
}

int main(void) {
    Arena *a = arena_new("test");
    own_captions(a);
    changed(a);
    by_hand(a);
    arena_free(a);
    return check_end();
}
