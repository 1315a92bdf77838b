/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The passes of tier 1. Each takes a well-formed unit and leaves one that does the same; what goes
 * becomes `nop` in its place. One walk each, no allocation.
 */
#ifndef DBT_PASS_H
#define DBT_PASS_H

#include "dbt/ir.h"

#define PASS_SLOTS_MAX 256

struct pass_scratch; /* one for each translating thread */
struct pass_scratch *pass_scratch_create(void);
void pass_scratch_destroy(struct pass_scratch *s);

/* Forward: constants, copies, values of slots known from an earlier get or set, identities of
 * arithmetic, constant displacements into the accesses that use them. */
void pass_simplify(struct pass_scratch *s, struct ir_unit *u);
/* Backward: sets that another set overwrites before anybody can look, values that nobody uses. */
void pass_dead(struct pass_scratch *s, struct ir_unit *u);

#endif
