/* Spans: ids, parents, what is kept and shown, what is reported, limits, threads, fork, no memory. */
#include "lib/trace/ids.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <oxpecker/trace.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CANARY "bb_live_canary0123456789ABCDEF"

static double at = 1800000000;

static double now(void *ctx) {
    (void)ctx;
    return at;
}

static struct oxp_tracer *make(const struct oxp_tracer_options *given) {
    struct oxp_tracer_options options = *given;
    struct oxp_tracer *tracer = NULL;
    options.now_s = now;
    options.otlp_endpoint = "";
    assert_int_equal(oxp_tracer_new(&options, &tracer), OXP_OK);
    return tracer;
}

static struct oxp_span *start(struct oxp_tracer *tracer, const char *name, const struct oxp_span *parent) {
    return oxp_span_start(tracer, &(struct oxp_span_options){.name = oxp_view_from(name), .parent = parent});
}

static void end_ok(struct oxp_span *span) {
    oxp_span_end(span, OXP_SPAN_OK, oxp_view_of(NULL, 0));
}

/* What a walk saw: "name:depth " or "name " for each. */
struct seen {
    char text[4096];
    size_t len, count, most;
    struct oxp_span_view last; /* views dangle after the walk: numbers only */
};

static bool see(void *ctx, const struct oxp_span_view *span) {
    struct seen *seen = ctx;
    if (seen->len < sizeof seen->text - 64) {
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len, "%.*s ",
                                      (int)span->name.len, span->name.ptr);
    }
    seen->last = *span;
    return ++seen->count != seen->most;
}

static bool see_depth(void *ctx, const struct oxp_span_view *span, unsigned depth) {
    struct seen *seen = ctx;
    bool go_on = see(ctx, span);
    seen->len += (size_t)snprintf(seen->text + seen->len - 1, sizeof seen->text - seen->len, ":%u ", depth) - 1;
    return go_on;
}

static struct oxp_tracer_stats stats_of(const struct oxp_tracer *tracer) {
    struct oxp_tracer_stats stats;
    oxp_tracer_read(tracer, &stats);
    return stats;
}

/* ---- Ids and parents ---- */

static void ids_and_parents(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 10});
    struct oxp_span *root = start(tracer, "root", NULL), *child = start(tracer, "child", root);
    struct oxp_trace_context above = oxp_span_context(root), below = oxp_span_context(child);
    assert_true(oxp_trace_id_is_valid(oxp_view_from(above.trace_id), 32));
    assert_true(oxp_trace_id_is_valid(oxp_view_from(above.span_id), 16));
    assert_true(above.sampled && below.sampled);
    assert_string_equal(above.trace_id, below.trace_id);
    assert_string_not_equal(above.span_id, below.span_id);
    assert_true(oxp_view_is(oxp_span_ids(child)->trace_id, below.trace_id));
    assert_true(oxp_view_is(oxp_span_ids(child)->span_id, below.span_id));
    char header[OXP_TRACEPARENT_SIZE];
    struct oxp_trace_context read;
    oxp_span_traceparent(child, header);
    assert_int_equal(oxp_traceparent_read(oxp_view_from(header), &read), OXP_OK);
    assert_memory_equal(&read, &below, sizeof read);
    end_ok(child);
    end_ok(root);
    oxp_tracer_free(tracer);
}

static void remote_parents(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct oxp_trace_context remote;
        bool carried;
    } rows[] = {
        {"good", {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true}, true},
        {"not sampled", {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", false}, true},
        {"none", {"", "", false}, false},
        {"zeros", {"00000000000000000000000000000000", "b7ad6b7169203331", true}, false},
        {"no span", {"0af7651916cd43dd8448eb211c80319c", "", true}, false},
        {"upper case", {"0AF7651916CD43DD8448EB211C80319C", "b7ad6b7169203331", true}, false},
        {"words", {"the trace of somebody who is bad", "b7ad6b7169203331", true}, false},
    };
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 10});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_span *span =
            oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("x"), .remote = &rows[i].remote});
        struct oxp_trace_context context = oxp_span_context(span);
        if ((strcmp(context.trace_id, rows[i].remote.trace_id) == 0) != rows[i].carried ||
            !oxp_trace_id_is_valid(oxp_view_from(context.trace_id), 32) ||
            context.sampled != (rows[i].carried ? rows[i].remote.sampled : true)) {
            fail_msg("%s: %s", rows[i].name, context.trace_id);
        }
        end_ok(span);
    }
    oxp_tracer_free(tracer);
}

