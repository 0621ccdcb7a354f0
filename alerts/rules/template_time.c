/* Times and durations, and their methods: the part of Go's time package that a template can reach through toTime and
 * toDuration. All times are UTC. */
#include "alerts/promql/calls.h"

#include "alerts/rules/template_run.h"
#include <stdio.h>

#define NS_PER_S INT64_C(1000000000)

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

const char *oxp_tpl_month_name(int64_t month) {
    return month >= 1 && month <= 12 ? months[month - 1] : "%!Month(?)";
}

const char *oxp_tpl_weekday_name(int64_t weekday) {
    return weekday >= 0 && weekday <= 6 ? weekdays[weekday] : "%!Weekday(?)";
}

static struct oxp_tpl_time time_add(struct oxp_tpl_time time, int64_t nanoseconds) {
    int64_t rest = nanoseconds % NS_PER_S + time.nanoseconds;
    time.seconds += nanoseconds / NS_PER_S;
    time.seconds += rest < 0 ? -1 : rest >= NS_PER_S;
    time.nanoseconds = (int32_t)(rest < 0 ? rest + NS_PER_S : rest >= NS_PER_S ? rest - NS_PER_S : rest);
    return time;
}

struct oxp_tpl_time oxp_tpl_time_of_ms(int64_t ms) {
    struct oxp_tpl_time time = {ms / 1000, 0};
    return time_add(time, ms % 1000 * 1000000);
}

/* ---- Layouts ---- time.Format: a layout shows how 2006-01-02 15:04:05 would look. */

enum field {
    YEAR,
    YEAR_2,
    MONTH,
    MONTH_3,
    MONTH_2,
    MONTH_1,
    DAY_2,
    DAY_SPACE,
    DAY_1,
    DAY_OF_YEAR,
    DAY_OF_YEAR_SPACE,
    WEEKDAY,
    WEEKDAY_3,
    HOUR,
    HOUR_12_2,
    HOUR_12,
    MINUTE_2,
    MINUTE_1,
    SECOND_2,
    SECOND_1,
    AM_PM,
    AM_PM_SMALL,
    ZONE,
    ZONE_NAME,
};

static const struct {
    const char *text;
    enum field field;
    const char *shown; /* of a time zone: what UTC looks like */
} layouts[] = {
    /* longer ones in front of what they begin with */
    {"2006", YEAR, NULL},         {"January", MONTH, NULL},
    {"Jan", MONTH_3, NULL},       {"Monday", WEEKDAY, NULL},
    {"Mon", WEEKDAY_3, NULL},     {"MST", ZONE_NAME, "UTC"},
    {"002", DAY_OF_YEAR, NULL},   {"01", MONTH_2, NULL},
    {"02", DAY_2, NULL},          {"03", HOUR_12_2, NULL},
    {"04", MINUTE_2, NULL},       {"05", SECOND_2, NULL},
    {"06", YEAR_2, NULL},         {"15", HOUR, NULL},
    {"1", MONTH_1, NULL},         {"__2", DAY_OF_YEAR_SPACE, NULL},
    {"_2", DAY_SPACE, NULL},      {"2", DAY_1, NULL},
    {"3", HOUR_12, NULL},         {"4", MINUTE_1, NULL},
    {"5", SECOND_1, NULL},        {"PM", AM_PM, NULL},
    {"pm", AM_PM_SMALL, NULL},    {"-07:00:00", ZONE, "+00:00:00"},
    {"-070000", ZONE, "+000000"}, {"-07:00", ZONE, "+00:00"},
    {"-0700", ZONE, "+0000"},     {"-07", ZONE, "+00"},
    {"Z07:00:00", ZONE, "Z"},     {"Z070000", ZONE, "Z"},
    {"Z07:00", ZONE, "Z"},        {"Z0700", ZONE, "Z"},
    {"Z07", ZONE, "Z"},
};

static void put_padded(struct oxp_buf *out, int64_t number, int width, char pad) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)(number < 0 ? -number : number));
    oxp_buf_append_text(out, number < 0 ? "-" : "");
    for (; length < width; width--) {
        oxp_buf_append_char(out, pad);
    }
    oxp_buf_append_text(out, digits);
}

