/* Secrets that must go, and words that must stay. */
#include "lib/base/scrub.h"

#include "lib/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

struct row {
    const char *name, *in, *out;
};

static const struct row must_redact[] = {
    {"live key", "key bb_live_0123456789abcdef used", "key [redacted] used"},
    {"test key at the end", "bb_test_abcd", "[redacted]"},
    {"key in quotes", "{\"k\":\"bb_live_A-b_c9\"}", "{\"k\":\"[redacted]\"}"},
    {"two keys", "bb_live_aaaa,bb_live_bbbb", "[redacted],[redacted]"},
    {"anthropic", "using sk-ant-api03-AbCdEf_012345 now", "using [redacted] now"},
    {"openai", "Incorrect API key provided: sk-proj-abcdefghijkl.", "Incorrect API key provided: [redacted]."},
    {"openai old", "(sk-Abcdefghijklmnopqrst0123)", "([redacted])"},
    {"aws key id", "id AKIAIOSFODNN7EXAMPLE.", "id [redacted]."},
    {"aws session key id", "ASIAIOSFODNN7EXAMPLE", "[redacted]"},
    {"google", "?AIzaSyA1234567890abcdefghijklmnopqrstuv", "?[redacted]"},
    {"web token", "got " JWT " back", "got [redacted] back"},
    {"bearer", "sent Bearer abcDEF123.456_~+/= ok", "sent Bearer [redacted] ok"},
    {"bearer in any case", "bEARER 0123456789", "bEARER [redacted]"},
    {"query value by name", "open connect?apiKey=hunter2&x=1", "open connect?apiKey=[redacted]&x=1"},
    {"snake case", "api_key=hunter2", "api_key=[redacted]"},
    {"upper case", "OPENAI_API_KEY=hunter2 run", "OPENAI_API_KEY=[redacted] run"},
    {"signing key", "signingKey=abc;", "signingKey=[redacted];"},
    {"one byte", "token=x", "token=[redacted]"},
    {"password", "PASSWORD=p4ss", "PASSWORD=[redacted]"},
    {"password in words", "password: correct horse", "password: [redacted] horse"},
    {"spaced", "secret = abc123", "secret = [redacted]"},
    {"json", "{\"apiKey\": \"a b\", \"x\": 1}", "{\"apiKey\": \"[redacted]\", \"x\": 1}"},
    {"json in json", "{\\\"token\\\":\\\"abc\\\",\\\"y\\\":2}", "{\\\"token\\\":\\\"[redacted]\\\",\\\"y\\\":2}"},
    {"python dict", "{'password': 'it is', 'n': 2}", "{'password': '[redacted]', 'n': 2}"},
    {"quote inside", "password=\"a\\\"b\" c", "password=\"[redacted]\" c"},
    {"quote not closed", "password=\"abc def", "password=\"[redacted]"},
    {"percent", "u?next=apiKey%3Dhunter2&b", "u?next=apiKey%3D[redacted]&b"},
    {"token that looks like one", "token: abc123xyz", "token: [redacted]"},
    {"header", "x-bb-api-key: hunter2", "x-bb-api-key: [redacted]"},
    {"model header", "X-Model-Api-Key: hunter2\nHost: a", "X-Model-Api-Key: [redacted]\nHost: a"},
    {"authorization", "Authorization: Basic dXNlcjpwYXNz\nHost: a", "Authorization: [redacted]\nHost: a"},
    {"scheme and token", "apiKey: Bearer hunter2 x", "apiKey: [redacted] x"},
    {"cookie", "Cookie: a=b; c=d\nx", "Cookie: [redacted]\nx"},
    {"url query", "at wss://c.example/x?apiKey=k&sessionId=3f2c ok",
     "at wss://c.example/x?apiKey=[redacted]&sessionId=[redacted] ok"},
    {"url fragment", "https://a.example/#access=1", "https://a.example/#access=[redacted]"},
    {"url user", "https://user:pass@a.example/p", "https://[redacted]@a.example/p"},
    {"url user with @", "redis://:p@ss@h:1", "redis://[redacted]@h:1"},
    {"url in quotes", "\"ws://h/?a=b\" c=d", "\"ws://h/?a=[redacted]\" c=d"},
    {"url value with =", "http://h/?a=b==&c=d", "http://h/?a=[redacted]&c=[redacted]"},
    {"private key", "x\n-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\ny", "x\n[redacted]\ny"},
    {"private key cut", "-----BEGIN PRIVATE KEY-----\nMIIB", "[redacted]"},
};

