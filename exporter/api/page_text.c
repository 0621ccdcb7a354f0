#include "exporter/api/page_text.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "lib/base/number.h"
#include "lib/base/utf8.h"

static const char *const moods[] = {"", "ok", "warn", "bad"};

const char *oxp_page_mood_class(enum oxp_page_mood mood) {
    return moods[mood];
}

/* ---- Text ---- */

#define REPLACEMENT "\xEF\xBF\xBD"

static void escape_char(struct oxp_buf *page, char c) {
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (c == entities[i].c) {
            oxp_buf_append_text(page, entities[i].entity);
            return;
        }
    }
    if ((unsigned char)c < ' ' || c == 0x7F) {
        oxp_buf_append_text(page, c == '\n' || c == '\t' ? " " : REPLACEMENT);
    } else {
        oxp_buf_append_char(page, c);
    }
}

void oxp_page_escape(struct oxp_buf *page, struct oxp_view text) {
    while (text.len > 0) {
        size_t valid = oxp_utf8_valid_prefix(text);
        for (size_t i = 0; i < valid; i++) {
            escape_char(page, text.ptr[i]);
        }
        if (valid < text.len) {
            oxp_buf_append_text(page, REPLACEMENT);
            valid++;
        }
        text = oxp_view_of(text.ptr + valid, text.len - valid);
    }
}

void oxp_page_word(struct oxp_buf *page, const char *text) {
    oxp_page_escape(page, oxp_view_from(text == NULL || text[0] == '\0' ? "–" : text));
}

/* ---- Numbers ---- */

static void append_grouped(struct oxp_buf *page, uint64_t value) {
    char digits[OXP_NUMBER_MAX];
    size_t len = oxp_number_from_u64(digits, value);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            oxp_buf_append_char(page, ',');
        }
        oxp_buf_append_char(page, digits[i]);
    }
}

/* With one digit behind the point, where it is not 0. */
static void append_short(struct oxp_buf *page, double value) {
    oxp_buf_append_double(page, round(value * 10) / 10);
}

void oxp_page_count(struct oxp_buf *page, double value) {
    if (!isfinite(value)) {
        oxp_buf_append_text(page, "–");
    } else if (value >= 0 && value < 1e15 && (value >= 100 || floor(value) == value)) {
        append_grouped(page, (uint64_t)(value + 0.5));
    } else {
        append_short(page, value);
    }
}

void oxp_page_bytes(struct oxp_buf *page, double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    if (!isfinite(bytes)) {
        oxp_buf_append_text(page, "–");
        return;
    }
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    append_short(page, bytes);
    oxp_buf_append_format(page, " %s", units[unit]);
}

void oxp_page_duration(struct oxp_buf *page, double seconds) {
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    enum { UNITS = sizeof units / sizeof units[0] };
    if (!isfinite(seconds)) {
        oxp_buf_append_text(page, "–");
        return;
    }
    double left = seconds < 0 ? 0 : floor(seconds);
    size_t i = 0;
    while (i + 1 < UNITS && left < units[i].seconds) {
        i++;
    }
    double first = floor(left / units[i].seconds);
    oxp_page_count(page, first);
    oxp_buf_append_format(page, " %s", units[i].name);
    left -= first * units[i].seconds;
    if (i + 1 < UNITS && left >= units[i + 1].seconds && first < 10) {
        oxp_buf_append_format(page, " %u %s", (unsigned)(left / units[i + 1].seconds), units[i + 1].name);
    }
}

void oxp_page_time(struct oxp_buf *page, double unix_s) {
    char text[40] = "–";
    struct tm parts;
    time_t whole = isfinite(unix_s) && unix_s > 0 && unix_s < 1e11 ? (time_t)unix_s : 0;
    if (whole > 0 && gmtime_r(&whole, &parts) != NULL) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    }
    oxp_buf_append_text(page, text);
}

/* ---- Marks ---- */

void oxp_page_pill(struct oxp_buf *page, enum oxp_page_mood mood, const char *text) {
    oxp_buf_append_format(page, "<span class=\"pill %s\">", moods[mood]);
    oxp_page_word(page, text);
    oxp_buf_append_text(page, "</span>");
}

void oxp_page_bar(struct oxp_buf *page, const double *parts, size_t count) {
    double x = 0;
    oxp_buf_append_text(page,
                        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for (size_t i = 0; i < count; i++) {
        double width = parts[i] > 0 ? parts[i] : 0;
        width = x + width > 100 ? 100 - x : width;
        if (width > 0) {
            oxp_buf_append_format(page, "<rect class=\"s%u\" height=\"8\" x=\"", (unsigned)(i % 4));
            append_short(page, x);
            oxp_buf_append_text(page, "\" width=\"");
            append_short(page, width);
            oxp_buf_append_text(page, "\"/>");
            x += width;
        }
    }
    oxp_buf_append_text(page, "</svg>");
}
