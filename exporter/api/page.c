/* GET /, /page.css, /page.js, /page.svg and /graph: the first page.
 *
 * Whom the ledger's JSON is shown, the page shows the ledger; anyone else gets its links alone, without script. */
#include "exporter/api/page_parts.h"

#include <stdlib.h>

#define PAGE_MAX ((size_t)1 << 20) /* bytes of a page; what it shows is bounded far below */

/* No script, style or answer from anywhere else, none within the page, no frame around it. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void asset(struct oxp_response *response, const char *type, struct oxp_view bytes) {
    struct oxp_buf copy;
    oxp_buf_init(&copy, 0);
    oxp_buf_append_view(&copy, bytes);
    response->content_type = type;
    response->body = oxp_buf_take(&copy, &response->body_len);
    if (response->body == NULL) {
        oxp_response_error(response, 503, "no memory for the answer");
    }
}

void oxp_api_page_css(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    asset(response, "text/css; charset=utf-8", oxp_view_of(oxp_page_css, oxp_page_css_len));
}

void oxp_api_page_js(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    asset(response, "text/javascript; charset=utf-8", oxp_view_of(oxp_page_js, oxp_page_js_len));
}

/* The icon of the tab. */
void oxp_api_page_svg(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    asset(response, "image/svg+xml", oxp_view_of(oxp_page_svg, oxp_page_svg_len));
}

/* An alert's generatorURL is /graph?g0.expr=…, as Prometheus has it; what there is to see of it is on the page. The
 * query is left behind: it is the rule's expression. Relative, for the page may be behind a path of a proxy's. */
void oxp_api_graph(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 302, "text/plain; charset=utf-8", "The alerts are on the first page.\n");
    response->headers[0][0] = "Location";
    response->headers[0][1] = "./#alerts-title";
}

void oxp_api_page(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct oxp_api *api = ctx;
    struct oxp_page_facts *facts = NULL;
    struct oxp_buf page;
    oxp_buf_init(&page, PAGE_MAX);
    if (oxp_request_may(request, OXP_ACCESS_LEDGER)) {
        facts = calloc(1, sizeof *facts);
        if (facts == NULL) {
            oxp_response_error(response, 503, "no memory for the page");
            return;
        }
        oxp_page_look(facts, api);
    }
    oxp_page_write(&page, facts, oxp_request_routes(request));
    if (facts != NULL) {
        oxp_page_forget(facts, api);
        free(facts);
    }
    const char *const headers[][2] = {
        {"Content-Security-Policy", policy},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"X-Frame-Options", "DENY"},
    };
    memcpy(response->headers, headers, sizeof headers);
    response->content_type = "text/html; charset=utf-8";
    response->body = oxp_buf_take(&page, &response->body_len);
    if (response->body == NULL) {
        oxp_response_error(response, 503, "no memory for the page");
    }
}
