/* Numbers for people: the humanize family, toTime and toDuration (template/template.go and common/helpers/templates in
 * Prometheus' repositories). */
#include "alerts/rules/template_run.h"
#include <math.h>
#include <stdio.h>

/* ---- Numbers ---- */

/* strconv.ParseFloat, but for hexadecimal ones. */
static bool parse_float(struct oxp_tpl_call *call, struct oxp_view text, double *number_out) {
    enum oxp_status status = oxp_tpl_read_float(text, number_out);
    if (status == OXP_OK) {
        return true;
    }
    struct oxp_buf quoted;
    oxp_buf_init(&quoted, OXP_TEMPLATE_OUTPUT_MAX);
    oxp_tpl_quote(&quoted, text, '"', false);
    oxp_tpl_call_fail(call, "strconv.ParseFloat: parsing %s: %s", oxp_tpl_run_text(call->run, &quoted),
                      status == OXP_ERR_RANGE ? "value out of range" : "invalid syntax");
    oxp_buf_fini(&quoted);
    return false;
}

bool oxp_tpl_to_float(struct oxp_tpl_call *call, const struct oxp_tpl_value *value, double *number_out) {
    switch (value->type) {
    case OXP_TPL_V_FLOAT:
        *number_out = value->number;
        return true;
    case OXP_TPL_V_INT:
    case OXP_TPL_V_INT64:
        *number_out = (double)value->integer;
        return true;
    case OXP_TPL_V_DURATION: {
        int64_t whole_s = value->integer / 1000000000, rest_ns = value->integer % 1000000000;
        *number_out = (double)whole_s + (double)rest_ns / 1e9;
        return true;
    }
    case OXP_TPL_V_STRING:
        return parse_float(call, value->text, number_out);
    default:
        return oxp_tpl_call_fail(call, "can't convert %s to float", oxp_tpl_type_name(value));
    }
}

/* The argument as a number. */
static bool number_of(struct oxp_tpl_call *call, double *number_out) {
    return oxp_tpl_to_float(call, &call->args[0], number_out);
}

/* Four digits and what stands behind them. */
static bool give_four(struct oxp_tpl_call *call, double number, const char *prefix, const char *unit) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_tpl_print_four(&text, number);
    oxp_buf_append_text(&text, prefix);
    oxp_buf_append_text(&text, unit);
    return oxp_tpl_call_text(call, &text);
}

/* ---- Prefixes ---- */

static const char *const big[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const big_1024[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
static const char *const small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};

/* Divides by `base` until the number is below it, or there are no more prefixes. */
static const char *scale_down(double *number, double base, const char *const prefixes[8]) {
    const char *prefix = "";
    for (size_t i = 0; i < 8 && !(fabs(*number) < base); i++) {
        prefix = prefixes[i];
        *number /= base;
    }
    return prefix;
}

static const char *scale_up(double *number) {
    const char *prefix = "";
    for (size_t i = 0; i < 8 && !(fabs(*number) >= 1); i++) {
        prefix = small[i];
        *number *= 1000;
    }
    return prefix;
}

bool oxp_tplf_humanize(struct oxp_tpl_call *call) {
    double number = 0;
    const char *prefix = "";
    if (!number_of(call, &number)) {
        return false;
    }
    if (number != 0 && isfinite(number)) {
        prefix = fabs(number) >= 1 ? scale_down(&number, 1000, big) : scale_up(&number);
    }
    return give_four(call, number, prefix, "");
}

bool oxp_tplf_humanize1024(struct oxp_tpl_call *call) {
    double number = 0;
    const char *prefix = "";
    if (!number_of(call, &number)) {
        return false;
    }
    if (fabs(number) > 1 && isfinite(number)) {
        prefix = scale_down(&number, 1024, big_1024);
    }
    return give_four(call, number, prefix, "");
}

bool oxp_tplf_humanize_percentage(struct oxp_tpl_call *call) {
    double number = 0;
    return number_of(call, &number) && give_four(call, number * 100, "%", "");
}

/* ---- Durations ---- */

/* Go's int64(float): what does not fit is the lowest number (amd64). */
static int64_t to_int64(double number) {
    const double two_63 = 9223372036854775808.0;
    return number >= -two_63 && number < two_63 ? (int64_t)number : INT64_MIN;
}

bool oxp_tplf_humanize_duration(struct oxp_tpl_call *call) {
    double number = 0;
    struct oxp_buf text;
    if (!number_of(call, &number)) {
        return false;
    }
    if (!isfinite(number) || number == 0) {
        return give_four(call, number, "", number == 0 ? "s" : "");
    }
    if (fabs(number) < 1) {
        const char *prefix = scale_up(&number);
        return give_four(call, number, prefix, "s");
    }
    int64_t whole = to_int64(fabs(number));
    long long days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60, seconds = whole % 60;
    oxp_tpl_text_init(&text);
    oxp_buf_append_text(&text, number < 0 ? "-" : "");
    if (days != 0) {
        oxp_buf_append_format(&text, "%lldd %lldh %lldm %llds", days, hours, minutes, seconds);
    } else if (hours != 0) {
        oxp_buf_append_format(&text, "%lldh %lldm %llds", hours, minutes, seconds);
    } else if (minutes != 0) {
        oxp_buf_append_format(&text, "%lldm %llds", minutes, seconds);
    } else {
        oxp_tpl_print_four(&text, fabs(number));
        oxp_buf_append_char(&text, 's');
    }
    return oxp_tpl_call_text(call, &text);
}

bool oxp_tplf_to_duration(struct oxp_tpl_call *call) {
    double number = 0;
    if (!number_of(call, &number)) {
        return false;
    }
    call->result = oxp_tpl_of_int(OXP_TPL_V_DURATION_POINTER, to_int64(number * 1e9));
    return true;
}

/* ---- Times ---- */

static bool to_time(struct oxp_tpl_call *call, double number, struct oxp_tpl_time *time_out) {
    double nanoseconds = number * 1e9;
    if (!isfinite(number)) {
        return oxp_tpl_call_fail(call, "value is NaN or Inf");
    }
    if (nanoseconds > 9223372036854775807.0 || nanoseconds < -9223372036854775808.0) {
        struct oxp_buf text;
        oxp_buf_init(&text, 0);
        oxp_template_print_float(&text, number);
        oxp_tpl_call_fail(call, "%s cannot be represented as a nanoseconds timestamp since it overflows int64",
                          oxp_tpl_run_text(call->run, &text));
        oxp_buf_fini(&text);
        return false;
    }
    *time_out = oxp_tpl_time_of_ms(to_int64(nanoseconds) / 1000000);
    return true;
}

bool oxp_tplf_to_time(struct oxp_tpl_call *call) {
    double number = 0;
    call->result.type = OXP_TPL_V_TIME_POINTER;
    return number_of(call, &number) && to_time(call, number, &call->result.time);
}

bool oxp_tplf_humanize_timestamp(struct oxp_tpl_call *call) {
    double number = 0;
    struct oxp_tpl_time time = {0};
    struct oxp_buf text;
    if (!number_of(call, &number)) {
        return false;
    }
    if (!isfinite(number)) {
        return give_four(call, number, "", "");
    }
    if (!to_time(call, number, &time)) {
        return false;
    }
    oxp_tpl_text_init(&text);
    oxp_tpl_print_time(&text, time);
    return oxp_tpl_call_text(call, &text);
}
