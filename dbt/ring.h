/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Memory for blocks: a ring of regions, filled one after another. When all are in use the oldest is
 * emptied as a whole; when that may be is its owner's affair. Regions are allocated as they are
 * needed. Everything here is done under the lock of the table.
 */
#ifndef DBT_RING_H
#define DBT_RING_H

#include "kernel/log.h"

struct dbt_block;

#define DBT_REGION_ORDER 8 /* 1 MiB */
#define DBT_REGION_SIZE  ((uint64_t)PAGE_SIZE << DBT_REGION_ORDER)
#define DBT_RING_MIN     4UL /* regions: that many make eviction worth it */

struct dbt_ring_region {
    char *memory; /* NULL: not there yet */
    uint64_t used;
    struct dbt_block *blocks; /* that lie in it, newest first */
    uint64_t epoch; /* its blocks are gone for every vCPU that has been at a safe point since */
};

struct dbt_ring {
    struct dbt_ring_region *region;
    unsigned current, count;
};

enum err dbt_ring_create(struct dbt_ring *ring, unsigned regions) MUST_CHECK;
void dbt_ring_destroy(struct dbt_ring *ring);
/* The region that is being filled, and the one after it. */
struct dbt_ring_region *dbt_ring_current(const struct dbt_ring *ring);
struct dbt_ring_region *dbt_ring_after(const struct dbt_ring *ring);
/* The one after it with memory, if there is any: where the host has no more the ring ends before
 * it. */
struct dbt_ring_region *dbt_ring_next(struct dbt_ring *ring);
/* `r`, in which no block is any more, is the one that is filled now. */
void dbt_ring_begin(struct dbt_ring *ring, struct dbt_ring_region *r);
/* `size` bytes of the current region, or NULL: they do not fit. */
void *dbt_ring_take(const struct dbt_ring *ring, uint64_t size);
/* What was taken last goes back. */
void dbt_ring_give_back(const struct dbt_ring *ring, const struct dbt_block *b);
/* Bytes of memory. */
uint64_t dbt_ring_bytes(const struct dbt_ring *ring);

#endif
