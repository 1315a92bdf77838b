/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" whose instructions are executed 1, 1,000 and 7,000 times, a carry-less product 1,000 times; then it switches off. */
#include "riscv_image.inc"
begin:  li      s0, 1000
outer:  li      s1, 7
inner:  addi    s1, s1, -1
        bnez    s1, inner
        .insn   r 0x33, 1, 5, a0, a1, a2        /* clmul a0, a1, a2 */
        addi    s0, s0, -1
        bnez    s0, outer
        li      a7, 0x53525354
        li      a6, 0
        li      a0, 0
        li      a1, 0
        ecall
