#include "lib/trace/parts.h"

#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include "lib/trace/ids.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What is given when there is none to give: everything may be done with it, and nothing happens. */
static struct oxp_span nothing = {.tracer = NULL};

/* ---- Texts ---- */

/* Room for every text of a span, each with its limit (those of the `span` event, the name apart). */
enum { NAME, COMPONENT, WORKFLOW, RUN, SESSION, TASK, TEXTS };
static const size_t limits[TEXTS] = {OXP_SPAN_NAME_MAX, 64, 64, 128, 128, 128};
#define TEXTS_MAX (OXP_SPAN_NAME_MAX + 64 + 64 + 128 + 128 + 128)

/* Copies at most `max` bytes, scrubbed, to a character's end; `out` has room for one more, which shows whether there is
 * a rest. */
static size_t keep(struct oxp_view text, char *out, size_t max) {
    size_t len = text.len == 0 ? 0 : oxp_scrub(text, out, max + 1);
    return oxp_utf8_cut(oxp_view_of(out, len), max).len;
}

struct texts {
    size_t lens[TEXTS], total;
    char bytes[TEXTS_MAX + 1];
};

static void keep_texts(const struct oxp_span_options *options, struct texts *texts) {
    const struct oxp_view given[TEXTS] = {options->name,    options->component,   options->ids.workflow,
                                          options->ids.run, options->ids.session, options->ids.task};
    texts->total = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        struct oxp_view text = i == NAME && given[i].len == 0 ? OXP_VIEW("span") : given[i];
        texts->lens[i] = keep(text, texts->bytes + texts->total, limits[i]);
        texts->total += texts->lens[i];
    }
}

static void give_texts(struct oxp_span *span, const struct texts *texts) {
    struct oxp_view *const views[TEXTS] = {&span->name,    &span->component,   &span->ids.workflow,
                                           &span->ids.run, &span->ids.session, &span->ids.task};
    memcpy(span->bytes, texts->bytes, texts->total);
    for (size_t i = 0, at = 0; i < TEXTS; i++) {
        *views[i] = oxp_view_of(span->bytes + at, texts->lens[i]);
        at += texts->lens[i];
    }
    span->ids.trace_id = oxp_view_of(span->context.trace_id, OXP_TRACE_ID_DIGITS);
    span->ids.span_id = oxp_view_of(span->context.span_id, OXP_SPAN_ID_DIGITS);
}

/* ---- Memory ---- */

static void free_span(struct oxp_span *span) {
    size_t count = atomic_load(&span->attribute_count);
    for (size_t i = 0; i < count; i++) {
        free(atomic_load(&span->attributes[i]));
    }
    free(span->message);
    free(span);
}

void oxp_span_unref_locked(struct oxp_span *span) {
    if (--span->refs > 0) {
        return;
    }
    struct oxp_tracer *tracer = span->tracer;
    if (tracer->readers == 0) {
        free_span(span);
    } else {
        span->trash.next = tracer->bin_spans;
        tracer->bin_spans = &span->trash;
    }
}

void oxp_trace_empty_bin_locked(struct oxp_tracer *tracer) {
    while (tracer->bin_spans != NULL) {
        struct oxp_span *span = (struct oxp_span *)tracer->bin_spans;
        tracer->bin_spans = span->trash.next;
        free_span(span);
    }
    while (tracer->bin_attributes != NULL) {
        struct oxp_trash *attribute = tracer->bin_attributes;
        tracer->bin_attributes = attribute->next;
        free(attribute);
    }
}

/* ---- Start ---- */

static void write_id(char *out, const uint64_t *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        snprintf(out + 16 * i, 17, "%016llx", (unsigned long long)words[i]);
    }
}

static uint64_t not_zero(struct oxp_random *random) {
    uint64_t word = 0;
    while (word == 0) {
        word = oxp_random_u64(random);
    }
    return word;
}

static bool is_whole(const struct oxp_trace_context *context) {
    return context != NULL &&
           oxp_trace_id_is_valid(oxp_view_of(context->trace_id, strnlen(context->trace_id, OXP_TRACE_ID_SIZE)),
                                 OXP_TRACE_ID_DIGITS) &&
           oxp_trace_id_is_valid(oxp_view_of(context->span_id, strnlen(context->span_id, OXP_SPAN_ID_SIZE)),
                                 OXP_SPAN_ID_DIGITS);
}

