/* Following a file, look by look: no thread and no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/watch/follow.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resource/tree.h"

/* What was heard: lines joined by '|', overlong ones shortened; notices counted. */
struct world {
    struct tree tree;
    char path[128];
    char heard[4096];
    unsigned notices[OXP_FOLLOW_NOTICES];
    struct oxp_follow_position position;
    unsigned moves;
    struct oxp_follow *follow;
    int writer;
};

static void on_line(void *ctx, struct oxp_view line) {
    struct world *world = ctx;
    size_t used = strlen(world->heard);
    char shown[64];
    if (line.len > 40) {
        snprintf(shown, sizeof shown, "%c*%zu", line.ptr[0], line.len);
    } else {
        snprintf(shown, sizeof shown, "%.*s", (int)line.len, line.ptr);
    }
    snprintf(world->heard + used, sizeof world->heard - used, "%s|", shown);
}

static void on_moved(void *ctx, const struct oxp_follow_position *position) {
    struct world *world = ctx;
    world->position = *position;
    world->moves++;
}

static void on_noticed(void *ctx, enum oxp_follow_notice notice, const char *detail) {
    struct world *world = ctx;
    assert_non_null(detail);
    world->notices[notice]++;
}

static void start(struct world *world, const struct oxp_follow_position *resume, bool from_start) {
    const struct oxp_follow_options options = {.path = world->path,
                                               .resume = resume,
                                               .from_start = from_start,
                                               .line = on_line,
                                               .moved = on_moved,
                                               .noticed = on_noticed,
                                               .ctx = world};
    assert_int_equal(oxp_follow_new(&options, &world->follow), OXP_OK);
}

static void make(struct world *world) {
    memset(world, 0, sizeof *world);
    tree_make(&world->tree);
    snprintf(world->path, sizeof world->path, "%s/app.log", world->tree.root);
    world->writer = -1;
}

static void unmake(struct world *world) {
    oxp_follow_free(world->follow);
    close(world->writer);
    tree_remove(&world->tree);
}

static void reopen(struct world *world, int flags) {
    close(world->writer);
    world->writer = open(world->path, O_WRONLY | O_CREAT | flags, 0644);
    assert_true(world->writer >= 0);
}

static void put_bytes(struct world *world, const char *bytes, size_t len) {
    assert_int_equal(write(world->writer, bytes, len), len);
}

static void put(struct world *world, const char *text) {
    put_bytes(world, text, strlen(text));
}

static void rotate(struct world *world, const char *to) {
    char name[160];
    snprintf(name, sizeof name, "%s/%s", world->tree.root, to);
    assert_int_equal(rename(world->path, name), 0);
}

/* Looks until there is nothing more, then compares what was heard since the last time. */
static void expect(struct world *world, const char *lines) {
    enum oxp_status status;
    while ((status = oxp_follow_look(world->follow)) == OXP_MORE) {
    }
    assert_true(status == OXP_OK || status == OXP_END);
    assert_string_equal(world->heard, lines);
    world->heard[0] = '\0';
}

static void lines_and_parts_of_lines(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    put(&world, "old 1\nold");
    start(&world, NULL, false);
    expect(&world, ""); /* from the end, in the middle of a line */
    put(&world, " 2\nnew 1\r\n\n  \t\nnew");
    expect(&world, " 2|new 1|");
    expect(&world, "");
    put(&world, " 2");
    expect(&world, "");
    put(&world, "\n");
    expect(&world, "new 2|");
    assert_int_equal(world.notices[OXP_FOLLOW_OPENED], 1);
    unmake(&world);
}

static void from_the_start(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    put(&world, "a\nb\nc");
    start(&world, NULL, true);
    expect(&world, "a|b|");
    unmake(&world);
}

