#include "exporter/event/event.h"

#include <stdint.h>

/* Names are looked up for every field of every event, so the tables are hashed, once, before main runs: a constructor
 * needs no lock and no check at each call, and nothing else in the tree could call this before it. A name is compared
 * by its first and last eight bytes, which overlap or meet in names of up to 16 bytes; longer ones are compared in
 * full. */

#define NONE OXP_FIELDS
#define F(id) OXP_FIELD_##id
#define NEEDS(...) ((const enum oxp_field[]){__VA_ARGS__, OXP_FIELDS})
#define MAY(...) ((const enum oxp_field[]){__VA_ARGS__, OXP_FIELDS})

static const struct oxp_field_spec fields[OXP_FIELDS] = {
#define FIELD(id, name, kind, limit, help) [OXP_FIELD_##id] = {name, kind, limit, help},
#include "exporter/event/event.def"
};

static const struct oxp_type_spec types[OXP_EVENT_TYPES] = {
#define TYPE(id, name, needs, may, moves) [OXP_EVENT_##id] = {name, needs, may, moves},
#include "exporter/event/event.def"
};

static const char *const rejects[OXP_REJECTS] = {
#define REJECT(id, name) [OXP_REJECT_##id] = (name),
#include "exporter/event/event.def"
};

static const char *const kinds[] = {
    [OXP_KIND_STRING] = "text",          [OXP_KIND_ID] = "text",           [OXP_KIND_NUMBER] = "a number",
    [OXP_KIND_COUNT] = "a whole number", [OXP_KIND_TIME] = "unix seconds", [OXP_KIND_BOOL] = "true or false",
    [OXP_KIND_MAP] = "an object",        [OXP_KIND_REAL] = "a number",     [OXP_KIND_WORD] = "text or a number",
};

/* The envelope is the fields from the first to ATTRS. */
#define ENVELOPE_END (OXP_FIELD_ATTRS + 1)

struct key {
    uint64_t head, tail;
    size_t len;
};

/* Bits of a slot's number: each table has several times the slots that it has names, so that probes are short. */
#define FIELD_BITS 9
#define TYPE_BITS 7
#define GROUP_BITS 7

struct slot {
    struct key key;
    const char *name; /* NULL = free */
    unsigned value;
};

static struct slot field_slots[1 << FIELD_BITS], type_slots[1 << TYPE_BITS];
static struct slot group_slots[1 << GROUP_BITS]; /* first parts of nested names */
_Static_assert(OXP_FIELDS <= 3 << (FIELD_BITS - 2) && OXP_EVENT_TYPES <= 1 << (TYPE_BITS - 1), "slots stay free");
static char group_names[OXP_FIELDS][32]; /* as C strings; the slot's value is the row */
static uint64_t group_types[OXP_FIELDS]; /* one bit a type that uses the group */
_Static_assert(OXP_EVENT_TYPES <= 64, "types are bits of one word");
static enum oxp_field same_name[OXP_FIELDS]; /* the next field with this name, or OXP_FIELDS */
static uint64_t allowed[OXP_EVENT_TYPES][OXP_FIELD_WORDS];
static uint64_t required[OXP_EVENT_TYPES][OXP_FIELD_WORDS];

static uint64_t load(const char *p, size_t len) {
    uint64_t word = 0;
    memcpy(&word, p, len);
    return word;
}

static inline struct key key_of(struct oxp_view name) {
    if (name.len >= 8) {
        return (struct key){load(name.ptr, 8), load(name.ptr + name.len - 8, 8), name.len};
    }
    if (name.len >= 4) {
        return (struct key){load(name.ptr, 4), load(name.ptr + name.len - 4, 4), name.len};
    }
    if (name.len >= 2) {
        return (struct key){load(name.ptr, 2), load(name.ptr + name.len - 2, 2), name.len};
    }
    return (struct key){name.len == 1 ? load(name.ptr, 1) : 0, 0, name.len};
}

static inline size_t slot_of(struct key key, unsigned bits) {
    uint64_t mixed = (key.head ^ (uint64_t)key.len) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 32) ^ key.tail) * UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(mixed >> (64 - bits));
}

static inline const struct slot *find(const struct slot *slots, unsigned bits, struct oxp_view name) {
    struct key key = key_of(name);
    for (size_t i = slot_of(key, bits);; i = (i + 1) & (((size_t)1 << bits) - 1)) {
        const struct slot *slot = &slots[i];
        if (slot->name == NULL) {
            return NULL;
        }
        if (slot->key.head == key.head && slot->key.tail == key.tail && slot->key.len == key.len &&
            (key.len <= 16 || memcmp(slot->name, name.ptr, name.len) == 0)) {
            return slot;
        }
    }
}

