/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where CPUs come in: the boot CPU from the loader, the others from SBI hart_start; and the switch between threads. */
#include <host/arch.h>

    .section .text.entry, "ax", @progbits
    .globl kernel_entry
    .type kernel_entry, @function
/* a0 = struct boot_info, as boot/boot_info.h says. */
kernel_entry:
    la      sp, boot_stack_top
    mv      s0, zero            /* ends the chain of frame records */
    mv      ra, zero
    mv      tp, zero
    tail    kernel_main

    .text
    .globl host_secondary_entry
    .type host_secondary_entry, @function
/* SBI HSM (9.1): S-mode, satp = 0, sstatus.SIE = 0, a0 = hart id, a1 = physical address of struct host_start. */
    .balign 4
host_secondary_entry:
    csrw    sie, zero
    ld      t0, START_SATP(a1)
    ld      t1, START_ENTRY(a1)
    ld      tp, START_CPU(a1)
    ld      sp, START_STACK_TOP(a1)
    /* The physical addresses of this code are not mapped by the kernel's tables: the next fetch faults to stvec, which is
     * the virtual address of the code below. */
    csrw    stvec, t1
    sfence.vma
    csrw    satp, t0
    .balign 4
1:  wfi
    j       1b

    .globl host_secondary_virtual
    .type host_secondary_virtual, @function
    .balign 4
host_secondary_virtual:
    la      t0, trap_vector
    csrw    stvec, t0
    sfence.vma
    mv      s0, zero
    mv      ra, zero
    mv      a0, tp
    tail    host_secondary_main

    .globl host_context_switch
    .type host_context_switch, @function
/* a0 = from, a1 = to: struct host_context {ra, sp, s0..s11}. */
host_context_switch:
    sd      ra, 0(a0)
    sd      sp, 8(a0)
    sd      s0, 16(a0)
    sd      s1, 24(a0)
    sd      s2, 32(a0)
    sd      s3, 40(a0)
    sd      s4, 48(a0)
    sd      s5, 56(a0)
    sd      s6, 64(a0)
    sd      s7, 72(a0)
    sd      s8, 80(a0)
    sd      s9, 88(a0)
    sd      s10, 96(a0)
    sd      s11, 104(a0)
    .globl host_context_resume
/* a1 = to; for the firmware's fault path, which abandons where it is. */
host_context_resume:
    ld      ra, 0(a1)
    ld      sp, 8(a1)
    ld      s0, 16(a1)
    ld      s1, 24(a1)
    ld      s2, 32(a1)
    ld      s3, 40(a1)
    ld      s4, 48(a1)
    ld      s5, 56(a1)
    ld      s6, 64(a1)
    ld      s7, 72(a1)
    ld      s8, 80(a1)
    ld      s9, 88(a1)
    ld      s10, 96(a1)
    ld      s11, 104(a1)
    ret

    .globl host_thread_start
    .type host_thread_start, @function
/* First code of a thread: s1 = entry, s2 = argument. An entry that returns would run into nothing: threads end by thread_exit(). */
host_thread_start:
    mv      a0, s2
    mv      s0, zero
    mv      ra, zero
    jr      s1

/* uint64_t host_call_on_stack(uint64_t fn, const uint64_t args[4], void *stack_top): a call with another stack. */
    .globl host_call_on_stack
    .type host_call_on_stack, @function
host_call_on_stack:
    addi    sp, sp, -32
    sd      ra, 24(sp)
    sd      s0, 16(sp)
    sd      s1, 8(sp)
    sd      tp, 0(sp)
    addi    s0, sp, 32
    mv      s1, sp
    mv      t0, a0
    mv      t1, a1
    mv      sp, a2
    ld      a0, 0(t1)
    ld      a1, 8(t1)
    ld      a2, 16(t1)
    ld      a3, 24(t1)
    jalr    t0
    mv      sp, s1
    ld      tp, 0(sp)
    ld      s1, 8(sp)
    ld      s0, 16(sp)
    ld      ra, 24(sp)
    addi    sp, sp, 32
    ret

/* The boot CPU's first stacks, in slots of twice a stack's size so that trap entry's test of one bit holds for them too. */
    .section .bss.boot_stack, "aw", @nobits
    .balign 32768
    .skip   16384
    .globl boot_stack, boot_stack_top, boot_emergency_top
boot_stack:
    .skip   16384
boot_stack_top:
    .skip   16384
    .skip   16384
boot_emergency_top:
