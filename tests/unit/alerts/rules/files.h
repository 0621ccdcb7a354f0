/* What the tests of rule files share: a file is read, and its faults are kept; a file is a line of text. */
#ifndef TESTS_ALERTS_RULES_FILES_H
#define TESTS_ALERTS_RULES_FILES_H

#include "alerts/rules/file.h"
#include "lib/base/buf.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define RULES "groups:\n- name: g\n  rules:\n" /* rules of one group follow */

struct told {
    unsigned count;
    struct oxp_error errors[16];
};
/* An oxp_rule_fault_fn; ctx is the struct told. */
void on_fault(void *ctx, const struct oxp_error *error);
/* Reads the file rules/x.yml from its text. */
enum oxp_status read_text(const char *text, struct told *told, struct oxp_rule_file **file_out,
                          struct oxp_error *error);
/* The same of a text without a fault; `name` is for the failure. */
struct oxp_rule_file *must_read(const char *name, const char *text);
/* `group[settings]: record name = query {labels}; alert name = query for=ms keep=ms {labels} (annotations)` */
void dump(struct oxp_buf *out, const struct oxp_rule_file *file);

#endif
