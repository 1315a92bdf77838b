/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The one layer through which entries of page tables are written and TLBs told about it. On a
 * machine it is the plain store and the format's own operation. The hosted build also reports each
 * step to a checker (tests/hosted/page_table_checker.c), which knows the rules of the architectures
 * that emulators do not model. Internal to mm/.
 */
#ifndef MM_PAGE_TABLE_TRACE_H
#define MM_PAGE_TABLE_TRACE_H

#include "mm/page_table.h"

#ifdef HOST_PT_CHECKER
void pt_check_write(struct page_table *pt, const uint64_t *slot, uint64_t value, uint64_t va,
                    unsigned level);
void pt_check_flush(struct page_table *pt, uint64_t va, uint64_t size);
void pt_check_publish(struct page_table *pt, uint64_t va, uint64_t size);
void pt_check_sync(struct page_table *pt, hpa_t pa, uint64_t size);
void pt_check_table_new(struct page_table *pt, hpa_t table);
void pt_check_table_free(struct page_table *pt, hpa_t table);
#else
#define pt_check_write(pt, slot, value, va, level) ((void)(va), (void)(level))
#define pt_check_flush(pt, va, size)               ((void)0)
#define pt_check_publish(pt, va, size)             ((void)0)
#define pt_check_sync(pt, pa, size)                ((void)0)
#define pt_check_table_new(pt, table)              ((void)0)
#define pt_check_table_free(pt, table)             ((void)0)
#endif

/* Writes the entry of `level` at `slot` that translates `va`; what it points to was written before.
 */
static inline void pt_write(struct page_table *pt, uint64_t *slot, uint64_t value, uint64_t va,
                            unsigned level)
{
    pt_check_write(pt, slot, value, va, level);
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    (void)pt;
}

static inline void pt_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    pt->format->flush(pt, va, size);
    pt_check_flush(pt, va, size);
}

static inline void pt_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    pt->format->publish(pt, va, size);
    pt_check_publish(pt, va, size);
}

static inline void pt_sync(struct page_table *pt, hpa_t pa, uint64_t size)
{
    pt->format->sync(pa, size);
    pt_check_sync(pt, pa, size);
}

#endif
