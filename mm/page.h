/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page allocator: buddy blocks of 4 KiB << order. Up to 2 MiB each CPU splits superframes of
 * its own; larger blocks come from a shared table of gigabytes. Metadata: 128 bytes a gigabyte, 8
 * bytes a superframe once its gigabyte is split, 128 bytes where a superframe is split.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "kernel/types.h"

#define PAGE_ORDER_2M  9u
#define PAGE_ORDER_1G  18u
#define PAGE_ORDER_MAX PAGE_ORDER_1G

struct boot_info;

enum page_flags {
    PAGE_ZERO = 1u << 0,     /* zeroed */
    PAGE_BELOW_4G = 1u << 1, /* for devices with 32-bit addresses */
    PAGE_BELOW_1M = 1u << 2, /* x86 start-up code */
};

/* Takes over the usable memory of `info`, without touching it; what the direct map does not reach
 * is left out and logged. BOOT_MEM_LOADER memory stays out until page_release_loader(), after which
 * `info` and what it points to are gone. */
void page_init(const struct boot_info *info);
void page_release_loader(void);

/* Allocates 4 KiB << order bytes, aligned to their size. Returns HPA(0) when there is none (0 is
 * never allocated). Any context but NMI. The content is undefined without PAGE_ZERO. */
hpa_t page_alloc(unsigned order, unsigned flags) MUST_CHECK;
/* Frees what page_alloc() gave, with the same order, on any CPU. The first word of blocks below 2
 * MiB may be overwritten. Debug builds find double frees and wrong orders and panic. */
void page_free(hpa_t page, unsigned order);
/* Makes a block in use of 2 MiB 512 pages in use, or one of 1 GiB 512 blocks of 2 MiB, each to be
 * freed by itself. ERR_NO_MEMORY: no room for the bookkeeping, nothing changed. Any context but
 * NMI. */
enum err page_split(hpa_t block, unsigned order) MUST_CHECK;
/* Gives the allocator the whole pages of [base, base + size), for ranges of the boot map that it
 * did not take: files, the loader's memory. */
void page_free_range(hpa_t base, uint64_t size);

/* The direct map: physical 0 stands at page_direct_map_base. */
extern uint64_t page_direct_map_base;
static inline void *phys_to_virt(hpa_t pa)
{
    return (void *)(uintptr_t)(page_direct_map_base + pa.v);
}
/* Only for direct-map addresses. */
static inline hpa_t virt_to_phys(const void *va)
{
    return HPA((uint64_t)(uintptr_t)va - page_direct_map_base);
}

struct page_stats {
    uint64_t total, free; /* bytes given to the allocator; free ones, caches included */
    uint64_t
        metadata; /* bytes of bookkeeping; those taken after the start are missing in `free` too */
    uint64_t left_out;          /* bytes of RAM that the direct map does not reach */
    uint64_t largest_order;     /* of any free block */
    uint64_t shared_lock_count; /* acquisitions of a shared lock, for the benchmark */
    uint64_t free_blocks[PAGE_ORDER_MAX + 1];
};
/* Exact when no other CPU allocates meanwhile. Thread context: it visits every CPU's part. */
void page_stats_get(struct page_stats *s);

#endif