/* Its place in a trace: below its parent, below somebody else's span, or at the top of a new trace. */
static void place_locked(struct oxp_span *span, const struct oxp_span_options *options) {
    struct oxp_random *random = &span->tracer->random;
    const struct oxp_trace_context *above = options->parent == NULL ? options->remote : &options->parent->context;
    uint64_t words[2] = {not_zero(random), oxp_random_u64(random)};
    if (is_whole(above)) {
        span->context = *above;
        memcpy(span->parent_id, above->span_id, sizeof span->parent_id);
        span->remote_parent = options->parent == NULL;
    } else {
        write_id(span->context.trace_id, words, 2);
        span->context.sampled = true;
    }
    words[0] = not_zero(random);
    write_id(span->context.span_id, words, 1);
}

/* False when there are too many already. */
static bool publish(struct oxp_span *span, const struct oxp_span_options *options) {
    struct oxp_tracer *tracer = span->tracer;
    pthread_mutex_lock(&tracer->lock);
    bool room = tracer->active_count < tracer->active_max;
    if (room) {
        place_locked(span, options);
        span->generation = tracer->generation;
        span->next = tracer->active;
        if (span->next != NULL) {
            span->next->previous = span;
        }
        tracer->active = span;
        tracer->active_count++;
        tracer->stats.started++;
    }
    pthread_mutex_unlock(&tracer->lock);
    return room;
}

static void report_start(const struct oxp_span *span);

struct oxp_span *oxp_span_start(struct oxp_tracer *tracer, const struct oxp_span_options *options) {
    if (tracer == NULL || options == NULL) {
        return &nothing;
    }
    struct texts texts;
    keep_texts(options, &texts);
    struct oxp_span *span = calloc(1, sizeof *span + texts.total);
    if (span != NULL) {
        span->tracer = tracer;
        span->refs = 1;
        span->kind = (unsigned)options->kind > OXP_SPAN_CONSUMER ? OXP_SPAN_INTERNAL : options->kind;
        span->started = oxp_clock_mono(oxp_clock_system());
        span->started_s = tracer->now_s == NULL ? oxp_clock_wall_s(NULL) : tracer->now_s(tracer->ctx);
        span->started_s = span->started_s - span->started_s == 0 ? span->started_s : 0; /* not finite: a bad clock */
        give_texts(span, &texts);
    }
    if (span == NULL || !publish(span, options)) {
        free(span);
        pthread_mutex_lock(&tracer->lock);
        tracer->stats.dropped++;
        pthread_mutex_unlock(&tracer->lock);
        return &nothing;
    }
    if (!tracer->report_ends_only) {
        report_start(span);
    }
    return span;
}

/* ---- In between ---- */

struct oxp_trace_context oxp_span_context(const struct oxp_span *span) {
    return span == NULL ? nothing.context : span->context;
}

void oxp_span_traceparent(const struct oxp_span *span, char header_out[OXP_TRACEPARENT_SIZE]) {
    struct oxp_trace_context context = oxp_span_context(span);
    oxp_traceparent_write(&context, header_out);
}

const struct oxp_ids *oxp_span_ids(const struct oxp_span *span) {
    return span == NULL ? &nothing.ids : &span->ids;
}

/* A copy of the pair, scrubbed; NULL without memory. */
static struct oxp_attribute *copy_attribute(const struct oxp_pair *pair) {
    char text[OXP_SPAN_TEXT_MAX + 1];
    struct oxp_view key = oxp_utf8_cut(oxp_view_from(pair->key), OXP_SPAN_KEY_MAX);
    size_t text_len = 0;
    if (pair->kind == OXP_PAIR_TEXT) {
        struct oxp_view shown = oxp_scrub_is_secret_name(key) ? OXP_VIEW("[redacted]") : pair->value.text;
        text_len = keep(shown, text, OXP_SPAN_TEXT_MAX);
    }
    struct oxp_attribute *attribute = malloc(sizeof *attribute + key.len + 1 + text_len);
    if (attribute != NULL) {
        memcpy(attribute->bytes, key.ptr, key.len);
        attribute->bytes[key.len] = '\0';
        attribute->pair = *pair;
        attribute->pair.key = attribute->bytes;
        if (pair->kind == OXP_PAIR_TEXT) {
            memcpy(attribute->bytes + key.len + 1, text, text_len);
            attribute->pair.value.text = oxp_view_of(attribute->bytes + key.len + 1, text_len);
        }
    }
    return attribute;
}

