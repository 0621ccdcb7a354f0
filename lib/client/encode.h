/* A report as the JSON of its event, made on the caller's thread. Pure; any thread.
 *
 * The body is what stands between `{"seq":…,"ts":…,` and `}`: those are put around it when it is written. */
#ifndef OXP_CLIENT_ENCODE_H
#define OXP_CLIENT_ENCODE_H

#include "lib/client/ring.h"
#include <oxpecker/report.h>

#define OXP_CLIENT_LINE_MAX 8192 /* bytes, newline not counted (domain catalogue, section 5) */
/* Left free for what is put around a body: seq, ts, resumed, started_at and state. */
#define OXP_CLIENT_AROUND_MAX 256
#define OXP_CLIENT_BODY_MAX (OXP_CLIENT_LINE_MAX - OXP_CLIENT_AROUND_MAX)
#define OXP_CLIENT_KEY_MAX 200

struct oxp_encoded {
    struct oxp_record head; /* `size` and `ticket` are not set */
    char key[OXP_CLIENT_KEY_MAX];
    char ref[OXP_CLIENT_KEY_MAX];
    struct oxp_view state; /* into the report, or a literal */
    char body[OXP_CLIENT_BODY_MAX];
};

/* Fills `out`. Texts past their limit are cut at a character, secrets hidden, control characters of ids replaced by
 * '_'; negative durations become 0 (a clock that was set back). What does not fit into a line is left out: long texts
 * first, which are cut. False when there is nothing to send: an empty type, or one that is the client's own. */
bool oxp_encode(const struct oxp_report *report, struct oxp_encoded *out);

/* The most bytes that a text field may have; `id_out` says whether control characters are refused in it. For any key
 * (groups: "attrs.x", "labels.x"). */
size_t oxp_encode_limit(struct oxp_view key, bool *id_out);

/* Fills verb, kind, flags, key, ref and state from the report (the rules stand in watch.c). */
void oxp_watch(const struct oxp_report *report, struct oxp_encoded *out);

#endif
