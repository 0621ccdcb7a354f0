/* Go's own template functions (text/template/funcs.go): logic, comparison, indexing, printing, escaping. */
#include "alerts/rules/template_run.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- The table ---- */

static const struct oxp_tpl_function functions[] = {
#define OXP_TPL_FUNCTION(name, id, params) {name, params, oxp_tplf_##id},
#include "alerts/rules/template_functions.def"
#undef OXP_TPL_FUNCTION
};

const struct oxp_tpl_function *oxp_tpl_function_find(struct oxp_view name) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (oxp_view_is(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}

bool oxp_tpl_function_is_and(const struct oxp_tpl_function *function) {
    return function->call == oxp_tplf_and;
}

bool oxp_tpl_function_is_or(const struct oxp_tpl_function *function) {
    return function->call == oxp_tplf_or;
}

/* ---- What functions share ---- */

bool oxp_tpl_call_fail(struct oxp_tpl_call *call, const char *format, ...) {
    struct oxp_buf *out = &call->run->reason;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    oxp_buf_clear(out);
    char *room = length < 0 ? NULL : oxp_buf_reserve(out, (size_t)length + 1);
    if (room == NULL) {
        return oxp_tpl_run_stop(call->run, OXP_ERR_NOMEM, "out of memory");
    }
    va_start(args, format);
    vsnprintf(room, (size_t)length + 1, format, args);
    va_end(args);
    oxp_buf_commit(out, (size_t)length);
    return false;
}

void oxp_tpl_text_init(struct oxp_buf *buf) {
    oxp_buf_init(buf, OXP_TEMPLATE_OUTPUT_MAX);
}

bool oxp_tpl_call_text(struct oxp_tpl_call *call, struct oxp_buf *buf) {
    struct oxp_tpl_run *run = call->run;
    enum oxp_status status = oxp_buf_status(buf);
    struct oxp_view kept = oxp_view_of(NULL, 0);
    if (status != OXP_OK) {
        oxp_tpl_run_stop(run, status, status == OXP_ERR_LIMIT ? "a text in the template is too long" : "out of memory");
    } else if (oxp_tpl_charge(run, buf->len / OXP_TPL_BYTES_PER_STEP)) {
        kept = oxp_arena_copy(&run->arena, oxp_buf_view(buf));
        if (kept.ptr == NULL) {
            oxp_tpl_run_starved(run);
        }
    }
    oxp_buf_fini(buf);
    call->result = oxp_tpl_of_text(kept);
    return kept.ptr != NULL;
}

static bool give(struct oxp_tpl_call *call, bool truth) {
    call->result = oxp_tpl_of_bool(truth);
    return true;
}

/* ---- Logic ---- */

bool oxp_tplf_and(struct oxp_tpl_call *call) { /* evaluated lazily in template_eval.c */
    return give(call, false);
}

bool oxp_tplf_or(struct oxp_tpl_call *call) {
    return give(call, false);
}

bool oxp_tplf_not(struct oxp_tpl_call *call) {
    return give(call, !oxp_tpl_truth(&call->args[0]));
}

/* ---- Comparison ---- */

enum order { LESS = -1, SAME = 0, MORE = 1, APART = 2 /* a NaN is in it */ };

static bool is_basic(const struct oxp_tpl_value *value) {
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(value);
    return kind == OXP_TPL_K_BOOL || kind == OXP_TPL_K_INT || kind == OXP_TPL_K_UINT || kind == OXP_TPL_K_FLOAT ||
           kind == OXP_TPL_K_STRING;
}

static bool is_integer(const struct oxp_tpl_value *value) {
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(value);
    return kind == OXP_TPL_K_INT || kind == OXP_TPL_K_UINT;
}

static enum order order_views(struct oxp_view a, struct oxp_view b) {
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.ptr, b.ptr, least);
    if (order == 0) {
        return a.len < b.len ? LESS : a.len > b.len ? MORE : SAME;
    }
    return order < 0 ? LESS : MORE;
}

