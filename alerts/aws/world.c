#include "alerts/aws/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/scrub.h"

#define LOOK_MS 200 /* between two looks whether the world gives up */

struct oxp_view oxp_aws_env(const struct oxp_aws_world *world, const char *name) {
    return oxp_view_from(world->getenv == NULL ? getenv(name) : world->getenv(world->ctx, name));
}

bool oxp_aws_env_is_true(const struct oxp_aws_world *world, const char *name) {
    struct oxp_view value = oxp_aws_env(world, name);
    return oxp_aws_same(value, "true") || oxp_view_is(value, "1");
}

int64_t oxp_aws_now_ms(const struct oxp_aws_world *world) {
    return oxp_clock_wall(world->clock == NULL ? oxp_clock_system() : world->clock).ns / OXP_NS_PER_MS;
}

bool oxp_aws_given_up(const struct oxp_aws_world *world) {
    return world->give_up != NULL && world->give_up(world->give_up_ctx);
}

void oxp_aws_sleep(const struct oxp_aws_world *world, int64_t ms) {
    if (world->sleep != NULL) {
        world->sleep(world->ctx, ms);
        return;
    }
    for (int64_t part; ms > 0 && !oxp_aws_given_up(world); ms -= part) {
        part = ms < LOOK_MS ? ms : LOOK_MS;
        struct timespec left = {.tv_nsec = part * OXP_NS_PER_MS};
        while (nanosleep(&left, &left) != 0) { /* a signal: sleep on */
        }
    }
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct oxp_view oxp_aws_trim(struct oxp_view text) {
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = oxp_view_of(text.ptr + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

char oxp_aws_lower(char c) {
    if (c >= 'A' && c <= 'Z') {
        c = (char)(c | 0x20);
    }
    return c;
}

struct oxp_view oxp_aws_lower_copy(struct oxp_arena *arena, struct oxp_view text) {
    char *out = oxp_arena_take(arena, text.len + 1);
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        out[i] = oxp_aws_lower(text.ptr[i]);
    }
    return oxp_view_of(out, out == NULL ? 0 : text.len);
}

bool oxp_aws_same(struct oxp_view a, const char *b) {
    size_t i = 0;
    while (i < a.len && b[i] != '\0' && oxp_aws_lower(a.ptr[i]) == oxp_aws_lower(b[i])) {
        i++;
    }
    return i == a.len && b[i] == '\0';
}

struct oxp_view oxp_aws_before(struct oxp_view text, char c, struct oxp_view *rest_out) {
    const char *at = text.len == 0 ? NULL : memchr(text.ptr, c, text.len);
    size_t len = at == NULL ? text.len : (size_t)(at - text.ptr);
    if (rest_out != NULL) {
        *rest_out = at == NULL ? oxp_view_of(NULL, 0) : oxp_view_of(at + 1, text.len - len - 1);
    }
    return oxp_view_of(text.ptr, len);
}

bool oxp_aws_is_token(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

const char *oxp_aws_safe(struct oxp_view text, char out[161]) {
    /* Scrubbed before it is cut: the beginning of a key that a cut left would no longer look like one. */
    char whole[2048];
    size_t len = text.len == 0 ? 0 : oxp_scrub(text, whole, sizeof whole);
    len = len > 160 ? 160 : len;
    for (size_t i = 0; i < len; i++) {
        out[i] = whole[i];
        if ((unsigned char)out[i] < ' ' || out[i] == 0x7f) {
            out[i] = ' ';
        }
    }
    while (len > 0 && ((unsigned char)out[len - 1] & 0xc0) == 0x80 && len == 160) {
        len--; /* not in the middle of a character */
    }
    out[len] = '\0';
    return out;
}

static bool is_unreserved(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.' || c == '~';
}

void oxp_aws_escape(struct oxp_buf *out, struct oxp_view text, const char *also) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_unreserved(c) || (c != '\0' && strchr(also, c) != NULL)) {
            oxp_buf_append_char(out, c);
        } else {
            unsigned char byte = (unsigned char)c;
            const char escaped[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            oxp_buf_append(out, escaped, sizeof escaped);
        }
    }
}

/* A form writes a space as + (application/x-www-form-urlencoded). */
static void add_form_text(struct oxp_buf *form, struct oxp_view text) {
    while (text.len > 0) {
        struct oxp_view rest = {NULL, 0};
        struct oxp_view word = oxp_aws_before(text, ' ', &rest);
        oxp_aws_escape(form, word, "");
        oxp_buf_append_text(form, word.len < text.len ? "+" : "");
        text = rest;
    }
}

void oxp_aws_form_add(struct oxp_buf *form, const char *name, struct oxp_view value) {
    if (form->len > 0) {
        oxp_buf_append_char(form, '&');
    }
    add_form_text(form, oxp_view_from(name));
    oxp_buf_append_char(form, '=');
    add_form_text(form, value);
}

const char *oxp_aws_text(struct oxp_arena *arena, struct oxp_view text) {
    return oxp_arena_copy(arena, text).ptr;
}

const char *oxp_aws_format(struct oxp_arena *arena, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = len < 0 ? NULL : oxp_arena_take(arena, (size_t)len + 1);
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    return text;
}
