#include "examples/orchestrator/workflow.h"

#include <stdio.h>
#include <stdlib.h>

extern const char workflow_text[]; /* workflow.json; CMakeLists.txt makes a C file of it */

static const char *const priorities[PRIORITIES] = {"low", "normal", "high"};

const char *priority_name(enum priority priority) {
    return priorities[priority];
}

static bool fail(const char *where, const char *why) {
    fprintf(stderr, "orchestrator: workflow: %s: %s\n", where, why);
    return false;
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static bool read_step(struct step *step, const json_t *from, const char *task) {
    *step = (struct step){.kind = SH_KINDS + 1, .expect = text_of(from, "expect"), .other = text_of(from, "or")};
    for (unsigned kind = 0; kind <= STEP_PROCESS; kind++) {
        const char *key = kind == STEP_PROCESS ? "process" : sh_kind_name((enum sh_kind)kind);
        if (text_of(from, key) != NULL) {
            step->kind = kind;
            step->text = text_of(from, key);
        }
    }
    step->schema = json_object_get(from, "schema");
    return step->text != NULL || fail(task, "a step needs one of navigate, act, extract, observe, agent, process");
}

static bool read_priority(struct plan *plan, const json_t *from) {
    const char *name = text_of(from, "priority");
    plan->priority = PRIORITY_NORMAL;
    if (name == NULL) {
        return true;
    }
    for (int i = 0; i < PRIORITIES; i++) {
        if (strcmp(name, priorities[i]) == 0) {
            plan->priority = (enum priority)i;
            return true;
        }
    }
    return fail(plan->id, "priority is low, normal or high");
}

/* Names of tasks that stand earlier in the list: so there are no circles. */
static bool read_names(const struct workflow *workflow, size_t before, const json_t *names, size_t **places_out,
                       size_t *count_out, const char *task) {
    size_t i;
    json_t *name;
    *count_out = 0;
    *places_out = calloc(json_array_size(names) + 1, sizeof **places_out);
    json_array_foreach(names, i, name) {
        size_t place = 0;
        while (place < before &&
               (!json_is_string(name) || strcmp(workflow->plans[place].id, json_string_value(name)) != 0)) {
            place++;
        }
        if (place == before || *places_out == NULL) {
            return fail(task, "after and unless name tasks that stand earlier in the list");
        }
        (*places_out)[(*count_out)++] = place;
    }
    return true;
}

static bool read_plan(struct workflow *workflow, size_t at, const json_t *from) {
    struct plan *plan = &workflow->plans[at];
    const json_t *steps = json_object_get(from, "steps");
    plan->id = text_of(from, "id");
    if (plan->id == NULL || plan->id[0] == '\0' || strlen(plan->id) > 64) {
        return fail("tasks", "each needs an id of 1 to 64 bytes");
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(workflow->plans[i].id, plan->id) == 0) {
            return fail(plan->id, "there are two of them");
        }
    }
    plan->deadline_s = json_number_value(json_object_get(from, "deadline_s"));
    plan->steps = calloc(json_array_size(steps) + 1, sizeof *plan->steps);
    plan->step_count = plan->steps == NULL ? 0 : json_array_size(steps);
    if (plan->step_count == 0) {
        return fail(plan->id, "needs steps");
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        if (!read_step(&plan->steps[i], json_array_get(steps, i), plan->id)) {
            return false;
        }
    }
    return read_priority(plan, from) &&
           read_names(workflow, at, json_object_get(from, "after"), &plan->after, &plan->after_count, plan->id) &&
           read_names(workflow, at, json_object_get(from, "unless"), &plan->unless, &plan->unless_count, plan->id);
}

bool workflow_read(struct workflow *workflow, const char *path) {
    json_error_t error;
    *workflow = (struct workflow){.name = NULL};
    workflow->root = path == NULL ? json_loads(workflow_text, 0, &error) : json_load_file(path, 0, &error);
    if (workflow->root == NULL) {
        fprintf(stderr, "orchestrator: %s:%d:%d: %s\n", path == NULL ? "workflow.json" : path, error.line, error.column,
                error.text);
        return false;
    }
    const json_t *tasks = json_object_get(workflow->root, "tasks");
    workflow->name = text_of(workflow->root, "workflow");
    workflow->site = text_of(workflow->root, "site");
    workflow->deadline_s = json_number_value(json_object_get(workflow->root, "deadline_s"));
    if (workflow->name == NULL || json_array_size(tasks) == 0 || json_array_size(tasks) > TASKS_MAX) {
        return fail("file", "needs a name (workflow) and 1 to 1000 tasks");
    }
    workflow->plans = calloc(json_array_size(tasks), sizeof *workflow->plans);
    for (size_t i = 0; workflow->plans != NULL && i < json_array_size(tasks); i++) {
        workflow->count = i + 1;
        if (!read_plan(workflow, i, json_array_get(tasks, i))) {
            return false;
        }
    }
    return workflow->plans != NULL;
}

void workflow_free(struct workflow *workflow) {
    for (size_t i = 0; i < workflow->count; i++) {
        free(workflow->plans[i].steps);
        free(workflow->plans[i].after);
        free(workflow->plans[i].unless);
    }
    free(workflow->plans);
    json_decref(workflow->root);
}
