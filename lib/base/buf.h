/* The one growing buffer for bytes on their way out.
 *
 * Appends never fail loudly: the first failure (no memory, or the cap reached) sticks, later appends do nothing, and
 * the caller asks once at the end with oxp_buf_status. A buffer is owned by one thread. */
#ifndef OXP_BASE_BUF_H
#define OXP_BASE_BUF_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdarg.h>
#include <stdint.h>

struct oxp_buf {
    char *data; /* owned; not NUL-terminated */
    size_t len;
    size_t size; /* bytes allocated */
    size_t cap;  /* bytes that len may never pass; 0 = none */
    enum oxp_status status;
};

/* An empty buffer; allocates nothing. `cap` 0 means no limit. */
void oxp_buf_init(struct oxp_buf *buf, size_t cap);
/* Frees the bytes; the buffer may be used again as if just initialised with the same cap. */
void oxp_buf_fini(struct oxp_buf *buf);
/* Forgets the bytes and the failure, keeps the memory. */
void oxp_buf_clear(struct oxp_buf *buf);
/* OXP_OK, OXP_ERR_NOMEM or OXP_ERR_LIMIT: the first failure of any append since init or clear. */
enum oxp_status oxp_buf_status(const struct oxp_buf *buf);

void oxp_buf_append(struct oxp_buf *buf, const void *bytes, size_t len);
void oxp_buf_append_view(struct oxp_buf *buf, struct oxp_view view);
void oxp_buf_append_text(struct oxp_buf *buf, const char *text);
void oxp_buf_append_char(struct oxp_buf *buf, char c);
void oxp_buf_append_u64(struct oxp_buf *buf, uint64_t value);
/* Shortest text that reads back as the same double (number.h). */
void oxp_buf_append_double(struct oxp_buf *buf, double value);
void oxp_buf_append_format(struct oxp_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `value` as a JSON string with its quotes (RFC 8259 section 7). `value` must be UTF-8; other bytes become U+FFFD. */
void oxp_buf_append_json_string(struct oxp_buf *buf, struct oxp_view value);
/* `value` as a JSON number, or null when it is not finite. */
void oxp_buf_append_json_double(struct oxp_buf *buf, double value);

/* Room for `len` more bytes, to be filled by the caller, who then calls oxp_buf_commit. NULL on failure (which sticks).
 */
char *oxp_buf_reserve(struct oxp_buf *buf, size_t len);
void oxp_buf_commit(struct oxp_buf *buf, size_t len);

/* A view of what was written; valid until the next append. */
struct oxp_view oxp_buf_view(const struct oxp_buf *buf);
/* The bytes as a NUL-terminated string; "" on failure. Valid until the next append. */
const char *oxp_buf_text(struct oxp_buf *buf);
/* Hands the bytes to the caller (free with free()), NUL-terminated, and empties the buffer. NULL on failure. */
char *oxp_buf_take(struct oxp_buf *buf, size_t *len_out);

#endif