/* Puts it in its place, under the lock. What it replaces, or what has no room, is thrown away. */
static void put_locked(struct oxp_span *span, struct oxp_attribute *attribute) {
    struct oxp_tracer *tracer = span->tracer;
    size_t count = atomic_load(&span->attribute_count), at = 0;
    while (at < count && strcmp(atomic_load(&span->attributes[at])->pair.key, attribute->pair.key) != 0) {
        at++;
    }
    if (at == OXP_SPAN_ATTRIBUTES_MAX) {
        atomic_fetch_add(&span->attributes_dropped, 1);
        free(attribute);
        return;
    }
    struct oxp_attribute *replaced = atomic_exchange(&span->attributes[at], attribute);
    if (at == count) {
        atomic_store(&span->attribute_count, count + 1);
    } else if (tracer->readers == 0) {
        free(replaced);
    } else {
        replaced->trash.next = tracer->bin_attributes;
        tracer->bin_attributes = &replaced->trash;
    }
}

void oxp_span_set(struct oxp_span *span, const struct oxp_pair *attribute) {
    if (span == NULL || span->tracer == NULL || attribute->kind == OXP_PAIR_NONE || attribute->key == NULL ||
        attribute->key[0] == '\0') {
        return;
    }
    struct oxp_attribute *copy = copy_attribute(attribute);
    if (copy == NULL) {
        atomic_fetch_add(&span->attributes_dropped, 1);
        return;
    }
    pthread_mutex_lock(&span->tracer->lock);
    put_locked(span, copy);
    pthread_mutex_unlock(&span->tracer->lock);
}

/* ---- As it is shown ---- */

void oxp_span_show(const struct oxp_span *span, struct oxp_pair pairs[OXP_SPAN_ATTRIBUTES_MAX],
                   struct oxp_span_view *view_out) {
    struct oxp_span *open = (struct oxp_span *)(uintptr_t)span; /* to read its atomics */
    size_t count = atomic_load(&open->attribute_count);
    for (size_t i = 0; i < count; i++) {
        pairs[i] = atomic_load(&open->attributes[i])->pair;
    }
    bool done = atomic_load(&open->done);
    *view_out = (struct oxp_span_view){
        .trace_id = span->ids.trace_id,
        .span_id = span->ids.span_id,
        .parent_id = oxp_view_from(span->parent_id),
        .name = span->name,
        .component = span->component,
        .workflow = span->ids.workflow,
        .run = span->ids.run,
        .session = span->ids.session,
        .task = span->ids.task,
        .message = done ? oxp_view_from(span->message) : oxp_view_of(NULL, 0),
        .kind = span->kind,
        .status = done ? span->status : OXP_SPAN_UNSET,
        .started_s = span->started_s,
        .ended_s = done ? span->ended_s : (double)NAN,
        .attributes = pairs,
        .attribute_count = count,
        .attributes_dropped = atomic_load(&open->attributes_dropped),
    };
}

/* ---- What the sidecar is told ---- */

static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer"};
static const char *const statuses[] = {"unset", "ok", "error"};

static void report_start(const struct oxp_span *span) {
    struct oxp_reporter *reporter = span->tracer->reporter;
    const struct oxp_pair pairs[] = {
        oxp_pair_text("name", span->name),
        oxp_pair_text("state", OXP_VIEW("started")),
        oxp_pair_text("kind", oxp_view_from(kinds[span->kind])),
        oxp_pair_text("parent_id", oxp_view_from(span->parent_id)),
        oxp_pair_text("component", span->component),
        oxp_pair_number("started_at", span->started_s),
    };
    if (reporter != NULL) {
        struct oxp_report report = {"span", &span->ids, pairs, sizeof pairs / sizeof pairs[0], span->started_s};
        reporter->report(reporter, &report);
    }
}

