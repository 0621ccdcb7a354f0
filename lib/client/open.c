#include "lib/client/open.h"

#include "lib/base/number.h"
#include <stdlib.h>

#define KEY_MAX 256
#define STATE_MAX 64

struct entry {
    struct oxp_open_link all, owing; /* owing.next == NULL: not in that list */
    char *body;                      /* owned; of the event that opened it */
    size_t body_len;
    int64_t ts_us;
    uint64_t unsent; /* events of it that were folded, and that nobody will hear of should it end now */
    bool told;       /* the sidecar knows it open, or has been told so */
    uint8_t kind, flags, state_len;
    uint16_t key_len;
    char state[STATE_MAX];
    char key[KEY_MAX]; /* kind, then the record's key */
};

#define ENTRY(link, member) ((struct entry *)(void *)((char *)(link)-offsetof(struct entry, member)))

/* ---- Lists ---- */

static void list_init(struct oxp_open_link *list) {
    list->prev = list->next = list;
}

static void list_push(struct oxp_open_link *list, struct oxp_open_link *link) {
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

static void list_take(struct oxp_open_link *link) {
    if (link->next != NULL) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->prev = link->next = NULL;
    }
}

static void owe(struct oxp_open *open, struct entry *entry) {
    if (entry->owing.next == NULL) {
        list_push(&open->owing, &entry->owing);
    }
}

/* ---- In and out ---- */

void oxp_open_init(struct oxp_open *open, size_t limit) {
    *open = (struct oxp_open){.limit = limit};
    oxp_map_init(&open->by_key);
    list_init(&open->all);
    list_init(&open->owing);
    open->owed_end = &open->owed;
}

static void drop(struct oxp_open *open, struct entry *entry) {
    oxp_map_remove(&open->by_key, oxp_view_of(entry->key, entry->key_len));
    list_take(&entry->all);
    list_take(&entry->owing);
    free(entry->body);
    free(entry);
}

void oxp_open_fini(struct oxp_open *open) {
    while (open->all.next != &open->all) {
        drop(open, ENTRY(open->all.next, all));
    }
    while (open->owed != NULL) {
        struct oxp_owed *next = open->owed->next;
        free(open->owed);
        open->owed = next;
    }
    oxp_map_fini(&open->by_key);
    oxp_open_init(open, open->limit);
}

static size_t key_of(char *out, enum oxp_watch_kind kind, struct oxp_view key) {
    out[0] = (char)('a' + kind);
    memcpy(out + 1, key.ptr, key.len);
    return key.len + 1;
}

static struct entry *find(const struct oxp_open *open, enum oxp_watch_kind kind, struct oxp_view key) {
    char whole[KEY_MAX];
    return oxp_map_get(&open->by_key, oxp_view_of(whole, key_of(whole, kind, key)));
}

static struct entry *add(struct oxp_open *open, const struct oxp_record *record) {
    struct entry *entry = open->by_key.count < open->limit ? calloc(1, sizeof *entry) : NULL;
    if (entry == NULL) {
        return NULL;
    }
    entry->kind = record->kind;
    entry->key_len = (uint16_t)key_of(entry->key, record->kind, oxp_record_key(record));
    if (oxp_map_set(&open->by_key, oxp_view_of(entry->key, entry->key_len), entry, NULL) != OXP_OK) {
        free(entry);
        return NULL;
    }
    list_push(&open->all, &entry->all);
    return entry;
}

/* ---- Applying (rules 1 to 3) ---- */

static void keep_state(struct entry *entry, struct oxp_view state) {
    entry->state_len = (uint8_t)(state.len < STATE_MAX ? state.len : STATE_MAX);
    memcpy(entry->state, state.ptr, entry->state_len);
}

static uint64_t apply_open(struct oxp_open *open, const struct oxp_record *record, enum oxp_open_how how) {
    struct oxp_view body = oxp_record_body(record);
    char *copy = malloc(body.len);
    struct entry *entry = copy == NULL ? NULL : find(open, record->kind, oxp_record_key(record));
    bool known = entry != NULL;
    if (copy != NULL && !known) {
        entry = add(open, record);
    }
    if (entry == NULL) {
        free(copy);
        open->unkept++;
        return how == OXP_FOLDED;
    }
    uint64_t lost = 0;
    if (how == OXP_FOLDED) { /* only its newest event will be said */
        lost = entry->unsent;
        entry->unsent = 1;
        owe(open, entry);
    } else {
        entry->unsent = 0;
        entry->told = true;
    }
    memcpy(copy, body.ptr, body.len);
    free(entry->body);
    entry->body = copy;
    entry->body_len = body.len;
    entry->ts_us = record->ts_us;
    entry->flags = record->flags;
    keep_state(entry, oxp_record_state(record));
    return lost;
}

/* Keeps the line of an end (rule 3). */
static bool owe_end(struct oxp_open *open, const struct oxp_record *record) {
    struct oxp_view body = oxp_record_body(record);
    struct oxp_owed *owed = open->owed_count < open->limit ? malloc(sizeof *owed + body.len) : NULL;
    if (owed == NULL) {
        return false;
    }
    owed->next = NULL;
    owed->ts_us = record->ts_us;
    owed->len = body.len;
    memcpy(owed->body, body.ptr, body.len);
    *open->owed_end = owed;
    open->owed_end = &owed->next;
    open->owed_next = open->owed_next == NULL ? owed : open->owed_next;
    open->owed_count++;
    return true;
}

