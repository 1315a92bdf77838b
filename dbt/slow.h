/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What emitted code leaves to C: one operation on values in the frame, done as the interpreter does
 * it. For TLB misses, NaNs, and operations that are too rare to be worth code.
 */
#ifndef DBT_SLOW_H
#define DBT_SLOW_H

#include "dbt/chain.h"
#include "dbt/interp.h"

/* Lies in the place of a link, constant. */
struct dbt_slow_op {
    struct ir_op op;
    uint16_t insn_at, insn_length;
    uint16_t counted; /* with DBT_MODE_COUNT: which instruction it is, from 1; else 0 */
    uint16_t insn;    /* always */
};

_Static_assert(sizeof(struct dbt_slow_op) <= offsetof(struct dbt_link, target), "it has room");

/* Cells behind the slots of the dialect: what calls and what is called have them from here. */
struct dbt_slow_call {
    uint64_t arg[3][2];
    uint64_t result[2];
};

/* Where they are, from the frame's start. */
static inline size_t dbt_slow_call_at(const struct dbt_dialect *dialect)
{
    return sizeof(uint64_t) * interp_first_cell(dialect);
}

/* False: it faulted, as the interpreter leaves with DBT_EXIT_FAULT. */
bool dbt_slow(struct dbt_frame *f, const struct dbt_slow_op *o, struct dbt_slow_call *call,
              const struct interp_guest *guest);

#endif
