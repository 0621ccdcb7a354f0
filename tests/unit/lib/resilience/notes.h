/* For the tests of this folder: cmocka with its headers, and a reporter that writes each report down as one line of
 * text: "retry op=act attempt=2 delay_s=1;". */
#ifndef OXP_TESTS_RESILIENCE_NOTES_H
#define OXP_TESTS_RESILIENCE_NOTES_H

#include <oxpecker/report.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])

struct notes {
    struct oxp_reporter reporter; /* first: the reporter is the notes */
    char text[8192];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static inline void notes_add(struct notes *notes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(notes->text + notes->used, sizeof notes->text - notes->used, format, args);
    va_end(args);
    notes->used += len < 0 ? 0 : (size_t)len;
    assert_true(notes->used < sizeof notes->text);
}

static inline void notes_take(struct oxp_reporter *self, const struct oxp_report *report) {
    struct notes *notes = (struct notes *)self;
    notes_add(notes, "%s", report->type);
    for (size_t i = 0; i < report->count; i++) {
        const struct oxp_pair *pair = &report->pairs[i];
        switch (pair->kind) {
        case OXP_PAIR_TEXT:
            notes_add(notes, " %s=%.*s", pair->key, (int)pair->value.text.len, pair->value.text.ptr);
            break;
        case OXP_PAIR_NUMBER:
            notes_add(notes, " %s=%g", pair->key, pair->value.number);
            break;
        case OXP_PAIR_COUNT:
            notes_add(notes, " %s=%llu", pair->key, (unsigned long long)pair->value.count);
            break;
        case OXP_PAIR_FLAG:
            notes_add(notes, " %s=%s", pair->key, pair->value.flag ? "true" : "false");
            break;
        default:
            break;
        }
    }
    notes_add(notes, ";");
}

static inline void notes_init(struct notes *notes) {
    *notes = (struct notes){.reporter = {notes_take}};
}

#endif
