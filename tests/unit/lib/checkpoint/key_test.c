/* Keys of snapshots, and the URLs of Redis. */
#include "lib/checkpoint/key.h"

#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/checkpoint/redis_url.h"

static void test_parts(void **state) {
    (void)state;
    static const struct {
        const char *task, *part;
    } rows[] = {
        {"task-1", "task-1"},
        {"Task_2.b", "Task_2.b"},
        {"a b", "a_x20b"},
        {".hidden", "_x2Ehidden"},
        {"a/b", "a_x2Fb"},
        {"a_x41", "a_x5Fx41"},
        {"ü", "_xC3_xBC"},
        {"_", "_"},
        {"a.0000000000000001", "a.0000000000000001"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char part[OXP_PART_MAX + 1], task[OXP_PART_MAX];
        oxp_part_of_task(oxp_view_from(rows[i].task), part);
        assert_string_equal(part, rows[i].part);
        size_t len = oxp_task_of_part(oxp_view_from(part), task, sizeof task);
        assert_true(oxp_view_is(oxp_view_of(task, len), rows[i].task));
    }
}

/* 128 bytes that all need four: cut, and told apart by a hash. */
static void test_long_tasks(void **state) {
    (void)state;
    char task[OXP_CHECKPOINT_TASK_MAX + 1], one[OXP_PART_MAX + 1], two[OXP_PART_MAX + 1], key[OXP_KEY_SIZE];
    memset(task, ' ', sizeof task - 1);
    task[sizeof task - 1] = '\0';
    for (size_t len = 1; len < sizeof task; len++) {
        oxp_part_of_task(oxp_view_of(task, len), one);
        oxp_part_of_task(oxp_view_of(task, len - 1), two);
        assert_string_not_equal(one, two);
        assert_true(strlen(one) <= OXP_PART_MAX);
        oxp_key_write(key, oxp_view_from(one), UINT64_MAX, true);
        assert_true(oxp_store_key_is_valid(key));
    }
    memset(task, 'a', sizeof task - 1);
    oxp_part_of_task(oxp_view_from(task), one);
    assert_string_equal(one, task);
}

static void test_keys(void **state) {
    (void)state;
    static const struct {
        const char *key, *part; /* NULL = not ours */
        uint64_t seq;
        bool corrupt;
    } rows[] = {
        {"t.0000000000000001.json", "t", 1, false},
        {"t.1795321560000000.corrupt", "t", 1795321560000000, true},
        {"a.b.18446744073709551615.json", "a.b", UINT64_MAX, false},
        {"a.0000000000000002.0000000000000001.json", "a.0000000000000002", 1, false},
        {"t.000000000000001.json", NULL, 0, false},
        {"t.18446744073709551616.json", NULL, 0, false},
        {"t.json", NULL, 0, false},
        {".0000000000000001.json", NULL, 0, false},
        {"0000000000000001.json", NULL, 0, false},
        {"t0000000000000001.json", NULL, 0, false},
        {"t.0000000000000001.jso", NULL, 0, false},
        {"", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_key key;
        bool ours = oxp_key_read(rows[i].key, &key);
        if (ours != (rows[i].part != NULL)) {
            fail_msg("%s", rows[i].key);
        }
        if (ours) {
            char back[OXP_KEY_SIZE];
            assert_true(oxp_view_is(key.part, rows[i].part) && key.seq == rows[i].seq &&
                        key.corrupt == rows[i].corrupt);
            oxp_key_write(back, key.part, key.seq, key.corrupt);
            assert_string_equal(back, rows[i].key);
        }
    }
}

static void test_store_keys(void **state) {
    (void)state;
    char longest[OXP_STORE_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(oxp_store_key_is_valid(longest));
    longest[OXP_STORE_KEY_MAX] = '\0';
    assert_true(oxp_store_key_is_valid(longest));
    static const char *const good[] = {"a", "A-b_c.9", "-", "_"};
    static const char *const bad[] = {"", ".", "..", ".a", "a/b", "a b", "\xc3\xbc", "a\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(oxp_store_key_is_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(oxp_store_key_is_valid(bad[i]));
    }
    assert_false(oxp_store_key_is_valid(NULL));
}

static void test_urls(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *host, *user, *password; /* host NULL = refused */
        int port;
        unsigned db;
        enum oxp_status status;
    } rows[] = {
        {"redis://localhost", "localhost", "", "", 6379, 0, OXP_OK},
        {"redis://127.0.0.1:7000/3", "127.0.0.1", "", "", 7000, 3, OXP_OK},
        {"redis://[::1]:7000/", "::1", "", "", 7000, 0, OXP_OK},
        {"redis://[::1]", "::1", "", "", 6379, 0, OXP_OK},
        {"redis://:pw@h", "h", "", "pw", 6379, 0, OXP_OK},
        {"redis://u:p%40%3a%2F@h:1/2", "h", "u", "p@:/", 1, 2, OXP_OK},
        {"unix:///run/redis.sock", "/run/redis.sock", "", "", 0, 0, OXP_OK},
        {"unix://:pw@/run/r.sock?db=4", "/run/r.sock", "", "pw", 0, 4, OXP_OK},
        {"unix://u:pw@/r", "/r", "u", "pw", 0, 0, OXP_OK},
        {"rediss://h", NULL, NULL, NULL, 0, 0, OXP_ERR_UNSUPPORTED},
        {"redis://", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://:1", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://secret@h", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h:0", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h:65536", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h:", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h/x", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h/1000001", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://h?db=1", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://[::1", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://[::1]7000", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://:p%4@h", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://:p%00@h", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"redis://:p%zz@h", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"unix://", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"unix://run/x", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"unix:///run/x?pw=1", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"http://h", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
        {"", NULL, NULL, NULL, 0, 0, OXP_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_redis_url read;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_redis_url_read(oxp_view_from(rows[i].url), &read, &error);
        if (status != rows[i].status) {
            fail_msg("%s: %s", rows[i].url, oxp_status_name(status));
        }
        if (status == OXP_OK) {
            assert_string_equal(read.host, rows[i].host);
            assert_string_equal(read.user, rows[i].user);
            assert_string_equal(read.password, rows[i].password);
            assert_int_equal(read.port, rows[i].port);
            assert_int_equal(read.db, rows[i].db);
        } else {
            assert_null(strstr(error.text, "secret"));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),      cmocka_unit_test(test_long_tasks), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_store_keys), cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