static void put_field(struct oxp_buf *out, const struct oxp_civil *at, size_t layout) {
    int hour = at->hour % 12 == 0 ? 12 : at->hour % 12;
    int64_t century_year = at->year < 0 ? 0 : at->year % 100;
    const struct {
        int64_t number;
        int width;
        char pad;
    } numbers[] = {
        [YEAR] = {at->year, 4, '0'},
        [YEAR_2] = {century_year, 2, '0'},
        [MONTH_2] = {at->month, 2, '0'},
        [MONTH_1] = {at->month, 1, ' '},
        [DAY_2] = {at->day, 2, '0'},
        [DAY_SPACE] = {at->day, 2, ' '},
        [DAY_1] = {at->day, 1, ' '},
        [DAY_OF_YEAR] = {at->day_of_year, 3, '0'},
        [DAY_OF_YEAR_SPACE] = {at->day_of_year, 3, ' '},
        [HOUR] = {at->hour, 2, '0'},
        [HOUR_12_2] = {hour, 2, '0'},
        [HOUR_12] = {hour, 1, ' '},
        [MINUTE_2] = {at->minute, 2, '0'},
        [MINUTE_1] = {at->minute, 1, ' '},
        [SECOND_2] = {at->second, 2, '0'},
        [SECOND_1] = {at->second, 1, ' '},
    };
    enum field field = layouts[layout].field;
    switch (field) {
    case MONTH:
    case MONTH_3:
        oxp_buf_append_format(out, "%.*s", field == MONTH ? 9 : 3, oxp_tpl_month_name(at->month));
        break;
    case WEEKDAY:
    case WEEKDAY_3:
        oxp_buf_append_format(out, "%.*s", field == WEEKDAY ? 9 : 3, oxp_tpl_weekday_name(at->weekday));
        break;
    case AM_PM:
        oxp_buf_append_text(out, at->hour >= 12 ? "PM" : "AM");
        break;
    case AM_PM_SMALL:
        oxp_buf_append_text(out, at->hour >= 12 ? "pm" : "am");
        break;
    case ZONE:
    case ZONE_NAME:
        oxp_buf_append_text(out, layouts[layout].shown);
        break;
    default:
        put_padded(out, numbers[field].number, numbers[field].width, numbers[field].pad);
    }
}

/* .000 or ,999: a point and digits, with 9s zeros at the end are dropped. The number of bytes, 0 when it is none. */
static size_t fraction_length(struct oxp_view rest) {
    size_t length = 1;
    if (rest.len < 2 || (rest.ptr[0] != '.' && rest.ptr[0] != ',') || (rest.ptr[1] != '0' && rest.ptr[1] != '9')) {
        return 0;
    }
    while (length < rest.len && rest.ptr[length] == rest.ptr[1]) {
        length++;
    }
    return length < rest.len && rest.ptr[length] >= '0' && rest.ptr[length] <= '9' ? 0 : length;
}

static void put_fraction(struct oxp_buf *out, int32_t nanoseconds, struct oxp_view layout) {
    char digits[16];
    size_t count = layout.len - 1 > 9 ? 9 : layout.len - 1;
    snprintf(digits, sizeof digits, "%09d", (int)nanoseconds);
    while (layout.ptr[1] == '9' && count > 0 && digits[count - 1] == '0') {
        count--;
    }
    if (count > 0) {
        oxp_buf_append_char(out, layout.ptr[0]);
        oxp_buf_append(out, digits, count);
    }
}

static size_t layout_at(struct oxp_view rest) {
    size_t count = sizeof layouts / sizeof layouts[0];
    for (size_t i = 0; i < count; i++) {
        struct oxp_view text = oxp_view_from(layouts[i].text);
        bool word = layouts[i].field == MONTH_3 || layouts[i].field == WEEKDAY_3; /* "Jan" is none in "Janet" */
        bool small = word && rest.len > 3 && rest.ptr[3] >= 'a' && rest.ptr[3] <= 'z';
        bool year = layouts[i].field == DAY_SPACE && oxp_view_starts(rest, OXP_VIEW("_2006")); /* _2006 is _ and 2006 */
        if (oxp_view_starts(rest, text) && !small && !year) {
            return i;
        }
    }
    return count;
}

