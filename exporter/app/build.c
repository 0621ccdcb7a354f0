#include "exporter/app/build.h"

#include "alerts/aws/aws.h"
#include "alerts/outbox/outbox.h"
#include "exporter/serve/serve.h"
#include "lib/base/buf.h"
#include "lib/gzip/gzip.h"
#include "lib/json/json.h"
#include "lib/net/net.h"
#include "lib/regex/regex.h"
#include "lib/yaml/yaml.h"

const char *oxp_build_version(void) {
    return OXP_VERSION;
}

const char *oxp_build_revision(void) {
    return OXP_REVISION;
}

char *oxp_build_text(void) {
    const struct {
        const char *name;
        const char *version;
    } libraries[] = {
        {"libmicrohttpd", oxp_serve_library()}, {"jansson", oxp_json_library()}, {"libyaml", oxp_yaml_library()},
        {"ISA-L", oxp_gzip_library()},          {"libcurl", oxp_net_version()},  {"PCRE2", oxp_regex_library()},
        {"SQLite", oxp_outbox_library()},       {"GnuTLS", oxp_aws_library()},
    };
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    oxp_buf_append_format(&buf, "oxpecker, version %s (revision %s)\n  compiler: %s\n", OXP_VERSION, OXP_REVISION,
                          __VERSION__);
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        oxp_buf_append_format(&buf, "  %s: %s\n", libraries[i].name,
                              libraries[i].version == NULL ? "not on this machine" : libraries[i].version);
    }
    return oxp_buf_take(&buf, NULL);
}
