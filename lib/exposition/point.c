#include "lib/exposition/point.h"

#include "lib/base/number.h"
#include <math.h>
#include <stdio.h>

#define FAIL(in, at, ...) oxp_line_fail((in)->reader, (in)->line, (at), __VA_ARGS__)

static bool has(const struct oxp_point *point, enum oxp_sample_role role) {
    return (point->seen & (1U << role)) != 0;
}

/* A number for an error text. */
struct number_text {
    char text[OXP_NUMBER_MAX + 1];
};

static struct number_text show(double value) {
    struct number_text shown = {{0}};
    shown.text[oxp_number_from_double(shown.text, value)] = '\0';
    return shown;
}

/* OpenMetrics "Histogram": a bound that is not NaN, +Inf in this spelling alone, increasing; cumulative values; an
 * exemplar within the bucket. Other spellings of a number than the canonical one must not be rejected. */
static enum oxp_status add_bucket(struct oxp_point *point, const struct oxp_point_sample *in) {
    const struct oxp_read_sample *sample = &in->line->sample;
    double le = 0;
    if (in->special == NULL) {
        return FAIL(in, in->line->brace, "expected a label \"le\" on a bucket");
    }
    struct oxp_view text = in->special->value;
    if (!oxp_exposition_number(text, &le) || isnan(le)) {
        return FAIL(in, in->special->name.ptr, "expected a number in \"le\", and not \"%.*s\"", OXP_SHOW(text));
    }
    if (isinf(le) && le > 0 && !oxp_view_is(text, "+Inf")) {
        return FAIL(in, in->special->name.ptr, "expected le=\"+Inf\", and not \"%.*s\"", OXP_SHOW(text));
    }
    if (has(point, OXP_ROLE_BUCKET) && !(le > point->le)) {
        return FAIL(in, in->special->name.ptr, "expected buckets in increasing order: le %s stands behind %s",
                    show(le).text, show(point->le).text);
    }
    if (has(point, OXP_ROLE_BUCKET) && sample->value < point->bucket) {
        return FAIL(in, in->line->value.ptr, "expected cumulative buckets: %s is less than %s of the bucket before",
                    show(sample->value).text, show(point->bucket).text);
    }
    if (sample->has_exemplar && !(sample->exemplar_value <= le)) {
        return FAIL(in, in->line->exemplar.ptr, "expected an exemplar within its bucket: %s is not <= %s",
                    show(sample->exemplar_value).text, show(le).text);
    }
    point->le = le;
    point->bucket = sample->value;
    point->negative_le = point->negative_le || le < 0;
    return OXP_OK;
}

/* OpenMetrics "Summary": in [0,1], in any order. Text: "must appear in increasing numerical order". */
static enum oxp_status add_quantile(struct oxp_point *point, const struct oxp_point_sample *in) {
    double quantile = 0;
    if (in->special == NULL) {
        return FAIL(in, in->line->brace, "expected a label \"quantile\" on a summary's sample without a suffix");
    }
    struct oxp_view text = in->special->value;
    if (!oxp_exposition_number(text, &quantile) || !(quantile >= 0 && quantile <= 1)) {
        return FAIL(in, in->special->name.ptr, "expected a number from 0 to 1 in \"quantile\", and not \"%.*s\"",
                    OXP_SHOW(text));
    }
    if (in->reader->format == OXP_FORMAT_TEXT && has(point, OXP_ROLE_QUANTILE) && !(quantile > point->quantile)) {
        return FAIL(in, in->special->name.ptr, "expected quantiles in increasing order: %s stands behind %s",
                    show(quantile).text, show(point->quantile).text);
    }
    point->quantile = quantile;
    return OXP_OK;
}

enum oxp_status oxp_point_add(struct oxp_point *point, const struct oxp_point_sample *in) {
    double value = in->line->sample.value;
    const char *fault = oxp_exposition_value_fault(in->reader->format, in->role, value);
    if (fault != NULL) {
        return FAIL(in, in->line->value.ptr, "the value of %.*s %s", OXP_SHOW(in->line->name), fault);
    }
    enum oxp_status status = OXP_OK;
    if (in->role == OXP_ROLE_BUCKET) {
        status = add_bucket(point, in);
    } else if (in->role == OXP_ROLE_QUANTILE) {
        status = add_quantile(point, in);
    } else if (in->role == OXP_ROLE_COUNT) {
        point->count = value;
    } else if (in->role == OXP_ROLE_GSUM) {
        point->negative_gsum = value < 0;
    }
    point->seen |= 1U << in->role;
    return status;
}

static const char *histogram_fault(const struct oxp_point *point, enum oxp_format format) {
    bool has_count = has(point, OXP_ROLE_COUNT);
    bool has_sum = has(point, OXP_ROLE_SUM) || has(point, OXP_ROLE_GSUM);
    if (!has(point, OXP_ROLE_BUCKET) || !isinf(point->le) || point->le < 0) {
        return "expected a bucket with le=\"+Inf\"";
    }
    if (format == OXP_FORMAT_TEXT) {
        /* "Its value must be identical to the value of x_count" */
        return has_count ? NULL : "expected a _count sample beside the buckets";
    }
    if (has_count != has_sum) {
        return has_sum ? "expected a count beside the sum" : "expected a sum beside the count";
    }
    if (has(point, OXP_ROLE_SUM) && point->negative_le) {
        return "expected no _sum in a histogram with negative buckets";
    }
    if (point->negative_gsum && !point->negative_le) {
        return "expected no negative _gsum without negative buckets";
    }
    return NULL;
}

bool oxp_point_fault(const struct oxp_point *point, enum oxp_format format, enum oxp_read_type type, char reason[128]) {
    const char *fault = NULL;
    bool histogram = type == OXP_READ_HISTOGRAM || type == OXP_READ_GAUGE_HISTOGRAM;
    if (histogram) {
        fault = histogram_fault(point, format);
    } else if (type == OXP_READ_COUNTER && format == OXP_FORMAT_OPENMETRICS && !has(point, OXP_ROLE_TOTAL)) {
        fault = "expected a _total sample beside _created";
    }
    if (fault != NULL) {
        snprintf(reason, 128, "%s", fault);
        return true;
    }
    if (histogram && has(point, OXP_ROLE_COUNT) && point->count != point->bucket) {
        snprintf(reason, 128, "expected the count to equal the +Inf bucket: %s is not %s", show(point->count).text,
                 show(point->bucket).text);
        return true;
    }
    return false;
}
