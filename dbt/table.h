/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Translations of a VM: blocks by guest-physical address and mode word, the pages that they were
 * made of, and the memory that holds them. Shared by its vCPUs.
 *
 * Memory: two rings of regions, filled one after another; when all are in use the oldest is evicted
 * as a whole. One is for blocks that the interpreter can run. A block that ran often moves to the
 * other as its code is emitted, and has no threaded code there: so what runs once makes room for
 * what runs once. What is evicted stays readable until every vCPU has passed a safe point (epochs),
 * and no link leads to it afterwards (generations). An invalidated block is `dead`, and its memory
 * waits for the eviction of its region. Regions are allocated as they fill.
 *
 * Writes: a page with code has its bit set; vCPUs reach it by the slow path of the TLB only, the
 * hypervisor's own writers through guest_memory's watch. Both call dbt_table_written().
 */
#ifndef DBT_TABLE_H
#define DBT_TABLE_H

#include "dbt/guest.h"

#define DBT_UNIT_INSNS 64 /* at most so many instructions are in a unit */

struct dbt_jit_code;

struct dbt_block {
    uint64_t gpa;      /* of its first byte */
    uint64_t gpa_next; /* the page on which its only instruction ends; DBT_NO_PAGE: it does not lie
                          across */
    uint32_t mode;
    uint32_t runs; /* how often the interpreter ran it, roughly */
    uint16_t bytes, insns;
    bool no_code;             /* the emitter has none for it */
    bool dead;                /* atomic */
    bool lowered;             /* the interpreter can run it */
    uint64_t looks_up;        /* unit.looks_up of its emitted code */
    struct dbt_jit_code *jit; /* atomic: emitted code, NULL: none */
    /* Lists, changed under the table's lock; the hash's is read without. */
    struct dbt_block *hash_next, *region_next;
    struct dbt_block *page_next[2]; /* of its page, of gpa_next's */

    /* From here on only where `lowered`: others end before it. */
    struct interp_unit interp;
    /* Where it went last, on the same page; good while link_generation is the code's. */
    struct dbt_block *link[2];
    uint64_t link_generation;
    uint16_t link_pc[2]; /* offset in the page */
};
#define DBT_NO_PAGE UINT64_MAX

enum err dbt_table_create(struct dbt_table **out, struct vm *vm) MUST_CHECK;
void dbt_table_destroy(struct dbt_table *c);

/* The block at `gpa` in the vCPU's mode, translated if need be. `va`: the same place; for what lies
 * across pages. NULL: frame->fault is filled, unless *again: there is no room before the other
 * vCPUs have been at a safe point. */
struct dbt_block *dbt_table_find(struct dbt_vcpu *d, uint64_t va, uint64_t gpa, bool *again);

/* Is there code on the page of `gpa`? For writable entries of a TLB: the caller notes first that it
 * may have one (dbt_table_note_writable). */
bool dbt_table_is_code(const struct dbt_table *c, uint64_t gpa);
void dbt_table_note_writable(struct dbt_table *c, uint64_t gpa);
/* The same for all of the 2 MiB around `gpa`. */
bool dbt_table_is_code_piece(const struct dbt_table *c, uint64_t gpa);
void dbt_table_note_writable_piece(struct dbt_table *c, uint64_t gpa);
/* [gpa, gpa + size) was or is about to be written. Any context. `d`: by this vCPU, or NULL. */
void dbt_table_written(struct dbt_table *c, struct dbt_vcpu *d, uint64_t gpa, uint64_t size);
/* The guest's instruction fetch is made to see stores on this vCPU (fence.i and its like). */
void dbt_table_synchronize(struct dbt_vcpu *d);

/* Emits code for the block, which the interpreter has run often enough. True: it is to be looked
 * for again; else it has no code now. */
bool dbt_table_emit(struct dbt_vcpu *d, struct dbt_block *b, uint64_t va);

/* The oldest blocks and the oldest emitted code go, at a safe point, as if there were no room. */
void dbt_table_evict(struct dbt_vcpu *d);

/* The lock of everything that changes here; look-ups take none. */
uint64_t dbt_table_lock(struct dbt_table *c) MUST_CHECK;
/* False: somebody has it now. */
bool dbt_table_try_lock(struct dbt_table *c, uint64_t *flags) MUST_CHECK;
void dbt_table_unlock(struct dbt_table *c, uint64_t flags);
/* Under it: nothing leads to some emitted code any more. It may be taken back when
 * dbt_table_has_settled() says so of the epoch that is returned. */
uint64_t dbt_table_code_died(struct dbt_vcpu *d);
/* All other vCPUs have been at a safe point since the epoch began. Needs no lock. */
bool dbt_table_has_settled(const struct dbt_vcpu *d, uint64_t epoch);

/* A safe point of the vCPU: takes notice of evictions and protections. */
void dbt_table_safe_point(struct dbt_vcpu *d);
uint64_t dbt_table_generation(const struct dbt_table *c);
/* Bytes of memory in use, and live blocks. */
void dbt_table_usage(struct dbt_table *c, uint64_t *bytes, uint64_t *blocks);

#endif