static const char *const must_keep[] = {
    "",
    "a",
    "=",
    ":",
    "://",
    "://x@y",
    "3f2c9a1e-77b0-4d1c-9a55-0c2b7e9d1f42",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "bb_concurrency_limit",
    "bb_test_ is a prefix, bb_live_ too",
    "session.create",
    "us-east-1",
    "gpt-4.1-mini",
    "risk-based-scheduling-0123456789",
    "task-2026-11-22-collect-0001",
    "sk-2026-11-22-0001-22",
    "sk-learn-contrib",
    "sk-SK",
    "10:30:00",
    "2026-11-22T04:26:00.123Z",
    "the bearer of bad news",
    "Bearer authentication failed",
    "Unexpected token: else",
    "Unexpected token < in JSON at position 0",
    "max_tokens=512",
    "tokens: 1834",
    "monkey=5",
    "key=value",
    "session=abc task=def",
    "error: socket hang up",
    "https://www.browserbase.com/sessions/3f2c9a1e",
    "http://127.0.0.1:10108/metrics",
    "mail someone@example.com about it",
    "token=",
    "token: {\"a\":1}",
    "apiKey=[redacted]",
    "AKIA",
    "HAVING A BIAS IN AIASIA",
    "eyJust a word",
    "eyJhbGci",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "--flag --other",
    "100%3 of it",
    "caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac",
};

static void scrubs_to(const char *name, struct oxp_view in, struct oxp_view want) {
    static char out[32768];
    size_t len = oxp_scrub(in, out, sizeof out);
    if (len != want.len || memcmp(out, want.ptr, len) != 0) {
        fail_msg("%s: got \"%.*s\", want \"%.*s\"", name, (int)len, out, (int)want.len, want.ptr);
    }
}

static void redacts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof must_redact / sizeof must_redact[0]; i++) {
        const struct row *row = &must_redact[i];
        if (!oxp_scrub_suspects(oxp_view_from(row->in))) {
            fail_msg("%s is not suspected", row->name);
        }
        scrubs_to(row->name, oxp_view_from(row->in), oxp_view_from(row->out));
        scrubs_to(row->name, oxp_view_from(row->out), oxp_view_from(row->out)); /* once is enough */
    }
}

static void keeps(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof must_keep / sizeof must_keep[0]; i++) {
        if (oxp_scrub_suspects(oxp_view_from(must_keep[i]))) {
            fail_msg("\"%s\" is suspected", must_keep[i]);
        }
        scrubs_to("kept", oxp_view_from(must_keep[i]), oxp_view_from(must_keep[i]));
    }
}

/* The scan looks at sixteen bytes at a time: a secret is found wherever it lies in them. */
static void found_at_every_place(void **state) {
    (void)state;
    static const char *const secrets[] = {"bb_live_abcd", "AKIAIOSFODNN7EXAMPLE", "token=x", "sk-ant-abcdefghi"};
    for (size_t s = 0; s < sizeof secrets / sizeof secrets[0]; s++) {
        for (int before = 0; before < 50; before++) {
            for (int after = 0; after < 40; after++) {
                char in[128], want[128];
                int is_named = secrets[s][0] == 't';
                snprintf(in, sizeof in, "%.*s %s %.*s", before,
                         "the quick fox, the quick fox, the quick fox, the quick fox", secrets[s], after,
                         "0123456789 0123456789 0123456789 0123456789");
                snprintf(want, sizeof want, "%.*s %s[redacted] %.*s", before,
                         "the quick fox, the quick fox, the quick fox, the quick fox", is_named ? "token=" : "", after,
                         "0123456789 0123456789 0123456789 0123456789");
                assert_true(oxp_scrub_suspects(oxp_view_from(in)));
                scrubs_to(in, oxp_view_from(in), oxp_view_from(want));
            }
        }
    }
}

