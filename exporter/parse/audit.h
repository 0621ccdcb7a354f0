/* Log lines to events: an orchestrator that only logs is measured with no change to it. Pure, no I/O, no allocation.
 *
 * What is read, a line at a time:
 *  1. Python's text format, `%(asctime)s - %(name)s - %(levelname)s - %(message)s`:
 *         2025-05-14 07:39:51,724 - src.orchestrator - INFO - Starting
 *  2. An audit body, as the message of such a line or alone:
 *         Action: <..>, Status: <..>, Workflow: <..>, SessionID: <..>, TaskID: <..>, Details: <...>
 *     It is split at the six known keys, each at its first place; any but Action may be missing. N/A, None, null, "-"
 *     and nothing mean that there is none. Details is last and keeps its commas.
 *  3. A JSON record of a structured logger: {"timestamp", "level", "message", "trace_id", "metadata", …}, whose message
 *     may be an audit body too. (A line that is an event of our own goes to oxp_parse_event: oxp_audit_is_event.)
 *  4. What follows a record and looks like no beginning of one is its continuation: a traceback, a message of several
 *     lines.
 *
 * What comes of it: of an audit body an `audit` event and the events that its action and status stand for (the tables
 * in audit_meaning.c), so that sessions, tasks and workflow runs are counted; of any other line a `log` event, and an
 * `error` event besides when its level is ERROR or CRITICAL. Texts are cut to their limits, freed of secrets and made
 * UTF-8. Ids that stand in the text ("session_id: x") are found. A body without ids, or a creation whose session id is
 * written nowhere, gives what can be said without them.
 *
 * session.creating and the event that resolves it share a `ref` made of the workflow's name, as the lines have nothing
 * better: of several creations at once in one workflow only the first is seen as pending. */
#ifndef OXP_PARSE_AUDIT_H
#define OXP_PARSE_AUDIT_H

#include "exporter/parse/parse.h"

#define OXP_AUDIT_LINE_MAX 65536 /* bytes of a line, newline not counted */

struct oxp_audit_options {
    int utc_offset_s; /* of times that state no zone: seconds east of Greenwich; 0 = UTC */
};

/* State for one followed file. Plain data (some 80 KiB), owned by one thread. */
struct oxp_audit_reader {
    struct oxp_audit_options options;
    bool inside;            /* a record came before: what is no record continues it */
    struct oxp_event event; /* that is handed on */
    size_t scratch_len;
    char scratch[OXP_AUDIT_LINE_MAX]; /* JSON strings without their escapes */
};

struct oxp_audit_sink {
    void *ctx;
    /* One event, complete and within all limits of the table. Its views are valid during the call. */
    void (*event)(void *ctx, const struct oxp_event *event);
};

void oxp_audit_init(struct oxp_audit_reader *audit, const struct oxp_audit_options *options);

/* Reads one line (no newline; a CR at its end is dropped) and calls the sink with each event, in order. OXP_OK;
 * OXP_IGNORED for a continuation, a blank line or an empty message; OXP_ERR_SYNTAX for a line that is none of the
 * above, and then `refusal` (never NULL) says why, with the column. */
enum oxp_status oxp_audit_parse(struct oxp_audit_reader *audit, struct oxp_view line, const struct oxp_audit_sink *sink,
                                struct oxp_refusal *refusal);

/* True for a JSON object whose "type" is in the table of events: it is for oxp_parse_event. */
bool oxp_audit_is_event(struct oxp_view line);

#endif
