/* What happens when a fatal signal comes:
 *
 *  1. The first thread that gets here handles it; others wait until the process ends.
 *  2. The record is put together in memory set aside at the start, with code of this file alone: no allocation, no
 *     stdio, no locale. It goes out before anything that could go wrong is tried.
 *  3. The stack is a second line: walking a broken one may fault, so the walk is left by siglongjmp when it does. The
 *     unwinder was loaded when the handler was installed (its first call allocates).
 *  4. The signal's earlier action comes back. A fault repeats itself as the handler returns to the instruction that
 * made it; a signal that somebody sent is sent again to the same thread. So address, exit status and core are the true
 * ones.
 *
 * Every signal of ours is blocked while one is handled (but for 3), so a fault elsewhere in here ends the process at
 * once, as it would have without us. */
#include <oxpecker/crash.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ALT_STACK_BYTES = 64 * 1024,
    FRAMES_MAX = 48,
    ID_SIZE = 65,
    LINE_SIZE = 4096,
    MODULES_MAX = 64,
    OTHERS_WAIT_MS = 5000,
    WRITE_WAIT_MS = 1000, /* for a pipe that nobody reads */
};

static const struct {
    int number;
    const char *name;
} fatal[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
             {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"}, {SIGSYS, "SIGSYS"}};
enum { FATALS = sizeof fatal / sizeof *fatal };

/* What a thread works on. The keys are those of events. */
enum { WORKFLOW, RUN, SESSION, TASK, TRACE_ID, SPAN_ID, IDS };
static const char *const id_keys[IDS] = {"workflow", "run", "session", "task", "trace_id", "span_id"};
/* initial-exec: reading it never allocates, which the default model may do in a library that was loaded late. */
static _Thread_local char thread_ids[IDS][ID_SIZE] __attribute__((tls_model("initial-exec")));

/* A program or library that was loaded when the handler was installed. */
struct module {
    char name[48];
    uintptr_t base, begin, end;
};

static struct {
    atomic_bool installed;
    atomic_int handling; /* thread id of the one that handles, or 0 */
    int fd;
    bool owns_fd;
    char component[ID_SIZE];
    struct oxp_reporter *reporter;
    void (*send)(void *ctx, struct oxp_view line);
    void *ctx;
    struct sigaction before[FATALS];
    bool taken[FATALS];
    sigjmp_buf out_of_walk;
    volatile sig_atomic_t walking;
    struct module modules[MODULES_MAX];
    size_t module_count;
    char line[LINE_SIZE];
} crash = {.fd = -1};

/* ---- Writing without help ---- */

struct pen {
    char *at, *end;
};

static void put(struct pen *pen, const char *text, size_t len) {
    size_t room = (size_t)(pen->end - pen->at);
    len = len < room ? len : room;
    for (size_t i = 0; i < len; i++) {
        *pen->at++ = text[i];
    }
}

static void put_text(struct pen *pen, const char *text) {
    size_t len = 0;
    while (text[len] != '\0') {
        len++;
    }
    put(pen, text, len);
}

static void put_number(struct pen *pen, uint64_t value, unsigned base, unsigned least_digits) {
    char digits[24];
    size_t count = 0;
    while (value != 0 || count < least_digits) {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    }
    while (count > 0) {
        put(pen, &digits[--count], 1);
    }
}

/* `text` is valid UTF-8 without control characters (oxp_crash_ids sees to that). */
static void put_member(struct pen *pen, const char *key, const char *text) {
    put_text(pen, ",\"");
    put_text(pen, key);
    put_text(pen, "\":\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            put(pen, "\\", 1);
        }
        put(pen, text, 1);
    }
    put_text(pen, "\"");
}

static void put_ids(struct pen *pen) {
    for (size_t i = 0; i < IDS; i++) {
        if (thread_ids[i][0] != '\0') {
            put_member(pen, id_keys[i], thread_ids[i]);
        }
    }
}

/* A pipe that is full must not keep the process from ending: it is asked before each write, which then takes no more
 * than poll promises that there is room for. */
static void put_out(const char *from, const char *to) {
    struct pollfd ready = {.fd = crash.fd, .events = POLLOUT};
    while (crash.fd >= 0 && from < to) {
        size_t len = (size_t)(to - from) < PIPE_BUF ? (size_t)(to - from) : PIPE_BUF;
        if (poll(&ready, 1, WRITE_WAIT_MS) != 1) {
            return;
        }
        ssize_t written = write(crash.fd, from, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        from += written;
    }
}

/* ---- The handler ---- */

static const char *name_of(int number) {
    for (size_t i = 0; i < FATALS; i++) {
        if (fatal[i].number == number) {
            return fatal[i].name;
        }
    }
    return "signal";
}

static bool was_sent(const siginfo_t *info) {
    return info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL;
}

/* {"type":"error","ts":1.000,"code":"sys_crash","severity":"critical","unhandled":true,"component":"main","name":"SIGSEGV",
 * "message":"SIGSEGV at address 0x0, process 1, thread 2", ids …} */
static void write_record(int number, const siginfo_t *info) {
    struct pen pen = {crash.line, crash.line + sizeof crash.line - 2};
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    put_text(&pen, "{\"type\":\"error\",\"ts\":");
    put_number(&pen, (uint64_t)now.tv_sec, 10, 1);
    put_text(&pen, ".");
    put_number(&pen, (uint64_t)now.tv_nsec / 1000000, 10, 3);
    put_text(&pen, ",\"code\":\"sys_crash\",\"category\":\"system\",\"severity\":\"critical\",\"unhandled\":true");
    put_member(&pen, "component", crash.component);
    put_member(&pen, "name", name_of(number));
    put_text(&pen, ",\"message\":\"");
    put_text(&pen, name_of(number));
    if (was_sent(info)) {
        put_text(&pen, " sent by process ");
        put_number(&pen, (uint64_t)info->si_pid, 10, 1);
    } else {
        put_text(&pen, " at address 0x");
        put_number(&pen, (uint64_t)(uintptr_t)info->si_addr, 16, 1);
    }
    put_text(&pen, ", process ");
    put_number(&pen, (uint64_t)getpid(), 10, 1);
    put_text(&pen, ", thread ");
    put_number(&pen, (uint64_t)syscall(SYS_gettid), 10, 1);
    put_text(&pen, "\"");
    put_ids(&pen);
    put_text(&pen, "}");
    char *end = pen.at;
    *end = '\n';
    put_out(crash.line, end + 1);
    if (crash.send != NULL) {
        crash.send(crash.ctx, oxp_view_of(crash.line, (size_t)(end - crash.line)));
    }
}

/* "name+0x123", what addr2line takes; an address in nothing that was loaded at the start stays one. */
static void put_address(struct pen *pen, uintptr_t address) {
    for (size_t i = 0; i < crash.module_count; i++) {
        const struct module *module = &crash.modules[i];
        if (address >= module->begin && address < module->end) {
            put_text(pen, module->name);
            put_text(pen, "+0x");
            put_number(pen, address - module->base, 16, 1);
            return;
        }
    }
    put_text(pen, "0x");
    put_number(pen, address, 16, 1);
}

/* Rule 3. No names of functions: finding them would need locks. */
static void write_stack(void) {
    static void *frames[FRAMES_MAX];
    sigset_t faults;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    if (sigsetjmp(crash.out_of_walk, 1) != 0) {
        crash.walking = 0;
        return;
    }
    crash.walking = 1;
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
    int count = backtrace(frames, FRAMES_MAX);
    pthread_sigmask(SIG_BLOCK, &faults, NULL);
    crash.walking = 0;
    struct pen pen = {crash.line, crash.line + sizeof crash.line - 4};
    put_text(&pen, "{\"stack\":[");
    for (int i = 0; i < count; i++) {
        put_text(&pen, i == 0 ? "\"" : ",\"");
        put_address(&pen, (uintptr_t)frames[i]);
        put_text(&pen, "\"");
    }
    pen.end += 4;
    put_text(&pen, "]}\n");
    put_out(crash.line, pen.at);
}

static void give_back(size_t index) {
    struct sigaction now;
    if (crash.taken[index] && sigaction(fatal[index].number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0) {
        sigaction(fatal[index].number, &crash.before[index], NULL);
    }
}

static void on_signal(int number, siginfo_t *info, void *machine) {
    (void)machine;
    int saved = errno, self = (int)syscall(SYS_gettid), nobody = 0;
    if (!atomic_compare_exchange_strong(&crash.handling, &nobody, self)) {
        if (nobody == self && crash.walking != 0) {
            siglongjmp(crash.out_of_walk, 1);
        }
        if (nobody != self) {
            poll(NULL, 0, OTHERS_WAIT_MS); /* rule 1; if it takes longer than that, end as we would have */
        }
    } else {
        write_record(number, info);
        write_stack();
    }
    for (size_t i = 0; i < FATALS; i++) {
        give_back(i);
    }
    if (was_sent(info)) {
        syscall(SYS_tgkill, getpid(), self, number);
    }
    errno = saved;
}

/* ---- For the host ---- */

enum oxp_status oxp_crash_thread(void) {
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0) {
        return OXP_OK; /* the host's, or ours from before */
    }
    /* Never unmapped: the kernel may use it until the thread is gone, and no hook of ours runs after that. A pool of
     * threads has one each; a page that was never touched costs nothing. */
    void *memory = mmap(NULL, ALT_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        return OXP_ERR_NOMEM;
    }
    stack_t stack = {.ss_sp = memory, .ss_size = ALT_STACK_BYTES};
    if (sigaltstack(&stack, NULL) != 0) {
        munmap(memory, ALT_STACK_BYTES);
        return OXP_ERR_NOMEM;
    }
    return OXP_OK;
}

/* Copies what put_member may write as it is. */
static void keep_id(char to[ID_SIZE], struct oxp_view id) {
    id = oxp_utf8_cut(oxp_view_of(id.ptr, oxp_utf8_valid_prefix(id)), ID_SIZE - 1);
    for (size_t i = 0; i < id.len; i++) {
        to[i] = (char)((unsigned char)id.ptr[i] < 0x20 ? ' ' : id.ptr[i]);
    }
    to[id.len] = '\0';
}

void oxp_crash_ids(const struct oxp_ids *ids) {
    static const struct oxp_ids none;
    ids = ids == NULL ? &none : ids;
    const struct oxp_view views[IDS] = {ids->workflow, ids->run, ids->session, ids->task, ids->trace_id, ids->span_id};
    for (size_t i = 0; i < IDS; i++) {
        keep_id(thread_ids[i], views[i]);
    }
}

/* Called by dl_iterate_phdr for each module. Only what stands in JSON as it is is kept of its name. */
static int keep_module(struct dl_phdr_info *info, size_t size, void *ctx) {
    const char *name = info->dlpi_name[0] != '\0' ? info->dlpi_name : program_invocation_short_name;
    const char *slash = strrchr(name, '/');
    struct module module = {.base = info->dlpi_addr, .begin = UINTPTR_MAX};
    (void)size;
    (void)ctx;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, end = begin + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            module.begin = begin < module.begin ? begin : module.begin;
            module.end = end > module.end ? end : module.end;
        }
    }
    name = slash == NULL ? name : slash + 1;
    for (size_t i = 0; i < sizeof module.name - 1 && name[i] != '\0'; i++) {
        bool plain = (unsigned char)name[i] > ' ' && (unsigned char)name[i] < 0x7f && name[i] != '"' && name[i] != '\\';
        module.name[i] = (char)(plain ? name[i] : '_');
    }
    crash.modules[crash.module_count++] = module;
    return crash.module_count == MODULES_MAX;
}

