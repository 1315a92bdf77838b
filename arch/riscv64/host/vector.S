/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The trap vector. While a guest runs, sscratch holds its struct riscv_state, and hext/world.S goes on; else it is 0. Bit 14 of the stack pointer is 1 while it
 * is inside a stack (kernel/thread.h): otherwise the CPU's emergency stack takes over, and the report says that the stack
 * overflowed.
 */
#include <host/arch.h>

    .macro SAVE_REGISTERS
    sd      ra, 8(sp)
    sd      gp, 24(sp)
    sd      tp, 32(sp)
    sd      t0, 40(sp)
    sd      t1, 48(sp)
    sd      t2, 56(sp)
    sd      s0, 64(sp)
    sd      s1, 72(sp)
    sd      a0, 80(sp)
    sd      a1, 88(sp)
    sd      a2, 96(sp)
    sd      a3, 104(sp)
    sd      a4, 112(sp)
    sd      a5, 120(sp)
    sd      a6, 128(sp)
    sd      a7, 136(sp)
    sd      s2, 144(sp)
    sd      s3, 152(sp)
    sd      s4, 160(sp)
    sd      s5, 168(sp)
    sd      s6, 176(sp)
    sd      s7, 184(sp)
    sd      s8, 192(sp)
    sd      s9, 200(sp)
    sd      s10, 208(sp)
    sd      s11, 216(sp)
    sd      t3, 224(sp)
    sd      t4, 232(sp)
    sd      t5, 240(sp)
    sd      t6, 248(sp)
    csrr    t0, sepc
    csrr    t1, sstatus
    csrr    t2, scause
    csrr    t3, stval
    sd      t0, TRAP_FRAME_SEPC(sp)
    sd      t1, TRAP_FRAME_SEPC+8(sp)
    sd      t2, TRAP_FRAME_SEPC+16(sp)
    sd      t3, TRAP_FRAME_SEPC+24(sp)
    sd      s0, TRAP_FRAME_RECORD_FP(sp)
    sd      t0, TRAP_FRAME_RECORD_RA(sp)
    addi    s0, sp, TRAP_FRAME_SIZE
    .endm

    .text
    .globl trap_vector
    .type trap_vector, @function
    .balign 4
trap_vector:
    csrrw   a0, sscratch, a0
    beqz    a0, 1f                  /* 0 unless a guest runs */
    j       hext_exit               /* farther than a branch reaches */
1:
    csrrw   a0, sscratch, t0
    addi    t0, sp, -TRAP_FRAME_SIZE
    srli    t0, t0, 14
    andi    t0, t0, 1
    beqz    t0, stack_overflow
    csrrw   t0, sscratch, zero
    addi    sp, sp, -TRAP_FRAME_SIZE
    SAVE_REGISTERS
    addi    t0, sp, TRAP_FRAME_SIZE
    sd      t0, 16(sp)
    mv      a0, sp
    call    trap_handle

    ld      t0, TRAP_FRAME_SEPC(sp)
    ld      t1, TRAP_FRAME_SEPC+8(sp)
    csrw    sepc, t0
    csrw    sstatus, t1
    ld      ra, 8(sp)
    ld      gp, 24(sp)
    /* tp stays: a thread may come back on another CPU. */
    ld      t0, 40(sp)
    ld      t1, 48(sp)
    ld      t2, 56(sp)
    ld      s0, 64(sp)
    ld      s1, 72(sp)
    ld      a0, 80(sp)
    ld      a1, 88(sp)
    ld      a2, 96(sp)
    ld      a3, 104(sp)
    ld      a4, 112(sp)
    ld      a5, 120(sp)
    ld      a6, 128(sp)
    ld      a7, 136(sp)
    ld      s2, 144(sp)
    ld      s3, 152(sp)
    ld      s4, 160(sp)
    ld      s5, 168(sp)
    ld      s6, 176(sp)
    ld      s7, 184(sp)
    ld      s8, 192(sp)
    ld      s9, 200(sp)
    ld      s10, 208(sp)
    ld      s11, 216(sp)
    ld      t3, 224(sp)
    ld      t4, 232(sp)
    ld      t5, 240(sp)
    ld      t6, 248(sp)
    addi    sp, sp, TRAP_FRAME_SIZE
    sret

stack_overflow:
    csrrw   t0, sscratch, zero
    sd      sp, CPU_OVERFLOW_SP(tp)
    ld      sp, CPU_EMERGENCY_TOP(tp)
    addi    sp, sp, -TRAP_FRAME_SIZE
    SAVE_REGISTERS
    ld      t0, CPU_OVERFLOW_SP(tp)
    sd      t0, 16(sp)
    mv      a0, sp
    call    trap_stack_overflow
1:  wfi
    j       1b
