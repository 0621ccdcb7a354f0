/* The words of a command that has verbs of its own (`oxpecker outbox retry 12 --all`): one verb, further words, options
 * of the command, and flags of the configuration, which is loaded. Prints what is wrong on standard error. */
#ifndef OXP_APP_VERBS_H
#define OXP_APP_VERBS_H

#include "exporter/config/config.h"

#define OXP_VERB_WORDS 4

struct oxp_verb_option { /* "--receiver=NAME", or "--all" where `value` is NULL; ends with a NULL name */
    const char *name;
    const char **value; /* set when it is given */
    bool *given;        /* may be NULL */
};

struct oxp_verbs {
    const char *command; /* for messages: "outbox" */
    const char *usage;
    const struct oxp_verb_option *options;
    /* filled */
    const char *words[OXP_VERB_WORDS]; /* the verb first */
    size_t count;
    struct oxp_config config;
    char **flags; /* of the configuration */
    int flag_count;
};

/* False when something was wrong, which was said. Free with oxp_verbs_fini in any case. */
bool oxp_verbs_read(struct oxp_verbs *verbs, int argc, char **argv);
void oxp_verbs_fini(struct oxp_verbs *verbs);
/* Says it, and gives 1: "oxpecker outbox: TEXT". */
int oxp_verbs_fail(const struct oxp_verbs *verbs, const char *text);
/* Writes the text on standard output; false when it cannot. */
struct oxp_buf;
bool oxp_verbs_print(const struct oxp_buf *text);

#endif