static void from_the_beginning_not_from_the_first_look(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    put(&world, "old\n");
    start(&world, NULL, false);
    oxp_follow_begin(world.follow);
    put(&world, "new\n");
    expect(&world, "new|");
    oxp_follow_free(world.follow);
    rotate(&world, "app.log.1");
    start(&world, NULL, false);
    oxp_follow_begin(world.follow); /* nothing is there */
    reopen(&world, O_APPEND);
    put(&world, "appeared\n");
    expect(&world, "appeared|");
    unmake(&world);
}

/* Killed before its first look, it leaves a position from which nothing is lost. */
static void the_position_of_the_beginning(void **state) {
    (void)state;
    struct world world;
    make(&world);
    for (int there = 0; there < 2; there++) {
        if (there) {
            reopen(&world, O_APPEND);
            put(&world, "old\n");
        }
        world.moves = 0;
        start(&world, NULL, false);
        oxp_follow_begin(world.follow);
        assert_int_equal(world.moves, 1);
        assert_int_equal(world.position.inode != 0, there);
        assert_int_equal(world.position.offset, there ? 4 : 0);
        oxp_follow_free(world.follow);
        struct oxp_follow_position kept = world.position;
        reopen(&world, O_APPEND);
        put(&world, "new\n");
        start(&world, &kept, false);
        expect(&world, "new|");
        oxp_follow_free(world.follow);
        world.follow = NULL;
        unlink(world.path);
    }
    unmake(&world);
}

static void missing_and_appearing(void **state) {
    (void)state;
    struct world world;
    make(&world);
    start(&world, NULL, false);
    expect(&world, "");
    expect(&world, "");
    assert_int_equal(world.notices[OXP_FOLLOW_MISSING], 1);
    reopen(&world, O_APPEND);
    put(&world, "first\n");
    expect(&world, "first|"); /* it is new: from its beginning */
    unlink(world.path);
    put(&world, "last words\n");
    expect(&world, "last words|"); /* nothing has come in its place yet */
    reopen(&world, O_APPEND);
    put(&world, "again\n");
    expect(&world, "");
    expect(&world, "again|");
    assert_int_equal(world.notices[OXP_FOLLOW_ROTATED], 1);
    assert_int_equal(world.notices[OXP_FOLLOW_OPENED], 2);
    unmake(&world);
}

static void a_folder_is_no_file(void **state) {
    (void)state;
    struct world world;
    make(&world);
    mkdir(world.path, 0755);
    start(&world, NULL, false);
    expect(&world, "");
    expect(&world, "");
    assert_int_equal(world.notices[OXP_FOLLOW_UNREADABLE], 1);
    assert_int_equal(world.notices[OXP_FOLLOW_OPENED], 0);
    rmdir(world.path);
    reopen(&world, O_APPEND);
    put(&world, "x\n");
    expect(&world, "x|");
    unmake(&world);
}

static void rotation_drains_the_old_file(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    start(&world, NULL, false);
    expect(&world, "");
    put(&world, "1\n");
    expect(&world, "1|");
    put(&world, "2\n");
    rotate(&world, "app.log.1");
    int old = dup(world.writer); /* the writer has not reopened yet */
    expect(&world, "2|");
    reopen(&world, O_APPEND);
    put(&world, "new 1\n");
    assert_int_equal(write(old, "3\n", 2), 2);
    expect(&world, "3|");
    assert_int_equal(write(old, "4\npart", 6), 6);
    expect(&world, "4|"); /* the look found something: not yet */
    expect(&world, "new 1|");
    assert_int_equal(world.notices[OXP_FOLLOW_ROTATED], 1);
    assert_int_equal(world.notices[OXP_FOLLOW_CUT], 1);
    close(old);
    unmake(&world);
}

