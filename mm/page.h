/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page allocator: buddy blocks of 4 KiB << order, per-CPU caches of single pages, metadata per 2 MiB superframe (4 KiB records only where
 * a superframe is split).
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "kernel/types.h"

#define PAGE_ORDER_2M  9
#define PAGE_ORDER_1G  18
#define PAGE_ORDER_MAX PAGE_ORDER_1G

struct boot_info;

enum page_flags {
    PAGE_ZERO = 1u << 0,    /* zeroed */
    PAGE_BELOW_4G = 1u << 1, /* for devices with 32-bit addresses */
    PAGE_BELOW_1M = 1u << 2, /* x86 start-up code */
};

/* Takes over the memory of `info`; BOOT_MEM_LOADER memory stays out until page_init_release_loader(). */
void page_init(const struct boot_info *info);
void page_release_loader(void);

/* Allocates 4 KiB << order bytes, aligned to their size. Returns HPA(0) when there is none (0 is never allocated). Any context
 * but NMI. The content is undefined without PAGE_ZERO. */
hpa_t page_alloc(unsigned order, unsigned flags) MUST_CHECK;
/* Frees what page_alloc() gave, with the same order. Debug builds find double frees and wrong orders and panic. */
void page_free(hpa_t page, unsigned order);
/* Frees whole pages of [base, base + size), for ranges that the boot map handed over. */
void page_free_range(hpa_t base, uint64_t size);

/* The direct map. */
void *phys_to_virt(hpa_t pa);
hpa_t virt_to_phys(const void *va); /* only for direct-map addresses */

struct page_stats {
    uint64_t total, free;      /* bytes given to the allocator; free ones, caches included */
    uint64_t metadata;         /* bytes of bookkeeping */
    uint64_t largest_order;    /* of any free block */
    uint64_t shared_lock_count; /* acquisitions of a shared lock, for the benchmark */
    uint64_t free_blocks[PAGE_ORDER_MAX + 1];
};
void page_stats_get(struct page_stats *s);

#endif
