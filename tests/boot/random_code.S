/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" for a mebibyte of random code right behind it: a trap goes on two bytes further, at
 * the latest at the code's beginning again. */
#define CODE 0x80300000

#include "riscv_image.inc"
trap:   csrr    t0, sepc
        addi    t0, t0, 2
        slli    t0, t0, 44
        srli    t0, t0, 44
        li      t1, CODE
        or      t0, t0, t1
        csrw    sepc, t0
        sret
begin:  lla     t0, trap
        csrw    stvec, t0
        li      t0, 0x6100      /* FS dirty, SPP: the supervisor */
        csrs    sstatus, t0
        li      sp, CODE + 0x4000
        mv      gp, sp
        mv      tp, sp
        mv      s0, sp
        mv      s1, sp
        mv      a0, sp
        mv      a5, sp
        li      t0, CODE
        jr      t0
