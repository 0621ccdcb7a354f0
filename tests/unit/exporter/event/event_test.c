/* The table of events: every name is found, and only those. */
#include "exporter/event/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *name;
    enum oxp_event_type type;
} types[] = {
#define TYPE(id, name, ...) {name, OXP_EVENT_##id},
#include "exporter/event/event.def"
};

static const struct {
    const char *name;
    enum oxp_field field;
} fields[] = {
#define FIELD(id, name, ...) {name, OXP_FIELD_##id},
#include "exporter/event/event.def"
};

static void every_type_is_found(void **state) {
    (void)state;
    assert_int_equal(sizeof types / sizeof types[0], OXP_EVENT_TYPES - 1);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(oxp_event_type_find(oxp_view_from(types[i].name)), types[i].type);
        assert_string_equal(oxp_type_spec(types[i].type)->name, types[i].name);
        assert_true(strlen(oxp_type_spec(types[i].type)->moves) > 0);
    }
    assert_null(oxp_type_spec(OXP_EVENT_NONE));
    assert_null(oxp_type_spec(OXP_EVENT_TYPES));
}

static void every_field_is_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct oxp_field_spec *spec = oxp_field_spec(fields[i].field);
        assert_string_equal(spec->name, fields[i].name);
        assert_true(strlen(spec->help) > 0);
        assert_true(strlen(oxp_field_kind_name(spec->kind)) > 0);
        if (fields[i].field == OXP_FIELD_HTTP_STATUS) { /* shares its name with STATUS */
            assert_int_equal(oxp_field_find(oxp_view_from(fields[i].name)), OXP_FIELD_STATUS);
        } else {
            assert_int_equal(oxp_field_find(oxp_view_from(fields[i].name)), fields[i].field);
        }
    }
    assert_null(oxp_field_spec(OXP_FIELDS));
}

static void nothing_else_is_found(void **state) {
    (void)state;
    static const char *const names[] = {"",
                                        "t",
                                        "typ",
                                        "typee",
                                        "Type",
                                        "session.starte",
                                        "session.startedd",
                                        "session",
                                        "nope",
                                        "sessions_",
                                        "tokens.",
                                        "tokens.cached_inpuX",
                                        "xokens.cached_input",
                                        "tokens.cachedXinput",
                                        "queue"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct oxp_view name = oxp_view_from(names[i]);
        bool is_type = strcmp(names[i], "queue") == 0;
        bool is_field = strcmp(names[i], "session") == 0;
        assert_int_equal(oxp_event_type_find(name) != OXP_EVENT_NONE, is_type);
        assert_int_equal(oxp_field_find(name) != OXP_FIELDS, is_field);
    }
    assert_int_equal(oxp_field_find(oxp_view_of(NULL, 0)), OXP_FIELDS);
    assert_int_equal(oxp_event_type_find(oxp_view_of(NULL, 0)), OXP_EVENT_NONE);
}

/* Every name with one byte put wrong, all 255 ways: found only where that spells another name. */
static void one_wrong_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char name[64];
        size_t len = strlen(fields[i].name);
        memcpy(name, fields[i].name, len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 1; byte < 256; byte++) {
                name[at] = (char)((unsigned char)fields[i].name[at] ^ byte);
                enum oxp_field field = oxp_field_find(oxp_view_of(name, len));
                if (field != OXP_FIELDS && !oxp_view_is(oxp_view_of(name, len), oxp_field_spec(field)->name)) {
                    fail_msg("\"%.*s\" is taken for \"%s\"", (int)len, name, oxp_field_spec(field)->name);
                }
            }
            name[at] = fields[i].name[at];
        }
    }
}

