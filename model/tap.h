// tap.h: every internal of a model has a name; whoever asks for it can read it or put another in its place.
//
// A tap bears the name that the same module has in the reference (transformers 5, named_modules()),
// its tensor is that module's output. A module called several times gives its first call.
// Taps that no module has carry a '#': "…self_attn#weights".
#ifndef RETINA_MODEL_TAP_H
#define RETINA_MODEL_TAP_H

#include <stdarg.h>

#include "run.h"

// In a forward pass: x, or what somebody put in its place. Costs one comparison when nobody asked.
#define tap(run, x, ...) ((run)->taps ? tap_named((run), (x), __VA_ARGS__) : (x))
Tensor tap_named(Run *run, Tensor x, const char *format, ...) PRINTF_LIKE(3, 4);
enum { TAP_NAME = 1024 }; // bytes of the longest name, its end included
void tap_name(char name[TAP_NAME], const char *format, va_list list); // the name, written; dies when it is longer
Tensor tap_module(Run *run, Tensor x, const char *prefix); // "a.b.": the tap of module a.b itself; the root, "", has none

// True when the tap of this name was asked for and is still due (always in a run that lists): for work that
// only a tap needs, as attention probabilities.
bool tap_wanted(const Run *run, const char *format, ...) PRINTF_LIKE(2, 3);
// The same for this name and every name below it ("NAME.…").
bool tap_wanted_below(const Run *run, const char *format, ...) PRINTF_LIKE(2, 3);

// x (B, P, C) is a convolution's output in token order; the reference's module returns (B, C, GH, GW).
Tensor tap_channels_first(Run *run, Tensor x, long GH, long GW, const char *format, ...) PRINTF_LIKE(5, 6);

// ---- asking

typedef void TapSink(void *arg, const char *name, Tensor x); // x lives until the sink returns

typedef struct {
    const char *name;
    Tensor shape; // without data
} TapInfo;

typedef struct {
    const char *old_prefix, *new_prefix; // a name of transformers 4.x as it begins, and as it begins here
} TapAlias;

// The list that a dry run makes, in the order of the forward pass.
Taps *taps_listing(Arena *a);
size_t taps_listed(const Taps *t, const TapInfo **list);

// Reading and replacing among the taps of a listing.
Taps *taps_asking(Arena *a, const Taps *listing, const TapAlias *aliases, size_t alias_count);
// Every tap that matches the fnmatch(3) pattern (a '*' also crosses dots) goes to the sink. A pattern that
// matches nothing: exit 2 with the nearest names.
void taps_read(Taps *t, const char *pattern, TapSink *sink, void *arg);
// When the tap is reached, `with` takes its place. Its shape must be the tap's; f32, bf16 and f16 are accepted.
void taps_replace(Taps *t, const char *name, Tensor with);
size_t taps_asked(const Taps *t, const TapInfo **list); // those that will be read, in order

void taps_begin(Taps *t); // before each forward: everything is due again
bool taps_done(const Taps *t); // all that was asked for has been served

#endif
