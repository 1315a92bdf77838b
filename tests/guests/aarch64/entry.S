/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Start of all CPUs, vectors, trap_try(). Linux's Image header comes first (Linux,
 * Documentation/arch/arm64/booting.rst). */

#define STACK_SIZE 16384
#define CPU_SIZE   48 /* struct guest_cpu */
#define CPU_RECOVER 0
#define CPU_ID      8

/* MAIR: 0 Device-nGnRnE, 1 normal write-back. TCR: 39-bit addresses, 4 KiB granule, cacheable and inner
 * shareable walks, TTBR1 off, 40-bit physical addresses (D19.2). */
#define MAIR_VALUE 0xff00
#define TCR_VALUE  (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32)
#define SCTLR_MMU_CACHES 0x1005
#define CPACR_FP_SVE (3 << 20 | 3 << 16)

    .section .text.entry, "ax"
    .globl guest_start
guest_start:
    b start_first
    .long 0
    .quad 0x200000            /* text_offset */
    .quad __end - guest_start /* image_size */
    .quad 0xa                 /* little endian, 4 KiB pages, anywhere */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

/* Everything as it was: x1 alone is needed, and booting.rst says that it is 0. */
start_first:
    cbz x1, 1f
    adrp x1, boot_registers
    add x1, x1, :lo12:boot_registers
    str x1, [x1, #8] /* it was not */
1:  adrp x1, boot_registers
    add x1, x1, :lo12:boot_registers
    str x0, [x1]
    .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    str x\n, [x1, #8 * \n]
    .endr
    mov x2, sp
    str x2, [x1, #8 * 31]
    add x1, x1, #8 * 32
    .irp register, currentel, daif, spsel, sctlr_el1, cpacr_el1, ttbr0_el1, tcr_el1, mair_el1, vbar_el1, tpidr_el1, esr_el1, far_el1, elr_el1, spsr_el1
    mrs x2, \register
    str x2, [x1], #8
    .endr
    mov x20, x0 /* device tree */
    adrp x0, __bss_start
    add x0, x0, :lo12:__bss_start
    adrp x1, __end
    add x1, x1, :lo12:__end
1:  stp xzr, xzr, [x0], #16
    cmp x0, x1
    b.lo 1b
    mov x19, #0
    bl cpu_setup
    mov x0, x20
    bl boot_save
    bl machine_setup
    b guest_main

/* PSCI CPU_ON comes here with the CPU's number in x0. */
    .globl start_secondary
start_secondary:
    mov x19, x0
    bl cpu_setup
    bl machine_setup_secondary
    b guest_secondary

/* x19: CPU. Tables, vectors, stack. */
cpu_setup:
    ldr x0, =MAIR_VALUE
    msr mair_el1, x0
    ldr x0, =TCR_VALUE
    msr tcr_el1, x0
    adrp x0, page_table
    msr ttbr0_el1, x0
    ldr x0, =CPACR_FP_SVE
    msr cpacr_el1, x0
    adrp x0, vectors
    add x0, x0, :lo12:vectors
    msr vbar_el1, x0
    isb
    tlbi vmalle1
    dsb nsh
    isb
    mrs x0, sctlr_el1
    ldr x1, =SCTLR_MMU_CACHES
    orr x0, x0, x1
    bic x0, x0, #2 /* unaligned accesses to normal memory are allowed */
    msr sctlr_el1, x0
    isb
    msr spsel, #1
    ldr x0, =stacks + STACK_SIZE
    mov x1, #STACK_SIZE
    madd x0, x19, x1, x0
    mov sp, x0
    ldr x0, =guest_cpus
    mov x1, #CPU_SIZE
    madd x0, x19, x1, x0
    msr tpidr_el1, x0
    str x19, [x0, #CPU_ID]
    ret

/* bool trap_enter(fn, arg): true when fn returned, false when recover() came. */
    .globl trap_enter
trap_enter:
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    mrs x2, tpidr_el1
    mov x3, sp
    str x3, [x2, #CPU_RECOVER]
    mov x3, x0
    mov x0, x1
    blr x3
    mov x0, #1
trap_leave:
    mrs x2, tpidr_el1
    str xzr, [x2, #CPU_RECOVER]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret

    .macro SAVE
    sub sp, sp, #192
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x29, [sp, #144]
    mrs x0, elr_el1
    mrs x1, spsr_el1
    stp x30, x0, [sp, #160]
    str x1, [sp, #176]
    .endm

irq_entry:
    SAVE
    bl machine_irq
go_on:
    ldp x30, x0, [sp, #160]
    ldr x1, [sp, #176]
    msr elr_el1, x0
    msr spsr_el1, x1
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x29, [sp, #144]
    add sp, sp, #192
    eret

sync_entry:
    SAVE
    mov x0, #0
    b 1f
serror_entry:
    SAVE
    mov x0, #1
1:  add x1, sp, #168 /* ELR, SPSR */
    bl machine_trap /* returns only when somebody expects traps */
    tbnz w0, #0, go_on
    mrs x2, tpidr_el1
    ldr x3, [x2, #CPU_RECOVER]
    mov sp, x3
    mov x0, #0
    b trap_leave

    .macro VECTOR target
    .balign 128
    b \target
    .endm

    .balign 2048
vectors:
    .rept 2 /* current EL with SP0, with SPx */
    VECTOR sync_entry
    VECTOR irq_entry
    VECTOR irq_entry
    VECTOR serror_entry
    .endr
    .rept 2 /* lower EL: not used */
    VECTOR sync_entry
    VECTOR sync_entry
    VECTOR sync_entry
    VECTOR serror_entry
    .endr

/* Identity map in blocks of 1 GiB: the first is devices, the others normal memory, inner shareable. */
    .data
    .balign 4096
    .globl page_table
page_table:
    .quad 0x0060000000000401
    .set gib, 1
    .rept 511
    .quad gib << 30 | 0x0000000000000705
    .set gib, gib + 1
    .endr

/* As the first CPU has them at its first instruction: x0 to x30, sp; what fresh.c names. */
    .globl boot_registers
boot_registers:
    .skip 8 * 46

    .bss
    .balign 4096
stacks:
    .skip STACK_SIZE * 8
