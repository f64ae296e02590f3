// option.c: see option.h.
#include "option.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

static int smaller(int a, int b) { return a < b ? a : b; }

// Edit distance with insertions, deletions, exchanges, and swaps of neighbours.
static int distance(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > 60 || m > 60) return 1000;
    int d[62][62];
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *nearest_name(const char *wrong, const char *const *names, size_t count) {
    const char *best = NULL;
    int least = 1000;
    for (size_t i = 0; i < count; i++) {
        int d = distance(wrong, names[i]);
        if (*wrong && strncmp(wrong, names[i], strlen(wrong)) == 0) d = smaller(d, 1);
        if (d < least) least = d, best = names[i];
    }
    return best && least <= 1 + (int)strlen(best) / 3 ? best : NULL;
}

// The present choice, as it begins among the others, and its length.
static const char *chosen(const Option *o, int *length) {
    const char *c = o->choices;
    for (int i = *(int *)o->value; i > 0; i--) c = strchr(c, '|') + 1;
    *length = (int)strcspn(c, "|");
    return c;
}

static void print_default(const Option *o) {
    char t[32];
    int n;
    switch (o->kind) {
    case OPT_INT: printf(" [%d]", *(int *)o->value); break;
    case OPT_LONG: printf(" [%lld]", (long long)*(int64_t *)o->value); break;
    case OPT_REAL:
        if (!isnan(*(double *)o->value)) printf(" [%s]", real_text(*(double *)o->value, t));
        break;
    case OPT_TEXT:
    case OPT_OPTIONAL:
        if (*(const char **)o->value) printf(" [%s]", *(const char **)o->value);
        break;
    case OPT_CHOICE: {
        const char *c = chosen(o, &n);
        printf(" [%.*s]", n, c);
        break;
    }
    default: break;
    }
}

static void print_help(const char *usage, const char *purpose, const Option *options, size_t count) {
    static const char *units[] = {"", " N", " N", " X", " TEXT", " TEXT", NULL, "[=TEXT]"};
    printf("usage: %s\n%s\n\n", usage, purpose);
    for (size_t i = 0; i < count; i++) {
        const Option *o = &options[i];
        if (!o->name) {
            printf("%s\n", o->help);
            continue;
        }
        bool choice = o->kind == OPT_CHOICE;
        int width = printf("  --%s%s%s", o->name, choice ? " " : "", choice ? o->choices : units[o->kind]);
        printf("%*s %s", width < 30 ? 30 - width : 0, "", o->help);
        print_default(o);
        printf("\n");
    }
    printf("  %-28s %s\n", "--help", "this text");
}

void stdout_end(void) { need(fflush(stdout) == 0 && !ferror(stdout), "stdout: cannot be written"); }

static const Option *find(const Option *options, size_t count, const char *name, size_t n) {
    for (size_t i = 0; i < count; i++)
        if (options[i].name && strlen(options[i].name) == n && strncmp(options[i].name, name, n) == 0) return &options[i];
    return NULL;
}

static void append(TextList *list, const char *text) {
    list->items = memory_grow((void *)list->items, (list->count + 1) * sizeof *list->items, "options");
    list->items[list->count++] = text;
}

static void set_value(const Option *o, const char *text) {
    char *end;
    errno = 0;
    switch (o->kind) {
    case OPT_INT:
    case OPT_LONG: {
        long long v = strtoll(text, &end, 10);
        bool ok = *text && !*end && errno == 0 && (o->kind == OPT_LONG || (v >= -2147483647 && v <= 2147483647));
        if (!ok) die_usage("--%s %s: a whole number is wanted", o->name, text);
        if (o->kind == OPT_INT) *(int *)o->value = (int)v;
        else *(int64_t *)o->value = v;
        break;
    }
    case OPT_REAL: {
        double v;
        if (!real_parse(text, &v) || !isfinite(v)) die_usage("--%s %s: a number is wanted", o->name, text);
        *(double *)o->value = v;
        break;
    }
    case OPT_TEXT:
    case OPT_OPTIONAL: *(const char **)o->value = text; break;
    case OPT_LIST: append(o->value, text); break;
    case OPT_CHOICE: {
        int i = 0;
        for (const char *c = o->choices; c; i++) {
            size_t n = strcspn(c, "|");
            if (strlen(text) == n && strncmp(c, text, n) == 0) {
                *(int *)o->value = i;
                return;
            }
            c = c[n] ? c + n + 1 : NULL;
        }
        die_usage(strchr(o->choices, '|') ? "--%s %s: one of %s is wanted" : "--%s %s: only %s is there", o->name, text, o->choices);
    }
    case OPT_FLAG: break;
    }
}

