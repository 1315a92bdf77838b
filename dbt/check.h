/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Lockstep (--check): the interpreter runs a block first, with its stores noted and not done, then
 * emitted code runs it for real; what both leave behind is compared. For counted runs: nothing else
 * may change memory in between.
 */
#ifndef DBT_CHECK_H
#define DBT_CHECK_H

#include "dbt/jit.h"

struct dbt_check;

/* NULL: no memory. */
struct dbt_check *dbt_check_create(void);
void dbt_check_destroy(struct dbt_check *c);

/* As dbt_jit_run() for the block, whose links lead nowhere. DBT_EXIT_BROKEN: the two disagree, and
 * the log says in what. */
enum dbt_exit dbt_check_run(struct dbt_vcpu *d, const struct dbt_block *b,
                            const struct dbt_jit_code *code);

/* While d->check is set the slow ways to memory ask here, instead of touching memory: what a read
 * of `in_memory` gives when noted stores lie over it, and to note a store. */
uint64_t dbt_check_read(struct dbt_vcpu *d, uint64_t va, unsigned size, uint64_t in_memory);
void dbt_check_write(struct dbt_vcpu *d, uint64_t va, unsigned size, bool user, uint64_t value);
/* Where the bytes at `va`, `in_memory` of them, can be changed atomically. */
void *dbt_check_atomic(struct dbt_vcpu *d, uint64_t va, unsigned size, uint64_t in_memory);
/* The access goes to a device: it is not done, what it would answer is not known, and the block is
 * not compared. */
void dbt_check_device(struct dbt_vcpu *d);

#endif