/* Two values of one kind (integers of either are one kind here). */
static enum order order_basic(const struct oxp_tpl_value *a, const struct oxp_tpl_value *b) {
    switch (oxp_tpl_kind_of(a)) {
    case OXP_TPL_K_BOOL:
        return a->truth == b->truth ? SAME : APART;
    case OXP_TPL_K_FLOAT:
        return a->number < b->number ? LESS : a->number > b->number ? MORE : a->number == b->number ? SAME : APART;
    case OXP_TPL_K_STRING:
        return order_views(a->text, b->text);
    default:
        return a->integer < b->integer ? LESS : a->integer > b->integer ? MORE : SAME;
    }
}

static bool incompatible(struct oxp_tpl_call *call, const struct oxp_tpl_value *a, const struct oxp_tpl_value *b) {
    return oxp_tpl_call_fail(call, "incompatible types for comparison: %s and %s", oxp_tpl_type_name(a),
                             oxp_tpl_type_name(b));
}

static bool same_kind(const struct oxp_tpl_value *a, const struct oxp_tpl_value *b) {
    return oxp_tpl_kind_of(a) == oxp_tpl_kind_of(b) || (is_integer(a) && is_integer(b));
}

static bool is_nil(const struct oxp_tpl_value *value) {
    return value->type == OXP_TPL_V_NONE || (value->type == OXP_TPL_V_SAMPLE_POINTER && value->sample == NULL) ||
           (value->type == OXP_TPL_V_RESULT && value->result.sample == NULL);
}

/* Of values that are not basic: nil with anything, pointers and structs with their like. */
static bool equal_others(struct oxp_tpl_call *call, const struct oxp_tpl_value *a, const struct oxp_tpl_value *b,
                         bool *equal_out) {
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(a), other = oxp_tpl_kind_of(b);
    struct oxp_buf text;
    if (kind == other || kind == OXP_TPL_K_INVALID || other == OXP_TPL_K_INVALID) {
        if (is_nil(a) || is_nil(b)) {
            *equal_out = is_nil(a) == is_nil(b);
            return true;
        }
        if (kind == OXP_TPL_K_POINTER) {
            *equal_out = a->type == b->type && a->type == OXP_TPL_V_SAMPLE_POINTER && a->sample == b->sample;
            return true;
        }
        if (a->type == OXP_TPL_V_TIME && b->type == OXP_TPL_V_TIME) {
            *equal_out = a->time.seconds == b->time.seconds && a->time.nanoseconds == b->time.nanoseconds;
            return true;
        }
    }
    oxp_buf_init(&text, OXP_TEMPLATE_OUTPUT_MAX);
    oxp_tpl_printf(&text, call->run, OXP_VIEW("%s"), a, 1);
    if (kind != other) {
        oxp_buf_append_format(&text, ": %s, %s: ", oxp_tpl_type_name(a), oxp_tpl_type_name(b));
        oxp_tpl_print_found(&text, call->run, b);
    } else {
        oxp_buf_append_format(&text, ": %s", oxp_tpl_type_name(b));
    }
    oxp_tpl_call_fail(call, "non-comparable type%s %s", kind == other ? "" : "s", oxp_tpl_run_text(call->run, &text));
    oxp_buf_fini(&text);
    return false;
}

static bool equal(struct oxp_tpl_call *call, const struct oxp_tpl_value *a, const struct oxp_tpl_value *b,
                  bool *equal_out) {
    bool basic = is_basic(a), other = is_basic(b);
    if (basic && other && same_kind(a, b)) {
        *equal_out = order_basic(a, b) == SAME;
        return true;
    }
    if (basic || other) {
        *equal_out = false;
        return a->type == OXP_TPL_V_NONE || b->type == OXP_TPL_V_NONE || incompatible(call, a, b);
    }
    return equal_others(call, a, b, equal_out);
}

