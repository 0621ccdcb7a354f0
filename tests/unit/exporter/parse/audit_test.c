/* Log lines to events: rows of lines and what comes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/parse/audit.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define AT "2025-05-14 07:39:51,724"
#define TS "ts=1747208391.724"
#define LOG(level) AT " - src.orchestrator - " level " - "
#define BODY(action, status, session, task, details)                                                                   \
    "Action: " action ", Status: " status ", Workflow: prices, SessionID: " session ", TaskID: " task                  \
    ", Details: " details

static struct oxp_audit_reader audit;

/* All that was heard, one event a line: type, then fields and attributes by name. `ts` is left out when it is TS. */
static char heard[65536];

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...) {
    size_t used = strlen(heard);
    va_list args;
    va_start(args, format);
    vsnprintf(heard + used, sizeof heard - used, format, args);
    va_end(args);
}

static void on_event(void *ctx, const struct oxp_event *event) {
    (void)ctx;
    add("%s", oxp_type_spec(event->type)->name);
    for (enum oxp_field field = OXP_FIELD_TYPE + 1; field < OXP_FIELDS; field++) {
        if (!oxp_event_has(event, field)) {
            continue;
        }
        if (field == OXP_FIELD_TS) {
            char text[32];
            snprintf(text, sizeof text, "ts=%.3f", event->values[field].number);
            if (strcmp(text, TS) != 0) {
                add(" %s", text);
            }
        } else {
            struct oxp_view text = event->values[field].text;
            add(" %s=%.*s", oxp_field_spec(field)->name, (int)text.len, text.ptr);
        }
    }
    for (size_t i = 0; i < event->attr_count; i++) {
        const struct oxp_event_pair *pair = &event->attrs[i];
        add(" @%.*s=%.*s", (int)pair->name.len, pair->name.ptr, (int)pair->value.len, pair->value.ptr);
    }
    add("\n");
}

static struct oxp_refusal refusal;

/* One line, in a copy that ends where it ends. */
static enum oxp_status parse_more(struct oxp_view line) {
    char *copy = malloc(line.len == 0 ? 1 : line.len);
    assert_non_null(copy);
    memcpy(copy, line.ptr, line.len);
    const struct oxp_audit_sink sink = {NULL, on_event};
    heard[0] = '\0';
    refusal = (struct oxp_refusal){.reason = OXP_REJECTS};
    enum oxp_status status = oxp_audit_parse(&audit, oxp_view_of(copy, line.len), &sink, &refusal);
    free(copy);
    return status;
}

static enum oxp_status parse(const char *line) {
    oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = 0});
    return parse_more(oxp_view_from(line));
}

static void expect(const char *name, const char *line, const char *events) {
    if (parse(line) != OXP_OK || strcmp(heard, events) != 0) {
        print_error("row: %s\nline: %s\nheard:\n%swanted:\n%s%s\n", name, line, heard, events, refusal.error.text);
        fail();
    }
}

/* ---- What actions stand for ---- */

