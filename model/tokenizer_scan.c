// tokenizer_scan.c: the regular expressions of published tokenizer files, each as a hand-written
// scanner.
//
// Source: the expressions themselves, spec of the respective tokenizer.json. Alternatives are tried
// in order, repetition is greedy, and where backtracking can happen the scanner says so. Held by:
// test/test_tokenizer.c, test/peers/check_tokenizers.py (against Oniguruma inside `tokenizers`).
#include <string.h>

#include "tokenizer_parts.h"

// ---- characters

static uint32_t flags_at(const char *text, size_t n, size_t at, size_t *next) {
    *next = at;
    return at < n ? unicode_flags(utf8_next(text, next))
                  : UNI_SPACE | UNI_L | UNI_N; // the end stops every run below
}

// The end of a run of characters that have one of `any` and none of `none`.
static size_t run_of(const char *text, size_t n, size_t at, uint32_t any, uint32_t none) {
    while (at < n) {
        size_t next = at;
        uint32_t f = unicode_flags(utf8_next(text, &next));
        if ((any && !(f & any)) || (f & none)) break;
        at = next;
    }
    return at;
}

// \p{N}{1,most}, where the first one ends at `at`.
static size_t numbers_end(const char *text, size_t n, size_t at, size_t most) {
    size_t after;
    for (size_t k = 1; k < most && at < n && (flags_at(text, n, at, &after) & UNI_N); k++) at = after;
    return at;
}

static bool newline(char c) { return c == '\n' || c == '\r'; }

// 's 't 're 've 'm 'll 'd at `at`; returns its end, or `at`. (?i:…) folds ſ (U+017F) to s and
// nothing else beyond ASCII.
static size_t contraction(const char *text, size_t n, size_t at, bool fold) {
    if (n - at < 2 || text[at] != '\'') return at;
    char a = text[at + 1], b = n - at > 2 ? text[at + 2] : 0;
    if (fold) {
        if (a >= 'A' && a <= 'Z') a = (char)(a + 32);
        if (b >= 'A' && b <= 'Z') b = (char)(b + 32);
        if ((unsigned char)a == 0xC5 && (unsigned char)b == 0xBF) return at + 3;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
    return at;
}

// \s+(?!\S)|\s+ at `at`, where white space stands: the run, without its last character if something
// other follows and more than one is there.
static size_t spaces(const char *text, size_t n, size_t at) {
    size_t end = run_of(text, n, at, UNI_SPACE, 0);
    if (end == n) return end;
    size_t before = utf8_before(text, end);
    return before > at ? before : end;
}

// \s*[\r\n]+ at `at`: through the last line break of the white space there; `at` if it has none.
static size_t broken_lines(const char *text, size_t n, size_t at) {
    size_t end = run_of(text, n, at, UNI_SPACE, 0);
    while (end > at && !newline(text[end - 1]))
        end--; // no byte of a longer character is a line break
    return end;
}

// ---- the published expressions

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
static size_t scan_gpt2(const char *text, size_t n, size_t at) {
    size_t end = contraction(text, n, at, false), next;
    if (end > at) return end;
    size_t from = at + (text[at] == ' ');
    uint32_t f = flags_at(text, n, from, &next);
    if (from < n) {
        if (f & UNI_L) return run_of(text, n, next, UNI_L, 0);
        if (f & UNI_N) return run_of(text, n, next, UNI_N, 0);
        if (!(f & UNI_SPACE)) return run_of(text, n, next, 0, UNI_SPACE | UNI_L | UNI_N);
    }
    return spaces(text, n, at);
}

// The second generation; the three published ones differ in how many digits stay together and in
// whether marks count as letters.
static size_t scan_second(const char *text, size_t n, size_t at, size_t digits, bool marks) {
    const uint32_t letters = marks ? UNI_L | UNI_M : UNI_L;
    size_t end = contraction(text, n, at, true), next, after;
    if (end > at) return end;
    uint32_t f = flags_at(text, n, at, &next);
    // [^\r\n\p{L}\p{N}]?\p{L}+ : a letter cannot be the optional character; a mark can be either.
    if (!(f & (UNI_L | UNI_N)) && !newline(text[at]) && next < n &&
        (flags_at(text, n, next, &after) & letters))
        return run_of(text, n, after, letters, 0);
    if (f & letters) return run_of(text, n, next, letters, 0);
    if (f & UNI_N) return numbers_end(text, n, next, digits);
    size_t from = at + (text[at] == ' ');
    f = flags_at(text, n, from, &next);
    if (from < n && !(f & (UNI_SPACE | UNI_N | letters))) {
        end = run_of(text, n, next, 0, UNI_SPACE | UNI_N | letters);
        while (end < n && newline(text[end])) end++;
        return end;
    }
    end = broken_lines(text, n, at);
    return end > at ? end : spaces(text, n, at);
}

static size_t scan_llama3(const char *text, size_t n, size_t at) {
    return scan_second(text, n, at, 3, false);
}
static size_t scan_qwen2(const char *text, size_t n, size_t at) {
    return scan_second(text, n, at, 1, false);
}
static size_t scan_qwen35(const char *text, size_t n, size_t at) {
    return scan_second(text, n, at, 1, true);
}

// 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ ; white space matches nothing.
static size_t scan_clip(const char *text, size_t n, size_t at) {
    size_t end = contraction(text, n, at, false), next;
    if (end > at) return end;
    uint32_t f = flags_at(text, n, at, &next);
    if (f & UNI_L) return run_of(text, n, next, UNI_L, 0);
    if (f & UNI_N) return next;
    if (f & UNI_SPACE) return at;
    return run_of(text, n, next, 0, UNI_SPACE | UNI_L | UNI_N);
}

static size_t scan_clip_special(const char *text, size_t n, size_t at) {
    static const char *const names[] = {"<|startoftext|>", "<|endoftext|>"};
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(names[i]);
        if (n - at >= k && memcmp(text + at, names[i], k) == 0) return at + k;
    }
    return scan_clip(text, n, at);
}

