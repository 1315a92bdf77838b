/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Code cache regions and links (chain.h). */
#include "dbt/chain.h"

#include <string.h>
#include "dbt/emitter.h"
#include "dbt/knobs.h"

#define CODE_ALIGN 16

void dbt_cache_init(struct dbt_cache *c, void *write, const void *exec, size_t size,
                    struct dbt_link *links, unsigned link_count)
{
    *c = (struct dbt_cache){
        .write = write, .exec = exec, .size = size, .links = links, .link_count = link_count};
}

static size_t region_size(const struct dbt_cache *c)
{
    return ALIGN_DOWN((c->size - c->reserved) / DBT_REGIONS, CODE_ALIGN);
}

struct dbt_room dbt_cache_room(const struct dbt_cache *c)
{
    const struct dbt_region *r = &c->regions[c->current];
    unsigned links = c->link_count / DBT_REGIONS;
    size_t at = c->reserved + c->current * region_size(c) + r->used;

    return (struct dbt_room){.write = c->write + at,
                             .exec = c->exec + at,
                             .size = region_size(c) - r->used,
                             .links = c->links + c->current * links + r->links_used,
                             .link_count = links - r->links_used,
                             .base = c->exec,
                             .sites =
                                 c->sites ? c->sites + c->current * links + r->site_count : NULL,
                             .site_count = c->sites ? links - r->site_count : 0};
}

void dbt_cache_reserve(struct dbt_cache *c, size_t size)
{
    c->reserved = ALIGN_UP(size, PAGE_SIZE);
}

void dbt_cache_commit(struct dbt_cache *c, struct dbt_code *code, size_t size, unsigned links)
{
    struct dbt_region *r = &c->regions[c->current];
    struct dbt_room room = dbt_cache_room(c);

    *code = (struct dbt_code){.entry = room.exec,
                              .size = size,
                              .links = room.links,
                              .link_count = links,
                              .region = c->current,
                              .older = r->codes};
    r->codes = code;
    r->used = MIN(ALIGN_UP(r->used + size, CODE_ALIGN), region_size(c));
    r->links_used += links;
}

void dbt_cache_commit_sites(struct dbt_cache *c, unsigned sites)
{
    struct dbt_region *r = &c->regions[c->current];

    __atomic_store_n(&r->site_count, r->site_count + sites, __ATOMIC_RELEASE);
}

const void *dbt_cache_otherwise(const struct dbt_cache *c, uint64_t pc)
{
    uint64_t at = pc - (uintptr_t)c->exec, region, low = 0, high;
    const struct dbt_site *sites;

    if (!c->sites || at < c->reserved || at >= c->size)
        return NULL;
    region = (at - c->reserved) / region_size(c);
    if (region >= DBT_REGIONS)
        return NULL;
    sites = c->sites + region * (c->link_count / DBT_REGIONS);
    high = __atomic_load_n(&c->regions[region].site_count, __ATOMIC_ACQUIRE);
    while (low < high) {
        uint64_t middle = (low + high) / 2;

        if (sites[middle].at == at)
            return c->exec + sites[middle].otherwise;
        if (sites[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static unsigned next_region(const struct dbt_cache *c)
{
    return (c->current + 1) % DBT_REGIONS;
}

struct dbt_code *dbt_cache_oldest(const struct dbt_cache *c)
{
    return c->regions[next_region(c)].codes;
}

void dbt_cache_advance(struct dbt_cache *c, void (*forget)(void *context, struct dbt_code *code),
                       void *context)
{
    struct dbt_region *r;
    struct dbt_code *code, *older;

    c->current = next_region(c);
    r = &c->regions[c->current];
    for (code = r->codes; code; code = older) {
        older = code->older;
        dbt_unlink_code(code);
        forget(context, code);
    }
    c->evictions += r->codes != NULL;
    *r = (struct dbt_region){.generation = r->generation + 1};
}

bool dbt_link_lives(const struct dbt_cache *c, uint64_t at, bool slow)
{
    uint64_t offset = at - (uintptr_t)c->links, index = offset / sizeof(*c->links);
    uint64_t share = c->link_count / DBT_REGIONS;
    uint8_t linked;

    if (at < (uintptr_t)c->links || offset % sizeof(*c->links) || index >= share * DBT_REGIONS ||
        index % share >= c->regions[index / share].links_used)
        return false;
    linked = c->links[index].linked;
    return slow ? linked == DBT_LINK_SLOW : linked <= 1;
}

void dbt_link_to(struct dbt_link *l, struct dbt_code *to, uint64_t key)
{
    if (l->linked > 1)
        return;
    dbt_unlink(l);
    l->to = to;
    l->next = to->incoming;
    to->incoming = l;
    l->linked = 1;
    __atomic_store_n(&l->code, to->entry, __ATOMIC_RELEASE);
    if (l->far)
        __atomic_store_n(&l->key, key, __ATOMIC_RELEASE);
}

/* Out of its target's list, and back to its own stub. */
void dbt_unlink(struct dbt_link *l)
{
    struct dbt_link **at;

    if (l->linked != 1)
        return;
    __atomic_store_n(&l->key, DBT_LINK_NO_KEY, __ATOMIC_RELEASE);
    __atomic_store_n(&l->code, l->unlinked, __ATOMIC_RELEASE);
    for (at = &l->to->incoming; *at != l; at = &(*at)->next)
        continue;
    *at = l->next;
    l->linked = 0;
    l->to = NULL;
    l->next = NULL;
}

void dbt_unlink_code(struct dbt_code *code)
{
    while (code->incoming)
        dbt_unlink(code->incoming);
    for (unsigned i = 0; i < code->link_count; i++) {
        dbt_unlink(&code->links[i]);
        if (code->links[i].linked <= 1) /* who runs it yet may come to others yet */
            code->links[i].linked = DBT_LINK_DEAD;
    }
}

void dbt_returns_empty(struct dbt_frame *f, void *stack)
{
    uint64_t *top = (uint64_t *)((char *)stack + DBT_RETURN_STACK);
    const char *end = (char *)top - dbt_knobs.return_stack + DBT_RETURN_SPARE;
    uint64_t limit = (uintptr_t)cage_address(end);

    /* One pair that agrees with no return. */
    top[-1] = top[-2] = DBT_RETURN_NONE;
    f->return_sp = (uintptr_t)cage_address(top - 2);
    memcpy(f->return_limit_bytes, &limit, sizeof(f->return_limit_bytes)); /* not the poll word */
}
