/* Running a template: values, the state of an expansion, functions and methods. Private to the template language.
 *
 * Go runs templates by reflection over its types; here the types that can turn up are a closed list, and a value says
 * which of them it is. What Go calls a panic or an error is told by `false`, with the words in the run. */
#ifndef OXP_RULES_TEMPLATE_RUN_H
#define OXP_RULES_TEMPLATE_RUN_H

#include "alerts/rules/template_tree.h"

#define OXP_TPL_RUN_DEPTH 400      /* of the interpreter's recursion */
#define OXP_TPL_MEMORY (32u << 20) /* bytes of one expansion */
#define OXP_TPL_ARGS_DEPTH 16      /* maps of `args` inside each other */
#define OXP_TPL_ARGS_COUNT 256     /* values of one `args` */
#define OXP_TPL_QUERY_STEPS 5000   /* what a query is charged */
#define OXP_TPL_REGEX_STEPS 1000   /* what a pattern is charged */
#define OXP_TPL_BYTES_PER_STEP 64  /* of text that is made or read */

/* X(type, Go's name of it, kind) */
#define OXP_TPL_TYPES(X)                                                                                               \
    X(NONE, "<nil>", INVALID)                                                                                          \
    X(MISSING, "template.missingValType", INVALID)                                                                     \
    X(BOOL, "bool", BOOL)                                                                                              \
    X(INT, "int", INT)                                                                                                 \
    X(INT64, "int64", INT)                                                                                             \
    X(UINT8, "uint8", UINT)                                                                                            \
    X(FLOAT, "float64", FLOAT)                                                                                         \
    X(STRING, "string", STRING)                                                                                        \
    X(HTML, "template.HTML", STRING)                                                                                   \
    X(LABELS, "map[string]string", MAP)                                                                                \
    X(ARGS, "map[string]interface {}", MAP)                                                                            \
    X(RESULT, "template.queryResult", SLICE)                                                                           \
    X(SAMPLE_POINTER, "*template.sample", POINTER)                                                                     \
    X(SAMPLE, "template.sample", STRUCT)                                                                               \
    X(DATA,                                                                                                            \
      "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; "                      \
      "Value interface {} }",                                                                                          \
      STRUCT)                                                                                                          \
    X(TIME_POINTER, "*time.Time", POINTER)                                                                             \
    X(TIME, "time.Time", STRUCT)                                                                                       \
    X(DURATION_POINTER, "*time.Duration", POINTER)                                                                     \
    X(DURATION, "time.Duration", INT)                                                                                  \
    X(MONTH, "time.Month", INT)                                                                                        \
    X(WEEKDAY, "time.Weekday", INT)

enum oxp_tpl_type {
#define X(type, name, kind) OXP_TPL_V_##type,
    OXP_TPL_TYPES(X)
#undef X
};

enum oxp_tpl_kind {
    OXP_TPL_K_INVALID,
    OXP_TPL_K_BOOL,
    OXP_TPL_K_INT,
    OXP_TPL_K_UINT,
    OXP_TPL_K_FLOAT,
    OXP_TPL_K_STRING,
    OXP_TPL_K_MAP,
    OXP_TPL_K_SLICE,
    OXP_TPL_K_POINTER,
    OXP_TPL_K_STRUCT,
};

struct oxp_tpl_result { /* a slice of a query's samples; sorting reorders what all slices see */
    const struct oxp_template_sample **sample;
    size_t count, size; /* its length and, as in Go, how far it may be sliced again */
};

struct oxp_tpl_args { /* arg0, arg1, … */
    struct oxp_tpl_value *value;
    size_t count;
    unsigned depth;
};

struct oxp_tpl_time {
    int64_t seconds; /* since 1970, UTC */
    int32_t nanoseconds;
};

struct oxp_tpl_value {
    enum oxp_tpl_type type;
    bool boxed; /* still within an interface{}, as a struct's field or a map's element has it */
    union {
        bool truth;
        int64_t integer; /* INT, INT64, UINT8, DURATION (nanoseconds), MONTH, WEEKDAY */
        double number;
        struct oxp_view text;
        const struct oxp_labels *labels; /* NULL is the empty map */
        const struct oxp_tpl_args *args;
        struct oxp_tpl_result result;
        const struct oxp_template_sample *sample;
        struct oxp_tpl_time time;
    };
};