/* The type settles what a name means. */
static void fields_by_type(void **state) {
    (void)state;
    static const struct {
        enum oxp_event_type type;
        const char *name;
        enum oxp_field want;
    } rows[] = {
        {OXP_EVENT_SESSION_ENDED, "status", OXP_FIELD_STATUS},
        {OXP_EVENT_TASK_ENDED, "status", OXP_FIELD_STATUS},
        {OXP_EVENT_ERROR, "status", OXP_FIELD_HTTP_STATUS},
        {OXP_EVENT_TASK_PROGRESS, "status", OXP_FIELDS},
        {OXP_EVENT_SESSION_STARTED, "session", OXP_FIELD_SESSION},
        {OXP_EVENT_SESSION_STARTED, "tokens.input", OXP_FIELDS},
        {OXP_EVENT_OPERATION, "tokens.input", OXP_FIELD_TOKENS_INPUT},
        {OXP_EVENT_QUEUE, "low.length", OXP_FIELD_QUEUE_LOW_LENGTH},
        {OXP_EVENT_NONE, "type", OXP_FIELDS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_field_find_for(rows[i].type, oxp_view_from(rows[i].name)), rows[i].want);
    }
    assert_true(oxp_field_is_group(OXP_EVENT_OPERATION, OXP_VIEW("tokens")));
    assert_true(oxp_field_is_group(OXP_EVENT_QUEUE, OXP_VIEW("high")));
    assert_false(oxp_field_is_group(OXP_EVENT_OPERATION, OXP_VIEW("token")));
    assert_false(oxp_field_is_group(OXP_EVENT_ERROR, OXP_VIEW("tokens")));
    assert_false(oxp_field_is_group(OXP_EVENT_OPERATION, OXP_VIEW("op")));
    assert_false(oxp_field_is_group(OXP_EVENT_OPERATION, OXP_VIEW("")));
}

static bool lists(const enum oxp_field *list, enum oxp_field field) {
    while (*list != OXP_FIELDS && *list != field) {
        list++;
    }
    return *list == field;
}

/* No type lists a field twice, nor two fields of one name: a name would mean only the first of them. */
static void lists_are_sound(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        const struct oxp_type_spec *spec = oxp_type_spec(types[t].type);
        const enum oxp_field *both[] = {spec->required, spec->optional};
        for (size_t b = 0; b < 2; b++) {
            for (const enum oxp_field *f = both[b]; *f != OXP_FIELDS; f++) {
                if (oxp_field_find_for(types[t].type, oxp_view_from(oxp_field_spec(*f)->name)) != *f) {
                    fail_msg("%s: \"%s\" means another field", spec->name, oxp_field_spec(*f)->name);
                }
                if (lists(f + 1, *f) || (b == 0 && lists(spec->optional, *f))) {
                    fail_msg("%s lists \"%s\" twice", spec->name, oxp_field_spec(*f)->name);
                }
                bool needed = (oxp_type_required(types[t].type)[*f / 64] >> (*f % 64)) & 1;
                assert_int_equal(needed, b == 0);
            }
        }
    }
}

static void rejects(void **state) {
    (void)state;
    static const char *const names[] = {"malformed", "unknown_type", "too_large", "bad_field", "bad_time",
                                        "rate",      "auth",         "cut",       "other"};
    assert_int_equal(OXP_REJECTS, sizeof names / sizeof names[0]);
    for (unsigned i = 0; i < OXP_REJECTS; i++) {
        assert_string_equal(oxp_reject_name((enum oxp_reject)i), names[i]);
    }
    assert_string_equal(oxp_reject_name(OXP_REJECTS), "other");
}

static void cleared(void **state) {
    (void)state;
    static struct oxp_event event;
    memset(&event, 0xff, sizeof event);
    oxp_event_clear(&event);
    assert_int_equal(event.type, OXP_EVENT_NONE);
    for (unsigned f = 0; f < OXP_FIELDS; f++) {
        assert_false(oxp_event_has(&event, (enum oxp_field)f));
    }
    assert_int_equal(event.attr_count + event.label_count + event.scratch_len, 0);
    assert_int_equal(oxp_event_text(&event, OXP_FIELD_SESSION).len, 0);
    assert_true(oxp_event_number(&event, OXP_FIELD_TS, -1) == -1);
    assert_true(oxp_event_flag(&event, OXP_FIELD_OK, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found),
        cmocka_unit_test(every_field_is_found),
        cmocka_unit_test(nothing_else_is_found),
        cmocka_unit_test(one_wrong_byte),
        cmocka_unit_test(fields_by_type),
        cmocka_unit_test(lists_are_sound),
        cmocka_unit_test(rejects),
        cmocka_unit_test(cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
