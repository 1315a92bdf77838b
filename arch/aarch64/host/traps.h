/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Called by vectors.S, interrupts masked. */
#ifndef ARCH_AARCH64_HOST_TRAPS_H
#define ARCH_AARCH64_HOST_TRAPS_H

#include "kernel/host.h"

void trap_sync(struct host_trap_frame *frame);
void trap_irq(struct host_trap_frame *frame);
void trap_fiq(struct host_trap_frame *frame);
void trap_serror(struct host_trap_frame *frame);
/* The stack pointer was not inside a stack: `frame` is on the emergency stack. */
void trap_bad_stack(struct host_trap_frame *frame);
/* Vector `number` in the order of the table. */
void trap_unexpected(struct host_trap_frame *frame, uint64_t number);

#endif
