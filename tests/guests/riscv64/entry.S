/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Start of all harts, vectors, trap_try(). Linux's Image header comes first (Linux,
 * Documentation/arch/riscv/boot-image-header.rst). */

#define STACK_SIZE  16384
#define CPU_SIZE    48 /* struct guest_cpu */
#define CPU_RECOVER 0
#define CPU_ID      8
#define SATP_SV39   8
#define SSTATUS_FS_VS_INITIAL 0x2200

    .option norelax
    .section .text.entry, "ax"
    .globl guest_start
guest_start:
    .option push
    .option norvc
    j start_first
    .word 0
    .option pop
    .quad 0x200000            /* text_offset */
    .quad __end - guest_start /* image_size */
    .quad 0
    .word 2, 0
    .quad 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .word 0

/* Everything as it was: a0 waits in sscratch, which must have been 0. */
start_first:
    csrrw a0, sscratch, a0
    beqz a0, 1f
    la a0, boot_registers
    sd a0, 0(a0) /* it was not */
1:  la a0, boot_registers
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, 8 * \n(a0)
    .endr
    .set at, 8 * 32
    .irp register, sstatus, sie, stvec, sepc, scause, stval, satp, sip
    csrr t0, \register
    sd t0, at(a0)
    .set at, at + 8
    .endr
    csrrw a0, sscratch, zero
    mv s1, a1 /* device tree */
    mv s0, a0
    la t0, __bss_start
    la t1, __end
1:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 1b
    la t0, boot_hart
    sd s0, 0(t0)
    li a0, 0
    call cpu_setup
    mv a0, s1
    call boot_save
    call machine_setup
    tail guest_main

/* SBI hart_start comes here with the CPU's number in a1. */
    .globl start_secondary
start_secondary:
    mv a0, a1
    call cpu_setup
    call machine_setup_secondary
    tail guest_secondary

/* a0: CPU. Tables, vectors, stack. */
cpu_setup:
    la t0, page_table
    srli t0, t0, 12
    li t1, SATP_SV39
    slli t1, t1, 60
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
    la t0, vector
    csrw stvec, t0
    li t0, SSTATUS_FS_VS_INITIAL
    csrs sstatus, t0
    la t0, stacks
    li t1, STACK_SIZE
    addi t2, a0, 1
    mul t1, t1, t2
    add sp, t0, t1
    la tp, guest_cpus
    li t1, CPU_SIZE
    mul t1, t1, a0
    add tp, tp, t1
    sd a0, CPU_ID(tp)
    ret

/* bool trap_enter(fn, arg): true when fn returned, false when it trapped. */
    .globl trap_enter
trap_enter:
    addi sp, sp, -112
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    sd sp, CPU_RECOVER(tp)
    mv t0, a0
    mv a0, a1
    jalr t0
    li a0, 1
trap_leave:
    sd zero, CPU_RECOVER(tp)
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    addi sp, sp, 112
    ret

    .balign 4
vector:
    addi sp, sp, -144
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd a0, 32(sp)
    sd a1, 40(sp)
    sd a2, 48(sp)
    sd a3, 56(sp)
    sd a4, 64(sp)
    sd a5, 72(sp)
    sd a6, 80(sp)
    sd a7, 88(sp)
    sd t3, 96(sp)
    sd t4, 104(sp)
    sd t5, 112(sp)
    sd t6, 120(sp)
    csrr a0, scause
    csrr t0, sepc
    csrr t1, sstatus
    sd t0, 128(sp)
    sd t1, 136(sp)
    bgez a0, exception
    call machine_irq
go_on:
    ld t0, 128(sp)
    ld t1, 136(sp)
    csrw sepc, t0
    csrw sstatus, t1
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld a0, 32(sp)
    ld a1, 40(sp)
    ld a2, 48(sp)
    ld a3, 56(sp)
    ld a4, 64(sp)
    ld a5, 72(sp)
    ld a6, 80(sp)
    ld a7, 88(sp)
    ld t3, 96(sp)
    ld t4, 104(sp)
    ld t5, 112(sp)
    ld t6, 120(sp)
    addi sp, sp, 144
    sret

exception:
    addi a1, sp, 128
    call machine_trap /* returns only when somebody expects traps */
    bnez a0, go_on
    ld sp, CPU_RECOVER(tp)
    li a0, 0
    j trap_leave

/* Identity map of the lower half in leaves of 1 GiB: valid, all permissions, global, accessed, dirty;
 * the upper half is free for tests. */
    .data
    .balign 4096
    .globl page_table
page_table:
    .set gib, 0
    .rept 256
    .quad gib << 28 | 0xef
    .set gib, gib + 1
    .endr
    .skip 2048

/* As the first hart has them at its first instruction: x1 to x31 (x10 apart), what fresh.c names; x0: sscratch was not 0. */
    .globl boot_registers
boot_registers:
    .skip 8 * 40

    .globl boot_hart
boot_hart:
    .quad 0

    .bss
    .balign 4096
stacks:
    .skip STACK_SIZE * 8
