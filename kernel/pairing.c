/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), two-pass merging, without recursion. */
#include "kernel/pairing.h"

/* Joins two heaps without siblings; either may be NULL. */
static struct pairing_node *meld(struct pairing_node *a, struct pairing_node *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if ((int64_t)(b->key - a->key) < 0) {
        struct pairing_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->sibling = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Takes the first node off a list of siblings. */
static struct pairing_node *detach(struct pairing_node **list)
{
    struct pairing_node *node = *list;
    if (node) {
        *list = node->sibling;
        node->sibling = NULL;
        node->prev = NULL;
    }
    return node;
}

static struct pairing_node *meld_siblings(struct pairing_node *list)
{
    struct pairing_node *pairs = NULL, *heap = NULL;
    while (list) {
        struct pairing_node *first = detach(&list);
        struct pairing_node *pair = meld(first, detach(&list));
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs)
        heap = meld(heap, detach(&pairs));
    return heap;
}

void pairing_insert(struct pairing_heap *heap, struct pairing_node *node)
{
    node->child = NULL;
    node->sibling = NULL;
    node->prev = NULL;
    heap->root = meld(heap->root, node);
}

void pairing_remove(struct pairing_heap *heap, struct pairing_node *node)
{
    struct pairing_node *rest = meld_siblings(node->child);
    if (!node->prev) {
        heap->root = rest;
    } else {
        if (node->prev->child == node)
            node->prev->child = node->sibling;
        else
            node->prev->sibling = node->sibling;
        if (node->sibling)
            node->sibling->prev = node->prev;
        heap->root = meld(heap->root, rest);
    }
    node->child = NULL;
    node->sibling = NULL;
    node->prev = NULL;
}
