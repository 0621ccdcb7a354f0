#include <math.h>

#include "lib/checkpoint/manager.h"

static const char *code_of(const struct oxp_outcome *outcome) {
    if (outcome->status == OXP_OK) {
        return NULL;
    }
    if (strcmp(outcome->op, "saved") == 0) {
        return outcome->status == OXP_ERR_FULL ? "sys_disk_full" : "ckpt_write";
    }
    return outcome->status == OXP_ERR_CORRUPT ? "ckpt_corrupt" : NULL;
}

void oxp_report_outcome(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                        struct oxp_view task, const struct oxp_outcome *outcome) {
    struct oxp_ids ids = {.task = task};
    if (checkpoint != NULL) {
        ids = (struct oxp_ids){.workflow = checkpoint->workflow,
                               .run = checkpoint->run,
                               .session = checkpoint->session,
                               .task = checkpoint->task};
    }
    struct oxp_pair none = {"bytes", OXP_PAIR_NONE, {{NULL, 0}}};
    const struct oxp_pair pairs[] = {
        oxp_pair_text("op", oxp_view_from(outcome->op)),
        outcome->outcome == NULL ? oxp_pair_flag("ok", outcome->status == OXP_OK)
                                 : oxp_pair_text("outcome", oxp_view_from(outcome->outcome)),
        oxp_pair_number("overhead_s", outcome->overhead_s),
        oxp_pair_number("write_s", outcome->write_s),
        outcome->bytes > 0 ? oxp_pair_count("bytes", outcome->bytes) : none,
        oxp_pair_text("reason", oxp_view_from(outcome->reason)),
        oxp_pair_text("code", oxp_view_from(code_of(outcome))),
        oxp_pair_count("stored", atomic_load(&checkpoints->stored)),
        oxp_pair_count("stored_bytes", atomic_load(&checkpoints->stored_bytes)),
        oxp_pair_count("backlog", atomic_load(&checkpoints->backlog)),
    };
    oxp_report(checkpoints->options.reporter, "checkpoint", &ids, pairs, sizeof pairs / sizeof pairs[0]);
}