static enum oxp_status take_signals(struct oxp_error *error) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FATALS; i++) {
        sigaddset(&action.sa_mask, fatal[i].number);
    }
    for (size_t i = 0; i < FATALS; i++) {
        crash.taken[i] = sigaction(fatal[i].number, NULL, &crash.before[i]) == 0 &&
                         (crash.before[i].sa_flags & SA_SIGINFO) == 0 && crash.before[i].sa_handler == SIG_DFL;
        if (crash.taken[i] && sigaction(fatal[i].number, &action, NULL) != 0) {
            crash.taken[i] = false;
            return oxp_error_set(error, oxp_status_from_errno(errno), 0, 0, "%s cannot be handled: %m", fatal[i].name);
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_crash_install(const struct oxp_crash_options *options, struct oxp_error *error) {
    bool was = false;
    if (!atomic_compare_exchange_strong(&crash.installed, &was, true)) {
        return oxp_error_set(error, OXP_ERR_EXISTS, 0, 0, "the crash handler is installed already");
    }
    crash.owns_fd = options->path != NULL;
    crash.fd = options->fd;
    if (crash.owns_fd) {
        crash.fd = open(options->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
        if (crash.fd < 0) {
            enum oxp_status status = oxp_status_from_errno(errno);
            oxp_error_set(error, status, 0, 0, "%s: %m", options->path);
            atomic_store(&crash.installed, false);
            return status;
        }
    }
    crash.reporter = options->reporter;
    crash.send = options->send;
    crash.ctx = options->ctx;
    keep_id(crash.component, oxp_view_from(options->component == NULL ? "main" : options->component));
    void *frames[2];
    (void)backtrace(frames, 2); /* loads the unwinder now */
    crash.module_count = 0;
    dl_iterate_phdr(keep_module, NULL);
    (void)oxp_crash_thread();
    enum oxp_status status = take_signals(error);
    if (status != OXP_OK) {
        oxp_crash_uninstall();
    }
    return status;
}

void oxp_crash_uninstall(void) {
    if (!atomic_load(&crash.installed)) {
        return;
    }
    for (size_t i = 0; i < FATALS; i++) {
        struct sigaction now;
        if (crash.taken[i] && sigaction(fatal[i].number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
            now.sa_sigaction == on_signal) {
            sigaction(fatal[i].number, &crash.before[i], NULL);
        }
        crash.taken[i] = false;
    }
    if (crash.owns_fd) {
        close(crash.fd);
    }
    crash.fd = -1;
    crash.owns_fd = false;
    crash.send = NULL;
    crash.reporter = NULL;
    atomic_store(&crash.installed, false);
}

/* The record of a failure: the same members as that of a signal, written at leisure. */
static void write_failure(const struct oxp_failure *failure) {
    struct oxp_buf buf;
    char *text = oxp_failure_text(failure);
    oxp_buf_init(&buf, 0);
    oxp_buf_append_text(&buf, "{\"type\":\"error\",\"ts\":");
    oxp_buf_append_json_double(&buf, oxp_clock_wall_s(NULL));
    oxp_buf_append_text(&buf, ",\"code\":");
    oxp_buf_append_json_string(&buf, oxp_view_from(oxp_failure_code(failure)->name));
    oxp_buf_append_text(&buf, ",\"unhandled\":true,\"message\":");
    oxp_buf_append_json_string(&buf, text != NULL ? oxp_view_from(text) : oxp_failure_message(failure));
    oxp_buf_append_text(&buf, "}\n");
    if (oxp_buf_status(&buf) == OXP_OK) {
        struct oxp_view line = oxp_buf_view(&buf);
        put_out(line.ptr, line.ptr + line.len);
    }
    oxp_buf_fini(&buf);
    free(text);
}

void oxp_crash_unhandled(struct oxp_failure *failure) {
    if (failure == NULL) {
        return;
    }
    write_failure(failure);
    oxp_failure_report_unhandled(failure, crash.reporter);
}
