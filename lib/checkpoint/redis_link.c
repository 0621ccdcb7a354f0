/* One connection, made by the first exchange. All commands here may be given twice, so when a connection that was there
 * before fails (an idle one that the server closed, a server that was restarted) an exchange makes a new one and tries
 * once more. */
#include "lib/checkpoint/redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/base/number.h"

/* ---- A write to a closed socket raises SIGPIPE, which is the host's business and not to be met here. ---- */

struct pipe_guard {
    sigset_t before;
    bool was_pending;
};

static void pipe_signal(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

static void guard_begin(struct pipe_guard *guard) {
    sigset_t pipe, pending;
    pipe_signal(&pipe);
    sigpending(&pending);
    guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
}

static void guard_end(const struct pipe_guard *guard) {
    sigset_t pipe;
    pipe_signal(&pipe);
    if (!guard->was_pending) {
        const struct timespec now = {0, 0};
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

/* ---- Failures ---- */

/* By the first word of an error reply. */
static enum oxp_status status_of_reply(struct oxp_view text) {
    static const struct {
        const char *word;
        enum oxp_status status;
    } table[] = {
        {"NOAUTH", OXP_ERR_DENIED},     {"WRONGPASS", OXP_ERR_DENIED},  {"NOPERM", OXP_ERR_DENIED},
        {"READONLY", OXP_ERR_DENIED},   {"OOM", OXP_ERR_FULL},          {"LOADING", OXP_ERR_IN_USE},
        {"BUSY", OXP_ERR_IN_USE},       {"TRYAGAIN", OXP_ERR_IN_USE},   {"CLUSTERDOWN", OXP_ERR_IN_USE},
        {"MASTERDOWN", OXP_ERR_IN_USE}, {"WRONGTYPE", OXP_ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (oxp_view_starts(text, oxp_view_from(table[i].word))) {
            return table[i].status;
        }
    }
    return OXP_ERR_IO;
}

static enum oxp_status reply_fault(const redisReply *reply, struct oxp_error *error) {
    struct oxp_view text = {reply->str, reply->len};
    return oxp_error_set(error, status_of_reply(text), 0, 0, "Redis: %.*s", (int)(text.len > 200 ? 200 : text.len),
                         text.ptr);
}

static enum oxp_status connection_fault(const redisContext *connection, int reason, struct oxp_error *error) {
    if (connection == NULL || connection->err == REDIS_ERR_OOM) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "Redis: out of memory");
    }
    enum oxp_status status = OXP_ERR_CLOSED;
    if (connection->err == REDIS_ERR_IO) {
        bool timed_out = reason == EAGAIN || reason == EWOULDBLOCK || reason == EINPROGRESS || reason == ETIMEDOUT;
        status = timed_out ? OXP_ERR_TIMEOUT : OXP_ERR_CLOSED;
    } else if (connection->err == REDIS_ERR_PROTOCOL) {
        status = OXP_ERR_IO;
    }
    return oxp_error_set(error, status, 0, 0, "Redis: %s",
                         status == OXP_ERR_TIMEOUT ? "no answer in time" : connection->errstr);
}

void oxp_redis_disconnect(struct oxp_redis_link *link) {
    if (link->connection != NULL) {
        link->api->free(link->connection);
        link->connection = NULL;
    }
}

/* ---- Exchanges ---- */

void oxp_redis_free_replies(const struct oxp_redis_link *link, void **replies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (replies[i] != NULL) {
            link->api->reply_free(replies[i]);
        }
        replies[i] = NULL;
    }
}

/* Sends all commands and takes as many replies; on failure there is neither a reply nor a connection left. */
static enum oxp_status converse(struct oxp_redis_link *link, const struct oxp_redis_words *commands, size_t count,
                                void **replies, struct oxp_error *error) {
    const struct oxp_redis_api *api = link->api;
    bool well = true;
    for (size_t i = 0; i < count && well; i++) {
        /* hiredis wants a pointer to pointers that it only reads. */
        const char **text = (const char **)(uintptr_t)commands[i].text;
        well = api->append(link->connection, commands[i].count, text, commands[i].len) == REDIS_OK;
    }
    errno = 0;
    for (size_t i = 0; i < count && well; i++) {
        well = api->reply(link->connection, &replies[i]) == REDIS_OK && replies[i] != NULL;
    }
    if (well) {
        return OXP_OK;
    }
    enum oxp_status status = connection_fault(link->connection, errno, error);
    oxp_redis_free_replies(link, replies, count);
    oxp_redis_disconnect(link);
    return status;
}

/* One command of connecting, whose answer only has to be no error. */
static enum oxp_status introduce(struct oxp_redis_link *link, const struct oxp_redis_words *command,
                                 struct oxp_error *error) {
    void *reply = NULL;
    enum oxp_status status = converse(link, command, 1, &reply, error);
    if (status == OXP_OK && ((const redisReply *)reply)->type == REDIS_REPLY_ERROR) {
        status = reply_fault(reply, error);
        oxp_redis_disconnect(link);
    }
    oxp_redis_free_replies(link, &reply, 1);
    return status;
}

static enum oxp_status log_in(struct oxp_redis_link *link, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    if (link->url.password[0] != '\0') {
        struct oxp_redis_words auth = oxp_redis_words_of(OXP_VIEW("AUTH"));
        if (link->url.user[0] != '\0') {
            oxp_redis_add_word(&auth, oxp_view_from(link->url.user));
        }
        oxp_redis_add_word(&auth, oxp_view_from(link->url.password));
        status = introduce(link, &auth, error);
    }
    if (status == OXP_OK && link->url.db != 0) {
        char db[OXP_NUMBER_MAX];
        struct oxp_redis_words select = oxp_redis_words_of(OXP_VIEW("SELECT"));
        oxp_redis_add_word(&select, oxp_view_of(db, oxp_number_from_u64(db, link->url.db)));
        status = introduce(link, &select, error);
    }
    return status;
}

static enum oxp_status connect_now(struct oxp_redis_link *link, struct oxp_error *error) {
    const struct oxp_redis_api *api = link->api;
    errno = 0;
    link->connection = link->url.port == 0 ? api->connect_unix(link->url.host, link->timeout)
                                           : api->connect(link->url.host, link->url.port, link->timeout);
    if (link->connection == NULL || link->connection->err != 0) {
        enum oxp_status status = connection_fault(link->connection, errno, error);
        oxp_redis_disconnect(link);
        return status;
    }
    link->fd = link->connection->fd;
    fcntl(link->fd, F_SETFD, FD_CLOEXEC);
    api->set_timeout(link->connection, link->timeout);
    return log_in(link, error);
}

enum oxp_status oxp_redis_exchange(struct oxp_redis_link *link, const struct oxp_redis_words *commands, size_t count,
                                   void **replies, struct oxp_error *error) {
    struct pipe_guard guard;
    guard_begin(&guard);
    bool was_there = link->connection != NULL;
    enum oxp_status status = was_there ? OXP_OK : connect_now(link, error);
    if (status == OXP_OK) {
        status = converse(link, commands, count, replies, error);
    }
    if (status != OXP_OK && was_there) {
        status = connect_now(link, error);
        if (status == OXP_OK) {
            status = converse(link, commands, count, replies, error);
        }
    }
    guard_end(&guard);
    return status;
}

/* One command; an error reply is a failure. The reply is for reply_free. */
enum oxp_status oxp_redis_ask(struct oxp_redis_link *link, const struct oxp_redis_words *command,
                              redisReply **reply_out, struct oxp_error *error) {
    void *reply = NULL;
    enum oxp_status status = oxp_redis_exchange(link, command, 1, &reply, error);
    if (status == OXP_OK && reply != NULL && ((const redisReply *)reply)->type == REDIS_REPLY_ERROR) {
        status = reply_fault(reply, error);
        oxp_redis_free_replies(link, &reply, 1);
    }
    *reply_out = reply;
    return status;
}
