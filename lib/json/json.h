/* JSON values: the one place for jansson. For what the API answers and reads; events have their own reader
 * (exporter/parse).
 *
 * A value is a tree; whoever holds its root frees it. What goes into an object or array is owned by it. So that a
 * caller need not ask after every step, the functions that add take NULL for a value that could not be made, and fail
 * with OXP_ERR_NOMEM; the first failure can be kept with `status = status == OXP_OK ? oxp_json_set(…) : status`, or the
 * statuses are or-ed: zero means all went well. A tree is owned by one thread. Text is UTF-8; a text that is not is cut
 * before its first bad byte. */
#ifndef OXP_JSON_JSON_H
#define OXP_JSON_JSON_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

struct oxp_json;

enum oxp_json_kind { OXP_JSON_NULL, OXP_JSON_BOOL, OXP_JSON_NUMBER, OXP_JSON_TEXT, OXP_JSON_ARRAY, OXP_JSON_OBJECT };

/* ---- Writing. Each maker gives NULL when there is no memory. ---- */

struct oxp_json *oxp_json_object(void);
struct oxp_json *oxp_json_array(void);
struct oxp_json *oxp_json_text(struct oxp_view text);
/* A number that is not finite becomes null: JSON has none. */
struct oxp_json *oxp_json_number(double value);
/* A whole number; one above INT64_MAX is written as the nearest double. */
struct oxp_json *oxp_json_count(uint64_t value);
struct oxp_json *oxp_json_bool(bool value);
/* free(NULL) is allowed. */
void oxp_json_free(struct oxp_json *value);

/* Puts `value` under `key`, in the order of the calls, and takes it over, also on failure. OXP_ERR_NOMEM;
 * OXP_ERR_INVALID when `object` is none or `key` is not UTF-8. */
enum oxp_status oxp_json_set(struct oxp_json *object, const char *key, struct oxp_json *value);
/* The same at the end of an array. */
enum oxp_status oxp_json_append(struct oxp_json *array, struct oxp_json *value);
/* The text of the tree on one line, with a newline; the caller's (free). OXP_ERR_NOMEM. */
enum oxp_status oxp_json_write(const struct oxp_json *value, char **text_out, size_t *len_out);

/* ---- Reading ---- */

/* Reads one whole value (RFC 8259), of any kind. Repeated keys, bytes behind it, text with a NUL and nesting past 64
 * are refused: OXP_ERR_SYNTAX with the place in `error`. OXP_ERR_NOMEM. */
enum oxp_status oxp_json_read(struct oxp_view text, struct oxp_json **value_out, struct oxp_error *error);

/* All of these take NULL for a value that is not there. */
enum oxp_json_kind oxp_json_kind_of(const struct oxp_json *value);
/* The member, or NULL when there is none or `object` is none; owned by the tree. */
const struct oxp_json *oxp_json_get(const struct oxp_json *object, const char *key);
/* The element, or NULL. */
const struct oxp_json *oxp_json_at(const struct oxp_json *array, size_t index);
/* Walks an object's members in the order in which they were read or put: `*place` is NULL before the first; NULL behind
 * the last, and for any other kind. The key is valid as long as the tree. */
const struct oxp_json *oxp_json_next(const struct oxp_json *object, void **place, struct oxp_view *key_out);
/* Elements or members; 0 for any other kind. */
size_t oxp_json_size(const struct oxp_json *value);
/* Valid as long as the tree; empty for any other kind. */
struct oxp_view oxp_json_text_of(const struct oxp_json *value);
/* NaN for any other kind. */
double oxp_json_number_of(const struct oxp_json *value);
bool oxp_json_bool_of(const struct oxp_json *value);

/* The version of the library behind this ("jansson" itself), static text. */
const char *oxp_json_library(void);

#endif
