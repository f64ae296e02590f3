// json.h: RFC 8259, strict. Texts are UTF-8; numbers keep their integer value where they have one.
#ifndef RETINA_IO_JSON_H
#define RETINA_IO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct Json Json;
struct Json {
    JsonKind kind;
    bool truth;        // JSON_BOOL
    bool integral;     // JSON_NUMBER written without fraction and exponent, and within int64
    int64_t integer;   //   its value then
    double number;     // JSON_NUMBER
    const char *text;  // JSON_TEXT: decoded, closed by 0 (a text may hold a 0 itself: use length)
    size_t length;     // JSON_TEXT
    size_t count;      // JSON_ARRAY, JSON_OBJECT
    const Json *items; // the values, in file order
    const char **keys; // JSON_OBJECT: keys[i] belongs to items[i]; closed by 0
    size_t *key_lengths;
    const char *twin; // JSON_OBJECT: a key that came more than once, or NULL
    uint32_t *index; // hash index of large objects, for json_get
    uint32_t index_mask;
    const char *source; // path of the file, for messages
    size_t offset;      // byte in it
};

// Dies with path and line on any violation: trailing bytes, invalid UTF-8, depth > 127. Lone surrogate escapes become U+FFFD.
// Of a key that comes more than once the last value counts, as in Python's json, and as serde_json has it for maps; where the
// reference refuses such a file (tokenizers' added tokens and post-processors; safetensors' headers, which are not read by this),
// the reader asks with json_keys_once.
const Json *json_parse(Arena *a, const char *bytes, size_t size, const char *path);
const Json *json_read(Arena *a, const char *path);
// A file of an earlier run whose "made_from" is this; NULL when there is none, it is damaged, or it was made from something else.
// Dies when it is there and the system cannot read it.
const Json *json_kept(Arena *a, const char *path, const char *made_from);
const Json *json_parse_line(Arena *a, const char *bytes, size_t size, const char *path, uint64_t line); // one of a file: its number goes into messages

// A large file of a known form, read from front to back; nothing is kept. Each call passes over white space, and dies
// with path and line unless the file goes on as asked.
typedef struct {
    const char *path, *bytes;
    size_t size, at;
} JsonScan;
char json_scan_next(JsonScan *s);              // the next byte, left where it is; 0 at the end
void json_scan_byte(JsonScan *s, char wanted); // this byte
size_t json_scan_text(JsonScan *s, char *out); // decoded, closed by 0: never longer than it is in the file, quotes included
uint64_t json_scan_whole(JsonScan *s);         // digits only
_Noreturn void json_scan_die(const JsonScan *s, const char *what);

// NULL when the object has no such key, or when its value is null: both mean absent in config files.
const Json *json_get(const Json *object, const char *key);
const Json *json_find(const Json *object, const char *key, size_t length); // null values are found too
void json_keys_once(const Json *object);                                  // dies where a key came more than once
const Json *json_path(const Json *object, const char *dotted);            // "a.b.c": get after get

// Typed reads; die with file, key and what was found when the kind is wrong. *_or take the default
// when absent.
int64_t json_int(const Json *object, const char *key);
int64_t json_int_or(const Json *object, const char *key, int64_t otherwise);
int32_t json_int32(const Json *object, const char *key); // dies, too, for what an int cannot hold
int32_t json_int32_or(const Json *object, const char *key, int32_t otherwise);
double json_real(const Json *object, const char *key);
double json_real_or(const Json *object, const char *key, double otherwise);
bool json_bool_or(const Json *object, const char *key, bool otherwise);
const char *json_text(const Json *object, const char *key);
const char *json_text_or(const Json *object, const char *key, const char *otherwise);

// Writing: a small streaming writer. Keys and texts are escaped; numbers are the shortest that
// round-trip (json_put_real), NaN and infinities become null.
typedef struct JsonOut JsonOut;
JsonOut *json_out(Arena *a, int indent); // indent 0: one line; -1: one line without spaces
void json_open(JsonOut *o, const char *key, char bracket); // '{' or '['; key NULL inside an array
void json_close(JsonOut *o);
void json_put_text(JsonOut *o, const char *key, const char *text);
void json_put_text_n(JsonOut *o, const char *key, const char *text, size_t length);
void json_put_int(JsonOut *o, const char *key, int64_t value);
void json_put_real(JsonOut *o, const char *key, double value);
void json_put_bool(JsonOut *o, const char *key, bool value);
void json_put_null(JsonOut *o, const char *key);
const char *json_done(JsonOut *o, size_t *length); // the text, closed by 0; all brackets must be closed
void json_file_write(JsonOut *o, const char *path); // json_done into a file

#endif