static void ids_are_all_different(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 1});
    enum { MANY = 2000 };
    char(*seen)[OXP_TRACE_ID_SIZE] = calloc(MANY, sizeof *seen);
    for (size_t i = 0; i < MANY; i++) {
        struct oxp_span *span = start(tracer, "x", NULL);
        memcpy(seen[i], oxp_span_context(span).trace_id, sizeof *seen);
        end_ok(span);
    }
    qsort(seen, MANY, sizeof *seen, (int (*)(const void *, const void *))strcmp);
    for (size_t i = 1; i < MANY; i++) {
        assert_string_not_equal(seen[i - 1], seen[i]);
    }
    free(seen);
    oxp_tracer_free(tracer);
}

/* ---- What is kept and shown ---- */

static void ring_active_and_tree(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 4});
    struct oxp_span *root = start(tracer, "root", NULL);
    char trace_id[OXP_TRACE_ID_SIZE];
    memcpy(trace_id, oxp_span_context(root).trace_id, sizeof trace_id);
    at += 1;
    struct oxp_span *a = start(tracer, "a", root);
    at += 1;
    struct oxp_span *b = start(tracer, "b", root), *c = start(tracer, "c", a), *other = start(tracer, "other", NULL);
    struct seen seen = {.len = 0};
    oxp_tracer_active(tracer, see, &seen);
    assert_int_equal(seen.count, 5);
    assert_true(isnan(seen.last.ended_s));
    at += 1;
    end_ok(c);
    end_ok(other);
    end_ok(a);
    seen = (struct seen){.len = 0};
    oxp_tracer_recent(tracer, 0, see, &seen);
    assert_string_equal(seen.text, "a other c ");
    seen = (struct seen){.len = 0};
    oxp_tracer_recent(tracer, 2, see, &seen);
    assert_string_equal(seen.text, "a other ");
    seen = (struct seen){.most = 1};
    oxp_tracer_recent(tracer, 0, see, &seen);
    assert_string_equal(seen.text, "a ");
    seen = (struct seen){.len = 0};
    oxp_tracer_tree(tracer, oxp_view_from(trace_id), see_depth, &seen); /* open ones and ended ones */
    assert_string_equal(seen.text, "root:0 a:1 c:2 b:1 ");
    end_ok(b);
    end_ok(root);
    seen = (struct seen){.len = 0};
    oxp_tracer_recent(tracer, 0, see, &seen); /* four are kept */
    assert_string_equal(seen.text, "root b a other ");
    assert_true(seen.last.ended_s - seen.last.started_s == 1);
    seen = (struct seen){.len = 0};
    oxp_tracer_tree(tracer, OXP_VIEW("0af7651916cd43dd8448eb211c80319c"), see_depth, &seen);
    oxp_tracer_tree(tracer, oxp_view_of(NULL, 0), see_depth, &seen);
    oxp_tracer_active(tracer, see, &seen);
    assert_int_equal(seen.count, 0);
    struct oxp_tracer_stats stats = stats_of(tracer);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.kept, 4);
    assert_int_equal(stats.started, 5);
    assert_int_equal(stats.ended, 5);
    assert_int_equal(stats.dropped, 0);
    oxp_tracer_free(tracer);
}

struct attribute_check {
    char text[2048];
    uint64_t dropped;
    size_t text_len; /* of the last attribute */
};

static bool take_attributes(void *ctx, const struct oxp_span_view *span) {
    struct attribute_check *check = ctx;
    size_t len = 0;
    for (size_t i = 0; i < span->attribute_count; i++) {
        const struct oxp_pair *pair = &span->attributes[i];
        struct oxp_view text = pair->kind == OXP_PAIR_TEXT ? pair->value.text : OXP_VIEW("-");
        check->text_len = text.len;
        len += (size_t)snprintf(check->text + len, sizeof check->text - len, "%s=%.*s ", pair->key,
                                (int)(text.len < 80 ? text.len : 80), text.ptr);
    }
    check->dropped = span->attributes_dropped;
    snprintf(check->text + len, sizeof check->text - len, "| %.*s", (int)span->message.len, span->message.ptr);
    return true;
}

