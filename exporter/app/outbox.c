/* oxpecker outbox list|show|retry: looks into the outbox's file, with the daemon up or down, and sends again what was
 * set aside. */
#include "exporter/app/app.h"
#include "exporter/app/verbs.h"

#include "exporter/api/message_json.h"
#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIMIT_MAX 10000

struct outbox {
    struct oxp_verbs verbs;
    const char *output, *receiver, *state, *limit;
    bool all, has_receiver;
    struct oxp_outbox *box;
    struct oxp_arena arena;
    struct oxp_error error;
};

static bool is_json(const struct outbox *outbox) {
    return strcmp(outbox->output, "json") == 0;
}

static int fail(const struct outbox *outbox, const char *text) {
    return oxp_verbs_fail(&outbox->verbs, text);
}

static struct oxp_view when(struct outbox *outbox, int64_t ms) {
    char text[25];
    if (ms <= 0) {
        return OXP_VIEW("-");
    }
    oxp_wall_format((struct oxp_wall){ms * OXP_NS_PER_MS}, text);
    text[19] = 'Z';
    return oxp_arena_copy(&outbox->arena, oxp_view_of(text, 20));
}

static int print_json(const struct outbox *outbox, struct oxp_json *root, enum oxp_status made) {
    char *text = NULL;
    size_t len = 0;
    enum oxp_status status = made == OXP_OK ? oxp_json_write(root, &text, &len) : made;
    oxp_json_free(root);
    if (status != OXP_OK) {
        return fail(outbox, oxp_status_text(status));
    }
    fputs(text, stdout);
    free(text);
    return 0;
}

/* ---- list ---- */

enum { ID, STATE, PRIORITY, MADE, TRIES, RECEIVER, SUMMARY, COLUMNS };

static void append_row(struct oxp_buf *out, const struct oxp_view *cells, const size_t *widths) {
    for (size_t c = 0; c < COLUMNS; c++) {
        oxp_buf_append_view(out, cells[c]);
        for (size_t pad = oxp_utf8_count(cells[c]); c + 1 < COLUMNS && pad < widths[c] + 2; pad++) {
            oxp_buf_append_char(out, ' ');
        }
    }
    oxp_buf_append_char(out, '\n');
}

static struct oxp_view number(struct outbox *outbox, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return oxp_arena_copy(&outbox->arena, oxp_view_from(text));
}