void options_parse(const char *usage, const char *purpose, Option *options, size_t count, int argc, char **argv,
                   TextList *rest) {
    const char *command = usage;
    if (rest) *rest = (TextList){0};
    bool ended = false, *given = memory_take(2 * count + 1, "options"), *twice = given + count;
    memset(given, 0, 2 * count + 1);
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        if (ended || a[0] != '-' || a[1] == 0) {
            if (!rest) die_usage("%s: not expected here; usage: %s", a, command);
            append(rest, a);
            continue;
        }
        if (strcmp(a, "--") == 0) {
            ended = true;
            continue;
        }
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            print_help(usage, purpose, options, count);
            stdout_end();
            exit(0);
        }
        if (a[1] != '-') die_usage("%s: options are long, --name; usage: %s", a, command);
        const char *name = a + 2, *equals = strchr(name, '=');
        size_t n = equals ? (size_t)(equals - name) : strlen(name);
        const Option *o = find(options, count, name, n);
        if (!o) {
            const char **names = memory_take((count + 1) * sizeof *names, "options");
            size_t k = 0;
            for (size_t j = 0; j < count; j++)
                if (options[j].name) names[k++] = options[j].name;
            names[k++] = "help";
            char wrong[64];
            snprintf(wrong, sizeof wrong, "%.*s", (int)(n < 63 ? n : 63), name);
            const char *near = nearest_name(wrong, names, k);
            if (near) die_usage("--%.*s: no such option; did you mean --%s?", (int)n, name, near);
            die_usage("--%.*s: no such option; --help lists them", (int)n, name);
        }
        size_t at = (size_t)(o - options);
        twice[at] = given[at], given[at] = true;
        if (o->kind == OPT_FLAG) {
            if (equals) die_usage("--%s takes no value", o->name);
            *(bool *)o->value = true;
        } else if (o->kind == OPT_OPTIONAL) {
            set_value(o, equals ? equals + 1 : "");
        } else {
            if (!equals && i + 1 >= argc) die_usage("--%s wants a value", o->name);
            set_value(o, equals ? equals + 1 : argv[++i]);
        }
    }
    for (size_t i = 0; i < count; i++) // when --quiet has been read
        if (twice[i] && options[i].kind != OPT_FLAG && options[i].kind != OPT_LIST) note("--%s is given more than once; the last holds", options[i].name);
    free(given);
}

size_t option_which(const char *command, const char *word, const void *list, size_t size, size_t count) {
    const char *names[64];
    char all[1024] = "";
    need(count >= 1 && count <= 64, "%s: %zu names", command, count);
    for (size_t i = 0; i < count; i++) {
        memcpy(&names[i], (const char *)list + i * size, sizeof names[i]);
        if (strcmp(word, names[i]) == 0) return i;
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " and ", names[i]);
    }
    const char *near = nearest_name(word, names, count);
    if (near) die_usage("%s %s: none of %s; did you mean %s?", command, word, all, near);
    die_usage("%s %s: none of %s", command, word, all);
}

void options_bounded(const OptionCount *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (list[i].value < list[i].least) die_usage("--%s %d: %d or more", list[i].name, list[i].value, list[i].least);
        else if (list[i].most && list[i].value > list[i].most) die_usage("--%s %d: %d at most", list[i].name, list[i].value, list[i].most);
}

void option_shard(const char *text, int *shard, int *shards) {
    int64_t i, n;
    size_t length = strcspn(text, "/");
    char first[24];
    snprintf(first, sizeof first, "%.*s", length < sizeof first ? (int)length : 0, text); // longer: no number that is meant
    bool good = text[length] && int_parse(first, &i) && int_parse(text + length + 1, &n) && i >= 0 && i < n && n <= INT32_MAX;
    if (!good) die_usage("--shard %s: i/n with 0 <= i < n is wanted", text);
    *shard = (int)i, *shards = (int)n;
}

const char *option_text(Arena *a, const Option *o) {
    char t[32];
    switch (o->kind) {
    case OPT_FLAG: return *(bool *)o->value ? "yes" : "no";
    case OPT_INT: return arena_print(a, "%d", *(int *)o->value);
    case OPT_LONG: return arena_print(a, "%lld", (long long)*(int64_t *)o->value);
    case OPT_REAL: return arena_print(a, "%s", real_text(*(double *)o->value, t));
    case OPT_TEXT:
    case OPT_OPTIONAL: return *(const char **)o->value ? *(const char **)o->value : "";
    case OPT_LIST: {
        const TextList *l = o->value;
        const char *all = "";
        for (size_t i = 0; i < l->count; i++) all = arena_print(a, "%s%s%s", all, i ? " " : "", l->items[i]);
        return all;
    }
    case OPT_CHOICE: {
        int n;
        const char *c = chosen(o, &n);
        return arena_print(a, "%.*s", n, c);
    }
    }
    return "";
}

void options_record(const Option *options, size_t count, Writer *w) {
    Arena *a = arena_new("options");
    for (size_t i = 0; i < count; i++)
        if (options[i].name) writer_print(w, "%s = %s\n", options[i].name, option_text(a, &options[i]));
    arena_free(a);
}