static void actions(void **state) {
    (void)state;
#define IDS(session, task) " workflow=prices" session task
#define S " session=s-1"
#define T " task=t-1"
#define C " component=src.orchestrator"
    static const struct {
        const char *name, *line, *events;
    } rows[] = {
        {"run begins", LOG("INFO") BODY("run_workflow", "start", "N/A", "N/A", "site=shop, sessions=2"),
         "audit workflow=prices status=start outcome=started action=run_workflow" C " details=site=shop, sessions=2\n"
         "workflow.started workflow=prices\n"},
        {"run succeeds", LOG("INFO") BODY("run_workflow", "success", "N/A", "N/A", "None"),
         "audit workflow=prices status=success outcome=succeeded action=run_workflow" C "\n"
         "workflow.ended workflow=prices status=succeeded\n"},
        {"run fails, told of once", LOG("ERROR") BODY("run_workflow", "failure", "N/A", "N/A", "ValueError: x"),
         "audit workflow=prices status=failure outcome=failed action=run_workflow" C " details=ValueError: x\n"
         "workflow.ended workflow=prices status=failed\n"},
        {"run in part", LOG("WARNING") BODY("run_workflow", "partial success", "", "", ""),
         "audit workflow=prices status=partial success outcome=partial action=run_workflow" C " level=warning\n"
         "workflow.ended workflow=prices status=partial\n"},
        {"a status that is no known word: the level says it",
         LOG("CRITICAL") BODY("odd", "strange", "N/A", "N/A", "boom"),
         "audit workflow=prices status=strange outcome=failed action=odd" C " level=critical details=boom\n"
         "error workflow=prices message=boom severity=critical" C "\n"},
        {"creation begins", LOG("INFO") BODY("_create_browserbase_session", "start", "N/A", "N/A", "N/A"),
         "audit workflow=prices status=start outcome=started action=_create_browserbase_session" C "\n"
         "session.creating workflow=prices ref=audit/prices\n"},
        {"creation succeeds",
         LOG("INFO") BODY("create_browserbase_session", "success", "s-1", "N/A", "project_id: p-1"),
         "audit workflow=prices session=s-1 status=success outcome=succeeded action=create_browserbase_session" C
         " details=project_id: p-1 @project_id=p-1\n"
         "session.started workflow=prices session=s-1 ref=audit/prices\n"},
        {"its id stands in the details",
         LOG("INFO") BODY("Create Session", "SUCCESS", "None", "None", "session_id='s-1'"),
         "audit workflow=prices session=s-1 status=SUCCESS outcome=succeeded action=Create Session" C
         " details=session_id='s-1'\n"
         "session.started workflow=prices session=s-1 ref=audit/prices\n"},
        {"its id stands nowhere", LOG("INFO") BODY("create_session", "success", "N/A", "N/A", "fine"),
         "audit workflow=prices status=success outcome=succeeded action=create_session" C " details=fine\n"},
        {"creation fails", LOG("ERROR") BODY("create-session", "failed", "N/A", "N/A", "429: limit 3, currently 3"),
         "audit workflow=prices status=failed outcome=failed action=create-session" C
         " details=429: limit 3, currently 3\n"
         "error workflow=prices ref=audit/prices op=session.create upstream=browserbase "
         "message=429: limit 3, currently 3" C "\n"},
        {"release begins", LOG("INFO") BODY("release_browserbase_session", "start", "s-1", "N/A", "N/A"),
         "audit workflow=prices session=s-1 status=start outcome=started action=release_browserbase_session" C "\n"
         "session.releasing workflow=prices session=s-1\n"},
        {"release succeeds", LOG("INFO") BODY("release_browserbase_session", "success", "s-1", "N/A", "N/A"),
         "audit workflow=prices session=s-1 status=success outcome=succeeded action=release_browserbase_session" C "\n"
         "session.ended workflow=prices session=s-1 status=completed\n"},
        {"release fails", LOG("CRITICAL") BODY("release_browserbase_session", "error", "s-1", "N/A", "APITimeoutError"),
         "audit workflow=prices session=s-1 status=error outcome=failed action=release_browserbase_session" C
         " level=critical details=APITimeoutError\n"
         "error workflow=prices session=s-1 op=session.release upstream=browserbase name=APITimeoutError "
         "message=APITimeoutError severity=critical" C "\n"},
        {"task is created", LOG("INFO") BODY("create_stagehand_task", "success", "s-1", "t-1", "N/A"),
         "audit workflow=prices session=s-1 task=t-1 status=success outcome=succeeded action=create_stagehand_task" C
         "\n"
         "task.queued" IDS(S, T) "\n"},
        {"task is not created", LOG("ERROR") BODY("create_stagehand_task", "failure", "s-1", "N/A", "no"),
         "audit workflow=prices session=s-1 status=failure outcome=failed action=create_stagehand_task" C
         " details=no\n"
         "error workflow=prices session=s-1 op=task.create upstream=stagehand message=no" C "\n"},
        {"task begins", LOG("INFO") BODY("execute_stagehand_task", "start", "s-1", "t-1", "N/A"),
         "audit workflow=prices session=s-1 task=t-1 status=start outcome=started action=execute_stagehand_task" C "\n"
         "task.started" IDS(S, T) "\n"},
        {"task ends", LOG("INFO") BODY("execute_task", "completed", "s-1", "t-1", "N/A"),
         "audit workflow=prices session=s-1 task=t-1 status=completed outcome=succeeded action=execute_task" C "\n"
         "task.ended" IDS(S, T) " status=succeeded\n"},
        {"task fails",
         LOG("ERROR") BODY("execute_task", "failed: 429", "s-1", "t-1", "openai.RateLimitError: slow, down"),
         "audit workflow=prices session=s-1 task=t-1 status=failed: 429 outcome=failed action=execute_task" C
         " details=openai.RateLimitError: slow, down\n"
         "error workflow=prices session=s-1 task=t-1 op=task.execute upstream=stagehand name=RateLimitError "
         "message=openai.RateLimitError: slow, down" C "\n"
         "task.ended" IDS(S, T) " status=failed\n"},
        {"task is too late", LOG("ERROR") BODY("execute_task", "timeout", "s-1", "t-1", "60 s"),
         "audit workflow=prices session=s-1 task=t-1 status=timeout outcome=timed_out action=execute_task" C
         " details=60 s\n"
         "error workflow=prices session=s-1 task=t-1 op=task.execute upstream=stagehand message=60 s" C "\n"
         "task.ended" IDS(S, T) " status=timed_out\n"},
        {"task is cancelled", LOG("INFO") BODY("execute_task", "Cancelled", "", "t-1", ""),
         "audit workflow=prices task=t-1 status=Cancelled outcome=cancelled action=execute_task" C "\n"
         "task.ended workflow=prices task=t-1 status=cancelled\n"},
        {"the action says the outcome", "Action: SessionCreated, SessionID: s-1",
         "audit session=s-1 outcome=succeeded action=SessionCreated\nsession.started session=s-1 ref=audit/\n"},
        {"starting went well", "Action: task_start, Status: success, TaskID: t-1",
         "audit task=t-1 status=success outcome=started action=task_start\ntask.started task=t-1\n"},
        {"an action of their own", LOG("INFO") BODY("close", "success", "N/A", "N/A", "N/A"),
         "audit workflow=prices status=success outcome=succeeded action=close" C "\n"},
        {"an action of their own fails", LOG("ERROR") BODY("close", "failure", "N/A", "N/A", "no"),
         "audit workflow=prices status=failure outcome=failed action=close" C " details=no\n"
         "error workflow=prices message=no" C "\n"},
        {"a status of their own", LOG("INFO") BODY("execute_task", "thinking", "s-1", "t-1", "N/A"),
         "audit workflow=prices session=s-1 task=t-1 status=thinking action=execute_task" C "\n"},
        {"an error without a status", LOG("ERROR") "Action: execute_task, TaskID: t-1",
         "audit task=t-1 outcome=failed action=execute_task" C "\n"
         "error task=t-1 op=task.execute upstream=stagehand" C "\n"
         "task.ended task=t-1 status=failed\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(rows[i].name, rows[i].line, rows[i].events);
    }
}

/* ---- Forms ---- */

static void bodies(void **state) {
    (void)state;
    static const struct {
        const char *name, *line, *events;
    } rows[] = {
        {"commas in details", "Action: x, Status: ok, Details: a, b, c=d, e",
         "audit status=ok outcome=succeeded action=x details=a, b, c=d, e\n"},
        {"keys in details", "Action: x, Details: Status: bad, Workflow: no, Action: y",
         "audit action=x details=Status: bad, Workflow: no, Action: y\n"},
        {"details twice", "Action: x, Details: a, Details: b", "audit action=x details=a, Details: b\n"},
        {"commas in values", "Action: x, Workflow: a, b, SessionID: s", "audit workflow=a, b session=s action=x\n"},
        {"only the action", "Action: x", "audit action=x\n"},
        {"a key twice", "Action: x, Status: a, Workflow: b, Status: c",
         "audit workflow=b, Status: c status=a action=x\n"},
        {"missing in the middle", "Action: x, TaskID: t", "audit task=t action=x\n"},
        {"out of order", "Action: x, TaskID: t, Status: ok", "audit task=t status=ok outcome=succeeded action=x\n"},
        {"nothing, in all spellings",
         "Action: x, Status: n/a, Workflow: None, SessionID: null, TaskID: -, Details: ", "audit action=x\n"},
        {"case and spaces of keys", "  ACTION : x,status:ok,  Session ID: s, task_id: t",
         "audit session=s task=t status=ok outcome=succeeded action=x\n"},
        {"carriage return", "Action: x, Details: d\r", "audit action=x details=d\n"},
        {"unicode",
         "Action: cr\xc3\xa9"
         "er, Status: \xe2\x9c\x93, Workflow: w\xc3\xb6rk, Details: \xe6\x97\xa5, \xe6\x9c\xac",
         "audit workflow=w\xc3\xb6rk status=\xe2\x9c\x93 action=cr\xc3\xa9"
         "er details=\xe6\x97\xa5, \xe6\x9c\xac\n"},
        {"no UTF-8",
         "Action: x, Details: a\xff"
         "b\xc3",
         "audit action=x details=a\xef\xbf\xbd"
         "b\xef\xbf\xbd\n"},
        {"control character in an id", "Action: x, SessionID: a\tb, Details: a\tb", "audit action=x details=a\tb\n"},
        {"ids in details",
         "Action: x, Details: {'browserbase_session_id': 's-1', \"stagehand_task_id\": \"t-1\", "
         "stagehand_execution_id=e.1}",
         "audit session=s-1 task=t-1 action=x details={'browserbase_session_id': 's-1', \"stagehand_task_id\": "
         "\"t-1\", stagehand_execution_id=e.1} @stagehand_execution_id=e.1\n"},
        {"stated ids win", "Action: x, SessionID: s, Details: session_id: other",
         "audit session=s action=x details=session_id: other\n"},
        {"not an id of theirs", "Action: x, Details: my_session_id: other",
         "audit action=x details=my_session_id: other\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(rows[i].name, rows[i].line, rows[i].events);
    }
}

static void plain_lines(void **state) {
    (void)state;
    static const struct {
        const char *name, *line, *events;
    } rows[] = {
        {"info", LOG("INFO") "Starting", "log message=Starting level=info logger=src.orchestrator\n"},
        {"debug", LOG("DEBUG") "x", "log message=x level=debug logger=src.orchestrator\n"},
        {"warning", LOG("WARNING") "x", "log message=x level=warning logger=src.orchestrator\n"},
        {"an error is one", LOG("ERROR") "session_id: s-1 TimeoutError: no",
         "log session=s-1 message=session_id: s-1 TimeoutError: no level=error logger=src.orchestrator\n"
         "error session=s-1 name=TimeoutError message=session_id: s-1 TimeoutError: no component=src.orchestrator\n"},
        {"critical", LOG("CRITICAL") "x",
         "log message=x level=critical logger=src.orchestrator\n"
         "error message=x severity=critical component=src.orchestrator\n"},
        {"a logger with a separator", AT " - a - b - INFO - x - y", "log message=x - y level=info logger=a - b\n"},
        {"lower case, short", AT " - a - warn - x", "log message=x level=warning logger=a\n"},
        {"a level by number", AT " - a - Level 25 - x", "log message=x level=info logger=a\n"},
        {"no fraction", "2025-05-14 07:39:51 - a - INFO - x", "log ts=1747208391.000 message=x level=info logger=a\n"},
        {"a zone", "2025-05-14T09:39:51.724+02:00 - a - INFO - x", "log message=x level=info logger=a\n"},
        {"Greenwich", "2025-05-14T07:39:51.724Z - a - INFO - x", "log message=x level=info logger=a\n"},
        {"a leap day", "2024-02-29 00:00:00 - a - INFO - x", "log ts=1709164800.000 message=x level=info logger=a\n"},
        {"the first day", "1970-01-01 00:00:00 - a - INFO - x", "log ts=0.000 message=x level=info logger=a\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(rows[i].name, rows[i].line, rows[i].events);
    }
}

static void local_time(void **state) {
    (void)state;
    oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = -5 * 3600});
    assert_int_equal(parse_more(OXP_VIEW("2025-05-14 02:39:51,724 - a - INFO - x")), OXP_OK);
    assert_string_equal(heard, "log message=x level=info logger=a\n");
    assert_int_equal(parse_more(OXP_VIEW("2025-05-14 07:39:51,724Z - a - INFO - x")), OXP_OK); /* it says so itself */
    assert_string_equal(heard, "log message=x level=info logger=a\n");
    assert_int_equal(parse_more(OXP_VIEW("2025-05-14 02:39:50,724 - a - INFO - x")), OXP_OK); /* backwards: as it is */
    assert_string_equal(heard, "log ts=1747208390.724 message=x level=info logger=a\n");
}

static void json_lines(void **state) {
    (void)state;
    static const struct {
        const char *name, *line, *events;
    } rows[] = {
        {"a structured logger",
         "{\"timestamp\": \"2025-05-14T07:39:51.724Z\", \"level\": \"INFO\", \"logger\": \"C\", \"message\": \"m "
         "\\u00e9\\n2\", "
         "\"trace_id\": \"t1\", \"metadata\": {\"user_id\": \"123\", \"n\": 5, \"ok\": true, \"no\": null, \"deep\": "
         "{\"a\": [1]}, "
         "\"api_key\": \"abc\", \"session_id\": \"s-1\", \"task_id\": \"t-1\", \"workflow_name\": \"w\"}}",
         "log workflow=w session=s-1 task=t-1 trace_id=t1 message=m \xc3\xa9\n2 level=info logger=C @user_id=123 @n=5 "
         "@ok=true "
         "@api_key=[redacted] @session_id=s-1 @task_id=t-1 @workflow_name=w\n"},
        {"other names",
         "{\"ts\":1747208391.724,\"severity\":\"error\",\"msg\":\"m\",\"name\":\"C\",\"traceback\":\"a\\nb\"}",
         "log message=m level=error logger=C\nerror message=m stack=a\nb component=C\n"},
        {"milliseconds", "{\"time\":1747208391724,\"message\":\"m\"}", "log message=m\n"},
        {"microseconds", "{\"time\":1747208391724000,\"message\":\"m\"}", "log message=m\n"},
        {"an audit body in it",
         "{\"ts\":1747208391.724,\"level\":\"info\",\"message\":\"Action: run_workflow, Status: start, Workflow: w\"}",
         "audit workflow=w status=start outcome=started action=run_workflow\nworkflow.started workflow=w\n"},
        {"an audit record of fields",
         "{\"ts\":1747208391.724,\"action\":\"session_created\",\"session_id\":\"s\",\"workflow\":\"N/A\"}",
         "audit session=s outcome=succeeded action=session_created\nsession.started session=s ref=audit/\n"},
        {"without a time", "{\"message\":\"m\"}", "log message=m\n"},
        {"a level that is a number is passed over", "{\"level\":30,\"message\":\"m\"}", "log message=m\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(rows[i].name, rows[i].line, rows[i].events);
    }
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *line;
        enum oxp_reject reason;
        unsigned column;
    } rows[] = {
        {"rubbish", "rubbish", OXP_REJECT_MALFORMED, 1},
        {"a traceback without its record", "Traceback (most recent call last):", OXP_REJECT_MALFORMED, 1},
        {"another key first", "Status: ok, Action: x", OXP_REJECT_MALFORMED, 1},
        {"no such level", AT " - a - LOUD - x", OXP_REJECT_MALFORMED, 27},
        {"no level", AT " - a", OXP_REJECT_MALFORMED, 27},
        {"another separator", AT " a INFO x", OXP_REJECT_MALFORMED, 24},
        {"a time alone", AT, OXP_REJECT_MALFORMED, 24},
        {"a date alone", "2025-05-14", OXP_REJECT_BAD_TIME, 1},
        {"no such day", "2025-02-29 07:39:51 - a - INFO - x", OXP_REJECT_BAD_TIME, 1},
        {"no such month", "2025-13-01 07:39:51 - a - INFO - x", OXP_REJECT_BAD_TIME, 1},
        {"no such hour", "2025-05-14 24:39:51 - a - INFO - x", OXP_REJECT_BAD_TIME, 1},
        {"before 1970", "1969-12-31 23:59:59 - a - INFO - x", OXP_REJECT_BAD_TIME, 1},
        {"no action", "Action: , Status: ok", OXP_REJECT_BAD_FIELD, 21},
        {"no action in a record", LOG("INFO") "Action: N/A", OXP_REJECT_BAD_FIELD, 64},
        {"JSON that is cut", "{\"message\": \"m", OXP_REJECT_MALFORMED, 15},
        {"JSON with something behind", "{\"message\": \"m\"} x", OXP_REJECT_MALFORMED, 18},
        {"JSON without a message", "{\"level\": \"info\"}", OXP_REJECT_BAD_FIELD, 1},
        {"JSON of nothing", "{}", OXP_REJECT_BAD_FIELD, 1},
        {"JSON with no such level", "{\"level\": \"loud\", \"message\": \"m\"}", OXP_REJECT_BAD_FIELD, 1},
        {"JSON with no such time", "{\"ts\": \"soon\", \"message\": \"m\"}", OXP_REJECT_BAD_TIME, 1},
        {"JSON with a negative time", "{\"ts\": -1, \"message\": \"m\"}", OXP_REJECT_BAD_TIME, 1},
        {"JSON with something behind the time", "{\"ts\": \"2025-05-14 07:39:51 x\", \"message\": \"m\"}",
         OXP_REJECT_BAD_TIME, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum oxp_status status = parse(rows[i].line);
        if (status != OXP_ERR_SYNTAX || heard[0] != '\0' || refusal.reason != rows[i].reason ||
            refusal.error.column != rows[i].column || refusal.error.text[0] == '\0') {
            print_error("row: %s: %d, %d, column %u: %s\n%s", rows[i].name, (int)status, (int)refusal.reason,
                        refusal.error.column, refusal.error.text, heard);
            fail();
        }
    }
}

static void continuations(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum oxp_status status;
    } rows[] = {
        {"orphan line", OXP_ERR_SYNTAX},
        {LOG("ERROR") "It broke", OXP_OK},
        {"Traceback (most recent call last):", OXP_IGNORED},
        {"  File \"a.py\", line 1, in <module>", OXP_IGNORED},
        {"", OXP_IGNORED},
        {"ValueError: no", OXP_IGNORED},
        {"{'a': 1}", OXP_IGNORED},
        {"2025-05-14 broken", OXP_ERR_SYNTAX},
        {"{\"broken\":", OXP_ERR_SYNTAX},
        {"still part of it", OXP_IGNORED},
        {LOG("INFO"), OXP_IGNORED}, /* nothing to say */
        {"Action: x", OXP_OK},
    };
    oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = 0});
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (parse_more(oxp_view_from(rows[i].line)) != rows[i].status) {
            print_error("line: %s\n", rows[i].line);
            fail();
        }
        assert_int_equal(heard[0] != '\0', rows[i].status == OXP_OK);
    }
}

