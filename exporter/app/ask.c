#include "exporter/app/ask.h"

#include "exporter/app/words.h"
#include "exporter/config/config.h"
#include "lib/base/buf.h"
#include "lib/net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 150000 /* longer than a query may take */
#define ANSWER_MAX ((size_t)256 * 1024 * 1024)

/* ---- Words ---- */

/* --name=VALUE or --name VALUE at argv[*at]; false when it is another word. A missing value is NULL. */
static bool take_option(const char *name, int argc, char **argv, int *at, const char **value_out) {
    size_t len = strlen(name);
    const char *word = argv[*at];
    if (strncmp(word, name, len) != 0 || (word[len] != '=' && word[len] != '\0')) {
        return false;
    }
    if (word[len] == '=') {
        *value_out = word + len + 1;
    } else {
        *value_out = *at + 1 < argc ? argv[++*at] : NULL;
    }
    return true;
}

/* A word of the configuration's flags, with the word behind it where it takes one. */
static void take_flag(struct oxp_ask *ask, int argc, char **argv, int *at) {
    ask->flags[ask->flag_count++] = argv[*at];
    if (!oxp_words_flag_is_whole(argv[*at]) && *at + 1 < argc) {
        ask->flags[ask->flag_count++] = argv[++*at];
    }
}

/* Says it, and gives false. */
static bool wrong(const struct oxp_ask *ask, const char *text) {
    fprintf(stderr, "oxpecker %s: %s\n", ask->command, text);
    return false;
}

static bool read_flag(struct oxp_ask *ask, int argc, char **argv, int *at) {
    const char **const values[] = {&ask->server, &ask->output, &ask->value};
    const char *const names[] = {"--server", "--output", ask->value_name};
    for (size_t i = 0; i < 3; i++) {
        if (names[i] != NULL && take_option(names[i], argc, argv, at, values[i])) {
            if (*values[i] == NULL) {
                fprintf(stderr, "oxpecker %s: %s needs a value\n", ask->command, names[i]);
            }
            return *values[i] != NULL;
        }
    }
    take_flag(ask, argc, argv, at);
    return true;
}

static bool take_word(struct oxp_ask *ask, const char *word) {
    if (ask->usage == NULL) {
        return wrong(ask, "it takes flags only");
    }
    if (ask->word != NULL) {
        return wrong(ask, "one expression, please (in quotes)");
    }
    ask->word = word;
    return true;
}

bool oxp_ask_read(struct oxp_ask *ask, int argc, char **argv) {
    bool words_only = false, ok = true;
    ask->output = "table";
    ask->flags = calloc((size_t)argc + 1, sizeof(char *));
    if (ask->flags == NULL) {
        return wrong(ask, "out of memory");
    }
    for (int i = 0; ok && i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && strncmp(argv[i], "--", 2) == 0) {
            ok = read_flag(ask, argc, argv, &i);
        } else {
            ok = take_word(ask, argv[i]);
        }
    }
    if (ok && strcmp(ask->output, "table") != 0 && strcmp(ask->output, "json") != 0) {
        ok = wrong(ask, "--output must be table or json");
    }
    if (ok && ask->usage != NULL && ask->word == NULL) {
        fputs(ask->usage, stderr);
        ok = false;
    }
    return ok;
}

void oxp_ask_fini(struct oxp_ask *ask) {
    free(ask->flags);
    ask->flags = NULL;
}

/* ---- Asking ---- */

/* The URL to ask: of --server, or of where the configuration says that the sidecar listens. */
static bool find_url(const struct oxp_ask *ask, const char *path, char *url, size_t size) {
    if (ask->server != NULL && strlen(ask->server) + sizeof "http://" + strlen(path) > size) {
        return wrong(ask, "--server is too long");
    }
    struct oxp_config config;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = ask->flag_count, .argv = ask->flags, .environment = environ};
    if (oxp_config_load(&source, &config, &error) != OXP_OK) {
        return wrong(ask, error.text);
    }
    if (ask->server == NULL) {
        oxp_words_url(oxp_config_text(&config, OXP_OPT_WEB_LISTEN_ADDRESS), path, url, size);
    } else {
        int len = (int)strlen(ask->server);
        len -= len > 0 && ask->server[len - 1] == '/' ? 1 : 0;
        snprintf(url, size, "%s%.*s%s", strstr(ask->server, "://") == NULL ? "http://" : "", len, ask->server, path);
    }
    oxp_config_fini(&config);
    return true;
}

static bool exchange(const struct oxp_ask *ask, const char *url, struct oxp_view form,
                     struct oxp_http_response *response) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct oxp_http *http = NULL;
    struct oxp_error error = {0};
    struct oxp_http_request request = {
        .method = form.len > 0 ? "POST" : "GET",
        .url = url,
        .headers = form.len > 0 ? headers : NULL,
        .body = form,
        .timeout_ms = TIMEOUT_MS,
        .direct = ask->server == NULL,
        .max_body_bytes = ANSWER_MAX,
    };
    bool done = false;
    if (oxp_net_http_new(&http) != OXP_OK) {
        (void)wrong(ask, "out of memory");
    } else if (http->exchange(http, &request, response, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker %s: %s: %s\n", ask->command, url, error.text);
    } else {
        done = true;
    }
    if (http != NULL) {
        http->free(http);
    }
    return done;
}

/* Says why an answer is no success. */
static void say_failure(const struct oxp_ask *ask, const char *url, const struct oxp_asked *asked) {
    struct oxp_view type = oxp_json_text_of(oxp_json_get(asked->answer, "errorType"));
    struct oxp_view text = oxp_json_text_of(oxp_json_get(asked->answer, "error"));
    if (text.len != 0) {
        fprintf(stderr, "oxpecker %s: %.*s%s%.*s\n", ask->command, (int)type.len, type.ptr == NULL ? "" : type.ptr,
                type.len > 0 ? ": " : "", (int)text.len, text.ptr);
    } else {
        fprintf(stderr, "oxpecker %s: %s: HTTP status %d, and no answer of a query API\n", ask->command, url,
                asked->response.status);
    }
}

bool oxp_ask_for(const struct oxp_ask *ask, const char *path, struct oxp_view form, struct oxp_asked *asked_out) {
    char url[1024];
    *asked_out = (struct oxp_asked){0};
    if (!find_url(ask, path, url, sizeof url) || !exchange(ask, url, form, &asked_out->response)) {
        return false;
    }
    struct oxp_view body = oxp_view_of(asked_out->response.body, asked_out->response.body_len);
    if (body.ptr == NULL || oxp_json_read(body, &asked_out->answer, NULL) != OXP_OK ||
        !oxp_view_is(oxp_json_text_of(oxp_json_get(asked_out->answer, "status")), "success")) {
        say_failure(ask, url, asked_out);
        return false;
    }
    asked_out->data = oxp_json_get(asked_out->answer, "data");
    return true;
}

void oxp_asked_fini(struct oxp_asked *asked) {
    oxp_json_free(asked->answer);
    oxp_http_response_fini(&asked->response);
    *asked = (struct oxp_asked){0};
}

void oxp_asked_print(const struct oxp_asked *asked) {
    const char *body = asked->response.body;
    size_t len = asked->response.body_len;
    printf("%.*s%s", (int)len, body, len > 0 && body[len - 1] == '\n' ? "" : "\n");
}
