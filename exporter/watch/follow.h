/* Follows a log file as `tail -F` does, and hands on its complete lines.
 *
 * It looks at the file at an interval, on a thread of its own: inotify says nothing on NFS, on some overlays and of
 * files that another host writes, and a read of such a file may block, which the loop must not. A look costs one stat
 * and one read when nothing is new. A pipe (standard input, a FIFO) is waited for with poll(2) and read at once.
 *
 * Rules:
 *  1. A line ends with its newline; what stands behind the last one is kept until its newline comes. A CR before it,
 *     NUL bytes in front of it (a truncated file that is not written in append mode has them) and blank lines are left
 *     out. Of a line longer than OXP_FOLLOW_LINE_MAX the beginning is handed on, the rest is skipped: OVERLONG.
 *  2. A file that is there at the beginning (oxp_follow_begin) is read from where it ended then, unless a position or
 *     `from_start` says otherwise; one that appears later from its beginning.
 *  3. Rotation by rename: when the path names another file, that one is opened, and the old one is read until a whole
 *     look found nothing new in it, at most OXP_FOLLOW_LINGER looks, as its writer may not have reopened yet. Then the
 *     new one, from its beginning. While the path names nothing, the old one goes on being read. Two rotations between
 *     two looks lose what was in the file between them: it is never seen under the path.
 *  4. Truncation (copytruncate): when the file is shorter than what was read, or its first bytes have changed, it is
 *     read again from its beginning. Lines that were written between the last look and the truncation are lost, as
 *     with every follower.
 *  5. A line that was begun and will not be ended (3, 4) is dropped: CUT.
 *  6. The position is told at the beginning, all 0 when there is no file, and after the lines before it were handed
 *     on. Given back after a restart (in `resume`) it finds the file again, under its path or, rotated meanwhile, under
 *     another name beside it that begins with the same name; then nothing is lost, and only lines whose position was
 *     not kept in time come again: at least once. After oxp_follower_free the position told last is exact. Without one,
 *     lines written while nobody followed are lost.
 *
 * Position, lines and notices are called on the follower's thread (of oxp_follow_look: the calling one). */
#ifndef OXP_WATCH_FOLLOW_H
#define OXP_WATCH_FOLLOW_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_FOLLOW_LINE_MAX 65536
#define OXP_FOLLOW_HEAD_MAX 256 /* first bytes that tell files apart */
#define OXP_FOLLOW_LINGER 20

/* A place in a file. Inode and head name it; the device, which changes with a mount, only while there is no head. */
struct oxp_follow_position {
    uint64_t device, inode;
    uint64_t offset;   /* behind the last complete line that was handed on */
    uint32_t head_len; /* bytes that head_crc covers, at most OXP_FOLLOW_HEAD_MAX */
    uint32_t head_crc; /* CRC-32C */
};

enum oxp_follow_notice {
    OXP_FOLLOW_OPENED,     /* a file is read: the first one, or the new one after a rotation */
    OXP_FOLLOW_MISSING,    /* the path names nothing; told once until it does */
    OXP_FOLLOW_UNREADABLE, /* it cannot be opened or read (the detail says why); told once until it can */
    OXP_FOLLOW_ROTATED,    /* rule 3: the old file is done with */
    OXP_FOLLOW_TRUNCATED,  /* rule 4 */
    OXP_FOLLOW_OVERLONG,   /* rule 1 */
    OXP_FOLLOW_CUT,        /* rule 5 */
    OXP_FOLLOW_ENDED,      /* standard input ended: nothing more will come */
    OXP_FOLLOW_NOTICES
};

struct oxp_follow_options {
    const char *path;                         /* copied; "-" = standard input; may be a FIFO */
    const struct oxp_follow_position *resume; /* copied; NULL = none (rule 6) */
    bool from_start;                          /* rule 2 */
    /* One line without its newline, 1 to OXP_FOLLOW_LINE_MAX bytes, valid during the call. Not checked for UTF-8. */
    void (*line)(void *ctx, struct oxp_view line);
    void (*moved)(void *ctx, const struct oxp_follow_position *position);          /* NULL = nobody asks; files only */
    void (*noticed)(void *ctx, enum oxp_follow_notice notice, const char *detail); /* NULL = nobody asks */
    void *ctx;
};

/* ---- Without a thread ---- */

struct oxp_follow;

/* Opens nothing yet. OXP_ERR_INVALID for an empty path or a missing `line`, OXP_ERR_NOMEM. */
enum oxp_status oxp_follow_new(const struct oxp_follow_options *options, struct oxp_follow **follow_out);
void oxp_follow_free(struct oxp_follow *follow);
/* Opens the file and tells the position, so that what is written from here on is handed on, by this process or, once
 * the position is kept, by the next one. Reads no line. Done by the first look when nobody did it. */
void oxp_follow_begin(struct oxp_follow *follow);
/* One look: hands on what is new, at most some MiB. OXP_OK when there is nothing more for now (or the file cannot be
 * read, which is noticed), OXP_MORE when it should be called again at once, OXP_END when standard input ended. One
 * thread at a time. */
enum oxp_status oxp_follow_look(struct oxp_follow *follow);
/* The descriptor to wait for with poll(2) when a pipe is followed, else -1. */
int oxp_follow_pipe(const struct oxp_follow *follow);

/* ---- With one ---- */

struct oxp_follower;

/* Starts the thread, which looks at once and then at each interval. What is written after the return is handed on, but
 * for a file system that does not say within a second where the file ends. OXP_ERR_INVALID also for an interval that is
 * not above 0 or above an hour, OXP_ERR_LIMIT when there is no descriptor left, OXP_ERR_NOMEM. */
enum oxp_status oxp_follower_new(const struct oxp_follow_options *options, int64_t interval_ms,
                                 struct oxp_follower **follower_out);
/* Stops after the look that is under way (at most some MiB) and frees; NULL is allowed. */
void oxp_follower_free(struct oxp_follower *follower);

/* ---- Positions on disk ---- */

/* Writes a position to a small file, by rename, unsynced: a kill loses nothing, a power cut perhaps the file. What the
 * system said on failure. Any thread. */
enum oxp_status oxp_follow_position_save(const char *path, const struct oxp_follow_position *position);
/* OXP_ERR_NOT_FOUND when there is none, OXP_ERR_CORRUPT when it is torn or not one. */
enum oxp_status oxp_follow_position_load(const char *path, struct oxp_follow_position *position_out);

#endif
