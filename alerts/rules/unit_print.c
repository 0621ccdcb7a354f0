/* What differs, in promtool's words and layout (cmd/promtool/unittest.go). */
#include "alerts/rules/unit_file.h"

#include "lib/base/number.h"
#include <inttypes.h>
#include <math.h>

#define ALERT_INDENT "            "

/* The decimal exponent of a number that oxp_number_from_double wrote, and its digits without zeros at the ends. */
static size_t take_apart(struct oxp_view text, char digits[OXP_NUMBER_MAX], int *exponent_out) {
    size_t count = 0;
    int exponent = 0, point = -1, zeros = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == 'e') {
            bool minus = text.ptr[i + 1] == '-';
            for (i += 2; i < text.len; i++) {
                exponent = exponent * 10 + (text.ptr[i] - '0');
            }
            exponent = minus ? -exponent : exponent;
        } else if (c == '.') {
            point = (int)count + zeros;
        } else if (c == '0' && count == 0) {
            zeros++; /* in front */
        } else {
            digits[count++] = c;
        }
    }
    exponent += (point < 0 ? (int)count + zeros : point) - zeros - 1;
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    *exponent_out = count == 0 ? 0 : exponent;
    if (count == 0) {
        digits[count++] = '0';
    }
    return count;
}

/* As Go's strconv.FormatFloat(value, 'E', -1, 64): "1.2345E+06". */
static void print_value(struct oxp_buf *out, double value) {
    char text[OXP_NUMBER_MAX], digits[OXP_NUMBER_MAX];
    struct oxp_view view = oxp_view_of(text, oxp_number_from_double(text, fabs(value)));
    int exponent = 0;
    if (!isfinite(value)) {
        oxp_buf_append_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    size_t count = take_apart(view, digits, &exponent);
    oxp_buf_append_text(out, signbit(value) ? "-" : "");
    oxp_buf_append(out, digits, 1);
    oxp_buf_append_text(out, count > 1 ? "." : "");
    oxp_buf_append(out, digits + 1, count - 1);
    oxp_buf_append_format(out, "E%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

void oxp_unit_print_samples(struct oxp_buf *out, const struct oxp_unit_sample *samples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_labels_format(out, samples[i].labels, false);
        oxp_buf_append_char(out, ' ');
        print_value(out, samples[i].value);
    }
    oxp_buf_append_text(out, count == 0 ? "nil" : "");
}

void oxp_unit_print_alerts(struct oxp_buf *out, const struct oxp_unit_alert *alerts, size_t count) {
    oxp_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_format(out, "%s\n" ALERT_INDENT "%zu:\n" ALERT_INDENT "  Labels:", i == 0 ? "" : ",", i);
        oxp_labels_format(out, alerts[i].labels, false);
        oxp_buf_append_text(out, "\n" ALERT_INDENT "  Annotations:");
        oxp_labels_format(out, alerts[i].annotations, false);
    }
    oxp_buf_append_text(out, count == 0 ? "]" : "\n" ALERT_INDENT "]");
}

void oxp_unit_print_time(struct oxp_buf *out, int64_t ms) {
    int64_t size = ms < 0 ? -ms : ms, seconds = size / 1000, rest = size % 1000;
    oxp_buf_append_text(out, ms < 0 ? "-" : "");
    if (seconds == 0 && rest != 0) {
        oxp_buf_append_format(out, "%" PRId64 "ms", rest);
        return;
    }
    if (seconds >= 3600) {
        oxp_buf_append_format(out, "%" PRId64 "h", seconds / 3600);
    }
    if (seconds >= 60) {
        oxp_buf_append_format(out, "%" PRId64 "m", seconds / 60 % 60);
    }
    oxp_buf_append_format(out, "%" PRId64, seconds % 60);
    if (rest != 0) {
        int digits = rest % 100 == 0 ? 1 : rest % 10 == 0 ? 2 : 3;
        static const int64_t scale[] = {0, 100, 10, 1};
        oxp_buf_append_format(out, ".%0*" PRId64, digits, rest / scale[digits]);
    }
    oxp_buf_append_char(out, 's');
}

/* ---- Order ---- */

int oxp_unit_alert_compare(const void *a, const void *b) {
    const struct oxp_unit_alert *first = a, *second = b;
    int order = oxp_labels_compare(first->labels, second->labels);
    return order != 0 ? order : oxp_labels_compare(first->annotations, second->annotations);
}

int oxp_unit_sample_compare(const void *a, const void *b) {
    return oxp_labels_compare(((const struct oxp_unit_sample *)a)->labels, ((const struct oxp_unit_sample *)b)->labels);
}
