/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The code cache and what connects pieces of code in it.
 *
 * Memory is cut into regions that are filled one after the other; when all are full the oldest is
 * emptied as a whole. A piece of code jumps to others through links, words in data pages: unlinked
 * they lead to a stub of its own that leaves to the engine. Whoever changes anything here holds the
 * engine's translation lock; running code sees each link change in one store.
 */
#ifndef DBT_CHAIN_H
#define DBT_CHAIN_H

#include "kernel/log.h"

/* A way out of a piece of code. In-page links hold for every mapping of the page. Links to other
 * pages hold where they were made: `key` is pc_base ^ context of the vCPU at that time. */
struct dbt_link {
    const void *code; /* where it leads */
    uint64_t key;
    const void *unlinked; /* its own stub */
    struct dbt_code *to;
    struct dbt_link *next; /* that lead to the same code */
    int32_t target;        /* relative to the page base */
    uint8_t far;           /* to another page */
    uint8_t linked;        /* 0, 1 or one of these: */
    uint16_t owner;        /* of a far link: who made it first, plus 1; others look their way up */
};
#define DBT_LINK_DEAD   2    /* its code is forgotten, it leads nowhere for good */
#define DBT_LINK_SLOW   3    /* it is no link: what lies before `target` is a struct dbt_slow_op */
#define DBT_LINK_COUNT  4    /* it is none: counts in `code` for instructions from `target` on */
#define DBT_LINK_NO_KEY 1ULL /* no pc_base has this */

/* A piece of code: part of its owner's block descriptor. */
struct dbt_code {
    const void *entry;
    size_t size;
    struct dbt_link *links; /* ways out */
    unsigned link_count;
    unsigned region;
    struct dbt_link *incoming;
    struct dbt_code *older; /* in its region */
};

#define DBT_REGIONS 8

/* With page tables: an access that may fault, and the code that does it otherwise; distances from
 * the beginning of the executed cache. */
struct dbt_site {
    uint32_t at, otherwise;
};

struct dbt_region {
    size_t used;
    unsigned links_used;
    unsigned site_count;    /* atomic: sites are looked for by code that was stopped */
    struct dbt_code *codes; /* newest first */
    uint64_t generation;    /* counts emptyings */
};

struct dbt_cache {
    uint8_t *write;
    const uint8_t *exec;
    size_t size;
    struct dbt_link *links;
    unsigned link_count;
    struct dbt_site *sites; /* as many as links, or NULL; each region's in order */
    size_t reserved;        /* stubs, at the beginning */
    unsigned current;
    struct dbt_region regions[DBT_REGIONS];
    uint64_t evictions;
};

/* Takes memory over: `size` bytes of code, written and executed at two addresses (or one), and
 * `link_count` links near the executed one. */
void dbt_cache_init(struct dbt_cache *c, void *write, const void *exec, size_t size,
                    struct dbt_link *links, unsigned link_count);
struct dbt_room;
/* What is left of the current region (of the whole cache's beginning, before
 * dbt_cache_reserve()). */
struct dbt_room dbt_cache_room(const struct dbt_cache *c);
/* The first `size` bytes hold stubs: they stay. */
void dbt_cache_reserve(struct dbt_cache *c, size_t size);
/* Code of so many bytes and links was written into the room: `code` owns it now. */
void dbt_cache_commit(struct dbt_cache *c, struct dbt_code *code, size_t size, unsigned links);
/* The same for what was found at its sites, once the code is there to be run. */
void dbt_cache_commit_sites(struct dbt_cache *c, unsigned sites);
/* The code that does otherwise what was to be done at `pc`; NULL: `pc` is no site. Any context. */
const void *dbt_cache_otherwise(const struct dbt_cache *c, uint64_t pc);
/* The code in the next region, newest first; NULL: none. */
struct dbt_code *dbt_cache_oldest(const struct dbt_cache *c);
/* Empties the next region and goes on there. `forget` is called for each piece of code in it, after
 * it was unlinked: its owner must never enter it again. No vCPU may be in emitted code of that
 * region: the engine passes them by first. */
void dbt_cache_advance(struct dbt_cache *c, void (*forget)(void *context, struct dbt_code *code),
                       void *context);

/* Is `at`, as code that nobody trusts names it, the place of a link of code that lives
 * (DBT_LINK_SLOW: of an operation)? Under the lock. */
bool dbt_link_lives(const struct dbt_cache *c, uint64_t at, bool slow);

/* `l` leads to `to` from now on; `key` as above for far links. */
void dbt_link_to(struct dbt_link *l, struct dbt_code *to, uint64_t key);
void dbt_unlink(struct dbt_link *l);
/* Nothing leads to it any more, and it leads nowhere: before its owner forgets it. */
void dbt_unlink_code(struct dbt_code *code);

#endif
