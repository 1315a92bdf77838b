/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Dropping translations of the kernel's tables on all CPUs. */
#ifndef X86_HOST_TLB_H
#define X86_HOST_TLB_H

#include "kernel/cpu.h"

/* The running CPU uses the kernel's tables from now on and takes part in shootdowns. */
void tlb_join(struct cpu *cpu);

#endif