static void put_layout(struct oxp_buf *out, struct oxp_tpl_time time, struct oxp_view layout) {
    struct oxp_civil at = oxp_civil_of(time.seconds);
    while (layout.len != 0 && oxp_buf_status(out) == OXP_OK) {
        size_t found = layout_at(layout), length = fraction_length(layout);
        if (found < sizeof layouts / sizeof layouts[0]) {
            length = strlen(layouts[found].text);
            put_field(out, &at, found);
        } else if (length != 0) {
            put_fraction(out, time.nanoseconds, oxp_view_of(layout.ptr, length));
        } else {
            length = 1;
            oxp_buf_append_char(out, layout.ptr[0]);
        }
        layout = oxp_view_of(layout.ptr + length, layout.len - length);
    }
}

void oxp_tpl_print_time(struct oxp_buf *out, struct oxp_tpl_time time) {
    put_layout(out, time, OXP_VIEW("2006-01-02 15:04:05.999999999 -0700 MST"));
}

/* ---- Durations ---- */

/* A number of units of 10^zeros with its fraction, without zeros at the end: "1.5". */
static void put_unit(struct oxp_buf *out, uint64_t number, unsigned zeros, const char *unit) {
    char digits[24];
    uint64_t power = 1;
    for (unsigned i = 0; i < zeros; i++) {
        power *= 10;
    }
    oxp_buf_append_u64(out, number / power);
    int count = snprintf(digits, sizeof digits, "%0*llu", (int)zeros, (unsigned long long)(number % power));
    while (count > 0 && digits[count - 1] == '0') {
        count--;
    }
    if (zeros > 0 && count > 0) {
        oxp_buf_append_char(out, '.');
        oxp_buf_append(out, digits, (size_t)count);
    }
    oxp_buf_append_text(out, unit);
}

/* Go's Duration.String: "1h0m0.5s", "1.5ms", "0s". */
void oxp_tpl_print_duration(struct oxp_buf *out, int64_t nanoseconds) {
    uint64_t size = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
    uint64_t seconds = size / (uint64_t)NS_PER_S;
    oxp_buf_append_text(out, nanoseconds < 0 ? "-" : "");
    if (size == 0) {
        oxp_buf_append_text(out, "0s");
    } else if (size < 1000) {
        put_unit(out, size, 0, "ns");
    } else if (size < 1000000) {
        put_unit(out, size, 3, "\xc2\xb5s");
    } else if (size < (uint64_t)NS_PER_S) {
        put_unit(out, size, 6, "ms");
    } else {
        if (seconds >= 3600) {
            oxp_buf_append_format(out, "%lluh", (unsigned long long)(seconds / 3600));
        }
        if (seconds >= 60) {
            oxp_buf_append_format(out, "%llum", (unsigned long long)(seconds / 60 % 60));
        }
        put_unit(out, size - seconds / 60 * 60 * (uint64_t)NS_PER_S, 9, "s");
    }
}

/* ---- Methods ---- */

static bool give_int(struct oxp_tpl_call *call, enum oxp_tpl_type type, int64_t number) {
    call->result = oxp_tpl_of_int(type, number);
    return true;
}

static bool give_time(struct oxp_tpl_call *call, struct oxp_tpl_time time) {
    call->result = (struct oxp_tpl_value){.type = OXP_TPL_V_TIME, .time = time};
    return true;
}

static bool time_format(struct oxp_tpl_call *call) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    put_layout(&text, call->receiver->time, call->args[0].text);
    return oxp_tpl_call_text(call, &text);
}

static bool any_string(struct oxp_tpl_call *call) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_tpl_print(&text, call->run, call->receiver, 1, false);
    return oxp_tpl_call_text(call, &text);
}

static bool time_plus(struct oxp_tpl_call *call) {
    return give_time(call, time_add(call->receiver->time, call->args[0].integer));
}

static bool time_same(struct oxp_tpl_call *call) {
    return give_time(call, call->receiver->time);
}