/* By the owner, which alone may still change the span. */
static void report_end(const struct oxp_span *span) {
    struct oxp_reporter *reporter = span->tracer->reporter;
    if (reporter == NULL) {
        return;
    }
    struct oxp_pair attributes[OXP_SPAN_ATTRIBUTES_MAX];
    char keys[OXP_SPAN_ATTRIBUTES_MAX][sizeof "attrs." + OXP_SPAN_KEY_MAX];
    struct oxp_span_view view;
    oxp_span_show(span, attributes, &view);
    struct oxp_pair pairs[9 + OXP_SPAN_ATTRIBUTES_MAX] = {
        oxp_pair_text("name", view.name),
        oxp_pair_text("state", OXP_VIEW("ended")),
        oxp_pair_text("status", oxp_view_from(statuses[view.status])),
        oxp_pair_text("kind", oxp_view_from(kinds[view.kind])),
        oxp_pair_text("parent_id", view.parent_id),
        oxp_pair_text("component", view.component),
        oxp_pair_number("started_at", view.started_s),
        oxp_pair_number("duration_s", view.ended_s - view.started_s),
        oxp_pair_text("message", view.message),
    };
    for (size_t i = 0; i < view.attribute_count; i++) {
        snprintf(keys[i], sizeof keys[i], "attrs.%s", attributes[i].key);
        pairs[9 + i] = attributes[i];
        pairs[9 + i].key = keys[i];
    }
    struct oxp_report report = {"span", &span->ids, pairs, 9 + view.attribute_count, view.ended_s};
    reporter->report(reporter, &report);
}

/* ---- End ---- */

static double end_time(const struct oxp_span *span) {
    const struct oxp_tracer *tracer = span->tracer;
    if (tracer->now_s == NULL) {
        int64_t took_ns = oxp_clock_mono(oxp_clock_system()).ns - span->started.ns;
        return span->started_s + (double)took_ns / 1e9;
    }
    double now_s = tracer->now_s(tracer->ctx);
    return now_s > span->started_s ? now_s : span->started_s;
}

static char *copy_message(struct oxp_view message) {
    char text[OXP_SPAN_MESSAGE_MAX + 1];
    size_t len = keep(message, text, OXP_SPAN_MESSAGE_MAX);
    char *copy = len == 0 ? NULL : malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

static void leave_list_locked(struct oxp_span *span, struct oxp_span **head) {
    if (span->previous != NULL) {
        span->previous->next = span->next;
    } else {
        *head = span->next;
    }
    if (span->next != NULL) {
        span->next->previous = span->previous;
    }
}

static void keep_locked(struct oxp_tracer *tracer, struct oxp_span *span) {
    struct oxp_span **place = &tracer->ended[tracer->ended_total++ % tracer->kept];
    if (*place != NULL) {
        oxp_span_unref_locked(*place);
    } else {
        tracer->ended_count++;
    }
    *place = span;
    span->refs++;
}

void oxp_span_end(struct oxp_span *span, enum oxp_span_status status, struct oxp_view message) {
    if (span == NULL || span->tracer == NULL) {
        return;
    }
    struct oxp_tracer *tracer = span->tracer;
    bool own = span->generation == tracer->generation;
    span->status = (unsigned)status > OXP_SPAN_ERROR ? OXP_SPAN_UNSET : status;
    span->message = copy_message(message);
    span->ended_s = end_time(span);
    atomic_store(&span->done, true);
    if (own) {
        report_end(span);
    }
    pthread_mutex_lock(&tracer->lock);
    leave_list_locked(span, own ? &tracer->active : &tracer->inherited);
    if (own) {
        tracer->active_count--;
        tracer->stats.ended++;
        keep_locked(tracer, span);
        if (span->context.sampled) {
            oxp_export_push_locked(tracer, span);
        }
    }
    oxp_span_unref_locked(span);
    pthread_mutex_unlock(&tracer->lock);
}
