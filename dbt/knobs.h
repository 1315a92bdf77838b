/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Sizes and manners of the translator that tests change: before the first VM is made, and never
 * afterwards.
 */
#ifndef DBT_KNOBS_H
#define DBT_KNOBS_H

#include "kernel/types.h"

struct dbt_vcpu;
struct out;

struct dbt_knobs {
    /* At most so many bytes of emitted code, and of blocks; 0: a part of the guest's memory. */
    uint64_t code_cache, blocks;
    /* The host has no more than so many bytes for emitted code and its links, and for each of the
     * two rings of blocks; 0: as much as it has. */
    uint64_t code_memory, block_memory;
    unsigned tlb_bits;     /* a TLB has at most 2^n entries */
    uint32_t return_stack; /* bytes of it that are used: a power of two, 128 to DBT_RETURN_STACK */
    /* At every so manieth block that the dispatcher enters; 0: never. */
    unsigned poll_every, evict_every, invalidate_every;
    /* With `mmu = auto`: at every so manieth choice of an address space look-ups and page tables
     * change places, instead of by what they cost; 0: never. */
    unsigned turn_every;
    /* Emitted code counts how often the guest's instructions are executed; the most frequent ones
     * are printed here when the VM ends. NULL: it does not. */
    struct out *profile;
    bool check; /* emitted code runs in lockstep with the interpreter; with `count` only */
    /* Instructions are counted, and no vCPU goes beyond its frame's limit: there `counted` is
     * called, at a safe point, with all state canonical. It sets the next limit. */
    bool count;
    void (*counted)(struct dbt_vcpu *d);
};
extern struct dbt_knobs dbt_knobs;

#endif
