/* GET /metrics: the registry, in the format that the scraper likes best, in chunks, through gzip when it may. */
#include "exporter/api/parts.h"

#include <oxpecker/exposition.h>
#include <stdio.h>
#include <stdlib.h>

#include "exporter/api/negotiate.h"
#include "lib/gzip/gzip.h"

/* One scrape under way: constant memory, whatever the number of series. */
struct scrape {
    struct oxp_api *api;
    struct oxp_writer *writer;
    struct oxp_gzip *gzip; /* NULL = plain */
    enum oxp_format format;
    struct oxp_mono began;
    bool ended;
    char content_type[128];
};

static size_t read_plain(void *ctx, char *out, size_t size) {
    return oxp_writer_read(ctx, out, size);
}

static size_t read_scrape(void *ctx, char *out, size_t size) {
    struct scrape *scrape = ctx;
    size_t got = scrape->gzip == NULL ? oxp_writer_read(scrape->writer, out, size)
                                      : oxp_gzip_read(scrape->gzip, read_plain, scrape->writer, out, size);
    scrape->ended = got == 0;
    return got;
}

static void count(const struct scrape *scrape) {
    struct oxp_selfstats *stats = scrape->api->stats;
    struct oxp_view format = scrape->format == OXP_FORMAT_OPENMETRICS ? OXP_VIEW("openmetrics") : OXP_VIEW("text");
    double took_s = (double)(oxp_clock_mono(scrape->api->clock).ns - scrape->began.ns) / 1e9;
    oxp_counter_add(oxp_counter(oxp_family_at(stats->families[OXP_S_SCRAPES_TOTAL], format)), 1);
    oxp_histogram_observe(oxp_family_only(stats->families[OXP_S_SCRAPE_DURATION_SECONDS]), took_s);
}

static void end_scrape(void *ctx) {
    struct scrape *scrape = ctx;
    if (scrape->ended) {
        count(scrape);
    }
    oxp_gzip_free(scrape->gzip);
    oxp_writer_free(scrape->writer);
    free(scrape);
}

static struct scrape *begin(struct oxp_api *api, const struct oxp_request *request) {
    struct scrape *scrape = calloc(1, sizeof *scrape);
    if (scrape == NULL) {
        return NULL;
    }
    const char *escaping = NULL;
    scrape->api = api;
    scrape->began = oxp_clock_mono(api->clock);
    scrape->format = oxp_negotiate_format(oxp_request_header(request, "Accept"), &escaping);
    snprintf(scrape->content_type, sizeof scrape->content_type, "%s%s%s", oxp_format_content_type(scrape->format),
             escaping == NULL ? "" : "; escaping=", escaping == NULL ? "" : escaping);
    oxp_selfstats_collect(api->stats);
    struct oxp_writer_options options = {
        .format = scrape->format,
        .created = atomic_load(&api->openmetrics_created),
        .now_s = oxp_wall_seconds(oxp_clock_wall(api->clock)),
    };
    enum oxp_status status = oxp_writer_new(api->registry, &options, &scrape->writer);
    if (status == OXP_OK && oxp_negotiate_gzip(oxp_request_header(request, "Accept-Encoding"))) {
        status = oxp_gzip_new(&scrape->gzip);
    }
    if (status != OXP_OK) {
        end_scrape(scrape);
        return NULL;
    }
    return scrape;
}

void oxp_api_metrics(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct scrape *scrape = begin(ctx, request);
    if (scrape == NULL) {
        oxp_response_error(response, 503, "no memory for a scrape");
        return;
    }
    response->content_type = scrape->content_type;
    response->headers[0][0] = "Vary";
    response->headers[0][1] = "Accept, Accept-Encoding";
    if (scrape->gzip != NULL) {
        response->headers[1][0] = "Content-Encoding";
        response->headers[1][1] = "gzip";
    }
    response->read = read_scrape;
    response->done = end_scrape;
    response->ctx = scrape;
}