static void insert(struct slot *slots, unsigned bits, const char *name, unsigned value) {
    struct key key = key_of(oxp_view_from(name));
    size_t i = slot_of(key, bits);
    while (slots[i].name != NULL) {
        i = (i + 1) & (((size_t)1 << bits) - 1);
    }
    slots[i] = (struct slot){key, name, value};
}

static void mark(uint64_t *bits, enum oxp_field field) {
    bits[field / 64] |= UINT64_C(1) << (field % 64);
}

static void index_fields(void) {
    for (unsigned i = 0; i < OXP_FIELDS; i++) {
        same_name[i] = OXP_FIELDS;
        const struct slot *first = find(field_slots, FIELD_BITS, oxp_view_from(fields[i].name));
        if (first == NULL) {
            insert(field_slots, FIELD_BITS, fields[i].name, i);
            continue;
        }
        unsigned last = first->value;
        while (same_name[last] != OXP_FIELDS) {
            last = same_name[last];
        }
        same_name[last] = (enum oxp_field)i;
    }
}

/* Notes that `type` lists `field`: and its group, when it is nested. */
static void allow(unsigned type, enum oxp_field field) {
    mark(allowed[type], field);
    const char *dot = strchr(fields[field].name, '.');
    if (dot == NULL) {
        return;
    }
    struct oxp_view group = oxp_view_of(fields[field].name, (size_t)(dot - fields[field].name));
    const struct slot *slot = find(group_slots, GROUP_BITS, group);
    unsigned row = slot == NULL ? (unsigned)field : slot->value;
    if (slot == NULL) {
        memcpy(group_names[row], group.ptr, group.len);
        insert(group_slots, GROUP_BITS, group_names[row], row);
    }
    group_types[row] |= UINT64_C(1) << type;
}

__attribute__((constructor)) static void build_index(void) {
    index_fields();
    for (unsigned t = OXP_EVENT_NONE + 1; t < OXP_EVENT_TYPES; t++) {
        insert(type_slots, TYPE_BITS, types[t].name, t);
        for (unsigned f = 0; f < ENVELOPE_END; f++) {
            mark(allowed[t], (enum oxp_field)f);
        }
        for (const enum oxp_field *f = types[t].required; *f != OXP_FIELDS; f++) {
            allow(t, *f);
            mark(required[t], *f);
        }
        for (const enum oxp_field *f = types[t].optional; *f != OXP_FIELDS; f++) {
            allow(t, *f);
        }
    }
}

void oxp_event_clear(struct oxp_event *event) {
    event->type = OXP_EVENT_NONE;
    memset(event->present, 0, sizeof event->present);
    event->attr_count = 0;
    event->label_count = 0;
    event->scratch_len = 0;
}

const struct oxp_field_spec *oxp_field_spec(enum oxp_field field) {
    return (unsigned)field < OXP_FIELDS ? &fields[field] : NULL;
}

const struct oxp_type_spec *oxp_type_spec(enum oxp_event_type type) {
    return type > OXP_EVENT_NONE && type < OXP_EVENT_TYPES ? &types[type] : NULL;
}

enum oxp_event_type oxp_event_type_find(struct oxp_view name) {
    const struct slot *slot = find(type_slots, TYPE_BITS, name);
    return slot == NULL ? OXP_EVENT_NONE : (enum oxp_event_type)slot->value;
}

enum oxp_field oxp_field_find(struct oxp_view name) {
    const struct slot *slot = find(field_slots, FIELD_BITS, name);
    return slot == NULL ? OXP_FIELDS : (enum oxp_field)slot->value;
}

enum oxp_field oxp_field_find_for(enum oxp_event_type type, struct oxp_view name) {
    enum oxp_field field = oxp_field_find(name);
    while (field != OXP_FIELDS && ((allowed[type][field / 64] >> (field % 64)) & 1) == 0) {
        field = same_name[field];
    }
    return field;
}

bool oxp_field_is_group(enum oxp_event_type type, struct oxp_view name) {
    const struct slot *slot = find(group_slots, GROUP_BITS, name);
    return slot != NULL && ((group_types[slot->value] >> type) & 1) != 0;
}

const uint64_t *oxp_type_required(enum oxp_event_type type) {
    return required[type];
}

const char *oxp_field_kind_name(enum oxp_field_kind kind) {
    return kinds[kind];
}

const char *oxp_reject_name(enum oxp_reject reason) {
    return (unsigned)reason < OXP_REJECTS ? rejects[reason] : "other";
}
