/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Pairing heap with its links inside the elements: least key first, O(1) insertion, O(log n)
 * amortised removal of any element. No memory of its own, no locking. Keys are compared by their
 * signed difference, so they may wrap as long as they span less than 2^63.
 */
#ifndef KERNEL_PAIRING_H
#define KERNEL_PAIRING_H

#include "kernel/types.h"

struct pairing_node {
    uint64_t key;
    struct pairing_node *child;   /* first of its children */
    struct pairing_node *sibling; /* next child of its parent */
    struct pairing_node
        *prev; /* previous sibling, or the parent of a first child; NULL for the root */
};

struct pairing_heap {
    struct pairing_node *root; /* the least, NULL when empty */
};

void pairing_insert(struct pairing_heap *heap, struct pairing_node *node);
/* `node` is in `heap`. */
void pairing_remove(struct pairing_heap *heap, struct pairing_node *node);

#endif
