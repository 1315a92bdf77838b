/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The heap: size classes on pages, per-CPU free lists. DEBUG=1: red zones, poisoning of freed
 * memory, owners; violations panic with the allocating and freeing code's addresses.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "kernel/types.h"

/* NULL when there is no memory. Aligned to 16 bytes (64 from 64 bytes on). Thread or interrupt
 * context. */
void *heap_alloc(size_t size) MUST_CHECK;
void *heap_zalloc(size_t size) MUST_CHECK;
/* `count` objects of `size` bytes, zeroed; overflow of the product is an error (NULL). */
void *heap_zalloc_array(size_t count, size_t size) MUST_CHECK;
void heap_free(void *p); /* NULL is allowed */

struct heap_stats {
    uint64_t allocated; /* bytes handed out */
    uint64_t reserved;  /* bytes taken from the page allocator */
    uint64_t objects;
};
void heap_stats_get(struct heap_stats *s);
void heap_init(void);

#endif
