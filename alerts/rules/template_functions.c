/* Prometheus' template functions (template/template.go there): queries and their results, links, texts, patterns. */
#include "lib/regex/regex.h"

#include "alerts/rules/template_run.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "alerts/promql/lexer.h"
#include "lib/base/ascii.h"

static bool give_text(struct oxp_tpl_call *call, struct oxp_view text) {
    call->result = oxp_tpl_of_text(text);
    return true;
}

/* ---- Queries ---- */

bool oxp_tplf_query(struct oxp_tpl_call *call) {
    struct oxp_tpl_run *run = call->run;
    const struct oxp_template_sample *samples = NULL;
    struct oxp_error error = {.line = 0};
    size_t count = 0;
    if (run->data->query == NULL) {
        return oxp_tpl_call_fail(call, "there is nothing to query here");
    }
    if (!oxp_tpl_charge(run, OXP_TPL_QUERY_STEPS)) {
        return false;
    }
    enum oxp_status status =
        run->data->query(run->data->ctx, call->args[0].text, run->data->time_ms, &run->arena, &samples, &count, &error);
    if (status == OXP_ERR_NOMEM) {
        return oxp_tpl_run_stop(run, status, "out of memory");
    }
    if (status != OXP_OK) {
        return oxp_tpl_call_fail(call, "%s", error.text);
    }
    const struct oxp_template_sample **pointers =
        oxp_arena_take(&run->arena, (count + 1) * sizeof(const struct oxp_template_sample *));
    if (pointers == NULL) {
        return oxp_tpl_run_starved(run);
    }
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &samples[i];
    }
    call->result = (struct oxp_tpl_value){.type = OXP_TPL_V_RESULT, .result = {pointers, count, count}};
    return oxp_tpl_charge(run, count / 4);
}

bool oxp_tplf_first(struct oxp_tpl_call *call) {
    if (call->args[0].result.count == 0) {
        return oxp_tpl_call_fail(call, "first() called on vector with no elements");
    }
    call->result = oxp_tpl_at(&call->args[0], 0);
    return true;
}

/* What a nil sample gives in Go. */
static bool no_sample(struct oxp_tpl_call *call) {
    return oxp_tpl_call_fail(call, "runtime error: invalid memory address or nil pointer dereference");
}

static bool give_label(struct oxp_tpl_call *call, const struct oxp_template_sample *sample, struct oxp_view name) {
    struct oxp_tpl_value labels;
    if (sample == NULL) {
        return no_sample(call);
    }
    labels = oxp_tpl_of_labels(sample->labels);
    call->result = oxp_tpl_element(&labels, name);
    return true;
}

bool oxp_tplf_label(struct oxp_tpl_call *call) {
    return give_label(call, call->args[1].sample, call->args[0].text);
}

bool oxp_tplf_strvalue(struct oxp_tpl_call *call) {
    return give_label(call, call->args[0].sample, OXP_VIEW("__value__"));
}

bool oxp_tplf_value(struct oxp_tpl_call *call) {
    if (call->args[0].sample == NULL) {
        return no_sample(call);
    }
    call->result = oxp_tpl_of_float(call->args[0].sample->value);
    return true;
}

static struct oxp_view label_of(const struct oxp_template_sample *sample, struct oxp_view name) {
    struct oxp_tpl_value labels = oxp_tpl_of_labels(sample->labels);
    return oxp_tpl_element(&labels, name).text;
}

static bool is_before(struct oxp_view a, struct oxp_view b) {
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.ptr, b.ptr, least);
    return order < 0 || (order == 0 && a.len < b.len);
}

/* One step of a merge sort, from bottom up: two sorted runs of `width` become one. */
static void merge(const struct oxp_template_sample **from, const struct oxp_template_sample **to, size_t count,
                  struct oxp_view name, size_t width) {
    for (size_t start = 0; start < count; start += 2 * width) {
        size_t middle = start + width < count ? start + width : count;
        size_t end = middle + width < count ? middle + width : count, a = start, b = middle;
        for (size_t k = start; k < end; k++) {
            bool second = a == middle || (b < end && is_before(label_of(from[b], name), label_of(from[a], name)));
            to[k] = second ? from[b++] : from[a++];
        }
    }
}