/* A file that was seen under the path once is not lost when it is rotated before its turn comes. */
static void rotations_in_quick_succession(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    start(&world, NULL, true);
    put(&world, "first\n");
    expect(&world, "first|");
    rotate(&world, "app.log.1");
    reopen(&world, O_APPEND);
    put(&world, "second\n");
    expect(&world, ""); /* a look: the second file is known, the first may still be written */
    rotate(&world, "app.log.2");
    reopen(&world, O_APPEND);
    put(&world, "third\n");
    expect(&world, "second|"); /* its writer has gone on twice: the first is not waited for any more */
    expect(&world, "third|");
    assert_int_equal(world.notices[OXP_FOLLOW_ROTATED], 2);
    rotate(&world, "app.log.3");
    reopen(&world, O_APPEND);
    expect(&world, "");
    oxp_follow_free(world.follow); /* with a file held open */
    start(&world, NULL, true);
    unmake(&world);
}

static void an_old_file_that_never_rests_is_left(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    start(&world, NULL, false);
    expect(&world, "");
    rotate(&world, "app.log.1");
    int old = dup(world.writer);
    reopen(&world, O_APPEND);
    put(&world, "new\n");
    unsigned looks = 0;
    for (; strstr(world.heard, "new") == NULL && looks < 100; looks++) {
        assert_int_equal(write(old, "x\n", 2), 2);
        while (oxp_follow_look(world.follow) == OXP_MORE) {
        }
    }
    assert_int_equal(looks, OXP_FOLLOW_LINGER);
    close(old);
    unmake(&world);
}

static void truncation(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    start(&world, NULL, false);
    expect(&world, "");
    put(&world, "a long line that was first\npart");
    expect(&world, "a long line that was first|");
    assert_int_equal(ftruncate(world.writer, 0), 0);
    put(&world, "b\n");
    expect(&world, "b|"); /* shorter than before */
    assert_int_equal(world.notices[OXP_FOLLOW_TRUNCATED], 1);
    assert_int_equal(world.notices[OXP_FOLLOW_CUT], 1);
    assert_int_equal(ftruncate(world.writer, 0), 0);
    put(&world, "longer than it was\n");
    expect(&world, "longer than it was|"); /* its first bytes tell */
    assert_int_equal(world.notices[OXP_FOLLOW_TRUNCATED], 2);
    assert_int_equal(world.notices[OXP_FOLLOW_CUT], 1);
    unmake(&world);
}

static void nul_bytes_of_a_writer_that_does_not_append(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, 0);
    start(&world, NULL, false);
    expect(&world, "");
    char *many = calloc(1, 200000);
    assert_non_null(many);
    memset(many, 'x', 199999);
    many[199998] = '\n';
    put_bytes(&world, many, 199999);
    expect(&world, "x*65536|");
    assert_int_equal(world.notices[OXP_FOLLOW_OVERLONG], 1);
    assert_int_equal(ftruncate(world.writer, 0), 0);
    put(&world, "b\n"); /* lands at 199999, behind a hole */
    expect(&world, "b|");
    assert_int_equal(world.notices[OXP_FOLLOW_OVERLONG], 1);
    free(many);
    unmake(&world);
}

static void lengths(void **state) {
    (void)state;
    static const struct {
        size_t len;
        const char *heard;
        unsigned overlong;
    } rows[] = {
        {OXP_FOLLOW_LINE_MAX - 1, "x*65535|ok|", 0},
        {OXP_FOLLOW_LINE_MAX, "x*65536|ok|", 0},
        {OXP_FOLLOW_LINE_MAX + 1, "x*65536|ok|", 1},
        {2 * OXP_FOLLOW_LINE_MAX - 1, "x*65536|ok|", 1},
        {2 * OXP_FOLLOW_LINE_MAX, "x*65536|ok|", 1},
        {5 * OXP_FOLLOW_LINE_MAX + 3, "x*65536|ok|", 1},
        {6 << 20, "x*65536|ok|", 1}, /* more than one look */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int in_parts = 0; in_parts < 2; in_parts++) {
            struct world world;
            make(&world);
            reopen(&world, O_APPEND);
            start(&world, NULL, false);
            expect(&world, "");
            char *text = malloc(rows[i].len + 4);
            assert_non_null(text);
            memset(text, 'x', rows[i].len);
            memcpy(text + rows[i].len, "\nok\n", 4);
            size_t first = in_parts ? rows[i].len / 2 : 0;
            put_bytes(&world, text, first);
            while (oxp_follow_look(world.follow) == OXP_MORE) {
            }
            put_bytes(&world, text + first, rows[i].len + 4 - first);
            expect(&world, rows[i].heard);
            assert_int_equal(world.notices[OXP_FOLLOW_OVERLONG], rows[i].overlong);
            free(text);
            unmake(&world);
        }
    }
}