/* Less than, equal to or greater than 0. */
static int time_compare(struct oxp_tpl_time a, struct oxp_tpl_time b) {
    return a.seconds != b.seconds           ? (a.seconds < b.seconds ? -1 : 1)
           : a.nanoseconds != b.nanoseconds ? (a.nanoseconds < b.nanoseconds ? -1 : 1)
                                            : 0;
}

static bool time_before(struct oxp_tpl_call *call) {
    call->result = oxp_tpl_of_bool(time_compare(call->receiver->time, call->args[0].time) < 0);
    return true;
}
static bool time_after(struct oxp_tpl_call *call) {
    call->result = oxp_tpl_of_bool(time_compare(call->receiver->time, call->args[0].time) > 0);
    return true;
}
static bool time_equal(struct oxp_tpl_call *call) {
    call->result = oxp_tpl_of_bool(time_compare(call->receiver->time, call->args[0].time) == 0);
    return true;
}

static bool time_sub(struct oxp_tpl_call *call) {
    struct oxp_tpl_time a = call->receiver->time, b = call->args[0].time;
    int64_t seconds = a.seconds - b.seconds, result = 0; /* neither is far from 1970 */
    if (__builtin_mul_overflow(seconds, NS_PER_S, &result) ||
        __builtin_add_overflow(result, (int64_t)a.nanoseconds - b.nanoseconds, &result)) {
        result = seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    return give_int(call, OXP_TPL_V_DURATION, result);
}

/* Unix time in a unit of `ns`, rounded down; wraps as Go's does. */
static bool give_unix(struct oxp_tpl_call *call, int64_t ns) {
    struct oxp_tpl_time time = call->receiver->time;
    uint64_t units = (uint64_t)time.seconds * (uint64_t)(NS_PER_S / ns) + (uint64_t)(time.nanoseconds / ns);
    return give_int(call, OXP_TPL_V_INT64, (int64_t)units);
}

static bool time_unix(struct oxp_tpl_call *call) {
    return give_unix(call, NS_PER_S);
}
static bool time_unix_milli(struct oxp_tpl_call *call) {
    return give_unix(call, 1000000);
}
static bool time_unix_micro(struct oxp_tpl_call *call) {
    return give_unix(call, 1000);
}
static bool time_unix_nano(struct oxp_tpl_call *call) {
    return give_unix(call, 1);
}

static struct oxp_civil civil(const struct oxp_tpl_call *call) {
    return oxp_civil_of(call->receiver->time.seconds);
}

static bool time_year(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).year);
}
static bool time_month(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_MONTH, civil(call).month);
}
static bool time_day(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).day);
}
static bool time_hour(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).hour);
}
static bool time_minute(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).minute);
}
static bool time_second(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).second);
}
static bool time_nanosecond(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, call->receiver->time.nanoseconds);
}
static bool time_weekday(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_WEEKDAY, civil(call).weekday);
}
static bool time_year_day(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT, civil(call).day_of_year);
}

/* In units of `unit` nanoseconds, whole units and the rest apart, as Go's methods divide. */
static bool give_units(struct oxp_tpl_call *call, int64_t unit) {
    int64_t whole = call->receiver->integer / unit, rest = call->receiver->integer % unit;
    call->result = oxp_tpl_of_float((double)whole + (double)rest / (double)unit);
    return true;
}