/* ---- Limits and secrets ---- */

static void long_lines(void **state) {
    (void)state;
    char *line = malloc(OXP_AUDIT_LINE_MAX + 1);
    assert_non_null(line);
    memset(line, 'w', OXP_AUDIT_LINE_MAX + 1);
    memcpy(line, LOG("ERROR"), strlen(LOG("ERROR")));
    oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = 0});
    assert_int_equal(parse_more(oxp_view_of(line, OXP_AUDIT_LINE_MAX)), OXP_OK);
    assert_in_range(strlen(heard), 2 * 4096, 2 * 4096 + 200); /* log and error, 4096 of message each */
    assert_int_equal(parse_more(oxp_view_of(line, OXP_AUDIT_LINE_MAX + 1)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_TOO_LARGE);
    static const char body[] = "Action: run_workflow, Status: start, Workflow: ";
    memset(line, 'w', OXP_AUDIT_LINE_MAX);
    memcpy(line, body, sizeof body - 1);
    assert_int_equal(parse_more(oxp_view_of(line, OXP_AUDIT_LINE_MAX)), OXP_OK);
    const char *started = strstr(heard, "workflow.started");
    assert_non_null(started);
    assert_int_equal(strlen(started), strlen("workflow.started workflow=\n") + 64);
    memset(line, '\xff', OXP_AUDIT_LINE_MAX); /* each byte becomes three */
    memcpy(line, LOG("INFO"), strlen(LOG("INFO")));
    assert_int_equal(parse_more(oxp_view_of(line, OXP_AUDIT_LINE_MAX)), OXP_OK);
    assert_in_range(strlen(heard), 4000, 4200);
    free(line);
}

