/* Incidents put into words: for the sidecar as events, for the debugger as JSON. */
#include "lib/resilience/recovery_parts.h"

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/scrub.h"
#include "lib/resilience/debugger.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const action_names[OXP_ACTIONS] = {"retry", "requeue", "adjust",   "replace", "fallback",
                                                      "skip",  "debug",   "escalate", "abort"};
static const char *const automation_names[] = {"full", "semi", "manual"};
static const char *const outcome_names[] = {"recovered", "failed", "manual"};
static const char *const verdict_names[] = {"fixed", "suggested", "no_fix", "error"};

const char *oxp_action_name(enum oxp_action action) {
    return (unsigned)action < OXP_ACTIONS ? action_names[action] : "unknown";
}

static unsigned index_of(const char *const *names, unsigned count, const char *name) {
    unsigned i = 0;
    while (i < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i < count ? i : 0;
}

enum oxp_action oxp_action_of(const char *name) {
    return (enum oxp_action)index_of(action_names, OXP_ACTIONS, name);
}

enum oxp_automation oxp_automation_of(const char *name) {
    return (enum oxp_automation)index_of(automation_names, sizeof automation_names / sizeof *automation_names, name);
}

const char *oxp_recovery_outcome_name(enum oxp_recovery_outcome outcome) {
    return outcome_names[outcome];
}

/* ---- Saying it ---- */

static struct oxp_ids ids_of(const struct oxp_incident *incident) {
    return (struct oxp_ids){.workflow = oxp_view_from(incident->workflow),
                            .run = oxp_view_from(incident->run),
                            .session = oxp_view_from(incident->session),
                            .task = oxp_view_from(incident->task),
                            .trace_id = oxp_view_from(incident->trace_id)};
}

void oxp_incident_say(const struct oxp_recovery *recovery, const struct oxp_incident *incident,
                      const struct oxp_said *said) {
    struct oxp_ids ids = ids_of(incident);
    struct oxp_pair pairs[12];
    size_t count = 0;
    pairs[count++] = oxp_pair_text("state", oxp_view_from(said->state));
    pairs[count++] = oxp_pair_text("incident", oxp_view_from(incident->id));
    pairs[count++] = oxp_pair_text("action", oxp_view_from(oxp_action_name(incident->action)));
    pairs[count++] = oxp_pair_text("automation", oxp_view_from(automation_names[incident->automation]));
    pairs[count++] = oxp_pair_text("severity", oxp_view_from(incident->code->severity));
    pairs[count++] = oxp_pair_text("category", oxp_view_from(incident->code->category));
    pairs[count++] = oxp_pair_text("code", oxp_view_from(incident->code->name));
    pairs[count++] = oxp_pair_text("component", oxp_view_from(incident->component));
    pairs[count++] = oxp_pair_text("outcome", oxp_view_from(said->outcome));
    pairs[count++] = oxp_pair_text("level", oxp_view_from(said->level));
    pairs[count++] = oxp_pair_text("reason", said->reason);
    if (said->resumed) {
        pairs[count - 1] = oxp_pair_number("started_at", incident->opened_s);
        pairs[count++] = oxp_pair_flag("resumed", true);
    } else if (!isnan(said->duration_s)) {
        pairs[count++] = oxp_pair_number("duration_s", said->duration_s);
    }
    oxp_report(recovery->options.reporter, "recovery", &ids, pairs, count);
}

void oxp_incident_say_debugged(const struct oxp_recovery *recovery, const struct oxp_incident *incident,
                               const struct oxp_debug_answer *answer, double duration_s) {
    struct oxp_ids ids = ids_of(incident);
    const struct oxp_pair pairs[] = {
        oxp_pair_text("outcome", oxp_view_from(verdict_names[answer->verdict])),
        oxp_pair_text("fix", oxp_view_from(answer->fix)),
        oxp_pair_text("report", oxp_view_from(answer->report)),
        oxp_pair_text("incident", oxp_view_from(incident->id)),
        oxp_pair_text("code", oxp_view_from(incident->code->name)),
        oxp_pair_text("component", oxp_view_from(incident->component)),
        oxp_pair_number("duration_s", duration_s),
    };
    oxp_report(recovery->options.reporter, "debugger", &ids, pairs, sizeof pairs / sizeof *pairs);
}

/* What the debugger is told: the failure, what came before it, what the host adds. */
static void gather(const struct oxp_recovery *recovery, const struct oxp_incident *copy,
                   const struct oxp_failure *failure, struct oxp_buf *buf) {
    char *text = oxp_failure_text(failure), more[4096] = "", clean[sizeof more + 512];
    oxp_buf_append_text(buf, "{\"incident\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->id));
    oxp_buf_append_format(buf, ",\"tries\":%u,\"alike\":%u,\"code\":\"%s\",\"category\":\"%s\",\"class\":\"%s\"",
                          copy->tries, copy->alike, copy->code->name, copy->code->category, copy->code->class);
    oxp_buf_append_text(buf, ",\"failure\":");
    oxp_buf_append_json_string(buf, oxp_view_from(text));
    oxp_buf_append_text(buf, ",\"task\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->task));
    oxp_buf_append_text(buf, ",\"session\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->session));
    oxp_buf_append_text(buf, ",\"earlier\":[");
    for (unsigned i = 1; i < OXP_INCIDENT_HISTORY && i < copy->tries; i++) {
        oxp_buf_append_text(buf, i == 1 ? "" : ",");
        oxp_buf_append_json_string(buf, oxp_view_from(copy->history[(copy->tries - i) % OXP_INCIDENT_HISTORY]));
    }
    oxp_buf_append_text(buf, "]");
    if (copy->intervention[0] != '\0') {
        oxp_buf_append_text(buf, ",\"intervention\":");
        oxp_buf_append_json_string(buf, oxp_view_from(copy->intervention));
    }
    if (recovery->options.gather != NULL &&
        recovery->options.gather(recovery->options.ctx, failure, more, sizeof more)) {
        more[sizeof more - 1] = '\0';
        size_t len = oxp_scrub(oxp_view_from(more), clean, sizeof clean);
        if (len > 0 && len < sizeof clean) { /* cut, it would be no JSON */
            oxp_buf_append_text(buf, ",");
            oxp_buf_append(buf, clean, len);
        }
    }
    oxp_buf_append_text(buf, "}\n");
    free(text);
}

/* Rule 3. Runs without the lock. Gives how long it took. */
double oxp_incident_debug(const struct oxp_recovery *recovery, const struct oxp_incident *copy,
                          const struct oxp_failure *failure, struct oxp_debug_answer *answer_out, bool *timed_out_out) {
    double began_s = oxp_clock_mono_s(NULL);
    struct oxp_buf context;
    memset(answer_out, 0, sizeof *answer_out);
    *timed_out_out = false;
    oxp_buf_init(&context, (size_t)256 * 1024);
    gather(recovery, copy, failure, &context);
    if (oxp_buf_status(&context) != OXP_OK) {
        answer_out->verdict = OXP_VERDICT_ERROR;
    } else if (recovery->options.debug != NULL) {
        const struct oxp_debug_request request = {copy->id, failure, oxp_buf_view(&context)};
        if (!recovery->options.debug(recovery->options.ctx, &request, answer_out) ||
            (unsigned)answer_out->verdict > OXP_VERDICT_ERROR) {
            answer_out->verdict = OXP_VERDICT_ERROR;
        }
        answer_out->fix[sizeof answer_out->fix - 1] = '\0';
        answer_out->report[sizeof answer_out->report - 1] = '\0';
    } else {
        (void)oxp_debugger_run(recovery->options.debug_command, oxp_buf_view(&context),
                               recovery->options.debug_timeout_s, answer_out, timed_out_out);
    }
    oxp_buf_fini(&context);
    double took_s = oxp_clock_mono_s(NULL) - began_s;
    *timed_out_out = *timed_out_out || took_s > recovery->options.debug_timeout_s;
    if (*timed_out_out) {
        answer_out->verdict = OXP_VERDICT_ERROR;
    }
    return took_s;
}
