#include "exporter/api/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OM OXP_FORMAT_OPENMETRICS
#define TX OXP_FORMAT_TEXT
#define PROTOBUF "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static const struct {
    const char *name, *accept;
    enum oxp_format format;
    const char *escaping;
} formats[] = {
    /* What the versions of Prometheus send. */
    {"2.42",
     "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/"
     "plain;version=0.0.4;q=0.5,"
     "*/*;q=0.1",
     OM, NULL},
    {"2.42, native histograms",
     PROTOBUF ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     OM, NULL},
    {"2.53",
     "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
     OM, NULL},
    {"3.0",
     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
     "application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,"
     "text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,"
     "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2;escaping=allow-utf-8",
     OM, "allow-utf-8"},
    {"3.x",
     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
     "openmetrics-text;version=0.0.1;q=0.5,"
     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
     OM, "allow-utf-8"},
    {"3.x, protobuf first",
     PROTOBUF ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
              "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
              "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
     OM, "allow-utf-8"},
    {"2.42, text only", "text/plain;version=0.0.4,*/*;q=0.1", TX, NULL},
    {"protobuf, then text", PROTOBUF ",text/plain;version=0.0.4;q=0.3,*/*;q=0.1", TX, NULL},
    {"protobuf alone", PROTOBUF, TX, NULL},
    {"2.5, which knew 0.0.1 alone",
     "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", TX, NULL},
    /* Others */
    {"none", NULL, TX, NULL},
    {"empty", "", TX, NULL},
    {"curl", "*/*", TX, NULL},
    {"browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TX, NULL},
    {"a star alone", "*", TX, NULL},
    {"any text", "text/*", TX, NULL},
    {"OpenMetrics without version", "application/openmetrics-text", OM, NULL},
    {"spaces", "  application/openmetrics-text ;  version=1.0.0 ; q = 0.9 , text/plain ; q=0.5 ", OM, NULL},
    {"tabs", "text/plain\t;\tq=0.5\t,\tapplication/openmetrics-text\t;q=0.9", OM, NULL},
    {"any case", "Application/OpenMetrics-Text;VERSION=1.0.0;Q=0.9,TEXT/PLAIN;Q=0.5", OM, NULL},
    {"quoted", "application/openmetrics-text;version=\"1.0.0\";escaping=\"underscores\"", OM, "underscores"},
    {"a comma in quotes", "text/plain;x=\"a,application/openmetrics-text;q=1\";q=0.5", TX, NULL},
    {"a quote in quotes", "text/plain;x=\"\\\",application/openmetrics-text\";q=0.5", TX, NULL},
    {"a quote that does not end", "application/openmetrics-text;x=\"", OM, NULL},
    /* q */
    {"text by q", "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.3", TX, NULL},
    {"text by q of a range", "application/openmetrics-text;q=0.2,*/*;q=0.9", TX, NULL},
    {"three digits", "application/openmetrics-text;q=0.501,text/plain;q=0.500", OM, NULL},
    {"equal: the order, text", "text/plain;q=0.5,application/openmetrics-text;q=0.5", TX, NULL},
    {"equal: the order, OpenMetrics", "application/openmetrics-text;q=0.5,text/plain;q=0.5", OM, NULL},
    {"q=0", "application/openmetrics-text;q=0,*/*;q=0.1", TX, NULL},
    {"q=0.000", "application/openmetrics-text;q=0.000", TX, NULL},
    {"everything refused", "*/*;q=0", TX, NULL},
    {"text refused", "text/plain;q=0,application/openmetrics-text;q=0.1,*/*", OM, NULL},
    {"the closest range decides", "text/*;q=0.9,text/plain;q=0.1,application/openmetrics-text;q=0.5", OM, NULL},
    {"the version is closer", "text/plain;q=0.1,text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5", TX,
     NULL},
    {"another version of text", "text/plain;version=1.0.0,application/openmetrics-text;q=0.1", OM, NULL},
    {"another version of OpenMetrics", "application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TX, NULL},
    /* nonsense */
    {"q of letters", "application/openmetrics-text;q=high", TX, NULL},
    {"q past 1", "application/openmetrics-text;q=5,text/plain;q=0.1", TX, NULL},
    {"negative q", "application/openmetrics-text;q=-1", TX, NULL},
    {"q with an exponent", "application/openmetrics-text;q=1e0,text/plain;q=0.1", TX, NULL},
    {"empty q", "application/openmetrics-text;q=,text/plain;q=0.1", TX, NULL},
    {"q is nan", "application/openmetrics-text;q=nan", TX, NULL},
    {"commas", ",,,;;;,=,;q=1,", TX, NULL},
    {"longer name", "application/openmetrics-text2,text/plain;q=0.1", TX, NULL},
    {"shorter name", "application/openmetrics", TX, NULL},
    {"a parameter without value", "application/openmetrics-text;version;q", TX, NULL},
    {"unknown parameter", "application/openmetrics-text;charset=utf-8;q=0.5", OM, NULL},
    /* escaping */
    {"dots would change names", "application/openmetrics-text;escaping=dots", OM, NULL},
    {"values", "text/plain;version=0.0.4;escaping=values", TX, "values"},
    {"unknown escaping", "application/openmetrics-text;escaping=x\r\nSet-Cookie: a", OM, NULL},
    {"escaping of what was not chosen", "application/openmetrics-text;q=0.9,text/plain;escaping=dots;q=0.1", OM, NULL},
};

static void test_formats(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const char *escaping = "unset";
        enum oxp_format format = oxp_negotiate_format(formats[i].accept, &escaping);
        bool same = escaping == NULL || formats[i].escaping == NULL ? escaping == formats[i].escaping
                                                                    : strcmp(escaping, formats[i].escaping) == 0;
        if (format != formats[i].format || !same) {
            fail_msg("%s: %s, escaping %s", formats[i].name, format == OM ? "OpenMetrics" : "text",
                     escaping == NULL ? "(none)" : escaping);
        }
    }
}

static const struct {
    const char *name, *accept;
    bool gzip;
} codings[] = {
    {"none", NULL, false},
    {"empty", "", false},
    {"Prometheus", "gzip", true},
    {"Go", "gzip, deflate", true},
    {"browser", "gzip, deflate, br, zstd", true},
    {"another case", "GZip", true},
    {"the old name", "x-gzip", true},
    {"not first", "br;q=1.0, gzip;q=0.5", true},
    {"star", "*", true},
    {"star with q", "identity;q=0.5, *;q=0.1", true},
    {"identity", "identity", false},
    {"others", "deflate, br", false},
    {"q=0", "gzip;q=0", false},
    {"q=0.0", "gzip; q=0.0, deflate", false},
    {"named beats star", "gzip;q=0, *", false},
    {"star beats nothing", "*;q=0", false},
    {"named beats a refused star", "*;q=0, gzip", true},
    {"nonsense q", "gzip;q=x", false},
    {"longer", "gzipped", false},
    {"commas", ",;,", false},
};

static void test_codings(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        if (oxp_negotiate_gzip(codings[i].accept) != codings[i].gzip) {
            fail_msg("%s", codings[i].name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_codings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
