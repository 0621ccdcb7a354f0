#include "exporter/serve/internal.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <strings.h>

enum oxp_method oxp_request_method(const struct oxp_request *request) {
    return request->method;
}

struct oxp_view oxp_request_path(const struct oxp_request *request) {
    return request->path;
}

struct oxp_view oxp_request_body(const struct oxp_request *request) {
    return oxp_buf_view(&request->body);
}

const struct oxp_route *oxp_request_routes(const struct oxp_request *request) {
    return request->routes;
}

/* All values of one header. */
struct gather {
    const char *name;
    const char *first;
    unsigned count;
    struct oxp_buf joined;
};

static enum MHD_Result gather_one(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    struct gather *gather = ctx;
    if (strcasecmp(name, gather->name) != 0) {
        return MHD_YES;
    }
    value = value == NULL ? "" : value;
    if (gather->count++ == 0) {
        gather->first = value;
        return MHD_YES;
    }
    if (gather->count == 2) {
        oxp_buf_append_text(&gather->joined, gather->first);
    }
    oxp_buf_append_text(&gather->joined, ", ");
    oxp_buf_append_text(&gather->joined, value);
    return MHD_YES;
}

const char *oxp_request_header(const struct oxp_request *request, const char *name) {
    struct gather gather = {.name = name};
    oxp_buf_init(&gather.joined, 0);
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, gather_one, &gather);
    if (gather.count < 2) {
        return gather.first;
    }
    /* The joined text lives as long as the request; that is the one thing here that a handler's view of it does not
     * show. */
    struct oxp_request *keeper = (struct oxp_request *)(uintptr_t)request;
    char *text = oxp_buf_take(&gather.joined, NULL);
    if (text == NULL || keeper->joined_count == OXP_SERVE_JOINED_MAX) {
        free(text);
        return gather.first;
    }
    keeper->joined[keeper->joined_count++] = text;
    return text;
}

const char *oxp_request_argument(const struct oxp_request *request, const char *name) {
    const char *value = NULL;
    size_t len = 0;
    if (MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len) !=
        MHD_YES) {
        return NULL;
    }
    return value == NULL ? "" : value;
}

/* The index-th argument of this name in the query. */
struct find_argument {
    const char *name;
    size_t left;
    struct oxp_view value;
    bool found;
};

static enum MHD_Result find_argument(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                     const char *value, size_t value_len) {
    (void)kind;
    struct find_argument *find = ctx;
    if (!oxp_view_is(oxp_view_of(name, name_len), find->name) || find->left-- > 0) {
        return MHD_YES;
    }
    find->value = value == NULL ? OXP_VIEW("") : oxp_view_of(value, value_len);
    find->found = true;
    return MHD_NO;
}

bool oxp_request_field(const struct oxp_request *request, const char *name, size_t index, struct oxp_view *value_out) {
    for (size_t i = 0; i < request->form.count; i++) {
        if (oxp_view_is(request->form.fields[i].name, name) && index-- == 0) {
            *value_out = request->form.fields[i].value;
            return true;
        }
    }
    struct find_argument find = {.name = name, .left = index};
    MHD_get_connection_values_n(request->mhd, MHD_GET_ARGUMENT_KIND, find_argument, &find);
    *value_out = find.value;
    return find.found;
}

const _Atomic bool *oxp_request_gone(const struct oxp_request *request) {
    return request->gone;
}
