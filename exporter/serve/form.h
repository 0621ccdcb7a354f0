/* A form as browsers and Grafana post it: application/x-www-form-urlencoded (WHATWG URL, section 5.1), read as Go's
 * url.ParseQuery reads it: a pair with a semicolon or a broken percent escape is left out. Pure; plain data owned by
 * one thread. */
#ifndef OXP_SERVE_FORM_H
#define OXP_SERVE_FORM_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

#define OXP_FORM_TYPE "application/x-www-form-urlencoded"

struct oxp_form_field {
    struct oxp_view name, value; /* decoded; may hold any byte, NUL too */
};

struct oxp_form {
    struct oxp_form_field *fields; /* owned, in the order of the text */
    size_t count;
    char *text; /* owned; what the fields point into */
};

/* Reads a text; free with oxp_form_fini. OXP_ERR_LIMIT when it has more than `max` pairs, OXP_ERR_NOMEM; then nothing
 * is left to free. */
enum oxp_status oxp_form_read(struct oxp_view text, size_t max, struct oxp_form *form_out);
void oxp_form_fini(struct oxp_form *form);

#endif
