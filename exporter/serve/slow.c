/* Slow routes: their handlers may take seconds, and a worker that ran one would keep every other connection that the
 * library gave it waiting, a scraper's among them. So the connection is laid aside (suspended), a thread of its own
 * kind runs the handler, and the connection goes on with the answer.
 *
 * 1. A thread is made when a request finds none idle, up to slow_threads; they live as long as the server.
 * 2. From oxp_slow_start until MHD_resume_connection the request belongs to the slow thread; behind the resume it must
 *    not be touched.
 * 3. At the end handlers are told that their clients have gone; what waits is still run, and so ends at once. */
#include "exporter/serve/internal.h"

#include <microhttpd.h>

/* The next request, or NULL at the end. */
static struct oxp_connection *take_locked(struct oxp_slow *slow) {
    slow->idle++;
    while (slow->first == NULL && !slow->stop) {
        pthread_cond_wait(&slow->work, &slow->lock);
    }
    slow->idle--;
    struct oxp_connection *connection = slow->first;
    if (connection != NULL) {
        slow->first = connection->slow_next;
        slow->last = slow->first == NULL ? NULL : slow->last;
        slow->waiting--;
    }
    return connection;
}

static void *slow_main(void *ctx) {
    struct oxp_server *server = ctx;
    struct oxp_slow *slow = &server->slow;
    pthread_mutex_lock(&slow->lock);
    for (struct oxp_connection *c; (c = take_locked(slow)) != NULL;) {
        pthread_mutex_unlock(&slow->lock);
        struct oxp_request *request = &c->request;
        request->route->handle(server->options.ctx, request, &request->late);
        request->slow_done = true;
        oxp_connection_slow(c, false);
        MHD_resume_connection(request->mhd);
        pthread_mutex_lock(&slow->lock);
    }
    pthread_mutex_unlock(&slow->lock);
    return NULL;
}

/* One more thread when none is free; true when there is one at all. */
static bool ensure_thread_locked(struct oxp_server *server) {
    struct oxp_slow *slow = &server->slow;
    if (slow->idle <= slow->waiting && slow->started < server->options.slow_threads &&
        pthread_create(&slow->threads[slow->started], NULL, slow_main, server) == 0) {
        slow->started++;
    }
    return slow->started > 0;
}

bool oxp_slow_start(struct oxp_connection *connection) {
    struct oxp_server *server = connection->worker->server;
    struct oxp_slow *slow = &server->slow;
    pthread_mutex_lock(&slow->lock);
    bool taken = !slow->stop && slow->waiting < server->options.slow_waiting_max && ensure_thread_locked(server);
    if (taken) {
        oxp_connection_slow(connection, true);
        MHD_suspend_connection(connection->request.mhd);
        connection->slow_next = NULL;
        if (slow->last == NULL) {
            slow->first = connection;
        } else {
            slow->last->slow_next = connection;
        }
        slow->last = connection;
        slow->waiting++;
        pthread_cond_signal(&slow->work);
    }
    pthread_mutex_unlock(&slow->lock);
    return taken;
}

void oxp_slow_stop(struct oxp_server *server) {
    struct oxp_slow *slow = &server->slow;
    pthread_mutex_lock(&slow->lock);
    slow->stop = true;
    pthread_cond_broadcast(&slow->work);
    pthread_mutex_unlock(&slow->lock);
    oxp_connections_note_gone(server, true);
    for (unsigned i = 0; i < slow->started; i++) {
        pthread_join(slow->threads[i], NULL);
    }
    slow->started = 0;
}
