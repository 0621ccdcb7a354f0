#include "exporter/app/verbs.h"

#include "exporter/app/words.h"
#include "lib/base/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int oxp_verbs_fail(const struct oxp_verbs *verbs, const char *text) {
    fprintf(stderr, "oxpecker %s: %s\n", verbs->command, text);
    return 1;
}

bool oxp_verbs_print(const struct oxp_buf *text) {
    return (text->len == 0 || fwrite(text->data, 1, text->len, stdout) == text->len) && fflush(stdout) == 0;
}

/* An option of the command; false when the word is none. `*ok` is false when it lacks its value. */
static bool take_option(const struct oxp_verbs *verbs, int argc, char **argv, int *at, bool *ok) {
    for (const struct oxp_verb_option *option = verbs->options; option->name != NULL; option++) {
        size_t len = strlen(option->name);
        const char *word = argv[*at];
        if (strncmp(word, option->name, len) != 0 ||
            (word[len] != '\0' && (word[len] != '=' || option->value == NULL))) {
            continue;
        }
        if (option->given != NULL) {
            *option->given = true;
        }
        if (option->value != NULL) {
            *option->value = word[len] == '=' ? word + len + 1 : *at + 1 < argc ? argv[++*at] : NULL;
            *ok = *option->value != NULL;
            if (!*ok) {
                fprintf(stderr, "oxpecker %s: %s needs a value\n", verbs->command, option->name);
            }
        }
        return true;
    }
    return false;
}

static bool take_word(struct oxp_verbs *verbs, const char *word) {
    if (verbs->count == OXP_VERB_WORDS) {
        fputs(verbs->usage, stderr);
        return false;
    }
    verbs->words[verbs->count++] = word;
    return true;
}

static bool read_words(struct oxp_verbs *verbs, int argc, char **argv) {
    bool ok = true;
    for (int i = 0; ok && i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            ok = take_word(verbs, argv[i]);
        } else if (!take_option(verbs, argc, argv, &i, &ok)) {
            verbs->flags[verbs->flag_count++] = argv[i];
            if (!oxp_words_flag_is_whole(argv[i]) && i + 1 < argc) {
                verbs->flags[verbs->flag_count++] = argv[++i];
            }
        }
    }
    if (ok && verbs->count == 0) {
        fputs(verbs->usage, stderr);
        ok = false;
    }
    return ok;
}

bool oxp_verbs_read(struct oxp_verbs *verbs, int argc, char **argv) {
    struct oxp_error error = {0};
    verbs->flags = calloc((size_t)argc + 1, sizeof(char *));
    if (verbs->flags == NULL) {
        oxp_verbs_fail(verbs, "out of memory");
        return false;
    }
    if (!read_words(verbs, argc, argv)) {
        return false;
    }
    struct oxp_config_source source = {.argc = verbs->flag_count, .argv = verbs->flags, .environment = environ};
    if (oxp_config_load(&source, &verbs->config, &error) != OXP_OK) {
        oxp_verbs_fail(verbs, error.text);
        return false;
    }
    return true;
}

void oxp_verbs_fini(struct oxp_verbs *verbs) {
    oxp_config_fini(&verbs->config);
    free(verbs->flags);
    verbs->flags = NULL;
}