static void secrets_are_gone(void **state) {
    (void)state;
#define CANARY "canary0123456789abcdef"
    static const char *const lines[] = {
        LOG("ERROR") "key bb_live_" CANARY " refused",
        LOG("ERROR") "Authorization: Bearer " CANARY,
        LOG("INFO") "connect wss://connect.browserbase.com?apiKey=" CANARY,
        BODY("create_session", "failed", "N/A", "N/A", "x-bb-api-key: " CANARY),
        BODY("x", "ok", "bb_live_" CANARY, "bb_live_" CANARY, "signingKey=" CANARY ", project_id=bb_live_" CANARY),
        "Action: bb_live_" CANARY ", Status: bb_live_" CANARY ", Workflow: bb_live_" CANARY,
        "{\"message\":\"bb_live_" CANARY "\",\"level\":\"error\",\"metadata\":{\"password\":\"" CANARY
        "\",\"a\":\"\\u0062b_live_" CANARY "\",\"bb_live_" CANARY "\":1}}",
        "{\"message\":\"m\",\"level\":\"error\",\"traceback\":\"token=" CANARY "\",\"logger\":\"bb_live_" CANARY "\"}",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_int_equal(parse(lines[i]), OXP_OK);
        if (strstr(heard, "canary") != NULL || strstr(heard, "[redacted]") == NULL) {
            print_error("line: %s\nheard: %s", lines[i], heard);
            fail();
        }
    }
    /* wherever it stands before the limit, even when secrets before it made the text shorter */
    char *line = malloc(20000);
    assert_non_null(line);
    static const char key[] = "AKIACANARY0123456789"; /* no key any more when it is cut */
    for (size_t at = 3900; at < 6400; at++) {
        size_t head = (size_t)snprintf(line, 20000, LOG("INFO") "bb_live_");
        memset(line + head, 'k', 3000);
        memset(line + head + 3000, ' ', 16000);
        memcpy(line + at, key, sizeof key - 1);
        memcpy(line + at + sizeof key - 1, " and more", 9);
        oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = 0});
        assert_int_equal(parse_more(oxp_view_of(line, at + sizeof key + 8)), OXP_OK);
        assert_null(strstr(heard, "AKIACAN"));
    }
    free(line);
}

static void events_of_our_own(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool is_event;
    } rows[] = {
        {"{\"type\":\"session.started\",\"session\":\"s\"}", true},
        {" {\"ts\": 1, \"attrs\": {\"a\": [1]}, \"type\" : \"log\", \"message\": \"m\"}", true},
        {"{\"type\":\"request\",\"message\":\"m\"}", false},
        {"{\"type\":5}", false},
        {"{\"message\":\"m\"}", false},
        {"{\"attrs\":{\"type\":\"log\"}}", false},
        {"{\"type\":\"log", false},
        {"{}", false},
        {"{", false},
        {"", false},
        {LOG("INFO") "x", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (oxp_audit_is_event(oxp_view_from(rows[i].line)) != rows[i].is_event) {
            print_error("line: %s\n", rows[i].line);
            fail();
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions),           cmocka_unit_test(bodies),     cmocka_unit_test(plain_lines),
        cmocka_unit_test(local_time),        cmocka_unit_test(json_lines), cmocka_unit_test(refused),
        cmocka_unit_test(continuations),     cmocka_unit_test(long_lines), cmocka_unit_test(secrets_are_gone),
        cmocka_unit_test(events_of_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
