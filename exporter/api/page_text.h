/* Words and numbers of the first page: everything that is appended to HTML goes through here, and is escaped. */
#ifndef OXP_API_PAGE_TEXT_H
#define OXP_API_PAGE_TEXT_H

#include "lib/base/buf.h"

/* How good something is: the class of its mark. */
enum oxp_page_mood { OXP_PAGE_PLAIN, OXP_PAGE_OK, OXP_PAGE_WARN, OXP_PAGE_BAD };
const char *oxp_page_mood_class(enum oxp_page_mood mood);

/* Appends text for HTML, within an element or a quoted attribute. What is not UTF-8, and control characters, become
 * U+FFFD, and so do the characters that change the direction of what follows (U+202A to U+202E, U+2066 to U+2069). */
void oxp_page_escape(struct oxp_buf *page, struct oxp_view text);
/* The same; an empty text is a dash. */
void oxp_page_word(struct oxp_buf *page, const char *text);

/* Bytes of a text from outside; a longer one is cut and ends in three dots. */
#define OXP_PAGE_VALUE 200
#define OXP_PAGE_PROSE 1000
/* A text from outside, in an element of its own: letters that run from right to left turn nothing but themselves. */
void oxp_page_value(struct oxp_buf *page, struct oxp_view text);
void oxp_page_prose(struct oxp_buf *page, struct oxp_view text);
/* The same as _value; an empty name is a dash. */
void oxp_page_name(struct oxp_buf *page, const char *name);

/* Numbers for people; what is not finite is a dash. */
void oxp_page_count(struct oxp_buf *page, double value);      /* 1,234,567 or 0.5 */
void oxp_page_bytes(struct oxp_buf *page, double bytes);      /* 12.5 MiB */
void oxp_page_duration(struct oxp_buf *page, double seconds); /* 3 h 12 min */
void oxp_page_time(struct oxp_buf *page, double unix_s);      /* 2026-11-22 15:40:00 UTC */

/* A table: `name` is what it is called by a reader that speaks; `heads` are the columns' names, separated by '|', '#'
 * before one: a column of numbers. Pairs: one of two columns without heads. */
void oxp_page_table(struct oxp_buf *page, const char *name, const char *heads);
void oxp_page_pairs(struct oxp_buf *page, const char *name, const char *classes);
void oxp_page_table_end(struct oxp_buf *page);

void oxp_page_pill(struct oxp_buf *page, enum oxp_page_mood mood, const char *text);
/* One bar: parts of a whole in per cent, side by side, each in the next colour. */
void oxp_page_bar(struct oxp_buf *page, const double *parts, size_t count);
/* "and 3 more" below a table that shows fewer than there are; else nothing. */
void oxp_page_more(struct oxp_buf *page, size_t all, size_t shown);

#endif
