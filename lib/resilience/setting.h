/* Settings as text, inside this folder: what the keys of retries and breakers have in common. Pure; any thread. */
#ifndef OXP_RESILIENCE_SETTING_H
#define OXP_RESILIENCE_SETTING_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

enum oxp_setting_kind { OXP_SETTING_NUMBER, OXP_SETTING_COUNT, OXP_SETTING_FLAG };

struct oxp_setting {
    const char *name;
    enum oxp_setting_kind kind;
    double min, max; /* inclusive */
    size_t offset;   /* of the double, unsigned or bool in the struct that is set */
};

/* The row of this name, or NULL. */
const struct oxp_setting *oxp_setting_find(const struct oxp_setting *rows, size_t count, struct oxp_view name);
/* Reads `value` and stores it at the row's offset of `target`. OXP_ERR_SYNTAX, OXP_ERR_RANGE: nothing is stored, and
 * `error` (may be NULL) names `key`, the value and what is allowed. */
enum oxp_status oxp_setting_store(const struct oxp_setting *row, const char *key, const char *value, void *target,
                                  struct oxp_error *error);

#endif