static uint64_t apply_close(struct oxp_open *open, const struct oxp_record *record, enum oxp_open_how how) {
    struct entry *entry = find(open, record->kind, oxp_record_key(record));
    uint64_t lost = entry == NULL ? 0 : entry->unsent;
    if (how == OXP_FOLDED && !(entry != NULL && entry->told && owe_end(open, record))) {
        lost++;
    }
    if (entry != NULL) {
        drop(open, entry);
    }
    return lost;
}

uint64_t oxp_open_apply(struct oxp_open *open, const struct oxp_record *record, enum oxp_open_how how) {
    struct entry *entry;
    struct oxp_view ref = oxp_record_ref(record);
    uint64_t lost = 0;
    if (ref.len != 0 && (entry = find(open, OXP_OPEN_CREATION, ref)) != NULL) {
        lost = entry->unsent; /* what it became is said with its ref */
        drop(open, entry);
    }
    switch ((enum oxp_watch_verb)record->verb) {
    case OXP_WATCH_OPEN:
        return lost + apply_open(open, record, how);
    case OXP_WATCH_CLOSE:
        return lost + apply_close(open, record, how);
    case OXP_WATCH_STATE:
        entry = find(open, record->kind, oxp_record_key(record));
        if (entry != NULL) {
            keep_state(entry, oxp_record_state(record));
            if (how == OXP_FOLDED) {
                owe(open, entry);
            }
        }
        return lost + (how == OXP_FOLDED);
    default:
        return lost + (how == OXP_FOLDED);
    }
}

void oxp_open_owe_all(struct oxp_open *open) {
    for (struct oxp_open_link *link = open->all.next; link != &open->all; link = link->next) {
        owe(open, ENTRY(link, all));
    }
}

uint64_t oxp_open_unsaid(const struct oxp_open *open) {
    uint64_t unsaid = open->owed_count;
    for (struct oxp_open_link *link = open->all.next; link != &open->all; link = link->next) {
        unsaid += ENTRY(link, all)->unsent;
    }
    return unsaid;
}

/* ---- Saying it (rule 4) ---- */

void oxp_open_append_time(struct oxp_buf *out, const char *key, int64_t time_us) {
    char text[8 + OXP_NUMBER_MAX];
    size_t len = 0;
    oxp_buf_append_text(out, key);
    uint64_t us = time_us < 0 ? 0 : (uint64_t)time_us;
    len += oxp_number_from_u64(text + len, us / 1000000);
    uint64_t rest = us % 1000000;
    text[len] = '.';
    for (size_t i = 6; i > 0; i--, rest /= 10) {
        text[len + i] = (char)('0' + rest % 10);
    }
    oxp_buf_append(out, text, len + 7);
}

static void render_entry(const struct entry *entry, struct oxp_buf *out, int64_t now_us) {
    oxp_open_append_time(out, "\"ts\":", now_us);
    oxp_buf_append_char(out, ',');
    oxp_buf_append(out, entry->body, entry->body_len);
    if ((entry->flags & OXP_RECORD_HAS_RESUMED) == 0) {
        oxp_buf_append_text(out, ",\"resumed\":true");
    }
    if ((entry->flags & OXP_RECORD_HAS_STARTED_AT) == 0) {
        oxp_open_append_time(out, ",\"started_at\":", entry->ts_us);
    }
    if ((entry->flags & OXP_RECORD_HAS_STATE) == 0 && entry->state_len != 0) {
        oxp_buf_append_text(out, ",\"state\":");
        oxp_buf_append_json_string(out, oxp_view_of(entry->state, entry->state_len));
    }
    oxp_buf_append_char(out, '}');
}

/* Ends go first: what was opened again under the same name is open now. */
bool oxp_open_render(struct oxp_open *open, struct oxp_buf *out, int64_t now_us, bool *end_out) {
    *end_out = open->owed_next != NULL;
    if (*end_out) {
        oxp_open_append_time(out, "\"ts\":", open->owed_next->ts_us);
        oxp_buf_append_char(out, ',');
        oxp_buf_append(out, open->owed_next->body, open->owed_next->len);
        oxp_buf_append_char(out, '}');
        open->owed_next = open->owed_next->next;
        return true;
    }
    if (open->owing.next == &open->owing) {
        return false;
    }
    struct entry *entry = ENTRY(open->owing.next, owing);
    list_take(&entry->owing);
    entry->told = true;
    entry->unsent = 0;
    render_entry(entry, out, now_us);
    return true;
}

void oxp_open_paid(struct oxp_open *open) {
    struct oxp_owed *owed = open->owed;
    open->owed = owed->next;
    open->owed_end = open->owed == NULL ? &open->owed : open->owed_end;
    open->owed_count--;
    free(owed);
}

void oxp_open_rewind(struct oxp_open *open, size_t keep) {
    open->owed_next = open->owed;
    while (keep-- > 0 && open->owed_next != NULL) {
        open->owed_next = open->owed_next->next;
    }
}
