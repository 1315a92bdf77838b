/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Offsets of C structures in assembly; offsets.c checks them. */
#ifndef ARCH_AARCH64_HOST_OFFSETS_H
#define ARCH_AARCH64_HOST_OFFSETS_H

#define CPU_CURRENT       8
#define CPU_EMERGENCY_TOP 40

#define CONTEXT_SIZE 104
#define CONTEXT_FP   80
#define CONTEXT_SP   96

#define FRAME_SIZE   304
#define FRAME_X30    240
#define FRAME_PC     256
#define FRAME_ESR    272
#define FRAME_RECORD 288

#define STACK_SHIFT 14
#define STACK_SIZE  (1 << STACK_SHIFT)

/* struct cpu_start: what a secondary CPU reads with the MMU off. */
#define START_SIZE    128
#define START_HCR     0
#define START_MAIR    8
#define START_TCR     16
#define START_TTBR0   24
#define START_TTBR1   32
#define START_SCTLR   40
#define START_CPU     48
#define START_STACK   56
#define START_ENTRY   64
#define START_VECTORS 72

/* struct arm_state */
#define STATE_X30    240
#define STATE_PSTATE 256

#endif