static bool duration_hours(struct oxp_tpl_call *call) {
    return give_units(call, 3600 * NS_PER_S);
}
static bool duration_minutes(struct oxp_tpl_call *call) {
    return give_units(call, 60 * NS_PER_S);
}
static bool duration_seconds(struct oxp_tpl_call *call) {
    return give_units(call, NS_PER_S);
}
static bool duration_milliseconds(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT64, call->receiver->integer / 1000000);
}
static bool duration_microseconds(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT64, call->receiver->integer / 1000);
}
static bool duration_nanoseconds(struct oxp_tpl_call *call) {
    return give_int(call, OXP_TPL_V_INT64, call->receiver->integer);
}
static bool duration_abs(struct oxp_tpl_call *call) {
    int64_t d = call->receiver->integer;
    return give_int(call, OXP_TPL_V_DURATION, d >= 0 ? d : d == INT64_MIN ? INT64_MAX : -d);
}
static bool duration_truncate(struct oxp_tpl_call *call) {
    int64_t d = call->receiver->integer, unit = call->args[0].integer;
    return give_int(call, OXP_TPL_V_DURATION, unit <= 0 ? d : d - d % unit);
}
/* To the nearest multiple, halves away from zero. */
static bool duration_round(struct oxp_tpl_call *call) {
    int64_t d = call->receiver->integer, unit = call->args[0].integer;
    if (unit <= 0) {
        return give_int(call, OXP_TPL_V_DURATION, d);
    }
    int64_t rest = d % unit, result = d - rest;
    uint64_t size = (uint64_t)(rest < 0 ? -rest : rest);
    if (size + size >= (uint64_t)unit && __builtin_add_overflow(result, d < 0 ? -unit : unit, &result)) {
        result = d < 0 ? INT64_MIN : INT64_MAX;
    }
    return give_int(call, OXP_TPL_V_DURATION, result);
}

static const struct {
    enum oxp_tpl_type type;
    struct oxp_tpl_function method;
} methods[] = {
    {OXP_TPL_V_TIME, {"Add", "d", time_plus}},
    {OXP_TPL_V_TIME, {"After", "t", time_after}},
    {OXP_TPL_V_TIME, {"Before", "t", time_before}},
    {OXP_TPL_V_TIME, {"Day", "", time_day}},
    {OXP_TPL_V_TIME, {"Equal", "t", time_equal}},
    {OXP_TPL_V_TIME, {"Format", "s", time_format}},
    {OXP_TPL_V_TIME, {"Hour", "", time_hour}},
    {OXP_TPL_V_TIME, {"Minute", "", time_minute}},
    {OXP_TPL_V_TIME, {"Month", "", time_month}},
    {OXP_TPL_V_TIME, {"Nanosecond", "", time_nanosecond}},
    {OXP_TPL_V_TIME, {"Second", "", time_second}},
    {OXP_TPL_V_TIME, {"String", "", any_string}},
    {OXP_TPL_V_TIME, {"Sub", "t", time_sub}},
    {OXP_TPL_V_TIME, {"UTC", "", time_same}},
    {OXP_TPL_V_TIME, {"Unix", "", time_unix}},
    {OXP_TPL_V_TIME, {"UnixMicro", "", time_unix_micro}},
    {OXP_TPL_V_TIME, {"UnixMilli", "", time_unix_milli}},
    {OXP_TPL_V_TIME, {"UnixNano", "", time_unix_nano}},
    {OXP_TPL_V_TIME, {"Weekday", "", time_weekday}},
    {OXP_TPL_V_TIME, {"Year", "", time_year}},
    {OXP_TPL_V_TIME, {"YearDay", "", time_year_day}},
    {OXP_TPL_V_DURATION, {"Abs", "", duration_abs}},
    {OXP_TPL_V_DURATION, {"Hours", "", duration_hours}},
    {OXP_TPL_V_DURATION, {"Microseconds", "", duration_microseconds}},
    {OXP_TPL_V_DURATION, {"Milliseconds", "", duration_milliseconds}},
    {OXP_TPL_V_DURATION, {"Minutes", "", duration_minutes}},
    {OXP_TPL_V_DURATION, {"Nanoseconds", "", duration_nanoseconds}},
    {OXP_TPL_V_DURATION, {"Round", "d", duration_round}},
    {OXP_TPL_V_DURATION, {"Seconds", "", duration_seconds}},
    {OXP_TPL_V_DURATION, {"String", "", any_string}},
    {OXP_TPL_V_DURATION, {"Truncate", "d", duration_truncate}},
    {OXP_TPL_V_MONTH, {"String", "", any_string}},
    {OXP_TPL_V_WEEKDAY, {"String", "", any_string}},
};

const struct oxp_tpl_function *oxp_tpl_method_find(const struct oxp_tpl_value *value, struct oxp_view name) {
    enum oxp_tpl_type type = oxp_tpl_indirect(value).type;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].type == type && oxp_view_is(name, methods[i].method.name)) {
            return &methods[i].method;
        }
    }
    return NULL;
}