static void attributes(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 4});
    struct oxp_span *span = start(tracer, "x " CANARY, NULL);
    struct oxp_pair pair = oxp_pair_text("apiKey", OXP_VIEW("harmless to look at"));
    oxp_span_set(span, &pair);
    pair = oxp_pair_text("url", OXP_VIEW("wss://connect/?apiKey=" CANARY));
    oxp_span_set(span, &pair);
    pair = oxp_pair_text("url", OXP_VIEW("https://second/"));
    oxp_span_set(span, &pair); /* replaced */
    pair = oxp_pair_text("none", oxp_view_of(NULL, 0));
    oxp_span_set(span, &pair);
    oxp_span_end(span, OXP_SPAN_ERROR, OXP_VIEW("failed with " CANARY));
    struct attribute_check check;
    oxp_tracer_recent(tracer, 1, take_attributes, &check);
    assert_string_equal(check.text, "apiKey=[redacted] url=https://second/ | failed with [redacted]");
    struct seen seen = {.len = 0};
    oxp_tracer_recent(tracer, 1, see, &seen);
    assert_string_equal(seen.text, "x [redacted] ");
    assert_int_equal(seen.last.status, OXP_SPAN_ERROR);

    span = start(tracer, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        pair = oxp_pair_count(key, (uint64_t)i);
        oxp_span_set(span, &pair);
    }
    pair = oxp_pair_flag("k3", true); /* known: replaced, not dropped */
    oxp_span_set(span, &pair);
    end_ok(span);
    oxp_tracer_recent(tracer, 1, take_attributes, &check);
    assert_int_equal(check.dropped, 4);
    assert_non_null(strstr(check.text, "k15=- |"));

    /* a text past its limit is cut at a character */
    char text[300];
    memset(text, 'a', sizeof text);
    memcpy(text + 255, "\xc3\xa4", 2);
    span = start(tracer, "long", NULL);
    pair = oxp_pair_text("long", oxp_view_of(text, sizeof text));
    oxp_span_set(span, &pair);
    memset(text, 'b', 80); /* it was copied */
    end_ok(span);
    oxp_tracer_recent(tracer, 1, take_attributes, &check);
    assert_memory_equal(check.text, "long=aaa", 8);
    assert_int_equal(check.text_len, 255);
    oxp_tracer_free(tracer);
}

/* ---- What carries nothing ---- */

static void spans_that_carry_nothing(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.active_max = 2});
    struct oxp_span *spans[4];
    for (size_t i = 0; i < 4; i++) {
        spans[i] = start(tracer, "x", NULL);
    }
    assert_ptr_equal(spans[2], spans[3]);
    struct oxp_span *empty[] = {spans[2], oxp_span_start(NULL, NULL), start(NULL, "x", NULL), NULL};
    for (size_t i = 0; i < 4; i++) {
        char header[OXP_TRACEPARENT_SIZE] = "x";
        struct oxp_pair pair = oxp_pair_count("n", 1);
        oxp_span_traceparent(empty[i], header);
        assert_string_equal(header, "");
        assert_int_equal(oxp_span_ids(empty[i])->trace_id.len, 0);
        oxp_span_set(empty[i], &pair);
        end_ok(empty[i]);
        end_ok(empty[i]);
    }
    assert_int_equal(stats_of(tracer).dropped, 2);
    assert_int_equal(stats_of(tracer).active, 2);
    end_ok(spans[0]);
    struct oxp_span *again = start(tracer, "room again", spans[2]); /* below nothing: a trace of its own */
    assert_true(oxp_trace_id_is_valid(oxp_view_from(oxp_span_context(again).trace_id), 32));
    oxp_tracer_free(tracer); /* with two open */
    oxp_tracer_free(NULL);
    assert_true(oxp_tracer_flush(NULL, 0));
    assert_int_equal(stats_of(NULL).active, 0);
    oxp_tracer_active(NULL, see, NULL);
    oxp_tracer_recent(NULL, 0, see, NULL);
    oxp_tracer_tree(NULL, OXP_VIEW("x"), see_depth, NULL);
}

static void a_clock_that_goes_back(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 4});
    struct oxp_span *span = start(tracer, "x", NULL);
    at -= 100;
    end_ok(span);
    at += 100;
    struct seen seen = {.len = 0};
    oxp_tracer_recent(tracer, 1, see, &seen);
    assert_true(seen.last.ended_s == seen.last.started_s);
    oxp_tracer_free(tracer);
    /* the system's clock: the duration is the monotonic one's */
    assert_int_equal(oxp_tracer_new(&(struct oxp_tracer_options){.otlp_endpoint = ""}, &tracer), OXP_OK);
    end_ok(start(tracer, "x", NULL));
    oxp_tracer_recent(tracer, 1, see, &seen);
    assert_true(seen.last.started_s > 1.7e9 && seen.last.ended_s >= seen.last.started_s &&
                seen.last.ended_s - seen.last.started_s < 60);
    oxp_tracer_free(tracer);
}

/* ---- What is reported ---- */

