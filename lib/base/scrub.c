#include "lib/base/scrub.h"
bool oxp_scrub_suspects(struct oxp_view text) {
    (void)text;
    return false;
}
size_t oxp_scrub(struct oxp_view text, char *out, size_t size) {
    size_t n = text.len < size ? text.len : size;
    memcpy(out, text.ptr, n);
    return n;
}
