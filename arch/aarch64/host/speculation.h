/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The firmware's workarounds against speculation attacks (SMCCC, DEN0028F, 7.4 to 7.6): what this
 * machine needs and has. */
#ifndef ARCH_AARCH64_HOST_SPECULATION_H
#define ARCH_AARCH64_HOST_SPECULATION_H

#include "kernel/types.h"

/* SMCCC_ARCH_WORKAROUND_1, 2 and 3 */
enum arm_workaround {
    WORKAROUND_BRANCH_TARGET,
    WORKAROUND_STORE_BYPASS,
    WORKAROUND_BRANCH_HISTORY,
    WORKAROUND_COUNT
};

enum arm_workaround_state { WORKAROUND_NOT_NEEDED, WORKAROUND_APPLIED, WORKAROUND_MISSING };

struct out;

/* Asks CPU and firmware, on the boot CPU after psci_init(). */
void speculation_init(void);
/* On each CPU: what is switched on once. */
void speculation_cpu_init(void);
enum arm_workaround_state arm_workaround_state(enum arm_workaround w);
uint32_t arm_workaround_function(enum arm_workaround w);
void arm_workaround_call(enum arm_workaround w);
/* The function to call after each exit of a guest, before the kernel's first indirect branch that
 * it could have trained; 0: none is needed. */
extern uint32_t arm_workaround_at_exit;
void speculation_report(struct out *out);

#endif
