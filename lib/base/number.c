#include "lib/base/number.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
size_t oxp_number_from_double(char out[OXP_NUMBER_MAX], double v) {
    char b[64];
    int n;
    if (isnan(v))
        n = snprintf(b, 64, "NaN");
    else if (isinf(v))
        n = snprintf(b, 64, v > 0 ? "+Inf" : "-Inf");
    else if (v == floor(v) && fabs(v) < 1e15)
        n = snprintf(b, 64, "%.0f", v);
    else
        n = snprintf(b, 64, "%.17g", v);
    memcpy(out, b, (size_t)n);
    return (size_t)n;
}
size_t oxp_number_from_double_canonical(char out[OXP_NUMBER_MAX], double v) {
    size_t n = oxp_number_from_double(out, v);
    if (v == floor(v) && fabs(v) < 1e15) {
        out[n++] = '.';
        out[n++] = '0';
    }
    return n;
}
size_t oxp_number_from_u64(char out[OXP_NUMBER_MAX], uint64_t v) {
    char b[64];
    int n = snprintf(b, 64, "%llu", (unsigned long long)v);
    memcpy(out, b, (size_t)n);
    return (size_t)n;
}
size_t oxp_number_from_i64(char out[OXP_NUMBER_MAX], int64_t v) {
    char b[64];
    int n = snprintf(b, 64, "%lld", (long long)v);
    memcpy(out, b, (size_t)n);
    return (size_t)n;
}
static enum oxp_status parse(struct oxp_view t, double *o) {
    char b[128];
    char *e;
    if (t.len == 0 || t.len >= sizeof b)
        return OXP_ERR_SYNTAX;
    memcpy(b, t.ptr, t.len);
    b[t.len] = 0;
    *o = strtod(b, &e);
    return *e ? OXP_ERR_SYNTAX : OXP_OK;
}
enum oxp_status oxp_number_parse_json(struct oxp_view t, double *o) {
    return parse(t, o);
}
enum oxp_status oxp_number_parse_exposition(struct oxp_view t, double *o) {
    return parse(t, o);
}
enum oxp_status oxp_number_parse_u64(struct oxp_view t, uint64_t *o) {
    double d;
    enum oxp_status s = parse(t, &d);
    *o = (uint64_t)d;
    return s;
}
