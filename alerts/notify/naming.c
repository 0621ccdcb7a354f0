#include "alerts/notify/naming.h"

#include "lib/base/crc32.h"
#include "lib/base/utf8.h"
#include <inttypes.h>

enum { NAME_MAX_LEN = 63, PLACE_MAX = 64 };
#define MIDDLE "/webhook/"

bool oxp_webhook_name_is_good(const char *name) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LEN && strspn(name, letters) > 0 && strspn(name, others) == len;
}

/* From the host on: no scheme, no user, no password. */
static struct oxp_view behind_user(const char *url) {
    const char *host = strstr(url, "://") + 3;
    for (size_t i = strcspn(host, "/?#"); i > 0; i--) {
        if (host[i - 1] == '@') {
            return oxp_view_from(host + i);
        }
    }
    return oxp_view_from(host);
}

/* `hooks.example.com-9c1d03fe` */
static void write_identity(struct oxp_buf *out, const struct oxp_target *webhook) {
    struct oxp_view place, address;
    uint32_t crc = 0;
    if (webhook->url != NULL) {
        address = behind_user(webhook->url);
        place = oxp_view_of(address.ptr, strcspn(address.ptr, "/?#"));
        crc = oxp_crc32c(crc, webhook->url, strcspn(webhook->url, ":"));
    } else {
        const char *slash = strrchr(webhook->url_file_given, '/');
        address = oxp_view_from(webhook->url_file_given);
        place = oxp_view_from(slash == NULL ? webhook->url_file_given : slash + 1);
    }
    crc = oxp_crc32c(crc, address.ptr, address.len);
    oxp_buf_append_view(out, oxp_utf8_cut(place, PLACE_MAX));
    oxp_buf_append_format(out, "-%08" PRIx32, crc);
}

/* How many before the i-th have this queue. */
static size_t count_equal(const struct oxp_receiver *receiver, size_t i, struct oxp_view queue) {
    size_t count = 0;
    for (size_t k = 0; k < i; k++) {
        count += oxp_view_is(queue, receiver->webhooks[k].queue);
    }
    return count;
}

static void write_queue(struct oxp_buf *out, const struct oxp_receiver *receiver, size_t i, size_t number) {
    const struct oxp_target *webhook = &receiver->webhooks[i];
    oxp_buf_clear(out);
    oxp_buf_append_format(out, "%s" MIDDLE, receiver->name);
    if (webhook->name != NULL) {
        oxp_buf_append_text(out, webhook->name);
    } else {
        write_identity(out, webhook);
    }
    if (number > 1) {
        oxp_buf_append_format(out, "-%zu", number);
    }
}

static void name_one(struct oxp_fields *fields, struct oxp_receiver *receiver, size_t i) {
    struct oxp_buf queue;
    size_t number = 1;
    oxp_buf_init(&queue, 0);
    write_queue(&queue, receiver, i, number);
    while (receiver->webhooks[i].name == NULL && oxp_buf_status(&queue) == OXP_OK &&
           count_equal(receiver, i, oxp_buf_view(&queue)) > 0) {
        write_queue(&queue, receiver, i, ++number);
    }
    if (oxp_buf_status(&queue) != OXP_OK) {
        oxp_fields_no_memory(fields);
    } else {
        receiver->webhooks[i].queue = oxp_fields_keep(fields, oxp_buf_view(&queue));
    }
    oxp_buf_fini(&queue);
}

void oxp_webhooks_name(struct oxp_fields *fields, const struct oxp_yaml_node *list, struct oxp_receiver *receiver) {
    const struct oxp_yaml_node *node = list;
    for (size_t i = 0; node != NULL && fields->status == OXP_OK; node = node->next, i++) {
        name_one(fields, receiver, i);
        const char *queue = receiver->webhooks[i].queue;
        if (fields->status == OXP_OK && count_equal(receiver, i, oxp_view_from(queue)) > 0) {
            OXP_FAULT(fields, node, "webhook_configs: two are called %.100s",
                      queue + strlen(receiver->name) + strlen(MIDDLE));
        }
    }
}
