/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Blocks of 2 MiB that held a guest's memory. They are put here as they are, so that stopping a
 * guest takes no time, and a thread zeroes them while CPUs are idle; guests take zeroed ones from
 * here first. All of them count as free memory: the page allocator takes them back when it has
 * nothing else.
 */
#ifndef MM_SCRUB_H
#define MM_SCRUB_H

#include "kernel/types.h"

/* Frees a block of 2 MiB that page_alloc() or scrub_alloc() gave. Any context but NMI. */
void scrub_free(hpa_t block);
/* A zeroed block of 2 MiB; HPA(0): there is none. Any context but NMI. */
hpa_t scrub_alloc(void) MUST_CHECK;
/* Blocks held here. */
uint64_t scrub_blocks(void);
/* For the page allocator: gives blocks back to it, all when `order` is above 2 MiB. False when
 * there were none. Interrupts masked. */
bool scrub_reclaim(unsigned order);

#endif