/* Stable, and in place as in Go: every variable that holds the same result sees the new order. */
bool oxp_tplf_sort_by_label(struct oxp_tpl_call *call) {
    struct oxp_tpl_result result = call->args[1].result;
    struct oxp_view name = call->args[0].text;
    size_t bytes = result.count * sizeof(const struct oxp_template_sample *);
    call->result = call->args[1];
    if (result.count < 2) {
        return true;
    }
    const struct oxp_template_sample **other = oxp_arena_take(&call->run->arena, bytes), **from = result.sample;
    if (other == NULL) {
        return oxp_tpl_run_starved(call->run);
    }
    for (size_t width = 1; width < result.count; width *= 2) {
        const struct oxp_template_sample **to = from == result.sample ? other : result.sample;
        if (!oxp_tpl_charge(call->run, result.count)) {
            return false;
        }
        merge(from, to, result.count, name, width);
        from = to;
    }
    if (from != result.sample) {
        memcpy((void *)result.sample, (const void *)from, bytes);
    }
    return true;
}

bool oxp_tplf_args(struct oxp_tpl_call *call) {
    struct oxp_tpl_args *args = oxp_arena_zero(&call->run->arena, 1, sizeof *args);
    struct oxp_tpl_value *values = oxp_arena_zero(&call->run->arena, call->count + 1, sizeof *values);
    if (args == NULL || values == NULL) {
        return oxp_tpl_run_starved(call->run);
    }
    *args = (struct oxp_tpl_args){values, call->count, 1};
    for (size_t i = 0; i < call->count; i++) {
        values[i] = call->args[i];
        if (values[i].type == OXP_TPL_V_ARGS && values[i].args->depth >= args->depth) {
            args->depth = values[i].args->depth + 1;
        }
    }
    if (args->depth > OXP_TPL_ARGS_DEPTH || args->count > OXP_TPL_ARGS_COUNT) {
        return oxp_tpl_run_stop(call->run, OXP_ERR_LIMIT, "too many args");
    }
    call->result = (struct oxp_tpl_value){.type = OXP_TPL_V_ARGS, .args = args};
    return true;
}

/* ---- Time ---- */

bool oxp_tplf_now(struct oxp_tpl_call *call) {
    call->result = oxp_tpl_of_float((double)call->run->data->time_ms / 1000.0);
    return true;
}

bool oxp_tplf_parse_duration(struct oxp_tpl_call *call) {
    struct oxp_view text = call->args[0].text;
    struct oxp_error error = {.line = 0};
    int64_t ms = 0;
    bool minus = text.len != 0 && text.ptr[0] == '-';
    if (oxp_duration_read(minus ? oxp_view_of(text.ptr + 1, text.len - 1) : text, &ms, &error) != OXP_OK) {
        return oxp_tpl_call_fail(call, "%s", error.text);
    }
    call->result = oxp_tpl_of_float((double)(minus ? -ms * 1000000 : ms * 1000000) / 1e9);
    return true;
}

/* ---- Links ---- */

/* Go's url.QueryEscape. */
void oxp_tpl_put_query(struct oxp_buf *out, struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain) {
            oxp_buf_append_char(out, (char)c);
        } else if (c == ' ') {
            oxp_buf_append_char(out, '+');
        } else {
            oxp_buf_append_format(out, "%%%02X", c);
        }
    }
}

static bool give_query(struct oxp_tpl_call *call, const char *before, const char *behind) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_buf_append_text(&text, before);
    oxp_tpl_put_query(&text, call->args[0].text);
    oxp_buf_append_text(&text, behind);
    return oxp_tpl_call_text(call, &text);
}

bool oxp_tplf_graph_link(struct oxp_tpl_call *call) {
    return give_query(call, "/graph?g0.expr=", "&g0.tab=0");
}

bool oxp_tplf_table_link(struct oxp_tpl_call *call) {
    return give_query(call, "/graph?g0.expr=", "&g0.tab=1");
}

bool oxp_tplf_url_query_escape(struct oxp_tpl_call *call) {
    return give_query(call, "", "");
}

bool oxp_tplf_safe_html(struct oxp_tpl_call *call) {
    call->result = call->args[0];
    call->result.type = OXP_TPL_V_HTML;
    return true;
}

bool oxp_tplf_external_url(struct oxp_tpl_call *call) {
    return give_text(call, oxp_view_from(call->run->data->external_url));
}

