#include <oxpecker/exposition.h>

const char *oxp_format_content_type(enum oxp_format format) {
    return format == OXP_FORMAT_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}
