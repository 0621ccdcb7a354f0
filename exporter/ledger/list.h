/* Circular doubly linked lists whose links are members of what they link. Owned by one thread. */
#ifndef OXP_LEDGER_LIST_H
#define OXP_LEDGER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct oxp_link {
    struct oxp_link *prev, *next; /* both the link itself when it is in no list, or the head of an empty one */
};

static inline void oxp_list_init(struct oxp_link *link) {
    link->prev = link->next = link;
}

static inline bool oxp_list_is_empty(const struct oxp_link *head) {
    return head->next == head;
}

/* Takes a link out of the list that it is in, if any. */
static inline void oxp_list_take(struct oxp_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    oxp_list_init(link);
}

/* Moves a link to the end of a list, out of the one that it is in, if any. */
static inline void oxp_list_push(struct oxp_link *head, struct oxp_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* The struct around a link (or a heap node). */
#define OXP_AROUND(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Walks a list; `link` may be taken out inside the loop, the others may not. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `link` is a name */
#define OXP_LIST_EACH(head, link)                                                                                      \
    for (struct oxp_link *link = (head)->next, *link##_next = link->next; link != (head);                              \
         link = link##_next, link##_next = link->next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
