/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Memory for blocks (ring.h). */
#include "dbt/ring.h"

#include "dbt/knobs.h"
#include "mm/heap.h"
#include "mm/page.h"

enum err dbt_ring_create(struct dbt_ring *ring, unsigned regions)
{
    ring->count = regions;
    ring->current = regions - 1;
    ring->region = heap_zalloc_array(regions, sizeof(*ring->region));
    return ring->region ? ERR_OK : ERR_NO_MEMORY;
}

void dbt_ring_destroy(struct dbt_ring *ring)
{
    for (unsigned i = 0; ring->region && i < ring->count; i++)
        if (ring->region[i].memory)
            page_free(virt_to_phys(ring->region[i].memory), DBT_REGION_ORDER);
    heap_free(ring->region);
}

struct dbt_ring_region *dbt_ring_current(const struct dbt_ring *ring)
{
    return &ring->region[ring->current];
}

struct dbt_ring_region *dbt_ring_after(const struct dbt_ring *ring)
{
    return &ring->region[(ring->current + 1) % ring->count];
}

static void region_take(const struct dbt_ring *ring, struct dbt_ring_region *r)
{
    hpa_t memory = {0};

    if (!dbt_knobs.block_memory || dbt_ring_bytes(ring) < dbt_knobs.block_memory)
        memory = page_alloc(DBT_REGION_ORDER, 0);
    r->memory = memory.v ? phys_to_virt(memory) : NULL;
}

struct dbt_ring_region *dbt_ring_next(struct dbt_ring *ring)
{
    struct dbt_ring_region *r = dbt_ring_after(ring);

    if (!r->memory)
        region_take(ring, r);
    if (r->memory || !ring->region[0].memory)
        return r;
    if (ring->current + 1 >= DBT_RING_MIN)
        ring->count = ring->current + 1;
    return &ring->region[0];
}

void dbt_ring_begin(struct dbt_ring *ring, struct dbt_ring_region *r)
{
    r->used = 0;
    ring->current = (unsigned)(r - ring->region);
}

void *dbt_ring_take(const struct dbt_ring *ring, uint64_t size)
{
    struct dbt_ring_region *r = dbt_ring_current(ring);
    void *at;

    size = ALIGN_UP(size, 16UL);
    if (!r->memory || r->used + size > DBT_REGION_SIZE)
        return NULL;
    at = r->memory + r->used;
    r->used += size;
    return at;
}

void dbt_ring_give_back(const struct dbt_ring *ring, const struct dbt_block *b)
{
    struct dbt_ring_region *r = dbt_ring_current(ring);

    if ((const char *)b >= r->memory && (const char *)b < r->memory + r->used)
        r->used = (uint64_t)((const char *)b - r->memory);
}

uint64_t dbt_ring_bytes(const struct dbt_ring *ring)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < ring->count; i++)
        bytes += ring->region[i].memory ? DBT_REGION_SIZE : 0;
    return bytes;
}