struct listener {
    struct oxp_reporter reporter;
    char text[4096];
    size_t len;
};

static void listen(struct oxp_reporter *self, const struct oxp_report *report) {
    struct listener *listener = (struct listener *)self;
    char *text = listener->text;
    size_t size = sizeof listener->text;
    listener->len += (size_t)snprintf(text + listener->len, size - listener->len, "%s ts=%.1f task=%.*s ", report->type,
                                      report->ts, (int)report->ids->task.len, report->ids->task.ptr);
    assert_int_equal(report->ids->trace_id.len, 32);
    assert_int_equal(report->ids->span_id.len, 16);
    for (size_t i = 0; i < report->count; i++) {
        const struct oxp_pair *pair = &report->pairs[i];
        if (pair->kind == OXP_PAIR_TEXT && strcmp(pair->key, "parent_id") != 0) {
            listener->len += (size_t)snprintf(text + listener->len, size - listener->len, "%s=%.*s ", pair->key,
                                              (int)pair->value.text.len, pair->value.text.ptr);
        } else if (pair->kind == OXP_PAIR_NUMBER) {
            listener->len +=
                (size_t)snprintf(text + listener->len, size - listener->len, "%s=%.1f ", pair->key, pair->value.number);
        } else if (pair->kind != OXP_PAIR_NONE) {
            listener->len += (size_t)snprintf(text + listener->len, size - listener->len, "%s ", pair->key);
        }
    }
    listener->len += (size_t)snprintf(text + listener->len, size - listener->len, "\n");
}

static void reports(void **state) {
    (void)state;
    for (int ends_only = 0; ends_only < 2; ends_only++) {
        struct listener listener = {.reporter = {listen}};
        struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){
            .kept = 4, .reporter = &listener.reporter, .report_ends_only = ends_only != 0});
        at = 1000;
        struct oxp_span *root = start(tracer, "root", NULL);
        struct oxp_span *span = oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("extract"),
                                                                                  .component = OXP_VIEW("stagehand"),
                                                                                  .kind = OXP_SPAN_CLIENT,
                                                                                  .parent = root,
                                                                                  .ids = {.task = OXP_VIEW("t1")}});
        struct oxp_pair pair = oxp_pair_text("site", OXP_VIEW("shop"));
        oxp_span_set(span, &pair);
        at = 1001.5;
        oxp_span_end(span, OXP_SPAN_ERROR, OXP_VIEW("too slow"));
        char want[1024];
        snprintf(want, sizeof want, "%s%s",
                 ends_only ? ""
                           : "span ts=1000.0 task= name=root state=started kind=internal started_at=1000.0 \n"
                             "span ts=1000.0 task=t1 name=extract state=started kind=client parent_id "
                             "component=stagehand started_at=1000.0 \n",
                 "span ts=1001.5 task=t1 name=extract state=ended status=error kind=client parent_id "
                 "component=stagehand started_at=1000.0 duration_s=1.5 message=too slow attrs.site=shop \n");
        assert_string_equal(listener.text, want);
        end_ok(root);
        oxp_tracer_free(tracer);
    }
}

/* ---- Threads ---- */

static void *make_spans(void *ctx) {
    struct oxp_tracer *tracer = ctx;
    for (int i = 0; i < 300; i++) {
        struct oxp_span *root = start(tracer, "root", NULL), *child = start(tracer, "child", root);
        struct oxp_pair pair = oxp_pair_count("i", (uint64_t)i);
        oxp_span_set(child, &pair);
        pair = oxp_pair_text("i", OXP_VIEW("again"));
        oxp_span_set(child, &pair);
        end_ok(i % 2 == 0 ? root : child);
        end_ok(i % 2 == 0 ? child : root);
    }
    return NULL;
}

static bool read_whole(void *ctx, const struct oxp_span_view *span) {
    struct attribute_check check;
    take_attributes(&check, span);
    *(size_t *)ctx += strlen(check.text) + span->name.len;
    return true;
}

static bool read_in_tree(void *ctx, const struct oxp_span_view *span, unsigned depth) {
    (void)depth;
    return read_whole(ctx, span);
}

static void eight_threads(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 16});
    struct oxp_span *held = start(tracer, "held", NULL);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_spans, tracer), 0);
    }
    size_t read = 0;
    for (int i = 0; i < 100; i++) {
        oxp_tracer_active(tracer, read_whole, &read);
        oxp_tracer_recent(tracer, 0, read_whole, &read);
        oxp_tracer_tree(tracer, oxp_span_ids(held)->trace_id, read_in_tree, &read);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    end_ok(held);
    struct oxp_tracer_stats stats = stats_of(tracer);
    assert_int_equal(stats.started, 8 * 600 + 1);
    assert_int_equal(stats.ended, 8 * 600 + 1);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.kept, 16);
    oxp_tracer_free(tracer);
}