bool oxp_tplf_eq(struct oxp_tpl_call *call) {
    bool found = false;
    if (call->count < 2) {
        return oxp_tpl_call_fail(call, "missing argument for comparison");
    }
    for (size_t i = 1; i < call->count && !found; i++) {
        if (!equal(call, &call->args[0], &call->args[i], &found)) {
            return false;
        }
    }
    return give(call, found);
}

bool oxp_tplf_ne(struct oxp_tpl_call *call) {
    bool found = false;
    return equal(call, &call->args[0], &call->args[1], &found) && give(call, !found);
}

/* The order of two arguments; false: they have none. */
static bool order(struct oxp_tpl_call *call, enum order *order_out) {
    const struct oxp_tpl_value *a = &call->args[0], *b = &call->args[1];
    if (!is_basic(a) || !is_basic(b)) {
        return oxp_tpl_call_fail(call, "invalid type for comparison");
    }
    if (!same_kind(a, b)) {
        return incompatible(call, a, b);
    }
    if (a->type == OXP_TPL_V_BOOL) {
        return oxp_tpl_call_fail(call, "invalid type for comparison");
    }
    *order_out = order_basic(a, b);
    return true;
}

bool oxp_tplf_lt(struct oxp_tpl_call *call) {
    enum order found = SAME;
    return order(call, &found) && give(call, found == LESS);
}

bool oxp_tplf_le(struct oxp_tpl_call *call) {
    enum order found = SAME;
    return order(call, &found) && give(call, found == LESS || found == SAME);
}

bool oxp_tplf_gt(struct oxp_tpl_call *call) { /* Go: not less or equal, so true of a NaN */
    enum order found = SAME;
    return order(call, &found) && give(call, found == MORE || found == APART);
}

bool oxp_tplf_ge(struct oxp_tpl_call *call) { /* Go: not less */
    enum order found = SAME;
    return order(call, &found) && give(call, found != LESS);
}

/* ---- Indexing ---- */

bool oxp_tplf_len(struct oxp_tpl_call *call) {
    struct oxp_tpl_value item = oxp_tpl_indirect(&call->args[0]);
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(&item);
    if (item.type == OXP_TPL_V_NONE) {
        return oxp_tpl_call_fail(call, item.boxed || call->args[0].boxed
                                           ? "len of nil pointer"
                                           : "reflect: call of reflect.Value.Type on zero Value");
    }
    if (kind == OXP_TPL_K_POINTER) {
        return oxp_tpl_call_fail(call, "len of nil pointer");
    }
    if (kind != OXP_TPL_K_STRING && kind != OXP_TPL_K_MAP && kind != OXP_TPL_K_SLICE) {
        return oxp_tpl_call_fail(call, "len of type %s", oxp_tpl_type_name(&item));
    }
    call->result = oxp_tpl_of_int(OXP_TPL_V_INT, (int64_t)oxp_tpl_length(&item));
    return true;
}

/* A number from 0 to `cap`. */
static bool to_index(struct oxp_tpl_call *call, const struct oxp_tpl_value *index, size_t cap, size_t *index_out) {
    if (index->type == OXP_TPL_V_NONE) {
        return oxp_tpl_call_fail(call, "cannot index slice/array with nil");
    }
    if (!is_integer(index)) {
        return oxp_tpl_call_fail(call, "cannot index slice/array with type %s", oxp_tpl_type_name(index));
    }
    if (index->integer < 0 || (uint64_t)index->integer > cap) {
        return oxp_tpl_call_fail(call, "index out of range: %lld", (long long)index->integer);
    }
    *index_out = (size_t)index->integer;
    return true;
}

static bool index_map(struct oxp_tpl_call *call, struct oxp_tpl_value *item, const struct oxp_tpl_value *key) {
    if (key->type == OXP_TPL_V_NONE) {
        return oxp_tpl_call_fail(call, "value is nil; should be of type string");
    }
    if (key->type != OXP_TPL_V_STRING) {
        return oxp_tpl_call_fail(call, "value has type %s; should be string", oxp_tpl_type_name(key));
    }
    *item = oxp_tpl_element(item, key->text);
    return true;
}

