/* The rule files that a configuration names, read and checked.
 *
 * A path that does not exist is a fault (Prometheus takes it for a pattern that matches nothing); a pattern that
 * matches nothing is said in the log. Without rule_files it is the file that was installed with the sidecar:
 * share/oxpecker/rules/orchestrator.yml beside the program's bin/, else where this build installs it; a program in its
 * build tree takes the one of the source tree. */
#ifndef OXP_APP_RULE_FILES_H
#define OXP_APP_RULE_FILES_H

#include "alerts/rules/file.h"
#include "exporter/config/config.h"
#include "lib/log/log.h"

struct oxp_rule_files {
    struct oxp_rule_file **files; /* owned, as each of them */
    size_t count;
};

/* Reads all of them. A fault in any gives OXP_ERR_INVALID (or the reason why a file could not be read, OXP_ERR_NOMEM);
 * `error` has the first, its text beginning `FILE:LINE:COLUMN: ` where there is a place; the log gets every one, and
 * what is only doubtful. On failure there is nothing to free. Any thread. */
enum oxp_status oxp_rule_files_read(const struct oxp_config *config, struct oxp_log *log,
                                    struct oxp_rule_files *files_out, struct oxp_error *error);
/* The files, too, where nobody took them over. */
void oxp_rule_files_fini(struct oxp_rule_files *files);

#endif