/* ---- Fork ---- */

static void a_forked_child_begins_anew(void **state) {
    (void)state;
    struct listener listener = {.reporter = {listen}};
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 4, .reporter = &listener.reporter});
    end_ok(start(tracer, "before", NULL));
    struct oxp_span *open = start(tracer, "open", NULL);
    listener.len = 0;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct oxp_span *below = start(tracer, "below", open);
        struct oxp_trace_context context = oxp_span_context(below), above = oxp_span_context(open);
        struct oxp_tracer_stats stats = stats_of(tracer);
        bool well =
            stats.active == 1 && stats.kept == 0 && stats.started == 1 && strcmp(context.trace_id, above.trace_id) == 0;
        end_ok(open); /* not ours: nothing is said */
        well = well && strstr(listener.text, "state=ended") == NULL;
        end_ok(below);
        stats = stats_of(tracer);
        well = well && stats.ended == 1 && stats.kept == 1 && strstr(listener.text, "name=below state=ended") != NULL;
        struct oxp_span *fresh = start(tracer, "fresh", NULL);
        context = oxp_span_context(fresh);
        well = well && write(ends[1], context.trace_id, sizeof context.trace_id) == sizeof context.trace_id;
        oxp_tracer_free(tracer);
        _exit(well ? 0 : 1);
    }
    char theirs[OXP_TRACE_ID_SIZE] = "";
    assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* the random numbers went different ways */
    struct oxp_span *below = start(tracer, "below", open), *fresh = start(tracer, "fresh", NULL);
    assert_string_not_equal(theirs, oxp_span_context(fresh).trace_id);
    end_ok(fresh);
    end_ok(below);
    end_ok(open);
    assert_int_equal(stats_of(tracer).ended, 4);
    close(ends[0]);
    close(ends[1]);
    oxp_tracer_free(tracer);
}

/* ---- No memory ---- */

static void live_once(void *ctx) {
    (void)ctx;
    struct oxp_tracer *tracer = NULL;
    enum oxp_status status = oxp_tracer_new(&(struct oxp_tracer_options){.otlp_endpoint = "http://a"}, &tracer);
    assert_true(status == OXP_OK ? tracer != NULL : status == OXP_ERR_NOMEM && tracer == NULL);
    struct oxp_span *root = start(tracer, "root", NULL), *child = start(tracer, "child", root);
    struct oxp_pair pair = oxp_pair_text("a", OXP_VIEW("b"));
    oxp_span_set(child, &pair);
    oxp_span_end(child, OXP_SPAN_ERROR, OXP_VIEW("message"));
    end_ok(root);
    struct seen seen = {.len = 0};
    oxp_tracer_recent(tracer, 0, see, &seen);
    oxp_tracer_tree(tracer, oxp_span_ids(root)->trace_id, see_depth, &seen);
    oxp_tracer_free(tracer);
}

static void live_with_root_kept(void *ctx) {
    struct seen seen = {.len = 0};
    struct oxp_tracer *tracer = ctx;
    struct oxp_span *root = start(tracer, "root", NULL);
    struct oxp_view id = oxp_span_ids(root)->trace_id;
    oxp_tracer_tree(tracer, id, see_depth, &seen);
    end_ok(root);
}

static void without_memory(void **state) {
    (void)state;
    struct oxp_tracer *tracer = make(&(struct oxp_tracer_options){.kept = 4});
    assert_true(alloc_fail_each(live_with_root_kept, tracer) >= 5);
    assert_true(stats_of(tracer).dropped >= 1);
    oxp_tracer_free(tracer);
    assert_int_equal(oxp_tracer_new(&(struct oxp_tracer_options){.otlp_endpoint = "no url"}, &tracer), OXP_ERR_INVALID);
    assert_null(tracer);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(alloc_fail_each(live_once, NULL) >= 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_parents),
        cmocka_unit_test(remote_parents),
        cmocka_unit_test(ids_are_all_different),
        cmocka_unit_test(ring_active_and_tree),
        cmocka_unit_test(attributes),
        cmocka_unit_test(spans_that_carry_nothing),
        cmocka_unit_test(a_clock_that_goes_back),
        cmocka_unit_test(reports),
        cmocka_unit_test(eight_threads),
        cmocka_unit_test(a_forked_child_begins_anew),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
