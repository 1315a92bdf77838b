/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A "kernel" whose first hart waits for the other one, which counts, a thousand times; in between it goes through instructions
 * that a translator does in C. Prints '.' at the end, or '!' when the count stood still while it looked at it 2^30 times
 * (SBI 2.0: chapters 9, 10 and 12).
 */
#include "riscv_image.inc"

#define COUNT 0x80400000
#define LOOKS (1 << 30)

begin:  li      s2, COUNT
        li      a7, 0x48534d                    # the other hart starts
        li      a6, 0
        mv      s11, a0
        xori    a0, s11, 1
        la      a1, other
        ecall
        bnez    a0, still
        li      s0, 1000
round:  andi    s1, s0, 63                      # another number of them each time
        addi    s1, s1, 30
leave:  fence.i
        addi    s1, s1, -1
        bnez    s1, leave
        li      s3, LOOKS
        ld      t0, 0(s2)
look:   ld      t1, 0(s2)
        bne     t0, t1, moved
        addi    s3, s3, -1
        bnez    s3, look
still:  li      a0, '!'
        j       say
moved:  addi    s0, s0, -1
        bnez    s0, round
        li      a0, '.'
say:    li      a7, 0x4442434e
        li      a6, 2
        ecall
        li      a7, 0x53525354
        li      a6, 0
        li      a0, 0
        li      a1, 0
        ecall

other:  li      s2, COUNT
        li      t0, 0
1:      addi    t0, t0, 1
        sd      t0, 0(s2)
        j       1b
