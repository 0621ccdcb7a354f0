#include "exporter/app/words.h"

#include "exporter/config/config.h"
#include <stdio.h>
#include <string.h>

bool oxp_words_flag_is_whole(const char *word) {
    const char *name = word + 2;
    name += strncmp(name, "no-", 3) == 0 ? 3 : 0;
    for (int i = 0; i < OXP_OPTIONS; i++) {
        const struct oxp_option_spec *spec = oxp_option_spec((enum oxp_option)i);
        if (spec->type == OXP_OPT_BOOL && strcmp(spec->flag, name) == 0) {
            return true;
        }
    }
    return strchr(word, '=') != NULL;
}

/* "[::]" takes no IPv4. */
void oxp_words_url(const char *listen, const char *path, char *out, size_t size) {
    static const struct {
        const char *host, *loopback;
    } wildcards[] = {{"", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}, {"[::]", "[::1]"}};
    const char *colon = strrchr(listen, ':');
    const char *port = colon == NULL ? "" : colon;
    int len = colon == NULL ? (int)strlen(listen) : (int)(colon - listen);
    for (size_t i = 0; i < sizeof wildcards / sizeof wildcards[0]; i++) {
        if (strlen(wildcards[i].host) == (size_t)len && strncmp(listen, wildcards[i].host, (size_t)len) == 0) {
            snprintf(out, size, "http://%s%s%s", wildcards[i].loopback, port, path);
            return;
        }
    }
    snprintf(out, size, "http://%s%s", listen, path);
}