/* ---- Positions ---- */

static void restart(struct world *world) {
    oxp_follow_free(world->follow);
    world->follow = NULL;
    struct oxp_follow_position position = world->position;
    start(world, &position, false);
}

static void restarts(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    put(&world, "before\n");
    start(&world, NULL, false);
    expect(&world, "");
    assert_int_equal(world.moves, 1); /* known from the first look, before any line */
    put(&world, "1\n2\nhal");
    expect(&world, "1|2|");
    restart(&world);
    put(&world, "f\n3\n");
    expect(&world, "half|3|");
    unsigned moves = world.moves;
    expect(&world, "");
    assert_int_equal(world.moves, moves); /* nothing moved, nothing told */

    oxp_follow_free(world.follow); /* rotated twice and once more while nobody followed */
    put(&world, "4\n");
    rotate(&world, "app.log.1");
    reopen(&world, O_APPEND);
    put(&world, "5\n");
    struct oxp_follow_position position = world.position;
    start(&world, &position, false);
    expect(&world, "4|");
    expect(&world, "5|");

    oxp_follow_free(world.follow); /* truncated while nobody followed */
    assert_int_equal(ftruncate(world.writer, 0), 0);
    put(&world, "6\n7\n");
    position = world.position;
    start(&world, &position, false);
    expect(&world, "6|7|");

    oxp_follow_free(world.follow); /* gone altogether, another in its place */
    unlink(world.path);
    reopen(&world, O_APPEND);
    put(&world, "8\n");
    position = world.position;
    start(&world, &position, false);
    expect(&world, "8|");
    unmake(&world);
}

static void a_position_is_not_of_another_file(void **state) {
    (void)state;
    struct world world;
    make(&world);
    reopen(&world, O_APPEND);
    put(&world, "abc\n");
    start(&world, NULL, true);
    expect(&world, "abc|");
    oxp_follow_free(world.follow);
    assert_int_equal(ftruncate(world.writer, 0), 0);
    put(&world, "xyz\nlater\n"); /* the same inode, longer than the offset */
    struct oxp_follow_position position = world.position;
    start(&world, &position, false);
    expect(&world, "xyz|later|");
    restart(&world);
    position.device++; /* mounted again: the head says that it is the same */
    put(&world, "end\n");
    expect(&world, "end|");
    unmake(&world);
}

static void positions_on_disk(void **state) {
    (void)state;
    struct world world;
    make(&world);
    struct oxp_follow_position saved = {UINT64_MAX, 12, 1 << 20, OXP_FOLLOW_HEAD_MAX, UINT32_MAX}, loaded;
    assert_int_equal(oxp_follow_position_load(world.path, &loaded), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_follow_position_save(world.path, &saved), OXP_OK);
    assert_int_equal(oxp_follow_position_save(world.path, &saved), OXP_OK);
    assert_int_equal(oxp_follow_position_load(world.path, &loaded), OXP_OK);
    assert_memory_equal(&saved, &loaded, sizeof saved);
    assert_int_equal(oxp_follow_position_save("/no/such/folder/x", &saved), OXP_ERR_NOT_FOUND);
    char text[200];
    int fd = open(world.path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text - 2);
    close(fd);
    assert_true(len > 40);
    for (ssize_t cut = 0; cut < len; cut++) { /* torn anywhere */
        text[len] = '\0';
        char torn[200];
        memcpy(torn, text, (size_t)cut);
        torn[cut] = '\0';
        tree_put(&world.tree, "app.log", torn);
        assert_int_equal(oxp_follow_position_load(world.path, &loaded), OXP_ERR_CORRUPT);
        assert_int_equal(loaded.offset, 0);
    }
    for (ssize_t at = 0; at < len; at++) { /* changed anywhere */
        char changed[200];
        memcpy(changed, text, (size_t)len + 1);
        changed[at] = changed[at] == '7' ? '8' : '7';
        tree_put(&world.tree, "app.log", changed);
        assert_int_equal(oxp_follow_position_load(world.path, &loaded), OXP_ERR_CORRUPT);
    }
    text[len] = 'x';
    text[len + 1] = '\0';
    tree_put(&world.tree, "app.log", text);
    assert_int_equal(oxp_follow_position_load(world.path, &loaded), OXP_ERR_CORRUPT);
    unmake(&world);
}