/* The path of the external URL, unescaped (RFC 3986 section 3.3). */
bool oxp_tplf_path_prefix(struct oxp_tpl_call *call) {
    struct oxp_view url = oxp_view_from(call->run->data->external_url);
    struct oxp_buf text;
    size_t at = 0, end = 0;
    while (end < url.len && url.ptr[end] != '?' && url.ptr[end] != '#') {
        end++;
    }
    const char *scheme = end < 3 ? NULL : memmem(url.ptr, end, "://", 3);
    if (scheme != NULL) {
        at = (size_t)(scheme - url.ptr) + 3;
        while (at < end && url.ptr[at] != '/') {
            at++;
        }
    }
    oxp_tpl_text_init(&text);
    for (; at < end; at++) {
        int high = end - at > 2 ? oxp_hex_digit(url.ptr[at + 1]) : -1,
            low = end - at > 2 ? oxp_hex_digit(url.ptr[at + 2]) : -1;
        if (url.ptr[at] == '%' && high >= 0 && low >= 0) {
            oxp_buf_append_char(&text, (char)(high * 16 + low));
            at += 2;
        } else {
            oxp_buf_append_char(&text, url.ptr[at]);
        }
    }
    return oxp_tpl_call_text(call, &text);
}

/* ---- Case ---- */

static bool give_mapped(struct oxp_tpl_call *call, uint32_t (*map)(uint32_t)) {
    struct oxp_view rest = call->args[0].text;
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    while (rest.len != 0) {
        oxp_tpl_put_rune(&text, map(oxp_tpl_take_rune(&rest)));
    }
    return oxp_tpl_call_text(call, &text);
}

bool oxp_tplf_to_upper(struct oxp_tpl_call *call) {
    return give_mapped(call, oxp_tpl_to_upper);
}

bool oxp_tplf_to_lower(struct oxp_tpl_call *call) {
    return give_mapped(call, oxp_tpl_to_lower);
}

/* Marks that may stand within a word, one at a time (Unicode's MidLetter, MidNumLet and Single_Quote). */
static bool is_mid(uint32_t c) {
    return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
}

/* Upper case at the start of a word: a letter that is two in one has a form of its own for that (ǅ). */
static uint32_t to_title(uint32_t c) {
    bool pair = (c >= 0x1c4 && c <= 0x1cc) || (c >= 0x1f1 && c <= 0x1f3);
    uint32_t first = c >= 0x1f1 ? 0x1f1 : 0x1c4;
    return pair ? c - (c - first) % 3 + 1 : oxp_tpl_to_upper(c);
}

/* The first letter with a case of every word in upper case, the rest as it is (golang.org/x/text/cases, NoLower). A
 * digit or underscore neither begins nor ends a word. */
bool oxp_tplf_title(struct oxp_tpl_call *call) {
    struct oxp_view rest = call->args[0].text;
    struct oxp_buf text;
    bool in_word = false, after_mid = false;
    oxp_tpl_text_init(&text);
    while (rest.len != 0) {
        const char *from = rest.ptr;
        uint32_t c = oxp_tpl_take_rune(&rest);
        bool mid = is_mid(c), joins = c == '_' || (c != 0xfffd && oxp_tpl_is_letter(c));
        bool cased = oxp_tpl_to_upper(c) != c || oxp_tpl_to_lower(c) != c;
        in_word = in_word && (joins || (mid && !after_mid));
        if (cased && !in_word) {
            oxp_tpl_put_rune(&text, to_title(c));
        } else {
            oxp_buf_append(&text, from, (size_t)(rest.ptr - from));
        }
        in_word = in_word || cased;
        after_mid = mid;
    }
    return oxp_tpl_call_text(call, &text);
}

/* ---- Hosts ---- */

/* Go's net.SplitHostPort; false where it fails. */
static bool split_host_port(struct oxp_view text, struct oxp_view *host_out, struct oxp_view *port_out) {
    size_t colon = text.len, host_start = 0, host_end = 0, behind = 0;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return false; /* missing port */
    }
    colon--;
    if (text.ptr[0] == '[') {
        const char *close = memchr(text.ptr, ']', text.len);
        if (close == NULL || (size_t)(close - text.ptr) + 1 != colon) {
            return false;
        }
        host_start = 1;
        host_end = colon - 1;
        behind = colon;
    } else {
        host_end = colon;
        if (memchr(text.ptr, ':', colon) != NULL) {
            return false; /* too many colons */
        }
    }
    for (size_t i = host_start; i < text.len; i++) { /* no brackets but those */
        if ((text.ptr[i] == '[') || (text.ptr[i] == ']' && i >= behind)) {
            return false;
        }
    }
    *host_out = oxp_view_of(text.ptr + host_start, host_end - host_start);
    *port_out = oxp_view_of(text.ptr + colon + 1, text.len - colon - 1);
    return true;
}

