/* The first override: what the provider says of the session, when the link to it was lost (domain catalogue, sections
 * 1.1, 1.4 and 3). Only codes that can be a lost link are overridden. The first rule that fits decides:
 *
 *  1. The session ended, nobody ever connected, and it was about five minutes old: bb_connect_window_missed.
 *  2. Status TIMED_OUT: bb_session_timed_out.
 *  3. Status ERROR: bb_session_error.
 *  4. The last CDP command was 600 s ago or more: cdp_idle_closed. It stands before 5, because what an idle connection
 *     takes with it when keepAlive is off is COMPLETED.
 *  5. Status COMPLETED, with tasks running or an operation under way: bb_session_ended_early.
 *  6. RUNNING, PENDING, another word, or nothing said: the code stays. A running session is connected to again. */
#include "lib/resilience/evidence.h"

#define CONNECT_WINDOW_MIN_S 240.0 /* five minutes, give or take one */
#define CONNECT_WINDOW_MAX_S 360.0
#define IDLE_CLOSE_S 600.0

enum { COMPLETED = 1, ERROR = 2, TIMED_OUT = 4, ENDED = COMPLETED | ERROR | TIMED_OUT };

static unsigned read_status(struct oxp_view text) {
    static const struct {
        const char *word;
        unsigned status;
    } words[] = {{"completed", COMPLETED}, {"error", ERROR}, {"timed_out", TIMED_OUT}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (oxp_fold_compare(text, words[i].word) == 0) {
            return words[i].status;
        }
    }
    return 0;
}

static bool link_was_lost(enum oxp_code_id code, const struct oxp_case *c) {
    static const enum oxp_code_id lost[] = {OXP_CODE_cdp_closed, OXP_CODE_cdp_handshake, OXP_CODE_net_reset,
                                            OXP_CODE_sh_closed,  OXP_CODE_unknown,       OXP_CODE_sh_unresponsive};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        if (code == lost[i]) {
            return true;
        }
    }
    /* a connection that the provider refused, because there is nothing left to connect to */
    return c->call == OXP_CALL_CONNECT && (code == OXP_CODE_bb_not_found || code == OXP_CODE_net_timeout);
}

enum oxp_code_id oxp_code_of_session(enum oxp_code_id code, const struct oxp_evidence *evidence,
                                     const struct oxp_case *c) {
    if (!link_was_lost(code, c)) {
        return code;
    }
    unsigned status = read_status(evidence->session_status);
    double age_s = evidence->session_age_s;
    if ((status & ENDED) != 0 && evidence->never_connected && age_s >= CONNECT_WINDOW_MIN_S &&
        age_s <= CONNECT_WINDOW_MAX_S) {
        return OXP_CODE_bb_connect_window_missed;
    }
    if (status == TIMED_OUT) {
        return OXP_CODE_bb_session_timed_out;
    }
    if (status == ERROR) {
        return OXP_CODE_bb_session_error;
    }
    if (evidence->last_command_age_s >= IDLE_CLOSE_S && code != OXP_CODE_unknown) {
        return OXP_CODE_cdp_idle_closed;
    }
    if (status == COMPLETED && (evidence->tasks_running || c->call != OXP_CALL_NONE)) {
        return OXP_CODE_bb_session_ended_early;
    }
    return code;
}
