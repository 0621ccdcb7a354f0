#include "exporter/provider/request.h"

static const struct {
    const char *before_id, *behind_id; /* around the id; without one, `before_id` is all */
    bool has_id;
    const char *text;
} paths[OXP_PROVIDER_QUESTIONS] = {
    [OXP_ASK_PENDING] = {"/v1/sessions?status=PENDING", "", false, "GET /v1/sessions?status=PENDING"},
    [OXP_ASK_RUNNING] = {"/v1/sessions?status=RUNNING", "", false, "GET /v1/sessions?status=RUNNING"},
    [OXP_ASK_PENDING_OURS] = {"/v1/sessions?status=PENDING", "", false, "GET /v1/sessions?status=PENDING&q="},
    [OXP_ASK_RUNNING_OURS] = {"/v1/sessions?status=RUNNING", "", false, "GET /v1/sessions?status=RUNNING&q="},
    [OXP_ASK_PROJECT] = {"/v1/projects/", "", true, "GET /v1/projects/{id}"},
    [OXP_ASK_PROJECT_USAGE] = {"/v1/projects/", "/usage", true, "GET /v1/projects/{id}/usage"},
    [OXP_ASK_SESSION] = {"/v1/sessions/", "", true, "GET /v1/sessions/{id}"},
    [OXP_ASK_RELEASE] = {"/v1/sessions/", "", true, "POST /v1/sessions/{id}"},
};

/* RFC 3986 section 2.3 without "~": letters, digits, "-", "." and "_". */
static bool is_unreserved(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

bool oxp_provider_id_is_valid(struct oxp_view id) {
    if (id.len == 0 || id.len >= OXP_PROVIDER_ID_SIZE || id.ptr[0] == '-' || id.ptr[0] == '.' || id.ptr[0] == '_') {
        return false; /* so that it is neither "." nor ".." */
    }
    for (size_t i = 0; i < id.len; i++) {
        if (!is_unreserved((unsigned char)id.ptr[i])) {
            return false;
        }
    }
    return true;
}

enum oxp_status oxp_provider_tag_read(struct oxp_view text, struct oxp_provider_tag *tag_out, struct oxp_error *error) {
    *tag_out = (struct oxp_provider_tag){0};
    if (text.len == 0) {
        return OXP_OK;
    }
    if (text.len > OXP_PROVIDER_TAG_MAX) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the tag is longer than %d bytes", OXP_PROVIDER_TAG_MAX);
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\'' || c == '"' || c == '\\') {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "byte %zu of the tag cannot stand in a query", i + 1);
        }
    }
    const char *equals = memchr(text.ptr, '=', text.len);
    if (equals == NULL || equals == text.ptr || equals + 1 == text.ptr + text.len) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the tag is not KEY=VALUE");
    }
    size_t key_len = (size_t)(equals - text.ptr);
    memcpy(tag_out->key, text.ptr, key_len);
    memcpy(tag_out->value, equals + 1, text.len - key_len - 1);
    return OXP_OK;
}

enum oxp_status oxp_provider_key_read(struct oxp_view text, char key_out[OXP_PROVIDER_KEY_SIZE],
                                      struct oxp_error *error) {
    key_out[0] = '\0';
    while (text.len != 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL && text.ptr[text.len - 1] != '\0') {
        text.len--;
    }
    if (text.len == 0) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the key is empty");
    }
    if (text.len >= OXP_PROVIDER_KEY_SIZE) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the key is longer than %d bytes",
                             OXP_PROVIDER_KEY_SIZE - 1);
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the key holds a byte that no key has");
        }
    }
    memcpy(key_out, text.ptr, text.len);
    key_out[text.len] = '\0';
    return OXP_OK;
}

static void append_encoded(struct oxp_buf *out, struct oxp_view text) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(c)) {
            oxp_buf_append_char(out, (char)c);
        } else {
            oxp_buf_append_char(out, '%');
            oxp_buf_append_char(out, digits[c >> 4]);
            oxp_buf_append_char(out, digits[c & 15]);
        }
    }
}

static void append_path(struct oxp_buf *out, struct oxp_view base, const char *path) {
    while (base.len != 0 && base.ptr[base.len - 1] == '/') {
        base.len--;
    }
    oxp_buf_append_view(out, base);
    oxp_buf_append_text(out, path);
}

void oxp_provider_url(struct oxp_buf *out, struct oxp_view base, enum oxp_provider_question question,
                      struct oxp_view id) {
    append_path(out, base, paths[question].before_id);
    if (paths[question].has_id) {
        append_encoded(out, id);
        oxp_buf_append_text(out, paths[question].behind_id);
    }
}

/* The query language of the provider's metadata page: user_metadata['path']:'value'. */
void oxp_provider_url_tagged(struct oxp_buf *out, struct oxp_view base, enum oxp_provider_question question,
                             const struct oxp_provider_tag *tag) {
    append_path(out, base, paths[question].before_id);
    oxp_buf_append_text(out, "&q=");
    append_encoded(out, OXP_VIEW("user_metadata['"));
    append_encoded(out, oxp_view_from(tag->key));
    append_encoded(out, OXP_VIEW("']:'"));
    append_encoded(out, oxp_view_from(tag->value));
    append_encoded(out, OXP_VIEW("'"));
}

const char *oxp_provider_question_text(enum oxp_provider_question question) {
    return paths[question].text;
}

void oxp_provider_release_body(struct oxp_buf *out, struct oxp_view project) {
    oxp_buf_append_char(out, '{');
    if (project.len != 0) {
        oxp_buf_append_text(out, "\"projectId\":");
        oxp_buf_append_json_string(out, project);
        oxp_buf_append_char(out, ',');
    }
    oxp_buf_append_text(out, "\"status\":\"REQUEST_RELEASE\"}");
}