/* Texts put together from what the rules look at: what is not suspected is not changed, and nothing is scrubbed twice.
 */
static void scan_and_scrub_agree(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "bb_",      "live_",    "test_",      "sk-",         "ant-",        "AK",        "IA",    "AIza",
        "eyJ",      ".",        "Bearer",     " ",           "=",           ":",         "//",    "?",
        "&",        "#",        "@",          "%3D",         "\"",          "\\",        "'",     "apiKey",
        "token",    "password", "cookie",     "-----BEGIN ", "PRIVATE KEY", "-----END ", "-----", "0123456789ABCDEF",
        "abcdefgh", "\n",       "[redacted]", "{",           "}",           ",",         "https", "x"};
    struct oxp_random random;
    oxp_random_seed(&random, 7);
    for (int i = 0; i < 30000; i++) {
        char in[1024], once[4096], twice[4096];
        size_t len = 0;
        for (uint64_t n = 1 + oxp_random_u64(&random) % 12; n > 0; n--) {
            const char *piece = pieces[oxp_random_u64(&random) % (sizeof pieces / sizeof pieces[0])];
            memcpy(in + len, piece, strlen(piece));
            len += strlen(piece);
        }
        struct oxp_view text = oxp_view_of(in, len);
        size_t once_len = oxp_scrub(text, once, sizeof once);
        if (!oxp_scrub_suspects(text)) {
            assert_true(oxp_view_equal(oxp_view_of(once, once_len), text));
        }
        size_t twice_len = oxp_scrub(oxp_view_of(once, once_len), twice, sizeof twice);
        assert_true(twice_len <= sizeof twice);
        for (size_t at = 0; at + 12 <= once_len; at++) {
            assert_false(memcmp(once + at, "bb_live_0123", 12) == 0);
        }
    }
}

static void cut_to_the_room(void **state) {
    (void)state;
    const char *in = "abc bb_live_0123456789 def";
    for (size_t size = 0; size <= 20; size++) {
        char out[32];
        memset(out, '!', sizeof out);
        size_t len = oxp_scrub(oxp_view_from(in), out, size);
        assert_int_equal(len, size < 18 ? size : 18);
        assert_memory_equal(out, "abc [redacted] def", len);
        assert_int_equal(out[len], '!');
    }
}

/* Nothing that is repeated may cost its length again each time: 400 kB take a blink, or the test runs into its limit.
 */
static void linear(void **state) {
    (void)state;
    static const char *const pieces[] = {"sk-",    "eyJ-", "eyJ",         "bb_",      "AKIA", "://",
                                         "token:", "=",    "-----BEGIN ", "Bearer ",  "%3D",  "http://a",
                                         "apiKey", "\"",   "cookie ",     "bearer a", "AIza-"};
    static char in[400000], out[4000000];
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        size_t len = strlen(pieces[p]);
        for (size_t i = 0; i < sizeof in; i++) {
            in[i] = pieces[p][i % len];
        }
        assert_true(oxp_scrub(oxp_view_of(in, sizeof in), out, sizeof out) <= sizeof out);
    }
}

static void names(void **state) {
    (void)state;
    static const char *const secret[] = {"apiKey",    "x-bb-api-key",  "X_MODEL_API_KEY",       "db_password",
                                         "token",     "Authorization", "AWS_SECRET_ACCESS_KEY", "signing_key",
                                         "Set-Cookie"};
    static const char *const plain[] = {"",        "key",    "tokens",     "max_tokens",
                                        "session", "monkey", "authorized", "cookies"};
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++) {
        assert_true(oxp_scrub_is_secret_name(oxp_view_from(secret[i])));
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        assert_false(oxp_scrub_is_secret_name(oxp_view_from(plain[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redacts),
        cmocka_unit_test(keeps),
        cmocka_unit_test(found_at_every_place),
        cmocka_unit_test(scan_and_scrub_agree),
        cmocka_unit_test(cut_to_the_room),
        cmocka_unit_test(linear),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