static bool index_list(struct oxp_tpl_call *call, struct oxp_tpl_value *item, const struct oxp_tpl_value *key) {
    size_t at = 0, length = oxp_tpl_length(item);
    if (!to_index(call, key, length, &at)) {
        return false;
    }
    if (at == length) { /* Go lets it pass to reflection, which panics */
        return oxp_tpl_call_fail(call, item->type == OXP_TPL_V_RESULT ? "reflect: slice index out of range"
                                                                      : "reflect: string index out of range");
    }
    *item = oxp_tpl_at(item, at);
    return true;
}

bool oxp_tplf_index(struct oxp_tpl_call *call) {
    struct oxp_tpl_value item = call->args[0];
    item.boxed = false;
    if (item.type == OXP_TPL_V_NONE) {
        return oxp_tpl_call_fail(call, "index of untyped nil");
    }
    for (size_t i = 1; i < call->count; i++) {
        bool good = true;
        item = oxp_tpl_indirect(&item);
        switch (oxp_tpl_kind_of(&item)) {
        case OXP_TPL_K_INVALID:
        case OXP_TPL_K_POINTER:
            return oxp_tpl_call_fail(call, "index of nil pointer");
        case OXP_TPL_K_MAP:
            good = index_map(call, &item, &call->args[i]);
            break;
        case OXP_TPL_K_SLICE:
        case OXP_TPL_K_STRING:
            good = index_list(call, &item, &call->args[i]);
            break;
        default:
            return oxp_tpl_call_fail(call, "can't index item of type %s", oxp_tpl_type_name(&item));
        }
        if (!good) {
            return false;
        }
    }
    call->result = item;
    return true;
}

bool oxp_tplf_slice(struct oxp_tpl_call *call) {
    struct oxp_tpl_value item = oxp_tpl_indirect(&call->args[0]);
    size_t at[3] = {0, oxp_tpl_length(&item), 0};
    bool string = oxp_tpl_kind_of(&item) == OXP_TPL_K_STRING, list = item.type == OXP_TPL_V_RESULT;
    if (item.type == OXP_TPL_V_NONE) {
        return oxp_tpl_call_fail(call, "slice of untyped nil");
    }
    if (oxp_tpl_kind_of(&item) == OXP_TPL_K_POINTER) {
        return oxp_tpl_call_fail(call, "slice of nil pointer");
    }
    if (call->count > 4) {
        return oxp_tpl_call_fail(call, "too many slice indexes: %zu", call->count - 1);
    }
    if (string && call->count == 4) {
        return oxp_tpl_call_fail(call, "cannot 3-index slice a string");
    }
    if (!string && !list) {
        return oxp_tpl_call_fail(call, "can't slice item of type %s", oxp_tpl_type_name(&item));
    }
    size_t cap = string ? at[1] : item.result.size;
    for (size_t i = 1; i < call->count; i++) {
        if (!to_index(call, &call->args[i], cap, &at[i - 1])) {
            return false;
        }
    }
    if (at[0] > at[1]) {
        return oxp_tpl_call_fail(call, "invalid slice index: %zu > %zu", at[0], at[1]);
    }
    if (call->count == 4 && at[1] > at[2]) {
        return oxp_tpl_call_fail(call, "invalid slice index: %zu > %zu", at[1], at[2]);
    }
    if (string) {
        item.text = oxp_view_of(item.text.ptr == NULL ? "" : item.text.ptr + at[0], at[1] - at[0]);
    } else if (item.result.sample != NULL) {
        item.result = (struct oxp_tpl_result){item.result.sample + at[0], at[1] - at[0],
                                              (call->count == 4 ? at[2] : item.result.size) - at[0]};
    }
    call->result = item;
    return true;
}

