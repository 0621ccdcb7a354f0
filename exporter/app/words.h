/* What several subcommands make of their words. */
#ifndef OXP_APP_WORDS_H
#define OXP_APP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* True for a flag of the configuration that takes no further word: --name=value, --web.enable-lifecycle,
 * --no-web.enable-lifecycle. */
bool oxp_words_flag_is_whole(const char *word);
/* The address that a sidecar listens on (host:port) as the URL to connect to, with this path: an empty or wildcard host
 * is this machine. */
#define OXP_WORDS_URL_ROOM 320 /* bytes that a URL is longer than its path, at most */
void oxp_words_url(const char *listen, const char *path, char *out, size_t size);

#endif