static inline struct oxp_tpl_value oxp_tpl_of_bool(bool truth) {
    return (struct oxp_tpl_value){.type = OXP_TPL_V_BOOL, .truth = truth};
}
static inline struct oxp_tpl_value oxp_tpl_of_int(enum oxp_tpl_type type, int64_t integer) {
    return (struct oxp_tpl_value){.type = type, .integer = integer};
}
static inline struct oxp_tpl_value oxp_tpl_of_float(double number) {
    return (struct oxp_tpl_value){.type = OXP_TPL_V_FLOAT, .number = number};
}
static inline struct oxp_tpl_value oxp_tpl_of_text(struct oxp_view text) {
    return (struct oxp_tpl_value){.type = OXP_TPL_V_STRING, .text = text};
}
static inline struct oxp_tpl_value oxp_tpl_of_labels(const struct oxp_labels *labels) {
    return (struct oxp_tpl_value){.type = OXP_TPL_V_LABELS, .labels = labels};
}

struct oxp_tpl_variable {
    struct oxp_view name; /* with its dollar */
    struct oxp_tpl_value value;
};

struct oxp_tpl_run { /* one expansion; owned by the thread that runs it */
    const struct oxp_template *template;
    const struct oxp_template_data *data;
    struct oxp_arena arena;
    struct oxp_buf out;
    enum oxp_status status;          /* why it failed */
    struct oxp_buf reason;           /* Go's words for that, with place and context once oxp_tpl_run_error was called */
    const struct oxp_tpl_node *node; /* where it is, for errors */
    struct oxp_view name;            /* of the template in work; empty: the main one */
    struct oxp_tpl_variable *variables;
    size_t variable_count, variable_size, frame; /* variables below `frame` are those of the caller */
    unsigned depth;
    size_t steps; /* left */
};

/* Walks the template's nodes. False: `status` and `reason` say why. */
bool oxp_tpl_execute(struct oxp_tpl_run *run);

