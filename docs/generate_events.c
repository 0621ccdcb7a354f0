/* docs/events.md: the events that the sidecar takes, from the event table. */
#include "docs/generate.h"

#include "exporter/event/event.h"

/* Fields from OXP_FIELD_TYPE to OXP_FIELD_ATTRS go with every type (event.def). */
static bool in_envelope(enum oxp_field field) {
    return field >= OXP_FIELD_TYPE && field <= OXP_FIELD_ATTRS;
}

static void append_field_row(struct oxp_buf *out, enum oxp_field field) {
    const struct oxp_field_spec *spec = oxp_field_spec(field);
    oxp_buf_append_format(out, "| `%s` | %s | ", spec->name, oxp_field_kind_name(spec->kind));
    if (spec->limit != 0) {
        oxp_buf_append_format(out, "%u bytes%s", spec->limit, spec->kind == OXP_KIND_MAP ? " a value" : "");
    }
    oxp_buf_append_text(out, " | ");
    generate_cell(out, spec->help);
    oxp_buf_append_text(out, " |\n");
}

static void append_fields(struct oxp_buf *out, bool envelope) {
    oxp_buf_append_text(out, "| field | kind | at most | meaning |\n|---|---|---|---|\n");
    for (enum oxp_field field = 0; field < OXP_FIELDS; field++) {
        if (in_envelope(field) == envelope) {
            append_field_row(out, field);
        }
    }
}

static void append_names(struct oxp_buf *out, const enum oxp_field *fields) {
    for (const enum oxp_field *field = fields; *field != OXP_FIELDS; field++) {
        oxp_buf_append_format(out, "%s`%s`", field == fields ? "" : ", ", oxp_field_spec(*field)->name);
    }
}

static void append_types(struct oxp_buf *out) {
    oxp_buf_append_text(out, "| type | needs | takes | moves |\n|---|---|---|---|\n");
    for (enum oxp_event_type type = OXP_EVENT_NONE + 1; type < OXP_EVENT_TYPES; type++) {
        const struct oxp_type_spec *spec = oxp_type_spec(type);
        oxp_buf_append_format(out, "| `%s` | ", spec->name);
        append_names(out, spec->required);
        oxp_buf_append_text(out, " | ");
        append_names(out, spec->optional);
        oxp_buf_append_text(out, " | ");
        generate_cell(out, spec->moves);
        oxp_buf_append_text(out, " |\n");
    }
}

static void append_reasons(struct oxp_buf *out) {
    for (enum oxp_reject reason = 0; reason < OXP_REJECTS; reason++) {
        oxp_buf_append_format(out, "%s`%s`", reason == 0 ? "" : ", ", oxp_reject_name(reason));
    }
}

void generate_events(struct oxp_buf *out) {
    oxp_buf_append_format(
        out,
        "# Events\n\n"
        "Made from the event table (`exporter/event/event.def`) by `oxpecker-docs`; do not edit.\n\n"
        "An event is one JSON object on one line of at most %d bytes, over the Unix socket (`--events.listen-unix`) or "
        "in the body of\n"
        "`POST /api/oxpecker/v1/events`. A name with a dot is nested one level: `tokens.input` is `{\"tokens\": "
        "{\"input\": 5}}`. A field that is\n"
        "not listed for a type is skipped; a type that is not listed is refused.\n\n"
        "```json\n"
        "{\"type\":\"session.started\",\"ts\":1790000000.5,\"session\":\"a\",\"region\":\"us-east-1\"}\n"
        "{\"type\":\"session.ended\",\"ts\":1790000060,\"session\":\"a\",\"status\":\"COMPLETED\"}\n"
        "```\n\n"
        "From a shell: `oxpecker send session.started session=a region=us-east-1`. It takes each value's kind from "
        "these tables, never\n"
        "from its looks.\n\n"
        "## Types\n\nEvery type takes the envelope as well.\n\n",
        OXP_EVENT_LINE_MAX);
    append_types(out);
    oxp_buf_append_text(out, "\n## The envelope\n\n");
    append_fields(out, true);
    oxp_buf_append_text(out, "\n## Fields\n\n");
    append_fields(out, false);
    oxp_buf_append_format(
        out,
        "\n`attrs` and `labels` hold at most %d pairs. Strings are UTF-8; API keys, tokens and connect URLs are cut "
        "out of them.\n\n"
        "## Refusals\n\n"
        "A refused event costs only itself. It is counted in `oxpecker_events_rejected_total` by its reason: ",
        OXP_EVENT_ATTRS_MAX);
    append_reasons(out);
    oxp_buf_append_text(out, ".\n");
}
