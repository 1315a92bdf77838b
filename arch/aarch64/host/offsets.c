/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Checks that offsets.h says the same as the structures. */
#include "arch/aarch64/host/offsets.h"
#include "arch/aarch64/guest/state.h"
#include "arch/aarch64/host/smp.h"
#include "kernel/cpu.h"
#include "kernel/thread.h"

_Static_assert(offsetof(struct cpu, current) == CPU_CURRENT, "struct cpu");
_Static_assert(offsetof(struct cpu, host.emergency_top) == CPU_EMERGENCY_TOP, "struct cpu");
_Static_assert(sizeof(struct host_context) == CONTEXT_SIZE, "struct host_context");
_Static_assert(offsetof(struct host_context, fp) == CONTEXT_FP, "struct host_context");
_Static_assert(offsetof(struct host_context, sp) == CONTEXT_SP, "struct host_context");
_Static_assert(sizeof(struct host_trap_frame) == FRAME_SIZE, "struct host_trap_frame");
_Static_assert(offsetof(struct host_trap_frame, x[30]) == FRAME_X30, "struct host_trap_frame");
_Static_assert(offsetof(struct host_trap_frame, pc) == FRAME_PC, "struct host_trap_frame");
_Static_assert(offsetof(struct host_trap_frame, esr) == FRAME_ESR, "struct host_trap_frame");
_Static_assert(offsetof(struct host_trap_frame, record_fp) == FRAME_RECORD,
               "struct host_trap_frame");
_Static_assert(STACK_SHIFT == THREAD_STACK_SHIFT, "stack size");
_Static_assert(sizeof(struct cpu_start) == START_SIZE, "struct cpu_start");
_Static_assert(offsetof(struct cpu_start, vectors) == START_VECTORS, "struct cpu_start");
_Static_assert(offsetof(struct cpu_start, sctlr) == START_SCTLR, "struct cpu_start");
_Static_assert(offsetof(struct arm_state, x[30]) == STATE_X30, "struct arm_state");
_Static_assert(offsetof(struct arm_state, pstate) == STATE_PSTATE, "struct arm_state");
_Static_assert(offsetof(struct arm_fp, fpcr) == 512, "struct arm_fp");
