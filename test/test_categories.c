// test_categories.c: answers of labellers, classes, shares, lexicon (analysis/categories.h, lexicon.h).
//
// The kinds of damage are those counted in the study's published answers: loops that never close, a missing comma, a comma
// too many, an invalid escape, an explanation, a nested object; each as a short synthetic copy. Shares are worked by hand.
// Seen red: duplicate keys kept once, macro average taken for micro, the last label in place of the first, `>=` for `>` in
// emergence, shown classes in the table's order.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/lexicon.h"
#include "check.h"
#include "io/file.h"
#include "scratch.h"

static void put(const char *path, const char *text) { file_write(path, text, strlen(text)); }
static Answer strict(Arena *a, const char *t) { return answer_strict(a, t, strlen(t)); }
static Answer tolerant(Arena *a, const char *t) { return answer_tolerant(a, t, strlen(t)); }

static const char *shown(Arena *a, Answer x) { // "part=first,…"
    const char *out = arena_print(a, "%s:", x.sound ? "sound" : "unsound");
    for (size_t i = 0; i < x.count; i++) out = arena_print(a, "%s %s=%s/%d", out, x.parts[i].phrase, x.parts[i].labels[0], x.parts[i].label_count);
    return out;
}

static void answers(Arena *a) {
    static const struct {
        const char *name, *text, *strict, *tolerant;
    } cases[] = {
        {"plain", "{    \"The girl\": [\"person\", \"young\", \"female\"],    \"yellow\": [\"color\", \"\", \"\"]}", "sound: The girl=person/3 yellow=color/3", "sound: The girl=person/3 yellow=color/3"},
        {"a key twice", "{\"red\": [\"color\",\"\",\"\"], \"red\": [\"UNKNOWN\",\"\",\"\"], \"red\": [\"color\",\"\",\"\"]}", "sound: red=color/3 red=UNKNOWN/3 red=color/3", "sound: red=color/3 red=UNKNOWN/3 red=color/3"},
        {"never closes", "{\"red\": [\"color\",\"\",\"\"],    \"red\": [\"color\",\"\",\"\"],    \"re", "unsound:", "sound: red=color/3 red=color/3"},
        {"never closes inside a list", "{\"red\": [\"color\",\"\",\"\"], \"red\": [\"col", "unsound:", "sound: red=color/3"},
        {"a comma lacks", "{\"a\": [\"color\",\"\",\"\"] \"b\": [\"person\",\"\",\"\"]}", "unsound:", "sound: a=color/3 b=person/3"},
        {"a comma too many", "{\"a\": [\"color\",\"\",\"\"], \"b\": [\"person\",\"\",\"\"],}", "unsound:", "sound: a=color/3 b=person/3"},
        {"invalid escape", "{\"a\\'s\": [\"color\",\"\",\"\"], \"b\": [\"person\",\"\",\"\"]}", "unsound:", "sound: a\\'s=color/3 b=person/3"},
        {"an explanation", "Here is the \"answer\": {\"a\": [\"color\",\"\",\"\"]} as you wished", "unsound:", "sound: a=color/3"},
        {"nested", "{\"a\": {\"b\": [\"color\",\"\",\"\"]}}", "sound:", "sound: b=color/3"},
        {"empty list, text, number", "{\"a\": [], \"b\": \"color\", \"c\": -1.5e3, \"d\": [\"person\"]}", "sound: d=person/1", "sound: d=person/1"},
        {"four labels, two labels", "{\"a\": [\"x\",\"y\",\"z\",\"w\"], \"b\": [\"x\",\"y\"]}", "sound: a=x/4 b=x/2", "sound: a=x/4 b=x/2"},
        {"escapes", "{\"caf\\u00e9 \\ud83d\\ude00 \\\"x\\\"\": [\"loc\\u0061tion\",\"\",\"\"]}", "sound: caf\xc3\xa9 \xf0\x9f\x98\x80 \"x\"=location/3", "sound: caf\xc3\xa9 \xf0\x9f\x98\x80 \"x\"=location/3"},
        {"empty object", "{}", "sound:", "unsound:"},
        {"nothing", "", "unsound:", "unsound:"},
        {"a list outside", "[\"a\", {\"b\": [\"color\"]}]", "sound:", "sound: b=color/1"},
        {"two values", "{} {}", "unsound:", "unsound:"},
        {"NaN as Python", "{\"a\": NaN, \"b\": [null, \"x\"]}", "sound: b=/2", "unsound:"},
        {"control character", "{\"a\tb\": [\"color\"]}", "unsound:", "sound: a b=color/1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_text(arena_print(a, "strict: %s", cases[i].name), shown(a, strict(a, cases[i].text)), cases[i].strict);
        check_text(arena_print(a, "tolerant: %s", cases[i].name), shown(a, tolerant(a, cases[i].text)), cases[i].tolerant);
    }
    // deep nesting ends, and takes no stack
    char *deep = take(a, char, 200001);
    memset(deep, '[', 100000), memset(deep + 100000, ']', 100000), deep[200000] = 0;
    check(!strict(a, deep).sound && !tolerant(a, deep).sound, "a hundred thousand brackets");
    char *quotes = take(a, char, 400001); // each could begin a part: linear all the same
    for (int i = 0; i < 100000; i++) memcpy(quotes + 4 * i, "\":[ ", 4);
    quotes[400000] = 0;
    check(!strict(a, quotes).sound && !tolerant(a, quotes).sound, "a hundred thousand beginnings");
    for (int i = 0; i < 200000; i++) memcpy(quotes + 2 * i, "\\\"", 2);
    quotes[0] = '"', quotes[1] = ' ';
    check(!strict(a, quotes).sound && !tolerant(a, quotes).sound, "a text of two hundred thousand escaped quotes that never closes");
    char *closed = arena_print(a, "\"a\": [\"b\"] \"%s\" ", quotes + 390000); // each could begin the same phrase again, in memory of its own
    size_t before = arena_peak(a);
    check(tolerant(a, closed).count == 1 && arena_peak(a) - before < strlen(closed) * 4, "five thousand escaped quotes of one phrase: %zu bytes", arena_peak(a) - before);
    AnswerPart parts[] = {{.phrase = "a \"b\" \\", .labels = {"color", "", ""}}, {.phrase = "c\n", .labels = {"x", "y", "z"}}};
    const char *text = answer_text(a, parts, 2);
    check_text("an answer's text", text, "{\"a \\\"b\\\" \\\\\": [\"color\",\"\",\"\"],\"c\\u000a\": [\"x\",\"y\",\"z\"]}");
    check_text("reads back", shown(a, strict(a, text)), "sound: a \"b\" \\=color/3 c\n=x/3");
}

static void classes(Arena *a) {
    Classes *c = classes_original(a);
    check(classes_count(c) == 35 && classes_labels(c) == 151, "35 classes, 151 labels: %d, %zu", classes_count(c), classes_labels(c));
    check_text("sorted by code point", arena_print(a, "%s %s %s %s", classes_name(c, 0), classes_name(c, 1), classes_name(c, 2), classes_name(c, 34)), "UNKNOWN action animal weather");
    const char *const titles[][2] = {{"color", "Color"}, {"UNKNOWN", "UNKNOWN"}, {"objects", "Inanimate Object"}, {"quantity & number & size", "Quantity"}, {"food & drink", "Food and Drink"}, {"indoor scene", "Indoor Scene"}, {"human attributes", "Human Attribute"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) check_text("the chart's name", classes_title(c, a, classes_named(c, titles[i][0])), titles[i][1]);
    static const char *const pairs[][2] = {{"door", "indoor scene"}, {"background", "outdoor scene"}, {"signs", "traffic"}, {"relations", "position"}, {"old", "human attributes"},
                                           {"atmosphere", "UNKNOWN"}, {"", "UNKNOWN"}, {"size", "quantity & number & size"}, {"actions", "action"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool mapped;
        int k = classes_of(c, pairs[i][0], &mapped);
        check(mapped && strcmp(classes_name(c, k), pairs[i][1]) == 0, "\"%s\" is %s", pairs[i][0], pairs[i][1]);
    }
    bool mapped = true;
    check(classes_of(c, "Color", &mapped) == classes_unknown(c) && !mapped, "a label by its very letters");
    for (int k = 0; k < 35; k++)
        if (classes_of(c, classes_label_for(c, k), NULL) != k) check(false, "a label for %s", classes_name(c, k));
    const char *path = scratch_path(a, "map.tsv");
    put(path, "label\tclass\nred\thue\nblue\thue\n");
    Classes *own = classes_read(a, path);
    check(classes_count(own) == 2 && classes_of(own, "blue", NULL) == classes_named(own, "hue") && classes_of(own, "x", NULL) == classes_named(own, "UNKNOWN"), "a map of one's own");
    put(path, "label\tclass\nred\thue\nred\tx\n");
    check_dies("a label twice", "there twice") { classes_read(a, path); }
}

static void shares(Arena *a) {
    Classes *c = classes_original(a);
    Answer three[] = {strict(a, "{\"a\": [\"color\"], \"b\": [\"color\"], \"c\": [\"person\"], \"d\": [\"gold\"]}"), strict(a, "{\"a\": [\"person\", \"color\"]}"), strict(a, "{\"a\": {}}"), strict(a, "{oops")};
    Shares s = shares_of(a, c, three, 4, false), w = shares_of(a, c, three, 4, true);
    int color = classes_named(c, "color"), person = classes_named(c, "person"), unknown = classes_unknown(c);
    check(s.kept == 2, "captions without a class are left out");
    check_value("macro: color", s.macro[color], 25, 0);            // (50 + 0) / 2
    check_value("macro: person", s.macro[person], 62.5, 0);        // (25 + 100) / 2
    check_value("macro: unmapped is UNKNOWN", s.macro[unknown], 12.5, 0);
    check_value("micro: color", s.micro[color], 40, 1e-12);        // 2 of 5
    check_value("micro: person", s.micro[person], 40, 1e-12);
    check_value("weighted: the second label is half", w.macro[color], (50 + 100.0 / 3) / 2, 1e-12);
    check_value("weighted: an empty one is nothing", w.macro[unknown], 12.5, 0);
    check(isnan(s.per_caption[2 * 35 + color]), "no share of a caption without a class");
    double sum = 0;
    for (int k = 0; k < 35; k++) sum += s.macro[k];
    check_value("shares sum to 100", sum, 100, 1e-9);
    double chart[2 * 4] = {3, 40, 20, 37, 6, 4.9, 20, 70};
    int order[4], n = shares_shown(order, chart, 2, 4, 5);
    check(n == 4 && order[0] == 1 && order[1] == 3 && order[2] == 2 && order[3] == 0, "shown: most at layer 1 first");
    n = shares_shown(order, chart, 2, 4, 6.5);
    check(n == 3 && order[2] == 2, "shown: a maximum below the least");
    double rise[] = {0, 0.6, 0.3, 0.5, 0.51, 0.7, 1}, flat[] = {1, 1}, none[] = {1, 0};
    check(emergence_layer(rise, 7) == 4, "emerges where it stays above half: %d", emergence_layer(rise, 7));
    check(emergence_layer(flat, 2) == 0 && emergence_layer(none, 2) == -1, "emerges at once, or never");
}

static void lexicon(Arena *a) {
    Classes *c = classes_original(a);
    Lexicon *l = lexicon_new(a, c);
    Answer one = strict(a, "{\"In  front of\": [\"position\"], \"red\": [\"color\"], \"Red\": [\"color\"], \"red\": [\"person\"], \"a cat\": [\"animal\"], \"tie\": [\"person\"]}"),
           two = strict(a, "{\"tie\": [\"color\"], \"cat\": [\"food\"]}");
    lexicon_learn(l, &one);
    lexicon_learn(l, &two);
    lexicon_settle(l);
    check(lexicon_count(l) == 5, "five phrases: %zu", lexicon_count(l));
    const char *caption = "a cat in front of the Red xyzzy - tie , 7";
    const char *want = "sound: a cat=animal/3 in front of=position/3 red=color/3 xyzzy=UNKNOWN/3 tie=color/3 7=UNKNOWN/3";
    check_text("longest phrase, majority, words passed over", shown(a, lexicon_answer(l, a, caption)), want);
    const char *path = scratch_path(a, "lexicon.tsv");
    lexicon_write(l, path, 1);
    check_text("written and read", shown(a, lexicon_answer(lexicon_read(a, c, path), a, caption)), want);
    lexicon_write(l, path, 2);
    check(lexicon_count(lexicon_read(a, c, path)) == 2, "phrases seen twice");
    check_text("an empty caption", shown(a, lexicon_answer(l, a, "  ")), "sound:");
    put(path, "phrase\tclass\nred\thue\n");
    check_dies("a class that is none", "none of the 35") { lexicon_read(a, c, path); }
}

int main(void) {
    Arena *a = arena_new("test");
    answers(a);
    classes(a);
    shares(a);
    lexicon(a);
    arena_free(a);
    return check_end();
}