/* ---- Pipes ---- */

static void a_fifo(void **state) {
    (void)state;
    struct world world;
    make(&world);
    assert_int_equal(mkfifo(world.path, 0600), 0);
    start(&world, NULL, false);
    expect(&world, "");
    assert_true(oxp_follow_pipe(world.follow) >= 0);
    for (int writer = 0; writer < 2; writer++) { /* writers come and go */
        reopen(&world, 0);
        put(&world, "1\n2\nha");
        expect(&world, "1|2|");
        put(&world, "lf\n");
        expect(&world, "half|");
        close(world.writer);
        world.writer = -1;
        expect(&world, "");
    }
    assert_int_equal(world.moves, 0);
    unmake(&world);
}

static void standard_input(void **state) {
    (void)state;
    struct world world;
    make(&world);
    snprintf(world.path, sizeof world.path, "-");
    int ends[2], before = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    world.writer = ends[1];
    start(&world, NULL, false);
    put(&world, "1\nlast");
    expect(&world, "1|");
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
    close(world.writer);
    world.writer = -1;
    expect(&world, "last|");
    assert_int_equal(oxp_follow_look(world.follow), OXP_END);
    assert_int_equal(world.notices[OXP_FOLLOW_ENDED], 1);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* not ours to close */
    dup2(before, STDIN_FILENO);
    close(before);
    unmake(&world);
}

static void refused_options(void **state) {
    (void)state;
    const struct oxp_follow_options rows[] = {{.path = "x"}, {.path = "", .line = on_line}, {.line = on_line}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_follow *follow = NULL;
        assert_int_equal(oxp_follow_new(&rows[i], &follow), OXP_ERR_INVALID);
        assert_null(follow);
    }
    oxp_follow_free(NULL);
}

static void make_one(void *ctx) {
    struct oxp_follow *follow = NULL;
    const struct oxp_follow_options options = {.path = "/no/such/file", .line = on_line, .ctx = ctx};
    enum oxp_status status = oxp_follow_new(&options, &follow);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && follow == NULL && alloc_fail_hit()));
    if (follow != NULL) {
        assert_int_equal(oxp_follow_look(follow), OXP_OK);
    }
    oxp_follow_free(follow);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(make_one, NULL), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_parts_of_lines),
        cmocka_unit_test(from_the_start),
        cmocka_unit_test(from_the_beginning_not_from_the_first_look),
        cmocka_unit_test(the_position_of_the_beginning),
        cmocka_unit_test(missing_and_appearing),
        cmocka_unit_test(a_folder_is_no_file),
        cmocka_unit_test(rotation_drains_the_old_file),
        cmocka_unit_test(rotations_in_quick_succession),
        cmocka_unit_test(an_old_file_that_never_rests_is_left),
        cmocka_unit_test(truncation),
        cmocka_unit_test(nul_bytes_of_a_writer_that_does_not_append),
        cmocka_unit_test(lengths),
        cmocka_unit_test(restarts),
        cmocka_unit_test(a_position_is_not_of_another_file),
        cmocka_unit_test(positions_on_disk),
        cmocka_unit_test(a_fifo),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