bool oxp_tplf_strip_port(struct oxp_tpl_call *call) {
    struct oxp_view host, port;
    return give_text(call, split_host_port(call->args[0].text, &host, &port) ? host : call->args[0].text);
}

static bool is_address(struct oxp_view text) {
    char name[INET6_ADDRSTRLEN + 1];
    unsigned char bytes[16];
    if (text.len >= sizeof name || text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

bool oxp_tplf_strip_domain(struct oxp_tpl_call *call) {
    struct oxp_view whole = call->args[0].text, host = whole, port = {NULL, 0};
    split_host_port(whole, &host, &port);
    if (is_address(host)) {
        return give_text(call, whole);
    }
    const char *dot = host.len == 0 ? NULL : memchr(host.ptr, '.', host.len);
    host.len = dot == NULL ? host.len : (size_t)(dot - host.ptr);
    if (port.len == 0) {
        return give_text(call, host);
    }
    struct oxp_buf text;
    bool brackets = memchr(host.ptr, ':', host.len) != NULL;
    oxp_tpl_text_init(&text);
    oxp_buf_append_text(&text, brackets ? "[" : "");
    oxp_buf_append_view(&text, host);
    oxp_buf_append_text(&text, brackets ? "]:" : ":");
    oxp_buf_append_view(&text, port);
    return oxp_tpl_call_text(call, &text);
}

/* ---- Patterns ---- */

/* `must`: the words of regexp.MustCompile instead of Compile. */
static bool compile(struct oxp_tpl_call *call, struct oxp_regex **regex_out, bool must) {
    struct oxp_error error = {.line = 0};
    struct oxp_buf quoted;
    if (!oxp_tpl_charge(call->run, OXP_TPL_REGEX_STEPS)) {
        return false;
    }
    enum oxp_status status = oxp_regex_new_loose(call->args[0].text, regex_out, &error);
    if (status == OXP_OK) {
        return true;
    }
    if (status == OXP_ERR_NOMEM) {
        return oxp_tpl_run_stop(call->run, status, "out of memory");
    }
    if (!must) {
        return oxp_tpl_call_fail(call, "error parsing regexp: %s", error.text);
    }
    oxp_buf_init(&quoted, 0);
    oxp_tpl_printf(&quoted, call->run, OXP_VIEW("%#q"), call->args, 1);
    oxp_tpl_call_fail(call, "regexp: Compile(%s): error parsing regexp: %s", oxp_tpl_run_text(call->run, &quoted),
                      error.text);
    oxp_buf_fini(&quoted);
    return false;
}

static bool too_slow(struct oxp_tpl_call *call) {
    return oxp_tpl_call_fail(call, "the pattern takes too many steps on this text");
}

bool oxp_tplf_match(struct oxp_tpl_call *call) {
    struct oxp_regex *regex = NULL;
    struct oxp_buf nothing;
    if (!compile(call, &regex, false)) {
        return false;
    }
    oxp_buf_init(&nothing, 0);
    enum oxp_status status = oxp_regex_expand(regex, call->args[1].text, OXP_VIEW(""), &nothing);
    bool limited = oxp_regex_limited(regex) != 0;
    oxp_regex_free(regex);
    oxp_buf_fini(&nothing);
    if (status == OXP_ERR_NOMEM) {
        return oxp_tpl_run_stop(call->run, status, "out of memory");
    }
    call->result = oxp_tpl_of_bool(status == OXP_OK);
    return !limited || too_slow(call);
}

bool oxp_tplf_re_replace_all(struct oxp_tpl_call *call) {
    struct oxp_regex *regex = NULL;
    struct oxp_buf text;
    if (!compile(call, &regex, true)) {
        return false;
    }
    oxp_tpl_text_init(&text);
    enum oxp_status status = oxp_regex_replace_all(regex, call->args[2].text, call->args[1].text, &text);
    bool slow = status == OXP_ERR_LIMIT && oxp_buf_status(&text) == OXP_OK;
    oxp_regex_free(regex);
    if (slow) {
        oxp_buf_fini(&text);
        return too_slow(call);
    }
    oxp_tpl_spoil(&text, status);
    return oxp_tpl_charge(call->run, call->args[2].text.len / OXP_TPL_BYTES_PER_STEP) ? oxp_tpl_call_text(call, &text)
                                                                                      : (oxp_buf_fini(&text), false);
}
