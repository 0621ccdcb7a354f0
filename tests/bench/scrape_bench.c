/* A registry of N counter series behind the real server and route: bench_scrape SERIES
 *
 * Prints "port PORT" and serves /metrics until standard input ends. Before that it prints the limits, measured here:
 * the time to render every series and, with the same bytes, to send them over loopback TCP to a thread that only reads:
 *   floor_render SECONDS BYTES / floor_send SECONDS / floor_gzip SECONDS (rendering and ISA-L) */
#include "exporter/api/api.h"
#include "lib/base/number.h"
#include "lib/gzip/gzip.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <oxpecker/exposition.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static double now(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

#define FAMILIES 10

static struct oxp_family_spec specs[FAMILIES];
static char names[FAMILIES][64];

static struct oxp_registry *make_registry(size_t series) {
    struct oxp_registry *registry = NULL;
    struct oxp_registry_options options = {.series = series + 100000, .series_per_family = series + 100000};
    if (oxp_registry_new(&options, &registry) != OXP_OK) {
        exit(1);
    }
    for (size_t f = 0; f < FAMILIES; f++) {
        snprintf(names[f], sizeof names[f], "bench_family_%zu_requests_total", f);
        specs[f] = (struct oxp_family_spec){.name = names[f],
                                            .help = "A counter.",
                                            .type = OXP_COUNTER,
                                            .labels = {{.key = "workflow"}, {.key = "status"}, {.key = "instance"}}};
        struct oxp_family *family = NULL;
        if (oxp_registry_add(registry, &specs[f], &family) != OXP_OK) {
            exit(1);
        }
        for (size_t i = f; i < series; i += FAMILIES) {
            char workflow[32], instance[32];
            snprintf(workflow, sizeof workflow, "workflow-%zu", i % 1000);
            snprintf(instance, sizeof instance, "instance-%zu", i);
            struct oxp_series *one =
                oxp_family_at3(family, oxp_view_from(workflow), OXP_VIEW("succeeded"), oxp_view_from(instance));
            oxp_counter_add(oxp_counter(one), i * 7919 % 10000000);
        }
    }
    return registry;
}

/* The floor: the ready prefix and the number of each series, and nothing else. Fills at most `size` bytes; 0 = the end.
 */
struct floor {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    size_t name;
    bool held; /* a sample that did not fit any more */
};

static bool floor_next(struct floor *floor) {
    while (floor->spec == NULL || oxp_snapshot_next(&floor->snapshot, &floor->sample) != OXP_OK) {
        if (oxp_snapshot_family(&floor->snapshot, &floor->spec) != OXP_OK) {
            return false;
        }
        floor->name = strlen(floor->spec->name);
    }
    return true;
}

static size_t floor_read(void *ctx, char *out, size_t size) {
    struct floor *floor = ctx;
    size_t at = 0;
    while (floor->held || floor_next(floor)) {
        const struct oxp_sample *sample = &floor->sample;
        floor->held = at + floor->name + sample->labels.len + 64 > size;
        if (floor->held) {
            break;
        }
        memcpy(out + at, floor->spec->name, floor->name);
        at += floor->name;
        out[at++] = '{';
        memcpy(out + at, sample->labels.ptr, sample->labels.len);
        at += sample->labels.len;
        out[at++] = '}';
        out[at++] = ' ';
        at += oxp_number_from_u64(out + at, sample->whole_value);
        out[at++] = '\n';
    }
    return at;
}

static size_t render_floor(const struct oxp_registry *registry, double *seconds_out) {
    static char chunk[65536];
    struct floor floor = {0};
    size_t bytes = 0, n;
    double began = now();
    oxp_snapshot_begin(&floor.snapshot, registry, 0);
    while ((n = floor_read(&floor, chunk, sizeof chunk)) > 0) {
        bytes += n;
    }
    *seconds_out = now() - began;
    return bytes;
}

/* The same through ISA-L's streamed level 1. */
static double gzip_floor(const struct oxp_registry *registry) {
    static char chunk[65536];
    struct floor floor = {0};
    struct oxp_gzip *gzip = NULL;
    double began = now();
    oxp_snapshot_begin(&floor.snapshot, registry, 0);
    if (oxp_gzip_new(&gzip) != OXP_OK) {
        exit(1);
    }
    while (oxp_gzip_read(gzip, floor_read, &floor, chunk, sizeof chunk) > 0) {
    }
    oxp_gzip_free(gzip);
    return now() - began;
}

static void *reader(void *ctx) {
    static char buffer[262144];
    int fd = accept(*(int *)ctx, NULL, NULL);
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
    close(fd);
    return NULL;
}

static double send_floor(size_t bytes) {
    static char chunk[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    if (bind(server, (struct sockaddr *)&address, len) != 0 || listen(server, 1) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&thread, NULL, reader, &server) != 0 || connect(client, (struct sockaddr *)&address, len) != 0) {
        perror("loopback");
        exit(1);
    }
    double began = now();
    for (size_t left = bytes; left > 0;) {
        ssize_t n = send(client, chunk, left < sizeof chunk ? left : sizeof chunk, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
        left -= (size_t)n;
    }
    close(client);
    pthread_join(thread, NULL);
    close(server);
    return now() - began;
}

static bool ready(void *ctx, const char **why) {
    (void)ctx;
    *why = "";
    return true;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    struct oxp_registry *registry = make_registry((size_t)atol(argv[1]));
    double render = 1e9, send = 1e9, zip = 1e9;
    size_t bytes = 0;
    for (int i = 0; i < 5; i++) { /* the best of five: a limit is what the machine can do */
        double a, b;
        bytes = render_floor(registry, &a);
        b = send_floor(bytes);
        render = a < render ? a : render;
        send = b < send ? b : send;
        b = gzip_floor(registry);
        zip = b < zip ? b : zip;
    }
    printf("floor_render %.6f %zu\nfloor_send %.6f\nfloor_gzip %.6f\n", render, bytes, send, zip);

    struct oxp_registry *own = NULL; /* the sidecar's own metrics, apart so that the series counted are ours */
    struct oxp_selfstats stats;
    if (oxp_registry_new(&(struct oxp_registry_options){0}, &own) != OXP_OK ||
        oxp_selfstats_register(&stats, own, "bench", "bench") != OXP_OK) {
        return 1;
    }
    struct oxp_api api = {.registry = registry, .stats = &stats, .clock = oxp_clock_system(), .ready = ready};
    struct oxp_route *routes = NULL;
    struct oxp_error error = {0};
    struct oxp_server *server = NULL;
    if (oxp_api_routes("/metrics", &routes) != OXP_OK) {
        return 1;
    }
    struct oxp_server_options options = {
        .address = "127.0.0.1:0", .routes = routes, .ctx = &api, .on_answer = oxp_api_on_answer};
    if (oxp_server_new(&options, &server, &error) != OXP_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    printf("port %u\n", oxp_server_port(server));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    oxp_server_free(server, 1000);
    free(routes);
    oxp_registry_free(registry);
    oxp_registry_free(own);
    return 0;
}
