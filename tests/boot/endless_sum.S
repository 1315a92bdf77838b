/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" that adds a number for ever, which is to be found in the code that is emitted. */
        .option norvc
        .globl _start
_start: j       begin
        .word   0
        .dword  0x200000        /* load offset */
        .dword  0x10000         /* size */
        .dword  0, 0, 0
        .ascii  "RISCV\0\0\0"
        .ascii  "RSC\x05"
        .word   0
begin:  addi    a0, a0, 1234
        j       begin
