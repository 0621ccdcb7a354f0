/* The strict reader under any bytes. The first byte chooses the format, the rest is the exposition. What must hold: it
 * ends, it reads nothing past the input, it says the same twice (hash seeds differ), what it refuses has a place inside
 * the input, and every sample that it hands out is whole. */
#include <oxpecker/exposition.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth) {
    if (!truth) {
        abort();
    }
}

struct seen {
    size_t samples;
    uint64_t hash; /* of everything in them */
};

static void add(struct seen *seen, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        seen->hash = (seen->hash ^ p[i]) * UINT64_C(1099511628211); /* FNV-1a */
    }
}

static void add_labels(struct seen *seen, const struct oxp_read_label *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        require(labels[i].name.len > 0);
        add(seen, labels[i].name.ptr, labels[i].name.len);
        add(seen, labels[i].value.ptr, labels[i].value.len);
    }
}

static enum oxp_status see(void *ctx, const struct oxp_read_sample *sample) {
    struct seen *seen = ctx;
    seen->samples++;
    require(sample->family.len > 0 && oxp_view_starts(sample->name, sample->family) && sample->line > 0);
    require(sample->type <= OXP_READ_STATESET);
    add(seen, sample->name.ptr, sample->name.len);
    add(seen, &sample->value, sizeof sample->value);
    add_labels(seen, sample->labels, sample->label_count);
    add_labels(seen, sample->exemplar_labels, sample->exemplar_label_count);
    return OXP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    enum oxp_format format = data[0] == 't' ? OXP_FORMAT_TEXT : OXP_FORMAT_OPENMETRICS;
    struct oxp_view input = oxp_view_of((const char *)data + 1, size - 1);
    struct seen first = {0}, second = {0};
    struct oxp_error first_error = {0}, second_error = {0};
    struct oxp_reader_sink first_sink = {see, &first}, second_sink = {see, &second};
    enum oxp_status status = oxp_exposition_read(input, format, &first_sink, &first_error);
    require(status == OXP_OK || status == OXP_ERR_SYNTAX);
    require(oxp_exposition_read(input, format, &second_sink, &second_error) == status);
    require(first.samples == second.samples && first.hash == second.hash);
    require(first_error.line == second_error.line && first_error.column == second_error.column &&
            strcmp(first_error.text, second_error.text) == 0);
    if (status == OXP_ERR_SYNTAX) {
        require(first_error.line > 0 && first_error.column > 0 && first_error.text[0] != '\0');
        require(first_error.line <= size + 1 && first_error.column <= size + 1);
    }
    return 0;
}
