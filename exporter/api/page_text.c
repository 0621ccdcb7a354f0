#include "exporter/api/page_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
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

/* U+202A to U+202E, U+2066 to U+2069: E2 80 AA to AE, E2 81 A6 to A9. */
static bool is_turn(const char *at, size_t left) {
    if (left < 3 || memcmp(at, "\xE2\x80", 2) < 0 || memcmp(at, "\xE2\x81", 2) > 0) {
        return false;
    }
    unsigned char second = (unsigned char)at[1], third = (unsigned char)at[2];
    return second == 0x80 ? third >= 0xAA && third <= 0xAE : third >= 0xA6 && third <= 0xA9;
}

void oxp_page_escape(struct oxp_buf *page, struct oxp_view text) {
    while (text.len > 0) {
        size_t valid = oxp_utf8_valid_prefix(text);
        for (size_t i = 0; i < valid; i++) {
            if (is_turn(text.ptr + i, valid - i)) {
                oxp_buf_append_text(page, REPLACEMENT);
                i += 2;
            } else {
                escape_char(page, text.ptr[i]);
            }
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

static void isolated(struct oxp_buf *page, struct oxp_view text, size_t most) {
    struct oxp_view cut = oxp_utf8_cut(text, most);
    oxp_buf_append_text(page, "<bdi>");
    oxp_page_escape(page, cut);
    oxp_buf_append_text(page, cut.len < text.len ? "…</bdi>" : "</bdi>");
}

void oxp_page_value(struct oxp_buf *page, struct oxp_view text) {
    isolated(page, text, OXP_PAGE_VALUE);
}

void oxp_page_prose(struct oxp_buf *page, struct oxp_view text) {
    isolated(page, text, OXP_PAGE_PROSE);
}

void oxp_page_name(struct oxp_buf *page, const char *name) {
    oxp_page_value(page, oxp_view_from(name == NULL || name[0] == '\0' ? "–" : name));
}

/* ---- Tables ---- */

void oxp_page_table(struct oxp_buf *page, const char *name, const char *heads) {
    oxp_buf_append_format(page, "<table aria-label=\"%s\"><thead><tr>", name);
    while (*heads != '\0') {
        size_t len = strcspn(heads, "|");
        bool number = *heads == '#';
        oxp_buf_append_text(page, number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
        oxp_buf_append(page, heads + (number ? 1 : 0), len - (number ? 1 : 0));
        oxp_buf_append_text(page, "</th>");
        heads += len + (heads[len] == '|' ? 1 : 0);
    }
    oxp_buf_append_text(page, "</tr></thead><tbody>\n");
}

void oxp_page_pairs(struct oxp_buf *page, const char *name, const char *classes) {
    oxp_buf_append_format(page, "<table aria-label=\"%s\" class=\"%s\"><tbody>\n", name, classes);
}

void oxp_page_table_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</tbody></table>\n");
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

void oxp_page_more(struct oxp_buf *page, size_t all, size_t shown) {
    if (all > shown) {
        oxp_buf_append_format(page, "<p class=\"none\">and %zu more</p>\n", all - shown);
    }
}