/* ---- Printing ---- */

bool oxp_tplf_print(struct oxp_tpl_call *call) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_tpl_print(&text, call->run, call->args, call->count, false);
    return oxp_tpl_call_text(call, &text);
}

bool oxp_tplf_println(struct oxp_tpl_call *call) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_tpl_print(&text, call->run, call->args, call->count, true);
    return oxp_tpl_call_text(call, &text);
}

bool oxp_tplf_printf(struct oxp_tpl_call *call) {
    struct oxp_buf text;
    oxp_tpl_text_init(&text);
    oxp_tpl_printf(&text, call->run, call->args[0].text, call->args + 1, call->count - 1);
    return oxp_tpl_call_text(call, &text);
}

/* ---- Escaping ---- */

/* The arguments as one text: what html, js and urlquery escape. */
static bool joined(struct oxp_tpl_call *call, struct oxp_view *text_out) {
    struct oxp_tpl_value *values = oxp_arena_zero(&call->run->arena, call->count + 1, sizeof *values);
    struct oxp_buf text;
    if (values == NULL) {
        return oxp_tpl_run_starved(call->run);
    }
    for (size_t i = 0; i < call->count; i++) {
        values[i] = oxp_tpl_indirect(&call->args[i]);
        if (values[i].type == OXP_TPL_V_NONE) {
            values[i] = oxp_tpl_of_text(OXP_VIEW("<no value>"));
        }
    }
    oxp_tpl_text_init(&text);
    oxp_tpl_print(&text, call->run, values, call->count, false);
    if (!oxp_tpl_call_text(call, &text)) {
        return false;
    }
    *text_out = call->result.text;
    return true;
}

bool oxp_tplf_html(struct oxp_tpl_call *call) {
    static const struct {
        char c;
        const char *escaped;
    } escapes[] = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"},
                   {'<', "&lt;"},  {'>', "&gt;"},   {'\0', "\xef\xbf\xbd"}};
    struct oxp_view text;
    struct oxp_buf out;
    if (!joined(call, &text)) {
        return false;
    }
    oxp_tpl_text_init(&out);
    for (size_t i = 0; i < text.len; i++) {
        size_t k = 0;
        while (k < sizeof escapes / sizeof escapes[0] && escapes[k].c != text.ptr[i]) {
            k++;
        }
        if (k < sizeof escapes / sizeof escapes[0]) {
            oxp_buf_append_text(&out, escapes[k].escaped);
        } else {
            oxp_buf_append_char(&out, text.ptr[i]);
        }
    }
    return oxp_tpl_call_text(call, &out);
}

bool oxp_tplf_js(struct oxp_tpl_call *call) {
    struct oxp_view text;
    struct oxp_buf out;
    if (!joined(call, &text)) {
        return false;
    }
    oxp_tpl_text_init(&out);
    while (text.len != 0) {
        const char *from = text.ptr;
        uint32_t c = oxp_tpl_take_rune(&text);
        if (c == '\\' || c == '\'' || c == '"') {
            oxp_buf_append_char(&out, '\\');
            oxp_buf_append_char(&out, (char)c);
        } else if (c < ' ' || (c < 128 && strchr("<>&=", (int)c) != NULL) || (c >= 128 && !oxp_tpl_is_print(c))) {
            oxp_buf_append_format(&out, "\\u%04X", (unsigned)c);
        } else {
            oxp_buf_append(&out, from, (size_t)(text.ptr - from));
        }
    }
    return oxp_tpl_call_text(call, &out);
}

bool oxp_tplf_urlquery(struct oxp_tpl_call *call) {
    struct oxp_view text = {NULL, 0};
    struct oxp_buf out;
    if (!joined(call, &text)) {
        return false;
    }
    oxp_tpl_text_init(&out);
    oxp_tpl_put_query(&out, text);
    return oxp_tpl_call_text(call, &out);
}
