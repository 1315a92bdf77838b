/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The switch between hypervisor and guest. While a guest runs, sscratch holds its struct riscv_state, whose x[0] holds the hypervisor's
 * stack pointer: that tells the trap vector (vector.S) who was running. Only general registers and the program counter move here. The
 * hypervisor's code does not use gp, which keeps the guest's value meanwhile.
 */
#include <host/arch.h>
#include "arch/riscv64/guest/state.h"

#define FRAME_SIZE 128

    .text
/* struct hext_pair hext_enter(struct riscv_state *state, struct vcpu *v, struct vm_exit *exit): masked; sstatus, hstatus and the VS
 * registers are set. Returns v and exit in a0 and a1. */
    .globl hext_enter
    .type hext_enter, @function
hext_enter:
    addi    sp, sp, -FRAME_SIZE
    ld      t1, RISCV_STATE_PC(a0)
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    sd      tp, 104(sp)
    sd      a1, 112(sp)
    sd      a2, 120(sp)
    sd      sp, RISCV_STATE_X(0)(a0)
    csrw    sepc, t1
    csrw    sscratch, a0
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,10
    ld      x\n, RISCV_STATE_X(\n)(a0)
    .endr
    sret

    .globl hext_exit
    .type hext_exit, @function
/* From the trap vector: a0 = state, sscratch = the guest's a0. */
hext_exit:
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, RISCV_STATE_X(\n)(a0)
    .endr
    csrrw   t0, sscratch, zero
    csrr    t2, sepc
    ld      sp, RISCV_STATE_X(0)(a0)
    sd      t0, RISCV_STATE_X(10)(a0)
    sd      t2, RISCV_STATE_PC(a0)
    sd      zero, RISCV_STATE_X(0)(a0)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    ld      tp, 104(sp)
    ld      a0, 112(sp)
    ld      a1, 120(sp)
    addi    sp, sp, FRAME_SIZE
    ret
