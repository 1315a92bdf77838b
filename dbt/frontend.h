/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a guest ISA gives the translator: its dialect of the IR and the making of units. One
 * constant table per ISA, in arch/<isa>/guest.
 */
#ifndef DBT_FRONTEND_H
#define DBT_FRONTEND_H

#include "dbt/frame.h"

/* Code to translate: one page of it, and the next one's beginning for an instruction that lies
 * across. Bytes may change while they are read: each is read once. */
struct dbt_source {
    const uint8_t *page; /* IR_PAGE_SIZE bytes */
    unsigned offset;     /* where to begin */
    const uint8_t *next; /* the next virtual page, or NULL: it cannot be fetched or is not wanted */
    uint64_t features;   /* the guest's own set of extensions */
    unsigned max_insns;  /* at most so many instructions */
    const struct dbt_frame *frame; /* that will run it first: for guesses; or NULL */
};

struct dbt_frontend {
    const struct dbt_dialect *dialect;
    unsigned insn_max; /* bytes of the longest instruction */
    /* Fills `u`, which is reset with the mode word. Returns the number of instructions in it; the
     * unit is `full` when there was no room: again with fewer. An instruction that lies across
     * pages is a unit of its own: found first, it is translated if `next` is there, else the unit
     * leaves with IR_LEAVE_FETCH; found later, the unit ends before it. */
    unsigned (*translate)(struct ir_unit *u, const struct dbt_source *source);
};

#endif
