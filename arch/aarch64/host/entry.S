/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The first instructions of the kernel on the boot CPU and on each secondary CPU. */
#include "arch/aarch64/host/mode.h"
#include "arch/aarch64/host/offsets.h"
#include "arch/aarch64/host/sysreg.h"

    .section .text.entry, "ax"

/* From the loader: x0 = struct boot_info *, state as in boot/boot_info.h. */
    .globl kernel_entry
    .type kernel_entry, %function
kernel_entry:
    adrp x1, boot_stack_top
    add x1, x1, :lo12:boot_stack_top
    mov sp, x1
    mov x29, xzr
    mov x30, xzr
    mov x19, x0
    bl mode_init
    mov x0, x19
    bl kernel_main
    b host_halt
    .size kernel_entry, . - kernel_entry

/*
 * From the firmware by PSCI CPU_ON (DEN0022F 6.4): x0 = physical address of this CPU's struct cpu_start, MMU and caches off, interrupts
 * masked, at the exception level of the caller. This code runs at its physical address, which TTBR0 maps one to one; the page of
 * secondary_entry to secondary_end must not be left before `br`.
 */
    .balign 4096
    .globl secondary_entry
    .type secondary_entry, %function
secondary_entry:
    msr daifset, #0xf
    mrs x1, CurrentEL
    ldp x2, x3, [x0, #START_HCR]        /* HCR, MAIR */
    ldp x4, x5, [x0, #START_TCR]        /* TCR, TTBR0 */
    ldp x6, x7, [x0, #START_TTBR1]      /* TTBR1, SCTLR */
    ldp x8, x9, [x0, #START_CPU]        /* struct cpu, end of its stack */
    ldp x10, x11, [x0, #START_ENTRY]    /* C entry, vectors */
    cmp x1, #(1 << CURRENTEL_SHIFT)
    b.eq 1f
    msr hcr_el2, x2
    isb
    /* Debug and trace registers are EL2's until a guest gets them. */
    msr cntvoff_el2, xzr
1:  mode_insn "msr mair_el1, x3", "msr mair_el2, x3", "msr mair_el1, x3"
    mode_insn "msr tcr_el1, x4", "msr tcr_el2, x4", "msr tcr_el1, x4"
    mode_insn "msr ttbr0_el1, x5", "msr ttbr0_el2, x5", "msr ttbr0_el1, x5"
    mode_insn "msr ttbr1_el1, x6", "nop", "msr ttbr1_el1, x6"
    mode_insn "msr vbar_el1, x11", "msr vbar_el2, x11", "msr vbar_el1, x11"
    isb
    mode_insn "tlbi alle2", "tlbi alle2", "tlbi vmalle1"
    ic iallu
    dsb nsh
    isb
    mode_insn "msr sctlr_el1, x7", "msr sctlr_el2, x7", "msr sctlr_el1, x7"
    isb
    mode_insn "msr tpidr_el2, x8", "msr tpidr_el2, x8", "msr tpidr_el1, x8"
    mov x0, x8
    mov x1, x9
    br x10
    .globl secondary_end
secondary_end:
    .size secondary_entry, . - secondary_entry

    .text

/* At the kernel's addresses, still on the start tables: x0 = struct cpu *, x1 = end of its stack, which only the kernel's own tables map. */
    .globl secondary_high
    .type secondary_high, %function
secondary_high:
    mov x29, xzr
    mov x30, xzr
    mov x19, x0
    adrp x2, secondary_root
    ldr x2, [x2, :lo12:secondary_root]
    mode_insn "msr ttbr0_el1, xzr", "msr ttbr0_el2, x2", "msr ttbr0_el1, xzr"
    isb
    mode_insn "tlbi alle2", "tlbi alle2", "tlbi vmalle1"
    dsb nsh
    isb
    mov sp, x1
    bl secondary_start
    b host_halt
    .size secondary_high, . - secondary_high

    .bss
/* One slot as of thread stacks: the boot CPU's emergency stack until there is a better one, then its first stack. */
    .balign 2 * STACK_SIZE
    .skip STACK_SIZE
    .globl boot_emergency_top
boot_emergency_top:
    .skip STACK_SIZE
    .globl boot_stack_top
boot_stack_top:

    .section .note.GNU-stack, "", %progbits
