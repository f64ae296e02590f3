// rope.c: see rope.h.
//
// Sources: Su et al. 2021 (arXiv:2104.09864); NTK-aware "dynamic" scaling (bloc97 and emozilla, 2023); YaRN: Peng et al. 2023
// (arXiv:2309.00071); LongRoPE: Ding et al. 2024 (arXiv:2402.13753); llama3: Llama 3.1's release; names as in transformers 5.
// Held by: test/test_models.c (llama-3, llama-biases, and the decoders whose names end in -dynamic, -yarn and -longrope).
// Bites: an old file's rope_scaling wins over rope_parameters; a top-level original_max_position_embeddings wins over the one inside;
// frequencies are float from the first step, as in the reference, whose bounds and factors are double.
#include "rope.h"

#include <math.h>
#include <string.h>

#include "io/error.h"

static const double turn = 2 * 3.14159265358979323846;

static RopeKind kind_named(const char *name, const char *where) {
    static const struct {
        const char *name;
        RopeKind kind;
    } table[] = {{"default", ROPE_DEFAULT}, {"mrope", ROPE_DEFAULT}, {"linear", ROPE_LINEAR}, {"dynamic", ROPE_DYNAMIC}, {"yarn", ROPE_YARN},
                 {"longrope", ROPE_LONGROPE}, {"llama3", ROPE_LLAMA3}, {"proportional", ROPE_PROPORTIONAL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) return table[i].kind;
    die("%s: rope: positions of type \"%s\"; default, linear, dynamic, yarn, longrope, llama3 and proportional can be computed", where, name);
}

static float *factors_read(Arena *a, const Json *s, const char *key, int count) {
    const Json *list = json_get(s, key);
    need(list && list->kind == JSON_ARRAY && list->count == (size_t)count, "%s: rope: longrope wants a \"%s\" of %d numbers", s->source, key, count);
    float *out = take(a, float, (size_t)count);
    for (int i = 0; i < count; i++) {
        need(list->items[i].kind == JSON_NUMBER && list->items[i].number > 0, "%s: rope: \"%s\" holds what is no factor", s->source, key);
        out[i] = (float)list->items[i].number;
    }
    return out;
}

// What attention gains by a stretched text, where the file does not say it: 0.1 m ln(factor) + 1 (YaRN).
static double yarn_gain(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1; }

static void yarn_read(Rope *r, const Json *s) {
    double m = json_real_or(s, "mscale", 0), all = json_real_or(s, "mscale_all_dim", 0), gain = yarn_gain(r->factor, 1);
    if (m != 0 && all != 0) gain = yarn_gain(r->factor, m) / yarn_gain(r->factor, all);
    r->attention = (float)json_real_or(s, "attention_factor", gain);
    r->fast = json_real_or(s, "beta_fast", 32), r->slow = json_real_or(s, "beta_slow", 1);
    if (r->fast == 0) r->fast = 32; // as the reference reads a 0
    if (r->slow == 0) r->slow = 1;
    r->whole = json_bool_or(s, "truncate", true);
    need(r->theta > 1 && r->fast > 0 && r->slow > 0, "%s: rope: yarn wants a rope_theta above 1 and beta_fast and beta_slow above 0", s->source);
}

static void longrope_read(Rope *r, const Json *s, Arena *a, int D) {
    r->near_factors = factors_read(a, s, "short_factor", D / 2);
    r->far_factors = factors_read(a, s, "long_factor", D / 2);
    double gain = r->factor <= 1 ? 1 : sqrt(1 + log(r->factor) / log(r->original));
    r->attention = (float)json_real_or(s, "attention_factor", gain);
    need(r->original > 1, "%s: rope: longrope wants original_max_position_embeddings above 1", s->source);
}

Rope rope_read(Arena *a, const Json *j, double theta, int D, int context) {
    const Json *s = json_get(j, "rope_scaling");
    if (!s || s->kind != JSON_OBJECT || s->count == 0) s = json_get(j, "rope_parameters");
    need(!s || s->kind == JSON_OBJECT, "%s: rope: rope_parameters is no object", j->source);
    static const char *const nested[] = {"full_attention", "sliding_attention"};
    for (int i = 0; i < 2; i++) need(!json_get(s, nested[i]), "%s: rope: positions of their own for \"%s\" layers; one way for all layers can be computed", j->source, nested[i]);
    const char *name = json_text_or(s, "rope_type", json_text_or(s, "type", "default"));
    Rope r = {.kind = kind_named(name, j->source), .theta = json_real_or(s, "rope_theta", json_real_or(j, "rope_theta", theta)), .factor = 1, .attention = 1, .context = context, .share = 1};
    need(r.theta > 0 && context > 0, "%s: rope: rope_theta and max_position_embeddings must be positive", j->source);
    if (r.kind == ROPE_DEFAULT) return r; // the reference, too, turns all channels then, whatever partial_rotary_factor says
    double share = json_real_or(s, "partial_rotary_factor", json_real_or(j, "partial_rotary_factor", 1));
    r.original = json_real_or(j, "original_max_position_embeddings", json_real_or(s, "original_max_position_embeddings", context));
    need(r.original > 0, "%s: rope: original_max_position_embeddings must be positive", j->source);
    bool told = json_get(s, "factor") != NULL, counted = r.kind == ROPE_YARN || r.kind == ROPE_LONGROPE;
    if (r.kind == ROPE_PROPORTIONAL) r.factor = json_real_or(s, "factor", 1), r.share = share;
    else r.factor = counted && !told ? context / r.original : json_real(s, "factor");
    need(r.kind == ROPE_PROPORTIONAL || share == 1, "%s: rope: partial_rotary_factor %g with positions of type \"%s\"; all channels of a head turn there", j->source, share, name);
    need(r.factor > 0 && r.share >= 0 && r.share <= 1, "%s: rope: factor must be positive, partial_rotary_factor within 0 and 1", j->source);
    need(r.kind != ROPE_DYNAMIC || D > 2, "%s: rope: dynamic positions want heads of more than 2 channels", j->source);
    if (r.kind == ROPE_YARN) yarn_read(&r, s);
    if (r.kind == ROPE_LONGROPE) longrope_read(&r, s, a, D);
    if (r.kind == ROPE_LLAMA3) {
        r.low = json_real(s, "low_freq_factor");
        r.high = json_real(s, "high_freq_factor");
        need(r.high > r.low, "%s: rope: high_freq_factor must exceed low_freq_factor", j->source);
    }
    return r;
}

bool rope_by_length(const Rope *r) { return r->kind == ROPE_DYNAMIC || r->kind == ROPE_LONGROPE; }

// Channels that turn slowly are stretched, those between the bounds in part, by their wavelength within the original text.
static float llama3_frequency(const Rope *r, float inv) {
    float wave = (float)turn / inv, low = (float)(r->original / r->low), high = (float)(r->original / r->high);
    if (wave > low) return inv / (float)r->factor;
    if (wave < high) return inv;
    float smooth = ((float)r->original / wave - (float)r->low) / (float)(r->high - r->low);
    return (1 - smooth) * inv / (float)r->factor + smooth * inv;
}

// The channel pair that makes so many turns within the original text.
static double yarn_bound(const Rope *r, int D, double turns) { return D * log(r->original / (turns * turn)) / (2 * log(r->theta)); }

static void yarn_frequencies(float *out, const Rope *r, int D) {
    double low = yarn_bound(r, D, r->fast), high = yarn_bound(r, D, r->slow);
    if (r->whole) low = floor(low), high = ceil(high);
    if (low < 0) low = 0;
    if (high > D - 1) high = D - 1;
    if (low == high) high += 0.001;
    for (int j = 0; j < D / 2; j++) {
        float power = (float)pow(r->theta, (double)((float)(2 * j) / (float)D));
        float stretched = ((float)j - (float)low) / (float)(high - low);
        stretched = stretched < 0 ? 0 : stretched > 1 ? 1 : stretched;
        float kept = 1 - stretched;
        out[j] = 1 / ((float)r->factor * power) * (1 - kept) + 1 / power * kept;
    }
}

void rope_frequencies(float *out, const Rope *r, int D, long length) {
    if (r->kind == ROPE_YARN) {
        yarn_frequencies(out, r, D);
        return;
    }
    double theta = r->theta;
    if (r->kind == ROPE_DYNAMIC && (double)length > r->context) { // a longer text has slower turns
        float grown = (float)(r->factor * (double)length) / (float)r->context - (float)(r->factor - 1);
        theta = (double)((float)r->theta * (float)pow((double)grown, (double)D / (D - 2)));
    }
    const float *factors = r->kind == ROPE_LONGROPE ? (double)length > r->original ? r->far_factors : r->near_factors : NULL;
    int turning = (int)(r->share * D / 2); // pairs; the others keep still
    for (int j = 0; j < D / 2; j++) {
        float power = (float)pow(theta, (double)((float)(2 * j) / (float)D)), inv = 1.0f / power;
        if (r->kind == ROPE_LINEAR) inv = inv / (float)r->factor;
        if (r->kind == ROPE_LLAMA3) inv = llama3_frequency(r, inv);
        if (factors) inv = 1.0f / (factors[j] * power);
        if (r->kind == ROPE_PROPORTIONAL) inv = j < turning ? inv / (float)r->factor : 0;
        out[j] = inv;
    }
}
