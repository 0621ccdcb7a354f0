#include "exporter/ledger/record.h"

#include "exporter/ledger/state.h"

#define T(tag_, type, member)                                                                                          \
    { (tag_), OXP_SHAPE_TEXT, sizeof((struct type *)0)->member, offsetof(struct type, member), 0 }
#define N(tag_, shape_, type, member)                                                                                  \
    { (tag_), (shape_), 0, offsetof(struct type, member), 0 }
#define P(tag_, type, member, len)                                                                                     \
    { (tag_), OXP_SHAPE_PAIR, OXP_PAIR_SIZE, offsetof(struct type, member), offsetof(struct type, len) }

const struct oxp_record_field oxp_record_identity[] = {
    T(10, oxp_identity, writer),
    T(11, oxp_identity, boot),
    T(12, oxp_identity, version),
    T(13, oxp_identity, environment),
    T(14, oxp_identity, sdk),
    N(15, OXP_SHAPE_DOUBLE, oxp_identity, started_s),
    N(16, OXP_SHAPE_DOUBLE, oxp_identity, last_event_s),
    N(17, OXP_SHAPE_DOUBLE, oxp_identity, gone_s),
    N(18, OXP_SHAPE_WHOLE1, oxp_identity, stopping),
    N(19, OXP_SHAPE_WHOLE1, oxp_identity, dead),
    N(20, OXP_SHAPE_WHOLE1, oxp_identity, alive),
    N(21, OXP_SHAPE_WHOLE1, oxp_identity, announced),
    N(22, OXP_SHAPE_WHOLE8, oxp_identity, last_seq),
    N(23, OXP_SHAPE_WHOLE1, oxp_identity, recovers),
    {0},
};
const struct oxp_record_field oxp_record_session[] = {
    T(10, oxp_session, id),
    T(11, oxp_session, region_text),
    T(12, oxp_session, workflow),
    T(13, oxp_session, trace_id),
    N(14, OXP_SHAPE_DOUBLE, oxp_session, started_s),
    N(15, OXP_SHAPE_DOUBLE, oxp_session, last_s),
    N(16, OXP_SHAPE_DOUBLE, oxp_session, timeout_s),
    N(17, OXP_SHAPE_DOUBLE, oxp_session, disconnected_s),
    N(18, OXP_SHAPE_WHOLE4, oxp_session, state),
    N(19, OXP_SHAPE_WHOLE1, oxp_session, orphaned),
    N(20, OXP_SHAPE_WHOLE1, oxp_session, must_restore),
    N(21, OXP_SHAPE_WHOLE1, oxp_session, keep_alive),
    {0},
};
const struct oxp_record_field oxp_record_pending[] = {
    P(10, oxp_pending, key, key_len),
    N(11, OXP_SHAPE_DOUBLE, oxp_pending, since_s),
    {0},
};
const struct oxp_record_field oxp_record_task[] = {
    T(10, oxp_task, id),
    T(11, oxp_task, workflow),
    T(12, oxp_task, session),
    T(13, oxp_task, trace_id),
    N(14, OXP_SHAPE_WHOLE4, oxp_task, state),
    N(15, OXP_SHAPE_WHOLE4, oxp_task, priority),
    N(16, OXP_SHAPE_WHOLE4, oxp_task, attempt),
    N(17, OXP_SHAPE_DOUBLE, oxp_task, queued_s),
    N(18, OXP_SHAPE_DOUBLE, oxp_task, started_s),
    N(19, OXP_SHAPE_DOUBLE, oxp_task, last_s),
    {0},
};
const struct oxp_record_field oxp_record_run[] = {
    P(10, oxp_run, key, key_len),
    N(11, OXP_SHAPE_DOUBLE, oxp_run, started_s),
    N(12, OXP_SHAPE_DOUBLE, oxp_run, last_s),
    N(13, OXP_SHAPE_WHOLE1, oxp_run, named),
    {0},
};
const struct oxp_record_field oxp_record_breaker[] = {
    T(10, oxp_breaker, name),
    T(11, oxp_breaker, cause),
    N(12, OXP_SHAPE_WHOLE4, oxp_breaker, state),
    N(13, OXP_SHAPE_DOUBLE, oxp_breaker, since_s),
    N(14, OXP_SHAPE_DOUBLE, oxp_breaker, last_s),
    N(15, OXP_SHAPE_DOUBLE, oxp_breaker, open_total_s),
    N(16, OXP_SHAPE_WHOLE8, oxp_breaker, failures),
    {0},
};
const struct oxp_record_field oxp_record_queue[] = {
    N(10, OXP_SHAPE_WHOLE8, oxp_queue, base[0]),
    N(11, OXP_SHAPE_WHOLE8, oxp_queue, base[1]),
    N(12, OXP_SHAPE_WHOLE8, oxp_queue, base[2]),
    N(13, OXP_SHAPE_DOUBLE, oxp_queue, head_s[0]),
    N(14, OXP_SHAPE_DOUBLE, oxp_queue, head_s[1]),
    N(15, OXP_SHAPE_DOUBLE, oxp_queue, head_s[2]),
    {0},
};
const struct oxp_record_field oxp_record_loose[] = {
    N(10, OXP_SHAPE_DOUBLE, oxp_loose, limit_announced),
    N(11, OXP_SHAPE_DOUBLE, oxp_loose, limit_configured),
    N(12, OXP_SHAPE_DOUBLE, oxp_loose, create_limit),
    N(13, OXP_SHAPE_DOUBLE, oxp_loose, checkpoint_s),
    N(14, OXP_SHAPE_DOUBLE, oxp_loose, last_event_s),
    N(15, OXP_SHAPE_WHOLE1, oxp_loose, limit_is_configured),
    N(16, OXP_SHAPE_DOUBLE, oxp_loose, stored),
    N(17, OXP_SHAPE_DOUBLE, oxp_loose, stored_bytes),
    {0},
};
const struct oxp_record_field oxp_record_incident[] = {
    T(10, oxp_incident, id),
    T(11, oxp_incident, code),
    T(12, oxp_incident, category),
    T(13, oxp_incident, component),
    T(14, oxp_incident, task),
    T(15, oxp_incident, session),
    T(16, oxp_incident, workflow),
    T(17, oxp_incident, trace_id),
    T(18, oxp_incident, writer),
    T(19, oxp_incident, boot),
    T(20, oxp_incident, reason),
    N(21, OXP_SHAPE_WHOLE4, oxp_incident, severity),
    N(22, OXP_SHAPE_WHOLE4, oxp_incident, action),
    N(23, OXP_SHAPE_WHOLE4, oxp_incident, automation),
    N(24, OXP_SHAPE_WHOLE4, oxp_incident, levels),
    N(25, OXP_SHAPE_DOUBLE, oxp_incident, opened_s),
    N(26, OXP_SHAPE_DOUBLE, oxp_incident, last_s),
    N(27, OXP_SHAPE_WHOLE1, oxp_incident, derived),
    {0},
};
const struct oxp_record_field oxp_record_degraded[] = {
    T(10, oxp_degraded, name),
    N(11, OXP_SHAPE_DOUBLE, oxp_degraded, since_s),
    {0},
};
