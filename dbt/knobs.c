/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the knobs are when nobody turns them. */
#include "dbt/knobs.h"

#include "dbt/emitter.h"

struct dbt_knobs dbt_knobs = {.tlb_bits = 12, .return_stack = DBT_RETURN_STACK};
