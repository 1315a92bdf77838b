/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" that adds a number for ever, which is to be found in the code that is emitted; it says so when it has begun
 * (SBI 2.0, chapter 12: debug console, write byte). */
#include "riscv_image.inc"
begin:  li      s1, 0
again:  addi    a0, a0, 1234
        bnez    s1, again
        li      s1, 1
        li      a7, 0x4442434e
        li      a6, 2
        li      a0, '!'
        ecall
        j       again