// OpenCLIP's own, ignoring case: then ſ is an s, and the mark U+0345, whose capital is a letter, neither a letter nor anything else.
static size_t scan_openclip(const char *text, size_t n, size_t at) {
    static const char *const names[] = {OPENCLIP_START, OPENCLIP_END}, mark[] = "\xCD\x85";
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(names[i]);
        if (n - at >= k && memcmp(text + at, names[i], k) == 0) return at + k;
    }
    size_t end = contraction(text, n, at, true);
    if (end == at) end = scan_clip(text, n, at);
    for (size_t i = at; i + 1 < end; i++)
        if (memcmp(text + i, mark, 2) == 0) return i;
    return end;
}

// The third generation, where a change from small to capital letters begins a new word.
// U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], S = [\p{Ll}\p{Lm}\p{Lo}\p{M}]; Lm, Lo and M are in both.
static bool in_upper(uint32_t f) { return (f & (UNI_L | UNI_M)) && !(f & UNI_LOWER); }
static bool in_lower(uint32_t f) { return (f & (UNI_L | UNI_M)) && !(f & UNI_UPPER); }

static size_t case_run(const char *text, size_t n, size_t at, bool (*in)(uint32_t)) {
    for (size_t next; at < n && in(flags_at(text, n, at, &next)); at = next) continue;
    return at;
}

// U*S+ : greedy, then U* gives back characters until one of S follows.
static size_t upper_then_lower(const char *text, size_t n, size_t at) {
    size_t next;
    for (size_t split = case_run(text, n, at, in_upper);; split = utf8_before(text, split)) {
        if (split < n && in_lower(flags_at(text, n, split, &next)))
            return case_run(text, n, split, in_lower);
        if (split == at) return at;
    }
}

// U+S*
static size_t upper_and_lower(const char *text, size_t n, size_t at) {
    size_t end = case_run(text, n, at, in_upper);
    return end > at ? case_run(text, n, end, in_lower) : at;
}

static size_t scan_third(const char *text, size_t n, size_t at, size_t digits, bool contractions) {
    size_t next;
    uint32_t f = flags_at(text, n, at, &next);
    bool optional = !(f & (UNI_L | UNI_N)) && !newline(text[at]);
    for (int alternative = 0; alternative < 2; alternative++) {
        size_t (*word)(const char *, size_t, size_t) =
            alternative == 0 ? upper_then_lower : upper_and_lower;
        size_t end = optional ? word(text, n, next) : next;
        if (!optional || end == next) end = word(text, n, at);
        if (end > at) return contractions ? contraction(text, n, end, true) : end;
    }
    if (f & UNI_N) return numbers_end(text, n, next, digits);
    size_t from = at + (text[at] == ' ');
    f = flags_at(text, n, from, &next);
    if (from < n && !(f & (UNI_SPACE | UNI_L | UNI_N))) {
        size_t end = run_of(text, n, next, 0, UNI_SPACE | UNI_L | UNI_N);
        while (end < n && (newline(text[end]) || text[end] == '/')) end++;
        return end;
    }
    size_t end = broken_lines(text, n, at);
    return end > at ? end : spaces(text, n, at);
}

static size_t scan_gpt4o(const char *text, size_t n, size_t at) {
    return scan_third(text, n, at, 3, true);
}
static size_t scan_tekken(const char *text, size_t n, size_t at) {
    return scan_third(text, n, at, 1, false);
}

// clang-format off
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define SPACES "\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define SECOND(words, digits, others) \
    "(?i:" CONTRACTIONS ")|" BEFORE words "+|" digits "| ?" others "+[\\r\\n]*|\\s*[\\r\\n]+|" SPACES
#define THIRD(contraction, digits)                                                             \
    BEFORE UPPER "*" LOWER "+" contraction "|" BEFORE UPPER "+" LOWER "*" contraction          \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" SPACES

const char pattern_words[] = CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|" SPACES;
static const char pattern_llama3[] = SECOND("\\p{L}", "\\p{N}{1,3}", "[^\\s\\p{L}\\p{N}]");
const char pattern_qwen2[] = SECOND("\\p{L}", "\\p{N}", "[^\\s\\p{L}\\p{N}]");
const char pattern_qwen35[] = SECOND("[\\p{L}\\p{M}]", "\\p{N}", "[^\\s\\p{L}\\p{M}\\p{N}]");
static const char pattern_clip_old[] = CONTRACTIONS "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
const char pattern_clip[] = "<\\|startoftext\\|>|<\\|endoftext\\|>|" CONTRACTIONS "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
const char pattern_openclip[] = "(?i)" OPENCLIP_START "|" OPENCLIP_END "|" CONTRACTIONS "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
static const char pattern_gpt4o[] = THIRD("(?i:" CONTRACTIONS ")?", "\\p{N}{1,3}");
static const char pattern_tekken[] = THIRD("", "\\p{N}");

static const struct {
    const char *text;
    ScanFn *scan;
} published[] = {
    {pattern_words, scan_gpt2},       {pattern_llama3, scan_llama3},     {pattern_qwen2, scan_qwen2},
    {pattern_qwen35, scan_qwen35},    {pattern_clip_old, scan_clip},     {pattern_clip, scan_clip_special},
    {pattern_openclip, scan_openclip},
    {pattern_gpt4o, scan_gpt4o},      {pattern_tekken, scan_tekken},
};
// clang-format on

ScanFn *scan_published(const char *expression) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (strcmp(published[i].text, expression) == 0) return published[i].scan;
    return NULL;
}
