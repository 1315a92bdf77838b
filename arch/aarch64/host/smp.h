/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a secondary CPU reads with its MMU off, before anything else. */
#ifndef ARCH_AARCH64_HOST_SMP_H
#define ARCH_AARCH64_HOST_SMP_H

#include <stdint.h>

/* Offsets are known to entry.S. Written by host_cpu_start() and cleaned to memory. */
struct cpu_start {
    uint64_t hcr, mair, tcr, ttbr0, ttbr1, sctlr;
    uint64_t cpu, stack_top, entry, vectors; /* virtual addresses */
    uint64_t unused[6];                      /* to whole cache lines */
};

#endif
