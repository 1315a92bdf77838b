/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The switch between hypervisor and guest: the engine's run(), as far as every exit passes through it. While a guest runs, sscratch
 * holds its struct riscv_state, whose x[0] holds the hypervisor's stack pointer: that tells the trap vector (vector.S) who was running.
 * The hypervisor's code does not use gp, which keeps the guest's value meanwhile. sstatus and hstatus are written before the entry; the
 * VS registers are set (hext.c).
 */
#include <host/arch.h>
#include "arch/riscv64/guest/state.h"
#include "arch/riscv64/host/csr.h"
#include "hext.h"

#define FRAME_SIZE 128

    .text
/* void hext_run(struct vcpu *v, struct vm_exit *exit): masked. */
    .globl hext_run
    .type hext_run, @function
hext_run:
    ld      t0, HEXT_VCPU_REG_DIRTY(a0)
    bnez    t0, 2f
1:  addi    sp, sp, -FRAME_SIZE
    ld      t0, HEXT_VCPU_STATE(a0)
    ld      t1, HEXT_VCPU_ENGINE_DATA(a0)
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
    sd      a0, 112(sp)
    sd      a1, 120(sp)
    ld      t2, RISCV_STATE_PRV(t0)
    ld      t3, HEXT_HSTATUS(t1)
    ld      t4, HEXT_SSTATUS(t1)
    ld      t5, RISCV_STATE_PC(t0)
    slli    t2, t2, SSTATUS_SPP_SHIFT /* SPVP is in the same place */
    or      t3, t3, t2
    or      t4, t4, t2
    csrw    CSR_HSTATUS, t3
    csrw    sstatus, t4
    csrw    sepc, t5
    csrw    sscratch, t0
    sd      sp, RISCV_STATE_X(0)(t0)
    mv      a0, t0
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,10
    ld      x\n, RISCV_STATE_X(\n)(a0)
    .endr
    sret

    /* Something is to be written first. */
2:  addi    sp, sp, -32
    sd      ra, 0(sp)
    sd      a0, 8(sp)
    sd      a1, 16(sp)
    call    hext_prepare
    mv      t0, a0
    ld      ra, 0(sp)
    ld      a0, 8(sp)
    ld      a1, 16(sp)
    addi    sp, sp, 32
    bnez    t0, 1b
    ret

    .globl hext_exit
    .type hext_exit, @function
/* From the trap vector: a0 = state, sscratch = the guest's a0. */
hext_exit:
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, RISCV_STATE_X(\n)(a0)
    .endr
    csrrw   t0, sscratch, zero
    csrr    t1, sepc
    csrr    t2, sstatus
    csrr    a2, scause
    ld      sp, RISCV_STATE_X(0)(a0)
    sd      t0, RISCV_STATE_X(10)(a0)
    sd      t1, RISCV_STATE_PC(a0)
    sd      zero, RISCV_STATE_X(0)(a0)
    srli    t0, t2, SSTATUS_SPP_SHIFT
    andi    t0, t0, 1
    sd      t0, RISCV_STATE_PRV(a0)
    andi    t2, t2, ~(1 << SSTATUS_SPP_SHIFT)
    ld      a0, 112(sp)
    ld      a1, 120(sp)
    ld      t1, HEXT_VCPU_ENGINE_DATA(a0)
    li      t0, HEXT_ALWAYS_VALID
    sd      t2, HEXT_SSTATUS(t1)
    sd      t0, HEXT_VCPU_REG_VALID(a0)
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
    addi    sp, sp, FRAME_SIZE
    li      t0, CAUSE_ECALL_VS
    bne     a2, t0, 1f
    li      t0, HEXT_EXIT_HYPERCALL
    sw      t0, HEXT_EXIT_KIND(a1)
    ret
1:  tail    hext_trapped            /* (v, exit, cause) */