/* Takes steps; false when there are not as many left. */
bool oxp_tpl_charge(struct oxp_tpl_run *run, size_t steps);
/* Ends the run with Go's words: `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: …`. Always false. */
bool oxp_tpl_run_error(struct oxp_tpl_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the run for want of memory, or at a limit. Always false. */
bool oxp_tpl_run_stop(struct oxp_tpl_run *run, enum oxp_status status, const char *words);
/* The buffer's text for an error; when the buffer failed the run ends for that, and the error is not told. */
const char *oxp_tpl_run_text(struct oxp_tpl_run *run, struct oxp_buf *buf);
/* What the arena says about a NULL that it gave. Always false. */
bool oxp_tpl_run_starved(struct oxp_tpl_run *run);

/* ---- Evaluating ---- template_exec.c, template_eval.c */
bool oxp_tpl_eval_pipe(struct oxp_tpl_run *run, const struct oxp_tpl_value *dot, const struct oxp_tpl_node *pipe,
                       struct oxp_tpl_value *value_out);
bool oxp_tpl_push(struct oxp_tpl_run *run, struct oxp_view name, const struct oxp_tpl_value *value);
struct oxp_tpl_variable *oxp_tpl_variable_find(struct oxp_tpl_run *run, struct oxp_view name);

/* ---- Values ---- template_value.c */
const char *oxp_tpl_type_name(const struct oxp_tpl_value *value);
enum oxp_tpl_kind oxp_tpl_kind_of(const struct oxp_tpl_value *value);
bool oxp_tpl_truth(const struct oxp_tpl_value *value);
/* What a pointer points to; any other value itself. */
struct oxp_tpl_value oxp_tpl_indirect(const struct oxp_tpl_value *value);
/* A field of a struct; false when there is none. */
bool oxp_tpl_field(const struct oxp_tpl_run *run, const struct oxp_tpl_value *value, struct oxp_view name,
                   struct oxp_tpl_value *field_out);
/* The names of a struct's fields in order; their number. */
size_t oxp_tpl_fields(const struct oxp_tpl_value *value, const char *const **names_out);
/* An element of a map, or the zero value of its elements. */
struct oxp_tpl_value oxp_tpl_element(const struct oxp_tpl_value *map, struct oxp_view key);
/* The n-th key of a map in sorted order (`text` has room for one that is made up), false behind the last. */
bool oxp_tpl_key(const struct oxp_tpl_value *map, size_t n, char text[32], struct oxp_view *key_out);
/* len(); only of strings, maps and slices. */
size_t oxp_tpl_length(const struct oxp_tpl_value *value);
/* The n-th element of a slice or byte of a string. */
struct oxp_tpl_value oxp_tpl_at(const struct oxp_tpl_value *value, size_t n);

/* ---- Functions and methods ---- */
struct oxp_tpl_call {
    struct oxp_tpl_run *run;
    const struct oxp_tpl_value *receiver; /* of a method */
    const struct oxp_tpl_value *args;
    size_t count;
    struct oxp_tpl_value result;
};

/* Parameters are one letter each: s string, a any, v a value that may be missing, q a query's result, p a sample, t a
 * time, d a duration, i an int; a star behind the last: any number of those. */
struct oxp_tpl_function {
    const char *name, *params;
    bool (*call)(struct oxp_tpl_call *call); /* false: oxp_tpl_call_fail has the words, or the run has ended */
};

/* Go's name of the type that a parameter's letter stands for. */
const char *oxp_tpl_param_name(char param);
/* NULL when there is none. */
const struct oxp_tpl_function *oxp_tpl_function_find(struct oxp_view name);
const struct oxp_tpl_function *oxp_tpl_method_find(const struct oxp_tpl_value *value, struct oxp_view name);
/* and, or: their arguments are evaluated one by one, and only as far as needed. */
bool oxp_tpl_function_is_and(const struct oxp_tpl_function *function);
bool oxp_tpl_function_is_or(const struct oxp_tpl_function *function);

/* The function's error. Always false. */
bool oxp_tpl_call_fail(struct oxp_tpl_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Gives the bytes as a string and empties the buffer; false when it failed. */
bool oxp_tpl_call_text(struct oxp_tpl_call *call, struct oxp_buf *buf);
/* A buffer for a string that a function makes. */
void oxp_tpl_text_init(struct oxp_buf *buf);

/* Declares every function of template_functions.def. */
#define OXP_TPL_FUNCTION(name, id, params) bool oxp_tplf_##id(struct oxp_tpl_call *call);
#include "alerts/rules/template_functions.def"
#undef OXP_TPL_FUNCTION

/* ---- Formatting (Go's fmt) ---- template_format.c, template_printf.c, template_float.c */

/* What went wrong with a part goes wrong with the whole: hands a failure on to another buffer. */
static inline void oxp_tpl_spoil(struct oxp_buf *out, enum oxp_status status) {
    out->status = out->status == OXP_OK ? status : out->status;
}

struct oxp_tpl_spec {
    bool plus, minus, sharp, space, zero;
    bool plus_v, sharp_v; /* + and # of %v mean something else */
    bool has_width, has_precision;
    size_t width, precision;
};

struct oxp_tpl_printer {
    struct oxp_buf *out;
    const struct oxp_tpl_run *run;
    struct oxp_tpl_spec spec;
    bool erroring; /* within %!d(…): no methods */
};

/* An argument with a verb. */
void oxp_tpl_put_argument(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb);
/* Sprint, Sprintln (spaces everywhere and a newline), Sprintf. */
void oxp_tpl_print(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *args, size_t count,
                   bool line);
void oxp_tpl_printf(struct oxp_buf *out, const struct oxp_tpl_run *run, struct oxp_view format,
                    const struct oxp_tpl_value *args, size_t count);
/* What {{ value }} prints, and html, js, urlquery read. */
void oxp_tpl_print_action(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *value);
/* %v of a value that is no argument but was found (range can't iterate over …). */
void oxp_tpl_print_found(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *value);
/* A float with a verb of v b g G x X f F e E. */
void oxp_tpl_print_float(struct oxp_buf *out, const struct oxp_tpl_spec *spec, double value, char verb);
/* %.4g */
void oxp_tpl_print_four(struct oxp_buf *out, double value);
/* Pads to the spec's width. */
void oxp_tpl_pad(struct oxp_buf *out, const struct oxp_tpl_spec *spec, struct oxp_view text, bool zero);
/* strconv.Quote, and with `ascii` QuoteToASCII. */
void oxp_tpl_quote(struct oxp_buf *out, struct oxp_view text, char quote, bool ascii);

/* Go's url.QueryEscape. template_functions.c */
void oxp_tpl_put_query(struct oxp_buf *out, struct oxp_view text);

/* ---- Times ---- template_time.c */
void oxp_tpl_print_time(struct oxp_buf *out, struct oxp_tpl_time time);
void oxp_tpl_print_duration(struct oxp_buf *out, int64_t nanoseconds);
const char *oxp_tpl_month_name(int64_t month);
const char *oxp_tpl_weekday_name(int64_t weekday);
struct oxp_tpl_time oxp_tpl_time_of_ms(int64_t ms);

/* ---- Numbers from anything ---- template_humanize.c */
bool oxp_tpl_to_float(struct oxp_tpl_call *call, const struct oxp_tpl_value *value, double *number_out);

#endif
