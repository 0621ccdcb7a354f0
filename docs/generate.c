/* oxpecker-docs PAGE: prints a page that is made from the tables in the code. Built and run by the build
 * (docs/CMakeLists.txt): the tests hold the pages in this folder against it, the target docs-update writes them anew.
 */
#include "docs/generate.h"

#include "exporter/config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void generate_cell(struct oxp_buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            oxp_buf_append_text(out, "\\|");
        } else if (*text == '<') {
            oxp_buf_append_text(out, "&lt;");
        } else {
            oxp_buf_append_char(out, *text);
        }
    }
}

void generate_configuration(struct oxp_buf *out) {
    oxp_buf_append_text(
        out, "# Configuration\n\n"
             "Made from the option table (`exporter/config/options.def`) by `oxpecker-docs`; do not edit.\n\n"
             "Every option is a key of the YAML file, a flag and an environment variable. A flag wins over the "
             "variable, which wins\n"
             "over the file, which wins over the default; all of them are checked, also where a stronger one wins.\n\n"
             "- **Names.** `web.listen_address` is `--web.listen-address` and `OXPECKER_WEB_LISTEN_ADDRESS`. In the "
             "file the first part is\n"
             "  the section; dotted keys are refused.\n"
             "- **Flags.** `--flag=value` or `--flag value`; a boolean is `--flag` or `--no-flag`. A flag given twice "
             "is an error;\n"
             "  but those of path lists may be.\n"
             "- **Unknown names are errors**: flags, keys (with line and column) and variables that begin with "
             "`OXPECKER_`. What Kubernetes sets\n"
             "  for a service of that name (`OXPECKER_SERVICE_HOST`, `OXPECKER_PORT=tcp://…`) is let pass.\n"
             "- **Variables in the file.** `${NAME}` in a value is the environment variable NAME, `$$` a dollar sign. "
             "One that is not set is an error;\n"
             "  `${NAME:-text}` is text where it is not set or empty.\n"
             "- **Durations** are Prometheus': `500ms`, `15s`, `1h30m`, `1d`; units y, w, d, h, m, s, ms, each once, "
             "in that order.\n"
             "- **Sizes** are powers of two: `64MiB`, or `64MB` as Prometheus says it; units TiB, GiB, MiB, KiB, or "
             "none for "
             "bytes.\n"
             "- **Label mappings** (`external_labels: {replica: \"${HOSTNAME}\"}`) are text as a flag or a variable: "
             "`replica=a,zone=b`, with `\\`\n"
             "  before a comma or a backslash of a value.\n"
             "- **Path lists** (`rule_files: [a.yml, rules/*.yml]`) are text as a flag, which may be repeated, or a "
             "variable: `a.yml,rules/*.yml`,\n"
             "  with `\\` before a comma or a backslash of a path. In the file they are relative to the file.\n"
             "- **Sections with a grammar of their own** (`alerting`, `cloudwatch`) stand in the file only; they have "
             "neither "
             "flag nor variable.\n"
             "- **Booleans** are `true` and `false`; yes, no, on and off are not.\n"
             "- **The file** is one YAML document in UTF-8 of at most 1 MiB, without anchors, aliases and tags; a key "
             "may stand once.\n"
             "- **Reload** (SIGHUP, or `/-/reload`) reads everything again, rule files too. A fault keeps all that "
             "was. Where "
             "the table says no, a change\n"
             "  waits for a restart, and the log says so.\n\n"
             "`oxpecker check config FILE…` tells every fault of a file with line and column. `examples/oxpecker.yml` "
             "is a file with every key.\n\n");
    char *tables = oxp_config_markdown();
    if (tables == NULL) {
        out->status = OXP_ERR_NOMEM;
        return;
    }
    oxp_buf_append_text(out, tables);
    free(tables);
}

static const struct page {
    const char *name;
    void (*generate)(struct oxp_buf *out);
} pages[] = {
    {"configuration", generate_configuration},
    {"metrics", generate_metrics},
    {"events", generate_events},
    {"errors", generate_errors},
    {"promql", generate_promql},
    {"man", generate_man},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(argv[1], pages[i].name) != 0) {
            continue;
        }
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        pages[i].generate(&out);
        bool good =
            oxp_buf_status(&out) == OXP_OK && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
        oxp_buf_fini(&out);
        return good ? 0 : 1;
    }
    fprintf(stderr, "usage: oxpecker-docs configuration|metrics|events|errors|promql|man\n");
    return 1;
}
