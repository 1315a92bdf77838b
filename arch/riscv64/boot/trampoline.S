/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page that is mapped at the same address in the firmware's world and the kernel's: a write to satp takes effect at
 * once, whatever the mode before (RISC-V privileged architecture, 12.1.11). Position independent.
 */
#define SSTATUS_SIE 2

    .section .text.trampoline, "ax", @progbits
    .balign 4096
    .globl arch_trampoline
    .hidden arch_trampoline
arch_trampoline:

/* trampoline_enter(a0 satp, a1 stack, a2 entry, a3 boot_info): does not return */
    .globl trampoline_enter
    .hidden trampoline_enter
    .type trampoline_enter, @function
trampoline_enter:
    csrci sstatus, SSTATUS_SIE
    csrw sie, zero
    fence rw, rw
    sfence.vma
    csrw satp, a0
    sfence.vma
    fence.i
    csrw sscratch, zero
    mv sp, a1
    mv a0, a3
    mv s0, zero
    mv ra, zero
    mv tp, zero
    mv gp, zero
    jr a2
    .size trampoline_enter, . - trampoline_enter
    .org arch_trampoline + 4096

    .section .note.GNU-stack, "", @progbits
