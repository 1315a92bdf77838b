/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The second stage of translated guests: nothing walks it, but what is in it is what software TLBs
 * may know; so whoever takes memory from a guest waits until they have forgotten it. */
#ifndef DBT_STAGE_H
#define DBT_STAGE_H

#include "mm/page_table.h"

extern const struct pt_format dbt_stage_format;

#endif
