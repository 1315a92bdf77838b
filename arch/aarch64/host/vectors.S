/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Exception vectors (Arm ARM D1.3.3). Entries from the kernel itself first test bit 14 of the stack pointer: it is 1 exactly inside a stack
 * (kernel/thread.h); else the frame goes to this CPU's emergency stack.
 */
#include "arch/aarch64/host/mode.h"
#include "arch/aarch64/host/offsets.h"

/* Registers to [sp], the frame record linked in. Leaves x21 = the sp before the trap. */
.macro save_frame from_emergency
    stp x0, x1, [sp, #16 * 0]
    stp x2, x3, [sp, #16 * 1]
    stp x4, x5, [sp, #16 * 2]
    stp x6, x7, [sp, #16 * 3]
    stp x8, x9, [sp, #16 * 4]
    stp x10, x11, [sp, #16 * 5]
    stp x12, x13, [sp, #16 * 6]
    stp x14, x15, [sp, #16 * 7]
    stp x16, x17, [sp, #16 * 8]
    stp x18, x19, [sp, #16 * 9]
    stp x20, x21, [sp, #16 * 10]
    stp x22, x23, [sp, #16 * 11]
    stp x24, x25, [sp, #16 * 12]
    stp x26, x27, [sp, #16 * 13]
    stp x28, x29, [sp, #16 * 14]
.if \from_emergency
    mrs x21, tpidr_el0
.else
    add x21, sp, #FRAME_SIZE
.endif
    mode_insn "mrs x22, elr_el1", "mrs x22, elr_el2", "mrs x22, elr_el1"
    mode_insn "mrs x23, spsr_el1", "mrs x23, spsr_el2", "mrs x23, spsr_el1"
    mode_insn "mrs x24, esr_el1", "mrs x24, esr_el2", "mrs x24, esr_el1"
    mode_insn "mrs x25, far_el1", "mrs x25, far_el2", "mrs x25, far_el1"
    stp x30, x21, [sp, #FRAME_X30]
    stp x22, x23, [sp, #FRAME_PC]
    stp x24, x25, [sp, #FRAME_ESR]
    stp x29, x22, [sp, #FRAME_RECORD]
    add x29, sp, #FRAME_RECORD
    mov x0, sp
.endm

/* An entry from the kernel on its own stack: swaps x0 and sp without a spare register to test the stack. */
.macro vector_same handler, overflow
    .balign 128
    sub sp, sp, #FRAME_SIZE
    add sp, sp, x0
    sub x0, sp, x0
    tbz x0, #STACK_SHIFT, 1f
    sub x0, sp, x0
    sub sp, sp, x0
    b \handler
1:  /* x0 = sp, sp = sp + x0: both move to registers that nobody needs any more, as this ends in a report */
    add x0, x0, #FRAME_SIZE
    msr tpidr_el0, x0
    sub x0, x0, #FRAME_SIZE
    sub x0, sp, x0
    msr tpidrro_el0, x0
    this_cpu x0
    ldr x0, [x0, #CPU_EMERGENCY_TOP]
    mov sp, x0
    sub sp, sp, #FRAME_SIZE
    mrs x0, tpidrro_el0
    b \overflow
.endm

/* An entry from a guest: enum el2_vector `number` to el2/switch.S. */
.macro vector_guest number
    .balign 128
    stp x0, x1, [sp, #-16]!
    mov x1, #\number
    b el2_leave
.endm

/* An entry that must not happen: its number goes to trap_unexpected(). */
.macro vector_bad number
    .balign 128
    sub sp, sp, #FRAME_SIZE
    save_frame 0
    mov x1, #\number
    b trap_unexpected
.endm

    .text
    .balign 2048
    .globl host_vectors
host_vectors:
    /* Current EL with SP_EL0: never selected. */
    vector_bad 0
    vector_bad 1
    vector_bad 2
    vector_bad 3
    /* Current EL with SP_ELx. */
    vector_same entry_sync, overflow_sync
    vector_same entry_irq, overflow_sync
    vector_same entry_fiq, overflow_sync
    vector_same entry_serror, overflow_sync
    /* Lower EL, AArch64: guests. */
    vector_guest 0
    vector_guest 1
    vector_guest 2
    vector_guest 3
    /* Lower EL, AArch32: a guest that went there by itself, where the CPU can. */
    vector_guest 0
    vector_guest 1
    vector_guest 2
    vector_guest 3
    .balign 128

entry_sync:
    save_frame 0
    bl trap_sync
    b trap_return
entry_irq:
    save_frame 0
    bl trap_irq
    b trap_return
entry_fiq:
    save_frame 0
    bl trap_fiq
    b trap_return
entry_serror:
    save_frame 0
    bl trap_serror
trap_return:
    ldp x22, x23, [sp, #FRAME_PC]
    mode_insn "msr elr_el1, x22", "msr elr_el2, x22", "msr elr_el1, x22"
    mode_insn "msr spsr_el1, x23", "msr spsr_el2, x23", "msr spsr_el1, x23"
    ldp x0, x1, [sp, #16 * 0]
    ldp x2, x3, [sp, #16 * 1]
    ldp x4, x5, [sp, #16 * 2]
    ldp x6, x7, [sp, #16 * 3]
    ldp x8, x9, [sp, #16 * 4]
    ldp x10, x11, [sp, #16 * 5]
    ldp x12, x13, [sp, #16 * 6]
    ldp x14, x15, [sp, #16 * 7]
    ldp x16, x17, [sp, #16 * 8]
    ldp x18, x19, [sp, #16 * 9]
    ldp x20, x21, [sp, #16 * 10]
    ldp x22, x23, [sp, #16 * 11]
    ldp x24, x25, [sp, #16 * 12]
    ldp x26, x27, [sp, #16 * 13]
    ldp x28, x29, [sp, #16 * 14]
    ldr x30, [sp, #FRAME_X30]
    add sp, sp, #FRAME_SIZE
    eret
    dsb nsh
    isb

overflow_sync:
    save_frame 1
    bl trap_bad_stack
    b host_halt

    .section .note.GNU-stack, "", %progbits
