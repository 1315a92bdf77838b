/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * How often guest instructions are executed by emitted code, and which of them are left to C every
 * time. With dbt_knobs.profile each piece of code counts in places among its links: one counts for
 * the instructions from its own to the next one's. What the interpreter runs is not counted.
 */
#ifndef DBT_PROFILE_H
#define DBT_PROFILE_H

#include "dbt/jit.h"

/* Of one piece of code; of all of a VM's code that is gone. */
struct dbt_profile;
struct dbt_profile_sum;

/* What d->unit, the block's, was made of; `calls`: a bit for each of its instructions that is left
 * to C. NULL: no memory, it is not counted. */
struct dbt_profile *dbt_profile_create(struct dbt_vcpu *d, const struct dbt_block *b,
                                       uint64_t calls);
/* The code goes: its counts are added, and `p` is freed. */
void dbt_profile_end(struct dbt_profile_sum **sum, struct dbt_profile *p,
                     const struct dbt_code *code);
/* Prints the instructions that were executed most, at most `limit` of them. `sum` NULL: none. */
void dbt_profile_print(struct dbt_profile_sum *sum, struct out *out, unsigned limit);
void dbt_profile_destroy(struct dbt_profile_sum *sum);

#endif