static int print_table(struct outbox *outbox, const struct oxp_outbox_message *messages, size_t count) {
    struct oxp_view(*rows)[COLUMNS] = oxp_arena_zero(&outbox->arena, count + 1, sizeof *rows);
    static const char *const titles[COLUMNS] = {"ID", "STATE", "PRIORITY", "MADE", "TRIES", "RECEIVER", "SUMMARY"};
    size_t widths[COLUMNS] = {0};
    struct oxp_buf text;
    if (rows == NULL) {
        return fail(outbox, "out of memory");
    }
    for (size_t c = 0; c < COLUMNS; c++) {
        rows[0][c] = oxp_view_from(titles[c]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct oxp_outbox_message *m = &messages[i];
        const struct oxp_view cells[COLUMNS] = {number(outbox, (uint64_t)m->id),
                                                oxp_view_from(oxp_outbox_state_name(m->state)),
                                                oxp_view_from(oxp_outbox_priority_name(m->priority)),
                                                when(outbox, m->made_ms),
                                                number(outbox, m->tries),
                                                m->receiver,
                                                m->summary};
        memcpy(rows[i + 1], cells, sizeof cells);
    }
    for (size_t i = 0; i <= count; i++) {
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t width = oxp_utf8_count(rows[i][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i <= count; i++) {
        append_row(&text, rows[i], widths);
        if (i > 0 && messages[i - 1].answer.len > 0 && messages[i - 1].state != OXP_OUTBOX_SENT) {
            struct oxp_view answer = oxp_utf8_cut(messages[i - 1].answer, 200);
            oxp_buf_append_format(&text, "%*s", (int)widths[ID] + 2, "");
            oxp_buf_append_view(&text, answer);
            oxp_buf_append_char(&text, '\n');
        }
    }
    bool ok = oxp_buf_status(&text) == OXP_OK && oxp_verbs_print(&text);
    oxp_buf_fini(&text);
    return ok ? 0 : fail(outbox, "cannot write");
}

/* False when the argument is wrong, which was said. */
static bool read_filter(const struct outbox *outbox, struct oxp_outbox_filter *filter) {
    uint64_t limit = 100;
    if (outbox->limit != NULL &&
        (oxp_number_parse_u64(oxp_view_from(outbox->limit), &limit) != OXP_OK || limit == 0 || limit > LIMIT_MAX)) {
        fail(outbox, "--limit must be a whole number from 1 to 10000");
        return false;
    }
    *filter = (struct oxp_outbox_filter){.receiver = oxp_view_from(outbox->receiver), .limit = (size_t)limit};
    if (outbox->state != NULL && !oxp_outbox_state_find(outbox->state, &filter->states)) {
        fail(outbox, "--state must be waiting, claimed, sent, set_aside, superseded or dropped");
        return false;
    }
    return true;
}

static int list(struct outbox *outbox) {
    struct oxp_outbox_filter filter;
    struct oxp_outbox_message *messages = NULL;
    size_t count = 0;
    if (!read_filter(outbox, &filter)) {
        return 1;
    }
    enum oxp_status status = oxp_outbox_list(outbox->box, &filter, &outbox->arena, &messages, &count);
    if (status != OXP_OK) {
        return fail(outbox, oxp_status_text(status));
    }
    if (!is_json(outbox)) {
        return print_table(outbox, messages, count);
    }
    struct oxp_json *array = oxp_json_array();
    for (size_t i = 0; i < count; i++) {
        enum oxp_status appended = oxp_json_append(array, oxp_message_json(&messages[i], &status));
        status = status == OXP_OK ? appended : status;
    }
    return print_json(outbox, array, status);
}

/* ---- show, retry ---- */

static bool read_id(const struct outbox *outbox, int64_t *id_out) {
    uint64_t id = 0;
    const char *word = outbox->verbs.count > 1 ? outbox->verbs.words[1] : NULL;
    bool ok = word != NULL && oxp_number_parse_u64(oxp_view_from(word), &id) == OXP_OK && id > 0 && id <= INT64_MAX;
    *id_out = (int64_t)id;
    return ok;
}

static void append_line(struct oxp_buf *out, const char *name, struct oxp_view value) {
    oxp_buf_append_format(out, "%-12s", name);
    oxp_buf_append_view(out, value);
    oxp_buf_append_char(out, '\n');
}

static int print_message(struct outbox *outbox, const struct oxp_outbox_message *m) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    append_line(&text, "id", number(outbox, (uint64_t)m->id));
    append_line(&text, "state", oxp_view_from(oxp_outbox_state_name(m->state)));
    append_line(&text, "receiver", m->receiver);
    append_line(&text, "group", m->group);
    append_line(&text, "priority", oxp_view_from(oxp_outbox_priority_name(m->priority)));
    append_line(&text, "summary", m->summary);
    append_line(&text, "since", when(outbox, m->since_ms));
    append_line(&text, "made", when(outbox, m->made_ms));
    append_line(&text, "due", when(outbox, m->due_ms));
    append_line(&text, "changed", when(outbox, m->changed_ms));
    append_line(&text, "expires", when(outbox, m->expires_ms));
    append_line(&text, "tries", number(outbox, m->tries));
    append_line(&text, "answer", m->answer);
    append_line(&text, "content", m->content);
    bool ok = oxp_buf_status(&text) == OXP_OK && oxp_verbs_print(&text);
    oxp_buf_fini(&text);
    return ok ? 0 : fail(outbox, "cannot write");
}

static int show(struct outbox *outbox) {
    struct oxp_outbox_message message;
    int64_t id = 0;
    if (!read_id(outbox, &id)) {
        return fail(outbox, "show needs the ID of a message");
    }
    enum oxp_status status = oxp_outbox_show(outbox->box, id, &outbox->arena, &message);
    if (status != OXP_OK) {
        return fail(outbox, status == OXP_ERR_NOT_FOUND ? "there is no such message" : oxp_status_text(status));
    }
    if (!is_json(outbox)) {
        return print_message(outbox, &message);
    }
    struct oxp_json *object = oxp_message_json(&message, &status);
    enum oxp_status set = oxp_json_set(object, "content", oxp_json_text(message.content));
    return print_json(outbox, object, status == OXP_OK ? set : status);
}

static int retry(struct outbox *outbox) {
    int64_t id = 0, now_ms = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
    size_t count = 0;
    bool one = outbox->verbs.count > 1;
    if ((one ? 1 : 0) + (outbox->has_receiver ? 1 : 0) + (outbox->all ? 1 : 0) != 1) {
        return fail(outbox, "retry needs the ID of a message, --receiver=NAME or --all");
    }
    if (one && !read_id(outbox, &id)) {
        return fail(outbox, "retry needs the ID of a message");
    }
    enum oxp_status status = oxp_outbox_retry(outbox->box, id, oxp_view_from(outbox->receiver), now_ms, &count);
    if (status == OXP_ERR_NOT_FOUND && one) {
        return fail(outbox, "there is no such message, or it was sent");
    }
    if (status == OXP_ERR_IN_USE) {
        return fail(outbox, "it is being sent right now");
    }
    if (status == OXP_ERR_INVALID) {
        return fail(outbox, "nothing of it is left to be sent: it was sent, superseded or dropped");
    }
    if (status != OXP_OK && status != OXP_ERR_NOT_FOUND) {
        return fail(outbox, oxp_status_text(status));
    }
    printf("%zu %s sent again\n", count, count == 1 ? "message is" : "messages are");
    return 0;
}

/* ---- The command ---- */

static const struct verb {
    const char *name;
    size_t words_max;
    int (*run)(struct outbox *outbox);
} verbs[] = {{"list", 1, list}, {"show", 2, show}, {"retry", 2, retry}};

/* The sidecar makes the file for the first message or note; until then nothing waits. */
static enum oxp_status stand_in(struct outbox *outbox, const char *directory) {
    struct stat found;
    if (stat(directory, &found) != 0 || !S_ISDIR(found.st_mode)) {
        return oxp_error_set(&outbox->error, OXP_ERR_NOT_FOUND, 0, 0, "there is no directory %s", directory);
    }
    fprintf(stderr, "oxpecker outbox: there is no outbox in %s yet\n", directory);
    const struct oxp_outbox_options in_memory = {0};
    return oxp_outbox_open(&in_memory, oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS, &outbox->box, NULL,
                           &outbox->error);
}

static int run_verb(struct outbox *outbox, const struct verb *verb) {
    const char *directory = oxp_config_text(&outbox->verbs.config, OXP_OPT_STORAGE_PATH);
    if (strcmp(outbox->output, "table") != 0 && !is_json(outbox)) {
        return fail(outbox, "--output must be table or json");
    }
    if (directory[0] == '\0') {
        return fail(outbox,
                    "there is no --storage.path: an outbox in memory is seen at /api/oxpecker/v1/notifications only");
    }
    enum oxp_status status = oxp_outbox_visit(directory, &outbox->box, &outbox->error);
    if (status == OXP_ERR_NOT_FOUND) {
        status = stand_in(outbox, directory);
    }
    if (status != OXP_OK) {
        return fail(outbox, outbox->error.text[0] != '\0' ? outbox->error.text : oxp_status_text(status));
    }
    oxp_arena_init(&outbox->arena, 0);
    int result = verb->run(outbox);
    oxp_arena_fini(&outbox->arena);
    oxp_outbox_close(outbox->box);
    return result;
}

int oxp_command_outbox(int argc, char **argv) {
    struct outbox outbox = {
        .verbs =
            {.command = "outbox",
             .usage =
                 "usage: oxpecker outbox list [--receiver=NAME] [--state=STATE] [--limit=N] [--output=table|json]\n"
                 "       oxpecker outbox show ID [--output=table|json]\n"
                 "       oxpecker outbox retry ID | --receiver=NAME | --all\n"
                 "with --storage.path=DIRECTORY or --config.file=FILE\n"},
        .output = "table"};
    const struct oxp_verb_option options[] = {
        {"--output", &outbox.output, NULL}, {"--receiver", &outbox.receiver, &outbox.has_receiver},
        {"--state", &outbox.state, NULL},   {"--limit", &outbox.limit, NULL},
        {"--all", NULL, &outbox.all},       {NULL, NULL, NULL},
    };
    outbox.verbs.options = options;
    int status = 1;
    if (oxp_verbs_read(&outbox.verbs, argc, argv)) {
        const struct verb *verb = NULL;
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            bool is = strcmp(verbs[i].name, outbox.verbs.words[0]) == 0 && outbox.verbs.count <= verbs[i].words_max;
            verb = is ? &verbs[i] : verb;
        }
        if (verb == NULL) {
            fputs(outbox.verbs.usage, stderr);
        } else {
            status = run_verb(&outbox, verb);
        }
    }
    oxp_verbs_fini(&outbox.verbs);
    return status;
}
