/* Asking the HTTP API of a sidecar (or of any Prometheus) from the command line: what `oxpecker query` and `oxpecker
 * alerts` share. Prints what is wrong on standard error. */
#ifndef OXP_APP_ASK_H
#define OXP_APP_ASK_H

#include "lib/base/http.h"
#include "lib/json/json.h"

struct oxp_ask {
    const char *command;    /* for messages: "query" */
    const char *server;     /* --server; NULL = where the configuration says that a sidecar listens */
    const char *output;     /* --output: "table" or "json" */
    const char *value_name; /* one more option of the command ("--time"), or NULL */
    const char *value;      /* its value, or NULL */
    const char *usage;      /* said when there is no word; NULL = the command takes none */
    const char *word;       /* the one that is no flag */
    char **flags;           /* of the configuration */
    int flag_count;
};

/* Reads a command's words; `ask` has the command's name, `value_name` and `usage`. Free with oxp_ask_fini, also after
 * failure. */
bool oxp_ask_read(struct oxp_ask *ask, int argc, char **argv);
void oxp_ask_fini(struct oxp_ask *ask);
static inline bool oxp_ask_json(const struct oxp_ask *ask) {
    return ask->output[0] == 'j';
}

/* One answer of the API. */
struct oxp_asked {
    struct oxp_http_response response;
    struct oxp_json *answer;     /* the whole */
    const struct oxp_json *data; /* what is in its "data" */
};

/* Gets `path`, or posts `form` there (empty: GET). False when there was no answer, or it was not a success. Free with
 * oxp_asked_fini in any case. */
bool oxp_ask_for(const struct oxp_ask *ask, const char *path, struct oxp_view form, struct oxp_asked *asked_out);
void oxp_asked_fini(struct oxp_asked *asked);
/* The answer as it came, with a newline at its end. */
void oxp_asked_print(const struct oxp_asked *asked);

#endif
