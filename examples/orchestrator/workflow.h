/* A workflow: tasks with priorities, dependencies and deadlines, each a list of steps. Read once from JSON, then only
 * read, by every thread.
 *
 *     {"workflow": "price-watch", "site": "https://shop.example", "deadline_s": 300,
 *      "tasks": [{"id": "search", "priority": "high", "after": ["open"], "unless": ["cached"], "deadline_s": 60,
 *                 "steps": [{"navigate": "https://shop.example/search", "or": "https://mirror.example/search"},
 *                           {"act": "type 'lamp' and press search", "expect": "a list of lamps"},
 *                           {"extract": "names and prices", "schema": {…}},
 *                           {"process": "count"}]}]}
 *
 * `after`: begins when all of these have ended well; is skipped when one has not. `unless`: is cancelled, even while it
 * runs, as soon as one of these has ended well. `or`: another address, when the first is blocked or down. `expect`:
 * what is to be seen after an act or an agent, so that one that was cut off is not done twice. `process`: merge (what
 * the tasks in `after` found) or count. */
#ifndef ORCHESTRATOR_WORKFLOW_H
#define ORCHESTRATOR_WORKFLOW_H

#include "examples/orchestrator/stagehand.h"

enum { TASKS_MAX = 1000, STEP_PROCESS = SH_KINDS };
enum priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITIES };

struct step {
    unsigned kind; /* of enum sh_kind, or STEP_PROCESS */
    const char *text, *expect, *other;
    const json_t *schema; /* NULL = none */
};

struct plan { /* one task */
    const char *id;
    enum priority priority;
    double deadline_s; /* 0 = the configuration's */
    struct step *steps;
    size_t step_count;
    size_t *after, *unless; /* places in the list of tasks */
    size_t after_count, unless_count;
};

struct workflow {
    const char *name, *site;
    double deadline_s; /* 0 = none */
    struct plan *plans;
    size_t count;
    json_t *root; /* owns the texts */
};

const char *priority_name(enum priority priority);
/* Reads `path`, or what is built in when that is NULL. False, with the reason on standard error; free it in any case.
 */
bool workflow_read(struct workflow *workflow, const char *path);
void workflow_free(struct workflow *workflow);

#endif
