/* Stored transactions: what is written is read, whole or not at all. */
#include "tests/unit/lib/resilience/notes.h"

#include "lib/base/crc32.h"
#include "lib/resilience/transaction_form.h"

#define V(text) OXP_VIEW(text)

static const struct oxp_ids ids = {.workflow = {"w", 1},
                                   .run = {"r1", 2},
                                   .session = {"s-1", 3},
                                   .task = {"t\n2", 3},
                                   .trace_id = {"0af7651916cd43dd8448eb211c80319c", 32}};
static const struct oxp_step steps[] = {
    {{"release", 7}, {"session 1", 9}},
    {{"delete-file", 11}, {"/tmp/a\nstep release 1\nx\n", 24}},
    {{"empty", 5}, {"", 0}},
    {{"bytes", 5}, {"\0\xff\x01", 3}},
};

static void write_it(struct oxp_buf *buf) {
    oxp_buf_init(buf, OXP_TRANSACTION_BYTES_MAX);
    oxp_transaction_write(buf, &ids, steps, COUNT_OF(steps));
    assert_int_equal(oxp_buf_status(buf), OXP_OK);
}

static void what_is_written_is_read(void **state) {
    static struct oxp_step read[OXP_TRANSACTION_STEPS_MAX];
    struct oxp_ids read_ids;
    struct oxp_buf buf;
    size_t count = 0;
    (void)state;
    write_it(&buf);
    assert_memory_equal(buf.data, "oxpecker-transaction 1 ", 23);
    assert_memory_equal(buf.data + 31, "\nid workflow 1\nw\nid run 2\nr1\nid session 3\ns-1\n", 46);
    assert_int_equal(oxp_transaction_read(oxp_buf_view(&buf), &read_ids, read, &count, NULL), OXP_OK);
    assert_int_equal(count, COUNT_OF(steps));
    for (size_t i = 0; i < count; i++) {
        assert_true(oxp_view_equal(read[i].kind, steps[i].kind));
        assert_true(oxp_view_equal(read[i].data, steps[i].data));
    }
    assert_true(oxp_view_equal(read_ids.workflow, ids.workflow) && oxp_view_equal(read_ids.run, ids.run));
    assert_true(oxp_view_equal(read_ids.session, ids.session) && oxp_view_equal(read_ids.task, ids.task));
    assert_true(oxp_view_equal(read_ids.trace_id, ids.trace_id));
    oxp_buf_fini(&buf);
}

static enum oxp_status read_bytes(const char *bytes, size_t len, struct oxp_error *error) {
    static struct oxp_step read[OXP_TRANSACTION_STEPS_MAX];
    struct oxp_ids read_ids;
    size_t count = 0;
    char *copy = malloc(len + 1); /* of exactly that size: the sanitizer sees what is read behind it */
    memcpy(copy, bytes, len);
    char *tight = realloc(copy, len == 0 ? 1 : len);
    enum oxp_status status = oxp_transaction_read(oxp_view_of(tight, len), &read_ids, read, &count, error);
    free(tight);
    return status;
}

static void every_cut_is_seen(void **state) {
    struct oxp_buf buf;
    (void)state;
    write_it(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        struct oxp_error error = {.text = ""};
        assert_int_equal(read_bytes(buf.data, len, &error), OXP_ERR_CORRUPT);
        assert_true(error.text[0] != '\0');
    }
    assert_int_equal(read_bytes(buf.data, buf.len, NULL), OXP_OK);
    oxp_buf_fini(&buf);
}

static void every_flipped_bit_is_seen(void **state) {
    struct oxp_buf buf;
    (void)state;
    write_it(&buf);
    for (size_t bit = 0; bit < 8 * buf.len; bit++) {
        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << bit % 8));
        if (read_bytes(buf.data, buf.len, NULL) != OXP_ERR_CORRUPT) {
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        }
        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << bit % 8));
    }
    oxp_buf_fini(&buf);
}

/* With a checksum that is right: what the reader itself makes of it. */
static void the_body_is_checked(void **state) {
    static const struct {
        const char *name, *body;
        enum oxp_status status;
    } rows[] = {
        {"nothing", "", OXP_OK},
        {"a step", "step a 1\nx\n", OXP_OK},
        {"an id of a newer version", "id colour 3\nred\nstep a 0\n\n", OXP_OK},
        {"no kind", "step  1\nx\n", OXP_OK},
        {"no length", "step a\nx\n", OXP_ERR_CORRUPT},
        {"no number", "step a x\nx\n", OXP_ERR_CORRUPT},
        {"negative", "step a -1\nx\n", OXP_ERR_CORRUPT},
        {"too long by one", "step a 2\nx\n", OXP_ERR_CORRUPT},
        {"too short by one", "step a 0\nx\n", OXP_ERR_CORRUPT},
        {"far too long", "step a 18446744073709551615\nx\n", OXP_ERR_CORRUPT},
        {"another word", "stop a 1\nx\n", OXP_ERR_CORRUPT},
        {"no newline at the end", "step a 1\nx", OXP_ERR_CORRUPT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        uint32_t crc = oxp_crc32c(0, rows[i].body, strlen(rows[i].body));
        int len = snprintf(text, sizeof text, "oxpecker-transaction 1 %08x\n%s", crc, rows[i].body);
        if (read_bytes(text, (size_t)len, NULL) != rows[i].status) {
            fail_msg("%s", rows[i].name);
        }
    }
}

static void no_more_steps_than_there_is_room_for(void **state) {
    static struct oxp_step many[OXP_TRANSACTION_STEPS_MAX + 1];
    static const struct oxp_ids none;
    struct oxp_buf buf;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = (struct oxp_step){V("a"), V("b")};
    }
    oxp_buf_init(&buf, 0);
    oxp_transaction_write(&buf, &none, many, OXP_TRANSACTION_STEPS_MAX);
    assert_int_equal(read_bytes(buf.data, buf.len, NULL), OXP_OK);
    oxp_buf_clear(&buf);
    oxp_transaction_write(&buf, &none, many, COUNT_OF(many));
    assert_int_equal(read_bytes(buf.data, buf.len, NULL), OXP_ERR_CORRUPT);
    oxp_buf_fini(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(the_body_is_checked),
        cmocka_unit_test(no_more_steps_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
