/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Radix page tables of any format that this project uses: the host's own (x86 4-level, VMSAv8-64,
 * Sv39/Sv48) and the second stages (NPT, EPT, stage 2, G-stage). One walker; a format says how
 * entries look and which rules apply. Every write of an entry, TLB and cache operation goes through
 * mm/page_table_trace.h, so that the hosted checker can reject a missing break-before-make or
 * barrier.
 */
#ifndef MM_PAGE_TABLE_H
#define MM_PAGE_TABLE_H

#include "kernel/lock.h"

enum pt_attrs {
    PT_READ = 1u << 0,
    PT_WRITE = 1u << 1,
    PT_EXEC = 1u << 2,
    PT_USER = 1u << 3,
    PT_GLOBAL = 1u << 4,
    PT_DEVICE = 1u << 5,        /* uncached, strongly ordered; else write-back */
    PT_WRITE_COMBINE = 1u << 6, /* frame buffers */
    PT_DIRTY_LOG = 1u << 7,     /* software: write access was taken away to log it */
};

struct page_table;

struct pt_format {
    const char *name;       /* "Sv48x4" */
    uint8_t levels;         /* of tables: 2 to 4 */
    uint8_t root_order;     /* pages of the root table: 4 KiB << root_order (G-stage: 2; stage 2:
                               concatenated tables) */
    uint8_t address_bits;   /* of input addresses; for signed formats the high half counts as
                               2^address_bits - ... */
    bool max_leaf_1g;       /* 1 GiB leaves allowed, else 2 MiB at most */
    bool break_before_make; /* a valid entry is first cleared and flushed before a different one is
                               written (Arm ARM D8.16.1) */
    uint64_t (*leaf)(hpa_t pa, unsigned level,
                     unsigned attrs); /* level 0: 4 KiB, 1: 2 MiB, 2: 1 GiB */
    uint64_t (*table)(hpa_t table);
    bool (*present)(uint64_t pte);
    bool (*is_leaf)(uint64_t pte, unsigned level);
    hpa_t (*address)(uint64_t pte, unsigned level);
    unsigned (*attrs)(uint64_t pte, unsigned level);
    /* Drops [va, va + size) from the TLBs that can hold entries of `pt`, and waits; called after
     * entries were changed or cleared. */
    void (*flush)(struct page_table *pt, uint64_t va, uint64_t size);
    /* Makes an entry just written from invalid to valid visible to walkers (Arm: dsb ishst; RISC-V:
     * sfence.vma for the address where needed; x86: nothing). */
    void (*publish)(struct page_table *pt, uint64_t va, uint64_t size);
    /* Second stages; NULL: nothing is to be done. Before memory is mapped that was not: from here
     * on a guest fetches what the hypervisor wrote there, and reads it with its caches off too. */
    void (*sync)(hpa_t pa, uint64_t size);
};

struct page_table {
    const struct pt_format *format;
    hpa_t root;
    void *owner;          /* the VM, for flush(); NULL: the kernel */
    uint64_t table_pages; /* 4 KiB pages of tables, root included */
    bool keep_tables;     /* empty tables stay: page_table_lookup() then needs no lock */
};

enum err page_table_init(struct page_table *pt, const struct pt_format *format,
                         void *owner) MUST_CHECK;
/* Frees all tables; nothing may use them any more. */
void page_table_destroy(struct page_table *pt);

/* Maps [va, va + size) to pa.. with the largest leaves that fit. Page-aligned. ERR_EXISTS where
 * something else is mapped already (nothing is changed then), ERR_NO_MEMORY. The caller holds the
 * lock that owns `pt`. */
enum err page_table_map(struct page_table *pt, uint64_t va, hpa_t pa, uint64_t size,
                        unsigned attrs) MUST_CHECK;
/* Makes the tables that leaves of 2 MiB in the range need, so that mapping such needs no memory
 * later (with keep_tables). ERR_EXISTS where something larger is mapped, ERR_NO_MEMORY. */
enum err page_table_prepare(struct page_table *pt, uint64_t va, uint64_t size) MUST_CHECK;
/* Unmaps what is mapped in the range (splitting larger leaves), flushes, frees empty tables.
 * ERR_NO_MEMORY when a leaf could not be split: part of the range may be unmapped then. */
enum err page_table_unmap(struct page_table *pt, uint64_t va, uint64_t size) MUST_CHECK;
/* Changes the attributes of what is mapped in the range, splitting leaves where needed; flushes. */
enum err page_table_protect(struct page_table *pt, uint64_t va, uint64_t size,
                            unsigned attrs) MUST_CHECK;

struct pt_entry {
    hpa_t pa;      /* of `va` itself */
    uint64_t size; /* of the leaf */
    unsigned attrs;
};
/* Nothing at all is mapped in the range: page_table_map() would not find anything in its way. */
bool page_table_unused(const struct page_table *pt, uint64_t va, uint64_t size);
/* False when `va` is not mapped. */
bool page_table_lookup(const struct page_table *pt, uint64_t va, struct pt_entry *entry);

#endif
