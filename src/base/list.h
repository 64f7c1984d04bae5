/*
 * list.h - an intrusive doubly linked list
 *
 * The list is a ring through its head. A node that is in no list points to itself, so
 * removing twice is harmless and "is it in a list" is a question the node can answer.
 */
#ifndef KP_LIST_H
#define KP_LIST_H

#include <stdbool.h>

#include "base.h"

struct kp_node {
    struct kp_node *prev, *next;
};

static inline void
kp_list_init(struct kp_node *head)
{
    head->prev = head->next = head;
}

static inline bool
kp_list_is_empty(const struct kp_node *head)
{
    return head->next == head;
}

static inline bool
kp_node_is_linked(const struct kp_node *node)
{
    return node->next != node;
}

static inline void
kp_list_append(struct kp_node *head, struct kp_node *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void
kp_list_remove(struct kp_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    kp_list_init(node);
}

/* Moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void
kp_list_splice(struct kp_node *to, struct kp_node *from)
{
    if (kp_list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    kp_list_init(from);
}

/* Takes the first node out, or returns NULL. */
static inline struct kp_node *
kp_list_pop(struct kp_node *head)
{
    struct kp_node *node = head->next;

    if (node == head)
        return NULL;
    kp_list_remove(node);
    return node;
}

#define kp_list_each(node, head)                                                         \
 for (struct kp_node *node = (head)->next; node != (head); node = node->next)

/* The body may remove `node`, and nothing else. */
#define kp_list_each_safe(node, head)                                                    \
 for (struct kp_node *node = (head)->next, *node##_next = node->next; node != (head);    \
      node = node##_next, node##_next = node->next)

#endif
