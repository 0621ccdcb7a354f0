#include "alerts/tsdb/points.h"

#include <stdlib.h>

void oxp_points_fini(struct oxp_points *points) {
    free(points->time_ms);
    free(points->value);
    *points = (struct oxp_points){0};
}

enum oxp_status oxp_points_reserve(struct oxp_points *points, size_t count) {
    size_t size = points->size == 0 ? 256 : points->size;
    if (count <= points->size) {
        return OXP_OK;
    }
    while (size < count) {
        if (size > SIZE_MAX / 32) {
            return OXP_ERR_NOMEM;
        }
        size *= 2;
    }
    int64_t *time_ms = realloc(points->time_ms, size * sizeof *time_ms);
    if (time_ms == NULL) {
        return OXP_ERR_NOMEM;
    }
    points->time_ms = time_ms;
    double *value = realloc(points->value, size * sizeof *value);
    if (value == NULL) {
        return OXP_ERR_NOMEM; /* one column is longer now, which does no harm */
    }
    points->value = value;
    points->size = size;
    return OXP_OK;
}

enum oxp_status oxp_points_add(struct oxp_points *points, int64_t time_ms, double value) {
    enum oxp_status status = points->count < points->size ? OXP_OK : oxp_points_reserve(points, points->count + 1);
    if (status == OXP_OK) {
        points->time_ms[points->count] = time_ms;
        points->value[points->count++] = value;
    }
    return status;
}

void oxp_points_cut(struct oxp_points *points, int64_t after_ms, int64_t until_ms) {
    size_t first = 0, count = points->count;
    while (count != 0 && points->time_ms[count - 1] > until_ms) {
        count--;
    }
    for (size_t low = 0, high = count; low < high;) { /* the first one after after_ms */
        size_t middle = low + (high - low) / 2;
        if (points->time_ms[middle] > after_ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
        first = low;
    }
    points->count = count - first;
    if (first != 0 && points->count != 0) {
        memmove(points->time_ms, points->time_ms + first, points->count * sizeof *points->time_ms);
        memmove(points->value, points->value + first, points->count * sizeof *points->value);
    }
}
