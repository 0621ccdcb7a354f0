/* The rules at work: files named by the configuration, evaluated on the sampling thread between its ticks, over what it
 * has sampled; the state of alerts in alerts.saved.
 *
 * With --storage.path the state is handed to the storage thread after each evaluation in which something changed, and
 * replaces the file whole: what ends the sidecar between two evaluations loses nothing, a kill -9 at most the one that
 * is being written. After a restart nothing fires and nothing resolves while what the ledger restored waits for its
 * owner, and until what they then say was sampled. */
#ifndef OXP_APP_RULING_H
#define OXP_APP_RULING_H

#include "alerts/rules/rules.h"
#include "exporter/app/daemon.h"
#include "exporter/app/rule_files.h"

struct oxp_ruling;

/* Reads the rule files; before the server is made, whose views they are. OXP_ERR_NOMEM, or what oxp_rule_files_read
 * says. */
enum oxp_status oxp_ruling_new(struct oxp_daemon *daemon, struct oxp_ruling **ruling_out, struct oxp_error *error);
/* After the sampling thread has ended. NULL is allowed. */
void oxp_ruling_free(struct oxp_ruling *ruling);
/* The server is bound, and its port known: what templates call $externalURL. Before the sampling thread begins. */
enum oxp_status oxp_ruling_bound(struct oxp_ruling *ruling);
/* What is configured as web.external_url, or http with the host's name and the port; free(). NULL without memory. */
char *oxp_ruling_external_url(const struct oxp_daemon *daemon, const struct oxp_config *config);
/* For views, from any thread. */
struct oxp_rules *oxp_ruling_rules(struct oxp_ruling *ruling);
/* Takes over files that were read from the fresh configuration, to be used from the next turn on. Loop thread. */
void oxp_ruling_reload(struct oxp_ruling *ruling, struct oxp_rule_files *files, const struct oxp_config *config);

/* ---- For the sampling thread ---- */

/* What the last run saved; once the short memory has its samples, before the first turn. */
void oxp_ruling_begin(struct oxp_ruling *ruling);
/* A tick is about to be taken. Rules are not evaluated before the first one. */
void oxp_ruling_sampling(struct oxp_ruling *ruling);
/* The clock was set back, and the short memory has forgotten what lies behind it. */
void oxp_ruling_rewind(struct oxp_ruling *ruling);
/* Nanoseconds until the next group is due; INT64_MAX when there is none. */
int64_t oxp_ruling_wait_ns(const struct oxp_ruling *ruling);
/* Takes a reload, evaluates what is due. True when there is something to save. */
bool oxp_ruling_turn(struct oxp_ruling *ruling);

/* ---- For the storage thread, and after both have ended ---- */

/* Writes what the last turn left to be saved, if anything. */
void oxp_ruling_save(struct oxp_ruling *ruling);
/* Saves everything at the end of a run. */
void oxp_ruling_finish(struct oxp_ruling *ruling);

#endif
